package segment

import (
	"encoding/hex"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

// An index is read as it was written, from nothing at all to the largest numbers.
func TestIndexRoundTrip(t *testing.T) {
	most := Entry{
		Seq: math.MaxUint32, Off: math.MaxUint32, Size: math.MaxUint32, Raw: math.MaxUint32, Events: math.MaxUint32,
		Cluster: 1, Set: 1, Received: math.MaxInt64,
	}
	for _, tc := range []struct {
		name string
		c    Contents
	}{
		{"nothing", Contents{Entries: []Entry{}, Tails: resend.Tails{}}},
		{"names that nobody has", Contents{
			Clusters: []string{"a", "", "\x00ü"}, Sets: [][]string{nil, {"x"}, {"x", "y", ""}}, Entries: []Entry{},
			Tails: resend.Tails{},
		}},
		{"the smallest and the largest numbers", Contents{
			Clusters: []string{"a", "b"}, Sets: [][]string{{"x"}, nil},
			Entries: []Entry{{Received: math.MinInt64}, {Seq: 1, Received: -1}, most}, Tails: resend.Tails{},
		}},
		{"times that go back", Contents{
			Clusters: []string{"a"}, Sets: [][]string{nil},
			Entries: []Entry{{Seq: 1, Received: 10}, {Seq: 2, Received: 5}, {Seq: 3, Received: 7}},
			Tails:   resend.Tails{},
		}},
		{"ends of connections", Contents{Entries: []Entry{}, Tails: resend.Tails{
			0: {}, math.MaxUint64: {Commit: math.MaxUint64, Stored: math.MinInt64, Keys: []resend.Key{
				{Chunk: [16]byte{1}, Events: math.MaxUint32}, {},
			}},
		}}},
	} {
		for _, oldest := range []int{0, 1, 2, 3} {
			c := tc.c
			c.First, c.Oldest = 7, oldest
			b := c.Encode()
			got, err := decodeIndex(7, b)
			if err != nil {
				t.Fatalf("%s: %v", tc.name, err)
			}
			// Older programs than that can read no index, so which one it was is not kept.
			c.Oldest = max(oldestIndex, oldest)
			if !reflect.DeepEqual(*got, c) {
				t.Errorf("%s:\ngot  %+v\nwant %+v", tc.name, *got, c)
			}
		}
	}
}

// The bytes on disk stay as they are: what was written once is to be read.
func TestIndexBytes(t *testing.T) {
	c := Contents{
		First: 100, Clusters: []string{"seoul"}, Sets: [][]string{{"es", "s3"}}, Oldest: 1,
		Entries: []Entry{
			{Seq: 0, Off: 4096, Size: 300, Raw: 1000, Events: 3, Received: 1000},
			{Seq: 2, Off: 8192, Size: 200, Raw: 200, Events: 1, Received: 900},
		},
		Tails: resend.Tails{5: {Commit: 6, Stored: 900, Keys: []resend.Key{{Chunk: [16]byte{0xaa}, Events: 3}}}},
	}
	want := strings.Join([]string{
		"0302", // numbers of the format and of the oldest program
		"01" + "0573656f" + // one cluster
			"756c",
		"01" + "02" + "026573" + "027333", // one set of two outputs
		"02",
		"00" + "8020" + "ac02" + "e807" + "03" + "00" + "00" + "d00f", // the first chunk
		"02" + "8040" + "c801" + "c801" + "01" + "00" + "00" + "c701", // the second, two numbers and -100 ns later
		"01" + "0500000000000000" + "06" + "8403000000000000" + "01" + // the end of connection 5
			"aa" + strings.Repeat("00", 15) + "03",
	}, "")
	b := c.Encode()
	if got := hex.EncodeToString(b[:len(b)-4]); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if _, err := boltfile.VerifySum(b); err != nil {
		t.Error(err)
	}
}

// An index that makes no sense is damaged, and one that a later program has to read is left alone.
func TestIndexRefused(t *testing.T) {
	sum := func(b ...byte) []byte { return boltfile.WithSum(b) }
	c := Contents{First: 7, Clusters: []string{"a"}, Sets: [][]string{{"x"}}, Entries: []Entry{{Seq: 1}}}
	whole := c.Encode()
	whole = slices.Clip(whole[:len(whole)-4])
	damaged := boltfile.ErrDamaged
	for _, tc := range []struct {
		name string
		b    []byte
		is   error
		text string
	}{
		{"nothing", nil, damaged, "has a wrong checksum"},
		{"a checksum of nothing", sum(), damaged, "has a wrong checksum"},
		{"a wrong checksum", append(whole, 1, 2, 3, 4), damaged, "has a wrong checksum"},
		{"of a later program", sum(200, 199, 0, 0, 0, 0), format.ErrUnknown, "index of a segment of format 200"},
		{"of format 0", sum(0, 0, 0, 0), format.ErrUnknown, "index of a segment of format 0"},
		{"bytes behind its end", sum(append(whole, 0)...), damaged, "makes no sense"},
		{"a chunk of no cluster", sum(3, 2, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0), damaged, "makes no sense"},
		{"a chunk of no set", sum(3, 2, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0), damaged, "makes no sense"},
		{"more chunks than bytes", sum(3, 2, 0, 0, 0xff, 0x7f, 0), damaged, "makes no sense"},
	} {
		got, err := decodeIndex(7, tc.b)
		if got != nil || !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s: %+v, %v; want %q", tc.name, got, err, tc.text)
		}
	}
	for n := range whole {
		if got, err := decodeIndex(7, sum(whole[:n]...)); err == nil {
			t.Errorf("cut at %d of %d bytes: %+v", n, len(whole), got)
		}
	}
}

// An index is for the oldest program that may read each of its chunks.
func TestIndexOldest(t *testing.T) {
	for _, tc := range []struct {
		name string
		h    chunk.Header
		want byte
	}{
		{"plain", chunk.Header{}, 2},
		{"source", chunk.Header{Source: "s"}, 2},
		{"new tag", chunk.Header{NewTag: "t"}, 3},
	} {
		b := newBuilder(0)
		b.add(&chunk.Header{}, 0)
		b.add(&tc.h, 0)
		b.add(&chunk.Header{}, 0)
		if index := b.Encode(); index[0] != 3 || index[1] != tc.want {
			t.Errorf("%s: format %d, from %d on; want 3 and %d", tc.name, index[0], index[1], tc.want)
		}
	}
}

// Sets of outputs are told apart by names and order, whatever the names are made of.
func TestSetKey(t *testing.T) {
	sets := [][]string{nil, {"a"}, {"a", "b"}, {"b", "a"}, {"ab"}, {"a", "", "b"}, {"a,b"}, {"a", "b", ""}}
	seen := map[string][]string{}
	for _, set := range sets {
		key := SetKey(set)
		if other, ok := seen[key]; ok {
			t.Errorf("%q and %q are one", set, other)
		}
		seen[key] = set
	}
}
