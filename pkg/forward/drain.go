package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// How a connection ends because the server wants it to: for its age, for the number of its messages, because the server
// stops. An agent without acks takes for sent what it wrote before it learnt of the end, so that is read to the last
// byte; an agent with acks sends again what it got none for. Best is to end while nothing is on its way.

const (
	// quiet is how long nothing may have come for a connection to end.
	quiet = 20 * time.Millisecond
	// drainGrace is how long a connection that is never quiet goes on after it should have ended.
	drainGrace = time.Second
	// drainFor is how long a connection is read after the client was told that it ends.
	drainFor = time.Second
	// ageJitter is the part of max_connection_age by which it is longer or shorter.
	ageJitter = 0.1
)

// drainState knows when a connection shall end, and has its goroutine notice: whether it reads or sleeps then.
type drainState struct {
	// setReadDeadline is the connection's. Its error is left to the next read.
	setReadDeadline func(time.Time) error

	mu sync.Mutex
	// armed is the deadline that is set; zero: none was.
	armed time.Time
	// between says that the connection waits for a message to begin.
	between bool
	// at is when it shall end, between messages; zero: not yet.
	at time.Time
	// wake is not nil while it sleeps: closed by end.
	wake chan struct{}

	// For the connection's goroutine alone.
	// told says that the client was told that the connection ends.
	told   bool
	toldAt time.Time
}

// read reads from nc once, until deadline. between: it waits for a message to begin, so the connection may end there:
// then the deadline is sooner. A deadline that was set for a read before stays where it is not later than this one's:
// when it comes it is set anew, so that busy connections set theirs once in a while, not for each message.
func (d *drainState) read(nc io.Reader, p []byte, deadline time.Time, between bool) (n int, err error) {
	for {
		until := d.wait(deadline, between)
		n, err = nc.Read(p)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !time.Now().Before(until) || between && d.due() {
			return n, err
		}
	}
}

// wait has the next read end at the deadline at the latest, or sooner where the connection shall end. It returns when.
func (d *drainState) wait(deadline time.Time, between bool) (until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	d.between = between
	if between && !d.at.IsZero() {
		end, last := now.Add(quiet), d.at.Add(drainGrace)
		if end.After(last) {
			end = last
		}
		if end.Before(d.at) {
			end = d.at
		}
		if end.Before(deadline) {
			deadline = end
		}
	}
	if !d.armed.After(now) || d.armed.After(deadline) {
		d.arm(deadline)
	}
	return deadline
}

// arm sets the connection's deadline.
func (d *drainState) arm(deadline time.Time) {
	d.armed = deadline
	// Fails on a closed connection, as will Read.
	_ = d.setReadDeadline(deadline)
}

// end makes the connection end at the given time, or after the message in hand. Safe for concurrent use.
func (d *drainState) end(at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.at.IsZero() && d.at.Before(at) {
		return
	}
	d.at = at
	if d.between {
		d.arm(at)
	}
	if d.wake != nil {
		close(d.wake)
		d.wake = nil
	}
}

// due reports whether it is time to end for a connection that is quiet.
func (d *drainState) due() bool { return d.dueSince(0) }

// overdue reports whether it is time to end for a connection that is never quiet.
func (d *drainState) overdue() bool { return d.dueSince(drainGrace) }

func (d *drainState) dueSince(grace time.Duration) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.at.IsZero() && !time.Now().Before(d.at.Add(grace))
}

// sleep waits for delay, or until the connection shall end soon. The error is ctx's.
func (d *drainState) sleep(ctx context.Context, delay time.Duration) error {
	wake := make(chan struct{})
	d.mu.Lock()
	d.between, d.wake = false, wake
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.wake = nil
	}()
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// telling notes that the client is told now that the connection ends.
func (d *drainState) telling() { d.told, d.toldAt = true, time.Now() }

// readsOn reports whether what the client sent before it knew of the end may still come.
func (d *drainState) readsOn() bool { return d.told && time.Since(d.toldAt) < drainFor }

// drainBusy ends a connection that is never quiet, between two messages: the last has got its ack.
func (c *conn) drainBusy() error {
	if most := c.server.limits().MaxMessages; most > 0 && c.messages >= most {
		c.drain.end(time.Now())
	}
	if c.in.size() == 0 && !c.drain.told || !c.drain.overdue() {
		// It is still to be seen whether it is quiet.
		return nil
	}
	return c.tellEnd()
}

// tellEnd tells the client that the connection ends, if it can be told, and has what it sent before it knew read for a
// little longer. The second time it returns why the connection ends.
func (c *conn) tellEnd() error {
	// Both TCP and Unix sockets have it.
	half, ok := c.socket.Conn.(interface{ CloseWrite() error })
	switch {
	case c.drain.readsOn():
		return nil
	case c.drain.told || !ok:
		return c.endCause()
	}
	c.drain.telling()
	c.tracker.Parting()
	if t, ok := c.net.(*tls.Conn); ok {
		// These fail on a closed connection, as will Read.
		_ = c.socket.SetWriteDeadline(c.drain.toldAt.Add(drainFor))
		_ = t.CloseWrite()
	}
	// Fails on a closed connection, as will Read.
	_ = half.CloseWrite()
	return nil
}

// endCause is why a connection ended that the server wanted to end.
func (c *conn) endCause() error {
	if c.server.conns.drains() {
		return errDrained
	}
	return errSpread
}

// pay charges what was stored to the cluster's rate, and sleeps where the cluster is over it: its agents wait for the
// server to read on. Meanwhile the connection holds no more memory than the beginning of a message needs.
func (c *conn) pay(ctx context.Context) error {
	if c.server.opts.Clusters == nil || c.unpaid == 0 {
		return nil
	}
	delay := c.server.opts.Clusters.Charge(c.client.cluster, c.unpaid)
	c.unpaid = 0
	if delay <= 0 {
		return nil
	}
	if err := c.shrink(ctx); err != nil {
		return err
	}
	// Where it shall end soon it sleeps no longer, which is not the agent's doing: what is paid late is paid by the
	// cluster's others.
	return c.drain.sleep(ctx, delay)
}
