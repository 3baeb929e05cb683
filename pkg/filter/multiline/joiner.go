package multiline

import (
	"bytes"
	"container/list"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// maxKeys is how many events may be under way at once. The oldest goes on when there are more.
const maxKeys = 10_000

// Joiner joins the lines of an event: the first one's record stands, with the text of all in its
// field. Each cluster, tag and key has one event under way at most; a line of it that is no part of
// that ends it. So the order of a key's lines is kept, and what is no part of any event goes on at
// once. It implements filter.Joiner.
type Joiner struct {
	path      []string
	key       *event.Template
	machine   *machine
	separator []byte
	maxLines  int
	maxBytes  int
	maxWait   time.Duration

	traces  map[string]*trace
	order   list.List // of *trace, the one that is due first in front
	scratch []byte
}

// trace is an event under way.
type trace struct {
	key     string
	at      states
	first   *filter.Event
	text    []byte // of the lines so far, where there are several
	newline string // the last one's end
	lines   int
	bytes   int             // of all lines
	pending []*filter.Event // further lines, which belong to it only if the next one does
	due     time.Time
	place   *list.Element
}

// textOf returns the text of ev's line, and false where it has none.
func (j *Joiner) textOf(ev *filter.Event) (text []byte, ok bool) {
	value, ok := ev.Get(j.path...)
	if !ok {
		return nil, false
	}
	text, _, err := event.ReadBytes(value)
	return text, err == nil
}

// chomp returns text without the line's end.
func chomp(text []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(text, []byte{'\n'}), []byte{'\r'})
}

// Join implements filter.Joiner.
func (j *Joiner) Join(ev *filter.Event, now time.Time, emit func(*filter.Event)) error {
	text, isLine := j.textOf(ev)
	isLine = isLine && len(text) <= j.maxBytes
	if len(j.traces) > 0 {
		j.readKey(ev)
		if t := j.traces[string(j.scratch)]; t != nil {
			if isLine {
				if at := j.machine.step(t.at, chomp(text)); at != 0 {
					j.extend(t, ev, text, at, now, emit)
					return nil
				}
			}
			pending := j.end(t, emit)
			for _, p := range pending { // they may be the first lines of another
				if err := j.Join(p, now, emit); err != nil {
					return err
				}
			}
			if len(pending) > 0 {
				return j.Join(ev, now, emit)
			}
		}
	}
	if isLine {
		if at := j.machine.begin(chomp(text)); at != 0 {
			j.readKey(ev)
			j.begin(string(j.scratch), ev, len(text), at, now, emit)
			return nil
		}
	}
	emit(ev)
	return nil
}

// readKey sets scratch to what tells ev's stream from others.
func (j *Joiner) readKey(ev *filter.Event) {
	b := append(j.scratch[:0], ev.Chunk.Cluster...)
	b = append(b, 0)
	b = append(b, ev.Chunk.Tag...)
	b = append(b, 0)
	j.scratch = ev.AppendTemplate(b, j.key)
}

// begin puts ev, whose text has size bytes, under way.
func (j *Joiner) begin(key string, ev *filter.Event, size int, at states, now time.Time, emit func(*filter.Event)) {
	if len(j.traces) >= maxKeys {
		j.release(j.oldest(), emit)
	}
	t := &trace{key: key, at: at, first: ev.Clone(), lines: 1, bytes: size, due: now.Add(j.maxWait)}
	t.place = j.order.PushBack(t)
	j.traces[key] = t
}

// extend takes ev, with that text, into t. What would become too large goes on before, and the rest
// is an event of its own.
func (j *Joiner) extend(t *trace, ev *filter.Event, text []byte, at states, now time.Time, emit func(*filter.Event)) {
	if t.lines+len(t.pending) >= j.maxLines || t.bytes+len(j.separator)+len(text) > j.maxBytes {
		j.release(t, emit)
		j.begin(t.key, ev, len(text), at, now, emit)
		return
	}
	t.at = at
	t.bytes += len(j.separator) + len(text)
	if j.machine.isSoft(at) {
		t.pending = append(t.pending, ev.Clone())
		return
	}
	for _, p := range t.pending {
		line, _ := j.textOf(p)
		j.add(t, p, line)
	}
	clear(t.pending)
	t.pending = t.pending[:0]
	j.add(t, ev, text)
}

func (j *Joiner) add(t *trace, ev *filter.Event, text []byte) {
	if t.lines == 1 {
		first, _ := j.textOf(t.first)
		t.text = append(t.text, chomp(first)...)
	}
	line := chomp(text)
	t.text = append(t.text, j.separator...)
	t.text = append(t.text, line...)
	t.newline = string(text[len(line):])
	t.lines++
	t.first.Absorb(ev)
}

// end gives t out, less what is pending.
func (j *Joiner) end(t *trace, emit func(*filter.Event)) (pending []*filter.Event) {
	delete(j.traces, t.key)
	j.order.Remove(t.place)
	if t.lines > 1 {
		t.first.Set(filter.AppendString(nil, append(t.text, t.newline...)), j.path...)
	}
	emit(t.first)
	return t.pending
}

// release gives out t and what is pending.
func (j *Joiner) release(t *trace, emit func(*filter.Event)) {
	for _, p := range j.end(t, emit) {
		emit(p)
	}
}

// oldest returns the event that is due first, nil where none is under way.
func (j *Joiner) oldest() *trace {
	if e := j.order.Front(); e != nil {
		return e.Value.(*trace) //nolint:forcetypeassert // there are no others
	}
	return nil
}

// Due implements filter.Joiner.
func (j *Joiner) Due() time.Time {
	if t := j.oldest(); t != nil {
		return t.due
	}
	return time.Time{}
}

// Flush implements filter.Joiner.
func (j *Joiner) Flush(now time.Time, everything bool, emit func(*filter.Event)) {
	for t := j.oldest(); t != nil && (everything || !t.due.After(now)); t = j.oldest() {
		j.release(t, emit)
	}
}
