package disk

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// rawLetter is a letter as it lies on disk.
type rawLetter struct {
	number uint64
	value  []byte
}

// readLetters returns what f holds, in order.
func readLetters(f *file) (letters []rawLetter, err error) {
	p, err := boltfile.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	b, err := p.Bucket(lettersBucket)
	if err != nil || b == nil {
		return nil, errors.Join(err, fmt.Errorf("no bucket %q: %w", lettersBucket, boltfile.ErrDamaged))
	}
	err = b.Each(func(e boltfile.Element) error {
		if len(e.Key) != 8 || binary.BigEndian.Uint64(e.Key) < f.first {
			return fmt.Errorf("dead letter with number %x: %w", e.Key, boltfile.ErrDamaged)
		}
		if n := binary.BigEndian.Uint64(e.Key); n <= f.last || !f.failed {
			letters = append(letters, rawLetter{n, e.Value})
		}
		return nil
	})
	if err == nil && len(letters) != f.letters {
		err = fmt.Errorf("%d of %d dead letters are there: %w", len(letters), f.letters, boltfile.ErrDamaged)
	}
	return letters, err
}

// replace puts a file with the letters in f's place, on disk when it returns. After an error f is as it was, unless
// that is errUnsynced. Nothing is ever changed within a file that was written before: bbolt would work with its list of
// free pages, which has no checksum, and with pages that a failed sync may have left in memory only. It also gives the
// disk back, and leaves no copy of a letter that is gone.
func (d *Store) replace(f *file, letters []rawLetter) error {
	if d.db != nil && d.files[len(d.files)-1] == f {
		if err := d.end(); err != nil {
			return err
		}
	}
	next := &file{path: f.path, first: f.first, last: f.last, count: map[deadletter.Key]int64{}}
	tmp := f.path + ".tmp"
	// It is of an earlier attempt.
	_ = os.Remove(tmp)
	err := boltfile.RecoverPanics(func() error {
		db, err := openDead(tmp)
		if err != nil {
			return err
		}
		return errors.Join(db.Update(func(tx *bbolt.Tx) error { return next.fill(tx, letters) }), db.Close())
	})
	failpoint.Pass("dead.rewrite.filled")
	if err == nil {
		err = os.Rename(tmp, f.path)
	}
	failpoint.Pass("dead.rewrite.renamed")
	if err != nil {
		// The error has been told.
		_ = os.Remove(tmp)
		return fmt.Errorf("write %s anew: %w", f.path, err)
	}
	next.last = max(f.last, next.last)
	if st, err := os.Stat(f.path); err == nil {
		next.disk = boltfile.Allocated(st)
	}
	*f = *next
	if err := boltfile.SyncDir(d.dir); err != nil {
		return fmt.Errorf("write %s anew: %w: %w", f.path, errUnsynced, err)
	}
	failpoint.Pass("dead.rewritten")
	return nil
}

// errUnsynced is returned where a file was replaced, but a power loss may bring the old one back.
var errUnsynced = errors.New("its name may not survive a power loss")

// fill writes the letters and f's summary into an empty file.
func (f *file) fill(tx *bbolt.Tx, letters []rawLetter) error {
	b, err := tx.CreateBucket([]byte(lettersBucket))
	if err != nil {
		return err
	}
	b.FillPercent = 1
	for i := range letters {
		key := letterKey(letters[i].number)
		l, err := decodeLetter(key, letters[i].value, false)
		if err == nil {
			err = b.Put(key, letters[i].value)
		}
		if err != nil {
			return err
		}
		f.add(&l)
	}
	if b, err = tx.CreateBucket([]byte(summaryBucket)); err != nil {
		return err
	}
	return b.Put([]byte(summaryBucket), f.encode())
}

// repair sets the damaged file f aside and puts one with its whole letters in its place; without any,
// f is gone. known: f's summary could be read, so that what is lost can be told.
func (d *Store) repair(f *file, cause error, known bool) error {
	want := -1
	if known {
		want = f.letters
	}
	letters, lost, err := salvageLetters(f.path, want)
	if err != nil {
		return errors.Join(cause, err)
	}
	before := maps.Clone(f.count)
	name, err := boltfile.Quarantine(f.path)
	if err != nil {
		return errors.Join(cause, err)
	}
	if len(letters) == 0 {
		if !d.discard(f) {
			return cause
		}
		f.count = nil
	} else {
		if !known {
			f.first, f.last = letters[0].number, letters[len(letters)-1].number
		}
		if err := d.replace(f, letters); errors.Is(err, errUnsynced) {
			cause = errors.Join(cause, err)
		} else if err != nil {
			boltfile.Unquarantine(name, f.path)
			return errors.Join(cause, err)
		}
	}
	d.gone.aside++
	log := d.log.Error().Err(cause).Str("file", f.path).Str("set_aside", name).Int("letters", len(letters))
	if len(lost) > 0 {
		log = log.Str("damaged_letters", numberList(lost))
	}
	if known {
		for k, n := range before {
			if n -= f.count[k]; n > 0 {
				d.gone.lost += n
				log = log.Int64(
					fmt.Sprintf("lost_events{output=%q,cluster=%q,reason=%q}", k.Output, k.Cluster, k.Reason), n,
				)
			}
		}
	}
	log.Msg("file of dead letters is damaged: set aside, the letters that can be read are kept")
	return nil
}

// numberList returns ascending numbers as text, those that follow each other as a range.
func numberList(numbers []uint64) string {
	// most is how many ranges there are at most.
	const most = 20
	var b []byte
	for i, n := 0, 0; i < len(numbers); n++ {
		if n == most {
			return string(b) + fmt.Sprintf(" and %d more", len(numbers)-i)
		}
		from := i
		for i++; i < len(numbers) && numbers[i] == numbers[i-1]+1; i++ {
		}
		if n > 0 {
			b = append(b, ", "...)
		}
		b = fmt.Appendf(b, "%d", numbers[from])
		if i > from+1 {
			b = fmt.Appendf(b, "-%d", numbers[i-1])
		}
	}
	return string(b)
}

// salvageLetters returns the whole letters of a damaged file, in order, and the numbers of those that
// are known to be damaged. Where pages make no sense, or there are not as many letters as want says
// (below 0: nobody knows), the whole file is searched for letters; of what lies about it keeps those
// with the salt that most bytes have, as salvage does.
func salvageLetters(path string, want int) (letters []rawLetter, lost []uint64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	// Only read from.
	defer func() { _ = f.Close() }()
	found, damaged, torn := map[uint64][]byte{}, map[uint64]bool{}, false
	if p, err := boltfile.Open(path); err != nil {
		torn = true
	} else {
		defer p.Close()
		tear := func(error) { torn = true }
		if err := p.Top().EachWhole(func(e boltfile.Element) error {
			b, err := p.Tree(e)
			if err != nil || string(e.Key) != lettersBucket {
				torn = torn || err != nil
				return nil
			}
			return b.EachWhole(func(e boltfile.Element) error {
				if _, err := decodeLetter(e.Key, e.Value, false); err == nil {
					found[binary.BigEndian.Uint64(e.Key)] = e.Value
				} else if len(e.Key) == 8 {
					damaged[binary.BigEndian.Uint64(e.Key)] = true
				}
				return nil
			}, tear)
		}, tear); err != nil || len(found)+len(damaged) != want {
			torn = true
		}
	}
	if torn {
		if err := scanLetters(f, found); err != nil {
			return nil, nil, err
		}
	}
	for number, value := range found {
		letters = append(letters, rawLetter{number, value})
		delete(damaged, number)
	}
	slices.SortFunc(letters, func(a, b rawLetter) int { return cmp.Compare(a.number, b.number) })
	return letters, slices.Sorted(maps.Keys(damaged)), nil
}

// scanLetters adds to found the letters of f that elements of leaf pages point at, whatever is around
// these elements.
func scanLetters(f *os.File, found map[uint64][]byte) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	b := make([]byte, st.Size())
	if err := boltfile.ReadAround(f, b, 0); err != nil {
		return err
	}
	type letter struct {
		rawLetter
		salt uint64
	}
	var all []letter
	weight := map[uint64]int{}
	for number, value := range found {
		weight[letterSalt(value)] += len(value)
		all = append(all, letter{rawLetter{number, value}, letterSalt(value)})
	}
	// What an agent sent may look like elements, each of them of all that follows.
	work := 256 * len(b)
	for at := 0; at+16 <= len(b) && work > 0; at += 16 {
		if binary.LittleEndian.Uint32(b[at:]) != 0 || binary.LittleEndian.Uint32(b[at+8:]) != 8 {
			continue
		}
		from := at + int(binary.LittleEndian.Uint32(b[at+4:]))
		end := from + 8 + int(binary.LittleEndian.Uint32(b[at+12:]))
		if end > len(b) {
			continue
		}
		key, value := b[from:from+8], b[from+8:end:end]
		work -= len(value)
		if _, err := decodeLetter(key, value, false); err != nil || value[0] == 1 {
			// One without a salt may be bytes that an agent sent.
			continue
		}
		weight[letterSalt(value)] += len(value)
		all = append(all, letter{rawLetter{binary.BigEndian.Uint64(key), value}, letterSalt(value)})
	}
	var salt uint64
	for s, n := range weight {
		if n > weight[salt] {
			salt = s
		}
	}
	for _, l := range all {
		if l.salt == salt {
			found[l.number] = l.value
		}
	}
	return nil
}
