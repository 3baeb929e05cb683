package firehose

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient/awstest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

const (
	put      = "Firehose_20150804.PutRecordBatch"
	describe = "Firehose_20150804.DescribeDeliveryStream"
	secret   = "the-secret-access-key"
)

// environment has the SDK find one key, and nothing else.
func environment(tb testing.TB) {
	tb.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
		"AWS_EC2_METADATA_DISABLED": "true",
	} {
		tb.Setenv(name, value)
	}
}

func open(t *testing.T, cfg Config, now func() time.Time) (*Output, *awstest.Server) {
	t.Helper()
	environment(t)
	s := awstest.New(now)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	cfg.Region, cfg.Endpoint = "eu-central-1", server.URL
	o, err := New(cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o, s
}

// numbers returns the n of the events in the stream's records, in order.
func numbers(t *testing.T, s *awstest.Server, stream string, gzipped bool) (got []int) {
	t.Helper()
	for _, record := range s.Firehose().Records(stream) {
		if gzipped {
			r, err := gzip.NewReader(bytes.NewReader(record))
			if err != nil {
				t.Fatal(err)
			}
			r.Multistream(false)
			var plain bytes.Buffer
			if _, err := plain.ReadFrom(r); err != nil {
				t.Fatal(err)
			}
			record = plain.Bytes()
		}
		if !bytes.HasSuffix(record, []byte("\n")) {
			t.Fatalf("record %q does not end in a line's end", record)
		}
		for line := range bytes.Lines(record) {
			var e struct{ N int }
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			got = append(got, e.N)
		}
	}
	return got
}

func TestContract(t *testing.T) {
	for _, tc := range []struct {
		name  string
		cfg   Config
		fault awstest.Fault
	}{
		{
			"throttled",
			Config{Aggregate: true},
			awstest.Fault{Status: 503, Code: "ServiceUnavailableException", Message: "Slow down."},
		},
		{"internal failure", Config{}, awstest.Fault{Status: 500, Code: "InternalFailure"}},
		{"connection cut", Config{Aggregate: true, Compression: compressionGzip}, awstest.Fault{Cut: true}},
		{"refused whole", Config{Aggregate: true}, awstest.Fault{Status: 400, Code: "InvalidArgumentException"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			outputtest.Contract(t, func(t *testing.T) *outputtest.Destination {
				t.Helper()
				tc.cfg.DeliveryStream = "logs"
				o, s := open(t, tc.cfg, time.Now)
				s.Firehose().Create("logs", awstest.Quota{})
				return &outputtest.Destination{
					Output: patient{o},
					Numbers: func(t *testing.T) []int {
						t.Helper()
						return numbers(t, s, "logs", tc.cfg.Compression == compressionGzip)
					},
					Break:  func(int) { s.SetFault(func(string) awstest.Fault { return tc.fault }) },
					Repair: func() { s.SetFault(nil) },
					Secret: secret,
				}
			})
		})
	}
}

// A stream that is deleted and made again, and one that the role may not use and then may, keeps nobody else's events.
func TestTargets(t *testing.T) {
	for name, trouble := range map[string]func(s *awstest.Server, on bool){
		"denied": func(s *awstest.Server, on bool) { s.DenyOn("logs-b", on) },
		"deleted": func(s *awstest.Server, on bool) {
			if s.Firehose().Delete("logs-b"); !on {
				s.Firehose().Create("logs-b", awstest.Quota{})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			outputtest.Targets(t, func(t *testing.T) *outputtest.Destination {
				t.Helper()
				o, s := open(t, Config{DeliveryStream: "logs-{cluster}", Aggregate: true}, time.Now)
				s.Firehose().Create("logs-a", awstest.Quota{})
				s.Firehose().Create("logs-b", awstest.Quota{})
				return &outputtest.Destination{
					Output: patient{o},
					Numbers: func(t *testing.T) []int {
						t.Helper()
						return append(numbers(t, s, "logs-a", false), numbers(t, s, "logs-b", false)...)
					},
					Trouble: func(on bool) { trouble(s, on) },
				}
			})
		})
	}
}

// patient is an output whose events wait for the pace, as they do in the delivery loop.
type patient struct{ *Output }

func (p patient) Send(ctx context.Context, b *outputs.Batch) error {
	for {
		err := p.Output.Send(ctx, b)
		var se *outputs.SendError
		if !errors.As(err, &se) || se.Reason != outputs.ReasonPaced {
			return err
		}
		time.Sleep(se.RetryAfter)
		again := &outputs.Batch{}
		for _, f := range se.Failed {
			again.Events = append(again.Events, b.Events[f.Index])
		}
		b = again
	}
}

// failures returns the indexes of err's failures by reason.
func failures(t *testing.T, err error) map[outputs.Reason][]int {
	t.Helper()
	var se *outputs.SendError
	if !errors.As(err, &se) {
		t.Fatalf("%T: %v", err, err)
	}
	got := map[outputs.Reason][]int{}
	for _, f := range se.Failed {
		got[f.Reason] = append(got[f.Reason], f.Index)
	}
	return got
}

func TestOnlyRefusedRecordsAreSentAgain(t *testing.T) {
	o, s := open(t, Config{DeliveryStream: "logs"}, time.Now)
	s.Firehose().Create("logs", awstest.Quota{})
	s.Firehose().SetRefuse("logs", func(data []byte) string {
		switch {
		case bytes.Contains(data, []byte(`"n":3,`)):
			return "ServiceUnavailableException"
		case bytes.Contains(data, []byte(`"n":5,`)):
			return "InternalFailure"
		}
		return ""
	})
	err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 8, 0, 10)))
	got := failures(t, err)
	if !slices.Equal(got[outputs.ReasonThrottled], []int{3}) || !slices.Equal(got[outputs.ReasonServer], []int{5}) ||
		len(got) != 2 {
		t.Errorf("failed %v", got)
	}
	if got := numbers(t, s, "logs", false); !slices.Equal(got, []int{0, 1, 2, 4, 6, 7}) {
		t.Errorf("stored %v", got)
	}
	if r := o.Report(); r.PossibleDuplicates != 0 {
		t.Errorf("%d possible duplicates", r.PossibleDuplicates)
	}
}

func TestErrors(t *testing.T) {
	for _, tc := range []struct {
		name      string
		fault     awstest.Fault
		want      outputs.Reason
		whole     bool // of the batch
		doubtful  uint64
		text      string
		retry     time.Duration
		thenTaken int
	}{
		{
			"stored, then cut",
			awstest.Fault{Cut: true, Stored: true},
			outputs.ReasonNetwork, true, 4,
			"it closed the connection without a whole answer", 0, 8,
		},
		{
			"500",
			awstest.Fault{Status: 500, Code: "InternalFailure", Message: "oops"},
			outputs.ReasonServer, false, 4,
			"InternalFailure: oops", 0, 4,
		},
		{"503 of a gateway", awstest.Fault{Status: 503}, outputs.ReasonServer, false, 4, "503", 0, 4},
		{
			"slow down",
			awstest.Fault{Status: 503, Code: "ServiceUnavailableException", RetryAfter: "7"},
			outputs.ReasonThrottled, false, 0, "ServiceUnavailable", 7 * time.Second, 4,
		},
		{
			"expired",
			awstest.Fault{Status: 400, Code: "ExpiredTokenException", Message: "expired"},
			outputs.ReasonAuth, true, 0, "renew the credentials", 0, 4,
		},
		{
			"denied",
			awstest.Fault{Status: 400, Code: "AccessDeniedException", Message: "no"},
			outputs.ReasonTarget,
			false, 0, "Firehose PutRecordBatch: AccessDeniedException: no", 0, 4,
		},
		{
			"no such stream",
			awstest.Fault{Status: 400, Code: "ResourceNotFoundException"},
			outputs.ReasonTarget,
			false, 0, "create it", 0, 4,
		},
		{
			"KMS",
			awstest.Fault{Status: 400, Code: "InvalidKMSResourceException"},
			outputs.ReasonTarget, false, 0,
			"KMS key", 0, 4,
		},
		{
			"unknown",
			awstest.Fault{Status: 400, Code: "NewException"},
			outputs.ReasonServer, false, 0, "NewException",
			0, 4,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o, s := open(t, Config{DeliveryStream: "logs", Aggregate: true}, time.Now)
			s.Firehose().Create("logs", awstest.Quota{})
			s.SetFault(func(string) awstest.Fault { return tc.fault })
			b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 4, 0, 10))
			err := o.Send(t.Context(), b)
			var se *outputs.SendError
			if !errors.As(err, &se) || se.Reason != tc.want || (len(se.Failed) == 0) != tc.whole ||
				se.RetryAfter != tc.retry {
				t.Errorf("%#v", se)
			}
			if !tc.whole && !slices.Equal(failures(t, err)[tc.want], []int{0, 1, 2, 3}) {
				t.Errorf("failed %v", failures(t, err))
			}
			if err == nil || !strings.Contains(outputs.Whole(err.Error()), tc.text) ||
				strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), secret) {
				t.Errorf("error %q", err)
			}
			if n := s.Requests(put); n != 1 {
				t.Errorf("%d requests for one Send", n)
			}
			if r := o.Report(); r.PossibleDuplicates != tc.doubtful {
				t.Errorf("%d possible duplicates, want %d", r.PossibleDuplicates, tc.doubtful)
			}
			s.SetFault(nil)
			if err := (patient{o}).Send(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			if got := numbers(t, s, "logs", false); len(got) != tc.thenTaken {
				t.Errorf("stored %v", got)
			}
		})
	}
}

func TestOneStreamsFailureLeavesTheOthers(t *testing.T) {
	o, s := open(t, Config{DeliveryStream: "logs-{cluster}", Aggregate: true}, time.Now)
	s.Firehose().Create("logs-a", awstest.Quota{})
	s.Firehose().Create("logs-c-", awstest.Quota{})
	err := o.Send(t.Context(), outputtest.Batch(
		outputtest.Chunk(1, "a", "t", 2, 0, 5), outputtest.Chunk(2, "b", "t", 2, 2, 5),
		outputtest.Chunk(3, "c/", "t", 2, 4, 5), outputtest.Chunk(4, "a", "u", 1, 6, 5)))
	if got := failures(t, err); !slices.Equal(got[outputs.ReasonTarget], []int{2, 3}) || len(got) != 1 {
		t.Errorf("failed %v", got)
	}
	if a, c := numbers(t, s, "logs-a", false), numbers(t, s, "logs-c-", false); !slices.Equal(a, []int{0, 1, 6}) ||
		!slices.Equal(c, []int{4, 5}) {
		t.Errorf("a has %v, c has %v", a, c)
	}
}

func TestLargeEvents(t *testing.T) {
	for _, compression := range []string{"none", compressionGzip} {
		o, s := open(t, Config{DeliveryStream: "logs", Aggregate: true, Compression: compression}, time.Now)
		s.Firehose().Create("logs", awstest.Quota{})
		b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 2, 0, 10), large(t, 2, 1_023_970),
			outputtest.Chunk(3, "a", "t", 2, 3, 10), large(t, 5, 2<<20))
		err := o.Send(t.Context(), b)
		if compression == compressionGzip { // x2 compresses well
			if got := numbers(t, s, "logs", true); err != nil || !slices.Equal(got, []int{0, 1, 2, 3, 4, 5}) {
				t.Errorf("%v, stored %v", err, got)
			}
			continue
		}
		if got := failures(t, err); !slices.Equal(got[outputs.ReasonTooLarge], []int{5}) || len(got) != 1 ||
			!strings.Contains(err.Error(), "1024000") {
			t.Errorf("failed %v: %v", got, err)
		}
		if got := numbers(t, s, "logs", false); !slices.Equal(got, []int{0, 1, 2, 3, 4}) {
			t.Errorf("stored %v", got)
		}
	}
}

// large returns a chunk of one event with a record of about size bytes.
func large(t *testing.T, n, size int) *event.Chunk {
	t.Helper()
	record := []byte{
		0x82, 0xa1, 'n', 0xce, 0, 0, 0, byte(n), 0xa3, 'l', 'o', 'g', 0xdb, byte(size >> 24), byte(size >> 16),
		byte(size >> 8), byte(size),
	}
	record = append(record, strings.Repeat("x", size)...)
	return &event.Chunk{
		Seq: uint64(n), Cluster: "a", Tag: "t", Events: 1,
		Entries: event.AppendEntry(nil, event.AppendTime(nil, event.Time{Sec: 1}), nil, record),
	}
}

func TestConnect(t *testing.T) {
	o, s := open(t, Config{DeliveryStream: "logs-{cluster}"}, time.Now)
	s.Firehose().Create("logs-a", awstest.Quota{})
	check := func(want string, clusters ...string) {
		t.Helper()
		found, err := o.Connect(t.Context(), clusters)
		if got := fmt.Sprint(found, err); !strings.Contains(got, want) || strings.Contains(got, "\n") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	check("logs-a ACTIVE", "a")
	check("stream logs-b: Firehose DescribeDeliveryStream: ResourceNotFoundException", "a", "b")
	s.Firehose().SetStatus("logs-a", "CREATING")
	check("logs-a is CREATING", "a")
	s.Deny(describe, true)
	check("firehose:DescribeDeliveryStream is not allowed", "a")
	s.Expire("AKIDTEST", true)
	check("renew the credentials", "a")
	o, _ = open(t, Config{DeliveryStream: "logs-{record.app}"}, time.Now)
	check("depend on the events", "a")
}

func TestClockSkewCostsOneRequest(t *testing.T) {
	o, s := open(t, Config{DeliveryStream: "logs"}, func() time.Time { return time.Now().Add(-2 * time.Hour) })
	s.Firehose().Create("logs", awstest.Quota{})
	b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 4, 0, 10))
	err := o.Send(t.Context(), b)
	var se *outputs.SendError
	if !errors.As(err, &se) || se.Reason != outputs.ReasonAuth || !strings.Contains(err.Error(), "clock") {
		t.Fatal(err)
	}
	for range 3 {
		if err := o.Send(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRawLines: each event is one line of its field's text, whatever is in it.
func TestRawLines(t *testing.T) {
	for _, aggregate := range []bool{true, false} {
		o, s := open(t, Config{
			DeliveryStream: "logs", Aggregate: aggregate, MessageConfig: outputs.MessageConfig{Message: "log"},
		}, time.Now)
		s.Firehose().Create("logs", awstest.Quota{})
		if err := o.Send(t.Context(), outputtest.RawBatch()); err != nil {
			t.Fatal(err)
		}
		var want strings.Builder
		for _, text := range outputtest.RawTexts() {
			want.WriteString(text.Line + "\n")
		}
		got := bytes.Join(s.Firehose().Records("logs"), nil)
		if string(got) != want.String() {
			t.Errorf("aggregate %v: the stream has\n%q; want\n%q", aggregate, got, want.String())
		}
	}
}

// TestProxy: AWS is reached through the proxy that is set.
func TestProxy(t *testing.T) {
	environment(t)
	s := awstest.New(time.Now)
	s.Firehose().Create("logs", awstest.Quota{})
	server := httptest.NewServer(s)
	defer server.Close()
	proxy := outputtest.NewProxy(t)
	cfg := Config{DeliveryStream: "logs"}
	cfg.Region, cfg.Endpoint, cfg.Proxy = "eu-central-1", server.URL, proxy.URL
	o, err := New(cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 10))); err != nil {
		t.Fatal(err)
	}
	if asked := proxy.Asked(); len(numbers(t, s, "logs", false)) != 3 || !slices.Contains(asked, server.URL+"/") {
		t.Errorf("the proxy was asked for %q", asked)
	}
}
