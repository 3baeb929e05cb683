package jetstream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/acks"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/ledger"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
)

const (
	// fetchBytes and fetchChunks are what a partition asks the servers for at a time, and lowWater how much of it is
	// left when it asks again. It is leased: a little, so that several processes share what waits.
	fetchBytes  = 1 << 20
	fetchChunks = 1024
	lowWater    = fetchBytes / 2
	// fetchFor is how long the servers keep a request that they have not met: as long a process takes at most to end.
	fetchFor = 3 * time.Second
	// fetchBeat is how often they say that they still have it, and lostAfter how long after the last such word it
	// counts as lost.
	fetchBeat = time.Second
	lostAfter = 5 * time.Second
	// consumerFor is how long the servers keep a consumer that nobody uses. Nothing is lost with it: see the package's
	// comment.
	consumerFor = time.Hour
	// takeInMost is how many messages are taken in at once.
	takeInMost = 256
	// retryConsumer is how long to wait after one could not be made.
	retryConsumer = time.Second
)

// puller is how a partition gets what waits for it. Guarded by Queue.mu.
type puller struct {
	// durable is the consumer's name; "": it is not known to be there.
	durable string
	// making says that it is being made.
	making bool
	// retry is not before it is tried again.
	retry time.Time
	// answered says that the servers have said something of what waits.
	answered bool
	// pulling says that a request is with the servers.
	pulling bool
	// heard is when they last had something to say of it.
	heard time.Time
	// left counts messages that it may still bring.
	left int
	// room counts bytes that it may still bring.
	room int64
	// more counts bytes that the next one asks for, where one message is larger than usual.
	more int64
}

// pull asks for what may wait in the source's partitions. q.mu is held.
func (q *Queue) pull(src *source) {
	if !q.ready || q.closed {
		return
	}
	now := time.Now()
	for _, p := range src.partitions {
		if p.held || p.readyBytes >= lowWater || p.opening >= maxHeld || p.making {
			continue
		}
		if p.durable == "" {
			if now.After(p.retry) {
				p.making = true
				q.tasks.Go(func() { q.makeConsumer(p) })
			}
			continue
		}
		if p.pulling && now.Sub(p.heard) < lostAfter {
			continue
		}
		p.pulling, p.heard, p.left, p.room = true, now, fetchChunks, max(fetchBytes, p.more)
		body := fmt.Sprintf(`{"expires":%d,"batch":%d,"max_bytes":%d,"idle_heartbeat":%d}`, fetchFor, p.left, p.room,
			fetchBeat)
		q.acks.Request("$JS.API.CONSUMER.MSG.NEXT."+q.chunks()+"."+p.durable, p.inbox, body)
	}
}

// maxHeld bounds how many chunks of a partition are handed out at a time, and so how many leases are kept alive.
const maxHeld = 1 << 14

// durable returns the name of the consumer of a subject.
func durable(subject string) string {
	sum := sha256.Sum256([]byte(subject))
	return "q-" + hex.EncodeToString(sum[:12])
}

// makeConsumer makes the partition's consumer where it is missing.
func (q *Queue) makeConsumer(p *partition) {
	name, err := q.ensureConsumer(p.subject)
	if err != nil {
		q.trouble(err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if p.making = false; err != nil {
		p.retry = time.Now().Add(retryConsumer)
		return
	}
	p.durable, p.pulling = name, false
	q.pull(p.src)
}

// ensureConsumer returns the name of the subject's consumer, which is there then.
func (q *Queue) ensureConsumer(of string) (string, error) {
	ctx, cancel := context.WithTimeout(q.ctx, requestWithin)
	defer cancel()
	name := durable(of)
	_, err := q.js.CreateOrUpdateConsumer(ctx, q.chunks(), jetstream.ConsumerConfig{
		Durable: name, FilterSubject: of, AckPolicy: jetstream.AckExplicitPolicy, AckWait: q.lease, MaxDeliver: -1,
		MaxAckPending: -1, DeliverPolicy: jetstream.DeliverAllPolicy, InactiveThreshold: consumerFor,
		Metadata: map[string]string{"subject": of},
	})
	if err != nil {
		return "", fmt.Errorf("make the consumer of %s: %w", of, err)
	}
	return name, nil
}

// arrive is called, in turn, with what the servers send to this process: what partitions have asked for, confirmations
// of acks, and barriers. What has come at once is taken in at once.
func (q *Queue) arrive(m *nats.Msg) {
	word, mine := strings.CutPrefix(m.Subject, q.inboxes)
	if token, ok := strings.CutPrefix(word, barrierMark); mine && ok {
		q.takeIn()
		q.passed(token)
	} else if token, ok := strings.CutPrefix(word, ackMark); mine && ok {
		q.acks.Confirmed(token)
	} else {
		q.arrived = append(q.arrived, m)
	}
	if pending, _, err := m.Sub.Pending(); err != nil || pending <= 1 || len(q.arrived) >= takeInMost {
		q.takeIn()
	}
}

// takeIn takes in what has arrived for partitions: messages, under their own subjects, and what becomes of requests, to
// the partition's inbox.
func (q *Queue) takeIn() {
	if len(q.arrived) == 0 {
		return
	}
	q.mu.Lock()
	now := time.Now()
	for _, m := range q.arrived {
		if p := q.pullers[m.Subject]; p != nil {
			q.take(p, m, now)
		}
	}
	q.mu.Unlock()
	clear(q.arrived)
	q.arrived = q.arrived[:0]
}

// take takes in what has arrived for p. q.mu is held.
func (q *Queue) take(p *partition, m *nats.Msg, now time.Time) {
	p.heard, p.answered = now, true
	if len(m.Data) == 0 {
		if status := m.Header.Get("Status"); status != "" {
			p.ended(status, m.Header.Get("Description"))
			if !p.pulling {
				q.more(p.src)
			}
			return
		}
	}
	l, err := leaseOf(p, m, now)
	if err != nil {
		return
	}
	p.left--
	if p.room -= l.size(); p.left <= 0 || p.room <= 0 {
		p.pulling = false
	}
	switch {
	case p.src.settled.known[l.seq]:
		q.ack(l)
	case l.seq <= p.purged && p.src.mine[l.seq] == nil:
		q.forgetLate(l)
	case q.closed:
		q.acks.Send(l.reply, acks.Nak)
	case p.src.has(l):
		// It took longer than the servers waited. Whoever holds it goes on.
	default:
		p.insert(l)
		p.src.changed.Wake()
	}
}

// more asks for more where somebody waits. q.mu is held.
func (q *Queue) more(src *source) {
	if src.wanting > 0 {
		q.pull(src)
	}
}

// has reports whether l's message is here already, and takes over how to speak of it. Otherwise it is here now.
func (src *source) has(l *lease) bool {
	o := src.mine[l.seq]
	if o == nil {
		src.mine[l.seq] = l
		return false
	}
	o.reply, o.touched = l.reply, l.touched
	return true
}

// ended notes what a server says of p's request.
func (p *partition) ended(status, description string) {
	switch status {
	case "100":
		// It is still there.
		return
	case "409":
		if strings.Contains(description, "Exceeds MaxBytes") {
			if p.room >= fetchBytes {
				// Not even one message fits.
				p.more = min(2*max(p.more, fetchBytes), maxMessage)
			}
		} else if strings.Contains(description, "Consumer") {
			p.durable = ""
		}
	case "503":
		// Nobody listens there: the consumer is gone, or has no leader now.
		p.durable = ""
		p.retry = p.heard.Add(retryConsumer / 4)
	}
	p.pulling = false
}

// maxMessage is more than any server takes.
const maxMessage = 128 << 20

// dropOldest drops the oldest of what waits at the place and nobody works on. false: there is none.
func (q *Queue) dropOldest(ctx context.Context, place subject.Place) bool {
	q.mu.Lock()
	if src := q.sources[sourceName{place.Output, place.Target}]; src != nil {
		if p := src.partitions[place.Cluster]; p != nil && len(p.ready) > 0 {
			l := p.ready[0]
			p.ready[0], p.ready = nil, p.ready[1:]
			p.readyBytes -= l.size()
			delete(src.mine, l.seq)
			q.drop(l)
			q.mu.Unlock()
			return true
		}
	}
	q.mu.Unlock()
	of := subject.Of(q.chunks(), place)
	name, err := q.ensureConsumer(of)
	var m *nats.Msg
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, requestWithin)
		defer cancel()
		m, err = q.nc().RequestWithContext(
			ctx, "$JS.API.CONSUMER.MSG.NEXT."+q.chunks()+"."+name, []byte(`{"batch":1,"no_wait":true}`),
		)
	}
	if err != nil {
		q.trouble(err)
		return false
	}
	l, err := leaseOf(&partition{place: place, subject: of}, m, time.Now())
	if err != nil {
		// It says that there is none.
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.drop(l)
	return true
}

// drop forgets what is in hand, to make room. q.mu is held.
func (q *Queue) drop(l *lease) {
	l.count.Events = eventsOf(l.data)
	q.count(l.p.place, ledger.Dropped, l.count)
	q.ack(l)
}
