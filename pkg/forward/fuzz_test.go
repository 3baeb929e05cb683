package forward_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/forward"
	ft "github.com/seed-afc6a195/aggregator/pkg/forward/forwardtest"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
)

func small(o *forward.Options) {
	o.MaxMessageSize, o.MaxDecompressedSize, o.Budget = 64<<10, 256<<10, ingest.NewBudget(16<<20)
}

// FuzzFrames has the same bytes in one piece and cut at random: what is stored and acked must be the same, and
// well-formed.
func FuzzFrames(f *testing.F) {
	clients, _ := filepath.Glob(filepath.Join(captures, "*.client"))
	for _, path := range clients {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint64(1))
	}
	f.Add(
		bytes.Join(
			[][]byte{
				packed("a"), message("t", forwardOf(e1, bad, start, e2), ft.Map{"chunk": "b"}),
				message("t", when, ft.Map{}),
			}, nil,
		), uint64(2),
	)
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		var first *rig
		var firstWrites [][]byte
		for how, pieces := range cuts(in, seed) {
			r := newRig(small)
			writes := r.run(pieces...)
			if used := r.budget.Stats().Used; used != 0 {
				t.Errorf("%d bytes were not given back", used)
			}
			check(t, r)
			if first == nil {
				first, firstWrites = r, writes
				continue
			}
			if got, want := merged(r.sink.Messages()), merged(first.sink.Messages()); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got\n%+v, want\n%+v", how, got, want)
			}
			if !bytes.Equal(slices.Concat(writes...), slices.Concat(firstWrites...)) {
				t.Errorf("%s: wrote % x, want % x", how, writes, firstWrites)
			}
		}
	})
}

// FuzzInflate sends payloads as gzip and zstd: what comes out whole must be well-formed, what does not must not be
// acked.
func FuzzInflate(f *testing.F) {
	f.Add(gz(all), true)
	f.Add(gz(e1, e2), true)
	f.Add(zs(all), false)
	f.Add(zs(e1, e2), false)
	f.Fuzz(func(t *testing.T, payload []byte, gzip bool) {
		name := "zstd"
		if gzip {
			name = "gzip"
		}
		r := newRig(small)
		writes := r.run(message("t", ft.Bin(payload), ft.Map{"compressed": name, "chunk": "c"}))
		check(t, r)
		if len(writes) != len(r.sink.Messages()) || len(writes)+len(r.refused()) != 1 {
			t.Errorf("%d acks, %d messages, refused for %v", len(writes), len(r.sink.Messages()), r.refused())
		}
		if used := r.budget.Stats().Used; used != 0 {
			t.Errorf("%d bytes were not given back", used)
		}
	})
}

// FuzzLogin lets who does not know a key send anything: nothing is stored, at most 16 KiB are read, and the answer, if
// any, is no.
func FuzzLogin(f *testing.F) {
	k := talk{key: "guess", hostname: "agent", salt: "0123456789abcdef"}
	f.Add(k.ping(), 7)
	f.Add(append(k.ping(), packed("a")...), 1)
	f.Add(packed("a"), 100)
	f.Add(append([]byte("\x96\xa4PING\xdb\xff\xff\xff\xff"), make([]byte, 20<<10)...), 1000)
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(func(o *forward.Options) { o.Clusters = tenants(t) })
			nc := &feed{pieces: slices.Collect(slices.Chunk(in, min(max(size, 1), 1<<20)))}
			r.Handle(nc)
			left := 0
			for _, piece := range nc.pieces {
				left += len(piece)
			}
			if taken := len(in) - left; taken > 16<<10 {
				t.Errorf("%d bytes were read", taken)
			}
			if n := len(nc.writes); n < 1 || n > 2 ||
				n == 2 && !bytes.HasPrefix(nc.writes[1], []byte("\x95\xa4PONG\xc2")) {
				t.Errorf("it wrote %q", nc.writes)
			}
			if st := r.Stats(); len(r.sink.Messages()) > 0 || len(r.refused())+int(st.Probes) != 1 || st.Open != 0 ||
				r.budget.Stats().Used != 0 {
				t.Errorf("%d messages, refused for %v, %+v", len(r.sink.Messages()), r.refused(), st)
			}
		})
	})
}

// check holds that every stored message has the events that it says, and nothing else.
func check(t *testing.T, r *rig) {
	t.Helper()
	for _, m := range r.sink.Messages() {
		events, nanos := 0, false
		var e event.Entry
		for rest := m.Entries; len(rest) > 0; {
			var err error
			if rest, err = event.ReadEntry(rest, &e); err != nil || e.Kind == event.KindInvalid {
				t.Fatalf("it stored %v, %s", err, e.Reason)
			}
			if e.Kind == event.KindEvent {
				events++
				nanos = nanos || e.Nanos
			}
		}
		if events != m.Events || nanos != m.Nanos {
			t.Errorf("%d events, nanoseconds %v; it says %d, %v", events, nanos, m.Events, m.Nanos)
		}
	}
}
