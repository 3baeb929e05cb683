// Package deadletters is what operators do with dead letters: count them, look at them, send them again, delete them.
package deadletters

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/cluster"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/route"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// pageBytes is how many bytes of entries a part of a listing holds, about.
const pageBytes = 1 << 20

// Rules say where events would go if they came now.
type Rules struct {
	Routes   *route.Table
	Clusters *cluster.Registry
}

// Store is what the status endpoint and the commands do with a queue's dead letters. It is a client.DeadStore.
type Store struct {
	Queue buffer.Queue
	// Config is the one in force.
	Config func() *config.Config
	// Rules are those in force.
	Rules func() Rules
	Now   func() time.Time
	Log   zerolog.Logger
	// Unconfigured says that Config is not that of a server: what it would offer says nothing.
	Unconfigured bool
}

var _ client.DeadStore = Store{}

// filter returns f in the queue's terms.
func (d Store) filter(f *client.DeadFilter) (deadletter.Filter, error) {
	if err := d.there(f); err != nil {
		return deadletter.Filter{}, err
	}
	to := deadletter.Filter{Output: f.Output, Cluster: f.Cluster, Reason: f.Reason, IDs: f.IDs}
	if f.Output == client.NoOutput {
		to.Output, to.NoOutput = "", true
	}
	if f.Tag != "" {
		p, err := route.Compile(f.Tag)
		if err != nil {
			return to, fmt.Errorf("%w: tag: %w", client.ErrDeadRequest, err)
		}
		to.Tag = p.Match
	}
	now := d.Now()
	if f.OlderThan > 0 {
		to.Until = now.Add(-f.OlderThan)
	}
	if f.NewerThan > 0 {
		to.Since = now.Add(-f.NewerThan)
	}
	return to, nil
}

// Summary implements client.DeadStore.
func (d Store) Summary(ctx context.Context, f client.DeadFilter) (s client.DeadSummary, err error) {
	filter, err := d.filter(&f)
	if err != nil {
		return s, err
	}
	letters := d.Queue.DeadLetters()
	counts, err := letters.Count(ctx, filter)
	if err != nil {
		return s, err
	}
	s.Oldest, s.Newest, s.Bytes = counts.Oldest, counts.Newest, letters.Stats().Bytes
	for k, n := range counts.By {
		s.Letters, s.Events = s.Letters+n.Letters, s.Events+n.Events
		s.By = append(s.By, client.DeadCount{
			Output: k.Output, Cluster: k.Cluster, Reason: k.Reason, Letters: n.Letters, Events: n.Events,
		})
	}
	slices.SortFunc(s.By, func(a, b client.DeadCount) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), cmp.Compare(a.Output, b.Output),
			cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Reason, b.Reason))
	})
	return s, nil
}

// List implements client.DeadStore.
func (d Store) List(ctx context.Context, f client.DeadFilter, p client.DeadPage) (list client.DeadList, err error) {
	filter, err := d.filter(&f)
	if err != nil {
		return list, err
	}
	letters, more, err := d.Queue.DeadLetters().Page(ctx, filter, deadletter.Page{
		After: p.After, Newest: p.Newest, Limit: min(p.Limit, client.MaxDeadLimit), Bytes: pageBytes, Bare: !p.Records,
	})
	if err != nil {
		return list, err
	}
	s := d.shower()
	defer s.close()
	for i := range letters {
		list.Letters = append(list.Letters, s.show(&letters[i], p.Records))
	}
	if more {
		list.Next = letters[len(letters)-1].ID
	}
	return list, nil
}

// Get implements client.DeadStore.
func (d Store) Get(ctx context.Context, id uint64) (client.DeadLetter, error) {
	l, err := d.Queue.DeadLetters().Get(ctx, id)
	if errors.Is(err, deadletter.ErrNotFound) {
		err = fmt.Errorf("%w: %d", client.ErrDeadUnknown, id)
	}
	if err != nil {
		return client.DeadLetter{}, err
	}
	s := d.shower()
	defer s.close()
	return s.show(&l, true), nil
}

// shower shows letters: their events as they came, and what a retry would offer of them. For one goroutine.
type shower struct {
	requeueRouter
	plain   *event.Encoder
	outputs map[string]*offerer
	now     time.Time
	// silent says that it doesn't say what a retry would offer.
	silent bool
}

// shower returns one that the caller closes.
func (d Store) shower() *shower {
	return &shower{
		requeueRouter: requeueRouter{rules: d.Rules(), cfg: d.Config(), lists: map[string][]string{}},
		plain:         event.NewEncoder(event.Fields{}), outputs: map[string]*offerer{}, now: d.Now(),
		silent: d.Unconfigured,
	}
}

func (s *shower) close() {
	for _, o := range s.outputs {
		o.close()
	}
}

// show returns l, with its events where asked for.
func (s *shower) show(l *deadletter.Letter, records bool) client.DeadLetter {
	to := client.DeadLetter{
		ID: l.ID, Time: l.Time.UTC(), Output: l.Output, Cluster: l.Cluster, Tag: l.Tag, Status: l.Status,
		Reason: l.Reason, Detail: l.Detail,
		Attempts: l.Attempts, EventID: l.EventID, Events: l.Events,
	}
	if !records {
		return to
	}
	with := to
	if !s.addEvents(l, &with) {
		to.Raw = l.Entry
		return to
	}
	if len(with.Records) == 1 {
		with.Record, with.Records = with.Records[0], nil
	}
	return with
}

// addEvents adds the events of l to to; false: it is not all events.
func (s *shower) addEvents(l *deadletter.Letter, to *client.DeadLetter) bool {
	if !l.Readable() {
		return false
	}
	c := event.Chunk{Cluster: l.Cluster, Tag: l.Tag, Entries: l.Entry, Received: l.Time}
	if p, ok := l.Part(); ok {
		c.Parts = []event.Part{p}
	}
	var target buffer.RequeueTarget
	if !s.silent {
		target = s.route(l)
	}
	if target.Skip != "" {
		to.WouldOffer = append(to.WouldOffer, client.DeadOffer{Output: l.Output, Reason: target.Skip})
	}
	described := false
	var ev event.Event
	for it := c.Iterator(); it.Next(&ev); {
		record, err := s.plain.AppendValue(nil, ev.Record)
		if err != nil {
			return false
		}
		metadata := json.RawMessage("{}")
		if len(ev.Metadata) > 0 {
			if metadata, err = s.plain.AppendValue(nil, ev.Metadata); err != nil {
				return false
			}
			described = true
		}
		to.Records, to.Metadata = append(to.Records, record), append(to.Metadata, metadata)
		to.EventTimes = append(to.EventTimes, time.Unix(ev.Time.Sec, int64(ev.Time.Nsec)).UTC())
		for _, name := range target.Outputs {
			if s.outputs[name] == nil {
				s.outputs[name] = newOfferer(s.cfg, name)
			}
			to.WouldOffer = append(to.WouldOffer, s.outputs[name].of(&ev, s.now)...)
		}
	}
	if !described {
		to.Metadata = nil
	}
	return len(to.Records) > 0
}

// Purge implements client.DeadStore.
func (d Store) Purge(
	ctx context.Context, f client.DeadFilter, progress func(client.DeadResult),
) (result client.DeadResult, err error) {
	filter, err := d.changing(&f)
	if err != nil {
		return result, err
	}
	n, err := d.Queue.DeadLetters().Purge(ctx, filter, func(n deadletter.Count) {
		progress(client.DeadResult{Letters: n.Letters, Events: n.Events})
	})
	if n.Letters > 0 {
		d.Log.Info().Int64("letters", n.Letters).Int64("events", n.Events).Msg("dead letters were purged as asked")
	}
	return client.DeadResult{Letters: n.Letters, Events: n.Events}, asked(err)
}

// changing is filter for what changes something.
func (d Store) changing(f *client.DeadFilter) (deadletter.Filter, error) {
	if err := f.CheckChange(); err != nil {
		return deadletter.Filter{}, err
	}
	return d.filter(f)
}

// asked returns the queue's error in the endpoint's terms.
func asked(err error) error {
	if errors.Is(err, deadletter.ErrBusy) {
		return client.ErrDeadBusy
	}
	return err
}

// Retry implements client.DeadStore.
func (d Store) Retry(
	ctx context.Context, f client.DeadFilter, to string, progress func(client.DeadResult),
) (result client.DeadResult, err error) {
	filter, err := d.changing(&f)
	if err != nil {
		return result, err
	}
	cfg := d.Config()
	if err := d.known(ctx, cfg, filter, to); err != nil {
		return result, err
	}
	r := requeueRouter{rules: d.Rules(), cfg: cfg, to: to, lists: map[string][]string{}}
	show := func(r buffer.RequeueProgress) client.DeadResult {
		return client.DeadResult{Letters: r.Letters, Events: r.Events, Skipped: r.Skipped}
	}
	done, err := buffer.Requeue(ctx, d.Queue, d.Queue.DeadLetters(), filter, r.route, func(
		r buffer.RequeueProgress,
	) {
		progress(show(r))
	})
	if done.Letters > 0 {
		d.Log.Info().Int64("letters", done.Letters).Int64("events", done.Events).
			Msg("dead letters were put back into the queue as asked")
	}
	if errors.Is(err, buffer.ErrFull) {
		err = fmt.Errorf("stopped: there is no room in the queue for more; try again when it has drained: %w", err)
	}
	result = show(done)
	if err == nil && done.Letters == 0 && len(done.Skipped) == 0 {
		result.Why = d.noneFit()
	}
	return result, asked(err)
}

// noneFit says that a filter chooses nothing, and what there is.
func (d Store) noneFit() string {
	n := d.Queue.DeadLetters().Stats().Letters
	if n == 0 {
		return "there are no dead letters"
	}
	return fmt.Sprintf("none of the %d dead letters fits what was asked for; "+
		"the summary (aggregator dead, GET /dead-letters/summary) has their outputs, clusters and reasons", n)
}

// there holds that an output or a cluster that a filter names is one that is configured or has letters: what is only
// written wrong would seem to have none.
func (d Store) there(f *client.DeadFilter) error {
	cfg := d.Config()
	outputs, clusters := map[string]bool{}, map[string]bool{cluster.Default: true}
	for _, name := range cfg.OutputNames() {
		outputs[name] = true
	}
	for _, c := range cfg.Clusters {
		clusters[c.Name] = true
	}
	for k := range d.Queue.DeadLetters().Stats().Events {
		clusters[k.Cluster] = true
		if k.Output != "" {
			outputs[k.Output] = true
		}
	}
	for _, named := range []struct {
		kind, name string
		known      map[string]bool
	}{{"output", f.Output, outputs}, {"cluster", f.Cluster, clusters}} {
		if named.name != "" && named.name != client.NoOutput && !named.known[named.name] {
			return fmt.Errorf("%w: there is no %s named %q, and no dead letter of such a one; there are %s",
				client.ErrDeadRequest, named.kind, named.name,
				strings.Join(slices.Sorted(maps.Keys(named.known)), ", "))
		}
	}
	return nil
}

// known holds that the letters can go somewhere: to the output named, or each to its own.
func (d Store) known(ctx context.Context, cfg *config.Config, filter deadletter.Filter, to string) error {
	names := strings.Join(cfg.OutputNames(), ", ")
	if to != "" {
		if _, ok := cfg.Outputs[to]; !ok {
			return fmt.Errorf("%w: no output is named %q, there are %s", client.ErrDeadRequest, to, names)
		}
		return nil
	}
	counts, err := d.Queue.DeadLetters().Count(ctx, filter)
	if err != nil {
		return err
	}
	for k := range counts.By {
		if _, ok := cfg.Outputs[k.Output]; !ok && k.Output != "" {
			return fmt.Errorf("%w: output %s, which refused some of these, is not configured any more: choose one of "+
				"%s to send them to (to=, --to)",
				client.ErrDeadRequest, k.Output, names)
		}
	}
	return nil
}

// orChoose ends the reasons why letters stay that another output helps.
const orChoose = "or choose an output to send them to (to=, --to)"

// requeueRouter says where letters go. The lists are shared by letters that go the same way.
type requeueRouter struct {
	rules Rules
	cfg   *config.Config
	to    string
	lists map[string][]string
}

func (r *requeueRouter) route(l *deadletter.Letter) buffer.RequeueTarget {
	name := cmp.Or(r.to, l.Output)
	if name == "" {
		switch {
		case !r.rules.Clusters.Allows(l.Cluster, l.Tag):
			return buffer.RequeueTarget{
				Skip: "their cluster may not send their tag: add it to the cluster's tags, " + orChoose,
			}
		default:
			if m := r.rules.Routes.Match(l.Cluster, l.Tag); m != nil && len(m.Outputs) > 0 {
				return buffer.RequeueTarget{Outputs: m.Outputs, Routed: true}
			}
			return buffer.RequeueTarget{Skip: "no route wants them: give their tag and cluster a route, " + orChoose}
		}
	}
	if _, ok := r.cfg.Outputs[name]; !ok {
		return buffer.RequeueTarget{
			Skip: "their output is not configured any more: choose another to send them to (to=, --to)",
		}
	}
	if r.lists[name] == nil {
		r.lists[name] = []string{name}
	}
	return buffer.RequeueTarget{Outputs: r.lists[name]}
}
