package multiline_test

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter/multiline"
)

func TestLimits(t *testing.T) {
	c := defaults()
	c.Start, c.Separator, c.MaxLines = "^x", ",", 3
	s := newStream(t, c)
	for line := range strings.SplitSeq("x1,2,3,4,5,6,7,x2", ",") {
		s.line("web", line, start())
	}
	s.end()
	compare(t, s.out, []string{"x1,2,3", "4,5,6", "7", "x2"})

	c = defaults()
	c.Start, c.Separator, c.MaxBytes = "^x", ",", 10
	s = newStream(t, c)
	for _, line := range []string{"x23", "567", "90", "bcdefghijk", "lm", "more than ten", "n"} {
		s.line("web", line, start())
	}
	s.end()
	compare(t, s.out, []string{"x23,567,90", "bcdefghijk", "lm", "more than ten", "n"})

	c = defaults()
	c.Start = "^x"
	s = newStream(t, c)
	for i := range 10_003 {
		s.line(strconv.Itoa(i), "x", start())
	}
	if want := []string{"x", "x", "x"}; !reflect.DeepEqual(s.out, want) {
		t.Errorf("with too many keys %q went on, want the three oldest", s.out)
	}
	s.end()
}

func TestWaitingEnds(t *testing.T) {
	c := defaults()
	c.Format = "java"
	s := newStream(t, c)
	if due := s.j.Due(); !due.IsZero() {
		t.Errorf("due %v with nothing held back", due)
	}
	second := func(n int) time.Time { return start().Add(time.Duration(n) * time.Second) }
	s.line("web", "a.BException: 1", second(0))
	s.line("db", "a.BException: 2", second(1))
	s.line("web", "\tat a.B.c(B.java:1)", second(2))
	if due := s.j.Due(); due != second(3) {
		t.Errorf("due at %v, want 3 s after the first line", due)
	}
	s.j.Flush(second(2), false, s.emit)
	compare(t, s.out, nil)
	s.j.Flush(second(3), false, s.emit)
	compare(t, s.out, []string{"a.BException: 1\n\tat a.B.c(B.java:1)"})
	s.line("web", "\tat a.B.d(B.java:2)", second(3)) // too late, but a frame
	s.j.Flush(second(4), false, s.emit)
	compare(t, s.out[1:], []string{"a.BException: 2"})
	s.end()
}

// What is no text, or too long, ends what is under way and goes on.
func TestNoText(t *testing.T) {
	c := defaults()
	c.Start = "^x"
	c.Key = ""
	s := newStream(t, c)
	s.line("web", "x", start())
	for _, record := range [][]byte{{0x80}, {0x81, 0xa3, 'l', 'o', 'g', 0x01}} {
		s.ev.Reset(&event.Event{Chunk: s.chunk, Pos: s.in, Record: record}, s.in)
		s.in++
		if err := s.j.Join(&s.ev, start(), s.emit); err != nil {
			t.Error(err)
		}
	}
	compare(t, s.out, []string{"x", "", "1"})
	s.end()
}

func TestClustersAndTagsAreApart(t *testing.T) {
	c := defaults()
	c.Start = "^x"
	s := newStream(t, c)
	chunks := []*event.Chunk{{Cluster: "a", Tag: "t"}, {Cluster: "b", Tag: "t"}, {Cluster: "a", Tag: "u"}}
	for _, line := range []string{"x", "1"} {
		for i, chunk := range chunks {
			s.chunk = chunk
			s.line("web", fmt.Sprint(line, i), start())
		}
	}
	s.end()
	compare(t, s.out, []string{"x0\n10", "x1\n11", "x2\n12"})
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		c   multiline.Config
		key string
	}{
		{multiline.Config{Field: "log", Format: "java"}, ""},
		{multiline.Config{Field: "log"}, "format"},
		{multiline.Config{Field: "log", Format: "java", Start: "x"}, "format"},
		{multiline.Config{Field: "a..b", Format: "java"}, "field"},
		{multiline.Config{Field: "log", Format: "java", Key: "{record}"}, "key"},
		{multiline.Config{Field: "log", Start: "("}, "start"},
		{multiline.Config{Field: "log", Continue: "("}, "continue"},
		{multiline.Config{Field: "log", End: "x"}, ""},
		{multiline.Config{Field: "log", End: "("}, "end"},
		{multiline.Config{Field: "log", Format: "java", End: "x"}, "format"},
	} {
		var r setting.Report
		tc.c.Check(&r)
		r.Problems = slices.DeleteFunc(r.Problems, func(p setting.Problem) bool { return p.Warning })
		switch {
		case tc.key == "" && len(r.Problems) > 0, tc.key != "" && (len(r.Problems) != 1 || r.Problems[0].Key != tc.key):
			t.Errorf("%+v: problems %+v, want one at %q", tc.c, r.Problems, tc.key)
		}
		if _, err := multiline.New(tc.c); (err == nil) != (tc.key == "") &&
			(tc.c.Start+tc.c.End == "" || tc.key != "format") && tc.c != (multiline.Config{Field: "log"}) {
			t.Errorf("%+v: New: %v", tc.c, err)
		}
	}
}

// The key's default has changed: check tells those whose configuration depends on it.
func TestCheckTellsOfTheKey(t *testing.T) {
	for key, warns := range map[string]bool{"": true, "{tag}": false} {
		c := defaults()
		c.Format, c.Key = "java", key
		var r setting.Report
		c.Check(&r)
		if told := len(r.Problems) == 1 && r.Problems[0].Warning && r.Problems[0].Key == "key"; told != warns {
			t.Errorf("key %q: problems %+v", key, r.Problems)
		}
	}
}
