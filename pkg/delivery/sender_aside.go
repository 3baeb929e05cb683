package delivery

import (
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/outcome"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/waiting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// refusal is an event that its target has refused for its state.
type refusal struct {
	ev event.Event
	f  *outputs.Failure
}

// setAside has the events of w wait that go to targets for which others wait already. What waits itself is sent. It
// returns false when the loop must end before.
func (s *sender) setAside(w *work) bool {
	if w.target != nil || !s.waiting.Some() {
		return true
	}
	if !s.aside.room() {
		return false
	}
	targeter, ok := s.output.(outputs.Targeter)
	if !ok {
		return true
	}
	var letters []DeadLetter
	var name []byte
	c, n := cursor{refs: w.refs}, 0
	for i := range w.events {
		ev := &w.events[i]
		name = targeter.AppendTarget(name[:0], ev)
		switch wait, full := s.waiting.Holds(name); {
		case full:
			one := *ev
			letters = append(letters, s.aside.letter(&one, string(name)))
		case wait:
			s.showAside(w.events[i:i+1], name)
			r := c.one(ev)
			r.setAside(string(name), ev)
		default:
			if n != i {
				w.events[n] = *ev
			}
			n++
		}
	}
	if w.pooled {
		clear(w.events[n:])
	}
	w.events = w.events[:n]
	s.showLetters(letters)
	return s.dead.refuse(letters, w.refs)
}

// setAsideRefused has the events wait that their targets have refused for their state, of a send of so many. It returns
// letters for those that may not. What has waited already goes back where nothing of its chunk was delivered, so that
// it stays in order; but that for others of several targets does not, since the next may be for one that takes it.
func (s *sender) setAsideRefused(w *work, refused []refusal, all int) (letters []DeadLetter) {
	c := cursor{refs: w.refs}
	w.turnedAway += len(refused)
	s.rec.Retry(outputs.ReasonTarget, len(refused))
	for i := range refused {
		r := &refused[i]
		place, isNew := s.waiting.Refused(r.f)
		if isNew {
			s.rec.Waits(r.f)
		}
		switch {
		case w.target != nil && w.target.Target != waiting.Others && len(refused) == all && !c.find(r.ev.Chunk).begun():
			run := c.one(&r.ev)
			run.settle(outcome.Returned())
		case w.target == nil && s.waiting.IsFull(place):
			letters = append(letters, s.aside.letter(&r.ev, place))
			continue
		default:
			run := c.one(&r.ev)
			run.setAside(place, &r.ev)
		}
		s.show([]event.Event{r.ev}, WaitsAside, r.f)
	}
	s.showLetters(letters)
	return letters
}

// giveBack ends with events that are not settled. Where nothing of their chunk was, that goes back to its source; else
// they are stored again alone, so that what was delivered is not once more.
func (s *sender) giveBack(events []event.Event, refs []*chunkRef, target *waiting.Target[Source]) {
	to := ""
	if target != nil {
		to = target.Target
	}
	c := cursor{refs: refs}
	for run := range byChunk(events) {
		ref := c.find(run[0].Chunk)
		again := s.waiting.Enabled() && !ref.made && ref.begun()
		for i := range run {
			one := c.one(&run[i])
			if again {
				one.setAside(to, &run[i])
			} else {
				one.settle(outcome.Returned())
			}
		}
	}
}
