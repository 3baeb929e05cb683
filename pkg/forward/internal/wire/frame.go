// Package wire reads messages of the Forward protocol out of bytes as they come, in pieces of any size, without
// decoding what they carry.
package wire

import (
	"errors"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/refusal"
)

// Form is how a message carries its entries, which its second element decides.
type Form uint8

// The forms of messages.
const (
	FormNone    Form = iota // too short to carry any
	FormMessage             // [tag, time, record, option?]
	FormForward             // [tag, [entry…], option?]
	FormPacked              // [tag, str or bin of entries, option?]
)

const (
	// maxTag is in bytes.
	maxTag = 64 << 10
	// maxChunk is how many bytes of a chunk option.
	maxChunk = 64 << 10
)

// The elements of a message, by index.
const (
	elementTag    = 0
	elementSecond = 1 // time, entries or payload
	elementThird  = 2 // record or option
	elementFourth = 3 // option
)

// span is a part of a message's bytes.
type span struct{ from, to int }

func (s span) of(b []byte) []byte { return b[s.from:s.to] }

// Frame is a message as far as its bytes have come. It remembers where it stopped, so that no byte is looked at again
// for each piece in which a message arrives.
type Frame struct {
	form Form
	// pos is what is before it has been read; in the end, the message's length.
	pos int
	// elements counts those that the message claims to have, -1 before its header is there.
	elements int
	// index is that of the element in hand.
	index int
	// start is that of the element in hand.
	start int

	tag, second, third, option span

	// entries counts those still to come, of FormForward.
	entries   int
	inEntries bool
	// events is how many entries of a FormForward are no group markers.
	events int
	// nanos says that one of the times of a FormForward has a fraction of a second.
	nanos bool
	// hasInvalid says that one of the entries of a FormForward is no event.
	hasInvalid bool

	// cut finds the end of the value at pos, of which only a part was there last time.
	cut valueScanner
}

// NewFrame returns one of which no byte has come.
func NewFrame() Frame { return Frame{elements: -1} }

// Begun reports whether bytes of the message were read.
func (f *Frame) Begun() bool { return f.elements >= 0 }

// Scan reads on in b, which begins with the message and holds what has come so far, and reports whether the message is
// complete. limit is the largest that it may be. Errors are refusals.
func (f *Frame) Scan(b []byte, limit int) (done bool, err error) {
	done, err = f.read(b)
	switch {
	case err == nil && done && f.pos > limit:
		return false, tooLarge(f.pos, limit)
	case err == nil && !done:
		// Each value that is still missing has a byte at least: an array's claim can be refused, if never believed.
		if want := f.want(len(b) + 1); want > uint64(limit) {
			return false, tooLarge(int(min(want, 1<<40)), limit)
		}
		return false, nil
	case err != nil && !refusal.Is(err):
		return false, refusal.New(refusal.Broken, "not readable as msgpack: %w", err)
	}
	return done, err
}

// want is the least that the message takes, in bytes, by what its headers claim.
func (f *Frame) want(have int) uint64 {
	want := max(uint64(f.pos), f.cut.want(), uint64(have))
	if f.inEntries {
		want = max(want, uint64(f.pos)+uint64(f.entries))
	}
	return max(want, uint64(f.pos)+uint64(max(0, f.elements-f.index)))
}

func (f *Frame) read(b []byte) (done bool, err error) {
	if f.elements < 0 {
		n, rest, err := event.ReadArrayHeader(b)
		if errors.Is(err, event.ErrTruncated) {
			return false, nil
		}
		if err != nil {
			return false, NotForward(b)
		}
		f.elements, f.pos = n, len(b)-len(rest)
		f.start = f.pos
	}
	for f.index < f.elements {
		if f.start >= len(b) {
			return false, nil
		}
		if f.index == elementSecond && event.TypeOf(b[f.start]) == event.TypeArray {
			if done, err = f.readEntries(b); !done || err != nil {
				return false, err
			}
		} else if done, err = f.skip(b); !done || err != nil {
			if f.index == elementTag && err == nil && f.cut.want() > uint64(f.start)+maxTag+5 {
				err = refusal.New(refusal.Tag, "its tag is larger than %d bytes", maxTag)
			}
			return false, err
		}
		if err = f.note(b, span{f.start, f.pos}); err != nil {
			return false, err
		}
		f.index++
		f.start = f.pos
	}
	return true, nil
}

// note keeps what matters of the element s.
func (f *Frame) note(b []byte, s span) error {
	switch f.index {
	case elementTag:
		if f.elements < 2 {
			return nil
		}
		tag, rest, err := event.ReadBytes(b[s.from:s.to])
		if err != nil || len(rest) > 0 {
			return refusal.New(refusal.Tag, "its tag is not a string but %s", typeName(b[s.from]))
		}
		if len(tag) > maxTag {
			return refusal.New(refusal.Tag, "its tag has %d bytes; the most is %d", len(tag), maxTag)
		}
		f.tag = span{s.to - len(tag), s.to}
		if string(tag) == "PING" && f.elements >= 5 {
			return refusal.New(refusal.Handshake,
				"the client begins with a PING because it has a shared key set, and this listener has none: remove "+
					"shared_key from the client")
		}
	case elementSecond:
		switch event.TypeOf(b[s.from]) {
		case event.TypeArray:
			f.form = FormForward
		case event.TypeStr, event.TypeBin:
			payload, _, err := event.ReadBytes(b[s.from:s.to])
			if err != nil {
				return err
			}
			f.form, s.from = FormPacked, s.to-len(payload)
		default:
			if f.elements > elementThird {
				f.form = FormMessage
			}
		}
		f.second = s
	case elementThird:
		if f.form != FormMessage {
			f.option = s
		}
		f.third = s
	case elementFourth:
		if f.form == FormMessage {
			f.option = s
		}
	}
	return nil
}

// skip moves pos behind the value there.
func (f *Frame) skip(b []byte) (done bool, err error) {
	if !f.cut.active {
		rest, err := event.Skip(b[f.pos:])
		if err == nil {
			f.pos = len(b) - len(rest)
			return true, nil
		}
		if !errors.Is(err, event.ErrTruncated) {
			return false, err
		}
		f.cut.start(f.pos)
	}
	if done, err = f.cut.run(b); !done || err != nil {
		return false, err
	}
	// The scanner is blind to nesting.
	if _, err = event.Skip(b[f.pos:f.cut.pos]); err != nil {
		return false, err
	}
	f.pos, f.cut.active = f.cut.pos, false
	return true, nil
}

// readEntries moves pos behind the array of entries there, checking each on the way.
func (f *Frame) readEntries(b []byte) (done bool, err error) {
	if !f.inEntries {
		n, rest, err := event.ReadArrayHeader(b[f.pos:])
		if errors.Is(err, event.ErrTruncated) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		f.inEntries, f.entries, f.pos = true, n, len(b)-len(rest)
	}
	var e event.Entry
	for f.entries > 0 {
		end, whole := len(b), f.cut.active
		if whole {
			if done, err = f.cut.run(b); !done || err != nil {
				return false, err
			}
			end, f.cut.active = f.cut.pos, false
		}
		rest, err := event.ReadEntry(b[f.pos:end], &e)
		if err != nil && !whole && errors.Is(err, event.ErrTruncated) {
			f.cut.start(f.pos)
			continue
		}
		if err != nil {
			return false, err
		}
		f.count(&e)
		f.pos = end - len(rest)
		f.entries--
	}
	f.inEntries = false
	return true, nil
}

func (f *Frame) count(e *event.Entry) {
	switch e.Kind {
	case event.KindEvent:
		f.events++
		f.nanos = f.nanos || e.Nanos
	case event.KindInvalid:
		f.hasInvalid = true
	case event.KindGroupStart, event.KindGroupEnd:
	}
}

// Len returns the message's length, once it is complete.
func (f *Frame) Len() int { return f.pos }

// Tag returns the tag of the message at the beginning of b, "" as long as it has not come.
func (f *Frame) Tag(b []byte) string {
	if f.tag.to == 0 || f.tag.to > len(b) {
		return ""
	}
	return string(f.tag.of(b))
}

func tooLarge(size, limit int) error {
	return refusal.New(refusal.TooLarge, "the message has at least %d bytes; max_message_size is %d", size, limit)
}
