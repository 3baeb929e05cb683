// Package nats runs real NATS servers with JetStream for tests: one, or several as a cluster, on 127.0.0.1, each with
// files of its own, which it keeps over SIGKILL and a new start.
//
//	c := nats.Start(t, nats.Options{Nodes: 3})
//	// For clients.
//	urls := c.URLs()
//	c.Nodes[1].Kill()
//	c.Nodes[1].Start()
//
// install.sh builds the server from its published module.
package nats

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/test/harness"
)

// Install builds the server, unless that was done before, and returns its path. An error says what is missing.
func Install() (string, error) {
	_, file, _, _ := runtime.Caller(0)
	dir := filepath.Dir(file)
	out, err := exec.CommandContext(context.Background(), filepath.Join(dir, "install.sh")).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("nats-server from the Go proxy: %w: %s", err, out)
	}
	return filepath.Join(dir, "bin", "nats-server"), nil
}

// Options is what a Cluster is made of.
type Options struct {
	Nodes int // 0: 1, without a cluster
	// Config is more lines of each node's configuration, such as tls or accounts.
	Config string
	// Files are written into each node's directory before each start, where Config may name them relative to it.
	Files map[string]string
}

// Cluster is running servers.
type Cluster struct{ Nodes []*Node }

// Node is one server. Its methods are for the test's goroutine.
type Node struct {
	Name string
	// Client is the address for clients, which stays the same.
	Client string
	// HTTP is the address of the monitoring endpoint.
	HTTP string

	tb  testing.TB
	dir string
	// cmd is nil where it does not run.
	cmd    *exec.Cmd
	exited chan struct{}
	log    *os.File
}

// Start starts the servers and waits until each is healthy. They end with the test at the latest; what a failed test's
// servers have logged is shown.
func Start(tb testing.TB, o Options) *Cluster {
	tb.Helper()
	binary, err := Install()
	if err != nil {
		tb.Fatal(err)
	}
	c := &Cluster{}
	peers := make([]string, cmp.Or(o.Nodes, 1))
	for i := range peers {
		peers[i] = harness.FreeAddress(tb)
	}
	for i := range peers {
		n := &Node{
			Name: fmt.Sprint("node-", i), Client: harness.FreeAddress(tb), HTTP: harness.FreeAddress(tb), tb: tb,
			dir: tb.TempDir(),
		}
		config := n.config(&o, peers[i], peers)
		if err := os.WriteFile(filepath.Join(n.dir, "nats.conf"), []byte(config), 0o600); err != nil {
			tb.Fatal(err)
		}
		n.Write(o.Files)
		n.launch(binary)
		c.Nodes = append(c.Nodes, n)
	}
	for _, n := range c.Nodes {
		n.Healthy()
	}
	return c
}

// config returns a node's configuration file.
func (n *Node) config(o *Options, peer string, peers []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "server_name: %s\nlisten: %s\nhttp: %s\n", n.Name, n.Client, n.HTTP)
	fmt.Fprintf(&b, "jetstream {\n  store_dir: %q\n  max_memory_store: 256MB\n  max_file_store: 64GB\n",
		filepath.Join(n.dir, "data"))
	b.WriteString("}\n")
	if len(peers) > 1 {
		fmt.Fprintf(&b, "cluster {\n  name: test\n  listen: %s\n  routes: [nats://%s]\n}\n", peer,
			strings.Join(peers, ", nats://"))
	}
	b.WriteString(o.Config)
	return b.String()
}

// Write writes files into the node's directory; see Options.Files.
func (n *Node) Write(files map[string]string) {
	n.tb.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(n.dir, name), []byte(text), 0o600); err != nil {
			n.tb.Fatal(err)
		}
	}
}

// launch starts the process; see Healthy.
func (n *Node) launch(binary string) {
	n.tb.Helper()
	first := n.log == nil
	if first {
		log, err := os.Create(filepath.Join(n.dir, "log"))
		if err != nil {
			n.tb.Fatal(err)
		}
		n.log = log
	}
	n.cmd = exec.CommandContext(context.Background(), binary, "-c", "nats.conf")
	n.cmd.Dir, n.cmd.Stdout, n.cmd.Stderr = n.dir, n.log, n.log
	if err := n.cmd.Start(); err != nil {
		n.tb.Fatal(err)
	}
	n.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		// How it ended stands in its log.
		_ = cmd.Wait()
		close(exited)
	}(n.cmd, n.exited)
	if first {
		n.tb.Cleanup(func() {
			n.end(syscall.SIGKILL)
			if n.tb.Failed() {
				n.tb.Logf("log of %s:\n%s", n.Name, n.Log())
			}
			_ = n.log.Close()
		})
	}
}

// Start starts the node again, with the files that it had, and does not wait: see Healthy.
func (n *Node) Start() {
	n.tb.Helper()
	if n.cmd != nil {
		n.tb.Fatalf("%s runs", n.Name)
	}
	binary, err := Install()
	if err != nil {
		n.tb.Fatal(err)
	}
	n.launch(binary)
}

// Kill ends the node with SIGKILL.
func (n *Node) Kill() { n.end(syscall.SIGKILL) }

// Stop ends the node with SIGTERM.
func (n *Node) Stop() { n.end(syscall.SIGTERM) }

// Reload has the node read its configuration and files again.
func (n *Node) Reload() { _ = n.cmd.Process.Signal(syscall.SIGHUP) }

// Freeze keeps the node from running, as an overloaded machine does, until Thaw. It may be killed meanwhile.
func (n *Node) Freeze() { _ = n.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw ends Freeze.
func (n *Node) Thaw() {
	if n.cmd != nil {
		_ = n.cmd.Process.Signal(syscall.SIGCONT)
	}
}

// Running reports whether the node was started and not ended since.
func (n *Node) Running() bool { return n.cmd != nil }

func (n *Node) end(by syscall.Signal) {
	if n.cmd == nil {
		return
	}
	// It may have ended.
	_ = n.cmd.Process.Signal(by)
	<-n.exited
	n.cmd = nil
}

// Healthy waits until the node says that it is, with all streams and consumers that it has caught up.
func (n *Node) Healthy() {
	n.tb.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(harness.Patience)
	for !n.healthy() {
		select {
		case <-n.exited:
			n.tb.Fatalf("%s has ended:\n%s", n.Name, n.Log())
		case <-deadline:
			n.tb.Fatalf("%s is not healthy:\n%s", n.Name, n.Log())
		case <-tick.C:
		}
	}
}

func (n *Node) healthy() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.HTTP+"/healthz", nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// Log returns the end of what the node has logged.
func (n *Node) Log() string {
	text, err := os.ReadFile(n.log.Name())
	if err != nil {
		return err.Error()
	}
	if over := len(text) - 16<<10; over > 0 {
		text = append([]byte("…"), text[over:]...)
	}
	return string(bytes.ToValidUTF8(text, []byte("?")))
}

// URLs returns where clients connect, one for each node.
func (c *Cluster) URLs() []string {
	urls := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		urls[i] = "nats://" + n.Client
	}
	return urls
}
