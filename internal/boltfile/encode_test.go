package boltfile_test

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
)

// What was appended is read back, in order, and nothing is left.
func TestDecoder(t *testing.T) {
	b := []byte{7}
	b = binary.LittleEndian.AppendUint64(b, math.MaxUint64-1)
	b = binary.AppendUvarint(b, math.MaxUint64)
	b = binary.AppendVarint(b, math.MinInt64)
	b = binary.AppendUvarint(b, math.MaxUint32)
	b = boltfile.AppendString(b, "")
	b = boltfile.AppendString(b, "서울\x00\xff")
	b = boltfile.AppendString(b, strings.Repeat("x", 300))
	b = boltfile.AppendStrings(b, nil)
	b = boltfile.AppendStrings(b, []string{"", "a", "b"})
	b = append(b, 1, 2, 3)
	read := func(d *boltfile.Decoder) (same bool) {
		same = d.Byte() == 7
		same = d.Uint64() == math.MaxUint64-1 && same
		same = d.Uvarint() == math.MaxUint64 && same
		same = d.Varint() == math.MinInt64 && same
		same = d.Int() == math.MaxUint32 && same
		same = d.String() == "" && same
		same = d.String() == "서울\x00\xff" && same
		same = d.String() == strings.Repeat("x", 300) && same
		same = d.Strings() == nil && same
		same = slices.Equal(d.Strings(), []string{"", "a", "b"}) && same
		return slices.Equal(d.Bytes(3), []byte{1, 2, 3}) && same
	}
	d := boltfile.Decoder{B: b}
	if same := read(&d); !same || d.Bad || len(d.B) > 0 {
		t.Errorf("same %v, bad %v, %d bytes left", same, d.Bad, len(d.B))
	}
	// Cut anywhere, it is bad, and reads nothing that was not there.
	for n := range b {
		d := boltfile.Decoder{B: b[:n]}
		if same := read(&d); same || !d.Bad || len(d.B) > 0 {
			t.Errorf("cut at %d: same %v, bad %v, %d bytes left", n, same, d.Bad, len(d.B))
		}
	}
}

// Lengths and counts that can't be are bad, and take no memory.
func TestDecoder_Lies(t *testing.T) {
	huge := binary.AppendUvarint(nil, math.MaxUint64)
	long := binary.AppendUvarint(nil, math.MaxUint32)
	for name, tc := range map[string]struct {
		b    []byte
		read func(d *boltfile.Decoder)
	}{
		"a number over 32 bits":  {huge, func(d *boltfile.Decoder) { _ = d.Int() }},
		"a text longer than all": {append(long, 'x'), func(d *boltfile.Decoder) { _ = d.String() }},
		"more texts than bytes":  {append(long, 0, 0), func(d *boltfile.Decoder) { _ = d.Strings() }},
		"more things than bytes": {
			append([]byte{3}, make([]byte, 23)...), func(d *boltfile.Decoder) { _ = d.Count(8) },
		},
		"a negative length":        {[]byte{1, 2}, func(d *boltfile.Decoder) { _ = d.Bytes(-1) }},
		"a number without end":     {[]byte(strings.Repeat("\xff", 20)), func(d *boltfile.Decoder) { _ = d.Uvarint() }},
		"a signed one without end": {[]byte(strings.Repeat("\x80", 20)), func(d *boltfile.Decoder) { _ = d.Varint() }},
	} {
		d := boltfile.Decoder{B: tc.b}
		if tc.read(&d); !d.Bad || d.B != nil {
			t.Errorf("%s: bad %v, %d bytes left", name, d.Bad, len(d.B))
		}
		if d.Byte() != 0 || d.Uvarint() != 0 || d.Varint() != 0 || d.Uint64() != 0 || d.String() != "" || !d.Bad {
			t.Errorf("%s: it reads on", name)
		}
	}
	if d := (boltfile.Decoder{B: append([]byte{3}, make([]byte, 24)...)}); d.Count(8) != 3 || d.Bad {
		t.Error("as many things as there are bytes for")
	}
}

// A value belongs to its key, and no bit of it can change.
func TestVerifySum(t *testing.T) {
	for _, value := range []string{"", "x", "value", strings.Repeat("long", 1000)} {
		sealed := boltfile.WithSum([]byte(value), []byte("key")...)
		if got, err := boltfile.VerifySum(sealed, []byte("key")...); string(got) != value || err != nil {
			t.Errorf("%.10q: %.10q, %v", value, got, err)
		}
		for _, other := range []string{"", "kez", "key2", "ke"} {
			if _, err := boltfile.VerifySum(sealed, []byte(other)...); !errors.Is(err, boltfile.ErrDamaged) {
				t.Errorf("%.10q under %q: %v", value, other, err)
			}
		}
		for i := 0; i < 8*len(sealed); i += 1 + len(sealed)/8 {
			sealed[i/8] ^= 1 << (i % 8)
			if _, err := boltfile.VerifySum(sealed, []byte("key")...); !errors.Is(err, boltfile.ErrDamaged) {
				t.Errorf("%.10q with bit %d changed: %v", value, i, err)
			}
			sealed[i/8] ^= 1 << (i % 8)
		}
	}
	for _, short := range []string{"", "a", "abc"} {
		if _, err := boltfile.VerifySum([]byte(short)); !errors.Is(err, boltfile.ErrDamaged) {
			t.Errorf("%q: %v", short, err)
		}
	}
}
