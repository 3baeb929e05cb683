package loki

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Fields of the messages of Loki's push API (logproto's PushRequest, StreamAdapter, EntryAdapter and LabelPairAdapter).
const (
	requestStreams = 1
	streamLabels   = 1
	streamEntries  = 2
	entryTime      = 1
	entryLine      = 2
	entryMetadata  = 3
	labelName      = 1
	labelValue     = 2
	timeSeconds    = 1
	timeNanos      = 2
)

// stream is the entries of one stream in a request.
type stream struct {
	labels  string
	entries []entry
}

// entry is a line.
type entry struct {
	// event is its index in the batch.
	event int
	// ns is nanoseconds since 1970.
	ns int64
	// line is not empty.
	line []byte
	// metadata is encoded.
	metadata []byte
}

// appendRequest appends a request of the streams, with their entries in the order in which they came: Loki takes them
// in any order of their times that its limits allow.
func appendRequest(dst []byte, streams []*stream) []byte {
	for _, s := range streams {
		size := protowire.SizeTag(streamLabels) + protowire.SizeBytes(len(s.labels))
		for i := range s.entries {
			size += protowire.SizeTag(streamEntries) + protowire.SizeBytes(s.entries[i].size())
		}
		dst = protowire.AppendVarint(
			protowire.AppendTag(dst, requestStreams, protowire.BytesType),
			uint64(size),
		)
		dst = protowire.AppendString(protowire.AppendTag(dst, streamLabels, protowire.BytesType), s.labels)
		for i := range s.entries {
			e := &s.entries[i]
			dst = protowire.AppendTag(dst, streamEntries, protowire.BytesType)
			dst = protowire.AppendVarint(dst, uint64(e.size()))
			dst = protowire.AppendTag(dst, entryTime, protowire.BytesType)
			dst = protowire.AppendVarint(dst, uint64(e.timeSize()))
			dst = protowire.AppendVarint(protowire.AppendTag(dst, timeSeconds, protowire.VarintType), e.seconds())
			dst = protowire.AppendVarint(protowire.AppendTag(dst, timeNanos, protowire.VarintType), e.nanos())
			dst = protowire.AppendBytes(protowire.AppendTag(dst, entryLine, protowire.BytesType), e.line)
			dst = append(dst, e.metadata...)
		}
	}
	return dst
}

func (e *entry) seconds() uint64 { return uint64(e.ns / 1e9) }

func (e *entry) nanos() uint64 { return uint64(e.ns % 1e9) }

// timeSize returns the bytes of the time, encoded.
func (e *entry) timeSize() int {
	return protowire.SizeTag(
		timeSeconds,
	) + protowire.SizeVarint(
		e.seconds(),
	) + protowire.SizeTag(
		timeNanos,
	) + protowire.SizeVarint(
		e.nanos(),
	)
}

// size returns the bytes of the entry, encoded.
func (e *entry) size() int {
	return protowire.SizeTag(entryTime) + protowire.SizeBytes(e.timeSize()) + protowire.SizeTag(entryLine) +
		protowire.SizeBytes(len(e.line)) + len(e.metadata)
}

// appendMetadata appends the encoded metadata of a line. What has no value is left out.
func appendMetadata(dst []byte, from []pair, ev *event.Event) []byte {
	for _, p := range from {
		value := p.value.Append(nil, ev, nil)
		if len(value) == 0 {
			continue
		}
		var one []byte
		one = protowire.AppendString(protowire.AppendTag(one, labelName, protowire.BytesType), p.name)
		one = protowire.AppendBytes(protowire.AppendTag(one, labelValue, protowire.BytesType), toValid(value))
		dst = protowire.AppendBytes(protowire.AppendTag(dst, entryMetadata, protowire.BytesType), one)
	}
	return dst
}

// timeOf returns the time of ev's line. Loki takes two equal lines of one stream and time for one. So each time is
// moved by a nanosecond for each event before this one in its chunk: by the same for every attempt, whichever events go
// with it. A time that is no finer than milliseconds, which the events of many chunks may have, is moved by the chunk's
// place in the queue too, within the millisecond: those of chunks that follow each other lie far apart.
func timeOf(ev *event.Event) int64 {
	sec, nsec := ev.Time.Sec, int64(ev.Time.Nsec)
	if sec <= 0 || sec > 1<<33 {
		at := ev.Chunk.Received
		if at.IsZero() {
			at = time.Unix(1, 0)
		}
		sec, nsec = at.Unix(), int64(at.Nanosecond())
	}
	const coarse, half = 1_000_000, 500_000
	if nsec%coarse == 0 {
		// The golden ratio's multiples fill a range evenly, however many of them there are.
		const golden = 0x9E3779B97F4A7C15
		room := uint64(coarse - min(ev.Chunk.Events, half))
		nsec += int64(ev.Chunk.Seq * golden >> 32 * room >> 32)
	}
	return sec*1e9 + nsec + int64(ev.Pos%half)
}
