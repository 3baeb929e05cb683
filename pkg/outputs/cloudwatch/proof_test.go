package cloudwatch

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// Only the service's own answer proves that events are stored: docs/cloudwatch.md has the table.
func TestProof(t *testing.T) {
	newRig(t, basic()) // for its environment
	for name, tc := range map[string]struct {
		body, kind string
		failed     int // events, of 2
	}{
		"a token":         {`{"nextSequenceToken":"1"}`, "application/x-amz-json-1.1", 0},
		"an empty object": {`{}`, "application/x-amz-json-1.1", 0},
		"one refused": {
			`{"nextSequenceToken":"1","rejectedLogEventsInfo":{"tooOldLogEventEndIndex":1}}`,
			"application/x-amz-json-1.1", 1,
		},
		"an empty answer":   {``, "", 2},
		"a page":            {`<html>Sign in</html>`, "text/html", 2},
		"another's JSON":    {`{"login":"required"}`, "application/json", 2},
		"a JSON text":       {`"ok"`, "application/json", 2},
		"null":              {`null`, "application/json", 2},
		"half of an answer": {`{"nextSequenceToken":`, "application/x-amz-json-1.1", 2},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", tc.kind)
				_, _ = io.WriteString(w, tc.body)
			}))
			defer server.Close()
			cfg := basic()
			cfg.Config = awsclient.Config{Region: "eu-central-1", Endpoint: server.URL}
			o, err := New(cfg, Options{Name: "cw", Now: now})
			if err != nil {
				t.Fatal(err)
			}
			defer o.Close()
			r := &rig{out: o}
			failed := r.failures(t, batch(at("web", now(), "a"), at("web", now(), "b")))
			if len(failed) != tc.failed {
				t.Errorf("%d events failed, want %d: %+v", len(failed), tc.failed, failed)
			}
			for _, f := range failed {
				if final := tc.failed == 1; f.Reason.Final() != final || !final && f.Reason != outputs.ReasonServer {
					t.Errorf("an event failed for %s: %s", f.Reason, f.Detail)
				}
			}
			if n := o.Report().PossibleDuplicates; tc.failed == 2 && n != 2 {
				t.Errorf("%d possible duplicates", n)
			}
		})
	}
}
