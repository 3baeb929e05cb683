package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// streamName is what the measurement of servers by themselves is called.
const streamName = "jetstream's servers alone"

const (
	// streamSize is that of a message: a small chunk as it is stored.
	streamSize = 3 << 10
	// streamWindow is how many answers are outstanding at most.
	streamWindow = 256
)

// phase is something that servers do with each of some messages.
type phase struct {
	name string
	of   []*nats.Msg
	do   func(*client, []*nats.Msg) error
}

// client is a connection that counts the answers to what it sends.
type client struct {
	nc       *nats.Conn
	consumer jetstream.Consumer
	inbox    string
	window   chan struct{}
	answers  sync.WaitGroup
}

// measureStream stores messages on three servers, takes them and acknowledges them, one after the other, and prints
// what each costs the servers.
func measureStream(ctx context.Context, dir string, messages int, out io.Writer) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	// See run.
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := startServers(ctx, dir)
	if err != nil {
		return err
	}
	defer func() {
		if _, failed := s.stop(); err == nil {
			err = failed
		}
	}()
	c, err := dialStream(ctx, s.urls[0])
	if err != nil {
		return err
	}
	defer c.nc.Close()
	all := make([]*nats.Msg, messages)
	for i := range all {
		all[i] = &nats.Msg{Subject: "BENCH.q", Data: make([]byte, streamSize), Header: nats.Header{
			"Nats-Msg-Id": {"m" + strconv.Itoa(i)},
		}}
	}
	taken := make([]*nats.Msg, messages)
	half := messages / 2
	for _, p := range []phase{
		{"stored", all, (*client).ask},
		{"handed out", taken, (*client).take},
		{"acknowledged, and that confirmed", taken[:half], (*client).acknowledge},
		{"acknowledged, not confirmed", taken[half:], (*client).acknowledgeOnly},
	} {
		before, err := s.used()
		if err != nil {
			return err
		}
		begun := time.Now()
		if err := p.do(c, p.of); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		took := time.Since(begun)
		after, err := s.used()
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(out, "    %-42s %10.1f µs a message, all three %9.0f messages/s\n", p.name,
			float64((after-before).Microseconds())/float64(len(p.of)), float64(len(p.of))/took.Seconds())
	}
	return nil
}

// dialStream connects, and makes a stream such as the queue's, with a consumer.
func dialStream(ctx context.Context, url string) (*client, error) {
	nc, err := nats.Connect(url)
	if err != nil {
		return nil, err
	}
	c := &client{nc: nc, inbox: nats.NewInbox(), window: make(chan struct{}, streamWindow)}
	_, err = nc.Subscribe(c.inbox, func(*nats.Msg) {
		<-c.window
		c.answers.Done()
	})
	var js jetstream.JetStream
	if err == nil {
		js, err = jetstream.New(nc)
	}
	if err == nil {
		_, err = js.CreateStream(ctx, jetstream.StreamConfig{
			Name: "BENCH", Subjects: []string{"BENCH.q"}, Retention: jetstream.WorkQueuePolicy, Replicas: 3,
			Duplicates: 10 * time.Minute,
		})
	}
	if err == nil {
		c.consumer, err = js.CreateOrUpdateConsumer(ctx, "BENCH", jetstream.ConsumerConfig{
			Durable: "c", AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Hour, MaxAckPending: -1,
		})
	}
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("make a stream: %w", err)
	}
	return c, nil
}

// ask sends messages and waits until each is answered.
func (c *client) ask(messages []*nats.Msg) error {
	for _, m := range messages {
		c.window <- struct{}{}
		c.answers.Add(1)
		m.Reply = c.inbox
		if err := c.nc.PublishMsg(m); err != nil {
			return err
		}
	}
	c.answers.Wait()
	return nil
}

// take has the servers hand out as many messages.
func (c *client) take(messages []*nats.Msg) error {
	for n := 0; n < len(messages); {
		got, err := c.consumer.Fetch(min(1000, len(messages)-n), jetstream.FetchMaxWait(time.Minute))
		if err != nil {
			return err
		}
		for m := range got.Messages() {
			messages[n] = &nats.Msg{Subject: m.Reply(), Data: []byte("+ACK")}
			n++
		}
		if err := got.Error(); err != nil {
			return err
		}
	}
	return nil
}

// acknowledge says that messages are finished, and waits until that is confirmed.
func (c *client) acknowledge(messages []*nats.Msg) error { return c.ask(messages) }

// acknowledgeOnly says it, and waits only until the consumer has nothing open any more.
func (c *client) acknowledgeOnly(messages []*nats.Msg) error {
	for _, m := range messages {
		if err := c.nc.PublishMsg(&nats.Msg{Subject: m.Subject, Data: m.Data}); err != nil {
			return err
		}
	}
	for {
		info, err := c.consumer.Info(context.Background())
		if err != nil || info.NumAckPending == 0 {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}
