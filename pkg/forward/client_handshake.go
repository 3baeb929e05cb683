package forward

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

// clientHandshake answers the server's HELO with PING and checks its PONG (Forward protocol v1,
// handshake phase). The caller has set a deadline.
func clientHandshake(to io.Writer, from *clientReader, login ClientLogin) error {
	value, err := from.next()
	if err != nil {
		return fmt.Errorf("waiting for HELO, which a server with a shared key sends first: %w", err)
	}
	helo, err := parseClientHelo(value)
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
	if _, err = to.Write(appendClientPing(nil, salt, helo, login)); err != nil {
		return fmt.Errorf("sending PING: %w", err)
	}
	if value, err = from.next(); err != nil {
		return fmt.Errorf("waiting for PONG (is the shared key right?): %w", err)
	}
	return checkClientPong(value, salt, helo.nonce, login)
}

// clientHelo is what of HELO matters to a client; auth is empty where no user is asked for.
type clientHelo struct{ nonce, auth string }

// parseClientHelo reads ["HELO", {nonce, auth, …}], where either may be str or bin.
func parseClientHelo(value []byte) (h clientHelo, err error) {
	broken := func(err error) (clientHelo, error) { return h, fmt.Errorf("%w: HELO: %w", ErrClientLogin, err) }
	n, rest, err := msgp.ReadArrayHeaderBytes(value)
	if err != nil || n < 2 {
		return broken(errors.New("not an array of two"))
	}
	word, rest, err := clientText(rest)
	if err != nil || word != "HELO" {
		return broken(fmt.Errorf("it begins with %.40q", word))
	}
	if n, rest, err = msgp.ReadMapHeaderBytes(rest); err != nil {
		return broken(err)
	}
	for range n {
		var key string
		if key, rest, err = clientText(rest); err != nil {
			return broken(fmt.Errorf("a key: %w", err))
		}
		switch key {
		case "nonce":
			h.nonce, rest, err = clientText(rest)
		case "auth":
			h.auth, rest, err = clientText(rest)
		default:
			rest, err = msgp.Skip(rest)
		}
		if err != nil {
			return broken(fmt.Errorf("%s: %w", key, err))
		}
	}
	return h, nil
}

// appendClientPing appends ["PING", hostname, salt, key digest, user, password digest].
func appendClientPing(b []byte, salt string, helo clientHelo, login ClientLogin) []byte {
	user, password := "", ""
	if helo.auth != "" {
		user, password = login.User, clientDigest(helo.auth, login.User, login.Password)
	}
	b = msgp.AppendArrayHeader(b, 6)
	for _, s := range [...]string{"PING", login.Hostname, salt, clientDigest(salt, login.Hostname, helo.nonce, login.SharedKey), user, password} {
		b = msgp.AppendString(b, s)
	}
	return b
}

// checkClientPong reads ["PONG", ok, reason, hostname, digest] and has the server prove that it
// knows the key too.
func checkClientPong(value []byte, salt, nonce string, login ClientLogin) error {
	broken := func(err error) error { return fmt.Errorf("%w: PONG: %w", ErrClientLogin, err) }
	n, rest, err := msgp.ReadArrayHeaderBytes(value)
	if err != nil || n < 3 {
		return broken(errors.New("not an array of five"))
	}
	word, rest, err := clientText(rest)
	if err != nil || word != "PONG" {
		return broken(fmt.Errorf("it begins with %.40q", word))
	}
	ok, rest, err := msgp.ReadBoolBytes(rest)
	if err != nil {
		return broken(err)
	}
	reason, rest, err := clientText(rest)
	if err != nil {
		return broken(fmt.Errorf("reason: %w", err))
	}
	if !ok {
		return fmt.Errorf("%w: the server says %q", ErrClientLogin, login.conceal(reason))
	}
	if n < 5 {
		return broken(errors.New("not an array of five"))
	}
	hostname, rest, err := clientText(rest)
	if err != nil {
		return broken(fmt.Errorf("hostname: %w", err))
	}
	digest, _, err := clientText(rest)
	if err != nil {
		return broken(fmt.Errorf("digest: %w", err))
	}
	if hostname == login.Hostname {
		return fmt.Errorf("%w: the server has the client's own hostname, %q: set another one", ErrClientLogin, hostname)
	}
	want := clientDigest(salt, hostname, nonce, login.SharedKey)
	if subtle.ConstantTimeCompare([]byte(digest), []byte(want)) != 1 {
		return fmt.Errorf("%w: the server %q does not know the shared key", ErrClientLogin, hostname)
	}
	return nil
}

// clientDigest is SHA-512 over parts without separators, in lower-case hex.
func clientDigest(parts ...string) string {
	h := sha512.New()
	for _, p := range parts {
		_, _ = io.WriteString(h, p) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil))
}

// clientText reads a str or a bin, copied: servers differ in which one they send.
func clientText(b []byte) (text string, rest []byte, err error) {
	read := msgp.ReadStringZC
	if msgp.NextType(b) == msgp.BinType {
		read = msgp.ReadBytesZC
	}
	v, rest, err := read(b)
	return string(v), rest, err
}
