package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// firstSocket is the descriptor of the first socket that systemd hands over.
const firstSocket = 3

// maxSockets bounds how many are taken.
const maxSockets = 256

// Sockets are those that a socket unit listens on and hands over at the start of the program. They stay open while it
// is started again, so that agents wait instead of being refused. The zero value has none.
type Sockets struct {
	all []socket
}

// socket is one of them; one of stream and packet is set, until it is taken.
type socket struct {
	name   string
	stream net.Listener
	packet net.PacketConn
}

func (s *socket) address() net.Addr {
	if s.stream != nil {
		return s.stream.Addr()
	}
	return s.packet.LocalAddr()
}

// Inherit returns the sockets that the environment says were handed over: LISTEN_FDS of them, with the names in
// LISTEN_FDNAMES, for the process LISTEN_PID, which has to be pid.
func Inherit(getenv func(name string) string, pid int) (*Sockets, error) {
	s := &Sockets{}
	if getenv("LISTEN_PID") != strconv.Itoa(pid) {
		return s, nil
	}
	n, err := strconv.Atoi(getenv("LISTEN_FDS"))
	if err != nil || n < 0 || n > maxSockets {
		return nil, fmt.Errorf("LISTEN_FDS=%q is no number of sockets up to %d: start the program by its socket "+
			"unit, or "+
			"without the variable", getenv("LISTEN_FDS"), maxSockets)
	}
	names := strings.Split(getenv("LISTEN_FDNAMES"), ":")
	for i := range n {
		one := socket{}
		if i < len(names) {
			one.name = names[i]
		}
		if err := one.open(firstSocket + i); err != nil {
			return nil, errors.Join(fmt.Errorf("take socket %d, %q, from systemd: %w", i+1, one.name, err), s.Close())
		}
		s.all = append(s.all, one)
	}
	return s, nil
}

// open makes a listener of a descriptor, which the programs that this one starts shall not have.
func (s *socket) open(fd int) error {
	syscall.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), s.name)
	if f == nil {
		return syscall.EBADF
	}
	var err error
	if s.stream, err = net.FileListener(f); err != nil {
		var other error
		if s.packet, other = net.FilePacketConn(f); other != nil {
			err = fmt.Errorf("it is neither a stream that is listened on nor a packet socket: %w", err)
		} else {
			s.stream, err = nil, nil
		}
	}
	// The listener has a copy.
	return errors.Join(err, f.Close())
}

// Take returns the sockets of a listener: those with its name, or else those at its address, host:port or unix:PATH;
// nil where there are none. They are the caller's, and are not returned again.
func (s *Sockets) Take(name, address string) (stream net.Listener, packet net.PacketConn) {
	named := slices.ContainsFunc(s.all, func(one socket) bool { return one.name == name })
	s.all = slices.DeleteFunc(s.all, func(one socket) bool {
		if named && one.name != name || !named && !sameAddress(one.address(), address) {
			return false
		}
		switch {
		case one.stream != nil && stream == nil:
			stream = one.stream
		case one.packet != nil && packet == nil:
			packet = one.packet
		default:
			return false
		}
		return true
	})
	return stream, packet
}

// sameAddress says whether a socket is bound to what a setting says. A host that stands for all is any.
func sameAddress(addr net.Addr, setting string) bool {
	if path, ok := strings.CutPrefix(setting, "unix:"); ok {
		return addr.Network() == "unix" && addr.String() == path
	}
	host, port, err := net.SplitHostPort(setting)
	boundHost, boundPort, errBound := net.SplitHostPort(addr.String())
	if err != nil || errBound != nil || port != boundPort {
		return false
	}
	everywhere := func(host string) bool { return host == "" || host == "0.0.0.0" || host == "::" }
	return host == boundHost || everywhere(host) && everywhere(boundHost)
}

// Left returns those that nobody has taken, as name and address.
func (s *Sockets) Left() (names []string) {
	for i := range s.all {
		names = append(names, fmt.Sprintf("%s (%s)", s.all[i].name, s.all[i].address()))
	}
	return names
}

// Close closes those that nobody has taken. systemd keeps its own.
func (s *Sockets) Close() error {
	var errs []error
	for _, one := range s.all {
		if one.stream != nil {
			errs = append(errs, one.stream.Close())
		} else {
			errs = append(errs, one.packet.Close())
		}
	}
	s.all = nil
	return errors.Join(errs...)
}
