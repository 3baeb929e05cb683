package cloudwatch

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/delivery"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient/awstest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// TestRefused reads all kinds of rejectedLogEventsInfo for six events, of which two are too old and two too new.
func TestRefused(t *testing.T) {
	r := newRig(t, basic())
	const day = 24 * time.Hour
	times := []time.Duration{-16 * day, -15 * day, -2 * day, 0, 3 * time.Hour, 4 * time.Hour}
	n := func(i int32) *int32 { return aws.Int32(i) }
	for _, tc := range []struct {
		name string
		info *types.RejectedLogEventsInfo
		want []int
	}{
		{"none", nil, nil},
		{"nothing in it", &types.RejectedLogEventsInfo{}, nil},
		{"too old", &types.RejectedLogEventsInfo{TooOldLogEventEndIndex: n(2)}, []int{0, 1}},
		{"expired", &types.RejectedLogEventsInfo{ExpiredLogEventEndIndex: n(3)}, []int{0, 1, 2}},
		{"too new", &types.RejectedLogEventsInfo{TooNewLogEventStartIndex: n(4)}, []int{4, 5}},
		{
			"all three", &types.RejectedLogEventsInfo{
				TooOldLogEventEndIndex: n(2), ExpiredLogEventEndIndex: n(3), TooNewLogEventStartIndex: n(4),
			}, []int{0, 1, 2, 4, 5},
		},
		{"the service's clock is ahead", &types.RejectedLogEventsInfo{TooOldLogEventEndIndex: n(3)}, []int{0, 1, 2}},
		{
			"each event once", &types.RejectedLogEventsInfo{
				TooOldLogEventEndIndex: n(6), ExpiredLogEventEndIndex: n(6), TooNewLogEventStartIndex: n(0),
			}, []int{0, 1, 2, 3, 4, 5},
		},
		{"the last too old one, not the next", &types.RejectedLogEventsInfo{TooOldLogEventEndIndex: n(1)}, []int{0, 1}},
		{
			"the last too new one, not the first", &types.RejectedLogEventsInfo{TooNewLogEventStartIndex: n(5)},
			[]int{4, 5},
		},
		{
			"beyond the events", &types.RejectedLogEventsInfo{ExpiredLogEventEndIndex: n(math.MaxInt32)},
			[]int{0, 1, 2, 3, 4, 5},
		},
		{"before the events", &types.RejectedLogEventsInfo{ExpiredLogEventEndIndex: n(-1)}, nil},
	} {
		s := &sending{o: r.out, w: &work{}}
		var events []int32
		for i, d := range times {
			s.w.lines = append(s.w.lines, line{ms: now().Add(d).UnixMilli()})
			events = append(events, int32(i))
		}
		s.refuse(&target{}, events, tc.info)
		var got []int
		for _, f := range s.failed {
			got = append(got, f.Index)
			if f.Reason != outputs.ReasonRejected {
				t.Errorf("%s: %+v", tc.name, f)
			}
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: refused %v, want %v", tc.name, got, tc.want)
		}
	}
}

// noDead fails when an event is given up.
type noDead struct{ t *testing.T }

func (d noDead) Add(_ context.Context, letters []delivery.DeadLetter) error {
	for _, l := range letters {
		d.t.Errorf("given up: %s %s", l.Reason, l.Detail)
	}
	return nil
}

// drySource ends a test when all its chunks are done.
type drySource struct {
	*outputtest.Backlog
	dry func()
}

func (s *drySource) Done(c *event.Chunk) {
	if s.Backlog.Done(c); s.Events() == 0 {
		s.dry()
	}
}

// TestDelivery delivers chunks of several streams to an account that throttles, fails and cuts connections.
func TestDelivery(t *testing.T) {
	cfg := basic()
	cfg.Message = "n"
	cfg.Retry = outputs.RetryConfig{Initial: time.Millisecond, Max: 2 * time.Millisecond}
	r := newRig(t, cfg)
	rnd := rand.New(rand.NewPCG(6, 6)) // guarded by the server
	r.aws.SetFault(func(string) awstest.Fault {
		switch rnd.IntN(6) {
		case 0:
			return awstest.Fault{Status: 400, Code: "ThrottlingException"}
		case 1:
			return awstest.Fault{Status: 500, Code: "InternalFailure"}
		case 2:
			return awstest.Fault{Cut: true}
		}
		return awstest.Fault{}
	})
	var chunks []*event.Chunk
	for i := range 12 {
		chunks = append(chunks, outputtest.Chunk(uint64(i+1), "a", fmt.Sprint("tag", i%4), 50, 50*i, 10))
	}
	source := outputtest.NewBacklog(chunks...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dry := &drySource{Backlog: source, dry: cancel}
	loop := delivery.New(delivery.Options{
		Name: "cw", Source: dry, Output: r.out, DeadLetters: noDead{t}, Common: cfg.Settings(), Log: zerolog.Nop(),
	})
	if err := loop.Run(ctx); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for i := range 4 {
		for _, text := range r.messages("/k8s/a", fmt.Sprint("tag", i)) {
			got[text]++
		}
	}
	for i := range 600 {
		if got[strconv.Itoa(i)] != 1 {
			t.Errorf("event %d was stored %d times", i, got[strconv.Itoa(i)])
		}
	}
}
