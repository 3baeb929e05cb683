package elasticsearch

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// red is a server one of whose indices has no primary: it answers a request with an event for it only when the
// request's own time-out is over, or never.
type red struct {
	next  http.Handler
	index string

	mu     sync.Mutex
	hangs  bool // it never answers instead
	waits  []time.Duration
	bodies [][]string // the indices of each request's events
}

func (s *red) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/_bulk" {
		s.next.ServeHTTP(w, r)
		return
	}
	text, _ := io.ReadAll(r.Body)
	wait, _ := time.ParseDuration(r.URL.Query().Get("timeout"))
	var indices, items []string
	hit := false
	for line := range strings.Lines(string(text)) {
		var action map[string]struct {
			Index string `json:"_index"`
		}
		if json.Unmarshal([]byte(line), &action) != nil || action["create"].Index == "" {
			continue
		}
		index := action["create"].Index
		indices = append(indices, index)
		s.mu.Lock()
		bad := index == s.index
		s.mu.Unlock()
		hit = hit || bad
		item := fmt.Sprintf(`{"create":{"_index":%q,"status":201}}`, index)
		if bad {
			item = fmt.Sprintf(
				`{"create":{"_index":%q,"status":503,"error":{"type":"unavailable_shards_exception",`+
					`"reason":"primary shard is not active"}}}`, index,
			)
		}
		items = append(items, item)
	}
	s.mu.Lock()
	s.waits, s.bodies = append(s.waits, wait), append(s.bodies, slices.Compact(slices.Sorted(slices.Values(indices))))
	hangs := s.hangs
	s.mu.Unlock()
	if hit {
		if hangs {
			<-r.Context().Done()
			return
		}
		time.Sleep(wait)
	}
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	fmt.Fprintf(w, `{"errors":%t,"items":[%s]}`, hit, strings.Join(items, ","))
}

func (s *red) heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index, s.bodies, s.waits = "", nil, nil
}

func (s *red) requests() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bodies)
}

func batchOf(clusters ...string) *outputs.Batch {
	var all []*event.Chunk
	for i, name := range clusters {
		all = append(all, outputtest.Chunk(uint64(i), name, "t", 2, 2*i, 10))
	}
	return outputtest.Batch(all...)
}

// The server's own time-out goes along, well below ours, so that the others' results arrive; afterwards the slow index
// holds up no other, is asked for a shorter time and not for every event, and is as others again once it answers.
func TestSlowIndexIsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &red{next: elastictest.New(elastictest.Options{}).Handler(), index: "logs-b"}
		o := newPipedOutput(t, 60*time.Second, map[string]http.Handler{"es": s})
		se := outputs.AsSendError(o.Send(t.Context(), batchOf("a", "b")))
		if se == nil || len(se.Failed) != 2 || se.Failed[0].Target != "logs-b" || se.Failed[0].Untried || !se.Apart ||
			se.Failed[0].Status != 503 {
			t.Fatalf("a first batch: %+v", se)
		}
		if s.waits[0] != 20*time.Second {
			t.Errorf("the server was to wait %s of a minute", s.waits[0])
		}
		for range 3 {
			se := outputs.AsSendError(o.Send(t.Context(), batchOf("a", "b")))
			if se == nil || len(se.Failed) != 2 || !se.Failed[0].Untried || se.Failed[0].Target != "logs-b" ||
				!strings.Contains(se.Failed[0].Detail, "unavailable_shards") {
				t.Fatalf("a batch behind it: %+v", se)
			}
		}
		if se := outputs.AsSendError(o.Send(t.Context(), batchOf("b"))); !se.Failed[0].Untried || se.RetryAfter <= 0 {
			t.Errorf("its own events, before it is due: %+v", se)
		}
		o.RetryNow()
		if se := outputs.AsSendError(o.Send(t.Context(), batchOf("b"))); se == nil || se.Failed[0].Untried {
			t.Errorf("its own events, when it is due: %+v", se)
		}
		for i, got := range s.requests()[1:] {
			if len(got) != 1 {
				t.Errorf("request %d mixes %v", i+1, got)
			}
		}
		s.heal()
		o.RetryNow()
		for range 2 {
			if err := o.Send(t.Context(), batchOf("b")); err != nil {
				t.Fatal(err)
			}
		}
		if err := o.Send(t.Context(), batchOf("a", "b")); err != nil || len(s.requests()[2]) != 2 {
			t.Errorf("when it works again: %v, requests %v", err, s.requests())
		}
	})
}

// A request that no reply came to is sent again target by target, so that the one that it hangs for is alone.
func TestHungRequestIsSentByTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &red{next: elastictest.New(elastictest.Options{}).Handler(), index: "logs-b", hangs: true}
		o := newPipedOutput(t, 60*time.Second, map[string]http.Handler{"es": s})
		se := outputs.AsSendError(o.Send(t.Context(), batchOf("a", "b", "c")))
		if se == nil || !se.Apart || len(se.Failed) != 6 || se.Failed[0].Target != "logs-a" ||
			se.Failed[5].Target != "logs-c" || se.Failed[0].Reason != outputs.ReasonNetwork {
			t.Fatalf("a first batch: %+v", se)
		}
		for _, good := range []string{"a", "c"} {
			if err := o.Send(t.Context(), batchOf(good)); err != nil {
				t.Errorf("the events for %s: %v", good, err)
			}
		}
		if se := outputs.AsSendError(o.Send(t.Context(), batchOf("b"))); se == nil || se.Failed[0].Untried ||
			se.Failed[0].Target != "logs-b" {
			t.Errorf("the slow one's: %+v", se)
		}
		if se := outputs.AsSendError(o.Send(t.Context(), batchOf("a", "b", "c"))); se == nil || len(se.Failed) != 2 ||
			!se.Failed[0].Untried {
			t.Errorf("a batch behind it: %+v", se)
		}
		if got, want := fmt.Sprint(s.requests()),
			"[[logs-a logs-b logs-c] [logs-a] [logs-c] [logs-b] [logs-a logs-c]]"; got != want {
			t.Errorf("requests %s, want %s", got, want)
		}
	})
}

// What no reply came to in time is sent again, and is there once.
func TestNoReplyInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := elastictest.New(elastictest.Options{})
		o := newPipedOutput(t, time.Minute, map[string]http.Handler{"es": s.Handler()})
		s.SetFaults(elastictest.Faults{Latency: time.Hour})
		b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 5, 0, 100), outputtest.Chunk(2, "b", "t", 5, 5, 100))
		began := time.Now()
		err := o.Send(t.Context(), b)
		if got := reasons(t, err); got["network"] != 10 || len(got) != 1 || time.Since(began) != time.Minute ||
			!strings.Contains(err.Error(), "no whole reply within the timeout of 1m0s") {
			t.Errorf("after %s: %v: %v", time.Since(began), got, err)
		}
		if n := o.Report().PossibleDuplicates; n != 0 {
			t.Errorf("%d possible duplicates of events with ids", n)
		}
		s.SetFaults(elastictest.Faults{})
		if err := o.Send(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if got := numbers(t, s); !slices.Equal(got, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
			t.Errorf("the server has %v", got)
		}
	})
}
