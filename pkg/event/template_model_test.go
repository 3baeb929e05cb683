package event

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
)

// template makes a template by chance, and what it must become for an event.
func (f forest) template(ev *Event, record *tree) (text, want string) {
	at := time.Unix(ev.Time.Sec, int64(ev.Time.Nsec)).UTC()
	var t, w strings.Builder
	add := func(text, want string) {
		t.WriteString(text)
		w.WriteString(want)
	}
	parts := strings.Split(ev.Chunk.Tag, ".")
	for range f.IntN(6) {
		switch f.IntN(8) {
		case 0:
			add("{cluster}", ev.Chunk.Cluster)
		case 1:
			add("{tag}", ev.Chunk.Tag)
		case 2:
			i := f.IntN(2*len(parts)+2) - len(parts) - 1
			part := ""
			if i >= 0 && i < len(parts) {
				part = parts[i]
			} else if i < 0 && -i <= len(parts) {
				part = parts[len(parts)+i]
			}
			if part == "" && f.IntN(2) == 0 {
				add(fmt.Sprintf("{tag[%d]|none}", i), "none")
			} else {
				add(fmt.Sprintf("{tag[%d]}", i), part)
			}
		case 3:
			add("{{%%}}", "{%}")
		case 4:
			add("%Y-%m-%dT%H", at.Format("2006-01-02T15"))
		case 5:
			add("logs-", "logs-")
		case 6:
			add("{record.no.such.field|-}", "-")
		default:
			if len(record.names) == 0 {
				continue
			}
			name, _, err := ReadBytes(record.names[len(record.names)-1].packed)
			if err != nil || string(name) != string([]rune(string(name))) {
				continue
			}
			value := record.members[len(record.members)-1].text
			if value == "" {
				value = "empty"
			}
			add("{record["+strconv.Quote(string(name))+"]|empty}", value)
		}
	}
	return t.String(), w.String()
}

// Templates become what their parts become, whatever stands beside what.
func TestModel_Template(t *testing.T) {
	tags := []string{"", "a", "kube.web", "kube.var.log.containers.web-1_shop", ".", "a..b", "서울.b"}
	for i := range uint64(2000) {
		f := forest{rand.New(rand.NewPCG(13, i))}
		record := f.object(2)
		ev := &Event{
			Chunk: &Chunk{Cluster: "seoul", Tag: tags[f.IntN(len(tags))]}, Record: record.packed,
			Time: Time{Sec: int64(f.Uint32()), Nsec: f.Uint32N(1e9)},
		}
		text, want := f.template(ev, &record)
		tmpl, err := ParseTemplate(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if got := string(tmpl.Append([]byte("x"), ev, nil)); got != "x"+want {
			t.Fatalf("%q of %x, tag %q: %q, want %q", text, ev.Record, ev.Chunk.Tag, got, want)
		}
		var again Template
		if err := again.UnmarshalText([]byte(tmpl.String())); err != nil || again.String() != text {
			t.Fatalf("%q read again is %q, %v", text, again.String(), err)
		}
		if tmpl.Static() && want != string(tmpl.Append(nil, &Event{Chunk: &Chunk{}}, nil)) {
			t.Fatalf("%q is the same for all events, and yet %q", text, want)
		}
		// What stands for a value is asked for each, and nothing else.
		values := 0
		tmpl.Append(nil, ev, func(dst, value []byte) []byte {
			values++
			return append(dst, value...)
		})
		if n := strings.Count(
			strings.NewReplacer("{{", "", "}}", "").Replace(text), "{",
		); !strings.Contains(text, `"`) && values != n {
			t.Fatalf("%q has %d values, and %d were asked for", text, n, values)
		}
	}
}

// Ids of events are those of their part, by their position in it, and differ.
func TestModel_IDs(t *testing.T) {
	for i := range uint64(500) {
		r := rand.New(rand.NewPCG(17, i))
		c := &Chunk{}
		var want []string
		for range 1 + r.IntN(4) {
			p := Part{First: r.IntN(100), Events: r.IntN(5)}
			for b := range p.Key {
				p.Key[b] = byte(r.Uint32())
			}
			c.Parts = append(c.Parts, p)
			for k := range p.Events {
				alone := &Event{Chunk: &Chunk{Parts: []Part{{Key: p.Key, First: p.First + k, Events: 1}}}}
				want = append(want, string(alone.AppendID(nil)))
			}
		}
		seen := map[string]bool{}
		var walked Event
		walked.Chunk = c
		for pos := range want {
			// One event that goes through the chunk, and one that is looked at alone.
			walked.Pos = pos
			got, alone := string(walked.AppendID(nil)), string((&Event{Chunk: c, Pos: pos}).AppendID(nil))
			if got != want[pos] || alone != want[pos] || seen[got] {
				t.Fatalf("chunk %d: event %d has the id %q, alone %q, want %q", i, pos, got, alone, want[pos])
			}
			seen[got] = true
			if p, ok := walked.Part(); !ok || p.Events != 1 {
				t.Fatalf("chunk %d: event %d has the part %+v, %v", i, pos, p, ok)
			}
		}
		if id := (&Event{Chunk: c, Pos: len(want)}).AppendID(nil); len(id) > 0 {
			t.Fatalf("chunk %d: an event behind all has the id %q", i, id)
		}
	}
}
