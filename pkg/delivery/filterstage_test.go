package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

func TestRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := filtered(t, rulesOf(step(byWord)), outputs.Common{Workers: 1},
			lines(1, "t", "a", "drop b", "change c", "kill d", "e"), lines(2, "plain", "drop", "kill"),
			lines(3, "t", "drop", "drop"))
		time.Sleep(time.Second)
		equal(t, "delivered", s.taken(), []string{"a", "change c!", "e", "drop", "kill"})
		equal(t, "dead letters", s.letterStore.kept(), []string{"filter: kill d"})
		equal(t, "counts", s.fate(), map[string]int{"delivered": 5, "dropped: filter": 3, "dead: filter": 1})
		equal(t, "chunks done", len(s.source.Finished()), 3)
		s.stop()
	})
}

// The tag that a step gives is the one that the output sees: of an event that goes on at once, that is joined or
// that is sent again after a refusal.
func TestTagOfSteps(t *testing.T) {
	retag := step(func(e *filter.Event, log string) filter.Verdict {
		if !strings.Contains(log, "plain") {
			e.Tag = "web." + log
		}
		return filter.Keep
	})
	synctest.Test(t, func(t *testing.T) {
		s := filtered(t, rulesOf(joining(t, time.Second), retag), outputs.Common{Workers: 1})
		tries := 0
		s.refuse = func(log string) outputs.Reason {
			if log == "later" && tries < 2 {
				tries++
				return outputs.ReasonServer
			}
			return ""
		}
		s.source.Put(lines(1, "t", "a", "plain", "later", "+b", "-c"))
		time.Sleep(20 * time.Second)
		s.stop()
		slices.Sort(s.tags)
		equal(t, "tags", s.tags, []string{"t", "web.+b -c", "web.a", "web.later"})
	})
}

// After a crash other lines may be joined to a first one than before: that is another event, which a
// destination must not take for the one that it has. The same lines make the same event.
func TestIDOfJoined(t *testing.T) {
	seen := map[string]string{} // id: log
	for _, given := range [][]*event.Chunk{
		{lines(1, "t", "+a", "-b"), lines(2, "t", "c")},
		{lines(1, "t", "+a", "-b"), lines(2, "t", "-c")},
		{lines(1, "t", "+a", "-b", "-c"), lines(2, "t", "-d")},
		{lines(1, "t", "+a"), lines(2, "t", "c")},
		{lines(1, "t", "+a", "-b"), lines(2, "t", "c")},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := filtered(t, rulesOf(joining(t, time.Second)), outputs.Common{Workers: 1}, given...)
			time.Sleep(3 * time.Second)
			got := s.taken()
			if was, ok := seen[s.ids[0]]; ok && was != got[0] {
				t.Errorf("%s is %q and %q", s.ids[0], was, got[0])
			}
			seen[s.ids[0]] = got[0]
			s.stop()
		})
	}
	equal(t, "different events", len(seen), 4)
}

// Events of two chunks make one, whose chunks are done when it is delivered. It waits for no more than
// it has to.
func TestJoinedOverChunks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := filtered(t, rulesOf(joining(t, 3*time.Second)), outputs.Common{Workers: 1}, lines(1, "t", "a", "+b", "-c"))
		time.Sleep(time.Second)
		equal(t, "delivered", s.taken(), []string{"a"})
		equal(t, "chunks done", s.source.Finished(), []uint64(nil))
		s.source.Put(lines(2, "t", "-d", "e"))
		time.Sleep(time.Second)
		equal(t, "delivered", s.taken(), []string{"+b -c -d", "e"})
		first := s.ids[0][:len(s.ids[0])-1] + "1"
		if !strings.HasPrefix(s.ids[1], first+"-") {
			t.Errorf("id %s, want the first line's, %s, and what tells the others", s.ids[1], first)
		}
		equal(t, "counts", s.fate(), map[string]int{"delivered": 3, "dropped: joined": 2})
		equal(t, "chunks done", len(s.source.Finished()), 2)

		s.source.Put(lines(3, "t", "+f"))
		s.source.Put(lines(4, "t", "-g"))
		time.Sleep(2900 * time.Millisecond)
		equal(t, "delivered", s.taken(), []string(nil))
		time.Sleep(250 * time.Millisecond)
		equal(t, "delivered when due", s.taken(), []string{"+f -g"})
		s.source.Put(lines(5, "t", "+h", "-i"))
		time.Sleep(time.Second)
		s.stop()
		equal(t, "delivered at the end", s.taken(), []string{"+h -i"})
		equal(t, "chunks pending", s.source.Events(), 0)
	})
}

// What is joined may be dropped, die or be refused: all of its lines with it.
func TestFateOfJoined(t *testing.T) {
	for _, tc := range []struct {
		name   string
		lines  []string
		refuse outputs.Reason
		set    outputs.Common
		got    []string
		dead   []string
		counts map[string]int
	}{
		{
			"dropped",
			[]string{"+a", "-drop", "b"},
			"",
			outputs.Common{},
			[]string{"b"},
			nil,
			map[string]int{"delivered": 1, "dropped: filter": 2},
		},
		{
			"dead",
			[]string{"+a", "-kill", "b"},
			"",
			outputs.Common{},
			[]string{"b"},
			[]string{"filter: +a", "filter: -kill"},
			map[string]int{"delivered": 1, "dead: filter": 2},
		},
		{
			"rejected",
			[]string{"+a", "-change", "b"},
			outputs.ReasonRejected,
			outputs.Common{},
			[]string{"b"},
			[]string{"rejected: +a", "rejected: -change"},
			map[string]int{"delivered": 1, "dead: rejected": 2},
		},
		{
			"rejected and dropped",
			[]string{"+a", "-change", "b"},
			outputs.ReasonRejected,
			outputs.Common{OnReject: outputs.OnRejectDrop},
			[]string{"b"},
			nil,
			map[string]int{"delivered": 1, "dropped: rejected": 2},
		},
		{
			"given up after it was pooled",
			[]string{"+a", "-change", "b"},
			outputs.ReasonServer,
			outputs.Common{Retry: outputs.RetryConfig{MaxAttempts: 3}},
			[]string{"b"},
			[]string{"max_attempts: +a", "max_attempts: -change"},
			map[string]int{"delivered": 1, "dead: max_attempts": 2},
		},
		{
			"a changed event is given up after it was pooled",
			[]string{"+change", "b"},
			outputs.ReasonServer,
			outputs.Common{Retry: outputs.RetryConfig{MaxAttempts: 3}},
			[]string{"b"},
			[]string{"max_attempts: +change"},
			map[string]int{"delivered": 1, "dead: max_attempts": 1},
		},
		{
			"a changed event that was not held back is given up after it was pooled",
			[]string{"change a", "b"},
			outputs.ReasonServer,
			outputs.Common{Retry: outputs.RetryConfig{MaxAttempts: 3}},
			[]string{"b"},
			[]string{"max_attempts: change a"},
			map[string]int{"delivered": 1, "dead: max_attempts": 1},
		},
		{
			"a changed event is rejected",
			[]string{"change a", "b"},
			outputs.ReasonRejected,
			outputs.Common{},
			[]string{"b"},
			[]string{"rejected: change a"},
			map[string]int{"delivered": 1, "dead: rejected": 1},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &filterRig{source: outputtest.NewBacklog(lines(1, "t", tc.lines...)), letterStore: &texts{}}
				s.refuse = func(log string) outputs.Reason {
					if strings.HasSuffix(log, "!") || strings.HasPrefix(log, "change") {
						return tc.refuse
					}
					return ""
				}
				s.run(t, rulesOf(joining(t, time.Second), step(byWord)), tc.set)
				time.Sleep(time.Minute)
				synctest.Wait()
				s.stop()
				equal(t, "delivered", s.taken(), tc.got)
				equal(t, "dead letters", s.letterStore.kept(), tc.dead)
				equal(t, "counts", s.fate(), tc.counts)
				equal(t, "pending", s.source.Events(), 0)
			})
		})
	}
}

// A changed event that the destination refuses for a while arrives as it was changed, though the
// memory of its chunk and of its batch is used again meanwhile.
func TestChangedEventsAreSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until := time.Now().Add(30 * time.Second)
		s := &filterRig{source: outputtest.NewBacklog(), letterStore: &texts{}}
		s.refuse = func(log string) outputs.Reason {
			if strings.Contains(log, "7") && time.Now().Before(until) {
				return outputs.ReasonServer
			}
			return ""
		}
		s.run(t, rulesOf(joining(t, time.Second), step(byWord)), outputs.Common{Workers: 2})
		var want []string
		for i := range 100 {
			s.source.Put(
				lines(uint64(i), "t", fmt.Sprint("change ", i), fmt.Sprint("as it was ", i), fmt.Sprint("+x", i),
					fmt.Sprint("-y", i)),
			)
			want = append(want, fmt.Sprint("change ", i, "!"), fmt.Sprint("as it was ", i),
				fmt.Sprintf("+x%d -y%d", i, i))
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		s.stop()
		got := s.taken()
		slices.Sort(got)
		slices.Sort(want)
		equal(t, "delivered", got, want)
		equal(t, "counts", s.fate(), map[string]int{"delivered": 300, "dropped: joined": 100})
	})
}

// What is held back at the end is delivered, or its chunks go back, all of them.
func TestStopWithJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &filterRig{
			source: outputtest.NewBacklog(lines(1, "t", "+a"), lines(2, "t", "-b", "kill c"),
				lines(3, "t", "+d", "e", "+f")), letterStore: &texts{},
		}
		down := true
		s.refuse = func(string) outputs.Reason {
			if down {
				return outputs.ReasonServer
			}
			return ""
		}
		s.run(t, rulesOf(joining(t, time.Hour), step(byWord)), outputs.Common{})
		time.Sleep(time.Second)
		s.stop()
		equal(t, "counts", s.fate(), map[string]int{})
		equal(t, "pending", s.source.Events(), 6)
		down = false
		s.run(t, rulesOf(joining(t, time.Hour), step(byWord)), outputs.Common{})
		time.Sleep(time.Second)
		s.stop()
		got := s.taken()
		slices.Sort(got)
		equal(t, "delivered", got, []string{"+a -b", "+d", "+f", "e"})
		equal(t, "counts", s.fate(), map[string]int{"delivered": 4, "dropped: joined": 1, "dead: filter": 1})
	})
}

// An outage does not tear apart what came before and after it.
func TestOutageTearsNothingApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &filterRig{
			source: outputtest.NewBacklog(lines(1, "plain", "x"), lines(2, "plain", "y"), lines(3, "t", "z", "+a"),
				lines(4, "t", "-b", "c")), letterStore: &texts{},
		}
		release := make(chan struct{})
		blocked := &recorder{send: func(b *outputs.Batch) error {
			<-release
			return s.Send(t.Context(), b)
		}}
		s.Loop = delivery.New(delivery.Options{
			Name: "test", Source: s.source, Output: blocked, DeadLetters: s.letterStore,
			Rules: rulesOf(joining(t, 3*time.Second)), Log: zerolog.Nop(),
			Common: outputs.Common{Workers: 1, Batch: outputs.BatchConfig{MaxEvents: 1}},
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		time.Sleep(time.Hour)
		close(release)
		time.Sleep(time.Second)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		equal(t, "delivered", s.taken(), []string{"x", "y", "z", "+a -b", "c"})
	})
}

// Letters that can't be stored hold up what waits for them, and nothing else.
func TestDeadLettersOfFiltered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &filterRig{source: outputtest.NewBacklog(lines(1, "t", "a", "kill b")), letterStore: &texts{}}
		until := time.Now().Add(10 * time.Second)
		s.letterStore.fail = func() error {
			if time.Now().Before(until) {
				return errors.New("disk full")
			}
			return nil
		}
		s.run(t, rulesOf(step(byWord)), outputs.Common{})
		time.Sleep(time.Second)
		equal(t, "delivered", s.taken(), []string{"a"})
		equal(t, "chunks done", len(s.source.Finished()), 0)
		time.Sleep(2 * time.Minute)
		equal(t, "dead letters", s.letterStore.kept(), []string{"filter: kill b"})
		s.stop()
		equal(t, "counts", s.fate(), map[string]int{"delivered": 1, "dead: filter": 1})
	})
}

// summing is a Joiner that drops nothing and makes an event about each one.
type summing struct{}

func (summing) Join(e *filter.Event, _ time.Time, emit func(*filter.Event)) error {
	about := e.Clone()
	about.Origins = nil
	about.Set(filter.AppendString(nil, "about "+logOf(&e.Event)), "log")
	emit(e)
	emit(about)
	return nil
}
func (summing) Due() time.Time                             { return time.Time{} }
func (summing) Flush(time.Time, bool, func(*filter.Event)) {}

// Events that a step made are delivered with ids of their own, and not counted.
func TestMadeEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &filterRig{
			source: outputtest.NewBacklog(lines(1, "t", "a", "b"), lines(2, "t", "c")), letterStore: &texts{},
		}
		refused := map[string]bool{}
		s.refuse = func(log string) outputs.Reason {
			switch {
			case log == "about b":
				return outputs.ReasonRejected
			case log == "about c" && !refused[log]:
				refused[log] = true
				return outputs.ReasonServer
			}
			return ""
		}
		s.run(t, rulesOf(summing{}), outputs.Common{Workers: 1})
		time.Sleep(time.Minute)
		synctest.Wait()
		equal(t, "delivered", s.taken(), []string{"a", "about a", "b", "c", "about c"})
		slices.Sort(s.ids)
		equal(t, "different ids", len(slices.Compact(s.ids)), 5)
		equal(t, "dead letters", s.letterStore.kept(), []string(nil))
		s.stop()
		equal(t, "counts", s.fate(), map[string]int{"delivered": 3})
		equal(t, "pending", s.source.Events(), 0)
	})
}

// What has gone on does not count as held back any more: of far more than the bound, one after the other, nothing is
// torn apart.
func TestHeldBackIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := filtered(t, rulesOf(joining(t, time.Hour)), outputs.Common{})
		filler := strings.Repeat("x", 1<<20)
		for i := range 60 {
			s.source.Put(lines(uint64(2*i), "t", "+"+filler))
			time.Sleep(time.Minute) // held back, and only then goes on with its second line
			s.source.Put(lines(uint64(2*i+1), "t", "-end"))
			time.Sleep(time.Minute)
		}
		s.stop()
		for _, log := range s.taken() {
			if !strings.HasSuffix(log, " -end") {
				t.Fatalf("%d bytes went on without their second line", len(log))
			}
		}
		equal(t, "counts", s.fate(), map[string]int{"delivered": 60, "dropped: joined": 60})
	})
}

// What is held back is bounded: all goes on when it is too much.
func TestHeldBackIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := filtered(t, rulesOf(joining(t, time.Hour)), outputs.Common{})
		filler := strings.Repeat("x", 1<<20)
		for i := range 40 {
			s.source.Put(lines(uint64(i), fmt.Sprint("t", i), "+"+filler))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(s.taken()); n < 15 {
			t.Errorf("%d of 40 MiB went on, want all but 16", n)
		}
		s.stop()
		equal(t, "pending", s.source.Events(), 0)
	})
}
