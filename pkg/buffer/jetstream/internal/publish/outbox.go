package publish

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// groupFor is how long a message waits for others while answers are outstanding: servers, the network and this
	// process do much less for a group of messages than for each by itself.
	groupFor = 5 * time.Millisecond
	// groupBytes is how large a group gets. What is as large waits for nobody.
	groupBytes = 32 << 10
	// groupWorth is how many messages must be to be expected in groupFor for patient ones to wait, and gapOf of how
	// many the mean gap between them is.
	groupWorth, gapOf = 4, 16
	// lookEvery is how often it is looked for answers that do not come.
	lookEvery = time.Second
)

// outbox is messages that are to be sent, by one goroutine, in groups: those that come while the answer to the group
// before is outstanding go together, and patient ones where many come. Who is alone never waits. Guarded by
// Publisher.mu, but for sending.
type outbox struct {
	// tokens are of the messages that are to be sent, bytes is how large they are, and since when the first waits.
	tokens []uint64
	bytes  int
	since  time.Time
	// patient says that all of them are, came is when the last one came, and gap the mean time between two.
	patient bool
	came    time.Time
	gap     time.Duration
	// last is the token that was sent last, and idle says that its answer has come.
	last uint64
	idle bool
	// kicked has the goroutine look at it.
	kicked chan struct{}
	// sending is held while messages are read to be sent.
	sending sync.Mutex
	stopped chan struct{}
}

func newOutbox() outbox {
	return outbox{idle: true, gap: time.Second, kicked: make(chan struct{}, 1), stopped: make(chan struct{})}
}

// post has a message sent. Publisher.mu is held.
func (o *outbox) post(m *Message, now time.Time) {
	o.gap += (min(now.Sub(o.came), time.Second) - o.gap) / gapOf
	first, before, patient := len(o.tokens) == 0, o.bytes, o.patient
	if o.came, o.patient = now, m.Patient && (first || patient); first {
		o.since = now
	}
	o.tokens = append(o.tokens, m.token)
	o.bytes += len(m.Data)
	if first || patient != o.patient || before < groupBytes && o.bytes >= groupBytes {
		o.kick()
	}
}

// answered notes that an answer has come. Publisher.mu is held.
func (o *outbox) answered(token uint64) {
	if token == o.last {
		if o.idle = true; len(o.tokens) > 0 {
			o.kick()
		}
	}
}

func (o *outbox) kick() {
	select {
	case o.kicked <- struct{}{}:
	default:
	}
}

// due returns the tokens of what is to be sent now, else after what time to look again; 0: once it is kicked.
// Publisher.mu is held.
func (o *outbox) due(spare []uint64) (tokens []uint64, after time.Duration) {
	if len(o.tokens) == 0 {
		return nil, 0
	}
	waits := !o.idle || o.patient && o.gap < groupFor/groupWorth
	if after = groupFor - time.Since(o.since); waits && o.bytes < groupBytes && after > 0 {
		return nil, after
	}
	tokens, o.tokens, o.bytes = o.tokens, spare[:0], 0
	o.last, o.idle = tokens[len(tokens)-1], false
	return tokens, 0
}

// run sends what is to be sent until the Publisher is closed.
func (p *Publisher) run() {
	defer close(p.stopped)
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	wait := time.NewTimer(groupFor)
	defer wait.Stop()
	msg := &nats.Msg{Header: nats.Header{}}
	var tokens []uint64
	var messages []*Message
	for {
		select {
		case <-p.kicked:
		case <-wait.C:
		case <-look.C:
			p.expire(time.Now())
		case <-p.closed:
			return
		}
		p.mu.Lock()
		due, after := p.due(tokens)
		p.mu.Unlock()
		if after > 0 {
			wait.Reset(after)
		}
		if len(due) > 0 {
			tokens = due
			messages = p.send(msg, due, messages)
		}
	}
}

// send sends those messages that somebody still waits for. msg and due are used for it, and returned empty.
func (p *Publisher) send(msg *nats.Msg, tokens []uint64, due []*Message) []*Message {
	p.sending.Lock()
	defer p.sending.Unlock()
	p.mu.Lock()
	for _, token := range tokens {
		if w, ok := p.waiting[token]; ok {
			due = append(due, w.m)
		}
	}
	p.mu.Unlock()
	id := []string{""}
	for _, m := range due {
		msg.Subject, msg.Reply, msg.Data = m.Subject, p.prefix+strconv.FormatUint(m.token, 36), m.Data
		if delete(msg.Header, headerID); m.ID != "" {
			id[0] = m.ID
			msg.Header[headerID] = id
		}
		if err := p.nc.PublishMsg(msg); err != nil {
			p.unsent(m.token, err)
		}
	}
	msg.Data = nil
	clear(due)
	return due[:0]
}

// unsent notes that the connection did not take a message.
func (p *Publisher) unsent(token uint64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w, ok := p.waiting[token]
	if !ok {
		return
	}
	if errors.Is(err, nats.ErrMaxPayload) {
		err = fmt.Errorf("%w: %d bytes, max_payload is %d", ErrTooLarge, len(w.m.Data), p.nc.MaxPayload())
	} else {
		err = fmt.Errorf("send to %s: %w", p.stream, err)
	}
	p.answered(token)
	p.settle(w, err)
}

// expire ends rounds whose answers do not come.
func (p *Publisher) expire(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.waiting {
		if now.Sub(w.round.begun) > answerWithin {
			w.round.end(fmt.Errorf("stream %s has not answered for %v", p.stream, answerWithin))
		}
	}
}
