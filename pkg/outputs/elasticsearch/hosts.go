package elasticsearch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

const (
	// minRest is the rest after the first failure of a host; it is doubled with each that follows.
	minRest = time.Second
	maxRest = time.Minute
	// quiet is a host that fails now and then is not logged more often.
	quiet = time.Minute
	// probeTimeout is half of the output's timeout at most, so that time is left for another host.
	probeTimeout = 5 * time.Second
)

// host is one of the servers.
type host struct {
	address   string
	transport *elastictransport.Client

	// What follows is guarded by client.mu.
	// ready says that it answered since its last failure, if any.
	ready bool
	// probing is closed when the probe under way has ended; nil: there is none.
	probing chan struct{}
	// fails counts failures in a row.
	fails int
	// since is when the first of these was.
	since time.Time
	// until is when its rest ends.
	until time.Time
	// wish is before when it wants no request, though it works.
	wish time.Time
	// last is the last error.
	last string
	// told says that the log has its failing.
	told bool
	// found is what the last probe found.
	found server
	// refused is why the last probe learned nothing although the host works; a *outputs.SendError.
	refused error
}

// hostError says at which host a request failed.
type hostError struct {
	address string
	err     error
}

func (e *hostError) Error() string { return e.address + ": " + outputs.DiagnoseAt(e.address, e.err) }
func (e *hostError) Unwrap() error { return e.err }

// parseHost reads the URL of a host.
func parseHost(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(text, "/"))
	switch {
	case err != nil:
		var e *url.Error
		if errors.As(err, &e) {
			// Without the URL, which may hold a password.
			err = e.Err
		}
		return nil, fmt.Errorf("no URL: %w", err)
	case u.User != nil:
		return nil, fmt.Errorf("%s: it holds a user: use username and password instead", u.Redacted())
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("%q does not begin with http:// or https:// and a host", text)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%q has more than scheme, host, port and path", text)
	}
	return u, nil
}

// take returns the host for the next request: those that work have their turns. One that failed rests,
// for longer each time, and is then probed before a request goes there, which no request waits for while
// another host works. Where all rest, the one that is due first is probed at once: how often that happens
// is for the caller to limit.
func (c *client) take(ctx context.Context) (*host, error) {
	var tried []*host
	var failure error
	for {
		h, ready, busy := c.pick(tried)
		switch {
		case ready:
			return h, nil
		case h != nil:
			if failure = c.probe(ctx, h); failure == nil {
				return h, nil
			}
			tried = append(tried, h)
		case busy != nil:
			select {
			case <-busy:
			case <-ctx.Done():
				return nil, fmt.Errorf("wait for a host to answer: %w", ctx.Err())
			}
		default:
			return nil, failure
		}
		if ctx.Err() != nil && failure != nil {
			return nil, failure
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("look for a host that works: %w", ctx.Err())
		}
	}
}

// pick returns a host that is ready, or one that the caller must probe now, or what ends when the probe
// of another caller does. All are nil where every host was tried.
func (c *client) pick(tried []*host) (h *host, ready bool, busy <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	for i := range c.hosts {
		at := (c.next + i) % len(c.hosts)
		if h := c.hosts[at]; h.ready && !now.Before(h.wish) && !slices.Contains(tried, h) {
			c.next = at + 1
			c.probeOthers(now)
			return h, true, nil
		}
	}
	var resting *host
	for i := range c.hosts {
		at := (c.next + i) % len(c.hosts)
		h := c.hosts[at]
		switch {
		case slices.Contains(tried, h):
		case h.probing != nil:
			busy = h.probing
		case !h.ready && !now.Before(h.rests()):
			c.next = at + 1
			h.probing = make(chan struct{})
			return h, false, nil
		case resting == nil || h.rests().Before(resting.rests()):
			resting = h
		}
	}
	if busy != nil || resting == nil || len(tried) > 0 {
		return nil, false, busy
	}
	if resting.ready {
		return resting, true, nil
	}
	resting.probing = make(chan struct{})
	return resting, false, nil
}

// rests returns until when h has no request where another one can.
func (h *host) rests() time.Time {
	if h.wish.After(h.until) {
		return h.wish
	}
	return h.until
}

// wishes notes that h wants no request for a while. It reports whether others are used meanwhile.
func (c *client) wishes(h *host, wish time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	h.wish = now.Add(min(wish, c.cfg.Settings().Retry.Max))
	return slices.ContainsFunc(c.hosts, func(other *host) bool {
		return other != h && other.ready && !now.Before(other.wish)
	})
}

// tryNow ends the rests of all hosts.
func (c *client) tryNow() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.hosts {
		h.until, h.wish = time.Time{}, time.Time{}
	}
}

// watchEvery is how often a host is asked whether it still answers while a request waits for it.
const watchEvery = 10 * time.Second

// hungError is why a request that was under way is not waited for any longer.
type hungError struct{ err error }

func (e *hungError) Error() string {
	return "it answers neither the request nor another one beside it: " + outputs.Diagnose(e.err)
}

// watch returns a context for a request to h that ends when h does not answer other requests meanwhile, so that
// another host can be sent to. The caller calls stop when the reply is read. Where there is no other host it is ctx.
func (c *client) watch(ctx context.Context, h *host) (watched context.Context, stop func()) {
	if len(c.hosts) == 1 {
		return ctx, func() {}
	}
	watched, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	timer := time.AfterFunc(watchEvery, func() {
		defer close(ended)
		for watched.Err() == nil {
			asking, done := context.WithTimeout(watched, c.longestProbe)
			_, err := c.identify(asking, h)
			done()
			if err != nil && watched.Err() == nil {
				c.failed(h, err)
				cancel(&hungError{err})
			}
			select {
			case <-time.After(watchEvery):
			case <-watched.Done():
			}
		}
	})
	return watched, func() {
		cancel(nil)
		if !timer.Stop() {
			<-ended
		}
	}
}

// probeOthers begins to probe the hosts that are due. c.mu is held.
func (c *client) probeOthers(now time.Time) {
	for _, h := range c.hosts {
		if h.ready || h.probing != nil || now.Before(h.rests()) || c.alive.Err() != nil {
			continue
		}
		h.probing = make(chan struct{})
		// It has noted what is wrong.
		c.probes.Go(func() { _ = c.probe(c.alive, h) })
	}
}

// probe asks h, which pick has handed out for that, what it is.
func (c *client) probe(ctx context.Context, h *host) error {
	probing, cancel := context.WithTimeout(ctx, c.longestProbe)
	defer cancel()
	id, err := c.identify(probing, h)
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		c.failed(h, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	close(h.probing)
	h.probing = nil
	if err != nil {
		return &hostError{h.address, err}
	}
	h.ready, h.refused = true, id.refused
	if id.refused == nil {
		h.found = id.server
		c.known = id.server
		// While a cluster is being upgraded, what the oldest host needs goes for all.
		c.known.typed = slices.ContainsFunc(c.hosts, func(h *host) bool { return h.found.typed })
	}
	return nil
}

// works notes that h answered a request.
func (c *client) works(h *host) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.told {
		c.log.Info().Str("host", h.address).Int("failures", h.fails).Msg("the host works again")
	}
	h.fails, h.ready, h.told = 0, true, false
}

// failed has h rest because of err. What fails while it rests already, having been under way, counts as
// the same failure.
func (c *client) failed(h *host, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h.last = outputs.Public(outputs.Diagnose(err))
	if !h.ready && h.probing == nil && h.fails > 0 {
		return
	}
	h.ready = false
	if h.fails++; h.fails == 1 {
		h.since = c.now()
	}
	rest := min(minRest<<min(h.fails-1, 10), maxRest, c.cfg.Settings().Retry.Max)
	rest = rest/2 + rand.N(rest/2+1)
	h.until = c.now().Add(rest)
	level := zerolog.DebugLevel
	if !h.told {
		if h.told, _ = c.warnings.Allow("", h.address, 1, c.now()); h.told {
			level = zerolog.WarnLevel
		}
	}
	text := "the host failed and rests"
	if len(c.hosts) > 1 {
		text += "; others are used meanwhile"
	}
	c.log.WithLevel(level).Str("error", h.last).Str("host", h.address).Int("failures", h.fails).
		Stringer("rests", rest.Round(time.Millisecond)).Msg(text)
}
