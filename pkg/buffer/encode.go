package buffer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// decoder reads what the append functions wrote. After a mistake it returns zeros and is bad.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) bytes(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.bad, d.b = true, nil
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) byte() byte {
	if v := d.bytes(1); v != nil {
		return v[0]
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if v := d.bytes(8); v != nil {
		return binary.LittleEndian.Uint64(v)
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

// int reads a number that fits 32 bits.
func (d *decoder) int() int {
	v := d.uvarint()
	if v > math.MaxUint32 {
		d.bad, d.b = true, nil
		return 0
	}
	return int(v)
}

// count reads how many things follow that take at least size bytes each.
func (d *decoder) count(size int) int {
	n := d.int()
	if n > len(d.b)/size {
		d.bad, d.b = true, nil
		return 0
	}
	return n
}

func (d *decoder) string() string { return string(d.bytes(d.int())) }

func (d *decoder) strings() []string {
	n := d.count(1)
	if n == 0 {
		return nil
	}
	v := make([]string, n)
	for i := range v {
		v[i] = d.string()
	}
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendStrings(b []byte, s []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	for _, v := range s {
		b = appendString(b, v)
	}
	return b
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// withSum returns b with its checksum, which is of the key that it lies under, too.
func withSum(b []byte, key ...byte) []byte {
	return binary.LittleEndian.AppendUint32(bytes.Clone(b), sumUnder(key, b))
}

func checked(b []byte, key ...byte) ([]byte, error) {
	n := len(b) - 4
	if n < 0 || sumUnder(key, b[:n]) != binary.LittleEndian.Uint32(b[n:]) {
		return nil, fmt.Errorf("wrong checksum: %w", errDamaged)
	}
	return b[:n], nil
}

func sumUnder(key, b []byte) uint32 {
	return crc32.Update(checksum(key), crc32.MakeTable(crc32.Castagnoli), b)
}
