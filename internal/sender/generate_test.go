package sender

import (
	"bytes"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tinylib/msgp/msgp"
)

func TestGeneratorNumbersAndSizes(t *testing.T) {
	for _, size := range []int{0, MinSize(), 300, 5000, 100_000} {
		g := &Generator{Count: 203, Size: size, ChunkEvents: 10}
		var mu sync.Mutex
		var all []byte
		var readers sync.WaitGroup
		for range 3 {
			r := g.Reader()
			readers.Go(func() {
				entries, _, err := readAll(t.Context(), r)
				mu.Lock()
				defer mu.Unlock()
				all = append(all, entries...)
				if err != nil {
					t.Error(err)
				}
			})
		}
		readers.Wait()
		if want := max(size, MinSize()) * 203; len(all) != want {
			t.Errorf("size %d: %d bytes, want %d", size, len(all), want)
		}
		seqs := seqOf(t, all)
		slices.Sort(seqs)
		if seqs = slices.Compact(seqs); len(seqs) != 203 || seqs[0] != 1 || seqs[202] != 203 {
			t.Errorf("size %d: %d numbers, %d to %d", size, len(seqs), seqs[0], seqs[len(seqs)-1])
		}
		if logs := slices.Compact(slices.Sorted(slices.Values(jsonOf(t, all)))); len(logs) != 203 {
			t.Errorf("size %d: %d different events", size, len(logs))
		}
		if g.Fraction() != 1 {
			t.Errorf("fraction %v", g.Fraction())
		}
	}
}

func TestGeneratorCRI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entries, n, err := (&Generator{Count: 9, Size: 400, ChunkEvents: 9, CRI: true}).Reader().Next(t.Context())
		if line := []byte("2000-01-01T00:00:00.000000000Z stdout F 10.2."); err != nil || n != 9 ||
			bytes.Count(entries, line) != 9 || len(entries) != 9*400 {
			t.Errorf("%d events of %d bytes, %v: %q", n, len(entries), err, entries)
		}
	})
}

func TestGeneratorTimesAscend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Second - 2) // so that nanoseconds carry over
		entries, _, err := (&Generator{Count: 5, Size: 300, ChunkEvents: 5}).Reader().Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var times []time.Time
		for e := entries; len(e) > 0; e = e[300:] {
			times = append(times,
				time.Unix(int64(uint32(e[3])<<24|uint32(e[4])<<16|uint32(e[5])<<8|uint32(e[6])),
					int64(uint32(e[7])<<24|uint32(e[8])<<16|uint32(e[9])<<8|uint32(e[10]))))
		}
		if !slices.IsSortedFunc(times, time.Time.Compare) || !times[0].Equal(time.Now()) ||
			times[4].Sub(times[0]) != 4 {
			t.Errorf("times %v", times)
		}
	})
}

func TestGeneratorPace(t *testing.T) {
	for _, tc := range []struct {
		g      *Generator
		events int
		took   time.Duration
		most   int // events of a chunk
	}{
		{&Generator{Count: 100, Rate: 10, ChunkEvents: 500}, 100, 9900 * time.Millisecond, 1},
		{&Generator{Count: 1000, Rate: 1000, ChunkEvents: 500}, 1000, 900 * time.Millisecond, 100},
		{&Generator{Duration: 2 * time.Second, Rate: 1e4, ChunkEvents: 500}, 20_000, 1950 * time.Millisecond, 500},
		{&Generator{Count: 50, Duration: time.Minute, Rate: 10, ChunkEvents: 5}, 50, 4900 * time.Millisecond, 1},
		{&Generator{Count: 5000, Duration: 2 * time.Second, Rate: 10, ChunkEvents: 5}, 20, 1900 * time.Millisecond, 1},
		{&Generator{Count: 5000, ChunkEvents: 500}, 5000, 0, 500},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			g := tc.g
			_, chunks, err := readAll(t.Context(), g.Reader())
			sum := 0
			for _, n := range chunks {
				sum += n
			}
			if took := time.Since(start); err != nil || sum != tc.events || took != tc.took ||
				slices.Max(chunks) != tc.most {
				t.Errorf("rate %v: error %v, %d events in %v, up to %d at once; want %d in %v, %d", g.Rate, err, sum,
					took, slices.Max(chunks), tc.events, tc.took, tc.most)
			}
		})
	}
}

func TestGeneratedEntriesAreWellFormed(t *testing.T) {
	entries, n, err := (&Generator{Count: 8, Size: 300, ChunkEvents: 8}).Reader().Next(t.Context())
	if err != nil || n != 8 {
		t.Fatal(n, err)
	}
	for ; len(entries) > 0; n-- {
		record, err := msgp.Skip(entries[1:])
		if err != nil {
			t.Fatal(err)
		}
		v, rest, err := msgp.ReadMapStrIntfBytes(record, nil)
		kubernetes, _ := v["kubernetes"].(map[string]any)
		if err != nil || len(v) != 4 || v["stream"] != "stdout" || len(kubernetes) != 4 {
			t.Fatalf("record %v: %v", v, err)
		}
		entries = rest
	}
	if n != 0 {
		t.Errorf("%d entries are missing", n)
	}
}
