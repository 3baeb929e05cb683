package forward_test

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/forward"
	ft "github.com/seed-afc6a195/aggregator/pkg/forward/forwardtest"
)

// TestLarge has messages that need more than the first buffer, window or piece.
func TestLarge(t *testing.T) {
	var entries []byte
	for i := range 70_000 {
		entries = append(entries, ft.Entry(int64(i), ft.Map{"i": i})...)
	}
	huge := ft.Entry(when, ft.Map{"log": strings.Repeat("x", 2<<20)})
	array := append([]byte{0xdd, 0, 1, 0x11, 0x70}, entries...)
	for _, tc := range []struct {
		name string
		in   []byte
		want ft.Message
	}{
		{"Forward of 70,000", message("t", array), ft.Message{Entries: entries, Events: 70_000}},
		{"Packed of 70,000", message("t", ft.Bin(entries)), ft.Message{Entries: entries, Events: 70_000}},
		{
			"gzip of 70,000", message("t", ft.Bin(gz(entries)), ft.Map{"compressed": "gzip"}),
			ft.Message{Entries: entries, Events: 70_000},
		},
		{
			"zstd of 70,000", message("t", ft.Bin(zs(entries)), ft.Map{"compressed": "zstd"}),
			ft.Message{Entries: entries, Events: 70_000},
		},
		{
			"9 MiB", message("t", ft.Bin(dup(e1, (9<<20)/len(e1)))),
			ft.Message{Entries: dup(e1, (9<<20)/len(e1)), Events: (9 << 20) / len(e1), Nanos: true},
		},
		{
			"2 MiB record, Message", message("t", when, ft.Map{"log": strings.Repeat("x", 2<<20)}),
			ft.Message{Entries: huge, Events: 1, Nanos: true},
		},
		{
			"2 MiB record, Forward", message("t", forwardOf(e1, huge)),
			ft.Message{Entries: slices.Concat(e1, huge), Events: 2, Nanos: true},
		},
		{
			"2 MiB record, gzip", message("t", ft.Bin(gz(slices.Concat(e1, huge, e1))), ft.Map{"compressed": "gzip"}),
			ft.Message{Entries: slices.Concat(e1, huge, e1), Events: 3, Nanos: true},
		},
		{
			"2 MiB record, zstd", message("t", ft.Bin(zs(slices.Concat(e1, huge, e1))), ft.Map{"compressed": "zstd"}),
			ft.Message{Entries: slices.Concat(e1, huge, e1), Events: 3, Nanos: true},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.want.Cluster, tc.want.Tag = "default", "t"
			for how, pieces := range cuts(tc.in, 2) {
				r := newRig(nil)
				r.run(pieces...)
				if got := merged(r.sink.Messages()); !reflect.DeepEqual(got, []ft.Message{tc.want}) {
					t.Errorf("%s: got %d messages, of %d events, %d bytes; %s", how, len(got), got[0].Events,
						len(got[0].Entries), r.log)
				}
				quiet(t, r)
			}
		})
	}
}

// TestHostile sends what is meant to exhaust memory; the budget's peak shows that it can't.
func TestHostile(t *testing.T) {
	const limit = 8 << 20 // of what is decompressed
	zeros := make([]byte, 5*limit)
	for _, tc := range []struct {
		name string
		in   []byte
		peak int64
		why  string
	}{
		{
			"gzip bomb of one string",
			message("t", ft.Bin(gz([]byte{0x92, 1, 0x81, 0xa1, 'k', 0xc6, 0x7f, 0xff, 0xff, 0xff}, zeros)), ft.Map{
				"compressed": "gzip", "chunk": "c",
			}), 64 << 20, "too_large",
		},
		{
			"gzip bomb of integers", message("t", ft.Bin(gz(zeros)), ft.Map{"compressed": "gzip", "chunk": "c"}),
			8 << 20, "too_large",
		},
		{
			"zstd bomb of integers", message("t", ft.Bin(zs(zeros)), ft.Map{"compressed": "zstd", "chunk": "c"}),
			16 << 20, "too_large",
		},
		{
			"a million nil entries", message(
				"t", append([]byte{0xdd, 0, 0x0f, 0x42, 0x40}, dup([]byte{0xc0}, 1_000_000)...), ft.Map{"chunk": "c"},
			), 8 << 20, "",
		},
		{"invalid by turns", message("t", ft.Bin(dup([]byte{0xc0, 0x90}, 100_000))), 2 << 20, ""},
		{
			"17 MiB without an end",
			append([]byte{
				0x93, 0xa1, 't', 0x91, 0x92, 1, 0x81, 0xa1, 'k', 0xdc, 0xff, 0xff,
			}, dup([]byte{0xdc, 0, 2, 1}, 17<<18)...), 49 << 20, "too_large",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(func(o *forward.Options) { o.MaxDecompressedSize = limit })
			good := message("t", ft.Bin(all), ft.Map{"chunk": "good"})
			r.run(tc.in)
			if why := strings.Join(r.refused(), ","); why != tc.why {
				t.Errorf("closed for %q, want %q: %s", why, tc.why, r.log)
			}
			st := r.budget.Stats()
			if st.Peak > tc.peak || st.Used != 0 {
				t.Errorf("the budget's peak was %d and %d are left, want at most %d and none", st.Peak, st.Used,
					tc.peak)
			}
			letters := 0
			for _, m := range r.sink.Messages() {
				letters += len(m.Rejected)
			}
			if letters > 64 {
				t.Errorf("%d dead letters", letters)
			}
			if writes := r.run(good); len(writes) != 1 || !bytes.Equal(writes[0], ft.Ack("good")) {
				t.Errorf("the next connection got % x", writes)
			}
		})
	}
}

// TestInvalidAreCounted holds the sum of events in letters and beyond them.
func TestInvalidAreCounted(t *testing.T) {
	r := newRig(nil)
	r.run(message("t", ft.Bin(dup([]byte{0xc0, 0x90}, 1000)), ft.Map{"chunk": "c"}),
		message("t", ft.Bin(dup(bad, 10_000))))
	ms := r.sink.Messages()
	if len(ms) != 2 {
		t.Fatalf("%d messages", len(ms))
	}
	if n := len(ms[0].Rejected) + ms[0].Dropped["invalid"]; len(ms[0].Rejected) != 64 || n != 2000 {
		t.Errorf("%d letters, %d events in all", len(ms[0].Rejected), n)
	}
	if l := ms[1].Rejected[0]; len(ms[1].Rejected) != 1 || l.Events != 10_000 || len(l.Raw) > 64<<10 ||
		len(l.Raw)%len(bad) != 0 || !strings.Contains(l.Reason, "only the first") {
		t.Errorf("letter of %d events, %d bytes, %s", l.Events, len(l.Raw), l.Reason)
	}
}

// TestCutCompression refuses every beginning of a compressed payload but those that end with a member or frame and an
// entry.
func TestCutCompression(t *testing.T) {
	for name, parts := range map[string][][]byte{"gzip": {gz(e1), gz(e2)}, "zstd": {zs(e1), zs(e2)}} {
		b := slices.Concat(parts...)
		for n := 1; n < len(b); n++ {
			r := newRig(nil)
			writes := r.run(message("t", ft.Bin(b[:n]), ft.Map{"compressed": name, "chunk": "c"}))
			if whole := n == len(parts[0]); (len(writes) == 1) != whole || (len(r.sink.Messages()) == 1) != whole {
				t.Errorf("%s cut to %d of %d: %d acks", name, n, len(b), len(writes))
			}
		}
	}
}

// TestTooLargeNamesTheSetting looks at the one line that an operator gets.
func TestTooLargeNamesTheSetting(t *testing.T) {
	r := newRig(func(o *forward.Options) { o.MaxMessageSize = 1000 })
	for range 3 {
		r.run(message("kube.x", ft.Bin(make([]byte, 2000))))
	}
	line := r.log.String()
	for _, part := range []string{
		`"peer":"192.0.2.1:4711"`, `"cluster":"default"`, `"tag":"kube.x"`, "max_message_size is 1000", "2011 bytes",
	} {
		if !strings.Contains(line, part) {
			t.Errorf("the log has no %s: %s", part, line)
		}
	}
	if n := strings.Count(line, "\n"); n != 1 {
		t.Errorf("%d lines", n)
	}
	// One that is exactly at the limit passes.
	at := message("t", ft.Bin(dup(e1, 40)))
	r = newRig(func(o *forward.Options) { o.MaxMessageSize = setting.Size(len(at)) })
	if r.run(at); len(r.sink.Messages()) != 1 {
		t.Errorf("a message of max_message_size was refused: %s", r.log)
	}
}
