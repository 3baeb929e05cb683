package disk

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/limits"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// What a process under strace does with a queue, and what it says of it on its standard output, which
// is traced too: so what was promised and what was written stand in one order.

// mark is one line that the process says.
type mark struct {
	Kind   markKind
	ID     string   // of a message
	Names  []string // of events
	Output string
}

type markKind string

const (
	markBegun     markKind = "begun"     // the message ID with these events is about to be stored
	markAcked     markKind = "acked"     // it is stored
	markDelivered markKind = "delivered" // Done is about to be called for the events, for Output
	markBury      markKind = "bury"      // the events are about to become dead letters
	markBuried    markKind = "buried"    // they are
	markRetry     markKind = "retry"     // dead letters are about to go back into the queue
	markGone      markKind = "gone"      // dead letters are about to be deleted or evicted
)

// An event is named by all that is to be known of it: kind, round, connection, message, position and
// size of its text, so that whoever finds it can report whether it is as it was.
type eventName struct {
	kind                         string // e: event; x: refused at the door; l: refused by an output
	round, conn, msg, pos, bytes int
}

func (n eventName) String() string {
	return fmt.Sprintf("%s.%d.%d.%d.%d.%d", n.kind, n.round, n.conn, n.msg, n.pos, n.bytes)
}

func parseEventName(s string) (n eventName, err error) {
	f := strings.Split(s, ".")
	if len(f) != 6 {
		return n, fmt.Errorf("no name of an event: %.60q", s)
	}
	n.kind = f[0]
	for i, p := range [...]*int{&n.round, &n.conn, &n.msg, &n.pos, &n.bytes} {
		v, aerr := strconv.Atoi(f[i+1])
		err = errors.Join(err, aerr)
		*p = v
	}
	return n, err
}

func (n eventName) cluster() string { return fmt.Sprint("c", n.conn%2) }
func (n eventName) tag() string     { return fmt.Sprint("t", n.conn) }
func (n eventName) message() string { return fmt.Sprintf("m.%d.%d.%d", n.round, n.conn, n.msg) }

// entry returns the event's bytes.
func (n eventName) entry() []byte {
	name := n.String()
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	record := append([]byte{0x82, 0xa1, 'n', 0xd9, byte(len(name))}, name...)
	record = binary.BigEndian.AppendUint32(append(record, 0xa1, 'p', 0xc6), uint32(n.bytes))
	record = append(record, text(n.bytes, h.Sum64())...)
	return event.AppendEntry(nil, event.AppendTime(nil, event.Time{Sec: 1_800_000_000, Nsec: 1}), nil, record)
}

// eventNames returns the names of the events in entries, each of which must be as it was made.
func eventNames(entries []byte) (names []string, err error) {
	var e event.Entry
	for rest := entries; len(rest) > 0; {
		if rest, err = event.ReadEntry(rest, &e); err != nil {
			return names, err
		}
		const at = 5 // see eventName.entry
		if len(e.Record) < at || len(e.Record) < at+int(e.Record[4]) {
			return names, fmt.Errorf("no event of this test: %.60q", e.Raw)
		}
		n, err := parseEventName(string(e.Record[at : at+int(e.Record[4])]))
		if err != nil {
			return names, err
		}
		if !bytes.Equal(n.entry(), e.Raw) {
			return names, fmt.Errorf("event %s is not as it was", n)
		}
		names = append(names, n.String())
	}
	return names, nil
}

// outputsOf returns who wants a message.
func outputsOf(msg int) []string {
	if msg%3 == 0 {
		return bothOutputs[:]
	}
	return bothOutputs[:1]
}

var bothOutputs = [...]string{"o", "p"}

// message returns the message that the named events make.
func messageOf(names []string, conn uint64) (m message1, events, refused []eventName, err error) {
	for _, s := range names {
		n, err := parseEventName(s)
		if err != nil {
			return m, nil, nil, err
		}
		m = message1{conn: conn, cluster: n.cluster(), tag: n.tag(), chunk: n.message(), outputs: outputsOf(n.msg)}
		if n.kind == "x" {
			refused = append(refused, n)
		} else {
			events = append(events, n)
		}
	}
	return m, events, refused, nil
}

// beginNamed returns the batch of the message that the named events make.
func beginNamed(s *Queue, names []string, conn uint64) (buffer.Batch, error) {
	m, events, refused, err := messageOf(names, conn)
	if err != nil {
		return nil, err
	}
	b := s.NewBatch(m.conn)
	b.Begin(buffer.Message{Cluster: m.cluster, Tag: m.tag, Chunk: m.chunk, Outputs: m.outputs})
	for _, n := range events {
		b.Add(n.entry(), 1, true)
	}
	for _, n := range refused {
		b.Reject(n.entry(), 1, "invalid_entry")
	}
	return b, nil
}

// namedLetter returns the dead letter of the event.
func namedLetter(n eventName) deadletter.Letter {
	ev := event.Event{
		Chunk: &event.Chunk{
			Parts: []event.Part{{Key: event.PartKeyOfChunk(n.cluster(), n.tag(), n.String()), Events: 1}},
		},
	}
	return deadletter.Letter{
		Cluster: n.cluster(), Tag: n.tag(), Output: "o", Reason: "rejected", Events: 1,
		EventID: string(ev.AppendID(nil)), Entry: n.entry(),
	}
}

// lifeOf is what the process needs.
type life struct {
	cfg    buffer.Config
	round  int
	random *rand.Rand
	late   atomic.Int64 // how far its clock is ahead
	mu     sync.Mutex
	s      *Queue
}

const (
	lifeDir     = "AGG_LIFE_DIR"
	lifeRound   = "AGG_LIFE_ROUND"
	lifeSeed    = "AGG_LIFE_SEED"
	lifeSync    = "AGG_LIFE_SYNC"
	lifeRequeue = "AGG_LIFE_REQUEUE" // "some" or "all": it does nothing but life.requeue
)

// lifeConfig is small, so that every kind of file is begun, ended and removed within seconds.
func lifeConfig(dir string) buffer.Config {
	cfg := testConfig(dir)
	cfg.DedupeWindow = 24 * time.Hour
	cfg.SegmentSize = 1200 << 10
	cfg.WhenFull = "reject" // a failed write is told at once, and the process sends again as an agent does
	cfg.DeadLetters = deadletter.Config{MaxSize: 2 << 20}
	return cfg
}

// liveOnce runs in the traced process. What fails is tried a few times; then it goes on without.
func liveOnce() {
	round, err := strconv.Atoi(os.Getenv(lifeRound))
	seed, serr := strconv.ParseUint(os.Getenv(lifeSeed), 10, 64)
	if err := errors.Join(err, serr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	l := &life{cfg: lifeConfig(os.Getenv(lifeDir)), round: round, random: rand.New(rand.NewPCG(seed, uint64(round)))}
	l.cfg.Sync = os.Getenv(lifeSync) != "false"
	if what := os.Getenv(lifeRequeue); what != "" {
		l.requeue(what == "all")
		os.Exit(0)
	}
	if l.open() {
		l.storeAndDeliver()
		l.buryAndRetry()
		l.compact()
		l.forgetLetters()
		l.try("close", l.s.Close)
	}
	if l.open() {
		l.storeOne(7, 0, 1, 300)
		l.storeOne(7, 1, 2, 20_000)
		l.try("close", l.s.Close)
	}
	os.Exit(0)
}

func (l *life) say(m mark) {
	b, err := json.Marshal(m)
	if err == nil {
		l.mu.Lock()
		_, err = os.Stdout.Write(append(b, '\n'))
		l.mu.Unlock()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// try does something until it works, three times at most.
func (l *life) try(what string, f func() error) bool {
	var err error
	for range 3 {
		if err = f(); err == nil {
			return true
		}
		l.late.Add(int64(limits.PollFull)) // it is time for the next try
	}
	fmt.Fprintln(os.Stderr, what+":", err)
	return false
}

func (l *life) open() bool {
	return l.try("open", func() (err error) {
		l.s, err = Open(l.cfg, buffer.Options{
			Log: zerolog.New(os.Stderr).Level(zerolog.ErrorLevel),
			Now: func() time.Time { return time.Now().Add(time.Duration(l.late.Load())) },
		})
		return err
	})
}

// storeAndDeliver stores over three connections at a time while an output keeps up, more or less.
func (l *life) storeAndDeliver() {
	stop := make(chan struct{})
	var delivery, agents sync.WaitGroup
	delivery.Go(func() {
		for last := false; !last; {
			select {
			case <-stop:
				last = true
			default:
			}
			l.deliver("o", func([]string) bool { return true })
		}
	})
	for conn := range 3 {
		r := rand.New(rand.NewPCG(l.random.Uint64(), 0))
		agents.Go(func() {
			for i := range 6 {
				sizes := [...]int{40, 2_000, 18_000, 60_000}
				pos, size := 1+r.IntN(3), sizes[r.IntN(len(sizes))]
				if conn == 2 && i == 4 { // more than a transaction takes
					pos, size = 7, 180_000
				}
				l.storeOne(conn, i, pos, size)
			}
		})
	}
	agents.Wait()
	// A segment that is full, and of which compact leaves the first chunk; and one of which nothing is left.
	l.storeOne(3, 0, 1, 40)
	for i := range 27 {
		if i%3 != 0 {
			l.storeOne(3, i, 1, 150_000)
		}
	}
	close(stop)
	delivery.Wait()
}

// storeOne stores a message of n events, and sometimes one that is refused.
func (l *life) storeOne(conn, msg, n, size int) {
	var names []string
	for pos := range n {
		names = append(names, eventName{"e", l.round, conn, msg, pos, size}.String())
	}
	if msg%4 == 3 {
		names = append(names, eventName{"x", l.round, conn, msg, n, 100}.String())
	}
	id := eventName{round: l.round, conn: conn, msg: msg}.message()
	if l.try("commit", func() error {
		l.say(mark{Kind: markBegun, ID: id, Names: names})
		b, err := beginNamed(l.s, names, uint64(conn))
		if err != nil {
			return err
		}
		return b.Commit(context.Background())
	}) {
		l.say(mark{Kind: markAcked, ID: id})
	}
}

// deliver delivers what waits for the output, where want says so; the rest is given back.
func (l *life) deliver(output string, want func(names []string) bool) {
	src := l.s.Source(output)
	var back []*event.Chunk
	for {
		c, err := next(l.s, output)
		if errors.Is(err, context.Canceled) {
			break // it came while we gave up
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if c == nil {
			break
		}
		names, err := eventNames(c.Entries)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if !want(names) {
			back = append(back, c)
			continue
		}
		l.say(mark{Kind: markDelivered, Names: names, Output: output})
		src.Done(c)
	}
	for _, c := range back {
		src.Return(c)
	}
}

// requeue puts some letters of a file back into the queue, or in the end all, and starts again twice. It does so in one
// thread, so that strace counts the same calls each time.
func (l *life) requeue(all bool) {
	runtime.LockOSThread()
	if !l.open() {
		return
	}
	for conn := range 2 {
		l.bury(conn, 0)
	}
	l.retry("t0")
	if all {
		l.retry("t1")
	}
	l.try("close", l.s.Close)
	for range 2 {
		if l.open() {
			l.try("close", l.s.Close)
		}
	}
}

func (l *life) buryAndRetry() {
	var wg sync.WaitGroup
	for conn := range 2 {
		wg.Go(func() {
			for i := range 3 {
				l.bury(conn, i)
			}
		})
	}
	wg.Wait()
	l.retry("t0")
	l.try("save", func() error { return l.s.clean.save(false) })
}

// bury has the letters of a message stored.
func (l *life) bury(conn, msg int) {
	var names []string
	var letters []deadletter.Letter
	for pos := range 3 {
		n := eventName{"l", l.round, conn, msg, pos, 28_000}
		names, letters = append(names, n.String()), append(letters, namedLetter(n))
	}
	if l.try("bury", func() error {
		l.say(mark{Kind: markBury, Names: names})
		return l.s.dead.Add(context.Background(), letters)
	}) {
		l.say(mark{Kind: markBuried, Names: names})
	}
}

// retry puts the letters with the tag back into the queue.
func (l *life) retry(tag string) {
	filter := deadletter.Filter{Output: "o", Tag: func(t string) bool { return t == tag }}
	l.say(mark{Kind: markRetry, Names: l.letters(filter)})
	l.try("retry", func() error {
		_, err := buffer.Requeue(context.Background(), l.s, l.s.dead, filter, home, nothing)
		return err
	})
}

// letters returns the names of the letters that fit.
func (l *life) letters(filter deadletter.Filter) (names []string) {
	l.try("list", func() error {
		letters, err := l.s.dead.List(context.Background(), filter, 0, 1000)
		names = nil
		for i := range letters {
			more, nerr := eventNames(letters[i].Entry)
			names, err = append(names, more...), errors.Join(err, nerr)
		}
		return err
	})
	return names
}

// compact delivers nearly everything, so that segments become sparse, and waits until they are small.
func (l *life) compact() {
	l.deliver("o", func(names []string) bool { return !strings.HasPrefix(names[0], "l.") })
	l.deliver("p", func(names []string) bool {
		n, err := parseEventName(names[0])
		return err == nil && n.bytes > 2_000
	})
	l.late.Add(int64(2 * compactAfter))
	sealed(l.s)
	for range 4 {
		l.s.tidy()
	}
	l.try("save", func() error { return l.s.clean.save(false) })
}

func (l *life) forgetLetters() {
	filter := deadletter.Filter{Reason: "invalid_entry"}
	l.say(mark{Kind: markGone, Names: l.letters(filter)})
	l.try("purge", func() error {
		_, err := l.s.dead.Purge(context.Background(), filter, func(deadletter.Count) {})
		return err
	})
	// The oldest file goes: its letters are the oldest.
	all := l.letters(deadletter.Filter{})
	l.say(mark{Kind: markGone, Names: slices.Clone(all)})
	l.s.dead.SetLimits(deadletter.Config{MaxSize: 300 << 10})
}
