package disk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

func letterKey(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

// letterFormat is that of letters. Number 1 has no salt; up to number 2 checksums may not cover the letter's number,
// and there is no number of the oldest program.
func letterFormat() format.Format {
	return format.Format{Name: "dead letter", Number: 3, Since: 1, Alone: 2}
}

// summaryFormat is that of a file's summary. Programs open it before they look at the number of the queue's format: an
// older one would take another number for damage, so it stays while it can. A file with a letter that an older program
// must not overlook has a summary of a new number, which names it as the oldest.
func summaryFormat() format.Format {
	return format.Format{Name: "summary of dead letters", Number: 1, Since: 1, Alone: 1}
}

// encodeLetter returns l as it lies on disk, its number left out. The salt is random and never leaves
// the disk: without it, bytes that an agent sent could pass for a letter when a damaged file is searched.
func encodeLetter(l *deadletter.Letter, salt uint64) []byte {
	b := make([]byte, 0, 128+len(l.Detail)+len(l.Entry))
	b = binary.LittleEndian.AppendUint64(letterFormat().Append(b), salt)
	b = binary.LittleEndian.AppendUint64(b, uint64(l.Time.UnixNano()))
	for _, s := range [...]string{l.Cluster, l.Tag, l.Output, l.EventID, l.Reason, l.Detail} {
		b = boltfile.AppendString(b, s)
	}
	for _, n := range [...]int{l.Status, l.Attempts, l.Events} {
		b = binary.AppendUvarint(b, uint64(uint32(n)))
	}
	return boltfile.WithSum(append(b, l.Entry...), letterKey(l.ID)...)
}

// decodeLetter is the reverse. entry: with Entry, which is a copy.
func decodeLetter(key, value []byte, entry bool) (deadletter.Letter, error) {
	if len(key) != 8 {
		return deadletter.Letter{}, fmt.Errorf("dead letter with number %x: %w", key, boltfile.ErrDamaged)
	}
	l := deadletter.Letter{ID: binary.BigEndian.Uint64(key)}
	b, err := boltfile.VerifySum(value, key...)
	if err != nil {
		if b, _ = boltfile.VerifySum(value); len(b) == 0 || b[0] > 2 {
			return deadletter.Letter{}, fmt.Errorf("dead letter %d: %w", l.ID, err)
		}
	}
	number, rest, err := letterFormat().Cut(b)
	if err != nil {
		return deadletter.Letter{}, fmt.Errorf("dead letter %d: %w", l.ID, err)
	}
	d := boltfile.Decoder{B: rest}
	if number > 1 {
		// Salt.
		_ = d.Uint64()
	}
	l.Time = time.Unix(0, int64(d.Uint64()))
	for _, s := range [...]*string{&l.Cluster, &l.Tag, &l.Output, &l.EventID, &l.Reason, &l.Detail} {
		*s = d.String()
	}
	for _, n := range [...]*int{&l.Status, &l.Attempts, &l.Events} {
		*n = d.Int()
	}
	if d.Bad {
		return deadletter.Letter{}, fmt.Errorf("dead letter %d makes no sense: %w", l.ID, boltfile.ErrDamaged)
	}
	if entry {
		l.Entry = bytes.Clone(d.B)
	}
	return l, nil
}

// letterSalt returns the salt of a whole letter, 0 where it has none.
func letterSalt(value []byte) uint64 {
	switch value[0] {
	case 1:
		return 0
	case 2:
		return binary.LittleEndian.Uint64(value[1:])
	}
	return binary.LittleEndian.Uint64(value[2:])
}

// encode returns the summary of f as it lies beside the letters.
func (f *file) encode() []byte {
	b := summaryFormat().Append(nil)
	for _, n := range [...]uint64{f.first, f.last, uint64(f.newest.UnixNano())} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	b = binary.AppendUvarint(b, uint64(f.letters))
	b = binary.AppendUvarint(b, uint64(len(f.count)))
	for k, n := range f.count {
		for _, s := range [...]string{k.Output, k.Cluster, k.Reason} {
			b = boltfile.AppendString(b, s)
		}
		b = binary.AppendUvarint(b, uint64(n))
	}
	return boltfile.WithSum(b)
}

// decode is the reverse.
func (f *file) decode(value []byte) error {
	b, err := boltfile.VerifySum(value)
	if err != nil {
		return fmt.Errorf("summary of dead letters: %w", err)
	}
	_, rest, err := summaryFormat().Cut(b)
	if err != nil {
		return err
	}
	d := boltfile.Decoder{B: rest}
	f.first, f.last, f.newest = d.Uint64(), d.Uint64(), time.Unix(0, int64(d.Uint64()))
	f.letters = d.Int()
	for n := d.Count(4); n > 0 && !d.Bad; n-- {
		k := deadletter.Key{Output: d.String(), Cluster: d.String(), Reason: d.String()}
		f.count[k] = int64(d.Uvarint())
	}
	if d.Bad {
		return fmt.Errorf("summary of dead letters makes no sense: %w", boltfile.ErrDamaged)
	}
	return nil
}
