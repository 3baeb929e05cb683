// Package file writes events to files, one JSON object a line.
//
// A batch is delivered when every file that it touches is fsynced, and the directories of new files
// too. Where writing fails, the file is cut back to its length before, so that the next try neither
// leaves half a line nor doubles one; only the events of that file are sent again.
//
// Compressed files grow by one gzip member or zstd frame per batch, so they are readable at any time
// with the usual tools. After a crash the end of a file may be torn; before it is appended to, it is
// cut back: a plain file to its last whole line, a compressed one to its last whole member or frame.
// A gzip file too long to be read through for that is finished as it is and a new one begun.
package file

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Output is a destination of files. It satisfies outputs.Output.
type Output struct {
	name      string
	path      *event.Template
	perRecord bool // the path depends on the record
	perChunk  bool // the path depends on no more than cluster and tag
	timeout   time.Duration
	enc       *event.Encoder
	files     *files
	turn      chan struct{} // holds a token while a Send runs: batches are written one after the other

	// What follows belongs to the holder of the token.
	key   []byte
	plan  plan
	stale *time.Timer
}

// New returns the output called name. It touches no file before the first Send.
func New(cfg Config, name string, log zerolog.Logger, now func() time.Time) (*Output, error) {
	path, err := event.ParseTemplate(cfg.Path)
	if err != nil {
		return nil, fmt.Errorf("output %s: path: %w", name, err)
	}
	f, err := newFiles(cfg, log.With().Str("output", name).Logger(), now)
	if err != nil {
		return nil, fmt.Errorf("output %s: %w", name, err)
	}
	o := &Output{
		name: name, path: path, perRecord: strings.Contains(cfg.Path, "{record"), perChunk: path.PerChunk(), timeout: cfg.Settings().Timeout,
		enc: event.NewEncoder(cfg.Fields), files: f, turn: make(chan struct{}, 1),
	}
	o.plan.byPath = map[string]int{}
	o.stale = time.AfterFunc(idle, o.closeIdle)
	return o, nil
}

// SetClusterFields sets what is added to the events of each cluster. Call it before the first Send.
func (o *Output) SetClusterFields(fields map[string]map[string]string) {
	o.enc.SetClusterFields(fields)
}

// Close closes the files.
func (o *Output) Close() error {
	o.turn <- struct{}{}
	o.stale.Stop()
	return o.files.closeAll()
}

// closeIdle closes files that nothing was written to for a while.
func (o *Output) closeIdle() {
	select {
	case o.turn <- struct{}{}:
		o.files.closeIdle()
		<-o.turn
	default: // a Send runs, or Close did
	}
}

// plan says which events go to which file: for each target, the chain of its events.
type plan struct {
	byPath  map[string]int
	targets []target
	next    []int32 // for each event the next one of the same target; -1: none
}

type target struct {
	path        string
	first, last int32
}

// Send writes the events of b, for as long as the timeout setting lets it.
func (o *Output) Send(ctx context.Context, b *outputs.Batch) error {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	select {
	case o.turn <- struct{}{}:
		defer func() { <-o.turn }()
	case <-ctx.Done():
		return outputs.AsSendError(fmt.Errorf("wait for the batch before: %w", ctx.Err()))
	}
	defer o.stale.Reset(idle)
	o.assign(b.Events)
	var failed []outputs.Failure
	var first error
	for i := range o.plan.targets {
		t := &o.plan.targets[i]
		refused, err := o.write(ctx, t, b.Events)
		if first == nil {
			first = err
		}
		if err == nil {
			failed = append(failed, refused...)
			continue
		}
		for e := t.first; e >= 0; e = o.plan.next[e] {
			failed = append(failed, outputs.Failure{Index: int(e), Reason: outputs.ReasonServer, Detail: err.Error()})
		}
	}
	o.files.closeIdle()
	if len(failed) == 0 {
		return nil
	}
	return sendError(failed, first)
}

// assign fills the plan.
func (o *Output) assign(events []event.Event) {
	p := &o.plan
	clear(p.byPath)
	clear(p.targets)
	p.targets = p.targets[:0]
	if cap(p.next) < len(events) {
		p.next = make([]int32, len(events))
	}
	p.next = p.next[:len(events)]
	at := -1
	for i := range events {
		ev := &events[i]
		if at < 0 || o.moves(&events[i-1], ev) {
			o.key = o.path.Append(o.key[:0], ev, appendClean)
			at = p.target(o.key, o.files.ext)
		}
		p.next[i] = -1
		t := &p.targets[at]
		if t.last >= 0 {
			p.next[t.last] = int32(i)
		} else {
			t.first = int32(i)
		}
		t.last = int32(i)
	}
}

// moves says whether ev may belong to another file than the event before it.
func (o *Output) moves(before, ev *event.Event) bool {
	return o.perRecord || before.Chunk != ev.Chunk || !o.perChunk && before.Time.Sec != ev.Time.Sec
}

// target returns the index of the target for the filled-in path.
func (p *plan) target(key []byte, ext string) int {
	if i, ok := p.byPath[string(key)]; ok {
		return i
	}
	path := finalPath(string(key), ext)
	i, ok := p.byPath["\x00"+path] // two keys may end up as one path
	if !ok {
		i = len(p.targets)
		p.targets = append(p.targets, target{path: path, first: -1, last: -1})
		p.byPath["\x00"+path] = i
	}
	p.byPath[string(key)] = i
	return i
}

// checkEvery is how many events are written between two looks at the context.
const checkEvery = 1024

// write appends the events of t to its file and makes them durable. It returns those that can't be
// rendered. After an error the file is as it was before.
func (o *Output) write(ctx context.Context, t *target, events []event.Event) (refused []outputs.Failure, err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("write %s: %w", t.path, err)
	}
	w, err := o.files.begin(ctx, t.path)
	if err != nil {
		return nil, err
	}
	n := 0
	for i := t.first; i >= 0; i = o.plan.next[i] {
		if n++; n%checkEvery == 0 && ctx.Err() != nil {
			return nil, w.rollback(ctx.Err())
		}
		line, err := o.enc.AppendEvent(w.buf, &events[i])
		if err != nil {
			refused = append(refused, outputs.Failure{Index: int(i), Reason: outputs.ReasonRejected, Detail: err.Error()})
			continue
		}
		w.buf = append(line, '\n')
		if len(w.buf) >= bufferSize {
			if err := w.flush(); err != nil {
				return nil, w.rollback(err)
			}
		}
	}
	return refused, w.commit()
}
