// Package publish stores messages in a stream, many at once, and waits until the stream has acknowledged each.
package publish

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/broadcast"
)

// headerID is the header by which the server knows a message again. It is the only one: they are stored and read again
// with each message. Which stream has stored it the answer says.
const headerID = "Nats-Msg-Id"

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
	// Patient says that whoever waits for it loses nothing by a few milliseconds more: where many such come, they go
	// together.
	Patient bool

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
}

// Publisher stores messages in one stream. Safe for concurrent use.
type Publisher struct {
	nc     *nats.Conn
	stream string
	// prefix is that of the subjects that answers come to.
	prefix string
	// usual begins the answers to what is stored; its number and a brace follow.
	usual []byte
	sub   *nats.Subscription

	mu      sync.Mutex
	next    uint64
	waiting map[uint64]answerTo
	// used counts bytes that wait for answers.
	used int64
	// room wakes when some of it is free again, and again when a connection was made: what was sent before may be lost.
	room, again broadcast.Signal
	closed      chan struct{}
	outbox
}

// answerTo is who waits for an answer.
type answerTo struct {
	m     *Message
	round *round
}

// round is one attempt at some messages.
type round struct {
	begun time.Time
	left  int
	// failed is why one of the messages was not stored.
	failed error
	// done is closed once all are answered, or will not be, and err is why then.
	done chan struct{}
	over bool
	err  error
}

// end ends the round, where it has not ended. Publisher.mu is held.
func (r *round) end(err error) {
	if r.over {
		return
	}
	r.over, r.err = true, err
	close(r.done)
}

// New returns a Publisher for the stream. The caller closes it.
func New(nc *nats.Conn, stream string) (*Publisher, error) {
	p := &Publisher{
		nc: nc, stream: stream, prefix: nc.NewInbox() + ".", waiting: map[uint64]answerTo{},
		closed: make(chan struct{}), outbox: newOutbox(), usual: fmt.Appendf(nil, `{"stream":%q,"seq":`, stream),
	}
	var err error
	if p.sub, err = nc.Subscribe(p.prefix+"*", p.answer); err != nil {
		return nil, fmt.Errorf("listen for the answers of stream %s: %w", stream, err)
	}
	go p.run()
	return p, nil
}

// Close ends all calls of Publish with ErrClosed.
func (p *Publisher) Close() {
	p.mu.Lock()
	select {
	case <-p.closed:
		p.mu.Unlock()
		return
	default:
	}
	close(p.closed)
	p.endAll(ErrClosed)
	// A connection that is closed has none.
	_ = p.sub.Unsubscribe()
	p.mu.Unlock()
	<-p.stopped
}

// endAll ends all rounds. mu is held.
func (p *Publisher) endAll(err error) {
	for _, w := range p.waiting {
		w.round.end(err)
	}
	p.room.Wake()
	p.again.Wake()
}

// Reconnected tells that the connection is a new one.
func (p *Publisher) Reconnected() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endAll(errors.New("the connection was lost before the answer"))
}

// Outstanding returns how many messages wait for an answer, and their bytes.
func (p *Publisher) Outstanding() (messages int, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting), p.used
}

// Publish returns nil once all messages are stored. It tries again for as long as it takes, under the same ids, but for
// what the errors above say. After an error, some may be stored, or may be yet. tell is called with each reason to try
// again. Nobody reads the messages' data once it has returned.
func (p *Publisher) Publish(ctx context.Context, messages []*Message, tell func(error)) error {
	size := int64(0)
	for _, m := range messages {
		m.stored = false
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
		room := p.room.Next()
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
	p.room.Wake()
}

// pause waits, for a new connection where there is none.
func (p *Publisher) pause(ctx context.Context, d time.Duration) error {
	var again <-chan struct{}
	if !p.nc.IsConnected() {
		p.mu.Lock()
		again = p.again.Next()
		p.mu.Unlock()
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
	if !p.nc.IsConnected() {
		return errors.New("no server is connected")
	}
	r := p.begin(messages)
	select {
	case <-r.done:
	case <-ctx.Done():
		p.mu.Lock()
		r.end(ctx.Err())
		p.mu.Unlock()
	}
	if r.err != nil {
		p.forget(messages)
	}
	return r.err
}

// begin makes a round of what is not stored. Until it is done or forgotten, the messages are answer's.
func (p *Publisher) begin(messages []*Message) *round {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &round{done: make(chan struct{}), begun: time.Now()}
	select {
	case <-p.closed:
		r.end(ErrClosed)
		return r
	default:
	}
	for _, m := range messages {
		if !m.stored {
			p.next++
			m.token = p.next
			m.tries++
			p.waiting[m.token] = answerTo{m, r}
			p.post(m, r.begun)
			r.left++
		}
	}
	if r.left == 0 {
		r.end(nil)
	}
	return r
}

// forget forgets who waits for an answer. Nothing of them is sent any more then.
func (p *Publisher) forget(messages []*Message) {
	p.mu.Lock()
	for _, m := range messages {
		delete(p.waiting, m.token)
	}
	p.mu.Unlock()
	// What is being sent at the moment is sent by then.
	p.sending.Lock()
	p.sending.Unlock() //nolint:staticcheck // as above
}

// answer is called with what the server answers.
func (p *Publisher) answer(msg *nats.Msg) {
	token, err := strconv.ParseUint(strings.TrimPrefix(msg.Subject, p.prefix), 36, 64)
	if err != nil {
		return
	}
	ack, err := p.read(msg)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answered(token)
	w, ok := p.waiting[token]
	if !ok {
		// It comes too late, and the message was sent again.
		return
	}
	if err == nil {
		w.m.stored, w.m.Seq, w.m.Duplicate, w.m.Again = true, ack.Seq, ack.Duplicate, w.m.tries > 1
	}
	p.settle(w, err)
}

// read returns what an answer says.
func (p *Publisher) read(msg *nats.Msg) (ack pubAck, err error) {
	if msg.Header.Get("Status") == "503" {
		return ack, errors.New("no server has the stream at the moment")
	}
	// Nearly all are of this form.
	if text, ok := bytes.CutPrefix(msg.Data, p.usual); ok {
		if text, ok = bytes.CutSuffix(text, []byte("}")); ok {
			if ack.Seq, err = strconv.ParseUint(string(text), 10, 64); err == nil {
				return ack, nil
			}
		}
	}
	return p.readAny(msg.Data)
}

// readAny is read for an answer of any form.
func (p *Publisher) readAny(data []byte) (ack pubAck, err error) {
	if err := json.Unmarshal(data, &ack); err != nil {
		return ack, fmt.Errorf("an answer that is none: %w", err)
	}
	return ack, ack.err(p.stream)
}

// settle ends the wait for the answer to a message. mu is held.
func (p *Publisher) settle(w answerTo, err error) {
	delete(p.waiting, w.m.token)
	w.round.failed = cmp.Or(w.round.failed, err)
	if w.round.left--; w.round.left == 0 {
		w.round.end(w.round.failed)
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
	// codeNoStorage is said where the servers have no storage left.
	codeNoStorage   = 10047
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
