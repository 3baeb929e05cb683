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
	// maxViews is how many there may be at once.
	maxViews = 16
	// buffered is how many events that a view may be behind.
	buffered = 256
	// maxRecord is how many bytes of JSON of a record that is shown.
	maxRecord = 16 << 10
	// maxLooks is how many events a second are looked at for a view with a pattern, which has to render each of them.
	maxLooks = 2000
)

// ErrBusy is returned where too many look already.
var ErrBusy = errors.New("as many live views are open as may be: close one")

// Query says what a view shows.
type Query struct {
	// At is client.TailArrival, an output's name, or what Route was called.
	At string
	// Pod is what is told of where events are; "": nothing.
	Pod string
	// Route is the one that events are on, routes[0]; "": that does not matter.
	Route string
	// Cluster may be "": all.
	Cluster string
	// Tag reports whether a tag fits; nil: all do.
	Tag func(string) bool
	// Grep is what the record has to match; nil: nothing.
	Grep *regexp.Regexp
	// Records says that it may show them, once steps have taken out what they take out.
	Records bool
	// Values: it may show all else, records before that, what steps have changed, and destinations' own words.
	Values bool
	// Sample is one of so many events that fit; 0 and 1: all.
	Sample int
	// Rate counts events a second at most; 0: client.TailRate.
	Rate int
}

// Hub gives events to views. Safe for concurrent use. The zero Hub is ready for use.
type Hub struct {
	// watched counts views. It is looked at first, without a lock.
	watched atomic.Int32

	mu    sync.Mutex
	views []*View
}

// View is one who looks.
type View struct {
	hub    *Hub
	query  Query
	events chan Shown

	missed atomic.Uint64

	mu  sync.Mutex
	enc *event.Encoder
	// second counts those that the next two are counted in.
	second int64
	shown  int
	looks  int
	// fitted counts events, for samples.
	fitted int
	follows
}

// Shown is an event that a view shows.
type Shown struct {
	event  client.TailEvent
	track  *Track
	values bool
}

// Event returns what is shown. It compares what steps made of the event, so that takes a moment.
func (s *Shown) Event() client.TailEvent {
	if s.track != nil {
		s.event.Steps = s.track.told(s.values)
	}
	return s.event
}

// Open has events given to a view, until Close.
func (h *Hub) Open(q Query) (*View, error) {
	q.Rate = bound(q.Rate)
	q.Sample = max(q.Sample, 1)
	v := &View{hub: h, query: q, events: make(chan Shown, buffered), enc: event.NewEncoder(event.Fields{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.views) >= maxViews {
		return nil, ErrBusy
	}
	// Others may be walking through the old one.
	h.views = append(slices.Clone(h.views), v)
	h.watched.Store(int32(len(h.views)))
	return v, nil
}

// bound returns how many events a second are shown where rate is asked for.
func bound(rate int) int {
	if rate <= 0 {
		rate = client.TailRate
	}
	return min(rate, client.TailMaxRate)
}

// SetRate changes how many events a second are shown.
func (v *View) SetRate(rate int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.query.Rate = bound(rate)
}

// Pass shows an event that another aggregator has shown to a view of the same query, if there is room.
func (v *View) Pass(e client.TailEvent) {
	select {
	case v.events <- Shown{event: e}:
	default:
		v.missed.Add(1)
	}
}

// Miss counts events that fit and that another aggregator has not shown.
func (v *View) Miss(n uint64) { v.missed.Add(n) }

// Close ends the view.
func (v *View) Close() {
	h := v.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	h.views = slices.DeleteFunc(slices.Clone(h.views), func(other *View) bool { return other == v })
	h.watched.Store(int32(len(h.views)))
}

// Events returns what is shown.
func (v *View) Events() <-chan Shown { return v.events }

// Missed returns how many events that fit were not shown since the call before.
func (v *View) Missed() uint64 { return v.missed.Swap(0) }

// Watching reports whether anybody looks, at anything. At a nil Hub nobody does.
func (h *Hub) Watching() bool { return h != nil && h.watched.Load() > 0 }

// At returns the views of what happens there.
func (h *Hub) At(where string) (views []*View) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range h.views {
		if v.query.Route == "" && v.query.At == where {
			views = append(views, v)
		}
	}
	return views
}

// On returns the views of what is on its way to the output, by any route.
func (h *Hub) On(output string) (views []*View) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range h.views {
		if v.query.Route != "" || v.query.At == output {
			views = append(views, v)
		}
	}
	return views
}

// By reports whether the view is of events that the route takes to an output.
func (v *View) By(route string) bool { return v.query.Route == "" || v.query.Route == route }

// Wants reports whether the view shows events of the cluster and tag.
func (v *View) Wants(cluster, tag string) bool {
	q := &v.query
	return (q.Cluster == "" || q.Cluster == cluster) && (q.Tag == nil || q.Tag(tag))
}

// left returns how many events the view may still show in this second. v.mu is held.
func (v *View) left(now time.Time) int {
	if second := now.Unix(); second != v.second {
		v.second, v.shown, v.looks = second, 0, 0
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
	if room <= 0 || v.query.Grep != nil && v.looks >= maxLooks {
		v.missed.Add(1)
		return false
	}
	record, fits := v.render(ev, true)
	if !fits || v.query.Grep != nil && !v.sampled() {
		return true
	}
	v.give(ev, record, nil, fill)
	return true
}

// render returns the record of ev, as far as it is shown, and whether it matches. through: it has passed all steps,
// or has none before it. v.mu is held.
func (v *View) render(ev *event.Event, through bool) (record []byte, fits bool) {
	q := &v.query
	if q.Grep != nil {
		v.looks++
	}
	if may := q.Values || q.Records && through; !may {
		return nil, q.Grep == nil
	}
	record, err := v.enc.AppendEvent(nil, ev)
	if err != nil || q.Grep != nil && !q.Grep.Match(record) {
		return nil, err != nil && q.Grep == nil
	}
	if len(record) > maxRecord {
		record = nil
	}
	return record, true
}

// give shows ev. v.mu is held.
func (v *View) give(ev *event.Event, record []byte, track *Track, fill func(*client.TailEvent)) {
	t := client.TailEvent{
		At: v.query.At, Pod: v.query.Pod, Time: timeOf(ev.Time), Cluster: ev.Chunk.Cluster, Tag: ev.DeliveredTag(),
		Bytes: len(ev.Record) + len(ev.Metadata), ID: string(ev.AppendID(nil)), Record: record,
	}
	fill(&t)
	if !v.query.Values {
		t.Detail = ""
	}
	select {
	case v.events <- Shown{t, track, v.query.Values}:
		v.shown++
	default:
		v.missed.Add(1)
	}
}

// Picks reports whether the view follows an event of the cluster that begins its way to an output, as far as that can
// be told now: neither its tag nor its record are what they will be.
func (v *View) Picks(cluster string, now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.query.Cluster != "" && v.query.Cluster != cluster {
		return false
	}
	room := v.left(now)
	switch {
	case v.late() && v.looks < maxLooks:
		return true
	case !v.late() && !v.sampled():
		return false
	case !v.late() && room > 0:
		// It keeps its place.
		v.shown++
		return true
	}
	v.missed.Add(1)
	return false
}

// late reports whether an event has to be at its end for it to be told whether it fits.
func (v *View) late() bool { return v.query.Grep != nil || v.query.Tag != nil }

// Follow has the view follow an event that it picks.
func (v *View) Follow(key Key, t *Track) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.put(key, t) {
		v.missed.Add(1)
	}
}

// Look notes that the events of c begin their way to the output: which of them are shown was decided by Picks.
func (v *View) Look(output string, c *event.Chunk) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.looked(chunkKeyOf(output, c))
}

// Looked reports whether Look was called for the chunk, lately.
func (v *View) Looked(output string, c *event.Chunk) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.chunks[chunkKeyOf(output, c)]
}

// End is what is known of a followed event that comes to an end, or is sent once more.
type End struct {
	// Over says that nothing comes after it.
	Over bool
	// Through says that it has passed all steps.
	Through bool
	Fill    func(*client.TailEvent)
}

// Show shows a followed event, if it fits and there is room. Of another it does nothing.
func (v *View) Show(key Key, ev *event.Event, now time.Time, end End) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f := v.tracks[key]
	if f == nil {
		return
	}
	if end.Over {
		delete(v.tracks, key)
	}
	room := v.left(now)
	var record []byte
	fits := v.Wants(ev.Chunk.Cluster, ev.DeliveredTag())
	if fits {
		record, fits = v.render(ev, end.Through)
	}
	if fits && v.late() && !f.shown {
		f.left = !v.sampled()
	}
	if !fits || f.left {
		f.shown = f.shown || f.left
		return
	}
	// Its place, since Picks.
	kept := !f.shown && !v.late()
	f.shown = true
	if !kept && room <= 0 {
		v.missed.Add(1)
		return
	}
	if kept {
		v.shown--
	}
	v.give(ev, record, f.track, func(t *client.TailEvent) {
		t.Route, t.Joined = f.track.Route, f.track.Joined
		end.Fill(t)
	})
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

// Share returns what each of n aggregators shows of a rate that is asked for.
func Share(rate, n int) int {
	n = max(n, 1)
	return (bound(rate) + n - 1) / n
}
