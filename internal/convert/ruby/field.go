package ruby

import (
	"strconv"
	"strings"
)

// Path writes names as the path of a field: a.b, ["a.b"].c.
func Path(names []string) string {
	var b strings.Builder
	for i, n := range names {
		switch {
		case n == "" || strings.ContainsAny(n, ".[]{}|\" \t\n\r") || strings.ContainsFunc(n,
			func(r rune) bool { return r > 0x7e }):
			b.WriteString("[" + strconv.Quote(n) + "]")
		case i > 0:
			b.WriteString("." + n)
		default:
			b.WriteString(n)
		}
	}
	return b.String()
}

// Field returns a field as an expression has it: record.a["b-c"]. What may be missing on the way is no error.
func Field(names []string) string {
	var b strings.Builder
	b.WriteString("record")
	for i, n := range names {
		plain := n != "" && (n[0] < '0' || n[0] > '9') && wordLength(n) == len(n)
		switch {
		case plain && i > 0:
			b.WriteString("?." + n)
		case plain:
			b.WriteString("." + n)
		case i > 0:
			b.WriteString("?.[" + strconv.Quote(n) + "]")
		default:
			b.WriteString("[" + strconv.Quote(n) + "]")
		}
	}
	return b.String()
}

func field(names []string) node {
	return node{code: Field(names), whole: true, path: names, maybe: true}
}

// Placeholder returns a field as outputs' names have it: {record.a.b}, {record["a.b"]}.
func Placeholder(names []string) string { return PlaceholderOf(Path(names)) }

// PlaceholderOf returns the placeholder of a path, which may have |text behind it for events without the field.
func PlaceholderOf(path string) string {
	if !strings.HasPrefix(path, "[") {
		path = "." + path
	}
	return "{record" + path + "}"
}
