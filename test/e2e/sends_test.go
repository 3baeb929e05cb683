package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	logs "go.opentelemetry.io/proto/slim/otlp/logs/v1"

	"github.com/seed-afc6a195/aggregator/pkg/outputs/otlp/otlptest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/splunkhec/splunktest"
	"github.com/seed-afc6a195/aggregator/test/harness"
)

// sends is a made-up destination that outlives the program.
type sends struct {
	handler http.Handler
	output  string                          // settings, with its URL for URL
	events  func(t *testing.T) []sentEvent  // that it has
	allow   func(targets ...string)         // which targets it takes events for
	login   func(right bool)                // whether it takes the token
	poison  func(on bool)                   // whether it refuses poisonous events
	refuse  func(http.ResponseWriter, bool) // throttles, or is away
	crash   func()                          // loses what it has in memory
	again   bool                            // what it took before an event that it refuses is sent again
}

// sentEvent says which event of which agent it is.
type sentEvent struct {
	Agent string
	N     int
}

const sendsToken = "0123-token"

func splunkSends(ack bool) *sends {
	s := splunktest.New(splunktest.Options{Token: sendsToken, Ack: ack})
	return &sends{
		handler: s,
		output: `{type: splunk_hec, url: URL, token: ` + sendsToken + `, index: "{tag}", ack: ` +
			strconv.FormatBool(ack) +
			`, ack_timeout: 2s`,
		events: func(t *testing.T) (all []sentEvent) {
			t.Helper()
			for _, e := range s.Events() {
				var one sentEvent
				if err := json.Unmarshal([]byte(e.Event), &one); err != nil {
					t.Fatal(err)
				}
				all = append(all, one)
			}
			return all
		},
		allow: s.SetIndexes,
		login: func(right bool) {
			if s.SetToken("another"); right {
				s.SetToken(sendsToken)
			}
		},
		poison: func(on bool) {
			if s.SetPoison(""); on {
				s.SetPoison(harness.PoisonText)
			}
		},
		refuse: func(w http.ResponseWriter, busy bool) {
			if busy {
				splunktest.Answer(w, http.StatusServiceUnavailable, 9, nil)
				return
			}
			splunktest.Answer(w, http.StatusServiceUnavailable, 23, nil)
		},
		crash: s.Crash, again: ack,
	}
}

func otlpSends() *sends {
	s := otlptest.New(otlptest.Options{Token: sendsToken})
	return &sends{
		handler: s,
		output:  `{type: otlp, url: URL, bearer_token: ` + sendsToken + `, event_headers: {X-Scope-OrgID: "{tag}"}`,
		events: func(t *testing.T) (all []sentEvent) {
			t.Helper()
			for _, r := range s.Records() {
				body, _ := otlptest.Body(r.Log).(map[string]any)
				agent, _ := body["agent"].(string)
				n, ok := body["n"].(int64)
				if !ok {
					t.Fatalf("a log record of nobody: %v", r.Log)
				}
				all = append(all, sentEvent{agent, int(n)})
			}
			return all
		},
		allow: s.SetTenants,
		login: func(right bool) {
			if s.SetToken("another"); right {
				s.SetToken(sendsToken)
			}
		},
		poison: func(on bool) {
			if s.SetReject(nil, nil); on {
				s.SetReject(func(l *logs.LogRecord) bool {
					body, _ := otlptest.Body(l).(map[string]any)
					return body["poison"] != nil
				}, nil)
			}
		},
		refuse: func(w http.ResponseWriter, busy bool) {
			if busy {
				otlptest.Refuse(w, http.StatusTooManyRequests, "slow down")
				return
			}
			otlptest.Refuse(w, http.StatusServiceUnavailable, "no exporter")
		},
		crash: func() {},
	}
}

// storm fails requests at random while it is on.
type storm struct {
	mu   sync.Mutex
	on   bool
	rng  *rand.Rand
	sink *sends
}

func (s *storm) set(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on = on
}

func (s *storm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	roll := s.rng.Float64()
	if !s.on {
		roll = 1
	}
	s.mu.Unlock()
	switch {
	case roll < 0.05: // no answer
		_, _ = io.Copy(io.Discard, r.Body) // so that its end is seen
		<-r.Context().Done()
	case roll < 0.1: // a reset before
		panic(http.ErrAbortHandler)
	case roll < 0.15: // a reset behind: it has the events
		s.sink.handler.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case roll < 0.25:
		s.sink.refuse(w, true)
	case roll < 0.35:
		s.sink.refuse(w, false)
	default:
		s.sink.handler.ServeHTTP(w, r)
	}
}

const sendsConfig = `
listeners:
  - {name: test, address: "127.0.0.1:0"}
buffer: {path: %%[1]s/data, min_free_disk: 1MiB}
outputs:
  to: %s, timeout: 2s, retry: {initial: 10ms, max: 200ms}, batch: {max_wait: 20ms, max_events: 200}}
routes:
  - {match: "**", outputs: [to]}
status: {address: "127.0.0.1:0"}
log: {format: json}
`

// patient returns sendsConfig with a time-out that a slow machine doesn't reach: what is sent again after one doubles.
func patient(config string) string {
	return strings.Replace(config, ", timeout: 2s", ", timeout: 1m", 1)
}

// TestSendsLoseNothing: under time-outs, resets, throttles, logins that come and go, crashes of the destination and
// five kill -9 of the program nothing that was acknowledged is lost; a target that takes nothing stops only itself; and
// once all is well, nothing doubles, and what is refused for its content is counted to the event.
func TestSendsLoseNothing(t *testing.T) {
	for name, sink := range map[string]func() *sends{
		"splunk-acknowledged": func() *sends { return splunkSends(true) },
		"splunk":              func() *sends { return splunkSends(false) },
		"otlp":                otlpSends,
	} {
		t.Run(name, func(t *testing.T) {
			d := sink()
			weather := &storm{on: true, rng: rand.New(rand.NewPCG(1, 2)), sink: d}
			web := httptest.NewServer(weather)
			t.Cleanup(web.Close)
			config := fmt.Sprintf(sendsConfig, strings.Replace(d.output, "URL", web.URL, 1))
			s := start(t, t.TempDir(), config)
			d.allow("a", "b")
			agents := startSenders(t, s)
			for round := range 5 {
				d.login(round%2 == 0)
				agents.more(400)
				d.login(true)
				agents.more(400)
				d.crash()
				s.kill()
				s.Server = s.Restart()
				agents.moved(s.Forward)
			}
			agents.finish()
			weather.set(false)
			s.eventually("all but those for the target that takes nothing", func() bool {
				times := count(d.events(t))
				return times.all("a", agents.acked("a")) && times.all("b", agents.acked("b"))
			})
			if times := count(d.events(t)); times["bad"] != nil {
				t.Errorf("events are where they can't be: %v", len(times["bad"]))
			}
			d.allow("a", "b", "bad", "calm")
			s.eventually("those that waited aside", func() bool {
				return count(d.events(t)).all("bad", agents.acked("bad"))
			})
			s.Drained()
			before := len(d.events(t))

			// All is well: once each, and what is refused is counted.
			s.stop()
			s.Options.Config = patient(s.Options.Config)
			s.Server = s.Restart()
			d.poison(true)
			calm := &harness.Agent{
				Name: "calm", Tag: "calm", Address: func() string { return s.Forward }, Poison: 10, Limit: 400,
				Padding: 50,
			}
			calm.Run(t.Context())
			s.Drained()
			ledger := s.Balanced()
			times := count(d.events(t))
			for n := range calm.Acked() {
				got, want := times["calm"][n], map[bool]int{true: 0, false: 1}[calm.Poisoned(n)]
				if again := d.again && got > 1 && want == 1; got != want && !again {
					t.Errorf("event %d of a calm time is there %d times, want %d", n, got, want)
				}
			}
			if dead := ledger.Outputs[0].Dead; dead != uint64(calm.Acked()/10) {
				t.Errorf("%d events are dead letters, want %d", dead, calm.Acked()/10)
			}
			t.Logf("%d events acknowledged, %d of them there again", agents.total(), before-agents.total())
			s.stop()
		})
	}
}

// senders are the agents of the test.
type senders struct {
	t      *testing.T
	all    []*harness.Agent
	acks   chan int
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex
	address string
}

func startSenders(t *testing.T, s *server) *senders {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	a := &senders{t: t, acks: make(chan int), cancel: cancel, address: s.Forward}
	for i, tag := range []string{"a", "b", "bad"} {
		one := &harness.Agent{
			Name: tag, Tag: tag, Padding: 200, Seed: uint64(i), Events: 10, InFlight: 2, Address: a.where,
			OnAck: func(n int) {
				// No more is sent than the test asks for.
				select {
				case a.acks <- n:
				case <-ctx.Done():
				}
			},
		}
		a.all = append(a.all, one)
		a.done.Go(func() { one.Run(ctx) })
	}
	t.Cleanup(func() { cancel(); a.done.Wait() })
	return a
}

func (a *senders) where() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.address
}

func (a *senders) moved(address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.address = address
}

// more waits until so many events more are acknowledged.
func (a *senders) more(events int) {
	for events > 0 {
		events -= <-a.acks
	}
}

// finish ends sending anew, and waits until all that was sent is acknowledged.
func (a *senders) finish() {
	a.cancel()
	a.done.Wait()
	for _, one := range a.all {
		one.Finish(a.t.Context())
	}
}

func (a *senders) acked(name string) int {
	for _, one := range a.all {
		if one.Name == name {
			return one.Acked()
		}
	}
	return 0
}

func (a *senders) total() (n int) {
	for _, one := range a.all {
		n += one.Acked()
	}
	return n
}

// tally is how often each event of each agent is there.
type tally map[string]map[int]int

func count(events []sentEvent) tally {
	times := tally{}
	for _, e := range events {
		if times[e.Agent] == nil {
			times[e.Agent] = map[int]int{}
		}
		times[e.Agent][e.N]++
	}
	return times
}

// all reports whether the agent's first n events are there.
func (t tally) all(agent string, n int) bool {
	for i := range n {
		if t[agent][i] == 0 {
			return false
		}
	}
	return true
}
