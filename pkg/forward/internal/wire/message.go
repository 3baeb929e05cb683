package wire

import (
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/refusal"
)

// Mode is a message's form and compression as the counters know it.
type Mode uint8

// The modes, and how many there are.
const (
	ModeMessage Mode = iota
	ModeForward
	ModePacked
	ModeGzip
	ModeZstd
	ModeCount
)

func (m Mode) String() string {
	return [ModeCount]string{"message", "forward", "packed", "gzip", "zstd"}[m]
}

// Options are what matters of a message's option map. Their slices are parts of the message.
type Options struct {
	// Chunk may be empty: no ack is wanted.
	Chunk      []byte
	Compressed []byte
	// Signal may be 0: logs.
	Signal int64
	// Metadata is a map, of a Message's event.
	Metadata []byte
}

// readOptions takes what it knows from b, a whole msgpack value. Anything unknown or odd is passed over, a b that is
// no map altogether.
func readOptions(b []byte) (o Options) {
	if len(b) == 0 {
		return o
	}
	n, b, err := event.ReadMapHeader(b)
	for ; n > 0 && err == nil; n-- {
		var key, value, rest []byte
		if key, rest, err = event.ReadBytes(b); err != nil {
			if rest, err = event.Skip(b); err != nil {
				return o
			}
		}
		if b, err = event.Skip(rest); err != nil {
			return o
		}
		value = rest[:len(rest)-len(b)]
		switch string(key) {
		case "chunk":
			o.Chunk, _, _ = event.ReadBytes(value)
		case "compressed":
			if o.Compressed, _, err = event.ReadBytes(value); err != nil && event.TypeOf(value[0]) != event.TypeNil {
				// No name that is known.
				o.Compressed = value
			}
			err = nil
		case "fluent_signal":
			o.Signal, _, _ = event.ReadInt(value)
		case "metadata":
			if event.TypeOf(value[0]) == event.TypeMap {
				o.Metadata = value
			}
		}
	}
	return o
}

// SignalName names what a message carries instead of logs, as a rule that drops it.
func SignalName(signal int64) string {
	switch signal {
	case 1:
		return "metrics"
	case 2:
		return "traces"
	case 3:
		return "blobs"
	case 4:
		return "profiles"
	default:
		return "signal_other"
	}
}

// Message is a complete message. Its slices are parts of the message's bytes.
type Message struct {
	Options

	Form               Form
	Tag, Second, Third []byte
	// Of FormForward: its entries that are no group markers, whether one of them has a fraction of a second, and
	// whether one of them is no event.
	Events            int
	Nanos, HasInvalid bool
}

// NewMessage returns the complete message b that f has read.
func NewMessage(f *Frame, b []byte) (m Message, err error) {
	m = Message{Form: f.form, Events: f.events, Nanos: f.nanos, HasInvalid: f.hasInvalid}
	if m.Form == FormNone {
		// Nothing to deliver, nothing to ack.
		return m, nil
	}
	m.Options = readOptions(f.option.of(b))
	if len(m.Chunk) > maxChunk {
		return m, refusal.New(refusal.Broken, "its chunk option has %d bytes; the most is %d", len(m.Chunk), maxChunk)
	}
	m.Tag, m.Second, m.Third = f.tag.of(b), f.second.of(b), f.third.of(b)
	return m, nil
}

// Mode returns m's form as the counters know it. Compression is told by what inflates it.
func (m *Message) Mode() Mode {
	return [...]Mode{FormMessage: ModeMessage, FormForward: ModeForward, FormPacked: ModePacked}[m.Form]
}

// WantsAck reports whether its client waits for an ack.
func (m *Message) WantsAck() bool { return len(m.Chunk) > 0 }

// entryHeader is what an entry has besides its parts, in bytes.
const entryHeader = 2

// EntrySize returns how many bytes the entry of a Message takes.
func (m *Message) EntrySize() int {
	return len(m.Second) + len(m.Metadata) + len(m.Third) + entryHeader
}
