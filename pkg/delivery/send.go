package delivery

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// errBadFailures is what an output deserves that breaks SendError's contract.
var errBadFailures = errors.New("the output named failed events that the batch does not have or not in order: all are sent again")

// errPacedNoWait is what an output deserves that holds events back without saying for how long.
var errPacedNoWait = errors.New("the output holds events back without saying for how long")

// sender carries one batch, or parked events, to their end. soft tells it to hurry, hard to give up.
type sender struct {
	loop       *Loop
	soft, hard context.Context
	parked     bool
}

// work is events that are to be sent, and what is known of them.
type work struct {
	events []event.Event
	chunks []*held // the events' in order, and possibly others before and after
	tries  int     // sends so far
	fails  int     // of these, in a row, without any event getting through

	// Of the last send, where there was one:
	why     []fate                 // of each event
	before  attempts               // what tries and fails were, but fails 0 where the send delivered others
	wait    time.Duration          // before the next send: the longer one of the next two
	pace    time.Duration          // that the output wants what it holds back to wait
	backoff time.Duration          // for what failed
	reason  outputs.Reason         // of the wait; ReasonPaced where nothing failed
	failed  map[outputs.Reason]int // how many events of why, without those that are paced
	err     error
	flight  bool // all of the events are in flight, see outputs.Failure: they cost the yard nothing
	some    bool // the send delivered others of its events
	whole   bool // the send failed as one

	trying bool // counted among what has failed and is not settled
}

// fate is what a send made of an event that is to be sent again.
type fate struct {
	reason  outputs.Reason
	untried bool   // see outputs.Failure
	flight  bool   // InFlight there
	target  string // where those of different ones are to be sent apart; else ""
}

// attempts counts sends of an event.
type attempts struct{ tries, fails int }

// deliver sends events until each is settled or parked, or gives back what is not when it must end.
func (s *sender) deliver(w work) {
	defer func() {
		if w.trying {
			s.loop.tries(-1)
		}
	}()
	for len(w.events) > 0 && s.waited(&w) {
		size := bytesOf(w.events)
		ticket, ok := s.admit(size)
		if !ok {
			break
		}
		se := s.send(ticket, &outputs.Batch{Events: w.events, Bytes: size, Again: w.tries > 0})
		if se == nil {
			s.loop.succeeded()
			settleDelivered(w.events, w.chunks)
			return
		}
		if s.hard.Err() != nil && len(se.Failed) == 0 {
			break // it failed because it was ended
		}
		if len(se.Failed) == 0 && se.Reason == outputs.ReasonPaced {
			s.loop.pace.refund(size)
			w.wait, w.reason = s.paceOf(se), outputs.ReasonPaced
			continue
		}
		if len(se.Failed) == 0 && se.Reason == outputs.ReasonTooLarge && len(w.events) > 1 {
			s.loop.failed(se, false)
			s.loop.split(len(w.events))
			half := len(w.events) / 2
			s.deliver(work{events: w.events[:half], chunks: w.chunks, tries: w.tries + 1})
			s.deliver(work{events: w.events[half:], chunks: w.chunks, tries: w.tries + 1})
			return
		}
		if !s.sort(&w, se) {
			break
		}
		if len(se.Failed) > 0 && !s.parked && s.park(&w) {
			return
		}
	}
	giveBack(w.events, w.chunks)
}

// waited waits as long as w has to before the next send. It returns false when the loop ends before.
func (s *sender) waited(w *work) bool {
	d, reason, began := w.wait, w.reason, time.Now()
	w.wait, w.reason = 0, ""
	if reason == "" || reason == outputs.ReasonPaced {
		return s.rest(d, s.loop.retryWait)
	}
	if !w.trying {
		w.trying = true
		s.loop.tries(1)
	}
	s.loop.backsOff(backsOff{reason: reason, err: w.err, events: w.failed, ofSome: w.some || s.parked, whole: w.whole, pause: d})
	defer s.loop.waited()
	if s.loop.retryWait(s.soft, d) {
		return true
	}
	if !w.begun() && s.loop.gate.idle() {
		return false // the destination has none of it, so nothing is doubled by giving it back: that ends a stop soon
	}
	return s.rest(max(0, d-time.Since(began)), s.loop.retryWait)
}

// begun says whether anything is settled of a chunk that w's events are of.
func (w *work) begun() bool {
	for _, h := range w.chunks {
		if h.begun() {
			return true
		}
	}
	return false
}

// admit waits for a pause to end, for the rate limit, and until one more send may run.
func (s *sender) admit(size int) (ticket uint64, ok bool) {
	if !s.loop.unpaused(s.soft) || !s.rest(s.loop.pace.reserve(size), wait) {
		return 0, false
	}
	return s.loop.gate.enter(s.hard)
}

// rest waits for d by wait. It returns false when the loop ends before that can be over.
func (s *sender) rest(d time.Duration, wait func(context.Context, time.Duration) bool) bool {
	if d > s.loop.grace {
		return wait(s.soft, d)
	}
	return wait(s.hard, d)
}

// send returns nil when all events of b are delivered.
func (s *sender) send(ticket uint64, b *outputs.Batch) *outputs.SendError {
	events := b.Events
	start := time.Now()
	err := s.loop.output.Send(s.hard, b)
	took := time.Since(start)
	failpoint.Pass("delivery.sent")
	if err == nil {
		s.loop.gate.leave(ticket, taken)
		s.loop.latency.Observe(took, 1)
		return nil
	}
	se := check(outputs.AsSendError(err), len(events))
	s.loop.gate.leave(ticket, judge(se, len(events)))
	if paced(se, len(events)) < len(events) {
		s.loop.latency.Observe(took, 1)
	}
	return se
}

// check returns se, or where its list of failures breaks the contract, an error that loses nothing.
func check(se *outputs.SendError, events int) *outputs.SendError {
	last := -1
	for i := range se.Failed {
		f := &se.Failed[i]
		if f.Reason == "" {
			f.Reason = cmp.Or(se.Reason, outputs.ReasonServer)
		}
		if f.Index <= last || f.Index >= events {
			return &outputs.SendError{Reason: outputs.ReasonServer, RetryAfter: se.RetryAfter, Err: errors.Join(errBadFailures, se.Err)}
		}
		last = f.Index
	}
	if n := paced(se, events); n == 0 || se.RetryAfter > 0 {
		return se
	}
	for i := range se.Failed {
		if f := &se.Failed[i]; f.Reason == outputs.ReasonPaced {
			f.Reason = outputs.ReasonServer
		}
	}
	return &outputs.SendError{Reason: outputs.ReasonServer, Failed: se.Failed, Err: errors.Join(errPacedNoWait, se.Err)}
}

// paced returns how many of the events the output held back.
func paced(se *outputs.SendError, events int) (n int) {
	if len(se.Failed) == 0 && se.Reason == outputs.ReasonPaced {
		return events
	}
	for i := range se.Failed {
		if se.Failed[i].Reason == outputs.ReasonPaced {
			n++
		}
	}
	return n
}

// paceOf returns how long to wait for what the output holds back.
func (s *sender) paceOf(se *outputs.SendError) time.Duration {
	return min(max(se.RetryAfter, time.Millisecond), s.loop.set.Retry.Max)
}

// untried returns how many of the failed events were not sent.
func untried(se *outputs.SendError) (n int) {
	for i := range se.Failed {
		if f := &se.Failed[i]; f.Untried && f.Reason != outputs.ReasonPaced {
			n++
		}
	}
	return n
}

// busyShare is which part of a send's events must be throttled, one in so many, for the destination to
// have too many requests: fewer are one busy shard or stream among others.
const busyShare = 10

// judge tells the gate what became of a send.
func judge(se *outputs.SendError, events int) verdict {
	if len(se.Failed) == 0 {
		if se.Reason == outputs.ReasonThrottled {
			return throttled
		}
		return unknown
	}
	n := 0
	for i := range se.Failed {
		if se.Failed[i].Reason == outputs.ReasonThrottled {
			n++
		}
	}
	switch {
	case n*busyShare >= events:
		return throttled
	case n == 0 && len(se.Failed) < events:
		return taken
	}
	return unknown
}

// worst returns the reason that decides how long to wait for what failed: a refused login before all
// others, and none that is final or paced where another is.
func worst(first outputs.Reason, why []fate) outputs.Reason {
	worst := first
	for i := range why {
		if r := why[i].reason; r != outputs.ReasonPaced && (r == outputs.ReasonAuth || worst.Final() || worst == outputs.ReasonPaced || worst == "") {
			worst = r
		}
	}
	return worst
}

// sort settles the events of w that se says were delivered or refused for good, and leaves in w those
// to be sent again, with how long they wait. It returns false when the loop must end before.
func (s *sender) sort(w *work, se *outputs.SendError) bool {
	all, held := len(w.events), paced(se, len(w.events))
	failed := se.Failed
	if len(failed) == 0 {
		failed = make([]outputs.Failure, all)
		words := detail(se)
		for i := range failed {
			failed[i] = outputs.Failure{Index: i, Reason: se.Reason, Status: se.Status, Detail: words}
		}
	} else {
		settleOthers(w, failed)
	}
	w.whole = len(se.Failed) == 0 && se.Reason != outputs.ReasonThrottled
	w.some = len(failed) < all // the destination works
	if w.some {
		w.fails = 0
	}
	w.before = attempts{w.tries, w.fails}
	switch waits := held + untried(se); {
	case waits == all: // nothing was tried
	case waits == len(failed):
		s.loop.succeeded()
	default:
		w.tries++
		w.fails++
		s.loop.failed(se, w.some)
	}
	letters := s.pick(w, failed, se.Apart)
	w.pace, w.backoff, w.wait, w.reason, w.err = 0, 0, 0, outputs.ReasonPaced, se
	if slices.ContainsFunc(w.why, func(f fate) bool { return f.reason != outputs.ReasonPaced }) {
		w.reason = worst(se.Reason, w.why)
		w.backoff = backoff(s.loop.set.Retry, max(w.fails, 1), w.reason, se.RetryAfter)
	}
	if held > 0 {
		w.pace = s.paceOf(se)
	}
	w.wait = max(w.pace, w.backoff)
	return s.condemn(letters, w.chunks)
}

// settleOthers settles the events that are not among the failed as delivered.
func settleOthers(w *work, failed []outputs.Failure) {
	c, next := cursor{held: w.chunks}, 0
	for i := range w.events {
		if next < len(failed) && failed[next].Index == i {
			next++
			continue
		}
		c.add(&w.events[i], (*run).delivered)
	}
	c.flush((*run).delivered)
}

// pick leaves in w the failed events that are to be sent again, and returns letters for the others.
func (s *sender) pick(w *work, failed []outputs.Failure, apart bool) (letters []Letter) {
	now := time.Now()
	w.failed, w.why = map[outputs.Reason]int{}, make([]fate, 0, len(failed))
	n := 0
	for i := range failed {
		f, ev := &failed[i], &w.events[failed[i].Index]
		so := attempts{w.tries, w.fails}
		if f.Untried {
			so = w.before
		}
		reason := s.verdict(f, ev, so.fails, now)
		if reason == "" {
			fate := fate{reason: f.Reason, untried: f.Untried, flight: f.InFlight}
			if apart {
				fate.target = f.Target
			}
			if f.Reason == outputs.ReasonPaced || f.Untried {
				s.loop.pace.refund(sizeOfEvent(ev))
			} else {
				w.failed[f.Reason]++
			}
			if n != f.Index {
				w.events[n] = *ev
			}
			w.why = append(w.why, fate)
			n++
			continue
		}
		dead := *ev
		letters = append(letters, Letter{
			Event: &dead, Chunk: ev.Chunk, Events: 1, Output: s.loop.name,
			Status: f.Status, Reason: reason, Detail: f.Detail, Attempts: so.tries,
		})
	}
	if s.parked {
		clear(w.events[n:]) // so that their memory goes
	}
	w.events = w.events[:n]
	return letters
}

// verdict returns why ev is not sent again, or "".
func (s *sender) verdict(f *outputs.Failure, ev *event.Event, fails int, now time.Time) string {
	set := &s.loop.set.Retry
	switch {
	case f.Reason.Final():
		return string(f.Reason)
	case f.Reason == outputs.ReasonPaced:
		return "" // it was not tried
	case !f.Untried && set.MaxAttempts > 0 && fails >= set.MaxAttempts:
		return ReasonMaxAttempts
	case set.MaxAge > 0 && now.Sub(ev.Chunk.Received) >= set.MaxAge:
		return ReasonMaxAge
	}
	return ""
}

func detail(se *outputs.SendError) string {
	if se.Err == nil {
		return ""
	}
	return se.Err.Error()
}
