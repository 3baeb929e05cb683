// Package acks tells the servers what becomes of the messages that they have handed out, without that anybody waits for
// the network, and says that one is finished until they have confirmed it.
package acks

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// What a consumer is told of a message that it has handed out.
const (
	// Ack: it is finished.
	Ack = "+ACK"
	// Nak: others may have it at once.
	Nak = "-NAK"
	// Progress: it is still being worked on.
	Progress = "+WPI"
	// NakLater gives it back for a while, in nanoseconds.
	NakLater = `-NAK {"delay": 30000000000}`
)

const (
	// maxUnconfirmed bounds how many acks may be unconfirmed. Those beyond are sent once.
	maxUnconfirmed = 1 << 16
	// maxInsist is how often an ack is said again.
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

// unconfirmed is word that a message is finished, until the servers have confirmed it: it is lost where the one dies
// that it was sent to, and then others would get the message too.
type unconfirmed struct {
	word
	// at is when it was said last.
	at time.Time
	// times counts how often it was said again.
	times int
}

// Sender sends what there is to say. Safe for concurrent use, and never calls who holds it.
type Sender struct {
	publish func(*nats.Msg) error
	inbox   string
	wait    time.Duration
	// spoken says that there are words to be sent, and urgent that they are to be sent at once.
	spoken, urgent chan struct{}

	mu sync.Mutex
	// words are to be sent.
	words []word
	// waiting are acks that are not confirmed, by their tokens; acks counts them, and allConfirmed, where there is one,
	// is closed once all are confirmed.
	waiting      map[string]unconfirmed
	acks         uint64
	allConfirmed chan struct{}
}

// New returns a Sender that publishes with publish. The servers' confirmations go to the subject that inbox and a token
// make, and belong to Confirmed. wait is how long the servers wait for word of a message.
func New(publish func(*nats.Msg) error, inbox string, wait time.Duration) *Sender {
	return &Sender{
		publish: publish, inbox: inbox, wait: wait, spoken: make(chan struct{}, 1), urgent: make(chan struct{}, 1),
		waiting: map[string]unconfirmed{},
	}
}

// Send tells a consumer something of a message, whose reply subject it is.
func (s *Sender) Send(reply, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := word{subject: reply, data: what}
	if what == Ack && len(s.waiting) < maxUnconfirmed {
		s.acks++
		token := strconv.FormatUint(s.acks, 36)
		w.reply = s.inbox + token
		s.waiting[token] = unconfirmed{word: w, at: time.Now()}
	}
	s.say(w)
}

// Request asks a server for something, which goes to reply.
func (s *Sender) Request(subject, reply, data string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.say(word{subject: subject, reply: reply, data: data})
	s.expedite()
}

// Confirmed notes that the servers have kept that a message is finished.
func (s *Sender) Confirmed(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.confirmed(token)
}

// confirmed is Confirmed. mu is held.
func (s *Sender) confirmed(token string) {
	if delete(s.waiting, token); len(s.waiting) == 0 && s.allConfirmed != nil {
		close(s.allConfirmed)
		s.allConfirmed = nil
	}
}

// Unconfirmed returns of how many messages of a consumer the servers have not confirmed that they are finished.
func (s *Sender) Unconfirmed(consumer string) (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.waiting {
		if strings.Contains(u.subject, "."+consumer+".") {
			n++
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
	for token, u := range s.waiting {
		if now.Sub(u.at) <= s.wait/4 {
			continue
		}
		if u.times++; u.times > maxInsist {
			// They know nothing of it any more.
			s.confirmed(token)
			continue
		}
		u.at = now
		s.waiting[token] = u
		s.say(u.word)
	}
}

// AwaitConfirmed waits until the servers have confirmed all, or do not answer within the time.
func (s *Sender) AwaitConfirmed(within time.Duration) {
	s.mu.Lock()
	s.insist(time.Now().Add(s.wait))
	all := make(chan struct{})
	if len(s.waiting) == 0 {
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

// say has Run send a word. mu is held.
func (s *Sender) say(w word) {
	s.words = append(s.words, w)
	if len(s.words) == gatherMost {
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
	for {
		select {
		case <-s.spoken:
			gather := time.NewTimer(gatherFor)
			select {
			case <-s.urgent:
			case <-gather.C:
			case <-ctx.Done():
				return
			}
			gather.Stop()
			s.Flush()
		case <-ctx.Done():
			return
		}
	}
}

// Flush sends what there is to say. What the connection doesn't take is said again, where it has to be confirmed, or
// asked for again.
func (s *Sender) Flush() {
	s.mu.Lock()
	words := s.words
	s.words = nil
	s.mu.Unlock()
	for _, w := range words {
		// What is lost, see above.
		_ = s.publish(&nats.Msg{Subject: w.subject, Reply: w.reply, Data: []byte(w.data)})
	}
}
