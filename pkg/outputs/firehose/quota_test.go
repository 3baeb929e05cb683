package firehose

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient/awstest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// openDirect returns an output whose requests a made-up service answers without a network, after a while.
func openDirect(t *testing.T, cfg Config) (*Output, *awstest.Server) {
	t.Helper()
	s := awstest.New(time.Now)
	cfg.Region = "eu-central-1"
	o, err := New(cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	o.calls = callsOf(firehose.NewFromConfig(o.aws.AWS, func(o *firehose.Options) {
		o.HTTPClient = awstest.Direct{To: s, After: 20 * time.Millisecond}
	}))
	return o, s
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
					o, s := openDirect(t, Config{DeliveryStream: "logs", Aggregate: aggregate})
					quota := awstest.Quota{Bytes: 1 << 19, Records: 500, Requests: 1000, PerRecord: perRecord}
					if aggregate {
						quota.Bytes /= 2 // so that there is a backlog
					}
					s.Firehose().Create("logs", quota)
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

// A request that is not answered is given up after the time-out, and its events may be there twice.
func TestTimeout(t *testing.T) {
	environment(t)
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{DeliveryStream: "logs", Aggregate: true}
		cfg.Timeout = time.Second
		o, s := openDirect(t, cfg)
		s.Firehose().Create("logs", awstest.Quota{})
		s.SetFault(func(string) awstest.Fault { return awstest.Fault{Hang: true} })
		b, began := outputtest.Batch(outputtest.Chunk(1, "a", "t", 4, 0, 10)), time.Now()
		err := o.Send(t.Context(), b)
		se := outputs.AsSendError(err)
		if took := time.Since(began); se.Reason != outputs.ReasonNetwork || len(se.Failed) != 0 || se.RetryAfter != 0 ||
			!strings.Contains(outputs.Whole(err.Error()), "no answer within the time-out") || took != cfg.Timeout {
			t.Errorf("after %s: %#v", took, se)
		}
		if n, r := s.Requests(put), o.Report(); n != 1 || r.PossibleDuplicates != 4 {
			t.Errorf("%d requests, %d possible duplicates", n, r.PossibleDuplicates)
		}
		s.SetFault(nil)
		if err := (patient{o}).Send(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if got := numbers(t, s, "logs", false); !slices.Equal(got, []int{0, 1, 2, 3}) {
			t.Errorf("stored %v", got)
		}
	})
}
