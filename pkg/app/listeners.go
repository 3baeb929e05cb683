package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/app/resources"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/forward"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
	"github.com/seed-afc6a195/aggregator/pkg/status"
	"github.com/seed-afc6a195/aggregator/pkg/tls"
)

// listeners are what agents reach, with what they share: memory, open files, and who sends over which connection.
type listeners struct {
	files  resources.OpenFiles
	budget *ingest.Budget
	// places is nil where nothing bounds the files of the process.
	places  *forward.Places
	peers   *forward.Peers
	servers []*forward.Server
	// certificates are by server; nil without TLS.
	certificates []*tls.Server
}

// newListeners returns none yet, with what those of cfg will share.
func newListeners(cfg *config.Config, files resources.OpenFiles) listeners {
	share := resources.IngestBudget(cfg)
	l := listeners{
		files: files, budget: ingest.NewSharedBudget(share+resources.SpareMemory, share), peers: forward.NewPeers(),
	}
	if files.Limit > 0 {
		l.places = forward.NewPlaces(files.Connections)
	}
	return l
}

// bind adds a listener with these settings. o has what it needs besides, but for what all share.
func (l *listeners) bind(ctx context.Context, set forward.Config, o forward.Options, now func() time.Time) error {
	o.Config, o.Budget, o.Places, o.Peers = set, l.budget, l.places, l.peers
	var certificates *tls.Server
	if set.TLS != nil {
		var err error
		log := o.Log.With().Str("listener", set.Name).Logger()
		if certificates, err = tls.NewServer(*set.TLS, tls.Options{Log: log, Now: now}); err != nil {
			return fmt.Errorf("listener %s: %w", set.Name, err)
		}
		o.TLS = certificates.Config()
	}
	s, err := forward.Listen(ctx, o)
	if err != nil {
		return err
	}
	l.servers, l.certificates = append(l.servers, s), append(l.certificates, certificates)
	return nil
}

// addrs returns what the listeners are bound to, in the order of the configuration.
func (l *listeners) addrs() []net.Addr {
	addrs := make([]net.Addr, len(l.servers))
	for i, s := range l.servers {
		addrs[i] = s.Addr()
	}
	return addrs
}

// setLimits puts the limits of cfg in force. It returns the listeners whose other settings differ from those they have.
func (l *listeners) setLimits(cfg *config.Config, log zerolog.Logger) (restart []string) {
	if l.places != nil {
		files := resources.ShareFiles(l.files.Limit, cfg)
		l.places.SetLimit(files.Connections)
		files.Warn(cfg, log)
	}
	if len(cfg.Listeners) != len(l.servers) {
		return nil
	}
	for i, s := range l.servers {
		if s.SetLimits(cfg.Listeners[i]) {
			restart = append(restart, fmt.Sprintf("listeners[%d]", i))
		}
	}
	return restart
}

// shutdown ends all connections, between two messages as long as ctx lasts. The error names those that were cut.
func (l *listeners) shutdown(ctx context.Context) error {
	errs := make([]error, len(l.servers))
	var wg sync.WaitGroup
	for i, s := range l.servers {
		wg.Go(func() { errs[i] = s.Shutdown(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// activity is a number that grows with whatever agents do.
func (l *listeners) activity() (n uint64) {
	for _, s := range l.servers {
		n += s.Activity()
	}
	return n
}

// endpoint is the status endpoint.
type endpoint struct {
	// server may be nil: none.
	server *status.Server
	// certificates may be nil without TLS.
	certificates *tls.Server
}

// listen binds what o says. After an error there is no endpoint.
func (e *endpoint) listen(o status.Options, now func() time.Time) error {
	var certificates *tls.Server
	if set := o.Config.TLS; set != nil {
		var err error
		if certificates, err = tls.NewServer(*set, tls.Options{Log: o.Log, Now: now}); err != nil {
			return fmt.Errorf("status.tls: %w", err)
		}
		o.TLS = certificates.Config()
	}
	s := status.New(o)
	if err := s.Listen(); err != nil {
		return err
	}
	e.server, e.certificates = s, certificates
	return nil
}

// addr returns what the endpoint is bound to, nil where there is none.
func (e *endpoint) addr() net.Addr {
	if e.server == nil {
		return nil
	}
	return e.server.Addr()
}

// url returns where the endpoint is reached from this machine, without a path.
func (e *endpoint) url() string {
	scheme := "http"
	if e.certificates != nil {
		scheme = "https"
	}
	return scheme + "://" + e.addr().String()
}

// shutdown ends the endpoint. Requests may take for as long as grace; the error says that one was cut off.
func (e *endpoint) shutdown(grace time.Duration) error {
	if e.server == nil {
		return nil
	}
	brief, done := context.WithTimeout(context.Background(), grace)
	defer done()
	return e.server.Shutdown(brief)
}
