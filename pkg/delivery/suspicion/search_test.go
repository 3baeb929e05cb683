package suspicion

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

// outcome is what a search of n events came to.
type outcome struct {
	poison, accepted, left []int
	requests, flipped      int
	barren                 bool
}

// search runs one to its end; refuses reports whether a request with the events is refused, at the n-th request from 0.
func search(n int, refuses func(request int, span Span) bool) (o outcome) {
	s := NewSearch(n)
	for {
		span, ok := s.Next()
		if !ok {
			break
		}
		refused := refuses(o.requests, span)
		if o.requests++; refused {
			s.Refused()
			continue
		}
		s.Accepted()
		for i := span.From; i < span.To; i++ {
			o.accepted = append(o.accepted, i)
		}
	}
	o.poison, o.flipped, o.barren = s.Poison(), s.Flipped(), s.Barren()
	for _, span := range s.Left() {
		for i := span.From; i < span.To; i++ {
			o.left = append(o.left, i)
		}
	}
	return o
}

func holds(events ...int) func(int, Span) bool {
	return func(_ int, span Span) bool {
		return slices.ContainsFunc(events, func(i int) bool { return i >= span.From && i < span.To })
	}
}

func TestSearch(t *testing.T) {
	for _, tc := range []struct {
		name     string
		n        int
		refuses  func(int, Span) bool
		poison   []int
		left     int
		requests int // at most
		flipped  int
		barren   bool
	}{
		{name: "the first", n: 1000, refuses: holds(0), poison: []int{0}, requests: 20},
		{name: "the last", n: 1000, refuses: holds(999), poison: []int{999}, requests: 20},
		{name: "two", n: 1000, refuses: holds(3, 700), poison: []int{3, 700}, requests: 40},
		{name: "neighbours", n: 100, refuses: holds(50, 51, 52), poison: []int{50, 51, 52}, requests: 30},
		{name: "both of two", n: 2, refuses: holds(0, 1), left: 2, requests: 2, barren: true},
		{name: "a single event", n: 1, refuses: holds(0), left: 1, barren: true},
		{
			name: "all", n: 50_000, refuses: func(int, Span) bool { return true }, left: 50_000, requests: 20,
			barren: true,
		},
		{name: "nothing any more", n: 100, refuses: holds(), requests: 2, flipped: 1},
		{
			name: "one request at random", n: 100, refuses: func(request int, _ Span) bool { return request == 0 },
			requests: 4, flipped: 2,
		},
		{
			name: "all once something was accepted", n: 1000,
			refuses: func(request int, _ Span) bool { return request > 0 },
			poison:  []int{500, 501, 502}, left: 497, requests: 20,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := search(tc.n, tc.refuses)
			if !slices.Equal(o.poison, tc.poison) || o.barren != tc.barren || o.flipped != tc.flipped {
				t.Errorf("poison %v, barren %t, %d flipped", o.poison, o.barren, o.flipped)
			}
			if len(o.left) != tc.left || o.requests > tc.requests {
				t.Errorf("%d left after %d requests", len(o.left), o.requests)
			}
		})
	}
}

// Whatever is refused, each event is accepted, poison or left, once; poison was refused, and requests are few.
func TestSearchLosesNoEvent(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 7))
		n := 1 + r.IntN(600)
		var poison []int
		for range r.IntN(12) {
			poison = append(poison, r.IntN(n))
		}
		flaky := r.Float64() * float64(r.IntN(2))
		o := search(n, func(
			request int, span Span,
		) bool {
			return holds(poison...)(request, span) || r.Float64() < flaky
		})
		all := slices.Concat(o.poison, o.accepted, o.left)
		if slices.Sort(all); len(all) != n || !slices.IsSorted(o.left) {
			t.Fatalf("seed %d: %d events of %d", seed, len(all), n)
		}
		for i, event := range all {
			if i != event {
				t.Fatalf("seed %d: %d is not there once", seed, i)
			}
		}
		if slices.ContainsFunc(o.accepted, func(i int) bool { return slices.Contains(poison, i) }) {
			t.Fatalf("seed %d: what is always refused was accepted", seed)
		}
		if o.requests > maxRequests {
			t.Fatalf("seed %d: %d requests", seed, o.requests)
		}
		if o.barren && o.requests > bits.Len(uint(n))+maxInARow+1 {
			t.Fatalf("seed %d: %d requests to a host that refuses all", seed, o.requests)
		}
		if flaky == 0 && len(poison) > 0 && o.flipped > 0 {
			t.Fatalf("seed %d: %d refusals are called random", seed, o.flipped)
		}
	}
}

// A request that fails in another way ends the search, and is to be sent again.
func TestStop(t *testing.T) {
	s := NewSearch(8)
	s.Next()
	s.Accepted()
	s.Next()
	s.Stop()
	if _, ok := s.Next(); ok || !slices.Equal(s.Left(), []Span{{4, 8}}) || s.Poison() != nil {
		t.Errorf("left %v, poison %v", s.Left(), s.Poison())
	}
}
