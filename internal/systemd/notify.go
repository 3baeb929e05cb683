// Package systemd tells systemd how the program is: that it is ready, that it stops, and, where a watchdog is set, that
// it is alive. Each is a datagram to a socket that systemd names in the environment, which is less than a library for
// it.
package systemd

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"
)

// States that Notify takes; several may be joined by line feeds.
const (
	Ready    = "READY=1"
	Stopping = "STOPPING=1"
	watchdog = "WATCHDOG=1"
)

// Notifier sends states to systemd. The zero value, for a program that systemd has not started, does nothing.
type Notifier struct {
	socket string
	// every is the time between two signs of life; 0: none is wanted.
	every time.Duration
}

// New returns a Notifier for what the environment says: NOTIFY_SOCKET, WATCHDOG_USEC, and WATCHDOG_PID, which has to be
// pid where it is set.
func New(getenv func(name string) string, pid int) Notifier {
	n := Notifier{socket: getenv("NOTIFY_SOCKET")}
	if n.socket != "" && n.socket[0] == '@' {
		// Linux' abstract names.
		n.socket = "\x00" + n.socket[1:]
	}
	usec, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	if wanted := getenv("WATCHDOG_PID"); err == nil && usec > 0 && (wanted == "" || wanted == strconv.Itoa(pid)) {
		n.every = time.Duration(usec) * time.Microsecond / 3
	}
	return n
}

// Notify sends a state, and does nothing where nobody is to be told. It waits, until ctx ends, while systemd does not
// read what it was sent before.
func (n Notifier) Notify(ctx context.Context, state string) error {
	if n.socket == "" {
		return nil
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unixgram", n.socket)
	if err != nil {
		return fmt.Errorf("tell systemd %q: %w", state, err)
	}
	// A datagram is sent or not.
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Unix(1, 0)) })()
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("tell systemd %q: %w", state, err)
	}
	return nil
}

// Watch sends signs of life until ctx ends, three in the time that the watchdog waits, and none while healthy says no:
// then systemd starts the program again. It returns at once where no watchdog is set.
func (n Notifier) Watch(ctx context.Context, healthy func() bool) {
	if n.socket == "" || n.every <= 0 {
		return
	}
	tick := time.NewTicker(n.every)
	defer tick.Stop()
	for {
		if healthy() {
			// The next one may reach it, and the watchdog notices if none does.
			_ = n.Notify(ctx, watchdog)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
