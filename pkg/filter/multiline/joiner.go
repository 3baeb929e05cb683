package multiline

import (
	"bytes"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// maxKeys is how many events may be under way at once. The oldest goes on when there are more.
const maxKeys = 10_000

// Joiner joins the lines of an event: the first one's record stands, with the text of all in its
// field. Each stream has one event under way at most; a line of it that is no part of that ends it.
// So the order of a stream's lines is kept, and what is no part of any event goes on at once. It
// implements filter.Joiner.
type Joiner struct {
	path      []string
	key       filter.StreamKey
	machine   *machine
	separator []byte
	maxLines  int
	maxBytes  int
	// maxMessage bounds a trace's pending lines.
	maxMessage int
	maxWait    time.Duration

	traces filter.Waiting[*trace]
	// scratch is the key of the event at hand.
	scratch []byte
}

// trace is an event under way.
type trace struct {
	at    states
	first *filter.Event
	// head is its line.
	head []byte
	// text is that of the lines so far, where there are several.
	text []byte
	// newline is the last one's end.
	newline string
	lines   int
	// bytes is that of all lines.
	bytes int
	// pending are further lines, which belong to it only if one that does follows.
	pending []line
}

// line is an event with its due time.
type line struct {
	event *filter.Event
	due   time.Time
}

type held = filter.Held[*trace]

// textOf returns the text of ev's line, and false where it has none.
func (j *Joiner) textOf(ev *filter.Event) (text []byte, ok bool) {
	value, ok := ev.Get(j.path...)
	if !ok {
		return nil, false
	}
	text, _, err := event.ReadBytes(value)
	return text, err == nil
}

// chomp returns text without the line's end, which may have lost its \n to an agent.
func chomp(text []byte) []byte { return bytes.TrimSuffix(filter.TrimLineEnd(text), []byte{'\r'}) }

// Join implements filter.Joiner.
func (j *Joiner) Join(ev *filter.Event, now time.Time, emit func(*filter.Event)) error {
	j.take(ev, now.Add(j.maxWait), emit)
	return nil
}

// take takes ev, which waits until due at most.
func (j *Joiner) take(ev *filter.Event, due time.Time, emit func(*filter.Event)) {
	text, isLine := j.textOf(ev)
	isLine = isLine && len(text) <= j.maxBytes
	for j.traces.Len() > 0 {
		j.scratch = j.key.Append(j.scratch[:0], ev)
		h := j.traces.Get(j.scratch)
		if h == nil {
			break
		}
		if isLine && j.extend(h, ev, text, due, emit) {
			return
		}
		// They may be the first lines of another.
		for _, p := range j.end(h, emit) {
			j.take(p.event, p.due, emit)
		}
	}
	if !isLine {
		emit(ev)
		return
	}
	at := j.machine.begin(chomp(text))
	if at == 0 || j.last(text) {
		emit(ev)
		return
	}
	j.begin(ev, at, due, emit)
}

// last reports whether the pattern for it tells that a line is the last one of its event.
func (j *Joiner) last(text []byte) bool {
	return j.machine.end != nil && j.machine.end.Match(chomp(text))
}

// begin puts ev under way.
func (j *Joiner) begin(ev *filter.Event, at states, due time.Time, emit func(*filter.Event)) {
	if j.traces.Len() >= maxKeys {
		j.release(j.traces.First(), emit)
	}
	j.scratch = j.key.Append(j.scratch[:0], ev)
	first := ev.Clone()
	text, _ := j.textOf(first)
	j.traces.Add(j.scratch, &trace{at: at, first: first, head: chomp(text), lines: 1, bytes: len(text)}, due)
}

// extend takes ev, with that text, into h, unless it is no part of it. What would become too large
// goes on before, and the rest is an event of its own.
func (j *Joiner) extend(h *held, ev *filter.Event, text []byte, due time.Time, emit func(*filter.Event)) bool {
	t := h.Value
	at := j.machine.step(t.at, t.head, chomp(text))
	if at == 0 {
		return false
	}
	soft := j.machine.isSoft(at)
	if soft && (len(t.pending) >= j.maxMessage || j.machine.cuts(at, chomp(text))) {
		return false
	}
	if t.lines+len(t.pending) >= j.maxLines || t.bytes+len(j.separator)+len(text) > j.maxBytes {
		j.release(h, emit)
		if j.last(text) {
			emit(ev)
		} else {
			j.begin(ev, at, due, emit)
		}
		return true
	}
	t.at = at
	t.bytes += len(j.separator) + len(text)
	if soft {
		t.pending = append(t.pending, line{ev.Clone(), due})
		return true
	}
	for _, p := range t.pending {
		text, _ := j.textOf(p.event)
		j.add(t, p.event, text)
	}
	clear(t.pending)
	t.pending = t.pending[:0]
	j.add(t, ev, text)
	if j.last(text) {
		j.end(h, emit)
	}
	return true
}

func (j *Joiner) add(t *trace, ev *filter.Event, text []byte) {
	if t.lines == 1 {
		t.text = append(t.text, t.head...)
	}
	line := chomp(text)
	t.text = append(t.text, j.separator...)
	t.text = append(t.text, line...)
	t.newline = string(text[len(line):])
	t.lines++
	t.first.Absorb(ev)
}

// end gives h out, less what is pending.
func (j *Joiner) end(h *held, emit func(*filter.Event)) (pending []line) {
	j.traces.Remove(h)
	t := h.Value
	if t.lines > 1 {
		t.first.Set(filter.AppendString(nil, append(t.text, t.newline...)), j.path...)
	}
	emit(t.first)
	return t.pending
}

// release gives out h and what is pending.
func (j *Joiner) release(h *held, emit func(*filter.Event)) {
	for _, p := range j.end(h, emit) {
		emit(p.event)
	}
}

// Due implements filter.Joiner.
func (j *Joiner) Due() time.Time { return j.traces.Due() }

// Flush implements filter.Joiner.
func (j *Joiner) Flush(now time.Time, everything bool, emit func(*filter.Event)) {
	for h := j.traces.Overdue(now, everything); h != nil; h = j.traces.Overdue(now, everything) {
		// There may be a trace in them.
		for _, p := range j.end(h, emit) {
			j.take(p.event, p.due, emit)
		}
	}
}
