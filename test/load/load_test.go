package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
	"github.com/seed-afc6a195/aggregator/test/harness"
)

// TestLoad has 2000 agents, half of them over TLS, of 20 clusters and with 1000 tags, send to a destination that takes
// a hundredth of what comes, while one cluster floods and some clients are slow in every way. What the others send is
// acknowledged all the same, the memory stays within its budget, and when the clients are gone so is what they took.
func TestLoad(t *testing.T) {
	connections, chunks := number(t, "LOAD_CONNECTIONS", 2000), number(t, "LOAD_CHUNKS", 4)
	r := newRig(t, true, "")
	for _, i := range []int{0, clusters} { // each listener has had a connection, and the output its own
		first := r.agent(i)
		first.Limit = 20
		first.Run(t.Context())
	}
	r.Drained()
	base := r.cost()

	fast := r.es.slowDown(5 * time.Millisecond) // 400 events a second
	slowly, endSlow := context.WithCancel(t.Context())
	var slow sync.WaitGroup
	for i := range 40 {
		slow.Go(func() { r.awkward(slowly, i) })
	}
	flooding, endFlood := context.WithCancel(t.Context())
	var flood sync.WaitGroup
	var floods, agents []*harness.Agent
	for i := range connections {
		a := r.agent(i)
		if i%clusters == 0 {
			a.Padding, a.Events, a.InFlight = 2000, 200, 4
			floods = append(floods, a)
			flood.Go(func() { a.Run(flooding) })
			continue
		}
		a.Limit = chunks * 20
		agents = append(agents, a)
	}
	began := time.Now()
	var sending sync.WaitGroup
	for _, a := range agents {
		sending.Go(func() { a.Run(t.Context()) })
	}
	sending.Wait()
	took := time.Since(began)

	events := 0
	for _, a := range agents {
		events += a.Acked()
		if a.Acked() < a.Limit {
			t.Errorf("%s has %d of %d acks", a.Name, a.Acked(), a.Limit)
		}
	}
	for _, l := range r.latencies() {
		t.Logf("listener %s: %d connections of %d ever, %d acks, p50 %.0f ms, p99 %.0f ms", l.Name, l.Connections,
			l.Total, l.Acks, 1000*l.Latency.P50, 1000*l.Latency.P99)
	}
	busy := r.cost()
	came, _ := r.es.counts()
	t.Logf("%d events of %d agents acknowledged in %v, %.0f a second; the destination has taken %d; %.0f goroutines, "+
		"%.0f files, %.0f MiB resident",
		events, len(agents), took.Round(time.Millisecond), float64(events)/took.Seconds(), came, busy.goroutines,
		busy.files, busy.resident/(1<<20))

	endSlow()
	slow.Wait()
	fast()
	endFlood()
	flood.Wait()
	for _, a := range floods {
		a.Finish(t.Context())
		if a.Acked() == 0 {
			t.Errorf("%s, which floods, has no ack", a.Name)
		}
		events += a.Acked()
	}
	r.Drained()
	r.Balanced()
	if have, doubled := r.es.counts(); have-doubled < events {
		t.Errorf("%d events were acknowledged, %d are there", events, have-doubled)
	} else {
		t.Logf("%d events acknowledged with those of the flood, %d delivered, %d of them twice", events, have, doubled)
	}
	limit, peak := r.Snapshot().Memory.LimitBytes, r.resident("VmHWM:")
	t.Logf("at most %d MiB were resident, the limit is %d MiB and connections", peak>>20, limit>>20)
	if most := limit + int64(connections)*connectionCost; peak > most {
		t.Errorf("%d MiB were resident, more than the budget of %d MiB", peak>>20, most>>20)
	}
	r.restsAt(base)
	r.Stop()
}

// connectionCost is what docs/lifecycle.md says that a connection costs at most, in bytes.
const connectionCost = 50 << 10

// awkward is a client that is slow: one that sends a byte each 100 ms, or one that never reads its acks.
func (r *rig) awkward(ctx context.Context, i int) {
	c, err := client.Dial(ctx, client.Config{
		Address: r.Forward, Login: &client.Login{SharedKey: fmt.Sprint("key-", i%clusters), Hostname: "awkward"},
		Timeout: harness.Patience,
	})
	if err != nil {
		if ctx.Err() == nil {
			r.t.Errorf("a slow client can't connect: %v", err)
		}
		return
	}
	defer c.Close()
	var encoder client.Encoder
	message := client.Message{Tag: "awkward", Entries: []byte("\x92\x01\x81\xa1a\x01"), Events: 1, Chunk: "awkward"}
	frame, err := encoder.Append(nil, &message)
	if err != nil {
		r.t.Error(err)
		return
	}
	for n := 0; ctx.Err() == nil && err == nil; n++ {
		if i%2 == 0 { // acks fill the sockets until the server has enough of it
			err = c.Write(ctx, frame)
			continue
		}
		if err = c.Write(ctx, frame[n%len(frame):][:1]); err == nil {
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	if err != nil && i%2 == 1 && !errors.Is(err, context.Canceled) {
		r.t.Errorf("a client that sends slowly was cut off: %v", err)
	}
}
