package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
	"github.com/seed-afc6a195/aggregator/test/harness"
)

const (
	soakClusters, soakOutputs = 20, 10
	pages                     = 10
	maxShare                  = 0.01    // of a processor, for all pages together
	maxPage                   = 4 << 10 // bytes a second to a page
	// warm is how long what the program remembers for a while takes to fill up: resends, and what outputs settled last.
	warm = 9 * time.Minute
	// slack is what the heap may differ by between the first and the last third after that.
	slack = 4 << 20
)

// TestPagesStayCheap has ten pages open on the built program with 20 clusters and 10 outputs, one of them in a browser,
// and then none, in turns, and tells what they cost. A few events by default; PAGE_SOAK=20m goes on for that long, and
// then the pages must take less than one hundredth of a processor, and nothing may grow.
func TestPagesStayCheap(t *testing.T) {
	if !harness.Whole("soak:page") {
		return // task test:whole runs it
	}
	long, err := time.ParseDuration(os.Getenv("PAGE_SOAK"))
	if text := os.Getenv("PAGE_SOAK"); text != "" && err != nil {
		t.Fatalf("PAGE_SOAK: %v", err)
	}
	s := soaked(t)
	stop := s.load(t)
	defer stop()
	if long == 0 {
		before := s.metric(t, "go_goroutines")
		s.open(t, func(seen func() int) {
			s.Eventually("each page is told of ten changes", func() bool { return seen() >= 10 })
		})
		s.Eventually("nothing is left of pages that were closed", func() bool {
			return s.metric(t, "go_goroutines") < before+pages
		})
		return
	}
	const turn = time.Minute
	var with, without, heaps []float64
	var bytes float64
	began := time.Now()
	for time.Since(began) < long {
		without = append(without, s.share(t, func() { time.Sleep(turn) }))
		browser := node(t, "stay.mjs", "http://"+s.Status, strconv.Itoa(int(turn.Seconds())))
		with = append(with, s.share(t, func() {
			if err := browser.Start(); err != nil {
				t.Error(err)
				return
			}
			before := s.bytes.Load()
			s.open(t, func(func() int) { time.Sleep(turn) })
			bytes = float64(s.bytes.Load()-before) / turn.Seconds() / pages
			if err := browser.Wait(); err != nil {
				t.Error(err)
			}
		}))
		heap := s.heap(t)
		if time.Since(began) > warm {
			heaps = append(heaps, heap)
		}
		t.Logf("%v: without pages %.2f %% of a processor, with %.2f %%, %.0f bytes/s a page, heap %.1f MiB, "+
			"resident %.1f MiB, %.0f goroutines", time.Since(began).Round(time.Second), 100*without[len(without)-1],
			100*with[len(with)-1], bytes, heap/(1<<20), s.metric(t, "process_resident_memory_bytes")/(1<<20),
			s.metric(t, "go_goroutines"))
		if bytes > maxPage {
			t.Errorf("a page is sent %.0f bytes a second", bytes)
		}
	}
	cost := average(with) - average(without)
	t.Logf("pages cost %.2f %% of a processor: with %.2f %%, without %.2f %%", 100*cost, 100*average(with),
		100*average(without))
	if cost > maxShare {
		t.Errorf("pages cost %.2f %% of a processor", 100*cost)
	}
	if len(heaps) < 3 {
		t.Logf("it is too short to see growth: that takes %v and some more", warm)
		return
	}
	third := len(heaps) / 3
	if first, last := average(heaps[:third]), average(heaps[len(heaps)-third:]); last > first+slack {
		t.Errorf("the heap grows: from %.0f to %.0f bytes", first, last)
	}
}

// soak is the program with many clusters and outputs.
type soak struct {
	*harness.Server

	bytes atomic.Int64 // sent to pages
}

func soaked(t *testing.T) *soak {
	t.Helper()
	binary, err := harness.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var c strings.Builder
	c.WriteString("listeners: [{name: public, address: \"127.0.0.1:0\"}]\nbuffer: {path: data, min_free_disk: 1MiB, " +
		"dedupe_window: 1m}\n" +
		"status: {address: \"127.0.0.1:0\", pprof: true}\nlog: {format: json}\nclusters:\n")
	for i := range soakClusters {
		fmt.Fprintf(&c, "  - {name: cluster-%02d, shared_key: key-%d}\n", i, i)
	}
	c.WriteString("outputs:\n")
	var all []string
	for i := range soakOutputs {
		fmt.Fprintf(&c, "  out-%d: {type: file, path: \"out/%d/{cluster}.ndjson\"}\n", i, i)
		all = append(all, fmt.Sprintf("out-%d", i))
	}
	fmt.Fprintf(&c, "routes: [{match: \"**\", outputs: [%s]}]\n", strings.Join(all, ", "))
	return &soak{Server: harness.Start(t, harness.Options{Binary: binary, Dir: t.TempDir(), Config: c.String()})}
}

// load has an agent of each cluster send a chunk a second, until stop is called.
func (s *soak) load(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var agents sync.WaitGroup
	for i := range soakClusters {
		a := &harness.Agent{
			Name: fmt.Sprintf("a%d", i), Tag: fmt.Sprintf("kube.%d", i), Address: s.Address, Padding: 200,
			Login: &client.Login{SharedKey: fmt.Sprint("key-", i), Hostname: fmt.Sprint("node-", i)},
		}
		agents.Go(func() {
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for ctx.Err() == nil {
				a.Limit += 20
				a.Run(ctx)
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		})
	}
	return func() {
		cancel()
		agents.Wait()
	}
}

// open has pages open while during runs. seen tells how many messages the page has that has the fewest.
func (s *soak) open(t *testing.T, during func(seen func() int)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var counts [pages]atomic.Int64
	for i := range pages {
		all.Go(func() {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Status+"/live", http.NoBody)
			if err != nil {
				t.Error(err)
				return
			}
			reply, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = reply.Body.Close() }() // only read from
			lines := bufio.NewScanner(reply.Body)
			lines.Buffer(nil, 4<<20)
			for lines.Scan() {
				s.bytes.Add(int64(len(lines.Bytes()) + 1))
				if strings.HasPrefix(lines.Text(), "data: ") {
					counts[i].Add(1)
				}
			}
			if ctx.Err() == nil {
				t.Errorf("page %d was left: %v", i, lines.Err())
			}
		})
	}
	during(func() int {
		least := counts[0].Load()
		for i := range counts {
			least = min(least, counts[i].Load())
		}
		return int(least)
	})
	cancel()
	all.Wait()
}

// share returns which share of a processor the program takes while during runs.
func (s *soak) share(t *testing.T, during func()) float64 {
	t.Helper()
	began, before := time.Now(), s.metric(t, "process_cpu_seconds_total")
	during()
	return (s.metric(t, "process_cpu_seconds_total") - before) / time.Since(began).Seconds()
}

// heap returns the bytes that are left after a collection.
func (s *soak) heap(t *testing.T) float64 {
	t.Helper()
	for range 2 { // what the first finalizes is gone with the second
		if _, err := s.Request(t.Context(), http.MethodGet, "/debug/pprof/heap?gc=1"); err != nil {
			t.Fatal(err)
		}
	}
	return s.metric(t, "go_memstats_heap_alloc_bytes")
}

func (s *soak) metric(t *testing.T, name string) float64 {
	t.Helper()
	text, err := s.Request(t.Context(), http.MethodGet, "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

func average(all []float64) (mean float64) {
	for _, n := range all {
		mean += n / float64(len(all))
	}
	return mean
}
