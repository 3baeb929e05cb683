package forward

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

const (
	// minRest is the rest after the first failure of a server; it is doubled with each that follows.
	minRest = time.Second
	maxRest = time.Minute
)

// server is one destination. Its fields below cfg are guarded by servers.mu.
type server struct {
	Server
	cfg client.Config

	// credit is what smooth weighted turns have it still get.
	credit int
	// fails counts failures in a row; 0: it works.
	fails int
	// since is when the first of these was, and last what the last one said.
	since time.Time
	last  string
	until time.Time
	// inFlight counts messages to it that no Send waits for.
	inFlight int
	// probing says that it has failed, and one message tries whether it works again.
	probing bool
	// idle has the one that was used last at its end.
	idle []*connection
}

// servers knows which server works, and keeps connections. Safe for concurrent use.
type servers struct {
	log         zerolog.Logger
	idleTimeout time.Duration
	maxAge      time.Duration
	// maxRest is retry.max.
	maxRest time.Duration

	mu  sync.Mutex
	all []*server
	// timer closes idle connections; nil while there are none.
	timer  *time.Timer
	closed bool
}

// pick returns the server for the next message, nil where all were tried. Servers that work have
// their turns by weight. One that failed rests, for longer each time, and is then given one message
// to see whether it works again. Where no server is fit, the one is taken that is due first: how
// often that happens is for the caller to limit.
func (s *servers) pick(tried []*server) *server {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	best := s.turn(tried, now, false)
	if best == nil {
		best = s.turn(tried, now, true)
	}
	if best == nil {
		for _, c := range s.all {
			if !slices.Contains(tried, c) && (best == nil ||
				(c.inFlight == 0) != (best.inFlight == 0) && c.inFlight == 0 ||
				(c.inFlight == 0) == (best.inFlight == 0) && c.until.Before(best.until)) {
				best = c
			}
		}
	}
	if best != nil && best.fails > 0 {
		best.probing = true
	}
	return best
}

// turn gives every fit server credit by its weight and takes the richest, which pays for all.
func (s *servers) turn(tried []*server, now time.Time, standby bool) (best *server) {
	total := 0
	for _, c := range s.all {
		if c.Standby != standby || slices.Contains(tried, c) || !c.fit(now) {
			continue
		}
		c.credit += c.Weight
		total += c.Weight
		if best == nil || c.credit > best.credit {
			best = c
		}
	}
	if best != nil {
		best.credit -= total
	}
	return best
}

// fit reports whether c may have a message. servers.mu is held.
func (c *server) fit(now time.Time) bool {
	return c.inFlight == 0 && (c.fails == 0 || !c.probing && !now.Before(c.until))
}

// fliesTo notes which server a message goes to now.
func (s *servers) fliesTo(one *flight, to *server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one.handed {
		one.to.inFlight--
		to.inFlight++
	}
	one.to = to
}

// overtake reports whether others may go on without the message: there is another server for them.
func (s *servers) overtake(one *flight) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if one.to == nil || !slices.ContainsFunc(s.all, func(c *server) bool { return c != one.to && c.fit(now) }) {
		return false
	}
	one.handed = true
	one.to.inFlight++
	return true
}

// lands takes overtake back: the message has come to its end, or is waited for after all.
func (s *servers) lands(one *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one.handed {
		one.handed = false
		one.to.inFlight--
	}
}

// addressOf returns where a message goes.
func (s *servers) addressOf(one *flight) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one.to == nil {
		return "a server"
	}
	return one.to.Address
}

// tryNow ends the rests of all servers.
func (s *servers) tryNow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.all {
		c.until = time.Time{}
	}
}

// works notes that a message was taken by c.
func (s *servers) works(c *server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.fails > 0 {
		s.log.Info().Str("server", c.Address).Int("failures", c.fails).Msg("the server works again")
	}
	c.fails, c.probing = 0, false
}

// undecided notes that the message for c ended without telling anything about c.
func (s *servers) undecided(c *server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.probing = false
}

// failed has c rest because of err. What fails while it rests already, having been under way, counts
// as the same failure.
func (s *servers) failed(c *server, err error) {
	s.mu.Lock()
	now := time.Now()
	c.last = outputs.Public(said(diagnose(err)))
	if probed := c.probing; probed || !now.Before(c.until) {
		c.fails, c.probing = c.fails+1, false
		rest := min(minRest<<min(c.fails-1, 10), maxRest, s.maxRest)
		rest = rest/2 + rand.N(rest/2+1)
		c.until = now.Add(rest)
		if c.fails == 1 {
			c.since = now
		}
		level := zerolog.DebugLevel
		if c.fails == 1 {
			level = zerolog.WarnLevel
		}
		s.log.WithLevel(level).Str("error", c.last).Str("server", c.Address).
			Int("failures", c.fails).Stringer("rests", rest.Round(time.Millisecond)).
			Msg("the server failed: others are used while it rests, where there are any")
	}
	stale := c.idle
	c.idle = nil
	s.mu.Unlock()
	closeAll(stale)
}

// report tells of each server whether it works.
func (s *servers) report() []outputs.Host {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []outputs.Host
	for _, c := range s.all {
		host := outputs.Host{Address: c.Address}
		if c.fails > 0 {
			host.Down, host.Error, host.Since = true, c.last, c.since
		}
		all = append(all, host)
	}
	return all
}
