package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/route"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/pkg/trace"
)

const (
	// traced is how many of the events that outputs were done with last are remembered.
	traced = 100_000
	// tracePage is how many dead letters are looked at at once.
	tracePage = 1000
)

// tagPattern returns what reports whether a tag fits the pattern.
func tagPattern(text string) (func(tag string) bool, error) {
	p, err := route.Compile(text)
	if err != nil {
		return nil, err
	}
	return p.Match, nil
}

// trace says where the event of that id is. It reads what is pending, and the dead letters, until ctx ends.
func (a *App) trace(ctx context.Context, text string) (client.Trace, error) {
	id, err := trace.ParseID(text)
	if err != nil {
		return client.Trace{}, fmt.Errorf("%w%w", client.ErrTraceRequest, err)
	}
	t := client.Trace{ID: text}
	pending, err := tracePending(ctx, a.queue.Queue, id)
	dead, deadErr := traceDead(ctx, a.queue.DeadLetters(), text)
	t.Places = slices.Concat(pending, dead)
	for _, s := range a.outputs.ledger.Find(id) {
		t.Places = append(t.Places, client.TracePlace{
			State: client.TraceSettled, Output: s.Output, Cluster: s.Cluster, Tag: s.Tag, Time: s.Time,
		})
	}
	if err = errors.Join(err, deadErr); err != nil {
		t.Unread = err.Error()
	}
	return t, nil
}

// tracePending looks for the event in the queue.
func tracePending(ctx context.Context, q buffer.Queue, id trace.ID) (places []client.TracePlace, err error) {
	giver, ok := q.(buffer.Giver)
	if !ok {
		return nil, errors.New("this engine of the queue can't be looked through for what is pending")
	}
	err = giver.Owed(ctx, func(h *buffer.Handed) error {
		if !id.In(h.Parts) {
			return nil
		}
		for _, o := range h.Owes {
			place := client.TracePlace{
				State: client.TracePending, Output: o.Output, Target: o.Target, Cluster: h.Cluster, Tag: h.Tag,
				Time: h.Received,
			}
			if o.Target != "" {
				place.State = client.TraceWaiting
			}
			places = append(places, place)
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("look through the queue: %w", err)
	}
	return places, err
}

// traceDead looks for the event among the dead letters.
func traceDead(ctx context.Context, letters deadletter.Store, id string) (places []client.TracePlace, err error) {
	page := deadletter.Page{Limit: tracePage, Bare: true, Newest: true}
	for more := true; more; {
		var some []deadletter.Letter
		if some, more, err = letters.Page(ctx, deadletter.Filter{}, page); err != nil {
			return places, fmt.Errorf("look through the dead letters: %w", err)
		}
		for i := range some {
			l := &some[i]
			page.After = l.ID
			if l.EventID == id {
				places = append(places, client.TracePlace{
					State: client.TraceDead, Output: l.Output, Cluster: l.Cluster, Tag: l.Tag, Time: l.Time,
					Letter: l.ID, Reason: l.Reason,
				})
			}
		}
		more = more && len(some) > 0
	}
	return places, nil
}
