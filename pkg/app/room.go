package app

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

const (
	// lookForRoom is how often the queue is asked whether anything waits for room.
	lookForRoom = time.Second
	// flowing is how long nothing must have waited for room for acks to go on: at a limit they come and go.
	flowing = 5 * time.Second
)

// roomLog has the log say when acks stop since there is no room, of everything or of one cluster, and when they go on.
// One goroutine uses it.
type roomLog struct {
	log zerolog.Logger
	// stopped is by cluster; "": all of them.
	stopped map[string]*stopped
}

// stopped is acks that have stopped.
type stopped struct {
	// since and last are when something was seen to wait for room.
	since, last time.Time
	told        bool
}

const (
	remedyAll = "see in /status which output lags, and why; " +
		"raise buffer.max_size or give the disk more room, which needs no restart"
	remedyShare = "see in /status why that output lags, or what the cluster sends; " +
		"raise the max_queue_size that the reason names, which needs no restart"
)

// look compares what waits for room with what did before. Only what waited when it looked last is told: a moment is no
// news.
func (r *roomLog) look(st buffer.Stats, now time.Time) {
	waits := map[string]string{}
	if st.Full != "" {
		waits[""] = st.Full
	} else {
		for _, c := range st.Clusters {
			if c.Why != "" {
				waits[c.Cluster] = c.Why
			}
		}
	}
	for cluster, why := range waits {
		s := r.stopped[cluster]
		if s == nil {
			r.stopped[cluster] = &stopped{since: now, last: now}
			continue
		}
		if s.last = now; !s.told {
			s.told = true
			r.warn(cluster, why)
		}
	}
	for cluster, s := range r.stopped {
		if st.Full != "" {
			// Nobody can tell whether the cluster's own limit would let its events in.
			s.last = now
		}
		if s.told && now.Sub(s.last) < flowing || now.Equal(s.last) {
			continue
		}
		delete(r.stopped, cluster)
		if s.told {
			e := r.log.Info().Stringer("after", s.last.Sub(s.since).Round(time.Second))
			if cluster != "" {
				e = e.Str("cluster", cluster)
			}
			e.Msg("acks go on: there is room in the queue again")
		}
	}
}

func (r *roomLog) warn(cluster, why string) {
	if cluster == "" {
		r.log.Warn().Str("reason", why).Str("remedy", remedyAll).
			Msg("the queue is full: no event is acknowledged, agents keep theirs and send them again")
		return
	}
	r.log.Warn().Str("cluster", cluster).Str("reason", why).Str("remedy", remedyShare).
		Msg(
			"a limit is reached: events of the cluster are not acknowledged, its agents keep theirs and " +
				"send them again",
		)
}

// watchRoom tells of a full queue until ctx ends.
func (a *App) watchRoom(ctx context.Context) {
	r := roomLog{log: part(a.opts.Log, "queue"), stopped: map[string]*stopped{}}
	tick := time.NewTicker(lookForRoom)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.look(a.queue.Stats(), time.Now())
		case <-ctx.Done():
			return
		}
	}
}
