package delivery

import (
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/delivery/stats"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/suspicion"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// answered notes what hosts and targets made of the request with the events of w, which was accepted where se is nil or
// names events, and says what the refusals are about that no table knows.
func (s *sender) answered(w *work, b *outputs.Batch, se *outputs.SendError) {
	s.judgeUnlisted(w, b, se)
	if b.Host == "" || se != nil && len(se.Failed) == 0 {
		return
	}
	now := time.Now()
	s.hosts.Accepted(b.Host, now)
	switch {
	case w.trial != nil:
		s.hosts.Acquitted(w.trial, b.Host, now)
		w.trial = nil
	case w.refused > 0:
		s.hosts.Flipped(b.Host, w.refused, now)
	}
	w.refused = 0
}

// judgeUnlisted corrects what se says of refusals that no table knows, by what becomes of others for the same targets.
func (s *sender) judgeUnlisted(w *work, b *outputs.Batch, se *outputs.SendError) {
	var failed []outputs.Failure
	if se != nil {
		if failed = se.Failed; len(failed) == 0 {
			return
		}
	}
	unlisted := slices.ContainsFunc(failed, func(f outputs.Failure) bool { return f.Unlisted })
	if !unlisted && !s.targets.Watching() {
		return
	}
	now, accepted := time.Now(), map[string]int{}
	for _, sent := range b.Sent {
		accepted[sent.Target] += sent.Events
	}
	for i := range failed {
		accepted[failed[i].Target]--
	}
	for target, n := range accepted {
		if n > 0 {
			s.targets.Accepted(target, now)
		}
	}
	undecided := w.undecided
	for i := range failed {
		f := &failed[i]
		if !f.Unlisted || f.Reason != outputs.ReasonRejected {
			continue
		}
		ev, held := &b.Events[f.Index], undecided
		if w.target != nil {
			// It has waited aside since.
			held = ev.Chunk.Received
		}
		kind := fmt.Sprintf("%d %s", f.Status, f.Kind)
		about := s.targets.Refused(f.Target, kind, maphash.Bytes(s.seed, ev.AppendID(nil)), held,
			accepted[f.Target] > 0, now)
		if about == suspicion.Content {
			continue
		}
		f.Reason, f.Partial, f.Remedy = outputs.ReasonTarget, about == suspicion.Undecided, unlistedRemedy
		if w.undecided.IsZero() {
			w.undecided = now
		}
	}
}

// unlistedRemedy is what to do about a refusal that no table knows.
const unlistedRemedy = "look at what the target answers: no event for it is taken, so it is held to be the " +
	"target's state"

// refuses reports whether se is about a request that was refused as a whole by an answer that may be about its content,
// and notes that.
func (s *sender) refuses(w *work, se *outputs.SendError) bool {
	if !se.Suspect || len(se.Failed) > 0 || s.control.Force.Err() != nil {
		return false
	}
	w.refused++
	if w.trial != nil {
		s.hosts.Refused(w.trial, se.Host, time.Now())
	}
	return true
}

// searches reports whether the event is to be found for which se refuses those of w: the host takes others.
func (s *sender) searches(w *work, se *outputs.SendError) bool {
	switch now := time.Now(); {
	case w.trial != nil:
		return false
	case len(w.events) == 1:
		return s.hosts.Takes(se.Host, now)
	default:
		return s.hosts.MaySearch(se.Host, now)
	}
}

// search sends the events of w, which se says were refused together, in halves, to find those for which they were.
// These are tried again apart, for a while; what is not known of is left in w. It returns false when the loop must end
// before.
func (s *sender) search(w *work, se *outputs.SendError) bool {
	if len(w.events) == 1 {
		if !s.try(w, w.events[0], se) {
			return s.settleSome(w, se)
		}
		s.rec.Failed(se, false)
		s.showAgain(w.events, se)
		w.events = nil
		return true
	}
	s.rec.Failed(se, false)
	s.showAgain(w.events, se)
	halves, last := suspicion.NewSearch(len(w.events)), se
	all, ok := w.events, true
	for ok {
		span, more := halves.Next()
		if !more {
			break
		}
		part := w.part(all[span.From:span.To:span.To])
		got, sent := s.send(part)
		switch {
		case !sent, s.control.Force.Err() != nil && got != nil:
			halves.Stop()
			ok = false
		case got == nil || len(got.Failed) > 0:
			halves.Accepted()
			ok = s.settle(part, got)
			// It is what is left.
			s.deliver(part)
			w.turnedAway += part.turnedAway
		case got.Suspect:
			s.rec.Failed(got, false)
			halves.Refused()
			last = got
		default:
			s.rec.Failed(got, false)
			halves.Stop()
			last = got
		}
	}
	s.learn(halves, se.Host)
	// left is in order, as their chunks are.
	var left []int
	for _, i := range halves.Poison() {
		if !ok || !s.try(w, all[i], last) {
			left = append(left, i)
		}
	}
	for _, span := range halves.Left() {
		for i := span.From; i < span.To; i++ {
			left = append(left, i)
		}
	}
	slices.Sort(left)
	w.events, w.refused = nil, 0
	for _, i := range left {
		w.events = append(w.events, all[i])
	}
	if !halves.Barren() {
		w.fails = 0
	}
	return ok && (len(w.events) == 0 || s.settleSome(w, last))
}

// learn notes what the search tells of the host.
func (s *sender) learn(halves *suspicion.Search, host string) {
	now := time.Now()
	if halves.Barren() {
		s.hosts.Barren(host, now)
	}
	for range halves.Flipped() {
		s.hosts.Flipped(host, 1, now)
	}
}

// try has ev, an event of w that was refused alone, tried again by itself, between others that are accepted. It returns
// false where there is no room for that. One that has waited aside goes back to the output for it, so that it holds up
// no others that wait.
func (s *sender) try(w *work, ev event.Event, se *outputs.SendError) bool {
	if w.target != nil {
		c := cursor{refs: w.refs}
		run := c.one(&ev)
		run.setAside("", &ev)
		return true
	}
	one := &work{events: []event.Event{ev}, refs: w.refs, tries: w.tries + 1, fails: 1, pooled: w.pooled}
	one.last = lastSend{
		before: attempts{w.tries, 0}, why: []fate{{reason: se.Reason}}, reason: se.Reason, err: se, some: true,
		failed: map[outputs.Reason]int{se.Reason: 1},
	}
	if !w.pooled {
		items := s.pool.take(one)
		if len(items) == 0 {
			return false
		}
		one = items[0]
	}
	one.trial, one.trying = s.hosts.Begin(se.Host, time.Now()), true
	s.rec.Tries(1)
	s.spawn(func() { s.deliver(one) })
	return true
}

// onTrial reports whether w waits for what follows from a refusal of its one event.
func (w *work) onTrial() bool {
	var se *outputs.SendError
	return w.trial != nil && errors.As(w.last.err, &se) && se.Suspect
}

// standsTrial waits until the event of w is to be tried again. It returns false when the loop ends before, and when the
// event is given up, which is settled then.
func (s *sender) standsTrial(w *work) bool {
	for {
		verdict, pause := s.hosts.Classify(w.trial, time.Now())
		switch verdict {
		case suspicion.Poison:
			letter := s.letter(&w.events[0], w.last.failure(w.trial), string(outputs.ReasonRejected), w.tries)
			s.showLetters([]DeadLetter{letter})
			w.events = nil
			s.dead.refuse([]DeadLetter{letter}, w.refs)
			return false
		case suspicion.Try:
			return true
		case suspicion.Wait:
		}
		began := time.Now()
		s.rec.BacksOff(stats.Backoff{
			Reason: w.last.reason, Err: w.last.err, Events: w.last.failed, OfSome: true, Pause: pause,
		})
		// It is counted.
		w.last.failed = nil
		ok := s.control.RetryWait(s.control.Drain, pause)
		s.rec.Waited()
		if !ok {
			return false
		}
		if time.Since(began) < pause {
			// Somebody wants it tried now.
			return true
		}
	}
}

// failure returns what is said of an event that was refused alone, again and again.
func (l *lastSend) failure(trial *suspicion.Trial) *outputs.Failure {
	f := &outputs.Failure{Reason: outputs.ReasonRejected, Detail: fmt.Sprintf(
		"refused alone, %d times over %s or more, between others that %s accepted: %v", trial.Refusals(),
		suspicion.Time, trial.Host(), l.err)}
	var se *outputs.SendError
	if errors.As(l.err, &se) {
		f.Status = se.Status
	}
	return f
}
