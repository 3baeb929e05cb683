package sender

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"
	"go.uber.org/goleak"

	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// numbered returns n lines of JSON and what a server should get.
func numbered(n int) (text string, records []string) {
	for i := range n {
		records = append(records, fmt.Sprintf(`{"n":%d}`, i))
	}
	return strings.Join(records, "\n"), records
}

func TestSendEveryForm(t *testing.T) {
	text, want := numbered(25)
	for _, tc := range []struct {
		mode     client.Mode
		compress string
		ack      bool
		frames   int
	}{
		{client.PackedMode, "", true, 3},
		{client.PackedMode, "", false, 3},
		{client.PackedMode, "gzip", true, 3},
		{client.PackedMode, "zstd", false, 3},
		{client.ForwardMode, "", true, 3},
		{client.MessageMode, "", true, 25},
		{client.MessageMode, "", false, 25},
	} {
		t.Run(fmt.Sprint(tc), func(t *testing.T) {
			srv := newServer(t, ack)
			cfg := srv.config()
			cfg.Mode, cfg.Compress, cfg.Ack, cfg.StopGrace = tc.mode, tc.compress, tc.ack, time.Minute
			r, err := New(cfg, lines(t, InputConfig{ChunkEvents: 10, Format: FormatAuto}, text)).Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := srv.received(); !slices.Equal(got, want) {
				t.Errorf("received %v", got)
			}
			acked := uint64(0)
			if tc.ack {
				acked = 25
			}
			if r.Events != 25 || r.Sent != 25 || r.Acked != acked || r.Unacked != 0 || r.Chunks != 3 || r.Resent != 0 ||
				(r.Max > 0) != tc.ack {
				t.Errorf("result %+v", r)
			}
			bytes, ids := 0, map[string]bool{}
			frames := srv.got()
			for _, f := range frames {
				bytes += len(f.raw)
				ids[f.chunk] = true
				if f.tag != "t" || (f.chunk != "") != tc.ack ||
					tc.mode != client.MessageMode && f.events != len(jsonOf(t, f.entries)) {
					t.Errorf("tag %q, chunk %q, size %d", f.tag, f.chunk, f.events)
				}
			}
			if uint64(bytes) != r.Bytes || len(frames) != tc.frames || tc.ack && len(ids) != tc.frames {
				t.Errorf("%d frames, %d ids, %d bytes, counted %d", len(frames), len(ids), bytes, r.Bytes)
			}
		})
	}
}

// TestSendAgain has connections break in every way; each time the chunk must come again, the same.
func TestSendAgain(t *testing.T) {
	text, want := numbered(30)
	for name, first := range map[string]func(f frame) []byte{
		"closed without an ack": func(frame) []byte { return nil },
		"another ack":           func(frame) []byte { return []byte("\x81\xa3ack\xa5wrong") },
		"half an ack":           func(f frame) []byte { return ack(0, f)[:10] },
		"no msgpack":            func(frame) []byte { return []byte{0xc1} },
	} {
		for _, pipeline := range []int{1, 2, 8} {
			t.Run(fmt.Sprintf("%s, pipeline %d", name, pipeline), func(t *testing.T) {
				var mu sync.Mutex
				received := 0
				srv := newServer(t, func(conn int, f frame) []byte {
					mu.Lock()
					defer mu.Unlock()
					received++
					switch {
					case conn == 1 && received == 2:
						return first(f)
					case conn == 1 && received > 2:
						return nil // what follows a wrong answer
					}
					return ack(conn, f)
				})
				cfg := srv.config()
				cfg.Pipeline = pipeline
				cfg.Client.Timeout = 100e6 // half an ack stays one
				r, err := New(cfg, lines(t, InputConfig{ChunkEvents: 10}, text)).Run(t.Context())
				if err != nil || r.Acked != 30 || r.Unacked != 0 || r.Resent == 0 {
					t.Fatalf("error %v, result %+v", err, r)
				}
				byChunk := map[string][]byte{}
				for _, f := range srv.got() {
					if before := byChunk[f.chunk]; before != nil && !bytes.Equal(before, f.raw) {
						t.Errorf("chunk %s is another one the second time", f.chunk)
					}
					byChunk[f.chunk] = f.raw
				}
				if len(byChunk) != 3 {
					t.Errorf("%d chunk ids, want 3", len(byChunk))
				}
				got := srv.received()
				slices.Sort(got)
				sorted := slices.Sorted(slices.Values(want))
				if !slices.Equal(slices.Compact(got), sorted) {
					t.Errorf("received %v", got)
				}
			})
		}
	}
}

func TestSendAgainOnlyMessagesWithoutAck(t *testing.T) {
	text, want := numbered(5)
	srv := newServer(t, func(conn int, f frame) []byte {
		if conn == 1 && strings.Contains(string(f.entries), "\xa1n\x02") {
			return nil
		}
		return ack(conn, f)
	})
	cfg := srv.config()
	cfg.Mode = client.MessageMode
	r, err := New(cfg, lines(t, InputConfig{ChunkEvents: 10}, text)).Run(t.Context())
	if err != nil || r.Acked != 5 || r.Resent != 1 {
		t.Fatalf("error %v, result %+v", err, r)
	}
	// The third message came twice; the acks of the first two may have been lost with the reset.
	got := srv.received()
	if tail := got[3:]; !slices.Equal(got[:3], want[:3]) || !slices.Equal(tail[len(tail)-3:], want[2:]) ||
		len(got) > 8 {
		t.Errorf("received %v", got)
	}
}

func TestSendHoldsTheWindow(t *testing.T) {
	text, want := numbered(40)
	const pipeline = 4
	var held [][]byte // one connection: one goroutine
	srv := newServer(t, func(conn int, f frame) []byte {
		held = append(held, ack(conn, f))
		if len(held) > pipeline {
			t.Errorf("%d chunks without an ack", len(held))
		}
		if len(held) < pipeline { // if the sender waited for an ack now, it would do so for ever
			return []byte{}
		}
		answer := bytes.Join(held, nil)
		held = nil
		return answer
	})
	cfg := srv.config()
	cfg.Pipeline = pipeline
	r, err := New(cfg, lines(t, InputConfig{ChunkEvents: 1}, text)).Run(t.Context())
	if got := srv.received(); err != nil || r.Acked != 40 || !slices.Equal(got, want) {
		t.Errorf("error %v, result %+v, received %v", err, r, got)
	}
}

func TestSendOverManyConnections(t *testing.T) {
	srv := newServer(t, ack)
	cfg := srv.config()
	cfg.Connections, cfg.Pipeline = 4, 2
	r, err := New(cfg, &Generator{Count: 10_001, Size: 250, ChunkEvents: 100}).Run(t.Context())
	got := srv.received()
	slices.Sort(got)
	if distinct := slices.Compact(slices.Clone(got)); err != nil || r.Acked != 10_001 || len(got) != 10_001 ||
		len(distinct) != 10_001 {
		t.Errorf("error %v, result %+v, received %d", err, r, len(got))
	}
}

func TestSendFailures(t *testing.T) {
	text, _ := numbered(20)
	refuse := func(_ int, f frame) []byte { return nil }
	helo := func(_ int, f frame) []byte { return []byte("\x92\xa4HELO\x80") }
	for _, tc := range []struct {
		name   string
		handle func(int, frame) []byte
		change func(*Config)
		want   error
		text   string
	}{
		{"never acked", refuse, func(c *Config) { c.RetryTimeout = 200e6 }, nil, "were not acknowledged"},
		{"no retry", refuse, func(c *Config) { c.RetryTimeout = 0 }, nil, "were not acknowledged"},
		{"a key is wanted", helo, func(*Config) {}, client.ErrLogin, "wants a shared key"},
		{"nobody there", nil, func(c *Config) {
			c.Client.Address, c.RetryTimeout = "127.0.0.1:1", 100e6
		}, nil, "refused"},
		{"bad mode", ack, func(c *Config) { c.Mode = "odd" }, nil, `no mode "odd"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			srv := newServer(t, tc.handle)
			cfg := srv.config()
			tc.change(&cfg)
			r, err := New(cfg, lines(t, InputConfig{ChunkEvents: 10}, text)).Run(t.Context())
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) ||
				tc.text != "" && !strings.Contains(err.Error(), tc.text) {
				t.Errorf("error %v", err)
			}
			if r.Acked != 0 || r.Unacked != r.Events || r.Events == 0 {
				t.Errorf("result %+v", r)
			}
		})
	}
}

func TestSendStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	srv := newServer(t, func(conn int, f frame) []byte {
		cancel()
		return []byte{} // an ack never comes
	})
	r, err := New(srv.config(), &Generator{Size: 250, ChunkEvents: 10}).Run(ctx)
	if !errors.Is(err, errStopped) || r.Unacked == 0 || r.Unacked != r.Events {
		t.Errorf("error %v, result %+v", err, r)
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	srv = newServer(t, func(conn int, f frame) []byte {
		cancel()
		return ack(conn, f)
	})
	cfg := srv.config()
	cfg.StopGrace = time.Minute // not waited for: the acks come
	if r, err = New(cfg, &Generator{Size: 250, ChunkEvents: 10}).Run(ctx); err != nil || r.Unacked != 0 ||
		r.Acked == 0 {
		t.Errorf("error %v, result %+v", err, r)
	}
}

func TestSendWithoutAcksNoticesAServerThatReadNothing(t *testing.T) {
	srv := newServer(t, func(int, frame) []byte { return []byte("\x92\xa4HELO\x80") })
	cfg := srv.config()
	cfg.Ack, cfg.StopGrace = false, time.Minute
	if r, err := New(cfg, lines(t, InputConfig{}, "a")).Run(t.Context()); !errors.Is(err, client.ErrLogin) ||
		r.Sent != 1 {
		t.Errorf("error %v, result %+v", err, r)
	}
}

func TestSendKeepsWhatCameBeforeABadLine(t *testing.T) {
	srv := newServer(t, ack)
	r, err := New(srv.config(),
		lines(t, InputConfig{ChunkEvents: 10, Format: FormatJSON},
			"{\"n\":1}\n\n{\"n\":2}\nno\n{\"n\":3}\n")).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "standard input:4: not a JSON object") || r.Acked != 2 {
		t.Errorf("error %v, result %+v", err, r)
	}
}

// TestSendTags sends as a fleet does: no connection has a tag of another's, and each of its own in turn.
func TestSendTags(t *testing.T) {
	for _, tc := range []struct {
		tags, connections int
		want              [][]string // of each connection
	}{
		{0, 2, [][]string{{"t"}, {"t"}}},
		{1, 1, [][]string{{"t"}}},
		{2, 3, [][]string{{"t.0"}, {"t.1"}, {"t.0"}}},
		{5, 2, [][]string{{"t.0", "t.2", "t.4"}, {"t.1", "t.3"}}},
	} {
		cfg := Config{Tag: "t", Tags: tc.tags, Connections: tc.connections}
		for i, want := range tc.want {
			if got := cfg.tags(i); !slices.Equal(got, want) {
				t.Errorf("%d tags: connection %d of %d has %v, want %v", tc.tags, i, tc.connections, got, want)
			}
		}
	}
	srv := newServer(t, ack)
	cfg := srv.config()
	cfg.Tags, cfg.Connections = 3, 1
	if _, err := New(cfg, lines(t, InputConfig{ChunkEvents: 1}, "a\nb\nc\nd\n")).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range srv.got() {
		got = append(got, f.tag)
	}
	if want := []string{"t.0", "t.1", "t.2", "t.0"}; !slices.Equal(got, want) {
		t.Errorf("chunks have the tags %v, want %v", got, want)
	}
}

// BenchmarkSend measures generator and client together; the server only looks for the chunk id.
func BenchmarkSend(b *testing.B) {
	for _, mode := range []client.Mode{client.PackedMode, client.MessageMode} {
		b.Run(string(mode), func(b *testing.B) {
			s := New(Config{Mode: mode, Tag: "t", Ack: true, Pipeline: 1}, &Generator{Size: 300, ChunkEvents: 500})
			c := newConnection(s, 0)
			b.SetBytes(300)
			var ch chunk
			for range b.N/500 + 1 {
				entries, n, err := c.reader.Next(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if err := c.fill(&ch, entries, n); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// seqOf returns the numbers of made-up events.
func seqOf(t *testing.T, entries []byte) (seqs []uint64) {
	t.Helper()
	for len(entries) > 0 {
		_, rest, _ := msgp.ReadArrayHeaderBytes(entries)
		rest, _ = msgp.Skip(rest)
		seq, _, err := msgp.ReadUint64Bytes(msgp.Locate("seq", rest))
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, seq)
		if entries, err = msgp.Skip(rest); err != nil {
			t.Fatal(err)
		}
	}
	return seqs
}
