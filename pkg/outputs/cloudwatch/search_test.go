package cloudwatch

import (
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// quietMaker returns a maker that never asks anybody.
func quietMaker(cfg Config, clock *time.Time) *maker {
	return newMaker(&cfg, nil, zerolog.Nop(), func() time.Time { return *clock })
}

// A request is at the limits of PutLogEvents or below: a byte, an event or a millisecond more begins the next.
func TestFitsAtTheLimits(t *testing.T) {
	many := func(n, size int, ms int64) (all []sized) {
		for range n {
			all = append(all, sized{size, ms})
		}
		return all
	}
	const half, span = maxRequestBytes / 2, int64(maxSpan)
	for _, tc := range []struct {
		name  string
		lines []sized
		want  int
	}{
		{"one", many(1, 100, 0), 1},
		{"one that is too large alone", many(1, 2*maxRequestBytes, 0), 1},
		{"as many as may be", many(maxRequest, 30, 0), maxRequest},
		{"one more", many(maxRequest+1, 30, 0), maxRequest},
		{"as many bytes as may be", many(2, half, 0), 2},
		{"a byte more", append(many(1, half, 0), sized{half + 1, 0}), 1},
		{"nearly a day", append(many(1, 30, 7), sized{30, 7 + span - 1}), 2},
		{"a day", append(many(1, 30, 7), sized{30, 7 + span}), 1},
		{"a day from the first, not from the one before", []sized{{30, 0}, {30, span / 2}, {30, span}}, 2},
	} {
		s := &sending{w: &work{}}
		var events []int32
		for i, l := range tc.lines {
			s.w.lines = append(s.w.lines, line{to: l.size - eventOverhead, ms: l.ms})
			events = append(events, int32(i))
		}
		if got := s.fits(events); got != tc.want {
			t.Errorf("%s: %d events fit, want %d", tc.name, got, tc.want)
		}
	}
}

// sized is the size and the time of an event.
type sized struct {
	size int
	ms   int64
}

// After a refusal requests are halved, and with each that is taken they grow again, until nothing is remembered.
func TestSearchNarrows(t *testing.T) {
	clock := now()
	m := quietMaker(basic(), &clock)
	a, b := name{"g", "a"}, name{"g", "b"}
	if m.most(a) != maxRequest {
		t.Errorf("%d events at first", m.most(a))
	}
	m.narrow(a, 3)
	for i, want := range []int{6, 12, 24, 48, 96, 192, 384, 768, 1536, 3072, 6144, maxRequest, maxRequest} {
		if m.accepted(a); m.most(a) != want || m.most(b) != maxRequest {
			t.Errorf("after %d requests that were taken: %d, and %d for another stream", i+1, m.most(a), m.most(b))
		}
	}
	if len(m.search) != 0 {
		t.Errorf("remembered: %v", m.search)
	}
	for i := range maxNames + 10 {
		m.narrow(name{"g", string(rune('A' + i))}, 1)
		m.blames(name{"h", string(rune('A' + i))})
		m.tend(string(rune('A'+i)), clock)
	}
	if len(m.search) > maxNames || len(m.suspects) > maxNames || len(m.tended) > maxNames {
		t.Errorf("%d, %d and %d names are remembered", len(m.search), len(m.suspects), len(m.tended))
	}
}

// An event is blamed only where its stream has taken others since it last refused one.
func TestBlame(t *testing.T) {
	clock := now()
	m := quietMaker(basic(), &clock)
	a, b := name{"g", "a"}, name{"g", "b"}
	for i, step := range []struct {
		accepts *name
		blames  bool
	}{
		{nil, false}, {nil, false}, {&b, false}, {&a, true}, {nil, false}, {&a, true}, {nil, false},
	} {
		if step.accepts != nil {
			m.accepted(*step.accepts)
		}
		if got := m.blames(a); got != step.blames {
			t.Errorf("step %d: it is the event's fault: %t", i, got)
		}
	}
	large := &cause{reason: outputs.ReasonTooLarge, code: "X", text: "large", status: 413}
	wrong := &cause{reason: outputs.ReasonServer, code: "InvalidParameterException", text: "wrong"}
	s := &sending{o: &Output{maker: m}}
	for _, c := range []*cause{large, wrong} {
		to := &target{name: b}
		first := s.blame(to, c)
		m.accepted(b)
		second := s.blame(to, c)
		want := outputs.ReasonRejected
		if c == large {
			want = outputs.ReasonTooLarge
		}
		if first.reason != outputs.ReasonServer || second.reason != want || first.text != c.text ||
			second.status != c.status {
			t.Errorf("%s: held for %s, then %s", c.text, first.reason, second.reason)
		}
	}
}

// Streams are counted by cluster and by the hour since the first; what was refused is remembered for as long.
func TestHourOfStreams(t *testing.T) {
	cfg := basic()
	cfg.MaxStreamsPerHour = 1
	clock := now()
	m := quietMaker(cfg, &clock)
	n, o := name{"g", "n"}, name{"g", "o"}
	if !m.mayMake("a", n) || m.isRefused(n) {
		t.Error("the first stream is refused")
	}
	m.made["a"]++
	for _, cluster := range []string{"a", "b"} {
		if got := m.mayMake(cluster, o); got != (cluster == "b") {
			t.Errorf("one more for %s: %t", cluster, got)
		}
	}
	const notice = `max_streams_per_hour (1) is reached: events for 1 or more new log streams go to those named ` +
		`after "other"`
	if got := m.notices(); !m.isRefused(o) || len(got) != 1 || got[0] != notice {
		t.Errorf("refused: %t, notices %q", m.isRefused(o), got)
	}
	clock = clock.Add(time.Hour - 1)
	if m.mayMake("a", n) || !m.isRefused(n) || len(m.notices()) != 1 {
		t.Error("just before the hour is over one more is made")
	}
	clock = clock.Add(1)
	if m.isRefused(o) || len(m.notices()) != 0 || !m.mayMake("a", o) {
		t.Errorf("an hour later: refused %t, notices %q", m.isRefused(o), m.notices())
	}
	m.cfg.MaxStreamsPerHour, m.made["a"] = 0, 1<<20
	if !m.mayMake("a", n) {
		t.Error("without a limit, one is refused")
	}
}

// Which causes keep everything from being sent, and which are about what a request holds.
func TestCauses(t *testing.T) {
	for _, tc := range []struct {
		c           cause
		wide, wrong bool
	}{
		{cause{reason: outputs.ReasonThrottled}, true, false},
		{cause{reason: outputs.ReasonNetwork}, true, false},
		{cause{reason: outputs.ReasonAuth, code: "ExpiredTokenException"}, true, false},
		{cause{reason: outputs.ReasonAuth, code: "AccessDeniedException"}, false, false},
		{cause{reason: outputs.ReasonTarget, code: notFound}, false, false},
		{cause{reason: outputs.ReasonServer, code: "InternalFailure"}, false, false},
		{cause{reason: outputs.ReasonServer, code: "InvalidParameterException"}, false, true},
		{cause{reason: outputs.ReasonServer, code: "ValidationException"}, false, true},
		{cause{reason: outputs.ReasonServer, code: "SerializationException"}, false, true},
		{cause{reason: outputs.ReasonTooLarge}, false, true},
		{cause{reason: outputs.ReasonTooLarge, making: true}, false, false},
		{cause{reason: outputs.ReasonServer, code: "InvalidParameterException", making: true}, false, false},
	} {
		if tc.c.wide() != tc.wide || tc.c.wrong() != tc.wrong {
			t.Errorf("%+v: wide %t, wrong %t", tc.c, tc.c.wide(), tc.c.wrong())
		}
	}
	c := cause{reason: outputs.ReasonNetwork, unknown: true, text: "t", remedy: "r"}
	if later := c.later(); later.unknown || !c.unknown || later.text != "t" || later.remedy != "r" {
		t.Errorf("what was not tried: %+v", later)
	}
}

// An answer to PutLogEvents has nothing but what the service answers with.
func TestIsAnswer(t *testing.T) {
	for text, want := range map[string]bool{
		`{}`: true, ` {"nextSequenceToken":"1"} `: true,
		`{"rejectedLogEventsInfo":{"expiredLogEventEndIndex":1}}`: true,

		`{"rejectedEntityInfo":null}`: true, `{"nextSequenceToken":"1","ok":true}`: false, `{"message":"x"}`: false,
		`null`: false, `[]`: false, `"ok"`: false, `0`: false, ``: false, `{} {}`: false, `<html>`: false,
	} {
		if got := isAnswer([]byte(text)); got != want {
			t.Errorf("%q is an answer: %t", text, got)
		}
	}
}
