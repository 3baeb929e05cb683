package pressure

import (
	"strconv"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// What bounds how much is known of slow targets, and how many of them are tried at once.
func TestSlowTargets(t *testing.T) {
	now := time.Now()
	s := NewSlowTargets(time.Minute, func() time.Time { return now })
	for i := range 2 * maxSlow {
		s.Slow(strconv.Itoa(i), outputs.Failure{})
	}
	if n := s.n.Load(); n != maxSlow {
		t.Errorf("%d targets are known", n)
	}
	now = now.Add(time.Minute)
	most, ok := s.Begin("1")
	if !ok || most != ProbeWait {
		t.Errorf("the first: %s, %t", most, ok)
	}
	if _, ok := s.Begin("2"); ok {
		t.Error("two are tried at once")
	}
	s.Suspect([]string{"new"}, outputs.Failure{})
	s.End("1", most)
	s.Works("1")
	if s.Has("1") || !s.Has("2") {
		t.Error("what works is still slow, or the other way round")
	}
	s.Suspect([]string{"new"}, outputs.Failure{})
	if most, ok := s.Begin("new"); !ok || most != 0 {
		t.Errorf("one that was only among others: %s, %t", most, ok)
	}
	if _, ok := s.Begin("2"); !ok {
		t.Error("another has to wait for it")
	}
}
