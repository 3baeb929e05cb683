package awsclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"
	"github.com/klauspost/compress/gzip"
	"github.com/tinylib/msgp/msgp"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

func template(tb testing.TB, s string) *event.Template {
	tb.Helper()
	parsed, err := event.ParseTemplate(s)
	if err != nil {
		tb.Fatal(err)
	}
	return parsed
}

// shelf is a service that checks every request against the limits, and fails at random.
type shelf struct {
	t      testing.TB
	o      *StreamsOptions
	rng    *rand.Rand
	poison int // an event that is never taken; 0: none
	got    map[int]int
	order  map[string][]int // of each stream
}

func (s *shelf) put(_ context.Context, stream string, records []Record) ([]Outcome, error) {
	l := s.o.Limits
	total := 0
	for _, r := range records {
		if n := len(r.Data) + len(r.Key); n > l.Record || len(r.Data) == 0 {
			s.t.Errorf("a record of %d bytes", n)
		}
		if (s.o.Key == nil) != (r.Key == "") {
			s.t.Errorf("partition key %q", r.Key)
		}
		total += len(r.Data) + len(r.Key)
	}
	if l.Base64 {
		var body struct{ DeliveryStreamName, Records any }
		body.DeliveryStreamName, body.Records = stream, records
		b, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		total = len(b) - len(records)*len(`,"Key":""`)
	}
	if total > l.Request || len(records) == 0 || len(records) > l.Records || len(stream) > l.Name {
		s.t.Errorf("a request of %d bytes, %d records, to %q", total, len(records), stream)
	}
	switch s.rng.IntN(12) {
	case 0:
		return nil, &smithy.GenericAPIError{Code: "ServiceUnavailableException"}
	case 1:
		return nil, &smithy.GenericAPIError{Code: "InternalFailure"}
	}
	outcomes := make([]Outcome, len(records))
	for i, r := range records {
		numbers := s.lines(r.Data)
		if s.poison > 0 && slices.Contains(numbers, s.poison) {
			return nil, &smithy.GenericAPIError{Code: "ValidationException", Message: "no"}
		}
		if s.rng.IntN(20) == 0 {
			outcomes[i].Code = []string{"ServiceUnavailableException", "InternalFailure"}[s.rng.IntN(2)]
		}
	}
	for i, r := range records {
		if outcomes[i].Code == "" {
			for _, n := range s.lines(r.Data) {
				s.got[n]++
				s.order[stream] = append(s.order[stream], n)
			}
		}
	}
	return outcomes, nil
}

func (s *shelf) lines(data []byte) (numbers []int) {
	if s.o.Gzip {
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			s.t.Fatal(err)
		}
		if data, err = io.ReadAll(r); err != nil {
			s.t.Fatal(err)
		}
	}
	for line := range bytes.Lines(data) {
		var e struct{ N int }
		if err := json.Unmarshal(line, &e); err != nil || line[len(line)-1] != '\n' {
			s.t.Fatalf("%q: %v", line, err)
		}
		numbers = append(numbers, e.N)
	}
	if len(numbers) == 0 || !s.o.Aggregate && len(numbers) > 1 {
		s.t.Errorf("%d lines in a record", len(numbers))
	}
	return numbers
}

// FuzzStreams sends random events through a service that fails at random, until each is settled, and checks
// that each request is within the limits and each event stored once, or refused for good.
func FuzzStreams(f *testing.F) {
	for seed := range uint64(64) {
		f.Add(seed, uint8(seed))
	}
	f.Fuzz(func(t *testing.T, seed uint64, flags uint8) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			o := StreamsOptions{
				Stream: template(t, "s-{cluster}-{record.log|x}"), Aggregate: flags&1 > 0, Gzip: flags&2 > 0,
				Timeout: time.Minute,
				Limits: Limits{
					Name: 12, Records: 1 + rng.IntN(20), Record: 1000, Request: 3000 + rng.IntN(5000),
					Base64: flags&4 > 0,
				},
			}
			if flags&8 > 0 {
				o.Key, o.RandomKeys = template(t, "{tag}"), flags&16 > 0
			}
			s := &shelf{t: t, o: &o, rng: rng, got: map[int]int{}, order: map[string][]int{}}
			o.Put = s.put
			streams := NewStreams(o)
			var chunks, others []*event.Chunk // others are what goes on arriving at the same streams
			n := 1
			for i := range 5 {
				events, cluster, pad := rng.IntN(30), string(rune('a'+rng.IntN(3))), rng.IntN(1200)
				chunks = append(chunks,
					outputtest.Chunk(uint64(i), cluster, string(rune('t'+rng.IntN(2))), events, n, pad))
				others = append(others, outputtest.Chunk(uint64(5+i), cluster, "t", 1, 0, pad))
				n += events
			}
			if flags&32 > 0 && n > 1 {
				s.poison = 1 + rng.IntN(n-1)
			}
			b := outputtest.Batch(chunks...)
			refused := map[int]outputs.Reason{}
			for tries := 0; len(b.Events) > 0; tries++ {
				if tries > 2000 {
					t.Fatalf("%d events are never settled", len(b.Events))
				}
				b = again(t, streams.Send(t.Context(), b), b, refused)
				if s.poison > 0 && len(b.Events) < 3 {
					_ = streams.Send(t.Context(), outputtest.Batch(others...))
				}
			}
			for i := 1; i < n; i++ {
				_, gone := refused[i]
				if want := map[bool]int{false: 1}[gone]; s.got[i] != want {
					t.Errorf("event %d was stored %d times, want %d", i, s.got[i], want)
				}
				if refused[i] == outputs.ReasonRejected && i != s.poison {
					t.Errorf("event %d was given up instead of %d", i, s.poison)
				}
			}
		})
	})
}

// again returns the events that err wants sent again, after the wait that it wants.
func again(t *testing.T, err error, b *outputs.Batch, refused map[int]outputs.Reason) *outputs.Batch {
	t.Helper()
	if err == nil {
		return &outputs.Batch{}
	}
	var se *outputs.SendError
	if !errors.As(err, &se) {
		t.Fatal(err)
	}
	if len(se.Failed) == 0 {
		return b
	}
	rest, last := &outputs.Batch{}, -1
	for _, f := range se.Failed {
		if f.Index <= last || f.Detail == "" {
			t.Fatalf("failure %+v after %d", f, last)
		}
		last = f.Index
		if f.Reason.Final() {
			refused[outputtest.Number(&b.Events[f.Index])] = f.Reason
			continue
		}
		rest.Events = append(rest.Events, b.Events[f.Index])
	}
	time.Sleep(max(se.RetryAfter, 200*time.Millisecond))
	return rest
}

// A stream that refuses everything is not the events' fault: they are held, without a flood of requests.
func TestAStreamThatRefusesEverythingHoldsItsEvents(t *testing.T) {
	calls, broken := 0, false
	o := StreamsOptions{
		Stream: template(t, "s"), Limits: Limits{Name: 64, Records: 500, Record: 1e6, Request: 4e6},
		Timeout: time.Minute,
	}
	o.Put = func(_ context.Context, _ string, records []Record) ([]Outcome, error) {
		if calls++; broken {
			return nil, &smithy.GenericAPIError{Code: "InvalidArgumentException"}
		}
		return make([]Outcome, len(records)), nil
	}
	s := NewStreams(o)
	b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 1000, 0, 10))
	for n := range uint64(4) {
		broken = false
		if err := s.Send(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		broken, calls = true, 0
		var se *outputs.SendError
		if err := s.Send(t.Context(), outputtest.Batch(outputtest.Chunk(2+n, "a", "t", 1000, 0, 10))); !errors.As(
			err, &se,
		) || len(se.Failed) != 1000 || se.Reason.Final() {
			t.Fatal(err)
		}
		if calls > 20 {
			t.Errorf("%d calls", calls)
		}
	}
}

// Events that are refused stand before all others: the others are taken, with nothing else arriving.
func TestRefusedEventsInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const wrong, all = 5, 500
		o := StreamsOptions{
			Stream: template(t, "s"), Limits: Limits{Name: 64, Records: 500, Record: 1e6, Request: 4e6},
			Timeout: time.Minute,
		}
		taken := 0
		o.Put = func(_ context.Context, _ string, records []Record) ([]Outcome, error) {
			for _, r := range records {
				if bytes.Contains(r.Data, []byte(`"tag":"wrong"`)) {
					return nil, &smithy.GenericAPIError{Code: "InvalidArgumentException"}
				}
			}
			taken += len(records)
			return make([]Outcome, len(records)), nil
		}
		o.Fields = event.Fields{Tag: "tag"}
		streams, refused := NewStreams(o), map[int]outputs.Reason{}
		b := outputtest.Batch(outputtest.Chunk(1, "a", "wrong", wrong, 0, 10),
			outputtest.Chunk(2, "a", "right", all, wrong, 10))
		for tries := 0; taken < all; tries++ {
			if tries > 500 {
				t.Fatalf("%d of %d events are taken, %d given up", taken, all, len(refused))
			}
			b = again(t, streams.Send(t.Context(), b), b, refused)
		}
		for n, reason := range refused {
			if n >= wrong || reason != outputs.ReasonRejected {
				t.Errorf("event %d was given up: %s", n, reason)
			}
		}
	})
}

func TestAnswersThatDoNotMatchAreDoubted(t *testing.T) {
	o := StreamsOptions{
		Stream: template(t, "s"), Limits: Limits{Name: 64, Records: 500, Record: 1e6, Request: 4e6},
		Timeout: time.Minute,
	}
	o.Put = func(context.Context, string, []Record) ([]Outcome, error) { return make([]Outcome, 2), nil }
	s := NewStreams(o)
	err := s.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 10)))
	var se *outputs.SendError
	if !errors.As(err, &se) || se.Reason != outputs.ReasonServer || len(se.Failed) != 3 ||
		s.Report().PossibleDuplicates != 3 {
		t.Errorf("%v, %+v", err, s.Report())
	}
}

func TestBrokenEventsAreRefusedAlone(t *testing.T) {
	o := StreamsOptions{
		Stream: template(t, "s"), Aggregate: true, Limits: Limits{Name: 64, Records: 500, Record: 1e6, Request: 4e6},
		Timeout: time.Minute,
	}
	taken := 0
	o.Put = func(_ context.Context, _ string, records []Record) ([]Outcome, error) {
		taken += bytes.Count(records[0].Data, []byte("\n"))
		return make([]Outcome, len(records)), nil
	}
	b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 10))
	b.Events[1] = outputtest.Broken(b.Events[1].Chunk)
	var se *outputs.SendError
	if err := NewStreams(o).Send(t.Context(), b); !errors.As(err, &se) || len(se.Failed) != 1 ||
		se.Failed[0].Index != 1 || se.Failed[0].Reason != outputs.ReasonRejected || taken != 2 {
		t.Errorf("%v, %d taken", err, taken)
	}
}

func TestStreamsInMemoryAreBounded(t *testing.T) {
	s := NewStreams(StreamsOptions{Stream: template(t, "s")})
	for i := range 3 * maxPaces {
		s.stream(strconv.Itoa(i))
	}
	if n := len(s.Report().Paces); n != maxPaces {
		t.Errorf("%d paces", n)
	}
}

func TestNamesOfStreams(t *testing.T) {
	for _, tc := range []struct{ text, tag, want string }{
		{"logs", "t", "logs"},
		{"logs-{cluster}-{tag}", "kube.var/log é", "logs-a-kube.var-log---"},
		{"{record.none}", "t", "unknown"},
		{"{record.none|x y}", "t", "x-y"},
		{"{tag}", "0123456789012345678901234567890123456789", "0123456789012345678901-21036095"},
	} {
		ev := event.Event{Chunk: &event.Chunk{Cluster: "a", Tag: tc.tag}, Record: []byte{0x80}}
		if got := string(appendName([]byte("before"), &ev, template(t, tc.text), 31)); got != "before"+tc.want {
			t.Errorf("%s: %q", tc.text, got)
		}
	}
}

// FuzzNamesOfStreams holds that whatever an event has, its stream is one that AWS takes and begins as the template
// does.
func FuzzNamesOfStreams(f *testing.F) {
	for _, hostile := range []string{
		"", "../../other", "a/b", "arn:aws:kinesis:::stream/x", "x\x00\x1b[2J\u202e", strings.Repeat("é", 300),
	} {
		f.Add(hostile, hostile)
	}
	f.Fuzz(func(t *testing.T, tag, field string) {
		record := msgp.AppendString([]byte("\x81\xa1f"), field)
		ev := event.Event{Chunk: &event.Chunk{Cluster: "a", Tag: tag}, Record: record}
		name := string(appendName(nil, &ev, template(t, "logs-{cluster}-{tag}-{record.f}"), 64))
		if !regexp.MustCompile(`^logs-a-[a-zA-Z0-9_.-]{1,57}$`).MatchString(name) {
			t.Errorf("tag %q and %q: %q", tag, field, name)
		}
	})
}
