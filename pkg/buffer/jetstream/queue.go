package jetstream

import (
	"context"
	"crypto/tls"
	"errors"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

// Options is what the queue needs beside its Config.
type Options struct {
	buffer.Options
	// TLS returns how a server is spoken to, and is asked at each connection, as files change; nil: as the URLs say, with
	// the system's authorities.
	TLS func(host string) *tls.Config
	// Host names the process to people, such as the pod's name; "": the host's name.
	Host string
}

// Queue is a buffer.Queue in a stream.
type Queue struct {
	buffer.Queue
	buffer.Group
	js jetstream.JetStream
}

// errUnfinished is returned while the engine is being built.
var errUnfinished = errors.New("the queue on JetStream is not finished yet")

// Open returns the queue that cfg.JetStream names. Servers that can't be reached don't make it fail: they are tried
// again, and Ready says why nothing can be stored until then. A stream that has other settings than it must have does.
func Open(ctx context.Context, cfg buffer.Config, o Options) (*Queue, error) {
	return nil, errUnfinished
}

// SetLogin replaces user, password and token, from the next connection on. A credentials file is read at each.
func (q *Queue) SetLogin(cfg *buffer.JetStreamConfig) {}
