package forward_test

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"net"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/seed-afc6a195/aggregator/pkg/cluster"
	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/forward"
	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
	ft "github.com/seed-afc6a195/aggregator/pkg/forward/forwardtest"
)

// registry joins a server to clusters as the program does.
type registry struct{ *cluster.Holder }

func (r registry) Identify(p forward.Peer) (string, bool, error) {
	return r.Current().Identify(cluster.Peer{Source: p.Addr.Addr(), Allowed: p.Clusters})
}

func (r registry) Login(p forward.Peer, l forward.Login) (name, proof string, err error) {
	return r.Current().Login(cluster.Peer{Source: p.Addr.Addr(), Allowed: p.Clusters}, cluster.Login(l))
}

func secrets(texts ...string) (all []setting.Secret) {
	for _, text := range texts {
		all = append(all, setting.NewSecret(text))
	}
	return all
}

// tenants are two clusters of keys, one of a key and users, and one of a network.
func tenants(t *testing.T) registry {
	t.Helper()
	r, err := cluster.New([]cluster.Config{
		{Name: "one", SharedKey: secrets("old", "new")},
		{
			Name: "two", SharedKey: secrets("k2"),
			Users: []cluster.User{{Name: "alice", Password: setting.NewSecret("s3cret")}},
		},
		{Name: "net", Sources: []string{"10.0.0.0/8"}},
		{Name: "far", SharedKey: secrets("k3"), Sources: []string{"11.0.0.0/8"}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return registry{cluster.NewHolder(r)}
}

func sum(parts ...string) string {
	d := sha512.Sum512([]byte(strings.Join(parts, "")))
	return hex.EncodeToString(d[:])
}

// talk is a handshake as an agent sees it.
type talk struct {
	nonce, auth         string
	key, hostname, salt string
	user, password      string
	bin                 bool
}

// helo reads the HELO, which has to come with one Write.
func (k *talk) helo(tb testing.TB, nc net.Conn) {
	tb.Helper()
	buf := make([]byte, 512)
	n, err := nc.Read(buf)
	want := "\x92\xa4HELO\x83\xa5nonce\xc4\x10" + strings.Repeat("?", 16) + "\xa4auth\xc4\x10" +
		strings.Repeat("?", 16) + "\xa9keepalive\xc3"
	if err != nil || n != len(want) {
		tb.Fatalf("HELO: % x, %v", buf[:n], err)
	}
	k.nonce, k.auth = string(buf[15:31]), string(buf[38:54])
	if got := string(buf[:15]) + want[15:31] + string(buf[31:38]) + want[38:54] + string(buf[54:n]); got != want {
		tb.Fatalf("HELO: %q", buf[:n])
	}
}

func (k *talk) ping() []byte {
	b := []byte{0x96}
	for i, s := range []string{
		"PING", k.hostname, k.salt, sum(k.salt, k.hostname, k.nonce, k.key), k.user, sum(k.auth, k.user, k.password),
	} {
		if k.bin && i == 2 {
			b = msgp.AppendBytes(b, []byte(s))
		} else {
			b = msgp.AppendString(b, s)
		}
	}
	return b
}

// pong expects the PONG, with one Write, that accepts or gives a reason.
func (k *talk) pong(tb testing.TB, nc net.Conn, reason, server string) {
	tb.Helper()
	buf := make([]byte, 512)
	n, err := nc.Read(buf)
	digest := sum(k.salt, server, k.nonce, k.key)
	if reason != "" {
		server, digest = "", ""
	}
	want := msgp.AppendString(msgp.AppendBool(msgp.AppendString([]byte{0x95}, "PONG"), reason == ""), reason)
	want = msgp.AppendString(msgp.AppendString(want, server), digest)
	if err != nil || !bytes.Equal(buf[:n], want) {
		tb.Errorf("PONG: %q, %v, want %q", buf[:n], err, want)
	}
}

const badLogin = "shared_key or user mismatch"

func TestHandshake(t *testing.T) {
	good := talk{key: "new", hostname: "agent-1", salt: "0123456789abcdef0123456789abcdef"}
	with := func(change func(*talk)) talk {
		k := good
		change(&k)
		return k
	}
	alice := with(func(k *talk) { k.key, k.user, k.password = "k2", "alice", "s3cret" })
	var before []byte // a PING of another connection
	for _, tc := range []struct {
		name    string
		talk    talk
		send    func(k *talk) []byte // instead of its PING
		pieces  int                  // bytes a piece; 0: whole
		cluster string               // who it is
		pong    string               // the reason of a refusal; "": none is sent
		why     string               // the label of it
		log     string
	}{
		{name: "right key", talk: good, cluster: "one"},
		{name: "the other key", talk: with(func(k *talk) { k.key = "old" }), cluster: "one"},
		{name: "byte by byte", talk: good, pieces: 1, cluster: "one"},
		{name: "salt of raw bytes", talk: with(func(k *talk) { k.salt = "\x00\xff\xfe456789abcdef" }), cluster: "one"},
		{
			name: "salt in bin, no hostname", talk: with(func(
				k *talk,
			) {
				k.salt, k.bin, k.hostname = "\x00\xff\xfe456789abcdef", true, ""
			}), cluster: "one",
		},
		{name: "long hostname", talk: with(func(k *talk) { k.hostname = strings.Repeat("h", 250) }), cluster: "one"},
		{
			name: "user though none is wanted", talk: with(func(k *talk) { k.user, k.password = "x", "y" }),
			cluster: "one",
		},
		{name: "key and user", talk: alice, cluster: "two"},
		{
			name: "the server's hostname", talk: with(func(k *talk) { k.hostname = "srv" }), cluster: "one",
			log: "this server's hostname",
		},

		{
			name: "wrong key", talk: with(func(k *talk) { k.key = "guess" }), pong: badLogin, why: "shared_key",
			log: `it says it is \"agent-1\"`,
		},
		{
			name: "hostname that breaks logs", talk: with(func(
				k *talk,
			) {
				k.key, k.hostname = "guess", "a\n\"\x1b[31m\xff"
			}), pong: badLogin, why: "shared_key", log: `it says it is \"a???[31m?\"`,
		},
		{name: "no user", talk: with(func(k *talk) { k.key = "k2" }), pong: badLogin, why: "user"},
		{
			name: "wrong password", talk: with(func(k *talk) { k.key, k.user, k.password = "k2", "alice", "guess" }),
			pong: badLogin, why: "user",
		},
		{
			name: "wrong network", talk: with(func(k *talk) { k.key = "k3" }), pong: badLogin, why: "source",
			log: "192.0.2.1 is none of the sources of cluster far",
		},
		{name: "replayed", talk: good, send: func(*talk) []byte { return before }, pong: badLogin, why: "shared_key"},
		{
			name: "message behind a wrong PING", talk: with(func(k *talk) { k.key = "x" }), send: func(
				k *talk,
			) []byte {
				return append(k.ping(), packed("a")...)
			}, pong: "invalid ping message", why: "handshake",
		},
		{
			name: "message behind a good PING", talk: good, send: func(
				k *talk,
			) []byte {
				return append(k.ping(), packed("a")...)
			}, pong: "invalid ping message", why: "handshake", log: "before it had an answer",
		},
		{
			name: "five elements", talk: good, send: func(*talk) []byte { return ft.Array("PING", "a", "b", "c", "d") },
			pong: "invalid ping message", why: "handshake", log: "5 elements",
		},
		{
			name: "seven elements", talk: good, send: func(
				*talk,
			) []byte {
				return ft.Array("PING", "a", "b", "c", "d", "e", "f")
			}, pong: "invalid ping message", why: "handshake",
		},
		{
			name: "digest is a number", talk: good, send: func(
				*talk,
			) []byte {
				return ft.Array("PING", "a", "b", 1, "d", "e")
			}, pong: "invalid ping message", why: "handshake", log: "element 4",
		},
		{
			name: "user is nil", talk: good, send: func(
				*talk,
			) []byte {
				return ft.Array("PING", "a", "b", "c", nil, "e")
			}, pong: "invalid ping message", why: "handshake",
		},
		{
			name: "PONG", talk: good, send: func(*talk) []byte { return ft.Array("PONG", "a", "b", "c", "d", "e") },
			why: "handshake",
		},
		{
			name: "a message", talk: good, send: func(*talk) []byte { return packed("a") }, why: "handshake",
			log: `tag \"t\", without a login`,
		},
		{name: "nil", talk: good, send: func(*talk) []byte { return []byte{0xc0} }, why: "handshake"},
		{name: "reserved", talk: good, send: func(*talk) []byte { return []byte{0xc1} }, why: "broken"},
		{name: "empty array", talk: good, send: func(*talk) []byte { return []byte{0x90} }, why: "handshake"},
		{name: "array of arrays", talk: good, send: func(*talk) []byte { return []byte{0x91, 0x91} }, why: "handshake"},
		{
			name: "huge array", talk: good, send: func(*talk) []byte { return []byte("\xdd\xff\xff\xff\xff\x01") },
			why: "handshake",
		},
		{name: "huge hostname", talk: good, send: func(*talk) []byte {
			return append([]byte("\x96\xa4PING\xdb\xff\xff\xff\xff"), make([]byte, 32<<10)...)
		}, pieces: 1000, why: "handshake", log: "16 KiB"},
		{
			name: "HTTP", talk: good, send: func(*talk) []byte { return []byte("GET / HTTP/1.1\r\n\r\n") },
			why: "not_forward", log: "HTTP",
		},
		{
			name: "TLS", talk: good, send: func(*talk) []byte { return []byte("\x16\x03\x01") }, why: "not_forward",
			log: "looks like TLS",
		},
		{
			name: "half a PING, and silence", talk: good, send: func(k *talk) []byte { return k.ping()[:50] },
			why: "handshake", log: "handshake_timeout",
		},
		{
			name: "silence", talk: good, send: func(*talk) []byte { return nil }, why: "handshake",
			log: "handshake_timeout",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(func(o *forward.Options) { o.Clusters, o.Hostname = tenants(t), "srv" })
				k, began := tc.talk, time.Now()
				agentFrom(t, r, "192.0.2.1", k.helo, func(tb testing.TB, nc net.Conn) {
					tb.Helper()
					out := k.ping()
					if before == nil {
						before = out
					}
					if tc.send != nil {
						out = tc.send(&k)
					}
					start := time.Now()
					size := tc.pieces
					if size == 0 {
						size = max(1, len(out))
					}
					ft.SendPieces(out, size)(tb, nc)
					if tc.cluster != "" {
						server := "srv"
						if k.hostname == server {
							server = "srv-aggregator"
						}
						k.pong(tb, nc, "", server)
						ft.Send(packed("a"))(tb, nc)
						ft.ExpectAcks("a")(tb, nc)
						return
					}
					if tc.pong != "" {
						k.pong(tb, nc, tc.pong, "")
						if slow := time.Since(start) >= time.Second; slow != (tc.pong == badLogin) {
							tb.Errorf("answered after %v", time.Since(start))
						}
					}
					ft.ExpectClose(tb, nc)
				})
				if why := strings.Join(r.refused(), ","); why != tc.why || !strings.Contains(r.log.String(), tc.log) {
					t.Errorf("closed for %q, want %q; log %s", why, tc.why, r.log)
				}
				if took := time.Since(began); (took == 10*time.Second) != (tc.log == "handshake_timeout") {
					t.Errorf("it took %v", took)
				}
				messages := r.sink.Messages()
				if tc.cluster == "" && len(messages) > 0 {
					t.Errorf("stored %v", messages)
				}
				if tc.cluster != "" && (len(messages) != 1 || messages[0].Cluster != tc.cluster) {
					t.Errorf("stored %+v, want one of %s", messages, tc.cluster)
				}
			})
		})
	}
}

// Those who need no login get none: their first bytes are a message.
func TestNoHandshake(t *testing.T) {
	for _, tc := range []struct{ name, ip, allowed, want, why string }{
		{"network", "10.1.1.1", "", "net", ""},
		{"no network", "192.0.2.1", "net", "", "source"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(func(
					o *forward.Options,
				) {
					o.Clusters, o.Config.Clusters = tenants(t), strings.Fields(tc.allowed)
				})
				steps := []ft.Step{ft.ExpectClose}
				if tc.want != "" {
					steps = []ft.Step{ft.Send(packed("a")), ft.ExpectAcks("a")}
				}
				agentFrom(t, r, tc.ip, steps...)
				if why := strings.Join(r.refused(), ","); why != tc.why {
					t.Errorf("closed for %q, want %q; log %s", why, tc.why, r.log)
				}
				if m := r.sink.Messages(); tc.want != "" && (len(m) != 1 || m[0].Cluster != tc.want) {
					t.Errorf("stored %+v", m)
				}
			})
		})
	}
}

// An agent that looks whether somebody listens is no fault, before its login and after it.
func TestHandshakeProbe(t *testing.T) {
	for name, logsIn := range map[string]bool{"before": false, "after": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(func(o *forward.Options) { o.Clusters, o.Hostname = tenants(t), "srv" })
				k := talk{key: "new", hostname: "agent"}
				steps := []ft.Step{k.helo}
				if logsIn {
					steps = append(steps, func(tb testing.TB, nc net.Conn) {
						tb.Helper()
						ft.Send(k.ping())(tb, nc)
						k.pong(tb, nc, "", "srv")
					})
				}
				agentFrom(t, r, "192.0.2.1", steps...)
				if s := r.Stats(); s.Probes != 1 || len(r.refused()) > 0 {
					t.Errorf("%d probes, refused %v", s.Probes, r.refused())
				}
				quiet(t, r)
			})
		})
	}
}

// Nonce and auth are new for each connection.
func TestHeloIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(func(o *forward.Options) { o.Clusters = tenants(t) })
		seen := map[string]bool{}
		for range 20 {
			var k talk
			agentFrom(t, r, "192.0.2.1", k.helo)
			seen[k.nonce], seen[k.auth] = true, true
		}
		if len(seen) != 40 {
			t.Errorf("%d different values of 40", len(seen))
		}
	})
}

// Nonce and auth, and a client's chunk ids, come from the system's random numbers: with these foreseen, so are they.
func TestSecretsAreRandom(t *testing.T) {
	said := func(seed uint64) (k talk, ping string) {
		cryptotest.SetGlobalRandom(t, seed)
		r := newRig(func(o *forward.Options) { o.Clusters = tenants(t) })
		agentFrom(t, r, "192.0.2.1", k.helo)
		return k, client.NewChunk()
	}
	first, chunk := said(1)
	again, sameChunk := said(1)
	other, _ := said(2)
	if first != again || chunk != sameChunk || first.nonce == other.nonce || first.auth == other.auth {
		t.Errorf("%x %x, then %x %x, with other numbers %x %x", first.nonce, first.auth, again.nonce, again.auth,
			other.nonce, other.auth)
	}
}
