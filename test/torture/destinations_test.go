package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/tinylib/msgp/msgp"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/forward"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient/awstest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
	"github.com/seed-afc6a195/aggregator/test/harness"
)

// weather is how a destination does for a while.
type weather int

const (
	fine     weather = iota
	rough            // every fault that there is, now and then
	outage           // it answers nobody, or refuses all
	weathers         // how many there are
)

func (w weather) String() string { return [...]string{"fine", "rough", "outage"}[w] }

// destinations are what the program delivers to. They outlive it.
type destinations struct {
	dir    string // of files
	es     *elastictest.Server
	esHTTP *httptest.Server
	aws    *awstest.Server
	s3     *awstest.S3
	s3HTTP *httptest.Server
	s3Open connections
	up     *receiver
}

// connections counts those that a server has.
type connections struct {
	mu   sync.Mutex
	n    int
	none sync.Cond
}

// see is the server's ConnState.
func (c *connections) see(_ net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.n++
	case http.StateClosed, http.StateHijacked:
		if c.n--; c.n == 0 {
			c.none.Broadcast()
		}
	default:
	}
}

// wait waits until there are none.
func (c *connections) wait() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.n > 0 {
		c.none.Wait()
	}
}

// poison is what elastictest finds in a document that it refuses.
const poison = harness.PoisonText

func newDestinations(t *testing.T, dir string, seed uint64) *destinations {
	t.Helper()
	d := &destinations{dir: dir, es: elastictest.New(elastictest.Options{Seed: seed}), aws: awstest.New(time.Now)}
	d.s3 = d.aws.S3("us-east-1", "lake")
	d.s3Open.none.L = &d.s3Open.mu
	d.esHTTP, d.s3HTTP = httptest.NewServer(d.es.Handler()), httptest.NewUnstartedServer(d.aws)
	d.s3HTTP.Config.ConnState = d.s3Open.see
	d.s3HTTP.Start()
	t.Cleanup(d.esHTTP.Close)
	t.Cleanup(d.s3HTTP.Close)
	d.up = newReceiver(t, seed)
	d.set(fine, fine, fine, false)
	return d
}

// set changes the weather of all of them; healed says that Elasticsearch takes poison from now on.
func (d *destinations) set(es, s3, up weather, healed bool) {
	f := elastictest.Faults{Poison: poison}
	switch es {
	case rough:
		f.Unavailable, f.TooMany, f.ItemTooMany, f.ResetBefore, f.ResetAfter, f.Truncated = 0.05, 0.05, 0.02, 0.05,
			0.05, 0.03
		f.Latency = 2 * time.Millisecond
	case outage:
		f.ResetBefore = 0.5
		f.Unavailable = 1
	default:
	}
	if healed {
		f.Poison = ""
	}
	d.es.SetFaults(f)
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(uint64(s3), 3))
	d.aws.SetFault(func(string) awstest.Fault {
		mu.Lock()
		defer mu.Unlock()
		roll := rng.Float64()
		slow := awstest.Fault{
			Status: http.StatusServiceUnavailable, Code: "SlowDown", Message: "Please reduce your request rate.",
		}
		switch {
		case s3 == outage:
			return slow
		case s3 == rough && roll < 0.1:
			return slow
		case s3 == rough && roll < 0.15:
			return awstest.Fault{Cut: true}
		case s3 == rough && roll < 0.2:
			return awstest.Fault{Cut: true, Stored: true}
		}
		return awstest.Fault{}
	})
	d.up.set(up)
}

// mark is what identifies an event, and what the program has added to it.
type mark struct {
	Agent string `json:"agent"`
	N     *int   `json:"n"`
	ID    string `json:"_id"`
}

func readMark(line []byte) (mark, error) {
	var m mark
	err := json.Unmarshal(line, &m)
	if err == nil && (m.Agent == "" || m.N == nil) {
		err = errors.New("no event of an agent")
	}
	if err != nil {
		err = fmt.Errorf("%.200s: %w", line, err)
	}
	return m, err
}

// documents calls see for each document in Elasticsearch.
func (d *destinations) documents(see func(mark)) error {
	for _, doc := range d.es.Documents() {
		m, err := readMark(doc.Source)
		if err != nil {
			return err
		}
		m.ID = doc.ID
		see(m)
	}
	return nil
}

// lines calls see for each line of the files.
func (d *destinations) lines(see func(mark)) error {
	names, err := filepath.Glob(filepath.Join(d.dir, "*.ndjson"))
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := eachLine(text, see); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// objects calls see for each line of the objects in the bucket.
func (d *destinations) objects(see func(mark)) error {
	for _, o := range d.s3.Objects() {
		if err := eachLine(o.Body, see); err != nil {
			return fmt.Errorf("%s: %w", o.Key, err)
		}
	}
	return nil
}

func eachLine(text []byte, see func(mark)) error {
	if len(text) > 0 && text[len(text)-1] != '\n' {
		return errors.New("the last line has no end")
	}
	for line := range bytes.Lines(text) {
		m, err := readMark(line)
		if err != nil {
			return err
		}
		see(m)
	}
	return nil
}

// receiver is a Forward server that remembers what it was sent, and by which chunk ids.
type receiver struct {
	server *forward.Server

	mu   sync.Mutex
	now  weather
	rng  *rand.Rand
	got  map[string]map[int]map[string]bool // agent, number, chunk ids
	fail error                              // what it could not read
}

func newReceiver(t *testing.T, seed uint64) *receiver {
	t.Helper()
	r := &receiver{rng: rand.New(rand.NewPCG(seed, 4)), got: map[string]map[int]map[string]bool{}}
	var err error
	r.server, err = forward.Listen(t.Context(), forward.Options{
		Config: forward.Config{
			Name: "up", Address: "127.0.0.1:0", MaxConnections: 1000, HandshakeTimeout: 10 * time.Second,
			IdleTimeout:    time.Minute,
			MaxMessageSize: 64 << 20, MaxDecompressedSize: 256 << 20,
		},
		Sink: r, Budget: ingest.NewBudget(256 << 20), Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() { served <- r.server.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *receiver) set(w weather) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = w
}

// NewBatch implements forward.Sink.
func (r *receiver) NewBatch(uint64) ingest.Batch { return &received{r: r} }

// Settle implements forward.Sink.
func (r *receiver) Settle(uint64, int, bool) {}
func (r *receiver) Gone(uint64)              {}

// received is what came with one read.
type received struct {
	r      *receiver
	chunk  string
	size   int
	events []sent
	err    error
}

type sent struct {
	chunk, agent string
	n            int
}

func (b *received) Begin(_, _, chunk string) { b.chunk = chunk }

func (b *received) Add(entries []byte, _ int, _ bool) {
	b.size += len(entries)
	var e event.Entry
	for len(entries) > 0 {
		rest, err := event.ReadEntry(entries, &e)
		if err != nil {
			b.err = err
			return
		}
		entries = rest
		agent, n, err := readRecord(e.Record)
		if err != nil {
			b.err = err
			return
		}
		b.events = append(b.events, sent{b.chunk, agent, n})
	}
}

func readRecord(record []byte) (agent string, n int, err error) {
	value, _, err := msgp.ReadIntfBytes(record)
	fields, ok := value.(map[string]any)
	if err != nil || !ok {
		return "", 0, fmt.Errorf("no record: % x: %w", record, err)
	}
	agent, ok = fields["agent"].(string)
	switch v := fields["n"].(type) {
	case int64:
		n = int(v)
	case uint64:
		n = int(v)
	default:
		ok = false
	}
	if !ok {
		return "", 0, fmt.Errorf("no event of an agent: %v", fields)
	}
	return agent, n, nil
}

func (b *received) Reject(raw []byte, _ int, reason string) {
	b.err = fmt.Errorf("sent what is no event: %s: % x", reason, raw)
}

func (b *received) Drop(events int, rule string) {
	b.err = fmt.Errorf("sent %d events that are dropped: %s", events, rule)
}

func (b *received) Abandon() { b.events = nil }

func (b *received) Size() int           { return b.size }
func (b *received) From(string, string) {}

func (b *received) Doubts() []uint64 { return nil }

func (b *received) Reset() { *b = received{r: b.r} }

var errWeather = errors.New("as the test wants it")

// Commit remembers, and in rough weather forgets to say so.
func (b *received) Commit(context.Context) error {
	r := b.r
	defer b.Reset()
	r.mu.Lock()
	defer r.mu.Unlock()
	if b.err != nil && r.fail == nil {
		r.fail = b.err
	}
	roll := r.rng.Float64()
	if r.now == outage || r.now == rough && roll < 0.1 {
		return errWeather
	}
	for _, e := range b.events {
		if r.got[e.agent] == nil {
			r.got[e.agent] = map[int]map[string]bool{}
		}
		if r.got[e.agent][e.n] == nil {
			r.got[e.agent][e.n] = map[string]bool{}
		}
		r.got[e.agent][e.n][e.chunk] = true
	}
	if r.now == rough && roll < 0.2 {
		return errWeather // its ack is lost
	}
	return nil
}

// config is the program's configuration, the same for all of its lives.
func (d *destinations) config(o options, dir string) string {
	routes := `
  - {match: "**", outputs: [es, archive, up, lake]}`
	if o.only != "" {
		routes = `
  - {match: "` + o.only + `", outputs: [es, archive, up, lake]}
  - {match: "**", outputs: [archive]}`
	}
	return strings.NewReplacer("DIR", dir, "OUT", d.dir, "ES", d.esHTTP.URL, "S3", d.s3HTTP.URL, "UP",
		d.up.server.Addr().String(),
		"LETTERS", o.letters, "KEY", o.key, "ROUTES", routes).Replace(`
listeners:
  - {name: agents, address: "127.0.0.1:0"}
clusters:
  - {name: red, shared_key: KEY-red, tags: ["app.**", "purge.**"]}
  - {name: blue, shared_key: KEY-blue}
buffer: {path: "DIR/data", segment_size: 2MiB, min_free_disk: 1MiB, compression: none,
  dead_letters: {max_size: LETTERS}}
routes:ROUTES
outputs:
  es:
    type: elasticsearch
    hosts: ["ES"]
    index: "logs-{cluster}"
    template: {manage: false}
    batch: {max_wait: 20ms, max_events: 500}
    retry: {initial: 10ms, max: 200ms}
  archive:
    type: file
    path: "OUT/{cluster}-{tag}.ndjson"
    rotate: {max_size: 1MiB}
    batch: {max_wait: 20ms}
    retry: {initial: 10ms, max: 200ms}
    fields: {id: _id}
  up:
    type: forward
    servers: "UP"
    batch: {max_wait: 20ms}
    retry: {initial: 10ms, max: 200ms}
  lake:
    type: s3
    region: us-east-1
    endpoint: "S3"
    bucket: lake
    path_style: true
    compression: none
    key: "{cluster}/"
    batch: {max_wait: 100ms}
    retry: {initial: 10ms, max: 200ms}
status: {address: "127.0.0.1:0"}
log: {format: json}
`)
}
