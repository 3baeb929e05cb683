package pace

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// client sends a batch, waits until it is answered, and sends the next one after a pause.
type client struct {
	member Member
	pause  func(*rand.Rand) time.Duration
	bytes  int64
	next   time.Time // of its batch; zero: it waits for an answer
	came   time.Time
	answer int // batches that were answered
}

// run is a queue with its clients, on a clock of its own: what Pacer decides about, played through.
type run struct {
	clients []*client
	cost    time.Duration // of a commit
	eager   bool          // commits take what is there at once: what paced ones are compared with
	random  *rand.Rand

	pacer   Pacer
	now     time.Time
	commits int
	busy    time.Duration
	causes  [Causes]int
	longest time.Duration // that a batch waited while no commit was under way
}

// play lets the clients send for so long.
func (r *run) play(length time.Duration) {
	r.now = time.Unix(1_700_000_000, 0)
	r.pacer.FullBytes = 512 << 10
	end := r.now.Add(length)
	for _, c := range r.clients {
		c.next = r.now.Add(c.pause(r.random))
	}
	var waiting []*client
	free := r.now // when the last commit ended
	for r.now.Before(end) {
		waiting = r.arrive(waiting)
		wake := r.nextArrival()
		if len(waiting) > 0 {
			wait, cause := r.pacer.Wait(r.now)
			if r.eager || wait <= 0 {
				r.causes[cause]++
				r.commit(waiting, free)
				waiting, free = nil, r.now
				continue
			}
			if at := r.now.Add(wait); wake.IsZero() || at.Before(wake) {
				wake = at
			}
		}
		r.now = wake
	}
}

// arrive adds those whose time has come.
func (r *run) arrive(waiting []*client) []*client {
	var now []*client
	for _, c := range r.clients {
		if !c.next.IsZero() && !c.next.After(r.now) {
			now = append(now, c)
		}
	}
	slices.SortStableFunc(now, func(a, b *client) int { return a.next.Compare(b.next) })
	for _, c := range now {
		r.pacer.Enter(&c.member, c.bytes, c.next)
		c.came, c.next = c.next, time.Time{}
	}
	return append(waiting, now...)
}

// nextArrival returns when the next client comes; zero: all of them wait.
func (r *run) nextArrival() (next time.Time) {
	for _, c := range r.clients {
		if !c.next.IsZero() && (next.IsZero() || c.next.Before(next)) {
			next = c.next
		}
	}
	return next
}

// commit stores what waits. Who comes meanwhile waits for the next one.
func (r *run) commit(waiting []*client, free time.Time) {
	start := r.now
	r.pacer.Taken(start, false)
	for _, c := range waiting {
		if c.came.Before(free) {
			c.came = free // until then it had to wait in any case
		}
		r.longest = max(r.longest, start.Sub(c.came))
	}
	r.now = start.Add(r.cost)
	r.commits++
	r.busy += r.cost
	r.pacer.Committed(start, r.now, false, func(yield func(*Member) bool) {
		for _, c := range waiting {
			if !yield(&c.member) {
				return
			}
		}
	})
	for _, c := range waiting {
		c.answer++
		c.next = r.now.Add(c.pause(r.random))
	}
}

// clients returns n clients alike.
func clients(n int, bytes int64, pause func(*rand.Rand) time.Duration) []*client {
	var all []*client
	for range n {
		all = append(all, &client{pause: pause, bytes: bytes})
	}
	return all
}

// about returns pauses of d, a fifth shorter to a fifth longer.
func about(d time.Duration) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration { return d*4/5 + time.Duration(r.Float64()*float64(d)*2/5) }
}

// poisson returns pauses of d in the mean that say nothing about the next.
func poisson(d time.Duration) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration { return time.Duration(r.ExpFloat64() * float64(d)) }
}

const (
	small  = 3 << 10
	length = 4 * time.Second // that each run takes, on its own clock
)

// TestClosedLoops plays clients that send again as soon as they have their ack: pacing must not slow them down, whoever
// else is there.
func TestClosedLoops(t *testing.T) {
	const cost = 900 * time.Microsecond
	for _, tc := range []struct {
		name  string
		loops []*client // whose rate is compared
		other func() []*client
		least float64 // of the rate that commits without any wait allow
	}{
		{"one", clients(1, small, about(150*time.Microsecond)), nil, 0.99},
		{"two", clients(2, small, about(150*time.Microsecond)), nil, 0.97},
		{"sixteen", clients(16, small, about(150*time.Microsecond)), nil, 0.97},
		{"sixteen that take their time", clients(16, small, about(2*time.Millisecond)), nil, 0.95},
		{"256", clients(256, small, about(time.Millisecond)), nil, 0.97},
		{"64 in step, beyond what is foretold", clients(64, small, about(5*time.Millisecond)), nil, 0.9},
		{"two whose pauses say nothing", clients(2, small, poisson(5*time.Millisecond)), nil, 0.97},
		{"four whose pauses say nothing", clients(4, small, poisson(6*time.Millisecond)), nil, 0.97},
		{"sixteen, and one that comes now and then", clients(16, small, about(150*time.Microsecond)), func() []*client {
			return clients(1, small, poisson(50*time.Millisecond))
		}, 0.97},
		{"sixteen, and one a little slower", clients(16, small, about(150*time.Microsecond)), func() []*client {
			return clients(1, small, about(2500*time.Microsecond))
		}, 0.8},
		{"sixteen beside a fleet", clients(16, small, about(150*time.Microsecond)), func() []*client {
			return clients(256, small, poisson(128*time.Millisecond))
		}, 0.9},
		{"four that send much", clients(4, 200<<10, about(2*time.Millisecond)), nil, 0.97},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rate := func(eager bool) (answered int, r *run) {
				r = &run{cost: cost, eager: eager, random: rand.New(rand.NewPCG(1, 2))}
				for _, c := range tc.loops {
					r.clients = append(r.clients, &client{pause: c.pause, bytes: c.bytes})
				}
				loops := r.clients
				if tc.other != nil {
					r.clients = append(r.clients[:len(loops):len(loops)], tc.other()...)
				}
				r.play(length)
				for _, c := range loops {
					answered += c.answer
				}
				return answered, r
			}
			eager, _ := rate(true)
			paced, r := rate(false)
			if share := float64(paced) / float64(eager); share < tc.least {
				t.Errorf("%d batches are answered, %.2f of the %d without waits; %d commits, for %v", paced, share,
					eager, r.commits, r.causes)
			}
			if r.longest > maxWait {
				t.Errorf("a batch waited for %v", r.longest)
			}
		})
	}
}

// TestFleets plays agents that send small chunks when they have something: commits are few, and nobody waits long.
func TestFleets(t *testing.T) {
	for _, tc := range []struct {
		name    string
		clients []*client
		cost    time.Duration
		most    float64 // commits a second
		wait    time.Duration
		cause   Cause // of most commits
	}{
		{
			"2,000 chunks a second", clients(256, small, poisson(128*time.Millisecond)), 900 * time.Microsecond, 170,
			maxWait, Limit,
		},
		{
			"a disk that answers at once", clients(256, small, poisson(128*time.Millisecond)), 200 * time.Microsecond,
			270, 4 * time.Millisecond, Share,
		},
		{"a slow disk", clients(256, small, poisson(128*time.Millisecond)), 8 * time.Millisecond, 125, maxWait, Limit},
		{
			"many connections that send seldom", clients(4000, small, poisson(2*time.Second)), 900 * time.Microsecond,
			170, maxWait, Limit,
		},
		{
			"as fast as it goes", clients(256, small, about(8*time.Millisecond)), 900 * time.Microsecond, 250, maxWait,
			Full,
		},
		{
			"large chunks", clients(256, 150<<10, poisson(128*time.Millisecond)), 900 * time.Microsecond, 700, maxWait,
			Full,
		},
		{"idle", clients(256, small, poisson(60*time.Second)), 900 * time.Microsecond, 10, 0, Idle},
		{"a few chunks a second", clients(20, small, poisson(time.Second)), 900 * time.Microsecond, 25, 0, Idle},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := &run{clients: tc.clients, cost: tc.cost, random: rand.New(rand.NewPCG(3, 4))}
			r.play(length)
			t.Logf("%d commits, for %v", r.commits, r.causes)
			if perSecond := float64(r.commits) / length.Seconds(); perSecond > tc.most {
				t.Errorf("%.0f commits a second, for %v", perSecond, r.causes)
			}
			if r.longest > tc.wait {
				t.Errorf("a batch waited for %v", r.longest)
			}
			for c, n := range r.causes {
				if n > r.causes[tc.cause] {
					t.Errorf("%d commits went for %v, %d for %v", n, Cause(c), r.causes[tc.cause], tc.cause)
				}
			}
		})
	}
}

// TestCauses takes a pacer through one commit after the other, each of which goes for another cause.
func TestCauses(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	p := &Pacer{FullBytes: 1000}
	fleet := make([]Member, 100)
	commit := func(members ...*Member) {
		p.Committed(now, now.Add(time.Millisecond), false, slices.Values(members))
		now = now.Add(time.Millisecond)
	}
	expect := func(wait bool, cause Cause) {
		t.Helper()
		if d, got := p.Wait(now); (d > 0) != wait || !wait && got != cause {
			t.Fatalf("waits for %v, %v", d, got)
		}
	}
	come := func(m *Member) {
		now = now.Add(100 * time.Microsecond)
		p.Enter(m, 10, now)
	}
	if p.Waiting() {
		t.Error("something waits before anything has come")
	}
	for i := range fleet {
		come(&fleet[i])
	}
	if !p.Waiting() {
		t.Error("nothing waits")
	}
	expect(false, Full)
	p.Taken(now, false)
	commit(&fleet[0], &fleet[1], &fleet[2], &fleet[3], &fleet[4], &fleet[5]) // who may come again
	for i := range fleet[6:] {
		come(&fleet[6+i])
		p.Taken(now, false)
	}
	come(&fleet[6])
	expect(true, 0)
	now = now.Add(maxWait)
	expect(false, Limit)
	if waited := p.Taken(now, true); waited != maxWait {
		t.Errorf("it waited for %v", waited)
	}
	commit(&fleet[6])
	come(&fleet[7])
	expect(false, Full) // the commit before had no room for all
	p.Taken(now, false)
	commit(&fleet[7])
	come(&fleet[8])
	expect(true, 0)
	now = now.Add(10 * time.Second)
	expect(false, Share)
	p.Taken(now, false)
	commit(&fleet[8])
	now = now.Add(10 * time.Second)
	come(&fleet[5])
	expect(false, Idle)
	if waited := p.Taken(now, false); waited != 0 {
		t.Errorf("it waited for %v", waited)
	}
	commit(&fleet[5])
	come(&fleet[5])
	expect(false, Complete)
	seen := map[string]bool{}
	for c := range Causes {
		seen[c.String()] = true
	}
	if len(seen) != int(Causes) || seen[""] {
		t.Errorf("causes are called %v", seen)
	}
}
