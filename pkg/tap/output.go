package tap

import (
	"time"

	"github.com/seed-afc6a195/aggregator/internal/stepdiff"
	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/rules"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/pkg/status/tail"
)

// Output is what an output's loop shows to the views of it, and to those of the routes to it.
type Output struct {
	hub    *tail.Hub
	name   string
	target outputs.Targeter
	route  func(cluster, tag string) string
}

// NewOutput returns what shows the events that are on their way to the output of that name. target names where they go;
// nil: that is not told. route names the one that takes every event of a cluster and tag there, "" where that depends
// on the event.
func NewOutput(h *tail.Hub, name string, target outputs.Targeter, route func(cluster, tag string) string) *Output {
	return &Output{h, name, target, route}
}

// Watching implements delivery.Tap.
func (o *Output) Watching() bool { return o.hub.Watching() }

// Look implements delivery.Tap.
func (o *Output) Look(c *event.Chunk) {
	for _, v := range o.hub.On(o.name) {
		v.Look(o.name, c)
	}
}

// Taken implements delivery.Tap.
func (o *Output) Taken(route string, e *filter.Event) delivery.Track {
	now := time.Now()
	var t *track
	for _, v := range o.hub.On(o.name) {
		if !v.By(route) || !v.Picks(e.Chunk.Cluster, now) {
			continue
		}
		if t == nil {
			t = &track{output: o, key: tail.KeyOf(o.name, &e.Event), track: tail.NewTrack(route, &e.Event)}
		}
		t.views = append(t.views, v)
		v.Follow(t.key, t.track)
	}
	if t == nil {
		// Not a track that is nil.
		return nil
	}
	return t
}

// Answered implements delivery.Tap.
func (o *Output) Answered(events []event.Event, a delivery.Answer) {
	now := time.Now()
	for _, v := range o.hub.On(o.name) {
		o.answered(v, events, a, now)
	}
}

// answered shows events to one view: those that it follows, or, where they passed the steps before anybody looked,
// those that fit.
func (o *Output) answered(v *tail.View, events []event.Event, a delivery.Answer, now time.Time) {
	var chunk *event.Chunk
	looked, route, more := false, "", true
	for i := range events {
		ev := &events[i]
		if chunk != ev.Chunk {
			chunk = ev.Chunk
			if looked = v.Looked(o.name, chunk); !looked {
				route = o.route(chunk.Cluster, chunk.Tag)
			}
		}
		fill := func(t *client.TailEvent) {
			o.fill(t, a)
			if o.target != nil {
				t.Target = string(o.target.AppendTarget(nil, ev))
			}
		}
		switch {
		case looked:
			over := a.Result != delivery.SentAgain && a.Result != delivery.WaitsAside
			v.Show(tail.KeyOf(o.name, ev), ev, now, tail.End{Over: over, Through: true, Fill: fill})
		case !v.By(route), !v.Wants(chunk.Cluster, ev.DeliveredTag()):
		case more:
			more = v.Offer(ev, now, func(t *client.TailEvent) {
				t.Route = route
				fill(t)
			})
		default:
			v.Skip(1)
		}
	}
}

// results are the words for what becomes of events.
func results() map[delivery.Result]string {
	return map[delivery.Result]string{
		delivery.Delivered: client.TailDelivered, delivery.SentAgain: client.TailRetry,
		delivery.WaitsAside: client.TailWaits, delivery.DroppedEvent: client.TailDropped,
		delivery.DeadEvent: client.TailDeadLetter, delivery.JoinedEvent: client.TailJoined,
	}
}

// fill adds what becomes of an event.
func (o *Output) fill(t *client.TailEvent, a delivery.Answer) {
	f := &a.Failure
	t.Output, t.Result = o.name, results()[a.Result]
	t.Answer, t.Status, t.Kind, t.Remedy, t.Detail = string(f.Reason), f.Status, f.Kind, f.Remedy, f.Detail
	if a.Result == delivery.Delivered {
		t.Answer = client.TailDelivered
	}
}

// track follows an event for the views that have picked it.
type track struct {
	output *Output
	key    tail.Key
	track  *tail.Track
	views  []*tail.View
}

// Saw implements delivery.Track.
func (t *track) Saw(s rules.Seen) {
	did := stepdiff.Step{Filter: s.Stage.Filter, Index: s.Stage.Index, Kind: s.Stage.Kind, Effect: stepdiff.Kept}
	if s.Err != nil {
		did.Error = s.Err.Error()
	}
	switch {
	case s.Held:
		did.Effect = stepdiff.Held
	case s.Skipped:
		did.Effect = stepdiff.Skipped
	case s.Verdict == filter.Drop:
		did.Effect = stepdiff.Dropped
	case s.Verdict == filter.Dead:
		did.Effect = stepdiff.Dead
	}
	t.track.Step(did, &s.Event.Event, s.Event.Rendered())
}

// Joins implements delivery.Track.
func (t *track) Joins(events int) {
	if events > 1 {
		t.track.Joined = events
	}
}

// Ended implements delivery.Track.
func (t *track) Ended(ev *event.Event, a delivery.Answer) {
	now := time.Now()
	for _, v := range t.views {
		v.Show(t.key, ev, now, tail.End{Over: true, Fill: func(e *client.TailEvent) {
			if a.Result != delivery.JoinedEvent {
				e.Step = t.track.Last()
			}
			t.output.fill(e, a)
		}})
	}
}
