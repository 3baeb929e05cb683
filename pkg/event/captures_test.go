package event

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestCaptures renders what real clients sent, and compares it with what Fluent Bit's server made of
// the same bytes: one line "tag: [seconds.nanoseconds, {record}]" for each event.
func TestCaptures(t *testing.T) {
	const dir = "../../testdata/captures"
	received, err := filepath.Glob(filepath.Join(dir, "*.received"))
	if err != nil || len(received) < 10 {
		t.Fatalf("%d captures, error %v", len(received), err)
	}
	for _, file := range received {
		name := strings.TrimSuffix(filepath.Base(file), ".received")
		t.Run(name, func(t *testing.T) {
			var have, want []string
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(text)) {
				head, record, _ := strings.Cut(strings.TrimSuffix(line, "]\n"), ", ")
				want = append(want, head+", "+string(sorted(t, []byte(record)))+"]")
			}
			clients, err := filepath.Glob(filepath.Join(dir, name+".*.client"))
			if err != nil {
				t.Fatal(err)
			}
			for _, client := range clients {
				b, err := os.ReadFile(client)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range frames(t, b) {
					have = append(have, lines(t, c)...)
				}
			}
			slices.Sort(have)
			slices.Sort(want)
			if !slices.Equal(have, want) {
				t.Errorf("have\n%s\nwant\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// lines renders the events of c as Fluent Bit does.
func lines(t *testing.T, c *Chunk) (out []string) {
	t.Helper()
	e := NewEncoder(Fields{})
	it := c.Iterator()
	var ev Event
	for it.Next(&ev) {
		record, err := e.AppendEvent(nil, &ev)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s: [%d.%09d, %s]", c.Tag, ev.Time.Sec, ev.Time.Nsec, sorted(t, record)))
	}
	if it.Err() != nil {
		t.Fatal(it.Err())
	}
	return out
}

// frames returns the entries of what one connection sent.
func frames(t *testing.T, b []byte) (chunks []*Chunk) {
	t.Helper()
	check := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	for len(b) > 0 {
		n, rest, err := ReadArrayHeader(b)
		check(err)
		end, err := Skip(b)
		check(err)
		tag, second, err := ReadBytes(rest)
		check(err)
		b = end
		if string(tag) == "PING" {
			continue
		}
		c := &Chunk{Tag: string(tag)}
		switch TypeOf(second[0]) {
		case TypeArray:
			_, entries, err := ReadArrayHeader(second)
			check(err)
			after, err := Skip(second)
			check(err)
			c.Entries = entries[:len(entries)-len(after)]
		case TypeStr, TypeBin:
			c.Entries, _, err = ReadBytes(second)
			check(err)
			if bytes.HasPrefix(c.Entries, []byte{0x1f, 0x8b}) {
				zr, err := gzip.NewReader(bytes.NewReader(c.Entries))
				check(err)
				c.Entries, err = io.ReadAll(zr)
				check(err)
			}
		default:
			record, err := Skip(second)
			check(err)
			after, err := Skip(record)
			check(err)
			c.Entries = AppendEntry(nil, second[:len(second)-len(record)], nil, record[:len(record)-len(after)])
		}
		if n < 2 {
			t.Fatalf("a frame of %d elements", n)
		}
		var e Entry
		for rest := c.Entries; len(rest) > 0; {
			rest, err = ReadEntry(rest, &e)
			check(err)
			if e.Kind != KindEvent {
				t.Fatalf("an entry of kind %d: %s", e.Kind, e.Reason)
			}
		}
		chunks = append(chunks, c)
	}
	return chunks
}
