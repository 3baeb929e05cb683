package forward

import (
	"context"
	"errors"
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

const (
	// pieceSize is how many bytes of entries go to the batch at once, where entries are not larger.
	pieceSize = 1 << 20
	// maxGroup is the largest mark of a group, in bytes, that is repeated in the later pieces of its group.
	maxGroup = 64 << 10
	// entryHeader is what an entry has besides its parts, in bytes.
	entryHeader = 2
	// scratchSize is how many bytes of Message events of one tag are gathered before they go to the batch.
	scratchSize = 64 << 10
	// maxLetter is how many bytes of invalid entries that follow each other are kept in a dead letter; a single
	// entry is kept whole.
	maxLetter = 64 << 10
	// maxLetters is how many dead letters a message may make. Invalid entries after that are counted only.
	maxLetters = 64
)

const (
	ruleInvalid = "invalid"                                                                // invalid entries beyond maxLetters
	reasonCut   = "; more of them followed, only the first of these entries are kept here" // those beyond maxLetter
)

var errCutEntry = refuse(reasonBroken, "the last of the message's entries is cut")

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

// take puts the complete message b into the batch, and its chunk among the acks to be sent once that is stored.
// After an error the batch is without the message.
func (c *conn) take(ctx context.Context, f *frame, b []byte) error {
	if f.form == formNone {
		return nil // nothing to deliver, nothing to ack
	}
	o := readOptions(f.option.of(b))
	if len(o.chunk) > maxChunk {
		return refuse(reasonBroken, "its chunk option has %d bytes; the most is %d", len(o.chunk), maxChunk)
	}
	if c.parting && len(o.chunk) > 0 {
		return c.farewell() // its ack could not be sent any more, so the client will send it again elsewhere
	}
	tag := c.internTag(f.tag.of(b))
	c.tag = tag
	if f.form == formMessage && o.signal == 0 && len(o.chunk) == 0 {
		if err := c.gather(ctx, f, b, tag, o.metadata); err != nil {
			return err
		}
		c.tally.messages[modeMessage]++
		return nil
	}
	if err := c.flush(ctx); err != nil {
		return err
	}
	chunk := string(o.chunk)
	c.begin(tag, chunk)
	before := c.tally.events
	m, err := c.fill(ctx, f, b, o)
	if err != nil {
		c.batch.Abandon()
		c.tally.events = before
		return err
	}
	c.tally.messages[m]++
	if chunk != "" {
		c.acks = append(c.acks, chunk)
	}
	return nil
}

// fill gives what the message begun last carries to the batch.
func (c *conn) fill(ctx context.Context, f *frame, b []byte, o options) (mode, error) {
	second := f.second.of(b)
	m := [...]mode{formMessage: modeMessage, formForward: modeForward, formPacked: modePacked}[f.form]
	switch {
	case o.signal != 0:
		// What it carries is not looked at: one message counts as one event, as there is no telling how many it holds.
		c.tally.events++
		c.batch.Drop(1, signalName(o.signal))
		return m, nil
	case f.form == formMessage:
		third := f.third.of(b)
		if err := c.needScratch(ctx, len(second)+len(o.metadata)+len(third)+entryHeader); err != nil {
			return m, err
		}
		return m, c.wholeEntries(ctx, event.AppendEntry(c.scratch[:0], second, o.metadata, third))
	case f.form == formForward && !f.hasInvalid && len(second) <= pieceSize:
		_, entries, err := event.ReadArrayHeader(second)
		if err != nil {
			return m, refuse(reasonBroken, "its entries: %w", err)
		}
		return m, c.add(ctx, entries, f.events, f.nanos)
	case f.form == formForward:
		_, entries, err := event.ReadArrayHeader(second)
		if err != nil {
			return m, refuse(reasonBroken, "its entries: %w", err)
		}
		return m, c.wholeEntries(ctx, entries)
	}
	switch string(o.compressed) {
	case "", "text":
		return m, c.wholeEntries(ctx, second)
	case "gzip":
		return modeGzip, c.inflate(ctx, second, &c.server.codecs.gzip)
	case "zstd":
		return modeZstd, c.inflate(ctx, second, &c.server.codecs.zstd)
	default:
		return m, refuse(reasonCompression, "its compression %.20q is not known: gzip and zstd are", o.compressed)
	}
}

// wholeEntries is entries for bytes that must end with the end of an entry.
func (c *conn) wholeEntries(ctx context.Context, b []byte) error {
	rest, err := c.entries(ctx, b)
	if err == nil && len(rest) > 0 {
		err = errCutEntry
	}
	return err
}

// entries gives the whole entries of b to the batch, those that are no events as dead letters, and returns what
// follows them: the beginning of an entry.
func (c *conn) entries(ctx context.Context, b []byte) (rest []byte, err error) {
	var (
		e      event.Entry
		run    = b       // entries of one kind that follow each other begin here
		reason string    // why those of the run are invalid, "" for events and marks of groups
		events int       // of the run
		nanos  bool      // of the run
		keep   int       // bytes of the run that a dead letter keeps
		lent   = c.group // the run becomes a chunk of its own, where its first events must find their group
		flush  = func() error {
			entries := run[:len(run)-len(b)]
			switch {
			case len(entries) == 0:
				return nil
			case reason == "" && len(lent) > 0:
				if err := c.makeRoom(ctx, len(lent)+len(entries)); err != nil {
					return err
				}
				return c.add(ctx, slices.Concat(lent, entries), events, nanos)
			case reason == "":
				return c.add(ctx, entries, events, nanos)
			case keep < len(entries):
				return c.reject(ctx, entries[:keep], events, reason+reasonCut)
			default:
				return c.reject(ctx, entries, events, reason)
			}
		}
	)
	for len(b) > 0 {
		next, err := event.ReadEntry(b, &e)
		if errors.Is(err, event.ErrTruncated) {
			break
		}
		if err != nil {
			return nil, refuse(reasonBroken, "its entries are not readable as msgpack: %w", err)
		}
		if e.Reason != reason || reason == "" && len(run)-len(b) >= pieceSize {
			if err = flush(); err != nil {
				return nil, err
			}
			run, reason, events, nanos, keep, lent = b, e.Reason, 0, false, 0, c.group
		}
		switch e.Kind {
		case event.KindGroupStart:
			c.group = nil
			if len(e.Raw) <= maxGroup {
				c.group = slices.Clone(e.Raw)
			}
		case event.KindGroupEnd:
			c.group = nil
		default:
		}
		if e.Kind == event.KindEvent || e.Kind == event.KindInvalid {
			events++
			nanos = nanos || e.Nanos
		}
		b = next
		if size := len(run) - len(b); keep == 0 || size <= maxLetter {
			keep = size
		}
	}
	return b, flush()
}

// add gives well-formed entries to the batch, which they find room for first.
func (c *conn) add(ctx context.Context, entries []byte, events int, nanos bool) error {
	if len(entries) == 0 {
		return nil
	}
	if err := c.makeRoom(ctx, len(entries)); err != nil {
		return err
	}
	c.batch.Add(entries, events, nanos)
	c.tally.events += uint64(events)
	c.settleRoom()
	return nil
}

// reject gives entries that are no events to the dead letters, as one of them.
func (c *conn) reject(ctx context.Context, raw []byte, events int, reason string) error {
	c.tally.events += uint64(events)
	if c.letters++; c.letters > maxLetters {
		c.batch.Drop(events, ruleInvalid)
		return nil
	}
	if err := c.makeRoom(ctx, len(raw)); err != nil {
		return err
	}
	c.batch.Reject(raw, events, reason)
	c.settleRoom()
	return nil
}

// gather collects the event of a Message that wants no ack: many of one tag, as clients without batches send them,
// become one message of the batch. What is no event goes there alone, to the dead letters.
func (c *conn) gather(ctx context.Context, f *frame, b []byte, tag string, metadata []byte) error {
	second, third := f.second.of(b), f.third.of(b)
	size := len(second) + len(metadata) + len(third) + entryHeader
	if len(c.gathered) > 0 && (c.gatherTag != tag || len(c.gathered)+size > len(c.scratch)) {
		if err := c.flush(ctx); err != nil {
			return err
		}
	}
	if err := c.needScratch(ctx, size); err != nil {
		return err
	}
	start := len(c.gathered)
	entry := event.AppendEntry(c.scratch[:start], second, metadata, third)[start:]
	var e event.Entry
	if _, err := event.ReadEntry(entry, &e); err != nil {
		return refuse(reasonBroken, "its event is not readable as msgpack: %w", err)
	}
	if e.Kind == event.KindEvent {
		c.gathered, c.gatherTag = c.scratch[:start+len(entry)], tag
		c.gatherEvents++
		c.gatherNanos = c.gatherNanos || e.Nanos
		return nil
	}
	if err := c.flush(ctx); err != nil {
		return err
	}
	c.begin(tag, "")
	err := c.wholeEntries(ctx, entry)
	if err != nil {
		c.batch.Abandon()
	}
	return err
}

// flush gives the gathered events to the batch.
func (c *conn) flush(ctx context.Context) error {
	if len(c.gathered) == 0 {
		return nil
	}
	c.begin(c.gatherTag, "")
	err := c.add(ctx, c.gathered, c.gatherEvents, c.gatherNanos)
	if err != nil {
		c.batch.Abandon()
	}
	c.gathered, c.gatherEvents, c.gatherNanos = nil, 0, false
	return err
}

// begin begins a message of the batch.
func (c *conn) begin(tag, chunk string) {
	if c.batch == nil {
		c.batch = c.server.opts.Sink.NewBatch(c.id)
		address := ""
		if c.source.IsValid() {
			address = c.source.Addr().Unmap().String()
		}
		c.batch.From(address, c.hostname)
	}
	c.batch.Begin(c.cluster, tag, chunk)
	c.letters, c.group = 0, nil
}

// internTag returns tag as a string, the one of the message before if it is the same.
func (c *conn) internTag(tag []byte) string {
	if string(tag) == c.tag {
		return c.tag
	}
	return string(tag)
}
