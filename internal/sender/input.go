package sender

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/ndjson"
	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
)

// Format says what a line is.
type Format string

// A JSON line is a record; a text line becomes {"log": line}.
const (
	FormatAuto Format = "auto" // JSON where the line is a JSON object, else text
	FormatJSON Format = "json" // anything but a JSON object is an error
	FormatText Format = "text"
)

const (
	// maxLine is in bytes.
	maxLine = 16 << 20
	// maxChunk is how many bytes of entries after which a chunk is sent, however few they are.
	maxChunk = 1 << 20
	// linger is how long a chunk waits for more lines.
	linger = 100 * time.Millisecond
)

// InputConfig says how lines become events.
type InputConfig struct {
	// Format may be "", which is FormatAuto.
	Format Format
	// TimeKey is the top-level key of a JSON line that holds its time; "": the time of reading.
	TimeKey string
	// ChunkEvents is at most so many events in a chunk.
	ChunkEvents int
}

// Input reads events from lines. Empty lines are skipped.
type Input struct {
	cfg    InputConfig
	blocks chan block
	cancel context.CancelFunc
	// total counts bytes of all files; 0: not known.
	total  int64
	read   atomic.Int64
	noTime atomic.Uint64

	// mu is held by the Reader that takes lines.
	mu    sync.Mutex
	block block
	line  int // number of the line taken last, within its file
}

// block is whole lines of one file.
type block struct {
	name  string
	first bool // the file's first
	data  []byte
	err   error // instead of data: reading failed
}

// OpenInput opens the files, or stdin where there are none or one is called "-", and begins to read.
// Close ends that; but a goroutine that waits for a terminal or pipe ends only when that does.
func OpenInput(cfg InputConfig, names []string, stdin io.Reader) (*Input, error) {
	if len(names) == 0 {
		names = []string{"-"}
	}
	var files []io.Reader
	closeAll := func() {
		for _, f := range files {
			if f, ok := f.(*os.File); ok && f != stdin {
				// It was only read.
				_ = f.Close()
			}
		}
	}
	in := &Input{cfg: cfg, blocks: make(chan block, 2)}
	known := true
	for _, name := range names {
		f := stdin
		if name != "-" {
			file, err := openFile(name)
			if err != nil {
				closeAll()
				return nil, fmt.Errorf("%w (name files of lines, or - for standard input)", err)
			}
			f = file
		}
		files = append(files, f)
		size, ok := fileSize(f)
		in.total, known = in.total+size, known && ok
	}
	if !known {
		in.total = 0
	}
	ctx, cancel := context.WithCancel(context.Background())
	in.cancel = cancel
	go func() {
		defer close(in.blocks)
		defer closeAll()
		for i, f := range files {
			name := names[i]
			if name == "-" {
				name = "standard input"
			}
			if !in.readFile(ctx, name, f) {
				return
			}
		}
	}()
	return in, nil
}

// openFile opens what lines can be read from: no directory, which only says so once it is read.
func openFile(name string) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, errors.Join(fmt.Errorf("open %s: is a directory", name), f.Close())
	}
	return f, nil
}

func fileSize(r io.Reader) (int64, bool) {
	if f, ok := r.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return info.Size(), true
		}
	}
	return 0, false
}

// Close stops reading.
func (in *Input) Close() { in.cancel() }

// NoTime returns how many records had nothing under TimeKey that can be read as a time; they got the
// time at which they were read.
func (in *Input) NoTime() uint64 { return in.noTime.Load() }

// Fraction implements Source.
func (in *Input) Fraction() float64 {
	if in.total == 0 {
		return -1
	}
	return min(1, float64(in.read.Load())/float64(in.total))
}

// Reader implements Source.
func (in *Input) Reader() Reader { return &inputReader{in: in} }

// readFile cuts a file into blocks at line ends; false: enough.
func (in *Input) readFile(ctx context.Context, name string, f io.Reader) bool {
	send := func(b block) bool {
		select {
		case in.blocks <- b:
			return b.err == nil
		case <-ctx.Done():
			return false
		}
	}
	var data []byte
	for first := true; ; {
		if cap(data)-len(data) < 64<<10 {
			data = append(make([]byte, 0, 2*len(data)+128<<10), data...)
		}
		n, err := f.Read(data[len(data) : len(data)+64<<10])
		end := 0 // of the last whole line; what was there before is a line's beginning
		if i := bytes.LastIndexByte(data[len(data):len(data)+n], '\n'); i >= 0 {
			end = len(data) + i + 1
		}
		data = data[:len(data)+n]
		in.read.Add(int64(n))
		if errors.Is(err, io.EOF) {
			end = len(data)
		}
		if end > 0 {
			if !send(block{name: name, first: first, data: data[:end:end]}) {
				return false
			}
			first, data = false, append(make([]byte, 0, 128<<10), data[end:]...)
		}
		switch {
		case errors.Is(err, io.EOF):
			return true
		case err != nil:
			return send(block{err: fmt.Errorf("reading %s: %w", name, err)})
		case len(data) > maxLine:
			return send(block{err: fmt.Errorf("reading %s: a line of more than %d bytes", name, maxLine)})
		}
	}
}

// inputReader owns the entries that it hands out.
type inputReader struct {
	in      *Input
	entries []byte
}

// Next implements Reader.
func (r *inputReader) Next(ctx context.Context) (entries []byte, events int, err error) {
	in := r.in
	in.mu.Lock()
	defer in.mu.Unlock()
	r.entries = r.entries[:0]
	var late <-chan time.Time
	for events < max(1, in.cfg.ChunkEvents) && len(r.entries) < maxChunk {
		if len(in.block.data) == 0 {
			if events > 0 && late == nil {
				late = time.After(linger)
			}
			more, err := in.nextBlock(ctx, late)
			if err != nil {
				return r.entries, events, err
			}
			if !more {
				break
			}
		}
		var line []byte
		line, in.block.data, _ = bytes.Cut(in.block.data, []byte{'\n'})
		in.line++
		line = bytes.TrimSuffix(line, []byte{'\r'})
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if r.entries, err = in.appendEvent(r.entries, line); err != nil {
			return r.entries, events, fmt.Errorf("%s:%d: %w", in.block.name, in.line, err)
		}
		events++
	}
	return r.entries, events, nil
}

// nextBlock waits for lines; false: until late there were none.
func (in *Input) nextBlock(ctx context.Context, late <-chan time.Time) (bool, error) {
	select {
	case b, ok := <-in.blocks:
		if !ok {
			return false, io.EOF
		}
		if b.err != nil {
			return false, b.err
		}
		if in.block = b; b.first {
			in.line = 0
		}
		return true, nil
	case <-late:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// appendEvent appends line's entry; after an error it appended nothing.
func (in *Input) appendEvent(dst, line []byte) ([]byte, error) {
	at := time.Now()
	start := len(dst)
	dst = client.AppendTime(append(dst, 0x92), 0, 0)
	isJSON := in.cfg.Format == FormatJSON || in.cfg.Format != FormatText && ndjson.IsObject(line)
	if isJSON {
		out, when, err := ndjson.AppendObject(dst, line, in.cfg.TimeKey)
		switch {
		case err == nil:
			dst = out
			if !when.IsZero() {
				at = when
			} else if in.cfg.TimeKey != "" {
				in.noTime.Add(1)
			}
		case in.cfg.Format == FormatJSON:
			return dst[:start], fmt.Errorf("not a JSON object: %w", err)
		default:
			isJSON = false
		}
	}
	if !isJSON {
		dst = ndjson.AppendText(dst, line)
	}
	client.AppendTime(dst[:start+1], uint32(at.Unix()), uint32(at.Nanosecond()))
	return dst, nil
}
