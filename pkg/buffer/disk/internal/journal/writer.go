package journal

import (
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/complaint"
)

// again is after how long a journal that could not be written is tried again.
const again = time.Minute

// Writer has a journal that is opened when it is needed first, and let go of after an error for some time. Not safe for
// concurrent use.
type Writer struct {
	Path string
	// Salt is that of the chunks.
	Salt uint64
	Now  func() time.Time
	Log  zerolog.Logger
	// Failing returns the error that a test wants of an operation.
	Failing func(op string) error
	// Generation is that of what Read has found, for Open.
	Generation uint64

	// open may be nil: it is not.
	open *Journal
	// again is when to try to open it.
	again   time.Time
	trouble complaint.Complaint
}

// Append adds a record with chunks of the segment, which begin with that number, to a journal of size bytes; false: it
// has not, as there is no room, or no journal. Should they be in the file all the same after a crash, they have the
// numbers that they have elsewhere. held: the journal has chunks that are nowhere else.
func (w *Writer) Append(size int64, segment, first uint64, chunks []byte, held bool) bool {
	if w.open == nil && !w.reopen(size, first) || !w.open.Fits(len(chunks)) {
		return false
	}
	err := w.Failing("append")
	if err == nil {
		err = w.open.Append(segment, chunks)
	}
	if err != nil {
		w.fail(err, held)
		return false
	}
	w.trouble.Recovered(w.Log, "the journal can be written again")
	return true
}

// reopen opens the journal, unless that has just failed.
func (w *Writer) reopen(size int64, first uint64) bool {
	if w.Now().Before(w.again) {
		return false
	}
	err := w.Failing("journal")
	if err == nil {
		w.open, err = Open(w.Path, size, w.Generation)
	}
	if err == nil {
		err = w.open.Begin(w.Salt, first)
	}
	if err != nil {
		w.fail(err, false)
		return false
	}
	return true
}

// fail lets go of the journal after an error. Where nothing else of it is held, it is removed, or else a start would
// find once more what is in it.
func (w *Writer) fail(err error, held bool) {
	if w.open != nil {
		err = errors.Join(err, w.open.Close())
		w.open = nil
	}
	w.Generation, w.again = 0, w.Now().Add(again)
	if !held {
		err = errors.Join(err, Remove(w.Path))
	}
	w.trouble.Failed(w.Log, err, "can't write the journal: each commit goes to its segment, which takes more time")
}

// Empty has the journal begin anew with that chunk: what it holds is elsewhere, or wanted by nobody.
func (w *Writer) Empty(next uint64) {
	if w.open == nil {
		if err := Remove(w.Path); err != nil {
			w.trouble.Failed(w.Log, err,
				"can't remove the journal: what it holds may be delivered again after the next start")
		}
		return
	}
	if err := w.open.Begin(w.Salt, next); err != nil {
		w.fail(err, false)
	}
}

// Stays says, once, that what the journal holds can't be put elsewhere.
func (w *Writer) Stays(err error) {
	w.trouble.Failed(w.Log, err, "can't put into a segment what the journal holds of it: it stays there")
}

// Close closes the journal for good. What it holds stays.
func (w *Writer) Close() {
	if w.open == nil {
		return
	}
	if err := w.open.Close(); err != nil {
		w.Log.Warn().Err(err).Msg("can't close the journal")
	}
	w.open = nil
}
