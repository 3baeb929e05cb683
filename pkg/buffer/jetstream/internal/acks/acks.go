// Package acks tells the servers what becomes of the messages that they have handed out, without that anybody waits for
// the network, and says that one is finished until they have confirmed it.
package acks

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// What a consumer is told of a message that it has handed out.
const (
	// ack: it is finished, see Finish.
	ack = "+ACK"
	// Nak: others may have it at once.
	Nak = "-NAK"
	// Progress: it is still being worked on.
	Progress = "+WPI"
	// NakLater gives it back for a while, in nanoseconds.
	NakLater = `-NAK {"delay": 30000000000}`
)

const (
	// maxUnconfirmed bounds of how many messages it may be unconfirmed that they are finished. Of those beyond it is
	// said once.
	maxUnconfirmed = 1 << 16
	// maxInsist is how often that is said again.
	maxInsist = 20
	// gatherFor is how long what is not urgent waits for more: the servers do much less for a group of words than for
	// each by itself. gatherMost is how many words wait.
	gatherFor  = 5 * time.Millisecond
	gatherMost = 256
)

// word is something that a server is told, or asked for, without waiting for an answer.
type word struct {
	subject, reply string
	data           string
}

// finished is a message that is finished.
type finished struct {
	seq   uint64 // in the stream
	reply string
}

// group is messages of one consumer that are finished, and of which that is said in one go. The newest is said last,
// and asks to be confirmed, for all: the servers heed them in turn, and one that has the newest knows of the others.
type group struct {
	of   string
	acks []finished
	// at is when it was said last.
	at time.Time
	// times counts how often it was said again.
	times int
}

// said is a group under the token of its confirmation; 0: it is not asked for.
type said struct {
	*group
	token uint64
}

// Sender sends what there is to say. Safe for concurrent use, and never calls who holds it.
type Sender struct {
	publish func(*nats.Msg) error
	inbox   string
	wait    time.Duration
	// spoken says that there are words to be sent, and urgent that they are to be sent at once.
	spoken, urgent chan struct{}

	mu sync.Mutex
	// words and again are to be sent, and so is what open has, by consumer. gathered counts what is new of that.
	words    []word
	again    []said
	open     map[string]*group
	gathered int
	// waiting is what is not confirmed, by its tokens: word of it is lost where the server dies that it was sent to,
	// and then others would get the messages too. tokens counts them, unconfirmed the messages. allConfirmed, where
	// there is one, is closed once all are confirmed.
	waiting      map[uint64]*group
	tokens       uint64
	unconfirmed  int
	allConfirmed chan struct{}
}

// New returns a Sender that publishes with publish, which keeps no message. The servers' confirmations go to the
// subject that inbox and a token make, and belong to Confirmed. wait is how long the servers wait for word of a
// message.
func New(publish func(*nats.Msg) error, inbox string, wait time.Duration) *Sender {
	return &Sender{
		publish: publish, inbox: inbox, wait: wait, spoken: make(chan struct{}, 1), urgent: make(chan struct{}, 1),
		open: map[string]*group{}, waiting: map[uint64]*group{},
	}
}

// Send tells a consumer something of a message, whose reply subject it is, but for that it is finished: see Finish.
func (s *Sender) Send(reply, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.words = append(s.words, word{subject: reply, data: what})
	s.say()
}

// Finish tells a consumer that it is through with the message of that number in the stream, whose reply subject it is.
// of names the consumer.
func (s *Sender) Finish(of string, seq uint64, reply string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.open[of]
	if g == nil {
		g = &group{of: of}
		s.open[of] = g
	}
	g.acks = append(g.acks, finished{seq, reply})
	if n := len(g.acks) - 1; n > 0 && g.acks[n-1].seq > seq {
		g.acks[n-1], g.acks[n] = g.acks[n], g.acks[n-1]
	}
	s.say()
}

// Request asks a server for something, which goes to reply.
func (s *Sender) Request(subject, reply, data string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.words = append(s.words, word{subject, reply, data})
	s.say()
	s.expedite()
}

// Confirmed notes that the servers have kept that messages are finished.
func (s *Sender) Confirmed(token string) {
	n, err := strconv.ParseUint(token, 36, 64)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.confirmed(n)
}

// confirmed is Confirmed. mu is held.
func (s *Sender) confirmed(token uint64) {
	if g := s.waiting[token]; g != nil {
		delete(s.waiting, token)
		s.unconfirmed -= len(g.acks)
	}
	if len(s.waiting)+len(s.open) == 0 && s.allConfirmed != nil {
		close(s.allConfirmed)
		s.allConfirmed = nil
	}
}

// Unconfirmed returns of how many messages of a consumer the servers have not confirmed that they are finished.
func (s *Sender) Unconfirmed(of string) (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.open[of]; g != nil {
		n = int64(len(g.acks))
	}
	for _, g := range s.waiting {
		if g.of == of {
			n += int64(len(g.acks))
		}
	}
	return n
}

// Insist says again what was not confirmed for a quarter of what the servers wait.
func (s *Sender) Insist(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.insist(now)
}

// insist is Insist. mu is held.
func (s *Sender) insist(now time.Time) {
	for token, g := range s.waiting {
		if now.Sub(g.at) <= s.wait/4 {
			continue
		}
		if g.times++; g.times > maxInsist {
			// They know nothing of it any more.
			s.confirmed(token)
			continue
		}
		g.at = now
		s.again = append(s.again, said{g, token})
		s.say()
	}
}

// AwaitConfirmed waits until the servers have confirmed all, or do not answer within the time.
func (s *Sender) AwaitConfirmed(within time.Duration) {
	s.mu.Lock()
	s.insist(time.Now().Add(s.wait))
	all := make(chan struct{})
	if len(s.waiting)+len(s.open) == 0 {
		close(all)
	} else {
		s.allConfirmed = all
	}
	s.mu.Unlock()
	s.Flush()
	t := time.NewTimer(within)
	defer t.Stop()
	select {
	case <-all:
	case <-t.C:
	}
}

// say has Run send what was added. mu is held.
func (s *Sender) say() {
	if s.gathered++; s.gathered == gatherMost {
		s.expedite()
	}
	select {
	case s.spoken <- struct{}{}:
	default:
	}
}

// expedite has Run send what there is to say at once.
func (s *Sender) expedite() {
	select {
	case s.urgent <- struct{}{}:
	default:
	}
}

// Run sends words until ctx ends, so that nobody who has some waits for the network.
func (s *Sender) Run(ctx context.Context) {
	gather := time.NewTimer(gatherFor)
	defer gather.Stop()
	for {
		select {
		case <-s.spoken:
			gather.Reset(gatherFor)
			select {
			case <-s.urgent:
			case <-gather.C:
			case <-ctx.Done():
				return
			}
			s.Flush()
		case <-ctx.Done():
			return
		}
	}
}

// Flush sends what there is to say. What the connection doesn't take is said again, where it has to be confirmed, or
// asked for again.
func (s *Sender) Flush() {
	words, groups := s.collect(time.Now())
	var m nats.Msg
	for _, w := range words {
		m.Subject, m.Reply, m.Data = w.subject, w.reply, []byte(w.data)
		// What is lost, see above.
		_ = s.publish(&m)
	}
	m.Data = []byte(ack)
	for _, g := range groups {
		for i := range g.acks {
			m.Subject, m.Reply = g.acks[i].reply, ""
			if i == len(g.acks)-1 && g.token != 0 {
				m.Reply = s.inbox + strconv.FormatUint(g.token, 36)
			}
			_ = s.publish(&m)
		}
	}
}

// collect returns what there is to say, which is being said then.
func (s *Sender) collect(now time.Time) (words []word, groups []said) {
	s.mu.Lock()
	defer s.mu.Unlock()
	words, groups = s.words, s.again
	s.words, s.again, s.gathered = nil, nil, 0
	for of, g := range s.open {
		delete(s.open, of)
		one := said{group: g}
		if s.unconfirmed+len(g.acks) <= maxUnconfirmed {
			s.tokens++
			one.token, g.at = s.tokens, now
			s.waiting[one.token] = g
			s.unconfirmed += len(g.acks)
		}
		groups = append(groups, one)
	}
	return words, groups
}
