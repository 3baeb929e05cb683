package awsclient

import (
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// CheckStream reports a template that gives no name of a stream, of limit characters at most.
func CheckStream(r *setting.Report, key, text string, limit int) {
	t, err := event.ParseTemplate(text)
	if err != nil {
		r.Add(key, "see the example in the documentation", "%v", err)
		return
	}
	sample := event.Event{Chunk: &event.Chunk{Cluster: "c", Tag: "t"}}
	filled := t.Append(nil, &sample, func(dst, _ []byte) []byte { return append(dst, 'x') })
	switch bad := slices.IndexFunc(filled, func(b byte) bool { return !inName(b) }); {
	case bad >= 0:
		r.Add(key, "use letters, digits, _ . and -", "a stream's name can't have %q", filled[bad])
	case len(filled) > limit:
		r.Add(key, "shorten it", "a stream's name has at most %d characters", limit)
	}
}

// names returns the names of the streams for the clusters, each once; not ok: they depend on more.
func (l *Limits) names(t *event.Template, clusters []string) (names []string, ok bool) {
	if !t.PerChunk() || strings.Contains(t.String(), "{tag") {
		return nil, false
	}
	if t.Static() {
		clusters = []string{""}
	}
	for _, c := range clusters {
		name := string(appendName(nil, &event.Event{Chunk: &event.Chunk{Cluster: c}}, t, l.Name))
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, true
}
