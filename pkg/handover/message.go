package handover

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Tag is that of the extension's messages.
const Tag = "aggregator.handover"

// Version is the extension's, which HELO says.
const Version = 1

// kind is what a message is.
type kind string

const (
	kindBegin  kind = "begin"
	kindChunk  kind = "chunk"
	kindLetter kind = "letter"
	kindEnd    kind = "end"
)

// frame is a message as it is sent: of the form of PackedForward.
type frame struct {
	_msgpack struct{} `msgpack:",as_array"` //nolint:unused // read by the codec
	Tag      string
	Entries  blob
	Option   option
}

type option struct {
	// Chunk is what is to be acknowledged.
	Chunk    string  `msgpack:"chunk"`
	Handover message `msgpack:"handover"`
}

// message is what a frame tells besides its entries. Which fields it has depends on its kind.
type message struct {
	Kind kind `msgpack:"kind"`

	// Of begin and end:
	// Queue is the sender's own number, 16 bytes.
	Queue    blob     `msgpack:"queue,omitempty"`
	Clusters []string `msgpack:"clusters,omitempty"`
	Outputs  []string `msgpack:"outputs,omitempty"`

	Chunk  *chunkHeader  `msgpack:"chunk,omitempty"`
	Letter *letterHeader `msgpack:"letter,omitempty"`
}

// chunkHeader is a buffer.Handed without its entries.
type chunkHeader struct {
	Seq     uint64 `msgpack:"seq"`
	Cluster string `msgpack:"cluster"`
	Tag     string `msgpack:"tag"`
	NewTag  string `msgpack:"new_tag,omitempty"`
	Source  string `msgpack:"source,omitempty"`
	// Received is in nanoseconds since 1970.
	Received int64       `msgpack:"received"`
	Events   int         `msgpack:"events"`
	Parts    list[part]  `msgpack:"parts"`
	Owes     list[owing] `msgpack:"owes"`
	Returned bool        `msgpack:"returned,omitempty"`
	Filtered bool        `msgpack:"filtered,omitempty"`
}

// part is an event.Part.
type part struct {
	_msgpack struct{} `msgpack:",as_array"` //nolint:unused // read by the codec
	Key      blob
	// Chunk may be empty where it came without an agent's chunk id.
	Chunk  blob
	First  int
	Events int
	Joined uint64
}

type owing struct {
	_msgpack       struct{} `msgpack:",as_array"` //nolint:unused // read by the codec
	Output, Target string
}

// letterHeader is a deadletter.Letter without its entry.
type letterHeader struct {
	ID uint64 `msgpack:"id"`
	// Time is in nanoseconds since 1970.
	Time     int64  `msgpack:"time"`
	Cluster  string `msgpack:"cluster"`
	Tag      string `msgpack:"tag"`
	Output   string `msgpack:"output"`
	EventID  string `msgpack:"event_id"`
	Status   int    `msgpack:"status"`
	Reason   string `msgpack:"reason"`
	Detail   string `msgpack:"detail"`
	Attempts int    `msgpack:"attempts"`
	Events   int    `msgpack:"events"`
}

// reply is what a receiver answers.
type reply struct {
	Ack   string `msgpack:"ack,omitempty"`
	Error string `msgpack:"error,omitempty"`
	// Later says that an error may pass, such as a full queue.
	Later bool `msgpack:"later,omitempty"`

	// Of begin:
	// Clusters are those asked for which are taken.
	Clusters []string `msgpack:"clusters,omitempty"`
	// Unknown are outputs that the receiver has not configured.
	Unknown []string `msgpack:"unknown,omitempty"`
}

func headerOf(h *buffer.Handed) *chunkHeader {
	c := &chunkHeader{
		Seq: h.Seq, Cluster: h.Cluster, Tag: h.Tag, NewTag: h.NewTag, Source: h.Source, Received: h.Received.UnixNano(),
		Events: h.Events, Returned: h.Returned, Filtered: h.Filtered,
	}
	for _, p := range h.Parts {
		w := part{Key: p.Key[:], First: p.First, Events: p.Events, Joined: p.Joined}
		if p.Chunk != [16]byte{} {
			w.Chunk = p.Chunk[:]
		}
		c.Parts = append(c.Parts, w)
	}
	for _, o := range h.Owes {
		c.Owes = append(c.Owes, owing{Output: o.Output, Target: o.Target})
	}
	return c
}

// errSense is what a message deserves that no sender makes.
var errSense = errors.New("a message of the handover makes no sense")

// handed returns the chunk that c and its entries are, after it was looked at as what an agent sends is.
func (c *chunkHeader) handed(entries []byte) (buffer.Handed, error) {
	h := buffer.Handed{Chunk: event.Chunk{
		Seq: c.Seq, Cluster: c.Cluster, Tag: c.Tag, NewTag: c.NewTag, Source: c.Source,
		Received: time.Unix(0, c.Received),
		Events:   c.Events, Entries: entries, Returned: c.Returned, Filtered: c.Filtered,
	}}
	sum := 0
	for _, p := range c.Parts {
		w := event.Part{First: p.First, Events: p.Events, Joined: p.Joined}
		if copy(w.Key[:], p.Key) != len(p.Key) || len(p.Key) != len(w.Key) || p.First < 0 || p.Events < 0 ||
			p.Events > math.MaxInt32 || len(p.Chunk) > len(w.Chunk) {
			return h, fmt.Errorf("%w: chunk %d has a part that no event's id can be made of", errSense, c.Seq)
		}
		copy(w.Chunk[:], p.Chunk)
		sum += p.Events
		h.Parts = append(h.Parts, w)
	}
	for _, o := range c.Owes {
		if !plainName(o.Output) || o.Output == "" || !plainName(o.Target) {
			return h, fmt.Errorf("%w: chunk %d is for an output %.60q, target %.60q", errSense, c.Seq, o.Output,
				o.Target)
		}
		h.Owes = append(h.Owes, buffer.Owing{Output: o.Output, Target: o.Target})
	}
	events, err := countEvents(entries)
	switch {
	case err != nil:
		return h, fmt.Errorf("%w: chunk %d: %w", errSense, c.Seq, err)
	case events != c.Events || sum != c.Events:
		return h, fmt.Errorf("%w: chunk %d has %d events, parts of %d, and says it has %d", errSense, c.Seq, events,
			sum, c.Events)
	case c.Seq == 0 || len(h.Owes) == 0:
		return h, fmt.Errorf("%w: chunk %d is for no output", errSense, c.Seq)
	}
	return h, nil
}

// plainName reports whether name has no control characters, which stand between names where the queue keeps them.
func plainName(name string) bool {
	for i := range len(name) {
		if name[i] < ' ' {
			return false
		}
	}
	return true
}

func countEvents(entries []byte) (n int, err error) {
	var e event.Entry
	for len(entries) > 0 {
		if entries, err = event.ReadEntry(entries, &e); err != nil {
			return n, err
		}
		switch e.Kind {
		case event.KindEvent:
			n++
		case event.KindInvalid:
			return n, fmt.Errorf("an entry is no event: %s", e.Reason)
		default:
			// Marks of groups.
		}
	}
	return n, nil
}

func letterOf(l *deadletter.Letter) *letterHeader {
	return &letterHeader{
		ID: l.ID, Time: l.Time.UnixNano(), Cluster: l.Cluster, Tag: l.Tag, Output: l.Output, EventID: l.EventID,
		Status: l.Status, Reason: l.Reason, Detail: l.Detail, Attempts: l.Attempts, Events: l.Events,
	}
}

func (l *letterHeader) letter(entry []byte) deadletter.Letter {
	return deadletter.Letter{
		ID: l.ID, Time: time.Unix(0, l.Time), Cluster: l.Cluster, Tag: l.Tag, Output: l.Output, EventID: l.EventID,
		Status: l.Status, Reason: l.Reason, Detail: l.Detail, Attempts: l.Attempts, Events: l.Events, Entry: entry,
	}
}

// appendFrame appends a message that is to be acknowledged as id.
func appendFrame(b []byte, id string, m *message, entries []byte) ([]byte, error) {
	if entries == nil {
		// Nil would be no bin.
		entries = []byte{}
	}
	f, err := msgpack.Marshal(&frame{Tag: Tag, Entries: entries, Option: option{Chunk: id, Handover: *m}})
	return append(b, f...), err
}
