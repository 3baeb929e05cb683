package forward_test

import (
	"bytes"
	"compress/gzip"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	ft "github.com/seed-afc6a195/aggregator/pkg/forward/forwardtest"
)

func gz(members ...[]byte) []byte {
	var b bytes.Buffer
	for _, m := range members {
		w := gzip.NewWriter(&b)
		_, _ = w.Write(m)
		_ = w.Close()
	}
	return b.Bytes()
}

func zs(frames ...[]byte) (b []byte) {
	w, _ := zstd.NewWriter(nil)
	for _, f := range frames {
		b = w.EncodeAll(f, b)
	}
	return b
}

var (
	when   = ft.EventTime(1_700_000_000, 123_456_789)
	e1     = ft.Entry(when, ft.Map{"log": "one"})
	e2     = ft.Entry(int64(1_700_000_001), ft.Map{"log": "two", "n": 2})
	e3     = ft.MetaEntry(when, ft.Map{}, ft.Map{"log": "three"})
	bad    = ft.Entry(nil, ft.Map{"log": "no time"})
	start  = ft.MetaEntry(ft.EventTime(math.MaxUint32, 0), ft.Map{"schema": "otlp"}, ft.Map{"resource": ft.Map{}})
	finish = ft.MetaEntry(ft.EventTime(math.MaxUint32-1, 0), ft.Map{}, ft.Map{})
	all    = slices.Concat(e1, e2, e3)
	one    = ft.Message{Cluster: "default", Tag: "t", Entries: e1, Events: 1, Nanos: true}
	three  = ft.Message{Cluster: "default", Tag: "t", Entries: all, Events: 3, Nanos: true}
)

func with(m ft.Message, change func(*ft.Message)) ft.Message {
	change(&m)
	return m
}

func acked(m ft.Message, chunk string) ft.Message {
	m.Chunk = chunk
	return m
}

func forwardOf(entries ...[]byte) []byte {
	values := make([]any, len(entries))
	for i, e := range entries {
		values[i] = e
	}
	return ft.Array(values...)
}

func message(form ...any) []byte { return ft.Array(form...) }

// TestMessages sends what clients send, and what none should, in one piece, byte by byte and cut at random.
func TestMessages(t *testing.T) {
	map32 := append([]byte{0xdf, 0, 0, 0, 1}, slices.Concat(ft.Value("chunk"), ft.Value("c"))...)
	wide := slices.Concat([]byte{0xdd, 0, 0, 0, 3}, []byte{0xdb, 0, 0, 0, 1, 't'}, []byte{0xdd, 0, 0, 0, 3}, all, map32)
	gzipped := gz(all)
	broken := bytes.Clone(gzipped)
	broken[len(broken)-8] ^= 1 // its checksum
	half := len(all) / 2
	letter := []ft.Rejected{{Raw: bad, Events: 1, Reason: "time is neither a number nor an EventTime"}}
	long := strings.Repeat("é", 150)

	for _, tc := range []struct {
		name string
		in   []byte
		want []ft.Message
		acks []string
		why  string // reason for closing; "": none
	}{
		{"Message", message("t", when, ft.Map{"log": "one"}), []ft.Message{one}, nil, ""},
		{"Message, option nil", message("t", when, ft.Map{"log": "one"}, nil), []ft.Message{one}, nil, ""},
		{"Message, option empty", message("t", when, ft.Map{"log": "one"}, ft.Map{}), []ft.Message{one}, nil, ""},
		{"Message, option of another type", message("t", when, ft.Map{"log": "one"}, 7), []ft.Message{one}, nil, ""},
		{
			"Message, unknown option", message("t", when, ft.Map{"log": "one"}, ft.Map{"x": ft.Map{"chunk": "y"}}),
			[]ft.Message{one},
			nil, "",
		},
		{
			"Message, odd option",
			message(
				"t", when, ft.Map{"log": "one"},
				slices.Concat(
					[]byte{0x83, 0xc0, 0x91, 0xc0}, ft.Value("fluent_signal"), ft.Value("0"), ft.Value("chunk"),
					[]byte{0x01},
				),
			),
			[]ft.Message{one},
			nil, "",
		},
		{"Message, six elements", message("t", when, ft.Map{"log": "one"}, nil, 1, 2), []ft.Message{one}, nil, ""},
		{
			"Message with chunk", message("t", when, ft.Map{"log": "one"}, ft.Map{"chunk": "c"}),
			[]ft.Message{acked(one, "c")},
			[]string{"c"},
			"",
		},
		{
			"Message with metadata",
			message("t", when, ft.Map{"log": "three"}, ft.Map{"metadata": ft.Map{}, "chunk": "c"}),
			[]ft.Message{with(acked(one, "c"), func(m *ft.Message) { m.Entries = e3 })},
			[]string{"c"},
			"",
		},
		{
			"Messages of two tags",
			slices.Concat(
				message("t", when, ft.Map{"log": "one"}), message("t", when, ft.Map{"log": "one"}),
				message("u", when, ft.Map{"log": "one"}),
			),
			[]ft.Message{
				with(one, func(m *ft.Message) { m.Entries, m.Events = dup(e1, 2), 2 }),
				with(one, func(m *ft.Message) { m.Tag = "u" }),
			},
			nil, "",
		},
		{
			"Message without a time",
			slices.Concat(
				message("t", when, ft.Map{"log": "one"}), message("t", nil, ft.Map{"log": "no time"}),
				message("t", when, ft.Map{"log": "one"}, ft.Map{"chunk": "c"}),
			),
			[]ft.Message{one, {Cluster: "default", Tag: "t", Rejected: letter}, acked(one, "c")},
			[]string{"c"},
			"",
		},
		{
			"Message without a time, acked", message("t", nil, ft.Map{"log": "no time"}, ft.Map{"chunk": "c"}),
			[]ft.Message{{Cluster: "default", Tag: "t", Chunk: "c", Rejected: letter}},
			[]string{"c"},
			"",
		},
		{
			"Forward of none, acked", message("t", ft.Array(), ft.Map{"chunk": "c"}),
			[]ft.Message{{Cluster: "default", Tag: "t", Chunk: "c"}},
			[]string{"c"},
			"",
		},
		{"Forward", message("t", forwardOf(e1, e2, e3)), []ft.Message{three}, nil, ""},
		{"Forward, wide headers", wide, []ft.Message{acked(three, "c")}, []string{"c"}, ""},
		{
			"Forward, one bad", message("t", forwardOf(e1, bad, e2), ft.Map{"chunk": "c"}),
			[]ft.Message{
				{
					Cluster: "default", Tag: "t", Chunk: "c", Entries: slices.Concat(e1, e2), Events: 2, Nanos: true,
					Rejected: letter,
				},
			},
			[]string{"c"},
			"",
		},
		{
			"groups", message("t", forwardOf(start, e1, finish), ft.Map{"chunk": "c", "size": 3}),
			[]ft.Message{
				{
					Cluster: "default", Tag: "t", Chunk: "c", Entries: slices.Concat(start, e1, finish), Events: 1,
					Nanos: true,
				},
			},
			[]string{"c"},
			"",
		},
		{
			"group around a bad entry",
			message("t", ft.Bin(slices.Concat(start, e1, bad, e2, finish)), ft.Map{"chunk": "c"}),
			[]ft.Message{
				{
					Cluster: "default", Tag: "t", Chunk: "c", Entries: slices.Concat(start, e1, start, e2, finish),
					Events: 2, Nanos: true, Rejected: letter,
				},
			},
			[]string{"c"},
			"",
		},
		{"Packed, bin", message("t", ft.Bin(all)), []ft.Message{three}, nil, ""},
		{
			"Packed, str32", message("t", ft.Str(all), ft.Map{"chunk": "c", "size": -1}),
			[]ft.Message{acked(three, "c")},
			[]string{"c"},
			"",
		},
		{"Packed, option nil", message("t", ft.Bin(all), nil), []ft.Message{three}, nil, ""},
		{"Packed, text", message("t", ft.Bin(all), ft.Map{"compressed": "text"}), []ft.Message{three}, nil, ""},
		{"Packed, compressed nil", message("t", ft.Bin(all), ft.Map{"compressed": nil}), []ft.Message{three}, nil, ""},
		{
			"Packed, empty", message("t", ft.Bin(nil), ft.Map{"chunk": "c"}),
			[]ft.Message{{Cluster: "default", Tag: "t", Chunk: "c"}},
			[]string{"c"},
			"",
		},
		{
			"Packed, bad ones in a row", message("t", ft.Bin(slices.Concat(e1, bad, bad, []byte{0xc0}, e2))),
			[]ft.Message{{
				Cluster: "default", Tag: "t", Entries: slices.Concat(e1, e2), Events: 2, Nanos: true,
				Rejected: []ft.Rejected{
					{Raw: dup(bad, 2), Events: 2, Reason: "time is neither a number nor an EventTime"},
					{Raw: []byte{0xc0}, Events: 1, Reason: "entry is not an array"},
				},
			}},
			nil, "",
		},
		{"Packed, last entry cut", message("t", ft.Bin(all[:len(all)-1]), ft.Map{"chunk": "c"}), nil, nil, "broken"},
		{
			"Packed, lying map",
			message("t", ft.Bin(slices.Concat(e1, []byte{0x92, 0x01, 0xdf, 0xff, 0xff, 0xff, 0xff, 0, 0})), ft.Map{
				"chunk": "c",
			}), nil, nil, "broken",
		},
		{
			"gzip, bin", message("t", ft.Bin(gzipped), ft.Map{"compressed": "gzip", "chunk": "c"}),
			[]ft.Message{acked(three, "c")},
			[]string{"c"},
			"",
		},
		{
			"gzip, str32, members", message("t", ft.Str(gz(e1, e2, e3)), ft.Map{"compressed": "gzip"}),
			[]ft.Message{three},
			nil, "",
		},
		{
			"gzip, entry across members", message("t", ft.Bin(gz(all[:half], all[half:])), ft.Map{
				"compressed": "gzip",
			}), []ft.Message{three}, nil, "",
		},
		{
			"gzip, empty", message("t", ft.Bin(nil), ft.Map{"compressed": "gzip", "chunk": "c"}),
			[]ft.Message{{Cluster: "default", Tag: "t", Chunk: "c"}},
			[]string{"c"},
			"",
		},
		{
			"gzip, cut", message("t", ft.Bin(gzipped[:len(gzipped)-1]), ft.Map{"compressed": "gzip", "chunk": "c"}),
			nil, nil, "compression",
		},
		{
			"gzip, checksum", message("t", ft.Bin(broken), ft.Map{"compressed": "gzip", "chunk": "c"}), nil, nil,
			"compression",
		},
		{
			"gzip, second member broken", message("t", ft.Bin(slices.Concat(gzipped, broken)), ft.Map{
				"compressed": "gzip", "chunk": "c",
			}), nil, nil, "compression",
		},
		{
			"gzip, garbage behind", message("t", ft.Bin(append(gz(all), 1, 2, 3)), ft.Map{
				"compressed": "gzip", "chunk": "c",
			}), nil, nil, "compression",
		},
		{"gzip, plain", message("t", ft.Bin(all), ft.Map{"compressed": "gzip", "chunk": "c"}), nil, nil, "compression"},
		{
			"gzip, last entry cut",
			message("t", ft.Bin(gz(all[:len(all)-1])), ft.Map{"compressed": "gzip", "chunk": "c"}), nil, nil, "broken",
		},
		{
			"zstd, bin", message("t", ft.Bin(zs(all)), ft.Map{"compressed": "zstd", "chunk": "c"}),
			[]ft.Message{acked(three, "c")},
			[]string{"c"},
			"",
		},
		{
			"zstd, str32, frames", message("t", ft.Str(zs(all[:half], all[half:])), ft.Map{"compressed": "zstd"}),
			[]ft.Message{three},
			nil, "",
		},
		{
			"zstd, cut", message("t", ft.Bin(zs(all)[:20]), ft.Map{"compressed": "zstd", "chunk": "c"}), nil, nil,
			"compression",
		},
		{
			"zstd, garbage behind", message("t", ft.Bin(append(zs(all), 1, 2, 3)), ft.Map{
				"compressed": "zstd", "chunk": "c",
			}), nil, nil, "compression",
		},
		{"lz4", message("t", ft.Bin(all), ft.Map{"compressed": "lz4", "chunk": "c"}), nil, nil, "compression"},
		{
			"compressed an integer", message("t", ft.Bin(all), ft.Map{"compressed": 1, "chunk": "c"}), nil, nil,
			"compression",
		},
		{
			"tag of 300 bytes", message(long, ft.Bin(all), ft.Map{"chunk": long}),
			[]ft.Message{with(acked(three, long), func(m *ft.Message) { m.Tag = long })},
			[]string{long},
			"",
		},
		{"tag bin", message(ft.Bin([]byte("t")), ft.Bin(all)), []ft.Message{three}, nil, ""},
		{"tag empty", message("", ft.Bin(all)), []ft.Message{with(three, func(m *ft.Message) { m.Tag = "" })}, nil, ""},
		{"tag an integer", message(1, ft.Bin(all), ft.Map{"chunk": "c"}), nil, nil, "tag"},
		{"tag of 1 MiB", message(strings.Repeat("t", 1<<20), ft.Bin(all)), nil, nil, "tag"},
		{
			"too short", slices.Concat(message(), message("t"), message("t", 1), message("t", ft.Bin(all))),
			[]ft.Message{three},
			nil, "",
		},
		{
			"metrics, traces, others",
			slices.Concat(
				message("t", ft.Bin([]byte{0x80}), ft.Map{"fluent_signal": 1, "chunk": "a"}), message(
					"t", forwardOf([]byte{0x92, 0x01, 0x90}), ft.Map{"fluent_signal": 2},
				), message("t", ft.Bin(nil), ft.Map{"fluent_signal": 9, "chunk": "b"}),
			),
			[]ft.Message{
				{Cluster: "default", Tag: "t", Chunk: "a", Dropped: map[string]int{"metrics": 1}},
				{Cluster: "default", Tag: "t", Dropped: map[string]int{"traces": 1}},
				{Cluster: "default", Tag: "t", Chunk: "b", Dropped: map[string]int{"signal_other": 1}},
			},
			[]string{"a", "b"},
			"",
		},
		{"logs by name", message("t", ft.Bin(all), ft.Map{"fluent_signal": 0}), []ft.Message{three}, nil, ""},
		{
			"many, and a nil between",
			slices.Concat(
				message("t", ft.Bin(all), ft.Map{"chunk": "a"}), []byte{0xc0, 0xc0},
				message("t", ft.Bin(all), ft.Map{"chunk": "b\n"}), message("t", when, ft.Map{"log": "one"}),
			),
			[]ft.Message{acked(three, "a"), acked(three, "b\n"), one},
			[]string{"a", "b\n"},
			"",
		},
		{
			"good, then broken", slices.Concat(
				message("t", ft.Bin(all), ft.Map{"chunk": "a"}), message("t", when, ft.Map{"log": "one"}), []byte{0xc1},
			), []ft.Message{acked(three, "a"), one}, []string{"a"}, "broken",
		},
		{
			"cut", slices.Concat(
				message("t", ft.Bin(all), ft.Map{"chunk": "a"}), message("t", ft.Bin(all), ft.Map{"chunk": "b"})[:50],
			), []ft.Message{acked(three, "a")}, []string{"a"}, "lost",
		},
		{"c1 inside", message("t", when, []byte{0x81, 0xa1, 'k', 0xc1}), nil, nil, "broken"},
		{"map at the top", []byte{0x81, 0x01, 0x02}, nil, nil, "broken"},
		{"HTTP", []byte("GET / HTTP/1.1\r\n\r\n"), nil, nil, "not_forward"},
		{"JSON", []byte(`["tag", 1, {}]`), nil, nil, "not_forward"},
		{"ClientHello", []byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01}, nil, nil, "not_forward"},
		{"PING", message("PING", "host", "salt", "digest", "", ""), nil, nil, "handshake"},
		{"4 GiB of entries", []byte{0x93, 0xa1, 't', 0xdd, 0xff, 0xff, 0xff, 0xff}, nil, nil, "too_large"},
		{"4 GiB of elements", []byte{0xdd, 0xff, 0xff, 0xff, 0xff}, nil, nil, "too_large"},
		{"4 GiB of str", []byte{0x93, 0xa1, 't', 0xdb, 0xff, 0xff, 0xff, 0xff}, nil, nil, "too_large"},
		{"4 GiB of ext", []byte{0x93, 0xa1, 't', 0xc9, 0xff, 0xff, 0xff, 0xff}, nil, nil, "too_large"},
		{
			"4 GiB of map in an entry",
			[]byte{0x93, 0xa1, 't', 0x91, 0x92, 0x01, 0xdf, 0xff, 0xff, 0xff, 0xff, 0},
			nil,
			nil, "too_large",
		},
		{
			"4 GiB in 4 GiB", append([]byte{0x93, 0xa1, 't', 0x01}, dup([]byte{0xdd, 0xff, 0xff, 0xff, 0xff}, 60)...),
			nil, nil, "too_large",
		},
		{
			"100,000 deep", slices.Concat([]byte{0x93, 0xa1, 't', 0x01}, dup([]byte{0x91}, 100_000), []byte{0xc0}), nil,
			nil, "broken",
		},
		{
			"100,000 deep, packed", message("t", ft.Bin(dup([]byte{0x91}, 100_000)), ft.Map{"chunk": "c"}), nil, nil,
			"broken",
		},
		{
			"5,000,000 deep, gzip", message("t", ft.Bin(gz(dup([]byte{0x91}, 5_000_000))), ft.Map{
				"chunk": "c", "compressed": "gzip",
			}), nil, nil, "broken",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for how, pieces := range cuts(tc.in, 1) {
				r := newRig(nil)
				writes := r.run(pieces...)
				if got := merged(r.sink.Messages()); !reflect.DeepEqual(got, tc.want) {
					t.Errorf("%s: got\n%+v, want\n%+v", how, got, tc.want)
				}
				var acks [][]byte
				for _, chunk := range tc.acks {
					acks = append(acks, ft.Ack(chunk))
				}
				if !wholeAcks(writes, acks) {
					t.Errorf("%s: wrote % x, want % x", how, writes, acks)
				}
				if why := strings.Join(r.refused(), ","); why != tc.why {
					t.Errorf("%s: closed for %q, want %q: %s", how, why, tc.why, r.log)
				}
				if tc.why == "" {
					quiet(t, r)
				}
				if used := r.budget.Stats().Used; used != 0 {
					t.Errorf("%s: %d bytes of the budget were not given back", how, used)
				}
			}
		})
	}
}

// wholeAcks reports whether the writes are the acks in their order, each of them within one write.
func wholeAcks(writes, acks [][]byte) bool {
	for _, w := range writes {
		for len(w) > 0 {
			if len(acks) == 0 || !bytes.HasPrefix(w, acks[0]) {
				return false
			}
			w, acks = w[len(acks[0]):], acks[1:]
		}
	}
	return len(acks) == 0
}

func TestStats(t *testing.T) {
	r := newRig(nil)
	r.run(slices.Concat(
		message("t", ft.Bin(all), ft.Map{"chunk": "c"}), message("t", forwardOf(e1)), message("t", when, ft.Map{}),
		message("t", ft.Bin(gz(e1)), ft.Map{"compressed": "gzip"}),
	))
	r.run()
	r.run([]byte{0xc1})
	st := r.Stats()
	want := map[string]uint64{"packed": 1, "forward": 1, "message": 1, "gzip": 1, "zstd": 0}
	if !reflect.DeepEqual(st.Messages, want) || st.Acks != 1 || st.AckLatency.Count != 1 || st.Connections != 3 ||
		st.Probes != 1 || st.Open != 0 || st.Refused["broken"] != 1 {
		t.Errorf("stats are %+v", st)
	}
	if open, known := st.Clusters["default"]; open != 0 || !known {
		t.Errorf("%d connections of the cluster are open: %v", open, st.Clusters)
	}
	if st.LastError == "" || !st.LastErrorOver.IsZero() ||
		!strings.Contains(r.log.String(), `"peer":"192.0.2.1:4711"`) {
		t.Errorf("last error %q, over %v, log %s", st.LastError, st.LastErrorOver, r.log)
	}
	if a := st.Agents; len(a) != 1 || a[0].Messages != 4 || a[0].NoAck != 3 || a[0].Open != 0 ||
		a[0].Cluster != "default" {
		t.Errorf("agents are %+v", a)
	}
	if p := st.RefusedPeers; len(p) != 1 || p[0].Reason != "broken" || p[0].Times != 1 ||
		p[0].Host.String() != "192.0.2.1" {
		t.Errorf("turned away are %+v", p)
	}
	if p := st.NoAckPeers; st.NoAck != 3 || len(p) != 1 || p[0].Host.String() != "192.0.2.1" || p[0].Messages != 3 ||
		p[0].Cluster != "default" || p[0].LastSeen.IsZero() {
		t.Errorf("%d messages want no ack, of %+v", st.NoAck, p)
	}
	r.run(message("t", ft.Bin(all), ft.Map{"chunk": "d"}))
	if st := r.Stats(); st.LastErrorOver.IsZero() || st.NoAck != 3 {
		t.Errorf("after a message of the same host: %+v", st)
	}
}
