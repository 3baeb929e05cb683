package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// viewing answers a request for a live view with text, and keeps its query.
func viewing(t *testing.T, code int, text string, asked *string) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = r.URL.RequestURI()
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// What tail is given becomes the question to the server, and what that answers is shown until it ends the view.
func TestTailAsksAsItIsTold(t *testing.T) {
	t.Chdir(t.TempDir())
	const stream = "event: event\ndata: {\"at\":\"es\",\"time\":\"2026-01-01T00:00:00Z\",\"cluster\":\"a\"," +
		"\"tag\":\"t\"," +
		"\"bytes\":12}\n\nevent: missed\ndata: {\"events\":7}\n\n"
	for _, tc := range []struct {
		name, args string
		code       int
		answer     string
		asked      string
		exit       int
		out, err   string
	}{
		{
			"everything", "", 200, stream, "/tail", exitFailed, "2026-01-01T00:00:00Z  a  t  12 B\n",
			"the server has ended the live view",
		},
		{
			"some", "--at es --cluster seoul --tag kube.** --grep err|panic --sample 10 --rate 5", 200, stream,
			"/tail?at=es&cluster=seoul&grep=err%7Cpanic&rate=5&sample=10&tag=kube.%2A%2A", exitFailed, "12 B",
			"7 more events were not shown",
		},
		{"as JSON", "--json", 200, stream, "/tail", exitFailed, `{"at":"es",`, "has ended"},
		{
			"a refusal", "--at nobody", 422, `there is no output or route "nobody"`, "/tail?at=nobody", exitFailed, "",
			`there is no output or route "nobody"`,
		},
		{
			"what makes no sense", "", 200, "event: event\ndata: {\n\n", "/tail", exitFailed, "",
			"show what the server sends",
		},
		{
			"a line without end", "", 200, "data: " + strings.Repeat("x", 2<<20), "/tail", exitFailed, "",
			"read what the server sends",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var asked string
			address := viewing(t, tc.code, tc.answer, &asked)
			code, out, errOut := command(t, "", append(strings.Fields("tail "+tc.args), "--status", address)...)
			if code != tc.exit || asked != tc.asked {
				t.Errorf("it asked for %s and ended with %d, want %s and %d", asked, code, tc.asked, tc.exit)
			}
			if !strings.Contains(out, tc.out) || tc.out == "" && out != "" || !strings.Contains(errOut, tc.err) {
				t.Errorf("it shows %q and says %q", out, errOut)
			}
		})
	}
}

// reader calls seen once something is written to it.
type reader struct {
	bytes.Buffer
	seen func()
}

func (r *reader) Write(p []byte) (int, error) {
	r.seen()
	return r.Buffer.Write(p)
}

// Who ends a live view has not failed.
func TestTailEndsWithoutAFailure(t *testing.T) {
	t.Chdir(t.TempDir())
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "event: event\ndata: {\"cluster\":\"a\"}\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(s.Close)
	ctx, interrupt := context.WithCancel(t.Context())
	out := &reader{seen: interrupt}
	var errOut bytes.Buffer
	code := run(ctx, []string{"tail", "--json", "--status", s.URL}, strings.NewReader(""), out, &errOut)
	if code != exitOK || out.String() != "{\"cluster\":\"a\"}\n" || errOut.Len() > 0 {
		t.Errorf("%d, %q, %q", code, out, &errOut)
	}
}

// Where the output is no terminal, top shows once what there is, and fails where no server answers.
func TestTopInAPipe(t *testing.T) {
	t.Chdir(t.TempDir())
	var asked []string
	code, out, errOut := command(t, "", "top", "--status", answering(t, &asked))
	if code != exitOK || !strings.Contains(out, "refused") || !strings.Contains(out, "es") ||
		strings.Contains(out, "\x1b") {
		t.Errorf("%d, %q, %s", code, out, errOut)
	}
	if len(asked) != 1 || !strings.HasPrefix(asked[0], "GET /status ") {
		t.Errorf("it asked %q", asked)
	}
	for _, args := range []string{"top", "status", "queue", "output list", "tail", "trace x", "dead"} {
		code, out, errOut := command(t, "", append(strings.Fields(args), "--status", "http://127.0.0.1:1")...)
		if code != exitFailed || out != "" || !strings.Contains(errOut, "no server listens there") {
			t.Errorf("%s where no server is: %d, %q, %s", args, code, out, errOut)
		}
	}
}

// Commands that look into a queue themselves say which one, and ask no server.
func TestOffline(t *testing.T) {
	t.Chdir(t.TempDir())
	config := waiting(t)
	dir := filepath.Join(filepath.Dir(config), "data")
	group := filepath.Join(t.TempDir(), "group.yaml")
	if err := os.WriteFile(group, []byte(`
buffer: {type: jetstream, jetstream: {urls: "nats://127.0.0.1:1"}}
routes: [{match: "**", outputs: [out]}]
outputs: {out: {type: stdout}}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args     string
		code     int
		out, err string
	}{
		{"queue --data-dir " + dir, exitOK, "archive", ""},
		{"queue --offline -c " + config, exitOK, "offline", ""},
		{"queue --json --offline -c " + config, exitOK, `"events": 3`, ""},
		{"queue --offline --data-dir " + dir, exitUsage, "", "--data-dir and --offline: give one of them"},
		{"queue --offline --status http://127.0.0.1:1", exitUsage, "", "--offline asks no server"},
		{"queue --data-dir x --token t", exitUsage, "", "--data-dir asks no server"},
		{"dead --data-dir " + dir, exitOK, "1 dead letter with 1 event", ""},
		{"dead --offline -c " + config, exitOK, "unrouted", ""},
		{"dead list --offline -c " + config, exitOK, "elsewhere", ""},
		{"dead retry --all --yes --data-dir " + dir, exitUsage, "", "needs -c too"},
		{"dead --offline --user me", exitUsage, "", "--offline asks no server"},
		{"queue -c " + group + " --data-dir " + dir, exitUsage, "", "--offline looks into"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			code, out, errOut := command(t, "", strings.Fields(tc.args)...)
			if code != tc.code || !strings.Contains(out, tc.out) || tc.out == "" && out != "" ||
				!strings.Contains(errOut, tc.err) {
				t.Errorf("%d, %q: %s", code, out, errOut)
			}
		})
	}
	if code, out, errOut := command(
		t, "", "dead", "purge", "--all", "--yes", "--offline", "-c", config,
	); code != exitOK ||
		out != "deleted 1 dead letter with 1 event\n" {
		t.Errorf("a purge: %d, %s%s", code, out, errOut)
	}
	if code, out, errOut := command(t, "", "dead", "--data-dir", dir); code != exitOK || out != "no dead letters\n" {
		t.Errorf("what is left: %d, %s%s", code, out, errOut)
	}
}
