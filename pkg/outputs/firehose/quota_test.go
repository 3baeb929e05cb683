package firehose

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient/awstest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// direct has requests answered without a network, after a while.
type direct struct{ server http.Handler }

func (d direct) Do(r *http.Request) (*http.Response, error) {
	time.Sleep(20 * time.Millisecond)
	w := httptest.NewRecorder()
	d.server.ServeHTTP(w, r)
	return w.Result(), nil
}

// noLetters takes no dead letter.
type noLetters struct{ t *testing.T }

func (n noLetters) Add(_ context.Context, letters []delivery.DeadLetter) error {
	n.t.Errorf("%d dead letters, the first for %s: %s", len(letters), letters[0].Reason, letters[0].Detail)
	return nil
}

// offer runs the delivery loop for o while perSecond events are offered in each of so many seconds, until all
// have arrived, and returns how many bytes and records the stream took in each second.
func offer(t *testing.T, o *Output, s *awstest.Server, perSecond, seconds int) (took [][2]int) {
	t.Helper()
	source := outputtest.NewBacklog()
	cfg := Config{Aggregate: true}
	loop := delivery.New(delivery.Options{
		Name: "fh", Source: source, Output: o, DeadLetters: noLetters{t}, Common: cfg.Settings(), Log: zerolog.Nop(),
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- loop.Run(ctx) }()
	const chunk = 300
	n, seen := 0, 0
	for second := 0; second < seconds || source.Events() > 0; second++ {
		if second == 20*seconds {
			t.Fatalf("%d events have not arrived after %d s", source.Events(), second)
		}
		for i := 0; second < seconds && i < perSecond; i += chunk {
			source.Put(outputtest.Chunk(uint64(n/chunk), "a", "t", chunk, n, 270))
			n += chunk
		}
		time.Sleep(time.Second)
		records := s.Firehose().Records("logs")
		took = append(took, [2]int{len(bytes.Join(records[seen:], nil)), len(records) - seen})
		seen = len(records)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return took
}

func TestAStreamAtItsQuotaTakesEverythingOnce(t *testing.T) { //nolint:tparallel // it sets the environment
	environment(t)
	for _, aggregate := range []bool{true, false} {
		for _, perRecord := range []bool{false, true} {
			t.Run(fmt.Sprint("aggregate ", aggregate, ", per record ", perRecord), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := awstest.New(time.Now)
					quota := awstest.Quota{Bytes: 1 << 19, Records: 500, Requests: 1000, PerRecord: perRecord}
					if aggregate {
						quota.Bytes /= 2 // so that there is a backlog
					}
					s.Firehose().Create("logs", quota)
					cfg := Config{DeliveryStream: "logs", Aggregate: aggregate}
					cfg.Region = "eu-central-1"
					o, err := New(cfg, Options{})
					if err != nil {
						t.Fatal(err)
					}
					o.calls = callsOf(
						firehose.NewFromConfig(o.aws.AWS, func(o *firehose.Options) { o.HTTPClient = direct{s} }),
					)
					const perSecond, seconds = 1500, 30
					took := offer(t, o, s, perSecond, seconds)
					got := map[int]bool{}
					for _, n := range numbers(t, s, "logs", false) {
						if got[n] {
							t.Fatalf("event %d arrived twice", n)
						}
						got[n] = true
					}
					if len(got) != perSecond*seconds {
						t.Errorf("%d events arrived", len(got))
					}
					settled := took[20 : len(took)-5]
					size, records := 0, 0
					for _, second := range settled {
						size, records = size+second[0], records+second[1]
					}
					// The stream takes a second's worth above its quota once, what it had saved before the first of
					// these.
					span := float64(len(settled))
					rate := max(float64(size)/quota.Bytes, float64(records)/quota.Records) / span
					calls, throttled := s.Requests(put), s.Firehose().Throttled("logs")
					t.Logf("%.3f of the quota over %d s; %d of %d calls throttled; %v", rate, len(settled), throttled,
						calls, o.Report().Paces)
					if rate < 0.9 || rate > 1+1/span {
						t.Errorf("took %.3f of the quota: %v", rate, took)
					}
					if throttled > calls/8 {
						t.Errorf("%d of %d calls throttled", throttled, calls)
					}
				})
			})
		}
	}
}
