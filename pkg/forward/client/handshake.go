package client

import (
	"cmp"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/handshake"
)

// logIn answers the server's HELO with PING and checks its PONG (Forward protocol v1,
// handshake phase). The caller has set a deadline.
func logIn(to io.Writer, from *reader, login Login) error {
	value, err := from.next()
	if err != nil {
		return fmt.Errorf("waiting for HELO, which a server with a shared key sends first: %w", err)
	}
	helo, err := handshake.ParseHelo(value)
	if err != nil {
		return fmt.Errorf("%w: HELO: %w", ErrLogin, err)
	}
	if login.Handover && helo.Handover == 0 {
		return ErrNoHandover
	}
	if login.Hostname == "" {
		// A host that doesn't know its name still has to say one.
		name, _ := os.Hostname()
		login.Hostname = cmp.Or(name, "localhost")
	}
	var random [16]byte
	// Never fails.
	_, _ = rand.Read(random[:])
	salt := hex.EncodeToString(random[:])
	if _, err = to.Write(appendPing(nil, salt, &helo, login)); err != nil {
		return fmt.Errorf("sending PING: %w", err)
	}
	if value, err = from.next(); err != nil {
		return fmt.Errorf("waiting for PONG (is the shared key right?): %w", err)
	}
	return checkPong(value, salt, helo.Nonce, login)
}

// appendPing appends the PING that answers helo.
func appendPing(dst []byte, salt string, helo *handshake.Helo, login Login) []byte {
	ping := handshake.Ping{
		Hostname: login.Hostname, Salt: salt,
		KeyDigest: handshake.Digest(salt, login.Hostname, helo.Nonce, login.SharedKey),
	}
	if helo.Auth != "" {
		ping.User, ping.PasswordDigest = login.User, handshake.Digest(helo.Auth, login.User, login.Password)
	}
	return ping.Append(dst)
}

// checkPong reads a PONG and has the server prove that it knows the key too.
func checkPong(value []byte, salt, nonce string, login Login) error {
	pong, err := handshake.ParsePong(value)
	if err != nil {
		return fmt.Errorf("%w: PONG: %w", ErrLogin, err)
	}
	if !pong.OK {
		return fmt.Errorf("%w: the server says %q", ErrLogin, login.conceal(pong.Reason))
	}
	if pong.Hostname == login.Hostname {
		return fmt.Errorf("%w: the server has the client's own hostname, %q: set another one", ErrLogin, pong.Hostname)
	}
	want := handshake.Digest(salt, pong.Hostname, nonce, login.SharedKey)
	if subtle.ConstantTimeCompare([]byte(pong.Digest), []byte(want)) != 1 {
		return fmt.Errorf("%w: the server %q does not know the shared key", ErrLogin, pong.Hostname)
	}
	return nil
}
