package suspicion

import (
	"testing"
	"time"
)

var start = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// accept has the host accept n requests at the time.
func accept(h *Hosts, host string, n int, now time.Time) {
	for range n {
		h.Accepted(host, now)
	}
}

// try carries a trial on until it is tried again, and returns how long that took; ok is false where it ends with a
// verdict, or not within a day.
func try(h *Hosts, trial *Trial, now time.Time) (waited time.Duration, v Verdict) {
	for waited < 24*time.Hour {
		v, wait := h.Classify(trial, now.Add(waited))
		if v != Wait {
			return waited, v
		}
		waited += wait
	}
	return waited, Wait
}

// An event that is refused each time, between requests that the host accepts, is given up at the fifth try, after 15
// minutes.
func TestGuilty(t *testing.T) {
	h, now := NewHosts(), start
	accept(h, "a", 1, now)
	trial := h.Begin("a", now)
	for n := 1; ; n++ {
		accept(h, "a", controls, now.Add(time.Second))
		waited, v := try(h, trial, now)
		now = now.Add(waited)
		if v == Poison {
			if n != Tries || now.Sub(start) < Time || trial.Refusals() != Tries || trial.Host() != "a" {
				t.Errorf("given up at the try %d after %s", n, now.Sub(start))
			}
			return
		}
		if n > Tries {
			t.Fatalf("tried for the time %d", n)
		}
		h.Refused(trial, "a", now)
	}
}

// Without requests that the host accepts before and after, nobody is found to be poison, however often it is refused.
func TestNoControls(t *testing.T) {
	for name, control := range map[string]func(h *Hosts, now time.Time){
		"none":             func(*Hosts, time.Time) {},
		"too few":          func(h *Hosts, now time.Time) { accept(h, "a", controls-1, now) },
		"at another host":  func(h *Hosts, now time.Time) { accept(h, "b", 10, now) },
		"only long before": func(h *Hosts, now time.Time) { accept(h, "a", 10, now.Add(-24*time.Hour)) },
	} {
		t.Run(name, func(t *testing.T) {
			h, now := NewHosts(), start
			accept(h, "a", 1, now)
			trial := h.Begin("a", now)
			for range 100 {
				if name != "only long before" || trial.Refusals() == 1 {
					control(h, now)
				}
				waited, v := try(h, trial, now)
				if v == Poison {
					t.Fatalf("found to be poison after %d refusals", trial.Refusals())
				}
				now = now.Add(waited)
				h.Refused(trial, "a", now)
			}
		})
	}
}

// Once a host has been seen to refuse at random, far more refusals are needed, until that is long ago.
func TestFlips(t *testing.T) {
	h, now := NewHosts(), start
	accept(h, "a", 1, now)
	other := h.Begin("a", now)
	h.Refused(other, "a", now)
	h.Acquitted(other, "a", now)
	trial := h.Begin("a", now)
	for range Tries + 5 {
		accept(h, "a", controls, now)
		waited, v := try(h, trial, now)
		if v == Poison {
			t.Fatalf("found to be poison after %d refusals at a host that refuses at random", trial.Refusals())
		}
		now = now.Add(waited)
		h.Refused(trial, "a", now)
	}
	now = now.Add(24 * time.Hour)
	accept(h, "a", 1, now)
	trial = h.Begin("a", now)
	for range Tries - 1 {
		accept(h, "a", controls, now)
		waited, _ := try(h, trial, now)
		now = now.Add(waited)
		h.Refused(trial, "a", now)
	}
	accept(h, "a", controls, now)
	if _, v := try(h, trial, now); v != Poison {
		t.Errorf("a day later the verdict is %d after %d refusals", v, trial.Refusals())
	}
}

func TestMaySearch(t *testing.T) {
	h, now := NewHosts(), start
	if !h.MaySearch("a", now) || h.MaySearch("a", now.Add(time.Second)) || !h.MaySearch("a", now.Add(barrenWait)) {
		t.Error("a host of which nothing is known is searched once a minute")
	}
	h.Accepted("a", now)
	for range 10 {
		if !h.MaySearch("a", now) {
			t.Error("a host that takes others is searched at once")
		}
	}
	h.Barren("a", now)
	if h.MaySearch("a", now) || !h.MaySearch("a", now.Add(barrenWait)) {
		t.Error("a host that refuses all is searched once a minute")
	}
	h.Accepted("b", now)
	if !h.MaySearch("b", now.Add(memory-1)) {
		t.Error("it has accepted something lately")
	}
}

// Memory does not follow the number of hosts, nor of what they refused at random.
func TestBounded(t *testing.T) {
	h := NewHosts()
	for i := range 10 * maxHosts {
		h.Accepted(string(rune('a'+i)), start.Add(time.Duration(i)))
	}
	for range 10 * maxFlips {
		h.Flipped("a", 1, start)
	}
	if len(h.all) > maxHosts || len(h.all["a"].flips) > maxFlips {
		t.Errorf("%d hosts, %d flips", len(h.all), len(h.all["a"].flips))
	}
}
