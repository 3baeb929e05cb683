//go:build failpoints

// Package failpoint is described in failpoint.go.
package failpoint

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Variable arms points.
const Variable = "AGG_FAILPOINT"

// ErrFailed is what a point returns that fails.
var ErrFailed = errors.New("fail point")

// Pass is where the process may be killed.
func Pass(name string) { _ = Error(name) }

// Error is Pass where an error can be returned too. The name is the operation that then has failed.
func Error(name string) error {
	all, err := armed()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", Variable, err)
		os.Exit(2)
	}
	p := all[name]
	if p == nil || !p.reached() {
		return nil
	}
	if !p.kill {
		return fmt.Errorf("%w %s", ErrFailed, name)
	}
	fmt.Fprintf(os.Stderr, "killed at fail point %s\n", name)
	// Nothing stands in the way of one's own end.
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// point is an armed point.
type point struct {
	kill   bool
	onward bool // all passes from at on

	mu   sync.Mutex
	left int // passes before the one that counts
}

// reached counts a pass.
func (p *point) reached() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left--
	return p.left == 0 || p.left < 0 && p.onward
}

var armed = sync.OnceValues(func() (
	map[string]*point, error,
) {
	return parse(os.Getenv(Variable))
}) //nolint:gochecknoglobals // the process's environment

// parse reads settings name=action@n.
func parse(text string) (map[string]*point, error) {
	all := map[string]*point{}
	for setting := range strings.SplitSeq(text, ",") {
		if setting == "" {
			continue
		}
		name, action, _ := strings.Cut(setting, "=")
		action, at, counted := strings.Cut(action, "@")
		p := &point{kill: action == "kill", left: 1}
		if counted {
			at, p.onward = strings.CutSuffix(at, "+")
			n, err := strconv.Atoi(at)
			if err != nil || n < 1 {
				return nil, fmt.Errorf("%q: write name=kill@n or name=fail@n with n from 1 on", setting)
			}
			p.left = n
		}
		if name == "" || !p.kill && action != "fail" {
			return nil, fmt.Errorf("%q: write name=kill@n or name=fail@n with n from 1 on", setting)
		}
		all[name] = p
	}
	return all, nil
}
