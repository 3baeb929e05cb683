package parse

import (
	"bytes"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// errCRI is the reason of a text that is no line of a container runtime.
const errCRI = reason("not a CRI line: <time> stdout|stderr P|F <message>")

// cri reads lines of Kubernetes' container runtime interface (CRI logging format):
//
//	2016-10-06T00:17:09.669794202Z stdout F the message
//
// into time, stream, logtag and message. The third word begins with P for a part of a line that
// goes on in the next one, or F; further words of it follow after colons.
type cri struct{}

func (cri) parse(dst *fields, text []byte) error {
	line, err := readCRI(text)
	if err == nil {
		line.add(dst)
	}
	return err
}

// criLine is the words of a line.
type criLine struct{ time, stream, tag, message []byte }

func (l *criLine) add(dst *fields) {
	dst.text("time", l.time)
	dst.text("stream", l.stream)
	dst.text("logtag", l.tag)
	dst.text("message", l.message)
}

func (l *criLine) partial() bool { return l.tag[0] == 'P' }

func readCRI(text []byte) (l criLine, err error) {
	i := bytes.IndexByte(text, ' ')
	if i < len("2006-01-02") || len(text) < i+len(" stdout F") {
		return l, errCRI
	}
	const stream = len("stdout")
	l.time, l.stream, text = text[:i], text[i+1:i+1+stream], text[i+1+stream:]
	if name := string(l.stream); name != "stdout" && name != "stderr" || text[0] != ' ' {
		return l, errCRI
	}
	text = text[1:]
	l.tag = text
	if i = bytes.IndexByte(text, ' '); i >= 0 {
		l.tag, l.message = text[:i], text[i+1:]
	}
	if n := len(l.tag); n == 0 || l.tag[0] != 'P' && l.tag[0] != 'F' || n > 1 && l.tag[1] != ':' {
		return l, errCRI
	}
	return l, nil
}

// What all streams together may hold back; beyond it the longest waiting line goes on.
const (
	maxHeldStreams = 16 << 10
	maxHeldBytes   = 64 << 20
)

// joiner is the step that joins the partial lines of a stream.
type joiner struct {
	*parser
	limits Join
	// lines are by stream.
	lines filter.Waiting[*held]
	// tags is how many of lines are of a cluster's tag.
	tags map[string]int
	// bytes counts those that they hold.
	bytes int
	// scratch is a stream's key, which begins with its cluster and tag.
	scratch []byte
}

// held is the beginning of a line. The event is the first part's, with the origins of all.
type held struct {
	tag          string
	event        *filter.Event
	time, stream []byte
	message      []byte
	lines        int
}

// What each held line and each part of it take besides their texts, about.
const (
	heldBytes = 512
	partBytes = 32
)

func (h *held) bytes() int {
	return heldBytes + h.lines*partBytes + len(h.event.Record) + len(h.message) + len(h.tag)
}

func newJoiner(p *parser, limits Join) *joiner {
	return &joiner{parser: p, limits: limits, tags: map[string]int{}}
}

// Join parses ev and emits it, with what its stream held back for it; or holds it back, as a part.
// What does not parse is emitted as it is, with a Detail where it is to be a dead letter.
func (j *joiner) Join(ev *filter.Event, now time.Time, emit func(*filter.Event)) error {
	f := &j.fields
	var line criLine
	text, err := j.text(ev)
	if err == nil {
		line, err = readCRI(text)
	}
	if err == nil {
		f.reset(ev.Time)
		line.add(f)
		err = f.err
	}
	if err != nil {
		_, err = j.fail(ev, err)
		emit(ev)
		return err
	}
	at := j.find(ev, line.stream)
	if at != nil {
		h := at.Value
		if h.lines == j.limits.MaxLines || len(h.message)+len(line.message) > int(j.limits.MaxBytes) {
			j.release(at, "P", emit)
			at = nil
			f.reset(ev.Time)
			line.add(f)
		}
	}
	switch {
	case at == nil && !line.partial():
		j.merge(ev)
		emit(ev)
	case at == nil:
		j.hold(ev, &line, now)
	default:
		h := at.Value
		h.message = append(h.message, line.message...)
		h.lines++
		h.event.Absorb(ev)
		j.bytes += partBytes + len(line.message)
		j.lines.Renew(at, now.Add(j.limits.MaxWait))
		if !line.partial() {
			j.release(at, string(line.tag), emit)
		}
	}
	for j.bytes > maxHeldBytes || j.lines.Len() > maxHeldStreams {
		j.release(j.lines.First(), "P", emit)
	}
	return nil
}

// find returns what is held back of the stream of ev, or nil.
func (j *joiner) find(ev *filter.Event, stream []byte) *filter.Held[*held] {
	if j.lines.Len() == 0 {
		return nil
	}
	j.scratch = appendTag(j.scratch[:0], ev)
	if j.tags[string(j.scratch)] == 0 {
		// No need to look for the pod.
		return nil
	}
	j.scratch = j.appendStream(j.scratch, ev, stream)
	return j.lines.Get(j.scratch)
}

// hold begins to hold back the line of a stream.
func (j *joiner) hold(ev *filter.Event, line *criLine, now time.Time) {
	h := &held{
		lines: 1,
		time:  bytes.Clone(line.time), stream: bytes.Clone(line.stream), message: bytes.Clone(line.message),
	}
	j.scratch = appendTag(j.scratch[:0], ev)
	h.tag = string(j.scratch)
	j.scratch = j.appendStream(j.scratch, ev, line.stream)
	if !j.keep {
		// It goes before the event is copied: h has it already.
		ev.Remove(j.field...)
	}
	h.event = ev.Clone()
	j.lines.Add(j.scratch, h, now.Add(j.limits.MaxWait))
	j.tags[h.tag]++
	j.bytes += h.bytes()
}

// release emits what a stream holds back, as a line with that tag.
func (j *joiner) release(at *filter.Held[*held], tag string, emit func(*filter.Event)) {
	h := at.Value
	j.lines.Remove(at)
	if j.tags[h.tag]--; j.tags[h.tag] == 0 {
		delete(j.tags, h.tag)
	}
	j.bytes -= h.bytes()
	j.fields.reset(h.event.Time)
	line := criLine{h.time, h.stream, []byte(tag), h.message}
	line.add(&j.fields)
	j.merge(h.event)
	emit(h.event)
}

func appendTag(dst []byte, ev *filter.Event) []byte {
	dst = append(append(dst, ev.Chunk.Cluster...), 0)
	return append(append(dst, ev.Chunk.Tag...), 0)
}

// appendStream appends what tells the stream of ev from others of its tag.
func (j *joiner) appendStream(dst []byte, ev *filter.Event, stream []byte) []byte {
	dst = append(dst, stream...)
	if j.joinKey != nil {
		return ev.AppendTemplate(dst, j.joinKey)
	}
	return ev.AppendContainer(dst)
}

// Due returns when the line that waits longest goes on as it is.
func (j *joiner) Due() time.Time { return j.lines.Due() }

// Flush emits the lines whose next part did not come in time, or all.
func (j *joiner) Flush(now time.Time, everything bool, emit func(*filter.Event)) {
	for at := j.lines.Overdue(now, everything); at != nil; at = j.lines.Overdue(now, everything) {
		j.release(at, "P", emit)
	}
}
