package loki

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// pair is a label, or a piece of metadata of a line.
type pair struct {
	name  string
	value *event.Template
	// own says that the value depends on no more than the cluster.
	own bool
}

const (
	otherValue = "other"
	// maxValue bounds the bytes of a label's value: it is Loki's limit.
	maxValue = 2048
)

// pairs reads labels or metadata, ascending by name.
func pairs(key string, from map[string]string) (all []pair, err error) {
	for _, name := range slices.Sorted(maps.Keys(from)) {
		p := pair{name: name}
		if p.value, err = event.ParseTemplate(from[name]); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", key, name, err)
		}
		rest := strings.ReplaceAll(from[name], "{cluster}", "")
		p.own = !strings.Contains(rest, "{") && p.value.PerChunk()
		all = append(all, p)
	}
	return all, nil
}

// streams makes the labels of streams, bounded in number. Safe for concurrent use.
//
// The streams of a cluster are bounded in each hour of the clock: above the limit, an event's labels have "other" in
// place of what does not depend on the cluster alone.
type streams struct {
	labels     []pair
	limit      *outputs.NameLimit
	redirected atomic.Uint64
}

func newStreams(labels map[string]string, limit *outputs.NameLimit) (*streams, error) {
	if len(labels) == 0 {
		labels = map[string]string{"cluster": "{cluster}"}
	}
	s := &streams{limit: limit}
	var err error
	s.labels, err = pairs("labels", labels)
	return s, err
}

// of returns the labels of ev's stream, as Loki writes them. raw is memory, which is returned to be used again.
func (s *streams) of(raw []byte, ev *event.Event) (labels string, _ []byte) {
	raw = appendLabels(raw[:0], s.labels, ev, false)
	labels, ok := s.limit.Admit(ev.Chunk.Cluster, raw)
	if !ok {
		s.redirected.Add(1)
		labels = string(appendLabels(nil, s.labels, ev, true))
	}
	return labels, raw
}

// appendLabels appends labels as Loki writes them: {a="b", c="d"}. Those without a value are left out; with none at all
// it is a stream without a name, which says so.
func appendLabels(dst []byte, labels []pair, ev *event.Event, other bool) []byte {
	dst = append(dst, '{')
	from := len(dst)
	for _, l := range labels {
		before := len(dst)
		if before > from {
			dst = append(dst, ", "...)
		}
		dst = append(append(dst, l.name...), `="`...)
		start := len(dst)
		if other && !l.own {
			dst = append(dst, otherValue...)
		} else {
			dst = appendQuoted(dst, l.value.Append(nil, ev, nil))
		}
		if len(dst) == start {
			dst = dst[:before]
			continue
		}
		dst = append(dst, '"')
	}
	if len(dst) == from {
		dst = append(dst, `stream="unknown"`...)
	}
	return append(dst, '}')
}

// appendQuoted appends a value as it stands between quotes in Loki's labels: UTF-8, at most maxValue bytes.
func appendQuoted(dst, value []byte) []byte {
	const hex = "0123456789abcdef"
	for room := maxValue; len(value) > 0; {
		r, n := utf8.DecodeRune(value)
		// What is no UTF-8 takes more as U+FFFD than it did.
		if room -= utf8.RuneLen(r); room < 0 {
			break
		}
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r < ' ' || r == 0x7f:
			dst = append(dst, '\\', 'x', hex[r>>4], hex[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
		value = value[n:]
	}
	return dst
}
