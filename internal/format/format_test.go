package format

import (
	"errors"
	"strings"
	"testing"
)

// What is written begins with the numbers, and is read by the program that wrote it.
func TestAppend(t *testing.T) {
	for _, f := range []Format{
		{Name: "first", Number: 1, Since: 1, Alone: 1}, {Name: "third", Number: 3, Since: 1, Alone: 2},
	} {
		number, rest, err := f.Cut(append(f.Append(nil), "rest"...))
		if number != f.Number || string(rest) != "rest" || err != nil {
			t.Errorf("%s: number %d, rest %q, %v", f.Name, number, rest, err)
		}
		if _, _, err := f.Cut(nil); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: no number at all: %v", f.Name, err)
		}
	}
}

func TestCheck(t *testing.T) {
	f := Format{Name: "state.db", Number: 5, Since: 3}
	for _, tc := range []struct {
		name           string
		number, oldest int
		want           string // of the error; "": it may be read
	}{
		{"what it writes", 5, 5, ""},
		{"what it writes, for older ones too", 5, 3, ""},
		{"the oldest", 3, 0, ""},
		{"older than that", 2, 0, "start a program in between first"},
		{"newer, and old enough", 7, 5, ""},
		{"newer", 7, 6, "programs of format 6 and later read"},
		{"newer, with one number", 6, 0, "use the program that wrote it"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := f.Check(tc.number, tc.oldest)
			switch {
			case (err == nil) != (tc.want == ""):
				t.Errorf("error %v", err)
			case err != nil && (!errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("error %q", err)
			}
		})
	}
}
