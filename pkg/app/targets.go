package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/stats"
	"github.com/seed-afc6a195/aggregator/pkg/status"
	"github.com/seed-afc6a195/aggregator/pkg/trace"
)

const (
	// maxWaitingShown is how many targets that events wait for are shown of an output.
	maxWaitingShown = 200
	// moveTime is how long one request moves what waits; who wants more asks again.
	moveTime = 20 * time.Second
	// moveWait is how long a move waits for what is being tried at the moment.
	moveWait = 2 * time.Second
)

// asideOf is where the events of an output wait for their targets.
type asideOf struct {
	queue  buffer.Queue
	output string
	// ledger is told what is done; nil: none is.
	ledger *trace.Ledger
}

// Waiting implements delivery.Aside.
func (a asideOf) Waiting(target string) delivery.Source {
	source := a.queue.Waiting(a.output, target)
	if a.ledger == nil {
		return source
	}
	return a.ledger.Source(a.output, source)
}

// Targets implements delivery.Aside.
func (a asideOf) Targets() (targets []string) {
	// Sorted by target.
	for _, w := range a.queue.Stats().Waits {
		if w.Output == a.output && w.Target != "" && w.Pending.Chunks > 0 {
			targets = append(targets, w.Target)
		}
	}
	return slices.Compact(targets)
}

// targets returns where events went.
func targets(stats []stats.Target) (all []status.Target) {
	for _, t := range stats {
		all = append(all, status.Target{
			Target: t.Target, Delivered: t.Delivered, Bytes: t.Bytes, Refused: t.Refused,
			Status: t.Status, Kind: t.Kind, LastError: t.LastError, LastSuccess: t.LastSuccess,
		})
	}
	return all
}

// waitingTargets returns what waits aside, the targets with the most events first, and how many more there are. waiting
// is what the loop knows of them.
func waitingTargets(
	waits []buffer.Wait, waiting []stats.WaitingTarget, now time.Time,
) (all []status.WaitingTarget, more int) {
	byName := map[string]*status.WaitingTarget{}
	of := func(target string) *status.WaitingTarget {
		shown := stats.ShownTarget(target)
		if byName[shown] == nil {
			byName[shown] = &status.WaitingTarget{Target: shown, Clusters: []string{}}
		}
		return byName[shown]
	}
	for _, w := range waits {
		if w.Target == "" || w.Pending.Events == 0 {
			continue
		}
		t := of(w.Target)
		t.Events, t.Bytes = t.Events+uint64(w.Pending.Events), t.Bytes+w.Pending.Bytes
		t.Oldest = max(t.Oldest, age(w.Oldest, now))
		// Sorted.
		t.Clusters = append(t.Clusters, w.Cluster)
		t.Since = w.Oldest
	}
	for i := range waiting {
		w := &waiting[i]
		t := of(w.Target)
		if t.Since.IsZero() || w.Since.Before(t.Since) {
			t.Since = w.Since
		}
		t.Status, t.Kind, t.NextTry, t.Remedy = w.Status, w.Kind, w.Next, remedyOf(w)
		t.Full, t.Flowing = w.Full, w.Flowing
	}
	for _, t := range byName {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b status.WaitingTarget) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), cmp.Compare(a.Target, b.Target))
	})
	if more = len(all) - maxWaitingShown; more > 0 {
		return all[:maxWaitingShown], more
	}
	return all, 0
}

func remedyOf(w *stats.WaitingTarget) string {
	switch {
	case w.Full:
		return cmp.Or(w.Remedy, "set the target right, or move or purge what waits") +
			"; its new events become dead letters until then, or until buffer.waiting.max_size is raised"
	case w.Flowing:
		return "nothing: it takes events again, and what waited is being sent"
	}
	return w.Remedy
}

// controlTarget does what was asked with what waits aside for a target of an output: retry, move, to another output of
// cfg or to the same one again, or purge. Outputs must neither come nor go meanwhile.
func (s *outputSet) controlTarget(
	ctx context.Context, cfg *config.Config, name, what, target, to string,
) (done string, err error) {
	aside := asideOf{queue: s.queue, output: name}
	shown, all := stats.ShownTarget(target), aside.Targets()
	i := slices.IndexFunc(all, func(t string) bool { return t == target || stats.ShownTarget(t) == target })
	if i < 0 {
		return "", fmt.Errorf(
			"no events of output %s wait for a target %q: aggregator output targets lists those that do", name, shown,
		)
	}
	target = all[i]
	log := s.log.Warn().Str("output", name).Str("target", shown)
	switch what {
	case "retry":
		out := s.get(name)
		if out == nil {
			return "", fmt.Errorf("output %s is not configured: configure it again, or move or purge what waits", name)
		}
		out.loop.RetryTarget(target)
		return fmt.Sprintf("target %s of output %s is tried now", shown, name), nil
	case "purge":
		gone := s.queue.PurgeWaiting(name, target)
		log.Int64("events", gone.Events).Msg("purged what waited for a target")
		s.look(name, target)
		return fmt.Sprintf("purged %d events that waited for target %s of output %s", gone.Events, shown, name), nil
	case "move":
		to = cmp.Or(to, name)
		if s.get(to) == nil {
			return "", fmt.Errorf("no output is named %q: there are %s", to, strings.Join(cfg.OutputNames(), ", "))
		}
		moved, err := s.moveWaiting(ctx, aside, target, to)
		log.Int64("events", moved).Str("to", to).Msg("moved what waited for a target")
		s.look(name, target)
		left := s.queue.Waiting(name, target).Pending().Events
		text := fmt.Sprintf("moved %d events that waited for target %s of output %s to output %s",
			moved, shown, name, to)
		if left > 0 {
			text += fmt.Sprintf("; %d still wait", left)
		}
		return text, err
	}
	return "", fmt.Errorf("what to do with what waits for a target is retry, move or purge, not %q", what)
}

// look has an output see what waits for the target now.
func (s *outputSet) look(name, target string) {
	if out := s.get(name); out != nil && out.loop != nil {
		out.loop.RetryTarget(target)
	}
}

// moveWaiting has an output have what waits aside for a target, as far as that was there at the beginning and time is.
func (s *outputSet) moveWaiting(ctx context.Context, from asideOf, target, to string) (moved int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, moveTime)
	defer cancel()
	source := s.queue.Waiting(from.output, target)
	for chunks := source.Pending().Chunks; chunks > 0; chunks-- {
		wait, stop := context.WithTimeout(ctx, moveWait)
		c, err := source.Next(wait)
		stop()
		if errors.Is(err, context.DeadlineExceeded) {
			// The rest is being tried, or there is no more time.
			return moved, nil
		} else if err != nil {
			return moved, fmt.Errorf("read what waits for target %q of output %s: %w", target, from.output, err)
		}
		events := int64(c.Events)
		rest := buffer.Rest{
			Output: to, Entries: c.Entries, Filtered: true, NewTag: c.NewTag, Parts: slices.Clone(c.Parts),
		}
		if err := source.SettleParts(ctx, []buffer.Settlement{{Chunk: c, Rests: []buffer.Rest{rest}}}); err != nil {
			source.Return(c)
			return moved, fmt.Errorf("move what waits for target %q of output %s: %w", target, from.output, err)
		}
		moved += events
	}
	return moved, nil
}
