package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/bind"
	"github.com/seed-afc6a195/aggregator/internal/heartbeat"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/refusal"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/socket"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/wire"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
	"github.com/seed-afc6a195/aggregator/pkg/resend"
)

const (
	// drainSpread is the time over which a stopping server ends its idle connections, so that their clients do not
	// all come to the next server at once.
	drainSpread = 3 * time.Second
	// maxTagLogged is how much of a tag a log line shows, in bytes.
	maxTagLogged = 256
	// maxAcceptPause is the longest wait after accept failed, as it does when files run out.
	maxAcceptPause = time.Second
)

// Options is what a Server needs. Sink and Budget are required, TLS where Config.TLS is set.
type Options struct {
	Config
	// Hostname is what PONG says; "": aggregator.
	Hostname string
	// Clusters may be shared by several servers; nil: everything belongs to the cluster "default".
	Clusters Clusters
	// TLS is asked for the certificates of each connection, and never changed.
	TLS  *tls.Config
	Sink ingest.Sink
	// Budget may be shared by several servers.
	Budget *ingest.Budget
	// Places is shared by the servers of a process; nil: max_connections alone bounds connections.
	Places *Places
	// Handover serves who logs in with the key for handovers; nil: nobody may.
	Handover Handover
	// Listener is what to accept from in place of binding the address, and Packets what to answer heartbeats on; nil:
	// they are bound. They are closed with the server.
	Listener net.Listener
	Packets  net.PacketConn
	// Peers is shared by servers whose clients may send again to one what they sent to another; nil: its own.
	Peers *Peers
	Log   zerolog.Logger
}

// Server is one listener. See the package's comment for what it accepts and promises.
type Server struct {
	// opts are what was given, but for what SetLimits changes.
	opts    Options
	current atomic.Pointer[Config]
	// configured is at the start.
	configured Config
	listener   net.Listener
	// udp may be nil without heartbeats.
	udp      net.PacketConn
	codecs   *codecs
	peers    *Peers
	counters counters
	logs     *refusal.Log
	// slow counts refused logins that wait for their answer.
	slow atomic.Int32
	// proxies are whose PROXY headers are believed.
	proxies []netip.Prefix
	// beat is that of the goroutine that accepts.
	beat heartbeat.Loop
	// firstID is that of connections, random: ids are told apart over several servers and restarts.
	firstID uint64

	conns   connections
	running sync.WaitGroup
	// ctx ends when connections are cut.
	ctx    context.Context
	cancel context.CancelFunc
	// serving says that Serve was called.
	serving atomic.Bool
	// served is closed when Serve returns.
	served chan struct{}
}

func newServer(ctx context.Context, opts Options) *Server {
	s := &Server{
		opts: opts, codecs: newCodecs(), conns: newConnections(), served: make(chan struct{}), firstID: rand.Uint64(),
		logs: refusal.NewLog(), counters: newCounters(),
	}
	if s.peers = opts.Peers; s.peers == nil {
		s.peers = NewPeers()
	}
	s.configured = opts.Config
	s.current.Store(&opts.Config)
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	// Config.Check refuses what is none.
	s.proxies, _ = parseNetworks(opts.TrustedProxies)
	return s
}

// Listen binds the address, and the same UDP port where heartbeats are answered. Port 0 takes a free one. What is left
// of a Unix socket on which nobody listens any more is removed.
func Listen(ctx context.Context, opts Options) (*Server, error) {
	if opts.Config.TLS != nil && opts.TLS == nil {
		return nil, fmt.Errorf("listener %s: it shall speak TLS and was given no certificate", opts.Name)
	}
	s := newServer(ctx, opts)
	var (
		lc  net.ListenConfig
		err error
	)
	if opts.Listener != nil {
		err = s.inherit(ctx, &lc)
	} else if path, ok := strings.CutPrefix(opts.Address, "unix:"); ok {
		if err = socket.RemoveStale(ctx, path); err == nil {
			s.listener, err = lc.Listen(ctx, "unix", path)
		}
	} else {
		s.listener, s.udp, err = socket.ListenTCP(ctx, &lc, opts.Address, opts.UDPHeartbeat)
		if err == nil {
			s.opts.Address = s.listener.Addr().String()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("listener %s: listening on %s: %w", opts.Name, opts.Address,
			bind.Advise(err, opts.Address, "listeners[].address"))
	}
	return s, nil
}

// inherit takes the sockets that the process was given. Heartbeats, of TCP's listeners, have a port of their own where
// none was given for them.
func (s *Server) inherit(ctx context.Context, lc *net.ListenConfig) (err error) {
	s.listener, s.udp = s.opts.Listener, s.opts.Packets
	bound := s.listener.Addr()
	if bound.Network() == "unix" {
		return nil
	}
	if socket.OnLoopback(s.opts.Address) && !socket.OnLoopback(bound.String()) {
		// Who may send here was decided for agents of this machine.
		return errors.Join(fmt.Errorf("the socket that the program was given is at %s, where others reach it, and "+
			"address says "+
			"loopback: write the socket's in its place, and who may send there (clusters, or allow_anonymous)", bound),
			s.listener.Close())
	}
	s.opts.Address = bound.String()
	if s.udp == nil && s.opts.UDPHeartbeat {
		if s.udp, err = lc.ListenPacket(ctx, "udp", s.opts.Address); err != nil {
			return fmt.Errorf("UDP heartbeats (udp_heartbeat: false turns them off): %w", err)
		}
	}
	return nil
}

// limits returns the settings in force, see SetLimits.
func (s *Server) limits() *Config { return s.current.Load() }

// SetLimits puts the limits, time-outs and clusters of c in force: for connections, from their next message on; a
// changed max_connection_age for new ones. It returns whether c says something else that can't change while the server
// listens.
func (s *Server) SetLimits(c Config) (rest bool) {
	next := s.configured
	next.Clusters, next.AllowAnonymous = c.Clusters, c.AllowAnonymous
	next.MaxConnections, next.MaxConnectionsPerSource = c.MaxConnections, c.MaxConnectionsPerSource
	next.MaxConnectionAge, next.MaxMessages = c.MaxConnectionAge, c.MaxMessages
	next.HandshakeTimeout, next.IdleTimeout = c.HandshakeTimeout, c.IdleTimeout
	next.Handover = c.Handover
	next.MaxMessageSize, next.MaxDecompressedSize = c.MaxMessageSize, c.MaxDecompressedSize
	s.current.Store(&next)
	return !reflect.DeepEqual(next, c)
}

// Beat returns what the goroutine is at that accepts connections.
func (s *Server) Beat() heartbeat.Beat {
	return heartbeat.Beat{Loop: "listener " + s.opts.Name, State: s.beat.State()}
}

// Addr returns the address that the server is bound to.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve accepts connections until Shutdown, or until ctx ends, which cuts all connections. It returns once all its
// goroutines have, nil after either.
func (s *Server) Serve(ctx context.Context) error {
	s.serving.Store(true)
	defer close(s.served)
	defer s.cancel()
	stop := context.AfterFunc(ctx, s.cut)
	defer stop()
	if s.udp != nil {
		s.running.Go(func() { socket.AnswerHeartbeats(s.udp) })
	}
	err := s.accept()
	s.closeListeners()
	s.running.Wait()
	return err
}

// Shutdown ends the server: it takes no new connections, lets each finish the message in hand, and ends it between two
// messages, a little spread over time. When ctx ends, what is left is cut. It returns after Serve has, nil if nothing
// had to be cut.
func (s *Server) Shutdown(ctx context.Context) error {
	spread := drainSpread
	if deadline, ok := ctx.Deadline(); ok {
		spread = min(spread, time.Until(deadline)/2)
	}
	s.conns.drain(spread)
	s.closeListeners()
	if !s.serving.Load() {
		return nil
	}
	select {
	case <-s.served:
		return nil
	case <-ctx.Done():
	}
	s.cut()
	<-s.served
	return fmt.Errorf("listener %s: connections were cut: %w", s.opts.Name, context.Cause(ctx))
}

func (s *Server) closeListeners() {
	// Closing it twice is no harm.
	_ = s.listener.Close()
	if s.udp != nil {
		_ = s.udp.Close()
	}
}

// cut closes everything at once.
func (s *Server) cut() {
	s.cancel()
	s.closeListeners()
	s.conns.cut()
}

// accept takes connections until the listener is closed.
func (s *Server) accept() error {
	pause := time.Duration(0)
	defer s.beat.Rest()
	for {
		s.beat.Rest()
		nc, err := s.listener.Accept()
		s.beat.Turn()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			// Files run out, for instance: it passes.
			pause = min(max(2*pause, 5*time.Millisecond), maxAcceptPause)
			s.countRefused(refusal.Accept, netip.Addr{}, "", err)
			if ok, leftOut := s.logs.Allow(refusal.Accept, "", time.Now()); ok {
				s.opts.Log.Error().Err(err).Str("listener", s.opts.Name).Uint64("left_out", leftOut).
					Msg("can't accept connections")
			}
			s.beat.Rest()
			select {
			case <-time.After(pause):
			case <-s.ctx.Done():
				return nil
			}
		default:
			pause = 0
			// Whether there is a place is decided here, so that no burst holds more descriptors than there are places.
			if c := s.admit(nc); c != nil {
				s.running.Go(func() { s.handle(c) })
			}
		}
	}
}

// admit makes a connection of nc; nil: there was no place for it, which is reported, and nc is closed.
func (s *Server) admit(nc net.Conn) *conn {
	id := s.firstID + s.counters.connections.Add(1)
	c := &conn{
		server: s, id: id, socket: socket.New(nc), client: client{source: sourceOf(nc.RemoteAddr())},
		frame: wire.NewFrame(),
	}
	c.net = c.socket
	c.drain.setReadDeadline = nc.SetReadDeadline
	c.tracker = resend.NewTracker(func(commits int, received bool) { s.opts.Sink.Settle(id, commits, received) })
	if reason := s.conns.enter(c, s.limits(), s.opts.Places); reason != "" {
		err := refusal.New(reason, "%s", s.full(reason))
		// Nothing was said on it.
		_ = nc.Close()
		// Beside this: nobody may read the log.
		s.running.Go(func() { s.report(c, err) })
		return nil
	}
	if s.ctx.Err() != nil {
		// Cut was called before it was among the connections.
		_ = nc.Close()
	}
	c.mem = s.opts.Budget.Reserve(func() { _ = nc.Close() })
	return c
}

// handle serves one connection to its end.
func (s *Server) handle(c *conn) {
	defer func() { _ = c.net.Close() }()
	defer s.conns.exit(c, s.opts.Places)
	s.peers.add(c)
	defer s.peers.remove(c)
	defer c.close()
	err := c.open(s.ctx)
	if !s.conns.loggedIn(c) {
		err = refusal.New(c.place.madeRoom,
			"it was the one longest without a login when there was no room for another: %s", s.full(c.place.madeRoom))
	}
	if err == nil {
		if c.place.handover {
			err = c.handOver(s.ctx)
		} else {
			err = c.serve(s.ctx)
		}
	}
	s.report(c, err)
	c.end(err)
}

// full says which limit the reason of a refusal is about.
func (s *Server) full(reason string) string {
	if reason == refusal.Files {
		return fmt.Sprintf(
			"all listeners have %d connections, and the process may open no more files; raise its limit "+
				"(LimitNOFILE=, ulimit -n)", s.opts.Places.Limit(),
		)
	}
	return fmt.Sprintf("there are %d already, which is max_connections", s.limits().MaxConnections)
}

// report counts and logs why a connection ended, where that is worth it.
func (s *Server) report(c *conn, err error) {
	var r *refusal.Error
	switch {
	case errors.Is(err, errProbe):
		s.counters.probes.Add(1)
		return
	//nolint:errorlint // a bare EOF is an end between two messages
	case s.ctx.Err() != nil || errors.Is(err, errDrained) || errors.Is(err, errSpread) || errors.Is(err, errIdle) ||
		err == io.EOF:
		return
	case !errors.As(err, &r):
		if c.in.size() == 0 {
			// A reset between two messages.
			return
		}
		r = &refusal.Error{Reason: refusal.Lost, Err: fmt.Errorf("the connection broke within a message: %w", err)}
	}
	s.countRefused(r.Reason, c.client.source.Addr(), c.client.hostname, r)
	peer := c.socket.RemoteAddr().String()
	// A Unix socket.
	host := peer
	if c.client.source.IsValid() {
		peer, host = c.client.source.String(), c.client.source.Addr().String()
	}
	ok, leftOut := s.logs.Allow(r.Reason, host, time.Now())
	if !ok {
		return
	}
	e := s.opts.Log.Warn().Str("listener", s.opts.Name).Str("peer", peer).Str("reason", r.Reason)
	if c.client.proxy != nil {
		e = e.Stringer("proxy", c.client.proxy)
	}
	if c.client.cluster != "" {
		e = e.Str("cluster", c.client.cluster)
	}
	if tag := c.lastTag(); tag != "" {
		e = e.Str("tag", tag[:min(len(tag), maxTagLogged)])
	}
	if leftOut > 0 {
		e = e.Uint64("left_out", leftOut)
	}
	e.Msg("connection closed: " + r.Error())
}
