package forward

import (
	"context"
	"crypto/tls"
	"time"
)

// How a connection ends because the server wants it to: for its age, for the number of its messages, because the server
// stops. An agent without acks takes for sent what it wrote before it learnt of the end, so that is read to the last
// byte; an agent with acks sends again what it got none for. Best is to end while nothing is on its way.

const (
	// quiet is how long nothing may have come for a connection to end.
	quiet = 20 * time.Millisecond
	// leaveGrace is how long a connection that is never quiet goes on after it should have ended.
	leaveGrace = time.Second
	// partFor is how long a connection is read after the client was told that it ends.
	partFor = time.Second
	// ageJitter is the part of max_connection_age by which it is longer or shorter.
	ageJitter = 0.1
)

// wait sets the deadline of the next read. between: it waits for a message to begin, so the connection may end there.
func (c *conn) wait(deadline time.Time, between bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.between = between
	if between && !c.leaveAt.IsZero() {
		end, last := time.Now().Add(quiet), c.leaveAt.Add(leaveGrace)
		if end.After(last) {
			end = last
		}
		if end.Before(c.leaveAt) {
			end = c.leaveAt
		}
		if end.Before(deadline) {
			deadline = end
		}
	}
	_ = c.raw.SetReadDeadline(deadline) // fails on a closed connection, as will Read
}

// leave makes the connection end at the given time, or after the message in hand. Safe for concurrent use.
func (c *conn) leave(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.leaveAt.IsZero() && c.leaveAt.Before(at) {
		return
	}
	c.leaveAt = at
	if c.between {
		_ = c.raw.SetReadDeadline(at)
	}
	if c.wake != nil {
		close(c.wake)
		c.wake = nil
	}
}

// leaving says whether it is time to end.
func (c *conn) leaving() bool { return c.leftBy(0) }

func (c *conn) leftBy(grace time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.leaveAt.IsZero() && !time.Now().Before(c.leaveAt.Add(grace))
}

// leaveBusy ends a connection that is never quiet, between two messages: the last has got its ack.
func (c *conn) leaveBusy() error {
	if most := c.server.limits().MaxMessages; most > 0 && c.messages >= most {
		c.leave(time.Now())
	}
	if c.w == c.r && !c.parting || !c.leftBy(leaveGrace) {
		return nil // it is still to be seen whether it is quiet
	}
	return c.part()
}

// part tells the client that the connection ends, if it can be told, and has what it sent before it knew read for a
// little longer. The second time it returns why the connection ends.
func (c *conn) part() error {
	half, ok := c.raw.(interface{ CloseWrite() error }) // both TCP and Unix sockets have it
	switch {
	case c.parting && time.Since(c.partedAt) < partFor:
		return nil
	case c.parting || !ok:
		return c.farewell()
	}
	c.parting, c.partedAt = true, time.Now()
	c.tracker.Parting()
	if t, ok := c.net.(*tls.Conn); ok {
		_ = c.raw.SetWriteDeadline(c.partedAt.Add(partFor)) // as below
		_ = t.CloseWrite()                                  // as below
	}
	_ = half.CloseWrite() // fails on a closed connection, as will Read
	return nil
}

// farewell is why a connection ended that the server wanted to end.
func (c *conn) farewell() error {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if c.server.draining.IsZero() {
		return errSpread
	}
	return errDrained
}

// pay charges what was stored to the cluster's rate, and sleeps where the cluster is over it: its agents wait for the
// server to read on. Meanwhile the connection holds no more memory than the beginning of a message needs.
func (c *conn) pay(ctx context.Context) error {
	if c.server.opts.Clusters == nil || c.unpaid == 0 {
		return nil
	}
	delay := c.server.opts.Clusters.Charge(c.cluster, c.unpaid)
	c.unpaid = 0
	if delay <= 0 {
		return nil
	}
	if err := c.shrink(ctx); err != nil {
		return err
	}
	wake := make(chan struct{})
	c.mu.Lock()
	c.between, c.wake = false, wake
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.wake = nil
	}()
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake: // it shall end soon, which is not the agent's doing: what is paid late is paid by the cluster's others
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}
