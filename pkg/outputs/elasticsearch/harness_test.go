package elasticsearch

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
)

const secret = "s3cr3t-passw0rd"

// newOutput returns an output to the handler, for test events to index logs-{cluster}.
func newOutput(tb testing.TB, h http.Handler, change func(*Config)) *Output {
	tb.Helper()
	server := httptest.NewServer(h)
	tb.Cleanup(server.Close)
	cfg := Config{
		Common: outputs.Common{Fields: event.Fields{Time: "@timestamp", Tag: "tag", Cluster: "cluster"}},
		Hosts:  []string{server.URL}, Index: "logs-{cluster}", Flavor: "auto", OpType: "create", ID: idAuto,
		Username: "agent", Password: setting.NewSecret(secret),
	}
	cfg.Template.Manage = false
	if change != nil {
		change(&cfg)
	}
	o, err := New(cfg, Options{Now: time.Now})
	if err != nil {
		tb.Fatal(err)
	}
	if err := o.Prepare(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return o
}

// numbers returns the n of each document that the server has.
func numbers(t *testing.T, s *elastictest.Server) []int {
	t.Helper()
	var all []int
	for _, d := range s.Documents() {
		_, text, _ := strings.Cut(string(d.Source), `"n":`)
		text, _, _ = strings.Cut(text, ",")
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("a document has no number: %s", d.Source)
		}
		all = append(all, n)
	}
	slices.Sort(all)
	return all
}
