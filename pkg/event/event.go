// Package event holds the values that every part shares: events and chunks as msgpack bytes.
//
// An entry is what the Forward protocol puts on the wire for one event, [time, record] or
// [[time, metadata], record]; entries are such values one after the other. They stay bytes from
// the socket to the destination: nothing here decodes a record into Go maps.
package event

import (
	"cmp"
	"time"
)

// Time is an event's time: seconds since 1970 UTC and nanoseconds in [0, 1e9).
type Time struct {
	Sec  int64
	Nsec uint32
}

// Event is one event of a chunk. Its slices point into the chunk's Entries and live as long.
type Event struct {
	// Chunk is the chunk it came in: cluster, tag, id.
	Chunk *Chunk
	// Pos is its position in Chunk, counted in events.
	Pos  int
	Time Time
	// Metadata is a msgpack map, nil where the entry had none.
	Metadata []byte
	// Group is the group-start entry in force (Fluent Bit's OTLP groups), nil outside a group.
	Group []byte
	// Record is a msgpack map.
	Record []byte
	// Tag is as it is delivered, where a filter has changed it; "": the chunk's.
	Tag string
	// Joined tells one that stands for several from others that begin with the same; 0: it stands for itself.
	Joined uint64

	// part is where Iterator found the event's part: a hint for AppendID.
	part place
}

// DeliveredTag returns the tag that documents, names and messages have: the chunk's, unless a filter has changed it,
// now or before the event was stored again.
func (ev *Event) DeliveredTag() string { return cmp.Or(ev.Tag, ev.Chunk.NewTag, ev.Chunk.Tag) }

// SameOrigin reports whether what depends on no more than cluster and tag is the same for both events.
func (ev *Event) SameOrigin(other *Event) bool { return ev.Chunk == other.Chunk && ev.Tag == other.Tag }

// Chunk is entries of one cluster and one tag as the queue hands them to an output: the unit of
// storage and of delivery. Entries holds Events well-formed events, uncompressed, and possibly
// group markers, which are not counted.
type Chunk struct {
	// Seq is the queue's number, ascending within a cluster.
	Seq     uint64
	Cluster string
	Tag     string
	// Source is who sent it, see Source; "" where that was not to be kept.
	Source string
	// Received is when it was stored.
	Received time.Time
	Events   int
	Entries  []byte
	// Parts is what the chunk was made of, in order; their Events add up to Chunk.Events.
	Parts []Part
	// Returned says that it has dead letters that somebody sends again to this output, whatever the routes say.
	Returned bool
	// Filtered says that its entries are as the filters have left them, which are not asked again.
	Filtered bool
	// NewTag is, of Filtered entries, the tag that the filters have left, where that is another; see DeliveredTag.
	NewTag string
	// Again is true of a chunk whose events may have been sent before: it was found at the start of the program, or
	// somebody gave it back.
	Again bool
}

// Part is the piece of a chunk that came in one message of an agent. Event ids are made of it.
type Part struct {
	// Key is that of PartKeyOfChunk or PartKeyOfSeq: equal for a message and its resend.
	Key [16]byte
	// Chunk is PartKeyOfChunk's, whatever Key is; zero where the message had no chunk id.
	Chunk [16]byte
	// First is the position of the part's first event within the agent's message.
	First  int
	Events int
	// Joined is that of Event, of a part whose events were stored again as the filters have left them.
	Joined uint64
}
