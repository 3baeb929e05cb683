package firehose

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/firehose"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// taking answers every request with success.
type taking struct{ records int }

func (d *taking) Do(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	answer := `{"FailedPutCount":0,"RequestResponses":[` +
		strings.TrimSuffix(strings.Repeat(`{"RecordId":"1"},`, d.records), ",") + `]}`
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)),
	}, nil
}

func BenchmarkSend(b *testing.B) {
	for _, tc := range []struct {
		name    string
		cfg     Config
		events  int
		records int
	}{
		{"aggregated", Config{Aggregate: true}, 6000, 3},
		{"aggregated gzip", Config{Aggregate: true, Compression: compressionGzip}, 6000, 3},
		{"single", Config{}, 500, 500},
	} {
		b.Run(tc.name, func(b *testing.B) {
			environment(b)
			tc.cfg.DeliveryStream, tc.cfg.Region = "logs-{cluster}", "eu-central-1"
			tc.cfg.Fields = event.Fields{Time: "@timestamp", Tag: "tag", Cluster: "cluster"}
			o, err := New(tc.cfg, Options{})
			if err != nil {
				b.Fatal(err)
			}
			o.calls = callsOf(firehose.NewFromConfig(o.aws.AWS, func(
				o *firehose.Options,
			) {
				o.HTTPClient = &taking{tc.records}
			}))
			batch := outputtest.Batch(outputtest.Chunk(1, "a", "kube.var.log.containers.x", tc.events, 0, 280))
			b.SetBytes(int64(batch.Bytes))
			b.ReportAllocs()
			for b.Loop() {
				if err := o.Send(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*tc.events), "ns/event")
		})
	}
}
