package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
)

// hostileNames are tags that would lead somewhere else, if they could.
func hostileNames() []string {
	return []string{
		"..", ".", "../../escaped", "../out/../escaped", "/etc/escaped", "a/../../escaped", "..\\..\\escaped",
		"C:\\escaped", "\\\\host\\share", "....//escaped",
		"．．／escaped", "․․/escaped", "..%2f..%2fescaped", "%2e%2e/escaped", "..;/escaped", "a\x00b", "a\nb",
		"a\x1b[31mb", "a\u009bb", "\u202eb", "\xff\xfe", "\xc0\xae\xc0\xae\xc0\xafescaped",
		"con", "nul", "aux.txt", "COM1", "~", "~root", "-rf", "$(touch escaped)", "`touch escaped`",
		"${file:/etc/passwd}", "{record.secret}", "%Y", "*", "?", "|", ";", " ", "a b", "'", `"`,
		strings.Repeat("x", 300), strings.Repeat("é", 300), strings.Repeat("../", 1000) + "escaped",
		strings.Repeat("a/", 2000), ".hidden", "a..b", "link", "link/escaped", "dir", "dir/escaped",
		"app.20260101T000000Z-0001", "NDJSON.gz", "é", "e\u0301", "ﬁ", "\u200b", "\u2028",
	}
}

// TestNamesStayInside sends such tags, and records with such fields, to files whose path has them: each event is
// delivered, and nothing is made or changed outside of the output's directory. That directory is a link, as an operator
// may have it, and holds links that lead out of it.
func TestNamesStayInside(t *testing.T) {
	dir := t.TempDir()
	disk, outside := filepath.Join(dir, "disk"), filepath.Join(dir, "outside")
	for _, d := range []string{disk, outside} {
		if err := os.Mkdir(d, 0o750); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(disk, filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	s := start(t, dir, `
listeners:
  - {name: test, address: "127.0.0.1:0"}
buffer: {path: %[1]s/data, min_free_disk: 1MiB}
outputs:
  tags: {type: file, path: "%[1]s/out/{tag}.ndjson", batch: {max_wait: 10ms}}
  parts: {type: file, path: "%[1]s/out/{tag[0]}/%%Y/{tag[-1]|none}/{record.name}/{record.name}",
    batch: {max_wait: 10ms}}
  packed: {type: file, path: "%[1]s/out/{cluster}/{record.name}", compression: gzip, batch: {max_wait: 10ms}}
status: {address: "127.0.0.1:0"}
log: {format: json}
`)
	agent, err := client.Dial(t.Context(), client.Config{Address: s.Forward, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	names := hostileNames()
	for _, name := range names {
		send(t, agent, name, map[string]any{"name": name, "secret": "../../escaped"})
	}
	s.eventually("all events in files", func() bool {
		delivered := 0
		for _, o := range s.get("/status")["outputs"].([]any) {
			for _, c := range o.(map[string]any)["clusters"].([]any) {
				delivered += int(c.(map[string]any)["delivered"].(float64))
			}
		}
		return delivered == 3*len(names)
	})
	if n := s.deadLetters(); n != 0 {
		t.Errorf("%d dead letters", n)
	}
	s.stop()
	allowed := []string{"out", "disk", "outside", "data", "aggregator.yaml"}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(allowed, e.Name()) {
			t.Errorf("%s was made outside of the output's directory", e.Name())
		}
	}
	lines := 0
	err = filepath.WalkDir(disk, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := d.Name()
		if !utf8.ValidString(name) || len(name) > 255 ||
			strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) || name[0] == '.' {
			t.Errorf("a file is named %q", name)
		}
		if strings.HasSuffix(name, ".ndjson") {
			text, err := os.ReadFile(path)
			lines += bytes.Count(text, []byte("\n"))
			return err
		}
		return nil
	})
	if err != nil || lines < len(names) {
		t.Errorf("%d events are in files of their tags, want %d: %v", lines, len(names), err)
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("outside: %v %v", left, err)
	}
}

// TestHostileWordsStayWords sends what would do something to a terminal or a log's reader by every way there is: tags,
// hostnames, users, records, replies of a destination. Nothing of it comes out raw.
func TestHostileWordsStayWords(t *testing.T) {
	const hostile = "x\x1b[2J\x1b]0;owned\x07\nlevel=fatal forged\r\u009b31m\u202e\u2028<script>alert(1)</script>\x7f"
	elastic := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		text, _ := json.Marshal(hostile) // a string
		switch {
		case strings.HasSuffix(r.URL.Path, "_bulk"):
			// Of a type that is known to be about the event: others wait to see whether the index takes anything.
			fmt.Fprintf(w, `{"errors":true,"items":[{"create":{"status":400,`+
				`"error":{"type":"mapper_parsing_exception","reason":%s,"caused_by":{"type":%s,"reason":%s}}}}]}`,
				text, text, text)
		case r.URL.Path == "/":
			fmt.Fprintf(w, `{"version":{"number":%s},"tagline":%s}`, text, text)
		default:
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"error":{"type":%s,"reason":%s}}`, text, text)
		}
	}))
	defer elastic.Close()
	for _, format := range []string{"json", "console"} {
		t.Run(format, func(t *testing.T) {
			config := `
listeners:
  - {name: test, address: "127.0.0.1:0"}
clusters:
  - {name: known, shared_key: key}
buffer: {path: %[1]s/data, min_free_disk: 1MiB}
outputs:
  es: {type: elasticsearch, hosts: ["` + elastic.URL +
				`"], index: logs, flavor: elasticsearch, template: {manage: false},
    batch: {max_wait: 10ms}, retry: {initial: 10ms}}
routes:
  - {match: "app**", outputs: [es]}
status: {address: "127.0.0.1:0"}
log: {level: debug, format: json}
`
			if format == "console" { // the addresses are read from a log in JSON, so these are fixed
				config = strings.Replace(config, "format: json}", "format: console}", 1)
			}
			s := startAt(t, t.TempDir(), config, format == "console")
			for _, key := range []string{"key", "wrong"} {
				agent, err := client.Dial(t.Context(), client.Config{
					Address: s.Forward, Timeout: patience,
					Login: &client.Login{SharedKey: key, Hostname: hostile, User: hostile},
				})
				if key == "wrong" {
					if err == nil {
						t.Error("a wrong key was accepted")
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				send(t, agent, "app."+hostile, map[string]any{hostile: hostile})
				send(t, agent, hostile, map[string]any{hostile: hostile}) // unrouted
				agent.Close()
			}
			for _, raw := range []string{
				hostile, "GET /" + hostile + " HTTP/1.1\r\n\r\n", "\x93\xa3a\x1bb\x01\x80",
				"PROXY TCP4 " + hostile + "\r\n", "\x16\x03\x01\x00\x05" + hostile,
			} {
				if conn, err := net.Dial("tcp", s.Forward); err == nil {
					_, _ = io.WriteString(conn, raw)
					_, _ = io.Copy(io.Discard, conn)
					conn.Close()
				}
				if conn, err := net.Dial("tcp", s.Status); err == nil {
					_, _ = io.WriteString(conn, raw)
					_ = conn.(*net.TCPConn).CloseWrite()
					_, _ = io.Copy(io.Discard, conn)
					conn.Close()
				}
			}
			s.eventually("both dead letters", func() bool { return s.deadLetters() == 2 })
			clean := func(where, text string) {
				t.Helper()
				if i := strings.IndexFunc(text, func(r rune) bool {
					return r != '\n' && r != '\t' && r != '\r' &&
						(unicode.IsControl(r) || r == '\u2028' || r == '\u202e')
				}); i >= 0 {
					t.Errorf("%s has %q", where, text[max(0, i-80):min(len(text), i+80)])
				}
				if strings.Contains(text, "<script>alert(1)") && where == "/" {
					t.Errorf("%s has a script", where)
				}
				if strings.Contains(text, "\nlevel=fatal") && where != "/" { // HTML has no lines
					t.Errorf("%s has a forged line", where)
				}
			}
			for _, path := range []string{
				"/", "/status", "/metrics", "/readyz", "/dead-letters?records=true", "/dead-letters/export",
				"/dead-letters/" + url.PathEscape(hostile), "/dead-letters?output=" + url.QueryEscape(hostile),
				"/x" + url.PathEscape(hostile),
			} {
				clean(path, s.page(path, ""))
			}
			clean("the log", s.Log.String())
			for _, args := range [][]string{
				{"dead", "list"},
				{"dead", "list", "--json"},
				{"dead", "--json"},
				{"dead", "export"},
				{"dead", "list", "--reason", hostile},
				{"dead", "list", "--tag", hostile},
			} {
				clean(strings.Join(args, " "), s.says(args...))
			}
			list := s.get("/dead-letters")["letters"].([]any)
			for _, l := range list {
				clean("dead show", s.says("dead", "show", fmt.Sprintf("%.0f", l.(map[string]any)["id"])))
			}
			clean("dead retry", s.says("dead", "retry", "--all", "--yes"))
			clean("try", tries(t, s.config, hostile))
			s.stop()
		})
	}
}

// tries returns what aggregator try says of an event with hostile words.
func tries(t *testing.T, config, hostile string) string {
	t.Helper()
	path, _ := binary() // built by now
	line, err := json.Marshal(map[string]string{hostile: hostile})
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, tag := range []string{"app", "app." + hostile} {
		cmd := exec.CommandContext(t.Context(), path, "try", "-c", config, "--tag", tag)
		cmd.Stdin = bytes.NewReader(line)
		out, _ := cmd.CombinedOutput() // a tag may be refused
		all.Write(out)
	}
	return all.String()
}
