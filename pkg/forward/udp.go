package forward

import (
	"errors"
	"net"
)

// answerHeartbeats answers fluentd's UDP heartbeats until pc is closed: a zero byte for each datagram, and nothing but
// an empty datagram for an empty one, so that nobody gets more bytes than he sent.
func answerHeartbeats(pc net.PacketConn) {
	var buf [1]byte
	for {
		n, from, err := pc.ReadFrom(buf[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || from == nil {
			continue // one datagram's trouble, such as a refusal of the last answer
		}
		_, _ = pc.WriteTo(make([]byte, min(n, 1)), from) // as lossy as UDP itself
	}
}
