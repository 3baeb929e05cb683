package forward

import (
	"context"
	"errors"
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/refusal"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/wire"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
)

const (
	// pieceSize is how many bytes of entries go to the batch at once, where entries are not larger.
	pieceSize = 1 << 20
	// maxGroup is the largest mark of a group, in bytes, that is repeated in the later pieces of its group.
	maxGroup = 64 << 10
	// scratchSize is how many bytes of Message events of one tag are gathered before they go to the batch.
	scratchSize = 64 << 10
	// maxDeadLetter is how many bytes of invalid entries that follow each other are kept in a dead letter; a single
	// entry is kept whole.
	maxDeadLetter = 64 << 10
	// maxDeadLetters is how many dead letters a message may make. Invalid entries after that are counted only.
	maxDeadLetters = 64
)

const (
	// ruleInvalid drops invalid entries beyond maxDeadLetters.
	ruleInvalid = "invalid"
	// cutNote tells of those beyond maxDeadLetter.
	cutNote = "; more of them followed, only the first of these entries are kept here"
)

var errCutEntry = refusal.New(refusal.Broken, "the last of the message's entries is cut")

// origin is who sends what an assembler gets.
type origin struct {
	// conn is the connection's id.
	conn    uint64
	cluster string
	// address and hostname are "" where it has none, or claimed none.
	address, hostname string
}

// assembler makes a batch for the Sink of complete messages, and keeps within the Budget what the batch holds. For one
// goroutine.
type assembler struct {
	from            origin
	sink            ingest.Sink
	mem             *ingest.Reservation
	codecs          *codecs
	maxDecompressed func() int64

	// batch may be nil while idle.
	batch ingest.Batch
	// held is what is charged for batch.
	held int64
	// deadLetters counts those of the message begun last.
	deadLetters int
	// group is the group start that its next entries belong to, nil outside a group.
	group []byte
	// tag is that of the last message.
	tag string
	// acks are chunks whose acks are due once the batch is stored, in order.
	acks []string
	// counts is what the batch holds.
	counts counts
	gather gathering
}

// gathering is events of Messages of one tag that want no ack and are not in the batch yet.
type gathering struct {
	// scratch is room for entries made of Messages; nil while idle.
	scratch []byte
	// bytes are the first part of scratch.
	bytes  []byte
	tag    string
	events int
	nanos  bool
}

// add puts m into the batch, and its chunk among the acks to be sent once that is stored. After an error the batch is
// without m.
func (a *assembler) add(ctx context.Context, m *wire.Message) error {
	if m.Form == wire.FormNone {
		return nil
	}
	tag := a.internTag(m.Tag)
	a.tag = tag
	if m.Form == wire.FormMessage && m.Signal == 0 && !m.WantsAck() {
		if err := a.addEvent(ctx, m, tag); err != nil {
			return err
		}
		a.counts.messages[wire.ModeMessage]++
		return nil
	}
	if err := a.flush(ctx); err != nil {
		return err
	}
	chunk := string(m.Chunk)
	a.begin(tag, chunk)
	mode, err := a.fill(ctx, m)
	if err != nil {
		a.batch.Abandon()
		return err
	}
	a.counts.messages[mode]++
	if chunk != "" {
		a.acks = append(a.acks, chunk)
	}
	return nil
}

// fill gives what the message begun last carries to the batch.
func (a *assembler) fill(ctx context.Context, m *wire.Message) (wire.Mode, error) {
	switch {
	case m.Signal != 0:
		// What it carries is not looked at: one message counts as one event, as there is no telling how many it holds.
		a.batch.Drop(1, wire.SignalName(m.Signal))
		return m.Mode(), nil
	case m.Form == wire.FormMessage:
		if err := a.needScratch(ctx, m.EntrySize()); err != nil {
			return m.Mode(), err
		}
		entry := event.AppendEntry(a.gather.scratch[:0], m.Second, m.Metadata, m.Third)
		return m.Mode(), a.wholeEntries(ctx, entry)
	case m.Form == wire.FormForward:
		_, entries, err := event.ReadArrayHeader(m.Second)
		switch {
		case err != nil:
			err = refusal.New(refusal.Broken, "its entries: %w", err)
		case !m.HasInvalid && len(m.Second) <= pieceSize:
			err = a.addEntries(ctx, entries, m.Events, m.Nanos)
		default:
			err = a.wholeEntries(ctx, entries)
		}
		return m.Mode(), err
	}
	switch string(m.Compressed) {
	case "", "text":
		return m.Mode(), a.wholeEntries(ctx, m.Second)
	case "gzip":
		return wire.ModeGzip, a.inflate(ctx, m.Second, &a.codecs.gzip)
	case "zstd":
		return wire.ModeZstd, a.inflate(ctx, m.Second, &a.codecs.zstd)
	default:
		return m.Mode(), refusal.New(refusal.Compression,
			"its compression %.20q is not known: gzip and zstd are", m.Compressed)
	}
}

// wholeEntries is entries for bytes that must end with the end of an entry.
func (a *assembler) wholeEntries(ctx context.Context, b []byte) error {
	rest, err := a.entries(ctx, b)
	if err == nil && len(rest) > 0 {
		err = errCutEntry
	}
	return err
}

// entries gives the whole entries of b to the batch, those that are no events as dead letters, and returns what
// follows them: the beginning of an entry.
func (a *assembler) entries(ctx context.Context, b []byte) (rest []byte, err error) {
	var (
		e event.Entry
		// run begins with entries of one kind that follow each other.
		run = b
		// reason is why those of the run are invalid, "" for events and marks of groups.
		reason string
		// events is that of the run.
		events int
		// nanos is that of the run.
		nanos bool
		// keep is how many bytes of the run that a dead letter keeps.
		keep int
		// lent is the run becomes a chunk of its own, where its first events must find their group.
		lent  = a.group
		flush = func() error {
			entries := run[:len(run)-len(b)]
			switch {
			case len(entries) == 0:
				return nil
			case reason == "" && len(lent) > 0:
				if err := a.makeRoom(ctx, len(lent)+len(entries)); err != nil {
					return err
				}
				return a.addEntries(ctx, slices.Concat(lent, entries), events, nanos)
			case reason == "":
				return a.addEntries(ctx, entries, events, nanos)
			case keep < len(entries):
				return a.reject(ctx, entries[:keep], events, reason+cutNote)
			default:
				return a.reject(ctx, entries, events, reason)
			}
		}
	)
	for len(b) > 0 {
		next, err := event.ReadEntry(b, &e)
		if err != nil && errors.Is(err, event.ErrTruncated) {
			break
		}
		if err != nil {
			return nil, refusal.New(refusal.Broken, "its entries are not readable as msgpack: %w", err)
		}
		if e.Reason != reason || reason == "" && len(run)-len(b) >= pieceSize {
			if err = flush(); err != nil {
				return nil, err
			}
			run, reason, events, nanos, keep, lent = b, e.Reason, 0, false, 0, a.group
		}
		switch e.Kind {
		case event.KindGroupStart:
			a.group = nil
			if len(e.Raw) <= maxGroup {
				a.group = slices.Clone(e.Raw)
			}
		case event.KindGroupEnd:
			a.group = nil
		default:
		}
		if e.Kind == event.KindEvent || e.Kind == event.KindInvalid {
			events++
			nanos = nanos || e.Nanos
		}
		b = next
		if size := len(run) - len(b); keep == 0 || size <= maxDeadLetter {
			keep = size
		}
	}
	return b, flush()
}

// addEntries gives well-formed entries to the batch, which they find room for first.
func (a *assembler) addEntries(ctx context.Context, entries []byte, events int, nanos bool) error {
	if len(entries) == 0 {
		return nil
	}
	if err := a.makeRoom(ctx, len(entries)); err != nil {
		return err
	}
	a.batch.Add(entries, events, nanos)
	a.settleRoom()
	return nil
}

// reject gives entries that are no events to the dead letters, as one of them.
func (a *assembler) reject(ctx context.Context, raw []byte, events int, reason string) error {
	if a.deadLetters++; a.deadLetters > maxDeadLetters {
		a.batch.Drop(events, ruleInvalid)
		return nil
	}
	if err := a.makeRoom(ctx, len(raw)); err != nil {
		return err
	}
	a.batch.Reject(raw, events, reason)
	a.settleRoom()
	return nil
}

// addEvent gathers the event of a Message that wants no ack: many of one tag, as clients without batches send them,
// become one message of the batch. What is no event goes there alone, to the dead letters.
func (a *assembler) addEvent(ctx context.Context, m *wire.Message, tag string) error {
	g, size := &a.gather, m.EntrySize()
	if len(g.bytes) > 0 && (g.tag != tag || len(g.bytes)+size > len(g.scratch)) {
		if err := a.flush(ctx); err != nil {
			return err
		}
	}
	if err := a.needScratch(ctx, size); err != nil {
		return err
	}
	start := len(g.bytes)
	entry := event.AppendEntry(g.scratch[:start], m.Second, m.Metadata, m.Third)[start:]
	var e event.Entry
	if _, err := event.ReadEntry(entry, &e); err != nil {
		return refusal.New(refusal.Broken, "its event is not readable as msgpack: %w", err)
	}
	if e.Kind == event.KindEvent {
		g.bytes, g.tag = g.scratch[:start+len(entry)], tag
		g.events++
		g.nanos = g.nanos || e.Nanos
		return nil
	}
	if err := a.flush(ctx); err != nil {
		return err
	}
	a.begin(tag, "")
	err := a.wholeEntries(ctx, entry)
	if err != nil {
		a.batch.Abandon()
	}
	return err
}

// flush gives the gathered events to the batch.
func (a *assembler) flush(ctx context.Context) error {
	g := &a.gather
	if len(g.bytes) == 0 {
		return nil
	}
	a.begin(g.tag, "")
	err := a.addEntries(ctx, g.bytes, g.events, g.nanos)
	if err != nil {
		a.batch.Abandon()
	}
	*g = gathering{scratch: g.scratch}
	return err
}

// begin begins a message of the batch.
func (a *assembler) begin(tag, chunk string) {
	if a.batch == nil {
		a.batch = a.sink.NewBatch(a.from.conn)
		a.batch.From(a.from.address, a.from.hostname)
	}
	a.batch.Begin(a.from.cluster, tag, chunk)
	a.deadLetters, a.group = 0, nil
}

// internTag returns tag as a string, the one of the message before if it is the same.
func (a *assembler) internTag(tag []byte) string {
	if string(tag) == a.tag {
		return a.tag
	}
	return string(tag)
}

// empty reports whether there is nothing to store.
func (a *assembler) empty() bool { return a.batch == nil || a.counts.empty() }

// full reports whether the batch is to be stored before another message is added.
func (a *assembler) full() bool { return len(a.acks) >= maxAcks || a.held >= maxBatch }

// idle reports whether there is no batch, and so nothing is held for one.
func (a *assembler) idle() bool { return a.batch == nil }

// holds returns how many bytes of the Budget the batch and the scratch take.
func (a *assembler) holds() int64 { return a.held + int64(len(a.gather.scratch)) }

// trim gives back a scratch that a large event has left.
func (a *assembler) trim() {
	if len(a.gather.scratch) > keepBuffer {
		a.mem.Free(a.gather.scratch)
		a.gather = gathering{}
	}
}

// reset gives everything back. What is in the batch is not stored.
func (a *assembler) reset() {
	a.mem.Free(a.gather.scratch)
	a.gather = gathering{}
	if a.batch != nil {
		a.batch.Reset()
		a.batch = nil
	}
	a.mem.Release(a.held)
	a.held = 0
}

// acquire charges n bytes for a complete message, waiting for room.
func (a *assembler) acquire(ctx context.Context, n int64) error {
	return memoryError(a.mem.Acquire(ctx, ingest.ToStore, n))
}

// needScratch makes room for size bytes behind what is gathered.
func (a *assembler) needScratch(ctx context.Context, size int) error {
	g := &a.gather
	if len(g.bytes)+size <= len(g.scratch) {
		return nil
	}
	// Only an event larger than the scratch comes here with one, and then nothing is gathered.
	a.mem.Free(g.scratch)
	g.scratch = nil
	buf, err := takeBuffer(ctx, a.mem, ingest.ToStore, max(size, scratchSize))
	g.scratch = buf
	return err
}

// makeRoom finds room for n bytes more in the batch, before they are given to it.
func (a *assembler) makeRoom(ctx context.Context, n int) error {
	want := int64(a.batch.Size()+n) - a.held
	if want <= 0 {
		return nil
	}
	if err := a.acquire(ctx, want); err != nil {
		return err
	}
	a.held += want
	return nil
}

// settleRoom charges what the batch has really come to hold.
func (a *assembler) settleRoom() {
	switch over := a.held - int64(a.batch.Size()); {
	case over < 0:
		a.mem.Overdraw(-over)
		a.held -= over
	case over > pieceSize:
		a.mem.Release(over)
		a.held -= over
	}
}
