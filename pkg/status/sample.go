package status

import (
	"context"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/verdict"
)

const (
	sampleEvery = time.Second
	// sampleCount makes a rate the average of ten seconds.
	sampleCount = 11
)

// samples are the snapshots of the last seconds, oldest first: rates are made from them.
type samples struct {
	mu   sync.Mutex
	kept []*Snapshot
}

// keep remembers s, which must not change any more.
func (x *samples) keep(s *Snapshot) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.kept) == sampleCount {
		copy(x.kept, x.kept[1:])
		x.kept[sampleCount-1] = s
		return
	}
	x.kept = append(x.kept, s)
}

// youngest returns the last sample, nil where there is none.
func (x *samples) youngest() *Snapshot {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.kept) == 0 {
		return nil
	}
	return x.kept[len(x.kept)-1]
}

// before returns the oldest sample and the youngest that was taken a second before now or earlier;
// nil where there is none.
func (x *samples) before(now time.Time) (oldest, second *Snapshot) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, s := range x.kept {
		if now.Sub(s.At) >= sampleEvery {
			second = s
		}
	}
	if second != nil {
		oldest = x.kept[0]
	}
	return oldest, second
}

// longestLag returns the longest lag of any output, now and in the samples.
func (x *samples) longestLag(now *Snapshot) (seconds float64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range now.Outputs {
		seconds = max(seconds, now.Outputs[i].Lag)
	}
	for _, s := range x.kept {
		for i := range s.Outputs {
			seconds = max(seconds, s.Outputs[i].Lag)
		}
	}
	return seconds
}

// sample keeps a snapshot a second until ctx ends.
func (s *Server) sample(ctx context.Context) {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		now, point := s.snapshot(), false
		if now.Stale == 0 {
			s.samples.keep(&now)
			s.recent.Keep(&now)
			point = s.series.Keep(&now)
		}
		if err := s.live.Update(&now, time.Now(), point); err != nil {
			s.options.Log.Error().Err(err).Msg("can't tell pages the state")
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// snapshot asks the program for its state and adds what is derived from it. Where that hangs, as it may when a disk
// does, it returns the youngest sample, with the probes' answers of now.
func (s *Server) snapshot() Snapshot {
	now, ok := s.taker.take(s.options.Snapshot)
	if !ok {
		return s.stale()
	}
	now.At = time.Now()
	now.Time = now.At.UTC()
	now.Uptime = now.At.Sub(now.Started).Seconds()
	s.probes(&now)
	oldest, second := s.samples.before(now.At)
	now.Derive(oldest, second)
	s.recent.Fill(&now)
	s.series.Fill(&now)
	now.DeliveredWithin = s.samples.longestLag(&now)
	verdict.Fill(&now)
	return now
}

// probes fills in what the probes answer.
func (s *Server) probes(to *Snapshot) {
	to.NotReady, to.Unhealthy = reasons(s.options.Ready()), reasons(s.options.Healthy())
	to.Ready, to.Healthy = len(to.NotReady) == 0, len(to.Unhealthy) == 0
}

// stale returns the youngest sample. Its lists are shared and must not be changed.
func (s *Server) stale() Snapshot {
	var old Snapshot
	if youngest := s.samples.youngest(); youngest != nil {
		old = *youngest
		old.Stale = time.Since(old.At).Seconds()
	}
	s.probes(&old)
	old.Verdict = verdict.Of(&old)
	return old
}
