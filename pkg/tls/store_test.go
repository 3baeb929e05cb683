package tls

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/tls/tlstest"
)

const (
	loaded   = "info TLS files loaded"
	reloaded = "info changed TLS files loaded"
	kept     = "error TLS files can't be used; those loaded before stay in force"
	restored = "info TLS files are again those in force"
	soon     = "warn the certificate expires soon: put a new one in its place"
	over     = "error the certificate has expired: peers that verify it turn it down; put a new one in its place"
)

// Every way in which files are replaced, whole, in halves and badly.
func TestReload(t *testing.T) {
	ca := tlstest.NewCA(t, "authority")
	first, second := ca.Issue(t, tlstest.Spec{}), ca.Issue(t, tlstest.Spec{})
	expired := ca.Issue(t, tlstest.Spec{
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour),
	})
	early := ca.Issue(t, tlstest.Spec{NotBefore: time.Now().Add(time.Hour)})
	s := newSecret(t, pairFiles(first))
	cert, key := s.path("tls.crt"), s.path("tls.key")
	rename := func(name string, data []byte) {
		tlstest.Write(t, name+".new", data)
		if err := os.Rename(name+".new", name); err != nil {
			t.Fatal(err)
		}
	}
	var log logs
	server := newServer(t, setting.ServerTLS{CertFile: cert, KeyFile: key}, Options{Log: log.logger()})
	listener := server.Config()
	if got := log.take(t); !slices.Equal(got, []string{loaded}) {
		t.Fatalf("first load logs %q", got)
	}
	for _, step := range []struct {
		name    string
		do      func()
		inForce tlstest.Pair
		changed bool
		fail    string
		log     string // "": nothing
	}{
		{"nothing", func() {}, first, false, "", ""},
		{"symbolic link swapped", func() { s.swap(t, pairFiles(second)) }, second, true, "", reloaded},
		{"swapped to the same content", func() { s.swap(t, pairFiles(second)) }, second, false, "", ""},
		{
			"certificate renamed over, key not yet", func() { rename(cert, first.CertPEM) }, second, false,
			"private key does not match", kept,
		},
		{"still", func() {}, second, false, "private key does not match", ""},
		{"key renamed over", func() { rename(key, first.KeyPEM) }, first, true, "", reloaded},
		{
			"key written in place, certificate not yet", func() { tlstest.Write(t, key, second.KeyPEM) }, first, false,
			"private key does not match", kept,
		},
		{
			"certificate written by half", func() { tlstest.Write(t, cert, second.CertPEM[:len(second.CertPEM)/2]) },
			first, false, "failed to find any PEM data", kept,
		},
		{"certificate written", func() { tlstest.Write(t, cert, second.CertPEM) }, second, true, "", reloaded},
		{
			"chain cut off", func() { tlstest.Write(t, cert, slices.Concat(second.CertPEM, ca.PEM[:len(ca.PEM)/2])) },
			second, false, "1 of its 2 PEM blocks are cut off", kept,
		},
		{
			"chain whole", func() { tlstest.Write(t, cert, slices.Concat(second.CertPEM, ca.PEM)) }, second, true, "",
			reloaded,
		},
		{
			"certificate without its chain again", func() { tlstest.Write(t, cert, second.CertPEM) }, second, true, "",
			reloaded,
		},
		{"garbage", func() { tlstest.Write(t, cert, []byte("garbage")) }, second, false, "must be in PEM", kept},
		{"other fault", func() { os.Remove(cert) }, second, false, "check the name", kept},
		{"as before", func() { tlstest.Write(t, cert, second.CertPEM) }, second, false, "", restored},
		{"passphrase", func() {
			tlstest.Write(t, key,
				[]byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"))
		}, second, false, "passphrase", kept},
		{
			"expired", func() { tlstest.Write(t, cert, expired.CertPEM); tlstest.Write(t, key, expired.KeyPEM) },
			second, false, "it expired at", kept,
		},
		{
			"not valid yet", func() { tlstest.Write(t, cert, early.CertPEM); tlstest.Write(t, key, early.KeyPEM) },
			second, false, "not valid before", kept,
		},
	} {
		step.do()
		changed, err := server.Reload()
		if changed != step.changed || (err == nil) != (step.fail == "") ||
			err != nil && !strings.Contains(err.Error(), step.fail) {
			t.Fatalf("%s: changed %v, %v", step.name, changed, err)
		}
		if err != nil && !strings.Contains(err.Error(), "load certificate "+cert+" and key "+key+": ") {
			t.Errorf("%s: the error doesn't name the files: %v", step.name, err)
		}
		if got := strings.Join(log.take(t), "\n"); got != step.log {
			t.Errorf("%s: logs %q, want %q", step.name, got, step.log)
		}
		st := server.State()
		if (err == nil) != (st.Failing == "" && st.FailingSince.IsZero()) || err != nil && st.Failing != err.Error() {
			t.Errorf("%s: error %v, state %+v", step.name, err, st)
		}
		if st.Serial != serial(step.inForce) {
			t.Errorf("%s: state has another certificate", step.name)
		}
		if shown(t, listener, ca) != serial(step.inForce) {
			t.Errorf("%s: a new connection is shown another certificate", step.name)
		}
	}
	if st := server.State(); st.Reloads != 5 {
		t.Errorf("%d reloads, want 5", st.Reloads)
	}
}

func TestFirstLoadFails(t *testing.T) {
	ca := tlstest.NewCA(t, "authority")
	cert, key := ca.Issue(t, tlstest.Spec{}).Files(t)
	other, _ := ca.Issue(t, tlstest.Spec{}).Files(t)
	missing := filepath.Join(t.TempDir(), "none")
	empty := filepath.Join(t.TempDir(), "empty")
	tlstest.Write(t, empty, nil)
	for _, tc := range []struct {
		set  setting.ServerTLS
		want string
	}{
		{
			setting.ServerTLS{CertFile: missing, KeyFile: key}, "load certificate " + missing + " and key " + key +
				": open " + missing + ": no such file or directory; check the name",
		},
		{setting.ServerTLS{CertFile: cert, KeyFile: missing}, "open " + missing},
		{setting.ServerTLS{CertFile: other, KeyFile: key}, "does not match public key; put a whole certificate"},
		{setting.ServerTLS{CertFile: key, KeyFile: cert}, "PEM inputs may have been switched"},
		{
			setting.ServerTLS{CertFile: cert, KeyFile: key, ClientCAFile: missing},
			"load certificate authorities " + missing + ": open",
		},
		{
			setting.ServerTLS{CertFile: cert, KeyFile: key, ClientCAFile: empty},
			"load certificate authorities " + empty + ": it holds no PEM certificate; put",
		},
		{setting.ServerTLS{CertFile: cert, KeyFile: key, ClientCAFile: key}, "it holds no PEM certificate"},
	} {
		if s, err := NewServer(tc.set, Options{}); err == nil || s != nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want %q", tc.set, err, tc.want)
		}
	}
}

// A change of authorities counts for the next connection of both sides; a bundle carries both over it.
func TestAuthoritiesReload(t *testing.T) {
	old, fresh := tlstest.NewCA(t, "old"), tlstest.NewCA(t, "new")
	cert, key := old.Issue(t, tlstest.Spec{}).Files(t)
	authorities := old.File(t)
	server := newServer(t, setting.ServerTLS{CertFile: cert, KeyFile: key, ClientCAFile: authorities}, Options{})
	agents := map[string]*Client{}
	for name, ca := range map[string]*tlstest.CA{"old": old, "new": fresh} {
		cert, key := ca.Issue(t, tlstest.Spec{CommonName: name}).Files(t)
		agent, err := NewClient(setting.ClientTLS{CAFile: authorities, CertFile: cert, KeyFile: key}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		agents[name] = agent
	}
	for _, step := range []struct {
		bundle   []byte
		old, new bool
	}{
		{slices.Concat(old.PEM, []byte("# the next\n"), fresh.PEM), true, true},
		{slices.Concat(old.PEM, fresh.PEM[:100]), true, true}, // can't be used
		{old.PEM, true, false},
	} {
		tlstest.Write(t, authorities, step.bundle)
		_, _ = server.Reload()
		for name, want := range map[string]bool{"old": step.old, "new": step.new} {
			_, _ = agents[name].Reload()
			_, _, err, clientErr := handshake(t, server.Config(), agents[name].ConfigFor("localhost"))
			if got := err == nil && clientErr == nil; got != want {
				t.Errorf("%s agent connects: %v, want %v: server %v, client %v", name, got, want, err, clientErr)
			}
		}
	}
	tlstest.Write(t, authorities, fresh.PEM)
	for name, agent := range agents {
		if changed, err := agent.Reload(); err != nil || !changed {
			t.Fatal(changed, err)
		}
		if _, _, _, err := handshake(t, server.Config(), agent.ConfigFor("localhost")); err == nil ||
			!strings.Contains(err.Error(), "unknown authority") {
			t.Errorf("%s agent trusts the new authority alone, but: %v", name, err)
		}
	}
}

func TestState(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	ca := tlstest.NewCA(t, "authority")
	pair := ca.Issue(t, tlstest.Spec{
		CommonName: "logs", DNS: []string{"logs.example"}, IPs: []string{"10.0.0.1"}, NotBefore: now.AddDate(0, -1, 0),
		NotAfter: now.AddDate(0, 0, 30),
	})
	cert, key := pair.Files(t)
	authorities := ca.File(t)
	s := newServer(t, setting.ServerTLS{CertFile: cert, KeyFile: key, ClientCAFile: authorities},
		Options{Now: func() time.Time { return now }})
	now = now.Add(12 * time.Hour)
	st := s.State()
	if st.CertFile != cert || st.KeyFile != key || st.CAFile != authorities || st.Subject != "CN=logs" ||
		st.Serial != serial(pair) || len(st.Fingerprint) != 64 ||
		!slices.Equal(st.Names, []string{"logs.example", "10.0.0.1"}) || !st.NotAfter.Equal(pair.Leaf.NotAfter) ||
		st.DaysLeft != 29.5 ||
		!st.LoadedAt.Equal(now.Add(-12*time.Hour)) || st.Reloads != 0 || st.Failing != "" {
		t.Errorf("state: %+v", st)
	}
	c, err := NewClient(setting.ClientTLS{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := c.Reload(); changed || err != nil {
		t.Errorf("a client without files: changed %v, %v", changed, err)
	}
	if st := c.State(); !st.NotAfter.IsZero() || st.DaysLeft != 0 || st.LoadedAt.IsZero() {
		t.Errorf("state of a client without files: %+v", st)
	}
}

func TestExpiryIsLoggedOnceADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := tlstest.NewCA(t, "authority")
		start := time.Now()
		cert, key := ca.Issue(t, tlstest.Spec{NotAfter: start.Add(16 * day)}).Files(t)
		var log logs
		s := newServer(t, setting.ServerTLS{CertFile: cert, KeyFile: key}, Options{Log: log.logger()})
		lines := map[string]int{}
		for time.Since(start) < 18*day {
			time.Sleep(time.Hour)
			if _, err := s.Reload(); err != nil {
				t.Fatal(err)
			}
		}
		for _, line := range log.take(t) {
			lines[line]++
		}
		if lines[loaded] != 1 || lines[soon] != 14 || lines[over] != 2 || len(lines) != 3 {
			t.Errorf("logged %v", lines)
		}
		fresh := ca.Issue(t, tlstest.Spec{NotAfter: time.Now().Add(3 * day)})
		tlstest.Write(t, cert, fresh.CertPEM)
		tlstest.Write(t, key, fresh.KeyPEM)
		if changed, err := s.Reload(); err != nil || !changed {
			t.Fatal(changed, err)
		}
		if got := log.take(t); !slices.Equal(got, []string{reloaded, soon}) {
			t.Errorf("a new one that expires soon too logs %q", got)
		}
	})
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := tlstest.NewCA(t, "authority")
		first, second := ca.Issue(t, tlstest.Spec{}), ca.Issue(t, tlstest.Spec{})
		s := newSecret(t, pairFiles(first))
		set := setting.ServerTLS{CertFile: s.path("tls.crt"), KeyFile: s.path("tls.key")}
		server, later := newServer(t, set, Options{}), newServer(t, set, Options{})
		client, err := NewClient(setting.ClientTLS{CertFile: set.CertFile, KeyFile: set.KeyFile}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var watched atomic.Pointer[[]Reloader]
		watched.Store(&[]Reloader{server, client})
		ctx, cancel := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		defer watching.Wait()
		defer cancel()
		watching.Go(func() { Watch(ctx, 0, func() []Reloader { return *watched.Load() }) })
		expect := func(when string, wait time.Duration, of interface{ State() State }, want tlstest.Pair) {
			t.Helper()
			time.Sleep(wait)
			synctest.Wait()
			if of.State().Serial != serial(want) {
				t.Errorf("%s: another certificate", when)
			}
		}
		s.swap(t, pairFiles(second))
		expect("before its turn", WatchEvery-time.Millisecond, server, first)
		expect("at its turn", time.Millisecond, server, second)
		expect("client", 0, client, second)
		expect("not listed", 0, later, first)
		watched.Store(&[]Reloader{later})
		expect("listed now", WatchEvery, later, second)
	})
}
