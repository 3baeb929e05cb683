package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// put writes files, by name, into a new directory and returns it.
func put(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// onDisk is world with the files that there are.
func onDisk() Options {
	o := world()
	o.ReadFile = nil
	return o
}

// TestFilesAreOneConfiguration: the files of a directory and others beside it are put together, in their order.
func TestFilesAreOneConfiguration(t *testing.T) {
	dir := put(t, map[string]string{
		"conf.d/10-base.yaml": "hostname: h\nbuffer: {path: here}\nroutes: [{match: a, outputs: " +
			"[one]}]\noutputs: {one: {type: stdout}}\n",
		"conf.d/20-more.yaml": "buffer: {max_size: 2GiB}\nroutes: [{match: b, outputs: [two, " +
			"three]}]\noutputs: {two: {type: stdout}}\n",
		"conf.d/.hidden.yaml":           "nonsense: 1\n",
		"conf.d/notes.txt":              "no configuration",
		"conf.d/aggregator.tests.yaml":  "- {name: no configuration}\n",
		"conf.d/folder.yaml/inner.yaml": "nonsense: 1\n",
		"three.yaml":                    "outputs: {three: {type: stdout}}\n",
	})
	c, err := Load([]string{filepath.Join(dir, "conf.d"), filepath.Join(dir, "three.yaml")}, onDisk())
	if err != nil {
		t.Fatal(err)
	}
	if c.Hostname != "h" || c.Buffer.Path != "here" || c.Buffer.MaxSize != 2<<30 || len(c.Routes) != 2 ||
		c.Routes[1].Match[0] != "b" ||
		!slices.Equal(c.OutputNames(), []string{"one", "three", "two"}) || len(c.Warnings) > 0 {
		t.Errorf("%s\n%v", c.Summary(), c.Warnings)
	}
}

// TestDefinedTwice: a mistake that two files make together names both places.
func TestDefinedTwice(t *testing.T) {
	for name, tc := range map[string]struct{ a, b, want string }{
		"output": {
			"outputs:\n  es: {type: stdout}\n", "outputs:\n\n  es: {type: stdout}\n",
			"b.yaml:3:3: outputs.es: it is given at a.yaml:2 already (keep one of them)",
		},
		"filter": {
			"filters: {f: [{dedot: {}}]}\nroutes: [{match: '**', filters: [f], outputs: [archive]}]\noutputs: " +
				"{archive: {type: stdout}}\n",
			"filters: {f: [{dedot: {}}]}\n",
			"b.yaml:1:11: filters.f: it is given at a.yaml:1 already (keep one of them)",
		},
		"cluster": {
			"clusters: [{name: x, shared_key: k1}]\n", "clusters: [{name: x, shared_key: k2}]\n",
			"b.yaml:1:19: clusters[1].name: clusters[0] (a.yaml:1) has the same name (give each its own)",
		},
		"key": {
			"clusters: [{name: x, shared_key: k}]\n", "clusters: [{name: y, shared_key: k}]\n",
			"b.yaml:1:34: clusters[1].shared_key: clusters[0] (a.yaml:1) has the same key (a key decides which " +
				"cluster an agent belongs to: give each its own, or users of its own beside it)",
		},
		"listener": {
			"listeners: [{name: x, address: '127.0.0.1:1'}]\n", "listeners: [{name: x, address: '127.0.0.1:2'}]\n",
			"b.yaml:1:20: listeners[1].name: listeners[0] (a.yaml:1) has the same name (give each its own)",
		},
		"handover's key": {
			"clusters: [{name: x, shared_key: k}]\n",
			"listeners: [{address: '127.0.0.1:1', handover: {shared_key: k, clusters: [x]}}]\n",
			"b.yaml:1:61: listeners[0].handover.shared_key: cluster x has the same key, so its agents would pass for " +
				"another aggregator (give handovers a key of their own)",
		},
		"handover's cluster": {
			"clusters: [{name: seoul, shared_key: k}]\n",
			"listeners: [{address: '127.0.0.1:1', handover: {shared_key: h, clusters: [seol]}}]\n",
			"b.yaml:1:75: listeners[0].handover.clusters[0]: no cluster is named \"seol\" (did you mean seoul?)",
		},
		"handover of nobody": {
			"hostname: a\n", "listeners: [{address: '127.0.0.1:1', handover: {shared_key: h, clusters: []}}]\n",
			"b.yaml:1:74: listeners[0].handover.clusters: is empty (whose events are taken over, by name)",
		},
		"setting": {
			"buffer: {path: a}\n", "buffer: {path: b}\n",
			"b.yaml:1:10: buffer.path: it is given at a.yaml:1 already (keep one of them)",
		},
		"single value": {
			"hostname: a\n", "hostname: b\n",
			"b.yaml:1:1: hostname: it is given at a.yaml:1 already (keep one of them)",
		},
		"other kind": {
			"outputs: {a: {type: stdout}}\n", "outputs: [a]\n",
			"b.yaml:1:1: outputs: it is given at a.yaml:1 already (keep one of them)",
		},
		"no mapping": {
			"hostname: a\n", "[a]\n",
			"b.yaml:1:1: expected a mapping, as in a.yaml (write a mapping of sections, such as outputs)",
		},
		"both wrong": {
			"hostname: [a]\n", "log: {levl: info}\n",
			"a.yaml:1:11: hostname: expected a text, got a list\nb.yaml:1:7: log.levl: unknown key (did you " +
				"mean level?)",
		},
		"empty": {"hostname: a\n", "# nothing\n", "b.yaml: the file is empty (write {} where the defaults are meant)"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := put(t, map[string]string{"a.yaml": tc.a, "b.yaml": tc.b})
			_, err := Load([]string{dir}, onDisk())
			if err == nil || strings.ReplaceAll(err.Error(), dir+"/", "") != tc.want {
				t.Errorf("%v, want %s", err, tc.want)
			}
		})
	}
}

func TestPaths(t *testing.T) {
	env := func(value string) func(string) (string, bool) {
		return func(name string) (string, bool) { return value, name == "AGGREGATOR_CONFIG" && value != "" }
	}
	t.Chdir(put(t, map[string]string{"other/x.yaml": ""}))
	if got := Paths(nil, env("")); got != nil {
		t.Errorf("nothing is there, and it is %q", got)
	}
	if err := os.WriteFile("aggregator.yaml", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ given, env, want string }{
		{"", "", "aggregator.yaml"}, {"", "/etc/x", "/etc/x"}, {"a b", "/etc/x", "a b"},
	} {
		if got := strings.Join(Paths(strings.Fields(tc.given), env(tc.env)), " "); got != tc.want {
			t.Errorf("-c %q, AGGREGATOR_CONFIG=%s: %q, want %q", tc.given, tc.env, got, tc.want)
		}
	}
}

func TestLoadRefusesPaths(t *testing.T) {
	dir := put(t, map[string]string{
		"a.yaml": "hostname: a\n", "none/x.txt": "", "both/a.yaml": "hostname: a\n", "both/b.yml": "hostname: b\n",
	})
	for _, tc := range []struct{ paths, want string }{
		{"none", "none: the directory has no *.yaml file (-c takes files, or directories of *.yaml files)"},
		{
			"both",
			"both: b.yml would not be read: its name does not end in .yaml (-c takes files, or directories of " +
				"*.yaml files)",
		},
		{"a.yaml a.yaml", "a.yaml: is given twice (name it once)"},
		{
			"missing nowhere",
			"missing: can't be read: no such file or directory\nnowhere: can't be read: no such file or directory",
		},
	} {
		var paths []string
		for name := range strings.FieldsSeq(tc.paths) {
			paths = append(paths, filepath.Join(dir, name))
		}
		if _, err := Load(paths, onDisk()); err == nil || strings.ReplaceAll(err.Error(), dir+"/", "") != tc.want {
			t.Errorf("%s: %v, want %s", tc.paths, err, tc.want)
		}
	}
}

// TestStandIn: what is not here is made up, whatever the setting, and no setting is wrong for it.
func TestStandIn(t *testing.T) {
	o := world()
	o.StandIn = true
	c, err := Parse("a.yaml", []byte(`
listeners: [{address: "0.0.0.0:${env:NO_PORT}", max_connections: "${env:NO_NUMBER}", idle_timeout: "${env:NO_TIME}"}]
clusters:
  - {name: a, shared_key: "${env:NO_KEY}"}
  - {name: b, shared_key: "${file:/no/key}"}
outputs:
  es: {type: elasticsearch, hosts: ["${env:NO_URL}"], username: "${env:NO_USER}",
    password: "${env:NO_PASSWORD}", index: "${env:NO_INDEX}-x", compression: "${env:NO_GZIP}"}
  s3: {type: s3, region: "${env:NO_REGION}", bucket: "${env:NO_BUCKET}", key: "a/"}
`), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.StandIns) != 12 || c.StandIns[0] != "${env:NO_BUCKET}" || !MadeUp(c.Clusters[0].SharedKey[0].Reveal()) {
		t.Errorf("made up: %q", c.StandIns)
	}
	o.StandIn = false
	if _, err := Parse("a.yaml", []byte("hostname: ${env:NO_NAME}\n"), o); err == nil {
		t.Error("without StandIn, a variable may be missing")
	}
	if _, err := Parse("a.yaml", []byte("hostname: ${tag}\n"), Options{StandIn: true}); err == nil {
		t.Error("what is no reference was made up")
	}
}

// TestMissingAloneIsWrong: of what refers to variables and files that are not there, that alone is said, and not what
// would be right with them.
func TestMissingAloneIsWrong(t *testing.T) {
	_, err := Parse("a.yaml", []byte(`
listeners: [{address: "0.0.0.0:24224"}]
clusters: [{name: a, shared_key: "${file:/no/key}"}]
outputs:
  hec: {type: splunk_hec, url: "https://hec", token: "${env:NO_TOKEN}"}
  up: {type: forward, servers: ["up"], shared_key: "${env:NO_KEY}", username: u, password: "${env:NO_PASSWORD}"}
  what: {type: "${env:NO_TYPE}", index: x}
`), world())
	var mistakes Errors
	if !errors.As(err, &mistakes) || len(mistakes) != 5 {
		t.Error(err)
	}
	for _, m := range mistakes {
		if !strings.Contains(m.Reason, "is not set") && !strings.Contains(m.Reason, "can't be read") {
			t.Error(m)
		}
	}
}

// TestBecame: what variables make of the names of targets is shown, unless a secret is in it.
func TestBecame(t *testing.T) {
	c, err := Parse("a.yaml", []byte(`
outputs:
  a: {type: elasticsearch, hosts: ["http://a:9200"], index: "${env:N:-x}-{cluster}", username: u,
    password: "${env:SECRET}"}
  b: {type: firehose, region: eu-west-1, delivery_stream: "${env:SECRET}"}
  c: {type: firehose, region: eu-west-1, delivery_stream: "${file:/secret}"}
  d: {type: firehose, region: eu-west-1, delivery_stream: "${env:NONE:-}logs"}
`), world())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`outputs.a.index: ${env:N}-{cluster} became "42-{cluster}"`,
		`outputs.d.delivery_stream: ${env:NONE}logs became "logs"`,
	}
	if !slices.Equal(c.Became, want) || !strings.Contains(c.Summary(), want[0]) ||
		strings.Contains(c.Summary(), secretValue) {
		t.Errorf("%q\n%s", c.Became, c.Summary())
	}
}

func TestWarnings(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{
			`routes: [{match: ["a.**", "kube.[0-9]+"], outputs: [archive]}]`,
			`a.yaml:1:27: routes[0].match: [ stands for itself in "kube.[0-9]+"`,
		},
		{`routes: [{match: "a.**|b.**", outputs: [archive]}]`, `a.yaml:1:18: routes[0].match: | stands for itself`},
		{`clusters: [{name: a, shared_key: k, tags: ["^kube"]}]`, `a.yaml:1:44: clusters[0].tags: ^ stands for itself`},
		{`routes: [{match: 'a.\[b\]', outputs: [archive]}]`, ""},
		{`routes: [{match: "{a,b}.*", outputs: [archive]}]`, ""},
	} {
		text := tc.text + "\noutputs: {archive: {type: stdout}}\n"
		c, err := Parse("a.yaml", []byte(text), world())
		if err != nil {
			t.Errorf("%s: %v", tc.text, err)
			continue
		}
		if got := strings.Join(c.Warnings, "\n"); (got == "") != (tc.want == "") || !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.text, got, tc.want)
		}
	}
}
