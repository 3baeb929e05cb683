package delivery

import (
	"context"
	"hash/maphash"
	"slices"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/outcome"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/pacing"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/waiting"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/stats"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/suspicion"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// sender carries batches, and what of them is sent again apart, to their end. Safe for concurrent use.
type sender struct {
	name    string
	output  outputs.Output
	set     *outputs.Common
	control *pacing.Control
	limiter *pacing.ConcurrencyLimiter
	pace    *pacing.Pacer
	pool    *retryPool
	dead    *deadLetterSink
	aside   *asideStore
	waiting *waiting.Targets[Source]
	rec     *stats.Recorder
	tap     Tap
	hosts   *suspicion.Hosts
	targets *suspicion.Targets
	seed    maphash.Seed
	// spawn runs it beside the caller; whoever owns the sender waits for its end.
	spawn func(func())
}

// deliver sends events until each is settled or apart from its batch, or gives back what is not when it must end.
func (s *sender) deliver(w *work) {
	for len(w.events) > 0 && s.waited(w) && s.setAside(w) {
		se, sent := s.send(w)
		if !sent || !s.settle(w, se) {
			break
		}
	}
	s.giveBack(w.events, w.refs, w.target)
	w.events = nil
	if w.trying {
		s.rec.Tries(-1)
	}
}

// waited waits as long as w has to before the next send. It returns false when the loop ends before.
func (s *sender) waited(w *work) bool {
	if w.onTrial() {
		return s.standsTrial(w)
	}
	last := &w.last
	d, reason, began := last.wait, last.reason, time.Now()
	last.wait, last.reason = 0, ""
	if reason == "" || reason == outputs.ReasonPaced {
		return s.control.Rest(d, s.control.RetryWait)
	}
	if !w.trying {
		w.trying = true
		s.rec.Tries(1)
	}
	s.rec.BacksOff(stats.Backoff{
		Reason: reason, Err: last.err, Events: last.failed, OfSome: last.some || w.pooled, Whole: last.whole, Pause: d,
	})
	defer s.rec.Waited()
	if s.control.RetryWait(s.control.Drain, d) {
		return true
	}
	if !w.begun() && s.limiter.Idle() {
		// The destination has none of it, so nothing is doubled by giving it back: that ends a stop soon.
		return false
	}
	return s.control.Rest(max(0, d-time.Since(began)), s.control.RetryWait)
}

// send sends w's events once it may: not paused, within the rate limit, and no more sends at once than the limiter
// lets. It returns nil when all are delivered; sent is false when the loop ends before.
func (s *sender) send(w *work) (se *outputs.SendError, sent bool) {
	size := bytesOf(w.events)
	if !s.control.Unpaused(s.control.Drain) || !s.control.Rest(s.pace.Reserve(size), pacing.Wait) {
		return nil, false
	}
	ticket, ok := s.limiter.Acquire(s.control.Force)
	if !ok {
		return nil, false
	}
	b := &outputs.Batch{Events: w.events, Bytes: size, Again: w.tries > 0}
	se = s.sendNow(ticket, b)
	s.answered(w, b, se)
	return se, true
}

func (s *sender) sendNow(ticket uint64, b *outputs.Batch) *outputs.SendError {
	events := b.Events
	start := time.Now()
	err := s.output.Send(s.control.Force, b)
	took := time.Since(start)
	failpoint.Pass("delivery.sent")
	if err == nil {
		s.limiter.Release(ticket, pacing.Taken)
		s.rec.Latency.Observe(took, 1)
		s.rec.Targets.Sent(b.Sent, nil)
		return nil
	}
	se := checkFailures(outputs.AsSendError(err), len(events))
	s.limiter.Release(ticket, sendResultOf(se, len(events)))
	if len(se.Failed) > 0 {
		s.rec.Targets.Sent(b.Sent, se.Failed)
	}
	if paced(se, len(events)) < len(events) {
		s.rec.Latency.Observe(took, 1)
	}
	return se
}

// settle does what follows from the answer to a send: it settles the events that have an outcome, and leaves in w those
// to be sent again by the caller. It returns false when the loop must end before.
func (s *sender) settle(w *work, se *outputs.SendError) bool {
	switch {
	case se == nil:
		s.rec.Succeeded()
		s.delivered(w.events)
		w.settle(outcome.Delivered())
	case len(se.Failed) > 0:
		ok := s.settleSome(w, se)
		if ok && !w.pooled {
			s.retryApart(w)
		}
		return ok
	case s.control.Force.Err() != nil:
		// It failed because it was ended.
		return false
	case se.Reason == outputs.ReasonPaced:
		s.pace.Refund(bytesOf(w.events))
		w.last.wait, w.last.reason = paceOf(se, s.set.Retry.Max), outputs.ReasonPaced
	case se.Reason == outputs.ReasonTooLarge && len(w.events) > 1:
		s.split(w, se)
	case s.refuses(w, se) && s.searches(w, se):
		return s.search(w, se)
	default:
		return s.settleSome(w, se)
	}
	return true
}

// delivered notes that the destination has the events.
func (s *sender) delivered(events []event.Event) {
	now := time.Now()
	for run := range byChunk(events) {
		s.rec.DeliveryLatency.Observe(now.Sub(run[0].Chunk.Received), len(run))
	}
	s.show(events, Delivered, nil)
}

// split sends the events of w, which are too large together, in halves.
func (s *sender) split(w *work, se *outputs.SendError) {
	s.rec.Failed(se, false)
	s.rec.Split(len(w.events))
	s.showAgain(w.events, se)
	half := len(w.events) / 2
	for _, events := range [][]event.Event{w.events[:half], w.events[half:]} {
		part := w.part(events)
		s.deliver(part)
		w.turnedAway += part.turnedAway
	}
	w.events = nil
}

// retryApart has the events of w sent again apart from what else the caller delivers, as far as the pool has room.
func (s *sender) retryApart(w *work) {
	for _, item := range s.pool.take(w) {
		// It is counted here, so that nothing seems settled while the goroutine begins.
		if item.last.reason != outputs.ReasonPaced {
			item.trying = true
			s.rec.Tries(1)
		}
		s.spawn(func() { s.deliver(item) })
	}
}

// settleSome settles the events of w that se says were delivered or refused for good, and leaves in w those
// to be sent again, with how long they wait. It returns false when the loop must end before.
func (s *sender) settleSome(w *work, se *outputs.SendError) bool {
	all, failed := len(w.events), se.Failed
	if len(failed) == 0 {
		failed = allFailed(se, all)
	} else {
		s.settleOthers(w, failed)
	}
	// The destination works.
	some := len(failed) < all
	if some {
		w.fails = 0
	}
	w.last = lastSend{
		before: attempts{w.tries, w.fails}, reason: outputs.ReasonPaced, err: se, some: some,
		whole: len(se.Failed) == 0 && se.Reason != outputs.ReasonThrottled,
	}
	held := paced(se, all)
	switch waits := held + untried(se); {
	case waits == all:
		// Nothing was tried.
	case waits == len(failed):
		s.rec.Succeeded()
	default:
		w.tries++
		w.fails++
		s.rec.Failed(se, some)
	}
	letters, refused := s.pick(w, failed, se.Apart)
	tooMany := s.setAsideRefused(w, refused, all)
	last := &w.last
	if slices.ContainsFunc(last.why, func(f fate) bool { return f.reason != outputs.ReasonPaced }) {
		last.reason = dominantReason(se.Reason, last.why)
		last.backoff = pacing.Backoff(s.set.Retry, max(w.fails, 1), last.reason, se.RetryAfter)
	}
	if held > 0 {
		last.pace = paceOf(se, s.set.Retry.Max)
	}
	last.wait = max(last.pace, last.backoff)
	ok := s.dead.refuse(letters, w.refs)
	return s.dead.refuse(tooMany, w.refs) && ok
}

// settleOthers settles the events that are not among the failed as delivered.
func (s *sender) settleOthers(w *work, failed []outputs.Failure) {
	c, next := cursor{refs: w.refs}, 0
	for i := range w.events {
		if next < len(failed) && failed[next].Index == i {
			next++
			continue
		}
		s.delivered(w.events[i : i+1])
		c.add(&w.events[i], outcome.Delivered())
	}
	c.flush(outcome.Delivered())
}

// pick leaves in w the failed events that are to be sent again, and returns letters for those that are not, and those
// that are to wait for their target.
func (s *sender) pick(w *work, failed []outputs.Failure, apart bool) (letters []DeadLetter, waiting []refusal) {
	now := time.Now()
	w.last.failed, w.last.why = map[outputs.Reason]int{}, make([]fate, 0, len(failed))
	n := 0
	for i := range failed {
		f, ev := &failed[i], &w.events[failed[i].Index]
		so := attempts{w.tries, w.fails}
		if f.Untried {
			so = w.last.before
		}
		if reason := deadReason(f, ev, so.fails, &s.set.Retry, now); reason != "" {
			letters = append(letters, s.letter(ev, f, reason, so.tries))
			s.showRefused(ev, f, reason)
			continue
		}
		if f.Reason == outputs.ReasonTarget && f.Target != "" && s.waiting.Enabled() {
			waiting = append(waiting, refusal{*ev, f})
			continue
		}
		if f.Reason == outputs.ReasonPaced || f.Untried {
			s.pace.Refund(sizeOfEvent(ev))
		} else {
			w.last.failed[f.Reason]++
			s.show(w.events[f.Index:f.Index+1], SentAgain, f)
		}
		again := fate{reason: f.Reason, untried: f.Untried, flight: f.InFlight}
		if apart {
			again.target = f.Target
		}
		w.last.why = append(w.last.why, again)
		if n != f.Index {
			w.events[n] = *ev
		}
		n++
	}
	if w.pooled {
		// Their memory is to go.
		clear(w.events[n:])
	}
	w.events = w.events[:n]
	return letters, waiting
}

// letter returns a dead letter of ev, of which f came at the tries-th try.
func (s *sender) letter(ev *event.Event, f *outputs.Failure, reason string, tries int) DeadLetter {
	dead := *ev
	return DeadLetter{
		Event: &dead, Chunk: ev.Chunk, Events: 1, Output: s.name,
		Status: f.Status, Reason: reason, Detail: f.Detail, Attempts: tries,
		Unnamed: f.Unnamed,
	}
}

// prepare has the output set up what it needs at its destination, for as long as that takes. It
// returns false when ctx ends before.
func (s *sender) prepare(ctx context.Context) bool {
	p, ok := s.output.(outputs.Preparer)
	if !ok {
		return true
	}
	s.rec.Tries(1)
	defer s.rec.Tries(-1)
	for n := 1; s.control.Unpaused(ctx); n++ {
		bounded, cancel := context.WithTimeout(ctx, s.set.Timeout)
		err := p.Prepare(bounded)
		cancel()
		if ctx.Err() != nil {
			return false
		}
		if err == nil {
			s.rec.Prepared()
			return true
		}
		se := outputs.AsSendError(err)
		d := pacing.Backoff(s.set.Retry, n, se.Reason, se.RetryAfter)
		s.rec.Stuck("prepare the destination", se.Reason, err, d)
		ok := s.control.RetryWait(ctx, d)
		s.rec.Waited()
		if !ok {
			return false
		}
	}
	return false
}
