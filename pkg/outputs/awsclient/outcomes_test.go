package awsclient

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// streamsWith returns Streams for one stream with plenty of room, whose requests are answered by put.
func streamsWith(t *testing.T, name string, put func(stream string, records []Record) ([]Outcome, error)) *Streams {
	t.Helper()
	return NewStreams(StreamsOptions{
		Stream: template(t, name), Limits: Limits{Name: 64, Records: 500, Record: 1e6, Request: 4e6},
		Timeout: time.Minute,
		Put: func(_ context.Context, stream string, records []Record) ([]Outcome, error) {
			return put(stream, records)
		},
	})
}

// What becomes of one of three events whose record is answered with an error code of its own: the others are stored,
// and the failure says where, why and what to do.
func TestOutcomeOfOneRecord(t *testing.T) {
	for _, tc := range []struct {
		code, message string
		reason        outputs.Reason
		public        string
		doubtful      uint64
		throttled     uint64
	}{
		{
			"ServiceUnavailableException", "Slow down.", outputs.ReasonThrottled, "[logs] " +
				"ServiceUnavailableException", 0, 1,
		},
		{
			"ProvisionedThroughputExceededException", "Rate exceeded for shard shardId-1", outputs.ReasonThrottled,
			"[logs] ProvisionedThroughputExceededException", 0, 1,
		},
		{"InternalFailure", "no", outputs.ReasonServer, "[logs] InternalFailure", 0, 0},
		{
			"KMSDisabledException", "", outputs.ReasonTarget,
			"[logs] KMSDisabledException; check the stream's KMS key and its policy", 0, 0,
		},
		{
			"AccessDeniedException", "value 'x'", outputs.ReasonTarget,
			"[logs] AccessDeniedException; allow the action in the role's policy", 0, 0,
		},
		{"ExpiredTokenException", "", outputs.ReasonAuth, "[logs] ExpiredTokenException; renew the credentials: " +
			"they are " +
			"read again with each try", 0, 0},
		{unproved, "no id", outputs.ReasonServer, "[logs] NoRecordId", 1, 0},
		{"<script>", "", outputs.ReasonServer, "[logs] <script>", 0, 0},
	} {
		s := streamsWith(t, "logs", func(_ string, records []Record) ([]Outcome, error) {
			outcomes := make([]Outcome, len(records))
			outcomes[1] = Outcome{tc.code, tc.message}
			return outcomes, nil
		})
		err := s.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 10)))
		var se *outputs.SendError
		if !errors.As(err, &se) || len(se.Failed) != 1 || se.Reason != tc.reason {
			t.Errorf("%s: %v", tc.code, err)
			continue
		}
		f := se.Failed[0]
		if f.Index != 1 || f.Reason != tc.reason || f.Target != "logs" || f.Kind != outputs.KindOf(tc.code) ||
			outputs.Public(f.Detail) != tc.public || f.Remedy == "" || se.Remedy != f.Remedy {
			t.Errorf("%s: %+v", tc.code, f)
		}
		if tc.message != "" && !strings.Contains(outputs.Whole(f.Detail), ": "+tc.message) {
			t.Errorf("%s: the service's words are lost: %q", tc.code, outputs.Whole(f.Detail))
		}
		r := s.Report()
		if r.PossibleDuplicates != tc.doubtful || len(r.Paces) != 1 || r.Paces[0].Throttled != tc.throttled {
			t.Errorf("%s: %+v", tc.code, r)
		}
	}
}

// What becomes of events of two streams where requests to the first are refused as a whole: those of the other go,
// unless nothing at all would.
func TestOutcomeOfARequest(t *testing.T) {
	for _, tc := range []struct {
		name     string
		err      error
		reason   outputs.Reason
		failed   int // 0: all
		doubtful uint64
		wish     time.Duration
	}{
		{
			"no such stream", answered(400, "ResourceNotFoundException", "", nil), outputs.ReasonTarget, 3, 0, 0,
		},
		{"denied", answered(400, "AccessDeniedException", "", nil), outputs.ReasonTarget, 3, 0, 0},
		{"the service fails", answered(500, "InternalFailure", "", nil), outputs.ReasonServer, 3, 3, 0},
		{"credentials", answered(400, "ExpiredTokenException", "", nil), outputs.ReasonAuth, 0, 0, 0},
		{"no answer", errors.New("read: reset"), outputs.ReasonNetwork, 0, 3, 0},
		{
			"throttled, with a wish", answered(503, "SlowDown", "", map[string][]string{"Retry-After": {"9"}}),
			outputs.ReasonThrottled, 3, 0, 9 * time.Second,
		},
		{"too large for what is on the way", answered(413, "", "", nil), outputs.ReasonServer, 3, 0, 0},
	} {
		sent := map[string]int{}
		s := streamsWith(t, "s-{cluster}", func(stream string, records []Record) ([]Outcome, error) {
			if stream == "s-a" {
				return nil, tc.err
			}
			sent[stream] += len(records)
			return make([]Outcome, len(records)), nil
		})
		b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 10), outputtest.Chunk(2, "b", "t", 2, 3, 10))
		se := outputs.AsSendError(s.Send(t.Context(), b))
		if len(se.Failed) != tc.failed || se.Reason != tc.reason || se.RetryAfter != tc.wish ||
			s.Report().PossibleDuplicates != tc.doubtful {
			t.Errorf("%s: %+v, %d possible duplicates", tc.name, se, s.Report().PossibleDuplicates)
		}
		if others := sent["s-b"]; (others == 2) != (tc.failed > 0) {
			t.Errorf("%s: %d events of the other stream are stored", tc.name, others)
		}
		if want := []outputs.TargetCount{{Target: "s-a", Events: 3, Bytes: b.Sent[0].Bytes}}; b.Sent[0] != want[0] ||
			b.Sent[1].Target != "s-b" || b.Sent[1].Events != 2 {
			t.Errorf("%s: it counts %+v", tc.name, b.Sent)
		}
	}
}

// What is too large together, for a proxy on the way, is sent in halves; what is too large alone is a dead letter, once
// its stream has been seen to take others, again and again.
func TestTooLargeForTheWay(t *testing.T) {
	const most = 200
	taken, requests := map[int]int{}, 0
	s := streamsWith(t, "logs", func(_ string, records []Record) ([]Outcome, error) {
		requests++
		size := 0
		for _, r := range records {
			size += len(r.Data)
		}
		if size > most {
			return nil, answered(413, "", "", nil)
		}
		for _, r := range records {
			taken[len(r.Data)]++
		}
		return make([]Outcome, len(records)), nil
	})
	small := outputtest.Chunk(1, "a", "t", 9, 0, 30) // of some 45 bytes each
	if err := s.Send(t.Context(), outputtest.Batch(small)); err != nil || taken[len(`{"n":0,"log":""}`)+31] != 9 {
		t.Fatalf("%v after %d requests; taken %v", err, requests, taken)
	}
	mixed := outputtest.Batch(outputtest.Chunk(2, "a", "t", 1, 9, 500), outputtest.Chunk(3, "a", "t", 2, 10, 30))
	for try := 1; ; try++ {
		var se *outputs.SendError
		if err := s.Send(t.Context(), mixed); !errors.As(err, &se) || len(se.Failed) != 1 || se.Failed[0].Index != 0 {
			t.Fatalf("try %d: %v", try, err)
		}
		if f := se.Failed[0]; f.Reason == outputs.ReasonTooLarge && f.Status == 413 {
			if try != 3 {
				t.Errorf("given up with try %d", try)
			}
			break
		} else if f.Reason != outputs.ReasonServer || try > 3 {
			t.Fatalf("try %d: %+v", try, f)
		}
	}
}

// An event is given up after its third refusal alone, if the stream has taken others since each; else never.
func TestPoison(t *testing.T) {
	at := func(seq uint64, pos int) *event.Event {
		return &event.Event{Chunk: &event.Chunk{Cluster: "a", Seq: seq}, Pos: pos}
	}
	now := time.Unix(0, 0)
	tick := func() time.Time {
		now = now.Add(time.Second)
		return now
	}
	st := &stream{}
	for i := range 10 {
		if st.poison(at(1, 0), tick()) {
			t.Fatalf("given up with the %d. refusal although nothing else was taken", i+1)
		}
	}
	st.took(tick())
	for range 2 {
		if st.poison(at(1, 0), tick()) {
			t.Error("two refusals in a row count twice")
		}
	}
	if st.poison(at(1, 1), tick()) || st.poison(at(2, 0), tick()) {
		t.Error("another event bears what the first has met")
	}
	st.took(tick())
	if !st.poison(at(1, 0), tick()) {
		t.Error("not given up with the third refusal")
	}
	if st.poison(at(1, 0), tick()) {
		t.Error("what was given up is remembered")
	}
	for pos := range 3 * maxSuspects {
		st.poison(at(3, pos), tick())
	}
	if len(st.suspects) > maxSuspects {
		t.Errorf("%d suspects are remembered", len(st.suspects))
	}
}

// The worst of several failures is a delivery's, in the order in which an operator has to hear of them.
func TestSeverity(t *testing.T) {
	ascending := []outputs.Reason{
		outputs.ReasonPaced, outputs.ReasonTooLarge, outputs.ReasonRejected, outputs.ReasonTarget,
		outputs.ReasonThrottled, outputs.ReasonServer, outputs.ReasonNetwork, outputs.ReasonAuth,
	}
	for i, low := range ascending {
		for _, high := range ascending[i:] {
			for _, both := range [][]outputs.Reason{{low, high}, {high, low}} {
				d := delivery{events: make([]event.Event, 3)}
				d.fail([]int32{2}, &failure{reason: both[0], detail: string(both[0])})
				d.fail([]int32{0}, &failure{reason: both[1], detail: string(both[1]), remedy: "r"})
				var se *outputs.SendError
				if err := d.result(); !errors.As(err, &se) || se.Reason != high || se.Err.Error() != string(high) ||
					se.Failed[0].Index != 0 || se.Failed[1].Index != 2 {
					t.Errorf("%v: %v", both, err)
				}
			}
		}
	}
	if err := (&delivery{}).result(); err != nil {
		t.Errorf("nothing failed: %v", err)
	}
}

// What check --connect finds of the streams: their state, or why they could not be looked at.
func TestStreamsConnect(t *testing.T) {
	api := func(code string) error { return &smithy.GenericAPIError{Code: code} }
	for _, tc := range []struct {
		name, stream string
		clusters     []string
		status       map[string]string
		err          error
		found, wrong string
	}{
		{
			"one for all", "logs",
			[]string{"a", "b"},
			map[string]string{"logs": "ACTIVE"},
			nil,
			"reached; streams: logs ACTIVE", "",
		},
		{
			"one for each cluster", "s-{cluster}",
			[]string{"b", "a", "b"},
			map[string]string{"s-a": "ACTIVE", "s-b": "UPDATING"},
			nil, "reached; streams: s-b UPDATING, s-a ACTIVE", "",
		},
		{
			"being made", "logs", nil,
			map[string]string{"logs": "CREATING"},
			nil, "",
			"stream logs is CREATING: it takes no records until it is ACTIVE",
		},
		{
			"not allowed", "logs", nil, nil, api("AccessDeniedException"),
			"reached; streams: logs not checked, since x:Describe is not allowed", "",
		},
		{
			"missing", "logs", nil, nil, api("ResourceNotFoundException"), "",
			"stream logs: ResourceNotFoundException; create it, or correct its name, region or account",
		},
		{
			"by tag", "s-{tag}", []string{"a"}, nil, nil, `not checked: the streams of "s-{tag}" depend on the ` +
				`events`, "",
		},
		{
			"by record", "{record.app}",
			[]string{"a"},
			nil, nil,
			`not checked: the streams of "{record.app}" depend on the events`, "",
		},
		{"by day", "s-%Y", []string{"a"}, nil, nil, `not checked: the streams of "s-%Y" depend on the events`, ""},
	} {
		s := streamsWith(t, tc.stream, nil)
		var asked []string
		found, err := s.Connect(t.Context(), tc.clusters, "x:Describe", func(
			ctx context.Context, name string,
		) (string, error) {
			if _, bounded := ctx.Deadline(); !bounded {
				t.Errorf("%s: the question has no time-out", tc.name)
			}
			asked = append(asked, name)
			return tc.status[name], tc.err
		})
		wrong := ""
		if err != nil {
			wrong = outputs.Public(err.Error())
		}
		if found != tc.found || wrong != tc.wrong {
			t.Errorf("%s: found %q, wrong %q; want %q, %q", tc.name, found, wrong, tc.found, tc.wrong)
		}
		if sorted := slices.Sorted(slices.Values(asked)); len(slices.Compact(sorted)) != len(asked) {
			t.Errorf("%s: asked for %q", tc.name, asked)
		}
	}
}

// What is added to a cluster's events is in their lines, and an event's target is the name of its stream.
func TestStreamsAdd(t *testing.T) {
	var got []string
	s := streamsWith(t, "s-{cluster}", func(stream string, records []Record) ([]Outcome, error) {
		for _, r := range records {
			got = append(got, stream+" "+string(r.Data))
		}
		return make([]Outcome, len(records)), nil
	})
	s.SetClusterFields(map[string]map[string]string{"a": {"env": "prod"}})
	b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 1, 0, 1), outputtest.Chunk(2, "b c", "t", 1, 1, 1))
	if err := s.Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	want := []string{`s-a {"n":0,"log":"x","env":"prod"}` + "\n", `s-b-c {"n":1,"log":"x"}` + "\n"}
	if !slices.Equal(got, want) {
		t.Errorf("stored %q, want %q", got, want)
	}
	if target := string(s.AppendTarget([]byte("to "), &b.Events[1])); target != "to s-b-c" {
		t.Errorf("the target is %q", target)
	}
}
