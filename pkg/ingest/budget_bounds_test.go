package ingest

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

// taken returns a reservation that holds n bytes.
func taken(t *testing.T, b *Budget, n int64) *Reservation {
	t.Helper()
	a := b.Reserve(func() { t.Error("it is closed") })
	if err := a.Acquire(t.Context(), ToStore, n); err != nil {
		t.Fatal(err)
	}
	return a
}

// What can never be had is refused at once, and what can be had is had: a quarter is kept for what is complete.
func TestBudgetBounds(t *testing.T) {
	for _, tc := range []struct {
		name       string
		max, share int64
		held       int64
		purpose    Purpose
		asked      int64
		want       error
	}{
		{"nothing", 100, 100, 0, ToStore, 0, nil},
		{"less than nothing", 100, 100, 0, ToStore, -5, nil},
		{"all, to store", 100, 100, 0, ToStore, 100, nil},
		{"a byte more, to store", 100, 100, 0, ToStore, 101, ErrOverBudget},
		{"three quarters, to receive", 100, 100, 0, ToReceive, 75, nil},
		{"a byte more, to receive", 100, 100, 0, ToReceive, 76, ErrOverBudget},
		{"the rest, to store", 100, 100, 60, ToStore, 40, nil},
		{"more than the rest, to store", 100, 100, 60, ToStore, 41, ErrOverBudget},
		{"the rest, to receive", 100, 100, 60, ToReceive, 15, nil},
		{"more than the rest, to receive", 100, 100, 60, ToReceive, 16, ErrOverBudget},
		{"a share", 100, 40, 0, ToStore, 40, nil},
		{"more than a share", 100, 40, 0, ToStore, 41, ErrOverBudget},
		{"a share, to receive", 100, 40, 0, ToReceive, 30, nil},
		{"more than a share, to receive", 100, 40, 0, ToReceive, 31, ErrOverBudget},
		{"a share that is larger than all", 100, 1000, 0, ToStore, 101, ErrOverBudget},
		{"of nothing", 0, 0, 0, ToStore, 1, ErrOverBudget},
		{"of next to nothing, to receive", 3, 3, 0, ToReceive, 3, nil},
	} {
		b := NewSharedBudget(tc.max, tc.share)
		a := taken(t, b, tc.held)
		err := a.Acquire(t.Context(), tc.purpose, tc.asked)
		if !errors.Is(err, tc.want) || tc.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
		used := tc.held
		if tc.want == nil {
			used += max(0, tc.asked)
		}
		if got, want := b.Stats(), (BudgetStats{Used: used, Peak: used, Max: tc.max}); got != want {
			t.Errorf("%s: %+v, want %+v", tc.name, got, want)
		}
	}
}

// Who has gone before there was room gets its own error, and leaves nothing in the line.
func TestBudgetGone(t *testing.T) {
	b := NewBudget(100)
	holder := taken(t, b, 80)
	cause := errors.New("the client has gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	a := b.Reserve(func() { t.Error("it is closed") })
	if err := a.Acquire(ctx, ToStore, 21); !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
	// Where there is room, nobody asks.
	if err := a.Acquire(ctx, ToStore, 20); err != nil {
		t.Errorf("%v", err)
	}
	holder.Release(80)
	if got, want := b.Stats(), (BudgetStats{Used: 20, Peak: 100, Max: 100}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// What is taken already is charged, whether there is room or not, and others wait for it to be given back.
func TestOverdraw(t *testing.T) {
	b := NewBudget(100)
	a := b.Reserve(func() {})
	if a.Overdraw(150); b.Stats().Used != 150 || b.Stats().Peak != 150 {
		t.Errorf("%+v", b.Stats())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	other := b.Reserve(func() {})
	if err := other.Acquire(ctx, ToStore, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	a.Release(60)
	if err := other.Acquire(ctx, ToStore, 10); err != nil {
		t.Errorf("%v", err)
	}
	a.Release(0)
	a.Release(-5)
	a.Release(90)
	other.Release(10)
	if got := b.Stats(); got.Used != 0 || len(b.holders) != 0 || len(b.shares) != 0 {
		t.Errorf("%+v, %d holders, %v", got, len(b.holders), b.shares)
	}
}

// Memory is kept for later while half is free and nobody waits.
func TestRoomy(t *testing.T) {
	for _, tc := range []struct {
		name         string
		used         int64
		waiting      bool
		tight, roomy bool
	}{
		{"nothing is used", 0, false, false, true},
		{"half is used", 50, false, false, true},
		{"more than half", 51, false, false, false},
		{"all", 100, false, false, false},
		{"somebody waits", 10, true, true, false},
	} {
		b := NewBudget(100)
		a := b.Reserve(func() {})
		a.Overdraw(tc.used)
		if tc.waiting {
			b.waiting[ToStore] = append(b.waiting[ToStore], &waiter{reservation: a, bytes: 1})
		}
		if a.Tight() != tc.tight || a.Roomy() != tc.roomy {
			t.Errorf("%s: tight %v, roomy %v", tc.name, a.Tight(), a.Roomy())
		}
	}
}

// Buffers have a size of two to some power, at least the smallest, and are charged as large as they are.
func TestBufferSizes(t *testing.T) {
	for _, tc := range []struct{ asked, want int }{
		{1, minBuffer},
		{minBuffer - 1, minBuffer},
		{minBuffer, minBuffer},
		{minBuffer + 1, 2 * minBuffer},
		{64 << 10, 64 << 10},
		{64<<10 + 1, 128 << 10},
		{1<<20 - 1, 1 << 20},
		{1 << 20, 1 << 20},
	} {
		b := NewBudget(4 << 20)
		a := b.Reserve(func() {})
		buf, err := a.Buffer(t.Context(), ToStore, tc.asked)
		if err != nil || len(buf) != tc.want || b.Stats().Used != int64(tc.want) {
			t.Errorf("%d bytes: a buffer of %d, %v, %+v", tc.asked, len(buf), err, b.Stats())
		}
		a.Free(buf)
		if b.Stats().Used != 0 {
			t.Errorf("%d bytes: %+v is left", tc.asked, b.Stats())
		}
		again, err := a.Buffer(t.Context(), ToStore, tc.want)
		if err != nil || &again[0] != &buf[0] || b.pooled != 0 {
			t.Errorf("%d bytes: it is not used again: %v, %d bytes are kept", tc.asked, err, b.pooled)
		}
	}
	b := NewBudget(minBuffer - 1)
	if _, err := b.Reserve(func() {}).Buffer(t.Context(), ToStore, 1); !errors.Is(err, ErrOverBudget) {
		t.Errorf("the smallest is larger than all: %v", err)
	}
}

// No more is kept of what was freed than is said, and nothing of what is nothing.
func TestFreeBounds(t *testing.T) {
	b := NewBudget(1 << 30)
	a := b.Reserve(func() {})
	var all [][]byte
	for range 20 {
		buf, err := a.Buffer(t.Context(), ToStore, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, buf)
	}
	for _, buf := range all {
		a.Free(buf)
	}
	a.Free(nil)
	a.Free([]byte{})
	if b.pooled != maxPooled || len(b.pool[1<<20]) != maxPooled>>20 || b.Stats().Used != 0 {
		t.Errorf("%d bytes in %d buffers are kept, %+v", b.pooled, len(b.pool[1<<20]), b.Stats())
	}
}

// A connection makes progress with each step of bytes, however they come.
func TestProgress(t *testing.T) {
	at := time.Unix(1000, 0)
	for _, tc := range []struct {
		name string
		come []int
		want time.Time
	}{
		{"nothing", nil, at},
		{"less than a step", []int{progressStep - 1}, at},
		{"a step", []int{progressStep}, at.Add(time.Second)},
		{"a step in two", []int{progressStep - 1, 1}, at.Add(2 * time.Second)},
		{"a step, and less than another", []int{progressStep, progressStep - 1}, at.Add(time.Second)},
		{"what is over does not count for the next", []int{2*progressStep - 1, progressStep - 1}, at.Add(time.Second)},
	} {
		a := NewBudget(1).Reserve(func() {})
		a.Progressed(at)
		for i, n := range tc.come {
			a.Receive(at.Add(time.Duration(i+1)*time.Second), n)
		}
		if a.DependOnPeer(); a.idleSince.Load() != tc.want.UnixNano() {
			t.Errorf("%s: idle since %v, want %v", tc.name, time.Unix(0, a.idleSince.Load()), tc.want)
		}
		if a.DependOnNobody(); a.idleSince.Load() != 0 {
			t.Errorf("%s: it depends on its peer", tc.name)
		}
	}
}

// Whoever takes and gives back what, the sums hold, and at the end there is nothing left.
func TestBudgetModel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	// Who finds no room does not wait.
	cancel()
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 5))
		b := NewSharedBudget(1000, 400)
		clusters := []string{"a", "b", "c"}
		held, of := map[*Reservation]int64{}, map[string]int64{}
		var all []*Reservation
		for range 9 {
			a := b.Reserve(func() { t.Error("it is closed") })
			a.Cluster = clusters[r.IntN(3)]
			all = append(all, a)
		}
		used, peak := int64(0), int64(0)
		for range 300 {
			a := all[r.IntN(len(all))]
			if n := held[a]; n > 0 && r.IntN(2) == 0 {
				n = 1 + r.Int64N(n)
				a.Release(n)
				held[a], of[a.Cluster], used = held[a]-n, of[a.Cluster]-n, used-n
				continue
			}
			n, p := 1+r.Int64N(300), Purpose(r.IntN(2))
			room := used+n <= limit(1000, p) && of[a.Cluster]+n <= limit(400, p)
			if err := a.Acquire(ctx, p, n); (err == nil) != room {
				t.Fatalf("seed %d: %d bytes beside %d of all and %d of the cluster: %v", seed, n, used,
					of[a.Cluster], err)
			}
			if room {
				held[a], of[a.Cluster], used = held[a]+n, of[a.Cluster]+n, used+n
				peak = max(peak, used)
			}
		}
		if got, want := b.Stats(), (BudgetStats{Used: used, Peak: peak, Max: 1000}); got != want {
			t.Errorf("seed %d: %+v, want %+v", seed, got, want)
		}
		for a, n := range held {
			a.Release(n)
		}
		if b.Stats().Used != 0 || len(b.shares) != 0 || len(b.holders) != 0 {
			t.Errorf("seed %d: left are %+v, %v", seed, b.Stats(), b.shares)
		}
	}
}
