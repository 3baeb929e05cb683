package socket

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"
)

// direct reads and writes a connection without telling Go's scheduler of each call: a socket that doesn't block
// answers within microseconds. The calls that the scheduler is told of wake its monitor thread in a process that was
// idle, over and over where small messages come a few at a time, which costs more than the calls themselves.
//
// One goroutine may read while another one writes.
type direct struct {
	// raw is nil for what is no socket of the system's.
	raw syscall.RawConn

	reading, writing transfer
}

// transfer is one Read or Write.
type transfer struct {
	// trap is the system call's number.
	trap uintptr
	// once makes the call when the socket is ready, and reports whether it was.
	once func(fd uintptr) bool
	// rest is what is left to do.
	rest []byte
	// n and errno are what the call has returned.
	n     int
	errno syscall.Errno
}

// begin gets ready to use a connection; raw may be nil.
func (d *direct) begin(raw syscall.RawConn) {
	d.raw = raw
	d.reading.trap, d.writing.trap = syscall.SYS_READ, syscall.SYS_WRITE
	d.reading.once, d.writing.once = d.reading.call, d.writing.call
}

func (t *transfer) call(fd uintptr) bool {
	for {
		at := unsafe.Pointer(&t.rest[0]) //nolint:gosec // the bytes to read to or to write, rest's own
		n, _, errno := syscall.RawSyscall(t.trap, fd, uintptr(at), uintptr(len(t.rest)))
		if errno == syscall.EAGAIN {
			return false
		}
		if errno != syscall.EINTR {
			t.n, t.errno = int(n), errno
			return true
		}
	}
}

// read reads from nc once.
func (d *direct) read(nc net.Conn, p []byte) (int, error) {
	if d.raw == nil || len(p) == 0 {
		return nc.Read(p)
	}
	t := &d.reading
	t.rest = p
	defer func() { t.rest = nil }()
	switch err := d.raw.Read(t.once); {
	case err != nil:
		return 0, err
	case t.errno != 0:
		return 0, fault("read", nc, t.errno)
	case t.n == 0:
		return 0, io.EOF
	}
	return t.n, nil
}

// write writes all of p to nc.
func (d *direct) write(nc net.Conn, p []byte) (int, error) {
	if d.raw == nil {
		return nc.Write(p)
	}
	t := &d.writing
	t.rest = p
	defer func() { t.rest = nil }()
	for len(t.rest) > 0 {
		err := d.raw.Write(t.once)
		if err == nil && t.errno != 0 {
			err = fault("write", nc, t.errno)
		}
		if err != nil {
			return len(p) - len(t.rest), err
		}
		t.rest = t.rest[t.n:]
	}
	return len(p), nil
}

// fault is the error of a call as package net has it.
func fault(call string, nc net.Conn, errno syscall.Errno) error {
	return &net.OpError{
		Op: call, Net: nc.LocalAddr().Network(), Source: nc.LocalAddr(), Addr: nc.RemoteAddr(),
		Err: os.NewSyscallError(call, errno),
	}
}
