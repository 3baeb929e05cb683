package client

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/tinylib/msgp/msgp"
)

// Mode is the form in which a message carries its entries.
type Mode string

// The forms of the Forward protocol. Compression makes a packed message a compressed one.
const (
	PackedMode  Mode = "packed"  // [tag, bin, option]; the default
	ForwardMode Mode = "forward" // [tag, [entry…], option]
	MessageMode Mode = "message" // [tag, time, record, option]: one entry
)

// Message is entries of one tag on their way to a server.
type Message struct {
	Tag string
	// Entries are Events well-formed entries, one after another; see package event.
	Entries []byte
	Events  int
	// Chunk asks for an ack by this name, "" for none. See NewChunk.
	Chunk string
	Mode  Mode
	// Compress may be "", "gzip" or "zstd"; packed only.
	Compress string
}

// Encoder turns messages into frames. Its zero value is ready; it keeps its compressors for the
// next message. Not for concurrent use.
type Encoder struct {
	gzip   *gzip.Writer
	zstd   *zstd.Encoder
	packed buffer
}

type buffer []byte

func (b *buffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

// Append appends m's frame to dst. It fails on what the protocol can't say: compressed entries
// outside a packed message, a message of other than one entry in message mode.
func (e *Encoder) Append(dst []byte, m *Message) ([]byte, error) {
	if m.Compress != "" && m.Mode != PackedMode && m.Mode != "" {
		return dst, fmt.Errorf("mode %s can't be compressed with %s: only packed can", m.Mode, m.Compress)
	}
	dst = msgp.AppendArrayHeader(dst, 3)
	header := len(dst) - 1
	dst = msgp.AppendString(dst, m.Tag)
	var metadata []byte
	switch m.Mode {
	case PackedMode, "":
		payload, err := e.compress(m)
		if err != nil {
			return dst, err
		}
		dst = msgp.AppendBytes(dst, payload)
	case ForwardMode:
		dst = append(msgp.AppendArrayHeader(dst, uint32(m.Events)), m.Entries...)
	case MessageMode:
		eventTime, meta, record, err := splitEntry(m.Entries)
		if err != nil {
			return dst, fmt.Errorf("mode message: %w", err)
		}
		metadata, dst[header] = meta, 0x94
		dst = append(append(dst, eventTime...), record...)
	default:
		return dst, fmt.Errorf("no mode %q", m.Mode)
	}
	return appendOption(dst, m, metadata), nil
}

// compress returns m's entries as m.Compress wants them, valid until the next call.
func (e *Encoder) compress(m *Message) ([]byte, error) {
	switch m.Compress {
	case "":
		return m.Entries, nil
	case "gzip":
		e.packed = e.packed[:0]
		if e.gzip == nil {
			e.gzip = gzip.NewWriter(&e.packed)
		} else {
			e.gzip.Reset(&e.packed)
		}
		if _, err := e.gzip.Write(m.Entries); err != nil {
			return nil, fmt.Errorf("compressing: %w", err)
		}
		if err := e.gzip.Close(); err != nil {
			return nil, fmt.Errorf("compressing: %w", err)
		}
	case "zstd":
		if e.zstd == nil {
			var err error
			if e.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1)); err != nil {
				return nil, fmt.Errorf("compressing: %w", err)
			}
		}
		e.packed = e.zstd.EncodeAll(m.Entries, e.packed[:0])
	default:
		return nil, fmt.Errorf("no compression %q", m.Compress)
	}
	return e.packed, nil
}

// splitEntry takes the one entry of a message apart; metadata is nil where it has none.
func splitEntry(entry []byte) (eventTime, metadata, record []byte, err error) {
	eventTime, record, err = splitPair(entry)
	if err == nil && msgp.NextType(eventTime) == msgp.ArrayType {
		eventTime, metadata, err = splitPair(eventTime)
	}
	return eventTime, metadata, record, err
}

// splitPair splits an array of two values that fills b.
func splitPair(b []byte) (first, second []byte, err error) {
	if n, body, err := msgp.ReadArrayHeaderBytes(b); err == nil && n == 2 {
		if second, err = msgp.Skip(body); err == nil {
			if rest, err := msgp.Skip(second); err == nil && len(rest) == 0 {
				return body[:len(body)-len(second)], second, nil
			}
		}
	}
	return nil, nil, errors.New("not one entry of time and record")
}

// appendOption appends the option map, in the order of fluentd's: size, compressed, chunk.
func appendOption(dst []byte, m *Message, metadata []byte) []byte {
	size, n := m.Mode != MessageMode, uint32(0)
	for _, there := range [...]bool{size, m.Compress != "", m.Chunk != "", len(metadata) > 0} {
		if there {
			n++
		}
	}
	dst = msgp.AppendMapHeader(dst, n)
	if size {
		dst = msgp.AppendUint(msgp.AppendString(dst, "size"), uint(m.Events))
	}
	if m.Compress != "" {
		dst = msgp.AppendString(msgp.AppendString(dst, "compressed"), m.Compress)
	}
	if m.Chunk != "" {
		dst = msgp.AppendString(msgp.AppendString(dst, "chunk"), m.Chunk)
	}
	if len(metadata) > 0 {
		dst = append(msgp.AppendString(dst, "metadata"), metadata...)
	}
	return dst
}

// NewChunk returns a new chunk id as other clients make them: 16 random bytes in base64.
func NewChunk() string {
	var random [16]byte
	// Never fails.
	_, _ = rand.Read(random[:])
	return base64.StdEncoding.EncodeToString(random[:])
}

// AppendTime appends an EventTime of seconds since 1970 and nanoseconds below 1e9.
func AppendTime(dst []byte, sec, nsec uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(append(dst, 0xd7, 0x00), sec), nsec)
}
