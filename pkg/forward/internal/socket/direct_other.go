//go:build !linux

package socket

import (
	"net"
	"syscall"
)

// direct reads and writes as package net does.
type direct struct{}

func (*direct) begin(syscall.RawConn) {}

func (*direct) read(nc net.Conn, p []byte) (int, error) { return nc.Read(p) }

func (*direct) write(nc net.Conn, p []byte) (int, error) { return nc.Write(p) }
