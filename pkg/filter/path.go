package filter

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// maxPath is how many names a path may have; records have no more levels.
const maxPath = 100

// ParsePath reads where a field is: a.b.c through maps in maps, ["a.b"].c for names with dots or
// other characters, as after {record.…} in an event.Template. Errors name the position, in bytes
// from 1.
func ParsePath(text string) ([]string, error) {
	var path []string
	for i := 0; i < len(text) || len(path) == 0; {
		if i < len(text) && text[i] == '[' {
			quoted, err := strconv.QuotedPrefix(text[i+1:])
			if err != nil {
				return nil, pathError(text, i+1, `a name in quotes should follow '[' (write ["a.b"])`)
			}
			// QuotedPrefix has checked it.
			name, _ := strconv.Unquote(quoted)
			i += 1 + len(quoted)
			if i == len(text) || text[i] != ']' {
				return nil, pathError(text, i, "']' should follow the name")
			}
			path = append(path, name)
			i++
		} else {
			if len(path) > 0 {
				if text[i] != '.' {
					return nil, pathError(text, i, "'.' or '[' should follow a name")
				}
				i++
			}
			name := text[i:]
			if n := strings.IndexFunc(name, notInName); n >= 0 {
				name = name[:n]
			}
			if name == "" {
				return nil, pathError(text, i, `a field's name is missing (write a.b, or ["a.b"] for a name with dots)`)
			}
			path = append(path, name)
			i += len(name)
		}
		if len(path) > maxPath {
			return nil, fmt.Errorf("field %.40q…: a path has at most %d names", text, maxPath)
		}
	}
	return path, nil
}

// notInName reports which characters end a name that is not in quotes.
func notInName(r rune) bool {
	return strings.ContainsRune(".[]{}|\"", r) || unicode.IsSpace(r)
}

func pathError(text string, at int, problem string) error {
	return fmt.Errorf("field %q: position %d: %s", text, at+1, problem)
}
