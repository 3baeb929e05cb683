package statefile

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/boltfile/boltfiletest"
	"github.com/seed-afc6a195/aggregator/internal/format"
)

// Notes of several queues are read as they were written last, each under the other queue's number.
func TestAdoptions(t *testing.T) {
	dir := boltfiletest.MemoryDir(t)
	if all, err := Adoptions(dir); err != nil || len(all) > 0 {
		t.Errorf("there are none: %v, %v", all, err)
	}
	want := []Adoption{
		{Queue: [16]byte{}, Seq: 1},
		{Queue: [16]byte{0xab, 15: 0xcd}, Seq: math.MaxUint64, Letter: math.MaxUint64, Pending: math.MaxUint64},
		{Queue: [16]byte{0xff}, Letter: 3, Pending: 4},
	}
	for _, seq := range []uint64{5, 6} {
		for i := range want {
			a := want[i]
			a.Seq += seq
			want[i].Seq = a.Seq
			if err := a.Write(dir); err != nil {
				t.Fatal(err)
			}
		}
	}
	if all, err := Adoptions(dir); err != nil || !reflect.DeepEqual(all, want) {
		t.Errorf("got  %+v, %v\nwant %+v", all, err, want)
	}
	const name = "ab0000000000000000000000000000cd"
	if _, err := os.Stat(filepath.Join(dir, "adopted", name)); err != nil {
		t.Errorf("its name is another: %v", err)
	}
	for range 2 {
		if err := want[1].Remove(dir); err != nil {
			t.Fatal(err)
		}
	}
	want = append(want[:1], want[2:]...)
	if all, err := Adoptions(dir); err != nil || !reflect.DeepEqual(all, want) {
		t.Errorf("one is removed: got %+v, %v\nwant %+v", all, err, want)
	}
}

// Of a note that can't be read all is pending; one of a later program's format is not touched.
func TestAdoptionFormats(t *testing.T) {
	id := [16]byte{1}
	numbers := make([]byte, 24)
	numbers[0], numbers[8], numbers[16] = 5, 6, 7
	whole := Adoption{Queue: id, Seq: 5, Letter: 6, Pending: 7}
	pending := Adoption{Queue: id, Pending: 1}
	sum := func(b ...byte) []byte { return boltfile.WithSum(b, id[:]...) }
	for _, tc := range []struct {
		name string
		b    []byte
		want Adoption
	}{
		{"of format 1", sum(append([]byte{1, 1}, numbers...)...), whole},
		{"of a later one that this program may read", sum(append([]byte{3, 1}, numbers...)...), whole},
		{"empty", nil, pending},
		{"a checksum of nothing", sum(), pending},
		{"of another queue", boltfile.WithSum(append([]byte{1, 1}, numbers...), 2), pending},
		{"cut", sum(append([]byte{1, 1}, numbers[:23]...)...), pending},
		{"with more behind it", sum(append([]byte{1, 1, 0}, numbers...)...), pending},
		{"of a later one that it may not", sum(append([]byte{3, 3}, numbers...)...), Adoption{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := boltfiletest.MemoryDir(t)
			if err := whole.Write(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(whole.path(dir), tc.b, 0o600); err != nil {
				t.Fatal(err)
			}
			all, err := Adoptions(dir)
			// An empty note is of format 0, which no program has written.
			if unknown := tc.want == (Adoption{}); unknown || errors.Is(err, format.ErrUnknown) {
				if !errors.Is(err, format.ErrUnknown) || !strings.HasPrefix(err.Error(), whole.path(dir)+": ") {
					t.Errorf("%+v, %v", all, err)
				}
				return
			}
			if err != nil || len(all) != 1 || all[0] != tc.want {
				t.Errorf("got %+v, %v; want %+v", all, err, tc.want)
			}
		})
	}
}

// What else lies in the directory is passed over, and what a cut write has left is removed.
func TestAdoptionsBeside(t *testing.T) {
	dir := boltfiletest.MemoryDir(t)
	want := Adoption{Queue: [16]byte{9}, Seq: 1}
	if err := want.Write(dir); err != nil {
		t.Fatal(err)
	}
	beside := map[string]bool{ // whether it stays
		"README": true, "abcd": true, "09000000000000000000000000000000ff": true,
		"09000000000000000000000000000000.tmp": false, "x.tmp": false,
	}
	for name := range beside {
		if err := os.WriteFile(filepath.Join(dir, "adopted", name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := Adoptions(dir); err != nil || len(all) != 1 || all[0] != want {
		t.Errorf("%+v, %v", all, err)
	}
	for name, stays := range beside {
		if _, err := os.Stat(filepath.Join(dir, "adopted", name)); (err == nil) != stays {
			t.Errorf("%s: %v, want that it stays: %v", name, err, stays)
		}
	}
}

// Notes that can't be written, read or removed are told of.
func TestAdoptionFailure(t *testing.T) {
	dir := boltfiletest.MemoryDir(t)
	a := Adoption{Queue: [16]byte{9}}
	if err := os.WriteFile(filepath.Join(dir, "adopted"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.Write(dir); err == nil || !strings.HasPrefix(err.Error(), "note what was handed over: ") {
		t.Errorf("written: %v", err)
	}
	if err := a.Remove(dir); err == nil || !strings.HasPrefix(err.Error(), "forget what was handed over: ") {
		t.Errorf("removed: %v", err)
	}
	if _, err := Adoptions(dir); err == nil {
		t.Error("a file is read as a directory")
	}
}
