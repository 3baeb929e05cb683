package buffer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

func letterKey(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

const letterVersion = 2

// encodeLetter returns l as it lies on disk, its number left out. The salt is random and never leaves
// the disk: without it, bytes that an agent sent could pass for a letter when a damaged file is searched.
func encodeLetter(l *Letter, salt uint64) []byte {
	b := make([]byte, 0, 128+len(l.Detail)+len(l.Entry))
	b = binary.LittleEndian.AppendUint64(append(b, letterVersion), salt)
	b = binary.LittleEndian.AppendUint64(b, uint64(l.Time.UnixNano()))
	for _, s := range [...]string{l.Cluster, l.Tag, l.Output, l.EventID, l.Reason, l.Detail} {
		b = appendString(b, s)
	}
	for _, n := range [...]int{l.Status, l.Attempts, l.Events} {
		b = binary.AppendUvarint(b, uint64(uint32(n)))
	}
	return withSum(append(b, l.Entry...), letterKey(l.ID)...)
}

// decodeLetter is the reverse. entry: with Entry, which is a copy.
func decodeLetter(key, value []byte, entry bool) (Letter, error) {
	if len(key) != 8 {
		return Letter{}, fmt.Errorf("dead letter with number %x: %w", key, errDamaged)
	}
	l := Letter{ID: binary.BigEndian.Uint64(key)}
	b, err := checked(value, key...)
	if err != nil {
		return Letter{}, fmt.Errorf("dead letter %d: %w", l.ID, err)
	}
	d := decoder{b: b}
	if v := d.byte(); v != letterVersion {
		return Letter{}, fmt.Errorf("dead letter %d has version %d, this program knows %d: %w", l.ID, v, letterVersion, errDamaged)
	}
	_ = d.uint64() // salt
	l.Time = time.Unix(0, int64(d.uint64()))
	for _, s := range [...]*string{&l.Cluster, &l.Tag, &l.Output, &l.EventID, &l.Reason, &l.Detail} {
		*s = d.string()
	}
	for _, n := range [...]*int{&l.Status, &l.Attempts, &l.Events} {
		*n = d.int()
	}
	if d.bad {
		return Letter{}, fmt.Errorf("dead letter %d makes no sense: %w", l.ID, errDamaged)
	}
	if entry {
		l.Entry = bytes.Clone(d.b)
	}
	return l, nil
}

// letterSalt returns the salt of a whole letter.
func letterSalt(value []byte) uint64 { return binary.LittleEndian.Uint64(value[1:]) }

const summaryVersion = 1

// encode returns the summary of f as it lies beside the letters.
func (f *deadFile) encode() []byte {
	b := []byte{summaryVersion}
	for _, n := range [...]uint64{f.first, f.last, uint64(f.newest.UnixNano())} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	b = binary.AppendUvarint(b, uint64(f.letters))
	b = binary.AppendUvarint(b, uint64(len(f.count)))
	for k, n := range f.count {
		for _, s := range [...]string{k.Output, k.Cluster, k.Reason} {
			b = appendString(b, s)
		}
		b = binary.AppendUvarint(b, uint64(n))
	}
	return withSum(b)
}

// decode is the reverse.
func (f *deadFile) decode(value []byte) error {
	b, err := checked(value)
	if err != nil {
		return fmt.Errorf("summary of dead letters: %w", err)
	}
	d := decoder{b: b}
	version := d.byte()
	f.first, f.last, f.newest = d.uint64(), d.uint64(), time.Unix(0, int64(d.uint64()))
	f.letters = d.int()
	for n := d.count(4); n > 0 && !d.bad; n-- {
		k := DeadKey{d.string(), d.string(), d.string()}
		f.count[k] = int64(d.uvarint())
	}
	if d.bad || version != summaryVersion {
		return fmt.Errorf("summary of dead letters makes no sense: %w", errDamaged)
	}
	return nil
}
