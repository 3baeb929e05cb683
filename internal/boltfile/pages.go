// Package boltfile reads and guards bbolt files that may be damaged, and holds what every file beside them needs:
// checksums, the directory's lock, names that survive a power loss, and quarantine for what can't be read. It knows
// nobody.
package boltfile

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

// File reads a bbolt file without bbolt. A damaged page is an error here: bbolt would panic, follow a
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
type File struct {
	f    *os.File
	root uint64
	// high counts pages in use.
	high uint64
	// TxID is that of the last transaction; the first is 2.
	TxID uint64
}

// PageSize is bbolt's, everywhere alike.
const PageSize = 4096

// What bbolt writes of a page.
const (
	PageHead   = 16
	BranchFlag = 1
	LeafFlag   = 2
	// bucketFlag marks an element of a leaf.
	bucketFlag = 1
	maxDepth   = 32
)

// Open opens the file at path. It must be as long as its newest meta page says.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	p, err := Read(f)
	if err != nil {
		// Only read from.
		_ = f.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return p, nil
}

// Read returns the pages of an open file, which stays the caller's unless the result is closed.
func Read(f *os.File) (*File, error) {
	p := &File{f: f}
	if err := p.readMeta(); err != nil {
		return nil, err
	}
	return p, nil
}

// Allocated returns the bytes of disk that the file takes.
func (p *File) Allocated() (int64, error) {
	st, err := p.f.Stat()
	if err != nil {
		return 0, err
	}
	return Allocated(st), nil
}

// Close closes the file.
func (p *File) Close() {
	// It was only read from.
	_ = p.f.Close()
}

// readMeta reads the newest meta page. The one before it must be whole too: where the newest was
// damaged, that one would show the file as it was a transaction ago.
func (p *File) readMeta() error {
	st, err := p.f.Stat()
	if err != nil {
		return err
	}
	const (
		magic = 0xED0CDAED
		// rootAt lies behind magic, version, page size, flags.
		rootAt = 16
		// highAt lies behind the root bucket and the list of free pages.
		highAt = 16 + 24
		txidAt = highAt + 8
		sumAt  = txidAt + 8
	)
	var txids [2]uint64
	for page := range txids {
		var b [PageHead + sumAt + 8]byte
		if _, err := p.f.ReadAt(b[:], int64(page)*PageSize); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		m := b[PageHead:]
		sum := fnv.New64a()
		// Never fails.
		_, _ = sum.Write(m[:sumAt])
		if binary.LittleEndian.Uint32(m) != magic || sum.Sum64() != binary.LittleEndian.Uint64(m[sumAt:]) {
			return fmt.Errorf("meta page %d makes no sense: %w", page, ErrDamaged)
		}
		if txids[page] = binary.LittleEndian.Uint64(m[txidAt:]); page == 0 || txids[1] > txids[0] {
			p.root, p.high, p.TxID = binary.LittleEndian.Uint64(m[rootAt:]), binary.LittleEndian.Uint64(m[highAt:]),
				txids[page]
		}
	}
	if txids[0] != txids[1]+1 && txids[1] != txids[0]+1 {
		return fmt.Errorf("meta pages of transactions %d and %d: %w", txids[0], txids[1], ErrDamaged)
	}
	if need := int64(min(p.high, math.MaxInt64/PageSize) * PageSize); st.Size() < need {
		return fmt.Errorf("file has %d of %d bytes: %w", st.Size(), need, ErrDamaged)
	}
	return nil
}

// Element is a key of a tree. Its bytes may be kept.
type Element struct {
	bucket bool
	Key    []byte
	Value  []byte
	// Off is that of the value, in the file.
	Off int64
}

// Tree is a bucket, or the top of the file, which holds the buckets.
type Tree struct {
	file *File
	root uint64
	// inline is set where the root is 0.
	inline []byte
	// off is where inline is.
	off      int64
	Sequence uint64
}

// Top returns the tree of the buckets.
func (p *File) Top() *Tree { return &Tree{file: p, root: p.root} }

// walk is a walk through a tree.
type walk struct {
	*Tree
	fn func(Element) error
	// torn is told of damaged pages, which are passed over; where it is nil they end the walk.
	torn func(error)
	seen map[uint64]bool
	// last is the key before.
	last []byte
	// rightmost has only the pages looked at that lead to this key, which is behind all others; nil: all are.
	rightmost []byte
}

// Each calls fn for each key, in order, until it returns an error.
func (t *Tree) Each(fn func(Element) error) error { return t.EachWhole(fn, nil) }

// EachWhole is each, but passes over damaged pages, which it tells torn of.
func (t *Tree) EachWhole(fn func(Element) error, torn func(error)) error {
	w := &walk{Tree: t, fn: fn, torn: torn, seen: map[uint64]bool{}}
	return w.start()
}

// VerifyRightmost looks at the pages that bbolt reads to add the key behind all others.
func (t *Tree) VerifyRightmost(key []byte) error {
	w := &walk{Tree: t, fn: func(Element) error { return nil }, seen: map[uint64]bool{}, rightmost: key}
	return w.start()
}

func (w *walk) start() error {
	if w.root == 0 {
		if b := w.inline; len(b) < PageHead || binary.LittleEndian.Uint64(b) != 0 ||
			binary.LittleEndian.Uint16(b[8:]) != LeafFlag {
			return w.check(damagedPage(uint64(w.off/PageSize), "has a bucket within it that is no leaf"))
		}
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
	return errPage{fmt.Errorf("page %d %s: %w", id, fmt.Sprintf(format, args...), ErrDamaged)}
}

// page walks through the page id and what is below it.
func (w *walk) page(id uint64, depth int) error { return w.check(w.strictPage(id, depth)) }

func (w *walk) strictPage(id uint64, depth int) error {
	if id < 2 || id >= w.file.high || depth > maxDepth || w.seen[id] {
		return damagedPage(id, "can't be where it is")
	}
	w.seen[id] = true
	var head [PageHead]byte
	if _, err := w.file.f.ReadAt(head[:], int64(id)*PageSize); err != nil {
		return fmt.Errorf("read page %d: %w", id, err)
	}
	n := uint64(binary.LittleEndian.Uint32(head[12:])) + 1
	if binary.LittleEndian.Uint64(head[:]) != id || n > w.file.high-id {
		return damagedPage(id, "says that it is page %d with %d more", binary.LittleEndian.Uint64(head[:]), n-1)
	}
	b := make([]byte, n*PageSize)
	if _, err := w.file.f.ReadAt(b, int64(id)*PageSize); err != nil {
		return fmt.Errorf("read page %d: %w", id, err)
	}
	switch flags := binary.LittleEndian.Uint16(b[8:]); flags {
	case LeafFlag:
		return w.leaf(b, int64(id)*PageSize)
	case BranchFlag:
		return w.branch(b, id, depth)
	default:
		return damagedPage(id, "is of no known kind: %d", flags)
	}
}

// elements returns the page's elements of 16 bytes and how many there are.
func elements(b []byte) ([]byte, int) {
	if len(b) < PageHead {
		return nil, -1
	}
	n := int(binary.LittleEndian.Uint16(b[10:]))
	if PageHead+16*n > len(b) {
		return nil, -1
	}
	return b[PageHead:], n
}

func (w *walk) branch(b []byte, id uint64, depth int) error {
	e, n := elements(b)
	if n < 1 {
		return damagedPage(id, "has no room for its elements")
	}
	var before []byte
	for i := range n {
		at, k := uint64(PageHead+16*i)+uint64(binary.LittleEndian.Uint32(e[16*i:])),
			uint64(binary.LittleEndian.Uint32(e[16*i+4:]))
		if at+k > uint64(len(b)) || i > 0 && bytes.Compare(b[at:at+k], before) <= 0 {
			if err := w.check(damagedPage(id, "has a key %d that makes no sense", i)); err != nil {
				return err
			}
			continue
		}
		before = b[at : at+k]
		if w.rightmost != nil && i < n-1 {
			continue
		}
		if err := w.page(binary.LittleEndian.Uint64(e[16*i+8:]), depth+1); err != nil {
			return err
		}
	}
	if w.rightmost != nil && bytes.Compare(before, w.rightmost) > 0 {
		return damagedPage(id, "has a key after %x", w.rightmost)
	}
	return nil
}

func (w *walk) leaf(b []byte, off int64) error {
	id := uint64(off / PageSize)
	e, n := elements(b)
	if n < 0 {
		return damagedPage(id, "has no room for its elements")
	}
	for i := range n {
		el, err := leafElement(b, e, i)
		if err != nil || w.last != nil && bytes.Compare(el.Key, w.last) <= 0 {
			if err := w.check(damagedPage(id, "has an element %d that makes no sense", i)); err != nil {
				return err
			}
			continue
		}
		w.last = el.Key
		el.Off += off
		if err := w.fn(el); err != nil {
			return err
		}
	}
	return nil
}

// leafElement returns element i of a page; off is that of the value in the page.
func leafElement(b, e []byte, i int) (Element, error) {
	at := PageHead + 16*i
	pos, k, v := binary.LittleEndian.Uint32(e[16*i+4:]), binary.LittleEndian.Uint32(e[16*i+8:]),
		binary.LittleEndian.Uint32(e[16*i+12:])
	from := uint64(at) + uint64(pos)
	mid := from + uint64(k)
	end := mid + uint64(v)
	if end > uint64(len(b)) {
		return Element{}, ErrDamaged
	}
	return Element{
		bucket: binary.LittleEndian.Uint32(e[16*i:])&bucketFlag != 0, Key: b[from:mid:mid], Value: b[mid:end:end],
		Off: int64(mid),
	}, nil
}

// Tree returns the bucket that e is.
func (p *File) Tree(e Element) (*Tree, error) {
	if !e.bucket || len(e.Value) < 16 {
		return nil, fmt.Errorf("%.40q is no bucket: %w", e.Key, ErrDamaged)
	}
	t := &Tree{file: p, root: binary.LittleEndian.Uint64(e.Value), Sequence: binary.LittleEndian.Uint64(e.Value[8:])}
	if t.root == 0 {
		t.inline, t.off = e.Value[16:], e.Off+16
	}
	return t, nil
}

// errFound ends a walk.
var errFound = errors.New("found")

// Find returns the value of the key; false: there is none.
func (t *Tree) Find(key string) (found Element, ok bool, err error) {
	err = t.Each(func(e Element) error {
		if string(e.Key) == key {
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

// Bucket returns the bucket of that name at the top of the file; nil: there is none.
func (p *File) Bucket(name string) (*Tree, error) {
	e, ok, err := p.Top().Find(name)
	if err != nil || !ok {
		return nil, err
	}
	return p.Tree(e)
}

// Verify returns nil where bbolt can work with the file: all its pages make sense, and at the top are buckets alone.
func (p *File) Verify() error {
	return p.Top().Each(func(e Element) error {
		t, err := p.Tree(e)
		if err != nil {
			return err
		}
		return t.Each(func(Element) error { return nil })
	})
}

// ErrDamaged is returned for bytes that are no chunk, or no longer.
var ErrDamaged = errors.New("damaged")
