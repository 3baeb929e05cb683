package ruby

import (
	"fmt"
	"strings"
)

// kind is what a token is.
type kind uint8

const (
	endOfCode kind = iota
	// name may have ? or ! at its end.
	name
	number
	// text is a text in single quotes, or in double ones without #{…}.
	text
	// mixed is a text in double quotes with #{…}; pieces has it.
	mixed
	// pattern is /…/flags.
	pattern
	// symbol is :name.
	symbol
	operator
)

type token struct {
	kind   kind
	text   string
	pieces []piece
	// spaced reports whether white space stands before it.
	spaced bool
}

// piece is literal text, or code.
type piece struct{ text, code string }

// errUnknown is what an expression has that this package does not know.
type errUnknown struct{ what string }

func (e *errUnknown) Error() string { return e.what }

func unknown(format string, args ...any) error { return &errUnknown{fmt.Sprintf(format, args...)} }

// maxCode bounds what is looked at; longer code is a program.
const maxCode = 4096

// lex cuts code into tokens.
func lex(code string) (all []token, err error) {
	if len(code) > maxCode {
		return nil, unknown("Ruby of more than %d bytes", maxCode)
	}
	for i := 0; i < len(code); {
		c := code[i]
		if c == ' ' || c == '\t' || c == '\n' || c == '\r' {
			i++
			continue
		}
		t := token{spaced: i > 0 && strings.IndexByte(" \t\n\r", code[i-1]) >= 0}
		var n int
		switch {
		case c == '"' || c == '\'' || c == '`':
			n, err = t.quoted(code[i:])
		case c == '/' && wantsOperand(all, t.spaced, code[i:]):
			n, err = t.regexp(code[i:])
		case c == ':' && i+1 < len(code) && isWord(code[i+1]) && !strings.HasPrefix(code[i:], "::") &&
			wantsOperand(all, t.spaced, ""):
			n = 1 + wordLength(code[i+1:])
			t.kind, t.text = symbol, code[i+1:i+n]
		case c >= '0' && c <= '9':
			n = numberLength(code[i:])
			t.kind, t.text = number, strings.ReplaceAll(code[i:i+n], "_", "")
		case isWord(c):
			n = wordLength(code[i:])
			if i+n < len(code) && (code[i+n] == '?' || code[i+n] == '!') && !strings.HasPrefix(code[i+n:], "!=") &&
				methodEnd(code[i+n:]) {
				n++
			}
			t.kind, t.text = name, code[i:i+n]
		default:
			n = operatorLength(code[i:])
			t.kind, t.text = operator, code[i:i+n]
		}
		if err != nil {
			return nil, err
		}
		all = append(all, t)
		i += n
	}
	return append(all, token{kind: endOfCode}), nil
}

// methodEnd reports whether ? or ! belongs to the name before it, rather than to a ternary, whose sign stands between
// blanks as a rule: a ? b : c. In a.nil? ? b : c another one follows.
func methodEnd(rest string) bool {
	if rest[0] == '!' || len(rest) == 1 {
		return rest[0] == '?' || len(rest) > 1 && rest[1] != '='
	}
	return rest[1] != ' ' || !strings.Contains(rest, ":") || strings.HasPrefix(strings.TrimSpace(rest[1:]), "?") ||
		strings.HasPrefix(strings.TrimSpace(rest[1:]), "&&") || strings.HasPrefix(strings.TrimSpace(rest[1:]), "||")
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func wordLength(s string) (n int) {
	for n < len(s) && isWord(s[n]) {
		n++
	}
	return n
}

func numberLength(s string) (n int) {
	for n < len(s) &&
		(s[n] >= '0' && s[n] <= '9' || s[n] == '_' || s[n] == '.' && n+1 < len(s) && s[n+1] >= '0' && s[n+1] <= '9') {
		n++
	}
	return n
}

func operatorLength(s string) int {
	for _, op := range [...]string{
		"<=>", "===", "...", "**", "==", "!=", ">=", "<=", "&&", "||", "=~", "!~", "=>", "&.", "::", "..",
	} {
		if strings.HasPrefix(s, op) {
			return len(op)
		}
	}
	return 1
}

// wantsOperand reports whether a value should follow, so that / begins a pattern and : a symbol.
func wantsOperand(before []token, spaced bool, rest string) bool {
	if len(before) == 0 {
		return true
	}
	switch last := before[len(before)-1]; last.kind {
	case operator:
		return last.text != ")" && last.text != "]" && last.text != "}"
	case name:
		return spaced && len(rest) > 1 && rest[1] != ' ' || last.text == "if" || last.text == "unless" ||
			last.text == "and" || last.text == "or" || last.text == "not"
	default:
		return false
	}
}

// quoted reads a text and returns how long it is with its quotes.
func (t *token) quoted(s string) (int, error) {
	quote := s[0]
	if quote == '`' {
		return 0, unknown("a command in backquotes")
	}
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			t.pieces = append(t.pieces, piece{text: b.String()})
			b.Reset()
		}
	}
	t.kind = text
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == quote:
			if t.kind == text {
				t.text = b.String()
			} else {
				flush()
			}
			return i + 1, nil
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteString(unescape(s[i], quote))
		case c == '#' && quote == '"' && i+1 < len(s) && s[i+1] == '{':
			end := closing(s[i+2:])
			if end < 0 {
				return 0, unknown("#{ without }")
			}
			flush()
			t.kind = mixed
			t.pieces = append(t.pieces, piece{code: s[i+2 : i+2+end]})
			i += 2 + end
		default:
			b.WriteByte(c)
		}
	}
	return 0, unknown("a text without its end")
}

// closing returns where the brace that is open already ends.
func closing(s string) int {
	depth := 1
	for i := range len(s) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

func unescape(c, quote byte) string {
	if quote == '\'' {
		if c == '\'' || c == '\\' {
			return string(c)
		}
		return `\` + string(c)
	}
	if i := strings.IndexByte("nrtfes", c); i >= 0 {
		return [...]string{"\n", "\r", "\t", "\f", "\x1b", " "}[i]
	}
	return string(c)
}

// regexp reads /…/flags.
func (t *token) regexp(s string) (int, error) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '#':
			if i+1 < len(s) && s[i+1] == '{' {
				return 0, unknown("a regular expression with #{…}")
			}
		case '/':
			n := i + 1
			for n < len(s) && strings.IndexByte("imxounse", s[n]) >= 0 {
				n++
			}
			t.kind, t.text = pattern, s[:n]
			return n, nil
		}
	}
	return 0, unknown("a regular expression without its end")
}
