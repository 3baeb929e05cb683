package admission

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/limits"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/pack"
)

const kib = 1 << 10

// room is what waits at a queue with so much room, and what is done to make some.
type room struct {
	Pending
	memory *pack.Memory
	now    time.Time
	// used and chunks are what the limits are told.
	used, chunks int64
	group        int64
	giveBack     func() bool
	dropOldest   func() bool
	done         []string
}

func newRoom(t *testing.T, to buffer.Limits) *room {
	t.Helper()
	packer, err := chunk.NewPacker("none")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(packer.Close)
	r := &room{memory: &pack.Memory{Packer: packer}, group: 2048 * kib, chunks: 1, now: time.Unix(1_800_000_000, 0)}
	r.Limits, err = limits.New(limits.Queue{
		Dir: t.TempDir(), Now: func() time.Time { return r.now },
		Used: func() (bytes, chunks int64) { return r.used, r.chunks },
		Gone: func() error { return nil },
	}, 0, to)
	if err != nil {
		t.Fatal(err)
	}
	r.Quotas = &sync.Mutex{}
	r.GroupBytes = func() int64 { return r.group }
	r.GiveBack = func() func() bool { return r.giveBack }
	r.DropOldest = func() bool { r.done = append(r.done, "drop the oldest"); return r.dropOldest() }
	return r
}

// batch returns one of that cluster with pieces of a size each.
func (r *room) batch(cluster string, sizes ...int) *Batch {
	b := &Batch{Batch: pack.Batch{Memory: r.memory, Conn: 1}, Answer: make(chan error, 1)}
	b.Begin(buffer.Message{Cluster: cluster, Tag: "t", Outputs: []string{"o"}})
	for _, size := range sizes {
		b.Add(make([]byte, size-chunk.FixedSize), 1, true)
	}
	b.Prepare()
	return b
}

// enter adds batches, and returns them.
func (r *room) enter(batches ...*Batch) []*Batch {
	for _, b := range batches {
		r.Enter(b)
	}
	return batches
}

// decide returns the next group, when all that has to be done for it was done, and the decision.
func (r *room) decide() ([]*Batch, *Decision) {
	ad := &Decision{}
	var group []*Batch
	for {
		part := r.Decide(ad)
		group = append(group, part...)
		if ad.Act == nil {
			return group, ad
		}
		ad.Act()
	}
}

// answer returns what b's owner is told; "": nothing so far.
func answer(b *Batch) string {
	select {
	case err := <-b.Answer:
		return err.Error()
	default:
		return ""
	}
}

func names(batches []*Batch, of map[*Batch]string) string {
	var all []string
	for _, b := range batches {
		all = append(all, of[b])
	}
	return strings.Join(all, " ")
}

// Batches of a cluster keep their order, however they come and go.
func TestPending(t *testing.T) {
	r := newRoom(t, buffer.Limits{})
	batches := r.enter(r.batch("a", kib), r.batch("b", kib), r.batch("a", kib), r.batch("a", kib))
	of := map[*Batch]string{batches[0]: "a1", batches[1]: "b1", batches[2]: "a2", batches[3]: "a3"}
	check := func(step, a, b string) {
		t.Helper()
		gotA, gotB := names(r.Clusters[0].Waiting, of), names(r.Clusters[1].Waiting, of)
		if gotA != a || gotB != b || r.Count != len(strings.Fields(a+" "+b)) {
			t.Errorf("%s: %q and %q, %d in all; want %q and %q", step, gotA, gotB, r.Count, a, b)
		}
	}
	check("they came", "a1 a2 a3", "b1")
	if !r.Leave(batches[2]) {
		t.Error("a2 was not there")
	}
	check("a2 has left", "a1 a3", "b1")
	if r.Leave(batches[2]) {
		t.Error("a2 has left twice")
	}
	check("twice", "a1 a3", "b1")
	r.Enter(batches[2])
	check("a2 came again", "a1 a3 a2", "b1")
	group, _ := r.decide()
	check("all go", "", "")
	r.PutBack(group)
	check("it failed", "a1 a3 a2", "b1")
	r.PutBack(nil)
	check("nothing is put back", "a1 a3 a2", "b1")
	if !r.Leave(batches[0]) {
		t.Error("a1 was not there")
	}
	r.PutBack(batches[:1])
	check("the first again", "a1 a3 a2", "b1")
	r.Close()
	check("closed", "", "")
	for _, b := range batches {
		if got := answer(b); got != buffer.ErrClosed.Error() {
			t.Errorf("%s is told %q", of[b], got)
		}
	}
}

// A group is cut where it is full, and not where nothing more waits.
func TestCut(t *testing.T) {
	for _, tc := range []struct {
		name  string
		group int64
		sizes [][]int
		took  string
		cut   bool
	}{
		{"nothing waits", 100 * kib, nil, "", false},
		{"less than a group", 100 * kib, [][]int{{40 * kib}, {40 * kib}}, "0 1", false},
		{"more than a group", 100 * kib, [][]int{{60 * kib}, {60 * kib}, {60 * kib}}, "0 1", true},
		{"one that is larger", 100 * kib, [][]int{{300 * kib}, {kib}}, "0", true},
		{"one of pieces that goes in part", 100 * kib, [][]int{{60 * kib, 60 * kib, 60 * kib}, {kib}}, "0", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRoom(t, buffer.Limits{})
			r.group = tc.group
			of := map[*Batch]string{}
			for i, sizes := range tc.sizes {
				of[r.enter(r.batch("a", sizes...))[0]] = strconv.Itoa(i)
			}
			group, ad := r.decide()
			if got := names(group, of); got != tc.took || ad.Cut() != tc.cut {
				t.Errorf("took %q, cut %v; want %q, %v", got, ad.Cut(), tc.took, tc.cut)
			}
			if r.Count != len(tc.sizes)-len(group) {
				t.Errorf("%d are left", r.Count)
			}
		})
	}
}

// What becomes of a batch that there is no room for.
func TestNoRoom(t *testing.T) {
	const full = "100 bytes are used, buffer.max_size is 100"
	for _, tc := range []struct {
		name        string
		policy, own string
		nonBlocking bool
		begun       bool
		drops       []bool // what each drop says it could
		answer, why string
		done        string
	}{
		{name: "it waits", policy: "block", why: full},
		{name: "it is refused", policy: "reject", answer: "queue is full: " + full, why: full},
		{name: "its cluster's is refused", policy: "block", own: "reject", answer: "queue is full: " + full, why: full},
		{name: "its cluster's waits", policy: "reject", own: "block", why: full},
		{
			name: "it must not wait", policy: "drop_oldest", nonBlocking: true,
			answer: "queue is full: " + full, why: full,
		},
		{name: "it is stored in part, so it waits", policy: "reject", begun: true, why: full},
		{name: "the oldest goes", policy: "drop_oldest", drops: []bool{true}, done: "drop the oldest"},
		{
			name: "several go", policy: "drop_oldest", drops: []bool{true, true, true},
			done: "drop the oldest; drop the oldest; drop the oldest",
		},
		{
			name: "nothing is there to drop", policy: "drop_oldest", drops: []bool{false},
			done: "drop the oldest", why: full,
		},
		{
			name: "nor for a cluster that rejects", policy: "drop_oldest", own: "reject", drops: []bool{false},
			done: "drop the oldest", answer: "queue is full: " + full, why: full,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			to := buffer.Limits{MaxSize: 100, WhenFull: tc.policy, ClusterWhenFull: map[string]string{"a": tc.own}}
			r := newRoom(t, to)
			b := r.batch("a", 20*kib, 20*kib)
			b.NonBlocking = tc.nonBlocking
			if tc.begun {
				b.Part(1)
				b.Advance()
			}
			r.used = 100
			r.dropOldest = func() bool {
				could := tc.drops[0]
				if tc.drops = tc.drops[1:]; could && len(tc.drops) == 0 {
					r.used, r.chunks = 0, 0
				}
				return could
			}
			r.Enter(b)
			group, _ := r.decide()
			stored := tc.why == ""
			if (len(group) == 1) != stored || (r.Count == 1) != (!stored && tc.answer == "") {
				t.Errorf("%d are stored, %d wait", len(group), r.Count)
			}
			if got := answer(b); got != tc.answer {
				t.Errorf("its owner is told %q, want %q", got, tc.answer)
			}
			if got := r.Clusters[0].Why; got != tc.why {
				t.Errorf("why it waits: %q, want %q", got, tc.why)
			}
			if got := strings.Join(r.done, "; "); got != tc.done {
				t.Errorf("done: %q, want %q", got, tc.done)
			}
		})
	}
}

// Disk that can be given back at once is, before anything is refused or dropped.
func TestGiveBack(t *testing.T) {
	for _, policy := range []string{"block", "reject", "drop_oldest"} {
		r := newRoom(t, buffer.Limits{MaxSize: 100, WhenFull: policy})
		b := r.enter(r.batch("a", kib))[0]
		r.used = 100
		r.giveBack = func() bool {
			r.done = append(r.done, "give back")
			r.used, r.chunks, r.giveBack = 0, 0, nil
			return true
		}
		group, _ := r.decide()
		if got := strings.Join(r.done, "; "); got != "give back" || len(group) != 1 || answer(b) != "" {
			t.Errorf("%s: %q, %d are stored", policy, got, len(group))
		}
	}
}

// A write that failed is tried again at once only where it was for want of room that a drop makes.
func TestFailedWrite(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{{syscall.ENOSPC, "drop the oldest"}, {syscall.EIO, ""}} {
		r := newRoom(t, buffer.Limits{MaxSize: 1 << 40, WhenFull: "drop_oldest"})
		r.dropOldest = func() bool { return true }
		r.Limits.Failed(tc.err)
		r.Enter(r.batch("a", kib))
		group, _ := r.decide()
		if got := strings.Join(r.done, "; "); got != tc.want || (len(group) == 1) != (tc.want != "") {
			t.Errorf("%v: %q, %d are stored", tc.err, got, len(group))
		}
	}
}

// What is left of a chunk that was settled in part is stored above max_size, and waits for the disk alone.
func TestRest(t *testing.T) {
	r := newRoom(t, buffer.Limits{MaxSize: 100, WhenFull: "reject"})
	r.used = 100
	rest, other := r.batch("a", kib), r.batch("a", kib)
	rest.Rest = true
	r.enter(other, rest)
	group, _ := r.decide()
	if len(group) != 1 || group[0] != rest || answer(other) == "" {
		t.Errorf("%d are stored", len(group))
	}
	r.Limits.Failed(errors.New("disk is broken"))
	r.Enter(rest)
	if group, _ := r.decide(); len(group) != 0 || answer(rest) != "queue is full: disk is broken" {
		t.Errorf("on a broken disk %d are stored", len(group))
	}
}

// What comes after a batch that waits for room does not take the room, of whatever cluster it is.
func TestBehindFull(t *testing.T) {
	r := newRoom(t, buffer.Limits{MaxSize: 100 * kib, WhenFull: "block"})
	r.used = 60 * kib
	large, small, other := r.batch("a", 50*kib), r.batch("a", kib), r.batch("b", kib)
	r.enter(large, small, other)
	if group, _ := r.decide(); len(group) != 0 {
		t.Errorf("%d pass the one that waits for room", len(group))
	}
	if why := r.Limits.Why(r.Count); !strings.Contains(why, "buffer.max_size") {
		t.Errorf("nothing can be stored, and why is %q", why)
	}
	r.used = 40 * kib
	group, _ := r.decide()
	if !slices.Equal(group, []*Batch{large, other, small}) && !slices.Equal(group, []*Batch{large, small, other}) {
		t.Errorf("%d of 3 are stored", len(group))
	}
	if why := r.Limits.Why(r.Count); why != "" {
		t.Errorf("all is stored, and why is %q", why)
	}
}
