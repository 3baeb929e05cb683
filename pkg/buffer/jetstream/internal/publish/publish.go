// Package publish stores messages in a stream, many at once, and waits until the stream has acknowledged each.
package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Headers that the server heeds.
const (
	headerID     = "Nats-Msg-Id"
	headerStream = "Nats-Expected-Stream"
)

const (
	// answerWithin is how long an answer may take before the message is sent again, under its id.
	answerWithin = 5 * time.Second
	// firstPause and mostPause are between attempts that were refused.
	firstPause = 50 * time.Millisecond
	mostPause  = 2 * time.Second
	// maxOutstanding bounds how many bytes of messages wait for answers, of all callers together.
	maxOutstanding = 32 << 20
)

// Errors that a caller decides on.
var (
	// ErrFull is returned where the stream takes nothing because of a limit of its own.
	ErrFull = errors.New("the stream is full")
	// ErrTooLarge is returned for a message that is larger than the server takes. It will not fit later either.
	ErrTooLarge = errors.New("larger than a message may be for the server")
	// ErrForeign is returned where the subjects belong to another stream.
	ErrForeign = errors.New("its subjects belong to another stream")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("closed")
)

// Message is what is to be stored.
type Message struct {
	Subject string
	// ID is the same only for what is the same: within the stream's window for duplicates, a second message of an id is
	// not stored.
	ID   string
	Data []byte

	// Set once Publish has returned nil:

	// Seq is in the stream; of a duplicate, that of the first.
	Seq uint64
	// Duplicate says that the stream says that the id was there before.
	Duplicate bool
	// Again says that it was sent more than once, so that what was there may be this.
	Again bool

	stored bool
	tries  int
	// token is that of the last attempt.
	token uint64
	err   error
}

// Publisher stores messages in one stream. Safe for concurrent use.
type Publisher struct {
	nc     *nats.Conn
	stream string
	// prefix is that of the subjects that answers come to.
	prefix string
	sub    *nats.Subscription

	mu      sync.Mutex
	next    uint64
	waiting map[uint64]answerTo
	// used counts bytes that wait for answers.
	used int64
	// room is closed when some of it is free again.
	room chan struct{}
	// again is closed when a connection was made: what was sent before may be lost.
	again  chan struct{}
	closed chan struct{}
}

// answerTo is who waits for an answer.
type answerTo struct {
	m     *Message
	round *round
}

// round is one attempt at some messages.
type round struct {
	left int
	// done is closed once all are answered.
	done chan struct{}
}

// New returns a Publisher for the stream. The caller closes it.
func New(nc *nats.Conn, stream string) (*Publisher, error) {
	p := &Publisher{
		nc: nc, stream: stream, prefix: nc.NewInbox() + ".", waiting: map[uint64]answerTo{},
		room: make(chan struct{}), again: make(chan struct{}), closed: make(chan struct{}),
	}
	var err error
	if p.sub, err = nc.Subscribe(p.prefix+"*", p.answer); err != nil {
		return nil, fmt.Errorf("listen for the answers of stream %s: %w", stream, err)
	}
	return p, nil
}

// Close ends all calls of Publish with ErrClosed.
func (p *Publisher) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.closed:
	default:
		close(p.closed)
		// A connection that is closed has none.
		_ = p.sub.Unsubscribe()
	}
}

// Reconnected tells that the connection is a new one.
func (p *Publisher) Reconnected() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.again)
	p.again = make(chan struct{})
}

// Outstanding returns how many messages wait for an answer, and their bytes.
func (p *Publisher) Outstanding() (messages int, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting), p.used
}

// Publish returns nil once all messages are stored. It tries again for as long as it takes, under the same ids, but for
// what the errors above say. After an error, some may be stored, or may be yet. tell is called with each reason to try
// again.
func (p *Publisher) Publish(ctx context.Context, messages []*Message, tell func(error)) error {
	size := int64(0)
	for _, m := range messages {
		m.stored, m.err = false, nil
		// Of an earlier call, tries count on: its attempts may have been stored.
		size += int64(len(m.Data))
	}
	if err := p.take(ctx, size); err != nil {
		return err
	}
	defer p.give(size)
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		err := p.attempt(ctx, messages)
		if err == nil || errors.Is(err, ErrFull) || errors.Is(err, ErrTooLarge) || errors.Is(err, ErrForeign) ||
			errors.Is(err, ErrClosed) || ctx.Err() != nil {
			return err
		}
		tell(err)
		if err := p.pause(ctx, pause); err != nil {
			return err
		}
	}
}

// take waits until there is room for so many bytes. One who asks for more than there ever is waits until nobody else
// has any.
func (p *Publisher) take(ctx context.Context, size int64) error {
	for {
		p.mu.Lock()
		if p.used == 0 || p.used+size <= maxOutstanding {
			p.used += size
			p.mu.Unlock()
			return nil
		}
		room := p.room
		p.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		case <-p.closed:
			return ErrClosed
		}
	}
}

func (p *Publisher) give(size int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used -= size
	close(p.room)
	p.room = make(chan struct{})
}

// pause waits, for a new connection where there is none.
func (p *Publisher) pause(ctx context.Context, d time.Duration) error {
	p.mu.Lock()
	again := p.again
	p.mu.Unlock()
	if p.nc.IsConnected() {
		again = nil
	} else {
		d = answerWithin
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-again:
	case <-ctx.Done():
		return ctx.Err()
	case <-p.closed:
		return ErrClosed
	}
	return nil
}

// attempt sends what is not stored yet and waits for the answers.
func (p *Publisher) attempt(ctx context.Context, messages []*Message) error {
	select {
	case <-p.closed:
		return ErrClosed
	default:
	}
	if !p.nc.IsConnected() {
		return errors.New("no server is connected")
	}
	sent, r, again := p.begin(messages)
	defer p.end(sent)
	for _, m := range sent {
		msg := &nats.Msg{
			Subject: m.Subject, Reply: p.prefix + strconv.FormatUint(m.token, 36), Data: m.Data,
			Header: nats.Header{headerStream: {p.stream}},
		}
		if m.ID != "" {
			msg.Header[headerID] = []string{m.ID}
		}
		err := p.nc.PublishMsg(msg)
		if errors.Is(err, nats.ErrMaxPayload) {
			return fmt.Errorf("%w: %d bytes, max_payload is %d", ErrTooLarge, len(m.Data), p.nc.MaxPayload())
		}
		if err != nil {
			return fmt.Errorf("send to %s: %w", p.stream, err)
		}
	}
	t := time.NewTimer(answerWithin)
	defer t.Stop()
	select {
	case <-r.done:
	case <-again:
		return errors.New("the connection was lost before the answer")
	case <-t.C:
		return fmt.Errorf("stream %s has not answered for %v", p.stream, answerWithin)
	case <-ctx.Done():
		return ctx.Err()
	case <-p.closed:
		return ErrClosed
	}
	for _, m := range sent {
		if m.err != nil {
			return m.err
		}
	}
	return nil
}

// begin makes a round of what is not stored. Until it is done or ended, the messages are answer's.
func (p *Publisher) begin(messages []*Message) (sent []*Message, r *round, again chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r = &round{done: make(chan struct{})}
	for _, m := range messages {
		if !m.stored {
			p.next++
			m.token, m.err = p.next, nil
			m.tries++
			p.waiting[m.token] = answerTo{m, r}
			sent = append(sent, m)
		}
	}
	if r.left = len(sent); r.left == 0 {
		close(r.done)
	}
	return sent, r, p.again
}

// end forgets who waits for an answer.
func (p *Publisher) end(messages []*Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range messages {
		delete(p.waiting, m.token)
	}
}

// answer is called with what the server answers.
func (p *Publisher) answer(msg *nats.Msg) {
	token, err := strconv.ParseUint(strings.TrimPrefix(msg.Subject, p.prefix), 36, 64)
	if err != nil {
		return
	}
	var ack pubAck
	if msg.Header.Get("Status") == "503" {
		err = errors.New("no server has the stream at the moment")
	} else if err = json.Unmarshal(msg.Data, &ack); err != nil {
		err = fmt.Errorf("an answer that is none: %w", err)
	} else {
		err = ack.err(p.stream)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	w, ok := p.waiting[token]
	if !ok {
		// It comes too late, and the message was sent again.
		return
	}
	delete(p.waiting, token)
	if w.m.err = err; err == nil {
		w.m.stored, w.m.Seq, w.m.Duplicate, w.m.Again = true, ack.Seq, ack.Duplicate, w.m.tries > 1
	}
	if w.round.left--; w.round.left == 0 {
		close(w.round.done)
	}
}

// pubAck is what a stream answers.
type pubAck struct {
	Stream    string `json:"stream"`
	Seq       uint64 `json:"seq"`
	Duplicate bool   `json:"duplicate"`
	Error     *struct {
		Code        int    `json:"code"`
		ErrCode     int    `json:"err_code"`
		Description string `json:"description"`
	} `json:"error"`
}

// Numbers of the server's errors.
const (
	codeNoStorage   = 10047 // insufficient storage resources available
	codeNoResources = 10023
	codeTooLarge    = 10054
	// codeStoreFailed is the stream's own limits, with their names.
	codeStoreFailed = 10077
	// codeExpected is the subjects are another stream's.
	codeExpected = 10060
)

func (a *pubAck) err(stream string) error {
	switch e := a.Error; {
	case e == nil && a.Stream != stream:
		return fmt.Errorf("%w: %s has answered for %s", ErrForeign, a.Stream, stream)
	case e == nil:
		return nil
	case e.ErrCode == codeNoStorage, e.ErrCode == codeNoResources,
		e.ErrCode == codeStoreFailed && strings.Contains(e.Description, "maximum"):
		return fmt.Errorf("%w: %s", ErrFull, e.Description)
	case e.ErrCode == codeTooLarge:
		return fmt.Errorf("%w: %s", ErrTooLarge, e.Description)
	case e.ErrCode == codeExpected:
		return fmt.Errorf("%w: %s", ErrForeign, e.Description)
	default:
		return fmt.Errorf("stream %s refuses: %s (%d)", stream, e.Description, e.ErrCode)
	}
}
