package event

import (
	"encoding/binary"
	"math"
)

// MaxDepth is how many levels of maps and arrays an event's record, itself the first one, may have.
const MaxDepth = 100

// Kind says what an entry is.
type Kind uint8

// The kinds.
const (
	// KindInvalid is a well-formed value that is no event: Entry.Reason says why.
	KindInvalid Kind = iota
	// KindEvent is a log event.
	KindEvent
	// KindGroupStart is the events that follow belong to the group that the entry describes.
	KindGroupStart
	// KindGroupEnd says that they no longer do.
	KindGroupEnd
)

// Seconds that make an EventTime a mark of a group (Fluent Bit's, from its OTLP input).
const (
	groupStart = 0xffffffff
	groupEnd   = 0xfffffffe
)

// GroupEnd is the entry that ends a group: a time of its own, no metadata, no record.
const GroupEnd = "\x92\x92\xd7\x00\xff\xff\xff\xfe\x00\x00\x00\x00\x80\x80"

// Why an entry is invalid.
const (
	reasonNotArray  = "entry is not an array"
	reasonShort     = "entry has fewer than two elements"
	reasonHeader    = "entry's head is not [time, metadata]"
	reasonTime      = "time is neither a number nor an EventTime"
	reasonNaN       = "time is not a number of seconds (NaN)"
	reasonNegative  = "time is before 1970"
	reasonNanos     = "time has more than 999,999,999 nanoseconds"
	reasonFar       = "time is after 2106"
	reasonUnit      = "time is between 2^32 and 10^11: too much for seconds, too little for milliseconds"
	reasonRecord    = "record is not a map"
	reasonTooNested = "nested too deep"
)

// Entry is one entry as ReadEntry found it. Its slices are parts of the bytes read.
type Entry struct {
	Time Time
	Kind Kind
	// Reason is a constant label for KindInvalid: why.
	Reason string
	// Nanos says that the time has a fraction of a second.
	Nanos bool
	// Metadata is a msgpack map; nil where the entry has none.
	Metadata []byte
	// Record is a msgpack map.
	Record []byte
	// Raw is the whole entry.
	Raw []byte
}

// ReadEntry reads the entry at the start of b, [time, record] or [[time, metadata], record], into e
// and returns what follows it. All of the entry is checked on the way: what is of KindEvent can be
// rendered. Elements after those named and metadata that is no map are ignored.
//
// An error says that b can't be read on from here: ErrTruncated, ErrReserved, ErrDepth. A
// well-formed value that is no event is no error but of KindInvalid, with only Reason and Raw set.
// ReadEntry allocates nothing.
func ReadEntry(b []byte, e *Entry) (rest []byte, err error) {
	*e = Entry{}
	end, err := readEntry(b, e)
	if err != nil {
		return nil, err
	}
	if e.Kind == KindInvalid {
		w := walker{b: b}
		if end, err = w.walk(0, 1, 0); err != nil {
			return nil, err
		}
		*e = Entry{Reason: e.Reason}
	}
	e.Raw = b[:end:end]
	return b[end:], nil
}

// readEntry returns the end of an entry that is valid. It gives up at what makes it invalid.
func readEntry(b []byte, e *Entry) (end int, err error) {
	t, n, i, err := head(b, 0)
	switch {
	case err != nil:
		return 0, err
	case t != TypeArray:
		e.Reason = reasonNotArray
		return 0, nil
	case n < 2:
		e.Reason = reasonShort
		return 0, nil
	}
	w := walker{b: b}
	var kind Kind
	if i < len(b) && TypeOf(b[i]) == TypeArray {
		i, kind, err = readHead(&w, i, e)
	} else {
		i, kind, err = readTime(b, i, e)
	}
	if err != nil || e.Reason != "" {
		return 0, err
	}
	if i >= len(b) {
		return 0, ErrTruncated
	}
	if TypeOf(b[i]) != TypeMap {
		e.Reason = reasonRecord
		return 0, nil
	}
	if end, err = w.walk(i, 1, 1); err != nil {
		return 0, err
	}
	e.Record = b[i:end:end]
	// The entry's own array is a level of the walk, not of the record.
	if w.deepest > MaxDepth+1 {
		e.Reason = reasonTooNested
		return 0, nil
	}
	e.Kind = kind
	if n > 2 {
		return w.walk(end, n-2, 1)
	}
	return end, nil
}

// readHead reads [time, metadata] at i.
func readHead(w *walker, i int, e *Entry) (end int, kind Kind, err error) {
	_, n, i, err := head(w.b, i)
	if err != nil {
		return 0, 0, err
	}
	if n < 2 {
		e.Reason = reasonHeader
		return 0, 0, nil
	}
	if i, kind, err = readTime(w.b, i, e); err != nil || e.Reason != "" {
		return 0, 0, err
	}
	if end, err = w.walk(i, 1, 2); err != nil {
		return 0, 0, err
	}
	if TypeOf(w.b[i]) == TypeMap {
		e.Metadata = w.b[i:end:end]
	}
	if w.deepest > MaxDepth+2 {
		e.Reason = reasonTooNested
		return 0, 0, nil
	}
	w.deepest = 0
	if n > 2 {
		end, err = w.walk(end, n-2, 2)
		w.deepest = 0
	}
	return end, kind, err
}

// readTime reads the time at i: an EventTime, or a number of seconds or, from 1e11 on, of milli-, micro-
// or nanoseconds, which is what loggers for Node and the JVM send.
func readTime(b []byte, i int, e *Entry) (end int, kind Kind, err error) {
	if len(b)-i >= 10 && b[i] == 0xd7 && b[i+1] == 0 {
		// EventTime as fixext8: nearly always.
		kind = e.eventTime(b[i+2 : i+10])
		return i + 10, kind, nil
	}
	t, n, j, err := head(b, i)
	if err != nil {
		return 0, 0, err
	}
	p := b[j : j+n]
	switch {
	case t == TypeExt && n == 8 && b[j-1] == 0:
		kind = e.eventTime(p)
	case t == TypeInt:
		v, u := integer(b[i], p)
		switch {
		case v < 0:
			e.Reason = reasonNegative
		case u != 0:
			kind = e.wholeTime(u)
		default:
			kind = e.wholeTime(uint64(v))
		}
	case t == TypeFloat:
		kind = e.floatTime(float(p))
	default:
		e.Reason = reasonTime
	}
	return j + n, kind, nil
}

// From where on a number is no seconds any more, but milli-, micro- or nanoseconds: of 1973, each.
const (
	fromMillis = 1e11
	fromMicros = 1e14
	fromNanos  = 1e17
)

// wholeTime takes a number whose size tells its unit.
func (e *Entry) wholeTime(v uint64) Kind {
	per := uint64(1)
	switch {
	case v <= math.MaxUint32:
	case v < fromMillis:
		e.Reason = reasonUnit
		return KindInvalid
	case v < fromMicros:
		per = 1e3
	case v < fromNanos:
		per = 1e6
	default:
		per = 1e9
	}
	if v/per > math.MaxUint32 {
		e.Reason = reasonFar
		return KindInvalid
	}
	e.Time = Time{Sec: int64(v / per), Nsec: uint32(v % per * (1e9 / per))}
	e.Nanos = e.Time.Nsec != 0
	return KindEvent
}

func (e *Entry) eventTime(p []byte) Kind {
	sec, nsec := binary.BigEndian.Uint32(p), binary.BigEndian.Uint32(p[4:])
	switch {
	case nsec >= 1e9:
		e.Reason = reasonNanos
		return KindInvalid
	case nsec == 0 && sec == groupStart:
		return KindGroupStart
	case nsec == 0 && sec == groupEnd:
		return KindGroupEnd
	}
	e.Time, e.Nanos = Time{Sec: int64(sec), Nsec: nsec}, nsec != 0
	return KindEvent
}

// floatTime keeps microseconds: a float64 of today's seconds is not finer.
func (e *Entry) floatTime(f float64) Kind {
	switch {
	case f != f:
		e.Reason = reasonNaN
	case f < 0:
		e.Reason = reasonNegative
	case f > math.MaxUint32 && f < fromMillis:
		e.Reason = reasonUnit
	case f >= fromNanos:
		f /= 1e9
	case f >= fromMicros:
		f /= 1e6
	case f >= fromMillis:
		f /= 1e3
	}
	if e.Reason == "" && f > math.MaxUint32 {
		e.Reason = reasonFar
	}
	if e.Reason != "" {
		return KindInvalid
	}
	sec, frac := math.Modf(f)
	e.Time = Time{Sec: int64(sec), Nsec: uint32(math.Round(frac*1e6)) * 1000}
	if e.Time.Nsec == 1e9 {
		e.Time = Time{Sec: e.Time.Sec + 1}
	}
	e.Nanos = e.Time.Nsec != 0
	return KindEvent
}

// float returns the float of 4 or 8 bytes.
func float(p []byte) float64 {
	if len(p) == 4 {
		return float64(math.Float32frombits(binary.BigEndian.Uint32(p)))
	}
	return math.Float64frombits(binary.BigEndian.Uint64(p))
}

// AppendEntry appends an entry made of msgpack values: the time t, metadata (a map, or nil for an
// entry without) and the record.
func AppendEntry(dst, t, metadata, record []byte) []byte {
	if metadata == nil {
		dst = append(dst, 0x92)
		dst = append(dst, t...)
	} else {
		dst = append(dst, 0x92, 0x92)
		dst = append(dst, t...)
		dst = append(dst, metadata...)
	}
	return append(dst, record...)
}

// AppendTime appends t as an EventTime, ext type 0 of eight bytes. Seconds are kept modulo 2³². The two that
// would make a mark of an event get a nanosecond.
func AppendTime(dst []byte, t Time) []byte {
	sec := uint32(t.Sec)
	if sec >= groupEnd {
		t.Nsec = max(t.Nsec, 1)
	}
	dst = append(dst, 0xd7, 0)
	dst = binary.BigEndian.AppendUint32(dst, sec)
	return binary.BigEndian.AppendUint32(dst, t.Nsec)
}
