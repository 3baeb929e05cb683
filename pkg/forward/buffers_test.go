package forward

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/refusal"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
)

// receiving is a receiveBuffer, its Budget, and what should be in it.
type receiving struct {
	receiveBuffer
	budget *ingest.Budget
	want   []byte
	next   byte
}

func newReceiving(budget int64) *receiving {
	r := &receiving{budget: ingest.NewBudget(budget)}
	r.receiveBuffer = newReceiveBuffer(r.budget.Reserve(func() {}), ownBuffer)
	return r
}

// come has n bytes arrive, in as many reads as it takes.
func (r *receiving) come(t *testing.T, n int) {
	t.Helper()
	for n > 0 {
		if err := r.prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(r.free()) == 0 {
			t.Fatal("there is no room to read into")
		}
		part := r.free()[:min(n, len(r.free()))]
		for i := range part {
			part[i] = r.next
			r.next++
		}
		r.filled(len(part))
		r.want = append(r.want, part...)
		n -= len(part)
	}
	r.check(t)
}

// leave takes n bytes.
func (r *receiving) leave(t *testing.T, n int) {
	t.Helper()
	r.take(n)
	r.want = r.want[n:]
	r.check(t)
}

func (r *receiving) check(t *testing.T) {
	t.Helper()
	if !bytes.Equal(r.bytes(), r.want) || r.size() != len(r.want) {
		t.Fatalf("%d bytes are not the %d that came", r.size(), len(r.want))
	}
	charged := int64(0)
	if r.borrows() {
		charged = int64(len(r.buf))
	}
	if used := r.budget.Stats().Used; used != charged {
		t.Fatalf("%d bytes are charged for a buffer of %d", used, len(r.buf))
	}
}

// TestReceiveBufferHoldsWhatCame goes through random orders of coming and taking, giving memory back in between.
func TestReceiveBufferHoldsWhatCame(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		r := newReceiving(64 << 20)
		for range 300 {
			switch rnd.IntN(5) {
			case 0, 1:
				r.come(t, 1+rnd.IntN(1<<rnd.IntN(18)))
			case 2, 3:
				r.leave(t, rnd.IntN(r.size()+1))
			default:
				give := r.trim
				if rnd.IntN(2) == 0 {
					give = r.shrink
				}
				if err := give(t.Context()); err != nil {
					t.Fatal(err)
				}
				r.check(t)
			}
		}
		r.reset()
		if used := r.budget.Stats().Used; used != 0 || r.size() != 0 {
			t.Fatalf("seed %d: %d bytes are charged after the end, %d are left", seed, used, r.size())
		}
	}
}

// TestReceiveBufferSize has a buffer be as large as what is in it deserves.
func TestReceiveBufferSize(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(t *testing.T, r *receiving)
		size int
	}{
		{
			"a few bytes need none of the budget",
			func(t *testing.T, r *receiving) { t.Helper(); r.come(t, ownBuffer) }, ownBuffer,
		},
		{"one byte more does", func(t *testing.T, r *receiving) { t.Helper(); r.come(t, ownBuffer+1) }, 4 * ownBuffer},
		{"it grows with what comes", func(t *testing.T, r *receiving) { t.Helper(); r.come(t, 300<<10) }, 512 << 10},
		{"what was taken makes room", func(t *testing.T, r *receiving) {
			t.Helper()
			r.come(t, ownBuffer)
			r.leave(t, ownBuffer-10)
			r.come(t, ownBuffer-10)
		}, ownBuffer},
		{"a busy connection keeps it", func(t *testing.T, r *receiving) {
			t.Helper()
			r.come(t, 300<<10)
			r.leave(t, 300<<10)
			r.must(t, r.trim)
		}, 512 << 10},
		{"a very large one goes after its message", func(t *testing.T, r *receiving) {
			t.Helper()
			r.come(t, 3<<20)
			r.leave(t, 3<<20-10)
			r.must(t, r.trim)
		}, ownBuffer},
		{"of a very large one as much as is needed stays", func(t *testing.T, r *receiving) {
			t.Helper()
			r.come(t, 8<<20)
			r.leave(t, 8<<20-10000)
			r.must(t, r.trim)
		}, 32 << 10},
		{"while nothing is read only what came stays", func(t *testing.T, r *receiving) {
			t.Helper()
			r.come(t, 300<<10)
			r.leave(t, 300<<10-10)
			r.must(t, r.shrink)
		}, ownBuffer},
		{"while nothing is read half a message stays", func(t *testing.T, r *receiving) {
			t.Helper()
			r.come(t, 300<<10)
			r.must(t, r.shrink)
		}, 512 << 10},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newReceiving(64 << 20)
			tc.do(t, r)
			if len(r.buf) != tc.size {
				t.Errorf("the buffer has %d bytes, want %d", len(r.buf), tc.size)
			}
		})
	}
}

func (r *receiving) must(t *testing.T, give func(context.Context) error) {
	t.Helper()
	if err := give(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.check(t)
}

// TestReceiveBufferOverBudget refuses a message that can't ever be held, and keeps what came of it.
func TestReceiveBufferOverBudget(t *testing.T) {
	r := newReceiving(32 << 10)
	r.come(t, 16<<10)
	err := r.prepare(t.Context())
	var refused *refusal.Error
	if !errors.Is(err, ingest.ErrOverBudget) || !errors.As(err, &refused) || refused.Reason != refusal.Memory {
		t.Errorf("not refused for its memory: %v", err)
	}
	r.check(t)
	r.reset()
	r.want = nil
	r.check(t)
}
