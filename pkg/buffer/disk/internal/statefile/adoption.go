package statefile

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/format"
)

// adoptionDir is the directory, in the queue's, of what was adopted: a file for each queue that hands over, named by
// its number.
const adoptionDir = "adopted"

// Adoption is what was taken over of another queue.
type Adoption struct {
	// Queue is the other one's own number.
	Queue [16]byte
	// Seq is that of the last chunk, in that queue.
	Seq uint64
	// Letter is that of the last dead letter, in that queue.
	Letter uint64
	// Pending is the sequence number, in this queue, from which on chunks may lie that were adopted after Seq; 0: none.
	Pending uint64
}

func adoptionFormat() format.Format {
	return format.Format{Name: "note of what was handed over", Number: 1, Since: 1}
}

func (a *Adoption) path(dir string) string {
	return filepath.Join(dir, adoptionDir, hex.EncodeToString(a.Queue[:]))
}

// Write makes a durable in the queue's directory.
func (a *Adoption) Write(dir string) error {
	path := a.path(dir)
	err := boltfile.MakeDir(filepath.Dir(path))
	if err == nil {
		b := adoptionFormat().Append(nil)
		for _, n := range [...]uint64{a.Seq, a.Letter, a.Pending} {
			b = binary.LittleEndian.AppendUint64(b, n)
		}
		err = boltfile.WriteSynced(path+".tmp", boltfile.WithSum(b, a.Queue[:]...))
	}
	if err == nil {
		err = os.Rename(path+".tmp", path)
	}
	if err == nil {
		err = boltfile.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("note what was handed over: %w", err)
	}
	return nil
}

// Remove removes what Write has written.
func (a *Adoption) Remove(dir string) error {
	if err := os.Remove(a.path(dir)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget what was handed over: %w", err)
	}
	return nil
}

// Adoptions reads what Write has written to the queue's directory. Of a file that can't be read all is pending, from
// the first chunk on: to look through all of them is always right.
func Adoptions(dir string) ([]Adoption, error) {
	files, err := os.ReadDir(filepath.Join(dir, adoptionDir))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var all []Adoption
	for _, f := range files {
		var a Adoption
		name, err := hex.DecodeString(f.Name())
		if err != nil || len(name) != len(a.Queue) {
			if strings.HasSuffix(f.Name(), ".tmp") {
				// A write that was cut; the next one makes it anew.
				_ = os.Remove(filepath.Join(dir, adoptionDir, f.Name()))
			}
			continue
		}
		copy(a.Queue[:], name)
		b, err := os.ReadFile(a.path(dir))
		if err == nil {
			err = a.decode(b)
		}
		if errors.Is(err, format.ErrUnknown) {
			return nil, fmt.Errorf("%s: %w", a.path(dir), err)
		}
		if err != nil {
			a.Seq, a.Letter, a.Pending = 0, 0, 1
		}
		all = append(all, a)
	}
	return all, nil
}

// decode is the reverse of what Write encodes, for a.Queue.
func (a *Adoption) decode(b []byte) error {
	b, err := boltfile.VerifySum(b, a.Queue[:]...)
	if err != nil {
		return err
	}
	_, rest, err := adoptionFormat().Cut(b)
	if err != nil {
		return err
	}
	d := boltfile.Decoder{B: rest}
	a.Seq, a.Letter, a.Pending = d.Uint64(), d.Uint64(), d.Uint64()
	if d.Bad || len(d.B) > 0 {
		return fmt.Errorf("note of what was handed over makes no sense: %w", boltfile.ErrDamaged)
	}
	return nil
}
