package join

import (
	"bytes"
	"strconv"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// kind is who says that an event is a fragment, and how.
type kind uint8

// The kinds. Where nobody says so an event is unmarked; after fragments of Docker's driver of old, which marked all but
// the last one, it is their end. That driver has partial_message alone (marked), the later one partial_id and
// partial_ordinal (numbered). The container runtime interface has P or F in logtag or _p (tagged). Docker's files have
// stream: a text without a line feed at its end (jsonFile).
const (
	unmarked kind = iota
	marked
	numbered
	tagged
	jsonFile
)

// The names of the marks.
const (
	partialMessage = "partial_message"
	partialID      = "partial_id"
	partialOrdinal = "partial_ordinal"
	partialLast    = "partial_last"
	logTag         = "logtag"
	shortTag       = "_p"
)

// dockerBuffer is where Docker cuts lines, in bytes. A character that was cut there may take more in JSON.
const (
	dockerBuffer = 16 << 10
	dockerSlack  = 16
)

// fragment is what an event says of itself.
type fragment struct {
	kind kind
	// more says that more of its line follows.
	more bool
	// path is that of the text.
	path []string
	// text is valid until the event changes.
	text []byte
	// id is the line's, where it is numbered.
	id []byte
	// ordinal counts from 1 where it is numbered; 0: it is not said.
	ordinal int
}

// read returns what ev is a fragment of; false: it has no text.
func (j *Joiner) read(ev *filter.Event) (f fragment, ok bool) {
	var message, last, stream bool
	var tag []byte
	for name, value := range ev.Fields() {
		switch string(name) {
		case partialMessage:
			message = j.isTrue(value)
		case partialID:
			f.id, _, _ = event.ReadBytes(value)
		case partialOrdinal:
			j.text = event.AppendText(j.text[:0], value)
			f.ordinal, _ = strconv.Atoi(string(j.text))
		case partialLast:
			last = j.isTrue(value)
		case logTag, shortTag:
			tag, _, _ = event.ReadBytes(value)
		case "stream":
			text, _, _ := event.ReadBytes(value)
			stream = string(text) == "stdout" || string(text) == "stderr"
		}
	}
	if f.path, f.text = j.textOf(ev); f.path == nil {
		return f, false
	}
	switch {
	case message && len(f.id) > 0:
		f.kind, f.more = numbered, !last
	case message:
		f.kind, f.more = marked, true
	case isTag(tag):
		f.kind, f.more = tagged, tag[0] == 'P'
	case stream:
		f.kind, f.more = jsonFile, !bytes.HasSuffix(f.text, []byte{'\n'})
	}
	return f, true
}

// textOf returns the text of ev and where it is; without one path is nil.
func (j *Joiner) textOf(ev *filter.Event) (path []string, text []byte) {
	for _, path := range j.paths {
		if value, ok := ev.Get(path...); ok {
			if text, _, err := event.ReadBytes(value); err == nil {
				return path, text
			}
		}
	}
	return nil, nil
}

// isTrue reports whether value is true, as such or as a text.
func (j *Joiner) isTrue(value []byte) bool {
	j.text = event.AppendText(j.text[:0], value)
	return string(j.text) == "true"
}

// isTag reports whether text is a tag of the container runtime interface: P or F, and perhaps more after a colon.
func isTag(text []byte) bool {
	return len(text) > 0 && (text[0] == 'P' || text[0] == 'F') && (len(text) == 1 || text[1] == ':')
}
