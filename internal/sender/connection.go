package sender

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/seed-afc6a195/aggregator/internal/rate"
	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
)

// errStopped ends the wait for acks after StopGrace.
var errStopped = errors.New("stopped before the ack came")

// errUnsure is for what was sent without acks, so that it can't be sent again either.
var errUnsure = errors.New("what was sent may not have arrived")

// connection sends chunks over one connection at a time. Its chunks go round: free, filled by
// produce, ready, written by session, in flight, acked, free.
type connection struct {
	*Sender
	reader  Reader
	encoder client.Encoder
	// tags are those of its chunks, in turn.
	tags []string
	// nextTag is a position in tags.
	nextTag int
	free    chan *chunk
	ready   chan *chunk
	// progress counts chunks done: an outage ends when it grows.
	progress  uint64
	latencies latencies
}

// chunk is one write: a frame or, in message mode, one for each event.
type chunk struct {
	frames []byte
	// parts are the frames, in order.
	parts []part
	// done counts parts that were acked.
	done   int
	events int
	// sent is when it was sent last; zero: never.
	sent    time.Time
	written bool // whole, at least once
}

// part is one frame: where it ends and what its ack says, "" where it wants none.
type part struct {
	end, events int
	id          string
}

// newConnection returns the connection of that number, from 0 on.
func newConnection(s *Sender, number int) *connection {
	// one is filled while the others are in flight.
	n := max(1, s.cfg.Pipeline) + 1
	c := &connection{
		Sender: s, reader: s.source.Reader(), tags: s.cfg.tags(number),
		free: make(chan *chunk, n), ready: make(chan *chunk, n),
	}
	for range n {
		c.free <- &chunk{}
	}
	return c
}

// tags returns the tags of the connection of that number: as in a fleet of agents, each has its own, or a few of its
// own where there are more tags than connections.
func (cfg *Config) tags(connection int) []string {
	if cfg.Tags <= 1 {
		return []string{cfg.Tag}
	}
	var tags []string
	for i := connection % cfg.Tags; i < cfg.Tags; i += max(1, cfg.Connections) {
		tags = append(tags, fmt.Sprintf("%s.%d", cfg.Tag, i))
	}
	return tags
}

// run returns when the source is at its end and all is acked, or nothing more can be done.
func (c *connection) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	produced := make(chan error, 1)
	go func() { produced <- c.produce(ctx) }()
	err := c.deliver(ctx)
	// Nobody takes what produce still makes.
	cancel()
	return errors.Join(err, <-produced)
}

// produce fills chunks until the source's or ctx's end, then closes ready.
func (c *connection) produce(ctx context.Context) error {
	defer close(c.ready)
	for {
		var next *chunk
		select {
		case next = <-c.free:
		case <-ctx.Done():
			return nil
		}
		entries, events, err := c.reader.Next(ctx)
		if events > 0 {
			c.counts.events.Add(uint64(events))
			if err := c.fill(next, entries, events); err != nil {
				return err
			}
			c.counts.chunks.Add(1)
			c.counts.bytes.Add(uint64(len(next.frames)))
			c.ready <- next
		}
		switch {
		case errors.Is(err, io.EOF), err != nil && errors.Is(err, ctx.Err()):
			return nil
		case err != nil:
			return err
		}
	}
}

// fill encodes entries into ch.
func (c *connection) fill(ch *chunk, entries []byte, events int) error {
	*ch = chunk{frames: ch.frames[:0], parts: ch.parts[:0], events: events}
	m := client.Message{
		Tag: c.tags[c.nextTag], Entries: entries, Events: events, Mode: c.cfg.Mode, Compress: c.cfg.Compress,
	}
	c.nextTag = (c.nextTag + 1) % len(c.tags)
	for len(entries) > 0 {
		if m.Mode == client.MessageMode {
			rest, err := msgp.Skip(entries)
			if err != nil {
				return fmt.Errorf("splitting a chunk into messages: %w", err)
			}
			m.Entries, m.Events = entries[:len(entries)-len(rest)], 1
		}
		if c.cfg.Ack {
			m.Chunk = client.NewChunk()
		}
		var err error
		if ch.frames, err = c.encoder.Append(ch.frames, &m); err != nil {
			return err
		}
		ch.parts = append(ch.parts, part{len(ch.frames), m.Events, m.Chunk})
		entries = entries[len(m.Entries):]
	}
	return nil
}

// deliver sends what produce makes, over as many connections as it takes.
func (c *connection) deliver(ctx context.Context) error {
	// What is under way when ctx ends gets a little longer.
	hard, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() {
		if rate.Wait(hard, c.cfg.StopGrace) == nil {
			cancel(errStopped)
		}
	})()
	var (
		again []*chunk
		// since is when the outage began.
		since   time.Time
		delay   time.Duration
		reached uint64 // c.progress at that time: more means that this is another outage
	)
	for {
		agent, err := client.Dial(ctx, c.cfg.Client)
		if err == nil {
			if again, err = c.session(hard, agent, again); err == nil {
				return nil
			}
		}
		retries := ctx.Err() == nil && c.retries(err)
		if since.IsZero() || c.progress > reached {
			since, delay, reached = time.Now(), 50*time.Millisecond, c.progress
			if retries {
				c.outage(err)
			}
		}
		wait := delay/2 + rand.N(delay)
		if !retries || time.Since(since)+wait > c.cfg.RetryTimeout || rate.Wait(ctx, wait) != nil {
			return err
		}
		delay = min(2*delay, 2*time.Second)
	}
}

// retries tells whether a new connection may do better after err.
func (c *connection) retries(err error) bool {
	var certificate *tls.CertificateVerificationError
	var plain tls.RecordHeaderError
	return c.cfg.RetryTimeout > 0 && !errors.Is(err, client.ErrLogin) && !errors.Is(err, errUnsure) &&
		!errors.As(err, &certificate) && !errors.As(err, &plain)
}

// session sends again, then what is ready, and returns nil when all of it is acked, or else what
// has to be sent once more. It closes client.
func (c *connection) session(ctx context.Context, agent *client.Client, again []*chunk) (left []*chunk, err error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	window := make(chan struct{}, max(1, c.cfg.Pipeline))
	inflight := make(chan *chunk, cap(window))
	settled := make(chan struct{})
	go func() {
		defer close(settled)
		for ch := range inflight {
			if ctx.Err() == nil {
				if err := c.settle(ctx, agent, ch); err != nil {
					fail(err)
				}
			}
			if ch.done < len(ch.parts) {
				left = append(left, ch)
			} else {
				c.free <- ch
			}
			<-window
		}
	}()
	unwritten := c.writeAll(ctx, agent, &again, window, inflight)
	close(inflight)
	<-settled
	left = append(left, again...)
	err = cmp.Or(context.Cause(ctx), unwritten)
	if err == nil && !c.cfg.Ack {
		err = c.finish(ctx, agent)
	}
	// What matters was acked, or will be sent again.
	_ = agent.Close()
	return left, err
}

// finish finds out, as far as that goes without acks, whether the server has read everything. One
// that just doesn't close is not held against it.
func (c *connection) finish(ctx context.Context, agent *client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.StopGrace)
	defer cancel()
	if err := agent.Finish(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", errUnsure, err)
	}
	return nil
}

// writeAll writes what is ready, with room in window, and passes it to inflight, until ready is
// closed, a write fails or ctx ends. What it took but did not write stays in again.
func (c *connection) writeAll(
	ctx context.Context, agent *client.Client, again *[]*chunk, window chan<- struct{}, inflight chan<- *chunk,
) error {
	for {
		select {
		case window <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		if len(*again) == 0 {
			select {
			case ch, ok := <-c.ready:
				if !ok {
					return nil
				}
				*again = append(*again, ch)
			case <-ctx.Done():
				return nil
			}
		}
		ch := (*again)[0]
		if err := c.write(ctx, agent, ch); err != nil {
			// Acks may still be on their way: they are read until the connection's end.
			return err
		}
		*again = (*again)[1:]
		inflight <- ch
	}
}

// write writes what of ch was not acked yet.
func (c *connection) write(ctx context.Context, agent *client.Client, ch *chunk) error {
	if !ch.sent.IsZero() {
		c.counts.resent.Add(1)
	}
	from := 0
	if ch.done > 0 {
		from = ch.parts[ch.done-1].end
	}
	ch.sent = time.Now()
	if err := agent.Write(ctx, ch.frames[from:]); err != nil {
		return err
	}
	if !ch.written {
		ch.written = true
		c.counts.sent.Add(uint64(ch.events))
	}
	return nil
}

// settle waits for ch's acks.
func (c *connection) settle(ctx context.Context, agent *client.Client, ch *chunk) error {
	for _, p := range ch.parts[ch.done:] {
		if p.id != "" {
			if err := agent.ReadAck(ctx, p.id); err != nil {
				return err
			}
			c.latencies.add(time.Since(ch.sent))
			c.counts.acked.Add(uint64(p.events))
		}
		ch.done++
	}
	c.progress++
	return nil
}
