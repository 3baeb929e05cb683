package forward

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Why the server closes a connection of itself: labels of Stats.Refused.
const (
	reasonTooLarge    = "too_large"
	reasonNotForward  = "not_forward"
	reasonBroken      = "broken"
	reasonTag         = "tag"
	reasonCompression = "compression"
	reasonHandshake   = "handshake"
	reasonLogin       = "login" // a refusal of Clusters that has no label of its own
	reasonMemory      = "memory"
	reasonStalled     = "stalled"
	reasonStore       = "not_stored"
	reasonAck         = "ack_not_taken"
	reasonConnections = "max_connections"
	reasonFiles       = "open_files" // the process's limit of open files leaves no room
	reasonAccept      = "accept"
	reasonSourceFull  = "max_connections_per_source"
	reasonClusterFull = "cluster_limit"
	reasonProxy       = "proxy"   // no usable PROXY header
	reasonTLS         = "tls"     // a TLS client that does not get through the handshake
	reasonNotTLS      = "not_tls" // something else on a TLS listener
	reasonLost        = "lost"    // within a message, by the peer or the network
)

func reasons() []string {
	return append(loginReasons(), reasonTooLarge, reasonNotForward, reasonBroken, reasonTag, reasonCompression, reasonHandshake, reasonLogin, reasonMemory, reasonStalled, reasonStore, reasonAck, reasonConnections, reasonFiles, reasonSourceFull, reasonClusterFull, reasonProxy, reasonTLS, reasonNotTLS, reasonLost, reasonAccept)
}

// loginReasons are the labels that Clusters gives to its refusals.
func loginReasons() []string {
	return []string{"shared_key", "user", "source", "certificate", "unknown_cluster"}
}

// refusal is an error that ends a connection, with its label.
type refusal struct {
	reason string
	err    error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

func refuse(reason, format string, args ...any) error {
	return &refusal{reason: reason, err: fmt.Errorf(format, args...)}
}

func isRefusal(err error) bool {
	var r *refusal
	return errors.As(err, &r)
}

func tooLarge(size, limit int) error {
	return refuse(reasonTooLarge, "the message has at least %d bytes; max_message_size is %d", size, limit)
}

// proxyHint is for those who get a PROXY header without expecting one.
const proxyHint = "set proxy_protocol here and name the load balancer among the trusted_proxies, or turn the PROXY protocol off there"

// notForward says what b, that does not begin a message, is likely to be.
func notForward(b []byte) error {
	const hint = "only the Forward protocol is spoken here"
	switch {
	case b[0] == 0x16:
		return refuse(reasonNotForward, "it looks like TLS, and this listener is plain: turn TLS off in the client, or on here")
	case b[0] == '{' || b[0] == '[':
		return refuse(reasonNotForward, "it looks like JSON; %s: set the client's packer to msgpack", hint)
	case bytes.HasPrefix(b, []byte("PROXY ")) || bytes.HasPrefix(b, []byte(proxySignature)):
		return refuse(reasonNotForward, "it looks like a PROXY header: %s", proxyHint)
	case b[0] >= 'A' && b[0] <= 'Z':
		return refuse(reasonNotForward, "it looks like HTTP or other text; %s", hint)
	case b[0] == 0xc1:
		return refuse(reasonBroken, "%w", event.ErrReserved)
	}
	return refuse(reasonBroken, "a message is an array, not %s", typeName(b[0]))
}

// typeName names the type of the value that begins with c.
func typeName(c byte) string {
	switch event.TypeOf(c) {
	case event.TypeNil:
		return "nil"
	case event.TypeBool:
		return "a bool"
	case event.TypeInt:
		return "an integer"
	case event.TypeFloat:
		return "a float"
	case event.TypeStr:
		return "a string"
	case event.TypeBin:
		return "binary"
	case event.TypeArray:
		return "an array"
	case event.TypeMap:
		return "a map"
	case event.TypeExt:
		return "an extension"
	default:
		return "a reserved byte"
	}
}
