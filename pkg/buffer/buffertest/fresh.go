package buffertest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

// freshShare drains a backlog while new chunks come: these have their share, each kind is in order, each chunk comes
// once, also those that are given back, and without a share the oldest come first.
func (s *suite) freshShare() {
	for _, tc := range []struct {
		share  float64
		fewest int // new ones among the first 20
		most   int
	}{{0, 0, 0}, {0.25, 4, 6}, {0.5, 9, 11}, {1, 20, 20}} {
		if s.q.Capabilities().NoFreshShare {
			tc.fewest, tc.most = 0, 0
		}
		output := fmt.Sprintf("share-%v", tc.share)
		src := s.q.Source(output)
		src.SetFreshShare(tc.share)
		store := func(kind string, from, to int) {
			for i := from; i < to; i++ {
				s.mustStore("c", []string{output}, fmt.Sprintf("%s%03d", kind, i)+strings.Repeat("x", 1000))
			}
		}
		store("old", 0, 60)
		time.Sleep(2 * buffer.FreshAge)
		taken := map[string]int{}
		var order []string
		take := func(give bool) string {
			c, err := src.Next(context.Background())
			if err != nil {
				s.Fatal(err)
			}
			name := string(c.Entries[:6])
			if give {
				src.Return(c)
				return ""
			}
			taken[name]++
			order = append(order, name)
			src.Done(c)
			return name
		}
		take(false)
		store("new", 0, 30)
		fresh := 0
		for i := range 20 {
			if i == 7 && s.q.Capabilities().ReturnsInOrder {
				take(true)
			}
			if strings.HasPrefix(take(false), "new") {
				fresh++
			}
		}
		if fresh < tc.fewest || fresh > tc.most {
			s.Errorf("with a share of %v, %d of 20 were new, want %d to %d", tc.share, fresh, tc.fewest, tc.most)
		}
		for len(taken) < 90 {
			take(false)
		}
		s.none(src)
		last := map[string]string{}
		for _, name := range order {
			if name <= last[name[:3]] {
				s.Errorf("with a share of %v, %s came after %s", tc.share, name, last[name[:3]])
			}
			last[name[:3]] = name
		}
	}
	s.balance()
}
