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
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/intent"
)

// Output is a destination of files. It satisfies outputs.Output.
type Output struct {
	name string
	path *event.Template
	// perRecord says that the path depends on the record.
	perRecord bool
	// perChunk says that it depends on no more than cluster and tag.
	perChunk bool
	// single says that all events go to one path.
	single  bool
	timeout time.Duration
	text    *outputs.Text
	files   *files
	log     zerolog.Logger
	turn    outputs.Turn

	// What follows belongs to the holder of the token.
	state string
	// journal may be nil: not opened yet.
	journal *journal
	keys    intent.Keys
	spans   intent.Builder
	key     []byte
	line    []byte
	plan    plan
	stale   *time.Timer

	mu     sync.Mutex
	report outputs.Report
}

// Options is what an Output needs beside its settings.
type Options struct {
	// Name is that of the output, in errors.
	Name string
	Log  zerolog.Logger
	Now  func() time.Time
	// StateFile is the log of batches, of this output alone, from its first Send on, in a directory that is there.
	// "": none, so events are doubled by a crash.
	StateFile string
}

// What the operator should know although events flow.
const (
	noticeDamaged = "the log of batches could not be read: events in flight when the program ended last may be " +
		"doubled; the program's log says why"
	noticeLog = "the log of batches can't be written: events may be doubled by a crash; the program's log says why"
)

// New returns an output. It looks at the log, and touches no other file before the first Send.
func New(cfg Config, opts Options) (*Output, error) {
	if err := intent.CheckFormat(opts.StateFile, format()); err != nil {
		return nil, fmt.Errorf("output %s: %w", opts.Name, err)
	}
	path, err := event.ParseTemplate(cfg.Path)
	if err != nil {
		return nil, fmt.Errorf("output %s: path: %w", opts.Name, err)
	}
	text, err := cfg.Text(cfg.Fields, nil, true)
	if err != nil {
		return nil, fmt.Errorf("output %s: %w", opts.Name, err)
	}
	f, err := newFiles(cfg, opts.Log, opts.Now)
	if err != nil {
		return nil, fmt.Errorf("output %s: %w", opts.Name, err)
	}
	o := &Output{
		name: opts.Name, path: path, perRecord: strings.Contains(cfg.Path, "{record"), perChunk: path.PerChunk(),
		single: !strings.ContainsAny(cfg.Path, "{%"), timeout: cfg.Settings().Timeout,
		text: text, files: f, log: opts.Log, turn: outputs.NewTurn(), state: opts.StateFile,
		keys: intent.Keys{},
	}
	o.plan.byPath = map[string]int{}
	o.stale = time.AfterFunc(idle, o.closeIdle)
	return o, nil
}

// begin opens the journal for the first Send: until then its log may be another Output's.
func (o *Output) begin() error {
	if o.journal != nil {
		return nil
	}
	j, err := openJournal(o.state, o.files.ext, o.log, o.notice)
	if err != nil {
		return err
	}
	o.journal, o.files.journal = j, j
	return nil
}

// SetClusterFields sets what is added to the events of each cluster. Call it before the first Send.
func (o *Output) SetClusterFields(fields map[string]map[string]string) {
	o.text.SetClusterFields(fields)
}

// Close closes the files.
func (o *Output) Close() error {
	o.turn <- struct{}{}
	o.stale.Stop()
	if o.journal != nil {
		o.journal.log.Close()
	}
	return o.files.closeAll()
}

// AppendTarget satisfies outputs.Targeter: it is the path of ev's file.
func (o *Output) AppendTarget(dst []byte, ev *event.Event) []byte {
	return append(dst, finalPath(string(o.path.Append(nil, ev, appendClean)), o.files.ext)...)
}

// WritesTo implements outputs.DiskWriter.
func (o *Output) WritesTo() string { return o.path.String() }

// Report satisfies outputs.Reporter.
func (o *Output) Report() outputs.Report {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.report
	r.Notices = slices.Clone(r.Notices)
	return r
}

// notice adds what the operator should know.
func (o *Output) notice(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Contains(o.report.Notices, text) {
		o.report.Notices = append(o.report.Notices, text)
	}
}

// closeIdle closes files that nothing was written to for a while.
func (o *Output) closeIdle() {
	select {
	case o.turn <- struct{}{}:
		o.files.closeIdle()
		<-o.turn
	default:
		// A Send runs, or Close did.
	}
}

// plan says which events go to which file: for each target, the chain of its events.
type plan struct {
	byPath  map[string]int
	targets []target
	// next is for each event the next one of the same target; -1: none.
	next []int32
}

type target struct {
	path        string
	first, last int32
}

// Send writes the events of b, for as long as the timeout setting lets it.
func (o *Output) Send(ctx context.Context, b *outputs.Batch) error {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	if err := o.turn.Take(ctx); err != nil {
		return err
	}
	defer o.turn.Give()
	defer o.stale.Reset(idle)
	if err := o.begin(); err != nil {
		return &outputs.SendError{Reason: outputs.ReasonServer, Err: err}
	}
	clear(o.keys)
	found, err := o.recall(ctx, b.Events)
	if err != nil {
		return outputs.AsSendError(fmt.Errorf("look for what is written already: %w", err))
	}
	o.assign(b, found)
	var failed []outputs.Failure
	var first error
	for i := range o.plan.targets {
		t := &o.plan.targets[i]
		if t.first < 0 {
			continue
		}
		refused, err := o.write(ctx, t, b.Events)
		if first == nil {
			first = err
		}
		if err == nil {
			failed = append(failed, refused...)
			o.countDoubles(t, found)
			continue
		}
		failed = o.failed(failed, t, err)
	}
	o.files.closeIdle()
	if len(failed) == 0 {
		return nil
	}
	return sendError(failed, first)
}

// failed appends the failures of the events of t, whose file can't be written because of err.
func (o *Output) failed(failed []outputs.Failure, t *target, err error) []outputs.Failure {
	kind := errnoOf(err)
	line := refusals().Find(0, kind, "")
	f := outputs.Failure{Detail: err.Error(), Target: t.path, Kind: kind}
	line.Fill(&f)
	if o.single && f.Reason == outputs.ReasonTarget {
		// It is the state of all that the output has.
		f.Reason = outputs.ReasonServer
	}
	for e := t.first; e >= 0; e = o.plan.next[e] {
		f.Index = int(e)
		failed = append(failed, f)
	}
	return failed
}

// countDoubles counts the events of t that were written although a file may have held them.
func (o *Output) countDoubles(t *target, found []presence) {
	if found == nil {
		return
	}
	n := uint64(0)
	for e := t.first; e >= 0; e = o.plan.next[e] {
		if found[e] == notTold {
			n++
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.report.PossibleDuplicates += n
}

// assign fills the plan with the events of b but those that were found.
func (o *Output) assign(b *outputs.Batch, found []presence) {
	p, events := &o.plan, b.Events
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
		b.CountSent(p.targets[at].path, ev)
		if found != nil && found[i] == isThere {
			continue
		}
		t := &p.targets[at]
		if t.last >= 0 {
			p.next[t.last] = int32(i)
		} else {
			t.first = int32(i)
		}
		t.last = int32(i)
	}
}

// moves reports whether ev may belong to another file than the event before it.
func (o *Output) moves(before, ev *event.Event) bool {
	return o.perRecord || !before.SameOrigin(ev) || !o.perChunk && before.Time.Sec != ev.Time.Sec
}

// target returns the index of the target for the filled-in path.
func (p *plan) target(key []byte, ext string) int {
	if i, ok := p.byPath[string(key)]; ok {
		return i
	}
	path := finalPath(string(key), ext)
	// Two keys may end up as one path.
	i, ok := p.byPath["\x00"+path]
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
	o.spans.Reset()
	for i := t.first; i >= 0; i = o.plan.next[i] {
		o.spans.Add(&events[i], o.keys)
	}
	w, err := o.files.begin(ctx, t.path, o.spans.Spans)
	if err != nil {
		return nil, err
	}
	n := 0
	for i := t.first; i >= 0; i = o.plan.next[i] {
		if n++; n%checkEvery == 0 && ctx.Err() != nil {
			return nil, w.rollback(ctx.Err())
		}
		if err := w.line(o.text, &events[i]); err != nil {
			refused = append(refused, outputs.Failure{
				Index: int(i), Reason: outputs.ReasonRejected, Detail: err.Error(), Target: t.path,
			})
			continue
		}
		if len(w.buf) >= bufferSize {
			if err := w.flush(); err != nil {
				return nil, w.rollback(err)
			}
		}
	}
	return refused, w.commit()
}
