package cluster

import (
	"crypto/subtle"
	"os"
	"path/filepath"
	"testing"

	"github.com/tinylib/msgp/msgp"
)

// ping is what an agent with that key, user and password claims.
func ping(key, name, password string) Login {
	l := Login{
		Nonce: []byte("nonce\x00\xff"), Auth: []byte("auth\x00\xff"), ServerHostname: "server", Hostname: "agent",
		Salt: "salt\x00\xff", User: name,
	}
	l.KeyDigest = digest(l.Salt, l.Hostname, string(l.Nonce), key)
	if name != "" {
		l.PasswordDigest = digest(string(l.Auth), name, password)
	}
	return l
}

func TestLogin(t *testing.T) {
	r := registry(
		t,
		Config{Name: "one", SharedKey: keys("old", "new")},
		Config{
			Name: "both", SharedKey: keys("k"), Users: []User{user("a", "pa"), user("b", "pb")},
			TLSNames: []string{"both.example"},
		},
		Config{Name: "users", Users: []User{user("c", "pc")}},
		Config{Name: "near", SharedKey: keys("n"), Sources: []string{"10.0.0.0/8"}},
		Config{Name: "cert", TLSNames: []string{"cert.example"}},
	)
	with := func(l Login, change func(*Login)) Login {
		change(&l)
		return l
	}
	near := Peer{Source: source("10.0.0.1")}
	for _, tc := range []struct {
		name          string
		peer          Peer
		login         Login
		want, refused string
	}{
		{"first key", near, ping("old", "", ""), "one", ""},
		{"second key", near, ping("new", "", ""), "one", ""},
		{"user where none is wanted", near, ping("new", "x", "y"), "one", ""},
		{"wrong key", near, ping("other", "", ""), "", reasonKey},
		{"empty key", near, ping("", "", ""), "", reasonUser},
		{"digest empty", near, with(ping("old", "", ""), func(l *Login) { l.KeyDigest = "" }), "", reasonKey},
		{
			"digest half", near, with(ping("old", "", ""), func(l *Login) { l.KeyDigest = l.KeyDigest[:64] }), "",
			reasonKey,
		},
		{"digest longer", near, with(ping("old", "", ""), func(l *Login) { l.KeyDigest += "0" }), "", reasonKey},
		{
			"replayed on another connection", near,
			with(ping("old", "", ""), func(l *Login) { l.Nonce = []byte("another") }), "", reasonKey,
		},
		{
			"without nonce", near, with(ping("old", "", ""), func(
				l *Login,
			) {
				l.KeyDigest = digest(l.Salt, l.Hostname, "old")
			}), "", reasonKey,
		},
		{"key in plain", near, with(ping("old", "", ""), func(l *Login) { l.KeyDigest = "old" }), "", reasonKey},
		{"key and user", near, ping("k", "b", "pb"), "both", ""},
		{"key without user", near, ping("k", "", ""), "", reasonUser},
		{"unknown user", near, ping("k", "x", "pb"), "", reasonUser},
		{"wrong password", near, ping("k", "a", "pb"), "", reasonUser},
		{
			"password in plain", near, with(ping("k", "a", "pa"), func(l *Login) { l.PasswordDigest = "pa" }), "",
			reasonUser,
		},
		{
			"password without salt", near,
			with(ping("k", "a", "pa"), func(l *Login) { l.PasswordDigest = digest("a", "pa") }), "", reasonUser,
		},
		{
			"password digest of another connection", near,
			with(ping("k", "a", "pa"), func(l *Login) { l.Auth = []byte("x") }), "", reasonUser,
		},
		{"user of another cluster", near, ping("k", "c", "pc"), "", reasonUser},
		{"right user, wrong key", near, ping("x", "a", "pa"), "", reasonKey},
		{"user alone", near, ping("", "c", "pc"), "users", ""},
		{"user alone, with a key", near, ping("x", "c", "pc"), "", reasonKey},
		{
			"key of a cluster that may not come in here",
			Peer{Allowed: []string{"one"}},
			ping("k", "a", "pa"), "",
			reasonKey,
		},
		{"network", near, ping("n", "", ""), "near", ""},
		{"other network", Peer{Source: source("11.0.0.1")}, ping("n", "", ""), "", reasonSource},
		{"Unix socket", Peer{}, ping("n", "", ""), "", reasonSource},
		{"its certificate", Peer{TLSNames: []string{"both.example"}}, ping("k", "a", "pa"), "both", ""},
		{
			"certificate of another",
			Peer{TLSNames: []string{"both.example"}},
			ping("old", "", ""), "",
			reasonCertificate,
		},
		{
			"certificate of two",
			Peer{TLSNames: []string{"both.example", "cert.example"}},
			ping("k", "a", "pa"), "",
			reasonCertificate,
		},
		{"certificate of nobody", Peer{TLSNames: []string{"other.example"}}, ping("old", "", ""), "one", ""},
	} {
		got, proof, err := r.Login(tc.peer, tc.login)
		if got != tc.want || label(err) != tc.refused || (proof == "") != (tc.want == "") {
			t.Errorf("%s: got %q, %v, want %q, %q", tc.name, got, err, tc.want, tc.refused)
		}
	}
	_, proof, _ := r.Login(near, ping("new", "", ""))
	if want := digest("salt\x00\xff", "server", "nonce\x00\xff", "new"); proof != want {
		t.Errorf("the server proves %s, want %s", proof, want)
	}
}

// Every login costs the same comparisons, whatever of it is right.
func TestLoginHasNoEarlyExit(t *testing.T) {
	r := registry(
		t,
		Config{Name: "one", SharedKey: keys("a", "b")},
		Config{Name: "two", SharedKey: keys("c"), Users: []User{user("u", "p"), user("v", "q")}},
		Config{Name: "three", Users: []User{user("w", "r")}},
	)
	const want = 2 + 1 + 2*2 + 1 + 2
	for _, l := range []Login{
		ping("a", "", ""), ping("c", "v", "q"), ping("c", "u", "x"), ping("", "w", "r"), ping("x", "y", "z"), {},
	} {
		n := 0
		_, _, _ = r.login(Peer{}, l, func(x, y []byte) int {
			n++
			return subtle.ConstantTimeCompare(x, y)
		})
		if n != want {
			t.Errorf("%q made %d comparisons, want %d", l.User, n, want)
		}
	}
}

// text reads a str or a bin, as "", where there is none.
func text(b []byte) (string, []byte) {
	if msgp.NextType(b) == msgp.BinType {
		v, rest, _ := msgp.ReadBytesZC(b)
		return string(v), rest
	}
	v, rest, _ := msgp.ReadStringZC(b)
	return string(v), rest
}

// What real clients and a real server told each other.
func TestCaptures(t *testing.T) {
	r := registry(t, Config{Name: "key", SharedKey: keys("k", "k3y")})
	withUser := registry(t, Config{
		Name: "key", SharedKey: keys("k", "k3y"), Users: []User{user("bob", "x"), user("alice", "s3cret")},
	})
	wrong := registry(t, Config{Name: "key", SharedKey: keys("k3y"), Users: []User{user("alice", "other")}})
	for name, users := range map[string]bool{
		"flb-shared-key.1": false, "flb-shared-key.2": false, "flb-user.1": true, "flb-user.2": true,
		"fluentd-shared-key-user.1": true,
	} {
		client, err := os.ReadFile(filepath.Join("../../testdata/captures", name+".client"))
		if err != nil {
			t.Fatal(err)
		}
		server, err := os.ReadFile(filepath.Join("../../testdata/captures", name+".server"))
		if err != nil {
			t.Fatal(err)
		}
		var l Login
		// HELO
		_, rest, _ := msgp.ReadArrayHeaderBytes(server)
		_, rest = text(rest)
		n, rest, err := msgp.ReadMapHeaderBytes(rest)
		if err != nil {
			t.Fatal(err)
		}
		for range n {
			var key, value string
			key, rest = text(rest)
			switch key {
			case "nonce":
				value, rest = text(rest)
				l.Nonce = []byte(value)
			case "auth":
				value, rest = text(rest)
				l.Auth = []byte(value)
			default:
				rest, _ = msgp.Skip(rest)
			}
		}
		// PONG
		_, rest, _ = msgp.ReadArrayHeaderBytes(rest)
		_, rest = text(rest)
		ok, rest, _ := msgp.ReadBoolBytes(rest)
		_, rest = text(rest)
		l.ServerHostname, rest = text(rest)
		proved, _ := text(rest)
		// PING
		_, rest, _ = msgp.ReadArrayHeaderBytes(client)
		_, rest = text(rest)
		for _, field := range []*string{&l.Hostname, &l.Salt, &l.KeyDigest, &l.User, &l.PasswordDigest} {
			*field, rest = text(rest)
		}
		if !ok || len(l.Nonce) == 0 || len(proved) != 128 {
			t.Fatalf("%s is not what it was: %+v", name, l)
		}
		for i, reg := range []*Registry{r, withUser, wrong} {
			got, proof, err := reg.Login(Peer{}, l)
			wantOK := i == 0 || i == 1 && users
			if (err == nil) != wantOK || wantOK && (got != "key" || proof != proved) {
				t.Errorf("%s, %d: got %q, %v; proof %s, recorded %s", name, i, got, err, proof, proved)
			}
		}
	}
}
