// Package tap shows to live views what comes in, and what outputs are sent.
package tap

import (
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/pkg/status/tail"
)

// Sink returns s, with what arrives shown to the views of arrivals.
func Sink(h *tail.Hub, s ingest.Sink) ingest.Sink { return &sink{s, h} }

type sink struct {
	ingest.Sink
	hub *tail.Hub
}

func (s *sink) NewBatch(conn uint64) ingest.Batch {
	return &batch{Batch: s.Sink.NewBatch(conn), hub: s.hub}
}

// batch is one whose entries are looked at as they are added.
type batch struct {
	ingest.Batch
	hub          *tail.Hub
	cluster, tag string // of the message begun last, while somebody looks
}

func (b *batch) Begin(cluster, tag, chunk string) {
	if b.cluster, b.tag = "", ""; b.hub.Watching() {
		b.cluster, b.tag = strings.Clone(cluster), strings.Clone(tag)
	}
	b.Batch.Begin(cluster, tag, chunk)
}

func (b *batch) Add(entries []byte, events int, nanos bool) {
	if b.hub.Watching() && b.cluster != "" {
		arrived(b.hub, b.cluster, b.tag, entries, events)
	}
	b.Batch.Add(entries, events, nanos)
}

// arrived shows entries of a message.
func arrived(h *tail.Hub, cluster, tag string, entries []byte, events int) {
	chunk := &event.Chunk{Cluster: cluster, Tag: tag, Entries: entries, Events: events}
	now := time.Now()
	for _, v := range h.At(client.TailArrival) {
		if !v.Wants(cluster, tag) {
			continue
		}
		seen, more := 0, true
		it := chunk.Iterator()
		for ev := new(event.Event); more && it.Next(ev); {
			seen++
			more = v.Offer(ev, now, func(*client.TailEvent) {})
		}
		v.Skip(events - seen)
	}
}

// Output is what an output's loop shows to the views of it.
type Output struct {
	hub    *tail.Hub
	name   string
	target outputs.Targeter
}

// NewOutput returns what shows the events that the output of that name is sent. target names where they go; nil: that
// is not told.
func NewOutput(h *tail.Hub, name string, target outputs.Targeter) *Output {
	return &Output{h, name, target}
}

// Watching reports whether anybody looks, at anything.
func (o *Output) Watching() bool { return o.hub.Watching() }

// Sent shows the events of a batch, and what the destination answered: se is nil where it took all of them.
func (o *Output) Sent(events []event.Event, se *outputs.SendError) {
	now := time.Now()
	for _, v := range o.hub.At(o.name) {
		var failed []outputs.Failure
		if se != nil {
			failed = se.Failed
		}
		more := true
		for i := range events {
			ev := &events[i]
			for len(failed) > 0 && failed[0].Index < i {
				failed = failed[1:]
			}
			switch {
			case !v.Wants(ev.Chunk.Cluster, ev.DeliveredTag()):
			case more:
				more = v.Offer(ev, now, func(t *client.TailEvent) { o.answer(t, se, failed, i, ev) })
			default:
				v.Skip(1)
			}
		}
	}
}

// delivered is the answer of an event that was.
const delivered = "delivered"

// answer adds what became of ev, the i-th event. failed begins with its failure, if it has one.
func (o *Output) answer(t *client.TailEvent, se *outputs.SendError, failed []outputs.Failure, i int, ev *event.Event) {
	if o.target != nil {
		t.Target = string(o.target.AppendTarget(nil, ev))
	}
	switch {
	case len(failed) > 0 && failed[0].Index == i:
		f := &failed[0]
		t.Answer, t.Status, t.Kind, t.Remedy = string(f.Reason), f.Status, f.Kind, f.Remedy
	case se != nil && len(se.Failed) == 0:
		t.Answer, t.Status, t.Remedy = string(se.Reason), se.Status, se.Remedy
	default:
		t.Answer = delivered
	}
}
