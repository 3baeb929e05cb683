package ingest

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// of returns a reservation of a cluster.
func (b *Budget) of(cluster string, closeConn func()) *Reservation {
	a := b.Reserve(closeConn)
	a.Cluster = cluster
	return a
}

// TestShareLeavesRoom has one cluster take all it can and keep it, as it does while its queue is full: the other one
// never waits, also behind those of the first that do.
func TestShareLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewSharedBudget(100, 50)
		var wg sync.WaitGroup
		var mu sync.Mutex
		var order []string
		var held []*Reservation
		for _, name := range []string{"a", "b", "c", "d"} {
			wg.Go(func() {
				a := b.of("flood", func() {})
				if err := a.Acquire(t.Context(), ToStore, 25); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order, held = append(order, name), append(held, a)
			})
			synctest.Wait()
		}
		time.Sleep(time.Hour)
		if !slices.Equal(order, []string{"a", "b"}) || b.Stats().Waiting != 2 || b.Stats().Evicted != 0 {
			t.Errorf("granted %v, %+v", order, b.Stats())
		}
		began := time.Now()
		calm := b.of("calm", func() {})
		for range 5 {
			if err := calm.Acquire(t.Context(), ToStore, 50); err != nil {
				t.Fatal(err)
			}
			calm.Release(50)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the calm one waited %v", took)
		}
		if err := calm.Acquire(t.Context(), ToStore, 51); !errors.Is(err, ErrOverBudget) {
			t.Errorf("more than a share: %v", err)
		}
		for _, a := range held {
			a.Release(25)
		}
		wg.Wait()
		if len(order) != 4 || order[2] == "d" && order[3] != "c" {
			t.Errorf("granted %v", order)
		}
		for _, a := range held[2:] {
			a.Release(25)
		}
		if st := b.Stats(); st.Used != 0 || st.Waiting != 0 || len(b.shares) != 0 {
			t.Errorf("left: %+v, %v", st, b.shares)
		}
	})
}

// TestShareEvictsWithin makes room for a cluster without any by its own idle connections, never by another's.
func TestShareEvictsWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewSharedBudget(100, 50)
		var closed []string
		hold := func(cluster string, n int64) {
			var a *Reservation
			a = b.of(cluster, func() {
				closed = append(closed, cluster)
				go a.Release(n) // as its goroutine does when its read fails
			})
			if err := a.Acquire(t.Context(), ToStore, n); err != nil {
				t.Fatal(err)
			}
			a.DependOnPeer()
		}
		hold("other", 40)
		time.Sleep(time.Minute)
		hold("flood", 20)
		hold("flood", 20)
		if err := b.of("flood", func() {}).Acquire(t.Context(), ToStore, 25); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(closed, []string{"flood"}) {
			t.Errorf("closed %v", closed)
		}
	})
}

// TestShareKeepsTurns does not let small wishes of a cluster pass a large one of the same cluster.
func TestShareKeepsTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewSharedBudget(100, 50)
		holder := b.of("x", func() {})
		_ = holder.Acquire(t.Context(), ToStore, 30)
		var wg sync.WaitGroup
		large, small := b.of("x", func() {}), b.of("x", func() {})
		wg.Go(func() { _ = large.Acquire(t.Context(), ToStore, 40) })
		synctest.Wait()
		wg.Go(func() { _ = small.Acquire(t.Context(), ToStore, 15) })
		synctest.Wait()
		if st := b.Stats(); st.Waiting != 2 || st.Used != 30 {
			t.Errorf("%+v", st)
		}
		holder.Release(30)
		synctest.Wait()
		if st := b.Stats(); st.Used != 40 || st.Waiting != 1 {
			t.Errorf("%+v", st)
		}
		large.Release(40)
		wg.Wait()
	})
}
