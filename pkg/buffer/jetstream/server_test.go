package jetstream

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

// newServer starts a server in this process that keeps its streams in dir. It listens nowhere: connections are pipes,
// so that it may live in a bubble of package synctest, with its time.
func newServer(dir string) (*server.Server, error) {
	s, err := server.NewServer(&server.Options{
		DontListen: true, NoSigs: true, NoLog: true, JetStream: true, StoreDir: dir, MaxPayload: 8 << 20,
	})
	if err != nil {
		return nil, err
	}
	s.Start()
	if !s.ReadyForConnections(time.Minute) {
		return nil, errors.New("the server does not start")
	}
	return s, nil
}

// stop ends a server and waits for that.
func stop(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// served is a queue with a server of its own, which ends with it.
type served struct {
	*Queue
	server *server.Server
}

func (s *served) Close() error {
	err := s.Queue.Close()
	stop(s.server)
	return err
}

// openServed opens a queue on a server of its own in cfg.Path.
func openServed(cfg buffer.Config, o buffer.Options) (buffer.Queue, error) {
	// The client keeps timers for whoever needs one next, and one of another bubble may not be used in this one.
	runtime.GC()
	runtime.GC()
	dir := filepath.Join(cfg.Path, "nats")
	_, fresh := os.Stat(dir)
	srv, err := newServer(dir)
	if err != nil {
		return nil, err
	}
	if fresh == nil {
		// What was handed out when the server ended is leased until then: it has not kept that it was given back.
		time.Sleep(2 * testLease)
	}
	q, err := openOn(srv, cfg, o)
	if err != nil {
		stop(srv)
		return nil, err
	}
	return &served{q, srv}, nil
}

// testLease is how long leases are in tests.
const testLease = time.Second

// openOn opens a queue on a server.
func openOn(srv *server.Server, cfg buffer.Config, o buffer.Options) (*Queue, error) {
	cfg.Type = "jetstream"
	cfg.JetStream = &buffer.JetStreamConfig{Stream: "Q", Replicas: 1, MaxSize: cfg.MaxSize}
	return Open(context.Background(), cfg, Options{Options: o, Host: "test", inProcess: srv, lease: testLease})
}
