package ledger

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
)

func count(n int64) buffer.Count { return buffer.Count{Chunks: n, Events: 10 * n, Bytes: 1000 * n} }

func TestPending(t *testing.T) {
	var c Counts
	for k := range c {
		c[k] = count(1)
	}
	// Appended and found, less done, dropped, purged, lost and given.
	if got := c.Pending(); got != count(-3) {
		t.Errorf("%+v", got)
	}
}

func TestTable(t *testing.T) {
	a, b := subject.Place{Output: "es", Cluster: "c"}, subject.Place{Output: "es", Target: "i", Cluster: "c"}
	one, two := Table{}, Table{}
	one.At(a)[Appended] = count(5)
	two.At(a)[Done] = count(3)
	two.At(b)[Appended] = count(-1)
	sum := one.Clone()
	sum.Add(two, 1)
	if got := sum.At(a).Pending(); got != count(2) {
		t.Errorf("pending %+v", got)
	}
	if one.At(a)[Done] != (buffer.Count{}) {
		t.Error("the clone is no copy")
	}
	got, err := Read(sum.Append(nil))
	if err != nil || !reflect.DeepEqual(got, sum) {
		t.Errorf("%v: %v, want %v", err, got, sum)
	}
	sum.Add(two, -1)
	if got := sum.At(a).Pending(); got != count(5) {
		t.Errorf("pending %+v", got)
	}
	sent := sum.Append(nil)
	for n := range sent {
		if _, err := Read(sent[:n]); err == nil {
			t.Errorf("%d of %d bytes are a table", n, len(sent))
		}
	}
	newer := append(bytes.Clone(Table{a: {Done: count(1)}}.Append(nil)), 0)
	newer[1] = 2
	if _, err := Read(newer); err == nil {
		t.Error("bytes without sense are a table")
	}
}

func FuzzRead(f *testing.F) {
	t := Table{{Output: "es", Cluster: "c"}: {Appended: count(5), Done: count(2)}}
	f.Add(t.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		table, err := Read(b)
		if err != nil {
			return
		}
		again, err := Read(table.Append(nil))
		if err != nil || !reflect.DeepEqual(again, table) {
			t.Errorf("%v: %v, want %v", err, again, table)
		}
	})
}
