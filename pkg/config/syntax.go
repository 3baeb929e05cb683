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
	lines := strings.Split(string(data), "\n")
	var hint string
	switch opens, quote := openQuote(lines); {
	case strings.HasPrefix(text, "unknown anchor '"):
		name, _, _ := strings.Cut(strings.TrimPrefix(text, "unknown anchor '"), "'")
		line = 1 + slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "*"+name) })
		hint = `put a text that begins with * in quotes, as in match: "**"`
	case strings.Contains(text, "UTF-8"):
		line = 1 + slices.IndexFunc(lines, func(l string) bool { return !utf8.ValidString(l) })
		hint = "save the file as UTF-8"
	case line > 0 && line <= len(lines) && strings.HasPrefix(strings.TrimLeft(lines[line-1], " "), "\t"):
		hint = "YAML is indented with spaces, not tabs"
	case opens > 0:
		line, text = opens, "the quote "+quote+" that opens here is not closed in its line"
		hint = "close it; a " + quote + " inside such a text is written " + map[string]string{
			`"`: `\"`, "'": "''",
		}[quote]
	default:
		if at, first := special(lines, line); first != "" {
			line, text = at, "a text that begins with "+first+" means something else here: "+text
			hint = fmt.Sprintf(`put a text that begins with %s in quotes, as in match: "**"`, first)
			break
		}
		at, likely := likely(text, lines, line)
		line, hint = at, likely
	}
	r.add(r.at(line, 0), "", hint, "not valid YAML: "+text)
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
		return line, "close the { or [ that opens in this line or before it"
	case strings.HasPrefix(text, "did not find expected"):
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
	value := regexp.MustCompile(`(?:^|[:\-,\[]\s+|\[)(?:([*%@&!` + "`" + `|>])|({)[^}]*}[^\s,}\]])`)
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
			return at, m[1] + m[2]
		}
	}
	return line, ""
}
