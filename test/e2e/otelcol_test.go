package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/outputs/otlp/otlptest"
	"github.com/seed-afc6a195/aggregator/test/harness"
)

// collector is a real OpenTelemetry Collector. See test/otelcol.
type collector struct {
	t       *testing.T
	address string
	config  string // its path
	cmd     *exec.Cmd
	log     bytes.Buffer // to be read when it has ended
}

const collectorConfig = `
receivers: {otlp: {protocols: {http: {endpoint: %s}}}}
exporters:
  otlp_http: {logs_endpoint: %s/v1/logs, sending_queue: {enabled: false}, retry_on_failure: {enabled: false}}
service:
  pipelines: {logs: {receivers: [otlp], exporters: [otlp_http]}}
  telemetry: {metrics: {level: none}}
`

// startCollector starts one that passes on to a URL what it takes. The test is skipped where that needs what is not
// there.
func startCollector(t *testing.T, to string) *collector {
	t.Helper()
	if out, err := exec.Command("../otelcol/install.sh").CombinedOutput(); err != nil {
		need(t, fmt.Sprintf("an OpenTelemetry Collector from the Go proxy: %v: %s", err, out))
	}
	c := &collector{t: t, address: freeAddress(t), config: filepath.Join(t.TempDir(), "otelcol.yaml")}
	if err := os.WriteFile(c.config, fmt.Appendf(nil, collectorConfig, c.address, to), 0o600); err != nil {
		t.Fatal(err)
	}
	c.start()
	t.Cleanup(func() {
		c.end(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("log of the Collector:\n%s", c.log.String())
		}
	})
	return c
}

func (c *collector) start() {
	c.t.Helper()
	path, err := filepath.Abs("../otelcol/bin/otelcol")
	if err != nil {
		c.t.Fatal(err)
	}
	c.cmd = exec.Command(path, "--config", "file:"+c.config)
	c.cmd.Stdout, c.cmd.Stderr = &c.log, &c.log
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		res, err := http.Get("http://" + c.address + "/v1/logs")
		if err == nil {
			res.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			c.end(syscall.SIGKILL)
			c.t.Fatalf("the Collector does not answer: %v\n%s", err, c.log.String())
		}
	}
}

// end ends the Collector and waits for that.
func (c *collector) end(by syscall.Signal) {
	c.t.Helper()
	if c.cmd == nil {
		return
	}
	if err := c.cmd.Process.Signal(by); err != nil {
		c.t.Error(err)
	}
	_ = c.cmd.Wait() // one that is killed ends with an error
	c.cmd = nil
}

// TestCollector: a real Collector takes what the program sends, passes it on as it is, and what it answers while it
// can't is understood: nothing is lost when it, what is behind it, or the program ends.
func TestCollector(t *testing.T) {
	behind := otlptest.New(otlptest.Options{})
	web := httptest.NewServer(behind)
	defer web.Close()
	c := startCollector(t, web.URL)
	s := start(t, t.TempDir(), fmt.Sprintf(sendsConfig, "{type: otlp, url: http://"+c.address))
	agent := &harness.Agent{Name: "a", Tag: "a", Padding: 100, Address: func() string { return s.Forward }}
	upTo := func(n int) {
		t.Helper()
		agent.Limit = n
		agent.Run(t.Context())
	}
	upTo(400)
	s.Drained()
	c.end(syscall.SIGKILL)
	upTo(600)
	s.eventually("an error", func() bool { return strings.Contains(fmt.Sprint(s.get("/status")), "refused") })
	c.start()
	s.Drained()
	behind.SetFault(func(w http.ResponseWriter, _ *http.Request) bool {
		otlptest.Refuse(w, http.StatusServiceUnavailable, "away")
		return true
	})
	upTo(800)
	s.eventually("another error", func() bool { return strings.Contains(fmt.Sprint(s.get("/status")), "503") })
	s.kill()
	s.Server = s.Restart()
	behind.SetFault(nil)
	upTo(1000)
	s.Drained()
	s.Balanced()
	times := map[int64]int{}
	for _, r := range behind.Records() {
		body, _ := otlptest.Body(r.Log).(map[string]any)
		n, ok := body["n"].(int64)
		if !ok || body["agent"] != "a" || r.Resource["k8s.cluster.name"] != "default" ||
			otlptest.Attributes(r.Log)["tag"] != "a" || r.Log.GetTimeUnixNano() == 0 {
			t.Fatalf("the Collector made of an event: %v", r)
		}
		times[n]++
	}
	for n := range int64(agent.Acked()) {
		if times[n] == 0 {
			t.Errorf("event %d is lost", n)
		}
	}
	s.stop()
}
