package client

import (
	"cmp"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tinylib/msgp/msgp"
)

// handshake answers the server's HELO with PING and checks its PONG (Forward protocol v1,
// handshake phase). The caller has set a deadline.
func handshake(to io.Writer, from *reader, login Login) error {
	value, err := from.next()
	if err != nil {
		return fmt.Errorf("waiting for HELO, which a server with a shared key sends first: %w", err)
	}
	helo, err := parseHelo(value)
	if err != nil {
		return err
	}
	if login.Hostname == "" {
		// A host that doesn't know its name still has to say one.
		name, _ := os.Hostname()
		login.Hostname = cmp.Or(name, "localhost")
	}
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	salt := hex.EncodeToString(random[:])
	if _, err = to.Write(appendPing(nil, salt, helo, login)); err != nil {
		return fmt.Errorf("sending PING: %w", err)
	}
	if value, err = from.next(); err != nil {
		return fmt.Errorf("waiting for PONG (is the shared key right?): %w", err)
	}
	return checkPong(value, salt, helo.nonce, login)
}

// helo is what of HELO matters to a client; auth is empty where no user is asked for.
type helo struct{ nonce, auth string }

// parseHelo reads ["HELO", {nonce, auth, …}], where either may be str or bin.
func parseHelo(value []byte) (h helo, err error) {
	broken := func(err error) (helo, error) { return h, fmt.Errorf("%w: HELO: %w", ErrLogin, err) }
	n, rest, err := msgp.ReadArrayHeaderBytes(value)
	if err != nil || n < 2 {
		return broken(errors.New("not an array of two"))
	}
	word, rest, err := text(rest)
	if err != nil || word != "HELO" {
		return broken(fmt.Errorf("it begins with %.40q", word))
	}
	if n, rest, err = msgp.ReadMapHeaderBytes(rest); err != nil {
		return broken(err)
	}
	for range n {
		var key string
		if key, rest, err = text(rest); err != nil {
			return broken(fmt.Errorf("a key: %w", err))
		}
		switch key {
		case "nonce":
			h.nonce, rest, err = text(rest)
		case "auth":
			h.auth, rest, err = text(rest)
		default:
			rest, err = msgp.Skip(rest)
		}
		if err != nil {
			return broken(fmt.Errorf("%s: %w", key, err))
		}
	}
	return h, nil
}

// appendPing appends ["PING", hostname, salt, key digest, user, password digest].
func appendPing(b []byte, salt string, helo helo, login Login) []byte {
	user, password := "", ""
	if helo.auth != "" {
		user, password = login.User, digestOf(helo.auth, login.User, login.Password)
	}
	b = msgp.AppendArrayHeader(b, 6)
	for _, s := range [...]string{"PING", login.Hostname, salt, digestOf(salt, login.Hostname, helo.nonce, login.SharedKey), user, password} {
		b = msgp.AppendString(b, s)
	}
	return b
}

// checkPong reads ["PONG", ok, reason, hostname, digest] and has the server prove that it
// knows the key too.
func checkPong(value []byte, salt, nonce string, login Login) error {
	broken := func(err error) error { return fmt.Errorf("%w: PONG: %w", ErrLogin, err) }
	n, rest, err := msgp.ReadArrayHeaderBytes(value)
	if err != nil || n < 3 {
		return broken(errors.New("not an array of five"))
	}
	word, rest, err := text(rest)
	if err != nil || word != "PONG" {
		return broken(fmt.Errorf("it begins with %.40q", word))
	}
	ok, rest, err := msgp.ReadBoolBytes(rest)
	if err != nil {
		return broken(err)
	}
	reason, rest, err := text(rest)
	if err != nil {
		return broken(fmt.Errorf("reason: %w", err))
	}
	if !ok {
		return fmt.Errorf("%w: the server says %q", ErrLogin, login.conceal(reason))
	}
	if n < 5 {
		return broken(errors.New("not an array of five"))
	}
	hostname, rest, err := text(rest)
	if err != nil {
		return broken(fmt.Errorf("hostname: %w", err))
	}
	digest, _, err := text(rest)
	if err != nil {
		return broken(fmt.Errorf("digest: %w", err))
	}
	if hostname == login.Hostname {
		return fmt.Errorf("%w: the server has the client's own hostname, %q: set another one", ErrLogin, hostname)
	}
	want := digestOf(salt, hostname, nonce, login.SharedKey)
	if subtle.ConstantTimeCompare([]byte(digest), []byte(want)) != 1 {
		return fmt.Errorf("%w: the server %q does not know the shared key", ErrLogin, hostname)
	}
	return nil
}

// digest is SHA-512 over parts without separators, in lower-case hex.
func digestOf(parts ...string) string {
	h := sha512.New()
	for _, p := range parts {
		_, _ = io.WriteString(h, p) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil))
}

// text reads a str or a bin, copied: servers differ in which one they send.
func text(b []byte) (text string, rest []byte, err error) {
	read := msgp.ReadStringZC
	if msgp.NextType(b) == msgp.BinType {
		read = msgp.ReadBytesZC
	}
	v, rest, err := read(b)
	return string(v), rest, err
}
