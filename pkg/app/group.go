package app

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/app/internal/group"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/status"
	"github.com/seed-afc6a195/aggregator/pkg/status/grouptail"
	"github.com/seed-afc6a195/aggregator/pkg/status/tail"
)

// shareEvery is how often a process of a group tells the others of itself.
const shareEvery = time.Second

// shared is this process's part in a group that shares the queue. Safe for concurrent use.
type shared struct {
	// group may be nil: the queue is this process's alone.
	group buffer.Group
	books group.Books
	// views shows what happens at all of them.
	views *grouptail.Group

	mu sync.Mutex
	// controls are by output: the newest that is in force here.
	controls map[string]group.Control
	// last is the state that was shared last.
	last []byte
	// ended says that the last state of all is shared.
	ended bool
}

// newShared returns the part in the group of q, if it has one.
func newShared(q buffer.Queue, now func() time.Time) *shared {
	s := &shared{books: group.Books{Now: now}, controls: map[string]group.Control{}}
	s.group, _ = q.(buffer.Group)
	return s
}

// ownCounts returns waits with what this process alone has counted, where the queue is shared. What is pending is the
// group's.
func ownCounts(q buffer.Queue, waits []buffer.Wait) []buffer.Wait {
	o, ok := q.(interface{ Own() []buffer.Wait })
	if !ok {
		return waits
	}
	type place struct{ output, target, cluster string }
	own := map[place]buffer.Wait{}
	for _, w := range o.Own() {
		own[place{w.Output, w.Target, w.Cluster}] = w
	}
	all := make([]buffer.Wait, len(waits))
	for i := range waits {
		w := &waits[i]
		all[i] = own[place{w.Output, w.Target, w.Cluster}]
		all[i].Output, all[i].Target, all[i].Cluster = w.Output, w.Target, w.Cluster
		all[i].Configured, all[i].Pending, all[i].Oldest = w.Configured, w.Pending, w.Oldest
	}
	return all
}

// liveViews returns what opens live views: of all processes that share the queue, or of this one.
func (a *App) liveViews() status.Tail {
	local := &tail.Local{
		Hub: &a.tail, Tags: tagPattern, Route: a.routeNamed,
		Output: func(name string) bool { return a.outputs.get(name) != nil },
	}
	g := a.shared.group
	if g == nil {
		return local
	}
	a.shared.views = &grouptail.Group{
		Wire: g, Local: local, Host: a.initial.Hostname, Members: func() (alive []grouptail.Member) {
			for _, p := range g.Peers() {
				if p.Alive {
					alive = append(alive, grouptail.Member{Name: p.Name, Host: p.Host})
				}
			}
			return alive
		},
	}
	return a.shared.views
}

// showGroup shows to the others what they ask to see of this process, until ctx ends.
func (a *App) showGroup(ctx context.Context) {
	if a.shared.views == nil {
		return
	}
	if err := a.shared.views.Serve(ctx); err != nil {
		a.opts.Log.Error().Err(err).Msg("live views at other aggregators of the group show nothing of this one")
	}
}

// mergeGroup makes s, which is of this process, one of the whole group.
func (a *App) mergeGroup(s *status.Snapshot) {
	if g := a.shared.group; g != nil {
		a.shared.books.Merge(s, g.Self(), a.notReady(), g.Peers(), g.Audit())
	}
}

// notReady returns why agents should not be sent here, line by line.
func (a *App) notReady() []string {
	err := a.readiness()
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

// watchGroup tells the others of this process, and does here what was asked of one of them, until ctx ends.
func (a *App) watchGroup(ctx context.Context) {
	if a.shared.group == nil {
		return
	}
	a.shared.group.Answer(a.answer)
	tick := time.NewTicker(shareEvery)
	defer tick.Stop()
	for {
		a.followControls()
		a.share(false)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// share tells the others how this process is; final: for the last time.
func (a *App) share(final bool) {
	g := a.shared.group
	if g == nil {
		return
	}
	s := a.ownSnapshot()
	a.shared.mu.Lock()
	defer a.shared.mu.Unlock()
	if a.shared.ended {
		return
	}
	state := group.Of(&s, a.notReady(), a.shared.controls)
	state.Final, a.shared.ended = final, final
	if text := state.Marshal(); !bytes.Equal(text, a.shared.last) {
		a.shared.last = text
		g.Share(text)
	}
}

// followControls pauses and resumes outputs as was asked of any process of the group.
func (a *App) followControls() {
	for name, c := range group.Controls(a.shared.group.Peers()) {
		a.shared.mu.Lock()
		news := c.At.After(a.shared.controls[name].At)
		if news {
			a.shared.controls[name] = c
		}
		a.shared.mu.Unlock()
		if out := a.outputs.get(name); news && out != nil && out.loop != nil {
			if c.Paused {
				out.loop.Pause()
			} else {
				out.loop.Resume()
			}
			a.opts.Log.Info().Str("output", name).Bool("paused", c.Paused).
				Msg("the output is steered as another aggregator of the group was asked to")
		}
	}
}

// spread has the other processes do what was done here with an output. What they answered is not waited for long.
func (a *App) spread(ctx context.Context, name, what string) {
	g := a.shared.group
	if g == nil {
		return
	}
	switch what {
	case "pause", "resume":
		a.shared.mu.Lock()
		// A state that is being shared has the old ones.
		a.shared.controls = maps.Clone(a.shared.controls)
		a.shared.controls[name] = group.Control{Paused: what == "pause", At: time.Now()}
		a.shared.mu.Unlock()
		a.share(false)
	case "retry":
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		g.Ask(ctx, []byte("retry "+name))
	}
}

// answer does what another process asks for.
func (a *App) answer(request []byte) []byte {
	what, name, _ := strings.Cut(string(request), " ")
	if what != "retry" {
		return []byte("not known here")
	}
	if out := a.outputs.get(name); out != nil && out.loop != nil {
		out.loop.RetryNow()
	}
	return []byte("done")
}

// othersAlive names the processes that share the queue and are alive, but for this one. It has none of a queue that is
// not shared.
func othersAlive(q buffer.Queue) (names []string) {
	g, ok := q.(buffer.Group)
	if !ok {
		return nil
	}
	for _, p := range g.Peers() {
		if p.Alive && p.Name != g.Self() {
			names = append(names, fmt.Sprintf("aggregator %s on %s", p.Name, p.Host))
		}
	}
	return names
}
