//go:build fluentbit

package e2e

import (
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
	"go.yaml.in/yaml/v3"
)

func fluentBit(t *testing.T) string {
	t.Helper()
	binary := os.Getenv("FLUENT_BIT")
	if binary == "" {
		t.Fatal("FLUENT_BIT must name a fluent-bit binary, version 5 or later")
	}
	return binary
}

// shipped returns a copy of a file for Fluent Bit, with paths and ports of the test.
func (s *site) shipped(name string, replace ...string) string {
	s.t.Helper()
	if strings.HasPrefix(name, "fluent-bit/") {
		parsers := filepath.Join(s.dir, "parsers.conf")
		if err := os.WriteFile(parsers, []byte("[PARSER]\n    Name json\n    Format json\n"), 0o600); err != nil {
			s.t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(freeAddress(s.t))
		replace = append(replace, "/var/log/containers", filepath.Join(s.dir, "containers"),
			"/fluent-bit/etc/parsers.conf", parsers, "2020", port)
	}
	return s.file(name,
		append(replace, "/var/lib/fluent-bit", filepath.Join(s.dir, "state"), "/fluent-bit/tls/ca.crt", s.ca)...)
}

// TestFluentBitAgentDryRun: Fluent Bit takes every file that is shipped for it.
func TestFluentBitAgentDryRun(t *testing.T) {
	binary := fluentBit(t)
	s := newSite(t)
	for _, name := range []string{
		"fluent-bit/fluent-bit.conf", "fluent-bit/fluent-bit.yaml", "docker/fluent-bit.conf",
		"opentelemetry/fluent-bit.conf",
	} {
		s.dryRun(binary, "--dry-run", "-c", s.shipped(name))
	}
	data, err := os.ReadFile(filepath.Join(agentsDir, "fluent-bit/values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var values struct {
		Config struct{ Service, Inputs, Filters, Outputs string }
	}
	if err := yaml.Unmarshal(data, &values); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(s.dir, "chart.conf")
	text := strings.Join(
		[]string{values.Config.Service, values.Config.Inputs, values.Config.Filters, values.Config.Outputs}, "\n",
	)
	text = strings.NewReplacer("/fluent-bit/etc/parsers.conf", filepath.Join(s.dir, "parsers.conf"),
		"/fluent-bit/tls/ca.crt", s.ca).Replace(text)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.dryRun(binary, "--dry-run", "-c", conf)

	// It would say so if it did not.
	wrong := s.shipped("docker/fluent-bit.conf", "Retry_Limit           no_limits", "Retry_Limits          no_limits")
	if err := exec.Command(binary, "--dry-run", "-c", wrong).Run(); err == nil {
		t.Error("Fluent Bit takes a setting that it does not have")
	}
}

// TestFluentBitAgent: nothing of a node's logs is lost while the aggregator is killed and the agent is started again.
func TestFluentBitAgent(t *testing.T) {
	binary := fluentBit(t)
	for _, tc := range []struct{ name, cap, shortCap string }{
		{"fluent-bit.conf", "scheduler.cap         30", "scheduler.cap         2"},
		{"fluent-bit.yaml", "scheduler.cap: 30", "scheduler.cap: 2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t)
			config := s.shipped("fluent-bit/"+tc.name, tc.cap, tc.shortCap)
			s.survive(func() *process { return s.startAgent(binary, "-c", config) })
		})
	}
}

// TestFluentBitBesideDocker: what the log driver's client sends to the Fluent Bit beside Docker arrives.
func TestFluentBitBesideDocker(t *testing.T) {
	binary := fluentBit(t)
	s := newSite(t)
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	s.startAgent(binary, "-c",
		s.shipped("docker/fluent-bit.conf", "Port                  24224", "Port                  "+port))
	// As Docker 28 sets up its client from docker/daemon.json.
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	var logger *fluent.Fluent
	s.server.eventually("Fluent Bit", func() bool {
		logger, err = fluent.New(fluent.Config{
			FluentHost: "127.0.0.1", FluentPort: number, RequestAck: true, SubSecondPrecision: true, RetryWait: 1000,
			MaxRetry: math.MaxInt32, WriteTimeout: time.Minute,
		})
		return err == nil
	})
	defer logger.Close()
	const lines = 300
	for n := range lines {
		if n == lines/2 {
			s.crash()
		}
		if err := logger.Post("docker.web", map[string]string{
			"container_name": "/web", "source": "stdout", "log": fmt.Sprintf(`{"n":%d}`, n),
		}); err != nil {
			t.Fatal(err)
		}
	}
	s.written = lines
	s.wantAll()
}

// TestFluentBitBehindCollector: what a Collector would send to the Fluent Bit before the aggregator arrives as events.
func TestFluentBitBehindCollector(t *testing.T) {
	binary := fluentBit(t)
	s := newSite(t)
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	s.startAgent(binary, "-c", s.shipped("opentelemetry/fluent-bit.conf", "4318", port))
	for n := range 3 {
		s.post("http://"+address+"/v1/logs",
			fmt.Sprintf(`{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name",
"value":{"stringValue":"shop"}}]},
"scopeLogs":[{"scope":{"name":"test"},"logRecords":[{"timeUnixNano":"1764000000000000001","severityText":"INFO",
"body":{"kvlistValue":{"values":[{"key":"n","value":{"intValue":"%d"}}]}},"attributes":[{"key":"http.route",
"value":{"stringValue":"/cart"}}]}]}]}]}`, n))
	}
	s.written = 3
	s.wantAll()
	text, err := os.ReadFile(filepath.Join(s.home, "out", "all.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"tag":"otel.logs"`, `"cluster":"site"`, `"service.name":"shop"`, `"http.route":"/cart"`,
		`"severity_text":"INFO"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the events have no %s:\n%s", want, text)
		}
	}
	if strings.Contains(string(text), `"@timestamp":"2106`) {
		t.Errorf("group markers became events:\n%s", text)
	}
}
