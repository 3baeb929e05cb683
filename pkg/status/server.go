// Package status serves the program's state over HTTP: probes, JSON and Prometheus metrics, all made
// from one Snapshot.
package status

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log" //nolint:depguard // http.Server takes no other logger
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/bind"
	"github.com/seed-afc6a195/aggregator/internal/logevery"
	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/pkg/status/history"
	"github.com/seed-afc6a195/aggregator/pkg/status/metrics"
	"github.com/seed-afc6a195/aggregator/pkg/status/page"
)

// Limits on what a client may cost.
const (
	headerTimeout  = 5 * time.Second
	requestTimeout = 10 * time.Second
	replyTimeout   = 30 * time.Second
	idleTimeout    = time.Minute
	maxHeaderBytes = 16 << 10
	// maxBodyBytes is nothing here takes one.
	maxBodyBytes = 64 << 10
	// maxScrapes is how many there may be at once.
	maxScrapes = 4
)

// Options is what a Server needs. All functions are called by several goroutines at a time.
type Options struct {
	Config Config
	// TLS is what Config.TLS says, ready for use; nil: plain HTTP.
	TLS *tls.Config
	// Snapshot returns the program's state; its slices and maps are not used by others afterwards.
	Snapshot func() Snapshot
	// Ready returns nil when agents may be sent here; each line of the error is one reason why not.
	Ready func() error
	// Healthy returns nil unless only a restart helps; each line of the error is one reason.
	Healthy func() error
	// Reload reads the configuration again and puts it in force. Its error says why the old one stays, warnings what
	// may not have been meant.
	Reload func() (warnings []string, err error)
	// ControlOutput does what was asked of an output, pause, resume, retry or purge, and says what it did. The error
	// says why not.
	ControlOutput func(output, what string) (done string, err error)
	// ControlTarget does what was asked, retry, move or purge, with what waits aside for a target of an output, and
	// says what it did. to is where it is moved to; "": to the same output once more. The error says why not.
	ControlTarget func(ctx context.Context, output, what, target, to string) (done string, err error)
	// DeadLetters are the program's.
	DeadLetters client.DeadStore
	// Trace says where the event of that id is. client.ErrTraceRequest: it is no id.
	Trace func(ctx context.Context, id string) (client.Trace, error)
	// Tail opens live views.
	Tail Tail
	// MaxConnections is how many connections may be open, where the process may not have more; 0: 512.
	MaxConnections int
	Log            zerolog.Logger
}

// Server is the status endpoint. Call Listen, then Run, then Shutdown or the end of Run's context.
type Server struct {
	options  Options
	http     *http.Server
	listener net.Listener
	// maxConnections is how many connections may be open.
	maxConnections int
	// loopback says that the listener is on a loopback address.
	loopback bool
	// hostname is that of this machine.
	hostname string
	samples  samples
	recent   history.Recent
	series   history.Series
	taker    taker
	page     *page.Page
	live     page.Live
	attempts attempts
	// ending is closed by Shutdown: live views end.
	ending chan struct{}
	// tracing is held while an event is looked for.
	tracing sync.Mutex
	// end closes ending.
	end func()
	// complaints is that of what clients do wrong.
	complaints *logevery.Limit
}

// New returns a Server that does not listen yet.
func New(o Options) *Server {
	s := &Server{
		options: o, page: page.New(), maxConnections: maxConnections, complaints: &logevery.Limit{Every: complainEvery},
		taker: taker{patience: takePatience},
	}
	if o.MaxConnections > 0 {
		s.maxConnections = min(maxConnections, o.MaxConnections)
	}
	s.live.Series = &s.series
	s.ending = make(chan struct{})
	s.end = sync.OnceFunc(func() { close(s.ending) })
	// It is unknown: that name is not accepted as a Host.
	s.hostname, _ = os.Hostname()
	s.http = &http.Server{
		Handler:           s.handler(s.registry()),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      replyTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(newLogWriter(o.Log), "", 0),
	}
	// Otherwise it would wait for pages, which stay.
	s.http.RegisterOnShutdown(s.live.Close)
	return s
}

// Listen binds the address. Port 0 takes a free one; Addr tells which.
func (s *Server) Listen() error {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", s.options.Config.Address)
	if err != nil {
		return fmt.Errorf("listen for the status endpoint on %s: %w", s.options.Config.Address,
			bind.Advise(err, s.options.Config.Address, "status.address"))
	}
	s.listener = &limitedListener{
		Listener: l, total: s.maxConnections, perSource: maxConnectionsPerSource, bySource: map[netip.Prefix]int{},
		refused: s.crowd,
	}
	if s.options.TLS != nil {
		// The time for a handshake is that for a header.
		s.listener = tls.NewListener(s.listener, s.options.TLS)
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); ok {
		s.loopback = tcp.IP.IsLoopback()
	}
	return nil
}

// Addr returns the address that Listen has bound.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Run serves until ctx ends or Shutdown is called, and returns nil then. When ctx ends, requests
// under way are cut off.
func (s *Server) Run(ctx context.Context) error {
	sampling, stop := context.WithCancel(ctx)
	var sampler sync.WaitGroup
	sampler.Go(func() { s.sample(sampling) })
	defer s.taker.running.Wait()
	defer sampler.Wait()
	defer stop()
	closed := context.AfterFunc(ctx, func() {
		// Serve returns and says what there is to say.
		_ = s.http.Close()
	})
	defer closed()
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the status endpoint on %s: %w", s.Addr(), err)
	}
	return nil
}

// Shutdown stops listening and waits for requests under way; when ctx ends it cuts them off.
func (s *Server) Shutdown(ctx context.Context) error {
	if s.listener == nil {
		return nil
	}
	s.end()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	// It is open still where Run was not called.
	if cerr := s.listener.Close(); cerr != nil && !errors.Is(cerr, net.ErrClosed) {
		err = errors.Join(err, cerr)
	}
	if err != nil {
		return fmt.Errorf("shut down the status endpoint: %w", err)
	}
	return nil
}

func (s *Server) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(metrics.Collectors(s.snapshot)...)
	return r
}

func (s *Server) handler(registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page.Index)
	mux.HandleFunc("GET "+page.Folder+"{name}", s.page.File)
	mux.HandleFunc("GET "+livePath, endless(s.pageEvents))
	mux.HandleFunc("GET /healthz", probe(s.options.Healthy))
	mux.HandleFunc("GET /readyz", probe(s.options.Ready))
	mux.HandleFunc("GET /status", s.status)
	mux.HandleFunc("GET /queue", s.queue)
	mux.HandleFunc("GET /trace", s.trace)
	mux.HandleFunc("GET /tail", endless(s.tail))
	mux.HandleFunc("GET "+loginPath, s.login)
	mux.HandleFunc("POST /reload", s.reload)
	mux.HandleFunc("POST /outputs/{name}/{what}", s.controlOutput)
	mux.HandleFunc("GET /outputs/{name}/targets", s.targets)
	mux.HandleFunc("POST /outputs/{name}/targets/{what}", s.controlTarget)
	s.deadHandlers(mux)
	// The reply is made before it is sent: who reads it slowly takes no place among maxScrapes.
	mux.Handle("GET /metrics", http.TimeoutHandler(promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: log.New(newLogWriter(s.options.Log), "", 0), ErrorHandling: promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
		EnableOpenMetrics:   true, EnableOpenMetricsTextCreatedSamples: true,
	}), requestTimeout, "the metrics took too long"))
	if s.options.Config.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return s.guard(mux)
}

// guard lets through what may be asked for and says how a browser has to treat the reply.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", page.Policy)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		switch {
		case !s.hostAllowed(r):
			http.Error(w, "this address is served to localhost only: use http://localhost or the address as Host",
				http.StatusForbidden)
			return
		case !open(r), s.options.Config.Private && !probes(r):
			if code, why := s.refusal(r); why != "" {
				switch code {
				case http.StatusUnauthorized:
					h["Www-Authenticate"] = []string{
						`Bearer realm="aggregator"`, `Basic realm="aggregator", charset="UTF-8"`,
					}
				case http.StatusTooManyRequests:
					h.Set("Retry-After", strconv.Itoa(int(wrongEvery.Seconds())))
				}
				http.Error(w, why, code)
				return
			}
			// Read here, within requestTimeout: handlers may take longer, and nobody may keep a connection by not
			// sending.
			if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxBodyBytes)); err != nil {
				h.Set("Connection", "close")
				http.Error(w,
					fmt.Sprintf("the request's body was not sent in time, or is over %d KiB: nothing here takes one",
						maxBodyBytes>>10), http.StatusRequestEntityTooLarge)
				return
			}
			if r.Method != http.MethodGet && r.Method != http.MethodHead {
				reply := &codeWriter{ResponseWriter: w}
				defer s.audit(r, reply)
				w = reply
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) queue(w http.ResponseWriter, _ *http.Request) {
	now := s.snapshot()
	reply(w, now.Pending(), nil)
}

// livePath is where the page is told what there is, and what changes.
const livePath = "/live"

// pageEvents keeps a page up to date.
func (s *Server) pageEvents(w http.ResponseWriter, r *http.Request) {
	records, words := s.mayRead(r)
	you := page.You{
		Control: records, Words: words,
		CanSign: s.options.Config.Token.Reveal() != "" || len(s.options.Config.Users) > 0,
	}
	now := s.samples.youngest()
	if now == nil {
		first := s.snapshot()
		now = &first
	}
	if err := s.live.Serve(w, r, you, s.page.Hash(), now); err != nil {
		s.options.Log.Error().Err(err).Msg("can't tell the page the state")
	}
}

// login is where a browser gets after it has shown credentials, which it sends from then on.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// shown returns the program's state, with destinations' own words only if so.
func (s *Server) shown(words bool) Snapshot {
	now := s.snapshot()
	if !words {
		// An old one may be shown to others too.
		now.Outputs = slices.Clone(now.Outputs)
		for i := range now.Outputs {
			now.Outputs[i].LastError.Detail, now.Outputs[i].AlreadyThereExample = "", nil
		}
	}
	return now
}

// hostAllowed keeps web pages from reading a loopback endpoint through a name of theirs that
// resolves to it: there the Host must be a name of this machine.
func (s *Server) hostAllowed(r *http.Request) bool { return !s.loopback || s.ownHost(r) }

func (s *Server) reload(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	text := "the configuration was read again and is in force, see /status"
	warnings, err := s.options.Reload()
	if err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		text = "the old configuration stays in force:\n" + strings.Join(reasons(err), "\n")
	}
	if len(warnings) > 0 {
		text += "\nwarning: " + strings.Join(warnings, "\nwarning: ")
	}
	// The client is gone; nothing to do.
	_, _ = io.WriteString(w, text+"\n")
}

// controlOutput does what was asked of an output. A purge loses events, so it wants all=true: nobody types that by
// mistake.
func (s *Server) controlOutput(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if sure, _ := strconv.ParseBool(r.URL.Query().Get("all")); r.PathValue("what") == "purge" && !sure {
		w.WriteHeader(http.StatusBadRequest)
		// As below.
		_, _ = io.WriteString(w,
			"a purge deletes all that waits for the output, and nobody gets it back: say that it is meant, with "+
				"?all=true\n")
		return
	}
	text, err := s.options.ControlOutput(r.PathValue("name"), r.PathValue("what"))
	if err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		text = strings.Join(reasons(err), "\n")
	}
	// The client is gone; nothing to do.
	_, _ = io.WriteString(w, text+"\n")
}

// probe replies ok, or 503 and a line for each reason.
func probe(check func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		text := "ok"
		if why := reasons(check()); len(why) > 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			text = string(safetext.Escaped([]byte(strings.Join(why, "\n"))))
		}
		// The client is gone; nothing to do.
		_, _ = io.WriteString(w, text+"\n")
	}
}

// reasons returns the lines of err's text.
func reasons(err error) []string {
	why := []string{}
	if err == nil {
		return why
	}
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" {
			why = append(why, line)
		}
	}
	if len(why) == 0 {
		// An error without words is still one.
		why = append(why, "unknown")
	}
	return why
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	words := false
	if r.Header.Get("Authorization") != "" {
		_, words = s.mayRead(r)
	}
	text, err := json.MarshalIndent(s.shown(words), "", "  ")
	if err != nil {
		s.options.Log.Error().Err(err).Msg("can't write /status as JSON")
		http.Error(w, "the status can't be written as JSON, see the log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// The client is gone; nothing to do.
	_, _ = w.Write(append(safetext.Escaped(text), '\n'))
}

// crowd notes that a connection was over the limits.
func (s *Server) crowd(source netip.Prefix) {
	if ok, leftOut := s.complaints.Allow("crowd", "", 1, time.Now()); ok {
		s.options.Log.Warn().Stringer("from", source.Addr()).Uint64("refused", leftOut+1).Msgf(
			"closed connections to the status endpoint: at most %d are open, and %d of one address", s.maxConnections,
			maxConnectionsPerSource)
	}
}

// logWriter takes lines from packages that know the standard logger only. What clients do wrong makes
// such, so that not each is logged.
type logWriter struct {
	log   zerolog.Logger
	limit *logevery.Limit
}

func newLogWriter(log zerolog.Logger) *logWriter {
	return &logWriter{log: log, limit: &logevery.Limit{Every: complainEvery}}
}

func (w *logWriter) Write(line []byte) (int, error) {
	if ok, leftOut := w.limit.Allow("", "", 1, time.Now()); ok {
		w.log.Warn().Str("part", "status").Uint64("lines", leftOut+1).Msg(strings.TrimSpace(string(line)))
	}
	return len(line), nil
}
