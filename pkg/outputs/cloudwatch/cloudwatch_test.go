package cloudwatch

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient/awstest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

const (
	secret = "hunter2-secret-key"
	put    = "Logs_20140328.PutLogEvents"
)

// now is the clock of the tests: soon after the events of outputtest.
func now() time.Time { return time.Unix(outputtest.Start, 0).Add(2 * time.Hour) }

// rig is an output with a made-up CloudWatch Logs.
type rig struct {
	out *Output
	aws *awstest.Server
	cw  *awstest.CloudWatch
}

func newRig(tb testing.TB, cfg Config) *rig {
	tb.Helper()
	return newRigAt(tb, cfg, time.Now)
}

// newRigAt is newRig with the service's clock for signatures.
func newRigAt(tb testing.TB, cfg Config, clock func() time.Time) *rig {
	tb.Helper()
	tb.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	tb.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	tb.Setenv("AWS_SESSION_TOKEN", "")
	tb.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	s := awstest.New(clock)
	r := &rig{aws: s, cw: awstest.NewCloudWatch(s, now)}
	server := httptest.NewServer(s)
	tb.Cleanup(server.Close)
	cfg.Config = awsclient.Config{Region: "eu-central-1", Endpoint: server.URL}
	out, err := New(cfg, Options{Name: "cw", Log: zerolog.Nop(), Now: now})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = out.Close() })
	r.out = out
	return r
}

func basic() Config {
	return Config{LogGroup: "/k8s/{cluster}", LogStream: "{tag}", AutoCreate: true}
}

// at returns an event with the time and the record {"log": text} in a chunk of its own tag.
func at(tag string, when time.Time, text string) event.Event {
	record := append([]byte{
		0x81, 0xa3, 'l', 'o', 'g', 0xdb, byte(len(text) >> 24), byte(len(text) >> 16), byte(len(text) >> 8),
		byte(len(text)),
	}, text...)
	return event.Event{
		Chunk: &event.Chunk{Seq: 1, Cluster: "a", Tag: tag, Received: now()},
		Time:  event.Time{Sec: when.Unix(), Nsec: uint32(when.Nanosecond())}, Record: record,
	}
}

func batch(events ...event.Event) *outputs.Batch { return &outputs.Batch{Events: events} }

// failures returns what Send of b says of its events, by index.
func (r *rig) failures(t *testing.T, b *outputs.Batch) map[int]outputs.Failure {
	t.Helper()
	byIndex := map[int]outputs.Failure{}
	err := r.out.Send(t.Context(), b)
	if err == nil {
		return byIndex
	}
	se := outputs.AsSendError(err)
	if len(se.Failed) == 0 {
		for i := range b.Events {
			byIndex[i] = outputs.Failure{Index: i, Reason: se.Reason, Status: se.Status, Detail: se.Err.Error()}
		}
	}
	for _, f := range se.Failed {
		byIndex[f.Index] = f
	}
	return byIndex
}

// messages returns what a stream holds.
func (r *rig) messages(group, stream string) (texts []string) {
	for _, e := range r.cw.Groups()[group].Streams[stream] {
		texts = append(texts, e.Message)
	}
	return texts
}

func TestContract(t *testing.T) {
	outputtest.Contract(t, func(t *testing.T) *outputtest.Destination {
		t.Helper()
		r := newRig(t, basic())
		return &outputtest.Destination{
			Output: r.out, Secret: secret,
			Numbers: func(t *testing.T) (numbers []int) {
				t.Helper()
				for _, stream := range []string{"t", "u", "web.b", "web.c"} {
					for _, text := range append(r.messages("/k8s/a", stream), r.messages("/k8s/b", stream)...) {
						var record struct{ N int }
						if err := json.Unmarshal([]byte(text), &record); err != nil {
							t.Fatal(err)
						}
						numbers = append(numbers, record.N)
					}
				}
				slices.Sort(numbers) // a stream is in order of time
				return numbers
			},
			Break: func(after int) {
				limit := r.cw.Bytes() + after
				r.aws.SetFault(func(string) awstest.Fault {
					if r.cw.Bytes() >= limit {
						return awstest.Fault{Status: 500, Code: "InternalFailure"}
					}
					return awstest.Fault{}
				})
			},
			Repair:  func() { r.aws.SetFault(nil) },
			Trouble: func(on bool) { r.aws.DenyOn("/k8s/b", on) },
		}
	})
}

func TestMakesGroupAndStream(t *testing.T) {
	cfg := basic()
	cfg.RetentionDays, cfg.LogGroupClass, cfg.LogGroupTags = 30, "INFREQUENT_ACCESS", map[string]string{"team": "logs"}
	r := newRig(t, cfg)
	if err := r.out.Send(t.Context(), batch(at("web", now(), "x"))); err != nil {
		t.Fatal(err)
	}
	g := r.cw.Groups()["/k8s/a"]
	if g.RetentionDays != 30 || g.Class != "INFREQUENT_ACCESS" || g.Tags["team"] != "logs" ||
		len(g.Streams["web"]) != 1 {
		t.Errorf("made %+v", g)
	}
	if err := r.out.Send(t.Context(), batch(at("web", now(), "y"))); err != nil ||
		r.aws.Requests("Logs_20140328.CreateLogStream") != 2 {
		t.Errorf("the second time: %v, %d streams made", err, r.aws.Requests("Logs_20140328.CreateLogStream"))
	}
}

func TestMakingFails(t *testing.T) {
	for _, tc := range []struct {
		name, denied string
		change       func(c *Config)
		reason       outputs.Reason
		text         string
	}{
		{
			"auto_create is off", "", func(c *Config) { c.AutoCreate = false }, outputs.ReasonTarget,
			"auto_create is false",
		},
		{"no CreateLogGroup", "CreateLogGroup", nil, outputs.ReasonTarget, "CreateLogGroup"},
		{"no CreateLogStream", "CreateLogStream", nil, outputs.ReasonTarget, "CreateLogStream"},
		{
			"no PutRetentionPolicy", "PutRetentionPolicy", func(c *Config) { c.RetentionDays = 7 },
			outputs.ReasonTarget, "PutRetentionPolicy",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := basic()
			if tc.change != nil {
				tc.change(&cfg)
			}
			r := newRig(t, cfg)
			r.aws.Deny("Logs_20140328."+tc.denied, true)
			b := batch(at("web", now(), "x"))
			for range 2 {
				f := r.failures(t, b)
				if f[0].Reason != tc.reason || !contains(f[0].Detail, tc.text) {
					t.Errorf("failed with %+v", f[0])
				}
			}
			r.aws.Deny("Logs_20140328."+tc.denied, false)
			if tc.denied == "" {
				r.cw.Add("/k8s/a", "web")
			}
			if err := r.out.Send(t.Context(), b); err != nil || len(r.messages("/k8s/a", "web")) != 1 {
				t.Errorf("healed: %v, %v", err, r.messages("/k8s/a", "web"))
			}
			if got := r.cw.Groups()["/k8s/a"].RetentionDays; got != cfg.RetentionDays {
				t.Errorf("retention of %d days, want %d", got, cfg.RetentionDays)
			}
		})
	}
}

// TestMixedAges sends what an outage of two days leaves, with events that no request may hold together
// and such as the service refuses.
func TestMixedAges(t *testing.T) {
	cfg := basic()
	cfg.Message = "log"
	r := newRig(t, cfg)
	r.cw.Add("/k8s/a", "web")
	ages := []struct {
		age     time.Duration
		refused string
	}{
		{0, ""},
		{48 * time.Hour, ""},
		{15 * 24 * time.Hour, "older than 14 days"},
		{-3 * time.Hour, "more than 2 hours in the future"},
		{24 * time.Hour, ""},
		{-90 * time.Minute, ""},
		{50 * 365 * 24 * time.Hour, "older than 14 days"},
		{70 * 365 * 24 * time.Hour, "older than 14 days"}, // before 1970
		{24*time.Hour + time.Millisecond, ""},
		{time.Hour, ""},
	}
	var events []event.Event
	want := 0
	for _, a := range ages {
		events = append(events, at("web", now().Add(-a.age), a.age.String()))
		if a.refused == "" {
			want++
		}
	}
	failed := r.failures(t, batch(events...))
	for i, a := range ages {
		f, ok := failed[i]
		if ok != (a.refused != "") || ok && (f.Reason != outputs.ReasonRejected || !contains(f.Detail, a.refused)) {
			t.Errorf("age %v: failed %v with %+v, want %q", a.age, ok, f, a.refused)
		}
	}
	if got := r.messages("/k8s/a", "web"); len(got) != want {
		t.Errorf("stored %d events, want %d: %v", len(got), want, got)
	}
	for i, e := range r.cw.Groups()["/k8s/a"].Streams["web"] {
		if all := r.cw.Groups()["/k8s/a"].Streams["web"]; i > 0 && e.Timestamp < all[i-1].Timestamp {
			t.Errorf("event %d is older than the one before", i)
		}
	}
}

func TestRetentionRefuses(t *testing.T) {
	cfg := basic()
	cfg.RetentionDays = 1
	r := newRig(t, cfg)
	failed := r.failures(t, batch(at("web", now(), "x"), at("web", now().Add(-26*time.Hour), "y")))
	if len(failed) != 1 || failed[1].Reason != outputs.ReasonRejected || !contains(failed[1].Detail, "retention") {
		t.Errorf("failed %+v", failed)
	}
}

// TestOneStreamOnly has one of several streams fail: the others' events are not sent again.
func TestOneStreamOnly(t *testing.T) {
	statuses := map[string]int{"AccessDeniedException": 400, "InternalFailure": 500, "ServiceUnavailableException": 503}
	for code, status := range statuses {
		r := newRig(t, basic())
		r.cw.Add("/k8s/a", "one", "two", "three")
		var n atomic.Int32
		r.aws.SetFault(func(target string) awstest.Fault {
			if target == put && n.Add(1) == 2 {
				return awstest.Fault{Status: status, Code: code}
			}
			return awstest.Fault{}
		})
		b := batch(at("one", now(), "1"), at("two", now(), "2"), at("three", now(), "3"))
		failed := r.failures(t, b)
		if len(failed) == 0 || code != "ServiceUnavailableException" && len(failed) != 1 { // it is the whole account's
			t.Fatalf("%s: failed %+v", code, failed)
		}
		again := batch()
		for i := range failed {
			again.Events = append(again.Events, b.Events[i])
		}
		if err := r.out.Send(t.Context(), again); err != nil {
			t.Fatal(err)
		}
		for stream, events := range r.cw.Groups()["/k8s/a"].Streams {
			if len(events) != 1 {
				t.Errorf("%s: stream %s has %d events", code, stream, len(events))
			}
		}
		if want := uint64(status / 500); r.out.Report().PossibleDuplicates != want {
			t.Errorf("%s: %d possible duplicates, want %d", code, r.out.Report().PossibleDuplicates, want)
		}
	}
}

// TestWholeBatch has all events of a batch fail: they are named unless those for other streams would fail too, so that
// a log group that can't be written to does not stop the others.
func TestWholeBatch(t *testing.T) {
	for _, tc := range []struct {
		code   string
		status int
		whole  bool
	}{
		{"AccessDeniedException", 400, false},
		{"OperationAbortedException", 400, false},
		{"ExpiredTokenException", 400, true},
		{"ThrottlingException", 400, true},
	} {
		r := newRig(t, basic())
		r.cw.Add("/k8s/a", "web")
		r.aws.SetFault(func(string) awstest.Fault { return awstest.Fault{Status: tc.status, Code: tc.code} })
		err := r.out.Send(t.Context(), batch(at("web", now(), "1"), at("web", now(), "2")))
		if se := outputs.AsSendError(err); (len(se.Failed) == 0) != tc.whole {
			t.Errorf("%s: %d events are named: %v", tc.code, len(se.Failed), err)
		}
	}
}

func TestHundredStreams(t *testing.T) {
	r := newRig(t, basic())
	var events []event.Event
	for i := range 300 {
		events = append(events, at("pod-"+string(rune('a'+i%100/26))+string(rune('a'+i%100%26)), now(), "x"))
	}
	if err := r.out.Send(t.Context(), batch(events...)); err != nil {
		t.Fatal(err)
	}
	streams := r.cw.Groups()["/k8s/a"].Streams
	if len(streams) != 100 {
		t.Errorf("%d streams", len(streams))
	}
	for name, got := range streams {
		if len(got) != 3 {
			t.Errorf("stream %s has %d events", name, len(got))
		}
	}
}

func TestThrottled(t *testing.T) {
	r := newRig(t, basic())
	r.cw.Add("/k8s/a")
	var events []event.Event
	for i := range 50 {
		events = append(events, at("pod-"+string(rune('A'+i)), now(), "x"))
	}
	r.aws.SetFault(func(target string) awstest.Fault {
		if target == put {
			return awstest.Fault{Status: 400, Code: "ThrottlingException", Message: "Rate exceeded", RetryAfter: "3"}
		}
		return awstest.Fault{}
	})
	err := r.out.Send(t.Context(), batch(events...))
	var se *outputs.SendError
	if !errors.As(err, &se) || len(se.Failed) > 0 || se.Reason != outputs.ReasonThrottled ||
		se.RetryAfter != 3*time.Second {
		t.Errorf("%d events failed: %v", len(se.Failed), err)
	}
	if n := r.aws.Requests(put); n > parallel {
		t.Errorf("%d requests to an account that throttles", n)
	}
	if n := r.out.Report().PossibleDuplicates; n != 0 {
		t.Errorf("%d possible duplicates of refused requests", n)
	}
}

// TestExpiredCredentials has the credentials expire between two batches.
func TestExpiredCredentials(t *testing.T) {
	r := newRig(t, basic())
	b := batch(at("web", now(), "x"))
	if err := r.out.Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	r.aws.Expire("AKIDEXAMPLE", true)
	if f := r.failures(t, b); f[0].Reason != outputs.ReasonAuth || contains(f[0].Detail, secret) {
		t.Errorf("expired: %+v", f)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDRENEWED")
	if err := r.out.Send(t.Context(), b); err != nil {
		t.Errorf("renewed: %v", err)
	}
}

// TestTimeout has a request stored and not answered. No network is between, so that the time is the service's alone.
func TestTimeout(t *testing.T) {
	cfg := basic()
	cfg.Timeout = 50 * time.Millisecond
	r := newRig(t, cfg)
	r.cw.Add("/k8s/a", "web")
	r.aws.SetFault(func(string) awstest.Fault { return awstest.Fault{Hang: true, Stored: true} })
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		r.out.api = callsOf(logs.NewFromConfig(r.out.client.AWS, func(l *logs.Options) {
			l.HTTPClient = awstest.Direct{To: r.aws}
		}))
		f := r.failures(t, batch(at("web", now(), "x"), at("web", now(), "y")))
		if took := time.Since(began); f[0].Reason != outputs.ReasonNetwork || len(f) != 2 || took != cfg.Timeout {
			t.Errorf("after %s: failed %+v", took, f)
		}
	})
	if n := r.out.Report().PossibleDuplicates; n != 2 {
		t.Errorf("%d possible duplicates, want 2", n)
	}
	if got := r.messages("/k8s/a", "web"); len(got) != 2 {
		t.Errorf("the stream has %v", got)
	}
}

// TestClockSkew has a local clock that is wrong by more than a signature may be.
func TestClockSkew(t *testing.T) {
	r := newRigAt(t, basic(), func() time.Time { return time.Now().Add(-3 * time.Hour) })
	b := batch(at("web", now(), "x"))
	if f := r.failures(t, b); f[0].Reason != outputs.ReasonAuth {
		t.Errorf("the first time: %+v", f)
	}
	if f := r.failures(t, b); len(f) > 0 || len(r.messages("/k8s/a", "web")) != 1 {
		t.Errorf("the second time: %+v", f)
	}
}
