package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// server answers as a status endpoint does, and keeps what it was asked for.
func answering(t *testing.T, asked *[]string) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, fmt.Sprintf("%s %s %s", r.Method, r.URL.RequestURI(), r.Header.Get("Authorization")))
		switch {
		case r.URL.Path == "/queue":
			_, _ = io.WriteString(w, `{"events":12,"outputs":[
 {"output":"es","state":"running","events":12,"chunks":3,"bytes":2048,"oldest_seconds":61.4,
  "delivered_per_second":5,"queued_per_second":2,"done_in_seconds":4,
  "clusters":[{"cluster":"seoul","events":2,"chunks":1,"bytes":1000,"done_in_seconds":null},
   {"cluster":"osaka","events":10,"chunks":2,"bytes":1048,"done_in_seconds":0.5}]},
 {"output":"f\u001b[31m","state":"idle","clusters":[]}]}`)
		case r.URL.Path == "/status":
			_, _ = io.WriteString(w,
				`{"version":"v1","outputs":[{"name":"es","waiting_targets":[{"target":"logs-a","events":7,`+
					`"status":400,"kind":"index_closed_exception","remedy":"open `+
					`it"}],"waiting_targets_more":2},{"name":"f","waiting_targets":[]}],`+
					`"verdict":{"severity":"critical","text":"output es: `+
					`refused.","findings":[{"severity":"critical","subject":"output `+
					`es","text":"refused","since":"2026-01-01T00:00:00Z","remedy":"set its `+
					`password","chapter":"docs/operations.md#aggregatoroutputstopped"}]}}`)
		case r.URL.RequestURI() == "/trace?id=known":
			_, _ = io.WriteString(w, `{"id":"known","places":[
 {"state":"waiting","output":"es","target":"logs-\u001b[31ma","cluster":"seoul","tag":"kube.a",
  "time":"2026-01-01T00:00:00Z"},
 {"state":"dead","output":"cw","cluster":"seoul","tag":"kube.a",
  "time":"2026-01-01T00:00:00Z","letter":7,"reason":"rejected"}],"unread":"the disk hangs"}`)
		case r.URL.RequestURI() == "/trace?id=unknown":
			_, _ = io.WriteString(w, `{"id":"unknown","places":[]}`)
		case r.URL.Path == "/trace":
			http.Error(w, "that is no event's id", http.StatusBadRequest)
		case strings.Contains(r.URL.Path, "/none/"):
			http.Error(w, `no output is named "none"`, http.StatusUnprocessableEntity)
		case r.URL.Path == "/reload":
			http.Error(w, "the old configuration stays in force:\na.yaml:3: wrong", http.StatusUnprocessableEntity)
		default:
			_, _ = io.WriteString(w, "done "+r.URL.Path+"\n")
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestAskAServer(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("AGGREGATOR_STATUS_TOKEN", "t0ken")
	var asked []string
	address := answering(t, &asked)
	for _, tc := range []struct {
		args  string
		code  int
		out   string // a part of it
		err   string
		asked string // the last
	}{
		{
			"queue", exitOK, "es    seoul       2       1  1000 B      0s      0     0    never  running", "",
			"GET /queue Bearer t0ken",
		},
		{"queue --json", exitOK, `"done_in_seconds": 0.5`, "", "GET /queue Bearer t0ken"},
		{"queue --data-dir x", exitUsage, "", "--data-dir asks no server", ""},
		{"output list", exitOK, "es      running  12       1m1s    5      4s", "", "GET /queue Bearer t0ken"},
		{"output list --json", exitOK, `"state": "idle"`, "", "GET /queue Bearer t0ken"},
		{
			"output pause es f", exitOK, "done /outputs/es/pause\ndone /outputs/f/pause\n", "",
			"POST /outputs/f/pause Bearer t0ken",
		},
		{
			"output resume none es", exitFailed, "done /outputs/es/resume", `no output is named "none"`,
			"POST /outputs/es/resume Bearer t0ken",
		},
		{"output retry es", exitOK, "done /outputs/es/retry\n", "", "POST /outputs/es/retry Bearer t0ken"},
		{
			"output retry es --target a/b", exitOK, "done /outputs/es/targets/retry\n", "",
			"POST /outputs/es/targets/retry?target=a%2Fb Bearer t0ken",
		},
		{
			"output move es --target a --to f", exitOK, "done", "",
			"POST /outputs/es/targets/move?target=a&to=f Bearer t0ken",
		},
		{"output move es", exitUsage, "", "move needs --target", ""},
		{"output move es f --target a", exitUsage, "", "name one output", ""},
		{"output purge es --target a", exitUsage, "", "say --yes", ""},
		{
			"output purge es --target a --yes", exitOK, "done", "",
			"POST /outputs/es/targets/purge?all=true&target=a Bearer t0ken",
		},
		{"output targets", exitOK, "es      logs-a  7       ", "", "GET /status Bearer t0ken"},
		{"output targets none", exitOK, "no target keeps events waiting", "", "GET /status Bearer t0ken"},
		{"output targets es --json", exitOK, `"kind": "index_closed_exception"`, "", "GET /status Bearer t0ken"},
		{"output pause", exitUsage, "", "pause needs the name of an output", ""},
		{"output purge es", exitUsage, "", "with --yes, since nobody can be asked here", ""},
		{"output purge es --yes", exitOK, "done /outputs/es/purge", "", "POST /outputs/es/purge?all=true Bearer t0ken"},
		{"output puase es", exitUsage, "", `unknown command "puase"; did you mean 'aggregator output pause'?`, ""},
		{
			"reload", exitUsage, "", "the old configuration stays in force:\na.yaml:3: wrong",
			"POST /reload Bearer t0ken",
		},
		{
			"status", exitFailed,
			"output es: refused.\ncritical: output es: refused (since 2026-01-01T00:00:00Z)\n  what to do: set its " +
				"password\n  more: docs/operations.md#aggregatoroutputstopped\n", "not all is well",
			"GET /status Bearer t0ken",
		},
		{
			"trace known", exitOK,
			"waiting  es      seoul    kube.a  2026-01-01T00:00:00Z  for logs- [31ma\ndead     cw      seoul    " +
				"kube.a  2026-01-01T00:00:00Z  letter 7: rejected\nnot all was looked at: the disk hangs\n", "",
			"GET /trace?id=known Bearer t0ken",
		},
		{"trace known --json", exitOK, `"state": "waiting"`, "", "GET /trace?id=known Bearer t0ken"},
		{"trace unknown", exitFailed, "", "not known here", "GET /trace?id=unknown Bearer t0ken"},
		{"trace x", exitUsage, "", "that is no event's id", "GET /trace?id=x Bearer t0ken"},
		{"trace", exitUsage, "", "give one event's id", ""},
		{"status --json", exitFailed, `"severity": "critical"`, "", "GET /status Bearer t0ken"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			asked = nil
			var out, errOut bytes.Buffer
			code := run(t.Context(), append(strings.Fields(tc.args), "--status", address), strings.NewReader(""), &out,
				&errOut)
			if code != tc.code || !strings.Contains(out.String(), tc.out) ||
				!strings.Contains(errOut.String(), tc.err) {
				t.Errorf("exit code %d\n%s\n%s", code, out.String(), errOut.String())
			}
			if tc.asked == "" && asked != nil || tc.asked != "" && (asked == nil || asked[len(asked)-1] != tc.asked) {
				t.Errorf("asked for %q, want %q", asked, tc.asked)
			}
			if strings.Contains(out.String()+errOut.String(), "\x1b") {
				t.Errorf("it steers the terminal: %q", out.String())
			}
		})
	}
}

// TestWhichConfiguration: every command has the same rule, and says which one it took.
func TestWhichConfiguration(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, host := range map[string]string{"aggregator.yaml": "here", "env.yaml": "env", "a.yaml": "a"} {
		if err := os.WriteFile(
			name, []byte(
				"hostname: "+host+"\nbuffer: {path: "+t.TempDir()+"/none}\nstatus: {address: '127.0.0.1:1'}\n",
			), 0o600,
		); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		args, env, want string
		code            int
	}{
		{"check", "", "aggregator.yaml: the configuration is right\nhostname   here\n", exitOK},
		{"check", "env.yaml", "env.yaml: the configuration is right\nhostname   env\n", exitOK},
		{"check a.yaml", "env.yaml", "a.yaml: the configuration is right\nhostname   a\n", exitOK},
		{"check -c a.yaml -c env.yaml", "", "env.yaml:1:1: hostname: it is given at a.yaml:1 already", exitUsage},
		{"try", "env.yaml", "configuration: env.yaml\n", exitOK},
		{"test", "", "aggregator.tests.yaml: no such file", exitUsage},
		{"drain", "env.yaml", "configuration: env.yaml\n", exitFailed},
		{"size --events-per-second 10", "", "configuration: aggregator.yaml\n", exitOK},
		{"dead", "env.yaml", "configuration: env.yaml\n", exitFailed},
		{"queue", "", "configuration: aggregator.yaml\n", exitFailed},
		{"output list -c a.yaml", "", "configuration: a.yaml\n", exitFailed},
		{"reload", "env.yaml", "configuration: env.yaml\n", exitFailed},
		{"status", "", "configuration: aggregator.yaml\n", exitFailed},
		{"check --config=", "", "-c: names nothing", exitUsage},
	} {
		t.Setenv("AGGREGATOR_CONFIG", tc.env)
		var out bytes.Buffer
		if code := run(t.Context(), strings.Fields(tc.args), strings.NewReader(""), &out, &out); code != tc.code ||
			!strings.Contains(out.String(), tc.want) {
			t.Errorf("%s with %q: exit code %d\n%s", tc.args, tc.env, code, out.String())
		}
	}
}

// TestAskAroundMistakes: a spoiled file does not keep anybody from asking the server, unless the mistake is about where
// it is.
func TestAskAroundMistakes(t *testing.T) {
	t.Chdir(t.TempDir())
	var asked []string
	address := strings.TrimPrefix(answering(t, &asked), "http://")
	for text, want := range map[string]int{
		"outputs: {es: {type: nothing}}\nlog: {level: loud}\nstatus: {address: '" + address + "'}\n": exitOK,
		"status: {address: '" + address + "', tokn: x}\n":                                            exitUsage,
		"status: {address: '" + address + "'}\noutputs: [\n":                                         exitUsage,
	} {
		if err := os.WriteFile("aggregator.yaml", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if code := run(t.Context(), []string{"queue"}, strings.NewReader(""), &out, &out); code != want {
			t.Errorf("%s: exit code %d\n%s", text, code, out.String())
		}
	}
}

func TestCompletions(t *testing.T) {
	t.Chdir(t.TempDir())
	const text = "clusters: [{name: seoul, shared_key: '${env:NOT_HERE}'}]\nroutes: [{match: 'kube.**', outputs: " +
		"[es]}]\noutputs: {es: {type: stdout}}\n"
	if err := os.WriteFile("aggregator.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"output pause ": "es\n", "dead list --output ": "es\n", "dead retry --to ": "es\n", "try --cluster ": "seoul\n",
		"try --route ": "kube.**\n",
		"send --mode ": "packed\nforward\nmessage\n", "send --output ": "text\njson\n",
		"dead list --reason ": "rejected\n", "stat": "status",
	} {
		var out bytes.Buffer
		fields := strings.Split("__complete "+args, " ")
		if code := run(t.Context(), fields, strings.NewReader(""), &out, io.Discard); code != exitOK ||
			!strings.HasPrefix(out.String(), want) {
			t.Errorf("%s: %q, want %q", args, out.String(), want)
		}
	}
}

func TestVersionFlag(t *testing.T) {
	var flag, command bytes.Buffer
	if run(t.Context(), []string{"--version"}, nil, &flag, io.Discard) != exitOK ||
		run(t.Context(), []string{"version"}, nil, &command, io.Discard) != exitOK ||
		flag.String() != command.String() || !strings.HasPrefix(flag.String(), "aggregator ") {
		t.Errorf("%q and %q", flag.String(), command.String())
	}
}
