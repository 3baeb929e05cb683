package forward

import (
	"context"
	"net"
)

// identify says whose connection this is: whatever is spoken before the first message is spoken here, within the
// listener's handshake_timeout. Without keys or certificates nothing is, and everything belongs to one cluster.
func (s *Server) identify(_ context.Context, _ net.Conn) (cluster string, err error) { //nolint:unparam // a handshake can fail; there is none yet
	return s.opts.Cluster, nil
}
