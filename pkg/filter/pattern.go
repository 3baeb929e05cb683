package filter

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

// CheckPattern reports at key what can't work or is hardly meant in a regular expression that people bring
// along from fluentd and Fluent Bit, whose dialects are Ruby's and Onigmo's, and says what to write.
func CheckPattern(r *setting.Report, key, text string) {
	if _, err := CompilePattern(text); err != nil {
		r.Add(key, "the syntax is https://golang.org/s/re2syntax, differences to Ruby's are in docs/filters.md", "%v",
			err)
		return
	}
	for _, w := range doubts(text) {
		r.Warn(key, w.hint, "%s", w.reason)
	}
}

// CompilePattern compiles a regular expression. The error says what to write instead of what other dialects
// have, and is also for one in slashes that can't match anything.
func CompilePattern(text string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(text)
	inner, flags, slashes := inSlashes(text)
	switch {
	case slashes && (err != nil || anchored(inner)):
		return nil, fmt.Errorf("%.200q stands in slashes, which would be part of it (write %.200q)", text,
			withFlags(inner, flags))
	case err != nil:
		if hint := foreign(text); hint != "" {
			return nil, fmt.Errorf("%w: %s", err, hint)
		}
		return nil, err
	}
	return re, nil
}

// inSlashes cuts the slashes around /…/im.
func inSlashes(text string) (inner, flags string, ok bool) {
	end := strings.LastIndexByte(text, '/')
	if end < 2 || text[0] != '/' || strings.Trim(text[end+1:], "imxounse") != "" || text[end-1] == '\\' {
		return "", "", false
	}
	return text[1:end], text[end+1:], true
}

// anchored reports whether something must stand before the text, or behind it.
func anchored(inner string) bool {
	dollar := strings.HasSuffix(inner, "$") && !strings.HasSuffix(inner, `\$`)
	return dollar || strings.HasPrefix(inner, "^") || strings.HasPrefix(inner, `\A`) ||
		strings.HasSuffix(inner, `\z`) || strings.HasSuffix(inner, `\Z`)
}

// withFlags returns the pattern as it is written here.
func withFlags(inner, flags string) string {
	own := ""
	if strings.Contains(flags, "i") {
		own += "i"
	}
	if strings.Contains(flags, "m") {
		own += "s"
	}
	if own != "" {
		inner = "(?" + own + ")" + inner
	}
	return inner
}

// foreign says what to write for what RE2 does not have.
func foreign(text string) string {
	for _, f := range [...]struct{ part, hint string }{
		{`(?=`, lookAround},
		{`(?!`, lookAround},
		{`(?<=`, lookAround},
		{`(?<!`, lookAround},
		{`(?>`, "leave (?> ) out: nothing here goes back to try another way"},
		{`(?#`, "leave the comment out"},
		{`(?(`, "there are no conditions: write both ways with |"},
		{`(?~`, "there is no absent operator"},
		{`(?'`, "write (?<name>…) for (?'name'…)"},
		{`(?x`, "leave out the flag x and the blanks that it allows"},
	} {
		if hasUnescaped(text, f.part) {
			return f.hint
		}
	}
	if class := regexp.MustCompile(
		`\\p\{\^?(?i:alnum|alpha|blank|cntrl|digit|graph|lower|print|punct|space|upper|word|xdigit)\}`,
	).FindString(text); class != "" {
		return fmt.Sprintf("write [[:alpha:]] and the like for Ruby's %s, or \\p{L}, \\p{N} for any alphabet", class)
	}
	for i := 0; i+1 < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
			if hint := escapeHint(text[i]); hint != "" {
				return hint
			}
		case strings.IndexByte("*+?}", c) >= 0 && text[i+1] == '+':
			return fmt.Sprintf("leave the second sign of %q out: nothing here goes back to try another way",
				text[i:i+2])
		}
	}
	return ""
}

const lookAround = "there is no look-around: match what is around too and put what is wanted in a group, or leave it " +
	"to a second step"

func escapeHint(c byte) string {
	switch c {
	case 'h':
		return `write [0-9a-fA-F] for Ruby's \h`
	case 'H':
		return `write [^0-9a-fA-F] for Ruby's \H`
	case 'Z':
		return `write $ for \Z: the last line end is no part of what is matched`
	case 'R':
		return `write (?:\r\n|\n|\r) for \R`
	case 'X':
		return `write . for \X`
	case 'e':
		return `write \x1b for \e`
	case 'u':
		return `write \x{00e9} for \u00e9`
	case 'K', 'G':
		return `there is no \` + string(c) + `: put what is wanted in a group`
	case '1', '2', '3', '4', '5', '6', '7', '8', '9', 'k', 'g':
		return "there are no references to groups"
	}
	return ""
}

// hasUnescaped reports whether part is in text, not after a backslash.
func hasUnescaped(text, part string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' {
			i++
		} else if strings.HasPrefix(text[i:], part) {
			return true
		}
	}
	return false
}

// doubt is about what is allowed but hardly meant.
type doubt struct{ reason, hint string }

// doubts returns what is hardly meant in a pattern that compiles.
func doubts(text string) (all []doubt) {
	if inner, flags, ok := inSlashes(text); ok {
		all = append(all, doubt{
			"the slashes around the expression are part of what it matches",
			fmt.Sprintf("write %.200q, or %.200q if they are meant", withFlags(inner, flags), "[/]"+text[1:]),
		})
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return all
	}
	if regexp.MustCompile(`(?:^|[^\\])\(\?[a-zA-Z]*m[a-zA-Z]*[:)-]`).MatchString(text) {
		all = append(all, doubt{
			"(?m) has ^ and $ match at every line; that . matches line feeds too, which it means in Ruby, is (?s)",
			"write (?s), or [^\\n] and the like where lines are meant",
		})
	}
	if regexp.MustCompile(`\[[^\]]*&&`).MatchString(text) {
		all = append(all, doubt{
			"&& in a class stands for the character &: there is no intersection", "write the class out",
		})
	}
	if needsLineEnd(tree) {
		all = append(all, doubt{
			"it can't match at the end of a text, which is matched without its last line end",
			`leave \n out, or write \n?$`,
		})
	}
	return all
}

// needsLineEnd reports whether what re matches ends in a line feed.
func needsLineEnd(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral:
		return re.Rune[len(re.Rune)-1] == '\n'
	case syntax.OpCharClass:
		for i := 0; i < len(re.Rune); i += 2 {
			for c := re.Rune[i]; c <= re.Rune[i+1]; c++ {
				if c != '\n' && c != '\r' {
					return false
				}
			}
		}
		return len(re.Rune) > 0
	case syntax.OpCapture, syntax.OpPlus:
		return needsLineEnd(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min > 0 && needsLineEnd(re.Sub[0])
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if !needsLineEnd(sub) {
				return false
			}
		}
		return true
	case syntax.OpConcat:
		last := len(re.Sub) - 1
		for last > 0 && (re.Sub[last].Op == syntax.OpEndText || re.Sub[last].Op == syntax.OpEndLine) {
			last--
		}
		return needsLineEnd(re.Sub[last])
	default:
		return false
	}
}
