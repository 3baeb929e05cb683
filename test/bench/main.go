// Command bench measures the built program from outside: events per second of the server's processor time, its peak
// memory, and the latency of acks, for several forms of input. docs/performance.md says how to read it.
//
//	go run ./test/bench [-events N] [-only NAME]
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// scenario is one way of sending made-up events of 300 bytes.
type scenario struct {
	name string
	send []string // flags of aggregator send
	part int      // of the events asked for, in percent: slow forms need fewer
}

func scenarios() []scenario {
	return []scenario{
		{"packed, 500 a chunk, 4 connections", []string{"--connections", "4"}, 100},
		{"the same, gzip", []string{"--connections", "4", "--compress", "gzip"}, 100},
		{"the same, zstd", []string{"--connections", "4", "--compress", "zstd"}, 100},
		{"forward mode, 500 a chunk, 4 connections", []string{"--connections", "4", "--mode", "forward"}, 100},
		{"message mode, 16 connections, 500 in flight", []string{"--connections", "16", "--mode", "message"}, 30},
		{"message mode, 16 connections, no acks", []string{"--connections", "16", "--mode", "message", "--ack=false"}, 30},
		{"message mode, 16 connections, 1 in flight", []string{"--connections", "16", "--mode", "message", "--chunk-events", "1"}, 3},
	}
}

func main() {
	events := flag.Int("events", 3_000_000, "events to send in the fastest scenario")
	only := flag.String("only", "", "run only scenarios whose name contains this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *events, *only, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to stop
	}
}

func run(ctx context.Context, events int, only string, out io.Writer) error {
	dir, err := os.MkdirTemp("", "aggregator-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // the system cleans up what is left
	binary := filepath.Join(dir, "aggregator")
	if b, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/aggregator").CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, b)
	}
	_, _ = fmt.Fprintf(out, "%-46s %13s %11s %9s %9s %9s\n", "", "events/CPU-s", "events/s", "ack p50", "ack p99", "peak RSS")
	for _, s := range scenarios() {
		if !strings.Contains(s.name, only) {
			continue
		}
		r, err := measure(ctx, binary, filepath.Join(dir, "run"), s, events*s.part/100)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		_, _ = fmt.Fprintf(out, "%-46s %13.0f %11.0f %7.1fms %7.1fms %5.0f MiB\n", s.name, r.perCPU, r.perSecond, r.p50, r.p99, r.peak)
	}
	return nil
}

// result is what a scenario measured.
type result struct {
	perCPU    float64 // events per second of the server's user and system time
	perSecond float64 // acknowledged events per second of time
	p50, p99  float64 // of acks, milliseconds
	peak      float64 // resident memory, MiB
}

const config = `
listeners: [{name: tcp, address: "127.0.0.1:0"}]
buffer: {path: %[1]s/data}
outputs: {archive: {type: file, path: "%[1]s/out/{cluster}.ndjson"}}
status: {address: "127.0.0.1:0"}
log: {format: json}
`

// measure runs a server of its own in dir, sends it events, waits until all are delivered, and stops it.
func measure(ctx context.Context, binary, dir string, s scenario, events int) (r result, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return r, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // see run
	file := filepath.Join(dir, "aggregator.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, config, dir), 0o600); err != nil {
		return r, err
	}
	server := exec.CommandContext(ctx, binary, "run", "-c", file)
	server.Cancel = func() error { return server.Process.Signal(syscall.SIGTERM) }
	logs, err := server.StderrPipe()
	if err != nil {
		return r, err
	}
	if err := server.Start(); err != nil {
		return r, err
	}
	forward, status, err := addresses(logs)
	if err != nil {
		return r, errors.Join(err, server.Process.Kill(), server.Wait())
	}
	go io.Copy(io.Discard, logs) //nolint:errcheck // ends with the server
	err = r.load(ctx, binary, forward, status, s, events)
	err = errors.Join(err, server.Process.Signal(syscall.SIGTERM), server.Wait())
	usage := server.ProcessState.SysUsage().(*syscall.Rusage)
	r.perCPU = float64(events) / (server.ProcessState.UserTime() + server.ProcessState.SystemTime()).Seconds()
	r.peak = float64(usage.Maxrss) / 1024
	return r, err
}

// addresses reads the server's log until it says where it listens.
func addresses(logs io.Reader) (forward, status string, err error) {
	d := json.NewDecoder(logs)
	for forward == "" || status == "" {
		var line struct{ Message, Listener, Status, Address string }
		if err := d.Decode(&line); err != nil {
			return "", "", fmt.Errorf("the server does not say where it listens: %w", err)
		}
		switch {
		case line.Message != "listening":
		case line.Listener == "tcp":
			forward = line.Address
		case line.Status != "":
			status = line.Address
		}
	}
	return forward, status, nil
}

// load sends the events and waits until the server has delivered them.
func (r *result) load(ctx context.Context, binary, forward, status string, s scenario, events int) error {
	args := append([]string{"send", "--address", forward, "--count", strconv.Itoa(events), "--output", "json"}, s.send...)
	send := exec.CommandContext(ctx, binary, args...)
	var errs bytes.Buffer
	send.Stderr = &errs
	b, err := send.Output()
	if err != nil {
		return fmt.Errorf("send: %w: %s", err, errs.String())
	}
	var sent struct {
		PerSecond  float64                    `json:"events_per_second"`
		AckLatency struct{ P50, P99 float64 } `json:"ack_latency_ms"`
	}
	if err := json.Unmarshal(b, &sent); err != nil {
		return fmt.Errorf("read what send says: %w: %s", err, b)
	}
	r.perSecond, r.p50, r.p99 = sent.PerSecond, sent.AckLatency.P50, sent.AckLatency.P99
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		delivered, err := deliveredEvents(ctx, status)
		if err != nil || delivered >= events {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func deliveredEvents(ctx context.Context, status string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+status+"/status", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }() // only read from
	var s struct {
		Outputs []struct{ Clusters []struct{ Delivered int } }
	}
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		return 0, err
	}
	n := 0
	for _, o := range s.Outputs {
		for _, c := range o.Clusters {
			n += c.Delivered
		}
	}
	return n, nil
}
