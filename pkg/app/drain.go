package app

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/delivery"
)

const (
	// drainWait bounds how long a batch waits for more events during a drain: none come.
	drainWait = time.Second
	// drainLook is how often a drain looks whether anything is left.
	drainLook = 50 * time.Millisecond
)

// Backlog is what waits for one output.
type Backlog struct {
	Output     string
	Configured bool
	Events     int64
	Chunks     int64
	// Clusters are ascending by name.
	Clusters []ClusterBacklog
	// Lag is the age of the oldest chunk.
	Lag time.Duration
	// LastError is the output's since the start, "" where it had none.
	LastError string
}

// ClusterBacklog is what a cluster has of a Backlog.
type ClusterBacklog struct {
	Cluster string
	Events  int64
}

// Drained is how far a drain is. Events count once for every output that wants them.
type Drained struct {
	// Found counts events that waited at the start.
	Found     int64
	Delivered int64
	// Dead counts what became dead letters.
	Dead int64
	// Dropped is by rules, or since they were damaged.
	Dropped int64
	// Left is ascending by output.
	Left []Backlog
	// DeadLetters counts events in all dead letters, older ones too.
	DeadLetters int64
	// Unknown is why more may be left than Left says: a shared queue's servers were away, or have something that nobody
	// has told of. It is nil where that is known.
	Unknown error
}

// errUnsettled is Drained.Unknown where the servers can be reached.
var errUnsettled = errors.New("others use the queue, and its servers have not agreed yet with what those have told")

// Pending returns how many events are left.
func (d *Drained) Pending() (n int64) {
	for i := range d.Left {
		n += d.Left[i].Events
	}
	return n
}

// Drain delivers what the queue holds for the outputs that are configured, until nothing of that is left, ctx ends or a
// part fails, and then stops in order, as Run does. progress is called now and then. What is left is in the result; the
// error is about something else. Call it instead of Run, with Options.Drain.
func (a *App) Drain(ctx context.Context, progress func(Drained)) (Drained, error) {
	r := a.begin(ctx)
	tick := time.NewTicker(drainLook)
	defer tick.Stop()
	var cause error
	for a.deliverable() && ctx.Err() == nil && cause == nil {
		select {
		case <-tick.C:
			progress(a.drained(nil))
		case <-ctx.Done():
		case cause = <-r.failed:
		}
	}
	lastErrors := map[string]string{}
	current, _ := a.outputs.loops()
	for _, out := range current {
		lastErrors[out.name] = out.loop.Stats().LastError
	}
	unknown := a.unknown()
	err := r.stop(func() {})
	d := a.drained(lastErrors)
	d.Unknown = unknown
	return d, errors.Join(cause, err)
}

// unknown returns Drained.Unknown.
func (a *App) unknown() error {
	if g := a.shared.group; g != nil && !g.Audit().Agrees {
		return cmp.Or(a.queue.Ready(), errUnsettled)
	}
	return nil
}

// deliverable reports whether anything waits for an output that is configured, or may: what a process has stored that
// was killed before it told of that, only a shared queue's servers know.
func (a *App) deliverable() bool {
	if a.unknown() != nil {
		return true
	}
	return slices.ContainsFunc(a.queue.Stats().Waits, func(w buffer.Wait) bool {
		return w.Configured && w.Pending.Chunks > 0
	})
}

// drained sums up; lastErrors: see backlogs.
func (a *App) drained(lastErrors map[string]string) Drained {
	d := Drained{Left: a.backlogs(lastErrors)}
	st := a.queue.Stats()
	for _, w := range st.Waits {
		d.Found += w.Found.Events
		d.Dropped += w.Dropped.Events + w.Purged.Events + w.Lost.Events
	}
	for _, n := range st.Dead.Events {
		d.DeadLetters += n
	}
	current, retired := a.outputs.loops()
	add := func(l *delivery.Loop) {
		for _, c := range l.Stats().Clusters {
			d.Delivered += int64(c.Delivered)
			for _, n := range c.Dropped {
				d.Dropped += int64(n)
			}
			for _, n := range c.Dead {
				d.Dead += int64(n)
			}
		}
	}
	for _, out := range current {
		add(out.loop)
	}
	for _, was := range retired {
		add(was.loop)
	}
	return d
}

// backlogs returns what waits, for each output that something waits for, with the last errors by output.
func (a *App) backlogs(lastErrors map[string]string) []Backlog {
	var all []Backlog
	now := a.opts.Now()
	// Sorted by output and cluster.
	for _, w := range a.queue.Stats().Waits {
		if w.Pending.Chunks == 0 {
			continue
		}
		if len(all) == 0 || all[len(all)-1].Output != w.Output {
			all = append(all, Backlog{Output: w.Output, Configured: w.Configured, LastError: lastErrors[w.Output]})
		}
		b := &all[len(all)-1]
		b.Configured = b.Configured || w.Configured
		b.Events += w.Pending.Events
		b.Chunks += w.Pending.Chunks
		b.Lag = max(b.Lag, time.Duration(age(w.Oldest, now)*float64(time.Second)))
		i := slices.IndexFunc(b.Clusters, func(c ClusterBacklog) bool { return c.Cluster == w.Cluster })
		if i < 0 {
			i = len(b.Clusters)
			b.Clusters = append(b.Clusters, ClusterBacklog{Cluster: w.Cluster})
		}
		b.Clusters[i].Events += w.Pending.Events
	}
	return all
}
