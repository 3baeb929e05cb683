package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/status/history"
	"github.com/seed-afc6a195/aggregator/pkg/status/page"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
	"github.com/seed-afc6a195/aggregator/pkg/status/verdict"
)

const (
	every = time.Second
	past  = 15*time.Minute + 10*time.Second
	kept  = 10 // snapshots that rates are made of
)

// stage plays a day to the page, as the status endpoint does with what really happens.
type stage struct {
	at      func(began, now time.Time) snapshot.Snapshot
	control bool
	began   time.Time
	page    *page.Page
	live    page.Live

	recent  history.Recent
	series  history.Series
	samples []*snapshot.Snapshot // oldest first

	mu  sync.Mutex
	now *snapshot.Snapshot
}

// newStage returns a stage on which the day has gone on for a while.
func newStage(at func(began, now time.Time) snapshot.Snapshot, control bool) *stage {
	s := &stage{at: at, control: control, page: page.New()}
	now := time.Now()
	s.began = now.Add(-past)
	s.live.Series = &s.series
	for t := s.began; t.Before(now); t = t.Add(every) {
		s.take(t)
	}
	return s
}

// take makes the snapshot of a moment.
func (s *stage) take(now time.Time) (point bool) {
	of := s.at(s.began, now)
	of.At, of.Time = now, now.UTC()
	of.Uptime, of.Ready, of.Healthy = now.Sub(s.began).Seconds(), len(of.NotReady) == 0, true
	var oldest, second *snapshot.Snapshot
	if n := len(s.samples); n > 0 {
		oldest, second = s.samples[0], s.samples[n-1]
	}
	of.Derive(oldest, second)
	s.recent.Fill(&of)
	s.series.Fill(&of)
	for i := range of.Outputs {
		of.DeliveredWithin = max(of.DeliveredWithin, of.Outputs[i].Lag)
	}
	verdict.Fill(&of)
	if len(s.samples) == kept {
		s.samples = s.samples[1:]
	}
	s.samples = append(s.samples, &of)
	s.recent.Keep(&of)
	point = s.series.Keep(&of)
	s.mu.Lock()
	s.now = &of
	s.mu.Unlock()
	return point
}

func (s *stage) current() *snapshot.Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// play goes on with the day until ctx ends.
func (s *stage) play(ctx context.Context) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			point := s.take(now)
			if err := s.live.Update(s.current(), now, point); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *stage) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page.Index)
	mux.HandleFunc("GET "+page.Folder+"{name}", s.page.File)
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, r *http.Request) {
		you := page.You{Control: s.control, Words: s.control, CanSign: true}
		if err := s.live.Serve(w, r, you, s.page.Hash(), s.current()); err != nil {
			panic(err)
		}
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { write(w, s.current()) })
	mux.HandleFunc("GET /dead-letters", func(w http.ResponseWriter, _ *http.Request) {
		write(w, map[string]any{"letters": []any{letter()}, "next": 0})
	})
	mux.HandleFunc("GET /dead-letters/{id}", func(w http.ResponseWriter, _ *http.Request) { write(w, letter()) })
	mux.HandleFunc("POST /dead-letters/retry", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, `{"letters":581,"events":581,"done":true}`)
	})
	mux.HandleFunc("GET /tail", tailed)
	mux.HandleFunc("POST /", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprintln(w, "this stage does nothing")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", page.Policy)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	})
}

func write(w http.ResponseWriter, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(safetext.Escaped(text)) // who asked is gone
}

// letter is a dead letter with an example of what may stand in one.
func letter() map[string]any {
	return map[string]any{
		"id": 4711, "time": time.Now().Add(-3 * time.Minute), "output": "upstream", "cluster": "seoul-prod",
		"tag": "kube.var.log.containers.web-6f_prod_web.log", "status": 400, "reason": "rejected",
		"detail":   "400 document_parsing_exception: [1:52] failed to parse field [status] of type [long]",
		"attempts": 1, "events": 1,
		"record": map[string]any{
			"log": "GET /cart 200", "status": "ok",
			"evil": "<script>document.title='owned'</script>\u202E",
		},
		"would_offer": []any{map[string]any{
			"output": "upstream", "target": "logs-seoul-prod-2026.11.30",
			"document": map[string]any{"@timestamp": "2026-11-30T12:00:00Z", "log": "GET /cart 200", "status": "ok"},
		}},
	}
}
