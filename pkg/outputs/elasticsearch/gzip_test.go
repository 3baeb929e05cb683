package elasticsearch

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// TestGzipThatIsNotRead: a server that takes a compressed body for text is told by name, with the setting, at the first
// request and by a check; one that takes it is not.
func TestGzipThatIsNotRead(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		reply  string
		unread bool
	}{
		"control character": {
			400,
			`{"error":{"type":"json_parse_exception","reason":"Illegal character ((CTRL-CHAR, code 31)): only ` +
				`regular white space"},"status":400}`, true,
		},
		"media type": {415, `{"error":"no"}`, true},
		"encoding":   {400, `{"error":{"type":"x","reason":"unknown Content-Encoding"},"status":400}`, true},
		"no events": {
			400,
			`{"error":{"type":"action_request_validation_exception","reason":"Validation Failed: 1: no requests ` +
				`added;"},"status":400}`, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			bulks := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Elastic-Product", "Elasticsearch")
				w.Header().Set("Content-Type", "application/json")
				if r.URL.Path == "/" {
					_, _ = io.WriteString(w,
						`{"version":{"number":"8.14.3","build_flavor":"default"},"tagline":"You Know, for Search"}`)
					return
				}
				if r.Header.Get("Content-Encoding") != "gzip" {
					t.Errorf("%s %s is not compressed", r.Method, r.URL)
				}
				bulks++
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.reply)
			}))
			defer server.Close()
			cfg := Config{Hosts: []string{server.URL}, Index: "logs", Compression: compressionGzip}
			o, err := New(cfg, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer o.Close()
			o.client.longestProbe = calm
			_, err = o.Connect(t.Context(), nil)
			if (err != nil) != tc.unread || err != nil &&
				(!strings.Contains(err.Error(), server.URL) || !strings.Contains(err.Error(), "compression: none")) {
				t.Errorf("a check says %v", err)
			}
			if !tc.unread {
				return
			}
			bulks = 0
			err = o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 8, 0, 10)))
			if se := outputs.AsSendError(err); err == nil || bulks != 1 || len(se.Failed) > 0 || se.Reason.Final() ||
				!strings.Contains(outputs.Public(err.Error()), "compression: none") {
				t.Errorf("after %d requests: %v", bulks, err)
			}
		})
	}
}
