package jetstream

import (
	"context"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/link"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/setup"
)

// requestWithin is how long a server may take to answer a question.
const requestWithin = 5 * time.Second

// remote is where the queue is kept. link and js are set by dial.
type remote struct {
	cfg  buffer.Config
	link *link.Link
	js   jetstream.JetStream

	// Of the keeper's goroutine: the group's bucket, and what ends the watch of it.
	bucket  jetstream.KeyValue
	unwatch context.CancelFunc
}

// nc returns the connection.
func (r *remote) nc() *nats.Conn { return r.link.Conn() }

// setup returns what is to be on the servers.
func (r *remote) setup() *setup.Setup { return &setup.Setup{JS: r.js, Config: r.cfg} }

// chunks and letters are the names of the streams.
func (r *remote) chunks() string  { return r.cfg.JetStream.Stream }
func (r *remote) letters() string { return r.cfg.JetStream.Stream + "_DEAD" }

// link returns what a connection is made with. turned is called when it is made or lost.
func (o *Options) link(cfg *buffer.JetStreamConfig, turned func()) *link.Options {
	return &link.Options{Config: cfg, Name: "aggregator " + o.Host, TLS: o.TLS, InProcess: o.inProcess, Turned: turned}
}

// hostName returns what people call this process.
func hostName(o *Options) string {
	if o.Host != "" {
		return o.Host
	}
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}
