// Package cluster runs several aggregators over one replicated queue: three NATS servers, aggregators behind a TCP
// balancer, agents that want acks, and a made-up Elasticsearch that remembers every id. It kills servers and
// aggregators at random and holds that each acknowledged event is delivered, and once. docs/testing.md says how to run
// it for longer.
package cluster

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/test/harness"
)

// binary is the program under test, built once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "aggregator-cluster")
	if err != nil {
		return "", err
	}
	return harness.Build(dir)
})

func TestMain(m *testing.M) {
	if !harness.Whole("torture:cluster") {
		return
	}
	flag.Parse()
	code := m.Run()
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// length is how long a campaign goes on: CLUSTER_FOR, or what fits a test run.
func length(t *testing.T, usual time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv("CLUSTER_FOR")
	if text == "" {
		return usual
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("CLUSTER_FOR: %v", err)
	}
	return d
}

// pace is how long agents pause after acks: longer in a long campaign, since Elasticsearch remembers every event.
func pace(t *testing.T) time.Duration {
	t.Helper()
	return max(5*time.Millisecond, length(t, 0)/6000)
}

// seed is CLUSTER_SEED, or a new one.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := rand.Uint64() >> 24
	if text := os.Getenv("CLUSTER_SEED"); text != "" {
		var err error
		if n, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("CLUSTER_SEED: %v", err)
		}
	}
	t.Logf("E2E=1 CLUSTER_SEED=%d go test -count=1 -run '^%s$' ./test/cluster repeats this", n, t.Name())
	return n
}

// TestKills kills any server and any aggregator at random, sometimes several at once, and brings them back, or freezes
// one for a while.
func TestKills(t *testing.T) {
	r := newRig(t, options{nodes: 3, pods: 3, agents: 60, seed: seed(t), pause: pace(t)})
	r.send()
	for end := time.Now().Add(length(t, 10*time.Second)); time.Now().Before(end) && !t.Failed(); {
		r.step()
	}
	r.finish()
}

// TestQuorumLost ends two of three servers for a while: nothing is acknowledged meanwhile, and no memory grows; with
// one of them back, acks go on.
func TestQuorumLost(t *testing.T) {
	r := newRig(t, options{nodes: 3, pods: 3, agents: 30, seed: seed(t), pause: pace(t)})
	r.send()
	r.progress(200)
	before := r.memory()
	r.nodes.Nodes[0].Kill()
	r.nodes.Nodes[1].Kill()
	// What the servers had answered by then is still on its way.
	r.silence(100)
	acked := r.acked()
	r.rest(min(length(t, 5*time.Second), time.Minute))
	if n := r.acked(); n != acked {
		t.Errorf("%d events were acknowledged while one server of three was left", n-acked)
	}
	for i, kib := range r.memory() {
		if kib > 2*before[i]+64<<10 {
			t.Errorf("the memory of aggregator %d grew from %d KiB to %d KiB while the quorum was lost", i, before[i],
				kib)
		}
	}
	for _, p := range r.pods {
		// It is noticed by requests that get no answer, two in a row.
		p.server.Eventually(p.name+" to say that the queue has no quorum", func() bool {
			s := p.server.Snapshot()
			return !s.Ready && len(s.NotReady) > 0
		})
	}
	// One that is to end without a quorum ends in good order.
	r.stopPod(2)
	r.nodes.Nodes[0].Start()
	r.progress(200)
	r.nodes.Nodes[1].Start()
	r.progress(200)
	r.finish()
}

// TestScaling adds and takes away aggregators under load, as an autoscaler does: all is delivered, and none twice. It
// logs how old the oldest chunk was at most.
func TestScaling(t *testing.T) {
	r := newRig(t, options{nodes: 3, pods: 2, agents: 30, seed: seed(t), pause: pace(t)})
	r.send()
	every := min(20*time.Second, length(t, 8*time.Second)/4)
	worst := time.Duration(0)
	for end := time.Now().Add(length(t, 8*time.Second)); time.Now().Before(end) && !t.Failed(); {
		if len(r.pods) > 2 {
			r.remove(r.rng.IntN(len(r.pods)))
		} else {
			r.add()
		}
		for turn := time.Now().Add(every); time.Now().Before(turn); {
			r.rest(500 * time.Millisecond)
			worst = max(worst, r.lag())
		}
	}
	t.Logf("the oldest chunk was %v old at most", worst)
	r.finish()
}

// freezeNode keeps a server from running for a while.
func (r *rig) freezeNode(i int, d time.Duration) {
	r.t.Helper()
	if n := r.nodes.Nodes[i]; n.Running() {
		r.note("node %d freezes for %v", i, d)
		n.Freeze()
		r.rest(d)
		n.Thaw()
	}
}

// freezePod keeps an aggregator from running for a while.
func (r *rig) freezePod(i int, d time.Duration) {
	r.t.Helper()
	if p := r.pods[i]; p.server != nil {
		r.note("%s freezes for %v", p.name, d)
		p.signal(r.t, syscall.SIGSTOP)
		r.rest(d)
		p.signal(r.t, syscall.SIGCONT)
	}
}

// step is what happens next in TestKills, and a pause after it.
func (r *rig) step() {
	r.t.Helper()
	switch roll := r.rng.IntN(12); {
	case roll < 4:
		r.killPod(r.rng.IntN(len(r.pods)))
	case roll < 7:
		r.killNode(r.rng.IntN(len(r.nodes.Nodes)))
	case roll < 8: // the quorum goes, and comes back
		for _, i := range r.rng.Perm(len(r.nodes.Nodes))[:2] {
			r.killNode(i)
		}
	case roll < 9: // all aggregators at once
		for i := range r.pods {
			r.killPod(i)
		}
	case roll < 10:
		r.stopPod(r.rng.IntN(len(r.pods)))
	case roll < 11: // a slow server, mostly a follower
		r.freezeNode(r.rng.IntN(len(r.nodes.Nodes)), time.Duration(r.rng.IntN(4000))*time.Millisecond)
	default: // an aggregator that others take over from, and that goes on as if nothing had been
		r.freezePod(r.rng.IntN(len(r.pods)), time.Duration(r.rng.IntN(12))*time.Second)
	}
	r.rest(time.Duration(200+r.rng.IntN(1500)) * time.Millisecond)
	for i, n := range r.nodes.Nodes {
		if !n.Running() && r.rng.IntN(2) == 0 {
			r.note("node %d comes back", i)
			n.Start()
		}
	}
	for i := range r.pods {
		if r.pods[i].server == nil && r.rng.IntN(2) == 0 {
			r.startPod(i)
		}
	}
	r.rest(time.Duration(500+r.rng.IntN(1500)) * time.Millisecond)
}

// note tells in the log what happens.
func (r *rig) note(format string, args ...any) {
	r.t.Helper()
	r.t.Logf("%6.2fs %s", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}
