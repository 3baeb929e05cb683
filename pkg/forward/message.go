package forward

import "github.com/seed-afc6a195/aggregator/pkg/event"

// mode is a message's form and compression as the counters know it.
type mode uint8

const (
	modeMessage mode = iota
	modeForward
	modePacked
	modeGzip
	modeZstd
	modeCount
)

func (m mode) String() string {
	return [modeCount]string{"message", "forward", "packed", "gzip", "zstd"}[m]
}

// options are what matters of a message's option map. Their slices are parts of the message.
type options struct {
	chunk      []byte // empty: no ack is wanted
	compressed []byte
	signal     int64  // 0: logs
	metadata   []byte // a map, of a Message's event
}

// readOptions takes what it knows from b, a whole msgpack value. Anything unknown or odd is passed over, a b that is
// no map altogether.
func readOptions(b []byte) (o options) {
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
			o.chunk, _, _ = event.ReadBytes(value)
		case "compressed":
			if o.compressed, _, err = event.ReadBytes(value); err != nil && event.TypeOf(value[0]) != event.TypeNil {
				o.compressed = value // no name that is known
			}
			err = nil
		case "fluent_signal":
			o.signal, _, _ = event.ReadInt(value)
		case "metadata":
			if event.TypeOf(value[0]) == event.TypeMap {
				o.metadata = value
			}
		}
	}
	return o
}

// signalName names what a message carries instead of logs, as a rule that drops it.
func signalName(signal int64) string {
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

// message is a complete message. Its slices are parts of the message's bytes.
type message struct {
	options

	form               form
	tag, second, third []byte
	// Of formForward: its entries that are no group markers, whether one of them has a fraction of a second, and whether
	// one of them is no event.
	events            int
	nanos, hasInvalid bool
}

// newMessage returns the complete message b that f has read.
func newMessage(f *frame, b []byte) (m message, err error) {
	m = message{form: f.form, events: f.events, nanos: f.nanos, hasInvalid: f.hasInvalid}
	if m.form == formNone {
		return m, nil // nothing to deliver, nothing to ack
	}
	m.options = readOptions(f.option.of(b))
	if len(m.chunk) > maxChunk {
		return m, refuse(reasonBroken, "its chunk option has %d bytes; the most is %d", len(m.chunk), maxChunk)
	}
	m.tag, m.second, m.third = f.tag.of(b), f.second.of(b), f.third.of(b)
	return m, nil
}

// mode returns m's form as the counters know it. Compression is told by what inflates it.
func (m *message) mode() mode {
	return [...]mode{formMessage: modeMessage, formForward: modeForward, formPacked: modePacked}[m.form]
}

// wantsAck reports whether its client waits for an ack.
func (m *message) wantsAck() bool { return len(m.chunk) > 0 }

// entrySize returns how many bytes the entry of a Message takes.
func (m *message) entrySize() int {
	return len(m.second) + len(m.metadata) + len(m.third) + entryHeader
}
