package config

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// syntax reports an error of the YAML parser, which tells the line in its text, with what is most likely wrong.
func (r *reader) syntax(err error, data []byte) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if m := regexp.MustCompile(`^line (\d+): (?s:(.*))$`).FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = m[2]
	}
	// The parser counts the lines of what it could read from 0, and of characters from 1.
	if regexp.MustCompile(`^did not find expected (key|'-'|',' or|node content|<)`).MatchString(text) {
		line++
	}
	lines := strings.Split(string(data), "\n")
	line, text, hint := explain(line, text, lines)
	r.add(r.at(line, 0), "", hint, "not valid YAML: "+text)
}

// explain returns where an error of the parser most likely is, what it is, and what to do.
func explain(line int, text string, lines []string) (at int, reason, hint string) {
	first := func(found func(line string) bool) int { return 1 + slices.IndexFunc(lines, found) }
	opens, quote := openQuote(lines)
	switch brace, what := bareBrace(lines); {
	case strings.HasPrefix(text, "unknown anchor '"):
		name, _, _ := strings.Cut(strings.TrimPrefix(text, "unknown anchor '"), "'")
		line = first(func(l string) bool { return strings.Contains(l, "*"+name) })
		// It may be a secret that begins with *.
		return line, "no anchor has the name behind the * here",
			`put a text that begins with * in quotes, as in match: "**"`
	case strings.Contains(text, "UTF-8"):
		return first(func(l string) bool { return !utf8.ValidString(l) }), text, "save the file as UTF-8"
	case strings.Contains(text, "incompatible YAML document"):
		return line, text, "remove the line %YAML, or write 1.1"
	case unseen(lines) > 0:
		return unseen(lines), text, "a space in this line is another character that only looks like one: write it again"
	case tabbed(lines, line) > 0:
		return tabbed(lines, line), text, "YAML is indented with spaces, not tabs"
	case opens > 0:
		return opens, "the quote " + quote + " that opens here is not closed in its line",
			"close it; a " + quote + " inside such a text is written " + map[string]string{`"`: `\"`, "'": "''"}[quote]
	case brace > 0 && strings.HasPrefix(text, "did not find expected"):
		return brace, "a text with " + what + " is not in quotes: " + text,
			"put the whole text in quotes, as in " + map[string]string{
				"${": `"${env:NAME}"`, "{": `"{a,b}.**" or "logs-{cluster}"`,
			}[what]
	}
	if at, character := special(lines, line); character != "" {
		return at, "a text that begins with " + character + " means something else here: " + text,
			fmt.Sprintf(`put a text that begins with %s in quotes, as in match: "**"`, character)
	}
	line, hint = likely(text, lines, line)
	return line, text, hint
}

// unseen returns the first line that has a space which is none to YAML, or a character that can't be seen, outside of
// quotes, 0 for none.
func unseen(lines []string) int {
	return 1 + slices.IndexFunc(lines, func(line string) bool {
		line = strings.TrimPrefix(unquoted(line), "\ufeff")
		return strings.ContainsAny(line, "\u00a0\u202f\u3000\u200b\u200c\u200d\ufeff\u2060")
	})
}

// tabbed returns the line nearest to the one that the parser stopped at which is indented with a tab, 0 for none.
func tabbed(lines []string, line int) int {
	for _, at := range []int{line, line + 1} {
		if at > 0 && at <= len(lines) && strings.HasPrefix(strings.TrimLeft(lines[at-1], " "), "\t") {
			return at
		}
	}
	return 0
}

// bareBrace returns the first line in which a text without quotes has a brace that YAML takes for the begin of a
// mapping, or for its end, and how it is written: ${ or {.
func bareBrace(lines []string) (line int, what string) {
	// Within braces or brackets, a brace anywhere; elsewhere one that begins a text which goes on behind it.
	inner := regexp.MustCompile(`[{\[](?:.*[:,\[{])?\s*(?:[^"'\s,\[\]{}#:]|:\S)(?:[^"',\[\]{}:]|:\S)*\{`)
	begin := regexp.MustCompile(`^[\s\-]*[\w.]+:\s+\{[^}"']*\}[^\s,}\]]`)
	depth := 0
	for i, text := range lines {
		text = unquoted(text)
		within := text
		if depth > 0 {
			within = "{ " + text
		}
		if begin.MatchString(text) || inner.MatchString(within) {
			if strings.Contains(text, "${") {
				return i + 1, "${"
			}
			return i + 1, "{"
		}
		depth += brackets(text)
	}
	return 0, ""
}

// unquoted returns a line with what stands in quotes, and behind #, left out.
func unquoted(line string) string {
	line = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'[^']*'`).ReplaceAllString(line, `""`)
	return regexp.MustCompile(`(^|\s)#.*`).ReplaceAllString(line, "")
}

// misaligned returns the first line that begins in a column in which nothing around it does, 0 for none. What goes on
// from the line before, as a long text or a list in brackets does, is not looked at.
func misaligned(lines []string) int {
	var columns []int
	depth, block := 0, -1
	for i, text := range lines {
		bare := unquoted(text)
		rest := strings.TrimLeft(bare, " ")
		column := len(bare) - len(rest)
		if strings.TrimSpace(rest) == "" || depth > 0 || block >= 0 && column > block {
			depth += brackets(bare)
			continue
		}
		block = -1
		for len(columns) > 0 && columns[len(columns)-1] > column {
			columns = columns[:len(columns)-1]
			if len(columns) == 0 || columns[len(columns)-1] < column {
				return i + 1
			}
		}
		if len(columns) > 0 && columns[len(columns)-1] < column && !opensBlock(lines[:i]) {
			return i + 1
		}
		for {
			columns = append(columns, column)
			after, item := strings.CutPrefix(rest, "-")
			if !item || !strings.HasPrefix(after, " ") {
				break
			}
			trimmed := strings.TrimLeft(after, " ")
			column, rest = column+len(rest)-len(trimmed), trimmed
		}
		if depth = brackets(bare); regexp.MustCompile(`[|>][-+0-9]*\s*$`).MatchString(bare) {
			block = columns[len(columns)-1]
		}
	}
	return 0
}

// openBracket returns the line of the bracket that is not closed before a line that begins with a key in the first
// column, 0 where all are.
func openBracket(lines []string) (line int) {
	key := regexp.MustCompile(`^[a-z_]+:(\s|$)`)
	depth := 0
	for i, text := range lines {
		text = unquoted(text)
		if depth > 0 && key.MatchString(text) {
			return line
		}
		if depth <= 0 {
			line = i + 1
		}
		depth = max(0, depth) + brackets(text)
	}
	if depth > 0 {
		return line
	}
	return 0
}

// brackets returns how many more brackets a line opens than it closes.
func brackets(line string) (depth int) {
	return strings.Count(line, "{") + strings.Count(line, "[") - strings.Count(line, "}") - strings.Count(line, "]")
}

// opensBlock reports whether what follows these lines may be indented further than their last one.
func opensBlock(lines []string) bool {
	for _, text := range slices.Backward(lines) {
		if text = strings.TrimSpace(unquoted(text)); text != "" {
			return strings.HasSuffix(text, ":") || strings.HasSuffix(text, "-") || !strings.Contains(text, ":") ||
				regexp.MustCompile(`:\s*[&!]\S+$`).MatchString(text)
		}
	}
	return true
}

// likely returns what is most likely meant by an error of the parser, and the line that it is about.
func likely(text string, lines []string, line int) (at int, hint string) {
	switch {
	case strings.HasPrefix(text, "mapping values are not allowed"):
		colons := regexp.MustCompile(`^[\s\-]*[\w.]+:\s+[^"'{\[#|>\s][^#]*:(\s|$)`)
		if i := slices.IndexFunc(lines, colons.MatchString); i >= 0 {
			line = i + 1
		}
		return line, "put a text with a colon and a space in quotes; or indent what follows like what it belongs to"
	case strings.HasPrefix(text, "did not find expected") && endedQuote(lines) > 0:
		return endedQuote(lines), `a text in quotes ends before its line does: a ' inside is written '', a " is \"`
	case strings.HasPrefix(text, "did not find expected ',' or"):
		if at := openBracket(lines); at > 0 {
			line = at
		}
		return line, "close the { or [ that opens in this line or before it"
	case strings.HasPrefix(text, "did not find expected"):
		if at := misaligned(lines); at > 0 {
			line = at
		}
		return line, "begin what belongs together in the same column, and close each { and [ once"
	}
	return line, ""
}

// otherProgram returns the name of the program whose own format data has, "" where it may be YAML.
func otherProgram(data []byte) string {
	first := ""
	for line := range strings.Lines(string(data)) {
		if first = strings.TrimSpace(line); first != "" && first[0] != '#' {
			break
		}
	}
	switch {
	case regexp.MustCompile(`^<(source|match|filter|label|system|worker)\b|^@include\b`).MatchString(first):
		return "fluentd"
	case regexp.MustCompile(`^\[(?i:service|input|output|filter|parser|custom|multiline_parser)\]`).MatchString(first):
		return "Fluent Bit"
	}
	return ""
}

const convertHint = "aggregator convert makes one of aggregator's of it: docs/convert.md"

// otherSections says what a file is whose sections are another program's, and what to do, "" where it may be one of
// this program's with mistakes.
func otherSections(root *node) (what, hint string) {
	if root == nil {
		return "", ""
	}
	has := func(keys ...string) bool {
		return !slices.ContainsFunc(keys, func(key string) bool {
			return !slices.ContainsFunc(root.entries, func(e entry) bool { return e.key == key })
		})
	}
	const migrate = "write one of aggregator's: docs/migrate/outputs.md has what is called what"
	switch {
	case has("apiVersion", "kind"):
		return "a Kubernetes object", "-c takes the file that stands in the data of a ConfigMap or Secret, by itself"
	case has("listeners"), has("outputs"), has("routes"), has("buffer"):
		return "", ""
	case has("pipeline"):
		return "a configuration of Fluent Bit", convertHint
	case has("config"):
		return "a configuration of fluentd", convertHint
	case has("sinks"):
		return "a configuration of Vector", migrate
	case has("receivers"), has("exporters"):
		return "a configuration of the OpenTelemetry Collector", migrate
	}
	return "", ""
}

// oddCharacter names a character with which a text or key begins or ends that only looks like a space or a quote, as
// texts that were copied from a page have, "" for none.
func oddCharacter(text string) string {
	first, _ := utf8.DecodeRuneInString(text)
	last, _ := utf8.DecodeLastRuneInString(text)
	for _, char := range []rune{first, last} {
		switch char {
		case '\u00a0', '\u202f', '\u3000':
			return fmt.Sprintf("a space that is none to YAML (%U)", char)
		case '\u200b', '\u200c', '\u200d', '\ufeff', '\u2060':
			return fmt.Sprintf("a character that can't be seen (%U)", char)
		case '“', '”', '„', '‘', '’':
			return fmt.Sprintf("%c, which is no quote to YAML", char)
		case '–', '—', '•':
			return fmt.Sprintf("%c, which is no - to YAML", char)
		}
	}
	return ""
}

// utf16 reports whether data is text of two bytes a character, without the mark that would say so.
func utf16(data []byte) bool {
	return len(data) >= 4 &&
		(data[0] == 0 && data[2] == 0 && data[1] != 0 || data[1] == 0 && data[3] == 0 && data[0] != 0) &&
		bytes.Count(data, []byte{0})*3 > len(data)
}

// opening is a quote where a text can begin.
func opening() *regexp.Regexp { return regexp.MustCompile(`(?:^|[:\-,\[{]\s*)(["'])`) }

// openQuote returns the line, from 1, of the first quoted text that is not closed in it, with the quote; 0: there is
// none.
func openQuote(lines []string) (line int, quote string) {
	begins := opening()
	for i, text := range lines {
		for rest := strings.TrimSpace(text); rest != "" && rest[0] != '#'; {
			at := begins.FindStringSubmatchIndex(rest)
			if comment := strings.Index(rest, " #"); at == nil || comment >= 0 && comment < at[2] {
				break
			}
			quote, rest = rest[at[2]:at[3]], rest[at[3]:]
			end := closing(rest, quote[0])
			if end < 0 {
				return i + 1, quote
			}
			rest = rest[end+1:]
		}
	}
	return 0, ""
}

// endedQuote returns the line, from 1, of the first text in quotes that something follows, as in 'Kim's host'; 0: there
// is none.
func endedQuote(lines []string) int {
	goesOn := regexp.MustCompile(`(?:^|[:\-,\[{]\s+)(?:'[^']*'|"[^"\\]*")[^\s,\]}:'#]`)
	return 1 + slices.IndexFunc(lines, goesOn.MatchString)
}

// closing returns where the quote ends the text that begins with s, -1 where it does not.
func closing(s string, quote byte) int {
	for i := 0; i < len(s); i++ {
		switch {
		case quote == '"' && s[i] == '\\', quote == '\'' && strings.HasPrefix(s[i:], "''"):
			i++
		case s[i] == quote:
			return i
		}
	}
	return -1
}

// special returns the line nearest to the one that the parser stopped at, or before it, in which a value begins with a
// character that YAML takes for something else, and that character.
func special(lines []string, line int) (at int, first string) {
	value := regexp.MustCompile(`(?:^|[:\-,\[]\s+|\[)(?:([*%@&!` + "`" + `]|[|>][^\s0-9+-])|({)[^}]*}[^\s,}\]])`)
	near := []int{line, line + 1, line - 1}
	if line < 1 {
		// The parser did not say.
		near = nil
		for i := range lines {
			near = append(near, i+1)
		}
	}
	for _, at := range near {
		if at < 1 || at > len(lines) {
			continue
		}
		if m := value.FindStringSubmatch(strings.TrimSpace(lines[at-1])); m != nil {
			return at, (m[1] + m[2])[:1]
		}
	}
	return line, ""
}
