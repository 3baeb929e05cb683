package delivery

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
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
	control *control
	set     *outputs.Common
	dead    *deadLetterSink
	rec     *recorder
	targets *waitingTargets
	spawn   func(func())
	limit   int // bytes of rests above which senders wait

	mu      sync.Mutex
	pending []*chunkRef
	running bool // the goroutine
	bytes   int
	// less is closed when there is less; nil: nobody waits.
	less chan struct{}
}

// settle stores what waits aside of the chunk of ref, which nobody refers to any more, and then settles it.
func (a *asideStore) settle(ref *chunkRef) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bytes += ref.rests.bytes
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
			size += ref.rests.bytes
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
			size += ref.rests.bytes
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
		case <-a.control.force.Done():
			return false
		}
	}
}

// write repeats until the rests are stored. It returns false when the loop must end before.
func (a *asideStore) write(refs []*chunkRef) bool {
	a.rec.tries(1)
	defer a.rec.tries(-1)
	for n := 1; ; {
		err := a.settleParts(refs)
		var full *buffer.WaitingFullError
		switch {
		case err == nil:
			return true
		case errors.As(err, &full):
			a.targets.full(full.Target)
			if !a.refuse(refs, full.Target) {
				return false
			}
			continue
		case a.control.force.Err() != nil:
			return false
		}
		pause := backoff(a.set.Retry, n, outputs.ReasonServer, 0)
		a.rec.stuck("store events that wait aside", reasonStoreAside, err, pause)
		_ = a.control.rest(pause, a.control.retryWait) // at the end, it is tried once more
		a.rec.waited()
		n++
	}
}

// settleParts settles the chunks in part. It is tried once more when the loop must end, since what it is spared was
// delivered already.
func (a *asideStore) settleParts(refs []*chunkRef) error {
	ctx := a.control.force
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), asideTimeout)
		defer cancel()
	}
	list, clusters := make([]buffer.Settlement, len(refs)), make([]string, len(refs))
	for i, ref := range refs {
		list[i] = buffer.Settlement{Chunk: ref.chunk, Rests: ref.rests.list()}
		// The chunk is the source's afterwards.
		clusters[i] = ref.chunk.Cluster
	}
	if err := refs[0].source.SettleParts(ctx, list); err != nil {
		return err
	}
	for i, ref := range refs {
		for _, r := range ref.rests.all {
			if r.Target != "" {
				a.targets.arrived(r.Target)
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
		for _, r := range ref.rests.cut(target) {
			c := r.chunk(ref.chunk)
			it, ev := c.Iterator(), event.Event{}
			for it.Next(&ev) {
				one := ev
				letters = append(letters, a.targets.letter(&one, target))
			}
		}
		if len(letters) == 0 {
			continue
		}
		a.rec.refused(letters, false)
		for part := range slices.Chunk(letters, maxLetters) {
			if !a.dead.add(part) {
				return false
			}
		}
		ref.count(dead(ReasonTargetWaits), len(letters))
	}
	return true
}

// rests is what of a chunk's events is stored again, as the filters have left it: what waits aside, by target and tag.
// The bytes are copies.
type rests struct {
	all    []*rest
	events int
	bytes  int
}

// rest is a buffer.Rest that grows.
type rest struct {
	buffer.Rest
	// group is where in Entries the group that is open begins and ends; the same: none is.
	group  [2]int
	events int
}

// add adds ev, whose id is made of part, for the target.
func (r *rests) add(target string, ev *event.Event, part event.Part) {
	to := r.of(target, ev)
	before := len(to.Entries)
	if open := to.Entries[to.group[0]:to.group[1]]; !bytes.Equal(open, ev.Group) {
		to.close()
		if len(ev.Group) > 0 {
			to.Entries = append(to.Entries, ev.Group...)
			to.group = [2]int{len(to.Entries) - len(ev.Group), len(to.Entries)}
		}
	}
	to.Entries = event.AppendEntry(to.Entries, event.AppendTime(nil, ev.Time), ev.Metadata, ev.Record)
	to.events++
	r.events++
	r.bytes += len(to.Entries) - before
	if n := len(to.Parts); n > 0 && part.Joined == 0 {
		last := &to.Parts[n-1]
		same := last.Key == part.Key && last.Chunk == part.Chunk && last.Joined == 0
		if same && last.First+last.Events == part.First {
			last.Events++
			return
		}
	}
	to.Parts = append(to.Parts, part)
}

// of returns the rest for the target and ev's tag.
func (r *rests) of(target string, ev *event.Event) *rest {
	tag := ev.DeliveredTag()
	if tag == ev.Chunk.Tag {
		tag = ""
	}
	for _, one := range r.all {
		if one.Target == target && one.NewTag == tag {
			return one
		}
	}
	one := &rest{Rest: buffer.Rest{Target: target, NewTag: tag, Filtered: true}}
	r.all = append(r.all, one)
	return one
}

// close ends the group that is open.
func (r *rest) close() {
	if r.group[0] < r.group[1] {
		r.Entries = append(r.Entries, event.GroupEnd...)
	}
	r.group = [2]int{}
}

// list returns what SettlePart takes. Nothing is added any more.
func (r *rests) list() []buffer.Rest {
	list := make([]buffer.Rest, len(r.all))
	for i, one := range r.all {
		one.close()
		list[i] = one.Rest
	}
	return list
}

// cut takes what is for the target out.
func (r *rests) cut(target string) (out []*rest) {
	kept := r.all[:0]
	for _, one := range r.all {
		if one.Target != target {
			kept = append(kept, one)
			continue
		}
		one.close()
		out = append(out, one)
	}
	r.all = kept
	return out
}

// chunk returns the rest as a chunk, like the one that c is of.
func (r *rest) chunk(c *event.Chunk) *event.Chunk {
	return &event.Chunk{
		Cluster: c.Cluster, Tag: c.Tag, NewTag: r.NewTag, Source: c.Source, Received: c.Received,
		Events: r.events, Entries: r.Entries, Parts: r.Parts, Filtered: true, Returned: c.Returned,
	}
}
