package buffer

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// A retry turns letters into chunks for one or more outputs, in portions: first the chunks are on
// disk, then the letters go. The events keep their ids: each letter is a part of its chunk with the
// key and the position that its event's id is made of.
//
// Each part also names its letter, and before a portion the file dead/retry says from which sequence
// number on its chunks will lie. So a start after a crash between the two steps finds the letters
// that are in the queue already and deletes them. The segments of these chunks stay until then.
const (
	retryFile    = "retry"   // in the directory of dead letters: sequence number, CRC-32C
	retryLetters = 1000      // of a portion, at most
	retryBytes   = 1 << 20   // of a portion's entries, about
	retryChunk   = 256 << 10 // of a chunk's entries, about
)

// Retried is what a retry has done so far.
type Retried struct {
	DeadCount                  // that are in the queue again
	Skipped   map[string]int64 // letters that stayed, by the reason
}

// Way is where a dead letter goes that is sent again.
type Way struct {
	Outputs []string
	Routed  bool   // routes' conditions are asked; else all of it goes to Outputs: see event.Chunk.Returned
	Why     string // it stays a dead letter instead
}

// Retry puts the letters that fit the filter and are there at its start back into the queue, for the
// outputs that route names; where it says why not instead, the letter stays. Bytes that are no events
// stay too. It tells after each portion what it has done so far, which stays so after an error.
//
// It never waits for room: ErrFull says that a limit of the queue is reached. ErrBusy: another retry
// or purge runs. Letters refused again while it runs are new letters, which it leaves alone.
func (s *Store) Retry(ctx context.Context, filter Filter, route func(*Letter) Way, progress func(Retried)) (Retried, error) {
	d := s.dead
	done := Retried{Skipped: map[string]int64{}}
	if !d.working.TryLock() {
		return done, ErrBusy
	}
	defer d.working.Unlock()
	if filter.upTo = d.lastID(); filter.upTo == 0 {
		return done, nil
	}
	page := Page{Limit: retryLetters, Bytes: retryBytes}
	for more := true; more; {
		var letters []Letter
		var err error
		if letters, more, err = d.Page(ctx, filter, page); err != nil {
			return done, err
		}
		if len(letters) == 0 {
			break
		}
		page.After = letters[len(letters)-1].ID
		p := portion{s: s, open: map[string]*returning{}}
		for i := range letters {
			if why := p.add(&letters[i], route); why != "" {
				done.Skipped[why]++
			}
		}
		n, err := p.store(ctx)
		done.Letters, done.Events = done.Letters+n.Letters, done.Events+n.Events
		progress(done)
		if err != nil {
			return done, err
		}
	}
	return done, s.dead.forgetRetry()
}

// portion is letters that become chunks together.
type portion struct {
	s      *Store
	open   map[string]*returning // by cluster, tag and outputs
	chunks []*returning          // in the order of their first letters
}

// returning is a chunk in the making.
type returning struct {
	message Message
	entries []byte
	parts   []part
	letters []uint64
}

// add adds l to a chunk, or says why it must stay a dead letter.
func (p *portion) add(l *Letter, route func(*Letter) Way) (why string) {
	events, open, err := l.read()
	if err != nil {
		return err.Error()
	}
	way := route(l)
	if way.Why != "" {
		return way.Why
	}
	flags := byte(partKeyed | partNanos | partLetter)
	if !way.Routed {
		flags |= partSent
	}
	key := strings.Join(append([]string{l.Cluster, l.Tag, string(flags)}, way.Outputs...), "\x00")
	c := p.open[key]
	if c == nil || len(c.entries)+len(l.Entry) > retryChunk {
		c = &returning{message: Message{Cluster: l.Cluster, Tag: l.Tag, Outputs: way.Outputs}}
		p.open[key] = c
		p.chunks = append(p.chunks, c)
	}
	c.entries = append(c.entries, l.Entry...)
	if open { // what follows is not of its group
		c.entries = append(c.entries, event.GroupEnd...)
	}
	from, ok := l.Part()
	if !ok {
		name := "dead letter " + hex.EncodeToString(p.s.queueID[:]) + " " + strconv.FormatUint(l.ID, 10)
		from = event.Part{Key: event.PartKeyOfChunk(l.Cluster, l.Tag, name)}
	}
	c.parts = append(c.parts, part{
		flags: flags, key: from.Key, conn: l.ID, first: from.First, events: events,
	})
	c.letters = append(c.letters, l.ID)
	return ""
}

var (
	errNoEvents = errors.New("their bytes can't be read as events")
	errEmpty    = errors.New("they hold no event")
)

// read returns how many events the letter holds, and whether its entries end within a group.
func (l *Letter) read() (events int, open bool, err error) {
	var e event.Entry
	for rest := l.Entry; len(rest) > 0; {
		if rest, err = event.ReadEntry(rest, &e); err != nil {
			return 0, false, errNoEvents
		}
		switch e.Kind {
		case event.KindEvent:
			events++
		case event.KindGroupStart:
			open = true
		case event.KindGroupEnd:
			open = false
		default:
			return 0, false, errNoEvents
		}
	}
	if events == 0 {
		return 0, false, errEmpty
	}
	return events, open, nil
}

// Readable says whether the letter's bytes are events, and not something that could not be read.
func (l *Letter) Readable() bool {
	_, _, err := l.read()
	return err == nil
}

// Part returns what the letter's event id was made of; false: it has none.
func (l *Letter) Part() (p event.Part, ok bool) {
	key, pos, found := cutLast(l.EventID, '-')
	raw, err := base64.RawURLEncoding.Strict().DecodeString(key)
	if !found || err != nil || len(raw) != len(p.Key) {
		return p, false
	}
	first, err := strconv.ParseUint(pos, 10, 31)
	if err != nil {
		return p, false
	}
	copy(p.Key[:], raw)
	p.First, p.Events = int(first), l.Events
	return p, true
}

// cutLast is strings.Cut at the last sep, since base64url has it too.
func cutLast(text string, sep byte) (before, after string, found bool) {
	i := strings.LastIndexByte(text, sep)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}

// store puts the chunks into the queue, those of a cluster with one commit, and deletes their letters.
func (p *portion) store(ctx context.Context) (done DeadCount, err error) {
	if len(p.chunks) == 0 {
		return done, nil
	}
	s := p.s
	s.mu.Lock()
	next := s.next
	s.mu.Unlock()
	s.keepSegments(next)
	defer s.keepSegments(math.MaxUint64)
	if err := s.dead.noteRetry(next); err != nil {
		return done, err
	}
	clusters := map[string][]*returning{}
	for _, c := range p.chunks {
		clusters[c.message.Cluster] = append(clusters[c.message.Cluster], c)
	}
	for _, cluster := range slices.Sorted(maps.Keys(clusters)) {
		b := &batch{s: s, conn: s.connEpoch, answer: make(chan error, 1), eager: true}
		var letters []uint64
		for _, c := range clusters[cluster] {
			b.addLetters(c.message, c.entries, c.parts)
			letters = append(letters, c.letters...)
		}
		s.dead.forget(letters)
		if err := b.Commit(ctx); err != nil {
			// After a failed write it may be stored nevertheless: then the note stays for the next start.
			if !errors.Is(err, ErrFull) && !errors.Is(err, ErrClosed) && ctx.Err() == nil {
				s.dead.keepNote()
			}
			return done, fmt.Errorf("put dead letters of cluster %s back into the queue: %w", cluster, err)
		}
		var n DeadCount
		failpoint.Pass("retry.committed")
		if err = s.failing("forget"); err == nil {
			n, err = s.dead.remove(context.WithoutCancel(ctx), letters)
		}
		done.Letters, done.Events = done.Letters+n.Letters, done.Events+n.Events
		failpoint.Pass("retry.letters.removed")
		s.dead.mu.Lock()
		s.dead.retried += n.Events
		s.dead.mu.Unlock()
		if err != nil {
			s.dead.keepNote()
			return done, fmt.Errorf("dead letters are in the queue again, but can't be deleted until the next start: %w", err)
		}
	}
	return done, nil
}

// keepSegments has the segments with chunks from next on stay though nobody wants them any more. While a retry's letters are
// not deleted, its chunks must be there: after a crash they say which letters these are.
func (s *Store) keepSegments(next uint64) {
	s.mu.Lock()
	s.keepFrom = next
	s.mu.Unlock()
	s.keep.kick()
}

// retrying says whether an earlier run was ended within a retry.
func (d *DeadLetters) retrying() bool {
	_, err := os.Stat(filepath.Join(d.dir, retryFile))
	return err == nil
}

// noteRetry writes down that chunks of dead letters may follow from the sequence number next on.
// Where an earlier note must stay, it stays.
func (d *DeadLetters) noteRetry(next uint64) error {
	if d.noted {
		return nil
	}
	path := filepath.Join(d.dir, retryFile)
	err := boltfile.WriteSynced(path+".tmp", boltfile.WithSum(binary.LittleEndian.AppendUint64(nil, next)))
	failpoint.Pass("retry.note.written")
	if err == nil {
		err = os.Rename(path+".tmp", path)
	}
	failpoint.Pass("retry.note.renamed")
	if err == nil {
		err = boltfile.SyncDir(d.dir)
	}
	failpoint.Pass("retry.noted")
	if err != nil {
		return fmt.Errorf("note the retry of dead letters: %w", err)
	}
	return nil
}

// keepNote keeps the note until the next start.
func (d *DeadLetters) keepNote() { d.noted = true }

// forgetRetry removes the note, if it need not stay.
func (d *DeadLetters) forgetRetry() error {
	if d.noted {
		return nil
	}
	if err := boltfile.SyncDir(d.dir); err != nil { // files of letters that are gone must not come back after the note is
		return fmt.Errorf("end the retry of dead letters: %w", err)
	}
	if err := os.Remove(filepath.Join(d.dir, retryFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("end the retry of dead letters: %w", err)
	}
	failpoint.Pass("retry.ended")
	return nil
}

// settleRetry deletes the letters that an interrupted retry has put into the queue. It runs at the
// start, before anything is stored. What goes wrong is logged, and tried again at the next start.
func (s *Store) settleRetry() {
	b, err := os.ReadFile(filepath.Join(s.dead.dir, retryFile))
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	from := uint64(0) // where the note can't be read: all chunks are looked through
	if err == nil {
		if b, err = boltfile.VerifySum(b); err == nil && len(b) == 8 {
			from = binary.LittleEndian.Uint64(b)
		}
	}
	letters, err := s.lettersFrom(from)
	var n DeadCount
	if err == nil {
		n, err = s.dead.remove(context.Background(), letters)
		failpoint.Pass("retry.settled")
	}
	if err == nil {
		err = s.dead.forgetRetry()
	}
	if err != nil {
		s.dead.keepNote()
		s.log.Error().Err(err).Msg("can't end an interrupted retry of dead letters: some of them may be in the queue too")
		return
	}
	s.log.Info().Int64("letters", n.Letters).Msg("ended an interrupted retry of dead letters: what was in the queue already is no dead letter any more")
}

// lettersFrom returns the numbers of the letters that are in chunks from the sequence number on.
func (s *Store) lettersFrom(from uint64) (letters []uint64, err error) {
	var parts []part
	for _, seg := range s.segs {
		if seg.end() <= from || seg.broken {
			continue
		}
		s.load(seg)
		for i := range seg.entries {
			e := &seg.entries[i]
			if seg.first+uint64(e.seq) < from {
				continue
			}
			value, err := readChunk(seg.file.f, e, s.values.get())
			if err == nil {
				var h header
				if h, err = decodeHeader(value, parts); err == nil {
					parts = h.parts
				}
			}
			s.values.put(value)
			if errors.Is(err, boltfile.ErrDamaged) {
				parts = nil
				continue // whoever is handed it will tell
			} else if err != nil {
				return nil, err
			}
			for i := range parts {
				if parts[i].flags&partLetter != 0 {
					letters = append(letters, parts[i].conn)
				}
			}
		}
	}
	return letters, nil
}

// returned counts a stored chunk of dead letters. s.mu is held.
func (s *Store) returned(e entry) {
	for _, src := range s.sets[e.set].sources {
		src.lane(e.cluster).returned.add(e.events, e.size)
	}
}
