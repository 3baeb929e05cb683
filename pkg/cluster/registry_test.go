package cluster

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

func keys(texts ...string) (all []setting.Secret) {
	for _, text := range texts {
		all = append(all, setting.NewSecret(text))
	}
	return all
}

func user(name, password string) User { return User{Name: name, Password: setting.NewSecret(password)} }

// prefixes compiles "a*" alone.
func prefixes(pattern string) (func(string) bool, error) {
	start, found := strings.CutSuffix(pattern, "*")
	if !found {
		return nil, errors.New("no pattern")
	}
	return func(tag string) bool { return strings.HasPrefix(tag, start) }, nil
}

func registry(tb testing.TB, configs ...Config) *Registry {
	tb.Helper()
	r, err := New(configs, prefixes)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func source(text string) netip.Addr {
	if text == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(text)
}

// label is the label of err, "" for none.
func label(err error) string {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Reason()
	}
	return ""
}

func TestIdentify(t *testing.T) {
	r := registry(
		t,
		Config{Name: "keyed", SharedKey: keys("k"), TLSNames: []string{"keyed.example"}},
		Config{Name: "cert", TLSNames: []string{"cert.example", "spiffe://x/y"}},
		Config{Name: "certnet", TLSNames: []string{"certnet.example"}, Sources: []string{"10.9.0.0/16"}},
		Config{Name: "wide", Sources: []string{"10.0.0.0/8", "fd00::/8"}},
		Config{Name: "narrow", Sources: []string{"10.1.0.0/16"}},
		Config{Name: "keynet", SharedKey: keys("l"), Sources: []string{"10.1.2.0/24"}},
		Config{Name: "bare"},
		Config{Name: "users", Users: []User{user("u", "p")}},
	)
	for _, tc := range []struct {
		name, source, certificate, allowed string
		want, refused                      string // want "login": HELO and so on
	}{
		{"nothing known", "192.0.2.1", "", "", "login", ""},
		{"certificate", "192.0.2.1", "cert.example", "", "cert", ""},
		{"certificate, upper case", "192.0.2.1", "CERT.example", "", "cert", ""},
		{"URI", "192.0.2.1", "spiffe://x/y", "", "cert", ""},
		{"certificate wins over network", "10.1.0.1", "cert.example", "", "cert", ""},
		{"certificate of a cluster with a key", "10.1.0.1", "keyed.example", "", "login", ""},
		{"certificate that names two", "192.0.2.1", "cert.example keyed.example", "", "", reasonCertificate},
		{
			"certificate of one that may not come in here", "192.0.2.1", "cert.example", "narrow users2 certnet", "",
			reasonCertificate,
		},
		{"certificate from elsewhere", "10.8.0.1", "certnet.example", "", "", reasonSource},
		{"certificate and network", "10.9.0.1", "certnet.example", "", "certnet", ""},
		{"network of a certificate without it", "10.9.0.1", "", "cert certnet", "", reasonUnknown},
		{"network", "10.5.0.1", "", "", "wide", ""},
		{"IPv6 network", "fd01::1", "", "", "wide", ""},
		{"smaller network", "10.1.0.1", "", "", "narrow", ""},
		{"smallest network has a key", "10.1.2.1", "", "", "login", ""},
		{"network of one that may not come in here", "10.5.0.1", "", "narrow cert", "", reasonUnknown},
		{"unknown certificate name, network", "10.5.0.1", "other.example", "", "wide", ""},
		{"only one", "192.0.2.1", "", "bare", "bare", ""},
		{"only one, Unix socket", "", "", "bare", "bare", ""},
		{"only one, with sources", "192.0.2.1", "", "narrow", "", reasonSource},
		{"only one, with sources, Unix socket", "", "", "narrow", "", reasonSource},
		{"only one, with a certificate", "192.0.2.1", "", "cert", "", reasonUnknown},
		{"only one, with users", "192.0.2.1", "", "users", "login", ""},
		{"bare is never a fallback", "192.0.2.1", "", "bare narrow", "", reasonUnknown},
		{"bare beside a key", "192.0.2.1", "", "bare keyed", "login", ""},
		{"listener of clusters that are gone", "192.0.2.1", "", "removed", "", reasonUnknown},
	} {
		p := Peer{
			Source: source(tc.source), TLSNames: strings.Fields(tc.certificate), Allowed: strings.Fields(tc.allowed),
		}
		got, login, err := r.Identify(p)
		if login {
			got += "login"
		}
		if err != nil {
			got = ""
		}
		if got != tc.want || label(err) != tc.refused {
			t.Errorf("%s: got %q, %v, want %q, %q", tc.name, got, err, tc.want, tc.refused)
		}
	}
	if got, login, err := registry(t).Identify(Peer{Source: source("192.0.2.1")}); got != Default || login ||
		err != nil {
		t.Errorf("without clusters: got %q, %v, %v", got, login, err)
	}
	if got, login, err := registry(t, Config{Name: "one"}).Identify(Peer{}); got != "one" || login || err != nil {
		t.Errorf("the only cluster: got %q, %v, %v", got, login, err)
	}
}

func TestConflicts(t *testing.T) {
	for _, tc := range []struct {
		name string
		a, b Config
		want string
	}{
		{"nothing in common", Config{SharedKey: keys("k")}, Config{SharedKey: keys("l")}, ""},
		{"key", Config{SharedKey: keys("k", "l")}, Config{SharedKey: keys("m", "l")}, "key"},
		{
			"key, and other users",
			Config{SharedKey: keys("k"), Users: []User{user("u", "p")}},
			Config{SharedKey: keys("k"), Users: []User{user("v", "p")}},
			"",
		},
		{
			"key and user",
			Config{SharedKey: keys("k"), Users: []User{user("u", "p")}},
			Config{SharedKey: keys("k"), Users: []User{user("v", "p"), user("u", "p")}},
			"user and password",
		},
		{
			"key, one with users",
			Config{SharedKey: keys("k"), Users: []User{user("u", "p")}},
			Config{SharedKey: keys("k")},
			"key",
		},
		{"users without a key", Config{Users: []User{user("u", "p")}}, Config{Users: []User{user("v", "p")}}, ""},
		{"same name, other password", Config{Users: []User{user("u", "p")}}, Config{Users: []User{user("u", "q")}}, ""},
		{
			"same user",
			Config{Users: []User{user("u", "p")}},
			Config{Users: []User{user("u", "p")}},
			"user and password",
		},
		{
			"same user, other keys",
			Config{SharedKey: keys("k"), Users: []User{user("u", "p")}},
			Config{SharedKey: keys("l"), Users: []User{user("u", "p")}},
			"user and password",
		},
		{
			"empty key and users without a key",
			Config{SharedKey: keys("")},
			Config{Users: []User{user("u", "p")}},
			"key",
		},
		{
			"certificate name",
			Config{TLSNames: []string{"a.example"}},
			Config{TLSNames: []string{"b", "A.example"}},
			"certificate name",
		},
		{"network", Config{Sources: []string{"10.0.0.0/8"}}, Config{Sources: []string{"10.1.1.1/8"}}, "network"},
		{
			"single address",
			Config{Sources: []string{"10.0.0.1"}},
			Config{Sources: []string{"::ffff:10.0.0.1"}},
			"network",
		},
		{
			"network within another",
			Config{Sources: []string{"10.0.0.0/8"}},
			Config{Sources: []string{"10.1.0.0/16"}},
			"",
		},
		{
			"network, both with keys",
			Config{SharedKey: keys("k"), Sources: []string{"10.0.0.0/8"}},
			Config{SharedKey: keys("l"), Sources: []string{"10.0.0.0/8"}},
			"",
		},
		{
			"network, one with a key",
			Config{SharedKey: keys("k"), Sources: []string{"10.0.0.0/8"}},
			Config{Sources: []string{"10.0.0.0/8"}},
			"network",
		},
		{"name", Config{Name: "first", SharedKey: keys("k")}, Config{Name: "first", SharedKey: keys("l")}, "name"},
	} {
		if tc.a.Name == "" {
			tc.a.Name, tc.b.Name = "first", "second"
		}
		_, err := New([]Config{tc.a, tc.b}, prefixes)
		if tc.want == "" {
			if err != nil {
				t.Errorf("%s: %v", tc.name, err)
			}
			continue
		}
		if want := "clusters first and " + tc.b.Name + " have the same " + tc.want + " ("; err == nil ||
			!strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", tc.name, err, want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	_, err := New([]Config{{Name: "a", Tags: []string{"x"}, Sources: []string{"10.0.0.0/33"}}}, prefixes)
	if err == nil || !strings.Contains(err.Error(), "cluster a, tags: no pattern") ||
		!strings.Contains(err.Error(), "cluster a, sources: ") {
		t.Errorf("got %v", err)
	}
}

func TestAllows(t *testing.T) {
	r := registry(t, Config{Name: "a", Tags: []string{"kube*", "host*"}},
		Config{Name: "b", SharedKey: keys("k"), Fields: map[string]string{"x": "y"}})
	for _, tc := range []struct {
		cluster, tag string
		want         bool
	}{
		{"a", "kube.x", true},
		{"a", "host", true},
		{"a", "other", false},
		{"b", "other", true},
		{"gone", "other", true},
	} {
		if got := r.Allows(tc.cluster, tc.tag); got != tc.want {
			t.Errorf("%s, %s: %v", tc.cluster, tc.tag, got)
		}
	}
	if r.Fields("b")["x"] != "y" || r.Fields("a") != nil || r.Fields("gone") != nil {
		t.Error("fields are not those configured")
	}
}

func TestProves(t *testing.T) {
	for _, tc := range []struct {
		name string
		c    Config
		want bool
	}{
		{"nothing", Config{}, false},
		{"key", Config{SharedKey: keys("k")}, true},
		{"empty key", Config{SharedKey: keys("")}, false},
		{"an empty key among others", Config{SharedKey: keys("k", "")}, false},
		{"an empty key and users", Config{SharedKey: keys(""), Users: []User{user("u", "p")}}, true},
		{"users", Config{Users: []User{user("u", "p")}}, true},
		{"certificate", Config{TLSNames: []string{"x"}}, true},
		{"sources", Config{Sources: []string{"10.0.0.0/8"}}, true},
	} {
		if got := tc.c.Proves(); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}
