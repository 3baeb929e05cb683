package publish

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// publisher runs a test with a publisher for a stream in a bubble; the stream takes so many bytes.
func publisher(t *testing.T, maxBytes int64, test func(*testing.T, *Publisher, jetstream.JetStream)) {
	t.Helper()
	dir := t.TempDir()
	// The client keeps timers for whoever needs one next, and one of another bubble may not be used in this one.
	runtime.GC()
	runtime.GC()
	synctest.Test(t, func(t *testing.T) {
		s, err := server.NewServer(&server.Options{
			DontListen: true, NoSigs: true, NoLog: true, JetStream: true, StoreDir: dir, MaxPayload: 1 << 20,
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		defer func() {
			s.Shutdown()
			s.WaitForShutdown()
		}()
		if !s.ReadyForConnections(time.Minute) {
			t.Fatal("the server does not start")
		}
		nc, err := nats.Connect("", nats.InProcessServer(s))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err == nil {
			_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{
				Name: "S", Subjects: []string{"S.>"}, Discard: jetstream.DiscardNew, MaxBytes: maxBytes,
			})
		}
		if err == nil {
			_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"other"}})
		}
		if err != nil {
			t.Fatal(err)
		}
		p, err := New(nc, "S")
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		test(t, p, js)
	})
}

func TestPublish(t *testing.T) {
	publisher(t, -1, func(t *testing.T, p *Publisher, js jetstream.JetStream) { //nolint:thelper // the test itself
		none := func(err error) { t.Errorf("it is tried again: %v", err) }
		var all []*Message
		for i := range 100 {
			all = append(all, &Message{Subject: "S.a", ID: fmt.Sprint("id", i%50), Data: []byte("x")})
		}
		if err := p.Publish(t.Context(), all, none); err != nil {
			t.Fatal(err)
		}
		duplicates := 0
		for i, m := range all {
			if m.Duplicate {
				duplicates++
			}
			if m.Seq == 0 || m.Seq != all[i%50].Seq {
				t.Errorf("message %d is number %d, of the same id as number %d", i, m.Seq, all[i%50].Seq)
			}
		}
		s, err := js.Stream(t.Context(), "S")
		if err != nil || duplicates != 50 || s.CachedInfo().State.Msgs != 50 {
			t.Errorf("%d duplicates, %d stored: %v", duplicates, s.CachedInfo().State.Msgs, err)
		}
		if n, bytes := p.Outstanding(); n != 0 || bytes != 0 {
			t.Errorf("%d messages of %d bytes are outstanding", n, bytes)
		}
	})
}

func TestErrors(t *testing.T) {
	publisher(t, 400, func(t *testing.T, p *Publisher, _ jetstream.JetStream) { //nolint:thelper // the test itself
		for name, tc := range map[string]struct {
			m    Message
			want error
		}{
			"full":      {Message{Subject: "S.a", Data: make([]byte, 500)}, ErrFull},
			"too large": {Message{Subject: "S.a", Data: make([]byte, 2<<20)}, ErrTooLarge},
			"foreign":   {Message{Subject: "other", Data: []byte("x")}, ErrForeign},
			"nobody's":  {Message{Subject: "nobody", Data: []byte("x")}, context.DeadlineExceeded},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			tries := 0
			all := []*Message{{Subject: "S.a", ID: "fits", Data: []byte("x")}, &tc.m}
			err := p.Publish(ctx, all, func(error) { tries++ })
			cancel()
			if !errors.Is(err, tc.want) || (tries > 0) != (name == "nobody's") {
				t.Errorf("%s: %v after %d more tries, want %v", name, err, tries, tc.want)
			}
		}
		p.Close()
		if err := p.Publish(t.Context(), []*Message{{Subject: "S.a"}}, func(error) {}); !errors.Is(err, ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}
