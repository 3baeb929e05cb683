package bulkreply

import (
	"regexp"
	"strings"
	"sync"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
)

// maxFact bounds what is shown of a field's name, in bytes.
const maxFact = 200

// fact is what a reason tells that is not of an event's values.
type fact struct {
	// words is what such a reason has: looked for first, since nearly all have none.
	words string
	find  *regexp.Regexp
}

// known are the facts in Elasticsearch's reasons: the field that could not be indexed and its types, blocks, limits,
// what does not exist. What stands for a name must begin the reason, since a value may hold the same words.
//
//nolint:gochecknoglobals // a table, never written
var known = sync.OnceValue(func() []fact {
	const at = `^(?:\[\d+:\d+\] )?`
	return []fact{
		{"failed to parse field [", regexp.MustCompile(at + `failed to parse (field \[[^\[\]]*\] of type \[\w+\])`)},
		{"object mapping for [", regexp.MustCompile(at + `object mapping for (\[[^\[\]]*\])`)},
		{
			"cannot be changed from type [",
			regexp.MustCompile(`^mapper (\[[^\[\]]*\] cannot be changed from type \[\w+\] to \[\w+\])`),
		},
		{"blocked by: [", regexp.MustCompile(`(blocked by: \[[A-Z_]+/\d+/[\w /()-]*\])`)},
		{"imit of ", regexp.MustCompile(`^([Ll]imit of (?:total|mapping) \w+ \[\d+\])`)},
		{"shards open", regexp.MustCompile(`(\[\d+\]/\[\d+\] maximum [\w ]*shards open)`)},
		{"does not exist", regexp.MustCompile(`^(pipeline with id \[[^\[\]]*\] does not exist)`)},
		{"no such index [", regexp.MustCompile(`^(no such index \[[^\[\]]*\])`)},
	}
})

// facts returns what of a reason everybody may see, "" for nothing.
func facts(reason string) string {
	for _, k := range known() {
		if !strings.Contains(reason, k.words) {
			continue
		}
		if m := k.find.FindStringSubmatch(reason); m != nil {
			return safetext.Line(safetext.Clip(m[1], maxFact), ' ')
		}
	}
	return ""
}
