package cluster

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
)

// most is how many mistakes are told.
const most = 20

// mark is which event a document is.
type mark struct {
	Agent string `json:"agent"`
	N     int    `json:"n"`
}

// each calls f with all documents in Elasticsearch.
func (r *rig) each(f func(mark, *elastictest.Document)) {
	r.t.Helper()
	r.es.Each(func(d *elastictest.Document) {
		var m mark
		if err := json.Unmarshal(d.Source, &m); err != nil {
			r.t.Errorf("%s: %v", d.Source, err)
			return
		}
		f(m, d)
	})
}

// check holds that each acknowledged event is in Elasticsearch, once. It needs no memory of size beside what is there.
func (r *rig) check() {
	r.t.Helper()
	times := map[string][]uint8{}
	for _, a := range r.agents {
		times[a.Name] = make([]uint8, a.Sent())
	}
	r.each(func(m mark, _ *elastictest.Document) {
		if n := times[m.Agent]; m.N >= 0 && m.N < len(n) {
			n[m.N] = min(n[m.N]+1, 2)
		} else {
			r.t.Errorf("%+v is in Elasticsearch, and nobody has sent it", m)
		}
	})
	missing, doubled, wrong := 0, 0, map[mark][]string{}
	for _, a := range r.agents {
		for n := range a.Acked() {
			switch got := times[a.Name][n]; {
			case got == 0:
				if missing++; missing <= most {
					r.t.Errorf("%s: event %d was acknowledged and is not in Elasticsearch", a.Name, n)
				}
			case got > 1 && a.Seconds && !a.Fluentd:
				// Nothing but the chunk's id could tell what was sent again to another aggregator, and it may be a
				// hash of the content.
				doubled++
			case got > 1 && len(wrong) < most:
				wrong[mark{a.Name, n}] = nil
			}
		}
	}
	if missing > most {
		r.t.Errorf("and %d more are missing", missing-most)
	}
	r.note("%d events with whole-second times are there twice", doubled)
	r.tellTwice(wrong)
}

// tellTwice tells under which ids events are there more than once that may not be.
func (r *rig) tellTwice(wrong map[mark][]string) {
	r.t.Helper()
	if len(wrong) == 0 {
		return
	}
	r.each(func(m mark, d *elastictest.Document) {
		if ids, ok := wrong[m]; ok {
			wrong[m] = append(ids, d.ID)
		}
	})
	for _, m := range slices.SortedFunc(maps.Keys(wrong), func(a, b mark) int { return a.N - b.N }) {
		r.t.Errorf("event %d of %s is in Elasticsearch as %v, at least", m.N, m.Agent, wrong[m])
	}
}
