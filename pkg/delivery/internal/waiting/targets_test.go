package waiting

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// shelf is where events wait for a target.
type shelf struct{ chunks int64 }

func (s *shelf) Pending() buffer.Count { return buffer.Count{Chunks: s.chunks} }

// shelves are by target.
type shelves map[string]*shelf

func (s shelves) open(target string) *shelf {
	s[target] = &shelf{chunks: 1}
	return s[target]
}

func newTargets(waiting ...string) (*Targets[*shelf], shelves) {
	all := shelves{}
	return New(&outputs.RetryConfig{Initial: time.Minute, Max: time.Minute}, all.open, waiting), all
}

func refusal(target string, partial bool) *outputs.Failure {
	return &outputs.Failure{
		Reason: outputs.ReasonTarget, Target: target, Status: 403, Kind: "closed", Remedy: "open it", Partial: partial,
	}
}

// A target is tried by one at a time, sooner or later as it was found, and again until nothing waits for it.
func TestTargetsAreTriedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		targets, all := newTargets("old")
		targets.Refused(refusal("new", false))
		one, _ := targets.Due()
		if one == nil || one.Target != "old" {
			t.Fatalf("what waited at the start is due at once: %+v", one)
		}
		if two, wait := targets.Due(); two != nil || wait <= 0 || wait > time.Minute {
			t.Fatalf("what has just refused is due after a while: %+v, %s", two, wait)
		}
		if list := targets.List(); len(list) != 2 || list[0].Target != "new" || !list[1].Next.IsZero() {
			t.Errorf("the list is %+v", list)
		}
		targets.Flows(one)
		if list := targets.List(); !list[1].Flowing {
			t.Errorf("it flows: %+v", list[1])
		}
		targets.Done(one)
		if list := targets.List(); list[1].Flowing || list[1].Tries != 1 || list[1].Next.IsZero() {
			t.Errorf("it is tried again, as something waits still: %+v", list[1])
		}
		targets.Retry("old")
		if one, _ = targets.Due(); one == nil || one.Target != "old" {
			t.Fatalf("somebody wants it tried: %+v", one)
		}
		all["old"].chunks = 0
		targets.Done(one)
		if list := targets.List(); len(list) != 1 || !targets.Some() {
			t.Errorf("it is forgotten: %+v", list)
		}
		targets.Retry("")
		if one, _ = targets.Due(); one == nil || one.Target != "new" {
			t.Fatalf("somebody wants all tried: %+v", one)
		}
		all["new"].chunks = 0
		targets.Done(one)
		if targets.Some() {
			t.Errorf("nothing waits, but %+v", targets.List())
		}
		if one, wait := targets.Due(); one != nil || wait != 0 {
			t.Errorf("nothing is due, but %+v in %s", one, wait)
		}
	})
}

// What makes the next try another one wakes who waits for it; what is known already does not.
func TestNewsWakes(t *testing.T) {
	targets, _ := newTargets()
	woken := func() bool {
		select {
		case <-targets.Changed():
			return true
		default:
			return false
		}
	}
	for _, tc := range []struct {
		name string
		do   func()
		want bool
	}{
		{"nothing", func() {}, false},
		{"one arrives", func() { targets.Arrived("a") }, true},
		{"again", func() { targets.Arrived("a") }, false},
		{"one refuses", func() { targets.Refused(refusal("b", false)) }, true},
		{"again", func() { targets.Refused(refusal("b", false)) }, false},
		{"one is full", func() { targets.Full("c") }, true},
		{"again", func() { targets.Full("c") }, false},
		{"all are tried", func() { targets.Retry("") }, true},
	} {
		if tc.do(); woken() != tc.want {
			t.Errorf("%s: woken is not %v", tc.name, tc.want)
		}
	}
}

// Events wait without being sent for a target that takes none, and not for one that refuses some only.
func TestHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		targets, _ := newTargets()
		targets.Refused(refusal("closed", false))
		targets.Refused(refusal("picky", true))
		targets.Full("full")
		for _, tc := range []struct {
			target     string
			wait, full bool
		}{
			{"closed", true, false}, {"picky", false, false}, {"full", true, true}, {"other", false, false},
		} {
			if wait, full := targets.Holds([]byte(tc.target)); wait != tc.wait || full != tc.full {
				t.Errorf("%s: waits %v, full %v", tc.target, wait, full)
			}
			if full := targets.IsFull(tc.target); full != tc.full {
				t.Errorf("%s: full %v", tc.target, full)
			}
		}
		targets.Refused(refusal("picky", false))
		if wait, _ := targets.Holds([]byte("picky")); !wait {
			t.Error("it takes none any more, and events are sent to it")
		}
		time.Sleep(fullFor)
		if targets.IsFull("full") {
			t.Error("it is not tried again whether more may wait")
		}
	})
}

// Above the limit targets share a place, but those that have one keep it.
func TestTooManyTargetsShareAPlace(t *testing.T) {
	targets, _ := newTargets()
	for i := range Most {
		name := strconv.Itoa(i)
		if place, isNew := targets.Refused(refusal(name, false)); place != name || !isNew {
			t.Fatalf("%s waits at %s, new: %v", name, place, isNew)
		}
	}
	for i, name := range []string{"one more", "another", "7"} {
		place, isNew := targets.Refused(refusal(name, false))
		if want := []string{Others, Others, "7"}[i]; place != want || isNew != (i == 0) {
			t.Errorf("%s waits at %s, new: %v", name, place, isNew)
		}
	}
	if n := len(targets.List()); n != Most+1 {
		t.Errorf("%d places", n)
	}
}

// The last answer is told with the target's words, where it has said any.
func TestWhy(t *testing.T) {
	targets, _ := newTargets("silent")
	targets.Refused(refusal("closed", false))
	worded := refusal("worded", false)
	worded.Detail = "no such index"
	targets.Refused(worded)
	for _, tc := range []struct {
		target string
		status int
		kind   string
		words  string
	}{
		{"silent", 0, "", ""},
		{"closed", 403, "closed", ""},
		{"worded", 403, "closed", "no such index"},
		{"unknown", 0, "", ""},
	} {
		if why := targets.Why(tc.target); why.Status != tc.status || why.Kind != tc.kind || why.Detail != tc.words {
			t.Errorf("%s: %+v", tc.target, why)
		}
	}
}

// Without a place aside nothing may wait.
func TestDisabled(t *testing.T) {
	if targets := New[*shelf](&outputs.RetryConfig{}, nil, nil); targets.Enabled() || targets.Some() {
		t.Error("something may wait nowhere")
	}
	if targets, _ := newTargets(); !targets.Enabled() {
		t.Error("nothing may wait")
	}
}
