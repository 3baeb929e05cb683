package disk

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// summaryOf is a file of two letters of the key.
func summaryOf(k deadletter.Key) *file {
	return &file{first: 3, last: 9, newest: time.Unix(0, 258), letters: 2, count: map[deadletter.Key]int64{k: 300}}
}

func TestSummaryBytes(t *testing.T) {
	body := "\x01" + "\x03\x00\x00\x00\x00\x00\x00\x00" + "\x09\x00\x00\x00\x00\x00\x00\x00" +
		"\x02\x01\x00\x00\x00\x00\x00\x00" + "\x02" + "\x01" + "\x02es" + "\x01c" + "\x01r" + "\xac\x02"
	f := summaryOf(deadletter.Key{Output: "es", Cluster: "c", Reason: "r"})
	if got, want := string(f.encode()), body+sum("", body); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestSummaryValues(t *testing.T) {
	many := map[deadletter.Key]int64{}
	for i := range 300 {
		many[deadletter.Key{Output: strings.Repeat("o", i), Cluster: "c"}] = int64(i)
	}
	for name, want := range map[string]file{
		"empty":        {newest: time.Unix(0, 0), count: map[deadletter.Key]int64{}},
		"one key":      *summaryOf(deadletter.Key{Output: "es", Cluster: "c", Reason: "r"}),
		"an empty key": *summaryOf(deadletter.Key{}),
		"any alphabet": *summaryOf(deadletter.Key{Output: "색인", Cluster: "a\x00b", Reason: "\xff"}),
		"many keys":    {newest: time.Unix(0, 0), letters: 300, count: many},
		"largest numbers": {
			first: math.MaxUint64, last: math.MaxUint64, newest: time.Unix(0, math.MaxInt64), letters: math.MaxUint32,
			count: map[deadletter.Key]int64{{}: math.MaxInt64},
		},
		"before 1970": {newest: time.Unix(0, -5), count: map[deadletter.Key]int64{}},
	} {
		got := file{count: map[deadletter.Key]int64{}}
		if err := got.decode(want.encode()); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, want)
		}
	}
}

func TestSummaryRefused(t *testing.T) {
	whole := summaryOf(deadletter.Key{Output: "es", Cluster: "c", Reason: "r"}).encode()
	body := string(whole[:len(whole)-4])
	for _, tc := range []struct {
		name, body string
		want       error
		text       string
	}{
		{"cut within the key", body[:len(body)-4], boltfile.ErrDamaged, "summary of dead letters makes no sense"},
		{"cut within the numbers", body[:20], boltfile.ErrDamaged, "summary of dead letters makes no sense"},
		{"more keys than bytes", body[:26] + "\xff\x01", boltfile.ErrDamaged, "makes no sense"},
		{"letters beyond 32 bits", body[:25] + "\x80\x80\x80\x80\x10\x00", boltfile.ErrDamaged, "makes no sense"},
		{
			"of a newer program", "\x02\x02" + body[1:], format.ErrUnknown,
			"summary of dead letters of format 2, which programs of format 2 and later read, this program has format 1",
		},
		{"of no program", "\x00" + body[1:], format.ErrUnknown, "summary of dead letters of format 0"},
		{"nothing", "", format.ErrUnknown, "summary of dead letters of format 0"},
	} {
		f := file{count: map[deadletter.Key]int64{}}
		err := f.decode([]byte(tc.body + sum("", tc.body)))
		if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.text)
		}
	}
	for i := range whole {
		broken := bytes.Clone(whole)
		broken[i] ^= 0x80
		f := file{count: map[deadletter.Key]int64{}}
		if err := f.decode(broken); !errors.Is(err, boltfile.ErrDamaged) {
			t.Errorf("byte %d is wrong: %v", i, err)
		}
		if err := f.decode(whole[:i]); !errors.Is(err, boltfile.ErrDamaged) {
			t.Errorf("%d of %d bytes: %v", i, len(whole), err)
		}
	}
}

// A summary follows what is added, and a clone of it goes its own way.
func TestSummaryAdd(t *testing.T) {
	f := &file{first: 5, last: 5, count: map[deadletter.Key]int64{}}
	one := deadletter.Letter{ID: 5, Time: time.Unix(20, 0), Output: "es", Cluster: "c", Reason: "r", Events: 3}
	late := deadletter.Letter{ID: 6, Time: time.Unix(10, 0), Output: "es", Cluster: "c", Reason: "r", Events: 4}
	other := deadletter.Letter{ID: 9, Time: time.Unix(30, 0), Cluster: "c", Reason: "unrouted", Events: 1}
	f.add(&one)
	f.add(&late)
	c := f.clone()
	c.add(&other)
	es := deadletter.Key{Output: "es", Cluster: "c", Reason: "r"}
	want := &file{first: 5, last: 6, newest: one.Time, letters: 2, count: map[deadletter.Key]int64{es: 7}}
	if !reflect.DeepEqual(f, want) {
		t.Errorf("got %+v, want %+v", f, want)
	}
	want = &file{
		first: 5, last: 9, newest: other.Time, letters: 3,
		count: map[deadletter.Key]int64{es: 7, {Cluster: "c", Reason: "unrouted"}: 1},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("the clone: got %+v, want %+v", c, want)
	}
}

// A file is passed over only where its summary says that no letter of it fits.
func TestMayHold(t *testing.T) {
	at := time.Unix(1000, 0)
	f := &file{first: 10, last: 20, newest: at, letters: 2, count: map[deadletter.Key]int64{
		{Output: "es", Cluster: "a", Reason: "rejected"}: 1, {Cluster: "b", Reason: "unrouted"}: 1,
	}}
	for _, tc := range []struct {
		name   string
		filter deadletter.Filter
		want   bool
	}{
		{"all", deadletter.Filter{}, true},
		{"an output", deadletter.Filter{Output: "es"}, true},
		{"another output", deadletter.Filter{Output: "s3"}, false},
		{"no output", deadletter.Filter{NoOutput: true}, true},
		{"no output, of a cluster that has one", deadletter.Filter{NoOutput: true, Cluster: "a"}, false},
		{"what no letter has together", deadletter.Filter{Output: "es", Cluster: "b"}, false},
		{"a reason", deadletter.Filter{Reason: "unrouted"}, true},
		{"another reason", deadletter.Filter{Reason: "too_large"}, false},
		{"up to the one before", deadletter.Filter{UpTo: 9}, false},
		{"up to the first", deadletter.Filter{UpTo: 10}, true},
		{"since the newest", deadletter.Filter{Since: at}, true},
		{"since later", deadletter.Filter{Since: at.Add(1)}, false},
		{"until long ago: the oldest time is not known", deadletter.Filter{Until: time.Unix(1, 0)}, true},
		{"the first number", deadletter.Filter{IDs: []uint64{10}}, true},
		{"the last number", deadletter.Filter{IDs: []uint64{1, 20}}, true},
		{"numbers around it", deadletter.Filter{IDs: []uint64{9, 21}}, false},
		{"any tag: tags are not counted", deadletter.Filter{Tag: func(string) bool { return false }}, true},
	} {
		if got := f.mayHold(&tc.filter); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
	f.letters = 0
	if f.mayHold(&deadletter.Filter{}) {
		t.Error("a file without letters may hold some")
	}
}

// Numbers are told as ranges, and not more than a log line takes.
func TestNumberList(t *testing.T) {
	odd := make([]uint64, 25)
	for i := range odd {
		odd[i] = uint64(2*i + 1)
	}
	for _, tc := range []struct {
		name    string
		numbers []uint64
		want    string
	}{
		{"none", nil, ""},
		{"one", []uint64{7}, "7"},
		{"two in a row", []uint64{7, 8}, "7-8"},
		{"a range", []uint64{7, 8, 9, 10}, "7-10"},
		{"two ranges", []uint64{1, 2, 5, 6, 7}, "1-2, 5-7"},
		{"alone and in a range", []uint64{1, 3, 4, 6}, "1, 3-4, 6"},
		{"the largest", []uint64{math.MaxUint64 - 1, math.MaxUint64}, "18446744073709551614-18446744073709551615"},
		{
			"as many as are told", odd[:20],
			"1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31, 33, 35, 37, 39",
		},
		{
			"more", odd,
			"1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31, 33, 35, 37, 39 and 5 more",
		},
	} {
		if got := numberList(tc.numbers); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}
