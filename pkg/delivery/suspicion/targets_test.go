package suspicion

import (
	"strconv"
	"testing"
	"time"
)

// refuse has n different events refused alike, from the number first on.
func refuse(t *Targets, target string, first, n int, held, now time.Time) (about About) {
	for i := range n {
		about = t.Refused(target, "400 new", uint64(first+i), held, false, now)
	}
	return about
}

func TestTargets(t *testing.T) {
	never, late := time.Time{}, start.Add(Settling)
	for _, tc := range []struct {
		name string
		do   func(t *Targets) About
		want About
	}{
		{"a first refusal", func(t *Targets) About { return refuse(t, "a", 0, 1, never, start) }, Undecided},
		{"many at once", func(t *Targets) About { return refuse(t, "a", 0, 10*Alike, never, start) }, Undecided},
		{
			"others were taken with it",
			func(t *Targets) About { return t.Refused("a", "400 new", 1, never, true, start) }, Content,
		},
		{"others were taken since", func(t *Targets) About {
			refuse(t, "a", 0, 1, never, start)
			t.Accepted("a", start.Add(time.Second))
			return refuse(t, "a", 0, 1, start, start.Add(2*time.Second))
		}, Content},
		{"others were taken by another target", func(t *Targets) About {
			refuse(t, "a", 0, 1, never, start)
			t.Accepted("b", start.Add(time.Second))
			return refuse(t, "a", 0, 1, start, start.Add(time.Second))
		}, Undecided},
		{"few for long", func(t *Targets) About {
			refuse(t, "a", 0, Alike-1, never, start)
			return refuse(t, "a", 0, Alike-1, start, late)
		}, Content},
		{"many for long", func(t *Targets) About {
			refuse(t, "a", 0, Alike, never, start)
			return refuse(t, "a", 0, 1, start, late)
		}, State},
		{"the same one often", func(t *Targets) About {
			for range Alike {
				refuse(t, "a", 0, 1, start, start.Add(time.Second))
			}
			return refuse(t, "a", 0, 1, never, late)
		}, Undecided},
		{"not alike", func(t *Targets) About {
			refuse(t, "a", 0, Alike, never, start)
			return t.Refused("a", "400 other", 1, never, false, late)
		}, Undecided},
		{"state until something is taken", func(t *Targets) About {
			refuse(t, "a", 0, Alike, never, start)
			refuse(t, "a", 0, 1, never, late)
			t.Accepted("a", late)
			return refuse(t, "a", 0, 1, never, late)
		}, Undecided},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.do(NewTargets()); got != tc.want {
				t.Errorf("it is about %d, want %d", got, tc.want)
			}
		})
	}
}

// What is remembered is bounded, and nothing is looked at while there is nothing to tell.
func TestTargetsAreBounded(t *testing.T) {
	targets := NewTargets()
	if targets.Accepted("a", start); targets.Watching() {
		t.Error("there is nothing to watch")
	}
	for i := range 2 * maxTargets {
		refuse(targets, strconv.Itoa(i), 0, 2, time.Time{}, start.Add(time.Duration(i)))
	}
	if len(targets.all) > maxTargets || !targets.Watching() {
		t.Errorf("%d targets", len(targets.all))
	}
	refuse(targets, "a", 0, 10*Alike, time.Time{}, start.Add(time.Hour))
	if n := len(targets.all["a"].events); n != Alike {
		t.Errorf("%d events", n)
	}
}
