package outputs

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

func TestNameLimit(t *testing.T) {
	now := time.Unix(1763720100, 0)
	var log bytes.Buffer
	l := NewNameLimit(NameLimitOptions{
		Setting: "max_things_per_hour", Max: 2, Beyond: "others go elsewhere",
		Now: func() time.Time { return now }, Log: zerolog.New(&log),
	})
	admit := func(cluster, name string, want bool) {
		t.Helper()
		got, ok := l.Admit(cluster, []byte(name))
		if ok != want || ok && got != name {
			t.Errorf("%s of %s at %s: %q, %v", name, cluster, now, got, ok)
		}
	}
	notice := func(want string) {
		t.Helper()
		if got := l.Notice(); got != want {
			t.Errorf("at %s the notice is %q, want %q", now, got, want)
		}
	}
	for range 2 {
		admit("b", "x", true)
		admit("b", "y", true)
	}
	notice("")
	for range 3 {
		admit("b", "z", false)
		admit("b", "x", true)
		admit("a", "z", true)
	}
	notice("max_things_per_hour (2) is reached for cluster b: until the hour is over, others go elsewhere")
	admit("a", "x", true)
	admit("a", "y", false)
	notice("max_things_per_hour (2) is reached for cluster a, b: until the hour is over, others go elsewhere")
	if lines := strings.Count(log.String(), "\n"); lines != 2 || !strings.Contains(log.String(), `"cluster":"b"`) ||
		!strings.Contains(log.String(), `"max_things_per_hour":2`) {
		t.Errorf("each cluster is told of once: %s", log.String())
	}

	now = now.Add(time.Hour)
	notice("")
	admit("b", "z", true)

	// The clock was wrong, and is set back by years: the limit does not stay reached until they are over.
	admit("b", "y", true)
	admit("b", "x", false)
	now = now.Add(-10 * 365 * 24 * time.Hour)
	notice("")
	admit("b", "x", true)
}

func TestNoNameLimit(t *testing.T) {
	l := NewNameLimit(NameLimitOptions{})
	for i := range 1000 {
		name := strconv.Itoa(i)
		if got, ok := l.Admit("c", []byte(name)); !ok || got != name {
			t.Fatal(got, ok)
		}
	}
	if len(l.known) != 0 || l.Notice() != "" {
		t.Errorf("it keeps %d clusters, notice %q", len(l.known), l.Notice())
	}
}

// What Admit returns does not share memory with what it was given, and it takes any number of callers.
func TestNameLimitConcurrently(t *testing.T) {
	l := NewNameLimit(NameLimitOptions{Max: 10, Now: func() time.Time { return time.Unix(0, 0) }})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			buf := make([]byte, 0, 16)
			for i := range 1000 {
				want := fmt.Sprint("name", i%10)
				buf = append(buf[:0], want...)
				got, ok := l.Admit("c", buf)
				clear(buf)
				if !ok || got != want {
					t.Errorf("%q, %v; want %q", got, ok, want)
				}
			}
		})
	}
	wg.Wait()
}
