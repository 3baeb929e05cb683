package delivery

import (
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// deadLetterSink keeps events that will never be delivered, and settles them. Safe for concurrent use.
type deadLetterSink struct {
	letters DeadLetters
	set     *outputs.Common
	control *control
	rec     *recorder
}

// refuse settles events that will never be delivered: on disk as dead letters, or dropped where
// on_reject says so. It returns false, with the events given back, when it must end before.
func (d *deadLetterSink) refuse(letters []DeadLetter, refs []*chunkRef) bool {
	if len(letters) == 0 {
		return true
	}
	drop := d.set.OnReject == outputs.OnRejectDrop
	d.rec.refused(letters, drop)
	runs := make([]run, len(letters))
	c := cursor{refs: refs}
	for i := range letters {
		runs[i] = c.one(letters[i].Event)
	}
	added := true
	if keep := keptLetters(letters, runs, drop); len(keep) > 0 {
		added = d.add(keep)
		failpoint.Pass("delivery.letters.stored")
	}
	for i := range letters {
		switch reason := letters[i].Reason; {
		case drop && outputs.Reason(reason).Final():
			runs[i].settle(dropped(reason))
		case added:
			runs[i].settle(dead(reason))
		default:
			runs[i].settle(returned())
		}
	}
	return added
}

// keptLetters returns the letters that on_reject: drop does not drop: it is about what a destination
// refuses, not about what was given up. They hold the events as they were stored, so that those that
// are sent again pass the filters again.
func keptLetters(letters []DeadLetter, runs []run, drop bool) (keep []DeadLetter) {
	var entries reader
	for i := range letters {
		l, r := letters[i], &runs[i]
		switch {
		case drop && outputs.Reason(l.Reason).Final() || r.ref.made:
		case len(r.origins) > 0:
			for _, o := range r.origins[0] {
				l.Event, l.Chunk = &o.ev, o.ev.Chunk
				keep = append(keep, l)
			}
		default:
			if r.ref.filtered && r.ref.trunk == nil {
				// what is apart from its chunk without origins is as it was.
				stored := *entries.event(l.Chunk, l.Event.Pos)
				l.Event = &stored
			}
			keep = append(keep, l)
		}
	}
	return keep
}

// addFiltered stores letters of the rules. It does so at once, or by a call of slowly, which is to call its argument.
// It returns false when the loop must end before.
func (d *deadLetterSink) addFiltered(letters []DeadLetter, slowly func(add func())) (added bool) {
	d.rec.refused(letters, false)
	if d.letters.Add(d.control.force, letters) == nil {
		return true
	}
	slowly(func() { added = d.add(letters) })
	return added
}

// add stores letters, with all of the destinations' words. It repeats until the letters are on disk. It returns false
// when the loop must end before.
func (d *deadLetterSink) add(letters []DeadLetter) bool {
	for i := range letters {
		letters[i].Detail = outputs.Whole(letters[i].Detail)
	}
	d.rec.tries(1)
	defer d.rec.tries(-1)
	for n := 1; ; n++ {
		err := d.letters.Add(d.control.force, letters)
		if err == nil {
			return true
		}
		if d.control.force.Err() != nil {
			return false
		}
		pause := backoff(d.set.Retry, n, outputs.ReasonServer, 0)
		d.rec.stuck("store dead letters", reasonAddDead, err, pause)
		ok := d.control.rest(pause, d.control.retryWait)
		d.rec.waited()
		if !ok {
			return false
		}
	}
}
