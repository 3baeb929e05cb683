package torture

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
	"github.com/seed-afc6a195/aggregator/test/harness"
)

// options are what campaigns differ in.
type options struct {
	binary  string
	seed    uint64
	letters string  // dead_letters.max_size; "": enough for all
	evicts  bool    // poison may be pushed out
	only    string  // the tag whose events go to all outputs, while others go to files alone; "": all go everywhere
	lost    float64 // share of acks that no agent waits for, beside its own
	// Clusters' keys begin with it: ports are used again, and no agent shall send to another campaign's server.
	key string
}

// agent is one of a campaign's, with what is to become of its events.
type agent struct {
	*harness.Agent
	refused bool // its cluster may not use the tag
	purged  bool // somebody deletes its dead letters
	// It doesn't wait for an ack before it sends on, so that nobody can tell which acks it has: what it sends again may
	// be stored again.
	doubled bool
}

// lossy reports whether the event n may be missing in Elasticsearch: it was a dead letter that somebody deleted, or
// that made room for others.
func (a *agent) lossy(o options, n int) bool { return a.Poisoned(n) && (a.purged || o.evicts) }

// campaign is agents that send without end through a program that is ended and started again and again, to destinations
// that fail. One life of the program follows another, all with the same data; in the end everything that was
// acknowledged is looked for.
type campaign struct {
	t       *testing.T
	o       options
	rng     *rand.Rand
	dir     string
	to      *destinations
	agents  []*agent
	address atomic.Pointer[string] // of the program; "": it is away
	acks    atomic.Int64
	due     atomic.Int64  // of acks: when reached is told; 0: never
	reached chan struct{} // has room for one
	life    int
	kills   int            // lives that ended by SIGKILL
	ends    map[string]int // how lives ended
	damaged bool           // a file was damaged, so that something is set aside
	cancel  context.CancelFunc
	sending sync.WaitGroup
	server  *harness.Server // nil: none runs
	born    time.Time       // when the life began
}

// newCampaign starts the agents.
func newCampaign(t *testing.T, o options) *campaign {
	t.Helper()
	o.letters = cmp.Or(o.letters, "256MiB")
	o.key = strconv.FormatUint(o.seed, 16)
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	if err := os.Mkdir(out, 0o700); err != nil {
		t.Fatal(err)
	}
	c := &campaign{
		t: t, o: o, rng: rand.New(rand.NewPCG(o.seed, 1)), dir: dir, to: newDestinations(t, out, o.seed),
		reached: make(chan struct{}, 1),
		ends:    map[string]int{},
	}
	c.address.Store(new(string))
	red, blue := &client.Login{SharedKey: o.key + "-red", Hostname: "agent"},
		&client.Login{SharedKey: o.key + "-blue", Hostname: "agent"}
	c.agents = []*agent{
		{Agent: &harness.Agent{Name: "fluent-bit", Tag: "app.a", Login: red, Padding: 600, Poison: 37}},
		{
			Agent: &harness.Agent{
				Name: "gzip", Tag: "app.b", Login: red, Padding: 600, Compress: "gzip", Seconds: true, LoseAcks: 0.02,
			},
		},
		{Agent: &harness.Agent{Name: "pipelined", Tag: "app.c", Login: blue, Padding: 300, InFlight: 8}, doubled: true},
		{Agent: &harness.Agent{Name: "fluentd", Tag: "app.f", Login: blue, Padding: 300, Poison: 23, LoseAcks: 0.05}},
		{
			Agent: &harness.Agent{
				Name: "messages", Tag: "app.d", Login: blue, Padding: 100, Mode: client.MessageMode, Seconds: true,
			},
		},
		{
			Agent: &harness.Agent{
				Name: "large", Tag: "app.e", Login: blue, Padding: 3000, Events: 100, Mode: client.ForwardMode,
				LoseAcks: 0.05,
			},
		},
		{
			Agent:  &harness.Agent{Name: "poison", Tag: "purge.p", Login: red, Padding: 500, Events: 5, Poison: 1},
			purged: true,
		},
		{
			Agent:   &harness.Agent{Name: "stranger", Tag: "not.allowed", Login: red, Padding: 50, Events: 3},
			refused: true,
		},
	}
	ctx, cancel := context.WithCancel(t.Context())
	c.cancel = cancel
	for i, a := range c.agents {
		a.Seed, a.LoseAcks = o.seed+uint64(i), a.LoseAcks+o.lost
		a.Address = func() string { return *c.address.Load() }
		a.OnAck = func(events int) {
			if n, due := c.acks.Add(1), c.due.Load(); due > 0 && n >= due && c.due.CompareAndSwap(due, 0) {
				select {
				case c.reached <- struct{}{}:
				default:
				}
			}
			// Dead letters cost more than events; and a campaign with time to pass needs no crowd.
			if a.refused || a.purged || o.only != "" {
				pause(ctx, 20*time.Millisecond)
			}
		}
		c.sending.Go(func() { a.Run(ctx) })
	}
	t.Cleanup(func() {
		cancel()
		c.sending.Wait()
	})
	return c
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

// launch begins a life. It does not wait until the program listens, which it may not live to see.
func (c *campaign) launch(env ...string) *harness.Server {
	c.t.Helper()
	c.life++
	c.born = time.Now()
	env = append(env, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true")
	c.server = harness.Launch(c.t, harness.Options{
		Binary: c.o.binary, Dir: c.dir, Config: c.to.config(c.o, c.dir), Env: env,
	})
	return c.server
}

// open lets the agents find the program; false: it has ended at its start.
func (c *campaign) open() bool {
	c.t.Helper()
	if !c.server.Listening() {
		return false
	}
	c.address.Store(&c.server.Forward)
	return true
}

// await waits until n more chunks are acknowledged, or the program ends.
func (c *campaign) await(n int) {
	c.t.Helper()
	c.due.Store(0)
	select {
	case <-c.reached: // of the last time
	default:
	}
	c.due.Store(c.acks.Load() + int64(n))
	select {
	case <-c.reached:
	case <-c.server.Exited():
	case <-time.After(harness.Patience):
		c.server.Dump()
		c.t.Fatalf("%d chunks were not acknowledged in %v", n, harness.Patience)
	}
}

// until has the program run on until what holds.
func (c *campaign) until(holds func() bool) {
	c.t.Helper()
	for !holds() {
		c.await(50)
		select {
		case <-c.server.Exited():
			c.t.Fatalf("life %d ended by itself:\n%s", c.life, c.server.Log)
		default:
		}
	}
}

// operate sends the dead letters again and deletes those that nobody wants, over and over, until the function that it
// returns is called or the program ends.
func (c *campaign) operate() (stop func()) {
	ctx, cancel := context.WithCancel(c.t.Context())
	s := c.server
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			for _, path := range []string{
				"/dead-letters/retry?output=es", "/dead-letters/purge?tag=purge.**", "/dead-letters/retry?tag=app.**",
			} {
				pause(ctx, 30*time.Millisecond)
				_, _ = s.Request(ctx, "POST", path) // the program may be killed meanwhile, which is the point
			}
			select {
			case <-s.Exited():
				return
			default:
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

// kill ends the life with SIGKILL, if it has not ended so by itself.
func (c *campaign) kill() {
	c.t.Helper()
	c.server.Kill()
	c.ended("SIGKILL")
}

// ended notes how the life ended.
func (c *campaign) ended(how string) {
	c.address.Store(new(string))
	c.ends[how]++
	c.t.Logf("life %d ended by %s after %v, %d chunks acknowledged so far", c.life, how,
		time.Since(c.born).Round(time.Millisecond), c.acks.Load())
	if how == "SIGKILL" {
		if !c.server.Killed() {
			c.t.Errorf("life %d ended by itself:\n%s", c.life, c.server.Log)
		}
		c.kills++
	}
	// An upload that S3 ends after it was asked for the object is there twice, and nobody can tell. A killed program's
	// may be on its way still.
	c.to.s3Open.wait()
	c.server = nil
}

// stop ends the life with SIGTERM.
func (c *campaign) stop() {
	c.t.Helper()
	c.server.Stop()
	c.ended("SIGTERM")
}

// armed is a life that ends at the fail point. It returns how many chunks were acknowledged in it.
func (c *campaign) armed(point string, pass int, operator bool) {
	c.t.Helper()
	c.launch(fmt.Sprintf("AGG_FAILPOINT=%s=kill@%d", point, pass))
	if c.open() {
		if operator {
			defer c.operate()()
		}
		select {
		case <-c.server.Exited():
		case <-time.After(harness.Patience):
			c.server.Dump()
			c.t.Fatalf("fail point %s was passed less than %d times in %v", point, pass, harness.Patience)
		}
	}
	c.server.Kill() // it has ended
	c.ended("SIGKILL")
}

// finish ends the campaign with a last life in which nothing fails: it is delivered what is left, and everything is
// looked for. healed: poison is sent again, and taken.
func (c *campaign) finish(healed bool) {
	c.t.Helper()
	c.to.set(fine, fine, fine, healed)
	s := c.server
	if s == nil {
		s = c.launch()
		if !c.open() {
			c.t.Fatalf("the program did not start:\n%s", s.Log)
		}
	}
	c.await(len(c.agents))
	c.until(func() bool { return !slices.ContainsFunc(c.agents, func(a *agent) bool { return a.Acked() == 0 }) })
	c.cancel()
	c.sending.Wait()
	ctx, cancel := context.WithTimeout(c.t.Context(), harness.Patience)
	defer cancel()
	var all sync.WaitGroup
	for _, a := range c.agents {
		all.Go(func() { a.Finish(ctx) })
	}
	all.Wait()
	acked, again, dials := 0, 0, 0
	for _, a := range c.agents {
		acked, again, dials = acked+a.Acked(), again+a.Again(), dials+a.Dials()
		if a.Acked() != a.Sent() {
			c.t.Errorf("%s: %d of %d events are not acknowledged", a.Name, a.Sent()-a.Acked(), a.Sent())
		}
	}
	if healed {
		if _, err := s.Request(c.t.Context(), "POST", "/dead-letters/retry?output=es"); err != nil {
			c.t.Error(err)
		}
	}
	s.Drained()
	s.Balanced()
	l := &ledger{t: c.t, agents: c.agents}
	l.check(c.to, s, c.o)
	if n := s.Snapshot().DeadLetters.By; healed {
		for _, d := range n {
			if d.Output == "es" {
				c.t.Errorf("dead letters are left though Elasticsearch takes all: %+v", d)
			}
		}
	}
	c.stop()
	if !c.damaged {
		wantNoDamage(c.t, filepath.Join(c.dir, "data"))
	}
	c.t.Logf("seed %d: %d lives (%v); %d events acknowledged, %d chunks sent again, %d connections", c.o.seed, c.life,
		c.ends, acked, again, dials)
}
