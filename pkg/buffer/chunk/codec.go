package chunk

import (
	"fmt"
	"runtime"
	"slices"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
)

// Codec is how a chunk's payload is compressed. The values are on disk.
type Codec byte

// The codecs.
const (
	CodecNone Codec = 0
	CodecS2   Codec = 1
	codecZstd Codec = 2
)

// Packer compresses and decompresses. Safe for concurrent use.
type Packer struct {
	// codec is for what is written; every codec is read.
	codec Codec
	zenc  *zstd.Encoder
	zdec  *zstd.Decoder
}

// NewPacker returns a Packer that compresses as buffer.compression says: none, s2 or zstd. The caller closes it.
func NewPacker(name string) (*Packer, error) {
	p := &Packer{}
	var err error
	// A chunk is decoded as one block of known length, so a decoder holds no window of its own.
	if p.zdec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(1<<30)); err != nil {
		return nil, fmt.Errorf("prepare zstd: %w", err)
	}
	switch name {
	case "none":
	case "", "s2":
		p.codec = CodecS2
	case "zstd":
		p.codec = codecZstd
		p.zenc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithWindowSize(1<<20), zstd.WithEncoderCRC(false))
		if err != nil {
			return nil, fmt.Errorf("prepare zstd: %w", err)
		}
	default:
		return nil, fmt.Errorf("buffer.compression: %q is none of none, s2, zstd", name)
	}
	return p, nil
}

// Close gives back what p holds.
func (p *Packer) Close() {
	p.zdec.Close()
	if p.zenc != nil {
		// An encoder without a writer has nothing to fail at.
		_ = p.zenc.Close()
	}
}

// Pack appends src, compressed, to dst. What does not shrink is appended as it is.
func (p *Packer) Pack(dst, src []byte) ([]byte, Codec) {
	at := len(dst)
	switch p.codec {
	case CodecNone:
		// Nothing shrinks.
	case CodecS2:
		if n := s2.MaxEncodedLen(len(src)); n >= 0 {
			dst = slices.Grow(dst, n)
			dst = dst[:at+len(s2.Encode(dst[at:at+n], src))]
		}
	case codecZstd:
		dst = p.zenc.EncodeAll(src, dst)
	}
	if n := len(dst) - at; n > 0 && n < len(src) {
		return dst, p.codec
	}
	return append(dst[:at], src...), CodecNone
}

// Unpack returns src, decompressed, in dst's memory where it fits. raw is the length that it must have.
func (p *Packer) Unpack(dst, src []byte, c Codec, raw int) ([]byte, error) {
	dst = slices.Grow(dst[:0], raw)
	var err error
	switch c {
	case CodecNone:
		dst = append(dst, src...)
	case CodecS2:
		if n, lerr := s2.DecodedLen(src); lerr != nil || n != raw {
			return dst, fmt.Errorf("s2 payload declares %d bytes, not %d: %w", n, raw, boltfile.ErrDamaged)
		}
		dst, err = s2.Decode(dst[:raw], src)
	case codecZstd:
		dst, err = p.zdec.DecodeAll(src, dst)
	default:
		return dst, fmt.Errorf("unknown codec %d: %w", c, boltfile.ErrDamaged)
	}
	if err != nil {
		return dst, fmt.Errorf("decompress payload: %w: %w", boltfile.ErrDamaged, err)
	}
	if len(dst) != raw {
		return dst, fmt.Errorf("payload has %d bytes, not %d: %w", len(dst), raw, boltfile.ErrDamaged)
	}
	return dst, nil
}
