package file

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/intent"
)

// maxLines bounds how many lines of files are known at once; the sums of more are read again when they are needed.
const maxLines = 1 << 18

// sum stands for a line: the beginning of its SHA-256.
type sum [16]byte

// lines is what a file holds at the place of a batch, whole lines only.
type lines struct {
	sums []sum
	// err is why they are not known.
	err error
}

// recall finds out which of the events are in files already; nil: none may be. A line counts where it stands at the
// place of the event and is what would be written now. So whatever was changed since, be it the file or the
// configuration, at worst doubles an event. The files that count are synced. After an error, which is ctx's, nothing is
// known.
func (o *Output) recall(ctx context.Context, events []event.Event) ([]presence, error) {
	about := o.journal.doubts.about(events, o.keys)
	if about == nil {
		return nil, nil
	}
	var batches []*doubt
	of := map[*doubt][]int{}
	for i, at := range about {
		if at.doubt == nil {
			continue
		}
		if of[at.doubt] == nil {
			batches = append(batches, at.doubt)
		}
		of[at.doubt] = append(of[at.doubt], i)
	}
	states := make([]presence, len(events))
	for _, one := range batches {
		first := one.lines == nil
		if first {
			if err := o.look(ctx, one); err != nil {
				return nil, err
			}
		}
		counts := [...]int{isMissing: 0, isThere: 0, notTold: 0}
		for _, i := range of[one] {
			states[i] = o.compare(&events[i], one, about[i].n)
			counts[states[i]]++
		}
		if first || counts[isThere] > 0 {
			o.log.Info().AnErr("reason", one.lines.err).Str("file", one.path).Int64("offset", one.offset).
				Int("found", counts[isThere]).Int("missing", counts[isMissing]).Int("unclear", counts[notTold]).
				Msg(
					"looked into a file for events that may have been written before the program ended last: those " +
						"not found are written again",
				)
		}
		if one.left -= counts[isThere]; one.left == 0 {
			o.journal.doubts.remove(one)
		}
	}
	return states, nil
}

// presence is what a file says of an event.
type presence uint8

const (
	isMissing presence = iota
	isThere
	// notTold says that there is another line in its place, or that the file can't be read.
	notTold
)

// compare looks for ev, which is the n-th of the batch.
func (o *Output) compare(ev *event.Event, one *doubt, n int) presence {
	if one.lines.err != nil || n == unclear {
		return notTold
	}
	refused, found := intent.Find(one.refused, n)
	n -= refused
	if found || n >= len(one.lines.sums) {
		return isMissing
	}
	line, err := o.text.Append(o.line[:0], ev)
	if o.line = line[:0]; cap(line) > 4*bufferSize {
		// A giant event's.
		o.line = nil
	}
	if err != nil {
		return notTold
	}
	if sha := sha256.Sum256(line); sum(sha[:len(sum{})]) != one.lines.sums[n] {
		return notTold
	}
	return isThere
}

// look reads what is at the place of a batch. The error is ctx's; others are the lines'.
func (o *Output) look(ctx context.Context, one *doubt) error {
	d := &o.journal.doubts
	d.forgetLines()
	sums, err := o.files.durableLines(ctx, one)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	one.lines = &lines{sums, err}
	if errors.Is(err, errNotSynced) {
		// The next fsync would succeed: the kernel tells of what it lost once.
		for _, other := range d.byPath[one.path] {
			other.lines = one.lines
		}
	}
	return nil
}

// forgetLines keeps what is known of lines within maxLines.
func (d *doubts) forgetLines() {
	known := 0
	for _, one := range d.index.All() {
		if one.lines != nil {
			known += len(one.lines.sums)
		}
	}
	if known > maxLines {
		for _, one := range d.index.All() {
			one.readAgain()
		}
	}
}

// readAgain forgets lines that are known.
func (one *doubt) readAgain() {
	if one.lines != nil && one.lines.err == nil {
		one.lines = nil
	}
}

// Why lines are not known.
var (
	errNotSynced   = errors.New("its fsync failed")
	errCompression = errors.New("it was written with another compression setting")
)

// durableLines returns the lines at the place of a batch. They survive a power cut when it returns, and are not cut off
// when the file is appended to.
func (f *files) durableLines(ctx context.Context, one *doubt) (sums []sum, err error) {
	end := int64(math.MaxInt64)
	if one.end > 0 {
		end = one.end
	}
	if !isFinishedPath(one.path, f.ext) {
		if _, err := os.Stat(one.path); err != nil {
			return nil, err
		}
		path := one.path
		// Without a torn end.
		file, err := f.file(ctx, path)
		if err != nil {
			return nil, err
		}
		// Otherwise it was finished.
		if one.path == path {
			end = min(end, file.size)
		}
	}
	h, err := os.Open(one.path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	if err := h.Sync(); err != nil {
		// It may have been in the page cache alone.
		return nil, fmt.Errorf("%w: %w", errNotSynced, err)
	}
	info, err := h.Stat()
	if err != nil {
		return nil, err
	}
	s := summer{hash: sha256.New(), most: intent.Events(one.spans) - intent.Count(one.refused)}
	end = min(end, info.Size())
	if end > one.offset {
		err = s.readFile(ctx, f, h, one.offset, end)
	}
	return s.sums, err
}

// isFinishedPath reports whether the file at path is finished: nobody appends to it.
func isFinishedPath(path, ext string) bool {
	stem, _ := splitName(filepath.Base(path), ext)
	return len(stem) > finishedLen && isFinished(stem[len(stem)-finishedLen:])
}

// summer sums up lines, most at most.
type summer struct {
	sums []sum
	most int
	hash hash.Hash
}

// readFile sums up what is between two offsets in a file of f.
func (s *summer) readFile(ctx context.Context, f *files, h io.ReaderAt, from, to int64) error {
	in := &counter{ctx: ctx, r: io.NewSectionReader(h, from, to-from)}
	switch {
	case f.gzip != nil:
		return s.readGzip(in)
	case f.zstd != nil:
		return s.readZstd(ctx, h, from, to)
	default:
		return s.read(in)
	}
}

// read sums up the whole lines of r.
func (s *summer) read(r io.Reader) error {
	in := bufio.NewReaderSize(r, 64<<10)
	defer s.hash.Reset()
	for len(s.sums) < s.most {
		part, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			s.hash.Write(part)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		default:
			s.hash.Write(part[:len(part)-1])
			s.sums = append(s.sums, sum(s.hash.Sum(nil)[:len(sum{})]))
			s.hash.Reset()
		}
	}
	return nil
}

// readWhole sums up the lines of r, a member or frame: if all of it can be read, as a torn one is cut off.
func (s *summer) readWhole(r io.Reader) bool {
	n := len(s.sums)
	err := s.read(r)
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	if err != nil {
		s.sums = s.sums[:n]
	}
	return err == nil
}

func (s *summer) readGzip(from *counter) error {
	in := bufio.NewReaderSize(from, 64<<10)
	var z gzip.Reader
	for len(s.sums) < s.most {
		if err := z.Reset(in); err != nil {
			break
		}
		z.Multistream(false)
		if !s.readWhole(&z) {
			break
		}
	}
	return from.err
}

func (s *summer) readZstd(ctx context.Context, h io.ReaderAt, at, end int64) error {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
	if err != nil {
		return err
	}
	defer z.Close()
	for at < end && len(s.sums) < s.most {
		n, err := zstdFrame(h, at, end)
		if err != nil || n == 0 {
			return err
		}
		frame := &counter{ctx: ctx, r: io.NewSectionReader(h, at, n)}
		if err := z.Reset(frame); err != nil || !s.readWhole(z) {
			return errors.Join(err, frame.err)
		}
		at += n
	}
	return nil
}
