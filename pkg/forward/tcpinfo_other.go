//go:build !linux

package forward

import "net"

// acksArrived takes a peer that closes in good order for one that has its acks.
func acksArrived(net.Conn) bool { return true }
