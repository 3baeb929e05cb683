package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/seed-afc6a195/aggregator/test/nats"
)

// servers are three NATS servers that keep a queue, each a process of its own.
type servers struct {
	urls      []string
	processes []*exec.Cmd
}

// startServers starts them with files of their own in dir, and waits until each is healthy.
func startServers(ctx context.Context, dir string) (s *servers, err error) {
	binary, err := nats.Install()
	if err != nil {
		return nil, err
	}
	// Addresses of a server: for clients, for the others, for who watches it.
	const each = 3
	addresses, err := freeAddresses(ctx, 3*each)
	if err != nil {
		return nil, err
	}
	var routes []string
	for i := 1; i < len(addresses); i += each {
		routes = append(routes, "nats://"+addresses[i])
	}
	s = &servers{}
	defer func() {
		if err != nil {
			_, stopped := s.stop()
			err = errors.Join(err, stopped)
		}
	}()
	for i := range routes {
		at, home := addresses[each*i:], filepath.Join(dir, fmt.Sprint("nats-", i))
		file := home + ".conf"
		text := fmt.Sprintf("server_name: n%d\nlisten: %s\nhttp: %s\njetstream {store_dir: %q, max_file_store: 64GB}\n"+
			"max_payload: 8MB\ncluster {name: bench, listen: %s, routes: [%s]}\n", i, at[0], at[2], home, at[1],
			strings.Join(routes, ", "))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return nil, err
		}
		cmd := exec.CommandContext(ctx, binary, "-c", file)
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		s.urls, s.processes = append(s.urls, "nats://"+at[0]), append(s.processes, cmd)
	}
	for i := range routes {
		if err := awaitHealthy(ctx, addresses[each*i+2]); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// freeAddresses returns addresses of this machine that nobody listens on.
func freeAddresses(ctx context.Context, n int) (addresses []string, err error) {
	for range n {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		// Together, so that they differ.
		defer func() { _ = l.Close() }()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}

// awaitHealthy waits until the server that is watched there says that it is healthy.
func awaitHealthy(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/healthz", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			// Nothing is read of it.
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the NATS server at %s is not healthy after a minute: %w", address, ctx.Err())
		}
	}
}

// used returns the processor time that the servers have used so far.
func (s *servers) used() (used time.Duration, err error) {
	for _, p := range s.processes {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
		if err != nil {
			return 0, err
		}
		// What comes before is the name, which may have blanks.
		_, after, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(after)
		const user, system, tick = 11, 12, 10 * time.Millisecond
		for _, field := range []string{fields[user], fields[system]} {
			n, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return 0, err
			}
			used += time.Duration(n) * tick
		}
	}
	return used, nil
}

// stop ends the servers and returns the processor time that they have used.
func (s *servers) stop() (used time.Duration, err error) {
	for _, p := range s.processes {
		err = errors.Join(err, p.Process.Signal(syscall.SIGTERM))
	}
	for _, p := range s.processes {
		if failed := p.Wait(); p.ProcessState == nil {
			err = errors.Join(err, failed)
			continue
		}
		used += p.ProcessState.UserTime() + p.ProcessState.SystemTime()
	}
	return used, err
}
