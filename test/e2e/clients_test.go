package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
)

// wantNumbered fails unless the events of tag carry n = 0 … count-1 in field n, each once, with its own text and id.
func wantNumbered(t *testing.T, s *server, tag string, count int) {
	t.Helper()
	seen, ids := make([]bool, count), make(map[string]bool, count)
	for _, e := range s.await(tag, count) {
		n, err := strconv.Atoi(string(e["n"].(json.Number)))
		if err != nil || n < 0 || n >= count || seen[n] {
			t.Fatalf("event doubled or changed: %v", e)
		}
		seen[n] = true
		if want := fmt.Sprintf("이벤트 %d", n); e["text"] != want || e["tag"] != tag || e["cluster"] != "default" {
			t.Fatalf("event changed: %v, want text %q and tag %q", e, want, tag)
		}
		id, _ := e["_id"].(string)
		if id == "" || ids[id] {
			t.Fatalf("event without an id of its own: %v", e)
		}
		ids[id] = true
	}
	if got := len(s.events(tag)); got != count {
		t.Fatalf("%d events of %s, want %d", got, tag, count)
	}
}

func TestFluentLoggerGo(t *testing.T) {
	s := start(t, t.TempDir(), defaultConfig)
	host, port, _ := net.SplitHostPort(s.Forward)
	portNumber, _ := strconv.Atoi(port)
	for _, ack := range []bool{true, false} {
		for _, subSecond := range []bool{true, false} {
			t.Run(fmt.Sprintf("ack=%v,subsecond=%v", ack, subSecond), func(t *testing.T) {
				tag := fmt.Sprintf("go.%v.%v", ack, subSecond)
				logger, err := fluent.New(fluent.Config{
					FluentHost: host, FluentPort: portNumber, RequestAck: ack, SubSecondPrecision: subSecond,
					ReadTimeout: patience, WriteTimeout: patience,
				})
				if err != nil {
					t.Fatal(err)
				}
				const count = 300
				for n := range count {
					if err := logger.Post(tag, map[string]any{"n": n, "text": fmt.Sprintf("이벤트 %d", n)}); err != nil {
						t.Fatal(err)
					}
				}
				if err := logger.Close(); err != nil {
					t.Fatal(err)
				}
				wantNumbered(t, s, tag, count)
			})
		}
	}
}

func TestNodeAndPythonLoggers(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		need(t, "node on the PATH")
	}
	python := filepath.Join("clients", ".venv", "bin", "python")
	for _, path := range []string{python, filepath.Join("clients", "node_modules")} {
		if _, err := os.Stat(path); err != nil {
			need(t, path+": run test/e2e/clients/install.sh")
		}
	}
	s := start(t, t.TempDir(), defaultConfig)
	_, port, _ := net.SplitHostPort(s.Forward)
	const count = 500
	type client struct{ name, program, script, mode, ack string }
	clients := []client{{name: "python", program: python, script: "fluent_logger.py"}}
	for _, ack := range []string{"true", "false"} {
		for _, mode := range []string{"Message", "PackedForward", "CompressedPackedForward"} {
			clients = append(clients, client{"node-fluent-logger", node, "fluent-logger.js", mode, ack})
		}
		for _, mode := range []string{"Message", "Forward", "PackedForward", "CompressedPackedForward"} {
			clients = append(clients, client{"node-fluent-org", node, "fluent-org.js", mode, ack})
		}
	}
	for _, c := range clients {
		t.Run(fmt.Sprintf("%s,%s,ack=%s", c.name, c.mode, c.ack), func(t *testing.T) {
			tag := fmt.Sprintf("%s-%s-%s", c.name, c.mode, c.ack)
			args := []string{filepath.Join("clients", c.script), port, tag, strconv.Itoa(count)}
			if c.mode != "" {
				args = append(args, c.mode, c.ack)
			}
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, c.program, args...)
			cmd.WaitDelay = time.Second
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", cmd, err, out)
			}
			wantNumbered(t, s, tag, count)
		})
	}
}
