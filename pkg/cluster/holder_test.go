package cluster

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

func limited(tb testing.TB, rate setting.Rate, connections int) *Registry {
	tb.Helper()
	return registry(tb, Config{Name: "a", SharedKey: keys("k"), RateLimit: rate, MaxConnections: connections},
		Config{Name: "b", SharedKey: keys("l")})
}

// The rate holds within 5 % and is shared fairly, whatever the number of connections and the size of messages.
func TestRate(t *testing.T) {
	const rate = 1 << 20
	for _, tc := range []struct {
		name  string
		sizes []int64 // of each connection's messages
	}{
		{"one", []int64{64 << 10}},
		{"one, small", []int64{2000}},
		{"one, large", []int64{2 << 20}},
		{"fifty", func() (all []int64) {
			for range 50 {
				all = append(all, 10_000)
			}
			return all
		}()},
		{"mixed", []int64{2000, 10_000, 100_000}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := NewHolder(limited(t, rate, 0))
				const seconds = 60
				end := time.Now().Add(seconds * time.Second)
				sent := make([]int64, len(tc.sizes))
				done := make(chan struct{})
				for i, size := range tc.sizes {
					go func() {
						for time.Now().Before(end) {
							sent[i] += size
							time.Sleep(h.Charge("a", size))
						}
						done <- struct{}{}
					}()
				}
				for range tc.sizes {
					<-done
				}
				var sum, largest int64
				for _, n := range sent {
					sum += n
				}
				for i, size := range tc.sizes {
					largest += size
					const unfair = rate/4 + 20_000 // whoever comes first has the burst
					if diff := sent[i] - sent[0]; size == tc.sizes[0] && (diff > unfair || diff < -unfair) {
						t.Errorf("connection %d sent %d bytes, connection 0 %d", i, sent[i], sent[0])
					}
				}
				// What is charged last is paid for after the end.
				if least, most := int64(seconds*rate*95/100), int64(seconds*rate*105/100)+largest; sum < least ||
					sum > most {
					t.Errorf("%d bytes in %d s, want %d to %d", sum, seconds, least, most)
				}
				if s := h.Stats()["a"]; s.Slowed == 0 {
					t.Error("nobody was slowed")
				}
			})
		})
	}
}

// After a pause, no more than a second's worth comes at once.
func TestBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHolder(limited(t, 1000, 0))
		time.Sleep(time.Hour)
		free := 0
		for h.Charge("a", 10) == 0 {
			free += 10
		}
		if free == 0 || free > 1000 {
			t.Errorf("%d bytes came at once", free)
		}
		if wait := h.Charge("b", 1<<40); wait != 0 {
			t.Errorf("a cluster without a limit waits %v", wait)
		}
		if wait := h.Charge("a", 10_000); wait < 9*time.Second {
			t.Errorf("waits %v", wait)
		}
		h.Swap(limited(t, 1<<20, 0))
		if wait := h.Charge("a", 1<<10); wait != 0 {
			t.Errorf("the old limit still holds: %v", wait)
		}
	})
}

func TestAdmit(t *testing.T) {
	h := NewHolder(limited(t, 0, 2))
	first, err := h.Admit("a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = h.Admit("a"); err != nil {
		t.Fatal(err)
	}
	if _, err = h.Admit("a"); err == nil {
		t.Error("a third connection was let in")
	}
	if _, err = h.Admit("b"); err != nil {
		t.Error(err)
	}
	first()
	first() // once counts
	third, err := h.Admit("a")
	if err != nil {
		t.Error(err)
	}
	if s := h.Stats()["a"]; s.Connections != 2 || s.Refused != 1 {
		t.Errorf("got %+v", s)
	}
	h.Swap(limited(t, 0, 1)) // connections stay
	if _, err = h.Admit("a"); err == nil {
		t.Error("the new limit does not hold")
	}
	h.Swap(registry(t, Config{Name: "c"}))
	if s := h.Stats()["a"]; s.Connections != 2 {
		t.Errorf("got %+v", s)
	}
	third()
	if s := h.Stats()["a"]; s.Connections != 1 {
		t.Errorf("got %+v", s)
	}
}
