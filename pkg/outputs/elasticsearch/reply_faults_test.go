package elasticsearch

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

func TestOtherReplies(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{
			"fewer items", 200, `{"errors":false,"items":[{"create":{"status":201}}]}`,
			"server: bulk request of 3 events, N bytes, to [logs-a]: answered 200 OK with 1 items for 3 events, " +
				"which proves nothing",
		},
		{
			"more items", 200,
			`{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":201}},{"create":{"status":201}},` +
				`{"create":{"status":201}}]}`,
			"server: bulk request of 3 events, N bytes, to [logs-a]: answered 200 OK with 4 items for 3 events, " +
				"which proves nothing",
		},
		{
			"no items", 200, `{"took":1}`,
			"server: bulk request of 3 events, N bytes, to [logs-a]: answered 200 OK with 0 items for 3 events, " +
				"which proves nothing",
		},
		{
			"no items, and no errors", 200, `{"errors":false,"items":[]}`,
			"server: bulk request of 3 events, N bytes, to [logs-a]: answered 200 OK with 0 items for 3 events, " +
				"which proves nothing",
		},
		{
			"no errors alone", 200, `{"errors":false}`,
			"server: bulk request of 3 events, N bytes, to [logs-a]: answered 200 OK with 0 items for 3 events, " +
				"which proves nothing",
		},
		{"nothing", 200, ``, "server: bulk request of 3 events, N bytes, to [logs-a]: answered 200 OK without a body"},
		{
			"a text", 502, "Bad \x1b[31mGateway",
			`server: bulk request of 3 events, N bytes, to [logs-a]: answered 502 Bad Gateway with text of type ` +
				`text/plain, not a bulk reply: is this a proxy's page? It begins with "Bad \x1b[31mGateway"`,
		},
		{
			"a redirect", 302, ``,
			"server: bulk request of 3 events, N bytes, to [logs-a]: answered 302 Found without a body",
		},
		{
			"no such path", 404, `{"error":"no handler"}`,
			"server: bulk request of 3 events, N bytes, to [logs-a]: 404 Not Found: no handler",
		},
		{
			"no such method", 405, `{"error":"Incorrect HTTP method","status":405}`,
			"server: bulk request of 3 events, N bytes, to [logs-a]: 405 Method Not Allowed: Incorrect HTTP method",
		},
		{
			"forbidden", 403, `{"error":{"type":"security_exception","reason":"action is unauthorized"}}`,
			"auth: bulk request of 3 events, N bytes, to [logs-a]: 403 Forbidden: security_exception: action is " +
				"unauthorized",
		},
		{
			"a gateway's refusal", 403, `{"Message":"User: anonymous is not authorized to perform: es:ESHttpPost"}`,
			"auth: bulk request of 3 events, N bytes, to [logs-a]: 403 Forbidden: User: anonymous is not authorized " +
				"to perform: es:ESHttpPost",
		},
		{
			"JSON of a kind of its own", 500, `{"ok":false}`,
			`server: bulk request of 3 events, N bytes, to [logs-a]: 500 Internal Server Error: "{\"ok\":false}"`,
		},
		{
			"blocked", 403, `{"error":{"type":"cluster_block_exception","reason":"blocked"}}`,
			"server: bulk request of 3 events, N bytes, to [logs-a]: 403 Forbidden: cluster_block_exception: blocked",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			node := elastictest.New(elastictest.Options{}).Handler()
			o := newOutput(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/_bulk" {
					node.ServeHTTP(w, r)
					return
				}
				w.Header().Set("X-Elastic-Product", "Elasticsearch")
				w.Header().Set("Content-Type",
					map[bool]string{true: "application/json", false: "text/plain"}[strings.HasPrefix(tc.body, "{")])
				w.WriteHeader(tc.status)
				w.Write([]byte(tc.body))
			}), nil)
			err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 10)))
			if err == nil {
				t.Fatal("Send took it for a bulk reply")
			}
			if got := digits.ReplaceAllString(outputs.Whole(err.Error()), "N bytes"); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if n := len(outputs.AsSendError(err).Failed); n != 0 {
				t.Errorf("%d failures", n)
			}
		})
	}
}

// A reply that is compressed although nobody asked for it is read all the same.
func TestCompressedReplies(t *testing.T) {
	node := elastictest.New(elastictest.Options{}).Handler()
	o := newOutput(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		plain := httptest.NewRecorder()
		node.ServeHTTP(plain, r)
		maps.Copy(w.Header(), plain.Header())
		w.Header().Del("Content-Length")
		w.Header().Set("Content-Encoding", "GZIP")
		w.WriteHeader(plain.Code)
		z := gzip.NewWriter(w)
		_, _ = z.Write(plain.Body.Bytes())
		_ = z.Close()
	}), nil)
	if err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 10))); err != nil {
		t.Error(err)
	}
}

func TestProducts(t *testing.T) {
	for _, product := range []string{elastictest.Elasticsearch, elastictest.OpenSearch, elastictest.Legacy} {
		t.Run(product, func(t *testing.T) {
			s := elastictest.New(elastictest.Options{Product: product})
			o := newOutput(t, s.Handler(), nil)
			if err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 5, 0, 10))); err != nil {
				t.Fatal(err)
			}
			if got := numbers(t, s); len(got) != 5 {
				t.Errorf("the server has %v", got)
			}
		})
	}
}
