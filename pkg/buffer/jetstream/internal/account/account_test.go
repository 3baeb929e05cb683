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
			short := b.Short(Need{{tc.at, tc.need}}, limits, 1000)
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
	b, n := NewBook(), Need{{p, 600}}
	b.Reserve(n)
	b.Learn(ledger.Table{})
	if b.Short(Need{{p, 500}}, &buffer.Limits{}, 1000) == nil {
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
			stored := Stored{Chunks: map[subject.Place]int64{p: tc.stored}, Last: 9}
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
			a.Settled(wrong)
			if a.Agrees() {
				t.Error("it agrees before it has looked again")
			}
			for range 2 * settleAfter {
				if wrong := a.Compare(b, stored); len(wrong) != 0 {
					t.Fatalf("%v is wrong after it was mended", wrong)
				}
			}
			if !a.Agrees() {
				t.Error("it does not agree after it was mended")
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
		if wrong := a.Compare(b, Stored{Chunks: map[subject.Place]int64{p: i}}); len(wrong) != 0 {
			t.Fatalf("%v is believed after %d turns", wrong, i)
		}
	}
}

// What the servers have handed out again, after it was finished, was found; so is what was guessed wrongly.
func TestAuditFinds(t *testing.T) {
	p := place("es", "", "a")
	for name, pending := range map[string]buffer.Count{
		"finished twice":   {Chunks: -1, Events: -20, Bytes: -300},
		"guessed too low":  {Chunks: 0, Events: -20, Bytes: -300},
		"guessed too high": {Chunks: 0, Events: 20, Bytes: 300},
	} {
		t.Run(name, func(t *testing.T) {
			b, a := NewBook(), NewAudit()
			b.Count(p, ledger.Appended, pending)
			var wrong Corrections
			for range settleAfter {
				wrong = a.Compare(b, Stored{})
			}
			base := ledger.Table{}
			wrong.Apply(base)
			if got := base.At(p)[ledger.Found]; got != ledger.Plus(buffer.Count{}, pending, -1) {
				t.Errorf("%+v was found", got)
			}
		})
	}
}

// Where the numbers of the stream's messages go back, what is missing is lost, and not what a process has finished
// before it died.
func TestAuditLost(t *testing.T) {
	p, q := place("es", "", "a"), place("es", "", "b")
	for name, tc := range map[string]struct {
		last       []uint64
		stored     int64
		lost, done int64
	}{
		"they go on":            {[]uint64{9, 10, 10, 10, 10}, 2, 0, 3},
		"they go back":          {[]uint64{9, 6, 6, 6, 6}, 2, 3, 0},
		"they go back, no more": {[]uint64{9, 6, 7, 7, 7}, 6, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b, a := NewBook(), NewAudit()
			b.Count(p, ledger.Appended, count(5))
			b.Count(q, ledger.Appended, count(1))
			var wrong Corrections
			for _, last := range tc.last {
				wrong = a.Compare(b, Stored{Chunks: map[subject.Place]int64{p: tc.stored, q: 1}, Last: last})
			}
			lost := int64(0)
			a.Lost(wrong).Count(func(_ subject.Place, n buffer.Count) { lost += n.Chunks })
			base := ledger.Table{}
			wrong.Apply(base)
			if done := base.At(p)[ledger.Done].Chunks; lost != tc.lost || done != tc.done {
				t.Errorf("%d chunks are lost and %d done, want %d and %d", lost, done, tc.lost, tc.done)
			}
		})
	}
}
