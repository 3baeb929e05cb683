package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

// What is written in the file itself is not shown either where it may be a secret, whatever is wrong about it.
func TestSecrets_Mistakes(t *testing.T) {
	const url = "outputs: {a: {type: http, url: 'http://a', "
	tell(t, []mistake{
		{"no space", "status: {token:hunter2}\n", "a.yaml:1:10: status.token: there is no space behind the colon"},
		{
			"no space in a block", "status:\n  token:hunter2\n",
			"a.yaml:2:3: status.token: there is no space behind the colon",
		},
		{"a user as text", "clusters: [{name: x, users: ['agent:hunter2']}]\n", "got a text or number"},
		{
			"a cluster as text", "clusters: ['seoul:hunter2']\n",
			"clusters[0]: expected a mapping with keys like name, shared_key",
		},
		{
			"a section as text", "status: hunter2\n",
			"status: expected a mapping with keys like address, token, users, got a text",
		},
		{"headers as text", url + "headers: 'X-Key=hunter2'}}\n", "expected a mapping of names, got a text or number"},
		{"headers as a list", url + "headers: ['X-Key: hunter2']}}\n", "expected a mapping of names, got a list"},
		{"a header's value", url + "headers: {X-Key: [hunter2]}}}\n", "expected a text, got a list"},
		{
			"an alias", "status:\n  token: *hunter2\n",
			"a.yaml:2: not valid YAML: no anchor has the name behind the * here",
		},
		{
			"an alias in braces", "status: {token: *hunter2}\n",
			"a.yaml:1: not valid YAML: no anchor has the name behind the * here",
		},
		{
			"a tag", "status:\n  token: !hunter2\n",
			"a.yaml:2:10: status.token: the YAML tag here, which begins with !, is not known",
		},
		{"an at sign", "status:\n  token: @hunter2\n", "a text that begins with @ means something else here"},
		{"quotes", "status:\n  token: 'hunt'er2'\n", "a text in quotes ends before its line does"},
		{
			"a number", "status: {token: 123}\n",
			"status.token: expected a text, got a value of another type (put it in quotes)",
		},
		{
			"hosts", "outputs: {a: {type: elasticsearch, index: x, hosts: ['u:hunter2@a:9200']}}\n",
			`"…@a:9200" does not begin with`,
		},
		{
			"hosts with a login", "outputs: {a: {type: elasticsearch, index: x, hosts: ['http://u:hunter2@a:9200']}}\n",
			"it holds a user",
		},
		{
			"brokers", "outputs: {a: {type: kafka, topic: x, brokers: ['u:hunter2@a:9092']}}\n",
			`"…@a:9092" is no address`,
		},
		{"servers", "outputs: {a: {type: forward, servers: ['u:hunter2@a:24224']}}\n", "…@a:24224"},
		{"a proxy", url + "proxy: 'u:hunter2@p:80'}}\n", "outputs.a.proxy: it is not the URL of a proxy"},
		{
			"NATS", "buffer: {type: jetstream, jetstream: {urls: 'nats://u:hun ter2@a:4222', max_size: 1GiB}}\n",
			"is no address",
		},
	})
}

// Whatever stands where a struct with secrets is expected, or a secret, is not shown.
func TestEveryKey_SecretsInTheFile(t *testing.T) {
	held := 0
	for _, s := range every() {
		inner := s.typ
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map {
			inner = inner.Elem()
		}
		if inner != secretType && (inner.Kind() != reflect.Struct || leaf(inner) || !holdsSecret(inner)) {
			continue
		}
		held++
		for _, value := range []string{
			"s3cr3t", "[s3cr3t]", "[[s3cr3t]]", "{a: [s3cr3t]}", "!s3cr3t", "!s3cr3t x", "*s3cr3t", "a:s3cr3t@b",
			"'s3cr3t", "@s3cr3t",
		} {
			// A text may be all that the setting needs.
			if got := told(s.file(value)); strings.Contains(got, "s3cr3t") {
				t.Errorf("%s: %s shows in: %s", s.path, value, got)
			}
		}
	}
	if held < 20 {
		t.Errorf("only %d settings are or hold secrets", held)
	}
}

// Mistakes are found by errors.As, are bounded in number, and of one section where only that is asked for.
func TestErrors_Shape(t *testing.T) {
	_, err := Parse("a.yaml", []byte(strings.Repeat("- \n", 3)+"hostname: a\n"), world())
	var one *Error
	if !errors.As(err, &one) || one.File != "a.yaml" || one.Line == 0 {
		t.Errorf("%#v of %v", one, err)
	}
	var many strings.Builder
	for i := range maxErrors + 50 {
		fmt.Fprintf(&many, "k%d: 1\n", i)
	}
	_, err = Parse("a.yaml", []byte(many.String()), world())
	var all Errors
	if !errors.As(err, &all) || len(all) != maxErrors+1 || !strings.Contains(err.Error(), "more than 1000 mistakes") {
		t.Errorf("%d mistakes", len(all))
	}
	o := world()
	o.Only = "status"
	text := []byte("log: {levl: info}\nstatus: {address: '127.0.0.1:1'}\n")
	if c, err := Parse("a.yaml", text, o); err != nil || c.Status.Address != "127.0.0.1:1" {
		t.Errorf("a mistake elsewhere: %v", err)
	}
	if _, err := Parse("a.yaml", []byte("log: {levl: info}\nstatus: {adrress: x}\n"), o); err == nil ||
		err.Error() != "a.yaml:2:10: status.adrress: unknown key (did you mean address?)" {
		t.Errorf("a mistake in what is asked for: %v", err)
	}
	if _, err := Parse("a.yaml", []byte("status: {address: '127.0.0.1:1'\n"), o); err == nil {
		t.Error("a file that can't be read has no section that is right")
	}
}

// What the caller knows beyond the files is a mistake or a warning at its place, unless one is there already.
func TestVerify(t *testing.T) {
	o := world()
	var whole []bool
	o.Verify = func(c *Config, all bool) []setting.Problem {
		whole = append(whole, all)
		return []setting.Problem{
			{Key: "outputs.a.workers", Reason: "too many for this machine", Hint: "write 2"},
			{Key: "outputs.a", Reason: "is far away", Warning: true},
		}
	}
	const right, wrong = "outputs:\n  a: {type: stdout, workers: 9}\n", "outputs:\n  a: {type: stdout, workers: -9}\n"
	if _, err := Parse("a.yaml", []byte(right), o); err == nil ||
		err.Error() != "a.yaml:2:30: outputs.a.workers: too many for this machine (write 2)" {
		t.Error(err)
	}
	if _, err := Parse("a.yaml", []byte(wrong), o); err == nil ||
		err.Error() != "a.yaml:2:30: outputs.a.workers: -9 is less than 0" {
		t.Error(err)
	}
	if !slices.Equal(whole, []bool{true, false}) {
		t.Errorf("called with %v", whole)
	}
	o.Verify = func(*Config, bool) []setting.Problem {
		return []setting.Problem{{Key: "outputs.a", Reason: "is far away", Warning: true}}
	}
	if c, err := Parse("a.yaml", []byte(right), o); err != nil ||
		!slices.Equal(c.Warnings, []string{"a.yaml:2:6: outputs.a: is far away"}) {
		t.Errorf("%v, %v", c.Warnings, err)
	}
}

// What else reads a configuration: examples, and the patterns of its routes.
func TestExample(t *testing.T) {
	c, err := Example("stdout", "file")
	if err != nil || !slices.Equal(c.OutputNames(), []string{"o0", "o1"}) ||
		!slices.Equal(c.Matches(), []string{"**"}) ||
		!slices.Equal(c.ClusterNames(), []string{"default"}) {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := Example("stdout", "nonsense"); err == nil || err.Error() != `no type of output is named "nonsense"` {
		t.Error(err)
	}
}

// Neither a pipe nor a device holds up the program, and neither is taken for an empty secret.
func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		pipe: "is a pipe into which nobody writes", "/dev/zero": "is larger than 4 MiB", dir: "is a directory",
		filepath.Join(dir, "none"): "no such file",
	} {
		if data, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %d bytes, %v, want %s", path, len(data), err, want)
		}
	}
	// A reader that stays keeps what was written once the writer has closed.
	r, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if err := os.WriteFile(pipe, []byte("key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := ReadFile(pipe); err != nil || string(data) != "key" {
		t.Errorf("of a pipe: %q, %v", data, err)
	}
}
