// Package boltfile reads and guards bbolt files that may be damaged, and holds what every file beside them needs: checksums,
// the directory's lock, names that survive a power loss, and quarantine for what can't be read. It knows nobody.
package buffer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"os"
)

// pages reads a bbolt file without bbolt. A damaged page is an error here: bbolt would panic, follow a
// page that is its own ancestor until the memory is used up, or fault in its map of the file, and some
// of that no one can recover from. Everything that was written before is read this way.
//
// Layout, little-endian: two meta pages, then branch and leaf pages; a page is followed by as many
// pages of 4096 bytes as its overflow says.
//
//	page    0 id, 8 flags (2 bytes), 10 count (2), 12 overflow (4), 16 elements
//	branch  0 position of the key, counted from here (4), 4 its length (4), 8 page (8)
//	leaf    0 flags (4), 4 position (4), 8 length of the key (4), 12 of the value (4); the value follows the key
//	bucket  the value of a leaf with flag 1: 0 root page (8), 8 sequence (8); where the root is 0 a page follows
type pages struct {
	f    *os.File
	root uint64
	high uint64 // pages in use
	txid uint64 // of the last transaction; the first is 2
}

// pageSize is bbolt's, everywhere alike.
const pageSize = 4096

const (
	pageHead   = 16
	branchFlag = 1
	leafFlag   = 2
	bucketFlag = 1 // of a leaf's element
	maxDepth   = 32
)

// openPages opens the file at path. It must be as long as its newest meta page says.
func openPages(path string) (*pages, error) {
	f, err := os.Open(path) //nolint:gosec // in the directory that the operator named
	if err != nil {
		return nil, err
	}
	p, err := readPages(f)
	if err != nil {
		_ = f.Close() // only read from
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return p, nil
}

// readPages returns the pages of an open file, which stays the caller's unless the result is closed.
func readPages(f *os.File) (*pages, error) {
	p := &pages{f: f}
	if err := p.readMeta(); err != nil {
		return nil, err
	}
	return p, nil
}

// allocated returns the bytes of disk that the file takes.
func (p *pages) allocated() (int64, error) {
	st, err := p.f.Stat()
	if err != nil {
		return 0, err
	}
	return allocated(st), nil
}

func (p *pages) close() { _ = p.f.Close() } // only read from

// readMeta reads the newest meta page. The one before it must be whole too: where the newest was
// damaged, that one would show the file as it was a transaction ago.
func (p *pages) readMeta() error {
	st, err := p.f.Stat()
	if err != nil {
		return err
	}
	const (
		magic  = 0xED0CDAED
		rootAt = 16      // after magic, version, page size, flags
		highAt = 16 + 24 // after the root bucket and the list of free pages
		txidAt = highAt + 8
		sumAt  = txidAt + 8
	)
	var txids [2]uint64
	for page := range txids {
		var b [pageHead + sumAt + 8]byte
		if _, err := p.f.ReadAt(b[:], int64(page)*pageSize); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		m := b[pageHead:]
		sum := fnv.New64a()
		_, _ = sum.Write(m[:sumAt]) // never fails
		if binary.LittleEndian.Uint32(m) != magic || sum.Sum64() != binary.LittleEndian.Uint64(m[sumAt:]) {
			return fmt.Errorf("meta page %d makes no sense: %w", page, errDamaged)
		}
		if txids[page] = binary.LittleEndian.Uint64(m[txidAt:]); page == 0 || txids[1] > txids[0] {
			p.root, p.high, p.txid = binary.LittleEndian.Uint64(m[rootAt:]), binary.LittleEndian.Uint64(m[highAt:]), txids[page]
		}
	}
	if txids[0] != txids[1]+1 && txids[1] != txids[0]+1 {
		return fmt.Errorf("meta pages of transactions %d and %d: %w", txids[0], txids[1], errDamaged)
	}
	if need := int64(min(p.high, math.MaxInt64/pageSize) * pageSize); st.Size() < need {
		return fmt.Errorf("file has %d of %d bytes: %w", st.Size(), need, errDamaged)
	}
	return nil
}

// element is a key of a tree. Its bytes may be kept.
type element struct {
	bucket bool
	key    []byte
	value  []byte
	off    int64 // of the value, in the file
}

// tree is a bucket, or the top of the file, which holds the buckets.
type tree struct {
	p        *pages
	root     uint64
	inline   []byte // where the root is 0
	off      int64  // of inline
	sequence uint64
}

func (p *pages) top() *tree { return &tree{p: p, root: p.root} }

// walk is a walk through a tree.
type walk struct {
	*tree
	fn   func(element) error
	torn func(error) // told of damaged pages, which are passed over; nil: they end the walk
	seen map[uint64]bool
	last []byte // key
	edge []byte // only the pages that lead to this key, which is behind all others; nil: all
}

// each calls fn for each key, in order, until it returns an error.
func (t *tree) each(fn func(element) error) error { return t.eachWhole(fn, nil) }

// eachWhole is each, but passes over damaged pages, which it tells torn of.
func (t *tree) eachWhole(fn func(element) error, torn func(error)) error {
	w := &walk{tree: t, fn: fn, torn: torn, seen: map[uint64]bool{}}
	return w.start()
}

// edge looks at the pages that bbolt reads to add the key behind all others.
func (t *tree) edge(key []byte) error {
	w := &walk{tree: t, fn: func(element) error { return nil }, seen: map[uint64]bool{}, edge: key}
	return w.start()
}

func (w *walk) start() error {
	if w.root == 0 {
		return w.check(w.leaf(w.inline, w.off))
	}
	return w.page(w.root, 0)
}

// errPage is a damaged page, apart from what fn returned.
type errPage struct{ error }

func (e errPage) Unwrap() error { return e.error }

// check passes over damaged pages.
func (w *walk) check(err error) error {
	var damage errPage
	if w.torn != nil && errors.As(err, &damage) {
		w.torn(damage.error)
		return nil
	}
	return err
}

func damagedPage(id uint64, format string, args ...any) error {
	return errPage{fmt.Errorf("page %d %s: %w", id, fmt.Sprintf(format, args...), errDamaged)}
}

// page walks through the page id and what is below it.
func (w *walk) page(id uint64, depth int) error { return w.check(w.strictPage(id, depth)) }

func (w *walk) strictPage(id uint64, depth int) error {
	if id < 2 || id >= w.p.high || depth > maxDepth || w.seen[id] {
		return damagedPage(id, "can't be where it is")
	}
	w.seen[id] = true
	var head [pageHead]byte
	if _, err := w.p.f.ReadAt(head[:], int64(id)*pageSize); err != nil {
		return fmt.Errorf("read page %d: %w", id, err)
	}
	n := uint64(binary.LittleEndian.Uint32(head[12:])) + 1
	if binary.LittleEndian.Uint64(head[:]) != id || n > w.p.high-id {
		return damagedPage(id, "says that it is page %d with %d more", binary.LittleEndian.Uint64(head[:]), n-1)
	}
	b := make([]byte, n*pageSize)
	if _, err := w.p.f.ReadAt(b, int64(id)*pageSize); err != nil {
		return fmt.Errorf("read page %d: %w", id, err)
	}
	switch flags := binary.LittleEndian.Uint16(b[8:]); flags {
	case leafFlag:
		return w.leaf(b, int64(id)*pageSize)
	case branchFlag:
		return w.branch(b, id, depth)
	default:
		return damagedPage(id, "is of no known kind: %d", flags)
	}
}

// elements returns the page's elements of 16 bytes and how many there are.
func elements(b []byte) ([]byte, int) {
	if len(b) < pageHead {
		return nil, -1
	}
	n := int(binary.LittleEndian.Uint16(b[10:]))
	if pageHead+16*n > len(b) {
		return nil, -1
	}
	return b[pageHead:], n
}

func (w *walk) branch(b []byte, id uint64, depth int) error {
	e, n := elements(b)
	if n < 1 {
		return damagedPage(id, "has no room for its elements")
	}
	var before []byte
	for i := range n {
		at, k := uint64(pageHead+16*i)+uint64(binary.LittleEndian.Uint32(e[16*i:])), uint64(binary.LittleEndian.Uint32(e[16*i+4:]))
		if at+k > uint64(len(b)) || i > 0 && bytes.Compare(b[at:at+k], before) <= 0 {
			if err := w.check(damagedPage(id, "has a key %d that makes no sense", i)); err != nil {
				return err
			}
			continue
		}
		before = b[at : at+k]
		if w.edge != nil && i < n-1 {
			continue
		}
		if err := w.page(binary.LittleEndian.Uint64(e[16*i+8:]), depth+1); err != nil {
			return err
		}
	}
	if w.edge != nil && bytes.Compare(before, w.edge) > 0 {
		return damagedPage(id, "has a key after %x", w.edge)
	}
	return nil
}

func (w *walk) leaf(b []byte, off int64) error {
	id := uint64(off / pageSize)
	e, n := elements(b)
	if n < 0 {
		return damagedPage(id, "has no room for its elements")
	}
	for i := range n {
		el, err := leafElement(b, e, i)
		if err != nil || w.last != nil && bytes.Compare(el.key, w.last) <= 0 {
			if err := w.check(damagedPage(id, "has an element %d that makes no sense", i)); err != nil {
				return err
			}
			continue
		}
		w.last = el.key
		el.off += off
		if err := w.fn(el); err != nil {
			return err
		}
	}
	return nil
}

// leafElement returns element i of a page; off is that of the value in the page.
func leafElement(b, e []byte, i int) (element, error) {
	at := pageHead + 16*i
	pos, k, v := binary.LittleEndian.Uint32(e[16*i+4:]), binary.LittleEndian.Uint32(e[16*i+8:]), binary.LittleEndian.Uint32(e[16*i+12:])
	from := uint64(at) + uint64(pos)
	mid := from + uint64(k)
	end := mid + uint64(v)
	if end > uint64(len(b)) {
		return element{}, errDamaged
	}
	return element{bucket: binary.LittleEndian.Uint32(e[16*i:])&bucketFlag != 0, key: b[from:mid:mid], value: b[mid:end:end], off: int64(mid)}, nil
}

// tree returns the bucket that e is.
func (p *pages) tree(e element) (*tree, error) {
	if !e.bucket || len(e.value) < 16 {
		return nil, fmt.Errorf("%.40q is no bucket: %w", e.key, errDamaged)
	}
	t := &tree{p: p, root: binary.LittleEndian.Uint64(e.value), sequence: binary.LittleEndian.Uint64(e.value[8:])}
	if t.root == 0 {
		t.inline, t.off = e.value[16:], e.off+16
	}
	return t, nil
}

// errFound ends a walk.
var errFound = errors.New("found")

// find returns the value of the key; false: there is none.
func (t *tree) find(key string) (found element, ok bool, err error) {
	err = t.each(func(e element) error {
		if string(e.key) == key {
			found, ok = e, true
			return errFound
		}
		return nil
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return found, ok, err
}

// bucket returns the bucket of that name at the top of the file; nil: there is none.
func (p *pages) bucket(name string) (*tree, error) {
	e, ok, err := p.top().find(name)
	if err != nil || !ok {
		return nil, err
	}
	return p.tree(e)
}

// intact returns nil where bbolt can work with the file: all its pages make sense.
func (p *pages) intact() error {
	return p.top().each(func(e element) error {
		if !e.bucket {
			return nil
		}
		t, err := p.tree(e)
		if err != nil {
			return err
		}
		return t.each(func(element) error { return nil })
	})
}

// errDamaged is returned for bytes that are no chunk, or no longer.
var errDamaged = errors.New("damaged")
