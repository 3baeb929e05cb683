package delivery

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/outcome"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/pacing"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/waiting"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/stats"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

const (
	// asideBytes is how much is stored together, about.
	asideBytes = 4 << 20
	// asideTimeout is how long that may take when the loop must end.
	asideTimeout = 2 * time.Second
)

// asideStore settles the chunks in part of which some events wait aside for their targets. It has a goroutine of the
// loop's while there are some, so that nobody who settles an event waits for the disk. Safe for concurrent use.
type asideStore struct {
	// name is that of the output.
	name    string
	control *pacing.Control
	set     *outputs.Common
	dead    *deadLetterSink
	rec     *stats.Recorder
	targets *waiting.Targets[Source]
	spawn   func(func())
	// limit counts bytes of rests above which senders wait.
	limit int

	mu      sync.Mutex
	pending []*chunkRef
	// running says that the goroutine runs.
	running bool
	bytes   int
	// less is closed when there is less; nil: nobody waits.
	less chan struct{}
}

// settle stores what waits aside of the chunk of ref, which nobody refers to any more, and then settles it.
func (a *asideStore) settle(ref *chunkRef) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bytes += ref.rests.Bytes
	a.pending = append(a.pending, ref)
	if !a.running {
		a.running = true
		a.spawn(a.run)
	}
}

// run stores what there is.
func (a *asideStore) run() {
	for {
		refs := a.next()
		if len(refs) == 0 {
			return
		}
		size := 0
		for _, ref := range refs {
			size += ref.rests.Bytes
		}
		if !a.write(refs) {
			for _, ref := range refs {
				ref.abandon()
			}
		}
		a.mu.Lock()
		if a.bytes -= size; a.less != nil && a.bytes <= a.limit {
			close(a.less)
			a.less = nil
		}
		a.mu.Unlock()
	}
}

// next returns chunks of one source that are stored together, in the order in which they were walked.
func (a *asideStore) next() (refs []*chunkRef) {
	a.mu.Lock()
	defer a.mu.Unlock()
	slices.SortStableFunc(a.pending, func(x, y *chunkRef) int { return cmp.Compare(x.number, y.number) })
	size := 0
	var later []*chunkRef
	for _, ref := range a.pending {
		if size < asideBytes && (len(refs) == 0 || ref.source == refs[0].source) {
			refs = append(refs, ref)
			size += ref.rests.Bytes
		} else {
			later = append(later, ref)
		}
	}
	a.pending = later
	a.running = len(refs) > 0
	return refs
}

// room waits until not too much is to be written. It returns false when the loop must end before.
func (a *asideStore) room() bool {
	for {
		a.mu.Lock()
		if a.bytes <= a.limit {
			a.mu.Unlock()
			return true
		}
		if a.less == nil {
			a.less = make(chan struct{})
		}
		less := a.less
		a.mu.Unlock()
		select {
		case <-less:
		case <-a.control.Force.Done():
			return false
		}
	}
}

// write repeats until the rests are stored. It returns false when the loop must end before.
func (a *asideStore) write(refs []*chunkRef) bool {
	a.rec.Tries(1)
	defer a.rec.Tries(-1)
	for n := 1; ; {
		err := a.settleParts(refs)
		var full *buffer.WaitingFullError
		switch {
		case err == nil:
			return true
		case errors.As(err, &full):
			a.targets.Full(full.Target)
			if !a.refuse(refs, full.Target) {
				return false
			}
			continue
		case a.control.Force.Err() != nil:
			return false
		}
		pause := pacing.Backoff(a.set.Retry, n, outputs.ReasonServer, 0)
		a.rec.Stuck("store events that wait aside", stats.ReasonStoreAside, err, pause)
		// At the end it is tried once more.
		_ = a.control.Rest(pause, a.control.RetryWait)
		a.rec.Waited()
		n++
	}
}

// settleParts settles the chunks in part. It is tried once more when the loop must end, since what it is spared was
// delivered already.
func (a *asideStore) settleParts(refs []*chunkRef) error {
	ctx := a.control.Force
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), asideTimeout)
		defer cancel()
	}
	list, clusters := make([]buffer.Settlement, len(refs)), make([]string, len(refs))
	for i, ref := range refs {
		list[i] = buffer.Settlement{Chunk: ref.chunk, Rests: ref.rests.List()}
		// The chunk is the source's afterwards.
		clusters[i] = ref.chunk.Cluster
	}
	if err := refs[0].source.SettleParts(ctx, list); err != nil {
		return err
	}
	for i, ref := range refs {
		for _, r := range ref.rests.All {
			if r.Target != "" {
				a.targets.Arrived(r.Target)
			}
		}
		ref.settledInPart(clusters[i])
	}
	return nil
}

// refuse makes dead letters of what may not wait for the target.
func (a *asideStore) refuse(refs []*chunkRef, target string) bool {
	for _, ref := range refs {
		var letters []DeadLetter
		for _, r := range ref.rests.Cut(target) {
			c := r.Chunk(ref.chunk)
			it, ev := c.Iterator(), event.Event{}
			for it.Next(&ev) {
				one := ev
				letters = append(letters, a.letter(&one, target))
			}
		}
		if len(letters) == 0 {
			continue
		}
		a.dead.tell(letters, false)
		for part := range slices.Chunk(letters, maxLetters) {
			if !a.dead.add(part) {
				return false
			}
		}
		ref.count(outcome.Dead(ReasonTargetWaits), len(letters))
	}
	return true
}

// letter returns a dead letter of ev, which may not wait for the target.
func (a *asideStore) letter(ev *event.Event, target string) DeadLetter {
	why := a.targets.Why(target)
	return DeadLetter{
		Event: ev, Chunk: ev.Chunk, Events: 1, Output: a.name, Status: why.Status, Reason: ReasonTargetWaits,
		Detail: cmp.Or(why.Detail, why.Kind),
	}
}
