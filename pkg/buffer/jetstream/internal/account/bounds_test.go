package account

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/ledger"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
)

// What is needed adds up by place, and is summed by cluster.
func TestNeed(t *testing.T) {
	var n Need
	n.Add(place("es", "", "a"), 10)
	n.Add(place("es", "i", "a"), 20)
	n.Add(place("es", "", "b"), 40)
	n.Add(place("es", "", "a"), 80)
	want := Need{{place("es", "", "a"), 90}, {place("es", "i", "a"), 20}, {place("es", "", "b"), 40}}
	if !reflect.DeepEqual(n, want) {
		t.Errorf("got %+v, want %+v", n, want)
	}
	for cluster, want := range map[string]int64{"a": 110, "b": 40, "c": 0, "": 0} {
		if all, of := n.total(cluster); all != 150 || of != want {
			t.Errorf("%s: %d of %d, want %d of 150", cluster, of, all, want)
		}
	}
}

// A limit holds to the byte, whichever it is, and says which one it is and what is done.
func TestShortBounds(t *testing.T) {
	es := place("es", "", "a")
	limits := &buffer.Limits{
		WhenFull: "block", ClusterWhenFull: map[string]string{"a": "drop_oldest"},
		Clusters: map[string]int64{"a": 500 << 10}, Outputs: map[string]int64{"s3": 300 << 10},
	}
	const kib = 1 << 10
	for _, tc := range []struct {
		name   string
		waits  Need
		need   Need
		why    string
		policy string
	}{
		{"nothing is needed", Need{{es, 1 << 40}}, nil, "", ""},
		{"nothing waits", nil, Need{{es, 1 << 40}}, "", ""},
		{"to the byte", Need{{place("x", "", "b"), 900 * kib}}, Need{{place("x", "", "b"), 100 * kib}}, "", ""},
		{
			"a byte more than all",
			Need{{place("x", "", "b"), 900 * kib}},
			Need{{place("x", "", "b"), 100*kib + 1}},
			"900 KiB wait, and buffer.max_size is 1000 KiB", "block",
		},
		{
			"several places together",
			Need{{place("x", "", "b"), 900 * kib}},
			Need{{place("x", "", "b"), 60 * kib}, {place("y", "", "c"), 60 * kib}},
			"900 KiB wait, and buffer.max_size is 1000 KiB", "block",
		},
		{"a cluster, to the byte", Need{{es, 400 * kib}}, Need{{es, 100 * kib}}, "", ""},
		{
			"a byte more than a cluster",
			Need{{es, 400 * kib}},
			Need{{es, 100*kib + 1}},
			"cluster a's max_queue_size is 500 KiB", "drop_oldest",
		},
		{
			"a cluster, aside too",
			Need{{place("es", "i", "a"), 400 * kib}},
			Need{{place("es", "", "a"), 60 * kib}, {place("es", "i", "a"), 60 * kib}},
			"cluster a's max_queue_size is 500 KiB", "drop_oldest",
		},
		{"a cluster in which nothing waits", Need{{place("es", "", "b"), 100 * kib}}, Need{{es, 600 * kib}}, "", ""},
		{
			"an output, to the byte",
			Need{{place("s3", "", "b"), 200 * kib}},
			Need{{place("s3", "", "c"), 100 * kib}},
			"", "",
		},
		{
			"a byte more than an output",
			Need{{place("s3", "", "b"), 200 * kib}},
			Need{{place("s3", "", "c"), 100*kib + 1}},
			"output s3's max_queue_size is 300 KiB", "block",
		},
		{
			"what waits aside is not the output's",
			Need{{place("s3", "i", "b"), 290 * kib}},
			Need{{place("s3", "", "c"), 100 * kib}},
			"", "",
		},
	} {
		b := NewBook()
		b.Reserve(tc.waits)
		short := b.Short(tc.need, limits, 1000*kib)
		if short == nil {
			short = &Shortage{}
		}
		if short.Why != tc.why || short.Policy != tc.policy {
			t.Errorf("%s: %q, %s, want %q, %s", tc.name, short.Why, short.Policy, tc.why, tc.policy)
		}
	}
}

// Waits come by output, target and cluster, the output itself before what waits aside.
func TestSortWaits(t *testing.T) {
	of := func(output, target, cluster string) buffer.Wait {
		return buffer.Wait{Output: output, Target: target, Cluster: cluster}
	}
	want := []buffer.Wait{
		of("", "", ""), of("a", "", "x"), of("a", "", "y"), of("a", "t", "a"), of("a", "u", ""), of("b", "", ""),
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		got := slices.Clone(want)
		r.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
		if SortWaits(got); !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v", got)
		}
	}
}

// Each kind that was counted stands in its own place, and what was there at the beginning in none but Found.
func TestWaitKinds(t *testing.T) {
	p := place("es", "i", "a")
	b := NewBook()
	before := ledger.Table{}
	for k := range ledger.Kinds {
		before.At(p)[k] = count(int64(100))
	}
	before.At(p)[ledger.Appended] = count(1000)
	b.Begin(before)
	for k := range ledger.Kinds {
		b.Count(p, k, count(int64(k)+1))
	}
	// 1000 and 100 were stored or found, and five times 100 gone; 1 and 10 came since, and 5, 7, 8, 9 and 11 went.
	const found, pending = 600 + 10, 600 + 11 - 40
	want := buffer.Wait{
		Output: "es", Target: "i", Cluster: "a", Appended: count(1), Returned: count(2), Rest: count(3),
		Adopted: count(4), Done: count(5), Moved: count(6), Dropped: count(7), Purged: count(8), Lost: count(9),
		Given: count(11), Found: count(found), Pending: count(pending),
	}
	if got := b.Wait(p); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	own := want
	own.Found, own.Pending = buffer.Count{}, buffer.Count{}
	if got := b.OwnWaits(); len(got) != 1 || !reflect.DeepEqual(got[0], own) {
		t.Errorf("its own: got %+v, want %+v", got, own)
	}
	if got := b.Wait(place("es", "", "a")); !reflect.DeepEqual(got, buffer.Wait{Output: "es", Cluster: "a"}) {
		t.Errorf("where nothing was counted: %+v", got)
	}
}

// What is counted, on its way or told by others is in the sums at each step, whatever comes first.
func TestBytesModel(t *testing.T) {
	places := []subject.Place{place("es", "", "a"), place("es", "i", "a"), place("es", "", "b"), place("s3", "", "b")}
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 3))
		b := NewBook()
		var flying []Need
		others := ledger.Table{}
		for range 100 {
			p := places[r.IntN(len(places))]
			switch r.IntN(4) {
			case 0:
				b.Count(p, ledger.Appended, count(1+r.Int64N(5)))
			case 1:
				n := Need{{p, 1 + r.Int64N(500)}}
				b.Reserve(n)
				flying = append(flying, n)
			case 2:
				if len(flying) > 0 {
					b.Unreserve(flying[0])
					flying = flying[1:]
				}
			case 3:
				others = others.Clone()
				at := others.At(p)
				at[ledger.Appended] = ledger.Plus(at[ledger.Appended], count(r.Int64N(3)), 1)
				b.Learn(others)
			}
			sum, by := int64(0), map[string]int64{}
			for _, p := range places {
				n := b.Pending(p).Bytes
				sum, by[p.Cluster] = sum+n, by[p.Cluster]+n
			}
			for _, n := range flying {
				sum, by[n[0].Cluster] = sum+n[0].N, by[n[0].Cluster]+n[0].N
			}
			total, clusters := b.Bytes()
			if total != sum || clusters["a"] != by["a"] || clusters["b"] != by["b"] {
				t.Fatalf("seed %d: %d bytes, %v, want %d, %v", seed, total, clusters, sum, by)
			}
		}
	}
}
