package file

import (
	"container/list"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/intent"
)

// maxOpen is how many files an output has open at most.
const maxOpen = 64

const (
	// bufferSize is how many bytes of JSON that are written or compressed at once.
	bufferSize = 256 << 10
	// maxKnown is closed files whose state is remembered.
	maxKnown = 4096
	// idle is after how long a file is closed.
	idle = time.Minute
	// zstdWindow is in bytes.
	zstdWindow = 1 << 20
)

// handle is what is needed of an open file; tests put one that fails in its place.
type handle interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
	Stat() (fs.FileInfo, error)
}

// known is the state of a file: size and begun as of its last commit.
type known struct {
	size  int64
	begun time.Time
	// torn says that what is behind size was not committed and could not be cut off.
	torn bool
	// overwrites says that the next batch may be put where the journal has another: see journal.
	overwrites bool
}

// openFile is a file that can be appended to. One at a time has uncommitted bytes.
type openFile struct {
	known
	path string
	h    handle
	used time.Time
}

// files keeps the files that were written last open. Not for concurrent use.
type files struct {
	cfg Config
	// ext is that of compressed files.
	ext string
	log zerolog.Logger
	now func() time.Time
	// open is for appending, and makes the file where it is missing.
	open func(path string) (handle, error)
	// move renames.
	move func(from, to string) error

	// recent is that of *openFile, the one used last in front.
	recent *list.List
	byPath map[string]*list.Element
	closed map[string]known

	// journal is set before the first file is opened.
	journal *journal

	w    writer
	gzip *gzip.Writer
	zstd *zstd.Encoder
}

func newFiles(cfg Config, log zerolog.Logger, now func() time.Time) (*files, error) {
	f := &files{
		cfg: cfg, ext: ext(cfg.Compression), log: log, now: now, open: openAppend, move: os.Rename,
		recent: list.New(), byPath: map[string]*list.Element{}, closed: map[string]known{},
	}
	f.w.files = f
	f.w.buf = make([]byte, 0, bufferSize+bufferSize/4)
	var err error
	switch cfg.Compression {
	case compressionGzip:
		f.gzip, err = gzip.NewWriterLevel(nil, gzip.BestSpeed)
	case compressionZstd:
		f.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(zstdWindow))
	}
	return f, err
}

func openAppend(path string) (handle, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640) //nolint:gosec // a group may be let read logs
}

var errNotRegular = errors.New("it is a device, a pipe or a directory, not a file (change the path setting)")

// writer appends one batch to one file.
type writer struct {
	files *files
	file  *openFile
	// buf has lines that are not written yet.
	buf []byte
	// size is that of the file.
	size int64
	// begun says that the compressor has a member or frame open.
	begun bool
	zw    io.WriteCloser

	// events counts those that lines were asked for.
	events int
	// refused is by their places among events, without a line; not in the journal yet.
	refused []intent.Run
}

// begin returns the writer for path, which is the only one until commit or rollback, for the events of spans.
func (f *files) begin(ctx context.Context, path string, spans []intent.Span) (*writer, error) {
	file, err := f.file(ctx, path)
	if err != nil {
		return nil, err
	}
	if f.cfg.Rotate.MaxAge > 0 && file.size > 0 && f.now().Sub(file.begun) >= f.cfg.Rotate.MaxAge {
		if err := f.finish(file); err != nil {
			return nil, err
		}
		if file, err = f.file(ctx, path); err != nil {
			return nil, err
		}
	}
	if err := f.journal.batch(file, spans); err != nil {
		return nil, err
	}
	f.w = writer{files: f, file: file, buf: f.w.buf[:0], size: file.size}
	return &f.w, nil
}

// line appends the line of the next event, or notes that it has none.
func (w *writer) line(text *outputs.Text, ev *event.Event) error {
	n := w.events
	w.events++
	line, err := text.Append(w.buf, ev)
	if err != nil {
		w.refused = intent.AddRun(w.refused, uint32(n), 1)
		return err
	}
	w.buf = append(line, '\n')
	return nil
}

// Write takes compressed bytes, or lines where the file is plain.
func (w *writer) Write(p []byte) (int, error) {
	n, err := w.file.h.Write(p)
	w.size += int64(n)
	return n, err
}

// flush writes the lines in buf.
func (w *writer) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	if len(w.refused) > 0 {
		if err := w.files.journal.refused(w.refused); err != nil {
			return err
		}
		w.refused = nil
	}
	var to io.Writer = w
	switch f := w.files; {
	case f.gzip != nil:
		if !w.begun {
			f.gzip.Reset(w)
		}
		to, w.zw = f.gzip, f.gzip
	case f.zstd != nil:
		if !w.begun {
			f.zstd.Reset(w)
		}
		to, w.zw = f.zstd, f.zstd
	}
	w.begun = true
	_, err := to.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}

// commit makes what was written durable. After an error the file is as it was before.
func (w *writer) commit() error {
	err := w.flush()
	if err == nil && w.zw != nil {
		err = w.zw.Close()
	}
	failpoint.Pass("file.written")
	if err == nil && w.size > w.file.size {
		err = w.file.h.Sync()
	}
	failpoint.Pass("file.synced")
	if err != nil {
		return w.rollback(err)
	}
	file, f := w.file, w.files
	file.size = w.size
	if limit := int64(f.cfg.Rotate.MaxSize); limit > 0 && file.size >= limit {
		if err := f.finish(file); err != nil {
			// The events are safe: the next batch tries again.
			f.log.Warn().Err(err).Msg("a full file could not be finished: it is appended to for now")
		}
	}
	return nil
}

// rollback cuts the file back to its length before and returns cause, with the file's name. The file
// is opened anew for the next batch: after a failed fsync its state in memory can't be trusted.
func (w *writer) rollback(cause error) error {
	file := w.file
	file.overwrites = true
	if w.size > file.size || w.begun {
		file.torn = true
		if err := file.h.Truncate(file.size); err != nil {
			w.files.log.Warn().Err(explain("cut back", file.path, err)).
				Msg("a file could not be cut back after a failed write: it is tried again before the next one")
		} else {
			file.torn = false
		}
	}
	w.files.close(file)
	return explain("write", file.path, cause)
}

// file returns the open file at path, opened where it is not.
func (f *files) file(ctx context.Context, path string) (*openFile, error) {
	if e, ok := f.byPath[path]; ok {
		file := e.Value.(*openFile)
		if file.same() {
			f.recent.MoveToFront(e)
			file.used = f.now()
			return file, nil
		}
		// It was moved, removed or changed by someone else.
		f.close(file)
		delete(f.closed, path)
	}
	for f.recent.Len() >= maxOpen {
		f.close(f.recent.Back().Value.(*openFile))
	}
	file, err := f.openAt(ctx, path)
	if err != nil {
		return nil, err
	}
	f.byPath[path] = f.recent.PushFront(file)
	return file, nil
}

// same reports whether the path still names the open file, and nobody else has changed its size.
func (file *openFile) same() bool {
	a, err := file.h.Stat()
	if err != nil || a.Size() != file.size {
		return false
	}
	b, err := os.Stat(file.path)
	return err == nil && os.SameFile(a, b)
}

// openAt opens the file at path for appending, made with its directories where missing, and repairs
// its end where that is torn.
func (f *files) openAt(ctx context.Context, path string) (*openFile, error) {
	if err := makeDir(filepath.Dir(path)); err != nil {
		return nil, explain("make the directory of", path, err)
	}
	state, remembered := f.closed[path]
	before := state.size
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		state = known{overwrites: true}
	case err != nil:
		return nil, explain("look at", path, err)
	case !info.Mode().IsRegular():
		return nil, explain("open", path, errNotRegular)
	default:
		if !remembered {
			state.begun = info.ModTime()
		}
		if state.size, err = f.repair(ctx, path, info.Size(), state, remembered); err != nil {
			return nil, err
		}
	}
	if state.size == 0 {
		state.begun = f.now()
	}
	h, err := f.open(path)
	if err != nil {
		return nil, explain("open", path, err)
	}
	if state.size == 0 {
		// Its name may be new: also where an earlier try failed after making it.
		if err := syncDir(filepath.Dir(path)); err != nil {
			return nil, errors.Join(explain("sync the directory of", path, err), h.Close())
		}
	}
	state.overwrites = state.overwrites || !remembered || state.torn || state.size != before
	state.torn = false
	return &openFile{known: state, path: path, h: h, used: f.now()}, nil
}

// repair cuts the file at path, which has size bytes, back to the last byte known to be good, and
// returns the size then: 0 where it was moved out of the way instead. remembered says that state is
// of this process's own last use.
func (f *files) repair(ctx context.Context, path string, size int64, state known, remembered bool) (int64, error) {
	good := state.size
	switch {
	case size == 0:
		return 0, nil
	case remembered && size == state.size:
		return size, nil
	case remembered && state.torn && size > state.size:
	default:
		var err error
		if good, err = f.soundEnd(ctx, path, size); err != nil {
			return 0, explain("read the end of", path, err)
		}
	}
	switch {
	case good == size:
		return size, nil
	case good < 0:
		return 0, f.finish(&openFile{path: path})
	}
	f.log.Warn().Str("file", path).Int64("size", size).Int64("cut_to", good).
		Msg("a file has a torn end: it is cut off, its events are written again")
	if err := truncate(path, good); err != nil {
		return 0, explain("cut back", path, err)
	}
	return good, nil
}

// truncate is durable when it returns.
func truncate(path string, size int64) (err error) {
	h, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	if err = h.Truncate(size); err != nil {
		return err
	}
	return h.Sync()
}

// close closes file and remembers its state. All that it has is committed, or torn.
func (f *files) close(file *openFile) {
	if err := f.drop(file); err != nil {
		f.log.Warn().Err(explain("close", file.path, err)).Msg("a file did not close well; all of it is on disk")
	}
	if len(f.closed) >= maxKnown {
		// Any one: it is looked at again when it is needed.
		for path, k := range f.closed {
			if !k.torn {
				delete(f.closed, path)
				break
			}
		}
	}
	f.closed[file.path] = file.known
}

// drop closes file and forgets it.
func (f *files) drop(file *openFile) error {
	if e, ok := f.byPath[file.path]; ok {
		f.recent.Remove(e)
		delete(f.byPath, file.path)
	}
	delete(f.closed, file.path)
	if file.h == nil {
		return nil
	}
	return file.h.Close()
}

// closeIdle closes the files that were not written to for a while.
func (f *files) closeIdle() {
	for e := f.recent.Back(); e != nil && f.now().Sub(e.Value.(*openFile).used) >= idle; e = f.recent.Back() {
		f.close(e.Value.(*openFile))
	}
}

func (f *files) closeAll() error {
	var errs []error
	for e := f.recent.Back(); e != nil; e = f.recent.Back() {
		file := e.Value.(*openFile)
		if err := f.drop(file); err != nil {
			errs = append(errs, explain("close", file.path, err))
		}
	}
	return errors.Join(errs...)
}

// makeDir makes dir and what is missing above it, durably.
func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o750); err != nil {
		if info, serr := os.Stat(dir); serr == nil && !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
		} else if serr == nil {
			// Somebody else made it meanwhile.
			return syncDir(parent)
		}
		return err
	}
	if err := syncDir(parent); err != nil {
		// The next try is to sync again.
		return errors.Join(err, os.Remove(dir))
	}
	return nil
}

// syncDir makes the names in dir durable.
func syncDir(dir string) (err error) {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Sync()
}
