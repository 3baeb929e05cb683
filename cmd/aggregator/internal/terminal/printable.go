package terminal

import (
	"io"
	"maps"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
)

// Clients and destinations choose what stands in tags, hostnames, certificates and replies, and so in the
// log and in errors. What is no letter must reach no terminal: it could rewrite what is on it, or make one
// line look like two. JSON leaves some of it as it is: U+007F to U+009F, U+2028, marks that turn text around.

// jsonWriter writes lines of JSON with escapes in place of hidden characters, which are in strings: the
// JSON says the same.
type jsonWriter struct{ to io.Writer }

// PrintableJSON returns a printableJSON to w.
func PrintableJSON(w io.Writer) io.Writer { return jsonWriter{w} }

// Write satisfies io.Writer.
func (w jsonWriter) Write(line []byte) (int, error) {
	if _, err := w.to.Write(safetext.Escaped(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// printableFields does the same to a line of the log before it is written for people.
func printableFields(line map[string]any) error {
	for key, v := range maps.Clone(line) {
		delete(line, key)
		line[printableText(key)] = printableValue(v)
	}
	return nil
}

func printableText(text string) string {
	return strings.ReplaceAll(string(safetext.Escaped([]byte(text))), "\n", `\n`)
}

func printableValue(v any) any {
	switch v := v.(type) {
	case string:
		return printableText(v)
	case []any:
		for i := range v {
			v[i] = printableValue(v[i])
		}
	case map[string]any:
		// Always nil.
		_ = printableFields(v)
	}
	return v
}
