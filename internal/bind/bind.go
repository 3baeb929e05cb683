// Package bind says what to do where an address can't be listened on.
package bind

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
)

// Advise adds to an error of listening on address what to do about it. The address is the value of the configuration's
// key.
func Advise(err error, address, key string) error {
	if hint := hint(err, address, key); hint != "" {
		return fmt.Errorf("%w; %s", err, hint)
	}
	return err
}

func hint(err error, address, key string) string {
	path, isSocket := strings.CutPrefix(address, "unix:")
	var name *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "stop what listens there, or set another " + key
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.As(err, &name):
		return "set " + key + " to an address of this machine, or to 0.0.0.0 or [::] for all of them"
	case isSocket && errors.Is(err, fs.ErrNotExist):
		return "make its directory, or set another " + key
	case isSocket && errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("let user %d, which this runs as, write in its directory, or set another %s", os.Getuid(),
			key)
	case isSocket && errors.Is(err, syscall.EINVAL) && len(path) > longest:
		return fmt.Sprintf("the path of a socket has at most %d bytes: set another %s", longest, key)
	case errors.Is(err, fs.ErrPermission):
		return "ports below 1024 need CAP_NET_BIND_SERVICE, or a socket of systemd's; or set another " + key
	}
	return ""
}

// longest is how many bytes the path of a Unix socket may have.
const longest = len(syscall.RawSockaddrUnix{}.Path) - 1
