package forward

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/tinylib/msgp/msgp"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

const secret = "s3cr3t-key"

// keyServer is the server's side of a login with secret and, for agent, password "pw".
func keyServer(conn net.Conn) error {
	digest := func(parts ...string) string {
		sum := sha512.Sum512([]byte(strings.Join(parts, "")))
		return hex.EncodeToString(sum[:])
	}
	if _, err := conn.Write([]byte("\x92\xa4HELO\x82\xa5nonce\xc4\x01n\xa4auth\xc4\x01a")); err != nil {
		return err
	}
	b := make([]byte, 4096)
	n, err := conn.Read(b)
	if err != nil {
		return err
	}
	ping, _, err := msgp.ReadIntfBytes(b[:n])
	if err != nil {
		return err
	}
	var f []string
	for _, v := range ping.([]any) {
		f = append(f, v.(string))
	}
	pong := []any{"PONG", true, "", "server", digest(f[2], "server", "n", secret)}
	if f[3] != digest(f[2], f[1], "n", secret) || f[1] != "sender" || f[4] != "agent" ||
		f[5] != digest("a", "agent", "pw") {
		pong = []any{"PONG", false, "shared_key mismatch", "", ""}
		err = errors.New("refused")
	}
	reply, _ := msgp.AppendIntf(nil, pong)
	_, writeErr := conn.Write(reply)
	return errors.Join(err, writeErr)
}

func withLogin(c Config, key string) Config {
	c.SharedKey, c.Username, c.Password = setting.NewSecret(key), "agent", setting.NewSecret("pw")
	return c
}

func TestContract(t *testing.T) {
	outputtest.Contract(t, func(t *testing.T) *outputtest.Destination {
		t.Helper()
		n := newNetwork(t)
		n.login = keyServer
		cfg := withLogin(settings("a"), secret)
		cfg.MaxMessageSize = 256 << 10
		room := -1
		n.do = func(m *received) deed {
			if room >= 0 && m.size > room {
				return refuse
			}
			if room >= 0 {
				room -= m.size
			}
			return ack
		}
		set := func(to int) {
			n.mu.Lock()
			defer n.mu.Unlock()
			room = to
		}
		return &outputtest.Destination{
			Output: n.output(cfg), Secret: secret, Repair: func() { set(-1) }, Break: set,
			Numbers: func(*testing.T) []int { return n.numbers() },
		}
	})
}

// TestDeeds gives four chunks of two events to a server that does something to the second message, or whatever it is
// told before that.
func TestDeeds(t *testing.T) {
	for _, tc := range []struct {
		name   string
		deeds  []deed // of the messages in order; then ack
		stored string // after the first Send
		failed []int
		reason outputs.Reason
		text   string
		dials  int // in both Sends
		resent int
		after  time.Duration // of the first Send
	}{
		{name: "all is well", stored: "[0 1 2 3 4 5 6 7]", dials: 1},
		{
			name: "refused on a used connection, then taken", deeds: []deed{ack, refuse}, stored: "[0 1 2 3 4 5 6 7]",
			dials: 2,
		},
		{name: "closed while idle", deeds: []deed{goodbye}, stored: "[0 1 2 3 4 5 6 7]", dials: 2},
		{
			name: "an ack got lost on a used connection", deeds: []deed{ack, lose}, stored: "[0 1 2 3 4 5 6 7]",
			dials: 2, resent: 1,
		},
		{
			name: "refused twice", deeds: []deed{ack, refuse, refuse}, stored: "[0 1 4 5 6 7]", failed: []int{2, 3},
			reason: outputs.ReasonNetwork, text: "EOF", dials: 3,
		},
		{
			name: "refused at first", deeds: []deed{refuse}, stored: "[2 3 4 5 6 7]", failed: []int{0, 1},
			reason: outputs.ReasonNetwork, text: "EOF", dials: 2,
		},
		{
			name: "an ack got lost at first", deeds: []deed{lose}, stored: "[0 1 2 3 4 5 6 7]", failed: []int{0, 1},
			reason: outputs.ReasonNetwork, dials: 2, resent: 1,
		},
		{
			name: "another ack", deeds: []deed{mistake}, stored: "[0 1 2 3 4 5 6 7]", failed: []int{0, 1},
			reason: outputs.ReasonNetwork, text: `got "another"`, dials: 2, resent: 1,
		},
		{
			name: "no ack", deeds: []deed{ack, hang}, stored: "[0 1 4 5 6 7]", failed: []int{2, 3},
			reason: outputs.ReasonNetwork, text: "waiting for an ack", dials: 2, after: 30 * time.Second,
		},
		{
			name: "never an ack", deeds: []deed{ack, hang, hang}, stored: "[0 1]", failed: []int{2, 3, 4, 5, 6, 7},
			reason: outputs.ReasonNetwork, text: "waiting for an ack", dials: 3, after: 59 * time.Second,
		},
		{
			name: "wants a key", deeds: []deed{wantsKey}, stored: "[2 3 4 5 6 7]", failed: []int{0, 1},
			reason: outputs.ReasonAuth, text: "wants a shared key", dials: 2,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				deeds := tc.deeds
				n.do = func(*received) (d deed) {
					if len(deeds) > 0 {
						d, deeds = deeds[0], deeds[1:]
					}
					return d
				}
				o := n.output(settings("a"))
				b := outputtest.Batch(outputtest.Chunk(1, "c", "t", 2, 0, 9), outputtest.Chunk(2, "c", "t", 2, 2, 9),
					outputtest.Chunk(3, "c", "u", 2, 4, 9), outputtest.Chunk(4, "c", "t", 2, 6, 9))
				// Not twice the timeout, or two timers race.
				ctx, cancel := context.WithTimeout(t.Context(), 59*time.Second)
				defer cancel()
				start := time.Now()
				err := o.Send(ctx, b)
				if took := time.Since(start); took != tc.after {
					t.Errorf("Send took %v, want %v", took, tc.after)
				}
				if got := fmt.Sprint(n.numbers()); got != tc.stored {
					t.Errorf("stored %s, want %s", got, tc.stored)
				}
				again := checkFailed(t, err, b, tc.failed, tc.reason, tc.text)
				if err := o.Send(t.Context(), again); err != nil {
					t.Errorf("sent again: %v", err)
				}
				got := n.numbers()
				slices.Sort(got)
				if fmt.Sprint(got) != "[0 1 2 3 4 5 6 7]" || n.resent != tc.resent || n.dials["a"] != tc.dials {
					t.Errorf("stored %v, %d resent, %d connections; want %d, %d", got, n.resent, n.dials["a"],
						tc.resent, tc.dials)
				}
			})
		})
	}
}

// checkFailed compares Send's error with what is wanted and returns what is to be sent again.
func checkFailed(
	t *testing.T, err error, b *outputs.Batch, failed []int, reason outputs.Reason, text string,
) *outputs.Batch {
	t.Helper()
	again := &outputs.Batch{}
	if len(failed) == 0 {
		if err != nil {
			t.Errorf("error %v", err)
		}
		return again
	}
	var se *outputs.SendError
	if !errors.As(err, &se) {
		t.Fatalf("error %v, want a SendError", err)
	}
	var got []int
	for _, f := range se.Failed {
		got = append(got, f.Index)
		again.Events = append(again.Events, b.Events[f.Index])
		if f.Reason != reason || f.Detail == "" {
			t.Errorf("failure %+v, want reason %s", f, reason)
		}
	}
	if len(se.Failed) == 0 {
		again = b
		for i := range b.Events {
			got = append(got, i)
		}
	}
	if !slices.Equal(got, failed) || se.Reason != reason || !strings.Contains(se.Error(), text) {
		t.Errorf("failed %v, %v; want %v, %s, %q", got, se, failed, reason, text)
	}
	return again
}

func TestUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.down["a"], n.down["b"] = syscall.ECONNREFUSED, syscall.EHOSTUNREACH
		cfg := settings("a", "b")
		cfg.Connections = 4
		o := n.output(cfg)
		var chunks []*event.Chunk
		for i := range 50 {
			chunks = append(chunks, outputtest.Chunk(uint64(i+1), "c", "t", 2, 2*i, 9))
		}
		err := o.Send(t.Context(), outputtest.Batch(chunks...))
		se := outputs.AsSendError(err)
		if err == nil || len(se.Failed) != 0 || se.Reason != outputs.ReasonNetwork ||
			!strings.Contains(err.Error(), "connecting to a: connection refused") ||
			!strings.Contains(err.Error(), "connecting to b: no route to host") {
			t.Errorf("error %v", err)
		}
		if n.dials["a"] > 4 || n.dials["b"] > 4 { // one for each lane
			t.Errorf("tried %v", n.dials)
		}
	})
}

func TestLoginRefused(t *testing.T) {
	n := newNetwork(t)
	n.login = keyServer
	o := n.output(withLogin(settings("a"), "wrong-k3y"))
	err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "c", "t", 2, 0, 9)))
	if se := outputs.AsSendError(err); se.Reason != outputs.ReasonAuth ||
		!strings.Contains(err.Error(), "shared_key mismatch") || strings.Contains(err.Error(), "wrong-k3y") {
		t.Errorf("error %v", err)
	}
}

// TestSameChunk holds that a message's id depends on its events alone.
func TestSameChunk(t *testing.T) {
	n := newNetwork(t)
	cfg := settings("a")
	send := func(cfg Config, events []event.Event) (ids []string) {
		t.Helper()
		n.got = nil
		if err := n.output(cfg).Send(t.Context(), &outputs.Batch{Events: events}); err != nil {
			t.Fatal(err)
		}
		for _, m := range n.got {
			ids = append(ids, m.chunk)
		}
		return ids
	}
	first, second := outputtest.Batch(outputtest.Chunk(1, "c", "t", 10, 0, 90)).Events,
		outputtest.Batch(outputtest.Chunk(2, "c", "t", 10, 0, 90)).Events
	whole := send(cfg, first)
	if len(whole) != 1 || len(whole[0]) != 24 {
		t.Fatalf("ids %q", whole)
	}
	other := settings("b")
	other.Compression, other.Connections = "zstd", 4
	for _, m := range send(other, append(slices.Clone(second), first...)) {
		if m != whole[0] && slices.Contains(whole, m) {
			t.Errorf("id %q, want %q", m, whole)
		}
	}
	if both := send(other, append(slices.Clone(second), first...)); len(both) != 2 ||
		!slices.Contains(both, whole[0]) || both[0] == both[1] {
		t.Errorf("ids %q of two chunks, want %q among them", both, whole)
	}
	if part := send(cfg, first[:9]); part[0] == whole[0] {
		t.Error("other events, the same id")
	}
	cfg.MaxMessageSize = 1 << 10 // more than 8 events, less than 10
	cut := send(cfg, first)
	if rest := send(cfg, first[len(n.got[0].numbers):]); len(cut) != 2 || rest[0] != cut[1] {
		t.Errorf("cut into %q; the rest alone is %q", cut, rest)
	}
	unnamed := outputtest.Chunk(3, "c", "t", 1, 0, 9)
	unnamed.Parts = nil
	id := send(cfg, outputtest.Batch(unnamed).Events)[0]
	unnamed.Entries[len(unnamed.Entries)-1]++
	if send(cfg, outputtest.Batch(unnamed).Events)[0] == id {
		t.Error("events without ids of their own have the same id whatever they hold")
	}
}

// TestLedger delivers through the real loop to servers that do anything at any time: every event arrives, and once.
func TestLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 1))
		n := newNetwork(t)
		addresses := []string{"a", "b", "c"}
		n.do = func(*received) deed {
			if random.IntN(3) > 0 {
				return ack
			}
			n.down[addresses[random.IntN(3)]] = []error{nil, nil, syscall.ECONNREFUSED}[random.IntN(3)]
			return deed(random.IntN(int(wantsKey) + 1))
		}
		cfg := settings(addresses...)
		cfg.Connections, cfg.MaxMessageSize, cfg.Servers[2].Standby = 3, 2<<10, true
		source := outputtest.NewBacklog()
		const chunks, each = 150, 40
		for i := range chunks {
			source.Put(outputtest.Chunk(uint64(i+1), "c", fmt.Sprint("t", i%7), each, i*each, 100))
		}
		o := n.output(cfg)
		loop := delivery.New(delivery.Options{
			Name: "up", Source: source, Output: o, DeadLetters: nil, Common: cfg.Settings(), Grace: time.Second,
			Log: zerolog.Nop(),
		})
		ctx, cancel := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() {
			if err := loop.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		for start := time.Now(); source.Events() > 0; time.Sleep(time.Second) {
			if time.Since(start) > 10*time.Hour {
				t.Error("events are still waiting")
				break
			}
			n.mu.Lock()
			clear(n.down) // whatever is down comes back
			n.mu.Unlock()
		}
		cancel()
		done.Wait()
		got := n.numbers()
		slices.Sort(got)
		if len(got) != chunks*each || !slices.IsSorted(got) || len(slices.Compact(got)) != chunks*each {
			t.Errorf("%d events arrived, want each of %d once", len(got), chunks*each)
		}
		if n.resent == 0 {
			t.Error("nothing was sent twice, so nothing was tested")
		}
	})
}
