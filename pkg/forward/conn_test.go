package forward_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/forward"
	ft "github.com/seed-afc6a195/aggregator/pkg/forward/forwardtest"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
)

// agent runs steps against r over a pipe, inside a synctest bubble, and returns when both ends are done.
func agent(t *testing.T, r *rig, steps ...ft.Step) {
	t.Helper()
	server, client := net.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() { r.Handle(server) })
	ft.Run(t, client, steps...)
	wg.Wait()
}

func packed(chunk string) []byte {
	return message("t", ft.Bin(all), ft.Map{"chunk": chunk})
}

// TestConnection is about time and order: what an agent sees, and what the Sink is told of its acks.
func TestConnection(t *testing.T) {
	half := packed("c")[:40]
	for _, tc := range []struct {
		name     string
		steps    []ft.Step
		messages int
		settled  []bool
		why      string
	}{
		{"an ack, then a close", []ft.Step{ft.Send(packed("a")), ft.ExpectAcks("a")}, 1, []bool{true}, ""},
		{
			"acks in turn",
			[]ft.Step{
				ft.Send(packed("a")), ft.ExpectAcks("a"), ft.Sleep(time.Minute), ft.Send(packed("b")),
				ft.ExpectAcks("b"),
			},
			2,
			[]bool{true, true},
			"",
		},
		{
			"five at once",
			[]ft.Step{
				ft.Send(packed("a"), packed("b"), packed("c"), packed("b"), packed("e")),
				ft.ExpectAcks("a", "b", "c", "b", "e"),
			},
			5,
			[]bool{true},
			"",
		},
		{
			"no chunk, no answer", []ft.Step{
				ft.Send(message("t", ft.Bin(all))), ft.Sleep(time.Second), ft.Send(packed("a")), ft.ExpectAcks("a"),
			}, 2, []bool{true}, "",
		},
		{
			"35 s idle",
			[]ft.Step{
				ft.Send(packed("a")), ft.ExpectAcks("a"), ft.Sleep(35 * time.Second), ft.Send(packed("b")),
				ft.ExpectAcks("b"),
			},
			2,
			[]bool{true, true},
			"",
		},
		{"idle for too long", []ft.Step{ft.Send(packed("a")), ft.ExpectAcks("a"), ft.ExpectClose}, 1, []bool{true}, ""},
		{"idle from the start", []ft.Step{ft.ExpectClose}, 0, nil, ""},
		{"stops in a message", []ft.Step{ft.Send(half), ft.ExpectClose}, 0, nil, "stalled"},
		{"a byte each 20 s", []ft.Step{
			func(tb testing.TB, nc net.Conn) {
				tb.Helper()
				for _, c := range packed("a") {
					time.Sleep(20 * time.Second)
					ft.Send([]byte{c})(tb, nc)
				}
			}, ft.ExpectAcks("a"),
		}, 1, []bool{true}, ""},
		{
			"broken after acks", []ft.Step{
				ft.Send(packed("a")), ft.ExpectAcks("a"), ft.Send([]byte{0xc1}), ft.ExpectClose,
			}, 1, []bool{true}, "broken",
		},
		{
			"broken in the same read", []ft.Step{
				ft.Send(packed("a"), []byte{0xc1}), ft.ExpectAcks("a"), ft.ExpectClose,
			}, 1, []bool{false}, "broken",
		},
		{
			"acks are never read",
			[]ft.Step{ft.Send(packed("a")), ft.Sleep(time.Minute)},
			1,
			[]bool{false},
			"ack_not_taken",
		},
		{"a probe", nil, 0, nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(nil)
				agent(t, r, tc.steps...)
				if n := len(r.sink.Messages()); n != tc.messages {
					t.Errorf("%d messages stored, want %d", n, tc.messages)
				}
				var settled []bool
				for _, s := range r.sink.Settled() {
					settled = append(settled, s.Received)
				}
				if !reflect.DeepEqual(settled, tc.settled) {
					t.Errorf("settled %v, want %v", settled, tc.settled)
				}
				if why := strings.Join(r.refused(), ","); why != tc.why {
					t.Errorf("closed for %q, want %q: %s", why, tc.why, r.log)
				}
				if tc.why == "" {
					quiet(t, r)
				}
			})
		})
	}
}

// TestReset takes a connection that breaks for one whose acks did not arrive.
func TestReset(t *testing.T) {
	r := newRig(nil)
	r.Handle(&feed{pieces: [][]byte{packed("a")}, err: errBroken})
	if s := r.sink.Settled(); len(s) != 1 || s[0].Received {
		t.Errorf("settled %v", s)
	}
	quiet(t, r) // between two messages, that is no fault
	r.Handle(&feed{err: errBroken})
	if n := r.Stats().Probes; n != 1 {
		t.Errorf("%d probes", n)
	}
}

// TestAckFollowsCommit blocks the commit: there must be no ack before it is done, and none if it fails.
func TestAckFollowsCommit(t *testing.T) {
	for _, fail := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(nil)
			stored := false
			r.sink.OnCommit = func(context.Context) error {
				time.Sleep(time.Hour)
				stored = true
				if fail {
					return errors.New("disk on fire")
				}
				return nil
			}
			expect := ft.ExpectAcks("a", "b")
			if fail {
				expect = ft.ExpectClose
			}
			agent(t, r, ft.Send(packed("a"), packed("b")), expect, func(tb testing.TB, _ net.Conn) {
				tb.Helper()
				if !stored {
					tb.Error("an ack came before the commit was done")
				}
			})
			if fail && (len(r.sink.Messages()) > 0 || !strings.Contains(r.log.String(), "disk on fire")) {
				t.Errorf("stored %d; log %s", len(r.sink.Messages()), r.log)
			}
			if s := r.sink.Settled(); len(s) != 1 || s[0].Received == fail {
				t.Errorf("settled %v", s)
			}
		})
	}
}

// TestSlowSendersMakeRoom fills the budget with connections that stop within a message: another one is served.
func TestSlowSendersMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(func(o *forward.Options) { o.Budget = ingest.NewBudget(1 << 20) })
		stuck := message("t", ft.Bin(dup(e1, 20<<10)))[:300<<10]
		var wg sync.WaitGroup
		for range 4 {
			server, client := net.Pipe()
			wg.Go(func() { r.Handle(server) })
			wg.Go(func() {
				ft.SendPieces(stuck, 10_000)(t, client)
				_, _ = io.Copy(io.Discard, client)
				_ = client.Close()
			})
		}
		time.Sleep(2 * time.Second)
		began := time.Now()
		agent(t, r, ft.Send(message("t", ft.Bin(dup(e1, 4000)), ft.Map{"chunk": "a"})), ft.ExpectAcks("a"))
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		wg.Wait()
		if st := r.Stats(); st.Budget.Used != 0 || st.Budget.Peak > 1<<20+4096 || st.Refused["memory"] == 0 {
			t.Errorf("stats: %+v", st)
		}
	})
}

// TestQueueFull holds all memory in batches that wait for the queue: nobody is closed for that, and all goes on when
// there is room.
func TestQueueFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(func(o *forward.Options) { o.Budget = ingest.NewBudget(4 << 20) })
		full := make(chan struct{})
		r.sink.OnCommit = func(context.Context) error { <-full; return nil }
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				agent(t, r, ft.Send(message("t", ft.Bin(dup(e1, 4000)), ft.Map{"chunk": "a"})), ft.ExpectAcks("a"))
			})
		}
		time.Sleep(5 * time.Minute)
		close(full)
		wg.Wait()
		if st := r.Stats(); st.Acks != 20 || len(r.sink.Messages()) != 20 {
			t.Errorf("stats: %+v", st)
		}
	})
}

// TestOneBatchForARead has all whole messages of a read stored with one commit.
func TestOneBatchForARead(t *testing.T) {
	r := newRig(nil)
	var in []byte
	for range 20 {
		in = append(in, packed("x")...)
	}
	in = append(in, packed("y")[:50]...)
	r.run(in)
	if n := r.sink.Commits(); n != 1 || len(r.sink.Messages()) != 20 {
		t.Errorf("%d commits, %d messages", n, len(r.sink.Messages()))
	}
	// Acks bound a batch.
	r = newRig(nil)
	small := message("t", ft.Array(), ft.Map{"chunk": "c"})
	if acks := slices.Concat(r.run(dup(small, 5000))...); !bytes.Equal(acks, dup(ft.Ack("c"), 5000)) {
		t.Errorf("%d bytes of acks", len(acks))
	}
}

// TestSettle is about what proves that a client has its acks when the connection breaks in the end: a message that it
// began after them. One that had begun to come before is none, nor is the next one of a client that is several messages
// ahead, however large it is.
func TestSettle(t *testing.T) {
	m, large := packed("a"), message("t", ft.Bin(dup(e1, 4000)), ft.Map{"chunk": "b"})
	half := len(m) / 2
	begun := append(bytes.Clone(m), m[:half]...)
	next := append(bytes.Clone(m[half:]), m[:half]...)
	type settled struct {
		commits  int
		received bool
	}
	for _, tc := range []struct {
		name   string
		pieces [][]byte
		want   []settled
	}{
		{"one after the other", [][]byte{m, m, m}, []settled{{1, true}, {1, true}, {1, false}}},
		{"three at once", [][]byte{dup(m, 3)}, []settled{{1, false}}},
		{"three at once, then one", [][]byte{dup(m, 3), m}, []settled{{2, false}}},
		{"three at once, then large ones", [][]byte{dup(m, 3), large, large}, []settled{{3, false}}},
		{"three at once, then six", [][]byte{dup(m, 3), m, m, m, m, m, m}, []settled{{1, true}, {6, false}}},
		{"the second had begun", [][]byte{begun, m[half:]}, []settled{{2, false}}},
		{"the second had begun, the third had not", [][]byte{begun, next}, []settled{{2, false}}},
		{"the second had begun, then four", [][]byte{begun, m[half:], m, m, m}, []settled{{1, true}, {4, false}}},
		{"one breaks off", [][]byte{m, m[:half]}, []settled{{1, true}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(nil)
			r.Handle(&feed{pieces: tc.pieces, err: errBroken})
			var got []settled
			for _, s := range r.sink.Settled() {
				got = append(got, settled{s.Commits, s.Received})
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("settled %v, want %v", got, tc.want)
			}
		})
	}
}
