package disk

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

// A held cluster keeps its chunks, also those that come or come back meanwhile; the others go on.
func TestHold(t *testing.T) {
	s := mustOpen(t, testConfig(t.TempDir()), buffer.Options{})
	for i := range 3 {
		for _, cluster := range []string{"a", "b", "c"} {
			put(t, s, message1{cluster: cluster, text: cluster + strconv.Itoa(i)})
		}
	}
	src := s.Source("o")
	first := take(t, s, "o")
	src.Hold("a")
	src.Hold("a")
	src.Hold("unheard of")
	src.Return(first)
	put(t, s, message1{cluster: "a", text: "a3"})
	var got []string
	for range 6 {
		c := take(t, s, "o")
		got = append(got, string(c.Entries))
		src.Done(c)
	}
	slices.Sort(got)
	if want := []string{"b0", "b1", "b2", "c0", "c1", "c2"}; !slices.Equal(got, want) {
		t.Errorf("with a held, got %q, want %q", got, want)
	}
	if n := s.Stats().Waits[0].Pending.Chunks; n != 4 {
		t.Errorf("%d chunks of the held cluster are pending, want 4", n)
	}
	src.Release("a")
	src.Release("a")
	src.Release("unheard of")
	if got, want := drain(t, s, "o"), []string{"a0", "a1", "a2", "a3"}; !slices.Equal(got, want) {
		t.Errorf("after Release, got %q, want %q", got, want)
	}
}

// Turns stay fair when clusters come and go: each of the others is served between two of one.
func TestHoldKeepsTurns(t *testing.T) {
	s := mustOpen(t, testConfig(t.TempDir()), buffer.Options{})
	for i := range 8 {
		for _, cluster := range []string{"a", "b", "c", "d"} {
			put(t, s, message1{cluster: cluster, text: text(turnBytes, uint64(i))})
		}
	}
	src, last := s.Source("o"), map[string]int{}
	for i := range 20 {
		c := take(t, s, "o")
		if before, ok := last[c.Cluster]; ok && i-before > 8 {
			t.Errorf("cluster %s waited from %d to %d", c.Cluster, before, i)
		}
		last[c.Cluster] = i
		if i%2 == 0 {
			src.Hold("a")
		} else {
			src.Release("a")
		}
		src.Done(c)
	}
	if len(last) < 3 {
		t.Errorf("only %v had turns", last)
	}
}

func TestReleaseWakesNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, testConfig(t.TempDir()), buffer.Options{})
		defer mustClose(t, s)
		put(t, s, message1{text: "x"})
		src := s.Source("o")
		c := take(t, s, "o")
		cluster := c.Cluster
		src.Hold(cluster)
		src.Return(c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		got := make(chan error)
		go func() { _, err := src.Next(ctx); got <- err }()
		synctest.Wait()
		select {
		case err := <-got:
			t.Fatalf("Next gave a chunk of a held cluster, or failed: %v", err)
		default:
		}
		src.Release(cluster)
		if err := <-got; err != nil {
			t.Errorf("after Release: %v", err)
		}
	})
}

// What is shed is read again after a Return, and forgotten after Done.
func TestShed(t *testing.T) {
	s := mustOpen(t, testConfig(t.TempDir()), buffer.Options{})
	put(t, s, message1{text: "x"})
	src := s.Source("o")
	c := take(t, s, "o")
	src.ReleaseEntries(c)
	src.ReleaseEntries(c)
	if c.Entries != nil || c.Tag == "" || len(c.Parts) == 0 {
		t.Errorf("shed: %+v", c)
	}
	src.Return(c)
	c = take(t, s, "o")
	if string(c.Entries) != "x" {
		t.Errorf("handed out again with %q", c.Entries)
	}
	src.ReleaseEntries(c)
	src.Done(c)
	if c := take(t, s, "o"); c != nil {
		t.Errorf("still there: %+v", c)
	}
}
