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
	"time"

	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/refusal"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/socket"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/wire"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

const (
	// busyFor is how long after its last message a connection keeps buffer and batch, and lingerFor how long where they
	// are no more than lingerBytes and nobody lacks memory: agents that flush each second find them again.
	busyFor     = 100 * time.Millisecond
	lingerFor   = 2 * time.Second
	lingerBytes = 48 << 10
	// stallTimeout is how long a peer may send nothing within a message.
	stallTimeout = 30 * time.Second
	// ackTimeout is how long a peer may take at least to read its acks; it is twice as long at most.
	ackTimeout = 10 * time.Second
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

// conn is one client's connection. All but drain.end, peerGone and the socket's end is for its goroutine.
type conn struct {
	server *Server
	id     uint64
	// socket is as it was accepted.
	socket *socket.Socket
	// net is socket, or TLS over it.
	net    net.Conn
	client client
	place  place

	mem *ingest.Reservation
	in  receiveBuffer
	// frame is what is known of the message at the beginning of in.
	frame wire.Frame
	// came is when something was read last.
	came time.Time
	// late says that what is read may have waited for it for longer than goneAfter.
	late bool
	// anyByte says that a byte ever came.
	anyByte bool

	batch assembler
	// tracker is that of which acks the client has.
	tracker *resend.Tracker
	// messages counts those ever, as far as they are stored.
	messages int
	// unpaid counts bytes of messages that are stored and not charged to the cluster's rate yet.
	unpaid int64
	drain  drainState

	departure departure
	// ackBytes is room for acks.
	ackBytes []byte
	// writeBy is the deadline of writes; it is set anew only once it is near.
	writeBy time.Time
}

// client is who a connection comes from.
type client struct {
	// source is not valid for a Unix socket.
	source netip.AddrPort
	// proxy is that of who stands between, if anybody has told so.
	proxy net.Addr
	// hostname is what the client claims, "" where it claims none.
	hostname string
	cluster  string
}

// address returns the client's address as text, "" for a Unix socket.
func (c *client) address() string {
	if !c.source.IsValid() {
		return ""
	}
	return c.source.Addr().Unmap().String()
}

// place is what a connection takes of what there is for all.
type place struct {
	// preAuth is among the server's, under its mutex; nil: not there any more.
	preAuth *list.Element
	// madeRoom is why it had to end for another that has come, a reason of refusals.
	madeRoom string
	// admitted lets it out of its cluster.
	admitted func()
	// counted says that it is among its cluster's connections.
	counted bool
	// handover says that it is another aggregator's, which hands over its queue, and of no cluster.
	handover bool
	// ofSource says that it is among its source's.
	ofSource bool
	// agent is under the server's counters' mutex; nil: not remembered.
	agent *Agent
}

// serve reads messages, has them stored, and sends their acks, in this order, until the connection ends. An ack is
// only ever sent by store, after Batch.Commit has returned nil. The error says why it ended and is never nil.
func (c *conn) serve(ctx context.Context) error {
	size := ownBuffer
	if c.net != net.Conn(c.socket) {
		size = ownBufferTLS
	}
	c.in = newReceiveBuffer(c.mem, size)
	c.batch = assembler{
		from: origin{c.id, c.client.cluster, c.client.address(), c.client.hostname}, sink: c.server.opts.Sink,
		mem:    c.mem,
		codecs: c.server.codecs, maxDecompressed: func() int64 { return int64(c.server.limits().MaxDecompressedSize) },
	}
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	c.departure.gone, c.departure.leave = c.peerGone, func() { leave(errGone) }
	defer c.departure.end()
	for {
		err := c.read(ctx)
		if err != nil {
			return err
		}
		for more := true; more; {
			// Every whole message goes into the batch.
			more, err = c.parse(ctx)
			if e := c.store(ctx); e != nil {
				// What is not stored is not acked: the client sends it again.
				return e
			}
			if err != nil {
				// What stood before the fault is stored and acked.
				return err
			}
		}
		if err = c.pay(ctx); err != nil {
			return err
		}
		c.batch.trim()
		if err = c.in.trim(ctx); err != nil {
			return err
		}
	}
}

// parse takes the whole messages of the buffer into the batch. more: the batch has to be stored before the next.
func (c *conn) parse(ctx context.Context) (more bool, err error) {
	for c.in.size() > 0 && err == nil {
		b := c.in.bytes()
		if !c.frame.Begun() && b[0] == 0xc0 {
			// nil is a heartbeat.
			c.in.take(1)
			continue
		}
		var done bool
		if done, err = c.frame.Scan(b, int(c.server.limits().MaxMessageSize)); err != nil || !done {
			break
		}
		if err = c.take(ctx, b[:c.frame.Len()]); err != nil {
			break
		}
		if c.batch.full() {
			more = c.in.size() > 0
			break
		}
	}
	if e := c.batch.flush(ctx); err == nil {
		err = e
	}
	return more, err
}

// take takes the complete message b, which the frame has read, out of the buffer and into the batch.
func (c *conn) take(ctx context.Context, b []byte) error {
	m, err := wire.NewMessage(&c.frame, b)
	if err != nil {
		return err
	}
	if c.drain.told && m.WantsAck() {
		// Its ack could not be sent any more, so the client will send it again elsewhere.
		return c.endCause()
	}
	wanted := len(c.batch.acks)
	if err := c.batch.add(ctx, &m); err != nil {
		return err
	}
	if len(c.batch.acks) > wanted {
		c.tracker.Asked(c.in.size())
	}
	c.mem.Progressed(c.came)
	c.batch.counts.bytes += uint64(len(b))
	c.in.take(len(b))
	if rest := c.in.size(); rest > 0 {
		c.tracker.Begun(rest)
	}
	c.frame = wire.NewFrame()
	return nil
}

// store makes the batch durable, and then sends the acks, in order and each whole within one Write.
func (c *conn) store(ctx context.Context) error {
	if c.batch.empty() {
		return nil
	}
	acks, messages := len(c.batch.acks), c.batch.counts.total()
	c.tracker.Confirm(c.left)
	if acks > 0 {
		c.tracker.Storing(acks)
	}
	if c.late && acks == messages && c.peerGone() {
		// It has sent them again since, over another connection: that they are stored there may be settled already.
		c.batch.batch.Reset()
		return refusal.New(refusal.Store, "its messages are not stored and not acked: %w", errLeft)
	}
	c.late = false
	if acks > 0 {
		if c.peerGone() {
			c.server.opts.Sink.Gone(c.id)
		}
		c.server.peers.tell(c.batch.batch.Doubts(), c.server.opts.Sink)
	}
	if err := c.commit(ctx); err != nil {
		c.batch.batch.Reset()
		return refusal.New(refusal.Store, "its messages could not be stored, so they are not acked: %w", err)
	}
	c.batch.settleRoom()
	c.unpaid += int64(c.batch.counts.bytes)
	c.messages += messages
	c.server.count(c)
	if err := c.sendAcks(); err != nil {
		return err
	}
	return c.drainBusy()
}

// commit makes the batch durable. While the queue is full that takes as long as it takes. A client that has closed
// meanwhile sends again what it has no ack for, over another connection: its old ones end, or they would pile up until
// max_connections keeps out everybody.
func (c *conn) commit(ctx context.Context) error {
	if len(c.batch.acks) < c.batch.counts.total() {
		// What wants no ack is never sent again.
		return c.batch.batch.Commit(ctx)
	}
	c.departure.begin(time.Now())
	defer c.departure.done()
	err := c.batch.batch.Commit(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errGone) {
		return errGone
	}
	return err
}

// sendAcks sends the acks of what was just stored.
func (c *conn) sendAcks() error {
	if len(c.batch.acks) == 0 {
		return nil
	}
	failpoint.Pass("ack.before")
	c.socket.Due()
	c.tracker.Writing(c.socket.Unread())
	now := time.Now()
	c.mem.Progressed(now)
	c.mem.DependOnPeer()
	defer c.mem.DependOnNobody()
	if now.Add(ackTimeout).After(c.writeBy) {
		c.writeBy = now.Add(2 * ackTimeout)
		// Fails on a closed connection, as will Write.
		_ = c.socket.SetWriteDeadline(c.writeBy)
	}
	out := c.ackBytes[:0]
	for i, first := 0, 0; i < len(c.batch.acks); i++ {
		out = wire.AppendAck(out, c.batch.acks[i])
		last := i+1 == len(c.batch.acks)
		if len(out) < ackWrite && !last {
			continue
		}
		_, err := c.net.Write(out)
		if err == nil {
			err = c.socket.Flush(last)
		}
		if err != nil {
			return refusal.New(refusal.Ack, "its acks could not be sent: %w", err)
		}
		c.server.counters.acks.Add(uint64(i + 1 - first))
		c.server.counters.latency.Observe(time.Since(c.came), i+1-first)
		out, first = out[:0], i+1
	}
	if c.ackBytes = out; cap(out) > lingerBytes {
		c.ackBytes = nil
	}
	c.batch.acks = c.batch.acks[:0]
	failpoint.Pass("ack.sent")
	return nil
}

// read waits for more bytes. It returns without any when a connection that was busy turns idle.
func (c *conn) read(ctx context.Context) error {
	if err := c.in.prepare(ctx); err != nil {
		return err
	}
	partial := c.in.size() > 0
	idle := c.batch.idle() && !c.in.borrows()
	now := time.Now()
	c.late = c.late || !c.came.IsZero() && now.Sub(c.came) >= goneAfter
	var deadline time.Time
	between := true
	switch {
	case partial:
		c.mem.DependOnPeer()
		between, deadline = false, now.Add(stallTimeout)
	case c.drain.told:
		between, deadline = false, c.drain.toldAt.Add(drainFor)
	case idle:
		deadline = now.Add(c.server.limits().IdleTimeout)
	case c.holds() <= lingerBytes && c.mem.Roomy():
		deadline = now.Add(lingerFor)
	default:
		deadline = now.Add(busyFor)
	}
	n, err := c.drain.read(c.net, c.in.free(), deadline, between)
	c.came = time.Now()
	c.mem.DependOnNobody()
	if n > 0 {
		c.in.filled(n)
		c.tracker.Came(n, !partial)
		c.anyByte = true
		if partial {
			c.mem.Receive(c.came, n)
		} else {
			c.mem.Progressed(c.came)
		}
		// An error comes again.
		return nil
	}
	return c.readFault(err, partial, idle)
}

// readFault returns why the connection ends when a read has brought err instead of bytes; nil: it doesn't. partial: it
// was within a message; idle: nothing was held for it.
func (c *conn) readFault(err error, partial, idle bool) error {
	late := errors.Is(err, os.ErrDeadlineExceeded)
	switch {
	case c.mem.IsEvicted():
		return &refusal.Error{Reason: refusal.Memory, Err: ingest.ErrEvicted}
	case late && partial:
		return refusal.New(refusal.Stalled, "it stopped within a message for %v", stallTimeout)
	case late && c.drain.due():
		return c.tellEnd()
	case errors.Is(err, io.EOF) && c.drain.told && !partial:
		return c.endCause()
	case late && !idle:
		c.rest()
		return nil
	case late:
		return errIdle
	case !c.anyByte && tlsFault(err) == nil:
		return errProbe
	case errors.Is(err, io.EOF) && partial:
		return io.ErrUnexpectedEOF
	}
	return cmp.Or(tlsFault(err), err)
}

// holds returns how many bytes the connection has of the Budget.
func (c *conn) holds() int64 { return c.in.holds() + c.batch.holds() }

// shrink gives back what is not needed while the connection does nothing.
func (c *conn) shrink(ctx context.Context) error {
	c.batch.reset()
	if c.in.size() == 0 {
		c.rest()
		return nil
	}
	return c.in.shrink(ctx)
}

// rest gives everything back, for the time until the next message.
func (c *conn) rest() {
	c.in.reset()
	c.batch.reset()
	if t, ok := c.net.(*tls.Conn); ok {
		slimTLS(t)
	}
}

// lastTag is the tag of the message in hand, or of the last one.
func (c *conn) lastTag() string {
	return cmp.Or(c.frame.Tag(c.in.bytes()), c.batch.tag)
}

// end tells what became of the acks, and gives back what the connection holds.
func (c *conn) end(cause error) {
	c.rest()
	if errors.Is(cause, errDrained) || errors.Is(cause, net.ErrClosed) {
		// The server stops: after its next start what is not settled is unconfirmed.
		return
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
	case errors.Is(cause, io.EOF) && c.closedWell() && socket.AcksArrived(c.socket.Conn),
		errors.Is(cause, errSpread) && socket.AcksArrived(c.socket.Conn):
		return resend.Closed
	case errors.Is(cause, io.EOF), errors.Is(cause, errSpread):
		return resend.Left
	}
	return resend.Broken
}

// peerGone reports whether the client can't have the acks that are not settled, as it has closed the connection. It is
// safe for concurrent use.
func (c *conn) peerGone() bool { return c.socket.PeerGone(c.tracker) }

// left reports whether the client may have closed the connection with acks unread: nobody can tell which, or its end
// will.
func (c *conn) left() bool { return c.drain.told || c.peerGone() }
