package ingest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestBudgetWaits has a taker wait until there is room, in turn.
func TestBudgetWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(100)
		holder, first, second := b.Reserve(func() {}), b.Reserve(func() {}), b.Reserve(func() {})
		if err := holder.Acquire(t.Context(), ToStore, 80); err != nil {
			t.Fatal(err)
		}
		var order []string
		var mu sync.Mutex
		var wg sync.WaitGroup
		take := func(name string, a *Reservation, n int64) {
			_ = a.Acquire(t.Context(), ToStore, n)
			mu.Lock()
			defer mu.Unlock()
			order = append(order, name)
		}
		wg.Go(func() { take("first", first, 50) })
		synctest.Wait()
		wg.Go(func() { take("second", second, 10) })
		synctest.Wait()
		time.Sleep(time.Minute) // the holder works: it is left alone
		if len(order) != 0 || b.Stats().Waiting != 2 || b.Stats().Evicted != 0 {
			t.Errorf("granted %v, %+v", order, b.Stats())
		}
		holder.Release(80)
		wg.Wait()
		if st := b.Stats(); len(order) != 2 || st.Used != 60 || st.Peak != 80 || st.Waiting != 0 {
			t.Errorf("granted %v, %+v", order, st)
		}
	})
}

func TestBudgetGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(100)
		a := b.Reserve(func() {})
		if err := a.Acquire(t.Context(), ToStore, 101); !errors.Is(err, ErrOverBudget) {
			t.Errorf("more than all: %v", err)
		}
		_ = a.Acquire(t.Context(), ToStore, 60)
		if err := a.Acquire(t.Context(), ToStore, 41); !errors.Is(err, ErrOverBudget) {
			t.Errorf("more than all in two steps: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := b.Reserve(func() {}).Acquire(ctx, ToStore, 50); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("until ctx ends: %v", err)
		}
		if st := b.Stats(); st.Waiting != 0 || st.Used != 60 {
			t.Errorf("it left %+v", st)
		}
	})
}

// TestBudgetEvicts closes those that hold memory and do nothing with it, the longest idle first, and no more than it
// takes.
func TestBudgetEvicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(100)
		var closed []int
		reservations := make([]*Reservation, 4)
		for i := range reservations {
			reservations[i] = b.Reserve(func() {
				closed = append(closed, i)
				go reservations[i].Release(25) // as its goroutine does when its read fails
			})
			_ = reservations[i].Acquire(t.Context(), ToStore, 25)
			reservations[i].Progressed(time.Now())
			reservations[i].DependOnPeer()
			time.Sleep(time.Minute)
		}
		reservations[3].DependOnNobody()
		began := time.Now()
		time.AfterFunc(10*time.Second, func() { reservations[3].Release(25) })
		if err := b.Reserve(func() {}).Acquire(t.Context(), ToStore, 60); err != nil {
			t.Fatal(err)
		}
		if len(closed) != 2 || closed[0] != 0 || closed[1] != 1 || time.Since(began) != 10*time.Second {
			t.Errorf("closed %v after %v", closed, time.Since(began))
		}
		if reservations[2].IsEvicted() || !reservations[0].IsEvicted() || b.Stats().Evicted != 2 {
			t.Errorf("evicted: %+v", b.Stats())
		}
	})
}

// TestBudgetWithoutDeadlock lets ten connections take half of what they need, and then all want the other half.
func TestBudgetWithoutDeadlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(100)
		var done, evicted int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				a := b.Reserve(func() {})
				_ = a.Acquire(t.Context(), ToStore, 10)
				time.Sleep(time.Second)
				err := a.Acquire(t.Context(), ToStore, 10)
				mu.Lock()
				if err == nil {
					done++
				} else if errors.Is(err, ErrEvicted) {
					evicted++
				}
				mu.Unlock()
				a.Release(a.held)
			})
		}
		wg.Wait()
		if done == 0 || done+evicted != 10 || b.Stats().Used != 0 {
			t.Errorf("%d went on, %d were evicted, %+v", done, evicted, b.Stats())
		}
	})
}

// TestBudgetStoresFirst keeps room for complete messages.
func TestBudgetStoresFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(100)
		receiver, waiting, storer := b.Reserve(func() {}), b.Reserve(func() {}), b.Reserve(func() {})
		if err := receiver.Acquire(t.Context(), ToReceive, 76); !errors.Is(err, ErrOverBudget) {
			t.Errorf("more than three quarters: %v", err)
		}
		_ = receiver.Acquire(t.Context(), ToReceive, 70)
		var wg sync.WaitGroup
		wg.Go(func() { _ = waiting.Acquire(t.Context(), ToReceive, 10) })
		synctest.Wait()
		if err := storer.Acquire(t.Context(), ToStore, 25); err != nil || b.Stats().Waiting != 1 {
			t.Errorf("%v, %+v", err, b.Stats())
		}
		receiver.Release(70)
		wg.Wait()
	})
}

// TestPool reuses buffers and keeps no more than its bound.
func TestPool(t *testing.T) {
	b := NewBudget(1 << 30)
	a := b.Reserve(func() {})
	var bufs [][]byte
	for range 40 {
		buf, err := a.Buffer(t.Context(), ToReceive, 1<<20-5)
		if err != nil || len(buf) != 1<<20 {
			t.Fatalf("%d bytes, %v", len(buf), err)
		}
		bufs = append(bufs, buf)
	}
	for _, buf := range bufs {
		a.Free(buf)
	}
	if b.pooled != maxPooled || b.used != 0 {
		t.Errorf("%d pooled, %d used", b.pooled, b.used)
	}
	buf, _ := a.Buffer(t.Context(), ToReceive, 1<<20)
	if b.pooled != maxPooled-1<<20 || &buf[0] != &bufs[15][0] {
		t.Errorf("the pool was not used: %d", b.pooled)
	}
}
