package app

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/tls/tlstest"
)

// verified returns all that a check finds in a configuration, in which DIR is dir, with lines but without columns.
func verified(dir, text string) string {
	_, err := config.Parse("test.yaml", []byte(strings.ReplaceAll(text, "DIR", dir)), config.Options{Verify: Verify})
	return regexp.MustCompile(`(?m)^(test.yaml:[0-9]+):[0-9]+`).
		ReplaceAllString(strings.ReplaceAll(fmt.Sprint(err), dir, "DIR"), "$1")
}

// TestVerifyReadsTables holds that a check finds all that would keep the rules from being made, once for all outputs.
func TestVerifyReadsTables(t *testing.T) {
	dir := t.TempDir()
	const text = `
filters:
  teams: [{lookup: {field: ns, file: "DIR/teams.csv", add: {team: team}}}]
  both: [{lookup: {field: ns, file: "DIR/teams.csv"}}, {throttle: {rate: 1}}, {lookup: {field: ns,
      file: "DIR/none.csv"}}]
routes: [{match: "a.**", filters: [teams], outputs: [a, b]}, {match: "**", filters: [both], outputs: [b]}]
buffer: {path: "DIR/data"}
outputs: {a: {type: stdout}, b: {type: file, path: "DIR/b"}}
`
	got := verified(dir, text)
	for _, place := range []string{
		"test.yaml:3: filters.teams[0].lookup", "test.yaml:4: filters.both[0].lookup",
		"test.yaml:4: filters.both[2].lookup",
	} {
		if strings.Count(got, place) != 1 {
			t.Errorf("without the tables, %s should be named once: %s", place, got)
		}
	}
	for _, name := range []string{"teams.csv", "none.csv"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("ns,team\nshop,checkout\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := verified(dir, text); got != "<nil>" {
		t.Error(got)
	}
}

// TestVerifyFiles holds that whatever a configuration says of files is looked at, at once with its other mistakes, and
// that each is told with its line.
func TestVerifyFiles(t *testing.T) {
	dir := t.TempDir()
	ca := tlstest.NewCA(t, "our authority")
	one, two := ca.Issue(t, tlstest.Spec{}), ca.Issue(t, tlstest.Spec{})
	oneCert, oneKey := one.Files(t)
	_, twoKey := two.Files(t)
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"all at once": {`listeners:
  - {name: a, address: "127.0.0.1:0", tls: {cert_file: DIR/none.pem, key_file: DIR/none.key}}
  - name: b
    address: "127.0.0.1:0"
    idle_timeout: 5
    tls:
      cert_file: ` + oneCert + `
      key_file: ` + twoKey + `
buffer:
  path: DIR/file
outputs:
  es: {type: elasticsearch, hosts: ["https://es:9200"], index: logs, tls: {ca_file: DIR/none.ca}}
  up: {type: forward, servers: ["up:24224"], shared_key: "${file:DIR/none.secret}", tls: {ca_file: DIR/file}}
`, []string{
			"test.yaml:2: listeners[0].tls.cert_file: the file can't be read: open DIR/none.pem",
			"test.yaml:2: listeners[0].tls.key_file: the file can't be read: open DIR/none.key",
			"test.yaml:5: listeners[1].idle_timeout: 5 has no unit",
			"test.yaml:7: listeners[1].tls.cert_file: load certificate",
			"test.yaml:10: buffer.path: DIR/file is no directory",
			"test.yaml:12: outputs.es.tls.ca_file: the file can't be read: open DIR/none.ca",
			"test.yaml:13: outputs.up.shared_key: the file of ${file:} can't be read: open DIR/none.secret",
			"test.yaml:13: outputs.up.tls.ca_file: load certificate authorities DIR/file: it holds no PEM certificate",
		}},
		"below a file": {
			"buffer: {path: DIR/file/data}\n",
			[]string{"test.yaml:1: buffer.path: stat DIR/file/data: not a directory"},
		},
		"right": {
			"buffer: {path: DIR/deep/er/data}\nstatus: {tls: {cert_file: " + oneCert + ", key_file: " + oneKey + "}}\n",
			[]string{"<nil>"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			lines := strings.Split(verified(dir, tc.text), "\n")
			if len(lines) != len(tc.want) {
				t.Fatalf("it says\n%s", strings.Join(lines, "\n"))
			}
			for i, want := range tc.want {
				if !strings.HasPrefix(lines[i], want) {
					t.Errorf("it says %s, want %s", lines[i], want)
				}
			}
		})
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".check-*")); left != nil {
		t.Errorf("a check leaves %v", left)
	}
}

// TestClustersOf: a check reaches what routes lead to, for the clusters whose events they take.
func TestClustersOf(t *testing.T) {
	cfg, err := config.Parse("test.yaml", []byte(`
clusters: [{name: seoul-a, shared_key: k1}, {name: seoul-b, shared_key: k2}, {name: osaka, shared_key: k3}]
routes:
  - {match: "a.**", clusters: ["seoul-*"], outputs: [one, two]}
  - {match: "**", clusters: [osaka], outputs: [two]}
  - {match: "**", outputs: [all]}
outputs: {one: {type: stdout}, two: {type: stdout}, all: {type: stdout}, none: {type: stdout}}
`), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for output, want := range map[string]string{
		"one": "[seoul-a seoul-b]", "two": "[seoul-a seoul-b osaka]", "all": "[seoul-a seoul-b osaka]", "none": "[]",
	} {
		if got := fmt.Sprint(clustersOf(cfg, output)); got != want {
			t.Errorf("%s gets events of %s, want %s", output, got, want)
		}
	}
	for _, r := range Connect(t.Context(), cfg) {
		if r.Err != nil || strings.Contains(r.Found, "no route") != (r.Output == "none") {
			t.Errorf("%+v", r)
		}
	}
}

// TestVerifyDirectory says what of the queue's directory can't be used, and what to do.
func TestVerifyDirectory(t *testing.T) {
	dir := t.TempDir()
	write := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tc := range []struct {
		name, path string
		want       string // a part of the problem; "": there is none
	}{
		{"one that is there", dir, ""},
		{"one that can be made", filepath.Join(dir, "a", "b"), ""},
		{"a file", write("file"), "is no directory"},
		{"below a file", filepath.Join(write("other"), "b"), "not a directory"},
		{"one whose name is too long", filepath.Join(dir, strings.Repeat("x", 300)), "name too long"},
		{"none, which is told already", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var r setting.Report
			verifyDirectory(&r, tc.path)
			if tc.want == "" {
				if len(r.Problems) > 0 {
					t.Errorf("it says %+v", r.Problems)
				}
				return
			}
			if len(r.Problems) != 1 || r.Problems[0].Key != "buffer.path" ||
				!strings.Contains(fmt.Sprint(r.Problems[0]), tc.want) {
				t.Errorf("it says %+v, want %q", r.Problems, tc.want)
			}
		})
	}
}

// TestPlaced takes the key off what is wrong with rules, so that it is told with its line.
func TestPlaced(t *testing.T) {
	for text, want := range map[string][2]string{
		"filters.web[0].grep: no such field": {"filters.web[0].grep", "no such field"},
		"routes[1].when: line 1\nline 2":     {"routes[1].when", "line 1\nline 2"},
		"something else: entirely":           {"", "something else: entirely"},
	} {
		if key, rest := placed(text); key != want[0] || rest != want[1] {
			t.Errorf("%q: %q and %q", text, key, rest)
		}
	}
}
