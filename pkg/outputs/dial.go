package outputs

import (
	"net"
	"time"
)

// deadAfter is how long a peer may be silent, with something sent to it or with nothing, before its connection is
// broken.
const deadAfter = 15 * time.Second

// Dialer returns one whose connections end with an error about 15 seconds after the peer, or the way to it, has died:
// idle ones by keepalives, and on Linux those with something on its way by a time-out for that. A peer that takes
// nothing for that long, though it is alive, counts as dead there, so this is not for protocols in which a peer may
// rest.
func Dialer(timeout time.Duration) *net.Dialer {
	return &net.Dialer{
		Timeout:         timeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: deadAfter / 3, Interval: deadAfter / 3, Count: 2},
		ControlContext:  boundSilence,
	}
}
