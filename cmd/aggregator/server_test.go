package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/pkg/tls/tlstest"
)

// countLines returns how many lines a file has, 0 where it is not there.
func countLines(path string) int {
	text, _ := os.ReadFile(path)
	return strings.Count(string(text), "\n")
}

// onlyKube has a route for kube.** alone: all else becomes dead letters.
const onlyKube = `
listeners: [{name: in, address: "127.0.0.1:0", udp_heartbeat: false}]
buffer: {path: "%[1]s/data", min_free_disk: 1MiB}
routes: [{match: "kube.**", outputs: [works]}]
outputs:
  works: {type: file, path: "%[1]s/works", batch: {max_wait: 1ms}}
  other: {type: file, path: "%[1]s/other", batch: {max_wait: 1ms}}
status: {address: "127.0.0.1:0"}
log: {level: info, format: json}
`

// TestDeadLettersOfAServer lists, shows, exports, sends again and purges what a running server has set aside.
func TestDeadLettersOfAServer(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("AGGREGATOR_CONFIG", "")
	dir := t.TempDir()
	s := startServer(t, dir, onlyKube)
	for i := range 3 {
		input := fmt.Sprintf(`{"n":%d}`+"\n", i)
		if code, _, errOut := command(t, input, "send", "--address", s.address, "--tag", "host.a"); code != exitOK {
			t.Fatalf("send ends with %d: %s", code, errOut)
		}
	}
	ask := func(args ...string) (int, string) {
		t.Helper()
		code, out, errOut := command(t, "", append(append([]string{"dead"}, args...), "--status", s.status)...)
		return code, out + errOut
	}
	code, out := ask()
	if code != exitOK || !strings.Contains(out, "unrouted") || !strings.Contains(out, "3") {
		t.Errorf("in sum: %d, %s", code, out)
	}
	code, out = ask("list", "--json")
	var ids []string
	for line := range strings.Lines(out) {
		var l client.DeadLetter
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		ids = append(ids, strconv.FormatUint(l.ID, 10))
		if l.Reason != "unrouted" || l.Tag != "host.a" || l.Events != 1 {
			t.Errorf("%+v", l)
		}
	}
	if code != exitOK || len(ids) != 3 {
		t.Fatalf("list: %d, %s", code, out)
	}
	for _, tc := range []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"one", []string{"show", ids[0]}, exitOK, []string{"reason", "unrouted", "host.a", "no route wants them"}},
		{"one that is not there", []string{"show", "1"}, exitFailed, []string{"no such dead letter"}},
		{"what is no number", []string{"show", "first"}, exitUsage, []string{"first"}},
		{"another tag", []string{"list", "--tag", "kube.**"}, exitOK, []string{"no dead letters"}},
		{
			"an output that there is not",
			[]string{"list", "--output", "wroks"},
			exitUsage,
			[]string{`there is no output named "wroks"`, "other, works"},
		},
		{"all of it", []string{"export"}, exitOK, []string{`"n":0`, `"n":1`, `"n":2`}},
		{"nobody can be asked", []string{"purge", "--tag", "host.**"}, exitUsage, []string{"--yes"}},
		{
			"to nowhere",
			[]string{"retry", "--all", "--yes", "--to", "nowhere"},
			exitUsage,
			[]string{`no output is named "nowhere"`},
		},
		{"no route wants it", []string{"retry", "--id", ids[0], "--yes"}, exitFailed, []string{"no route wants them"}},
		{
			"to an output",
			[]string{"retry", "--id", ids[0], "--yes", "--to", "other"},
			exitOK,
			[]string{"1 dead letter with 1 event"},
		},
		{"two are left", []string{"list"}, exitOK, []string{ids[1], ids[2]}},
		{"purged", []string{"purge", "--all", "--yes"}, exitOK, []string{"deleted 2 dead letters with 2 events"}},
		{"none is left", []string{"list"}, exitOK, []string{"no dead letters"}},
	} {
		code, out := ask(tc.args...)
		if code != tc.code {
			t.Errorf("%s: %d, %s", tc.name, code, out)
		}
		for _, want := range tc.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q is not in\n%s", tc.name, want, out)
			}
		}
	}
	s.until("what was sent again", func() bool { return countLines(filepath.Join(dir, "other")) == 1 })
	if code := s.end(); code != exitOK {
		t.Errorf("it ends with %d:\n%s", code, s.log.String())
	}
}

// TestReloadOfAServer puts a changed file in force, and refuses a wrong one, whole.
func TestReloadOfAServer(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("AGGREGATOR_CONFIG", "")
	dir := t.TempDir()
	s := startServer(t, dir, onlyKube)
	write := func(before, after string) {
		t.Helper()
		text := strings.Replace(fmt.Sprintf(onlyKube, dir), before, after, 1)
		if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	send := func(tag string) {
		t.Helper()
		if code, _, errOut := command(t, "x\n", "send", "--address", s.address, "--tag", tag); code != exitOK {
			t.Fatalf("send ends with %d: %s", code, errOut)
		}
	}
	works, other := filepath.Join(dir, "works"), filepath.Join(dir, "other")
	send("kube.a")
	s.until("the first output", func() bool { return countLines(works) == 1 })

	write("outputs: [works]", "outputs: [wroks]")
	code, _, errOut := command(t, "", "reload", "--status", s.status)
	if code != exitUsage || !strings.Contains(errOut, "wroks") || !strings.Contains(errOut, "aggregator.yaml:4") {
		t.Errorf("a wrong file: %d, %s", code, errOut)
	}
	send("kube.b")
	s.until("the first output", func() bool { return countLines(works) == 2 })

	write("outputs: [works]", "outputs: [other]")
	if code, _, errOut := command(t, "", "reload", "--status", s.status); code != exitOK {
		t.Errorf("a right file: %d, %s", code, errOut)
	}
	send("kube.c")
	s.until("the other output", func() bool { return countLines(other) == 1 })

	write("log: {level: info", "log: {level: warn")
	code, out, errOut := command(t, "", "reload", "--status", s.status)
	if code != exitOK || !strings.Contains(out, "log can't change while the program runs") {
		t.Errorf("what can't change: %d, %s%s", code, out, errOut)
	}
	if code := s.end(); code != exitOK || countLines(works) != 2 {
		t.Errorf("it ends with %d:\n%s", code, s.log.String())
	}
}

// TestAskWithSecrets asks a server whose endpoint has TLS and wants a token: the configuration has all of it, or flags
// say it.
func TestAskWithSecrets(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("AGGREGATOR_CONFIG", "")
	dir := t.TempDir()
	ca := tlstest.NewCA(t, "our authority")
	cert, key := ca.Issue(t, tlstest.Spec{}).Files(t)
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("t0ken\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	secured := fmt.Sprintf(
		`status: {address: "127.0.0.1:0", private: true, token: t0ken, tls: {cert_file: %s, key_file: %s}}`, cert, key,
	)
	s := startServer(t, dir, strings.Replace(onlyKube, `status: {address: "127.0.0.1:0"}`, secured, 1))
	address := strings.Replace(s.status, "http:", "https:", 1)
	for _, tc := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"all of it", []string{"--status", address, "--token-file", token, "--insecure"}, exitOK, `"events": 0`},
		{"without a token", []string{"--status", address, "--insecure"}, exitFailed, "401"},
		{"with a wrong one", []string{"--status", address, "--token", "wrong", "--insecure"}, exitFailed, "401"},
		{"without trust", []string{"--status", address, "--token-file", token}, exitFailed, "certificate"},
		{"without TLS", []string{"--status", s.status, "--token-file", token}, exitFailed, "400"},
		{
			"a file that is not there",
			[]string{"--status", address, "--token-file", filepath.Join(dir, "none")},
			exitUsage, "--token-file",
		},
		{
			"two secrets",
			[]string{"--status", address, "--token", "a", "--token-file", token},
			exitUsage,
			"give one of them",
		},
		{
			"a password without a user",
			[]string{"--status", address, "--password-file", token},
			exitUsage,
			"give --user too",
		},
		{"half a certificate", []string{"--status", address, "--cert-file", cert}, exitUsage, "give both"},
		{"an address that is none", []string{"--status", "ftp://x"}, exitUsage, "must be a URL"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, out, errOut := command(t, "", append([]string{"queue", "--json"}, tc.args...)...)
			if code != tc.code || !strings.Contains(out+errOut, tc.want) {
				t.Errorf("it ends with %d: %s%s", code, out, errOut)
			}
			if strings.Contains(out+errOut, "t0ken") {
				t.Errorf("it shows the token: %s%s", out, errOut)
			}
		})
	}
	if code := s.end(); code != exitOK {
		t.Errorf("it ends with %d:\n%s", code, s.log.String())
	}
}

// TestSendInEveryMode has every form of message arrive, acknowledged, with its events.
func TestSendInEveryMode(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("AGGREGATOR_CONFIG", "")
	dir := t.TempDir()
	s := startServer(t, dir, onlyKube)
	want := 0
	for _, args := range [][]string{
		{"--mode", "packed"},
		{"--mode", "packed", "--compress", "gzip"},
		{"--mode", "packed", "--compress", "zstd"},
		{"--mode", "forward"},
		{"--mode", "message"},
		{"--mode", "packed", "--ack=false"},
		{"--chunk-events", "2", "--pipeline", "3"},
		{"--connections", "3", "--tags", "3"},
	} {
		args = append([]string{"send", "--address", s.address, "--tag", "kube.a", "--count", "20"}, args...)
		code, out, errOut := command(t, "", args...)
		if code != exitOK {
			t.Errorf("%v ends with %d: %s%s", args, code, out, errOut)
		}
		want += 20
	}
	s.until("all events", func() bool { return countLines(filepath.Join(dir, "works")) == want })
	code, out, errOut := command(t, "", "status", "--json", "--status", s.status)
	if code != exitOK || !json.Valid([]byte(out)) {
		t.Errorf("status ends with %d: %s%s", code, out, errOut)
	}
	if code := s.end(); code != exitOK {
		t.Errorf("it ends with %d:\n%s", code, s.log.String())
	}
}

// TestConfigurationInParts takes a directory of files as one configuration, and names both places of what stands twice.
func TestConfigurationInParts(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("AGGREGATOR_CONFIG", "")
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a.yaml", "routes: [{match: '**', outputs: [one]}]\n")
	write("b.yaml", "outputs: {one: {type: stdout}}\n")
	write("notes.txt", "not: [a configuration")
	for _, tc := range []struct {
		name, env string
		args      []string
		change    func()
		code      int
		want      []string
	}{
		{"-c", "", []string{"-c", dir}, func() {}, exitOK, []string{dir}},
		{"AGGREGATOR_CONFIG", dir, nil, func() {}, exitOK, []string{dir}},
		{"the defaults", "", nil, func() {}, exitOK, []string{"defaults"}},
		{
			"what stands twice", "",
			[]string{"-c", dir},
			func() { write("c.yaml", "outputs: {one: {type: stdout}}\n") }, exitUsage,
			[]string{"b.yaml", "c.yaml", "one"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("AGGREGATOR_CONFIG", tc.env)
			tc.change()
			code, out, errOut := command(t, "", append([]string{"check"}, tc.args...)...)
			if code != tc.code {
				t.Errorf("it ends with %d: %s%s", code, out, errOut)
			}
			for _, want := range tc.want {
				if !strings.Contains(out+errOut, want) {
					t.Errorf("%q is not in %s%s", want, out, errOut)
				}
			}
		})
	}
}
