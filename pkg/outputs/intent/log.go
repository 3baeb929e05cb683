// Package intent keeps on disk which events an output is about to deliver, and where. A destination that can't
// take a batch all or nothing leaves the output in doubt after a crash: the queue hands out events again that may have
// arrived. With the log the output knows where to look for them.
package intent

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/internal/format"
)

// The newest records are kept, within limits that let a log reach back over many Sends.
const (
	MaxRecords = 4096
	maxBytes   = 4 << 20
	// maxLogBytes is how long a file may be: a longer one is none of ours.
	maxLogBytes = 64 << 20
)

var errDamaged = errors.New("it is damaged")

// Format says how records are written.
type Format[T any] struct {
	// What names the records in errors: "S3 objects".
	What string
	// Name is what a file begins with, before the number of its format: "aggregator s3 objects".
	Name   string
	Append func(b []byte, record *T) []byte
	Parse  func(payload []byte) (record T, ok bool)
	// Fold returns what of all records still counts when the log begins anew, which Add has it do. nil: all.
	Fold func(records []T) []T
	// Whole says that the records before a damage tell nothing without those behind it.
	Whole bool
}

// formatNumber is that of the format of all logs. Number 1 has only its number in the first line; since number 2 that
// of the oldest program that may read the log follows, and a checksum of the line. A new kind of record makes its
// number the oldest.
const formatNumber = 2

// beginning returns what a file of the format begins with: its first line.
func (f *Format[T]) beginning() string {
	line := fmt.Sprintf("%s %d %d", f.Name, formatNumber, formatNumber)
	return fmt.Sprintf("%s %08x\n", line, crc32.Checksum([]byte(line), crc32.MakeTable(crc32.Castagnoli)))
}

// cut cuts the first line off data. errDamaged: it has none; format.ErrUnknown: the program may not read the rest. A
// first line that is cut short leaves nothing, and is no error: there was nothing behind it.
func (f *Format[T]) cut(data []byte) ([]byte, error) {
	line, _, whole := bytes.Cut(data[:min(len(data), len(f.Name)+64)], []byte("\n"))
	switch {
	case !whole && (bytes.HasPrefix(line, []byte(f.Name+" ")) || bytes.HasPrefix([]byte(f.Name+" "), line)) &&
		len(line) == len(data):
		return nil, nil
	case string(line) == f.Name+" 1":
		return data[len(line)+1:], nil
	}
	var number, oldest int
	var sum uint32
	numbers, ok := bytes.CutPrefix(line, []byte(f.Name+" "))
	at := bytes.LastIndexByte(line, ' ')
	if n, err := fmt.Sscanf(string(numbers), "%d %d %08x", &number, &oldest, &sum); !whole || !ok || err != nil ||
		n != 3 ||
		sum != crc32.Checksum(line[:at], crc32.MakeTable(crc32.Castagnoli)) {
		return nil, errDamaged
	}
	known := format.Format{Name: "log of " + f.What, Number: formatNumber, Since: 1}
	return data[len(line)+1:], known.Check(number, oldest)
}

// CheckFormat returns a format.ErrUnknown where the log at path is of a format that the program may not read. What else
// may be wrong with it, Open tells.
func CheckFormat[T any](path string, f Format[T]) error {
	data, err := readLog(path)
	if err == nil {
		_, err = f.cut(data)
	}
	if errors.Is(err, format.ErrUnknown) {
		return fmt.Errorf("read the log of %s %s: %w", f.What, path, err)
	}
	return nil
}

// Log is a file of records: for each its length and the CRC-32C of its payload, 4 bytes each, and the payload. The
// newest records are kept. Not for concurrent use.
type Log[T any] struct {
	format Format[T]
	path   string
	// file may be nil: the next Add begins anew.
	file    *os.File
	size    int64
	records int
	buf     []byte
}

// Open reads the log at path, where there is one, and returns its records, oldest first. A log that is damaged is
// renamed to path.damaged, and what could be read of it goes on: err says so, and is no reason not to use the log. One
// of an unknown format, which CheckFormat tells of before, is left as it is. A log of no path keeps nothing.
func Open[T any](path string, f Format[T]) (l *Log[T], records []T, err error) {
	l = &Log[T]{format: f, path: path}
	if path == "" {
		return l, nil, nil
	}
	data, err := readLog(path)
	if err == nil {
		var kept int
		if records, kept, err = l.parse(data); err == nil && kept == len(data) && kept > 0 {
			l.size, l.records = int64(kept), len(records)
			l.file, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			return l, records, err
		}
	}
	if errors.Is(err, format.ErrUnknown) {
		l.path = ""
		return l, nil, fmt.Errorf("read the log of %s %s: %w", f.What, path, err)
	}
	if err != nil {
		err = fmt.Errorf("read the log of %s %s: %w", f.What, path, err)
		if renameErr := os.Rename(path, path+".damaged"); renameErr != nil {
			err = errors.Join(err, renameErr)
		}
	}
	return l, records, errors.Join(err, l.Rewrite(records))
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

// parse reads records and returns how many bytes hold them. A last one that is cut short is left out: what it speaks
// of had not begun. errDamaged: there is more behind kept, but nothing to rely on.
func (l *Log[T]) parse(data []byte) (records []T, kept int, err error) {
	rest, err := l.format.cut(data)
	if err != nil || rest == nil {
		return nil, 0, err
	}
	for len(rest) >= 8 {
		n, sum := binary.BigEndian.Uint32(rest), binary.BigEndian.Uint32(rest[4:])
		if uint64(n) > uint64(len(rest)-8) {
			break
		}
		payload := rest[8 : 8+n]
		record, ok := l.format.Parse(payload)
		if crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli)) != sum || !ok {
			if l.format.Whole {
				return nil, 0, errDamaged
			}
			return records, len(data) - len(rest), errDamaged
		}
		records = append(records, record)
		rest = rest[8+n:]
	}
	return records, len(data) - len(rest), nil
}

// frame appends the record as the file has it.
func (l *Log[T]) frame(b []byte, record *T) []byte {
	from := len(b)
	b = l.format.Append(append(b, make([]byte, 8)...), record)
	payload := b[from+8:]
	binary.BigEndian.PutUint32(b[from:], uint32(len(payload)))
	binary.BigEndian.PutUint32(b[from+4:], crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// newest returns the last records that are within the limits.
func (l *Log[T]) newest(records []T) []T {
	size := 0
	for i := len(records) - 1; i >= 0; i-- {
		l.buf = l.frame(l.buf[:0], &records[i])
		if size += len(l.buf); size > maxBytes || len(records)-i > MaxRecords {
			return records[i+1:]
		}
	}
	return records
}

// Rewrite begins the file anew with the newest of the records. They are on disk when it returns nil; after an error,
// the file is as it was. A directory that is missing stays so: who removed the data directory of a running program
// is to hear of it from the queue.
func (l *Log[T]) Rewrite(records []T) error {
	if l.path == "" {
		return nil
	}
	l.close()
	records = l.newest(records)
	data := []byte(l.format.beginning())
	for i := range records {
		data = l.frame(data, &records[i])
	}
	next, err := os.OpenFile(l.path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = next.Write(data)
	err = errors.Join(err, next.Sync(), next.Close())
	if err == nil {
		err = os.Rename(l.path+".new", l.path)
	}
	failpoint.Pass("intents.rewritten")
	if err == nil {
		err = syncDir(filepath.Dir(l.path))
	}
	if err != nil {
		return err
	}
	l.size, l.records = int64(len(data)), len(records)
	l.file, err = os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND, 0)
	return err
}

// Add appends records with one write. They survive the end of the process when it returns nil, and with sync a power
// cut too, as does all that was added before. After an error none of that is certain, and the file is begun anew by the
// next Add.
func (l *Log[T]) Add(sync bool, records ...T) error {
	if l.path == "" || len(records) == 0 {
		return nil
	}
	if l.file == nil || l.records > 2*MaxRecords || l.size > 2*maxBytes {
		if err := l.renew(); err != nil {
			return err
		}
	}
	l.buf = l.buf[:0]
	for i := range records {
		l.buf = l.frame(l.buf, &records[i])
	}
	_, err := l.file.Write(l.buf)
	if err == nil && sync {
		err = l.file.Sync()
	}
	if err != nil {
		l.close()
		return err
	}
	l.records += len(records)
	l.size += int64(len(l.buf))
	if cap(l.buf) > maxBytes {
		l.buf = nil
	}
	return nil
}

// renew begins the file anew with the newest of its records.
func (l *Log[T]) renew() error {
	data, err := readLog(l.path)
	if err != nil {
		return err
	}
	// What can't be read can't be kept.
	records, _, _ := l.parse(data)
	records = l.newest(records)
	if l.format.Fold != nil {
		records = l.format.Fold(records)
	}
	return l.Rewrite(records)
}

// Discard removes the file: what it said holds no more, also after a power cut. The next Add begins it anew.
func (l *Log[T]) Discard() error {
	if l.path == "" {
		return nil
	}
	l.close()
	if err := os.Remove(l.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := syncDir(filepath.Dir(l.path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Close closes the file.
func (l *Log[T]) Close() { l.close() }

func (l *Log[T]) close() {
	if l.file != nil {
		// Everything that counts is written, and synced where that counts.
		_ = l.file.Close()
		l.file = nil
	}
}

// syncDir makes the names in path durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
