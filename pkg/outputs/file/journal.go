package file

import (
	"encoding/binary"
	"fmt"
	"os"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/intent"
)

// journal is the log of what is done to files, and what it left in doubt when the program ended last. Every batch is in
// it before its first byte is in a file, so what a file holds behind the place of a batch is either
// that batch's or a later one's, which is in the log too. After SIGKILL the log has all that was written to it. A
// power cut may take its end, so a batch that takes the place of another is on disk in the log before it is in the
// file.
//
// Not for concurrent use.
type journal struct {
	log *intent.Log[step]
	// ext ends the files' names, and tells how they are compressed.
	ext    string
	doubts doubts
	// failed is why the log could not be written last; "" when it could.
	failed string
	logger zerolog.Logger
	notify func(notice string)
}

// step is a record of the log: a batch that is to be appended, events of it without a line, or a file that is to be
// renamed.
type step struct {
	kind kind
	path string
	// to is that of a rename.
	to string

	// Of a batch.
	// ext is with how it is compressed.
	ext string
	// offset is where it begins in the file.
	offset int64
	spans  []intent.Span
	// refused are the events without a line, by their places in the batch. In the log they follow the batch: they are
	// found out while it is written.
	refused []intent.Run
}

type kind uint8

const (
	kindBatch kind = iota
	kindRefused
	kindRename
)

func format() intent.Format[step] {
	return intent.Format[step]{
		What: "batches", Name: "aggregator file batches", Append: appendStep, Parse: parseStep, Whole: true,
		Fold: func(steps []step) []step { return replay(steps, nil) },
	}
}

func appendStep(b []byte, s *step) []byte {
	b = append(b, byte(s.kind))
	switch s.kind {
	case kindBatch:
		b = intent.AppendText(intent.AppendText(b, s.path), s.ext)
		b = binary.AppendUvarint(b, uint64(s.offset))
		b = intent.AppendSpans(b, s.spans)
		return intent.AppendRuns(b, s.refused)
	case kindRename:
		return intent.AppendText(intent.AppendText(b, s.path), s.to)
	default:
		return intent.AppendRuns(b, s.refused)
	}
}

func parseStep(b []byte) (s step, ok bool) {
	r := intent.NewReader(b)
	switch s.kind = kind(r.Number()); s.kind {
	case kindBatch:
		s.path, s.ext, s.offset, s.spans, s.refused = r.Text(), r.Text(), int64(r.Number()), r.Spans(), r.Runs()
	case kindRename:
		s.path, s.to = r.Text(), r.Text()
	case kindRefused:
		s.refused = r.Runs()
	default:
		return s, false
	}
	return s, r.Done()
}

// openJournal reads the log at path and puts the batches in it in doubt. An error says that a log that can't be
// relied on can't be removed either.
func openJournal(path, ext string, logger zerolog.Logger, notify func(notice string)) (*journal, error) {
	j := &journal{ext: ext, logger: logger, notify: notify}
	var steps []step
	var err error
	if j.log, steps, err = intent.Open(path, format()); err != nil {
		logger.Warn().Err(err).
			Msg("the log of batches can't be relied on: events in flight when the program ended last may be doubled")
		notify(noticeDamaged)
		steps = nil
	}
	batches := replay(steps, func(path string) bool {
		_, err := os.Lstat(path)
		return err == nil
	})
	if len(batches) > 0 || err != nil {
		if err := j.log.Rewrite(batches); err != nil {
			if err := j.fail(err); err != nil {
				return nil, err
			}
		}
	}
	for i := range batches {
		one := j.doubts.add(&batches[i])
		if one.ext != ext {
			one.lines = &lines{err: errCompression}
		}
	}
	return j, nil
}

// replay returns the batches of steps that may be in files, oldest first, with the names that the files have now. A
// rename without an outcome, which the end of the program came before, has happened where exists says that its new name
// does; a nil exists: all have.
func replay(steps []step, exists func(path string) bool) (batches []step) {
	// last is the last batch, by path.
	last := map[string]int{}
	for i := range steps {
		if steps[i].kind == kindBatch {
			last[steps[i].path] = i
		}
	}
	// Indexes of steps, by offset.
	byPath := map[string][]int{}
	live := make([]bool, len(steps))
	batch := -1
	for i := range steps {
		s := &steps[i]
		switch s.kind {
		case kindBatch:
			kept := before(byPath[s.path], s.offset, func(i int) int64 { return steps[i].offset })
			for _, gone := range byPath[s.path][kept:] {
				live[gone] = false
			}
			byPath[s.path] = append(byPath[s.path][:kept], i)
			live[i] = true
			batch = i
		case kindRefused:
			// Otherwise its batch is too old to be kept.
			if batch >= 0 {
				for _, r := range s.refused {
					steps[batch].refused = intent.AddRun(steps[batch].refused, r.First, r.Count)
				}
			}
		case kindRename:
			if n, later := last[s.path]; exists != nil && (!later || n < i) && !exists(s.to) {
				continue
			}
			for _, moved := range byPath[s.path] {
				steps[moved].path = s.to
			}
			byPath[s.to] = append(byPath[s.to], byPath[s.path]...)
			delete(byPath, s.path)
		}
	}
	for i := range steps {
		if live[i] {
			batches = append(batches, steps[i])
		}
	}
	return batches
}

// before returns how many of the batches, which ascend by offset, begin before offset. What is appended at offset is
// behind these, and in the place of the others.
func before[T any](batches []T, offset int64, begin func(T) int64) int {
	n := len(batches)
	for n > 0 && begin(batches[n-1]) >= offset {
		n--
	}
	return n
}

// batch says that events are to be appended to file, which nobody else writes to meanwhile. After an error they must
// not be.
func (j *journal) batch(file *openFile, spans []intent.Span) error {
	j.doubts.overwrite(file.path, file.size)
	err := j.add(file.overwrites, step{kind: kindBatch, path: file.path, ext: j.ext, offset: file.size, spans: spans})
	failpoint.Pass("file.intents.written")
	if err == nil {
		file.overwrites = false
	}
	return err
}

// refused says that events of the last batch, by their places, have no line. The lines of the events behind them must
// not be written before it returns nil.
func (j *journal) refused(places []intent.Run) error {
	return j.add(true, step{kind: kindRefused, refused: places})
}

// rename says that a file is to be renamed. After an error it must not be.
func (j *journal) rename(from, to string) error {
	err := j.add(false, step{kind: kindRename, path: from, to: to})
	failpoint.Pass("file.rename.written")
	return err
}

// renamed says that the file was renamed.
func (j *journal) renamed(from, to string) { j.doubts.rename(from, to) }

// add adds to the log. Where it can't be written it is emptied, and events are delivered all the same: a crash can
// double them. An error says that it can't be emptied either, so that it may say what does not hold any more.
func (j *journal) add(sync bool, s step) error {
	err := j.log.Add(sync, s)
	if err == nil {
		j.failed = ""
		return nil
	}
	return j.fail(err)
}

func (j *journal) fail(err error) error {
	if text := err.Error(); text != j.failed {
		j.failed = text
		j.logger.Error().Err(err).Msg("the log of batches can't be written: a crash now would double events")
		j.notify(noticeLog)
	}
	if gone := j.log.Discard(); gone != nil {
		return fmt.Errorf("write the log of batches: %w; and remove it: %w", err, gone)
	}
	return nil
}

// doubts is the batches that may be in files although their events are sent again.
type doubts struct {
	index intent.Index[doubt]
	// byPath is ascending by offset.
	byPath map[string][]*doubt
}

// doubt is a batch of an earlier life of the program, or of an Output before this one.
type doubt struct {
	step
	// end is where the next batch begins in the file; 0: none does.
	end int64
	// left counts events that did not come again yet.
	left  int
	lines *lines
}

// add puts a batch in doubt, newer than the others.
func (d *doubts) add(b *step) *doubt {
	if d.byPath == nil {
		d.byPath = map[string][]*doubt{}
	}
	d.overwrite(b.path, b.offset)
	one := &doubt{step: *b, left: intent.Events(b.spans)}
	d.index.Add(one, one.spans)
	d.byPath[b.path] = append(d.byPath[b.path], one)
	return one
}

// overwrite notes that what follows offset in the file at path is another batch's.
func (d *doubts) overwrite(path string, offset int64) {
	all := d.byPath[path]
	kept := before(all, offset, func(one *doubt) int64 { return one.offset })
	for _, one := range all[kept:] {
		d.index.Remove(one, one.spans)
	}
	if kept < len(all) {
		d.byPath[path] = all[:kept]
	}
	if kept > 0 {
		if one := all[kept-1]; one.end == 0 || one.end > offset {
			one.end = offset
			one.readAgain()
		}
	}
}

// rename notes that a file has another name.
func (d *doubts) rename(from, to string) {
	for _, one := range d.byPath[from] {
		one.path = to
	}
	if all, ok := d.byPath[from]; ok {
		d.byPath[to] = append(d.byPath[to], all...)
		delete(d.byPath, from)
	}
}

// remove forgets one.
func (d *doubts) remove(one *doubt) {
	if !d.index.Remove(one, one.spans) {
		return
	}
	all := d.byPath[one.path]
	for i := range all {
		if all[i] != one {
			continue
		}
		if all = append(all[:i], all[i+1:]...); len(all) == 0 {
			delete(d.byPath, one.path)
		} else {
			d.byPath[one.path] = all
		}
		return
	}
}

// place is where an event was to be.
type place struct {
	*doubt
	// n is the events of the batch in front of it.
	n int
}

// about returns where each event may be already, with a nil doubt for nowhere, and a nil slice where that is so
// for all. An event that is in several batches was not in the file of the older ones when it was put into
// the newest, so that alone counts.
func (d *doubts) about(events []event.Event, keys intent.Keys) (about []place) {
	d.index.Each(events, keys, func(i int, one *doubt, n int) {
		if about == nil {
			about = make([]place, len(events))
		}
		if about[i].doubt == one {
			// It is there twice.
			n = unclear
		}
		about[i] = place{one, n}
	})
	return about
}

// unclear is the place of an event that can't be told.
const unclear = -1
