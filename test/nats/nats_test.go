package nats

import (
	"net"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/test/harness"
)

func TestMain(m *testing.M) {
	if !harness.Whole("torture:cluster") {
		return
	}
	m.Run()
}

// TestCluster kills each of three servers, and has it back with the address that it had.
func TestCluster(t *testing.T) {
	c := Start(t, Options{Nodes: 3})
	if urls := c.URLs(); len(urls) != 3 || urls[0] != "nats://"+c.Nodes[0].Client {
		t.Errorf("clients are to connect to %v", urls)
	}
	for _, n := range c.Nodes {
		n.Kill()
		if n.Running() || n.healthy() {
			t.Errorf("%s runs though it was killed", n.Name)
		}
		n.Start()
		n.Healthy()
		conn, err := net.Dial("tcp", n.Client)
		if err != nil {
			t.Fatal(err)
		}
		greeting := make([]byte, 512)
		k, err := conn.Read(greeting)
		if err != nil || !strings.Contains(string(greeting[:k]), n.Name) {
			t.Errorf("%s greets with %q, %v", n.Name, greeting[:k], err)
		}
		conn.Close()
	}
}

// TestFiles has a single server read a file of its own again.
func TestFiles(t *testing.T) {
	c := Start(t, Options{Config: "include users.conf\n", Files: map[string]string{
		"users.conf": "authorization { users = [{user: one, password: secret}] }",
	}})
	n := c.Nodes[0]
	n.Write(map[string]string{"users.conf": "authorization { users = [{user: two, password: secret}] }"})
	n.Reload()
	n.Stop()
	if n.Running() {
		t.Error("it runs on")
	}
}
