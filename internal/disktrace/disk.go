package disktrace

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
)

// State is a file, or a directory where Dir is not nil.
type State struct {
	Data []byte
	Dir  map[string]*State
}

// Read returns the state of what is at path.
func Read(path string) (*State, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		data, err := os.ReadFile(path)
		return &State{Data: data}, err
	}
	names, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	s := &State{Dir: map[string]*State{}}
	for _, n := range names {
		if s.Dir[n.Name()], err = Read(filepath.Join(path, n.Name())); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Write makes a file or directory at path, where none is, that is like s. Zeros become holes.
func (s *State) Write(path string) error {
	if s.Dir != nil {
		err := os.Mkdir(path, 0o700)
		for name, child := range s.Dir {
			err = errors.Join(err, child.Write(filepath.Join(path, name)))
		}
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	zeros := make([]byte, page)
	err = f.Truncate(int64(len(s.Data)))
	for off := 0; off < len(s.Data) && err == nil; off += page {
		if b := s.Data[off:min(off+page, len(s.Data))]; !bytes.Equal(b, zeros[:len(b)]) {
			_, err = f.WriteAt(b, int64(off))
		}
	}
	return errors.Join(err, f.Close())
}

// Diff says where s differs from o; "": nowhere.
func (s *State) Diff(o *State) string {
	if (s.Dir == nil) != (o.Dir == nil) {
		return ": one is a directory"
	}
	for name, child := range s.Dir {
		other := o.Dir[name]
		if other == nil {
			return "/" + name + ": only one has it"
		}
		if d := child.Diff(other); d != "" {
			return "/" + name + d
		}
	}
	for name := range o.Dir {
		if s.Dir[name] == nil {
			return "/" + name + ": only the other has it"
		}
	}
	if !bytes.Equal(s.Data, o.Data) {
		return fmt.Sprintf(": %d and %d bytes that differ", len(s.Data), len(o.Data))
	}
	return ""
}

const (
	sector = 512
	page   = 4096
)

// Disk follows a trace: what is on it for certain, and what a power cut may take.
type Disk struct {
	trace *Trace
	// at counts the operations that were done.
	at    int
	nodes []diskNode
	// names are in order.
	names []change
}

type diskNode struct {
	// dir is what is on the disk for certain.
	dir map[string]int
	// data is the same.
	data []byte
	// changes are in order.
	changes []change
}

// change is an operation that is not on the disk for certain, or comes after one that is not.
type change struct {
	op   int
	fate fate
}

type fate int

const (
	// open is what lasts until a sync.
	open fate = iota
	// doubted is a sync of it failed: no later one makes it certain.
	doubted
	certain
)

// NewDisk returns the disk before the trace's first operation.
func NewDisk(t *Trace) *Disk {
	d := &Disk{trace: t, nodes: make([]diskNode, len(t.dirs))}
	for i, isDir := range t.dirs {
		if isDir {
			d.nodes[i].dir = map[string]int{}
		}
	}
	for i, n := range t.start {
		d.nodes[i].data = bytes.Clone(n.data)
		if n.dir != nil {
			d.nodes[i].dir = maps.Clone(n.dir)
		}
	}
	return d
}

// Step does the next operation and returns it; nil at the end.
func (d *Disk) Step() *Op {
	if d.at == len(d.trace.Ops) {
		return nil
	}
	op := &d.trace.Ops[d.at]
	switch op.Kind {
	case Write, Resize:
		n := &d.nodes[op.Node]
		n.changes = append(n.changes, change{op: d.at})
	case Link:
		d.names = append(d.names, change{op: d.at})
	case Sync:
		n := &d.nodes[op.Node]
		n.changes = d.sync(n.changes, op, func(*Op) bool { return true }, func(o *Op) { n.data = apply(n.data, o) })
		d.names = d.sync(d.names, op, func(o *Op) bool { return o.Links[0].Dir == op.Node }, func(
			o *Op,
		) {
			rename(d.dirOf, o)
		})
	case None, Mark:
		// No change.
	}
	d.at++
	return op
}

func (d *Disk) dirOf(n int) map[string]int { return d.nodes[n].dir }

// sync returns what is left of changes after a sync: those that are certain, and come after none that
// is not, are settled.
func (d *Disk) sync(changes []change, sync *Op, covered func(*Op) bool, settle func(*Op)) []change {
	for i := range changes {
		c := &changes[i]
		if c.fate != open || c.op >= sync.Covers || !covered(&d.trace.Ops[c.op]) {
			continue
		}
		if c.fate = certain; sync.Failed {
			c.fate = doubted
		}
	}
	for len(changes) > 0 && changes[0].fate == certain {
		settle(&d.trace.Ops[changes[0].op])
		changes = changes[1:]
	}
	return changes
}

// apply does a Write or a Resize.
func apply(data []byte, op *Op) []byte {
	end := int(op.Off) + len(op.Data)
	if op.Kind == Resize {
		end = int(op.Size)
		data = data[:min(len(data), end)]
	}
	if n := end - len(data); n > 0 {
		data = append(data, make([]byte, n)...)
	}
	copy(data[op.Off:], op.Data)
	return data
}

func rename(dir func(int) map[string]int, op *Op) {
	for _, e := range op.Links {
		if e.Node < 0 {
			delete(dir(e.Dir), e.Name)
		} else {
			dir(e.Dir)[e.Name] = e.Node
		}
	}
}

// choice decides what of the uncertain is kept.
type choice struct {
	name func(op int) bool
	// piece is asked of a Write, and of a Resize with off 0.
	piece func(op, off int) bool
	// unit is that of pieces, in bytes; 0: a change is kept as a whole or not at all.
	unit int
}

// Lost returns the state after a cut that takes all that is not certain.
func (d *Disk) Lost() *State {
	return d.state(&choice{name: func(int) bool { return false }, piece: func(int, int) bool { return false }})
}

// Deceived returns the state after a cut that takes what failed syncs should have made certain, and nothing else: what
// a process takes for written that finds it in memory when it starts again.
func (d *Disk) Deceived() *State {
	doubts := map[int]bool{}
	note := func(changes []change) {
		for _, c := range changes {
			doubts[c.op] = doubts[c.op] || c.fate == doubted
		}
	}
	note(d.names)
	for i := range d.nodes {
		note(d.nodes[i].changes)
	}
	return d.state(&choice{
		name: func(op int) bool { return !doubts[op] }, piece: func(op, _ int) bool { return !doubts[op] },
	})
}

// Kept returns the state after a cut that takes nothing, as when only the process is killed.
func (d *Disk) Kept() *State {
	return d.state(&choice{name: func(int) bool { return true }, piece: func(int, int) bool { return true }})
}

// Random returns a state after a cut, as r has it: of a disk that writes in order and was stopped
// anywhere, or of one that writes whatever it likes, in sectors, pages or whole.
func (d *Disk) Random(r *rand.Rand) *State {
	units := [...]int{sector, page, 0}
	c := &choice{unit: units[r.IntN(len(units))]}
	stop := r.IntN(d.at + 1)
	if changes := d.uncertain(); len(changes) > 0 {
		stop = changes[r.IntN(len(changes))]
	}
	c.name = func(op int) bool { return op < stop }
	if r.IntN(4) == 0 {
		torn := r.IntN(1 << 18)
		c.piece = func(op, off int) bool { return op < stop || op == stop && off < torn }
		return d.state(c)
	}
	likely := [...]float64{0.1, 0.5, 0.9}
	kept := likely[r.IntN(len(likely))]
	c.piece = func(int, int) bool { return r.Float64() < kept }
	if r.IntN(2) == 0 {
		// Names in any order too, not as a journal keeps them.
		c.name = func(int) bool { return r.Float64() < kept }
	}
	return d.state(c)
}

// uncertain returns the operations that a cut may take.
func (d *Disk) uncertain() (ops []int) {
	for _, c := range d.names {
		ops = append(ops, c.op)
	}
	for i := range d.nodes {
		for _, c := range d.nodes[i].changes {
			ops = append(ops, c.op)
		}
	}
	return ops
}

// state returns what c keeps.
func (d *Disk) state(c *choice) *State {
	dirs := map[int]map[string]int{}
	for i := range d.nodes {
		if d.nodes[i].dir != nil {
			dirs[i] = maps.Clone(d.nodes[i].dir)
		}
	}
	for _, ch := range d.names {
		if ch.fate == certain || c.name(ch.op) {
			rename(func(n int) map[string]int { return dirs[n] }, &d.trace.Ops[ch.op])
		}
	}
	return d.build(0, dirs, c)
}

func (d *Disk) build(n int, dirs map[int]map[string]int, c *choice) *State {
	if dir, ok := dirs[n]; ok {
		s := &State{Dir: map[string]*State{}}
		for _, name := range slices.Sorted(maps.Keys(dir)) {
			// They are in order, so that a seed repeats a state.
			s.Dir[name] = d.build(dir[name], dirs, c)
		}
		return s
	}
	data := bytes.Clone(d.nodes[n].data)
	for _, ch := range d.nodes[n].changes {
		op := &d.trace.Ops[ch.op]
		unit := c.unit
		if unit == 0 || op.Kind == Resize || ch.fate == certain {
			unit = max(1, len(op.Data))
		}
		for off := 0; off == 0 || off < len(op.Data); {
			// Pieces lie at multiples of the unit.
			end := min(off+unit-int(op.Off+int64(off))%unit, len(op.Data))
			if unit != c.unit {
				end = len(op.Data)
			}
			if ch.fate == certain || c.piece(ch.op, off) {
				data = apply(data, &Op{Kind: op.Kind, Off: op.Off + int64(off), Size: op.Size, Data: op.Data[off:end]})
			}
			if off = end; end == 0 {
				break
			}
		}
	}
	return &State{Data: data}
}
