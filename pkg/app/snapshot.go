package app

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/app/internal/router"
	"github.com/seed-afc6a195/aggregator/pkg/app/resources"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/cluster"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/stats"
	"github.com/seed-afc6a195/aggregator/pkg/forward"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/status"
	"github.com/seed-afc6a195/aggregator/pkg/tls"
)

// snapshot gathers the state of all parts, with what others of a group have told.
func (a *App) snapshot() status.Snapshot {
	s := a.ownSnapshot()
	a.mergeGroup(&s)
	return s
}

// ownSnapshot gathers the state of all parts of this process. Pending events are read before what was delivered, and
// that before what came in, so that while events move, more seems to have come in than gone out, never the reverse.
func (a *App) ownSnapshot() status.Snapshot {
	queue := a.queue.Stats()
	queue.Waits = ownCounts(a.queue.Queue, queue.Waits)
	s := status.Snapshot{
		Version: a.opts.Version, Commit: a.opts.Commit, Hostname: a.initial.Hostname, Started: a.started,
		Config:      a.configState(),
		Queue:       queueState(queue, a.opts.Now()),
		Outputs:     a.outputStates(queue.Waits),
		DeadLetters: deadLetters(queue.Dead),
	}
	s.Loops = loopStates(a.beats(), time.Now())
	s.Memory = a.settings.memoryLimit()
	s.Memory.UsedBytes = resources.UsedMemory()
	budget := a.listeners.budget.Stats()
	s.Queue.MemoryBytes, s.Queue.MemoryMaxBytes, s.Queue.EvictedConnections = budget.Used, budget.Max, budget.Evicted
	open := map[string]int{}
	for _, l := range a.listeners.servers {
		st := l.Stats()
		s.Listeners = append(s.Listeners, listenerState(st))
		for name, c := range st.Clusters {
			open[name] += c
		}
	}
	s.Clusters = a.clusterStates(queue, open)
	for _, c := range a.allCertificates() {
		s.Certificates = append(s.Certificates, certificateState(c.owner, c.source.State()))
	}
	return s
}

func queueState(q buffer.Stats, now time.Time) status.Queue {
	s := status.Queue{
		DiskBytes: q.Bytes, MaxBytes: q.MaxBytes, DamagedEvents: uint64(q.LostEvents),
		Full: q.Full != "", FullReason: q.Full,
		QueueCommits: status.QueueCommits{
			Commits: q.Commits, CommitLatency: status.Latency{Snapshot: q.CommitLatency},
			CommitWait: status.Latency{Snapshot: q.CommitWait}, CommitCauses: q.CommitCauses,
		},
	}
	if d := q.Disk; d != nil {
		s.Segments, s.SetAsideSegments, s.FreeDiskBytes, s.MinFreeDiskBytes = d.Segments, d.SetAside, d.Free, d.MinFree
	}
	for _, w := range q.Waits {
		s.PendingChunks += int(w.Pending.Chunks)
		s.PendingEvents += w.Pending.Events
		s.PendingBytes += w.Pending.Bytes
		s.AppendedChunks += uint64(w.Appended.Chunks)
		s.AppendedEvents += uint64(w.Appended.Events)
		s.AppendedBytes += uint64(w.Appended.Bytes)
		s.RecoveredEvents += uint64(w.Found.Events)
		s.OldestAge = max(s.OldestAge, age(w.Oldest, now))
	}
	return s
}

// age returns how long ago t was, in seconds; 0 for the zero time.
func age(t, now time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return max(0, now.Sub(t).Seconds())
}

func listenerState(l forward.Stats) status.Listener {
	s := status.Listener{
		Name: l.Name, Address: l.Address, Connections: l.Open, ConnectionsTotal: l.Connections,
		TLSTotal: l.TLS, ProxiedTotal: l.Proxied, ProbesTotal: l.Probes,
		Refused: l.Refused, Messages: l.Messages, AcksTotal: l.Acks, AckLatency: status.Latency{Snapshot: l.AckLatency},
		LastError:  status.Failure{Text: l.LastError, Time: l.LastErrorAt, Ended: l.LastErrorOver},
		NoAckTotal: l.NoAck,
	}
	for i := range l.Agents {
		a := &l.Agents[i]
		s.Agents = append(s.Agents, status.Agent{
			Peer: hostText(a.Host), Hostname: a.Hostname, Cluster: a.Cluster, Connections: a.Open, Messages: a.Messages,
			NoAck:    a.NoAck,
			AsksAcks: a.AsksAcks, LastSeen: a.LastSeen.UTC(),
		})
	}
	for i := range l.RefusedPeers {
		r := &l.RefusedPeers[i]
		s.RefusedPeers = append(s.RefusedPeers, status.RefusedPeer{
			Peer: hostText(r.Host), Hostname: r.Hostname, Reason: r.Reason, Text: r.Text, Times: r.Times,
			LastSeen: r.LastSeen.UTC(),
		})
	}
	for _, p := range l.NoAckPeers {
		s.NoAckPeers = append(s.NoAckPeers, status.NoAck{
			Peer: hostText(p.Host), Cluster: p.Cluster, Messages: p.Messages, LastSeen: p.LastSeen.UTC(),
		})
	}
	return s
}

// hostText returns a host's address, "" for a Unix socket.
func hostText(host netip.Addr) string {
	if !host.IsValid() {
		return ""
	}
	return host.String()
}

func certificateState(owner string, c tls.State) status.Certificate {
	return status.Certificate{
		Owner: owner, CertFile: c.CertFile, CAFile: c.CAFile, Subject: c.Subject, Names: slices.Clone(c.Names),
		NotAfter: c.NotAfter,
		DaysLeft: c.DaysLeft, LoadedAt: c.LoadedAt, Reloads: c.Reloads,
		Failing: status.Failure{Text: c.Failing, Time: c.FailingSince},
	}
}

// clusterStates has every cluster that is configured, and those that have sent something before they were removed.
func (a *App) clusterStates(queue buffer.Stats, open map[string]int) []status.Cluster {
	uses := map[string]buffer.ClusterUse{}
	for _, u := range queue.Clusters {
		uses[u.Cluster] = u
	}
	tallies := a.router.Snapshot()
	names := a.clusters.Current().Names()
	if len(names) == 0 {
		names = []string{cluster.Default}
	}
	for _, name := range names {
		if tallies[name] == nil {
			tallies[name] = router.NewTally(name)
		}
	}
	limits, configured := a.clusters.Stats(), map[string]cluster.Config{}
	for _, c := range a.settings.current().Clusters {
		configured[c.Name] = c
	}
	var all []status.Cluster
	for _, name := range slices.Sorted(maps.Keys(tallies)) {
		t, c := tallies[name], status.Cluster{Name: name}
		c.ReceivedEvents, c.ReceivedBytes, c.Messages, c.LastSeen = t.Events, t.Bytes, t.Messages, t.LastSeen
		c.Dropped, c.Dead = t.Dropped, t.Dead
		c.QueueBytes, c.QueueMaxBytes, c.Waiting = uses[name].Bytes, uses[name].Limit, uses[name].Why
		c.Connections, c.RefusedConnections, c.Slowed = open[name], limits[name].Refused, limits[name].Slowed.Seconds()
		c.StoredEvents, c.DuplicateEvents = t.Routed, t.Repeated
		c.MaxConnections, c.RateLimit = configured[name].MaxConnections, int64(configured[name].RateLimit)
		all = append(all, c)
	}
	return all
}

// outputStates joins what the queue has for each output with what its loop has done. Outputs that are not configured
// any more but have a backlog are shown too.
func (a *App) outputStates(waits []buffer.Wait) []status.Output {
	now := a.opts.Now()
	byOutput := map[string][]buffer.Wait{}
	for _, w := range waits {
		byOutput[w.Output] = append(byOutput[w.Output], w)
	}
	var all []status.Output
	current, retired := a.outputs.loops()
	for _, out := range current {
		st := out.loop.Stats()
		s := outputOf(out.name, &out.common, st, byOutput[out.name], now)
		s.Since = out.made
		s.State = outputState(&s, st)
		if w, ok := out.Output.(outputs.DiskWriter); ok {
			b := writeBeat(out.name, w.WritesTo(), st)
			if err := b.Slow(time.Now()); err != nil {
				s.State = status.StateStalled
				s.LastError = status.Failure{Text: err.Error() + ": the disk does not answer", Time: st.Oldest}
			}
		}
		s.Destination = destination(out.report())
		if out.rules != nil {
			for _, st := range out.rules.Stats() {
				s.Steps = append(s.Steps, status.Step(st))
			}
		}
		all = append(all, s)
		delete(byOutput, out.name)
	}
	for _, name := range slices.Sorted(maps.Keys(byOutput)) {
		was, known := retired[name]
		var st stats.Stats
		if known {
			st = was.loop.Stats()
		}
		s := outputOf(name, &was.common, st, byOutput[name], now)
		s.Destination = destination(was.report)
		switch _, stays := a.settings.current().Outputs[name]; {
		case stays:
			// A reload is putting another in its place.
			s.State = outputState(&s, st)
		case pending(&s) > 0:
			s.State = status.StateUnconfigured
		default:
			s.State = status.StateRemoved
		}
		all = append(all, s)
	}
	return all
}

// outputOf returns what a loop has done, and what waits for it.
func outputOf(
	name string, common *outputs.Common, st stats.Stats, waits []buffer.Wait, now time.Time,
) status.Output {
	s := status.Output{
		Name: name, Type: common.Type, HeldClusters: st.Held, Retries: st.Retried,
		OutputWorkers: status.OutputWorkers{
			Workers: common.Workers, Concurrency: st.Concurrency, InFlight: st.InFlight,
		},
		OutputRequests: status.OutputRequests{
			Requests: st.Sends, FailedRequests: st.Failures, RequestLatency: status.Latency{Snapshot: st.Latency},
			DeliveryLatency: status.Latency{Snapshot: st.DeliveryLatency},
		},
		LastError: status.Failure{
			Text: st.LastError, Detail: st.LastDetail, Time: st.LastErrorAt, Ended: st.LastErrorOver,
		},
		FailingSince: st.FailingSince,
		OutputTimes: status.OutputTimes{
			LastSuccess: st.LastSuccess, FailingReason: st.Failing, BackoffUntil: st.BackoffUntil,
		},
	}
	s.Clusters, s.Lag = outputClusters(waits, st.Clusters, now)
	s.Targets = targets(st.Targets)
	s.WaitingTargets, s.WaitingTargetsMore = waitingTargets(waits, st.Waiting, now)
	if !st.Oldest.IsZero() {
		s.OldestRequest = max(0, time.Since(st.Oldest).Seconds())
	}
	for _, c := range st.Clusters {
		s.DeliveredBytes += c.Bytes
	}
	return s
}

func destination(r outputs.Report) status.Destination {
	d := status.Destination{
		Server: r.Server, RequestLimit: r.RequestLimit, PossibleDuplicates: r.PossibleDuplicates,
		FailureStore: r.FailureStore, AlreadyThere: r.AlreadyThere, Redirected: r.Redirected, Truncated: r.Truncated,
	}
	if e := r.AlreadyThereExample; e != nil {
		example := status.Example(*e)
		example.Detail = outputs.Whole(example.Detail)
		d.AlreadyThereExample = &example
	}
	for _, text := range r.Notices {
		d.Notices = append(d.Notices, outputs.Public(text))
	}
	for _, h := range r.Hosts {
		h.Error = outputs.Public(h.Error)
		d.Hosts = append(d.Hosts, status.Host(h))
	}
	for _, p := range r.Paces {
		d.Paces = append(d.Paces, status.Pace(p))
	}
	return d
}

// pending returns how many events wait for an output.
func pending(s *status.Output) (events uint64) {
	for _, c := range s.Clusters {
		events += c.Pending
	}
	return events
}

func outputState(s *status.Output, st stats.Stats) status.State {
	switch {
	case !st.PausedSince.IsZero():
		s.FailingSince = st.PausedSince
		return status.StatePaused
	case st.Failing == string(outputs.ReasonAuth):
		return status.StateRefused
	case st.Failing != "":
		return status.StateRetrying
	case pending(s) == 0:
		return status.StateIdle
	}
	return status.StateRunning
}

// outputClusters returns the account of each cluster, with what waits aside, and the lag in seconds, without that.
func outputClusters(
	waits []buffer.Wait, done []stats.Cluster, now time.Time,
) (all []status.OutputCluster, lag float64) {
	clusters := map[string]*status.OutputCluster{}
	get := func(name string) *status.OutputCluster {
		c := clusters[name]
		if c == nil {
			c = &status.OutputCluster{Cluster: name, Dropped: status.Counts{}, Dead: status.Counts{}}
			clusters[name] = c
		}
		return c
	}
	for _, w := range waits {
		c := get(w.Cluster)
		c.Queued += uint64(w.Appended.Events - w.Returned.Events - w.Rest.Events - w.Adopted.Events)
		c.Returned += uint64(w.Returned.Events)
		c.Adopted += uint64(w.Adopted.Events)
		c.Recovered, c.Pending = c.Recovered+uint64(w.Found.Events), c.Pending+uint64(w.Pending.Events)
		c.PendingChunks, c.PendingBytes = c.PendingChunks+w.Pending.Chunks, c.PendingBytes+w.Pending.Bytes
		c.OldestAge = max(c.OldestAge, age(w.Oldest, now))
		c.Purged += uint64(w.Purged.Events)
		if w.Moved.Events > 0 {
			c.Dropped["moved"] += uint64(w.Moved.Events)
		}
		if w.Dropped.Events > 0 {
			c.Dropped["drop_oldest"] += uint64(w.Dropped.Events)
		}
		if w.Lost.Events > 0 {
			c.Dropped[delivery.ReasonDamaged] += uint64(w.Lost.Events)
		}
		if w.Target == "" {
			// What waits aside keeps nothing else from being delivered.
			lag = max(lag, age(w.Oldest, now))
		}
	}
	for _, d := range done {
		c := get(d.Cluster)
		c.Delivered = d.Delivered
		for reason, n := range d.Dropped {
			c.Dropped[reason] += n
		}
		for reason, n := range d.Dead {
			c.Dead[reason] += n
		}
	}
	for _, name := range slices.Sorted(maps.Keys(clusters)) {
		all = append(all, *clusters[name])
	}
	return all, lag
}

func deadLetters(d deadletter.Stats) status.DeadLetters {
	s := status.DeadLetters{
		Count: int(d.Letters), Bytes: d.Bytes, EvictedEvents: uint64(d.Evicted), RetriedEvents: uint64(d.Retried),
		PurgedEvents:  uint64(d.Purged),
		DamagedEvents: uint64(d.Lost), SetAsideFiles: d.SetAside, Newest: d.Newest,
	}
	for k, n := range d.Events {
		s.Events += n
		s.By = append(s.By, status.DeadLetterCount{Output: k.Output, Cluster: k.Cluster, Reason: k.Reason, Events: n})
	}
	slices.SortFunc(s.By, func(a, b status.DeadLetterCount) int {
		return cmp.Or(cmp.Compare(a.Output, b.Output), cmp.Compare(a.Cluster, b.Cluster),
			cmp.Compare(a.Reason, b.Reason))
	})
	return s
}
