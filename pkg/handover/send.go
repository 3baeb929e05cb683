package handover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/seed-afc6a195/aggregator/internal/rate"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
)

const (
	// groupMessages is how many messages are sent before their acks are read.
	groupMessages = 4096
	// firstWait and longestWait bound the wait before another connection after one has failed.
	firstWait, longestWait = 500 * time.Millisecond, 15 * time.Second
)

// ErrRefused is wrapped by what a receiver says that would not change by trying again.
var ErrRefused = errors.New("the other aggregator refuses")

// Sender hands over what a queue holds. Nobody takes chunks from the queue meanwhile.
type Sender struct {
	// Queue is a buffer.Giver too.
	Queue  buffer.Queue
	Client client.Config
	// Rate counts bytes of entries a second; 0: no limit.
	Rate int64
	// Progress is called after each step; nil: nobody looks.
	Progress func(Progress)
	// Retrying is called before another connection is tried; nil: nobody looks.
	Retrying func(error)

	// wait is how long to wait before another connection is tried.
	wait  time.Duration
	limit rate.Limiter
}

// Progress is how far a handover is. Events and letters are counted once, however many outputs they are owed to.
type Progress struct {
	// Events and Bytes are those of the chunks that were handed over.
	Events, Bytes int64
	Letters       int64
}

// Terms is what a receiver says to what a queue holds.
type Terms struct {
	// Clusters are those that it takes over.
	Clusters []string
	// Unknown are outputs that it has not configured: what they are owed waits there until they are.
	Unknown []string
}

// Result is what became of a handover.
type Result struct {
	Progress
	Terms
	// Refused is what stays, in events for each who wants them and in dead letters, by cluster that the receiver does
	// not take over. Then nothing is handed over.
	Refused map[string]int64
}

// Run hands over all that the receiver takes, and tries again while it can't be reached or is full, until ctx ends.
// What was acknowledged is forgotten here. A second Run, also of another process, goes on where this one ended.
func (s *Sender) Run(ctx context.Context) (Result, error) {
	giver, ok := s.Queue.(buffer.Giver)
	if !ok {
		return Result{},
			fmt.Errorf(
				"a queue of type %T can't be handed over: let it deliver what it holds with aggregator drain "+
					"without --to", s.Queue,
			)
	}
	s.wait = firstWait
	var r Result
	for {
		err := s.session(ctx, giver, &r)
		if err == nil || errors.Is(err, ErrRefused) || errors.Is(err, client.ErrLogin) ||
			errors.Is(err, client.ErrNoHandover) {
			return r, err
		}
		if ctx.Err() == nil && s.Retrying != nil {
			s.Retrying(err)
		}
		if rate.Wait(ctx, s.wait) != nil {
			return r, errors.Join(context.Cause(ctx), err)
		}
		s.wait = min(2*s.wait, longestWait)
	}
}

// Ask returns what the receiver would say, and hands nothing over.
func (s *Sender) Ask(ctx context.Context) (Terms, error) {
	l, err := s.begin(ctx)
	if err != nil {
		return Terms{}, err
	}
	return l.terms, l.client.Close()
}

// link is a connection to a receiver that has said its terms.
type link struct {
	*Sender
	client *client.Client
	terms  Terms
	result *Result

	// number is that of messages.
	number int
	// out has the messages that are not sent yet.
	out []byte
	// ids are the ids of these.
	ids    []string
	seqs   []uint64
	events int64
	// bytes is that of entries.
	bytes int64
}

// begin connects, logs in and asks for the terms.
func (s *Sender) begin(ctx context.Context) (*link, error) {
	c, err := client.Dial(ctx, s.Client)
	if err != nil {
		return nil, err
	}
	l := &link{Sender: s, client: c}
	clusters, outputs := map[string]bool{}, map[string]bool{}
	for _, p := range s.Pending() {
		if clusters[p.Cluster] = true; p.Output != "" {
			outputs[p.Output] = true
		}
	}
	id := s.Queue.ID()
	m := &message{
		Kind: kindBegin, Queue: id[:], Clusters: slices.Sorted(maps.Keys(clusters)),
		Outputs: slices.Sorted(maps.Keys(outputs)),
	}
	answer, err := l.ask(ctx, m)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	l.terms = Terms{Clusters: answer.Clusters, Unknown: answer.Unknown}
	return l, nil
}

// session hands over what there is, by one connection.
func (s *Sender) session(ctx context.Context, giver buffer.Giver, r *Result) (err error) {
	l, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.client.Close()) }()
	l.result, r.Terms, r.Refused = r, l.terms, map[string]int64{}
	// The receiver knows by the highest number what it has: what was left out now would pass for handed over later.
	for _, p := range s.Pending() {
		if !slices.Contains(l.terms.Clusters, p.Cluster) {
			r.Refused[p.Cluster] += p.Events
		}
	}
	if len(r.Refused) > 0 {
		return fmt.Errorf("%w: a queue is handed over as a whole, and not all of its clusters are taken over there",
			ErrRefused)
	}
	err = giver.Owed(ctx, func(h *buffer.Handed) error { return l.chunk(ctx, giver, h) })
	if err == nil {
		err = l.flush(ctx, giver)
	}
	if err == nil {
		err = l.letters(ctx)
	}
	if err != nil || !s.empty() {
		return err
	}
	_, err = l.ask(ctx, &message{Kind: kindEnd})
	return err
}

// Pending is what waits for an output, or aside for one of its targets, from a cluster; or, without an Output, the
// cluster's dead letters.
type Pending struct {
	Cluster, Output, Target string
	Events, Chunks, Bytes   int64
}

// Pending returns what the queue holds, by output and cluster, and dead letters last.
func (s *Sender) Pending() (all []Pending) {
	st := s.Queue.Stats()
	// Sorted.
	for _, w := range st.Waits {
		if w.Pending.Chunks > 0 {
			all = append(all, Pending{
				w.Cluster, w.Output, w.Target, w.Pending.Events, w.Pending.Chunks, w.Pending.Bytes,
			})
		}
	}
	dead := map[string]int64{}
	for k, n := range st.Dead.Events {
		dead[k.Cluster] += n
	}
	for _, cluster := range slices.Sorted(maps.Keys(dead)) {
		if dead[cluster] > 0 {
			all = append(all, Pending{Cluster: cluster, Events: dead[cluster]})
		}
	}
	return all
}

// empty reports whether the queue has nothing left.
func (s *Sender) empty() bool {
	return len(s.Pending()) == 0
}

// chunk adds a chunk to what is sent next.
func (l *link) chunk(ctx context.Context, giver buffer.Giver, h *buffer.Handed) (err error) {
	if err = l.add(&message{Kind: kindChunk, Chunk: headerOf(h)}, h.Entries); err != nil {
		return err
	}
	l.seqs = append(l.seqs, h.Seq)
	l.events += int64(h.Events)
	l.bytes += int64(len(h.Entries))
	if len(l.out) < l.group() && len(l.ids) < groupMessages {
		return nil
	}
	return l.flush(ctx, giver)
}

// group returns how many bytes are sent before their acks are read: no more than a part of a second's where there is a
// rate.
func (l *link) group() int {
	if l.Rate <= 0 {
		return groupBytes
	}
	return int(min(groupBytes, max(l.Rate/4, 64<<10)))
}

func (l *link) add(m *message, entries []byte) (err error) {
	l.number++
	id := strconv.Itoa(l.number)
	l.out, err = appendFrame(l.out, id, m, entries)
	l.ids = append(l.ids, id)
	return err
}

// flush sends the chunks, and has the queue forget them once they are acknowledged.
func (l *link) flush(ctx context.Context, giver buffer.Giver) error {
	if len(l.ids) == 0 {
		return nil
	}
	if err := l.exchange(ctx); err != nil {
		return err
	}
	if err := giver.Given(l.seqs); err != nil {
		return fmt.Errorf("forget %d chunks that the other aggregator has: %w", len(l.seqs), err)
	}
	l.result.Events += l.events
	l.result.Bytes += l.bytes
	l.done()
	err := l.pace(ctx, l.bytes)
	l.seqs, l.events, l.bytes = l.seqs[:0], 0, 0
	return err
}

// done tells that something was handed over.
func (l *link) done() {
	l.wait = firstWait
	if l.Progress != nil {
		l.Progress(l.result.Progress)
	}
}

// exchange sends the messages and reads their acks.
func (l *link) exchange(ctx context.Context) error {
	if err := l.client.Write(ctx, l.out); err != nil {
		// The other side may have said why before it closed the connection.
		if _, said := l.reply(ctx, l.ids[0]); errors.Is(said, ErrRefused) {
			return said
		}
		return err
	}
	for _, id := range l.ids {
		if _, err := l.reply(ctx, id); err != nil {
			return err
		}
	}
	l.out, l.ids = l.out[:0], l.ids[:0]
	return nil
}

// ask sends one message and returns its answer.
func (l *link) ask(ctx context.Context, m *message) (reply, error) {
	if err := l.add(m, nil); err != nil {
		return reply{}, err
	}
	if err := l.client.Write(ctx, l.out); err != nil {
		return reply{}, err
	}
	r, err := l.reply(ctx, l.ids[0])
	l.out, l.ids = l.out[:0], l.ids[:0]
	return r, err
}

// reply reads the answer to the message id.
func (l *link) reply(ctx context.Context, id string) (r reply, err error) {
	value, err := l.client.Read(ctx)
	if err != nil {
		return r, err
	}
	if err = msgpack.Unmarshal(value, &r); err != nil {
		return r, fmt.Errorf("reading an answer to a handover: %w", err)
	}
	switch {
	case r.Error != "" && r.Later:
		return r, fmt.Errorf("the other aggregator can't take more now: %s", r.Error)
	case r.Error != "":
		return r, fmt.Errorf("%w: %s", ErrRefused, r.Error)
	case r.Ack != id:
		return r, fmt.Errorf("%w: got %.40q, expected %q", client.ErrAck, r.Ack, id)
	}
	return r, nil
}

// letters hands the dead letters over.
func (l *link) letters(ctx context.Context) error {
	store := l.Queue.DeadLetters()
	page := deadletter.Page{Limit: 1000, Bytes: groupBytes}
	for more := true; more; {
		var letters []deadletter.Letter
		var err error
		if letters, more, err = store.Page(ctx, deadletter.Filter{}, page); err != nil || len(letters) == 0 {
			return err
		}
		page.After = letters[len(letters)-1].ID
		var ids []uint64
		for i := range letters {
			d := &letters[i]
			if err := l.add(&message{Kind: kindLetter, Letter: letterOf(d)}, d.Entry); err != nil {
				return err
			}
			ids = append(ids, d.ID)
		}
		sent := int64(len(l.out))
		if err := l.exchange(ctx); err != nil {
			return err
		}
		if _, err := store.Delete(ctx, ids...); err != nil {
			return fmt.Errorf("delete %d dead letters that the other aggregator has: %w", len(ids), err)
		}
		l.result.Letters += int64(len(ids))
		l.done()
		if err := l.pace(ctx, sent); err != nil {
			return err
		}
	}
	return nil
}

// pace waits until n bytes more, which were sent, fit the rate.
func (l *link) pace(ctx context.Context, n int64) error {
	_, wait := l.limit.Charge(time.Now(), n, l.Rate, 0)
	return rate.Wait(ctx, wait)
}
