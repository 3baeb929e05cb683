package kinesis

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient/awstest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

const secret = "the-secret-access-key"

func open(t *testing.T, cfg Config) (*Output, *awstest.Server) {
	t.Helper()
	return openAt(t, cfg, time.Now)
}

// openAt is open with the service's clock.
func openAt(t *testing.T, cfg Config, clock func() time.Time) (*Output, *awstest.Server) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
		"AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	s := awstest.New(clock)
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

func numbers(t *testing.T, records []awstest.KinesisRecord) (got []int) {
	t.Helper()
	for _, record := range records {
		for line := range bytes.Lines(record.Data) {
			var e struct{ N int }
			if err := json.Unmarshal(line, &e); err != nil || line[len(line)-1] != '\n' {
				t.Fatalf("%q: %v", line, err)
			}
			got = append(got, e.N)
		}
	}
	return got
}

func TestContract(t *testing.T) {
	for aggregate, fault := range map[bool]awstest.Fault{
		false: {Cut: true}, true: {Status: 400, Code: "KMSDisabledException"},
	} {
		t.Run(fmt.Sprint(aggregate, fault), func(t *testing.T) {
			outputtest.Contract(t, func(t *testing.T) *outputtest.Destination {
				t.Helper()
				o, s := open(t, Config{Stream: "logs", PartitionKey: "{tag}", Aggregate: aggregate})
				s.Kinesis().Create("logs", 1, maxRecord, awstest.Quota{})
				return &outputtest.Destination{
					Output:  o,
					Numbers: func(t *testing.T) []int { t.Helper(); return numbers(t, s.Kinesis().Records("logs")) },
					Break:   func(int) { s.SetFault(func(string) awstest.Fault { return fault }) },
					Repair:  func() { s.SetFault(nil) },
					Secret:  secret,
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
			if s.Kinesis().Delete("logs-b"); !on {
				s.Kinesis().Create("logs-b", 1, maxRecord, awstest.Quota{})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			outputtest.Targets(t, func(t *testing.T) *outputtest.Destination {
				t.Helper()
				o, s := open(t, Config{Stream: "logs-{cluster}", PartitionKey: "{tag}"})
				s.Kinesis().Create("logs-a", 1, maxRecord, awstest.Quota{})
				s.Kinesis().Create("logs-b", 1, maxRecord, awstest.Quota{})
				return &outputtest.Destination{
					Output: o,
					Numbers: func(t *testing.T) []int {
						t.Helper()
						return numbers(t, append(s.Kinesis().Records("logs-a"), s.Kinesis().Records("logs-b")...))
					},
					Trouble: func(on bool) { trouble(s, on) },
				}
			})
		})
	}
}

func TestPartitionKeys(t *testing.T) {
	for _, tc := range []struct {
		key       string
		aggregate bool
		want      []string // key and lines of each record
	}{
		{"{tag}", false, []string{"t 1", "t 1", "u 1", "t 1"}},
		{"{tag}", true, []string{"t 3", "u 1"}},
		{"{record.n}", true, []string{"0 1", "1 1", "2 1", "3 1"}},
		{"{cluster}/{record.none|é\"}", true, []string{"a/___ 4"}},
		{randomKeys, true, []string{"? 4"}},
		{randomKeys, false, []string{"? 1", "? 1", "? 1", "? 1"}},
		{"{record.none}", false, []string{"? 1", "? 1", "? 1", "? 1"}},
	} {
		t.Run(fmt.Sprint(tc.key, tc.aggregate), func(t *testing.T) {
			o, s := open(t, Config{Stream: "logs", PartitionKey: tc.key, Aggregate: tc.aggregate})
			s.Kinesis().Create("logs", 1, maxRecord, awstest.Quota{})
			b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 2, 0, 5), outputtest.Chunk(2, "a", "u", 1, 2, 5),
				outputtest.Chunk(3, "a", "t", 1, 3, 5))
			if err := o.Send(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, record := range s.Kinesis().Records("logs") {
				key := record.Key
				if tc.want[0][0] == '?' && len(key) > 8 {
					key = "?"
				}
				got = append(got, fmt.Sprint(key, " ", bytes.Count(record.Data, []byte("\n"))))
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("records %q, want %q", got, tc.want)
			}
		})
	}
}

func TestOnlyTheThrottledShardsRecordsAreSentAgain(t *testing.T) {
	began := time.Now()
	o, s := openAt(t, Config{Stream: "logs", PartitionKey: "{record.n}"}, func() time.Time { return began })
	s.Kinesis().Create("logs", 2, maxRecord, awstest.Quota{Records: 3, PerRecord: true})
	b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 20, 0, 5))
	err := o.Send(t.Context(), b)
	var se *outputs.SendError
	if !errors.As(err, &se) || se.Reason != outputs.ReasonThrottled || len(se.Failed) != 14 ||
		!strings.Contains(err.Error(), "ProvisionedThroughputExceeded") {
		t.Fatal(err)
	}
	got := numbers(t, s.Kinesis().Records("logs"))
	for _, f := range se.Failed {
		if slices.Contains(got, f.Index) {
			t.Errorf("event %d was stored and failed", f.Index)
		}
	}
	if r := o.Report(); len(r.Paces) != 1 || r.Paces[0].Throttled != 1 || r.PossibleDuplicates != 0 {
		t.Errorf("%+v", r)
	}
}

func TestConnect(t *testing.T) {
	o, s := open(t, Config{Stream: "logs"})
	if _, err := o.Connect(t.Context(), nil); err == nil ||
		!strings.Contains(err.Error(), "ResourceNotFoundException") {
		t.Error(err)
	}
	s.Kinesis().Create("logs", 2, maxRecord, awstest.Quota{})
	if found, err := o.Connect(t.Context(), nil); err != nil || !strings.Contains(found, "logs ACTIVE") {
		t.Error(found, err)
	}
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		cfg  Config
		want []string
	}{
		{Config{Stream: "logs-{cluster}", PartitionKey: "{tag}"}, nil},
		{Config{Stream: strings.Repeat("x", 129), PartitionKey: "{tagg}"}, []string{"stream", "partition_key"}},
		{Config{Stream: "a b", MaxRecordSize: 11 << 20}, []string{"stream", "max_record_size"}},
	} {
		var r setting.Report
		tc.cfg.Region = "us-gov-west-1"
		tc.cfg.Check(&r)
		var got []string
		for _, p := range r.Problems {
			got = append(got, p.Key)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%+v: %+v", tc.cfg, r.Problems)
		}
	}
}

// TestRawLines: each event is one line of its field's text, whatever is in it.
func TestRawLines(t *testing.T) {
	for _, aggregate := range []bool{true, false} {
		o, s := open(t, Config{
			Stream: "logs", PartitionKey: "{tag}", Aggregate: aggregate, MaxRecordSize: 1 << 20,
			MessageConfig: outputs.MessageConfig{Message: "log"},
		})
		s.Kinesis().Create("logs", 1, maxRecord, awstest.Quota{})
		if err := o.Send(t.Context(), outputtest.RawBatch()); err != nil {
			t.Fatal(err)
		}
		var got, want strings.Builder
		for _, text := range outputtest.RawTexts() {
			want.WriteString(text.Line + "\n")
		}
		for _, record := range s.Kinesis().Records("logs") {
			got.Write(record.Data)
		}
		if got.String() != want.String() {
			t.Errorf("aggregate %v: the stream has\n%q; want\n%q", aggregate, got.String(), want.String())
		}
	}
}
