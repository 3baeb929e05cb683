package kafka

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// topics makes the names of topics: of a template and an event, within what Kafka takes, and bounded in number. Safe
// for concurrent use.
//
// The names of a cluster are bounded in each hour of the clock: above the limit, an event goes to the name with "other"
// in place of every placeholder but {cluster} and those for time, which is then that of its arrival: no agent chooses
// it.
type topics struct {
	template, other *event.Template
	limit           *outputs.NameLimit
	redirected      atomic.Uint64
}

const otherTopic = "other"

// parseTopic reads the setting topic, and holds that its own text fits the name of a topic.
func parseTopic(text string) (*event.Template, error) {
	t, err := event.ParseTemplate(text)
	if err != nil {
		return nil, err
	}
	sample := event.Event{Chunk: &event.Chunk{Cluster: "c", Tag: "t"}}
	filled := t.Append(nil, &sample, func(dst, _ []byte) []byte { return append(dst, 'x') })
	switch bad := slices.IndexFunc(filled, func(b byte) bool { return !inName(b) }); {
	case bad >= 0:
		return nil, fmt.Errorf("a topic's name can't have %q", filled[bad])
	case len(filled) > maxName:
		return nil, fmt.Errorf("a topic's name has at most %d characters", maxName)
	}
	return t, nil
}

// fewer returns the template with "other" in place of what the number of names depends on beside clusters and time.
func fewer(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		at := strings.IndexByte(text, '{')
		switch {
		case at < 0:
			b.WriteString(text)
			return b.String()
		case strings.HasPrefix(text[at:], "{{"):
			b.WriteString(text[:at+2])
			text = text[at+2:]
			continue
		}
		b.WriteString(text[:at])
		end := placeholderEnd(text[at:])
		if inner := text[at : at+end]; strings.HasPrefix(inner, "{cluster") {
			b.WriteString(inner)
		} else {
			b.WriteString(otherTopic)
		}
		text = text[at+end:]
	}
	return b.String()
}

// placeholderEnd returns the length of the placeholder that text begins with. A brace may stand in a quoted key.
func placeholderEnd(text string) int {
	quoted := false
	for i := range len(text) {
		switch {
		case text[i] == '"':
			quoted = !quoted
		case text[i] == '}' && !quoted:
			return i + 1
		}
	}
	return len(text)
}

func newTopics(text string, limit *outputs.NameLimit) (*topics, error) {
	t := &topics{limit: limit}
	var err error
	if t.template, err = parseTopic(text); err != nil {
		return nil, fmt.Errorf("topic: %w", err)
	}
	if t.other, err = event.ParseTemplate(fewer(text)); err != nil {
		return nil, fmt.Errorf("topic: %w", err)
	}
	return t, nil
}

// of returns the topic that ev goes to. raw is memory for the name, which is returned to be used again.
func (t *topics) of(raw []byte, ev *event.Event) (name string, _ []byte) {
	raw = appendName(raw[:0], t.template, ev)
	name, ok := t.limit.Admit(ev.Chunk.Cluster, raw)
	if !ok {
		t.redirected.Add(1)
		arrived := *ev
		arrived.Time = event.Time{Sec: ev.Chunk.Received.Unix()}
		name = string(appendName(nil, t.other, &arrived))
	}
	return name, raw
}

// appendName appends a name that Kafka takes, whatever the event holds.
func appendName(dst []byte, t *event.Template, ev *event.Event) []byte {
	from := len(dst)
	dst = t.Append(dst, ev, appendClean)
	if name := dst[from:]; len(name) > maxName {
		h := fnv.New32a()
		// Never fails.
		_, _ = h.Write(name)
		dst = fmt.Appendf(dst[:from+maxName-9], "-%08x", h.Sum32())
	}
	switch string(dst[from:]) {
	case "", ".", "..":
		return append(dst[:from], "unknown"...)
	}
	return dst
}

// appendClean appends a value with _ in place of what a name can't have; unknown where it is empty.
func appendClean(dst, value []byte) []byte {
	if len(value) == 0 {
		return append(dst, "unknown"...)
	}
	for _, b := range value {
		if !inName(b) {
			b = '_'
		}
		dst = append(dst, b)
	}
	return dst
}

func inName(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '.' || b == '_' || b == '-'
}

// names returns the topics for the clusters, each once; not ok: they depend on more.
func (t *topics) names(clusters []string) (names []string, ok bool) {
	if text := t.template.String(); !t.template.PerChunk() || strings.Contains(text, "{tag") {
		return nil, false
	}
	if t.template.Static() || len(clusters) == 0 {
		clusters = []string{"default"}
	}
	for _, c := range clusters {
		if name := string(appendName(nil, t.template, &event.Event{Chunk: &event.Chunk{Cluster: c}})); !slices.Contains(
			names,
			name,
		) {
			names = append(names, name)
		}
	}
	return names, true
}
