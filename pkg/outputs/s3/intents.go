package s3

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/seed-afc6a195/aggregator/internal/failpoint"
)

// The log of intents is a file of one record for each object, written and fsynced before the object
// is uploaded: its key and which events it is to hold. What it is for: see Output.
//
// A record is its length and the CRC-32C of its payload, 4 bytes each, and the payload; numbers in it
// are varints. The newest objects are kept, within limits that let it reach back over many Sends.
const (
	magic          = "aggregator s3 objects 1\n"
	maxKeptObjects = 4096
	maxKeptBytes   = 4 << 20
	maxLogBytes    = 64 << 20 // a longer file is none of ours
)

var errDamaged = errors.New("it is damaged")

// intents is the log. Not for concurrent use. The zero value keeps nothing.
type intents struct {
	path    string
	file    *os.File
	size    int64
	records map[string]bool // keys that are in the file
}

// openIntents reads the log at path, where there is one, and returns its objects, oldest first. A log
// that is damaged is renamed to path.damaged, and what could be read of it goes on: err says so, and is no
// reason not to use the log. Only a log of no path is closed.
func openIntents(path string) (l *intents, objects []object, err error) {
	l = &intents{path: path, records: map[string]bool{}}
	if path == "" {
		return l, nil, nil
	}
	data, err := readLog(path)
	if err == nil {
		var kept []byte
		kept, objects, err = parseLog(data)
		if err == nil && len(kept) == len(data) {
			return l, objects, l.adopt(objects, int64(len(data)))
		}
		data = kept
	}
	if err != nil {
		err = fmt.Errorf("read the log of S3 objects %s: %w", path, err)
		if renameErr := os.Rename(path, path+".damaged"); renameErr != nil {
			err = errors.Join(err, renameErr)
		}
	}
	return l, objects, errors.Join(err, l.rewrite(data, objects))
}

func readLog(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case info.Size() > maxLogBytes || !info.Mode().IsRegular():
		return nil, errDamaged
	}
	return os.ReadFile(path)
}

// parseLog reads records and returns the bytes that hold them. A last one that is cut short is left
// out: its upload had not begun. errDamaged: there is more behind kept, but nothing to rely on.
func parseLog(data []byte) (kept []byte, objects []object, err error) {
	if len(data) == 0 {
		return nil, nil, nil
	}
	rest, ok := bytes.CutPrefix(data, []byte(magic))
	if !ok {
		if bytes.HasPrefix([]byte(magic), data) {
			return nil, nil, nil
		}
		return nil, nil, errDamaged
	}
	for len(rest) >= 8 {
		n, sum := binary.BigEndian.Uint32(rest), binary.BigEndian.Uint32(rest[4:])
		if uint64(n) > uint64(len(rest)-8) {
			break
		}
		payload := rest[8 : 8+n]
		o, ok := parseObject(payload)
		if crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli)) != sum || !ok {
			err = errDamaged
			break
		}
		objects = append(objects, o)
		rest = rest[8+n:]
	}
	return data[:len(data)-len(rest)], objects, err
}

// adopt has the log go on behind its objects.
func (l *intents) adopt(objects []object, size int64) error {
	for i := range objects {
		l.records[objects[i].key] = true
	}
	l.size = size
	if size == 0 {
		return l.rewrite(nil, nil)
	}
	var err error
	l.file, err = os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND, 0)
	return err
}

// rewrite begins the file anew with the newest records of data, which has those of objects.
func (l *intents) rewrite(data []byte, objects []object) error {
	l.close()
	data = bytes.TrimPrefix(data, []byte(magic))
	for len(objects) > maxKeptObjects || len(data) > maxKeptBytes {
		data = data[8+binary.BigEndian.Uint32(data):]
		objects = objects[1:]
	}
	clear(l.records)
	if err := os.MkdirAll(filepath.Dir(l.path), 0o750); err != nil {
		return err
	}
	next, err := os.OpenFile(l.path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = next.Write(slices.Concat([]byte(magic), data))
	err = errors.Join(err, next.Sync(), next.Close())
	if err == nil {
		err = os.Rename(l.path+".new", l.path)
	}
	failpoint.Pass("s3.intents.rewritten")
	if err == nil {
		err = syncDir(filepath.Dir(l.path))
	}
	if err != nil {
		return err
	}
	return l.adopt(objects, int64(len(magic)+len(data)))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// add makes sure that the objects are in the file before it returns nil. After an error they may not
// be, and the file is begun anew by the next add.
func (l *intents) add(objects []object) error {
	if l.path == "" || len(objects) == 0 {
		return nil
	}
	if l.file == nil || len(l.records) > 2*maxKeptObjects || l.size > 2*maxKeptBytes {
		data, err := readLog(l.path)
		if err != nil {
			return err
		}
		kept, before, _ := parseLog(data) // what can't be read can't be kept
		if err := l.rewrite(kept, before); err != nil {
			return err
		}
	}
	var b []byte
	for i := range objects {
		if !l.records[objects[i].key] {
			b = appendRecord(b, &objects[i])
		}
	}
	if len(b) == 0 {
		return nil
	}
	_, err := l.file.Write(b)
	failpoint.Pass("s3.intents.written")
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		l.close()
		return err
	}
	for i := range objects {
		l.records[objects[i].key] = true
	}
	l.size += int64(len(b))
	return nil
}

// close closes the file, which the next add opens.
func (l *intents) close() {
	if l.file != nil {
		_ = l.file.Close() // everything that counts is fsynced
		l.file = nil
	}
}

func appendRecord(b []byte, o *object) []byte {
	from := len(b)
	b = append(b, make([]byte, 8)...)
	b = binary.AppendUvarint(b, uint64(len(o.key)))
	b = append(b, o.key...)
	b = binary.AppendUvarint(b, uint64(o.events))
	b = appendSpans(b, o.spans)
	payload := b[from+8:]
	binary.BigEndian.PutUint32(b[from:], uint32(len(payload)))
	binary.BigEndian.PutUint32(b[from+4:], crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// appendSpans appends the chunks and, for each, its runs as gaps and counts.
func appendSpans(b []byte, spans []span) []byte {
	b = binary.AppendUvarint(b, uint64(len(spans)))
	for i := range spans {
		s := &spans[i]
		b = append(b, s.chunk[:]...)
		b = binary.AppendUvarint(b, uint64(len(s.runs)))
		end := uint32(0)
		for _, r := range s.runs {
			b = binary.AppendUvarint(b, uint64(r.first-end))
			b = binary.AppendUvarint(b, uint64(r.count))
			end = r.first + r.count
		}
	}
	return b
}

// parseObject reads the payload of a record. Memory follows its length, whatever it claims.
func parseObject(b []byte) (o object, ok bool) {
	p := parser{b: b, ok: true}
	o.key = string(p.bytes(p.number()))
	o.events = int(p.number())
	for range p.number() {
		if !p.ok {
			break
		}
		s := span{chunk: p.chunkKey()}
		end := uint64(0)
		for range p.number() {
			first := end + p.number()
			count := p.number()
			if end = first + count; end > 1<<31 || !p.ok {
				return o, false
			}
			s.runs = append(s.runs, run{uint32(first), uint32(count)})
		}
		o.spans = append(o.spans, s)
	}
	return o, p.ok && len(p.b) == 0
}

// parser reads from b until something is missing: then ok is false.
type parser struct {
	b  []byte
	ok bool
}

// number returns 0 after an error, and never more than fits into 40 bits.
func (p *parser) number() uint64 {
	n, size := binary.Uvarint(p.b)
	if size <= 0 || n >= 1<<40 {
		p.b, p.ok = nil, false
		return 0
	}
	p.b = p.b[size:]
	return n
}

func (p *parser) bytes(n uint64) []byte {
	if n > uint64(len(p.b)) {
		p.b, p.ok = nil, false
		return nil
	}
	got := p.b[:n]
	p.b = p.b[n:]
	return got
}

func (p *parser) chunkKey() (key chunkKey) {
	copy(key[:], p.bytes(uint64(len(key))))
	return key
}
