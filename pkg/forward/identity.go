package forward

import (
	"crypto/tls"
	"net/netip"
	"time"
)

// Peer is what is known of a client before it has said who it is.
type Peer struct {
	// Addr is its own, also behind a proxy that tells it; not valid for a Unix socket.
	Addr netip.AddrPort
	// TLS may be nil without TLS.
	TLS *tls.ConnectionState
	// Clusters are those that may come in there; none: all.
	Clusters []string
}

// Login is what a client's PING claims, and what its digests were made of. All texts are the raw bytes of the wire.
type Login struct {
	// Nonce and Auth are the HELO's.
	Nonce, Auth []byte
	// ServerHostname is what the PONG will say.
	ServerHostname string
	// Hostname is the client's own, which it chooses.
	Hostname string
	Salt     string
	// KeyDigest is hex(SHA-512(Salt ‖ Hostname ‖ Nonce ‖ shared key)).
	KeyDigest string
	// User is "" where the client has none.
	User string
	// PasswordDigest is hex(SHA-512(Auth ‖ User ‖ password)).
	PasswordDigest string
}

// Clusters says whose a connection is, and what its cluster may do. An error that has a method Reason() string is
// counted under that label. No error contains a secret. Safe for concurrent use.
type Clusters interface {
	// Identify returns p's cluster where its certificate, its network or the listener alone decide it. login: it takes
	// HELO, PING and PONG to know, and cluster says nothing. An error: p belongs nowhere.
	Identify(p Peer) (cluster string, login bool, err error)
	// Login returns the cluster whose key and user fit, and the digest that proves to the client that the server has
	// the same key: hex(SHA-512(Salt ‖ ServerHostname ‖ Nonce ‖ shared key)). It makes the same comparisons whatever
	// fits.
	Login(p Peer, l Login) (cluster, proof string, err error)
	// Admit lets one more connection of cluster in, until leave is called, or says why there may not be one more.
	Admit(cluster string) (leave func(), err error)
	// Charge charges bytes of messages that were stored to the cluster's rate, and returns how long the connection that
	// sent them must not be read: until what was charged so far is within the rate. 0 where there is no limit.
	Charge(cluster string, bytes int64) time.Duration
}
