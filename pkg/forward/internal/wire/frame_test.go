package wire

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	ft "github.com/seed-afc6a195/aggregator/pkg/forward/forwardtest"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/refusal"
)

const limit = 1 << 20

// TestFrame reads messages of every form, whole and byte by byte, with another message behind them.
func TestFrame(t *testing.T) {
	entry := ft.Entry(1, ft.Map{"log": "x"})
	record := ft.Value(ft.Map{"log": "x"})
	for _, tc := range []struct {
		name string
		in   []byte
		want Message
	}{
		{
			"packed", ft.Array("t", ft.Bin(entry), ft.Map{"chunk": "c"}),
			Message{Form: FormPacked, Second: entry, Options: Options{Chunk: []byte("c")}},
		},
		{"packed as str", ft.Array("t", ft.Str(entry)), Message{Form: FormPacked, Second: entry}},
		{
			"compressed", ft.Array("t", ft.Bin(entry), ft.Map{"compressed": "gzip"}),
			Message{Form: FormPacked, Second: entry, Options: Options{Compressed: []byte("gzip")}},
		},
		{
			"forward", ft.Array("t", ft.Array(entry, entry)),
			Message{Form: FormForward, Second: ft.Array(entry, entry), Events: 2},
		},
		{"forward with nanoseconds", ft.Array("t", ft.Array(ft.Entry(ft.EventTime(1, 2), ft.Map{}))), Message{
			Form: FormForward, Second: ft.Array(ft.Entry(ft.EventTime(1, 2), ft.Map{})), Events: 1, Nanos: true,
		}},
		{
			"forward with what is no event", ft.Array("t", ft.Array(entry, 5)),
			Message{Form: FormForward, Second: ft.Array(entry, 5), Events: 1, HasInvalid: true},
		},
		{"message", ft.Array("t", 1, record), Message{Form: FormMessage, Second: ft.Value(1), Third: record}},
		{"message with metadata", ft.Array("t", 1, record, ft.Map{"metadata": ft.Map{}}), Message{
			Form: FormMessage, Second: ft.Value(1), Third: record, Options: Options{Metadata: ft.Value(ft.Map{})},
		}},
		{
			"metrics", ft.Array("t", ft.Bin(entry), ft.Map{"fluent_signal": 1}),
			Message{Form: FormPacked, Second: entry, Options: Options{Signal: 1}},
		},
		{"too short to carry any", ft.Array("t"), Message{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			both := append(slices.Clone(tc.in), ft.Array("u", ft.Bin(nil))...)
			for _, piece := range []int{len(both), 1, 7} {
				f := NewFrame()
				for n := piece; ; n = min(n+piece, len(both)) {
					done, err := f.Scan(both[:n], limit)
					if err != nil {
						t.Fatal(err)
					}
					if done {
						break
					}
				}
				m, err := NewMessage(&f, tc.in)
				if err != nil || f.Len() != len(tc.in) {
					t.Fatalf("its length is %d, want %d: %v", f.Len(), len(tc.in), err)
				}
				w := tc.want
				if m.Form != w.Form || m.Events != w.Events || m.Nanos != w.Nanos || m.HasInvalid != w.HasInvalid ||
					m.Signal != w.Signal ||
					!bytes.Equal(m.Second, w.Second) || !bytes.Equal(m.Chunk, w.Chunk) ||
					!bytes.Equal(m.Compressed, w.Compressed) ||
					!bytes.Equal(m.Metadata, w.Metadata) || w.Form == FormMessage && !bytes.Equal(m.Third, w.Third) {
					t.Errorf("in pieces of %d: got %+v, want %+v", piece, m, w)
				}
				if m.Form != FormNone && (string(m.Tag) != "t" || f.Tag(both) != "t") {
					t.Errorf("its tag is %q", m.Tag)
				}
			}
		})
	}
}

// TestFrameRefuses refuses what is no message, or too large, as soon as that is known, whatever it claims.
func TestFrameRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, reason string
		in           []byte
	}{
		{"a map", refusal.Broken, ft.Value(ft.Map{})},
		{"JSON", refusal.NotForward, []byte(`{"log":1}`)},
		{"HTTP", refusal.NotForward, []byte("GET / HTTP/1.1\r\n")},
		{"TLS", refusal.NotForward, []byte("\x16\x03\x01")},
		{"a tag that is a number", refusal.Tag, ft.Array(1, ft.Bin(nil))},
		{"a tag that is too long", refusal.Tag, ft.Array(strings.Repeat("t", maxTag+1), ft.Bin(nil))},
		{"a tag that claims to be", refusal.Tag, []byte("\x92\xdb\x00\x01\x00\x10")},
		{"a payload that claims too much", refusal.TooLarge, []byte("\x92\xa1t\xc6\xff\xff\xff\xff")},
		{"entries that claim to be too many", refusal.TooLarge, []byte("\x92\xa1t\xdd\xff\xff\xff\xff")},
		{"elements that claim to be too many", refusal.TooLarge, []byte("\xdd\xff\xff\xff\xff")},
		{"nested too deep", refusal.Broken, append([]byte("\x93\xa1t"), bytes.Repeat([]byte{0x91}, 2000)...)},
		{"the reserved byte", refusal.Broken, []byte("\x92\xa1t\xc1")},
		{"a PING where nobody asks for one", refusal.Handshake, ft.Array("PING", "a", "b", "c", "d", "e")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := NewFrame()
			_, err := f.Scan(tc.in, limit)
			var refused *refusal.Error
			if !errors.As(err, &refused) || refused.Reason != tc.reason {
				t.Errorf("got %v, want a refusal for %s", err, tc.reason)
			}
		})
	}
}
