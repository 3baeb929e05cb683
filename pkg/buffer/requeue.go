package buffer

import (
	"context"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"

	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

const (
	// requeueLetters is that of a portion, at most.
	requeueLetters = 1000
	// requeueBytes is that of a portion's entries, about.
	requeueBytes = 1 << 20
)

// RequeueItem is events that were dead letters and go back into the queue.
type RequeueItem struct {
	// ID is that of the dead letter.
	ID uint64
	Message
	Routed  bool   // routes' conditions are asked; else all of it goes to Outputs: see event.Chunk.Returned
	Entries []byte // well-formed, with Part.Events events
	// Part is what the events' ids are made of.
	Part event.Part
}

// RequeueTarget says where a dead letter goes that is sent again.
type RequeueTarget struct {
	Outputs []string
	Routed  bool // see RequeueItem
	// Skip is why it stays a dead letter instead.
	Skip string
}

// RequeueProgress is what a requeue has done so far.
type RequeueProgress struct {
	deadletter.Count                  // that are in the queue again
	Skipped          map[string]int64 // letters that stayed, by the reason
}

// Requeue puts the letters that fit the filter and are there at its start back into the queue, for the outputs that
// target names; where it says Skip, the letter stays. Bytes that are no events stay too. It tells after each portion
// what it has done so far, which stays so after an error.
//
// It never waits for room: ErrFull says that a limit of the queue is reached. ErrBusy: another requeue or purge runs.
// Letters refused again while it runs are new letters, which it leaves alone.
//
// A crash at any moment leaves each event in the queue or among the dead letters, not in both: see Queue.Requeue.
func Requeue(
	ctx context.Context, q Queue, d deadletter.Store, filter deadletter.Filter,
	target func(*deadletter.Letter) RequeueTarget, progress func(RequeueProgress),
) (RequeueProgress, error) {
	done := RequeueProgress{Skipped: map[string]int64{}}
	upTo, release, err := d.Exclusive()
	if err != nil {
		return done, err
	}
	defer release()
	if filter.UpTo = upTo; upTo == 0 {
		return done, nil
	}
	page := deadletter.Page{Limit: requeueLetters, Bytes: requeueBytes}
	for more := true; more; {
		var letters []deadletter.Letter
		if letters, more, err = d.Page(ctx, filter, page); err != nil || len(letters) == 0 {
			return done, err
		}
		page.After = letters[len(letters)-1].ID
		clusters := map[string][]RequeueItem{}
		for i := range letters {
			item, skip := requeueItem(&letters[i], q.ID(), target)
			if skip != "" {
				done.Skipped[skip]++
				continue
			}
			clusters[item.Cluster] = append(clusters[item.Cluster], item)
		}
		for _, cluster := range slices.Sorted(maps.Keys(clusters)) {
			n, err := requeueItems(ctx, q, d, clusters[cluster])
			done.Letters, done.Events = done.Letters+n.Letters, done.Events+n.Events
			if err != nil {
				progress(done)
				return done, err
			}
		}
		progress(done)
	}
	return done, nil
}

// requeueItem returns what l is in the queue, or why it must stay a dead letter.
func requeueItem(
	l *deadletter.Letter, queueID [16]byte, target func(*deadletter.Letter) RequeueTarget,
) (item RequeueItem, skip string) {
	events, open, err := l.Read()
	if err != nil {
		return item, err.Error()
	}
	to := target(l)
	if to.Skip != "" {
		return item, to.Skip
	}
	part, ok := l.Part()
	if !ok {
		name := "dead letter " + hex.EncodeToString(queueID[:]) + " " + strconv.FormatUint(l.ID, 10)
		part = event.Part{Key: event.PartKeyOfChunk(l.Cluster, l.Tag, name)}
	}
	part.Events = events
	entries := l.Entry
	if open {
		// What follows is not of its group.
		entries = append(slices.Clip(entries), event.GroupEnd...)
	}
	return RequeueItem{
		ID: l.ID, Message: Message{Cluster: l.Cluster, Tag: l.Tag, Outputs: to.Outputs}, Routed: to.Routed,
		Entries: entries, Part: part,
	}, ""
}

// requeueItems moves letters of one cluster.
func requeueItems(ctx context.Context, q Queue, d deadletter.Store, items []RequeueItem) (deadletter.Count, error) {
	ids := make([]uint64, len(items))
	for i := range items {
		ids[i] = items[i].ID
	}
	n, err := d.Requeue(ctx, ids, func() error { return q.Requeue(ctx, items) })
	if err != nil {
		return n, err
	}
	return n, q.ForgetRequeued(ids)
}
