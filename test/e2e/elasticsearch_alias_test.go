package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestElasticsearchAlias delivers behind a write alias to real servers: its first index is made once, a rollover is
// followed, and where the alias is taken away no index takes its place.
func TestElasticsearchAlias(t *testing.T) {
	for _, flavor := range []string{"elasticsearch", "opensearch"} {
		t.Run(flavor, func(t *testing.T) {
			es := startNode(t, flavor)
			config := strings.Replace(elasticConfig("127.0.0.1:0", es.URL, "INDEX"), "index:", "alias:", 1)
			s := start(t, t.TempDir(), strings.Replace(config, "INDEX", "app-{cluster}", 1))
			sendMade(t, s.Forward, 2000, "--tag", "kube.Web")
			s.drained()
			es.must(http.MethodPost, "/app-default/_rollover", nil)
			sendMade(t, s.Forward, 2000, "--tag", "kube.Web")
			s.drained()
			es.must(http.MethodPost, "/app-default-*/_refresh", nil)
			for _, index := range []string{"app-default-000001", "app-default-000002"} {
				if n := at(es.must(http.MethodGet, "/"+index+"/_count", nil), "count"); fmt.Sprint(n) != "2000" {
					t.Errorf("%s has %v documents, want 2000", index, n)
				}
				if kind := at(
					es.must(http.MethodGet, "/"+index, nil), index, "mappings", "properties", "tag", "type",
				); kind != "keyword" {
					t.Errorf("%s: the tag is %v: the template does not fit it", index, kind)
				}
			}
			if n := s.deadLetters(); n != 0 {
				t.Errorf("%d dead letters", n)
			}
			if out := command(t, nil, "check", "--connect", "-c", s.config); !strings.Contains(out, "\nes: ok: ") {
				t.Errorf("check --connect says:\n%s", out)
			}
			s.stop()
		})
	}
}
