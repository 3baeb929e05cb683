// Package disktrace says what a disk may hold after a power cut. It reads what strace recorded of a
// process, and makes of it every state that a disk is allowed to keep: what was synced is there, what
// was not is there, is not, or is there in part.
package disktrace

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Kind is what an operation does.
type Kind int

// The kinds of operations.
const (
	None   Kind = iota // it failed and changed nothing
	Write              // Data to Node at Off
	Resize             // Node to Size
	Sync               // Node, a file or a directory, as it was when Covers operations had begun
	Link               // Links
	Mark               // Data was written to the standard output: no change of the disk
)

// Op is one operation, in the order in which they began; a Sync stands where it ended.
type Op struct {
	Kind   Kind
	Node   int
	Off    int64
	Size   int64
	Data   []byte
	Covers int
	// Failed is, of a Sync, that what it should have made durable may be lost for good.
	Failed bool
	Links  []Entry
}

// Entry is a name that a directory gets, or loses where Node is below 0.
type Entry struct {
	Dir  int
	Name string
	Node int
}

// Trace is what a process did below a directory.
type Trace struct {
	Ops []Op
	// Injected counts calls that failed because strace was told so.
	Injected int
	start    []node
	dirs     []bool // which of all nodes are directories
}

// node is a file or directory while the trace is read.
type node struct {
	// dir is nil for a file.
	dir map[string]int
	// data is what the file holds at the start.
	data []byte
	size int64
}

type descriptor struct {
	node   int
	at     int64
	append bool
}

// call is one system call.
type call struct {
	name string
	args []string
	// op is its place in Ops; below 0: none yet.
	op    int
	begun int // operations that had begun before it
	ret   int64
}

type parser struct {
	Trace
	root  string
	nodes []node
	fds   map[string]*descriptor
	// open is by thread.
	open map[string]*call
}

// Parse reads the trace of a process that found the directory root, an absolute path, as start.
func Parse(log io.Reader, root string, start *State) (*Trace, error) {
	p := &parser{root: filepath.Clean(root), fds: map[string]*descriptor{}, open: map[string]*call{}}
	p.add(start)
	p.start = slices.Clone(p.nodes)
	// What happens later must not show in it.
	for i, n := range p.start {
		p.start[i].dir = maps.Clone(n.dir)
	}
	lines := bufio.NewReaderSize(log, 1<<20)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			for _, n := range p.nodes {
				p.dirs = append(p.dirs, n.dir != nil)
			}
			return &p.Trace, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read trace: %w", err)
		}
		if err := p.line(string(bytes.TrimSpace(line))); err != nil {
			return nil, fmt.Errorf("line %d of the trace: %w: %.200q", n, err, line)
		}
	}
}

// add makes nodes of what s holds and returns the number of its top.
func (p *parser) add(s *State) int {
	at := len(p.nodes)
	p.nodes = append(p.nodes, node{data: s.Data, size: int64(len(s.Data))})
	if s.Dir != nil {
		dir := map[string]int{}
		for name, child := range s.Dir {
			dir[name] = p.add(child)
		}
		p.nodes[at].dir = dir
	}
	return at
}

// line reads one line: a whole call, its beginning or its end.
func (p *parser) line(line string) error {
	thread, rest, ok := strings.Cut(line, " ")
	if !ok {
		return errors.New("no call")
	}
	rest = strings.TrimSpace(rest)
	if strings.HasPrefix(rest, "+++") || strings.HasPrefix(rest, "---") || strings.HasPrefix(rest, "???") {
		// The thread's end.
		return nil
	}
	if after, ok := strings.CutPrefix(rest, "<... "); ok {
		c := p.open[thread]
		_, after, resumed := strings.Cut(after, " resumed>")
		if c == nil || !resumed {
			return errors.New("the end of no call")
		}
		delete(p.open, thread)
		return p.end(c, after)
	}
	name, rest, ok := strings.Cut(rest, "(")
	if !ok {
		return errors.New("no call")
	}
	args, ret, whole := cutLast(rest, ") = ")
	if !whole {
		if args, ok = strings.CutSuffix(rest, "<unfinished ...>"); !ok {
			// Padded: ")   = 0".
			args, ret, whole = cutLast(rest, " = ")
			if !whole {
				return errors.New("no result")
			}
			args = strings.TrimSuffix(strings.TrimSpace(args), ")")
		}
	}
	c := &call{name: name, args: split(args), op: -1, begun: len(p.Ops)}
	if len(c.args) < fewest(name) {
		return fmt.Errorf("%s with %d arguments", name, len(c.args))
	}
	if err := p.begin(c); err != nil {
		return err
	}
	if !whole {
		p.open[thread] = c
		return nil
	}
	return p.end(c, ") = "+ret)
}

// begin notes what a call does from its beginning on.
func (p *parser) begin(c *call) error {
	switch c.name {
	case "close":
		delete(p.fds, c.args[0])
	case "write", "pwrite64":
		if d := p.fds[c.args[0]]; d != nil || c.args[0] == "1" {
			data, err := unquote(c.args[1])
			if err != nil {
				return err
			}
			c.op = len(p.Ops)
			op := Op{Data: data}
			if d != nil {
				op.Node = d.node
			}
			p.Ops = append(p.Ops, op)
		}
	}
	return nil
}

// end notes what a call has done. result is what follows its arguments.
func (p *parser) end(c *call, result string) error {
	_, ret, ok := cutLast(result, "= ")
	if !ok {
		return errors.New("no result")
	}
	if strings.HasSuffix(ret, "(INJECTED)") {
		p.Injected++
	}
	word, _, _ := strings.Cut(ret, " ")
	n, err := strconv.ParseInt(word, 0, 64)
	c.ret = n
	// "?" too.
	failed := err != nil || n < 0
	switch c.name {
	case "openat":
		if !failed {
			return p.opened(c)
		}
	case "write", "pwrite64":
		if !failed {
			return p.wrote(c)
		}
	case "fsync", "fdatasync":
		if d := p.fds[c.args[0]]; d != nil {
			p.Ops = append(p.Ops, Op{Kind: Sync, Node: d.node, Covers: c.begun, Failed: failed})
		}
	case "ftruncate":
		if d := p.fds[c.args[0]]; d != nil && !failed {
			size, err := strconv.ParseInt(strings.TrimSuffix(c.args[1], ")"), 0, 64)
			if err != nil {
				return err
			}
			p.resize(d.node, size)
		}
	case "close":
	default:
		if !failed {
			return p.named(c)
		}
	}
	return nil
}

func (p *parser) resize(n int, size int64) {
	p.nodes[n].size = size
	p.Ops = append(p.Ops, Op{Kind: Resize, Node: n, Size: size})
}

func (p *parser) wrote(c *call) error {
	if c.op < 0 {
		return nil
	}
	op := &p.Ops[c.op]
	if c.ret > int64(len(op.Data)) {
		return fmt.Errorf("%d bytes are written, the trace has %d", c.ret, len(op.Data))
	}
	op.Data = op.Data[:c.ret]
	d := p.fds[c.args[0]]
	if d == nil {
		op.Kind = Mark
		return nil
	}
	op.Kind = Write
	switch {
	case c.name == "pwrite64":
		off, err := strconv.ParseInt(c.args[3], 0, 64)
		if err != nil {
			return err
		}
		op.Off = off
	case d.append:
		op.Off = p.nodes[d.node].size
	default:
		op.Off = d.at
		d.at += c.ret
	}
	p.nodes[d.node].size = max(p.nodes[d.node].size, op.Off+c.ret)
	return nil
}

func (p *parser) opened(c *call) error {
	path, err := unquote(c.args[1])
	if err != nil {
		return err
	}
	fd := strconv.FormatInt(c.ret, 10)
	delete(p.fds, fd)
	dir, name, ok := p.find(string(path))
	if !ok {
		return nil // not below the root
	}
	flags := "|" + c.args[2] + "|"
	n := dir
	if name != "" {
		var exists bool
		if n, exists = p.nodes[dir].dir[name]; !exists {
			if !strings.Contains(flags, "|O_CREAT|") {
				return fmt.Errorf("%s is not known", path)
			}
			n = p.create(dir, name, nil)
		} else if strings.Contains(flags, "|O_TRUNC|") {
			p.resize(n, 0)
		}
	}
	p.fds[fd] = &descriptor{node: n, append: strings.Contains(flags, "|O_APPEND|")}
	return nil
}

func (p *parser) create(dir int, name string, children map[string]int) int {
	n := len(p.nodes)
	p.nodes = append(p.nodes, node{dir: children})
	p.link(Entry{dir, name, n})
	return n
}

// link changes names, all at once.
func (p *parser) link(entries ...Entry) {
	for _, e := range entries {
		if e.Node < 0 {
			delete(p.nodes[e.Dir].dir, e.Name)
		} else {
			p.nodes[e.Dir].dir[e.Name] = e.Node
		}
	}
	p.Ops = append(p.Ops, Op{Kind: Link, Links: entries})
}

// named does what changes names.
func (p *parser) named(c *call) error {
	var paths []string
	for _, a := range c.args {
		if strings.HasPrefix(a, `"`) {
			path, err := unquote(a)
			if err != nil {
				return err
			}
			paths = append(paths, string(path))
		}
	}
	if len(paths) == 0 {
		return errors.New("no path")
	}
	dir, name, ok := p.find(paths[0])
	if !ok {
		return nil
	}
	n, exists := p.nodes[dir].dir[name]
	if strings.HasPrefix(c.name, "mkdir") {
		p.create(dir, name, map[string]int{})
		return nil
	}
	if !exists {
		return fmt.Errorf("%s is not known", paths[0])
	}
	gone := Entry{dir, name, -1}
	if strings.HasPrefix(c.name, "unlink") || c.name == "rmdir" {
		p.link(gone)
		return nil
	}
	if len(paths) != 2 {
		return errors.New("no second path")
	}
	dir2, name2, ok := p.find(paths[1])
	if !ok {
		return fmt.Errorf("%s is outside", paths[1])
	}
	if strings.HasPrefix(c.name, "link") {
		p.link(Entry{dir2, name2, n})
	} else {
		p.link(gone, Entry{dir2, name2, n})
	}
	return nil
}

// find returns the directory that path lies in and its name there, "" for the root itself.
func (p *parser) find(path string) (dir int, name string, ok bool) {
	rel, below := strings.CutPrefix(filepath.Clean(path), p.root)
	if !below || rel != "" && rel[0] != '/' {
		return 0, "", false
	}
	parts := strings.Split(strings.TrimPrefix(rel, "/"), "/")
	for _, part := range parts[:len(parts)-1] {
		if dir, ok = p.nodes[dir].dir[part]; !ok {
			return 0, "", false
		}
	}
	// Nothing is in a file.
	return dir, parts[len(parts)-1], p.nodes[dir].dir != nil
}
