package elasticsearch

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/internal/bulkreply"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/internal/indexname"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/internal/pressure"
)

// Sources of a document's id.
const (
	idAuto  = "auto"
	idNone  = "none"
	idChunk = "chunk"
)

// maxID is how many bytes an id may have. A longer one would have the whole request refused.
const maxID = 512

// format is what all bodies of an output have in common.
type format struct {
	names *indexname.Namer
	op    string
	// id is idAuto, idNone or idChunk; otherwise the template's.
	id string
	// ids may be nil for idAuto, idNone and idChunk.
	ids *event.Template
	// tail is what follows a chunk's id, idPlaceholder, in ids; nil: there is none in it.
	tail *event.Template
}

// bulk is the body of a request, and the memory that it takes to make it. Not safe for concurrent use.
type bulk struct {
	format
	enc *event.Encoder
	// text is action and document of each event, each with a newline.
	text  []byte
	lines []line
	// packed is what is sent of text where it is compressed.
	packed bytes.Buffer
	zip    *gzip.Writer
	scan   bulkreply.Scanner
	// typed is as in prefix.
	typed bool
	slow  *pressure.SlowTargets

	// targets are those that the events of this Send go to.
	targets []string
	// number is a position in targets.
	number map[string]int
	// aside says of targets that their events are held back.
	aside []bool
	// held is in order.
	held []heldEvent
	// only is the one target whose events are rendered; none: those that are not aside.
	only int

	// target is that of the last event.
	target int
	// name is that of the last event's index.
	name []byte
	// prefix is an action for it, up to the id.
	prefix []byte
	// id is the last one of the template's.
	id []byte
	// own makes ids where there is no template.
	own event.IDs
}

// none stands for no target.
const none = -1

// line is an event's part of a body.
type line struct {
	// event is its index in the batch.
	event int
	// end is a position in text.
	end int
	// target is in bulk.targets.
	target int
	id     bool
}

// heldEvent is an event that is not sent among others, because its target is slow.
type heldEvent struct{ event, target int }

// start returns where the text of the i-th event begins.
func (b *bulk) start(i int) int {
	if i == 0 {
		return 0
	}
	return b.lines[i-1].end
}

// slice returns the text of the events from, from+1, … to-1.
func (b *bulk) slice(from, to int) []byte { return b.text[b.start(from):b.start(to)] }

// cut returns the end of as many events from from on as have no more than n bytes, but one at least.
func (b *bulk) cut(from, to, n int) int {
	start := b.start(from)
	end := from + 1
	for end < to && b.lines[end].end-start <= n {
		end++
	}
	return end
}

// reset empties b and makes room for the text of so many events, size bytes.
func (b *bulk) reset(events, size int, typed bool) {
	b.text, b.lines = b.text[:0], b.lines[:0]
	b.typed, b.prefix = typed, b.prefix[:0]
	clear(b.targets)
	clear(b.number)
	b.targets, b.aside, b.held, b.only = b.targets[:0], b.aside[:0], b.held[:0], none
	if cap(b.text) < size {
		// An eighth more than this batch has, so that one that has a little more finds room.
		b.text = make([]byte, 0, size+size/8)
	}
	b.lines = slices.Grow(b.lines, events)
}

// fill renders events of batch from the index from on, up to limit bytes, but one at least. It returns the index
// of the first one that is left for the next request. Events that can't be rendered are added to refused.
func (b *bulk) fill(batch *outputs.Batch, from, limit int, refused []outputs.Failure) (int, []outputs.Failure) {
	b.text, b.lines = b.text[:0], b.lines[:0]
	events := batch.Events
	for i := from; i < len(events); i++ {
		ev, start := &events[i], len(b.text)
		hasID, err := b.action(ev)
		switch {
		case b.only == none && b.aside[b.target]:
			b.text, b.held = b.text[:start], append(b.held, heldEvent{i, b.target})
			batch.CountSent(b.targets[b.target], ev)
			continue
		case b.only != none && b.only != b.target:
			b.text = b.text[:start]
			continue
		}
		var text []byte
		if err == nil {
			text, err = b.enc.AppendEvent(b.text, ev)
		}
		if err != nil {
			b.text = b.text[:start]
			b.count(batch, ev)
			refused = append(refused, outputs.Failure{
				Index: i, Reason: outputs.ReasonRejected, Detail: err.Error(), Target: b.targets[b.target],
			})
			continue
		}
		b.text = append(text, '\n')
		if len(b.text) > limit && len(b.lines) > 0 {
			b.text = b.text[:start]
			return i, refused
		}
		b.count(batch, ev)
		b.lines = append(b.lines, line{event: i, end: len(b.text), target: b.target, id: hasID})
	}
	return len(events), refused
}

// count notes that ev, the last one, is sent to its target, unless that was noted when it was held back.
func (b *bulk) count(batch *outputs.Batch, ev *event.Event) {
	if b.only == none {
		batch.CountSent(b.targets[b.target], ev)
	}
}

// action appends the action line of ev. It returns whether that has an id.
func (b *bulk) action(ev *event.Event) (hasID bool, err error) {
	n := len(b.name)
	// Behind the last one, to compare them.
	b.name = b.names.Append(b.name, ev)
	if fresh := b.name[n:]; len(b.prefix) == 0 || !bytes.Equal(fresh, b.name[:n]) {
		b.name = append(b.name[:0], fresh...)
		b.prefix = append(append(append(b.prefix[:0], `{"`...), b.op...), `":{"_index":`...)
		b.prefix = appendString(b.prefix, b.name)
		if b.typed {
			b.prefix = append(b.prefix, `,"_type":"_doc"`...)
		}
		b.target = b.targetOf(b.name)
	} else {
		b.name = b.name[:n]
	}
	b.text = append(b.text, b.prefix...)
	if hasID = b.appendID(ev); len(b.id) > maxID {
		return false, fmt.Errorf("its id %q… has %d bytes, and %d are the most that a document's may have",
			safetext.Cut(b.id, 64), len(b.id), maxID)
	}
	b.text = append(b.text, '}', '}', '\n')
	return hasID, nil
}

// targetOf returns the number of the target of that name.
func (b *bulk) targetOf(name []byte) int {
	if at, known := b.number[string(name)]; known {
		return at
	}
	text := string(name)
	b.targets, b.aside = append(b.targets, text), append(b.aside, b.slow.Has(text))
	b.number[text] = len(b.targets) - 1
	return len(b.targets) - 1
}

// targetsOf returns the targets of the events from … to-1 of the body, each once.
func (b *bulk) targetsOf(from, to int) (names []string) {
	seen := make([]bool, len(b.targets))
	for _, l := range b.lines[from:to] {
		if !seen[l.target] {
			seen[l.target] = true
			names = append(names, b.targets[l.target])
		}
	}
	return names
}

// maxNamed is how many targets the text of an error names.
const maxNamed = 3

// describe says what a request with the events from … to-1 is.
func (b *bulk) describe(from, to int) string {
	names := b.targetsOf(from, to)
	more := ""
	if n := len(names) - maxNamed; n > 0 {
		names, more = names[:maxNamed], fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("bulk request of %d events, %d bytes, to [%s]%s", to-from, len(b.slice(from, to)),
		strings.Join(names, ", "), more)
}

// idPlaceholder stands for the id of a chunk's event in a template of ids.
const idPlaceholder = "{chunk}"

// parseID reads the setting id: templates of what stands before the id of a chunk's event and behind it, tail nil where
// that is not in it, and both nil where there is no template.
func parseID(text string) (head, tail *event.Template, err error) {
	if text == "" || text == idAuto || text == idNone || text == idChunk {
		return nil, nil, nil
	}
	before, behind, chunk := strings.Cut(text, idPlaceholder)
	if head, err = event.ParseTemplate(before); err != nil || !chunk {
		return head, nil, err
	}
	tail, err = event.ParseTemplate(behind)
	return head, tail, err
}

// appendID appends ev's id to the action where it has one.
func (b *bulk) appendID(ev *event.Event) bool {
	const name = `,"_id":`
	if b.ids != nil && b.fillID(ev) {
		b.text = appendString(append(b.text, name...), b.id)
		return true
	}
	if b.format.id == idNone {
		return false
	}
	start := len(b.text)
	b.text = append(append(b.text, name...), '"')
	n := len(b.text)
	if b.format.id == idChunk {
		b.text = b.own.AppendOfChunk(b.text, ev)
	} else {
		b.text = b.own.Append(b.text, ev)
	}
	if len(b.text) == n {
		// It has none.
		b.text = b.text[:start]
		return false
	}
	// Its characters need no escapes.
	b.text = append(b.text, '"')
	return true
}

// fillID makes b.id of the template, and reports whether ev has what is in it.
func (b *bulk) fillID(ev *event.Event) bool {
	b.id = b.ids.Append(b.id[:0], ev, nil)
	if b.tail == nil {
		return len(b.id) > 0
	}
	n := len(b.id)
	if b.id = ev.AppendChunkID(b.id); len(b.id) == n {
		return false
	}
	b.id = b.tail.Append(b.id, ev, nil)
	return true
}

// pack compresses text into b.packed and returns it.
func (b *bulk) pack(text []byte) ([]byte, error) {
	b.packed.Reset()
	b.zip.Reset(&b.packed)
	if _, err := b.zip.Write(text); err != nil {
		return nil, err
	}
	if err := b.zip.Close(); err != nil {
		return nil, err
	}
	return b.packed.Bytes(), nil
}

// appendString appends s as a JSON string, with U+FFFD for what is not UTF-8.
func appendString(dst, s []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for len(s) > 0 {
		c, n := utf8.DecodeRune(s)
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', byte(c))
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = utf8.AppendRune(dst, c)
		}
		s = s[n:]
	}
	return append(dst, '"')
}
