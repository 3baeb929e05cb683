// Package forward sends events to other Forward servers: an aggregator, fluentd or Fluent Bit.
//
// # What is sent
//
// The events of one stored chunk, as far as a batch has them, are one PackedForward message, cut where
// it would be larger than max_message_size. Records stay as they are, byte for byte; nothing is added.
// A message's chunk id is made of its events' ids alone: sent again, by whichever worker, to whichever
// server, also after a restart, the same events are the same chunk, and a receiver that knows it
// doesn't store it twice.
//
// # When an event is delivered
//
// With acks, when the server has acknowledged the message that holds it. A connection carries one
// message at a time, so that a server knows which ack may have got lost: that of the last one. Several
// messages go at once over several connections. Without acks, each message has a connection of its
// own and is delivered when the server has read it to its end and closes.
//
// # Failures
//
// A message that is not delivered is a failure of its own events, and of those that follow in the same
// chunk: these are not tried, so that they keep their order and the next try cuts them the same way.
// A server that can't be reached or refuses the login is passed over at once for the next one. A
// connection that breaks with a message under way leaves open whether the server has it, so no other
// server gets the message before the next try; but when the connection had been idle, it may just have
// been closed in the meantime, and the same server gets the message once more over a new one. Where no
// server can be reached, the rest of the batch fails without being tried.
//
// A server that takes a message and does not acknowledge it holds up no others where another server is fit: after a
// second the Send goes on without it, no further message goes there, and its events are named as in flight until the
// ack comes or its time is over.
package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Options is what the output needs besides its settings.
type Options struct {
	// Hostname is what self_hostname is by default; "": the host's name.
	Hostname string
	// TLS returns the settings for a connection to host, for each anew. nil: plain connections.
	TLS func(host string) *tls.Config
	Log zerolog.Logger

	// connect is the network's where it is nil.
	connect func(ctx context.Context, network, address string) (net.Conn, error)
}

// Output is a destination of Forward servers. It satisfies outputs.Output and Reporter.
type Output struct {
	cfg Config
	// timeout is for one Send.
	timeout time.Duration
	// lastWord is how long Connect waits for what a server says to a client that leaves.
	lastWord time.Duration
	compress string
	// target is the servers' names: which of them has an event is not the event's to say.
	target  string
	tag     *event.Template
	tls     func(host string) *tls.Config
	servers *servers
	flights *flights
	// messages has *message.
	messages sync.Pool
}

// New returns an output. It connects to no server before the first Send. Settings with tls need Options.TLS.
func New(cfg Config, opts Options) (*Output, error) {
	tag, err := event.ParseTemplate(cfg.Tag)
	if err != nil {
		return nil, fmt.Errorf("tag: %w", err)
	}
	if (cfg.TLS != nil) != (opts.TLS != nil) {
		return nil, errors.New("tls: set it in the settings and in the options, or in neither")
	}
	o := &Output{
		cfg: cfg, timeout: cfg.Settings().Timeout, lastWord: lastWord, compress: cfg.Compression, tag: tag,
		tls:      opts.TLS,
		messages: sync.Pool{New: func() any { return new(message) }},
		servers: &servers{
			log: opts.Log, idleTimeout: cfg.IdleTimeout, maxAge: cfg.MaxConnectionAge,
			maxRest: cfg.Settings().Retry.Max,
		},
	}
	if cfg.Compression == compressionNone {
		o.compress = ""
	}
	o.flights = newFlights(cfg.Settings().Workers * max(cfg.Connections, 1))
	var login *client.Login
	if cfg.SharedKey.IsSet() {
		login = &client.Login{
			SharedKey: cfg.SharedKey.Reveal(), Hostname: cfg.SelfHostname, User: cfg.Username,
			Password: cfg.Password.Reveal(),
		}
		if login.Hostname == "" {
			login.Hostname = opts.Hostname
		}
	}
	for _, s := range cfg.Servers {
		to := client.Config{
			Address: s.Address, Login: login, DialTimeout: cfg.ConnectTimeout, Timeout: cfg.ackTimeout(),
			Connect: opts.connect,
		}
		if err := to.Check(); err != nil {
			return nil, fmt.Errorf("servers: %w", err)
		}
		o.servers.all = append(o.servers.all, &server{Server: s, cfg: to})
	}
	o.target = targetOf(&cfg)
	return o, nil
}

// Report returns which servers work.
func (o *Output) Report() outputs.Report { return outputs.Report{Hosts: o.servers.report()} }

// maxTarget bounds a target's name, in bytes.
const maxTarget = 200

// targetOf returns the name of the servers together, which is the output's one target.
func targetOf(cfg *Config) string {
	addresses := make([]string, len(cfg.Servers))
	for i := range cfg.Servers {
		addresses[i] = cfg.Servers[i].Address
	}
	name := strings.Join(addresses, ", ")
	if len(name) > maxTarget {
		name = fmt.Sprintf("%s and %d more", addresses[0], len(addresses)-1)
	}
	return name
}

// AppendTarget satisfies outputs.Targeter: events go to whichever server works.
func (o *Output) AppendTarget(dst []byte, _ *event.Event) []byte { return append(dst, o.target...) }

// WholeChunks implements outputs.WholeChunker: messages are named by their events.
func (o *Output) WholeChunks() bool { return true }

// Close ends messages on their way and closes the connections.
func (o *Output) Close() error {
	o.flights.close()
	return o.servers.close()
}

// RetryNow has servers that rest tried at once.
func (o *Output) RetryNow() { o.servers.tryNow() }

// Send sends the events of b, chunk by chunk, over as many connections as the settings allow, and for
// as long as timeout.
func (o *Output) Send(ctx context.Context, b *outputs.Batch) error {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	s := &sending{Output: o, batch: b, events: b.Events}
	b.CountAll(o.target)
	var lanes sync.WaitGroup
	for range o.lanes(b.Events) - 1 {
		lanes.Go(func() { s.lane(ctx) })
	}
	s.lane(ctx)
	lanes.Wait()
	return s.result()
}

// lanes returns how many connections can be of use for events, 1 at least.
func (o *Output) lanes(events []event.Event) int {
	chunks := 1
	for i := 1; i < len(events) && chunks < o.cfg.Connections; i++ {
		if !events[i].SameOrigin(&events[i-1]) {
			chunks++
		}
	}
	return chunks
}

// sending is one Send.
type sending struct {
	*Output
	batch *outputs.Batch
	// events are the batch's.
	events []event.Event

	mu sync.Mutex
	// next is the first event that no lane has taken.
	next int
	// stopped says that no server can be reached: nothing more is tried.
	stopped  *fault
	failed   []outputs.Failure
	dominant *fault
}

// fault is why a message was not delivered.
type fault struct {
	reason outputs.Reason
	// unreachable says that no server is: other messages would not fare better.
	unreachable bool
	err         error
}

// inFlight reports whether f is no failure yet: the message is on its way.
func (f *fault) inFlight() bool { return f.reason == outputs.ReasonPaced }

// lane sends one chunk's events after the other's until all are taken.
func (s *sending) lane(ctx context.Context) {
	m := s.messages.Get().(*message)
	defer s.messages.Put(m)
	for {
		from, to, stopped := s.take()
		switch {
		case from == to:
			return
		case stopped != nil:
			s.fail(from, to, stopped)
		default:
			if n, f := s.chunk(ctx, m, s.events[from:to]); f != nil {
				s.fail(from+n, to, f)
			}
		}
	}
}

// take returns the next events of one chunk and tag, none at the end, and why not to try them.
func (s *sending) take() (from, to int, stopped *fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from = s.next
	for s.next < len(s.events) && s.events[s.next].SameOrigin(&s.events[from]) {
		s.next++
	}
	return from, s.next, s.stopped
}

func (s *sending) fail(from, to int, f *fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	detail := f.err.Error()
	for i := from; i < to; i++ {
		s.failed = append(s.failed, outputs.Failure{
			Index: i, Reason: f.reason, Detail: detail, Target: s.target, InFlight: f.inFlight(),
		})
	}
	if f.unreachable {
		s.stopped = f
	}
	if s.dominant == nil || s.dominant.inFlight() ||
		f.reason == outputs.ReasonAuth && s.dominant.reason != outputs.ReasonAuth {
		s.dominant = f
	}
}

// result returns Send's error.
func (s *sending) result() error {
	if len(s.failed) == 0 {
		return nil
	}
	se := &outputs.SendError{Reason: s.dominant.reason, Err: s.dominant.err}
	inFlight := func(f outputs.Failure) bool { return f.InFlight }
	if slices.ContainsFunc(s.failed, inFlight) {
		se.RetryAfter = askEvery
	}
	if len(s.failed) < len(s.events) || se.RetryAfter > 0 ||
		slices.ContainsFunc(s.failed, func(f outputs.Failure) bool { return f.Reason != se.Reason }) {
		slices.SortFunc(s.failed, func(a, b outputs.Failure) int { return a.Index - b.Index })
		se.Failed = s.failed
	}
	return se
}

// chunk sends events, which are of one chunk and tag, and returns how many were delivered before a message failed.
func (o *Output) chunk(ctx context.Context, m *message, events []event.Event) (delivered int, f *fault) {
	m.tag = o.tag.Append(m.tag[:0], &events[0], nil)
	for delivered < len(events) {
		n := m.fill(events[delivered:], int(o.cfg.MaxMessageSize), o.cfg.Metadata == metadataKeep)
		wire := client.Message{Tag: string(m.tag), Entries: m.entries, Events: n, Compress: o.compress}
		id := m.chunkID(n)
		if o.cfg.Ack {
			wire.Chunk = id
		}
		var err error
		if m.frame, err = m.encoder.Append(m.frame[:0], &wire); err != nil {
			return delivered, &fault{
				reason: outputs.ReasonServer, err: fmt.Errorf("make a message of %d events: %w", n, err),
			}
		}
		if f := o.send(ctx, m, wire.Tag+"\x00"+id, wire.Chunk); f != nil {
			return delivered, f
		}
		delivered += n
	}
	return delivered, nil
}

// deliver carries one frame to a server, whose flight it is.
func (o *Output) deliver(ctx context.Context, one *flight, frame []byte, chunk string) *fault {
	var tried []*server
	var errs []error
	reason := outputs.ReasonNetwork
	for ctx.Err() == nil {
		to := o.servers.pick(tried)
		if to == nil {
			return &fault{reason: reason, unreachable: true, err: errors.Join(errs...)}
		}
		o.servers.fliesTo(one, to)
		conn := o.servers.reuse(to)
		if conn != nil {
			err := o.exchange(ctx, conn, frame, chunk)
			if err == nil {
				return nil
			}
			if ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
				return o.lost(ctx, to, err)
			}
		}
		conn, err := o.servers.open(ctx, to, o.tls)
		if err == nil {
			if err = o.exchange(ctx, conn, frame, chunk); err == nil {
				return nil
			}
			return o.lost(ctx, to, err)
		}
		if ctx.Err() != nil {
			return o.lost(ctx, to, err)
		}
		o.servers.failed(to, err)
		tried, errs = append(tried, to), append(errs, err)
		if reasonOf(err) == outputs.ReasonAuth {
			reason = outputs.ReasonAuth
		}
	}
	return &fault{
		reason: reason, err: errors.Join(append(errs, fmt.Errorf("send to a server: %w", context.Cause(ctx)))...),
	}
}

// lost judges a server by the failure of a message that may have reached it, unless the failure is ctx's end.
func (o *Output) lost(ctx context.Context, to *server, err error) *fault {
	if ctx.Err() != nil {
		o.servers.undecided(to)
	} else {
		o.servers.failed(to, err)
	}
	return &fault{reason: reasonOf(err), err: &saidError{err}}
}

// exchange returns nil once the server at the other end of conn has the frame, by its ack of chunk or, without
// acks, by its orderly close. It takes conn over.
func (o *Output) exchange(ctx context.Context, conn *connection, frame []byte, chunk string) error {
	err := conn.Write(ctx, frame)
	switch {
	case err != nil:
	case chunk != "":
		err = conn.ReadAck(ctx, chunk)
	default:
		err = conn.Finish(ctx)
	}
	if err != nil || chunk == "" {
		closeAll([]*connection{conn})
	} else {
		o.servers.keep(conn)
	}
	if err == nil {
		o.servers.works(conn.server)
	}
	return err
}

// saidError is err with the server's words marked as such.
type saidError struct{ err error }

func (e *saidError) Error() string { return said(e.err.Error()) }
func (e *saidError) Unwrap() error { return e.err }

// said marks in the text of an error what the server said when it refused the login: everybody may see the reasons that
// fluentd, Fluent Bit and this program give, and none of another's words.
func said(text string) string {
	i := strings.Index(text, saysWords)
	if i < 0 {
		return text
	}
	words, public := text[i:], ""
	for _, known := range []string{"shared_key mismatch", "username/password mismatch", "shared key mismatch"} {
		if strings.HasPrefix(words, saysWords+strconv.Quote(known)) {
			public = words
		}
	}
	return strings.TrimSuffix(text[:i], ": ") + outputs.Words(": "+words, strings.TrimSuffix(": "+public, ": "))
}

// saysWords is what the Forward client puts before the words of a server that refuses it.
const saysWords = "the server says "

// reasonOf tells what time can heal from what needs the operator: keys, users and certificates.
func reasonOf(err error) outputs.Reason {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	op, ok := errors.AsType[*net.OpError](err)
	// How crypto/tls says that the other side sent an alert.
	refused := ok && op.Op == "remote error"
	if untrusted || refused || errors.Is(err, client.ErrLogin) {
		return outputs.ReasonAuth
	}
	return outputs.ReasonNetwork
}
