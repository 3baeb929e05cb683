// Package sender sends events to a Forward server, whether lines, JSON objects or made-up ones, and
// measures how they are acknowledged. It gives each connection a goroutine that fills chunks, one
// that writes them and one that reads the acks; what was not acknowledged when a connection ended is
// sent again, under the same chunk ids, over the next one.
package sender

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/logevery"
	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
)

// Source is where events come from.
type Source interface {
	// Reader returns what one connection takes its events from; readers share the events between them.
	Reader() Reader
	// Fraction returns how much of all events was read, 0 to 1; less than 0 where nobody knows.
	Fraction() float64
}

// Reader hands out events to one goroutine.
type Reader interface {
	// Next returns entries for one chunk, valid until the next call, and how many they are. It waits
	// until there are some or ctx ends. At the end the error is io.EOF. With an error there may be
	// events too, which came before it.
	Next(ctx context.Context) (entries []byte, events int, err error)
}

// Config says where to send, and how.
type Config struct {
	Client client.Config
	Tag    string
	// Tags is how many tags: TAG.0, TAG.1, …; 0 and 1: Tag itself. See tags.
	Tags int
	Mode client.Mode
	// Compress may be "", "gzip" or "zstd".
	Compress    string
	Ack         bool
	Connections int
	// Pipeline counts chunks that may wait for their ack on each connection, ≥ 1.
	Pipeline int
	// RetryTimeout is how long a connection may fail to make progress; 0: not at all.
	RetryTimeout time.Duration
	// How long acks are waited for once ctx has ended, and without acks for the server to close.
	StopGrace time.Duration
	Notice    func(format string, args ...any) // tells a person of outages
}

// Result is what became of the events.
type Result struct {
	// Events counts those that were taken from the source.
	Events uint64
	// Sent counts those that were written whole at least once.
	Sent    uint64
	Acked   uint64
	Unacked uint64 // Events that were not acked or, where no ack is asked for, not sent
	Chunks  uint64
	// Resent counts chunks that were written again.
	Resent uint64
	// Bytes is that of all frames, each once.
	Bytes   uint64
	Acks    bool // were asked for
	Elapsed time.Duration
	P50, P90,
	P99, Max time.Duration // from before a chunk's write to its ack
}

// Progress is how far a Sender is.
type Progress struct {
	// Done counts events acked, or sent where no ack is asked for.
	Done uint64
	// Fraction is that of the source; less than 0 where nobody knows.
	Fraction float64
}

// Sender sends one source's events once.
type Sender struct {
	cfg    Config
	source Source
	counts struct{ events, sent, acked, chunks, resent, bytes atomic.Uint64 }
	// notices are those of outages.
	notices logevery.Limit
}

// New returns a Sender; see Run.
func New(cfg Config, source Source) *Sender {
	return &Sender{cfg: cfg, source: source, notices: logevery.Limit{Every: time.Second}}
}

// outage tells a person, at most once a second: connections fail together.
func (s *Sender) outage(err error) {
	if ok, _ := s.notices.Allow("", "", 1, time.Now()); ok {
		s.cfg.Notice("%v; trying again for %v", err, s.cfg.RetryTimeout)
	}
}

// Progress may be called at any time.
func (s *Sender) Progress() Progress {
	done := &s.counts.sent
	if s.cfg.Ack {
		done = &s.counts.acked
	}
	return Progress{Done: done.Load(), Fraction: s.source.Fraction()}
}

// Run sends the source's events until its end, or until ctx ends: then it takes no more, and waits
// StopGrace for the acks of what is under way. It returns when all its goroutines have. The error
// is nil only if every event taken from the source was acked (or, without acks, sent); Result is
// valid in any case.
func (s *Sender) Run(ctx context.Context) (Result, error) {
	start := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		running sync.WaitGroup
		mu      sync.Mutex
		failed  []error
		total   latencies
	)
	for i := range s.cfg.Connections {
		c := newConnection(s, i)
		running.Go(func() {
			err := c.run(ctx)
			mu.Lock()
			defer mu.Unlock()
			total.merge(&c.latencies)
			if err != nil {
				failed = append(failed, err)
				// The others stop in good order.
				cancel()
			}
		})
	}
	running.Wait()
	r := Result{
		Events: s.counts.events.Load(), Sent: s.counts.sent.Load(), Acked: s.counts.acked.Load(),
		Chunks: s.counts.chunks.Load(),
		Resent: s.counts.resent.Load(), Bytes: s.counts.bytes.Load(), Acks: s.cfg.Ack, Elapsed: time.Since(start),
		P50: total.quantile(0.5), P90: total.quantile(0.9), P99: total.quantile(0.99), Max: total.max,
	}
	r.Unacked = r.Events - r.Sent
	if s.cfg.Ack {
		r.Unacked = r.Events - r.Acked
	}
	return r, s.failure(r, failed)
}

// failure sums up why a run failed; connections that failed alike say so once, those that only
// stopped because another one failed not at all.
func (s *Sender) failure(r Result, failed []error) error {
	said := map[string]bool{}
	var errs []error
	for i, err := range failed {
		if i > 0 && (errors.Is(err, context.Canceled) || errors.Is(err, errStopped)) {
			continue
		}
		if !said[err.Error()] {
			said[err.Error()] = true
			errs = append(errs, err)
		}
	}
	err := errors.Join(errs...)
	if r.Unacked == 0 {
		return err
	}
	what := "not sent"
	if s.cfg.Ack {
		what = "not acknowledged"
	}
	if err == nil {
		return fmt.Errorf("%d of %d events were %s", r.Unacked, r.Events, what)
	}
	return fmt.Errorf("%d of %d events were %s: %w", r.Unacked, r.Events, what, err)
}
