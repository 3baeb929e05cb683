package boltfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// Decoder reads what the append functions wrote. After a mistake it returns zeros and is bad.
type Decoder struct {
	B   []byte
	Bad bool
	// Skip has texts passed over, and returned empty.
	Skip bool
}

// Bytes reads n bytes, which are not copied.
func (d *Decoder) Bytes(n int) []byte {
	if n < 0 || n > len(d.B) {
		d.fail()
		return nil
	}
	v := d.B[:n]
	d.B = d.B[n:]
	return v
}

// Byte reads one byte.
func (d *Decoder) Byte() byte {
	if v := d.Bytes(1); v != nil {
		return v[0]
	}
	return 0
}

// Uint64 reads eight bytes, the lowest first.
func (d *Decoder) Uint64() uint64 {
	if v := d.Bytes(8); v != nil {
		return binary.LittleEndian.Uint64(v)
	}
	return 0
}

// fail has nothing more read.
func (d *Decoder) fail() { d.Bad, d.B = true, nil }

// Uvarint reads what binary.AppendUvarint wrote.
func (d *Decoder) Uvarint() uint64 {
	v, n := binary.Uvarint(d.B)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.B = d.B[n:]
	return v
}

// Int reads a number that fits 32 bits.
func (d *Decoder) Int() int {
	v := d.Uvarint()
	if v > math.MaxUint32 {
		d.fail()
		return 0
	}
	return int(v)
}

// Count reads how many things follow that take at least size bytes each.
func (d *Decoder) Count(size int) int {
	n := d.Int()
	if n > len(d.B)/size {
		d.fail()
		return 0
	}
	return n
}

// String reads what AppendString wrote.
func (d *Decoder) String() string {
	b := d.Bytes(d.Int())
	if d.Skip {
		return ""
	}
	return string(b)
}

// Strings reads what AppendStrings wrote.
func (d *Decoder) Strings() []string {
	n := d.Count(1)
	if d.Skip {
		for ; n > 0; n-- {
			d.Bytes(d.Int())
		}
	}
	if n == 0 {
		return nil
	}
	v := make([]string, n)
	for i := range v {
		v[i] = d.String()
	}
	return v
}

// Varint reads what binary.AppendVarint wrote.
func (d *Decoder) Varint() int64 {
	v, n := binary.Varint(d.B)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.B = d.B[n:]
	return v
}

// AppendString appends the length of s, and s.
func AppendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// AppendStrings appends the number of texts, and each as AppendString does.
func AppendStrings(b []byte, s []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	for _, v := range s {
		b = AppendString(b, v)
	}
	return b
}

// Checksum returns the CRC-32C of b.
func Checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// WithSum returns b with its checksum, which is of the key that it lies under, too.
func WithSum(b []byte, key ...byte) []byte {
	return binary.LittleEndian.AppendUint32(bytes.Clone(b), sumUnder(key, b))
}

// VerifySum returns what WithSum was given with the same key, or an error that is ErrDamaged. It shares b.
func VerifySum(b []byte, key ...byte) ([]byte, error) {
	n := len(b) - 4
	if n < 0 || sumUnder(key, b[:n]) != binary.LittleEndian.Uint32(b[n:]) {
		return nil, fmt.Errorf("wrong checksum: %w", ErrDamaged)
	}
	return b[:n], nil
}

func sumUnder(key, b []byte) uint32 {
	return crc32.Update(Checksum(key), crc32.MakeTable(crc32.Castagnoli), b)
}
