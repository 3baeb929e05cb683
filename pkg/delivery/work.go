package delivery

import (
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/delivery/suspicion"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// work is events that are to be sent, and what is known of them.
type work struct {
	events []event.Event
	refs   []*chunkRef // the events' in order, and possibly others before and after
	tries  int         // sends so far
	fails  int         // of these, in a row, without any event getting through
	pooled bool        // it is sent again apart from its batch: see retryPool
	// refused is how often the events were refused as they are, together, by an answer that may be about one of them; trial is
	// the case of a single one that was refused alone: nil where it is none.
	refused int
	trial   *suspicion.Trial
	// undecided is since when events of it were refused so that nobody knows what it is about; zero: none was.
	undecided time.Time
	trying    bool // counted among what has failed and is not settled

	last lastSend // zero: there was none
}

// lastSend is what a send made of the events that are to be sent again.
type lastSend struct {
	why     []fate                 // of each event
	before  attempts               // what tries and fails were, but fails 0 where the send delivered others
	wait    time.Duration          // before the next send: the longer one of the next two
	pace    time.Duration          // that the output wants what it holds back to wait
	backoff time.Duration          // for what failed
	reason  outputs.Reason         // of the wait; ReasonPaced where nothing failed; "": none
	failed  map[outputs.Reason]int // how many events of why, without those that are paced
	err     error
	flight  bool // all of the events are in flight, see outputs.Failure: they cost the pool nothing
	some    bool // the send delivered others of its events
	whole   bool // the send failed as one
}

// fate is why an event is to be sent again.
type fate struct {
	reason  outputs.Reason
	untried bool   // see outputs.Failure
	flight  bool   // InFlight there
	target  string // where those of different ones are to be sent apart; else ""
}

// attempts counts sends of an event.
type attempts struct{ tries, fails int }

// begun reports whether anything is settled of a chunk that w's events are of.
func (w *work) begun() bool {
	for _, ref := range w.refs {
		if ref.begun() {
			return true
		}
	}
	return false
}

// settle settles all events of w as out.
func (w *work) settle(out outcome) {
	settleAll(w.events, w.refs, out)
	w.events = nil
}

// items returns w in parts that are sent again apart from each other: what is paced, what failed, and of that what was
// not tried, each by target where the output says so.
func (w *work) items() []*work {
	var items []*work
	known := map[fate]*work{}
	for i := range w.events {
		key := w.last.why[i]
		if key.reason == outputs.ReasonPaced {
			key = fate{reason: outputs.ReasonPaced, flight: key.flight}
		} else {
			key.reason = ""
		}
		item := known[key]
		if item == nil {
			item = w.item(key)
			known[key] = item
			items = append(items, item)
		}
		item.events = append(item.events, w.events[i])
	}
	return items
}

// item returns w without its events, for those of one kind.
func (w *work) item(kind fate) *work {
	item := *w
	item.events, item.pooled, item.trying, item.refused = nil, true, false, 0
	item.last.why = nil
	item.last.wait, item.last.flight = w.last.backoff, kind.flight
	if kind.reason == outputs.ReasonPaced {
		item.last.wait, item.last.reason = w.last.pace, outputs.ReasonPaced
	}
	if kind.untried {
		item.tries, item.fails, item.last.failed = w.last.before.tries, w.last.before.fails, nil
	}
	return &item
}
