package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// TestElasticsearchFlavors delivers to what is no Elasticsearch of today: each event once, in its cluster's index,
// mapped as the template says, and a node is known for what it is.
func TestElasticsearchFlavors(t *testing.T) {
	for _, tc := range []struct{ flavor, server, time string }{
		{"legacy6", "6.4.3", "date"}, // it has no date_nanos
		{"legacy7", "7.10.2", "date_nanos"},
		{"opensearch", "2.11.1", "date_nanos"},
	} {
		t.Run(tc.flavor, func(t *testing.T) {
			es := startNode(t, tc.flavor)
			dir := t.TempDir()
			s := start(t, dir, elasticConfig("127.0.0.1:0", es.URL, "logs-{cluster}-%%Y.%%m.%%d"))
			sendMade(t, s.Forward, 5000, "--tag", "kube.Web")
			s.drained()
			es.wantOnce("logs-default-*", "seq", 5000)
			for name, index := range es.must(http.MethodGet, "/logs-default-*", nil) {
				properties := at(index, "mappings", "properties")
				if properties == nil {
					properties = at(index, "mappings", "_doc", "properties") // of 6.x
				}
				for field, want := range map[string]string{
					"@timestamp": tc.time, "tag": "keyword", "cluster": "keyword",
				} {
					if got := at(properties, field, "type"); got != want {
						t.Errorf("%s: %s is %v, want %s", name, field, got, want)
					}
				}
			}
			if n := s.deadLetters(); n != 0 {
				t.Errorf("%d dead letters", n)
			}
			if out := command(t, nil, "check", "--connect", "-c", s.config); !strings.Contains(out, "\nes: ok: ") ||
				!strings.Contains(out, tc.server) {
				t.Errorf("check --connect says:\n%s", out)
			}
			s.stop()
		})
	}
}
