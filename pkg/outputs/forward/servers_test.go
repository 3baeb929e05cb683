package forward

import (
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// messages sends count messages and returns how many each server took.
func messages(t *testing.T, n *network, o *Output, count int) map[string]int {
	t.Helper()
	b := &outputs.Batch{}
	for i := range count {
		b.Events = append(b.Events, outputtest.Batch(outputtest.Chunk(uint64(i+1), "c", "t", 1, i, 9)).Events...)
	}
	n.got = nil
	if err := o.Send(t.Context(), b); err != nil {
		t.Errorf("Send: %v", err)
	}
	taken := map[string]int{}
	for _, m := range n.got {
		taken[m.server]++
	}
	return taken
}

func wantTaken(t *testing.T, when string, got map[string]int, want string) {
	t.Helper()
	if text := fmt.Sprint(got); text != want {
		t.Errorf("%s: %s, want %s", when, text, want)
	}
}

func TestWeights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // or a server that is slow is passed over
		n := newNetwork(t)
		cfg := settings("a", "b", "c", "d")
		cfg.Servers[1].Weight, cfg.Servers[2].Weight, cfg.Servers[3].Standby = 2, 3, true
		o := n.output(cfg)
		for range 3 {
			wantTaken(t, "by weight", messages(t, n, o, 60), "map[a:10 b:20 c:30]")
		}
		if n.dials["a"] != 1 || n.dials["b"] != 1 || n.dials["c"] != 1 || n.dials["d"] != 0 {
			t.Errorf("connections %v, want one for each server in use", n.dials)
		}
	})
}

func TestFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		cfg := settings("a", "b", "c")
		cfg.Servers[2].Standby = true
		o := n.output(cfg)
		wantTaken(t, "all work", messages(t, n, o, 10), "map[a:5 b:5]")
		n.down["a"] = syscall.ECONNREFUSED
		n.do = func(m *received) deed {
			if n.down[m.server] != nil {
				return refuse // and with it, the open connection
			}
			return ack
		}
		began := time.Now()
		wantTaken(t, "a is down", messages(t, n, o, 10), "map[b:10]")
		if hosts := o.Report().Hosts; len(hosts) != 3 || !hosts[0].Down || hosts[0].Error == "" ||
			!hosts[0].Since.Equal(began) || hosts[1].Down || hosts[1].Error != "" || hosts[2].Down {
			t.Errorf("where only a is down it is told of its servers: %+v", hosts)
		}
		if n.dials["a"] != 2 {
			t.Errorf("a was tried %d times, want once and, after the failure, no more", n.dials["a"]-1)
		}
		for range 60 {
			time.Sleep(10 * time.Second)
			wantTaken(t, "a is still down", messages(t, n, o, 2), "map[b:2]")
		}
		if tries := n.dials["a"] - 2; tries < 8 || tries > 25 {
			t.Errorf("in ten minutes a was tried %d times, want about every minute", tries)
		}
		n.down["b"] = syscall.ECONNREFUSED
		wantTaken(t, "only the standby works", messages(t, n, o, 10), "map[c:10]")
		clear(n.down)
		time.Sleep(maxRest)
		wantTaken(t, "all work again", messages(t, n, o, 10), "map[a:5 b:5]")
		wantTaken(t, "all work on", messages(t, n, o, 10), "map[a:5 b:5]")
	})
}

// TestOneProbe holds that of many messages only one waits for a server that may still be down.
func TestOneProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		cfg := settings("a", "b")
		cfg.Connections, cfg.Workers = 8, 1
		o := n.output(cfg)
		n.down["a"] = syscall.ECONNREFUSED
		messages(t, n, o, 4)
		clear(n.down)
		time.Sleep(maxRest)
		hung := 0
		n.do = func(m *received) deed {
			if m.server == "a" {
				hung++
				return hang
			}
			return ack
		}
		b := &outputs.Batch{}
		for i := range 40 {
			b.Events = append(b.Events, outputtest.Batch(outputtest.Chunk(uint64(i+1), "c", "t", 1, i, 9)).Events...)
		}
		se := outputs.AsSendError(o.Send(t.Context(), b))
		if hung != 1 || len(se.Failed) != 1 {
			t.Errorf("%d messages waited for a server that hangs, %d failed; want one", hung, len(se.Failed))
		}
	})
}

func TestConnectionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		cfg := settings("a")
		cfg.Connections = 3
		o := n.output(cfg)
		messages(t, n, o, 30)
		dials := n.count(n.dials, "a")
		if dials > 3 {
			t.Errorf("%d connections, want 3 at most", dials)
		}
		time.Sleep(46 * time.Second) // it sweeps after 30 s, and then every 15 s
		synctest.Wait()
		if open := n.count(n.open, "a"); open != 0 {
			t.Errorf("%d connections are open though idle", open)
		}
		start := time.Now()
		for time.Since(start) < time.Hour {
			messages(t, n, o, 1)
			time.Sleep(10 * time.Second)
		}
		if made := n.count(n.dials, "a") - dials; made < 5 || made > 7 {
			t.Errorf("%d connections in an hour of steady use, want a new one every 10 minutes ±10 %%", made)
		}
		messages(t, n, o, 1)
		if err := o.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if open := n.count(n.open, "a"); open != 0 {
			t.Errorf("%d connections are open after Close", open)
		}
	})
}
