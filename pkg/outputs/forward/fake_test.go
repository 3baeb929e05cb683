package forward

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/rs/zerolog"
	"github.com/tinylib/msgp/msgp"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// deed is what a fake server does with a message.
type deed int

const (
	ack      deed = iota
	refuse        // close, storing nothing
	lose          // store, and close without an ack
	mistake       // store, and acknowledge something else
	hang          // store nothing, and say nothing
	goodbye       // acknowledge, and close
	wantsKey      // store nothing, and say HELO
)

// received is a message as a fake server has got it.
type received struct {
	server, tag, chunk, compressed string
	size                           int
	entries                        []byte
	numbers                        []int
}

// network is servers by their addresses. A message whose chunk id it has already is stored once, as a destination does
// that knows ids.
type network struct {
	t  testing.TB
	do func(m *received) deed // nil: ack; called under mu
	// sink: messages are acknowledged and forgotten. mayFail: connections may break within a message.
	sink, mayFail bool
	delay         func(m *received) time.Duration // of an answer; nil: none

	mu     sync.Mutex
	down   map[string]error // why a server can't be reached
	login  func(conn net.Conn) error
	stuck  map[string]bool // servers that are reached and say nothing
	dials  map[string]int
	open   map[string]int // connections
	got    []received     // stored, in order
	resent int
}

func newNetwork(tb testing.TB) *network {
	tb.Helper()
	return &network{t: tb, down: map[string]error{}, dials: map[string]int{}, open: map[string]int{}}
}

func (n *network) connect(_ context.Context, _, address string) (net.Conn, error) {
	address = strings.TrimSuffix(address, ":24224")
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dials[address]++
	if err := n.down[address]; err != nil {
		return nil, err
	}
	n.open[address]++
	ours, theirs := net.Pipe()
	if n.stuck[address] {
		return ours, nil
	}
	go n.serve(theirs, address)
	return ours, nil
}

func (n *network) serve(conn net.Conn, address string) {
	defer func() {
		conn.Close()
		n.mu.Lock()
		n.open[address]--
		n.mu.Unlock()
	}()
	if n.login != nil && n.login(conn) != nil {
		return
	}
	for {
		m, err := readMessage(conn, n.sink)
		if err != nil {
			if !n.mayFail && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				n.t.Errorf("%s: %v", address, err)
			}
			return
		}
		m.server = address
		reply, more := n.take(m)
		if n.delay != nil {
			time.Sleep(n.delay(m))
		}
		if len(reply) > 0 {
			if _, err := conn.Write(reply); err != nil {
				return
			}
		}
		if !more {
			return
		}
	}
}

// take returns what to answer, and whether the connection goes on.
func (n *network) take(m *received) (reply []byte, more bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := ack
	if n.do != nil {
		d = n.do(m)
	}
	if d != refuse && d != hang && d != wantsKey && !n.sink {
		if m.chunk != "" && slices.ContainsFunc(n.got, func(r received) bool { return r.chunk == m.chunk }) {
			n.resent++
		} else {
			n.got = append(n.got, *m)
		}
	}
	chunk := m.chunk
	switch d {
	case refuse, lose:
		return nil, false
	case hang:
		return nil, true
	case wantsKey:
		return []byte("\x92\xa4HELO\x81\xa5nonce\xa1n"), true
	case mistake:
		chunk = "another"
	case ack, goodbye:
	}
	if chunk == "" {
		return nil, true
	}
	return msgp.AppendString(msgp.AppendString([]byte{0x81}, "ack"), chunk), d != goodbye
}

// numbers returns those of all stored events, in order.
func (n *network) numbers() (all []int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range n.got {
		all = append(all, n.got[i].numbers...)
	}
	return all
}

func (n *network) count(of map[string]int, address string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return of[address]
}

// readMessage reads one message from conn, byte by byte as far as it must.
func readMessage(conn io.Reader, sink bool) (*received, error) {
	var b, part []byte
	part = make([]byte, 64<<10)
	for {
		k, err := conn.Read(part)
		b = append(b, part[:k]...)
		if rest, short := msgp.Skip(b); k > 0 && short == nil {
			if len(rest) > 0 {
				return nil, errors.New("a second message came before the ack of the first")
			}
			return parseMessage(b, sink)
		}
		if err != nil {
			if errors.Is(err, io.EOF) && len(b) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

func parseMessage(b []byte, sink bool) (*received, error) {
	n, b, err := msgp.ReadArrayHeaderBytes(b)
	if err != nil || n != 3 {
		return nil, errors.New("not a packed message")
	}
	m := &received{}
	var payload []byte
	if m.tag, b, err = msgp.ReadStringBytes(b); err != nil {
		return nil, err
	}
	if payload, b, err = msgp.ReadBytesZC(b); err != nil {
		return nil, err
	}
	option, _, err := msgp.ReadMapStrIntfBytes(b, nil)
	if err != nil {
		return nil, err
	}
	m.chunk, _ = option["chunk"].(string)
	m.compressed, _ = option["compressed"].(string)
	m.size = len(payload)
	if sink {
		return m, nil
	}
	var r io.Reader = bytes.NewReader(payload)
	switch m.compressed {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "zstd":
		r, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	}
	if err == nil {
		m.entries, err = io.ReadAll(r)
	}
	for rest := m.entries; len(rest) > 0 && err == nil; {
		var e event.Entry
		if rest, err = event.ReadEntry(rest, &e); err == nil && e.Kind == event.KindEvent && len(e.Record) > 8 {
			m.numbers = append(m.numbers, int(binary.BigEndian.Uint32(e.Record[4:])))
		}
	}
	return m, err
}

// settings returns the defaults, for the servers.
func settings(addresses ...string) Config {
	c := Config{
		Common: outputs.Defaults(), Ack: true, ConnectTimeout: 10 * time.Second, Compression: compressionNone,
		MaxMessageSize: 4 << 20,
		Tag:            "{tag}", Metadata: "drop", Connections: 1, IdleTimeout: 30 * time.Second,
		MaxConnectionAge: 10 * time.Minute,
	}
	for _, a := range addresses {
		c.Servers = append(c.Servers, Server{Address: a, Weight: 1})
	}
	return c
}

// output returns an output of the network's servers; the test's end closes it.
func (n *network) output(cfg Config) *Output {
	n.t.Helper()
	var r setting.Report
	if cfg.Check(&r); len(r.Problems) > 0 {
		n.t.Fatalf("settings: %+v", r.Problems)
	}
	o, err := New(cfg, Options{Hostname: "sender", Log: zerolog.Nop(), connect: n.connect})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		if err := o.Close(); err != nil {
			n.t.Error(err)
		}
	})
	return o
}
