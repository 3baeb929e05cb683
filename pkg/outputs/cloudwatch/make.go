package cloudwatch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// round says how far the names of a target are from what its events asked for. What has no place in one
// round goes on to the next.
type round int

const (
	// own is what the templates say; otherStream their group, and the stream for others: it may be made always.
	own round = iota
	otherStream
	// otherGroup is the group for others too: both may be made always.
	otherGroup
)

// make makes t's log stream, and its group where that is missing as well. over: no more may be made.
func (s *sending) make(ctx context.Context, t *target, r round) (over bool, c *cause) {
	s.mu.Lock()
	c = s.unmade
	s.mu.Unlock()
	if c != nil {
		return false, c
	}
	over, c = s.o.maker.make(ctx, s.events[t.events[0]].Chunk.Cluster, t.name, r)
	if c != nil && c.wide() {
		s.mu.Lock()
		s.unmade = c
		s.mu.Unlock()
	}
	return over, c
}

// redirected notes that events of t can't have the stream they ask for.
func (s *sending) redirected(t *target, events []int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = append(s.over, &target{name: t.name, events: events, renamed: t.renamed})
}

// redirect returns the targets of the next round.
func (s *sending) redirect(r round) []*target {
	type key struct {
		name
		renamed bool
	}
	byKey := map[key]*target{}
	var targets []*target
	for _, from := range s.over {
		for _, i := range from.events {
			n := s.o.names.other(&s.events[i])
			if r == own {
				n.group = from.group
			}
			k := key{n, from.renamed || n != from.name}
			t := byKey[k]
			if t == nil {
				t = &target{name: n, renamed: k.renamed}
				byKey[k] = t
				targets = append(targets, t)
			}
			t.events = append(t.events, i)
		}
	}
	s.over = nil
	return s.prepare(targets)
}

// maxNames bounds each of the sets of names that a maker remembers.
const maxNames = 10_000

// maker makes log groups and streams, one at a time: CreateLogStream is limited to 50 calls a second. Safe
// for concurrent use.
type maker struct {
	cfg *Config
	api *calls
	log zerolog.Logger
	now func() time.Time
	// turn holds a token while something is made.
	turn chan struct{}

	mu sync.Mutex
	// hour is when the counting of made began.
	hour time.Time
	// made counts streams, by cluster.
	made map[string]int
	// refused has those that were not made, beyond max_streams_per_hour.
	refused map[name]struct{}
	// suspects are those that have refused an event; true: they have taken others since.
	suspects map[name]bool
	// search has those that have refused a request: how many events the next one may have.
	search map[name]int
	// bare has groups that were made and wait for their retention.
	bare map[string]struct{}
	// tended has groups that need no look at their retention until then; zero: ever.
	tended map[string]time.Time
	// blind says that the credentials may not look at groups.
	blind bool
}

func newMaker(cfg *Config, api *calls, log zerolog.Logger, now func() time.Time) *maker {
	return &maker{
		cfg: cfg, api: api, log: log, now: now, turn: make(chan struct{}, 1),
		made: map[string]int{}, refused: map[name]struct{}{}, suspects: map[name]bool{}, search: map[name]int{},
		bare:   map[string]struct{}{},
		tended: map[string]time.Time{},
	}
}

// accepted notes that n has taken events.
func (m *maker) accepted(n name) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.suspects[n]; ok {
		m.suspects[n] = true
	}
	if most, ok := m.search[n]; ok && 2*most < maxRequest {
		m.search[n] = 2 * most
	} else {
		delete(m.search, n)
	}
}

// most returns how many events a request to n may have.
func (m *maker) most(n name) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if most, ok := m.search[n]; ok {
		return most
	}
	return maxRequest
}

// narrow notes that one of more than most events of a request is refused by n.
func (m *maker) narrow(n name, most int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.search) >= maxNames {
		clear(m.search)
	}
	m.search[n] = most
}

// blames notes that n has refused an event that it was sent alone. It reports whether that is for the event:
// n has taken others since it last refused one.
func (m *maker) blames(n name) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	took := m.suspects[n]
	if len(m.suspects) >= maxNames {
		clear(m.suspects)
	}
	m.suspects[n] = false
	return took
}

// isRefused reports whether n was not made within this hour.
func (m *maker) isRefused(n name) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.newHour()
	_, ok := m.refused[n]
	return ok
}

// newHour begins to count anew when it is time. mu is held.
func (m *maker) newHour() {
	if now := m.now(); now.Sub(m.hour) >= time.Hour {
		m.hour = now
		clear(m.made)
		clear(m.refused)
	}
}

// mayMake reports whether one more stream, n, may be made for the cluster.
func (m *maker) mayMake(cluster string, n name) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.newHour()
	if limit := m.cfg.MaxStreamsPerHour; limit <= 0 || m.made[cluster] < limit {
		return true
	}
	if len(m.refused) == 0 {
		m.log.Warn().Str("cluster", cluster).Str("stream", n.String()).
			Int("max_streams_per_hour", m.cfg.MaxStreamsPerHour).
			Msg(
				"no more log streams are made within this hour: events for new ones go to those named after \"" +
					otherValue + "\"",
			)
	}
	if len(m.refused) >= maxNames {
		clear(m.refused)
	}
	m.refused[n] = struct{}{}
	return false
}

// make makes what n lacks, on the account of cluster. What exists by then is fine: others make it too.
func (m *maker) make(ctx context.Context, cluster string, n name, r round) (over bool, c *cause) {
	if !m.cfg.AutoCreate {
		return false, &cause{
			reason: outputs.ReasonTarget, code: notFound, making: true, remedy: "create it, or set `auto_create`",
			text: fmt.Sprintf(
				"log group %s or its stream %s is missing, and auto_create is false: create it, or set auto_create",
				n.group, n.stream,
			),
		}
	}
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return false, &cause{reason: outputs.ReasonNetwork, text: fmt.Sprintf("not sent: %v", ctx.Err())}
	}
	if r == own && !m.mayMake(cluster, n) {
		return true, nil
	}
	if c = m.retain(ctx, n.group); c != nil {
		return false, c
	}
	err := m.createStream(ctx, cluster, n, r)
	if missing := new(types.ResourceNotFoundException); errors.As(err, &missing) {
		if r != otherGroup && !m.mayMake(cluster, n) {
			return true, nil
		}
		if err = m.createGroup(ctx, n.group); err != nil {
			return false, problem("make log group "+n.group, err)
		}
		if c = m.retain(ctx, n.group); c != nil {
			return false, c
		}
		err = m.createStream(ctx, cluster, n, r)
	}
	if err != nil {
		return false, problem("make log stream "+n.String(), err)
	}
	return false, nil
}

// problem is a cause that has nothing to do with what the events hold.
func problem(verb string, err error) *cause {
	c := causeOf(verb, err)
	c.unknown, c.making = false, true
	return c
}

func (m *maker) createStream(ctx context.Context, cluster string, n name, r round) error {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.Timeout)
	defer cancel()
	_, err := m.api.makeStream(ctx, &logs.CreateLogStreamInput{LogGroupName: &n.group, LogStreamName: &n.stream})
	if err != nil {
		return existing(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if r == own {
		m.made[cluster]++
	}
	m.log.Debug().Str("group", n.group).Str("stream", n.stream).Msg("log stream made")
	return nil
}

func (m *maker) createGroup(ctx context.Context, group string) error {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.Timeout)
	defer cancel()
	_, err := m.api.makeGroup(ctx, &logs.CreateLogGroupInput{
		LogGroupName: &group, LogGroupClass: types.LogGroupClass(m.cfg.LogGroupClass), Tags: m.cfg.LogGroupTags,
	})
	if err != nil {
		return existing(err)
	}
	m.log.Info().Str("group", group).Msg("log group made")
	if m.cfg.RetentionDays > 0 {
		m.mu.Lock()
		defer m.mu.Unlock()
		// There are as few as groups that were made.
		m.bare[group] = struct{}{}
	}
	return nil
}

// existing returns err, but nil where it says that there is nothing to make.
func existing(err error) error {
	if there := new(types.ResourceAlreadyExistsException); errors.As(err, &there) {
		return nil
	}
	return err
}

// notices tells of streams that were not made.
func (m *maker) notices() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.newHour()
	var all []string
	if m.blind {
		all = append(all, noticeBlind)
	}
	if len(m.refused) == 0 {
		return all
	}
	return append(all,
		fmt.Sprintf("max_streams_per_hour (%d) is reached: events for %d or more new log streams go to those "+
			"named after %q",
			m.cfg.MaxStreamsPerHour, len(m.refused), otherValue))
}
