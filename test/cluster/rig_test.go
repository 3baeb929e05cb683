package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
	"github.com/seed-afc6a195/aggregator/pkg/status"
	"github.com/seed-afc6a195/aggregator/test/balancer"
	"github.com/seed-afc6a195/aggregator/test/harness"
	"github.com/seed-afc6a195/aggregator/test/nats"
)

// options are what campaigns differ in.
type options struct {
	nodes, pods, agents int
	seed                uint64
	// pause is what an agent makes after each ack.
	pause  time.Duration
	events int    // of a chunk; 0: 20
	buffer string // more of buffer.jetstream, each with a comma before it
}

// rig is all that a campaign needs.
type rig struct {
	t     *testing.T
	o     options
	rng   *rand.Rand
	began time.Time
	nodes *nats.Cluster
	pods  []*pod
	made  int // pods so far
	lb    *balancer.Balancer
	es    *elastictest.Server
	http  *httptest.Server

	agents []*harness.Agent
	// chunks counts those that are acknowledged.
	chunks  atomic.Int64
	cancel  context.CancelFunc
	sending sync.WaitGroup
}

// pod is an aggregator, which begins with nothing each time, as one without a volume does.
type pod struct {
	name string
	// server is nil where it does not run.
	server *harness.Server
}

// signal sends the process a signal.
func (p *pod) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(p.server.PID(), s); err != nil {
		t.Fatal(err)
	}
}

// newRig starts everything but the agents.
func newRig(t *testing.T, o options) *rig {
	t.Helper()
	r := &rig{
		t: t, o: o, rng: rand.New(rand.NewPCG(o.seed, 1)), began: time.Now(),
		es: elastictest.New(elastictest.Options{Seed: o.seed}),
	}
	r.nodes = nats.Start(t, nats.Options{Nodes: o.nodes})
	r.http = httptest.NewServer(r.es.Handler())
	t.Cleanup(r.http.Close)
	var err error
	if r.lb, err = balancer.New(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.lb.Close)
	for range o.pods {
		r.add()
	}
	return r
}

// config returns a pod's configuration.
func (r *rig) config(dir string) string {
	return strings.NewReplacer("DIR", dir, "ES", r.http.URL, "URLS", strings.Join(r.nodes.URLs(), `", "`),
		"REPLICAS", strconv.Itoa(r.o.nodes), "MORE", r.o.buffer).Replace(`
listeners:
  - {name: agents, address: "127.0.0.1:0"}
clusters:
  - {name: red, shared_key: red}
  - {name: blue, shared_key: blue}
buffer:
  type: jetstream
  path: "DIR/data"
  jetstream: {urls: ["URLS"], replicas: REPLICASMORE}
routes:
  - {match: "**", outputs: [es]}
outputs:
  es:
    type: elasticsearch
    hosts: ["ES"]
    index: "logs-{cluster}"
    template: {manage: false}
    batch: {max_wait: 50ms}
    retry: {initial: 50ms, max: 1s}
status: {address: "127.0.0.1:0"}
shutdown_timeout: 20s
log: {format: json}
`)
}

// add starts another pod.
func (r *rig) add() {
	r.t.Helper()
	r.pods = append(r.pods, &pod{name: fmt.Sprint("pod-", r.made)})
	r.made++
	r.startPod(len(r.pods) - 1)
}

// remove ends a pod in good order for ever.
func (r *rig) remove(i int) {
	r.t.Helper()
	r.stopPod(i)
	r.pods = append(r.pods[:i:i], r.pods[i+1:]...)
	r.route()
}

func (r *rig) startPod(i int) {
	r.t.Helper()
	path, err := binary()
	if err != nil {
		r.t.Fatal(err)
	}
	p, dir := r.pods[i], r.t.TempDir()
	p.server = harness.Launch(r.t, harness.Options{Binary: path, Dir: dir, Config: r.config(dir)})
	if !p.server.Listening() {
		r.t.Fatalf("%s ended at its start:\n%s", p.name, p.server.Log)
	}
	r.note("%s runs on %s", p.name, p.server.Forward)
	r.route()
}

// route tells the balancer who runs.
func (r *rig) route() {
	var addresses []string
	for _, p := range r.pods {
		if p.server != nil {
			addresses = append(addresses, p.server.Forward)
		}
	}
	r.lb.Set(addresses...)
}

func (r *rig) killPod(i int) {
	r.t.Helper()
	if p := r.pods[i]; p.server != nil {
		r.note("%s is killed", p.name)
		p.server.Kill()
		if !p.server.Killed() {
			r.t.Errorf("%s had ended by itself:\n%s", p.name, p.server.Log)
		}
		p.server = nil
		r.route()
	}
}

func (r *rig) stopPod(i int) {
	r.t.Helper()
	if p := r.pods[i]; p.server != nil {
		r.note("%s is stopped", p.name)
		p.server.Stop()
		p.server = nil
		r.route()
	}
}

func (r *rig) killNode(i int) {
	if n := r.nodes.Nodes[i]; n.Running() {
		r.note("node %d is killed", i)
		n.Kill()
	}
}

// whole brings back all that does not run.
func (r *rig) whole() {
	r.t.Helper()
	for _, n := range r.nodes.Nodes {
		if !n.Running() {
			n.Start()
		}
	}
	for _, n := range r.nodes.Nodes {
		n.Healthy()
	}
	for i, p := range r.pods {
		if p.server == nil {
			r.startPod(i)
		}
	}
}

// send starts the agents.
func (r *rig) send() {
	ctx, cancel := context.WithCancel(r.t.Context())
	r.cancel = cancel
	for i := range r.o.agents {
		key := []string{"red", "blue"}[i%2]
		a := &harness.Agent{
			Name: fmt.Sprint("agent-", i), Tag: fmt.Sprint("app.", i),
			Login:   &client.Login{SharedKey: key, Hostname: "agent"},
			Address: r.lb.Addr, Events: r.o.events, Padding: 200, Seconds: i%3 == 0, Fluentd: i%2 == 0,
			Seed:  r.o.seed + uint64(i),
			OnAck: func(int) { r.chunks.Add(1); pause(ctx, r.o.pause) },
		}
		if i%4 == 1 {
			a.LoseAcks = 0.02
		}
		r.agents = append(r.agents, a)
		r.sending.Go(func() { a.Run(ctx) })
	}
	r.t.Cleanup(func() {
		cancel()
		r.sending.Wait()
	})
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func (r *rig) rest(d time.Duration) { pause(r.t.Context(), d) }

// acked is how many events are acknowledged.
func (r *rig) acked() (n int) {
	for _, a := range r.agents {
		n += a.Acked()
	}
	return n
}

// progress waits until n more chunks are acknowledged.
func (r *rig) progress(n int64) {
	r.t.Helper()
	from := r.chunks.Load()
	for deadline := time.Now().Add(harness.Patience); r.chunks.Load() < from+n; r.rest(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("%d of %d chunks were acknowledged in %v", r.chunks.Load()-from, n, harness.Patience)
		}
	}
}

// silence waits until nothing was acknowledged in so many looks, 50 ms from one to the next: a machine that stalls,
// this test with it, is not silent.
func (r *rig) silence(looks int) {
	r.t.Helper()
	last, same := r.chunks.Load(), 0
	for deadline := time.Now().Add(harness.Patience); same < looks; r.rest(50 * time.Millisecond) {
		same++
		if n := r.chunks.Load(); n != last {
			last, same = n, 0
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("acks did not stop in %v", harness.Patience)
		}
	}
}

// memory is the pods' resident memory in KiB.
func (r *rig) memory() []int {
	r.t.Helper()
	kib := make([]int, len(r.pods))
	for i, p := range r.pods {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.server.PID()))
		if err != nil {
			r.t.Fatal(err)
		}
		_, rest, _ := bytes.Cut(text, []byte("VmRSS:"))
		if _, err := fmt.Sscan(string(rest), &kib[i]); err != nil {
			r.t.Fatal(err)
		}
	}
	return kib
}

// lag is the age of the oldest chunk that waits, as the first pod tells it.
func (r *rig) lag() (worst time.Duration) {
	for _, o := range r.pods[0].server.Snapshot().Outputs {
		worst = max(worst, time.Duration(o.Lag*float64(time.Second)))
	}
	return worst
}

// finish brings everything back, has all acknowledged and delivered, and looks for every event.
func (r *rig) finish() {
	r.t.Helper()
	r.whole()
	r.cancel()
	r.sending.Wait()
	ctx, cancel := context.WithTimeout(r.t.Context(), harness.Patience)
	defer cancel()
	var all sync.WaitGroup
	for _, a := range r.agents {
		all.Go(func() { a.Finish(ctx) })
	}
	all.Wait()
	again, dials := 0, 0
	for _, a := range r.agents {
		again, dials = again+a.Again(), dials+a.Dials()
		if a.Acked() != a.Sent() {
			r.t.Errorf("%s: %d of %d events are not acknowledged", a.Name, a.Sent()-a.Acked(), a.Sent())
		}
	}
	r.note("%d events are acknowledged, %d chunks were sent again, over %d connections", r.acked(), again, dials)
	for _, p := range r.pods {
		p.server.Drained()
	}
	r.note("all is delivered; Elasticsearch had %+v", r.es.Counters())
	for _, p := range r.pods {
		r.balanced(p)
	}
	r.check()
	for i := range r.pods {
		r.stopPod(i)
	}
}

// balanced waits until the pod's ledger adds up, and tells which accounts do not otherwise.
func (r *rig) balanced(p *pod) {
	r.t.Helper()
	var open []string
	for end := time.Now().Add(harness.Patience); ; r.rest(100 * time.Millisecond) {
		s := p.server.Snapshot()
		if open = openAccounts(&s.Ledger); len(open) == 0 {
			r.note("the ledger of %s adds up", p.name)
			return
		}
		if time.Now().After(end) {
			group, err := json.Marshal(s.Group)
			if err != nil {
				r.t.Fatal(err)
			}
			r.t.Errorf("the ledger of %s does not add up:\n%s\nThe group: %s", p.name, strings.Join(open, "\n"), group)
			return
		}
	}
}

// openAccounts returns the accounts of a ledger that do not add up, or still move.
func openAccounts(ledger *status.Ledger) (open []string) {
	for i := range ledger.Ingest {
		if a := &ledger.Ingest[i]; a.Balanced == nil || !*a.Balanced {
			open = append(open, fmt.Sprintf("%+v", *a))
		}
	}
	for i := range ledger.Outputs {
		if a := &ledger.Outputs[i]; a.Balanced == nil || !*a.Balanced {
			open = append(open, fmt.Sprintf("%+v", *a))
		}
	}
	return open
}
