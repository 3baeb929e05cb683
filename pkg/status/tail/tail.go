// Package tail shows events to those who look at them live: as they arrive, or as they were sent to an output. It costs
// nothing while nobody looks, and never holds anything up: what is too much is not shown, and counted.
package tail

import (
	"errors"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

const (
	maxViews  = 16       // at once
	buffered  = 256      // events that a view may be behind
	maxRecord = 16 << 10 // bytes of JSON of a record that is shown
	// maxLooks is how many events a second are looked at for a view with a pattern, which has to render each of them.
	maxLooks = 2000
)

// ErrBusy is returned where too many look already.
var ErrBusy = errors.New("as many live views are open as may be: close one")

// Query says what a view shows.
type Query struct {
	At      string            // client.TailArrival or an output's name
	Cluster string            // "": all
	Tag     func(string) bool // nil: all
	Grep    *regexp.Regexp    // that the record has to match; nil: all
	Records bool              // it may show them
	Sample  int               // one of so many events that fit; 0 and 1: all
	Rate    int               // events a second at most; 0: client.TailRate
}

// Hub gives events to views. Safe for concurrent use. The zero Hub is ready for use.
type Hub struct {
	watched atomic.Int32 // views; it is looked at first, without a lock

	mu    sync.Mutex
	views []*View
}

// View is one who looks.
type View struct {
	hub    *Hub
	query  Query
	events chan client.TailEvent

	missed atomic.Uint64

	mu     sync.Mutex
	enc    *event.Encoder
	second int64 // that the next two are counted in
	shown  int
	looked int
	fitted int // events, for samples
}

// Open has events given to a view, until Close.
func (h *Hub) Open(q Query) (*View, error) {
	if q.Rate <= 0 {
		q.Rate = client.TailRate
	}
	q.Rate = min(q.Rate, client.TailMaxRate)
	q.Sample = max(q.Sample, 1)
	v := &View{hub: h, query: q, events: make(chan client.TailEvent, buffered), enc: event.NewEncoder(event.Fields{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.views) >= maxViews {
		return nil, ErrBusy
	}
	h.views = append(slices.Clone(h.views), v) // others may be walking through the old one
	h.watched.Store(int32(len(h.views)))
	return v, nil
}

// Close ends the view.
func (v *View) Close() {
	h := v.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	h.views = slices.DeleteFunc(slices.Clone(h.views), func(other *View) bool { return other == v })
	h.watched.Store(int32(len(h.views)))
}

// Events returns what is shown.
func (v *View) Events() <-chan client.TailEvent { return v.events }

// Missed returns how many events that fit were not shown since the call before.
func (v *View) Missed() uint64 { return v.missed.Swap(0) }

// Watching reports whether anybody looks, at anything. At a nil Hub nobody does.
func (h *Hub) Watching() bool { return h != nil && h.watched.Load() > 0 }

// At returns the views of what happens there.
func (h *Hub) At(where string) (views []*View) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range h.views {
		if v.query.At == where {
			views = append(views, v)
		}
	}
	return views
}

// Wants reports whether the view shows events of the cluster and tag.
func (v *View) Wants(cluster, tag string) bool {
	q := &v.query
	return (q.Cluster == "" || q.Cluster == cluster) && (q.Tag == nil || q.Tag(tag))
}

// left returns how many events the view may still show in this second. v.mu is held.
func (v *View) left(now time.Time) int {
	if second := now.Unix(); second != v.second {
		v.second, v.shown, v.looked = second, 0, 0
	}
	return v.query.Rate - v.shown
}

// Offer shows ev, if it fits and there is room. fill adds what else is known of it. It reports whether the view may
// show more in this second.
func (v *View) Offer(ev *event.Event, now time.Time, fill func(*client.TailEvent)) (more bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	room := v.left(now)
	if v.query.Grep == nil && !v.sampled() {
		return room > 0
	}
	if room <= 0 || v.query.Grep != nil && v.looked >= maxLooks {
		v.missed.Add(1)
		return false
	}
	t := client.TailEvent{
		At: v.query.At, Time: time.Unix(ev.Time.Sec, int64(ev.Time.Nsec)).UTC(), Cluster: ev.Chunk.Cluster,
		Tag:   ev.DeliveredTag(),
		Bytes: len(ev.Record) + len(ev.Metadata), ID: string(ev.AppendID(nil)),
	}
	if v.query.Records || v.query.Grep != nil {
		v.looked++
		record, err := v.enc.AppendEvent(nil, ev)
		if err != nil || v.query.Grep != nil && !v.query.Grep.Match(record) {
			return true
		}
		if v.query.Records && len(record) <= maxRecord {
			t.Record = record
		}
	}
	if v.query.Grep != nil && !v.sampled() {
		return true
	}
	fill(&t)
	select {
	case v.events <- t:
		v.shown++
	default:
		v.missed.Add(1)
	}
	return true
}

// sampled counts an event that fits, and reports whether it is one of those that are shown. v.mu is held.
func (v *View) sampled() bool {
	v.fitted++
	return v.query.Sample == 1 || v.fitted%v.query.Sample == 1
}

// Skip counts n events that fit, as far as that is known, and were not looked at.
func (v *View) Skip(n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for range n {
		if v.sampled() {
			v.missed.Add(1)
		}
	}
}
