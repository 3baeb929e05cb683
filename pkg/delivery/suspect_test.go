package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// gateway is a destination behind one that refuses a whole request for what an event holds. Safe for concurrent use.
type gateway struct {
	mu      sync.Mutex
	refuses func(n int) bool // an event
	down    bool             // it refuses all
	sends   [][]int
	got     map[int]int
}

func (g *gateway) Close() error { return nil }

func (g *gateway) Send(_ context.Context, b *outputs.Batch) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var numbers []int
	for i := range b.Events {
		numbers = append(numbers, outputtest.Number(&b.Events[i]))
	}
	g.sends = append(g.sends, numbers)
	b.Host = "http://es:9200"
	if g.down || slices.ContainsFunc(numbers, g.refuses) {
		return &outputs.SendError{
			Reason: outputs.ReasonAuth, Status: 403, Suspect: true, Host: b.Host, Err: errors.New("403 Forbidden"),
		}
	}
	for _, n := range numbers {
		g.got[n]++
	}
	return nil
}

func (g *gateway) set(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
}

func (g *gateway) requests() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.sends)
}

// delivered returns how many events arrived, and fails where one arrived twice.
func (g *gateway) delivered(t *testing.T) int {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	for n, times := range g.got {
		if times != 1 {
			t.Errorf("event %d arrived %d times", n, times)
		}
	}
	return len(g.got)
}

// graveyard keeps dead letters.
type graveyard struct {
	mu      sync.Mutex
	letters []string // number and detail
}

func (y *graveyard) Add(_ context.Context, letters []delivery.DeadLetter) error {
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, l := range letters {
		y.letters = append(y.letters,
			fmt.Sprintf("%d %s %d %s", outputtest.Number(l.Event), l.Reason, l.Status, l.Detail))
	}
	return nil
}

func (y *graveyard) all() []string {
	y.mu.Lock()
	defer y.mu.Unlock()
	return slices.Clone(y.letters)
}

// gatewayRig delivers chunks of 100 events, one every ten seconds, to g in a bubble of synctest.
type gatewayRig struct {
	*gateway
	source *outputtest.Backlog
	dead   *graveyard
	put    int
	end    func()
}

func newGatewayRig(t *testing.T, refuses func(n int) bool) *gatewayRig {
	t.Helper()
	r := &gatewayRig{
		gateway: &gateway{refuses: refuses, got: map[int]int{}}, source: outputtest.NewBacklog(), dead: &graveyard{},
	}
	loop := delivery.New(delivery.Options{
		Name: "es", Source: r.source, Output: r.gateway, DeadLetters: r.dead, Log: zerolog.Nop(),
		Common: outputs.Common{
			Workers: 2, Retry: outputs.RetryConfig{Initial: 100 * time.Millisecond, Max: 2 * time.Second},
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- loop.Run(ctx) }()
	r.end = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	return r
}

// feed puts chunks for as long as that.
func (r *gatewayRig) feed(d time.Duration) {
	for range d / (10 * time.Second) {
		r.source.Put(outputtest.Chunk(uint64(r.put+1), "a", "t", 100, 100*r.put, 10))
		r.put++
		time.Sleep(10 * time.Second)
	}
}

// Two lines that a gateway refuses keep no others, and are given up when they were refused alone, again and again.
func TestGatewayRefusesTwoLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newGatewayRig(t, func(n int) bool { return n == 150 || n == 390 })
		r.feed(time.Minute)
		if got := r.delivered(t); got != 598 {
			t.Errorf("%d events arrived within a minute, want 598", got)
		}
		if sends := r.requests(); sends > 50 {
			t.Errorf("that took %d requests", sends)
		}
		r.feed(10 * time.Minute)
		if letters := r.dead.all(); letters != nil {
			t.Errorf("given up too soon: %v", letters)
		}
		r.feed(10 * time.Minute)
		letters := r.dead.all()
		slices.Sort(letters)
		for i, n := range []string{"150", "390"} {
			want := n +
				" rejected 403 refused alone, 5 times over 15m0s or more, between others that http://es:9200 accepted: "
			if len(letters) != 2 || !strings.HasPrefix(letters[i], want) {
				t.Errorf("dead letters %q, want %q", letters, want)
			}
		}
		if got, want := r.delivered(t), 100*r.put-2; got != want || r.source.Events() != 0 {
			t.Errorf("%d events arrived, want %d, %d are pending", got, want, r.source.Events())
		}
		r.end()
	})
}

// A gateway that refuses all for hours, and then nothing, has no event given up, and is asked seldom.
func TestGatewayRefusesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newGatewayRig(t, func(int) bool { return false })
		r.feed(time.Minute)
		r.set(func() { r.down = true })
		before := r.requests()
		r.feed(time.Hour)
		if sends := r.requests() - before; sends > 6000 {
			t.Errorf("%d requests in an hour", sends)
		}
		r.set(func() { r.down = false })
		r.feed(time.Minute)
		time.Sleep(time.Hour)
		if got, want := r.delivered(t), 100*r.put; got != want || r.dead.all() != nil {
			t.Errorf("%d events arrived, want %d, dead letters %v", got, want, r.dead.all())
		}
		r.end()
	})
}

// Where each request holds a line that is refused, all others are delivered all the same.
func TestGatewayRefusesOneInFifty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newGatewayRig(t, func(n int) bool { return n%50 == 7 })
		r.feed(10 * time.Minute)
		if got, want := r.delivered(t), 98*r.put; got != want {
			t.Errorf("%d events arrived, want %d", got, want)
		}
		r.feed(30 * time.Minute)
		if dead := len(r.dead.all()); dead < 2*6*20 {
			t.Errorf("%d dead letters of %d that are refused, at least those of 20 minutes ago are due", dead, 2*r.put)
		}
		r.end()
	})
}

// Lines that are refused no more are delivered, and none is given up.
func TestGatewayChangesItsMind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newGatewayRig(t, func(n int) bool { return n == 150 })
		r.feed(10 * time.Minute)
		r.set(func() { r.refuses = func(int) bool { return false } })
		r.feed(20 * time.Minute)
		if got, want := r.delivered(t), 100*r.put; got != want || r.dead.all() != nil || r.source.Events() != 0 {
			t.Errorf("%d events arrived, want %d, dead letters %v", got, want, r.dead.all())
		}
		r.end()
	})
}

// A line that is refused in a request of its own keeps no worker: it is on trial at once where the host takes others.
func TestGatewayRefusesOneAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newGatewayRig(t, func(n int) bool { return n >= 1_000_000 })
		r.feed(time.Minute)
		for n := range 4 {
			r.source.Put(outputtest.Chunk(uint64(5000+n), "a", "t", 1, 1_000_000+n, 10))
			time.Sleep(5 * time.Second)
		}
		r.feed(time.Minute)
		if got, want := r.delivered(t), 100*r.put; got != want {
			t.Errorf("%d events arrived, want %d", got, want)
		}
		r.feed(30 * time.Minute)
		if dead := len(r.dead.all()); dead != 4 {
			t.Errorf("%d dead letters, want those of four lines", dead)
		}
		r.end()
	})
}

// A loop that ends gives back what is on trial.
func TestGatewayAndTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newGatewayRig(t, func(n int) bool { return n == 150 })
		r.feed(time.Minute)
		r.end()
		if r.source.Out() != 0 || r.source.Events() != 100 || r.dead.all() != nil {
			t.Errorf("%d chunks are out, %d events are pending, dead letters %v", r.source.Out(), r.source.Events(),
				r.dead.all())
		}
	})
}

// unlisted is a destination with a target for each cluster, which refuses events for reasons that nobody knows. Safe
// for concurrent use.
type unlisted struct {
	mu      sync.Mutex
	refuses func(cluster string, n int) bool
	got     map[int]int
}

func (u *unlisted) Close() error { return nil }

func (u *unlisted) Send(_ context.Context, b *outputs.Batch) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	var failed []outputs.Failure
	for i := range b.Events {
		ev := &b.Events[i]
		target := "logs-" + ev.Chunk.Cluster
		b.CountSent(target, ev)
		if u.refuses(ev.Chunk.Cluster, outputtest.Number(ev)) {
			failed = append(failed, outputs.Failure{
				Index: i, Reason: outputs.ReasonRejected, Unlisted: true, Status: 400, Target: target,
				Kind: "brand_new_exception", Detail: "no",
			})
			continue
		}
		u.got[outputtest.Number(ev)]++
	}
	if failed == nil {
		return nil
	}
	return &outputs.SendError{Reason: outputs.ReasonRejected, Failed: failed, Err: errors.New("no")}
}

// TestUnlistedRefusals: an event that is refused while its target takes others is a dead letter; where a target refuses
// all, none is.
func TestUnlistedRefusals(t *testing.T) {
	for _, tc := range []struct {
		name   string
		events int // of cluster b
		// refuses tells of cluster b's events before the end of half an hour, and after.
		before, after func(n int) bool
		dead, got     int
	}{
		{"one of many", 100, func(n int) bool { return n == 1007 }, func(n int) bool { return n == 1007 }, 1, 99},
		{"all, until it is repaired", 100, func(int) bool { return true }, func(int) bool { return false }, 0, 100},
		{"few, and no others", 3, func(int) bool { return true }, func(int) bool { return true }, 3, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				repaired := false
				dead := &graveyard{}
				out := &unlisted{got: map[int]int{}, refuses: func(cluster string, n int) bool {
					return cluster == "b" && (!repaired && tc.before(n) || repaired && tc.after(n))
				}}
				source := outputtest.NewBacklog(outputtest.Chunk(1, "a", "t", 10, 0, 10),
					outputtest.Chunk(2, "b", "t", tc.events, 1000, 10))
				loop := delivery.New(delivery.Options{
					Name: "es", Source: source, Output: out, DeadLetters: dead, Log: zerolog.Nop(),
				})
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- loop.Run(ctx) }()
				time.Sleep(30 * time.Minute)
				out.mu.Lock()
				repaired = true
				out.mu.Unlock()
				time.Sleep(30 * time.Minute)
				out.mu.Lock()
				got := len(out.got)
				out.mu.Unlock()
				if len(dead.all()) != tc.dead || got != 10+tc.got || source.Events() != 0 {
					t.Errorf("%d dead letters, %d delivered, %d pending", len(dead.all()), got, source.Pending())
				}
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
