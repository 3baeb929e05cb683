package delivery

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// errBadFailures is what an output deserves that breaks SendError's contract.
var errBadFailures = errors.New("the output named failed events that the batch does not have or not in order: all are sent again")

// sender carries one batch to its end. soft tells it to hurry, hard to give up.
type sender struct {
	loop       *Loop
	soft, hard context.Context
}

// deliver sends events until each is settled, or gives back what is not when it must end. chunks has
// the events' chunks in order, and possibly others before and after.
func (s *sender) deliver(events []event.Event, chunks []*held) {
	tries, fails := 0, 0 // fails: in a row, without any event getting through
	for len(events) > 0 {
		size := bytesOf(events)
		if !s.admit(size) {
			break
		}
		err := s.send(events, size)
		if err == nil {
			s.loop.succeeded()
			settleDelivered(events, chunks)
			return
		}
		tries++
		se := check(outputs.AsSendError(err), len(events))
		if s.hard.Err() != nil && len(se.Failed) == 0 {
			break // it failed because it was ended
		}
		s.loop.failed(se, len(se.Failed) > 0 && len(se.Failed) < len(events))
		if len(se.Failed) == 0 && se.Reason == outputs.ReasonTooLarge && len(events) > 1 {
			half := len(events) / 2
			s.loop.split(len(events))
			s.deliver(events[:half], chunks)
			s.deliver(events[half:], chunks)
			return
		}
		if len(se.Failed) > 0 && len(se.Failed) < len(events) {
			fails = 0 // the destination works
		}
		fails++
		var letters []Letter
		var reasons map[outputs.Reason]int
		events, letters, reasons = s.sort(events, chunks, se, tries, fails)
		if !s.condemn(letters, chunks) {
			break
		}
		if len(events) == 0 {
			return
		}
		d := backoff(s.loop.set.Retry, fails, worst(se), se.RetryAfter)
		s.loop.backsOff(worst(se), err, reasons, d)
		ok := s.rest(d)
		s.loop.waited()
		if !ok {
			break
		}
	}
	giveBack(events, chunks)
}

// admit waits for a pause to end and for the rate limit.
func (s *sender) admit(size int) bool {
	if !s.loop.unpaused(s.soft) {
		return false
	}
	return s.rest(s.loop.pace.reserve(size))
}

// rest waits for d. It returns false when the loop ends before that can be over.
func (s *sender) rest(d time.Duration) bool {
	if d > s.loop.grace {
		return wait(s.soft, d)
	}
	return wait(s.hard, d)
}

func (s *sender) send(events []event.Event, size int) error {
	ctx, cancel := context.WithTimeout(s.hard, s.loop.set.Timeout)
	defer cancel()
	s.loop.sending.Add(1)
	defer s.loop.sending.Add(-1)
	start := time.Now()
	err := s.loop.output.Send(ctx, &outputs.Batch{Events: events, Bytes: size})
	s.loop.latency.Observe(time.Since(start), 1)
	return err
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
	return se
}

// worst returns the reason that decides how long to wait: a refused login before all others, and no
// final one where another is.
func worst(se *outputs.SendError) outputs.Reason {
	r := se.Reason
	for i := range se.Failed {
		if f := se.Failed[i].Reason; f == outputs.ReasonAuth || r.Final() {
			r = f
		}
	}
	return r
}

// sort settles the events that se does not name as delivered. It moves those to be sent again to
// the front of events and returns them, with how many there are for each reason, and letters for
// the others.
func (s *sender) sort(events []event.Event, chunks []*held, se *outputs.SendError, tries, fails int) (
	again []event.Event, letters []Letter, reasons map[outputs.Reason]int,
) {
	failed := se.Failed
	if len(failed) == 0 {
		failed = make([]outputs.Failure, len(events))
		for i := range failed {
			failed[i] = outputs.Failure{Index: i, Reason: se.Reason, Status: se.Status, Detail: detail(se)}
		}
	} else {
		c, next := cursor{held: chunks}, 0
		for i := range events {
			if next < len(failed) && failed[next].Index == i {
				next++
				continue
			}
			c.add(&events[i], delivered)
		}
		c.flush(delivered)
	}
	now := time.Now()
	reasons = map[outputs.Reason]int{}
	n := 0
	for i := range failed {
		f, ev := &failed[i], &events[failed[i].Index]
		reason := s.verdict(f.Reason, ev, fails, now)
		if reason == "" {
			reasons[f.Reason]++
			if n != f.Index {
				events[n] = *ev
			}
			n++
			continue
		}
		dead := *ev
		letters = append(letters, Letter{
			Event: &dead, Chunk: ev.Chunk, Events: 1, Output: s.loop.name,
			Status: f.Status, Reason: reason, Detail: f.Detail, Attempts: tries,
		})
	}
	return events[:n], letters, reasons
}

// verdict returns why ev is not sent again, or "".
func (s *sender) verdict(r outputs.Reason, ev *event.Event, fails int, now time.Time) string {
	set := &s.loop.set.Retry
	switch {
	case r.Final():
		return string(r)
	case set.MaxAttempts > 0 && fails >= set.MaxAttempts:
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

// condemn settles events that will never be delivered: on disk as dead letters, or dropped where
// on_reject says so. It returns false, with the events given back, when it must end before.
func (s *sender) condemn(letters []Letter, chunks []*held) bool {
	if len(letters) == 0 {
		return true
	}
	drop := s.loop.set.OnReject == outputs.OnRejectDrop
	s.loop.refused(letters, drop)
	buried := true
	if keep := kept(letters, drop); len(keep) > 0 {
		buried = s.bury(keep)
	}
	c := cursor{held: chunks}
	for i := range letters {
		l := &letters[i]
		h := c.find(l.Event.Chunk)
		switch {
		case drop && outputs.Reason(l.Reason).Final():
			h.settle(1, func(t *tally) { t.drop(l.Reason, 1) })
		case buried:
			h.settle(1, func(t *tally) { t.kill(l.Reason, 1) })
		default:
			h.abandon(1)
		}
	}
	return buried
}

// kept returns the letters that on_reject: drop does not drop: it is about what a destination
// refuses, not about what was given up.
func kept(letters []Letter, drop bool) []Letter {
	if !drop {
		return letters
	}
	var keep []Letter
	for i := range letters {
		if !outputs.Reason(letters[i].Reason).Final() {
			keep = append(keep, letters[i])
		}
	}
	return keep
}

// bury repeats until the letters are on disk. It returns false when the loop must end before.
func (s *sender) bury(letters []Letter) bool {
	for n := 1; ; n++ {
		err := s.loop.dead.Bury(s.hard, letters)
		if err == nil {
			return true
		}
		if s.hard.Err() != nil {
			return false
		}
		d := backoff(s.loop.set.Retry, n, outputs.ReasonServer, 0)
		s.loop.buryFailed(err, d)
		ok := s.rest(d)
		s.loop.waited()
		if !ok {
			return false
		}
	}
}

func bytesOf(events []event.Event) (n int) {
	for i := range events {
		n += sizeOfEvent(&events[i])
	}
	return n
}

// cursor finds the chunks of events that come in order, and gathers what they have in common.
type cursor struct {
	held  []*held
	n     int // events since the last flush, all of held[0]
	bytes int
}

// find returns the chunk c, which is not before the one found last.
func (c *cursor) find(chunk *event.Chunk) *held {
	for c.held[0].chunk != chunk {
		c.held = c.held[1:]
	}
	return c.held[0]
}

// add counts ev; settle is called for the events of one chunk when the next begins.
func (c *cursor) add(ev *event.Event, settle func(h *held, n, bytes int)) {
	if c.n > 0 && c.held[0].chunk != ev.Chunk {
		c.flush(settle)
	}
	c.find(ev.Chunk)
	c.n++
	c.bytes += sizeOfEvent(ev)
}

func (c *cursor) flush(settle func(h *held, n, bytes int)) {
	if c.n > 0 {
		settle(c.held[0], c.n, c.bytes)
	}
	c.n, c.bytes = 0, 0
}

func delivered(h *held, n, bytes int) {
	h.settle(n, func(t *tally) { t.delivered += uint64(n); t.bytes += uint64(bytes) })
}

func settleDelivered(events []event.Event, chunks []*held) { each(events, chunks, delivered) }

func giveBack(events []event.Event, chunks []*held) {
	each(events, chunks, func(h *held, n, _ int) { h.abandon(n) })
}

func each(events []event.Event, chunks []*held, settle func(h *held, n, bytes int)) {
	c := cursor{held: chunks}
	for i := range events {
		c.add(&events[i], settle)
	}
	c.flush(settle)
}
