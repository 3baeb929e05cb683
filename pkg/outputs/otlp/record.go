package otlp

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Fields of OpenTelemetry's messages (logs.proto): LogRecord.
const (
	recordTime         = 1
	recordSeverity     = 2
	recordSeverityText = 3
	recordBody         = 5
	recordAttributes   = 6
	recordTrace        = 9
	recordSpan         = 10
	recordObserved     = 11
)

// recorder writes events as log records. It is for one goroutine.
type recorder struct {
	values
	fields event.Fields
	// body is the field that is the body; "": message, else log.
	body string
	// kube is the field that is the resource; "": none.
	kube  string
	added map[string]map[string]string
}

// parts is what of a record is no attribute. -1: there is none.
type parts struct{ body, kube, severity, trace, span int }

// read reads ev's record, takes out of its members what is added to events anyhow, and says what is what. It returns
// the number of the first member. The caller cuts the members off again.
func (r *recorder) read(ev *event.Event) (from int, p parts, err error) {
	from = len(r.members)
	p = parts{-1, -1, -1, -1, -1}
	if err := r.values.read(ev.Record, from); err != nil {
		return from, p, err
	}
	first := -1
	for i := from; i < len(r.members); i++ {
		m := &r.members[i]
		switch key := string(m.key); {
		case r.isAdded(ev, key):
			m.moved = true
		case key == r.kube && event.TypeOf(m.value[0]) == event.TypeMap:
			p.kube, m.moved = i, true
		case r.isBody(key) && hasText(m.value) && (p.body < 0 || key == "message"):
			p.body = i
		case isSeverity(key) && shortText(m.value) != nil && p.severity < 0:
			p.severity, first = i, i
		case isTrace(key) && hasID(m.value, 16):
			p.trace, m.moved = i, true
		case isSpan(key) && hasID(m.value, 8):
			p.span, m.moved = i, true
		}
	}
	if first >= 0 {
		r.members[first].moved = true
	}
	if p.body >= 0 {
		r.members[p.body].moved = true
	}
	return from, p, nil
}

// isAdded reports whether a field of a record would pass for what is added.
func (r *recorder) isAdded(ev *event.Event, key string) bool {
	f := &r.fields
	switch key {
	case "":
		return false
	case f.Tag, f.ID, f.Source, clusterName:
		return true
	case f.Metadata:
		return len(ev.Metadata) > 0 || len(ev.Group) > 0
	}
	_, there := r.added[ev.Chunk.Cluster][key]
	return there
}

func (r *recorder) isBody(key string) bool {
	if r.body != "" {
		return key == r.body
	}
	return key == "message" || key == "log"
}

func isSeverity(key string) bool {
	return key == "severity" || key == "level" || key == "log.level" || key == "severity_text" || key == "loglevel"
}

func isTrace(key string) bool { return key == "trace_id" || key == "traceId" || key == "trace.id" }

func isSpan(key string) bool { return key == "span_id" || key == "spanId" || key == "span.id" }

// hasText reports whether a value is something, and no empty text.
func hasText(value []byte) bool {
	switch event.TypeOf(value[0]) {
	case event.TypeNil:
		return false
	case event.TypeStr, event.TypeBin:
		text, _, err := event.ReadBytes(value)
		return err == nil && len(trimLine(text)) > 0
	default:
		return true
	}
}

// trimLine returns text without a line end at its end.
func trimLine(text []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
}

// maxSeverity bounds what may be the name of a severity.
const maxSeverity = 24

// shortText returns a text that may name a severity, or nil.
func shortText(value []byte) []byte {
	text, _, err := event.ReadBytes(value)
	if err != nil || len(text) == 0 || len(text) > maxSeverity {
		return nil
	}
	return text
}

// hasID reports whether a value is the hexadecimal text of so many bytes, not all of which are 0.
func hasID(value []byte, size int) bool {
	text, _, err := event.ReadBytes(value)
	var id [16]byte
	if err != nil || len(text) != 2*size {
		return false
	}
	if _, err := hex.Decode(id[:], text); err != nil {
		return false
	}
	return id != [16]byte{}
}

// appendRecord appends ev as a LogRecord's fields. Its members from the from-th on have been read, and are what p says.
func (r *recorder) appendRecord(dst []byte, ev *event.Event, from int, p parts) ([]byte, error) {
	if ns := nanos(ev.Time); ns > 0 {
		dst = protowire.AppendFixed64(protowire.AppendTag(dst, recordTime, protowire.Fixed64Type), uint64(ns))
	}
	if p.severity >= 0 {
		text := shortText(r.members[p.severity].value)
		if n := severity(text); n > 0 {
			dst = protowire.AppendVarint(protowire.AppendTag(dst, recordSeverity, protowire.VarintType), n)
		}
		dst = appendText(protowire.AppendTag(dst, recordSeverityText, protowire.BytesType), text)
	}
	dst, err := r.appendBody(dst, from, p)
	if err != nil {
		return dst, err
	}
	if p.body >= 0 {
		if dst, err = r.appendMembers(dst, from, recordAttributes, 0); err != nil {
			return dst, err
		}
	}
	if dst, err = r.appendAdded(dst, ev); err != nil {
		return dst, err
	}
	dst = r.appendID(dst, recordTrace, p.trace)
	dst = r.appendID(dst, recordSpan, p.span)
	if ns := ev.Chunk.Received.UnixNano(); !ev.Chunk.Received.IsZero() && ns > 0 {
		dst = protowire.AppendFixed64(protowire.AppendTag(dst, recordObserved, protowire.Fixed64Type), uint64(ns))
	}
	return dst, nil
}

// appendBody appends the body: a field's value, or all that is not elsewhere.
func (r *recorder) appendBody(dst []byte, from int, p parts) (_ []byte, err error) {
	dst, mark := begin(dst, recordBody)
	if p.body < 0 {
		dst, err = r.appendMap(dst, from, 0)
		return end(dst, mark), err
	}
	value := r.members[p.body].value
	if text, _, err := event.ReadBytes(value); err == nil {
		return end(r.appendString(dst, trimLine(text)), mark), nil
	}
	dst, err = r.append(dst, value, 1)
	return end(dst, mark), err
}

// appendAdded appends the attributes that are added to an event.
func (r *recorder) appendAdded(dst []byte, ev *event.Event) ([]byte, error) {
	f := &r.fields
	if f.Tag != "" {
		dst = r.appendPair(dst, recordAttributes, f.Tag, []byte(ev.DeliveredTag()))
	}
	if f.ID != "" {
		dst = r.appendPair(dst, recordAttributes, f.ID, ev.AppendID(nil))
	}
	if f.Source != "" && ev.Chunk.Source != "" {
		dst = r.appendPair(dst, recordAttributes, f.Source, []byte(ev.Chunk.Source))
	}
	if f.Metadata == "" || len(ev.Metadata) == 0 && len(ev.Group) == 0 {
		return dst, nil
	}
	from := len(r.members)
	defer func() { r.members = r.members[:from] }()
	var group event.Entry
	if len(ev.Group) > 0 {
		if _, err := event.ReadEntry(ev.Group, &group); err != nil {
			return dst, err
		}
	}
	for _, m := range [][]byte{group.Metadata, group.Record, ev.Metadata} {
		if len(m) > 0 {
			if err := r.values.read(m, from); err != nil {
				return dst, err
			}
		}
	}
	dst, mark := begin(dst, recordAttributes)
	dst = appendText(protowire.AppendTag(dst, keyValueKey, protowire.BytesType), []byte(f.Metadata))
	dst, inner := begin(dst, keyValueData)
	dst, err := r.appendMap(dst, from, 1)
	return end(end(dst, inner), mark), err
}

// appendID appends the id that a member is the hexadecimal text of.
func (r *recorder) appendID(dst []byte, field protowire.Number, at int) []byte {
	if at < 0 {
		return dst
	}
	// It was found to be one.
	text, _, _ := event.ReadBytes(r.members[at].value)
	var id [16]byte
	n, _ := hex.Decode(id[:], text)
	return protowire.AppendBytes(protowire.AppendTag(dst, field, protowire.BytesType), id[:n])
}

// nanos returns a time in nanoseconds since 1970, 0 where it can't be one.
func nanos(t event.Time) int64 {
	if t.Sec <= 0 || t.Sec > 1<<33 {
		return 0
	}
	return t.Sec*int64(time.Second) + int64(t.Nsec)
}

// severity returns the number of a severity by its name, 0 for one that is not known.
func severity(text []byte) uint64 {
	name := strings.ToLower(strings.TrimSpace(string(text)))
	for _, s := range []struct {
		number uint64
		names  []string
	}{
		{1, []string{"trace", "finest", "verbose"}},
		{5, []string{"debug", "dbg", "d", "fine", "finer", "config"}},
		{9, []string{"info", "information", "informational", "i", "default"}},
		{10, []string{"notice"}},
		{13, []string{"warn", "warning", "w"}},
		{17, []string{"error", "err", "e", "severe"}},
		{18, []string{"critical", "crit"}},
		{19, []string{"alert"}},
		{21, []string{"fatal", "f", "panic", "emerg", "emergency"}},
	} {
		if slices.Contains(s.names, name) {
			return s.number
		}
	}
	return 0
}

// appendKey appends text so that what comes of several is equal for equal ones only.
func appendKey(dst, text []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}
