package flags

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/tls/tlstest"
)

// peer parses the flags of a command that comes in at a Forward server, in an environment.
func peer(t *testing.T, env map[string]string, args ...string) *Peer {
	t.Helper()
	f := &Peer{Getenv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	fs := pflag.NewFlagSet("x", pflag.ContinueOnError)
	f.RegisterKey(fs, "key")
	f.RegisterTLS(fs, "-x")
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return f
}

// A key comes from its flag, its file or the environment, in this order; an empty one is one, too.
func TestPeerKey(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir, "key", "of the file\r\n")
	env := map[string]string{"AGGREGATOR_SHARED_KEY": "of the environment"}
	for _, tc := range []struct {
		name string
		env  map[string]string
		args []string
		key  string
		set  bool
		err  string
	}{
		{"none", nil, nil, "", false, ""},
		{"the environment", env, nil, "of the environment", true, ""},
		{"a file before it", env, []string{"--shared-key-file", file}, "of the file", true, ""},
		{
			"the flag before both", env,
			[]string{"--shared-key-file", file, "--shared-key", "of the flag"},
			"of the flag", true, "",
		},
		{"an empty flag", env, []string{"--shared-key="}, "", true, ""},
		{"an empty variable", map[string]string{"AGGREGATOR_SHARED_KEY": ""}, nil, "", true, ""},
		{
			"no file", env,
			[]string{"--shared-key-file", filepath.Join(dir, "none")},
			"", false,
			"--shared-key-file: open",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			key, set, err := peer(t, tc.env, tc.args...).Key()
			if key != tc.key || set != tc.set || (err == nil) != (tc.err == "") {
				t.Fatalf("%q, %t, %v", key, set, err)
			}
			if err != nil && (!IsWrongUsage(err) || !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("%v, want %q, as wrong usage", err, tc.err)
			}
		})
	}
}

// TLS is used where any of its flags is given, and files that can't be used are said by their flag.
func TestPeerTLS(t *testing.T) {
	dir := t.TempDir()
	ca := tlstest.NewCA(t, "authority")
	noPEM := write(t, dir, "no.pem", "nothing")
	for _, tc := range []struct {
		name, args string
		tls        bool
		err        string
	}{
		{"none of it", "--hostname a", false, ""},
		{"as it is", "--tls", true, ""},
		{"a name", "--server-name b", true, ""},
		{"unverified", "--insecure", true, ""},
		{"an authority", "--ca-file " + ca.File(t), true, ""},
		{"no authority", "--ca-file " + noPEM, false, "holds no PEM certificate"},
		{"no file", "--ca-file " + filepath.Join(dir, "none"), false, "--ca-file: open"},
		{"no certificate", "--cert-file " + noPEM + " --key-file " + noPEM, false, "--cert-file " + noPEM},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := peer(t, nil, strings.Fields(tc.args)...)
			set, err := f.TLSConfig()
			if (set != nil) != tc.tls || (err == nil) != (tc.err == "") {
				t.Fatalf("%v, %v", set, err)
			}
			if err != nil && (!IsWrongUsage(err) || !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("%v, want %q, as wrong usage", err, tc.err)
			}
			if set != nil && (set.InsecureSkipVerify != f.insecure || set.ServerName != f.serverName) {
				t.Errorf("%+v", set)
			}
		})
	}
	if name := peer(t, nil, "--hostname", "a").OwnName("-x"); name != "a" {
		t.Errorf("the name %q", name)
	}
	if name := peer(t, nil).OwnName("-x"); !strings.HasSuffix(name, "-x") || name == "-x" {
		t.Errorf("the name by default: %q", name)
	}
}

// What looks into a queue itself takes that of the configuration, or the directory that is given, and contradicts what
// is about a server.
func TestOffline(t *testing.T) {
	group := &config.Config{}
	if cfg, err := config.Parse("a.yaml", []byte(`
buffer: {type: jetstream, jetstream: {urls: "nats://127.0.0.1:1"}}
routes: [{match: "**", outputs: [out]}]
outputs: {out: {type: stdout}}
`), config.Options{}); err == nil {
		group = cfg
	} else {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		f    Offline
		asks bool
		cfg  *config.Config
		path string
		err  string
	}{
		{"a server is asked", Offline{}, true, nil, "", ""},
		{"a directory", Offline{dir: "/d"}, false, nil, "/d", ""},
		{"the configuration's, which is the default", Offline{offline: true}, false, nil, "data", ""},
		{"both", Offline{dir: "/d", offline: true}, false, nil, "", "give one of them"},
		{"a directory, of a server", Offline{dir: "/d"}, true, nil, "", "--data-dir asks no server"},
		{"offline, of a server", Offline{offline: true}, true, nil, "", "--offline asks no server"},
		{"a directory where there is none", Offline{dir: "/d"}, false, group, "", "--offline looks into"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.f.Check(tc.asks)
			var cfg *config.Config
			if err == nil && tc.f.Set() {
				cfg, err = tc.f.Queue(tc.cfg)
			}
			switch {
			case tc.err != "":
				if err == nil || !IsWrongUsage(err) || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("%v, want %q, as wrong usage", err, tc.err)
				}
			case err != nil:
				t.Error(err)
			case tc.path != "" && cfg.Buffer.Path != tc.path:
				t.Errorf("it opens %s, want %s", cfg.Buffer.Path, tc.path)
			}
		})
	}
}

// A name that is no command's is told with the one that was meant, if any is near.
func TestOnlyCommands(t *testing.T) {
	root := &cobra.Command{Use: "x"}
	root.AddCommand(&cobra.Command{Use: "status", Run: func(*cobra.Command, []string) {}})
	for arg, want := range map[string]string{
		"sattus": `unknown command "sattus"; did you mean 'x status'?`,
		"zzz":    `unknown command "zzz"; 'x --help' lists the commands`,
	} {
		if err := OnlyCommands(root, []string{arg}); err == nil || !IsWrongUsage(err) || err.Error() != want {
			t.Errorf("%s: %v", arg, err)
		}
	}
	if err := errors.Join(OnlyCommands(root, nil), NoArgs(root, nil)); err != nil {
		t.Error(err)
	}
	if err := NoArgs(root, []string{"a.yaml"}); err == nil || !IsWrongUsage(err) {
		t.Errorf("an argument: %v", err)
	}
}

// What a configuration is taken from is said in one line, whatever its path holds.
func TestTell(t *testing.T) {
	t.Setenv("AGGREGATOR_CONFIG", "")
	var out bytes.Buffer
	c := Config{Given: []string{"a\x1b[31m.yaml", "b"}}
	c.Tell(&out)
	if got := out.String(); strings.Count(got, "\n") != 1 || strings.Contains(got, "\x1b") ||
		!strings.HasPrefix(got, "configuration: a") || !strings.Contains(got, ", b") {
		t.Errorf("%q", got)
	}
	empty := Config{Given: []string{""}}
	if _, err := empty.Load(config.Options{}); err == nil || !IsWrongUsage(err) {
		t.Errorf("-c without a name: %v", err)
	}
}
