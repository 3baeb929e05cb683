package forward

import (
	"cmp"
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

const (
	// ownBuffer is what a connection has of its own, in bytes: an idle one takes nothing from the Budget. With TLS it is
	// less, as there is a whole record before it.
	ownBuffer    = 4 << 10
	ownBufferTLS = 1 << 10
	// keepBuffer is the largest buffer that a busy connection keeps between two messages, in bytes.
	keepBuffer = 1 << 20
	// busyFor is how long after its last message a connection keeps buffer and batch.
	busyFor = 100 * time.Millisecond
	// stallTimeout is how long a peer may send nothing within a message.
	stallTimeout = 30 * time.Second
	// ackTimeout is how long a peer may take to read its acks.
	ackTimeout = 10 * time.Second
	// goneAfter is how long messages wait for room in the queue, or to be read while their cluster is over its rate, before
	// it matters whether their client is still there. One that only closed its sending side has that long to get its acks.
	goneAfter = 5 * time.Second
	// ackWrite is about how many bytes of acks go into one Write. No ack is ever split over two: fluentd and Fluent Bit
	// read once and do not put pieces together. They wait for an ack before they send the next message, so theirs is
	// alone in its Write; only a client that sent several messages without waiting gets their acks together.
	ackWrite = 16 << 10
	// maxBatch and maxAcks are when a batch is stored though the buffer holds more messages.
	maxBatch = 8 << 20
	maxAcks  = 1024
)

// How a connection ends in good order.
var (
	errProbe   = errors.New("closed before the first byte")
	errIdle    = errors.New("idle for too long")
	errDrained = errors.New("the server stops")
	errGone    = errors.New("the client closed the connection before its messages could be stored")
	errLeft    = errors.New("the client closed the connection before they were read")
	errSpread  = errors.New("max_connection_age or max_messages_per_connection")
)

// conn is one client's connection. All but leave is for its goroutine.
type conn struct {
	server   *Server
	raw      net.Conn       // as it was accepted
	door     door           // raw, and what is known of its beginning
	net      net.Conn       // door, or TLS over it
	source   netip.AddrPort // of the client, not valid for a Unix socket
	hostname string         // that the client claims; "": none
	proxy    net.Addr       // of who stands between, if anybody has told so
	id       uint64
	cluster  string
	tag      string // of the last message

	own   []byte
	buf   []byte // own, or from the Budget
	r, w  int    // buf[r:w] came and is not taken yet
	came  time.Time
	late  bool  // what is read may have waited for it for longer than goneAfter
	frame frame // what is known of the message at r
	mem   *ingest.Reservation

	batch    ingest.Batch // nil while idle
	held     int64        // charged for batch
	letters  int          // dead letters of the message begun last
	group    []byte       // the group start that its next entries belong to, nil outside a group
	acks     []string
	tracker  *resend.Tracker // of which acks the client has
	anything bool            // a byte ever came
	tally    tally
	messages int   // ever, as far as they are stored
	unpaid   int64 // bytes of messages that are stored and not charged to the cluster's rate yet

	scratch      []byte // room for entries made of Messages; nil while idle
	gathered     []byte // the first part of scratch: events of Messages of gatherTag that are not in the batch yet
	gatherTag    string
	gatherEvents int
	gatherNanos  bool

	mu      sync.Mutex
	between bool          // it waits for a next message
	leaveAt time.Time     // when it shall end, between messages; zero: not yet
	wake    chan struct{} // not nil while it sleeps: closed by leave

	parting  bool // it has told the client that it ends; see part
	partedAt time.Time

	place    *list.Element // among the server's atDoor, under its mutex; nil: not there any more
	madeRoom string        // why it had to end for another that has come, a reason of refusals
	admitted func()        // lets it out of its cluster
	counted  bool          // among its cluster's connections
	ofSource bool          // likewise, among its source's
}

// serve reads messages, has them stored, and sends their acks, in this order, until the connection ends. An ack is
// only ever sent by store, after Batch.Commit has returned nil. The error says why it ended and is never nil.
func (c *conn) serve(ctx context.Context) error {
	size := ownBuffer
	if c.net != &c.door {
		size = ownBufferTLS
	}
	c.own = make([]byte, size)
	c.buf = c.own
	for {
		err := c.read(ctx)
		if err != nil {
			return err
		}
		for more := true; more; {
			more, err = c.parse(ctx) // every whole message goes into the batch
			if e := c.store(ctx); e != nil {
				return e // not stored, so not acked: the client sends it again
			}
			if err != nil {
				return err // what stood before the fault is stored and acked
			}
		}
		if err = c.pay(ctx); err != nil {
			return err
		}
		if err = c.tidy(ctx); err != nil {
			return err
		}
	}
}

// parse takes the whole messages of the buffer into the batch. more: the batch has to be stored before the next.
func (c *conn) parse(ctx context.Context) (more bool, err error) {
	for c.r < c.w && err == nil {
		if !c.frame.begun() && c.buf[c.r] == 0xc0 {
			c.r++ // nil is a heartbeat
			continue
		}
		var done bool
		b := c.buf[c.r:c.w]
		if done, err = c.frame.scan(b, int(c.server.limits().MaxMessageSize)); err != nil || !done {
			break
		}
		wanted := len(c.acks)
		if err = c.take(ctx, &c.frame, b[:c.frame.pos]); err != nil {
			break
		}
		if len(c.acks) > wanted {
			c.tracker.Asked(c.w - c.r)
		}
		c.mem.Progressed(c.came)
		c.tally.bytes += uint64(c.frame.pos)
		c.r += c.frame.pos
		if c.r < c.w {
			c.tracker.Begun(c.w - c.r)
		}
		c.frame = newFrame()
		if len(c.acks) >= maxAcks || c.held >= maxBatch {
			more = c.r < c.w
			break
		}
	}
	if e := c.flush(ctx); err == nil {
		err = e
	}
	return more, err
}

// store makes the batch durable, and then sends the acks, in order and each whole within one Write.
func (c *conn) store(ctx context.Context) error {
	if c.batch == nil || c.tally.empty() {
		return nil
	}
	c.tracker.Confirm(c.left)
	if len(c.acks) > 0 {
		c.tracker.Storing(len(c.acks))
	}
	if c.late && len(c.acks) == c.tally.count() && c.acksLost() {
		// It has sent them again since, over another connection: that they are stored there may be settled already.
		c.batch.Reset()
		return refuse(reasonStore, "its messages are not stored and not acked: %w", errLeft)
	}
	c.late = false
	if len(c.acks) > 0 {
		if c.acksLost() {
			c.server.opts.Sink.Gone(c.id)
		}
		c.server.peers.tell(c.batch.Doubts(), c.server.opts.Sink)
	}
	if err := c.commit(ctx); err != nil {
		c.batch.Reset()
		return refuse(reasonStore, "its messages could not be stored, so they are not acked: %w", err)
	}
	c.settleRoom()
	c.unpaid += int64(c.tally.bytes)
	c.messages += c.tally.count()
	c.server.count(c)
	if err := c.sendAcks(); err != nil {
		return err
	}
	return c.leaveBusy()
}

// commit makes the batch durable. While the queue is full that takes as long as it takes. A client that has closed
// meanwhile sends again what it has no ack for, over another connection: its old ones end, or they would pile up until
// max_connections keeps out everybody.
func (c *conn) commit(ctx context.Context) error {
	if len(c.acks) < c.tally.count() {
		return c.batch.Commit(ctx) // what wants no ack is never sent again
	}
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	watch := time.AfterFunc(goneAfter, func() {
		defer close(ended)
		c.watch(ctx, cancel)
	})
	err := c.batch.Commit(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errGone) {
		err = errGone
	}
	cancel(nil)
	if !watch.Stop() {
		<-ended
	}
	return err
}

// watch calls gone once the client has closed the connection. It returns then, or when ctx ends.
func (c *conn) watch(ctx context.Context, gone context.CancelCauseFunc) {
	tick := time.NewTicker(goneAfter)
	defer tick.Stop()
	for !c.acksLost() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
	gone(errGone)
}

// sendAcks sends the acks of what was just stored.
func (c *conn) sendAcks() error {
	if len(c.acks) == 0 {
		return nil
	}
	failpoint.Pass("ack.before")
	c.tracker.Writing(unread(c.raw))
	now := time.Now()
	c.mem.Progressed(now)
	c.mem.DependOnPeer()
	defer c.mem.DependOnNobody()
	_ = c.raw.SetWriteDeadline(now.Add(ackTimeout)) // fails on a closed connection, as will Write
	var out []byte
	for i, first := 0, 0; i < len(c.acks); i++ {
		out = appendAck(out, c.acks[i])
		if len(out) < ackWrite && i+1 < len(c.acks) {
			continue
		}
		if _, err := c.net.Write(out); err != nil {
			return refuse(reasonAck, "its acks could not be sent: %w", err)
		}
		c.server.counters.acks.Add(uint64(i + 1 - first))
		c.server.counters.latency.Observe(time.Since(c.came), i+1-first)
		out, first = out[:0], i+1
	}
	c.acks = c.acks[:0]
	failpoint.Pass("ack.sent")
	return nil
}

// appendAck appends {"ack": chunk}, with the chunk as a str of the same bytes.
func appendAck(dst []byte, chunk string) []byte {
	dst = append(dst, 0x81, 0xa3, 'a', 'c', 'k')
	switch n := len(chunk); {
	case n < 32:
		dst = append(dst, 0xa0|byte(n))
	case n < 1<<8:
		dst = append(dst, 0xd9, byte(n))
	case n < 1<<16:
		dst = append(dst, 0xda, byte(n>>8), byte(n))
	default:
		dst = append(dst, 0xdb, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(dst, chunk...)
}

// read waits for more bytes. It returns without any when a connection that was busy turns idle.
func (c *conn) read(ctx context.Context) error {
	if err := c.fit(ctx); err != nil {
		return err
	}
	partial := c.w > c.r
	idle := c.batch == nil && len(c.buf) == len(c.own)
	now := time.Now()
	c.late = c.late || !c.came.IsZero() && now.Sub(c.came) >= goneAfter
	switch {
	case partial:
		c.mem.DependOnPeer()
		c.wait(now.Add(stallTimeout), false)
	case c.parting:
		c.wait(c.partedAt.Add(partFor), false)
	case idle:
		c.wait(now.Add(c.server.limits().IdleTimeout), true)
	default:
		c.wait(now.Add(busyFor), true)
	}
	n, err := c.net.Read(c.buf[c.w:])
	c.came = time.Now()
	c.mem.DependOnNobody()
	if n > 0 {
		c.w += n
		c.tracker.Came(n, !partial)
		c.anything = true
		if partial {
			c.mem.Receive(c.came, n)
		} else {
			c.mem.Progressed(c.came)
		}
		return nil // an error comes again
	}
	switch {
	case c.mem.IsEvicted():
		return &refusal{reason: reasonMemory, err: ingest.ErrEvicted}
	case errors.Is(err, os.ErrDeadlineExceeded) && partial:
		return refuse(reasonStalled, "it stopped within a message for %v", stallTimeout)
	case errors.Is(err, os.ErrDeadlineExceeded) && c.leaving():
		return c.part()
	case errors.Is(err, io.EOF) && c.parting && !partial:
		return c.farewell()
	case errors.Is(err, os.ErrDeadlineExceeded) && !idle:
		c.rest()
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errIdle
	case !c.anything && tlsFault(err) == nil:
		return errProbe
	case errors.Is(err, io.EOF) && partial:
		return io.ErrUnexpectedEOF
	}
	return cmp.Or(tlsFault(err), err)
}

// lastTag is the tag of the message in hand, or of the last one.
func (c *conn) lastTag() string {
	if f := &c.frame; f.tag.to > 0 && c.r+f.tag.to <= c.w {
		return string(f.tag.of(c.buf[c.r:]))
	}
	return c.tag
}

// end tells what became of the acks, and gives back what the connection holds.
func (c *conn) end(cause error) {
	c.rest()
	if errors.Is(cause, errDrained) || errors.Is(cause, net.ErrClosed) {
		return // the server stops: after its next start what is not settled is unconfirmed
	}
	c.tracker.Confirm(c.left)
	if c.tracker.Unsettled() {
		c.tracker.End(c.endOf(cause))
	}
}

// endOf says what kind of end the connection came to.
func (c *conn) endOf(cause error) resend.End {
	switch {
	case errors.Is(cause, errIdle):
		return resend.Idle
	case errors.Is(cause, io.EOF) && c.closedWell() && acksArrived(c.raw), errors.Is(cause, errSpread) && acksArrived(c.raw):
		return resend.Closed
	case errors.Is(cause, io.EOF), errors.Is(cause, errSpread):
		return resend.Left
	}
	return resend.Broken
}

// acksLost says whether the client can't have the acks that are not settled, as it has closed the connection. It is safe for
// concurrent use.
func (c *conn) acksLost() bool { return acksLost(&c.door, c.tracker.Written()) }

// left says whether the client may have closed the connection with acks unread: nobody can tell which, or its end will.
func (c *conn) left() bool { return c.parting || c.acksLost() }

// closedWell says whether the peer, which has ended its side, did so in good order below TLS as well: one that closes with
// an ack unread first says the end of TLS, and then resets the connection, a moment later.
func (c *conn) closedWell() bool {
	if _, secure := c.net.(*tls.Conn); !secure {
		return true
	}
	_ = c.raw.SetReadDeadline(time.Now().Add(partFor)) // an error: the read has it too
	n, err := c.raw.Read(make([]byte, 1))
	return n > 0 || errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded)
}
