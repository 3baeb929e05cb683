package elasticsearch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Send sends the events of batch in as many requests as their size wants, each once, except that a
// request refused for its size is cut in smaller ones at once. Events for targets that are slow are named as untried,
// unless there are no others.
func (o *Output) Send(ctx context.Context, batch *outputs.Batch) error {
	b := o.bulks.Get().(*bulk)
	defer o.bulks.Put(b)
	b.reset(len(batch.Events), min(o.textSize(batch), o.limit.Get()), o.client.server().typed)
	s := send{Output: o, b: b, batch: batch}
	s.all(ctx)
	if n := len(b.lines); n > 0 && n == len(batch.Events) {
		o.added.Store(int64(max(len(b.text)-batch.Bytes, 0) / n))
	}
	if len(b.held) > 0 && !s.posted {
		s.apartFromOthers(ctx)
	}
	s.hold()
	return s.result()
}

const (
	// firstAdded is a guess of how many bytes an event's text has more than its msgpack: the action, what is added to
	// the record, and JSON's punctuation.
	firstAdded = 240
	// spareText is room for what events of one batch have more than those of the last one.
	spareText = 16
)

// textSize returns about how many bytes the text of batch has. What is rendered into too little room is copied into
// more than it needs.
func (o *Output) textSize(batch *outputs.Batch) int {
	return batch.Bytes + len(batch.Events)*(int(o.added.Load())+spareText)
}

// all sends the events that are not held back.
func (s *send) all(ctx context.Context) {
	for next := 0; next < len(s.batch.Events) && s.stop == nil; {
		next, s.failed = s.b.fill(s.batch, next, s.limit.Get(), s.failed)
		s.counted = max(s.counted, next)
		if len(s.b.lines) > 0 {
			s.posted = true
			s.ensureAliases(ctx)
			s.post(ctx, 0, len(s.b.lines))
		}
	}
}

// apartFromOthers sends the events of slow targets that may be tried, each target's by themselves.
func (s *send) apartFromOthers(ctx context.Context) {
	for target := 0; target < len(s.b.aside) && s.stop == nil; target++ {
		if s.b.aside[target] {
			s.one(ctx, target)
		}
	}
	s.b.only, s.most = none, 0
}

// one sends the events of one slow target, if it may be tried.
func (s *send) one(ctx context.Context, target int) {
	name := s.b.targets[target]
	most, ok := s.slow.Begin(name)
	if !ok {
		return
	}
	defer s.slow.End(name, most)
	s.b.only, s.most = target, most
	s.all(ctx)
	s.b.held = slices.DeleteFunc(s.b.held, func(h heldEvent) bool { return h.target == target })
}

// hold notes the events that are held back.
func (s *send) hold() {
	for _, h := range s.b.held {
		name := s.b.targets[h.target]
		f, wait := s.slow.Held(name)
		f.Index, f.Target, f.Untried = h.event, name, true
		s.failed, s.apart = append(s.failed, f), true
		if s.holds == 0 || wait < s.holds {
			s.holds = max(wait, leastHold)
		}
	}
}

// leastHold is how long events are held back at least: the time in which another request may be found to be fast.
const leastHold = 100 * time.Millisecond

// send is one Send.
type send struct {
	*Output
	b     *bulk
	batch *outputs.Batch
	// most is how long the server may wait; 0: its share of the time-out.
	most time.Duration
	// posted says that a request was made.
	posted bool
	// counted is that of the batch's events, from the first on: they are in its Sent.
	counted int
	// apart is as in outputs.SendError.
	apart bool
	// holds is how long what is held back waits at least.
	holds  time.Duration
	failed []outputs.Failure
	// stop is why nothing more is sent.
	stop *outputs.SendError
	// stopAt is the first event that was not delivered because of it.
	stopAt int
}

// post sends the events from … to-1 of the body.
func (s *send) post(ctx context.Context, from, to int) {
	if s.stop != nil {
		return
	}
	size := len(s.b.slice(from, to))
	out := s.request(ctx, s.b, from, to, s.most, func(item int) bool {
		return s.batch.First(s.b.lines[min(from+item, to-1)].event)
	})
	if out.host != "" {
		s.batch.Host = out.host
	}
	if out.err == nil {
		s.limit.Accepted(size)
		s.time(&out, from, to)
		for _, f := range out.failed {
			f.Index = s.b.lines[from+f.Index].event
			s.settle(&f)
			s.failed = append(s.failed, f)
		}
		for _, f := range out.there {
			f.Index = s.b.lines[from+f.Index].event
			s.there(&f)
		}
		return
	}
	if out.hung {
		s.hung(from, to, out.err)
	}
	one := outputs.Failure{
		Index: s.b.lines[from].event, Status: out.err.Status, Detail: out.err.Err.Error(),
		Target: s.b.targets[s.b.lines[from].target],
	}
	switch {
	case out.err.Reason == outputs.ReasonTooLarge || out.alone:
		s.limit.TooLarge(size)
		if to-from > 1 {
			s.split(ctx, from, to, min(size/2, s.limit.Get()))
			return
		}
		// 429: the operator may give the node more room.
		one.Reason = out.err.Reason
		s.failed = append(s.failed, one)
	case to-from == 1 && out.kind == "action_request_validation_exception":
		// It is about the event's own id or name.
		one.Reason = outputs.ReasonRejected
		s.failed = append(s.failed, one)
	default:
		if out.err.Reason == outputs.ReasonThrottled {
			s.limit.Busy(size)
		}
		s.halt(from, out.err)
	}
}

// time notes which targets the server waited for, and which were fast.
func (s *send) time(out *outcome, from, to int) {
	slow := map[int]bool{}
	for i := range out.failed {
		f := &out.failed[i]
		target := s.b.lines[from+f.Index].target
		if out.waited && f.Status >= http.StatusInternalServerError && !slow[target] {
			slow[target], s.apart = true, true
			s.slow.Slow(f.Target, *f)
		}
	}
	if !s.slow.Some() {
		return
	}
	for target, name := range s.b.targets {
		sent := func(l line) bool { return l.target == target }
		if s.slow.Has(name) && !slow[target] && slices.ContainsFunc(s.b.lines[from:to], sent) {
			s.slow.Works(name)
		}
	}
}

// hung notes that no reply came to the events from … to-1. One of their targets may be why.
func (s *send) hung(from, to int, err *outputs.SendError) {
	s.apart = true
	last := outputs.Failure{Reason: err.Reason, Detail: err.Err.Error()}
	if names := s.b.targetsOf(from, to); len(names) > 1 {
		s.slow.Suspect(names, last)
	} else {
		s.slow.Slow(names[0], last)
	}
}

// there notes that the server has something under the id of an event at its first attempt.
func (s *send) there(f *outputs.Failure) {
	s.alreadyThere.Add(1)
	ev := &s.batch.Events[f.Index]
	s.example.Store(&outputs.Example{
		Time: s.now(), Cluster: ev.Chunk.Cluster, Tag: ev.Chunk.Tag, Target: f.Target, Detail: f.Detail,
	})
	const text = "the server said to events that were sent for the first time that it has their ids already (409): " +
		"other events may have the same ids. " +
		"%s; already_there counts them, and docs/elasticsearch.md says more under \"Duplicates and ids\""
	if s.cfg.OnConflict != onConflictDeadLetter {
		s.client.notice(text, "They count as delivered, on_conflict: dead_letter would keep them")
		return
	}
	s.client.notice(text, "They become dead letters, as on_conflict says")
	s.failed = append(s.failed, *f)
}

// split posts the events from … to-1 in parts of up to size bytes.
func (s *send) split(ctx context.Context, from, to, size int) {
	for from < to && s.stop == nil {
		end := s.b.cut(from, to, size)
		s.post(ctx, from, end)
		from = end
	}
}

// halt ends the Send before the event number from of the body.
func (s *send) halt(from int, err *outputs.SendError) {
	s.stop, s.stopAt = err, s.b.lines[from].event
}

// result returns the error of the Send.
func (s *send) result() error {
	n := len(s.batch.Events)
	if s.stop != nil {
		// Events behind that could not be rendered are found again the next time.
		s.failed = slices.DeleteFunc(s.failed, func(f outputs.Failure) bool { return f.Index >= s.stopAt })
		if len(s.failed) == 0 && s.stopAt == 0 && !s.apart {
			return s.stop
		}
		detail := s.stop.Err.Error()
		for i := s.stopAt; i < n; i++ {
			s.b.name = s.names.Append(s.b.name[:0], &s.batch.Events[i])
			target := s.b.targets[s.b.targetOf(s.b.name)]
			if i >= s.counted {
				s.batch.CountSent(target, &s.batch.Events[i])
			}
			s.failed = append(s.failed, outputs.Failure{
				Index: i, Reason: s.stop.Reason, Status: s.stop.Status, Detail: detail, Target: target,
			})
		}
	}
	if len(s.failed) == 0 {
		return nil
	}
	slices.SortFunc(s.failed, func(a, b outputs.Failure) int { return cmp.Compare(a.Index, b.Index) })
	se := &outputs.SendError{Reason: dominantReason(s.failed), Failed: s.failed, Apart: s.apart}
	if !slices.ContainsFunc(s.failed, func(f outputs.Failure) bool { return !f.Untried && !f.Reason.Final() }) {
		se.RetryAfter = s.holds
	}
	switch {
	case s.stop != nil:
		se.RetryAfter, se.Err = s.stop.RetryAfter, s.stop.Err
	default:
		f := &s.failed[slices.IndexFunc(s.failed, func(f outputs.Failure) bool { return f.Reason == se.Reason })]
		se.Err = errors.New(f.Detail)
		if f.Status != 0 {
			se.Err = fmt.Errorf("status %d: %s", f.Status, f.Detail)
		}
	}
	return se
}

// dominantReason returns the reason that the operator should know first.
func dominantReason(failed []outputs.Failure) outputs.Reason {
	order := []outputs.Reason{
		outputs.ReasonRejected, outputs.ReasonTooLarge, outputs.ReasonTarget, outputs.ReasonNetwork,
		outputs.ReasonServer,
		outputs.ReasonThrottled, outputs.ReasonAuth,
	}
	rank := -1
	for i := range failed {
		rank = max(rank, slices.Index(order, failed[i].Reason))
	}
	return order[max(rank, 0)]
}
