// Package boltfiletest makes damaged files for the tests of whoever keeps bbolt files.
package boltfiletest

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"os"
	"slices"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
)

// FixMeta makes the sums of b's meta pages right, so that what is behind them is read.
func FixMeta(b []byte) {
	for page := range min(2, len(b)/boltfile.PageSize) {
		m := b[page*boltfile.PageSize+boltfile.PageHead:]
		sum := fnv.New64a()
		// Never fails.
		_, _ = sum.Write(m[:56])
		binary.LittleEndian.PutUint64(m[56:], sum.Sum64())
	}
}

// Seed adds the file at path whole, cut, and with a page of zeros, and with each the other arguments.
func Seed(f *testing.F, path string, more ...any) {
	f.Helper()
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	// Bbolt makes files larger than they need to be.
	whole = bytes.TrimRight(whole, "\x00")
	whole = append(whole, make([]byte, -len(whole)&(boltfile.PageSize-1))...)
	zeroed := slices.Concat(whole[:2*boltfile.PageSize], make([]byte, boltfile.PageSize), whole[3*boltfile.PageSize:])
	for _, b := range [][]byte{whole, whole[:len(whole)/2], zeroed} {
		f.Add(append([]any{b}, more...)...)
	}
}

// Change replaces the file at path by what f makes of it.
func Change(t *testing.T, path string, f func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, f(b), 0o600); err != nil {
		t.Fatal(err)
	}
}
