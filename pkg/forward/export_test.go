package forward

import (
	"context"
	"net"
)

// NewServer returns a server that listens nowhere.
func NewServer(opts Options) *Server { return newServer(context.Background(), opts) }

// Handle serves one connection to its end.
func (s *Server) Handle(nc net.Conn) {
	if c := s.admit(nc); c != nil {
		s.handle(c)
	}
}

// Drain tells all connections to end, as Shutdown does.
func (s *Server) Drain() { s.conns.drain(drainSpread) }

// Cut takes the server for stopped.
func (s *Server) Cut() { s.cancel() }
