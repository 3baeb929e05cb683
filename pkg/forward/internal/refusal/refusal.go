// Package refusal has the errors for which a listener closes a connection, with the labels under which they are
// counted.
package refusal

import (
	"errors"
	"fmt"
)

// Why the server closes a connection of itself: the labels.
const (
	TooLarge    = "too_large"
	NotForward  = "not_forward"
	Broken      = "broken"
	Tag         = "tag"
	Compression = "compression"
	Handshake   = "handshake"
	Handover    = "handover" // of what another aggregator hands over
	// Login is a refusal of Clusters that has no label of its own.
	Login       = "login"
	Memory      = "memory"
	Stalled     = "stalled"
	Store       = "not_stored"
	Ack         = "ack_not_taken"
	Connections = "max_connections"
	// Files is the process's limit of open files leaves no room.
	Files       = "open_files"
	Accept      = "accept"
	SourceFull  = "max_connections_per_source"
	ClusterFull = "cluster_limit"
	Proxy       = "proxy" // no usable PROXY header
	// TLS is a TLS client that does not get through the handshake.
	TLS    = "tls"
	NotTLS = "not_tls" // something else on a TLS listener
	Lost   = "lost"    // within a message, by the peer or the network
)

// Reasons returns all labels.
func Reasons() []string {
	return append(LoginReasons(), TooLarge, NotForward, Broken, Tag, Compression, Handshake, Handover, Login, Memory,
		Stalled, Store, Ack, Connections, Files, SourceFull, ClusterFull, Proxy, TLS, NotTLS, Lost, Accept)
}

// LoginReasons are the labels that Clusters gives to its refusals.
func LoginReasons() []string {
	return []string{"shared_key", "user", "source", "certificate", "unknown_cluster"}
}

// Error is an error that ends a connection, with its label.
type Error struct {
	Reason string
	Err    error
}

func (r *Error) Error() string { return r.Err.Error() }
func (r *Error) Unwrap() error { return r.Err }

// New returns an error with that label.
func New(reason, format string, args ...any) error {
	return &Error{Reason: reason, Err: fmt.Errorf(format, args...)}
}

// Is reports whether err is, or wraps, an Error.
func Is(err error) bool {
	var r *Error
	return errors.As(err, &r)
}

// ProxyHint is for those who get a PROXY header without expecting one.
const ProxyHint = "set proxy_protocol here and name the load balancer among the trusted_proxies, or turn the PROXY " +
	"protocol off there"
