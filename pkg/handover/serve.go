package handover

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

const (
	// groupBytes is how much is stored with one transaction, about.
	groupBytes = 2 << 20
	// overhead is what a message may have besides its entries, in bytes: ids of many parts.
	overhead = 16 << 20
	// replyTimeout is how long a sender may take to read an answer.
	replyTimeout = 10 * time.Second
)

// Receiver takes what other aggregators hand over. Taker, Clusters, Configured and Waits are needed.
type Receiver struct {
	Taker buffer.Taker
	// Clusters are those whose chunks are taken.
	Clusters []string
	// Configured reports whether the output is configured here.
	Configured func(output string) bool
	// Waits is told of each target for which something waits aside since.
	Waits func(buffer.Owing)
	// MaxMessage counts bytes of a chunk's entries at most.
	MaxMessage int
	// Idle is how long a sender may say nothing.
	Idle time.Duration
	Log  zerolog.Logger
}

// Serve takes what comes on conn, whose client has logged in with the key for handovers, until it closes the connection
// or ctx ends. What was not acknowledged by then is sent again, and known where it was stored.
func (r *Receiver) Serve(ctx context.Context, conn net.Conn) error {
	limited := &io.LimitedReader{R: conn}
	in := bufio.NewReaderSize(limited, 64<<10)
	s := &session{Receiver: r, conn: conn, limited: limited, in: in, decoder: msgpack.NewDecoder(in)}
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })()
	err := s.run(ctx)
	if s.begun {
		err = errors.Join(err, r.Taker.RestAdoption(s.queue))
	}
	return err
}

// session is one connection of a sender.
type session struct {
	*Receiver
	conn    net.Conn
	limited *io.LimitedReader
	in      *bufio.Reader
	decoder *msgpack.Decoder

	begun bool
	queue [16]byte
	// chunks are those that are not stored yet.
	chunks  []buffer.Handed
	letters []deadletter.Letter
	bytes   int
	// acks are the acks of these.
	acks []string
	// events counts those that were stored.
	events int64
}

func (s *session) run(ctx context.Context) error {
	for {
		f, err := s.read(ctx)
		if err == nil {
			err = s.take(&f)
		}
		if err == nil && (s.bytes >= groupBytes || s.in.Buffered() == 0 || len(s.chunks) == 0 && len(s.letters) == 0) {
			err = s.store(ctx)
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			s.refuse(err)
			return err
		}
	}
}

// read returns the next message. A message that is cut is io.ErrUnexpectedEOF, the end between two io.EOF.
func (s *session) read(ctx context.Context) (f frame, err error) {
	if ctx.Err() != nil {
		return f, context.Cause(ctx)
	}
	// Fails on a closed connection, as will the read.
	_ = s.conn.SetReadDeadline(time.Now().Add(s.Idle))
	s.limited.N = int64(s.MaxMessage) + overhead
	if _, err = s.in.Peek(1); err != nil {
		return f, err
	}
	err = s.decoder.Decode(&f)
	switch {
	case err != nil && s.limited.N <= 0:
		return f,
			fmt.Errorf("a chunk is larger than max_message_size, %d bytes, of the listener that takes it: raise that",
				s.MaxMessage)
	case err != nil:
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return f, fmt.Errorf("reading a message of the handover: %w", err)
	case f.Tag != Tag:
		return f, fmt.Errorf("%w: its tag is %.60q", errSense, f.Tag)
	case len(f.Entries) > s.MaxMessage:
		return f,
			fmt.Errorf(
				"a chunk of %d bytes is larger than max_message_size, %d, of the listener that takes it: raise that",
				len(f.Entries), s.MaxMessage,
			)
	}
	return f, nil
}

// take takes a message into the group that is to be stored.
func (s *session) take(f *frame) error {
	m := &f.Option.Handover
	if !s.begun && m.Kind != kindBegin {
		return fmt.Errorf("%w: %.20q comes before begin", errSense, m.Kind)
	}
	switch {
	case m.Kind == kindBegin && len(m.Queue) == len(s.queue):
		return s.begin(f.Option.Chunk, m)
	case m.Kind == kindChunk && m.Chunk != nil:
		h, err := m.Chunk.handed(f.Entries)
		if err != nil {
			return err
		}
		if !slices.Contains(s.Clusters, h.Cluster) {
			return fmt.Errorf(
				"chunk %d is of cluster %.100q, which the listener does not take over: name it in its "+
					"handover.clusters", h.Seq, h.Cluster,
			)
		}
		if n := len(s.chunks); n > 0 && s.chunks[n-1].Seq >= h.Seq {
			return fmt.Errorf("%w: chunk %d comes after chunk %d", errSense, h.Seq, s.chunks[n-1].Seq)
		}
		s.chunks = append(s.chunks, h)
	case m.Kind == kindLetter && m.Letter != nil:
		l := m.Letter.letter(f.Entries)
		if !slices.Contains(s.Clusters, l.Cluster) {
			return fmt.Errorf(
				"dead letter %d is of cluster %.100q, which the listener does not take over: name it in its "+
					"handover.clusters", l.ID, l.Cluster,
			)
		}
		s.letters = append(s.letters, l)
	case m.Kind == kindEnd && len(s.chunks)+len(s.letters) == 0:
		s.acks = append(s.acks, f.Option.Chunk)
		s.Log.Info().Int64("events", s.events).Msg("a handover has ended")
		return s.Taker.EndAdoption(s.queue)
	default:
		return fmt.Errorf("%w: kind %.20q", errSense, m.Kind)
	}
	s.bytes += len(f.Entries)
	s.acks = append(s.acks, f.Option.Chunk)
	return nil
}

// begin answers which of the sender's clusters are taken, and which of its outputs are not configured here.
func (s *session) begin(id string, m *message) error {
	if s.begun {
		return fmt.Errorf("%w: it begins twice", errSense)
	}
	s.begun = true
	copy(s.queue[:], m.Queue)
	answer := reply{Ack: id}
	for _, c := range m.Clusters {
		if slices.Contains(s.Clusters, c) {
			answer.Clusters = append(answer.Clusters, c)
		}
	}
	for _, o := range m.Outputs {
		if !s.Configured(o) {
			answer.Unknown = append(answer.Unknown, o)
		}
	}
	s.Log.Info().Strs("clusters", answer.Clusters).Strs("not_configured", answer.Unknown).
		Msg("another aggregator hands over what it holds")
	return s.answer(&answer)
}

// store makes the group durable and then acknowledges it.
func (s *session) store(ctx context.Context) error {
	if len(s.chunks) > 0 {
		if err := s.Taker.Adopt(ctx, s.queue, s.chunks); err != nil {
			return err
		}
		targets := map[buffer.Owing]bool{}
		for i := range s.chunks {
			s.events += int64(s.chunks[i].Events)
			for _, o := range s.chunks[i].Owes {
				if o.Target != "" {
					targets[o] = true
				}
			}
		}
		for o := range targets {
			s.Waits(o)
		}
	}
	if len(s.letters) > 0 {
		if err := s.Taker.AdoptLetters(ctx, s.queue, s.letters); err != nil {
			return err
		}
	}
	clear(s.chunks)
	clear(s.letters)
	s.chunks, s.letters, s.bytes = s.chunks[:0], s.letters[:0], 0
	for _, id := range s.acks {
		if err := s.answer(&reply{Ack: id}); err != nil {
			return err
		}
	}
	s.acks = s.acks[:0]
	return nil
}

func (s *session) answer(r *reply) error {
	b, err := msgpack.Marshal(r)
	if err != nil {
		return err
	}
	// Fails on a closed connection, as will Write.
	_ = s.conn.SetWriteDeadline(time.Now().Add(replyTimeout))
	if _, err = s.conn.Write(b); err != nil {
		return fmt.Errorf("answering a handover: %w", err)
	}
	return nil
}

// refuse tells the sender why the connection ends, if it still reads.
func (s *session) refuse(err error) {
	later := errors.Is(err, buffer.ErrFull) || errors.Is(err, buffer.ErrClosed) || errors.Is(err, context.Canceled)
	// The connection ends either way.
	_ = s.answer(&reply{Error: err.Error(), Later: later})
}
