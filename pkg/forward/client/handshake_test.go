package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tinylib/msgp/msgp"

	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/handshake"
)

func heloBytes(nonce, auth string, bin bool) []byte {
	value := func(b []byte, s string) []byte {
		if bin {
			return msgp.AppendBytes(b, []byte(s))
		}
		return msgp.AppendString(b, s)
	}
	b := msgp.AppendString([]byte{0x92}, "HELO")
	b = value(msgp.AppendString(append(b, 0x83), "nonce"), nonce)
	b = value(msgp.AppendString(b, "auth"), auth)
	return msgp.AppendBool(msgp.AppendString(b, "keepalive"), true)
}

func pongBytes(ok bool, reason, hostname, digest string) []byte {
	b := msgp.AppendBool(msgp.AppendString([]byte{0x95}, "PONG"), ok)
	return msgp.AppendString(msgp.AppendString(msgp.AppendString(b, reason), hostname), digest)
}

// pingOf returns a PING's six strings.
func pingOf(value []byte) (fields [6]string) {
	_, value, _ = msgp.ReadArrayHeaderBytes(value)
	for i := range fields {
		fields[i], value, _ = msgp.ReadStringBytes(value)
	}
	return fields
}

func TestClientHandshake(t *testing.T) {
	const nonce = "0123456789\x00\xff\xfe\xfdab" // no UTF-8
	// answers is a server that sends what pong makes of the PING.
	answers := func(auth string, bin bool, pong func(ping [6]string) []byte) func(*peer) {
		return func(p *peer) {
			p.send(heloBytes(nonce, auth, bin))
			p.send(pong(pingOf(p.next())))
			p.next()
		}
	}
	proves := func(ping [6]string, key string) []byte {
		return pongBytes(true, "", "server", handshake.Digest(ping[2], "server", nonce, key))
	}
	// checks is a server that refuses whatever is not as a fluentd would send it.
	checks := func(user, password string) func(ping [6]string) []byte {
		return func(ping [6]string) []byte {
			want := [6]string{
				"PING", "agent", ping[2], handshake.Digest(ping[2], "agent", nonce, "k3y"), user, password,
			}
			if ping != want || len(ping[2]) != 32 {
				return pongBytes(false, "shared_key mismatch", "", "")
			}
			return proves(ping, "k3y")
		}
	}
	split := func(p *peer) {
		for _, b := range heloBytes(nonce, "", true) {
			p.send([]byte{b})
		}
		for _, b := range proves(pingOf(p.next()), "k3y") {
			p.send([]byte{b})
		}
	}
	withPONG := func(b ...byte) func(*peer) {
		return answers("", true, func([6]string) []byte { return b })
	}
	for _, tc := range []struct {
		name   string
		server func(*peer)
		want   error
		text   string
	}{
		{"right key", answers("", true, checks("", "")), nil, ""},
		{"nonce as str", answers("", false, checks("", "")), nil, ""},
		{
			"user asked for", answers("salt", true, checks("alice", handshake.Digest("salt", "alice", "s3cret"))), nil,
			"",
		},
		{"split everywhere", split, nil, ""},
		{"HELO with unknown and missing keys", func(p *peer) {
			p.send([]byte("\x92\xa4HELO\x81\xa1x\x93\x01\x02\x03"))
			ping := pingOf(p.next())
			p.send(pongBytes(true, "", "server", handshake.Digest(ping[2], "server", "", "k3y")))
		}, nil, ""},
		{
			"refused", answers("", true, func(
				[6]string,
			) []byte {
				return pongBytes(false, "shared_key mismatch", "", "")
			}), ErrLogin, `says "shared_key mismatch"`,
		},
		{
			"server without the key", answers("", true, func(ping [6]string) []byte { return proves(ping, "other") }),
			ErrLogin, "does not know",
		},
		{
			"server without a digest", answers("", true, func(
				[6]string,
			) []byte {
				return pongBytes(true, "", "server", "")
			}), ErrLogin, "does not know",
		},
		{
			"server echoes our digest", answers("", true, func(
				ping [6]string,
			) []byte {
				return pongBytes(true, "", ping[1], ping[3])
			}), ErrLogin, "own hostname",
		},
		{"PONG of four", withPONG(0x94, 0xa4, 'P', 'O', 'N', 'G', 0xc3, 0xa0, 0xa0), ErrLogin, "not an array of five"},
		{"PONG without result", withPONG(0x95, 0xa4, 'P', 'O', 'N', 'G', 0xa0, 0xa0, 0xa0, 0xa0), ErrLogin, "PONG"},
		{"PONG that is nil", withPONG(0xc0), ErrLogin, "not an array"},
		{
			"HELO again", answers("", true, func([6]string) []byte { return heloBytes(nonce, "", true) }), ErrLogin,
			"not an array of five",
		},
		{"HELO is a map", func(p *peer) { p.send([]byte{0x80}) }, ErrLogin, "not an array of two"},
		{"HELO of another word", func(p *peer) { p.send([]byte("\x92\xa4OLEH\x80")) }, ErrLogin, "OLEH"},
		{"HELO without a map", func(p *peer) { p.send([]byte("\x92\xa4HELO\xc0")) }, ErrLogin, "HELO"},
		{"nonce is a number", func(p *peer) { p.send([]byte("\x92\xa4HELO\x81\xa5nonce\x07")) }, ErrLogin, "nonce"},
		{"key is nil", func(p *peer) { p.send([]byte("\x92\xa4HELO\x81\xc0\x07")) }, ErrLogin, "key"},
		{"closed before HELO", func(*peer) {}, io.EOF, "HELO"},
		{
			"closed before PONG", func(p *peer) { p.send(heloBytes(nonce, "", true)); p.next() }, io.EOF,
			"is the shared key right",
		},
		{"no HELO", func(p *peer) { p.next() }, context.DeadlineExceeded, "a server with a shared key sends first"},
		{
			"no PONG", func(p *peer) { p.send(heloBytes(nonce, "", true)); p.next(); p.next() },
			context.DeadlineExceeded, "PONG",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := Config{Login: &Login{SharedKey: "k3y", Hostname: "agent", User: "alice", Password: "s3cret"}}
			playClient(t, cfg, tc.server, func(
				_ context.Context, _ *Client, err error,
			) {
				checkClientError(t, err, tc.want, tc.text)
			})
		})
	}
}

// TestClientCapturedHandshakes has the client say, from the same nonces and salts, what real clients
// said, and believe what a real server answered.
func TestClientCapturedHandshakes(t *testing.T) {
	alice := Login{SharedKey: "k3y", User: "alice", Password: "s3cret"}
	for name, login := range map[string]Login{
		"flb-shared-key.2": {SharedKey: "k3y", Hostname: "agent-1"}, "flb-user.2": alice,
		"fluentd-shared-key-user.1": alice,
	} {
		t.Run(name, func(t *testing.T) {
			capture := func(side string) []byte {
				b, err := os.ReadFile(filepath.Join("..", "..", "..", "testdata", "captures", name+"."+side))
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
			sent := capture("client")
			ping := pingOf(sent)
			login := login
			if login.Hostname == "" {
				login.Hostname = ping[1]
			}
			server := reader{from: bytes.NewReader(capture("server"))}
			value, err := server.next()
			if err != nil {
				t.Fatal(err)
			}
			helo, err := handshake.ParseHelo(value)
			if err != nil {
				t.Fatal(err)
			}
			if want := appendPing(nil, ping[2], &helo, login); !bytes.HasPrefix(sent, want) {
				t.Errorf("PING %q, want %q", sent[:min(len(want), len(sent))], want)
			}
			if value, err = server.next(); err != nil {
				t.Fatal(err)
			}
			if err := checkPong(value, ping[2], helo.Nonce, login); err != nil {
				t.Error(err)
			}
			login.SharedKey = "other"
			checkClientError(t, checkPong(value, ping[2], helo.Nonce, login), ErrLogin, "does not know")
			client := reader{from: strings.NewReader(string(sent))}
			_, _ = client.next() // PING
			for acks := 0; ; acks++ {
				value, err := server.next()
				if errors.Is(err, io.EOF) && acks > 0 {
					break
				}
				if err != nil {
					t.Fatalf("after %d acks: %v", acks, err)
				}
				got, err := readAck(value)
				frame, _ := client.next()
				if want := chunkOf(frame); err != nil || string(got) != want {
					t.Errorf("ack %q, want %q (%v)", got, want, err)
				}
			}
		})
	}
}
