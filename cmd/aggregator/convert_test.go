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
