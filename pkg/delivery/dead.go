package delivery

import (
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// condemn settles events that will never be delivered: on disk as dead letters, or dropped where
// on_reject says so. It returns false, with the events given back, when it must end before.
func (s *sender) condemn(letters []Letter, chunks []*held) bool {
	if len(letters) == 0 {
		return true
	}
	drop := s.loop.set.OnReject == outputs.OnRejectDrop
	s.loop.refused(letters, drop)
	runs := make([]run, len(letters))
	c := cursor{held: chunks}
	for i := range letters {
		runs[i] = c.one(letters[i].Event)
	}
	buried := true
	if keep := kept(letters, runs, drop); len(keep) > 0 {
		buried = s.bury(keep)
		failpoint.Pass("delivery.buried")
	}
	for i := range letters {
		reason := letters[i].Reason
		count := func(t *tally) { t.kill(reason, 1) }
		if drop && outputs.Reason(reason).Final() {
			count = func(t *tally) { t.drop(reason) }
		} else if !buried {
			runs[i].abandon()
			continue
		}
		runs[i].settle(count, count)
	}
	return buried
}

// kept returns the letters that on_reject: drop does not drop: it is about what a destination
// refuses, not about what was given up. They hold the events as they were stored, so that those that
// are sent again pass the filters again.
func kept(letters []Letter, runs []run, drop bool) (keep []Letter) {
	var entries reader
	for i := range letters {
		l, r := letters[i], &runs[i]
		switch {
		case drop && outputs.Reason(l.Reason).Final() || r.h.made:
		case len(r.origins) > 0:
			for _, o := range r.origins[0] {
				l.Event, l.Chunk = &o.ev, o.ev.Chunk
				keep = append(keep, l)
			}
		default:
			if r.h.filtered && r.h.of == nil { // what is parked without origins is as it was
				stored := *entries.event(l.Chunk, l.Event.Pos)
				l.Event = &stored
			}
			keep = append(keep, l)
		}
	}
	return keep
}

// bury stores letters, with all of the destinations' words. It repeats until the letters are on disk. It returns false when the loop must end before.
func (s *sender) bury(letters []Letter) bool {
	for i := range letters {
		letters[i].Detail = outputs.Whole(letters[i].Detail)
	}
	s.loop.tries(1)
	defer s.loop.tries(-1)
	for n := 1; ; n++ {
		err := s.loop.dead.Bury(s.hard, letters)
		if err == nil {
			return true
		}
		if s.hard.Err() != nil {
			return false
		}
		d := backoff(s.loop.set.Retry, n, outputs.ReasonServer, 0)
		s.loop.stuck("store dead letters", reasonBury, err, d)
		ok := s.rest(d, s.loop.retryWait)
		s.loop.waited()
		if !ok {
			return false
		}
	}
}
