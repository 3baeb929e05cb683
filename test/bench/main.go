// Command bench measures the built program from outside: events per second of the server's processor time, its peak
// memory, and the latency of acks, for several forms of input. docs/performance.md says how to read it.
//
//	go run ./test/bench [-events N] [-only NAME] [-profiles DIR]
//
// For what goes to another server than a file it runs a made-up one as a process of its own (-sink), and prints what
// each stage costs, from a CPU profile.
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

func main() {
	events := flag.Int("events", 3_000_000, "events to send in the fastest scenario")
	only := flag.String("only", "", "run only scenarios whose name contains this")
	keep := flag.String("profiles", "", "keep the CPU profiles in this directory, one for each scenario")
	sink := flag.String("sink", "", "be that made-up server, and nothing else")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if *sink != "" {
		err = serveSink(ctx, *sink, os.Stdout)
	} else {
		err = run(ctx, *events, *only, *keep, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to stop
	}
}

func run(ctx context.Context, events int, only, keep string, out io.Writer) error {
	dir, err := os.MkdirTemp("", "aggregator-bench")
	if err != nil {
		return err
	}
	// The system cleans up what is left.
	defer func() { _ = os.RemoveAll(dir) }()
	binary := filepath.Join(dir, "aggregator")
	if b, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/aggregator").
		CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, b)
	}
	_, _ = fmt.Fprintf(out, "%-46s %13s %8s %11s %9s %9s %9s %10s\n", "", "events/CPU-s", "CPU-s/M", "events/s",
		"ack p50", "ack p99", "peak RSS", "to disk")
	var before result
	for _, s := range scenarios() {
		if !strings.Contains(s.name, only) {
			continue
		}
		r, err := measure(ctx, binary, filepath.Join(dir, "run"), s, events*s.part/100)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		_, _ = fmt.Fprintf(out, "%-46s %13.0f %8.2f %11.0f %7.1fms %7.1fms %5.0f MiB %8.0f B\n",
			s.name, r.perCPU, 1e6/r.perCPU, r.perSecond, r.p50, r.p99, r.peak, r.written)
		if s.share && before.perCPU > 0 {
			_, _ = fmt.Fprintf(out, "    %-42s %11.0f %% %9.0f %%\n", "kept", 100*r.perCPU/before.perCPU,
				100*r.perSecond/before.perSecond)
		}
		if s.replicated {
			_, _ = fmt.Fprintf(out, "    %-42s %10.2f CPU-s/M, all three\n", "NATS servers", r.servers)
		}
		_, _ = fmt.Fprintf(out, "    %-42s %10.0f events/s\n", "until all was delivered", r.delivered)
		before = r
		if keep != "" && len(r.profile) > 0 {
			name := strings.NewReplacer(" ", "-", ",", "", "/", "-").Replace(s.name) + ".pprof"
			if err := os.WriteFile(filepath.Join(keep, name), r.profile, 0o600); err != nil {
				return err
			}
		}
		for _, stage := range r.stages {
			_, _ = fmt.Fprintf(out, "    %-42s %10.3f µs an event %5.1f %%\n", stage.stage, stage.part*1e6/r.perCPU,
				stage.part*100)
		}
	}
	if strings.Contains(streamName, only) {
		_, _ = fmt.Fprintln(out, streamName)
		return measureStream(ctx, filepath.Join(dir, "run"), events/30, out)
	}
	return nil
}

// result is what a scenario measured.
type result struct {
	// perCPU is events per second of the server's user and system time, perSecond acknowledged events per second of
	// time, and delivered events per second of time until the last one was delivered.
	perCPU, perSecond, delivered float64
	// p50 and p99 are of acks, in milliseconds.
	p50, p99 float64
	// peak is resident memory in MiB, and written how many bytes an event the server had the kernel write to disk.
	peak, written float64
	// servers is CPU-seconds per million events of the queue's servers, if there are some.
	servers float64
	// stages are of the server's time, and profile is what they were read from; nil where none was taken.
	stages  []share
	profile []byte
}

const config = `
listeners: [{name: tcp, address: "127.0.0.1:0"%[4]s}]
buffer: {path: %[1]s/data%[5]s}
outputs: {bench: %[2]s}
status: {address: "127.0.0.1:0", pprof: true}
log: {format: json}
%[3]s
`

// steps take containers' lines through three steps. None is dropped.
const steps = `
filters:
  web:
    - grep: {exclude: {log: "GET /healthcheck"}}
    - parse: {field: log, format: cri}
    - modify: {set: {service: web}, rename: {message: msg}, remove: [logtag]}
routes: [{match: "**", filters: [web], outputs: [bench]}]
`

// profileLength is how much of a scenario is profiled, from its start on.
const profileLength = 4 * time.Second

// measure runs a server of its own in dir, sends it events, waits until all are delivered, and stops it.
func measure(ctx context.Context, binary, dir string, s scenario, events int) (r result, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return r, err
	}
	// See run.
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "aggregator.yaml")
	output := fmt.Sprintf(`{type: file, path: "%s/out/{cluster}.ndjson"}`, dir)
	if s.sink != "" {
		url, stop, failed := startSink(ctx, s.sink)
		if failed != nil {
			return r, failed
		}
		defer func() { err = errors.Join(err, stop()) }()
		output = strings.ReplaceAll(s.output, "SINK", strconv.Quote(url))
	}
	secure := ""
	if s.tls {
		if secure, err = writeCertificate(dir); err != nil {
			return r, err
		}
	}
	queue := ""
	if s.replicated {
		nats, failed := startServers(ctx, dir)
		if failed != nil {
			return r, failed
		}
		defer func() {
			used, failed := nats.stop()
			r.servers, err = used.Seconds()*1e6/float64(events), errors.Join(err, failed)
		}()
		queue = fmt.Sprintf(", type: jetstream, jetstream: {urls: [%s]}", strings.Join(nats.urls, ", "))
	}
	if err := os.WriteFile(file, fmt.Appendf(nil, config, dir, output, s.filters, secure, queue), 0o600); err != nil {
		return r, err
	}
	server := exec.CommandContext(ctx, binary, "run", "-c", file)
	server.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=bench", "AWS_SECRET_ACCESS_KEY=bench")
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
	profiled := make(chan error, 1)
	if s.sink != "" {
		profile := filepath.Join(dir, "cpu.pprof")
		go func() { profiled <- profileServer(ctx, status, profileLength, profile) }()
		defer func() {
			if err == nil {
				r.stages, err = stageShares(ctx, profile)
			}
			if err == nil {
				r.profile, err = os.ReadFile(profile)
			}
		}()
	} else {
		profiled <- nil
	}
	err = r.load(ctx, binary, forward, status, s, events)
	err = errors.Join(err, <-profiled)
	written, werr := writtenBytes(server.Process.Pid)
	r.written = float64(written) / float64(events)
	err = errors.Join(err, werr, server.Process.Signal(syscall.SIGTERM), server.Wait())
	usage := server.ProcessState.SysUsage().(*syscall.Rusage)
	r.perCPU = float64(events) / (server.ProcessState.UserTime() + server.ProcessState.SystemTime()).Seconds()
	r.peak = float64(usage.Maxrss) / 1024
	return r, err
}

// writtenBytes returns how many bytes the process has had the kernel write to disk so far.
func writtenBytes(pid int) (n int64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(b), "\nwrite_bytes: ")
	_, err = fmt.Sscan(after, &n)
	return n, err
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
	args := append([]string{"send", "--address", forward, "--count", strconv.Itoa(events), "--output", "json"},
		s.send...)
	send, begun := exec.CommandContext(ctx, binary, args...), time.Now()
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
			r.delivered = float64(events) / time.Since(begun).Seconds()
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
	// Only read from.
	defer func() { _ = resp.Body.Close() }()
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
