package elasticsearch

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// reasons sums up an error: how many events failed for which reason; "all" for a whole batch.
func reasons(t *testing.T, err error) map[string]int {
	t.Helper()
	sum := map[string]int{}
	if err == nil {
		return sum
	}
	var se *outputs.SendError
	if !errors.As(err, &se) {
		t.Fatalf("Send's error is %v", err)
	}
	if strings.Contains(err.Error(), secret) {
		t.Fatalf("the secret is in %v", err)
	}
	if len(se.Failed) == 0 {
		sum["all "+string(se.Reason)]++
	}
	last := -1
	for _, f := range se.Failed {
		if f.Index <= last || f.Detail == "" {
			t.Fatalf("failure %+v behind index %d", f, last)
		}
		last = f.Index
		sum[string(f.Reason)]++
	}
	return sum
}

// What becomes of a batch of ten events, for each way of failing.
func TestRequestFaults(t *testing.T) {
	one := func(reason outputs.Reason) map[string]int { return map[string]int{"all " + string(reason): 1} }
	for _, tc := range []struct {
		name   string
		faults elastictest.Faults
		config func(*Config)
		want   map[string]int
		says   string
		after  time.Duration
		unsure uint64
	}{
		{
			name: "busy", faults: elastictest.Faults{TooMany: 1, RetryAfter: 7 * time.Second}, want: one(
				outputs.ReasonThrottled,
			), after: 7 * time.Second, says: "429 Too Many Requests: es_rejected_execution_exception: rejected",
		},
		{
			name: "unavailable", faults: elastictest.Faults{Unavailable: 1}, want: one(outputs.ReasonServer),
			says: "503 Service Unavailable: cluster_block_exception",
		},
		{
			name: "unavailable, without ids", faults: elastictest.Faults{Unavailable: 1},
			config: func(c *Config) { c.ID = idNone }, want: one(outputs.ReasonServer), unsure: 10, says: "503",
		},
		{
			name: "no login", faults: elastictest.Faults{Authorization: "Bearer other"}, want: one(outputs.ReasonAuth),
			says: "401 Unauthorized: security_exception: unable to authenticate",
		},
		{
			name: "reset in the middle", faults: elastictest.Faults{ResetBefore: 1},
			config: func(c *Config) { c.ID = idNone }, want: one(outputs.ReasonNetwork), unsure: 10,
		},
		{name: "reset after all", faults: elastictest.Faults{ResetAfter: 1}, want: one(outputs.ReasonNetwork)},
		{
			name: "half a reply", faults: elastictest.Faults{Truncated: 1}, want: one(outputs.ReasonNetwork),
			says: "broke off after",
		},
		{
			name: "a proxy's page", faults: elastictest.Faults{Page: 1}, want: one(outputs.ReasonServer),
			says: `answered 200 OK with text of type text/html, not a bulk reply: is this a proxy's page? It begins ` +
				`with "<!DOCTYPE html>\n<html>`,
		},
		{
			name: "blocked", faults: elastictest.Faults{Blocked: "logs-b"}, want: map[string]int{"target": 5},
			says: "status 403: [logs-b] cluster_block_exception: index [logs-b] blocked by: [FORBIDDEN/8/index " +
				"write (api)];",
		},
		{
			name: "not allowed on one index", faults: elastictest.Faults{Denied: "logs-b"},
			want: map[string]int{"target": 5}, says: "is unauthorized for user",
		},
		{
			name: "poison", faults: elastictest.Faults{Poison: `"n":3,`}, want: map[string]int{"rejected": 1},
			says: "failed to parse field [code] of type [long]",
		},
		{name: "poison for the failure store", faults: elastictest.Faults{Poison: `"n":3,`, FailureStore: true}},
		{name: "every item busy", faults: elastictest.Faults{ItemTooMany: 1}, want: map[string]int{"throttled": 10}},
		{
			name: "each event alone too large", faults: elastictest.Faults{MaxBody: 100},
			want: map[string]int{"too_large": 10}, says: "413 Request Entity Too Large without a body",
		},
		{
			name: "each event alone too much", faults: elastictest.Faults{MaxPressure: 100},
			want: map[string]int{"throttled": 10}, says: "rejected execution of coordinating operation",
		},
		{name: "requests of one event", faults: elastictest.Faults{MaxBody: 400}},
		{name: "requests of a few", faults: elastictest.Faults{MaxPressure: 1000}},
		{
			name: "a mistake in all requests", faults: elastictest.Faults{BadRequests: true}, want: one(
				outputs.ReasonServer,
			), says: "400 Bad Request: illegal_argument_exception: explicit index in bulk is not allowed",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := elastictest.New(elastictest.Options{})
			o := newOutput(t, s.Handler(), tc.config)
			s.SetFaults(tc.faults)
			err := o.Send(t.Context(),
				outputtest.Batch(outputtest.Chunk(1, "a", "t", 5, 0, 100), outputtest.Chunk(2, "b", "t", 5, 5, 100)))
			if got := reasons(t, err); !maps.Equal(got, tc.want) {
				t.Errorf("got %v, want %v (%v)", got, tc.want, err)
			}
			if err != nil && !strings.Contains(outputs.Whole(err.Error()), tc.says) || err == nil && tc.says != "" {
				t.Errorf("the error is\n%v\nwant\n%s", err, tc.says)
			}
			if err != nil && outputs.AsSendError(err).RetryAfter != tc.after {
				t.Errorf("to be sent again after %s, want %s", outputs.AsSendError(err).RetryAfter, tc.after)
			}
			r := o.Report()
			if r.PossibleDuplicates != tc.unsure {
				t.Errorf("%d possible duplicates, want %d", r.PossibleDuplicates, tc.unsure)
			}
			if want := map[bool]uint64{true: 1}[tc.faults.FailureStore]; r.FailureStore != want {
				t.Errorf("%d events in the failure store, want %d", r.FailureStore, want)
			}
			// What was delivered is not sent again, and what was not is when the fault is over.
			if slices.Contains([]string{"poison", "poison for the failure store"}, tc.name) {
				return
			}
			s.SetFaults(elastictest.Faults{})
			b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 5, 0, 100), outputtest.Chunk(2, "b", "t", 5, 5, 100))
			if err != nil {
				var again []event.Event
				for _, f := range outputs.AsSendError(err).Failed {
					again = append(again, b.Events[f.Index])
				}
				if len(again) > 0 {
					b.Events = again
				}
				if err := o.Send(t.Context(), b); err != nil {
					t.Fatal(err)
				}
			}
			if got := numbers(t, s); tc.unsure == 0 && !slices.Equal(got, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
				t.Errorf("the server has %v", got)
			}
		})
	}
}

// A request that the server makes no sense of is made once and marked, for one of its events may be why.
func TestBadRequests(t *testing.T) {
	s := elastictest.New(elastictest.Options{})
	o := newOutput(t, s.Handler(), nil)
	s.SetFaults(elastictest.Faults{BadRequests: true})
	se := outputs.AsSendError(o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 5000, 0, 10))))
	if !se.Suspect || se.Reason.Final() || len(se.Failed) > 0 || s.Counters().Requests != 1 {
		t.Errorf("suspect %t, %d requests: %v", se.Suspect, s.Counters().Requests, se)
	}
}

// One event with an id that no request may have must not hold up the others.
func TestBadRequestOfOneEvent(t *testing.T) {
	s := elastictest.New(elastictest.Options{})
	o := newOutput(t, s.Handler(), func(c *Config) { c.ID = "{record.log}" })
	b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 1, 0, 600), outputtest.Chunk(2, "a", "t", 1, 1, 5),
		outputtest.Chunk(3, "a", "t", 1, 2, 7))
	err := o.Send(t.Context(), b)
	if got := reasons(t, err); !maps.Equal(got, map[string]int{"rejected": 1}) ||
		outputs.AsSendError(err).Failed[0].Index != 0 {
		t.Errorf("got %v (%v)", got, err)
	}
	if got := numbers(t, s); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("the server has %v", got)
	}
}

// Failures are those of the batch's events, however many of these share a request.
func TestIndexes(t *testing.T) {
	s := elastictest.New(elastictest.Options{})
	o := newOutput(t, s.Handler(), nil)
	c := outputtest.Chunk(1, "a", "t", 9, 0, 100)
	b := outputtest.Batch(c)
	b.Events = slices.Insert(b.Events, 0, outputtest.Broken(c))
	b.Events = slices.Insert(b.Events, 5, outputtest.Broken(c), outputtest.Broken(c))
	for _, maxBody := range []int64{0, 300, 700, 1000} {
		s.SetFaults(elastictest.Faults{Poison: `"n":6,`, MaxBody: maxBody})
		se := outputs.AsSendError(o.Send(t.Context(), b))
		var got []int
		for _, f := range se.Failed {
			got = append(got, f.Index)
		}
		if !slices.Equal(got, []int{0, 5, 6, 9}) || se.Reason != outputs.ReasonRejected {
			t.Errorf("at most %d bytes: %s of %v", maxBody, se.Reason, got)
		}
	}
	if got := numbers(t, s); !slices.Equal(got, []int{0, 1, 2, 3, 4, 5, 7, 8}) {
		t.Errorf("the server has %v", got)
	}
	// A server that fails in the middle keeps what it has; what could not be rendered before that is told too.
	requests := 0
	node := s.Handler()
	o = newOutput(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_bulk" {
			if requests++; requests == 4 {
				s.SetFaults(elastictest.Faults{Unavailable: 1})
			}
		}
		node.ServeHTTP(w, r)
	}), func(c *Config) { c.Index = "second" })
	s.SetFaults(elastictest.Faults{})
	o.limit.TooLarge(300) // requests of one event
	err := o.Send(t.Context(), b)
	if got, want := reasons(t, err), map[string]int{"rejected": 1, "server": 8}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v (%v)", got, want, err)
	}
	if se := outputs.AsSendError(err); se.Failed[1].Index != 4 || se.Failed[8].Index != 11 {
		t.Errorf("failed: %+v", se.Failed)
	}
}

// Send ends with its context, in the middle of a request too, and says so as a failure of the network.
func TestCancelled(t *testing.T) {
	arrived := make(chan struct{})
	node := elastictest.New(elastictest.Options{}).Handler()
	o := newOutput(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_bulk" {
			_, _ = io.Copy(io.Discard, r.Body)
			close(arrived)
			<-r.Context().Done()
			return
		}
		node.ServeHTTP(w, r)
	}), func(c *Config) { c.ID = idNone })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- o.Send(ctx, outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 10))) }()
	<-arrived
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) || outputs.AsSendError(err).Reason != outputs.ReasonNetwork {
		t.Errorf("got %v", err)
	}
	if n := o.Report().PossibleDuplicates; n != 3 {
		t.Errorf("%d possible duplicates", n)
	}
}

func TestRetryAfter(t *testing.T) {
	now := func() time.Time { return time.Date(2025, 11, 21, 10, 0, 0, 0, time.UTC) }
	for header, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "-3": 0, "soon": 0, "Fri, 21 Nov 2025 10:01:00 GMT": time.Minute,
		"Fri, 21 Nov 2025 09:00:00 GMT": 0, "99999999999999": 0,
	} {
		if got := retryAfter(header, now); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

// A request that has ended leaves its memory to the next, even while net/http still holds its body.
func TestPayloadEnds(t *testing.T) {
	p := &payload{text: []byte("abc")}
	r := &payloadReader{payload: p}
	buf := make([]byte, 1)
	if n, err := r.Read(buf); n != 1 || err != nil || !p.read() {
		t.Fatal(n, err)
	}
	p.end()
	if n, err := r.Read(buf); n != 0 || !errors.Is(err, errEnded) {
		t.Errorf("after the end: %d bytes, %v", n, err)
	}
}

// A server that answers 413 at once, without reading the body.
func TestTooLargeBeforeTheBody(t *testing.T) {
	s := elastictest.New(elastictest.Options{})
	node := s.Handler()
	o := newOutput(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 1<<20 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		node.ServeHTTP(w, r)
	}), nil)
	for i := range 20 { // a connection that broke meanwhile is the network's, and tried again
		err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 8000, 0, 1000)))
		if err == nil {
			break
		}
		if se := outputs.AsSendError(err); i == 19 || se.Reason != outputs.ReasonNetwork {
			t.Fatalf("try %d: %v", i, err)
		}
	}
	if n := len(numbers(t, s)); n != 8000 {
		t.Errorf("%d documents", n)
	}
}

var digits = regexp.MustCompile(`[0-9]+ bytes`)
