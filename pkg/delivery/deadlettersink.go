package delivery

import (
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/outcome"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/pacing"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/stats"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// deadLetterSink keeps events that will never be delivered, and settles them. Safe for concurrent use.
type deadLetterSink struct {
	letters DeadLetters
	set     *outputs.Common
	control *pacing.Control
	rec     *stats.Recorder
}

// refuse settles events that will never be delivered: on disk as dead letters, or dropped where
// on_reject says so. It returns false, with the events given back, when it must end before.
func (d *deadLetterSink) refuse(letters []DeadLetter, refs []*chunkRef) bool {
	if len(letters) == 0 {
		return true
	}
	drop := d.set.OnReject == outputs.OnRejectDrop
	d.tell(letters, drop)
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
			runs[i].settle(outcome.Dropped(reason))
		case added:
			runs[i].settle(outcome.Dead(reason))
		default:
			runs[i].settle(outcome.Returned())
		}
	}
	return added
}

// tell has the log say that the letters' events will never be delivered. dropped says that they are not kept.
func (d *deadLetterSink) tell(letters []DeadLetter, dropped bool) {
	first := &letters[0]
	d.rec.Refused(stats.RefusedEvents{
		N: len(letters), Reason: first.Reason, Detail: first.Detail, Status: first.Status,
		Cluster: first.Chunk.Cluster, Tag: first.Chunk.Tag, Dropped: dropped,
	})
}

// keptLetters returns the letters that on_reject: drop does not drop: it is about what a destination
// refuses, not about what was given up. They hold the events as they were stored, so that those that
// are sent again pass the filters again. Those that stand for events which nobody names become one.
func keptLetters(letters []DeadLetter, runs []run, drop bool) (keep []DeadLetter) {
	var entries reader
	for i := range letters {
		l, r := letters[i], &runs[i]
		switch {
		case drop && outputs.Reason(l.Reason).Final() || r.ref.made:
		case l.Unnamed:
			l.Event = nil
			if last := len(keep) - 1; last >= 0 && keep[last].Unnamed && keep[last].Detail == l.Detail {
				keep[last].Events++
				continue
			}
			keep = append(keep, l)
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
	d.tell(letters, false)
	if d.letters.Add(d.control.Force, letters) == nil {
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
	d.rec.Tries(1)
	defer d.rec.Tries(-1)
	for n := 1; ; n++ {
		err := d.letters.Add(d.control.Force, letters)
		if err == nil {
			return true
		}
		if d.control.Force.Err() != nil {
			return false
		}
		pause := pacing.Backoff(d.set.Retry, n, outputs.ReasonServer, 0)
		d.rec.Stuck("store dead letters", stats.ReasonAddDead, err, pause)
		ok := d.control.Rest(pause, d.control.RetryWait)
		d.rec.Waited()
		if !ok {
			return false
		}
	}
}
