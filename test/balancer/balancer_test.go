package balancer

import (
	"bufio"
	"fmt"
	"net"
	"testing"
)

// greeter is a server that greets each connection with its name, and then says what it hears.
func greeter(t *testing.T, name string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fmt.Fprintln(c, name)
				line, err := bufio.NewReader(c).ReadString('\n')
				if err == nil {
					fmt.Fprint(c, line)
				}
			}()
		}
	}()
	return l
}

// ask returns who answers a new connection, having had a line echoed.
func ask(t *testing.T, b *Balancer) string {
	t.Helper()
	c, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintln(c, "hello")
	r := bufio.NewReader(c)
	name, err := r.ReadString('\n')
	if err != nil {
		return ""
	}
	if echo, err := r.ReadString('\n'); err != nil || echo != "hello\n" {
		t.Errorf("%q, %v came back", echo, err)
	}
	return name[:len(name)-1]
}

func TestSpreads(t *testing.T) {
	b, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got := ask(t, b); got != "" {
		t.Errorf("without servers, %q answers", got)
	}
	one, two := greeter(t, "one"), greeter(t, "two")
	b.Set(one.Addr().String(), two.Addr().String())
	seen := map[string]int{}
	for range 10 {
		seen[ask(t, b)]++
	}
	if seen["one"] != 5 || seen["two"] != 5 {
		t.Errorf("ten connections went to %v", seen)
	}
	one.Close()
	for range 4 {
		if got := ask(t, b); got != "two" {
			t.Errorf("with one closed, %q answers", got)
		}
	}
}

func TestCut(t *testing.T) {
	b, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	b.Set(greeter(t, "one").Addr().String())
	c, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	b.Cut()
	if line, err := r.ReadString('\n'); err == nil {
		t.Errorf("a cut connection says %q", line)
	}
}
