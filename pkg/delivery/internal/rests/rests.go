// Package rests gathers what of a chunk's events is stored again, to wait for its target.
package rests

import (
	"bytes"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Rests is what of a chunk's events is stored again, as the filters have left it: what waits aside, by target and tag.
// The bytes are copies.
type Rests struct {
	All    []*rest
	events int
	Bytes  int
}

// rest is a buffer.Rest that grows.
type rest struct {
	buffer.Rest
	// group is where in Entries the group that is open begins and ends; the same: none is.
	group  [2]int
	events int
}

// Add adds ev, whose id is made of part, for the target.
func (r *Rests) Add(target string, ev *event.Event, part event.Part) {
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
	r.Bytes += len(to.Entries) - before
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
func (r *Rests) of(target string, ev *event.Event) *rest {
	tag := ev.DeliveredTag()
	if tag == ev.Chunk.Tag {
		tag = ""
	}
	for _, one := range r.All {
		if one.Target == target && one.NewTag == tag {
			return one
		}
	}
	one := &rest{Rest: buffer.Rest{Target: target, NewTag: tag, Filtered: true}}
	r.All = append(r.All, one)
	return one
}

// close ends the group that is open.
func (r *rest) close() {
	if r.group[0] < r.group[1] {
		r.Entries = append(r.Entries, event.GroupEnd...)
	}
	r.group = [2]int{}
}

// List returns what SettlePart takes. Nothing is added any more.
func (r *Rests) List() []buffer.Rest {
	list := make([]buffer.Rest, len(r.All))
	for i, one := range r.All {
		one.close()
		list[i] = one.Rest
	}
	return list
}

// Cut takes what is for the target out.
func (r *Rests) Cut(target string) (out []*rest) {
	kept := r.All[:0]
	for _, one := range r.All {
		if one.Target != target {
			kept = append(kept, one)
			continue
		}
		one.close()
		out = append(out, one)
	}
	r.All = kept
	return out
}

// Chunk returns the rest as a chunk, like the one that c is of.
func (r *rest) Chunk(c *event.Chunk) *event.Chunk {
	return &event.Chunk{
		Cluster: c.Cluster, Tag: c.Tag, NewTag: r.NewTag, Source: c.Source, Received: c.Received,
		Events: r.events, Entries: r.Entries, Parts: r.Parts, Filtered: true, Returned: c.Returned,
	}
}
