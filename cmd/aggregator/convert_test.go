package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// convertFile runs convert in a directory of its own that has the file.
func convertFile(t *testing.T, name, text string, args ...string) (code int, out, errOut string) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append([]string{"convert"}, args...), strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

const convertible = `<source>
  @type forward
  <security>
    self_hostname a
    shared_key s3cr3t
  </security>
</source>
<match **>
  @type stdout
</match>
`

func TestConvertCommand(t *testing.T) {
	lost := strings.Replace(convertible, "stdout", "slack", 1)
	tail := "<source>\n  @type tail\n  path /x\n  tag x\n</source>\n<match **>\n  @type stdout\n</match>\n"
	for _, tc := range []struct {
		name, file, text string
		args             []string
		code             int
		out, errOut      string
	}{
		{
			"all said", "f.conf", convertible,
			[]string{"f.conf"},
			exitOK,
			"shared_key: ${file:/etc/aggregator/secrets/agents-key}", "the value of shared_key at f.conf:5",
		},
		{
			"another directory", "f.conf", convertible,
			[]string{"f.conf", "--secrets-dir", "/run/s"},
			exitOK,
			"${file:/run/s/agents-key}", "",
		},
		{
			"lost", "f.conf", lost,
			[]string{"f.conf"},
			exitFailed, "data/not-converted/slack",
			"f.conf:8: <match **> slack: there is no output of this type",
		},
		{
			"lenient", "f.conf", lost,
			[]string{"f.conf", "--lenient"},
			exitOK, "data/not-converted/slack",
			"can't be said:",
		},
		{
			"an agent", "f.conf", tail,
			[]string{"f.conf"},
			exitOK, "#   require_ack_response true",
			"AGGREGATOR_SHARED_KEY",
		},
		{"unreadable", "f.conf", "<match **>\n", []string{"f.conf"}, exitUsage, "", "f.conf:1:1: <match> has no end"},
		{"missing", "f.conf", "", []string{"g.conf"}, exitUsage, "", "g.conf: can't be read"},
		{"none", "f.conf", "", nil, exitUsage, "", "name files of fluentd or Fluent Bit"},
		{
			"a wrong dialect", "f.conf", "",
			[]string{"f.conf", "--from", "syslog-ng"},
			exitUsage, "",
			"write fluentd or fluent-bit",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, out, errOut := convertFile(t, tc.file, tc.text, tc.args...)
			if code != tc.code || !strings.Contains(out, tc.out) || !strings.Contains(errOut, tc.errOut) ||
				strings.Contains(out+errOut, "s3cr3t") {
				t.Errorf("%d, want %d\n%s\n%s", code, tc.code, out, errOut)
			}
		})
	}
}

// TestConvertFiles: files are written into a directory, and over others only when that is asked for.
func TestConvertFiles(t *testing.T) {
	text := "[INPUT]\n    Name tail\n    Path /x\n    Tag x\n[OUTPUT]\n    Name stdout\n    Match *\n"
	if code, _, errOut := convertFile(t, "f.conf", text, "f.conf", "-o", "new"); code != exitOK {
		t.Fatal(code, errOut)
	}
	for _, name := range []string{"aggregator.yaml", "agent-f.conf"} {
		if _, err := os.Stat(filepath.Join("new", name)); err != nil {
			t.Error(err)
		}
	}
	var stdout, stderr bytes.Buffer
	if code := run(
		t.Context(), []string{"convert", "f.conf", "-o", "new"}, strings.NewReader(""), &stdout, &stderr,
	); code != exitFailed || !strings.Contains(stderr.String(), "--force") {
		t.Error(code, &stderr)
	}
	if code := run(
		t.Context(), []string{"convert", "f.conf", "-o", "new", "--force"}, strings.NewReader(""), &stdout, &stderr,
	); code != exitOK {
		t.Error(code, &stderr)
	}
}

// TestConvertTests: sample events become tests that pass, and that say what becomes of each.
func TestConvertTests(t *testing.T) {
	const old = `<source>
  @type forward
</source>
<filter app.**>
  @type record_transformer
  enable_ruby
  <record>
    env prod
    host "#{ENV['NOT_SET_ANYWHERE']}"
    seen ${Time.now.to_i}
  </record>
</filter>
<match app.**>
  @type elasticsearch
  logstash_format true
</match>
`
	code, _, errOut := convertFile(t, "fluent.conf", old, "fluent.conf", "--tests", "app.web=x")
	if code != exitUsage || !strings.Contains(errOut, "name a directory by --output") {
		t.Errorf("%d %s", code, errOut)
	}
	code, _, errOut = convertFile(t, "fluent.conf", old, "fluent.conf", "-o", ".", "--tests", "app.web=x")
	if code != exitUsage || !strings.Contains(errOut, "read the events of --tests") {
		t.Errorf("%d %s", code, errOut)
	}
	code, _, errOut = convertFile(t, "fluent.conf", old, "fluent.conf", "-o", ".", "--tests", "inputs")
	if code != exitUsage || !strings.Contains(errOut, "there are no events") {
		t.Errorf("%d %s", code, errOut)
	}
	if err := os.WriteFile("events", []byte("{\"log\":\"a\"}\n\nplain\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	args := []string{"convert", "fluent.conf", "-o", "new", "--tests", "app.web=events", "--tests", "other=-"}
	if code := run(t.Context(), args, strings.NewReader("x\n"), &out, &errs); code != exitOK {
		t.Fatalf("%d %s", code, &errs)
	}
	data, err := os.ReadFile("new/aggregator.tests.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"app.web: events, event 1", `{"env": "prod", "log": "plain"}`, "index logstash-2026.01.01",
		"dead_letter: unrouted",
	} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %s in\n%s", want, data)
		}
	}
	out.Reset()
	if code := run(t.Context(), []string{"test", "-c", "new/aggregator.yaml"}, strings.NewReader(""), &out,
		&errs); code !=
		exitOK || !strings.Contains(out.String(), "tests passed: 3") {
		t.Errorf("%d %s %s", code, &out, &errs)
	}
	if code := run(t.Context(), append(args, "--force"), strings.NewReader("x\n"), &out, &errs); code != exitOK {
		t.Errorf("%d %s", code, &errs)
	}
	inputs := "[INPUT]\n    Name dummy\n    Tag d\n    Dummy {\"a\":1}\n[OUTPUT]\n    Name stdout\n    Match *\n"
	code, _, errOut = convertFile(t, "fluent-bit.conf", inputs, "fluent-bit.conf", "-o", ".", "--tests", "inputs")
	if data, err := os.ReadFile("aggregator.tests.yaml"); err != nil || code != exitOK ||
		!strings.Contains(string(data), `record: {"a": 1}`) {
		t.Errorf("%d %s %s %v", code, errOut, data, err)
	}
}
