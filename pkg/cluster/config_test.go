package cluster

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

// What can't stand in a configuration is told by its setting, all of it at once.
func TestCheck(t *testing.T) {
	const badName = "name: not a valid name"
	long := strings.Repeat("x", 63)
	for _, tc := range []struct {
		name string
		c    Config
		want []string
	}{
		{"letters, digits and all else that may be", Config{Name: "aZ_0.b-c"}, nil},
		{"one letter", Config{Name: "a"}, nil},
		{"a low line first", Config{Name: "_a"}, nil},
		{"a digit first", Config{Name: "0"}, nil},
		{"the longest", Config{Name: long}, nil},
		{"too long", Config{Name: long + "x"}, []string{badName}},
		{"empty", Config{}, []string{badName}},
		{"a dot first", Config{Name: ".a"}, []string{badName}},
		{"a dash first", Config{Name: "-a"}, []string{badName}},
		{"two dots", Config{Name: "a..b"}, nil},
		{"a slash", Config{Name: "a/b"}, []string{badName}},
		{"a space", Config{Name: "a b"}, []string{badName}},
		{"a line feed behind", Config{Name: "a\n"}, []string{badName}},
		{"another alphabet", Config{Name: "서울"}, []string{badName}},
		{
			"networks", Config{Name: "a", Sources: []string{
				"10.0.0.0/8", "10.0.0.1", "10.1.2.3/8", "fd00::/8", "fd00::1", "0.0.0.0/0", "::ffff:10.0.0.1",
			}}, nil,
		},
		{
			"what is no network",
			Config{Name: "a", Sources: []string{"10.0.0.0/33", "", "10.0.0", "host", "10.0.0.0/8 ", "10.0.0.0/08"}},
			[]string{
				`sources: "10.0.0.0/33" is no network`, `sources: "" is no network`, `sources: "10.0.0" is no network`,
				`sources: "host" is no network`, `sources: "10.0.0.0/8 " is no network`,
				`sources: "10.0.0.0/08" is no network`,
			},
		},
		{
			"an empty name of a certificate",
			Config{Name: "a", TLSNames: []string{"x", ""}},
			[]string{"tls_names: a name is empty"},
		},
		{
			"all of it",
			Config{Sources: []string{"x"}, TLSNames: []string{""}},
			[]string{badName, `sources: "x" is no network`, "tls_names: a name is empty"},
		},
	} {
		var r setting.Report
		tc.c.Check(&r)
		var got []string
		for _, p := range r.Problems {
			got = append(got, p.Key+": "+p.Reason)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// Networks are read with what stands behind their length, and single addresses as networks of one.
func TestParseNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"10.1.2.3/8": "10.0.0.0/8", "10.1.2.3": "10.1.2.3/32", "10.0.0.0/32": "10.0.0.0/32", "1.2.3.4/0": "0.0.0.0/0",
		"fd00::1": "fd00::1/128", "fd00::1/64": "fd00::/64", "::ffff:10.0.0.1": "10.0.0.1/32", "::": "::/128",
	} {
		got, err := parseNetwork(text)
		if err != nil || got.String() != want {
			t.Errorf("%s is %v, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "/8", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/129", "fd00::/129", "10.0.0.256"} {
		if got, err := parseNetwork(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// Help explains settings that there are, and no others.
func TestHelp(t *testing.T) {
	keys := map[string]bool{}
	for f := range reflect.TypeFor[Config]().Fields() {
		keys[f.Tag.Get("yaml")] = true
	}
	for key, text := range (Config{}).Help() {
		if !keys[key] || text == "" {
			t.Errorf("%s: %q", key, text)
		}
	}
}

// How agents of a cluster are told.
func TestHowTold(t *testing.T) {
	for _, tc := range []struct {
		name         string
		c            Config
		logsIn, open bool
		keys         int
	}{
		{"nothing", Config{}, false, true, 0},
		{"a key", Config{SharedKey: keys("k")}, true, false, 1},
		{"an empty key", Config{SharedKey: keys("")}, true, false, 1},
		{"two keys", Config{SharedKey: keys("k", "l")}, true, false, 2},
		{"users: they have the empty key", Config{Users: []User{user("u", "p")}}, true, false, 1},
		{"users and keys", Config{Users: []User{user("u", "p")}, SharedKey: keys("k", "l")}, true, false, 2},
		{"a certificate", Config{TLSNames: []string{"x"}}, false, false, 0},
		{"sources", Config{Sources: []string{"10.0.0.0/8"}}, false, true, 0},
	} {
		if tc.c.LogsIn() != tc.logsIn || tc.c.Open() != tc.open || len(tc.c.keys()) != tc.keys {
			t.Errorf("%s: logs in %v, open %v, %d keys", tc.name, tc.c.LogsIn(), tc.c.Open(), len(tc.c.keys()))
		}
	}
}

// A refusal says what is wrong, and never a secret or what could be one.
func TestRefusalTexts(t *testing.T) {
	r := registry(
		t,
		Config{Name: "keyed", SharedKey: keys("s3cret"), Users: []User{user("bob", "pa55")}},
		Config{Name: "net", SharedKey: keys("k3y"), Sources: []string{"10.0.0.0/8"}},
		Config{Name: "cert", TLSNames: []string{"cert.example"}},
		Config{Name: "other", TLSNames: []string{"other.example"}},
	)
	identify := func(p Peer) error {
		_, _, err := r.Identify(p)
		return err
	}
	login := func(p Peer, l Login) error {
		_, _, err := r.Login(p, l)
		return err
	}
	far := source("192.0.2.1")
	for _, tc := range []struct {
		name  string
		err   error
		label string
		text  string
	}{
		{
			"two certificates", identify(Peer{TLSNames: []string{"cert.example", "other.example"}}), "certificate",
			"its certificate has names of the clusters cert and other",
		},
		{
			"a certificate of nobody", identify(Peer{TLSNames: []string{"x.example"}, Allowed: []string{"cert"}}),
			"certificate",
			"no cluster that may come in here has one of the names of its certificate, [\"x.example\"], among its " +
				"tls_names",
		},
		{
			"nothing", identify(Peer{Source: far, Allowed: []string{"cert"}}), "unknown_cluster",
			"neither a client certificate nor its network says which cluster it belongs to",
		},
		{
			"another key", login(Peer{}, ping("wrong", "", "")), "shared_key",
			"its shared_key is none of the clusters' that may come in here",
		},
		{
			"another password", login(Peer{}, ping("s3cret", "bob", "wrong")), "user",
			"its shared_key is right, but not its user name and password",
		},
		{
			"from elsewhere", login(Peer{Source: far}, ping("k3y", "", "")), "source",
			"192.0.2.1 is none of the sources of cluster net",
		},
		{
			"from a Unix socket", login(Peer{}, ping("k3y", "", "")), "source",
			"a Unix socket is none of the sources of cluster net",
		},
		{
			"with another's certificate",
			login(Peer{TLSNames: []string{"cert.example"}}, ping("s3cret", "bob", "pa55")), "certificate",
			"it has the shared_key of cluster keyed, but the certificate of another",
		},
	} {
		var refusal *Refusal
		if !errors.As(tc.err, &refusal) || refusal.Reason() != tc.label || tc.err.Error() != tc.text {
			t.Errorf("%s: %q, %v, want %q, %s", tc.name, label(tc.err), tc.err, tc.label, tc.text)
			continue
		}
		for _, secret := range []string{"s3cret", "pa55", "k3y", "wrong", "bob"} {
			if strings.Contains(tc.err.Error(), secret) {
				t.Errorf("%s: %v tells %s", tc.name, tc.err, secret)
			}
		}
	}
}

// Each pair that can't be told apart is named once, in the order of the configuration.
func TestConflictsInOrder(t *testing.T) {
	got := Conflicts([]Config{
		{Name: "a", SharedKey: keys("k")},
		{Name: "b", SharedKey: keys("k"), TLSNames: []string{"x", "y"}},
		{Name: "a", TLSNames: []string{"Y", "X"}},
		{Name: "c", Sources: []string{"10.0.0.0/8", "bad", "10.0.0.1"}},
		{Name: "d", Sources: []string{"10.0.0.1/32", "10.9.9.9/8"}},
	})
	var texts []string
	for _, c := range got {
		texts = append(texts, strings.Join([]string{c.Key, c.Same}, "/")+" "+string(rune('0'+c.Cluster))+
			string(rune('0'+c.Other)))
		if c.Hint == "" {
			t.Errorf("%+v has no hint", c)
		}
	}
	want := []string{
		"shared_key/key 10", "name/name 20", "tls_names/certificate name 21", "tls_names/certificate name 21",
		"sources/network 43", "sources/network 43",
	}
	if !slices.Equal(texts, want) {
		t.Errorf("%q, want %q", texts, want)
	}
	if none := Conflicts(nil); none != nil {
		t.Errorf("%+v", none)
	}
}

// Names come as they are configured, and what is not configured has no limits.
func TestNames(t *testing.T) {
	r := registry(t, Config{Name: "z", SharedKey: keys("a")}, Config{Name: "a", SharedKey: keys("b")})
	if got := r.Names(); !slices.Equal(got, []string{"z", "a"}) {
		t.Errorf("%v", got)
	}
	if got := registry(t).Names(); len(got) != 0 {
		t.Errorf("without clusters: %v", got)
	}
	h := NewHolder(r)
	for range 100 {
		if _, err := h.Admit("gone"); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.Stats()["gone"]; got.Connections != 100 || got.Refused != 0 {
		t.Errorf("%+v", got)
	}
}

// Who is over max_connections is told how many there are, and a cluster that is gone is forgotten with its last one.
func TestAdmitTexts(t *testing.T) {
	h := NewHolder(limited(t, 0, 1))
	leave, err := h.Admit("a")
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Admit("a")
	if want := "cluster a has 1 connections already, which is its max_connections"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	leave()
	if got := h.Stats()["a"]; got.Connections != 0 || got.Refused != 1 {
		t.Errorf("without connections: %+v", got)
	}
	if leave, err = h.Admit("a"); err != nil {
		t.Fatal(err)
	}
	other := registry(t, Config{Name: "c"})
	h.Swap(other)
	if _, ok := h.Stats()["a"]; !ok || h.Current() != other {
		t.Errorf("%+v", h.Stats())
	}
	leave()
	if all := h.Stats(); len(all) != 0 {
		t.Errorf("what is gone is remembered: %+v", all)
	}
	h.Charge("b", 1)
	if h.Swap(registry(t, Config{Name: "c"})); len(h.Stats()) != 0 {
		t.Errorf("what had no connection is remembered: %+v", h.Stats())
	}
}
