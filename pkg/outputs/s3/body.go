package s3

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// batchLines is how many bytes of JSON are rendered or compressed at once.
const batchLines = 256 << 10

// objectBuilder is what one Send renders and compresses with.
type objectBuilder struct {
	text *outputs.Text
	gzip *gzip.Writer
	zstd *zstd.Encoder
	// lines are not compressed yet.
	lines []byte
	// ready is not read yet.
	ready bytes.Buffer
}

func newObjectBuilder(compression string, text *outputs.Text) (*objectBuilder, error) {
	w := &objectBuilder{text: text}
	var err error
	switch compression {
	case compressionGzip:
		w.gzip, err = gzip.NewWriterLevel(nil, gzip.DefaultCompression)
	case compressionZstd:
		w.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(4<<20))
	}
	return w, err
}

// ext returns the ending of objects' names, and mime their type. There is no Content-Encoding, so
// that what reads an object gets it as it is named. raw: its lines are no JSON.
func ext(compression string, raw bool) (ext, mime string) {
	switch compression {
	case compressionGzip:
		return ".gz", "application/gzip"
	case compressionZstd:
		return ".zst", "application/zstd"
	default:
		if raw {
			return "", "text/plain; charset=utf-8"
		}
		return "", "application/x-ndjson"
	}
}

// body renders the events of a target while it is read, so that no more than a part of an object is
// in memory.
type body struct {
	*objectBuilder
	events []event.Event
	chain  []int32
	next   int32
	// zw may be nil: plain.
	zw io.WriteCloser
	// whole says that all is in ready.
	whole bool
	// rendered counts events that could be.
	rendered int
	refused  []outputs.Failure
}

// body returns the body of t's object; the one before is not to be read any more.
func (w *objectBuilder) body(t *target, p *plan, events []event.Event) *body {
	w.ready.Reset()
	b := &body{objectBuilder: w, events: events, chain: p.next, next: t.first}
	switch {
	case w.gzip != nil:
		w.gzip.Reset(&w.ready)
		b.zw = w.gzip
	case w.zstd != nil:
		w.zstd.Reset(&w.ready)
		b.zw = w.zstd
	}
	return b
}

// Read satisfies io.Reader.
func (b *body) Read(p []byte) (int, error) {
	for b.ready.Len() == 0 {
		if b.whole {
			return 0, io.EOF
		}
		if err := b.render(); err != nil {
			return 0, err
		}
	}
	return b.ready.Read(p)
}

// render renders some more events.
func (b *body) render() error {
	lines := b.lines[:0]
	for b.next != none && len(lines) < batchLines {
		i := b.next
		b.next = b.chain[i]
		line, err := b.text.Append(lines, &b.events[i])
		if err != nil {
			b.refused = append(b.refused, refusal(i, err))
			continue
		}
		lines = append(line, '\n')
		b.rendered++
	}
	b.whole = b.next == none
	if b.zw == nil {
		b.ready.Write(lines)
	} else {
		if _, err := b.zw.Write(lines); err != nil {
			return err
		}
		if b.whole {
			if err := b.zw.Close(); err != nil {
				return err
			}
		}
	}
	b.lines = lines[:0]
	if cap(lines) > 4*batchLines {
		// A giant event's.
		b.lines = nil
	}
	return nil
}

// refusal is of an event that can't be rendered.
func refusal(i int32, err error) outputs.Failure {
	return outputs.Failure{Index: int(i), Reason: outputs.ReasonRejected, Detail: err.Error()}
}

// unrenderable returns failures for those of the events skipped because their object is there, that are not
// in it because they can't be rendered: nothing may be left of what came of them before a crash.
func (w *objectBuilder) unrenderable(events []event.Event, skip []bool) (refused []outputs.Failure) {
	for i, skipped := range skip {
		if !skipped {
			continue
		}
		line, err := w.text.Append(w.lines[:0], &events[i])
		if err != nil {
			refused = append(refused, refusal(int32(i), err))
		}
		w.lines = line[:0]
	}
	return refused
}
