// Command demo shows the aggregator at work with nothing but Go: a server, two clusters that send with a key each, a
// file for each, and the status page. Ctrl-C ends all of it and removes what it made. `task demo` runs it.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const program = "github.com/seed-afc6a195/aggregator/cmd/aggregator"

//go:embed aggregator.yaml
var configuration string

// clusters are those of aggregator.yaml.
func clusters() []string { return []string{"seoul", "tokyo"} }

func main() {
	// Signals stay caught: a second Ctrl-C must not leave the children behind.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	d := demo{out: os.Stdout}
	flag.StringVar(&d.listen, "listen", "127.0.0.1:24224", "`address` that agents connect to")
	flag.StringVar(&d.status, "status", "127.0.0.1:9880", "`address` of the status page")
	flag.Float64Var(&d.rate, "rate", 20, "events a second of each cluster")
	flag.Parse()
	if err := d.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo is what the user may say.
type demo struct {
	listen, status string
	rate           float64
	out            io.Writer

	dir string // of everything that it makes
}

// run shows everything until ctx ends. When it returns, nothing of it runs any more and its directory is gone.
func (d *demo) run(ctx context.Context) (err error) {
	if d.dir, err = os.MkdirTemp("", "aggregator-demo"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.dir)) }()
	if err := d.prepare(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}

	ended := make(chan error, 1+len(clusters())) // by itself, or because it was stopped
	serving, stopServer := context.WithCancel(context.WithoutCancel(ctx))
	running := 0
	wait := func(stop func(), until int) {
		stop()
		for ; running > until; running-- {
			err = errors.Join(err, <-ended)
		}
	}
	defer wait(stopServer, 0)
	forward, status, err := d.serve(serving, ended)
	if err != nil {
		return err
	}
	running++
	sending, stopSenders := context.WithCancel(context.WithoutCancel(ctx))
	// First the senders, so that what is under way gets its acks.
	defer wait(stopSenders, 1)
	for _, cluster := range clusters() {
		if err := d.send(sending, cluster, forward, ended); err != nil {
			return err
		}
		running++
	}
	if err := d.say(forward, status); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		_, err = fmt.Fprintf(d.out, "\nStopping, and removing %s.\n", d.dir)
		return err
	case err := <-ended:
		running--
		return err
	}
}

// prepare makes the keys and the configuration, and builds the program.
func (d *demo) prepare(ctx context.Context) error {
	if err := os.Mkdir(filepath.Join(d.dir, "keys"), 0o700); err != nil {
		return err
	}
	for _, cluster := range clusters() {
		key := make([]byte, 32)
		// Never fails.
		_, _ = rand.Read(key)
		if err := os.WriteFile(
			filepath.Join(d.dir, "keys", cluster), []byte(hex.EncodeToString(key)), 0o600,
		); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(d.dir, "aggregator.yaml"), []byte(configuration), 0o600); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", d.path("aggregator"), program).
		CombinedOutput(); err != nil {
		return fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return nil
}

func (d *demo) path(name string) string { return filepath.Join(d.dir, name) }

// command is the program with args, in a process group of its own, so that a terminal's Ctrl-C does not reach it. It
// gets SIGTERM when ctx ends.
func (d *demo) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.path("aggregator"), args...)
	cmd.Dir = d.dir
	cmd.Env = append(os.Environ(), "DEMO_LISTEN="+d.listen, "DEMO_STATUS="+d.status)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	return cmd
}

// serve starts the server and returns the addresses of its listener and its status page once it has them.
func (d *demo) serve(ctx context.Context, ended chan error) (forward, status string, err error) {
	log, err := os.Create(d.path("aggregator.log"))
	if err != nil {
		return "", "", err
	}
	cmd := d.command(ctx, "run", "-c", d.path("aggregator.yaml"))
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return "", "", errors.Join(err, log.Close())
	}
	listening := make(chan [2]string, 1)
	go func() {
		var addresses [2]string
		var text bytes.Buffer
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			_, _ = fmt.Fprintf(io.MultiWriter(log, &text), "%s\n", lines.Bytes()) // for reading only
			var entry struct{ Message, Listener, Status, Address string }
			if json.Unmarshal(lines.Bytes(), &entry) != nil || entry.Message != "listening" {
				continue
			}
			if entry.Status == "" {
				addresses[0] = entry.Address
			} else {
				addresses[1] = entry.Address
			}
			if addresses[0] != "" && addresses[1] != "" {
				listening <- addresses
				break
			}
		}
		close(listening)
		_, _ = io.Copy(log, stderr)
		_ = log.Close()
		if err := cmd.Wait(); ctx.Err() == nil {
			err = fmt.Errorf("the server ended (%w):\n%s", err, &text)
			if strings.Contains(text.String(), "address already in use") {
				err = fmt.Errorf(
					"%w\nOr let the demo find free ones: go run ./deployments/demo -listen 127.0.0.1:0 -status "+
						"127.0.0.1:0", err,
				)
			}
			ended <- err
			return
		}
		ended <- nil
	}()
	if found, ok := <-listening; ok {
		return found[0], found[1], nil
	}
	return "", "", <-ended
}

// send starts a cluster's agent.
func (d *demo) send(ctx context.Context, cluster, address string, ended chan<- error) error {
	cmd := d.command(ctx, "send", "--address", address, "--shared-key-file", d.path("keys/"+cluster), "--hostname",
		"node-1."+cluster,
		"--tag", "kube.shop.web", "--duration", "240h", "--rate", strconv.FormatFloat(d.rate, 'f', -1, 64),
		"--chunk-events", "10")
	log, err := os.Create(d.path(cluster + ".log"))
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return errors.Join(err, log.Close())
	}
	go func() {
		err := cmd.Wait()
		_ = log.Close() // for reading only
		if ctx.Err() != nil {
			ended <- nil
			return
		}
		// What there is.
		text, _ := os.ReadFile(log.Name())
		ended <- fmt.Errorf("the agent of %s ended (%w):\n%s", cluster, err, text)
	}()
	return nil
}

// say tells where to look.
func (d *demo) say(forward, status string) error {
	_, err := fmt.Fprintf(d.out, `Two clusters, %[1]s, send %[2]g events a second each, with a key of their own.

  status page     http://%[3]s/
  figures         http://%[3]s/status, http://%[3]s/metrics
  what arrives    tail -f %[4]s/logs/*/*.ndjson
  configuration   %[4]s/aggregator.yaml
  log             %[4]s/aggregator.log

Send something as one of them, or with a wrong key:

  echo '{"message":"hello"}' | %[4]s/aggregator send --address %[5]s --tag kube.hello --shared-key-file %[4]s/keys/seoul
  echo '{"message":"hello"}' |
    %[4]s/aggregator send --address %[5]s --tag kube.hello --shared-key wrong --retry-timeout 0s

Ctrl-C ends it and removes all of this.
`, strings.Join(clusters(), " and "), d.rate, status, d.dir, forward)
	return err
}
