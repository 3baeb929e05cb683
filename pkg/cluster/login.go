package cluster

import (
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"io"
)

// Login is what a client's PING claims, and what its digests were made of, as raw bytes.
type Login struct {
	Nonce, Auth []byte // of the server's HELO
	// ServerHostname is that of the server's PONG.
	ServerHostname string
	// Hostname is the client's own.
	Hostname       string
	Salt           string
	KeyDigest      string // hex(SHA-512(Salt ‖ Hostname ‖ Nonce ‖ shared key))
	User           string
	PasswordDigest string // hex(SHA-512(Auth ‖ User ‖ password))
}

// Login returns the cluster whose key and user fit l, and the digest for the PONG. It compares with every key and every
// user of every cluster that may come in where p came, in constant time and without an early exit, so its duration says
// nothing of which of them fit. Errors are of type *Refusal.
func (r *Registry) Login(p Peer, l Login) (cluster, proof string, err error) {
	return r.login(p, l, subtle.ConstantTimeCompare)
}

func (r *Registry) login(p Peer, l Login, equal func(x, y []byte) int) (cluster, proof string, err error) {
	allowed := r.allowed(p)
	var (
		found    *entry
		anyKey   int
		keyFound string
	)
	for _, e := range allowed {
		key, user := 0, 0
		for _, k := range e.keys {
			text := k.Reveal()
			if equal([]byte(digest(l.Salt, l.Hostname, string(l.Nonce), text)), []byte(l.KeyDigest)) == 1 {
				key, keyFound = 1, text
			}
		}
		for _, u := range e.Users {
			name := equal([]byte(u.Name), []byte(l.User))
			user |= name & equal([]byte(digest(string(l.Auth), u.Name, u.Password.Reveal())), []byte(l.PasswordDigest))
		}
		if len(e.Users) == 0 {
			user = 1
		}
		anyKey |= key
		if key&user == 1 {
			found = e
		}
	}
	proof = digest(l.Salt, l.ServerHostname, string(l.Nonce), keyFound)
	switch {
	case found == nil && anyKey == 1:
		return "", "", refuse(reasonUser, "its shared_key is right, but not its user name and password")
	case found == nil:
		return "", "", refuse(reasonKey, "its shared_key is none of the clusters' that may come in here")
	}
	if err = found.from(p); err != nil {
		return "", "", err
	}
	if named, err := certified(allowed, p); err != nil || named != nil && named != found {
		return "", "", refuse(reasonCertificate, "it has the shared_key of cluster %s, but the certificate of another",
			found.Name)
	}
	return found.Name, proof, nil
}

// digest is SHA-512 over parts without separators, in lower-case hex.
func digest(parts ...string) string {
	h := sha512.New()
	for _, p := range parts {
		// A hash takes everything.
		_, _ = io.WriteString(h, p)
	}
	return hex.EncodeToString(h.Sum(nil))
}
