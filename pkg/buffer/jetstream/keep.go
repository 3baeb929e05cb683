package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/account"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/ledger"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/members"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/setup"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
)

const (
	// keepEvery is how often the keeper asks the servers what waits, and tells the group what was counted.
	keepEvery = time.Second
	// staleAfter is how long something must seem to have waited for its age to be looked at, and ageEvery in how many
	// turns that is done once.
	staleAfter = 5 * time.Second
	ageEvery   = 5
	// deafAfter is after how many turns in which it does not hear itself the watch of the group is made anew.
	deafAfter = 3
	// forgetEvery is how often who ended long ago is forgotten.
	forgetEvery = time.Minute
)

// keeper is what the keeper remembers from turn to turn.
type keeper struct {
	turns  int    // that came to their end
	failed int    // in a row in which the servers did not do what was asked
	deaf   int    // and in which this process did not hear itself
	told   []byte // the table that was told last
	// toldAt is when it was.
	toldAt time.Time
	forgot time.Time
	audit  *account.Audit
}

// keep looks after the stream and the group until the queue closes.
func (q *Queue) keep() {
	t := time.NewTicker(keepEvery)
	defer t.Stop()
	k := &keeper{audit: account.NewAudit()}
	for {
		q.beat.Turn()
		q.turn(k)
		q.beat.Rest()
		select {
		case <-t.C:
		case <-q.kicked:
		case <-q.ctx.Done():
			return
		}
	}
}

// reconnected is called when the connection was made, or lost.
func (q *Queue) reconnected() {
	if pub := q.outlet.Load(); pub != nil {
		pub.Reconnected()
	}
	select {
	case q.kicked <- struct{}{}:
	default:
	}
}

// turn does what is to be done each second.
func (q *Queue) turn(k *keeper) {
	ctx, cancel := context.WithTimeout(q.ctx, requestWithin)
	defer cancel()
	if !q.nc().IsConnected() {
		q.report(errNoServer)
		return
	}
	q.mu.Lock()
	ready := q.ready
	q.mu.Unlock()
	if !ready {
		if err := q.prepare(ctx); err != nil {
			q.report(err)
			return
		}
	}
	current := q.current(ctx, k)
	stored, err := q.stored(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		q.log.Error().Str("stream", q.chunks()).Msg("the stream is gone, and with it all that waited: it is made anew")
		err = q.setup().Stream(ctx)
	}
	if err == nil {
		err = q.tellGroup(ctx, k)
	}
	if k.failed++; err == nil {
		k.failed = 0
	}
	if k.failed != 1 {
		// An election takes as long as one answer may: once is nothing to tell.
		q.report(err)
	}
	if err != nil || !current {
		q.mu.Lock()
		q.agrees = false
		q.mu.Unlock()
	}
	if err != nil {
		return
	}
	q.discover(stored.Chunks)
	if err := q.age(ctx, k, stored.First); err != nil {
		q.trouble(err)
	}
	if current {
		q.compare(ctx, k, stored)
	}
	if time.Since(k.forgot) > forgetEvery && q.group.Leads() {
		k.forgot = time.Now()
		if err := q.group.Forget(ctx); err != nil {
			q.trouble(err)
		}
	}
	q.dead.Keep(ctx)
}

// errNoServer is why nothing can be stored without a connection.
var errNoServer = errors.New("no server of buffer.jetstream.urls can be reached")

// prepare makes what is missing on the servers, and reads what the group has counted.
func (q *Queue) prepare(ctx context.Context) error {
	if !q.link.AwaitConnected(ctx) {
		return errNoServer
	}
	if err := setup.Version(q.nc()); err != nil {
		return err
	}
	servers := q.setup()
	if err := servers.Stream(ctx); err != nil {
		return err
	}
	if err := q.dead.Prepare(ctx); err != nil {
		return err
	}
	kv, err := servers.Members(ctx)
	if err != nil {
		return err
	}
	q.bucket = kv
	if err := q.follow(ctx); err != nil {
		return err
	}
	q.group.SetBucket(kv)
	if err := q.finishRequeues(ctx); err != nil {
		return err
	}
	others := q.group.Others()
	q.mu.Lock()
	q.book.Begin(others)
	q.ready = true
	q.changed.Wake()
	q.mu.Unlock()
	if stored, err := q.stored(ctx); err == nil {
		q.discover(stored.Chunks)
	}
	return nil
}

// follow watches the group's bucket, in place of an earlier watch, once it has read what there is so far.
func (q *Queue) follow(ctx context.Context) error {
	watching, cancel := context.WithCancel(q.ctx)
	w, err := q.bucket.WatchAll(watching)
	if err == nil {
		err = q.catchUp(ctx, w)
	}
	if err != nil {
		cancel()
		return fmt.Errorf("watch key-value bucket %s: %w", q.bucket.Bucket(), err)
	}
	if q.unwatch != nil {
		q.unwatch()
	}
	q.unwatch = cancel
	q.tasks.Go(func() { q.watch(watching, w) })
	return nil
}

// catchUp reads what the bucket has so far.
func (q *Queue) catchUp(ctx context.Context, w jetstream.KeyWatcher) error {
	for {
		select {
		case e := <-w.Updates():
			if e == nil {
				return nil
			}
			q.group.Heard(e)
		case <-ctx.Done():
			// What it held is gone with it.
			_ = w.Stop()
			return ctx.Err()
		}
	}
}

// watch takes in what the group tells, until ctx ends.
func (q *Queue) watch(ctx context.Context, w jetstream.KeyWatcher) {
	// What it held is gone with it.
	defer func() { _ = w.Stop() }()
	for {
		select {
		case e, open := <-w.Updates():
			if !open {
				return
			}
			if e != nil && q.group.Heard(e) {
				q.hear()
			}
		case <-ctx.Done():
			return
		}
	}
}

// hear takes over what the others have counted.
func (q *Queue) hear() {
	others := q.group.Others()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.learn(others)
}

// current reports whether this process has heard what the others told up to its own last word. Where that does not come
// back, the watch has died with a server: the client notices that many seconds later, so it is made anew.
func (q *Queue) current(ctx context.Context, k *keeper) bool {
	if q.group.Current() {
		k.deaf = 0
		return true
	}
	if k.deaf++; k.deaf < deafAfter {
		return false
	}
	k.deaf = 0
	if err := q.follow(ctx); err != nil {
		q.trouble(err)
		return false
	}
	q.hear()
	return false
}

// stored returns what the stream has.
func (q *Queue) stored(ctx context.Context) (has account.Stored, err error) {
	stream, err := q.js.Stream(ctx, q.chunks())
	if err != nil {
		return has, fmt.Errorf("ask for stream %s: %w", q.chunks(), err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(subject.All(q.chunks())))
	if err != nil {
		return has, fmt.Errorf("ask what stream %s has: %w", q.chunks(), err)
	}
	has = account.Stored{Chunks: map[subject.Place]int64{}, Last: info.State.LastSeq, First: info.State.FirstTime}
	for text, n := range info.State.Subjects {
		if place, ok := subject.Parse(q.chunks(), text); ok {
			has.Chunks[place] = int64(n)
		}
	}
	return has, nil
}

// age notes since when what others have in hand has waited: nothing is older than the oldest message of all, and, of
// one place at a time, now and then, its oldest is looked at.
func (q *Queue) age(ctx context.Context, k *keeper, first time.Time) error {
	k.turns++
	q.mu.Lock()
	q.first = first
	place, waits := q.stale()
	q.mu.Unlock()
	if !waits || k.turns%ageEvery != 0 {
		return nil
	}
	stream, err := q.js.Stream(ctx, q.chunks())
	if err != nil {
		return fmt.Errorf("ask for stream %s: %w", q.chunks(), err)
	}
	m, err := stream.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(subject.Of(q.chunks(), place)))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the oldest chunk for output %s: %w", place.Output, err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.since[place] = m.Time
	return nil
}

// stale returns a place where something seems to have waited for long, though nothing of it is in hand here. q.mu is
// held.
func (q *Queue) stale() (place subject.Place, waits bool) {
	for p, since := range q.since {
		src := q.sources[sourceName{p.Output, p.Target}]
		inHand := src != nil && src.partitions[p.Cluster] != nil && !src.partitions[p.Cluster].oldest().IsZero()
		if since.After(q.first) && !inHand && q.now().Sub(since) > staleAfter {
			return p, true
		}
	}
	return place, false
}

// discover begins to fetch from places where others have stored something.
func (q *Queue) discover(stored map[subject.Place]int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for place := range stored {
		src := q.sources[sourceName{place.Output, place.Target}]
		if src != nil && src.partitions[place.Cluster] == nil {
			src.partition(place.Cluster)
			q.more(src)
		}
	}
}

// tellGroup tells the others what was counted, where that has changed, or they would miss this process.
func (q *Queue) tellGroup(ctx context.Context, k *keeper) error {
	q.mu.Lock()
	table := q.book.Own().Append(nil)
	q.mu.Unlock()
	if string(table) == string(k.told) && time.Since(k.toldAt) < members.HeartbeatEvery && !q.group.Untold() {
		return nil
	}
	if err := q.publishSelf(ctx, false); err != nil {
		return err
	}
	k.told, k.toldAt = table, time.Now()
	return nil
}

// publishSelf tells the others what was counted.
func (q *Queue) publishSelf(ctx context.Context, ended bool) error {
	q.mu.Lock()
	table := q.book.Own().Clone()
	ready := q.ready
	q.mu.Unlock()
	if !ready {
		return nil
	}
	return q.group.Publish(ctx, table, ended)
}

// compare believes the servers where they count otherwise than the group for a while in which nothing moves: a process
// has died before it told what it had counted last, or something was handed out again after it was finished. What the
// servers have lost is counted as that, by one process.
func (q *Queue) compare(ctx context.Context, k *keeper, stored account.Stored) {
	q.mu.Lock()
	wrong := k.audit.Compare(q.book, stored)
	q.agrees = k.audit.Agrees()
	q.mu.Unlock()
	lost := k.audit.Lost(wrong)
	if q.group.Leads() {
		q.countLost(lost)
		k.audit.Settled(lost)
	}
	if len(wrong) == 0 {
		return
	}
	err := q.group.Adjust(ctx, wrong.Apply)
	if err != nil {
		// Another process has done it, or it is tried again.
		return
	}
	k.audit.Settled(wrong)
	q.hear()
}

// countLost counts what the servers have lost.
func (q *Queue) countLost(lost account.Corrections) {
	lost.Count(func(p subject.Place, n buffer.Count) {
		q.log.Error().Str("output", p.Output).Str("cluster", p.Cluster).Int64("chunks", n.Chunks).
			Int64("events", n.Events).
			Msg("the queue's servers have lost what they had acknowledged: the numbers of their messages went back")
		q.mu.Lock()
		defer q.mu.Unlock()
		q.count(p, ledger.Lost, n)
	})
}

// trouble logs what did not work and is tried again, once a minute.
func (q *Queue) trouble(err error) {
	if q.ctx.Err() != nil {
		return
	}
	err = q.link.WhyNot(err)
	if ok, leftOut := q.every.Allow("trouble", "", 1, time.Now()); ok {
		q.log.Warn().Err(err).Uint64("left_out", leftOut).
			Msg("the queue's servers do not do what is asked: trying again")
	}
}

// report remembers whether the servers answer, and logs when that changes.
func (q *Queue) report(err error) {
	if q.ctx.Err() != nil {
		return
	}
	err = q.link.WhyNot(err)
	if err != nil {
		err = fmt.Errorf("nothing can be stored in JetStream: %w", err)
	}
	q.mu.Lock()
	was := q.health
	q.health = err
	q.mu.Unlock()
	switch {
	case err != nil && was == nil:
		q.log.Error().Err(err).
			Msg("the queue can't be used: agents get no acks and keep what they have, until it can be")
	case err == nil && was != nil:
		q.log.Info().Str("server", q.nc().ConnectedUrlRedacted()).Msg("the queue can be used again")
	}
}
