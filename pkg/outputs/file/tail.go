package file

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
)

// maxScan is how long a gzip file may be to be read through for its last whole member.
const maxScan = 64 << 20

// soundEnd returns how many bytes of the file at path, which has size, are whole lines, members or
// frames; -1 where it would take too long to find out.
func (f *files) soundEnd(ctx context.Context, path string, size int64) (end int64, err error) {
	h, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	switch {
	case f.zstd != nil:
		return zstdEnd(ctx, h, size)
	case f.gzip == nil:
		return lineEnd(h, size)
	case size > maxScan:
		return -1, nil
	}
	return gzipEnd(ctx, h)
}

// lineEnd returns the offset behind the last newline, 0 where there is none.
func lineEnd(r io.ReaderAt, size int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for size > 0 {
		from := max(0, size-int64(len(buf)))
		block := buf[:size-from]
		if _, err := r.ReadAt(block, from); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.LastIndexByte(block, '\n'); i >= 0 {
			return from + int64(i) + 1, nil
		}
		size = from
	}
	return 0, nil
}

// gzipEnd returns the offset behind the last member that can be read whole.
func gzipEnd(ctx context.Context, r io.Reader) (end int64, err error) {
	counted := &counter{ctx: ctx, r: r}
	in := bufio.NewReaderSize(counted, 64<<10)
	var z gzip.Reader
	for {
		if err = z.Reset(in); err == nil {
			z.Multistream(false)
			_, err = io.Copy(io.Discard, &z)
		}
		switch {
		case counted.err != nil:
			return 0, counted.err
		case err != nil:
			// The end, or no whole member.
			return end, nil //nolint:nilerr // that the rest can't be read is the answer
		}
		end = counted.n - int64(in.Buffered())
	}
}

// counter counts what is read and keeps the error where reading failed.
type counter struct {
	ctx context.Context //nolint:containedctx // for the time of one call
	r   io.Reader
	n   int64
	err error
}

func (c *counter) Read(p []byte) (int, error) {
	if c.err = c.ctx.Err(); c.err != nil {
		return 0, c.err
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// The shape of a zstd frame, RFC 8878 section 3.1.1.
const (
	zstdMagic       = 0xfd2fb528
	zstdBlockRLE    = 1
	zstdBlockBad    = 3
	zstdMaxHeader   = 18
	zstdBlockHeader = 3
)

// zstdEnd returns the offset behind the last frame that is there from its first to its last byte. It
// reads headers only.
func zstdEnd(ctx context.Context, r io.ReaderAt, size int64) (end int64, err error) {
	for end < size {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err := zstdFrame(r, end, size)
		if err != nil || n == 0 {
			return end, err
		}
		end += n
	}
	return end, nil
}

// zstdFrame returns the length of the frame at offset at; 0 where there is no whole one.
func zstdFrame(r io.ReaderAt, at, size int64) (int64, error) {
	var b [zstdMaxHeader]byte
	n, err := r.ReadAt(b[:min(int64(len(b)), size-at)], at)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if n < 5 || binary.LittleEndian.Uint32(b[:]) != zstdMagic {
		return 0, nil
	}
	descriptor := b[4]
	single := descriptor&0x20 != 0
	pos := at + 5 + int64([...]int{0, 1, 2, 4}[descriptor&3]) + int64([...]int{0, 2, 4, 8}[descriptor>>6])
	if !single {
		// The window.
		pos++
	} else if descriptor>>6 == 0 {
		// A content size of one byte.
		pos++
	}
	for last := false; !last; {
		if pos+zstdBlockHeader > size {
			return 0, nil
		}
		if _, err := r.ReadAt(b[:zstdBlockHeader], pos); err != nil {
			return 0, err
		}
		header := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
		last = header&1 != 0
		length := int64(header >> 3)
		switch header >> 1 & 3 {
		case zstdBlockRLE:
			length = 1
		case zstdBlockBad:
			return 0, nil
		}
		pos += zstdBlockHeader + length
	}
	if descriptor&4 != 0 {
		// The checksum.
		pos += 4
	}
	if pos > size {
		return 0, nil
	}
	return pos - at, nil
}
