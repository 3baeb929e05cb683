package join

import (
	"slices"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// Bounds of what is held back and remembered. Beyond those of lines the one that is due first goes on.
const (
	maxLines = 16 << 10
	// maxHeld bounds the bytes of records.
	maxHeld = 64 << 20
	// maxStreams is of how many streams line ends are remembered.
	maxStreams = 16 << 10
	// maxDoubts bounds the texts without a line feed of a stream that has had none.
	maxDoubts = 20
)

// partialField says of a piece of a line that it is one.
const partialField = "_partial"

// lineEnds is what is known of a stream of Docker's files, or what looks like one.
type lineEnds uint8

const (
	unknown lineEnds = iota
	// fed is its lines end in line feeds: a text without one is a fragment.
	fed
	// bare: no text has one, so that each is a line whose end an agent has cut off.
	bare
)

// Joiner joins fragments to lines. A line has the first one's record, without the marks, and the
// text of all. It implements filter.Joiner.
type Joiner struct {
	// paths are where the text may be.
	paths    [][]string
	key      filter.StreamKey
	maxBytes int
	maxWait  time.Duration

	lines filter.Waiting[*line]
	// held counts bytes of lines.
	held int
	ends map[string]lineEnds
	// scratch is the key of the event at hand.
	scratch []byte
	text    []byte
}

// line is fragments that wait for the others.
type line struct {
	kind kind
	// parts are by ordinal, or as they came.
	parts []part
	// bytes is that of the texts.
	bytes int
	// held has the records.
	held int
	// next is the ordinal after those that have gone on.
	next int
	// last is the ordinal of the last one; 0: it has not come.
	last int
	// cut says that the beginning has gone on before.
	cut bool
	// sure says that these are fragments.
	sure bool
}

type part struct {
	event *filter.Event
	path  []string
	// text is the event's.
	text    []byte
	ordinal int
}

type held = filter.Held[*line]

// Join implements filter.Joiner.
func (j *Joiner) Join(ev *filter.Event, now time.Time, emit func(*filter.Event)) error {
	f, ok := j.read(ev)
	if j.lines.Len() == 0 && (!ok || !f.more && f.kind != jsonFile) && f.kind != numbered {
		emit(ev)
		return nil
	}
	j.scratch = j.key.Append(j.scratch[:0], ev)
	stream := len(j.scratch)
	if f.kind == numbered {
		j.scratch = append(append(j.scratch, 0), f.id...)
	}
	h := j.lines.Get(j.scratch)
	if h != nil && (!ok || !belongs(h.Value, &f)) {
		j.release(h, emit)
		h = nil
	}
	isFragment := f.kind == numbered || f.more
	if f.kind == jsonFile && !j.endsInLineFeeds(&f, j.scratch[:stream]) {
		isFragment = false
	}
	if h == nil && !isFragment {
		emit(ev)
		return nil
	}
	j.add(h, ev, &f, now, emit)
	for j.held > maxHeld || j.lines.Len() > maxLines {
		j.release(j.lines.First(), emit)
	}
	return nil
}

// belongs reports whether f may be a fragment of l: of the same kind, or the end that the driver of old
// does not mark.
func belongs(l *line, f *fragment) bool {
	return l.kind == f.kind || l.kind == marked && !f.more && f.kind != tagged
}

// endsInLineFeeds reports whether the lines of a stream with that key do so, as far as is known now that
// there is f, one of Docker's files.
func (j *Joiner) endsInLineFeeds(f *fragment, key []byte) bool {
	ends := j.ends[string(key)]
	if ends == unknown && !f.more {
		ends = fed
		j.learn(string(key), ends)
	}
	return ends != bare
}

func (j *Joiner) learn(key string, ends lineEnds) {
	if len(j.ends) >= maxStreams {
		clear(j.ends)
	}
	j.ends[key] = ends
}

// add adds ev to the line h, or to a new one, and lets what is complete or too long go on.
func (j *Joiner) add(h *held, ev *filter.Event, f *fragment, now time.Time, emit func(*filter.Event)) {
	at := 0
	if h != nil {
		l := h.Value
		at = len(l.parts)
		if f.kind == numbered {
			var known bool
			at, known = l.place(f)
			switch {
			case known && string(l.parts[at].text) == string(f.text):
				// It was sent twice.
				l.parts[at].event.Absorb(ev)
				return
			case known:
				// Another line has the id.
				j.release(h, emit)
				h, at = nil, 0
			case f.ordinal < l.next:
				emitPiece(ev, emit)
				return
			}
		}
	}
	if due := now.Add(j.maxWait); h == nil {
		h = j.lines.Add(j.scratch, &line{kind: f.kind, next: 1}, due)
		f.ordinal = max(f.ordinal, 1)
	} else {
		j.lines.Renew(h, due)
	}
	l := h.Value
	if len(l.parts) > 0 && l.bytes+len(f.text) > j.maxBytes {
		j.cut(l, emit)
		at = 0
	}
	l.sure = l.sure || f.kind != jsonFile || !f.more || j.ends[string(j.scratch)] == fed ||
		len(f.text) >= dockerBuffer && len(f.text) < dockerBuffer+dockerSlack
	j.insert(l, at, ev, f)
	switch {
	case l.isComplete(f):
		j.remove(h)
		j.finish(l, emit)
	case l.bytes > j.maxBytes:
		j.cut(l, emit)
	case !l.sure && len(l.parts) > maxDoubts:
		j.learn(string(j.scratch), bare)
		j.release(h, emit)
	}
}

// place returns where in l's parts f belongs, and whether one with its ordinal is there. It gives f an
// ordinal if it has none.
func (l *line) place(f *fragment) (at int, known bool) {
	if f.ordinal < 1 {
		f.ordinal = l.next
		if n := len(l.parts); n > 0 {
			f.ordinal = l.parts[n-1].ordinal + 1
		}
	}
	return slices.BinarySearchFunc(l.parts, f.ordinal, func(p part, ordinal int) int { return p.ordinal - ordinal })
}

// isComplete reports whether l has all that is to come, now that it has f.
func (l *line) isComplete(f *fragment) bool {
	if l.kind != numbered {
		return !f.more
	}
	if !f.more {
		l.last = f.ordinal
	}
	return l.last > 0 && len(l.parts) == l.last-l.next+1
}

func (j *Joiner) insert(l *line, at int, ev *filter.Event, f *fragment) {
	p := part{event: ev.Clone(), path: f.path, ordinal: f.ordinal}
	_, p.text = j.textOf(p.event)
	l.parts = slices.Insert(l.parts, at, p)
	l.bytes += len(p.text)
	l.held += len(p.event.Record)
	j.held += len(p.event.Record)
}

// cut lets what there is of l go on, as pieces of a line.
func (j *Joiner) cut(l *line, emit func(*filter.Event)) {
	l.cut = true
	if n := len(l.parts); n > 0 {
		l.next = l.parts[n-1].ordinal + 1
	}
	j.emitPieces(l, emit)
	clear(l.parts)
	j.held -= l.held
	l.parts, l.bytes, l.held = l.parts[:0], 0, 0
}

func (j *Joiner) remove(h *held) {
	j.lines.Remove(h)
	j.held -= h.Value.held
}

// release lets what there is of h go on, which will get no more.
func (j *Joiner) release(h *held, emit func(*filter.Event)) {
	j.remove(h)
	if l := h.Value; l.sure {
		j.emitPieces(l, emit)
	} else {
		for _, p := range l.parts {
			emit(p.event)
		}
	}
}

// finish lets l go on, which is complete.
func (j *Joiner) finish(l *line, emit func(*filter.Event)) {
	if l.cut {
		j.emitPieces(l, emit)
		return
	}
	ev := j.merge(l.parts)
	for _, name := range [...]string{partialMessage, partialID, partialOrdinal, partialLast} {
		ev.Remove(name)
	}
	for _, name := range [...]string{logTag, shortTag} { // that of the end
		if value, ok := l.parts[len(l.parts)-1].event.Get(name); ok {
			ev.Set(value, name)
		}
	}
	emit(ev)
}

// emitPieces emits l's parts, those together that follow one another.
func (j *Joiner) emitPieces(l *line, emit func(*filter.Event)) {
	for from, i := 0, 1; i <= len(l.parts); i++ {
		if i == len(l.parts) || l.kind == numbered && l.parts[i].ordinal != l.parts[i-1].ordinal+1 {
			emitPiece(j.merge(l.parts[from:i]), emit)
			from = i
		}
	}
}

func emitPiece(ev *filter.Event, emit func(*filter.Event)) {
	ev.Set(filter.AppendBool(nil, true), partialField)
	emit(ev)
}

// merge returns the first part's event with the text of all.
func (j *Joiner) merge(parts []part) *filter.Event {
	ev := parts[0].event
	if len(parts) == 1 {
		return ev
	}
	j.text = j.text[:0]
	for i := range parts {
		j.text = append(j.text, parts[i].text...)
		if i > 0 {
			ev.Absorb(parts[i].event)
		}
	}
	ev.Set(filter.AppendString(nil, j.text), parts[0].path...)
	if cap(j.text) > maxScratch {
		j.text = nil
	}
	return ev
}

// maxScratch is how much memory for texts is kept.
const maxScratch = 1 << 20

// Due implements filter.Joiner.
func (j *Joiner) Due() time.Time { return j.lines.Due() }

// Flush implements filter.Joiner.
func (j *Joiner) Flush(now time.Time, everything bool, emit func(*filter.Event)) {
	for h := j.lines.Overdue(now, everything); h != nil; h = j.lines.Overdue(now, everything) {
		if !h.Value.sure && !everything {
			// It has waited for a line feed long enough.
			j.learn(h.Key(), bare)
		}
		j.release(h, emit)
	}
}
