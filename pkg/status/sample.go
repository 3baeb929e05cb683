package status

import (
	"context"
	"sync"
	"time"
)

const (
	sampleEvery = time.Second
	sampleCount = 11 // so that a rate is the average of ten seconds
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
		if now.Sub(s.at) >= sampleEvery {
			second = s
		}
	}
	if second != nil {
		oldest = x.kept[0]
	}
	return oldest, second
}

// sample keeps a snapshot a second until ctx ends.
func (s *Server) sample(ctx context.Context) {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		if snapshot := s.snapshot(); snapshot.Stale == 0 {
			s.samples.keep(&snapshot)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// snapshot asks the program for its state and adds what is derived from it. Where that hangs, as it may when a disk does,
// it returns the youngest sample, with the probes' answers of now.
func (s *Server) snapshot() Snapshot {
	now, ok := s.taker.take(s.options.Snapshot)
	if !ok {
		return s.stale()
	}
	now.at = time.Now()
	now.Time = now.at.UTC()
	now.Uptime = now.at.Sub(now.Started).Seconds()
	s.probes(&now)
	notNil(&now.Config.Warnings)
	notNil(&now.Loops)
	notNil(&now.Listeners)
	notNil(&now.Clusters)
	notNil(&now.Outputs)
	notNil(&now.DeadLetters.By)
	for i := range now.Listeners {
		notNil(&now.Listeners[i].NoAckPeers)
	}
	for i := range now.Outputs {
		o := &now.Outputs[i]
		notNil(&o.Clusters)
		notNil(&o.HeldClusters)
		notNil(&o.Notices)
		notNil(&o.Hosts)
		notNil(&o.Paces)
		notNil(&o.Steps)
	}
	now.ages()
	oldest, second := s.samples.before(now.at)
	now.settle(second)
	if oldest != nil {
		now.rates(oldest)
	}
	now.Verdict = now.judge()
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
		old.Stale = time.Since(old.at).Seconds()
	}
	s.probes(&old)
	old.Verdict = old.judge()
	return old
}

// ages fills how old errors are.
func (s *Snapshot) ages() {
	age := func(f *Failure) {
		if !f.Time.IsZero() {
			f.Age = max(0, s.Time.Sub(f.Time).Seconds())
		}
	}
	age(&s.Config.Failing)
	for i := range s.Listeners {
		age(&s.Listeners[i].LastError)
	}
	for i := range s.Certificates {
		age(&s.Certificates[i].Failing)
	}
	for i := range s.Outputs {
		age(&s.Outputs[i].LastError)
	}
}

// notNil makes JSON show an empty list, not null.
func notNil[T any](list *[]T) {
	if *list == nil {
		*list = []T{}
	}
}

// rates fills what is per second: the average since before.
func (s *Snapshot) rates(before *Snapshot) {
	seconds := s.at.Sub(before.at).Seconds()
	per := func(now, then uint64) float64 {
		if now < then {
			return 0
		}
		return float64(now-then) / seconds
	}
	clusters := map[string]Cluster{}
	for _, c := range before.Clusters {
		clusters[c.Name] = c
	}
	for i := range s.Clusters {
		c := &s.Clusters[i]
		then := clusters[c.Name]
		c.EventsPerSecond = per(c.ReceivedEvents, then.ReceivedEvents)
		c.BytesPerSecond = per(c.ReceivedBytes, then.ReceivedBytes)
	}
	delivered, parts := map[string]uint64{}, map[[2]string]OutputCluster{}
	for _, o := range before.Outputs {
		delivered[o.Name] = o.delivered()
		for _, c := range o.Clusters {
			parts[[2]string{o.Name, c.Cluster}] = c
		}
	}
	for i := range s.Outputs {
		o := &s.Outputs[i]
		o.EventsPerSecond = per(o.delivered(), delivered[o.Name])
		for j := range o.Clusters {
			c := &o.Clusters[j]
			then := parts[[2]string{o.Name, c.Cluster}]
			c.DeliveredPerSecond = per(c.Delivered, then.Delivered)
			c.QueuedPerSecond = per(c.Queued+c.Returned, then.Queued+then.Returned)
		}
	}
}

func (o *Output) delivered() (events uint64) {
	for _, c := range o.Clusters {
		events += c.Delivered
	}
	return events
}
