package config

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/file"
)

// update is for `go test -run TestErrors -update`, after which the golden files are to be read.
var update = flag.Bool("update", false, "write the golden files")

const secretValue = "s3cr3t-value"

// world is an environment in which the secrets of the tests are.
func world() Options {
	env := map[string]string{
		"SECRET": secretValue, "SEC_SIZE": "77secretunits", "BROKEN": "{s3cr3t-value", "N": "42", "EMPTY": "",
		"PASSWORD": "pass", "SPACE": " s3cr3t-value", "ON": "true",
	}
	files := map[string]string{
		"/secret": secretValue + "\n", "/run/secrets/seoul": "key\n", "/run/secrets/es": "es", "/two": "a\n\n",
		"/empty": "\n", "/crlf": "a\r\n",
	}
	return Options{
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		ReadFile: func(name string) ([]byte, error) {
			if text, ok := files[name]; ok {
				return []byte(text), nil
			}
			return nil, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
		},
		Hostname: func() (string, error) { return "host-1", nil },
	}
}

func TestErrors(t *testing.T) {
	inputs, err := filepath.Glob("testdata/errors/*.yaml")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no inputs: %v", err)
	}
	for _, input := range inputs {
		name := strings.TrimSuffix(filepath.Base(input), ".yaml")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(input)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse(name+".yaml", data, world())
			if err == nil {
				t.Fatal("accepted")
			}
			// A new type of output changes no expectation.
			got := strings.ReplaceAll(err.Error(), strings.Join(outputs.Names(outputKinds()), ", "), "{types}") + "\n"
			if strings.Contains(got, "s3cr3t") || strings.Contains(got, "secretunits") ||
				strings.Contains(got, "12345678") {
				t.Errorf("a secret shows:\n%s", got)
			}
			golden := strings.TrimSuffix(input, ".yaml") + ".err"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// TestContract holds that every promised key is taken.
func TestContract(t *testing.T) {
	for _, name := range []string{"contract.yaml", "contract_jetstream.yaml"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(name, data, world()); err != nil {
			t.Error(err)
		}
	}
}

// TestJetStream holds what is said of settings that have no effect with a queue of that type, and what its limits are.
func TestJetStream(t *testing.T) {
	c, err := Parse("a.yaml", []byte(`
buffer:
  type: jetstream
  sync: false
  segment_size: 1MiB
  min_free_disk: 1GiB
  jetstream: {urls: nats://nats:4222, max_size: 5GiB}
outputs:
  o: {type: stdout, catch_up: {fresh_share: 30%}}
  p: {type: stdout, catch_up: {fresh_share: 0%}}
`), world())
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	want := []string{"buffer.sync", "buffer.segment_size", "buffer.min_free_disk", "outputs.o.catch_up.fresh_share"}
	for _, w := range c.Warnings {
		for _, key := range append(want, "outputs.p.catch_up.fresh_share") {
			if strings.Contains(w, key+": it has no effect with") {
				keys = append(keys, key)
			}
		}
	}
	if !slices.Equal(keys, want) {
		t.Errorf("warnings %v are about %v, not %v", c.Warnings, keys, want)
	}
	j := c.Buffer.JetStream
	if !slices.Equal(j.URLs, []string{"nats://nats:4222"}) || j.Stream != "AGGREGATOR" || j.Replicas != 3 {
		t.Errorf("got %+v", j)
	}
	if got := c.Buffer.Limits(nil, nil, nil).MaxSize; got != 5<<30 {
		t.Errorf("the queue may have %d bytes", got)
	}
}

func TestDefaults(t *testing.T) {
	c, err := Defaults(world())
	if err != nil {
		t.Fatal(err)
	}
	l, archive := c.Listeners[0], c.Outputs["archive"].Settings.(*file.Config)
	for what, is := range map[string]bool{
		"hostname": c.Hostname == "host-1",
		"listener": len(c.Listeners) == 1 && l.Name == "forward" && l.Address == "127.0.0.1:24224" &&
			l.IdleTimeout == 10*time.Minute && l.MaxConnections == 10000,
		"buffer": c.Buffer.Path == "data" && c.Buffer.SegmentSize == 64<<20 && c.Buffer.Sync &&
			c.Buffer.DeadLetters.MaxAge == 720*time.Hour,
		"route": len(c.Routes) == 1 && slices.Equal(c.Routes[0].Match, []string{"**"}) &&
			slices.Equal(c.Routes[0].Outputs, []string{"archive"}),
		"output": len(c.Outputs) == 1 && archive.Path == "data/archive/{cluster}/%Y-%m-%d.ndjson" &&
			archive.Type == "file" && archive.Rotate.MaxSize == 512<<20,
		"common": archive.Workers == 0 && archive.Fields.Time == "@timestamp" && archive.Fields.ID == "" &&
			c.Outputs["archive"].Common == &archive.Common,
		"status":      c.Status.Address == "127.0.0.1:9880" && !c.Status.Token.IsSet(),
		"log":         c.Log == Log{"info", "auto"} && c.Unrouted == "dead_letter",
		"no warnings": len(c.Warnings) == 0,
	} {
		if !is {
			t.Errorf("%s: %+v", what, c)
		}
	}
}

func TestInterpolation(t *testing.T) {
	for _, tc := range []struct{ text, want, fail string }{
		{"plain", "plain", ""},
		{"${env:SECRET}", secretValue, ""},
		{"a-${env:N}-${env:N}-b", "a-42-42-b", ""},
		{"${file:/secret}", secretValue, ""},
		{"${file:/two}", "a\n", ""},
		{"${file:/crlf}", "a", ""},
		{"${env:EMPTY}", "", ""},
		{"${env:EMPTY:-x}", "x", ""},
		{"${env:NONE:-}", "", ""},
		{"${env:NONE:-a:-b}", "a:-b", ""},
		{"$${env:N}", "${env:N}", ""},
		{"$$${env:N}", "$${env:N}", ""},
		{"$N {a} } $", "$N {a} } $", ""},
		{"${env:NONE}", "made-up-for-env-NONE", `the environment variable "NONE" is not set`},
		{
			"${file:/none}", "made-up-for-file--none",
			"the file of ${file:} can't be read: open /none: file does not exist",
		},
		{
			"${env:N}${env:NONE}${env:NO}", "42made-up-for-env-NONEmade-up-for-env-NO",
			`the environment variable "NONE" is not set, the environment variable "NO" is not set`,
		},
		{"${env:N", "", "a ${ has no }"},
		{"${N}", "", "${N} is neither ${env:NAME} nor ${file:/path}"},
	} {
		ip := &interpolator{options: world(), known: map[string]string{}, standIns: map[string]bool{}}
		e, readable := ip.expand(tc.text)
		var reasons []string
		for _, f := range e.wrong {
			reasons = append(reasons, f.reason)
		}
		if fail := strings.Join(reasons, ", "); e.text != tc.want || fail != tc.fail {
			t.Errorf("%s: %q, %s; want %q, %s", tc.text, e.text, fail, tc.want, tc.fail)
		}
		if brought := strings.Contains(strings.ReplaceAll(tc.text, "$${", ""), "${"); readable &&
			(e.refs != nil) != brought {
			t.Errorf("%s: refs %q", tc.text, e.refs)
		}
	}
}

func TestParse(t *testing.T) {
	const text = `
buffer: {path: "/var/lib/x", max_size: "${env:N}MiB", sync: "${env:ON}"}
listeners:
  - &l
    name: a
    address: 127.0.0.1:1
    max_connections: ${env:N}
    idle_timeout: 0h30m
  - <<: *l
    name: b
    address: 127.0.0.1:2
routes:
  - {match: x, outputs: out, continue: true}
  - {match: ["**"], outputs: [out]}
  - {match: y.*, outputs: [out]}
outputs:
  out: {type: stdout}
  unused: {type: file, path: "${env:SECRET}/{cluster}"}
`
	c, err := Parse("x.yaml", []byte(text), world())
	if err != nil {
		t.Fatal(err)
	}
	for what, is := range map[string]bool{
		"interpolated size":   c.Buffer.MaxSize == 42<<20,
		"interpolated bool":   c.Buffer.Sync,
		"interpolated number": c.Listeners[0].MaxConnections == 42,
		"duration":            c.Listeners[0].IdleTimeout == 30*time.Minute,
		"merge": c.Listeners[1].MaxConnections == 42 && c.Listeners[1].Name == "b" &&
			c.Listeners[1].Address == "127.0.0.1:2",
		"scalar as list": slices.Equal(c.Routes[0].Match, []string{"x"}) &&
			slices.Equal(c.Routes[0].Outputs, []string{"out"}),
		"warnings": slices.Equal(c.Warnings, []string{
			"x.yaml:15:5: routes[2]: never reached: routes[1] takes everything before it",
			"x.yaml:18:11: outputs.unused: no route leads here (name it in a route)",
		}),
	} {
		if !is {
			t.Errorf("%s: %+v", what, c)
		}
	}
	const want = `hostname   host-1
listener   a on 127.0.0.1:1
listener   b on 127.0.0.1:2
buffer     bbolt in /var/lib/x, at most ${env:N}MiB, when full: block
route      x → out, then on
route      ** → out
route      y.* → out
unrouted   dead_letter
output     out: stdout
output     unused: file to ${env:SECRET}/{cluster}
status     http://127.0.0.1:9880/
warning    x.yaml:15:5: routes[2]: never reached: routes[1] takes everything before it
warning    x.yaml:18:11: outputs.unused: no route leads here (name it in a route)
`
	if got := c.Summary(); got != want {
		t.Errorf("summary:\n%s\nwant:\n%s", got, want)
	}
}

func TestDefaultsFollowWhatIsGiven(t *testing.T) {
	c, err := Parse("", []byte("buffer: {path: /q}\n"), world())
	if err != nil || c.Outputs["archive"].Settings.(*file.Config).Path != "/q/archive/{cluster}/%Y-%m-%d.ndjson" {
		t.Errorf("%+v, %v", c, err)
	}
	c, err = Parse("", []byte("outputs: {b: {type: stdout}, a: {type: stdout}}\n"), world())
	if err != nil || len(c.Routes) != 1 || !slices.Equal(c.Routes[0].Outputs, []string{"a", "b"}) {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.yaml")
	if _, err := Load([]string{path}, Options{}); err == nil ||
		err.Error() != path+": can't be read: no such file or directory" {
		t.Errorf("missing file: %v", err)
	}
	if err := os.WriteFile(path, []byte("hostname: ${file:"+path+".host}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".host", []byte("here\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := Load([]string{path}, Options{}); err != nil || c.Hostname != "here" {
		t.Errorf("%+v, %v", c, err)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("#", maxFile+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load([]string{path}, Options{}); err == nil || !strings.Contains(err.Error(), "larger than 4 MiB") {
		t.Errorf("large file: %v", err)
	}
}

func TestSummaryOfDestinations(t *testing.T) {
	c, err := Parse("a.yaml", []byte(`
outputs:
  a: {type: elasticsearch, hosts: ["https://es:9200", "${env:SECRET:-https://other:9200}"], index: "logs-{cluster}"}
  b: {type: firehose, region: eu-west-1, delivery_stream: "logs-{cluster}"}
  c: {type: kinesis, region: eu-west-1, stream: s}
  d: {type: cloudwatch_logs, region: eu-west-1, log_group: "/k8s", log_stream: "{tag}"}
  e: {type: s3, region: eu-west-1, bucket: archive, key: "{cluster}/"}
`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"a: elasticsearch to logs-{cluster} at https://es:9200, ${env:SECRET}\n",
		"b: firehose to logs-{cluster} in eu-west-1\n",
		"c: kinesis to s in eu-west-1\n", "d: cloudwatch_logs to /k8s, {tag} in eu-west-1\n",
		"e: s3 to archive, {cluster}/ in eu-west-1\n",
	} {
		if !strings.Contains(c.Summary(), want) {
			t.Errorf("no %q in\n%s", want, c.Summary())
		}
	}
}
