package pressure

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// What each refusal makes of a limit that has learned nothing, to the byte.
func TestLimit_Steps(t *testing.T) {
	const kib = 1 << 10
	refused := func(sizes ...int) func(l *Limit) {
		return func(l *Limit) {
			for _, n := range sizes {
				l.TooLarge(n)
			}
		}
	}
	for _, tc := range []struct {
		name  string
		learn func(l *Limit)
		want  int
	}{
		{"nothing", func(*Limit) {}, MaxRequest},
		{"too large", refused(1000), 500},
		{"an odd number", refused(1001), 500},
		{"a byte", refused(1), 1},
		{"nothing at all", refused(0), 1},
		{"twice", refused(1000, 500), 250},
		{"larger than the limit", refused(1000, 501), 500},
		{"as large as may be", refused(MaxRequest), MaxRequest / 2},
		{"larger than may be", refused(MaxRequest + 1), MaxRequest},
		{"not below what was taken", func(l *Limit) { l.Accepted(800); l.TooLarge(1000) }, 800},
		{"what was taken is refused", func(l *Limit) { l.Accepted(800); l.TooLarge(1000); l.TooLarge(800) }, 400},
		{"busy", func(l *Limit) { l.Busy(64 * kib) }, 32 * kib},
		{"busy with little", func(l *Limit) { l.Busy(kib) }, minSoft},
		{"busy with more than the limit", func(l *Limit) { l.Busy(64 * kib); l.Busy(640 * kib) }, 32 * kib},
		{"busy, and then not", func(l *Limit) { l.Busy(64 * kib); l.Accepted(1) }, 36 * kib},
		{"busy, and too large", func(l *Limit) { l.Busy(64 * kib); l.TooLarge(8 * kib) }, 4 * kib},
		{"too large, and busy", func(l *Limit) { l.TooLarge(128 * kib); l.Busy(64 * kib) }, 32 * kib},
	} {
		l := NewLimit()
		tc.learn(l)
		if got := l.Get(); got != tc.want {
			t.Errorf("%s: %d bytes, want %d", tc.name, got, tc.want)
		}
		reported := int64(tc.want)
		if tc.want == MaxRequest {
			reported = 0
		}
		if got := l.Report(); got != reported {
			t.Errorf("%s: %d bytes are reported, want %d", tc.name, got, reported)
		}
	}
}

// A hard limit grows by an eighth after as many full requests in a row as growAfter says, and not before.
func TestLimit_Grows(t *testing.T) {
	full := func(l *Limit, n int) {
		for range n {
			l.Accepted(l.Get())
		}
	}
	l := NewLimit()
	l.TooLarge(2000)
	full(l, growAfter-1)
	if l.Get() != 1000 {
		t.Fatalf("it has grown to %d a request too early", l.Get())
	}
	l.TooLarge(3000)
	full(l, growAfter-1)
	if l.Get() != 1000 {
		t.Errorf("a refusal between does not begin the count anew: %d", l.Get())
	}
	full(l, 1)
	if l.Get() != 1125 {
		t.Errorf("%d bytes, want an eighth more than 1000", l.Get())
	}
	for range 1000 {
		l.Accepted(800)
	}
	if l.Get() != 1125 {
		t.Errorf("requests that are not full make it %d", l.Get())
	}
	small := NewLimit()
	small.TooLarge(2)
	full(small, growAfter)
	if small.Get() != 2 {
		t.Errorf("a limit of 1 became %d", small.Get())
	}
	for range 200_000 {
		full(small, 1)
	}
	if small.Get() != MaxRequest {
		t.Errorf("it ends at %d, want %d", small.Get(), MaxRequest)
	}
}

// Whatever is answered in whatever order, there is a limit to send by, and never more than the most.
func TestLimit_StaysWithin(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 7))
	l := NewLimit()
	for i := range 20_000 {
		n := 1 + rnd.IntN(2*MaxRequest)>>rnd.IntN(26)
		[]func(int){l.TooLarge, l.Busy, l.Accepted}[rnd.IntN(3)](n)
		if got := l.Get(); got < 1 || got > MaxRequest {
			t.Fatalf("after %d answers: %d bytes", i+1, got)
		}
	}
}

// Each slow request for a target alone doubles the time until it is tried again, up to the most; half of it is chance.
func TestSlow_Waits(t *testing.T) {
	now := time.Unix(1763720100, 0)
	s := NewSlowTargets(10*time.Second, func() time.Time { return now })
	for i, most := range []time.Duration{
		time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second,
	} {
		want := outputs.Failure{Detail: strconv.Itoa(i), Reason: outputs.ReasonServer}
		s.Slow("a", want)
		last, wait := s.Held("a")
		if wait < most/2 || wait > most || last != want {
			t.Errorf("slow %d times: wait %s after %+v, want up to %s", i+1, wait, last, most)
		}
		if _, ok := s.Begin("a"); ok {
			t.Errorf("slow %d times: it is tried at once", i+1)
		}
	}
	for range 100 {
		s.Slow("a", outputs.Failure{})
	}
	if _, wait := s.Held("a"); wait > 10*time.Second || wait < 5*time.Second {
		t.Errorf("after many times: %s", wait)
	}
	now = now.Add(10 * time.Second)
	if most, ok := s.Begin("a"); !ok || most != ProbeWait {
		t.Errorf("when it is due: %s, %t", most, ok)
	}
}

// Who begins with a target has it alone until the end, and what works is forgotten with all its waits.
func TestSlow_Turns(t *testing.T) {
	now := time.Unix(1763720100, 0)
	s := NewSlowTargets(time.Minute, func() time.Time { return now })
	if s.Some() || s.Has("a") {
		t.Error("one is slow from the beginning")
	}
	if last, wait := s.Held("a"); wait != 0 || last.Reason != outputs.ReasonServer {
		t.Errorf("one that is not known is held for %s: %+v", wait, last)
	}
	if _, ok := s.Begin("a"); ok {
		t.Error("one that is not known is tried")
	}
	s.Works("a")
	s.End("a", ProbeWait)
	first := outputs.Failure{Detail: "first"}
	s.Suspect([]string{"a", "b"}, first)
	s.Suspect([]string{"a"}, outputs.Failure{Detail: "second"})
	if last, wait := s.Held("a"); last != first || wait > 0 || !s.Some() {
		t.Errorf("a suspect: %+v, wait %s", last, wait)
	}
	for _, name := range []string{"a", "b"} {
		if most, ok := s.Begin(name); !ok || most != 0 {
			t.Errorf("suspects are tried side by side: %s: %s, %t", name, most, ok)
		}
		if _, ok := s.Begin(name); ok {
			t.Errorf("%s is tried twice at once", name)
		}
	}
	s.End("a", 0)
	if _, ok := s.Begin("a"); !ok {
		t.Error("after the end it is not tried again")
	}
	s.End("a", 0)
	s.Works("a")
	if s.Has("a") || !s.Has("b") || !s.Some() {
		t.Error("what works is still slow, or the other way round")
	}
	s.Works("b")
	if s.Some() {
		t.Error("some are left")
	}
}

// TryNow ends waits; one target of those that were slow alone is still tried at a time.
func TestSlow_TryNow(t *testing.T) {
	now := time.Unix(1763720100, 0)
	s := NewSlowTargets(time.Minute, func() time.Time { return now })
	for _, name := range []string{"a", "b"} {
		s.Slow(name, outputs.Failure{})
		if _, ok := s.Begin(name); ok {
			t.Errorf("%s is tried before it is due", name)
		}
	}
	s.TryNow()
	most, ok := s.Begin("a")
	if !ok {
		t.Fatal("the wait has not ended")
	}
	if _, ok := s.Begin("b"); ok {
		t.Error("two are tried at once")
	}
	s.End("a", most)
	if _, ok := s.Begin("b"); !ok {
		t.Error("the other has no turn")
	}
}

// There is room for so many: suspects and slow ones beyond are sent among others.
func TestSlow_Room(t *testing.T) {
	s := NewSlowTargets(time.Minute, time.Now)
	names := make([]string, maxSlow+5)
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	s.Suspect(names, outputs.Failure{})
	if !s.Has(names[maxSlow-1]) || s.Has(names[maxSlow]) {
		t.Error("the room is another")
	}
	s.Slow(names[maxSlow], outputs.Failure{})
	if s.Has(names[maxSlow]) {
		t.Error("a slow one has found room")
	}
	s.Works(names[0])
	s.Slow(names[maxSlow], outputs.Failure{})
	if !s.Has(names[maxSlow]) {
		t.Error("what works has left no room")
	}
}
