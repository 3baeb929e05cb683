package splunkhec

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/splunkhec/splunktest"
)

const secret = "s3cr3t-t0ken"

func newOutput(t *testing.T, s *splunktest.Server, change func(*Config)) *Output {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	cfg := Config{
		Common: outputs.Common{Timeout: time.Minute, Workers: 2, Fields: event.Fields{Tag: "tag"}},
		URL:    server.URL, Token: setting.NewSecret(secret), Ack: ackAuto, AckTimeout: time.Minute, Endpoint: "event",
		Connection: Connection{Compression: "gzip"},
	}
	if change != nil {
		change(&cfg)
	}
	o, err := New(cfg, Options{Log: zerolog.Nop(), Now: time.Now, Poll: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// numbers returns the n of the events that a collector has.
func numbers(t *testing.T, s *splunktest.Server) (all []int) {
	t.Helper()
	for _, e := range s.Events() {
		var record struct{ N *int }
		if err := json.Unmarshal([]byte(e.Event), &record); err != nil || record.N == nil {
			t.Fatalf("an event has no number: %s (%v)", e.Event, err)
		}
		all = append(all, *record.N)
	}
	return all
}

func status(code int, body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		http.Error(w, body+r.Header.Get("Authorization"), code)
		return true
	}
}

func coded(statusCode, code int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		splunktest.Answer(w, statusCode, code, map[string]any{"echo": r.Header.Get("Authorization")})
		return true
	}
}

func TestContract(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"acknowledged":    func(c *Config) { c.Ack = ackAlways },
		"asked whether":   nil,
		"never":           func(c *Config) { c.Ack = ackNever },
		"lines":           func(c *Config) { c.Endpoint = endpointRaw },
		"without gzip":    func(c *Config) { c.Compression = "none" },
		"no indexer acks": func(c *Config) { c.Source = "{tag}" },
	} {
		t.Run(name, func(t *testing.T) {
			outputtest.Contract(t, func(t *testing.T) *outputtest.Destination {
				t.Helper()
				s := splunktest.New(splunktest.Options{
					Token: secret, Ack: name != "no indexer acks", MaxContent: 64 << 20,
				})
				return &outputtest.Destination{
					Output: newOutput(t, s, func(c *Config) {
						c.Index = "{cluster}"
						if change != nil {
							change(c)
						}
					}),
					Numbers: func(t *testing.T) []int { t.Helper(); return numbers(t, s) },
					Break: func(after int) {
						s.SetFault(map[int]func(http.ResponseWriter, *http.Request) bool{
							0: status(503, ""), 1: coded(503, 9), 500: coded(400, 6), 300_000: coded(403, 4),
							1_000_000: coded(500, 8),
						}[after])
					},
					Repair: func() { s.SetFault(nil) },
					Trouble: func(on bool) {
						if s.SetIndexes("a", "b"); on {
							s.SetIndexes("a")
						}
					},
					Secret: secret,
				}
			})
		})
	}
}

func TestTableOfRefusals(t *testing.T) {
	var answers []outputtest.Answer
	for what, codes := range map[string][]int{
		"the token is not taken":               {1, 2, 3, 4, 21, 22},
		"no such index, or not for this token": {7},
		"an event that Splunk does not take":   {6, 12, 13, 15},
		"Splunk's queues are full":             {9, 18, 19, 20, 26, 27},
		"it is shutting down":                  {23},
		"it does not know the channel":         {10, 11},
		"the token has no acknowledgement":     {14},
		"an error in the collector":            {8},
		"no data, it says":                     {5},
	} {
		for _, code := range codes {
			answers = append(answers, outputtest.Answer{What: what, Status: 400, Kind: kindOf(code)})
		}
	}
	answers = append(answers, []outputtest.Answer{
		{What: "a redirect", Status: 302},
		{What: "no valid login", Status: 401},
		{What: "no right", Status: 403},
		{What: "nothing at that URL", Status: 404},
		{What: "too large", Status: 413},
		{What: "too many requests", Status: 429},
		{What: "too slow, or away", Status: 503},
		{What: "an error there", Status: 500},
		{What: "not understood", Status: 400},
		{What: "anything else", Status: 100},
	}...)
	outputtest.HoldRefusals(t, refusals(), answers, "../../../docs/splunk.md")
}

// TestRefusedEvents: an event at which Splunk stops is found and alone refused, the others are there; once each where
// nothing has to be acknowledged.
func TestRefusedEvents(t *testing.T) {
	for _, tc := range []struct {
		name    string
		ack     bool
		fromOne bool
		bad     []int
		doubled int // events at most
	}{
		{name: "one", bad: []int{7}},
		{name: "the first", bad: []int{0}},
		{name: "the last", bad: []int{19}},
		{name: "several", bad: []int{3, 4, 11}},
		{name: "all", bad: []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}},
		{name: "counted from 1", fromOne: true, bad: []int{3, 11}},
		{name: "counted from 1, the last", fromOne: true, bad: []int{19}},
		{name: "acknowledged", ack: true, bad: []int{7, 9}, doubled: 16},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := splunktest.New(splunktest.Options{Token: secret, Ack: tc.ack, FromOne: tc.fromOne})
			bad := map[int]bool{}
			for _, n := range tc.bad {
				bad[n] = true
			}
			// What is refused has no event in it, which a filter in between takes away.
			var mu sync.Mutex
			strip := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				s.ServeHTTP(w, stripped(t, r, bad))
			}))
			defer strip.Close()
			o := newOutput(t, s, func(c *Config) { c.URL, c.Compression = strip.URL, "none" })
			defer o.Close()
			if err := o.Prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
			dead := map[int]bool{}
			for b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 20, 0, 10)); len(b.Events) > 0; {
				se := outputs.AsSendError(o.Send(t.Context(), b))
				again := &outputs.Batch{Again: true}
				for i := range se.Failed {
					f := &se.Failed[i]
					if f.Reason != outputs.ReasonRejected {
						again.Events = append(again.Events, b.Events[f.Index])
						continue
					}
					if f.Kind != "code_12" || f.Remedy == "" || f.Detail == "" {
						t.Errorf("%+v", *f)
					}
					dead[outputtest.Number(&b.Events[f.Index])] = true
				}
				b = again
			}
			if len(dead) != len(bad) {
				t.Errorf("refused are %v, want %v", dead, tc.bad)
			}
			times := map[int]int{}
			for _, n := range numbers(t, s) {
				times[n]++
			}
			doubled := 0
			for n := range 20 {
				if bad[n] != dead[n] || bad[n] && times[n] > 0 || !bad[n] && times[n] == 0 {
					t.Errorf("event %d is there %d times, refused: %v", n, times[n], dead[n])
				}
				doubled += max(times[n]-1, 0)
			}
			if doubled > tc.doubled {
				t.Errorf("%d events are there twice, want %d at most", doubled, tc.doubled)
			}
		})
	}
}

// stripped returns the request without the events of those numbers: their objects are empty.
func stripped(t *testing.T, r *http.Request, bad map[int]bool) *http.Request {
	t.Helper()
	if !strings.HasSuffix(r.URL.Path, "/event") {
		return r
	}
	var body []byte
	d := json.NewDecoder(r.Body)
	for d.More() {
		var o map[string]json.RawMessage
		if err := d.Decode(&o); err != nil {
			t.Error(err)
			return r
		}
		var record struct{ N int }
		if err := json.Unmarshal(o["event"], &record); err != nil {
			t.Error(err)
		}
		if bad[record.N] {
			delete(o, "event")
		}
		one, err := json.Marshal(o)
		if err != nil {
			t.Error(err)
		}
		body = append(body, one...)
	}
	again, err := http.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	again.Header = r.Header
	return again
}

// watchPolls returns what is told of requests for acknowledgements.
func watchPolls(s *splunktest.Server) <-chan struct{} {
	polled := make(chan struct{}, 1000)
	s.SetFault(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/ack") {
			polled <- struct{}{}
		}
		return false
	})
	return polled
}

// TestAcknowledgements: what Splunk took is delivered once an indexer has it, and what a crash takes is sent again.
func TestAcknowledgements(t *testing.T) {
	s := splunktest.New(splunktest.Options{Token: secret, Ack: true})
	s.Stall(true)
	polled := watchPolls(s)
	o := newOutput(t, s, func(c *Config) { c.Ack = ackAlways })
	defer o.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- o.Send(ctx, outputtest.Batch(outputtest.Chunk(1, "a", "t", 5, 0, 10))) }()
	for range 3 {
		<-polled
	}
	select {
	case err := <-done:
		t.Fatalf("delivered before an indexer has it: %v", err)
	default:
	}
	s.Crash() // it numbers from 0 again
	cancel()
	if err := <-done; err == nil {
		t.Fatal("what a crash took counts as delivered")
	}
	s.Stall(false)
	if err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 5, 0, 10))); err != nil {
		t.Fatal(err)
	}
	if got := numbers(t, s); !slices.Equal(got, []int{0, 1, 2, 3, 4}) {
		t.Errorf("Splunk has %v", got)
	}
	if o.Report().PossibleDuplicates != 5 {
		t.Errorf("%+v", o.Report())
	}
}

// TestAckTimeout: what is never acknowledged is to be sent again, on another channel.
func TestAckTimeout(t *testing.T) {
	s := splunktest.New(splunktest.Options{Token: secret, Ack: true})
	s.Stall(true)
	o := newOutput(t, s, func(c *Config) { c.AckTimeout, c.Workers = 20*time.Millisecond, 1 })
	defer o.Close()
	for range 2 {
		se := outputs.AsSendError(o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 5, 0, 10))))
		if se.Reason != outputs.ReasonServer || len(se.Failed) > 0 || se.Remedy == "" ||
			!strings.Contains(se.Error(), "ack_timeout") {
			t.Errorf("%+v", se)
		}
	}
	if s.Channels() != 2 {
		t.Errorf("%d channels, want 2", s.Channels())
	}
}

// TestAckSetting: what each setting makes of tokens with and without acknowledgement.
func TestAckSetting(t *testing.T) {
	for _, tc := range []struct {
		setting  string
		ack      bool
		refused  bool
		notice   bool
		channels int // with acknowledgements asked for
	}{
		{setting: ackAuto, ack: true},
		{setting: ackAuto, notice: true},
		{setting: ackAlways, ack: true},
		{setting: ackAlways, refused: true},
		{setting: ackNever, ack: true},
		{setting: ackNever},
	} {
		t.Run(fmt.Sprint(tc.setting, tc.ack), func(t *testing.T) {
			s := splunktest.New(splunktest.Options{Token: secret, Ack: tc.ack})
			o := newOutput(t, s, func(c *Config) { c.Ack = tc.setting })
			defer o.Close()
			err := o.Prepare(t.Context())
			if (err != nil) != tc.refused || err != nil && outputs.AsSendError(err).Remedy == "" {
				t.Fatalf("Prepare: %v", err)
			}
			if got := len(o.Report().Notices) > 0; got != tc.notice {
				t.Errorf("notices %v", o.Report().Notices)
			}
			b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 5, 0, 10))
			if err := o.Send(t.Context(), b); (err != nil) != tc.refused {
				t.Errorf("Send: %v", err)
			}
			if (s.Polls() > 0) != (tc.setting != ackNever) {
				t.Errorf("asked %d times", s.Polls())
			}
		})
	}
}

// TestAckTakenAway: a token that loses its acknowledgement while events wait for it.
func TestAckTakenAway(t *testing.T) {
	for _, tc := range []struct {
		setting string
		refused bool
	}{{ackAuto, false}, {ackAlways, true}} {
		t.Run(tc.setting, func(t *testing.T) {
			s := splunktest.New(splunktest.Options{Token: secret, Ack: true})
			s.Stall(true)
			polled := watchPolls(s)
			o := newOutput(t, s, func(c *Config) { c.Ack = tc.setting })
			defer o.Close()
			done := make(chan error, 1)
			b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 5, 0, 10))
			go func() { done <- o.Send(t.Context(), b) }()
			for range 2 {
				<-polled
			}
			s.SetAck(false)
			if err := <-done; (err != nil) != tc.refused {
				t.Errorf("Send: %v", err)
			}
			count := s.Count()
			if tc.refused {
				// Nothing is sent that can't be acknowledged.
				if err := o.Send(t.Context(), b); err == nil || s.Count() != count {
					t.Errorf("%d events more, %v", s.Count()-count, err)
				}
			}
		})
	}
}

// TestSeveralIndexes: their requests are made first, and then waited for together.
func TestSeveralIndexes(t *testing.T) {
	s := splunktest.New(splunktest.Options{Token: secret, Ack: true, Indexes: []string{"a", "c"}})
	o := newOutput(t, s, func(c *Config) { c.Index = "{cluster}" })
	defer o.Close()
	se := outputs.AsSendError(o.Send(t.Context(), outputtest.Batch(
		outputtest.Chunk(1, "a", "t", 2, 0, 10), outputtest.Chunk(2, "b", "t", 2, 2, 10),
		outputtest.Chunk(3, "c", "t", 2, 4, 10),
	)))
	if len(se.Failed) != 2 || se.Failed[0].Reason != outputs.ReasonTarget || se.Failed[0].Target != "index b" ||
		se.Failed[0].Kind != "code_7" {
		t.Errorf("%+v", se)
	}
	if got := numbers(t, s); !slices.Equal(got, []int{0, 1, 4, 5}) {
		t.Errorf("Splunk has %v", got)
	}
}
