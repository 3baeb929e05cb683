package firehose

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// Only a record id for each record proves that they are stored: docs/aws.md has the table.
func TestProof(t *testing.T) {
	environment(t)
	for name, tc := range map[string]struct {
		body, kind string
		failed     int // events, of 2
	}{
		"an id for each": {
			`{"FailedPutCount":0,"RequestResponses":[{"RecordId":"1"},{"RecordId":"2"}]}`, "application/x-amz-json-1.1",
			0,
		},
		"one without": {
			`{"FailedPutCount":0,"RequestResponses":[{"RecordId":"1"},{}]}`, "application/x-amz-json-1.1", 1,
		},
		"fewer than records": {
			`{"FailedPutCount":0,"RequestResponses":[{"RecordId":"1"}]}`, "application/x-amz-json-1.1", 2,
		},
		"none":            {`{"FailedPutCount":0,"RequestResponses":[]}`, "application/x-amz-json-1.1", 2},
		"an empty object": {`{}`, "application/x-amz-json-1.1", 2},
		"an empty answer": {``, "", 2},
		"a page":          {`<html>Sign in</html>`, "text/html", 2},
		"a JSON text":     {`"ok"`, "application/json", 2},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", tc.kind)
				_, _ = io.WriteString(w, tc.body)
			}))
			defer server.Close()
			cfg := Config{DeliveryStream: "s"}
			cfg.Region, cfg.Endpoint = "eu-central-1", server.URL
			o, err := New(cfg, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer o.Close()
			failed := 0
			if err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 2, 0, 10))); err != nil {
				se := outputs.AsSendError(err)
				if failed = len(se.Failed); failed == 0 {
					failed = 2
				}
				if se.Reason.Final() || o.Report().PossibleDuplicates != uint64(tc.failed) {
					t.Errorf("%v, %d possible duplicates", err, o.Report().PossibleDuplicates)
				}
			}
			if failed != tc.failed {
				t.Errorf("%d events failed, want %d", failed, tc.failed)
			}
		})
	}
}
