package members

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/subject"
)

// What members ask each other for.
const (
	topicAsk  = "ask"
	topicTake = "take"
)

// headerName is the header with the name of who speaks.
const headerName = "Aggregator"

// Connect makes the others' questions heard.
func (g *Group) Connect(nc *nats.Conn, stream string) error {
	g.nats, g.root = nc, stream+".group."
	err := g.serve(topicAsk, func(request []byte) []byte {
		g.memberMu.Lock()
		f := g.answerer
		g.memberMu.Unlock()
		if f == nil {
			return nil
		}
		return f(request)
	})
	if err != nil {
		return err
	}
	return g.serve(topicTake, func(what []byte) []byte {
		g.memberMu.Lock()
		f := g.giver
		g.memberMu.Unlock()
		if f != nil && f(what) {
			return []byte{1}
		}
		return nil
	})
}

// serve answers what others ask for with what f returns.
func (g *Group) serve(topic string, f func([]byte) []byte) error {
	_, err := g.nats.Subscribe(g.root+topic, func(m *nats.Msg) {
		if m.Header.Get(headerName) == g.self {
			return
		}
		answer := nats.NewMsg(m.Reply)
		answer.Header.Set(headerName, g.self)
		answer.Data = f(m.Data)
		// Who asks waits for it no longer than it likes.
		_ = g.nats.PublishMsg(answer)
	})
	if err != nil {
		return fmt.Errorf("listen to the group: %w", err)
	}
	return nil
}

// Ask implements buffer.Group.
func (g *Group) Ask(ctx context.Context, request []byte) (answers []buffer.Answer) {
	g.ask(ctx, topicAsk, request, func(a buffer.Answer) bool {
		answers = append(answers, a)
		return true
	})
	slices.SortFunc(answers, func(a, b buffer.Answer) int { return strings.Compare(a.Name, b.Name) })
	return answers
}

// Take reports whether another member that is alive has given what it was asked for: see Give.
func (g *Group) Take(ctx context.Context, what []byte) (given bool) {
	g.ask(ctx, topicTake, what, func(a buffer.Answer) bool {
		given = len(a.Data) > 0
		return !given
	})
	return given
}

// Give has f called with what others want to take. It reports whether this process had it, and has it no more then.
func (g *Group) Give(f func(what []byte) bool) {
	g.memberMu.Lock()
	defer g.memberMu.Unlock()
	g.giver = f
}

// ask calls f with the answers of the others that are alive, until it returns false, all have answered, or ctx ends.
func (g *Group) ask(ctx context.Context, topic string, request []byte, f func(buffer.Answer) bool) {
	want := 0
	for _, p := range g.Peers() {
		if p.Alive && p.Name != g.self {
			want++
		}
	}
	if want == 0 {
		return
	}
	inbox := g.nats.NewInbox()
	sub, err := g.nats.SubscribeSync(inbox)
	if err != nil {
		return
	}
	// A connection that is closed has none.
	defer func() { _ = sub.Unsubscribe() }()
	m := nats.NewMsg(g.root + topic)
	m.Reply, m.Data = inbox, request
	m.Header.Set(headerName, g.self)
	if g.nats.PublishMsg(m) != nil {
		return
	}
	for range want {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return
		}
		a := buffer.Answer{Name: m.Header.Get(headerName), Data: m.Data}
		if a.Name == "" || !f(a) {
			return
		}
	}
}

// Answer implements buffer.Group.
func (g *Group) Answer(f func([]byte) []byte) {
	g.memberMu.Lock()
	defer g.memberMu.Unlock()
	g.answerer = f
}

// Tell implements buffer.Group.
func (g *Group) Tell(topic string, data []byte) {
	// It may be lost in any case.
	_ = g.nats.Publish(g.root+"told."+subject.Token(topic), data)
}

// Listen implements buffer.Group.
func (g *Group) Listen(topic string, f func([]byte)) (stop func(), err error) {
	sub, err := g.nats.Subscribe(g.root+"told."+subject.Token(topic), func(m *nats.Msg) { f(m.Data) })
	if err != nil {
		return nil, fmt.Errorf("listen to the group about %s: %w", topic, err)
	}
	// A connection that is closed has none.
	return func() { _ = sub.Unsubscribe() }, nil
}
