package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
)

// connection is an open connection with no message under way, or in the hands of one lane.
type connection struct {
	*client.Client
	server *server
	// since is when it became idle.
	since time.Time
	// end is that of its age; zero: none.
	end time.Time
}

// open makes a connection to c.
func (s *servers) open(ctx context.Context, c *server, secure func(host string) *tls.Config) (*connection, error) {
	cfg := c.cfg
	if secure != nil {
		cfg.TLS = secure(cfg.Host())
	}
	opened, err := client.Dial(ctx, cfg)
	if err != nil {
		return nil, err
	}
	conn := &connection{Client: opened, server: c}
	if s.maxAge > 0 {
		conn.end = time.Now().Add(s.maxAge*9/10 + rand.N(s.maxAge/5+1))
	}
	return conn, nil
}

// reuse returns an idle connection to c, nil where there is none.
func (s *servers) reuse(c *server) *connection {
	now := time.Now()
	s.mu.Lock()
	var fit *connection
	var over []*connection
	for fit == nil && len(c.idle) > 0 {
		last := len(c.idle) - 1
		conn := c.idle[last]
		c.idle = slices.Delete(c.idle, last, last+1)
		if s.over(conn, now) {
			over = append(over, conn)
		} else {
			fit = conn
		}
	}
	s.mu.Unlock()
	closeAll(over)
	return fit
}

// over reports whether an idle connection has had its time.
func (s *servers) over(conn *connection, now time.Time) bool {
	return now.Sub(conn.since) >= s.idleTimeout || !conn.end.IsZero() && !now.Before(conn.end)
}

// keep takes back a connection that all is acknowledged on.
func (s *servers) keep(conn *connection) {
	now := time.Now()
	conn.since = now
	s.mu.Lock()
	kept := !s.closed && !s.over(conn, now)
	if kept {
		conn.server.idle = append(conn.server.idle, conn)
		if s.timer == nil {
			s.timer = time.AfterFunc(s.idleTimeout, s.sweep)
		}
	}
	s.mu.Unlock()
	if !kept {
		closeAll([]*connection{conn})
	}
}

// sweep closes what was idle for too long, and comes again while anything is left.
func (s *servers) sweep() {
	now := time.Now()
	var over []*connection
	s.mu.Lock()
	left := false
	for _, c := range s.all {
		c.idle = slices.DeleteFunc(c.idle, func(conn *connection) bool {
			is := s.over(conn, now)
			if is {
				over = append(over, conn)
			}
			return is
		})
		left = left || len(c.idle) > 0
	}
	s.timer = nil
	if left && !s.closed {
		s.timer = time.AfterFunc(s.idleTimeout/2, s.sweep)
	}
	s.mu.Unlock()
	closeAll(over)
}

// close closes the idle connections; those in use are their users'.
func (s *servers) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
	var errs []error
	for _, c := range s.all {
		for _, conn := range c.idle {
			errs = append(errs, conn.Close())
		}
		c.idle = nil
	}
	return errors.Join(errs...)
}

// closeAll closes connections on which nothing is under way that could get lost.
func closeAll(conns []*connection) {
	for _, conn := range conns {
		_ = conn.Close()
	}
}
