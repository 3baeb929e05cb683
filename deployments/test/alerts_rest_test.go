package deployments

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAlertsAtRest scrapes the program, with two clusters and outputs and nothing to do, takes two hours of the same
// figures, and holds that no alert fires on them.
func TestAlertsAtRest(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "c.yaml"), `
listeners: [{address: 127.0.0.1:0}]
status: {address: 127.0.0.1:0}
log: {format: json}
clusters: [{name: seoul, shared_key: a}, {name: tokyo, shared_key: b}]
filters: {f: [{grep: {exclude: {message: x}}}]}
routes: [{match: "kube.**", filters: [f], outputs: [es, lake]}]
outputs:
  es: {type: elasticsearch, hosts: ["http://127.0.0.1:9"], index: "logs-{cluster}"}
  lake: {type: firehose, region: us-east-1, delivery_stream: logs, endpoint: "http://127.0.0.1:9"}
buffer: {path: queue, max_size: 64MiB, min_free_disk: 1MiB}
`)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "run", "-c", "c.yaml")
	cmd.Dir = dir
	cmd.Env = []string{"AWS_ACCESS_KEY_ID=made-up", "AWS_SECRET_ACCESS_KEY=made-up"}
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(log)
	address := ""
	for address == "" && lines.Scan() {
		var line struct{ Status, Address string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Status != "" {
			address = line.Address
		}
	}
	text := ""
	if address != "" {
		for code := 0; code != http.StatusOK; {
			code, _ = get(ctx, t, "http://"+address+"/readyz")
		}
		_, text = get(ctx, t, "http://"+address+"/metrics")
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	for lines.Scan() { // until it has ended
	}
	if err := cmd.Wait(); err != nil || address == "" {
		t.Fatalf("the program ended with %v, its status was at %q", err, address)
	}

	series := []string{`up{job="aggregator-status",instance="a"} 1x120`}
	for _, m := range regexp.MustCompile(`(?m)^(aggregator_\w+)(?:\{(.*)\})? (\S+)$`).FindAllStringSubmatch(text, -1) {
		value := m[3]
		if m[1] == "aggregator_queue_free_disk_bytes" {
			value = "1e11" // this machine's disk is no matter of the program's
		}
		if !strings.HasSuffix(m[1], "_bucket") {
			series = append(series,
				m[1]+`{`+strings.TrimPrefix(m[2]+`,job="aggregator-status",instance="a"`, ",")+`} `+value+`x120`)
		}
	}
	if len(series) < 100 {
		t.Fatalf("few series:\n%s", text)
	}
	for _, a := range alerts(t) {
		if n := evaluate(t, a.Expr, strings.Join(series, "\n")); n != 0 {
			t.Errorf("%s fires at rest", a.Alert)
		}
	}
}
