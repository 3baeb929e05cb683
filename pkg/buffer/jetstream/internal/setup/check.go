package setup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-afc6a195/aggregator/internal/humanize"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/link"
)

// Severity is how bad a finding is.
type Severity int

// Severities.
const (
	Fine    Severity = iota // it is as it should be
	Warning                 // it works, and promises less
	Fault                   // nothing can be stored
)

// Finding is one thing that Check has looked at.
type Finding struct {
	Severity Severity
	// Subject is what was looked at: "nats://nats-0:4222", "stream AGGREGATOR".
	Subject string
	// Text is what is so, and what to do where that is not fine.
	Text string
}

const (
	// smallPayload is the least max_payload that does not get in the way of usual events.
	smallPayload = 1 << 20
	// idSize is what a server remembers of an id, in bytes of memory, about.
	idSize = 250
	// busyRate is how many chunks a second a large fleet sends.
	busyRate = 5000
	// muchMemory is what the ids of such a fleet may take.
	muchMemory = 1 << 30
)

// answerWithin is how long a server may take to answer.
const answerWithin = 5 * time.Second

// Check looks whether the servers can hold the queue that cfg.JetStream names: reachable, login, permissions, version,
// what the stream's settings are, replicas. It changes nothing: a stream that is missing is not made.
func Check(ctx context.Context, cfg *buffer.Config, o *link.Options) []Finding {
	c := &checker{Setup: Setup{Config: *cfg}}
	if cfg.JetStream == nil || len(cfg.JetStream.URLs) == 0 && o.InProcess == nil {
		c.add(Fault, "buffer.jetstream.urls", "it names no server")
		return c.found
	}
	var err error
	if c.link, err = link.Dial(o); err != nil {
		c.add(Fault, "buffer.jetstream", "%v", err)
		return c.found
	}
	defer c.link.Close()
	nc := c.link.Conn()
	if !c.reach(ctx, nc) {
		return c.found
	}
	if c.JS, err = jetstream.New(nc, jetstream.WithDefaultTimeout(answerWithin)); err != nil {
		c.add(Fault, "JetStream", "%v", err)
		return c.found
	}
	c.account(ctx, nc)
	c.stream(ctx)
	c.ids()
	c.add(Warning, "sync_interval",
		"servers do not tell it: NATS acknowledges before it has synced to disk, every two "+
			"minutes by default, so that the power of several servers at once may take what was acknowledged. Write "+
			"`sync_interval: always` in the jetstream block of each, or have them in three zones")
	return c.found
}

type checker struct {
	Setup
	link  *link.Link
	found []Finding
}

func (c *checker) add(s Severity, subject, text string, args ...any) {
	c.found = append(c.found, Finding{s, subject, fmt.Sprintf(text, args...)})
}

// reach waits for a connection.
func (c *checker) reach(ctx context.Context, nc *nats.Conn) bool {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if !c.link.AwaitConnected(ctx) {
		err := c.link.WhyNot(errors.New("no server can be reached"))
		c.add(Fault, fmt.Sprint(c.Config.JetStream.URLs), "%v: look at addresses, certificates and login", err)
		return false
	}
	version := nc.ConnectedServerVersion()
	if !atLeast(version, oldestServer) {
		c.add(Fault, nc.ConnectedUrlRedacted(), "NATS %s: %v", version, ErrTooOld)
		return false
	}
	c.add(Fine, nc.ConnectedUrlRedacted(), "NATS %s, %d servers known, messages up to %s", version,
		max(1, len(nc.Servers())), humanize.Bytes(float64(nc.MaxPayload())))
	if nc.MaxPayload() < smallPayload {
		c.add(Warning, "max_payload", "%s: an event that is larger can't be stored, and its agent gets no ack. Write "+
			"`max_payload: 8MB` in the servers' configuration", humanize.Bytes(float64(nc.MaxPayload())))
	}
	return true
}

// account looks what the account may have.
func (c *checker) account(ctx context.Context, nc *nats.Conn) {
	info, err := c.JS.AccountInfo(ctx)
	if err != nil {
		c.add(Fault, "JetStream", "%v: is it enabled for this account, and may its user publish to $JS.API.>?",
			c.link.WhyNot(err))
		return
	}
	size := MaxSize(&c.Config) * int64(max(1, c.Config.JetStream.Replicas))
	if most := info.Limits.MaxStore; most > 0 && most < size {
		c.add(Warning, "account", "it may store %s, and %d replicas of %s are %s", humanize.Bytes(float64(most)),
			c.Config.JetStream.Replicas, humanize.Bytes(float64(MaxSize(&c.Config))), humanize.Bytes(float64(size)))
	}
	if n := len(nc.Servers()); n > 1 && n < c.Config.JetStream.Replicas {
		c.add(Fault, "replicas", "%d are configured, and %d servers are known", c.Config.JetStream.Replicas, n)
	}
	if c.Config.JetStream.Replicas < 3 {
		c.add(Warning, "replicas", "%d: the loss of one server's disk loses what was acknowledged. 3 survive that",
			c.Config.JetStream.Replicas)
	}
}

// stream looks at the stream, where there is one.
func (c *checker) stream(ctx context.Context) {
	want := c.streamConfig()
	subject := "stream " + want.Name
	found, err := c.JS.Stream(ctx, want.Name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		if name, err := c.JS.StreamNameBySubject(ctx, want.Subjects[0]); err == nil {
			c.add(Fault, subject, "stream %s has its subjects: name another one in buffer.jetstream.stream", name)
			return
		}
		c.add(Fine, subject, "it is not there yet: the first start makes it")
		return
	case err != nil:
		c.add(Fault, subject, "%v", c.link.WhyNot(err))
		return
	}
	info := found.CachedInfo()
	got := info.Config
	if all := differences(&got, &want); len(all) > 0 {
		c.add(Fault, subject, "%v", &DifferentError{Stream: want.Name, Differences: all})
		return
	}
	c.add(Fine, subject, "%d replicas, %d chunks, %s of %s", got.Replicas, info.State.Msgs,
		humanize.Bytes(float64(info.State.Bytes)), humanize.Bytes(float64(got.MaxBytes)))
	if to, more := raise(got, &want); more {
		c.add(Warning, subject, "the next start raises it to %d replicas, %s and ids remembered for %v", to.Replicas,
			humanize.Bytes(float64(to.MaxBytes)), to.Duplicates)
	}
	if info.Cluster != nil {
		for _, peer := range info.Cluster.Replicas {
			if !peer.Current || peer.Offline {
				c.add(Warning, subject, "server %s has not all of it, or can't be reached", peer.Name)
			}
		}
	}
}

// ids looks whether the servers' memory for ids is bounded.
func (c *checker) ids() {
	window := max(c.Config.DedupeWindow, MinWindow)
	if need := window.Seconds() * busyRate * idSize; need > muchMemory {
		c.add(Warning, "buffer.dedupe_window", "%v: at %d chunks a second, servers keep %s of ids in memory", window,
			busyRate, humanize.Bytes(need))
	}
}
