package handover

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// shelf keeps what is adopted.
type shelf struct {
	buffer.Taker
	chunks  []buffer.Handed
	letters []deadletter.Letter
	ended   int
}

func (s *shelf) Adopt(_ context.Context, _ [16]byte, chunks []buffer.Handed) error {
	s.chunks = append(s.chunks, chunks...)
	return nil
}

func (s *shelf) AdoptLetters(_ context.Context, _ [16]byte, letters []deadletter.Letter) error {
	s.letters = append(s.letters, letters...)
	return nil
}

func (s *shelf) RestAdoption([16]byte) error { return nil }

func (s *shelf) EndAdoption([16]byte) error {
	s.ended++
	return nil
}

// script is a connection whose peer sends some bytes and then closes its side.
type script struct {
	net.Conn
	sent    *bytes.Reader
	answers bytes.Buffer
}

func (s *script) Read(p []byte) (int, error)     { return s.sent.Read(p) }
func (s *script) Write(p []byte) (int, error)    { return s.answers.Write(p) }
func (*script) SetReadDeadline(time.Time) error  { return nil }
func (*script) SetWriteDeadline(time.Time) error { return nil }

// exchange sends bytes to a receiver and returns its answers.
func exchange(tb testing.TB, to buffer.Taker, sent []byte) (answers []reply, err error) {
	tb.Helper()
	answers, _, err = exchangeAll(tb, to, sent)
	return answers, err
}

// exchangeAll is exchange with the targets that the receiver has told of.
func exchangeAll(tb testing.TB, to buffer.Taker, sent []byte) (answers []reply, waits []buffer.Owing, err error) {
	tb.Helper()
	conn := &script{sent: bytes.NewReader(sent)}
	s := newServer(to)
	s.Waits = func(o buffer.Owing) { waits = append(waits, o) }
	err = s.Serve(tb.Context(), conn)
	d := msgpack.NewDecoder(&conn.answers)
	for {
		var r reply
		if d.Decode(&r) != nil {
			return answers, waits, err
		}
		answers = append(answers, r)
	}
}

func frames(tb testing.TB, all ...[]byte) []byte { tb.Helper(); return slices.Concat(all...) }

func message1(tb testing.TB, m message, entries []byte) []byte {
	tb.Helper()
	b, err := appendFrame(nil, string(m.Kind), &m, entries)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func begin(tb testing.TB) []byte {
	tb.Helper()
	return message1(tb,
		message{
			Kind: kindBegin, Queue: make([]byte, 16), Clusters: []string{"seoul", "other"},
			Outputs: []string{"es", "x"},
		}, nil)
}

// good is a chunk's header that change spoils.
func good(change func(*chunkHeader)) *chunkHeader {
	c := &chunkHeader{
		Seq: 5, Cluster: "seoul", Tag: "t", Received: 1, Events: 1,
		Parts: []part{{Key: make([]byte, 16), Events: 1}}, Owes: []owing{{Output: "es"}},
	}
	if change != nil {
		change(c)
	}
	return c
}

// TestNonsense refuses what no sender sends, says why, and stores nothing of it.
func TestNonsense(t *testing.T) {
	chunk := func(change func(*chunkHeader)) []byte {
		return message1(t, message{Kind: kindChunk, Chunk: good(change)}, entry(1))
	}
	letter := message1(t, message{Kind: kindLetter, Letter: &letterHeader{ID: 1, Cluster: "other"}}, entry(1))
	foreign, err := msgpack.Marshal(&frame{Tag: "kube.var.log", Entries: entry(1)})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		sent []byte
		want string
	}{
		{"a chunk first", chunk(nil), "comes before begin"},
		{"an agent's message", frames(t, begin(t), foreign), "its tag is"},
		{"begins twice", frames(t, begin(t), begin(t)), "begins twice"},
		{"no number of a queue", message1(t, message{Kind: kindBegin, Queue: []byte("short")}, nil), "kind"},
		{"no kind", frames(t, begin(t), message1(t, message{}, nil)), "kind"},
		{
			"another cluster", frames(t, begin(t), chunk(func(c *chunkHeader) { c.Cluster = "other" })),
			"does not take over",
		},
		{"another cluster's letter", frames(t, begin(t), letter), "does not take over"},
		{"no number", frames(t, begin(t), chunk(func(c *chunkHeader) { c.Seq = 0 })), "for no output"},
		{"for nobody", frames(t, begin(t), chunk(func(c *chunkHeader) { c.Owes = nil })), "for no output"},
		{
			"a name with a mark in it",
			frames(t, begin(t), chunk(func(c *chunkHeader) { c.Owes[0].Output = "es\x1fx" })), "output",
		},
		{
			"parts that don't add up", frames(t, begin(t), chunk(func(c *chunkHeader) { c.Parts[0].Events = 2 })),
			"parts of 2",
		},
		{
			"events that don't add up",
			frames(t, begin(t), chunk(func(c *chunkHeader) { c.Events, c.Parts[0].Events = 2, 2 })), "has 1 events",
		},
		{"a key that is none", frames(t, begin(t), chunk(func(c *chunkHeader) { c.Parts[0].Key = []byte("k") })), "id"},
		{
			"numbers that go down", frames(t, begin(t), chunk(nil), chunk(func(c *chunkHeader) { c.Seq = 4 })),
			"comes after",
		},
		{
			"entries that are none",
			frames(t, begin(t), message1(t, message{Kind: kindChunk, Chunk: good(nil)}, []byte{0xc1})), "chunk 5",
		},
		{
			"too large", frames(
				t, begin(t), message1(t, message{Kind: kindChunk, Chunk: good(nil)}, make([]byte, 2<<20)),
			), "max_message_size",
		},
		{"no msgpack", frames(t, begin(t), []byte("GET / HTTP/1.1\r\n\r\n")), "reading a message"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			to := &shelf{}
			answers, err := exchange(t, to, tc.sent)
			said := ""
			if n := len(answers); n > 0 {
				said = answers[n-1].Error
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) || said != err.Error() {
				t.Errorf("said %q, returned %v, want %q", said, err, tc.want)
			}
			if len(to.chunks) > 1 || len(to.chunks) == 1 && tc.name != "numbers that go down" ||
				len(to.letters)+to.ended > 0 {
				t.Errorf("stored %+v, %+v", to.chunks, to.letters)
			}
		})
	}
}

func TestServe(t *testing.T) {
	to := &shelf{}
	sent := frames(t, begin(t),
		message1(t, message{Kind: kindChunk, Chunk: good(func(c *chunkHeader) {
			c.NewTag, c.Filtered, c.Owes = "new", true, []owing{{Output: "es", Target: "logs-1"}, {Output: "x"}}
			c.Parts[0].Joined, c.Parts[0].First = 9, 3
		})}, entry(1)),
		message1(t,
			message{Kind: kindLetter, Letter: &letterHeader{ID: 7, Cluster: "seoul", Reason: "rejected", Events: 1}},
			entry(2)))
	answers, waits, err := exchangeAll(t, to, sent)
	if want := []buffer.Owing{{Output: "es", Target: "logs-1"}}; !slices.Equal(waits, want) {
		t.Errorf("told of %v, want %v", waits, want)
	}
	if len(answers) < 3 || answers[2].Ack != "letter" || !slices.Equal(answers[0].Clusters, []string{"seoul"}) ||
		!slices.Equal(answers[0].Unknown, []string{"x"}) {
		t.Errorf("answers %+v, %v", answers, err)
	}
	want := buffer.Handed{
		Chunk: event.Chunk{
			Seq: 5, Cluster: "seoul", Tag: "t", NewTag: "new", Filtered: true, Received: time.Unix(0, 1), Events: 1,
			Entries: entry(1),
			Parts:   []event.Part{{First: 3, Events: 1, Joined: 9}},
		},
		Owes: []buffer.Owing{{Output: "es", Target: "logs-1"}, {Output: "x"}},
	}
	if len(to.chunks) != 1 || fmt.Sprintf("%+v", to.chunks[0]) != fmt.Sprintf("%+v", want) {
		t.Errorf("got  %+v\nwant %+v", to.chunks, want)
	}
	if len(to.letters) != 1 || to.letters[0].ID != 7 || to.letters[0].Reason != "rejected" ||
		!bytes.Equal(to.letters[0].Entry, entry(2)) {
		t.Errorf("letters %+v", to.letters)
	}
}

// FuzzServe sends a receiver anything behind a good beginning: it takes no chunk that makes no sense.
func FuzzServe(f *testing.F) {
	f.Add(message1(f, message{Kind: kindChunk, Chunk: good(nil)}, entry(1)))
	f.Add(message1(f, message{Kind: kindLetter, Letter: &letterHeader{ID: 7, Cluster: "seoul"}}, entry(1)))
	f.Add(message1(f, message{Kind: kindEnd}, nil))
	f.Add([]byte("\xdd\xff\xff\xff\xff"))
	f.Add([]byte("\x93\xb3aggregator.handover\xc6\x7f\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		to := &shelf{}
		_, _ = exchange(t, to, frames(t, begin(t), b))
		for _, c := range to.chunks {
			sum := 0
			for _, p := range c.Parts {
				sum += p.Events
			}
			if n, err := countEvents(c.Entries); err != nil || n != c.Events || sum != n || len(c.Owes) == 0 ||
				c.Cluster != "seoul" && c.Cluster != "oslo" {
				t.Fatalf("took %+v", c)
			}
		}
	})
}
