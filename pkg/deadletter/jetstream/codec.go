package jetstream

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// letterFormat is that of letters in a stream.
func letterFormat() format.Format {
	return format.Format{Name: "dead letter in a stream", Number: 1, Since: 1}
}

// How a letter's entry is stored.
const (
	plain byte = iota
	packed
)

// encode returns l as a message: the numbers of its format, its fields, and its entry, which is compressed where it has
// more than so many bytes. A checksum covers all.
func encode(l *deadletter.Letter, packOver int) []byte {
	b := letterFormat().Append(make([]byte, 0, 160+len(l.Detail)+len(l.Entry)))
	b = binary.LittleEndian.AppendUint64(b, uint64(l.Time.UnixNano()))
	for _, s := range [...]string{l.Cluster, l.Tag, l.Output, l.EventID, l.Reason, l.Detail} {
		b = boltfile.AppendString(b, s)
	}
	for _, n := range [...]int{l.Status, l.Attempts, l.Events} {
		b = binary.AppendUvarint(b, uint64(uint32(n)))
	}
	if len(l.Entry) > packOver {
		if small := s2.Encode(nil, l.Entry); len(small) < len(l.Entry) {
			return boltfile.WithSum(append(append(b, packed), small...))
		}
	}
	return boltfile.WithSum(append(append(b, plain), l.Entry...))
}

// decode is the reverse. entry: with Entry, which is a copy.
func decode(id uint64, value []byte, entry bool) (deadletter.Letter, error) {
	l := deadletter.Letter{ID: id}
	b, err := boltfile.VerifySum(value)
	if err != nil {
		return l, fmt.Errorf("dead letter %d: %w", id, err)
	}
	_, b, err = letterFormat().Cut(b)
	if err != nil {
		return l, fmt.Errorf("dead letter %d: %w", id, err)
	}
	d := boltfile.Decoder{B: b}
	l.Time = time.Unix(0, int64(d.Uint64()))
	for _, s := range [...]*string{&l.Cluster, &l.Tag, &l.Output, &l.EventID, &l.Reason, &l.Detail} {
		*s = d.String()
	}
	for _, n := range [...]*int{&l.Status, &l.Attempts, &l.Events} {
		*n = d.Int()
	}
	how := d.Byte()
	if d.Bad || how > packed {
		return l, fmt.Errorf("dead letter %d makes no sense: %w", id, boltfile.ErrDamaged)
	}
	if !entry {
		return l, nil
	}
	if how == plain {
		l.Entry = bytes.Clone(d.B)
		return l, nil
	}
	if n, err := s2.DecodedLen(d.B); err != nil || n > maxEntry {
		return l, fmt.Errorf("dead letter %d declares %d bytes: %w", id, n, boltfile.ErrDamaged)
	}
	if l.Entry, err = s2.Decode(nil, d.B); err != nil {
		return l, fmt.Errorf("decompress dead letter %d: %w", id, boltfile.ErrDamaged)
	}
	return l, nil
}

// maxEntry is more than any letter's entry has.
const maxEntry = 1 << 30

// subjectOf returns the subject of a letter: what letters are counted by, and its number of events, so that the
// servers' count of messages by subject is one of events too.
func (s *Store) subjectOf(l *deadletter.Letter) string {
	return s.o.Prefix + "." + token(l.Output) + "." + token(l.Cluster) + "." + token(l.Reason) + "." +
		strconv.Itoa(l.Events)
}

// parse is the reverse of subjectOf.
func (s *Store) parse(subject string) (k deadletter.Key, events int64, ok bool) {
	rest, ok := strings.CutPrefix(subject, s.o.Prefix+".")
	tokens := strings.Split(rest, ".")
	if !ok || len(tokens) != 4 {
		return k, 0, false
	}
	for i, to := range []*string{&k.Output, &k.Cluster, &k.Reason} {
		if *to, ok = name(tokens[i]); !ok {
			return deadletter.Key{}, 0, false
		}
	}
	n, err := strconv.Atoi(tokens[3])
	return k, int64(n), err == nil && n >= 0
}

// token returns a name as a token of a subject: hexadecimal where it has something with a meaning there.
func token(name string) string {
	for i := range len(name) {
		c := name[i]
		if c != '-' && c != '_' && (c < '0' || c > '9' && c < 'A' || c > 'Z' && c < 'a' || c > 'z') {
			return "=" + fmt.Sprintf("%x", name)
		}
	}
	if name == "" {
		return "="
	}
	return name
}

// name is the reverse of token.
func name(token string) (string, bool) {
	hex, escaped := strings.CutPrefix(token, "=")
	if !escaped {
		return token, token != ""
	}
	b := make([]byte, 0, len(hex)/2)
	for ; len(hex) >= 2; hex = hex[2:] {
		n, err := strconv.ParseUint(hex[:2], 16, 8)
		if err != nil {
			return "", false
		}
		b = append(b, byte(n))
	}
	return string(b), hex == ""
}
