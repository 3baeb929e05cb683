package account

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/ledger"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
)

func count(n int64) buffer.Count { return buffer.Count{Chunks: n, Events: 10 * n, Bytes: 100 * n} }

func place(output, target, cluster string) subject.Place {
	return subject.Place{Output: output, Target: target, Cluster: cluster}
}

func TestBook(t *testing.T) {
	es, aside, file := place("es", "", "a"), place("es", "index", "a"), place("file", "", "b")
	b := NewBook()
	before := ledger.Table{}
	before.At(es)[ledger.Appended] = count(3)
	b.Begin(before)
	if b.Count(es, ledger.Appended, count(2)) || b.Count(aside, ledger.Appended, count(1)) {
		t.Error("less waits after something was stored")
	}
	if !b.Count(es, ledger.Done, count(1)) {
		t.Error("no less waits after something was finished")
	}
	w := b.Wait(es)
	if w.Found != count(3) || w.Appended != count(2) || w.Done != count(1) || w.Pending != count(4) {
		t.Errorf("%+v", w)
	}
	others := before.Clone()
	others.At(file)[ledger.Appended] = count(5)
	// Others have finished what this process has stored, and told before it has.
	others.At(aside)[ledger.Done] = count(2)
	b.Learn(others)
	if n := b.Pending(aside); n != (buffer.Count{}) {
		t.Errorf("aside, %+v wait", n)
	}
	total, clusters := b.Bytes()
	if total != 900 || clusters["a"] != 400 || clusters["b"] != 500 {
		t.Errorf("%d bytes wait, %v", total, clusters)
	}
	if !b.Known(file) || b.Known(place("file", "", "a")) {
		t.Error("which places are known")
	}
	if n := b.PendingOf("es", ""); n != count(4) {
		t.Errorf("%+v", n)
	}
	if most, ok := b.Most(func(subject.Place) bool { return true }); !ok || most != file {
		t.Errorf("the most is at %+v", most)
	}
	if _, ok := b.Most(func(subject.Place) bool { return false }); ok {
		t.Error("nothing may be dropped, and something is")
	}
	if waits := b.OwnWaits(); len(waits) != 2 || waits[0].Target != "" || waits[1].Appended != count(1) {
		t.Errorf("%+v", waits)
	}
	b.Count(aside, ledger.Appended, count(4))
	if bytes, targets := b.Aside(); bytes != 300 || targets != 1 {
		t.Errorf("%d bytes wait aside for %d targets", bytes, targets)
	}
}

func TestShort(t *testing.T) {
	full := place("es", "", "a")
	limits := &buffer.Limits{
		WhenFull: "block", Clusters: map[string]int64{"a": 800}, Outputs: map[string]int64{"es": 500},
		ClusterWhenFull: map[string]string{"b": "reject"},
	}
	for name, tc := range map[string]struct {
		waits, need         int64
		at                  subject.Place
		why, policy, victim string
		whole               bool
	}{
		"room":                 {100, 100, full, "", "", "", false},
		"the queue":            {300, 800, place("file", "", "b"), "buffer.max_size", "reject", "es file", true},
		"the cluster":          {400, 500, place("file", "", "a"), "cluster a", "block", "es file", false},
		"the output":           {400, 200, place("es", "", "b"), "output es", "reject", "es", false},
		"aside of the output":  {400, 200, place("es", "i", "b"), "", "", "", false},
		"alone it is too much": {0, 5000, full, "", "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBook()
			b.Count(full, ledger.Appended, buffer.Count{Chunks: 1, Bytes: tc.waits})
			short := b.Short(Need{tc.at: tc.need}, limits, 1000)
			if short == nil {
				if tc.why != "" {
					t.Fatalf("there is room, want none because of %s", tc.why)
				}
				return
			}
			if tc.why == "" || !strings.Contains(short.Why, tc.why) || short.Policy != tc.policy ||
				short.Whole != tc.whole || short.Cluster != tc.at.Cluster {
				t.Errorf("%+v", short)
			}
			var victims []string
			for _, output := range []string{"es", "file"} {
				if short.Drops(place(output, "", "a")) {
					victims = append(victims, output)
				}
			}
			if got := strings.Join(victims, " "); got != tc.victim {
				t.Errorf("%q may be dropped, want %q", got, tc.victim)
			}
		})
	}
}

// What is on its way takes room until it is counted, also after others have told.
func TestReserve(t *testing.T) {
	p := place("es", "", "a")
	b, n := NewBook(), Need{p: 600}
	b.Reserve(n)
	b.Learn(ledger.Table{})
	if b.Short(Need{p: 500}, &buffer.Limits{}, 1000) == nil {
		t.Error("there is room for more than is left")
	}
	b.Unreserve(n)
	if total, _ := b.Bytes(); total != 0 {
		t.Errorf("%d bytes are left", total)
	}
}

func TestAudit(t *testing.T) {
	p := place("es", "", "a")
	for name, tc := range map[string]struct {
		pending, stored int64
	}{
		"nobody counted it": {0, 3},
		"more than counted": {2, 5},
		"less than counted": {5, 2},
		"all is gone":       {5, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b, a := NewBook(), NewAudit()
			b.Count(p, ledger.Appended, count(tc.pending))
			stored := map[subject.Place]int64{p: tc.stored}
			for range settleAfter - 1 {
				if wrong := a.Compare(b, stored); len(wrong) != 0 {
					t.Fatalf("%v is believed too early", wrong)
				}
			}
			wrong := a.Compare(b, stored)
			base := ledger.Table{}
			wrong.Apply(base)
			b.Learn(base)
			if got := b.Pending(p); got.Chunks != tc.stored || tc.pending > 0 && got != count(tc.stored) {
				t.Errorf("%+v, want %d chunks", got, tc.stored)
			}
			a.Settled()
			for range 2 * settleAfter {
				if wrong := a.Compare(b, stored); len(wrong) != 0 {
					t.Fatalf("%v is wrong after it was mended", wrong)
				}
			}
		})
	}
}

// As long as something moves, nobody is believed.
func TestAuditWaits(t *testing.T) {
	p := place("es", "", "a")
	b, a := NewBook(), NewAudit()
	for i := range int64(3 * settleAfter) {
		b.Count(p, ledger.Appended, count(1))
		if wrong := a.Compare(b, map[subject.Place]int64{p: i}); len(wrong) != 0 {
			t.Fatalf("%v is believed after %d turns", wrong, i)
		}
	}
}
