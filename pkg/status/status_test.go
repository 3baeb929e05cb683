package status

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot/snapshottest"
)

// golden compares got with a file of testdata; with UPDATE_GOLDEN=1 it writes the file.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (UPDATE_GOLDEN=1 writes it); got:\n%s", path, got)
	}
}

func testServer(snapshot func() Snapshot) *Server {
	ok := func() error { return nil }
	return patient(New(Options{Snapshot: snapshot, Ready: ok, Healthy: ok, Log: zerolog.Nop()}))
}

// patient has s wait for each snapshot, also where the machine stands still for a second.
func patient(s *Server) *Server {
	s.taker.patience = time.Hour
	return s
}

func get(s *Server, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.http.Handler.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, path, http.NoBody))
	return w
}

// seoul receives 100 events a second, the others rest: their accounts are settled, its is not.
func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now().UTC()
		s := testServer(
			func() Snapshot { return snapshottest.Program(started, uint64(time.Since(started).Seconds()*100)) },
		)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go s.sample(ctx)
		time.Sleep(60*time.Second + 500*time.Millisecond)
		w := get(s, "/status")
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" ||
			!json.Valid(w.Body.Bytes()) {
			t.Errorf("%d %s", w.Code, w.Header())
		}
		golden(t, filepath.Join("testdata", "status.json"), w.Body.Bytes())
		if n := len(s.samples.kept); n != sampleCount {
			t.Errorf("%d samples are kept, want %d", n, sampleCount)
		}
	})
}

// Right after the start there is nothing to compare with, and an empty program has no nulls.
func TestStatusOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		golden(t, filepath.Join("testdata", "empty.json"), get(testServer(func() Snapshot {
			return Snapshot{Started: time.Now().UTC(), Outputs: []Output{{Name: "archive"}}}
		}), "/status").Body.Bytes())
	})
}

func TestSamples(t *testing.T) {
	var x samples
	at := time.Unix(0, 0)
	if oldest, second := x.before(at); oldest != nil || second != nil {
		t.Error("there is a sample before the first")
	}
	for i := range 30 {
		x.keep(&Snapshot{Taken: Taken{At: at.Add(time.Duration(i) * time.Second)}})
	}
	now := at.Add(29*time.Second + 100*time.Millisecond)
	oldest, second := x.before(now)
	if got := now.Sub(oldest.At); got != 10*time.Second+100*time.Millisecond {
		t.Errorf("the oldest sample is %v old", got)
	}
	if got := now.Sub(second.At); got != time.Second+100*time.Millisecond {
		t.Errorf("the second sample is %v old", got)
	}
}

func TestProbes(t *testing.T) {
	for _, tc := range []struct {
		err  error
		code int
		body string
	}{
		{nil, http.StatusOK, "ok\n"},
		{
			errors.Join(errors.New("queue is full"), errors.New("listener \"a\" is closed")),
			http.StatusServiceUnavailable, "queue is full\nlistener \"a\" is closed\n",
		},
		{
			errors.New("bad\x1b[2Jname\u009b\xff\r\n\nlast"), http.StatusServiceUnavailable,
			"bad\\u001b[2Jname\\u009b\\ufffd\nlast\n",
		},
		{errors.New(""), http.StatusServiceUnavailable, "unknown\n"},
	} {
		s := patient(New(Options{
			Snapshot: func() Snapshot { return Snapshot{} },
			Ready:    func() error { return tc.err }, Healthy: func() error { return tc.err },
		}))
		for _, path := range []string{"/healthz", "/readyz"} {
			if w := get(s, path); w.Code != tc.code || w.Body.String() != tc.body {
				t.Errorf("%s with %v: %d %q, want %d %q", path, tc.err, w.Code, w.Body, tc.code, tc.body)
			}
		}
		var got struct {
			Ready, Healthy bool
			NotReady       []string `json:"not_ready"`
		}
		if err := json.Unmarshal(get(s, "/status").Body.Bytes(), &got); err != nil || got.Ready != (tc.err == nil) ||
			got.Healthy != (tc.err == nil) || (len(got.NotReady) == 0) != (tc.err == nil) {
			t.Errorf("/status with %v: %+v (%v)", tc.err, got, err)
		}
	}
}

func BenchmarkStatus(b *testing.B) {
	s := testServer(func() Snapshot { return snapshottest.Program(time.Unix(0, 0), 1000) })
	for _, path := range []string{"/status", "/metrics"} {
		b.Run(path[1:], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if w := get(s, path); w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
			}
		})
	}
}
