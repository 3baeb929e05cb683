// Package indexname makes the names of indices and data streams: of a template and an event, within what Elasticsearch
// takes, and bounded in number.
package indexname

import (
	"fmt"
	"hash/fnv"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

const (
	other = "other"
	// checkClock is how many names come between two looks at the clock.
	checkClock = 1024
)

// Namer makes the names of indices. Safe for concurrent use.
//
// The names of a cluster are bounded in each hour of the clock: above the limit, an event goes to the
// name with "other" in place of what is neither cluster nor time; and where even these are too many,
// because the events' times are, to that of the time at which the event was stored.
type Namer struct {
	rules    rules
	template *event.Template
	// other is nil where it would be the same.
	other *event.Template
	// varies says that the name may differ among events of one chunk and unit.
	varies bool
	// unit is for how many seconds the time's text stays the same.
	unit int64
	// limit and otherLimit bound the names as they should be, and those with "other".
	limit, otherLimit *outputs.NameLimit
	now               func() time.Time

	// slots are by the number of the chunk, so that requests being made at once use different ones.
	slots [16]slot
	// spare has *cursor, for two that use the same.
	spare  sync.Pool
	others atomic.Uint64
}

// slot holds a cursor that is not in use, in a cache line of its own.
type slot struct {
	cursor atomic.Pointer[cursor]
	_      [56]byte
}

// cursor is the name found last.
type cursor struct {
	cluster, tag string
	// from and to are the seconds of event time for which it holds.
	from, to int64
	// raw is the template's text, where the name varies.
	raw        []byte
	name       []byte
	redirected bool
	// hour is that of the clock, when it was last looked at.
	hour int64
	// uses counts what came since then.
	uses int
}

// Options is what a Namer is made of.
type Options struct {
	// Index is the template.
	Index string
	// DataStream says that it names data streams, whose names may be shorter.
	DataStream bool
	// MaxPerHour counts names of a cluster in an hour; 0: no limit.
	MaxPerHour int
	Now        func() time.Time
	Log        zerolog.Logger
}

// New returns a Namer.
func New(o Options) (*Namer, error) {
	pieces, err := Parse(o.Index)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	limit := outputs.NameLimitOptions{
		Setting: "max_indices_per_hour", Max: o.MaxPerHour, Now: o.Now, Log: o.Log,
		Beyond: `events with further names go to the index with "other" in the name; look for a field in index whose ` +
			`values never end`,
	}
	n := &Namer{
		rules: rulesOf(o.DataStream, pieces), unit: math.MaxInt64, now: o.Now, limit: outputs.NewNameLimit(limit),
	}
	// The limit of the cluster's own names has said it.
	limit.Log = zerolog.Nop()
	n.otherLimit = outputs.NewNameLimit(limit)
	var fewer strings.Builder
	for _, p := range pieces {
		text := p.text
		switch p.kind {
		case pieceValue:
			n.varies = n.varies || strings.HasPrefix(p.text, "{record")
			text = other
		case pieceTime:
			unit := unitOf(p.text[1])
			n.varies = n.varies || unit == 0
			n.unit = min(n.unit, max(unit, 1))
		case pieceLiteral, pieceCluster:
		}
		fewer.WriteString(text)
	}
	if n.template, err = event.ParseTemplate(o.Index); err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	if fewer.String() != o.Index {
		if n.other, err = event.ParseTemplate(fewer.String()); err != nil {
			return nil, fmt.Errorf("index: %w", err)
		}
	}
	n.spare.New = func() any { return new(cursor) }
	return n, nil
}

// Append appends the name of ev's index, which Elasticsearch takes whatever the event holds.
func (n *Namer) Append(dst []byte, ev *event.Event) []byte {
	slot := &n.slots[ev.Chunk.Seq%uint64(len(n.slots))]
	c := slot.cursor.Swap(nil)
	if c == nil {
		c = n.spare.Get().(*cursor) //nolint:forcetypeassert // New makes nothing else
	}
	if c.uses++; c.uses >= checkClock {
		n.look(c)
	}
	hit := ev.Time.Sec >= c.from && ev.Time.Sec < c.to && c.cluster == ev.Chunk.Cluster && c.tag == ev.DeliveredTag()
	if n.varies {
		before := len(c.raw)
		c.raw = n.template.Append(c.raw, ev, appendValue)
		hit = hit && string(c.raw[:before]) == string(c.raw[before:])
		c.raw = append(c.raw[:0], c.raw[before:]...)
	}
	if !hit {
		n.look(c)
		n.fill(c, ev)
		c.cluster, c.tag = strings.Clone(ev.Chunk.Cluster), strings.Clone(ev.DeliveredTag())
		c.from, c.to = math.MinInt64, math.MaxInt64
		if n.unit < math.MaxInt64 {
			c.from = floorDiv(ev.Time.Sec, n.unit) * n.unit
			c.to = c.from + n.unit
		}
	}
	if c.redirected {
		n.others.Add(1)
	}
	dst = append(dst, c.name...)
	if !slot.cursor.CompareAndSwap(nil, c) {
		n.spare.Put(c)
	}
	return dst
}

// Redirected returns how many events were given another name than their own so far.
func (n *Namer) Redirected() uint64 { return n.others.Load() }

// look has c find its name again where another hour has begun.
func (n *Namer) look(c *cursor) {
	c.uses = 0
	if hour := floorDiv(n.now().Unix(), 3600); hour != c.hour {
		// No time is between.
		c.hour, c.to = hour, c.from
	}
}

// fill gives c the name of ev's index.
func (n *Namer) fill(c *cursor, ev *event.Event) {
	cluster := ev.Chunk.Cluster
	if n.varies {
		c.name = n.rules.append(c.name[:0], c.raw)
	} else {
		c.name = n.fillIn(c.name[:0], n.template, ev)
	}
	_, ok := n.limit.Admit(cluster, c.name)
	if c.redirected = !ok; ok {
		return
	}
	t := n.template
	if n.other != nil {
		t = n.other
		c.name = n.fillIn(c.name[:0], t, ev)
		if _, ok := n.otherLimit.Admit(cluster, c.name); ok {
			return
		}
	}
	stored := *ev
	stored.Time = event.Time{Sec: ev.Chunk.Received.Unix()}
	c.name = n.fillIn(c.name[:0], t, &stored)
}

func (n *Namer) fillIn(dst []byte, t *event.Template, ev *event.Event) []byte {
	return n.rules.append(dst, t.Append(nil, ev, appendValue))
}

// Notice says which clusters have reached the limit in this hour; "" where none has.
func (n *Namer) Notice() string { return n.limit.Notice() }

// floorDiv returns a/b, rounded down. b is positive.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// shortHash tells long names with the same beginning apart.
func shortHash(b []byte) string {
	h := fnv.New32a()
	// Never fails.
	_, _ = h.Write(b)
	return fmt.Sprintf("-%08x", h.Sum32())
}
