package forward

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/heartbeat"
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
	Hostname string      // what PONG says; "": aggregator
	Clusters Clusters    // may be shared by several servers; nil: everything belongs to the cluster "default"
	TLS      *tls.Config // is asked for the certificates of each connection; never changed
	Sink     ingest.Sink
	Budget   *ingest.Budget // may be shared by several servers
	Places   *Places        // shared by the servers of a process; nil: max_connections alone bounds connections
	Peers    *Peers         // shared by servers whose clients may send again to one what they sent to another; nil: its own
	Log      zerolog.Logger
}

// Server is one listener. See the package's comment for what it accepts and promises.
type Server struct {
	opts       Options // but for what SetLimits changes
	current    atomic.Pointer[Config]
	configured Config // at the start
	listener   net.Listener
	udp        net.PacketConn // nil without heartbeats
	codecs     *codecs
	peers      *Peers
	counters   counters
	logs       logLimit
	slow       atomic.Int32   // refused logins that wait for their answer
	proxies    []netip.Prefix // whose PROXY headers are believed
	beat       heartbeat.Loop // of the goroutine that accepts
	firstID    uint64         // of connections, random: ids are told apart over several servers and restarts

	mu       sync.Mutex
	conns    map[uint64]*conn   // by id
	atDoor   *list.List         // of *conn: those that have not logged in yet, the first longest
	sources  map[netip.Addr]int // connections, where their number is limited
	draining time.Time          // when the last connection shall begin to end; zero: it serves
	running  sync.WaitGroup
	ctx      context.Context // ends when connections are cut
	cancel   context.CancelFunc
	served   chan struct{} // closed when Serve returns
	serving  bool
}

func newServer(ctx context.Context, opts Options) *Server {
	s := &Server{
		opts: opts, codecs: newCodecs(), conns: map[uint64]*conn{}, atDoor: list.New(), sources: map[netip.Addr]int{}, served: make(chan struct{}), firstID: rand.Uint64(),
		logs:     logLimit{seen: map[[2]string]*logged{}},
		counters: counters{refused: map[string]uint64{}, clusters: map[string]*ClusterStats{}, noAckPeers: map[netip.Addr]*NoAckPeer{}},
	}
	if s.peers = opts.Peers; s.peers == nil {
		s.peers = NewPeers()
	}
	s.configured = opts.Config
	s.current.Store(&opts.Config)
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.proxies, _ = parseNetworks(opts.TrustedProxies) // Config.Check refuses what is none
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
	if path, ok := strings.CutPrefix(opts.Address, "unix:"); ok {
		if err = removeStale(ctx, path); err == nil {
			s.listener, err = lc.Listen(ctx, "unix", path)
		}
	} else {
		s.listener, s.udp, err = listenTCP(ctx, &lc, opts.Address, opts.UDPHeartbeat)
		if err == nil {
			s.opts.Address = s.listener.Addr().String()
		}
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("%w; stop what listens there, or set another listeners[].address", err)
	}
	if err != nil {
		return nil, fmt.Errorf("listener %s: listening on %s: %w", opts.Name, opts.Address, err)
	}
	return s, nil
}

// listenTCP listens on address and, for heartbeats, on the UDP port of the same number. With port 0, one of the two
// may be taken by somebody else: then it tries others.
func listenTCP(ctx context.Context, lc *net.ListenConfig, address string, heartbeats bool) (net.Listener, net.PacketConn, error) {
	for attempt := 1; ; attempt++ {
		l, err := lc.Listen(ctx, "tcp", address)
		if err != nil || !heartbeats {
			return l, nil, err
		}
		pc, err := lc.ListenPacket(ctx, "udp", l.Addr().String())
		if err == nil {
			return l, pc, nil
		}
		if err = errors.Join(fmt.Errorf("UDP heartbeats (udp_heartbeat: false turns them off): %w", err), l.Close()); attempt == 10 || !strings.HasSuffix(address, ":0") {
			return nil, nil, err
		}
	}
}

// removeStale removes the socket at path if nobody listens on it.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return errors.New("there is a file of that name that is no socket")
	}
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		_ = nc.Close()
		return errors.New("another process listens there")
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return os.Remove(path)
	}
	return err
}

// limits returns the settings in force, see SetLimits.
func (s *Server) limits() *Config { return s.current.Load() }

// SetLimits puts the limits, time-outs and clusters of c in force: for connections, from their next message on; a changed
// max_connection_age for new ones. It returns whether c says something else that can't change while the server listens.
func (s *Server) SetLimits(c Config) (rest bool) {
	next := s.configured
	next.Clusters, next.AllowAnonymous = c.Clusters, c.AllowAnonymous
	next.MaxConnections, next.MaxConnectionsPerSource = c.MaxConnections, c.MaxConnectionsPerSource
	next.MaxConnectionAge, next.MaxMessages = c.MaxConnectionAge, c.MaxMessages
	next.HandshakeTimeout, next.IdleTimeout = c.HandshakeTimeout, c.IdleTimeout
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
	s.mu.Lock()
	s.serving = true
	s.mu.Unlock()
	defer close(s.served)
	defer s.cancel()
	stop := context.AfterFunc(ctx, s.cut)
	defer stop()
	if s.udp != nil {
		s.running.Go(func() { answerHeartbeats(s.udp) })
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
	serving := s.drain(spread)
	s.closeListeners()
	if !serving {
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

// drain has all connections end within spread, those that are still coming at once. It says whether Serve was called.
func (s *Server) drain(spread time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = time.Now()
	for _, c := range s.conns {
		c.leave(s.draining.Add(rand.N(max(spread, 1))))
	}
	return s.serving
}

func (s *Server) closeListeners() {
	_ = s.listener.Close() // closing it twice is no harm
	if s.udp != nil {
		_ = s.udp.Close()
	}
}

// cut closes everything at once.
func (s *Server) cut() {
	s.cancel()
	s.closeListeners()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.raw.Close()
	}
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
		case err != nil: // files run out, for instance: it passes
			pause = min(max(2*pause, 5*time.Millisecond), maxAcceptPause)
			s.countRefused(reasonAccept, netip.Addr{}, err)
			if ok, leftOut := s.logs.allow(reasonAccept, "", time.Now()); ok {
				s.opts.Log.Error().Err(err).Str("listener", s.opts.Name).Int("left_out", leftOut).Msg("can't accept connections")
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
	c := &conn{server: s, raw: nc, door: door{Conn: nc}, source: sourceOf(nc.RemoteAddr()), id: id, frame: newFrame()}
	c.net = &c.door
	c.tracker = resend.NewTracker(func(commits int, received bool) { s.opts.Sink.Settle(id, commits, received) })
	if err := s.enter(c); err != nil {
		_ = nc.Close()                            // nothing was said on it
		s.running.Go(func() { s.report(c, err) }) // beside this: nobody may read the log
		return nil
	}
	c.mem = s.opts.Budget.Reserve(func() { _ = nc.Close() })
	return c
}

// handle serves one connection to its end.
func (s *Server) handle(c *conn) {
	defer func() { _ = c.net.Close() }()
	defer s.exit(c)
	s.peers.add(c)
	defer s.peers.remove(c)
	defer c.close()
	err := c.open(s.ctx)
	if !s.leaveDoor(c) {
		err = refuse(c.madeRoom, "it was the one longest without a login when there was no room for another: %s", s.full(c.madeRoom))
	}
	if err == nil {
		err = c.serve(s.ctx)
	}
	s.report(c, err)
	c.end(err)
}

// full says which limit the reason of a refusal is about.
func (s *Server) full(reason string) string {
	if reason == reasonFiles {
		return fmt.Sprintf("all listeners have %d connections, and the process may open no more files; raise its limit (LimitNOFILE=, ulimit -n)", s.opts.Places.Limit())
	}
	return fmt.Sprintf("there are %d already, which is max_connections", s.limits().MaxConnections)
}

// enter takes c among the connections. Where there are as many as may be, the one that has been longest without a login
// makes room, so that strangers who say nothing keep nobody out. An error: all have logged in.
func (s *Server) enter(c *conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	reason := ""
	if most := s.limits().MaxConnections; most > 0 && len(s.conns) >= most {
		reason = reasonConnections
	} else if !s.opts.Places.take() {
		reason = reasonFiles
	}
	if reason != "" {
		first := s.atDoor.Front()
		if first == nil {
			return refuse(reason, "%s", s.full(reason))
		}
		oldest := s.atDoor.Remove(first).(*conn)
		oldest.place, oldest.madeRoom = nil, reason
		delete(s.conns, oldest.id) // its place among Places is c's from here on
		_ = oldest.raw.Close()
	}
	s.conns[c.id] = c
	c.place = s.atDoor.PushBack(c)
	switch age := s.limits().MaxConnectionAge; {
	case !s.draining.IsZero():
		c.leaveAt = s.draining
	case age > 0:
		jitter := 1 - ageJitter + 2*ageJitter*rand.Float64()
		c.leaveAt = time.Now().Add(time.Duration(float64(age) * jitter))
	}
	if s.ctx.Err() != nil {
		_ = c.raw.Close()
	}
	return nil
}

// leaveDoor ends c's time without a login; false: it had to make room for another.
func (s *Server) leaveDoor(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.place == nil {
		return false
	}
	s.atDoor.Remove(c.place)
	c.place = nil
	return true
}

func (s *Server) exit(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[c.id] == c { // else it had to make room, and its place is another's
		delete(s.conns, c.id)
		s.opts.Places.give()
	}
}

// report counts and logs why a connection ended, where that is worth it.
func (s *Server) report(c *conn, err error) {
	var r *refusal
	switch {
	case errors.Is(err, errProbe):
		s.counters.probes.Add(1)
		return
	case s.ctx.Err() != nil || errors.Is(err, errDrained) || errors.Is(err, errSpread) || errors.Is(err, errIdle) || err == io.EOF: //nolint:errorlint // a bare EOF is an end between two messages
		return
	case !errors.As(err, &r):
		if c.w == c.r {
			return // a reset between two messages
		}
		r = &refusal{reason: reasonLost, err: fmt.Errorf("the connection broke within a message: %w", err)}
	}
	s.countRefused(r.reason, c.source.Addr(), r)
	peer := c.raw.RemoteAddr().String()
	host := peer // a Unix socket
	if c.source.IsValid() {
		peer, host = c.source.String(), c.source.Addr().String()
	}
	ok, leftOut := s.logs.allow(r.reason, host, time.Now())
	if !ok {
		return
	}
	e := s.opts.Log.Warn().Str("listener", s.opts.Name).Str("peer", peer).Str("reason", r.reason)
	if c.proxy != nil {
		e = e.Stringer("proxy", c.proxy)
	}
	if c.cluster != "" {
		e = e.Str("cluster", c.cluster)
	}
	if tag := c.lastTag(); tag != "" {
		e = e.Str("tag", tag[:min(len(tag), maxTagLogged)])
	}
	if leftOut > 0 {
		e = e.Int("left_out", leftOut)
	}
	e.Msg("connection closed: " + r.Error())
}
