package suspicion

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// backend is one of several behind a host: it refuses what holds poison, and at random, and for a while, anything.
type backend struct {
	poisoned bool
	flaky    float64       // share of requests
	up, down time.Duration // in turns; down 0: always up
}

func (b *backend) refuses(poison bool, at time.Duration, r *rand.Rand) bool {
	if poison && b.poisoned || r.Float64() < b.flaky {
		return true
	}
	return b.down > 0 && at%(b.up+b.down) >= b.up
}

// model is hosts of which each has backends, and what is to be delivered there.
type model struct {
	r     *rand.Rand
	hosts [][]backend
	known *Hosts
	at    time.Duration

	sent    map[int]bool // innocent events that were accepted
	dead    []int
	poison  map[int]bool
	queue   []batch // that wait for another try
	trials  map[int]*Trial
	asked   map[int]time.Duration // when a trial is to be looked at
	request int
}

type batch struct {
	events  []int
	due     time.Duration
	refused int // times, as it is
}

func (m *model) now() time.Time { return start.Add(m.at) }

// send makes one request, to one of the hosts.
func (m *model) send(events []int) (host string, refused bool) {
	m.request++
	at := m.r.IntN(len(m.hosts))
	b := &m.hosts[at][m.r.IntN(len(m.hosts[at]))]
	host = strconv.Itoa(at)
	if refused = b.refuses(slices.ContainsFunc(events, func(i int) bool { return m.poison[i] }), m.at, m.r); !refused {
		m.known.Accepted(host, m.now())
		for _, i := range events {
			m.sent[i] = true
		}
	}
	return host, refused
}

// deliver is what a sender does with a batch.
func (m *model) deliver(b batch) {
	host, refused := m.send(b.events)
	switch {
	case !refused && b.refused > 0:
		m.known.Flipped(host, b.refused, m.now())
		return
	case !refused:
		return
	case !m.known.MaySearch(host, m.now()):
		m.queue = append(m.queue, batch{b.events, m.at + 10*time.Second, b.refused + 1})
		return
	}
	s := NewSearch(len(b.events))
	for {
		span, ok := s.Next()
		if !ok {
			break
		}
		if _, refused := m.send(b.events[span.From:span.To]); refused {
			s.Refused()
		} else {
			s.Accepted()
		}
	}
	if s.Barren() {
		m.known.Barren(host, m.now())
	}
	for range s.Flipped() {
		m.known.Flipped(host, 1, m.now())
	}
	for _, i := range s.Poison() {
		m.trials[b.events[i]] = m.known.Begin(host, m.now())
	}
	for _, span := range s.Left() {
		m.queue = append(m.queue, batch{b.events[span.From:span.To], m.at + 10*time.Second, 1})
	}
}

// classify carries the trials on that are due.
func (m *model) classify() {
	for _, event := range slices.Sorted(keys(m.trials)) {
		trial := m.trials[event]
		if m.asked[event] > m.at {
			continue
		}
		switch v, wait := m.known.Classify(trial, m.now()); v {
		case Wait:
			m.asked[event] = m.at + wait
		case Poison:
			m.dead = append(m.dead, event)
			delete(m.trials, event)
		case Try:
			if host, refused := m.send([]int{event}); refused {
				m.known.Refused(trial, host, m.now())
			} else {
				m.known.Acquitted(trial, host, m.now())
				delete(m.trials, event)
			}
		}
	}
}

func keys(m map[int]*Trial) func(func(int) bool) {
	return func(yield func(int) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// run delivers batches for some hours.
func (m *model) run(hours int, poison float64) {
	next := 0
	for ; m.at < time.Duration(hours)*time.Hour; m.at += 5 * time.Second {
		var events []int
		for range 20 {
			if m.r.Float64() < poison {
				m.poison[next] = true
			}
			events = append(events, next)
			next++
		}
		due := []batch{{events: events}}
		m.queue = slices.DeleteFunc(m.queue, func(b batch) bool {
			if b.due > m.at {
				return false
			}
			due = append(due, b)
			return true
		})
		for _, b := range due {
			m.deliver(b)
		}
		m.classify()
	}
}

// TestNoInnocentEventDies delivers to hosts with random backends, some of which refuse what holds poison, all that
// comes, some of it, or all for a while. No event dies but one that a whole host refuses; and where nothing but poison
// is refused, all of it comes to its end.
func TestNoInnocentEventDies(t *testing.T) {
	seeds := 30
	if n, err := strconv.Atoi(os.Getenv("AGG_TRIALS")); err == nil {
		seeds = n
	}
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 42))
		m := &model{
			r: r, known: NewHosts(), sent: map[int]bool{}, poison: map[int]bool{}, trials: map[int]*Trial{},
			asked: map[int]time.Duration{},
		}
		gateway, calm := r.IntN(2) == 0, true
		for range 1 + r.IntN(3) {
			var backends []backend
			for range 1 + r.IntN(3) {
				b := backend{poisoned: gateway}
				switch r.IntN(8) {
				case 0:
					b.flaky = r.Float64()
				case 1:
					b.flaky = 1
				case 2:
					b.flaky = 0.05 * r.Float64()
				case 3:
					b.up, b.down = time.Duration(1+r.IntN(1800))*time.Second, time.Duration(1+r.IntN(1800))*time.Second
				}
				calm = calm && b.flaky == 0 && b.down == 0
				backends = append(backends, b)
			}
			m.hosts = append(m.hosts, backends)
		}
		m.run(3, []float64{0, 0.0005, 0.02}[r.IntN(3)])
		what := fmt.Sprintf("seed %d, %+v, gateway %t: %d requests", seed, m.hosts, gateway, m.request)
		for _, event := range m.dead {
			if !m.poison[event] || !gateway {
				t.Fatalf("%s: the innocent event %d died", what, event)
			}
			if m.sent[event] {
				t.Fatalf("%s: the event %d died, and was accepted", what, event)
			}
		}
		if calm && gateway {
			// What came in the last half hour is still on trial.
			oldest := slices.Min(append(slices.Collect(keys(m.trials)), 1<<30))
			if limit := 20 * 12 * 60 * (3*60 - 30) / 60; len(m.trials) > 0 && oldest < limit {
				t.Errorf("%s: the event %d of %d is still on trial", what, oldest, limit)
			}
			if cmp.Compare(len(m.poison), 5) > 0 && len(m.dead) == 0 {
				t.Errorf("%s: none of %d came to its end", what, len(m.poison))
			}
		}
	}
}
