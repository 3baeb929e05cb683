package intent

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

const logName = "aggregator s3 objects"

// thing is what an output would keep.
type thing struct {
	name  string
	spans []Span
}

func formatOf(fold func([]thing) []thing) Format[thing] {
	return Format[thing]{
		What: "things", Name: logName, Fold: fold,
		Append: func(b []byte, o *thing) []byte {
			b = binary.AppendUvarint(AppendText(b, o.name), uint64(Events(o.spans)))
			return AppendSpans(b, o.spans)
		},
		Parse: func(payload []byte) (thing, bool) {
			r := NewReader(payload)
			o := thing{name: r.Text()}
			n := r.Number()
			o.spans = r.Spans()
			return o, r.Done() && n == uint64(Events(o.spans))
		},
	}
}

func someThings(n int) (things []thing) {
	for i := range n {
		o := thing{
			name: fmt.Sprintf("a/%d", i), spans: []Span{{Chunk: Key{byte(i), byte(i >> 8)}}, {Chunk: Key{1, byte(i)}}},
		}
		for _, pos := range []uint32{0, 2, 7, 1 << 20} {
			o.spans[0].Runs = AddRun(o.spans[0].Runs, pos, 1)
			o.spans[1].Runs = AddRun(o.spans[1].Runs, pos/2, 1)
		}
		things = append(things, o)
	}
	return things
}

// A log is bounded, and gives back the newest records however often it was opened.
func TestLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	all := someThings(5 * MaxRecords)
	folded := 0
	fold := func(things []thing) []thing { folded++; return things }
	for n := 0; n < len(all); { // several lives of the program
		l, got, err := Open(path, formatOf(fold))
		if err != nil {
			t.Fatal(err)
		}
		if k := min(n, len(got)); n > 0 && k < min(n, MaxRecords) ||
			len(got) > 0 && !reflect.DeepEqual(got, all[n-k:n]) {
			t.Fatalf("%d of %d records came back", len(got), n)
		}
		for i := range 9 {
			more := all[n:min(n+300, len(all))]
			if err := l.Add(i%2 == 0, more...); err != nil {
				t.Fatal(err)
			}
			n += len(more)
		}
		l.Close()
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > 80*(2*MaxRecords+600) {
		t.Errorf("the log has grown to %d bytes, %v", info.Size(), err)
	}
	if folded == 0 {
		t.Error("nobody was asked what still counts")
	}
}

// Records of much more than the limit leave the newest ones.
func TestLogOfLargeRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, _, err := Open(path, formatOf(nil))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		if err := l.Add(false, thing{name: fmt.Sprintf("%01000000d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	l.Close()
	_, got, err := Open(path, formatOf(nil))
	if err != nil || len(got) < 4 || len(got) > 10 || got[len(got)-1].name[999_998:] != "29" {
		t.Errorf("%d records, %v", len(got), err)
	}
}

func TestLogDamaged(t *testing.T) {
	var l Log[thing]
	l.format = formatOf(nil)
	things := someThings(3)
	magic := l.format.beginning()
	whole := []byte(magic)
	var ends []int
	for i := range things {
		whole = l.frame(whole, &things[i])
		ends = append(ends, len(whole))
	}
	flip := func(at int) []byte {
		b := bytes.Clone(whole)
		b[at] ^= 1
		return b
	}
	for _, tc := range []struct {
		name    string
		data    []byte
		records int
		damaged bool
	}{
		{"empty", nil, 0, false},
		{"cut in the magic", []byte(magic)[:5], 0, false},
		{"no record", []byte(magic), 0, false},
		{"whole", whole, 3, false},
		{"cut in a length", whole[:ends[1]+3], 2, false},
		{"cut in a payload", whole[:ends[2]-1], 2, false},
		{"another file", []byte("{}"), 0, true},
		{"bit in the name", flip(3), 0, true},
		{"bit in the number of the format", flip(len(logName) + 1), 0, true},
		{"bit in the oldest program's number", flip(len(logName) + 3), 0, true},
		{"bit in the second", flip(ends[0] + 12), 1, true},
		{"bit in a checksum", flip(ends[1] + 5), 2, true},
		{
			"wrong payload", l.frame(bytes.Clone(whole), &thing{
				name: "x", spans: []Span{{Runs: []Run{{First: 1 << 31, Count: 9}}}},
			}), 3, true,
		},
		{"zeros behind it", append(bytes.Clone(whole), make([]byte, 64)...), 3, true},
	} {
		for _, all := range []bool{false, true} {
			t.Run(fmt.Sprint(tc.name, " ", all), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "log")
				if err := os.WriteFile(path, tc.data, 0o600); err != nil {
					t.Fatal(err)
				}
				f := formatOf(nil)
				f.Whole = all
				want := tc.records
				if all && tc.damaged {
					want = 0
				}
				l, got, err := Open(path, f)
				if len(got) != want || (err != nil) != tc.damaged {
					t.Fatalf("%d records, %v", len(got), err)
				}
				if _, err := os.Stat(path + ".damaged"); (err == nil) != tc.damaged {
					t.Errorf("set aside: %v", err)
				}
				if err := l.Add(true, someThings(4)...); err != nil {
					t.Fatal(err)
				}
				l.Close()
				if l, got, err = Open(path, f); err != nil || len(got) != want+4 {
					t.Errorf("then %d records, %v", len(got), err)
				}
				l.Close()
			})
		}
	}
}

// A log of the first format goes on. One that the program may not read is left as it is, whoever opens it.
func TestLogFormats(t *testing.T) {
	things := someThings(3)
	for _, tc := range []struct {
		name, line string
		unknown    bool
	}{
		{"the first", logName + " 1", false},
		{"a newer one that this program may read", withSum(logName + " 7 2"), false},
		{"a newer one", withSum(logName + " 7 3"), true},
		{"an older one", withSum(logName + " 0 0"), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			l := Log[thing]{format: formatOf(nil)}
			data := []byte(tc.line + "\n")
			for i := range things {
				data = l.frame(data, &things[i])
			}
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := CheckFormat(path, formatOf(nil)); errors.Is(err, format.ErrUnknown) != tc.unknown {
				t.Errorf("it may be read: %v", err)
			}
			opened, got, err := Open(path, formatOf(nil))
			if errors.Is(err, format.ErrUnknown) != tc.unknown || tc.unknown && !strings.Contains(err.Error(), path) {
				t.Fatalf("error %v", err)
			}
			if err := opened.Add(true, someThings(1)...); err != nil {
				t.Fatal(err)
			}
			opened.Close()
			if tc.unknown {
				if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, data) {
					t.Errorf("the log is not as it was: %v", err)
				}
				return
			}
			if !reflect.DeepEqual(got, things) {
				t.Errorf("%d records", len(got))
			}
			if _, got, err := Open(path, formatOf(nil)); err != nil || len(got) != 4 {
				t.Errorf("then %d records, %v", len(got), err)
			}
		})
	}
}

// withSum returns the first line of a log with its checksum.
func withSum(line string) string {
	return fmt.Sprintf("%s %08x", line, crc32.Checksum([]byte(line), crc32.MakeTable(crc32.Castagnoli)))
}

// After an error a log can be emptied, and goes on.
func TestLogDiscarded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	path := filepath.Join(dir, "log")
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	l, _, err := Open(path, formatOf(nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Add(false, someThings(3)...); err != nil {
		t.Fatal(err)
	}
	if err := l.file.Close(); err != nil { // so that writing fails
		t.Fatal(err)
	}
	if err := l.Add(false, someThings(1)...); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("got %v", err)
	}
	if err := l.Discard(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the log is still there: %v", err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := l.Discard(); err != nil {
		t.Errorf("nothing is there: %v", err)
	}
	if err := l.Add(true, someThings(2)...); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that somebody removed: %v", err)
	}
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := l.Add(true, someThings(2)...); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, got, err := Open(path, formatOf(nil)); err != nil || len(got) != 2 {
		t.Errorf("%d records, %v", len(got), err)
	}
}

func FuzzParseLog(f *testing.F) {
	var l Log[thing]
	l.format = formatOf(nil)
	data := []byte(l.format.beginning())
	for _, o := range someThings(3) {
		data = l.frame(data, &o)
	}
	f.Add(data)
	f.Add(data[:len(data)-3])
	f.Fuzz(func(t *testing.T, data []byte) {
		things, kept, _ := l.parse(data)
		again, n, err := l.parse(data[:kept])
		if err != nil || n != kept || !reflect.DeepEqual(things, again) {
			t.Fatalf("what is kept can't be read: %v", err)
		}
		b := []byte(l.format.beginning())
		for i := range things {
			b = l.frame(b, &things[i])
		}
		if again, _, err = l.parse(b); err != nil || !reflect.DeepEqual(things, again) {
			t.Fatalf("what was read can't be written: %v", err)
		}
	})
}

// The same chunk has the same key, also in another process; others have another.
func TestKeys(t *testing.T) {
	chunk := outputtest.Chunk(2, "a", "t", 50, 50, 10)
	for i, other := range []func(*event.Chunk){
		func(c *event.Chunk) { c.Seq++ },
		func(c *event.Chunk) { c.Cluster = "A" },
		func(c *event.Chunk) { c.Tag = "u" },
		func(c *event.Chunk) { c.Received = c.Received.Add(1) },
		func(c *event.Chunk) { c.Parts = []event.Part{{Key: [16]byte{9}, Events: 50}} },
		func(c *event.Chunk) { c.Parts = []event.Part{{Key: c.Parts[0].Key, First: 1, Events: 50}} },
	} {
		changed := *chunk
		if (Keys{}).Of(chunk) != (Keys{}).Of(&changed) {
			t.Fatal("a copy has another key")
		}
		other(&changed)
		if (Keys{}).Of(chunk) == (Keys{}).Of(&changed) {
			t.Errorf("change %d is not in the key", i)
		}
	}
}

// Events are found at their places, also where chunks come in turns and positions go back.
func TestIndex(t *testing.T) {
	chunks := []*event.Chunk{
		outputtest.Chunk(1, "a", "t", 40, 0, 1), outputtest.Chunk(2, "a", "t", 40, 0, 1),
		outputtest.Chunk(3, "b", "t", 40, 0, 1),
	}
	all := outputtest.Batch(chunks...).Events
	rnd := rand.New(rand.NewPCG(1, 1))
	var x Index[thing]
	var b Builder
	places := map[string]map[int]int{} // by record and event, its place
	for n := range 20 {
		name := strconv.Itoa(n)
		places[name] = map[int]int{}
		b.Reset()
		perm := rnd.Perm(len(all))[:1+rnd.IntN(len(all))]
		if n%3 == 0 {
			slices.Sort(perm)
		}
		for place, i := range perm {
			b.Add(&all[i], Keys{})
			places[name][i] = place
		}
		if Events(b.Spans) != len(perm) {
			t.Fatalf("%d events of %d", Events(b.Spans), len(perm))
		}
		r := NewReader(AppendSpans(nil, b.Spans))
		spans := r.Spans()
		if !r.Done() || !reflect.DeepEqual(spans, b.Spans) {
			t.Fatalf("spans %v became %v", b.Spans, spans)
		}
		o := &thing{name: name, spans: spans}
		x.Add(o, spans)
	}
	gone := x.All()[7]
	if !x.Remove(gone, gone.spans) || x.Remove(gone, gone.spans) {
		t.Error("a record is removed once")
	}
	delete(places, gone.name)
	x.Each(all, Keys{}, func(i int, o *thing, place int) {
		if want, ok := places[o.name][i]; !ok || want != place {
			t.Errorf("event %d is in record %s at %d, want %d, %t", i, o.name, place, want, ok)
		}
		delete(places[o.name], i)
	})
	for name, left := range places {
		if len(left) > 0 {
			t.Errorf("record %s: %d events were not found", name, len(left))
		}
	}
	for _, o := range slices.Clone(x.All()) {
		x.Remove(o, o.spans)
	}
	if len(x.byChunk) > 0 {
		t.Errorf("%d chunks are left of nothing", len(x.byChunk))
	}
}
