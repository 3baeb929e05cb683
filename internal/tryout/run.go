package tryout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/msgview"
	"github.com/seed-afc6a195/aggregator/internal/stepdiff"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/rules"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Run is a configuration at work on events, one after the other. What its steps remember, such as
// lines that wait for more, they remember for this Run alone.
type Run struct {
	c       *Configuration
	outputs map[string]*destination
	// events is those of which not all is known yet.
	events map[int]*given
	count  int
	// made has the events that steps made.
	made  []*fate
	plain event.Encoder
}

// destination is an output at work.
type destination struct {
	run     *Run
	name    string
	rules   Rules
	encoder *event.Encoder
	offer   func(*event.Event) (outputs.Offer, error)
	// making is an event that a step made, on its way.
	making *fate
	// dropper is the step that dropped the last event.
	dropper string
}

// given is an event that was given to a Run.
type given struct {
	ev      Event
	refused []string
	fates   []*fate
	// waiting is how many fates are not settled.
	waiting int
}

// fate is what becomes of an event for one output.
type fate struct {
	Outcome
	// elsewhere says that the output does not get it, since other routes took it.
	elsewhere bool
}

// Start makes the rules anew. The caller closes the Run.
func (c *Configuration) Start() (*Run, error) {
	r := &Run{c: c, outputs: map[string]*destination{}, events: map[int]*given{}}
	for _, name := range c.cfg.OutputNames() {
		rules, err := c.make(c.cfg, name)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("output %s: %w", name, err), r.Close())
		}
		offer, err := c.offers(name)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("output %s: %w", name, err), rules.Close(), r.Close())
		}
		d := &destination{run: r, name: name, rules: rules, encoder: c.encoder(name), offer: offer}
		rules.Trace(d.see)
		r.outputs[name] = d
	}
	return r, nil
}

// Close ends what the steps hold open.
func (r *Run) Close() error {
	var errs []error
	for _, d := range r.outputs {
		errs = append(errs, d.rules.Close())
	}
	return errors.Join(errs...)
}

// Give returns what is known once ev was given to the rules at now: of ev, or of others before it.
func (r *Run) Give(ev Event, now time.Time) []Outcome {
	r.count++
	g := &given{ev: ev}
	r.events[r.count] = g
	match := r.c.table.Match(ev.Cluster, ev.Tag)
	switch {
	case r.c.refused(ev.Cluster, ev.Tag):
		g.fates = []*fate{r.fate(r.count, DeadLetter, "tag_not_allowed")}
	case match == nil && r.c.cfg.Unrouted == "drop":
		g.fates = []*fate{r.fate(r.count, Dropped, rules.ReasonUnrouted)}
	case match == nil:
		g.fates = []*fate{r.fate(r.count, DeadLetter, rules.ReasonUnrouted)}
	default:
		for _, name := range match.Outputs {
			f := r.fate(r.count, "", "")
			f.Outputs = []string{name}
			g.fates = append(g.fates, f)
			g.waiting++
		}
		for i, name := range match.Outputs {
			r.process(r.outputs[name], g, r.count, now, i == 0)
		}
	}
	return r.settled()
}

func (r *Run) fate(number int, result, reason string) *fate {
	f := &fate{}
	f.Event, f.Result, f.Reason = number, result, reason
	if g := r.events[number]; g != nil {
		f.Cluster, f.Tag = g.ev.Cluster, g.ev.Tag
	}
	return f
}

// process gives an event to the rules of an output.
func (r *Run) process(d *destination, g *given, number int, now time.Time, first bool) {
	at := event.Time{Sec: g.ev.Time.Unix(), Nsec: uint32(g.ev.Time.Nanosecond())}
	entries := event.AppendEntry(nil, event.AppendTime(nil, at), g.ev.Metadata, g.ev.Record)
	chunk := &event.Chunk{
		Seq: uint64(number), Cluster: g.ev.Cluster, Tag: g.ev.Tag, Received: now, Events: 1, Entries: entries,
		Parts: []event.Part{{Key: event.PartKeyOfSeq([16]byte{}, uint64(number), 0), Events: 1}},
	}
	it := chunk.Iterator()
	var ev event.Event
	if !it.Next(&ev) {
		d.settle(number, func(f *fate) { f.Result, f.Reason = DeadLetter, it.Err().Error() })
		return
	}
	e := &filter.Event{}
	e.Reset(&ev, number)
	if first {
		for _, no := range d.rules.Refusals(e) {
			why := r.c.routeName(no.Route) + ": when is false"
			if no.Err != nil {
				why = fmt.Sprintf("%s: when failed: %v", r.c.routeName(no.Route), no.Err)
			}
			g.refused = append(g.refused, why)
		}
	}
	d.rules.Process(e, now, d)
}

// Due returns when Flush should be called at the latest; zero: nothing is held back.
func (r *Run) Due() (due time.Time) {
	for _, d := range r.outputs {
		if at := d.rules.Due(); !at.IsZero() && (due.IsZero() || at.Before(due)) {
			due = at
		}
	}
	return due
}

// Flush returns what is known once the rules gave out what is due at now, or everything.
func (r *Run) Flush(now time.Time, everything bool) []Outcome {
	for _, name := range slices.Sorted(maps.Keys(r.outputs)) {
		r.outputs[name].rules.Flush(now, everything, r.outputs[name])
	}
	return r.settled()
}

// settled returns the outcomes of the events of which all is known, and forgets them.
func (r *Run) settled() (all []Outcome) {
	for _, number := range slices.Sorted(maps.Keys(r.events)) {
		if g := r.events[number]; g.waiting == 0 {
			delete(r.events, number)
			all = append(all, grouped(g.fates, g.refused)...)
		}
	}
	all = append(all, grouped(r.made, nil)...)
	r.made = nil
	return all
}

// fateOf returns what becomes of an event at this output; number 0: of the event that a step made.
func (d *destination) fateOf(number int) *fate {
	if number == 0 {
		return d.making
	}
	g := d.run.events[number]
	if g == nil {
		return nil
	}
	i := slices.IndexFunc(g.fates, func(f *fate) bool { return f.Outputs[0] == d.name })
	return g.fates[i]
}

// settle ends what becomes of an event at this output.
func (d *destination) settle(number int, how func(*fate)) {
	f := d.fateOf(number)
	if f == nil || f.Result != "" || f.elsewhere {
		return
	}
	how(f)
	if number > 0 {
		d.run.events[number].waiting--
	}
}

func first(e *filter.Event) int {
	if len(e.Origins) == 0 {
		return 0
	}
	return e.Origins[0].(int)
}

// see notes what a step does.
func (d *destination) see(s rules.Seen) {
	f := d.fateOf(first(s.Event))
	if len(s.Event.Origins) == 0 && s.Before == nil && s.Stage != nil {
		f = d.run.fate(0, "", "")
		f.Cluster, f.Tag, f.Outputs = s.Event.Chunk.Cluster, s.Event.Chunk.Tag, []string{d.name}
		d.making = f
	}
	if f == nil {
		// It went elsewhere long ago.
		return
	}
	if s.Late {
		f.fail(&s)
		return
	}
	f.Route = d.run.c.routeName(s.Route)
	if s.Stage == nil {
		return
	}
	step := stepdiff.Step{Filter: s.Stage.Filter, Index: s.Stage.Index, Kind: s.Stage.Kind, Effect: stepdiff.Kept}
	if s.Err != nil {
		step.Error = s.Err.Error()
	}
	if s.Before != nil {
		step.Changes = d.run.changes(&s)
	}
	switch {
	case s.Held:
		step.Effect, step.Changes = stepdiff.Held, nil
	case s.Skipped:
		step.Effect = stepdiff.Skipped
	case s.Verdict == filter.Drop:
		step.Effect, d.dropper = stepdiff.Dropped, step.String()
	case s.Verdict == filter.Dead:
		step.Effect = stepdiff.Dead
	case s.Before == nil:
		step.Effect = stepdiff.Made
	case len(step.Changes) > 0:
		step.Effect = stepdiff.Changed
	}
	if n := len(f.Steps); n > 0 {
		switch last := &f.Steps[n-1]; {
		case last.Effect == stepdiff.Held:
			// It came out of the step that held it.
			f.Steps = f.Steps[:n-1]
		case last.Filter == step.Filter && last.Index == step.Index && step.Effect == stepdiff.Kept:
			// A step's second half.
			return
		}
	}
	f.Steps = append(f.Steps, step)
}

// fail notes a step's error that it told after it let the event go on.
func (f *fate) fail(s *rules.Seen) {
	for i := range f.Steps {
		if step := &f.Steps[i]; step.Filter == s.Stage.Filter && step.Index == s.Stage.Index {
			step.Error = s.Err.Error()
		}
	}
}

// Emit implements filter.Sink.
func (d *destination) Emit(e *filter.Event) {
	number := first(e)
	d.settle(number, func(f *fate) {
		f.Result = Delivered
		ev := e.Event
		ev.Record = e.Rendered()
		f.Time = time.Unix(ev.Time.Sec, int64(ev.Time.Nsec)).UTC().Format(time.RFC3339Nano)
		f.Record = d.run.json(ev.Record)
		if doc, err := d.encoder.AppendEvent(nil, &ev); err != nil {
			f.Result, f.Reason = DeadLetter, err.Error()
		} else {
			// It fails where the encoder does.
			offered, _ := d.offer(&ev)
			made := Document{Outputs: f.Outputs, Targets: []string{offered.Target}, Document: doc}
			if text := offered.Document; len(text) > 0 && !bytes.Equal(text, doc) {
				made.Text = string(text)
			}
			f.Documents = []Document{made}
		}
		if len(e.Origins) > 1 {
			for _, o := range e.Origins {
				f.Parts = append(f.Parts, o.(int))
			}
		}
		if number == 0 {
			d.run.made = append(d.run.made, f)
		}
	})
	d.join(e)
}

// join settles what was joined into e.
func (d *destination) join(e *filter.Event) {
	for i, o := range e.Origins {
		if i > 0 {
			d.settle(o.(int), func(f *fate) { f.Result, f.Into = Joined, first(e) })
		}
	}
}

// Dropped implements filter.Sink.
func (d *destination) Dropped(origin any, reason string) {
	d.settle(origin.(int), func(f *fate) {
		if reason == rules.ReasonWhen {
			f.elsewhere = true
			return
		}
		if f.Result, f.Reason = Dropped, reason; reason == rules.ReasonFilter {
			f.Reason = d.dropper
		}
	})
}

// Dead implements filter.Sink.
func (d *destination) Dead(e *filter.Event, reason string) {
	d.settle(first(e), func(f *fate) {
		f.Result, f.Reason = DeadLetter, reason
		if e.Detail != "" {
			f.Reason += ": " + e.Detail
		}
	})
	d.join(e)
}

// maxUnsayable is about how many bytes of a value that JSON can't say are shown.
const maxUnsayable = 16 << 10

// json returns a msgpack value as JSON: where that can't say it, what it is like as a text.
func (r *Run) json(value []byte) json.RawMessage {
	text, err := r.plain.AppendValue(nil, value)
	if err == nil {
		return text
	}
	text, err = json.Marshal(msgview.Text(value, maxUnsayable))
	if err != nil {
		// Never: a string always becomes JSON.
		return json.RawMessage("null")
	}
	return text
}

// changes compares an event's record, time and tag before and after a step.
func (r *Run) changes(s *rules.Seen) []stepdiff.Change {
	all := stepdiff.Moved(timeOf(s.Time), timeOf(s.Event.Time), s.Tag, s.Event.DeliveredTag())
	after := s.Event.Rendered()
	if bytes.Equal(s.Before, after) {
		return all
	}
	return append(all, stepdiff.Objects(r.json(s.Before), r.json(after))...)
}

func timeOf(t event.Time) time.Time { return time.Unix(t.Sec, int64(t.Nsec)).UTC() }
