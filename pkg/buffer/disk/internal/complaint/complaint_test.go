package complaint

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
)

// What is logged of failures in a row: each that is another one, but not where only the segment is.
func TestComplaint(t *testing.T) {
	seg := func(seq uint64) string { return "write /data/" + segment.Name(seq) + ": disk is broken" }
	for _, tc := range []struct {
		name   string
		errors []string // "": it works again
		want   []string // the errors, and what is logged when it works again
	}{
		{"once", []string{"a"}, []string{"a"}},
		{"again and again", []string{"a", "a", "a"}, []string{"a"}},
		{"another one", []string{"a", "b", "a"}, []string{"a", "b", "a"}},
		{"at segments of their own", []string{seg(1), seg(2), seg(0xffff)}, []string{seg(1)}},
		{
			"two segments in one",
			[]string{seg(1) + "; " + seg(2), seg(3) + "; " + seg(4)},
			[]string{seg(1) + "; " + seg(2)},
		},
		{"another failure at a segment", []string{seg(1), seg(2) + " again"}, []string{seg(1), seg(2) + " again"}},
		{"a name that is cut", []string{"at seg-", "at seg-12", "at seg-34"}, []string{"at seg-"}},
		{"it works", []string{""}, nil},
		{"it works again", []string{"a", "", "", "a"}, []string{"a", "works", "a"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out bytes.Buffer
			log := zerolog.New(&out)
			var c Complaint
			var got []string
			for _, text := range tc.errors {
				out.Reset()
				level, message := "error", text
				if text == "" {
					level, message = "info", "works"
					c.Recovered(log, "works")
				} else {
					c.Failed(log, errors.New(text), "can't write")
				}
				line := out.String()
				if line == "" {
					continue
				}
				if !strings.Contains(line, `"level":"`+level+`"`) || !strings.Contains(line, message) ||
					strings.Contains(line, "can't write") != (text != "") {
					t.Errorf("logged: %s", line)
				}
				got = append(got, message)
			}
			if strings.Join(got, "\n") != strings.Join(tc.want, "\n") {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}
