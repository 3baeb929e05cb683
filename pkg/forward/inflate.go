package forward

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/refusal"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
)

const (
	// windowSize is how much of a message is inflated at once, in bytes; more only where one entry is larger.
	windowSize = 256 << 10
	// maxInflated is the largest event of a compressed message, in bytes: it has to be in memory whole.
	maxInflated = 32 << 20
	// maxZstdWindow is the largest window that a zstd frame may ask for, in bytes. A decoder takes it at once.
	maxZstdWindow = 8 << 20
	// gzipMemory is about what a gzip reader takes, in bytes.
	gzipMemory = 48 << 10
)

// codec is a compression: its pool of readers, what one of them takes, and how to point it at a payload.
type codec struct {
	pool   sync.Pool
	memory int64
	open   func(pooled any, payload *bytes.Reader) (io.Reader, error)
}

// codecs are a server's readers of compressed payloads.
type codecs struct{ gzip, zstd codec }

func newCodecs() *codecs {
	return &codecs{
		// Several members in a row are read as one stream (RFC 1952), as are zstd's frames (RFC 8878).
		gzip: codec{memory: gzipMemory, open: func(pooled any, payload *bytes.Reader) (io.Reader, error) {
			if r, ok := pooled.(*gzip.Reader); ok {
				return r, r.Reset(payload)
			}
			return gzip.NewReader(payload)
		}},
		zstd: codec{memory: maxZstdWindow, open: func(pooled any, payload *bytes.Reader) (io.Reader, error) {
			if r, ok := pooled.(*zstd.Decoder); ok {
				return r, r.Reset(payload)
			}
			return zstd.NewReader(payload, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
				zstd.WithDecoderMaxWindow(maxZstdWindow))
		}},
	}
}

// inflate gives the entries of a compressed payload to the batch, piece by piece, so that no more of it than a window
// is in memory, whatever it says of its size. Any fault of the stream is a refusal.
func (a *assembler) inflate(ctx context.Context, payload []byte, with *codec) error {
	if len(payload) == 0 {
		return nil
	}
	if err := a.acquire(ctx, with.memory); err != nil {
		return err
	}
	defer a.mem.Release(with.memory)
	from, err := with.open(with.pool.Get(), bytes.NewReader(payload))
	if err != nil {
		return corrupt(err)
	}
	defer with.pool.Put(from)
	window, err := takeBuffer(ctx, a.mem, ingest.ToStore, windowSize)
	if err != nil {
		return err
	}
	defer func() { a.mem.Free(window) }()

	limit, total, have := a.maxDecompressed(), int64(0), 0
	for {
		n, err := fill(from, window[have:])
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			return corrupt(err)
		}
		if total += int64(n); total > limit {
			return refusal.New(refusal.TooLarge,
				"the message has more than %d bytes when decompressed, which is max_decompressed_size", limit)
		}
		rest, err := a.entries(ctx, window[:have+n])
		switch {
		case err != nil:
			return err
		case end && len(rest) > 0:
			return errCutEntry
		case end:
			return nil
		}
		if have = len(rest); have <= len(window)/2 {
			copy(window, rest)
			continue
		}
		if len(window) >= maxInflated {
			return refusal.New(refusal.TooLarge, "one of its events has more than %d bytes when decompressed",
				maxInflated)
		}
		// One entry is larger than half of it.
		grown, err := takeBuffer(ctx, a.mem, ingest.ToStore, 2*len(window))
		if err != nil {
			return err
		}
		copy(grown, rest)
		a.mem.Free(window)
		window = grown
	}
}

// fill reads until p is full or r fails. Unlike io.ReadFull it leaves r's error as it is: io.EOF is the end of a whole
// stream, io.ErrUnexpectedEOF that of a cut one.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
}

func corrupt(err error) error {
	return &refusal.Error{Reason: refusal.Compression, Err: fmt.Errorf("its compressed entries are broken: %w", err)}
}
