package s3

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient/awstest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// sendUntil sends b until nothing of it is left, and returns how often.
func sendUntil(t *testing.T, o *Output, b *outputs.Batch) (tries int, first *outputs.SendError) {
	t.Helper()
	for tries = 1; ; tries++ {
		err := o.Send(t.Context(), b)
		if err == nil {
			return tries, first
		}
		var se *outputs.SendError
		if !errors.As(err, &se) {
			t.Fatalf("%T: %v", err, err)
		}
		if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "\n") {
			t.Errorf("an error for operators: %q", err)
		}
		if first == nil {
			first = se
		}
		if len(se.Failed) > 0 {
			again := &outputs.Batch{}
			for _, f := range se.Failed {
				again.Events = append(again.Events, b.Events[f.Index])
			}
			b = again
		}
		if tries == 10 {
			t.Fatalf("still failing: %v", err)
		}
	}
}

// Whatever befalls one call of an upload, the next Send has each event in the bucket once and no
// parts are left behind.
func TestFaults(t *testing.T) {
	throttled := awstest.Fault{
		Status: 503, Code: "SlowDown", Message: "Please reduce your request rate.", RetryAfter: "7",
	}
	broken := awstest.Fault{Status: 500, Code: "InternalError", Message: "We encountered an internal error."}
	after := awstest.Fault{
		Status: 500, Code: "InternalError", Message: "We encountered an internal error.", Stored: true,
	}
	denied := awstest.Fault{Status: 403, Code: "AccessDenied", Message: "Access Denied"}
	expired := awstest.Fault{Status: 400, Code: "ExpiredToken", Message: "The provided token has expired."}
	gone := awstest.Fault{Status: 404, Code: "NoSuchBucket", Message: "The specified bucket does not exist"}
	kms := awstest.Fault{Status: 400, Code: "KMS.DisabledException", Message: "key is disabled"}
	reset, lost := awstest.Fault{Cut: true}, awstest.Fault{Cut: true, Stored: true}
	one, all := []string{"PutObject"},
		[]string{"PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"}
	for _, tc := range []struct {
		name       string
		fault      awstest.Fault
		operations []string
		reason     outputs.Reason
		whole      bool // no other object would fare better
		retryAfter time.Duration
		text       string
	}{
		{"throttled", throttled, all, outputs.ReasonThrottled, false, 7 * time.Second, "SlowDown"},
		{"5xx", broken, all, outputs.ReasonServer, false, 0, "InternalError"},
		{"5xx after it took effect", after, all, outputs.ReasonServer, false, 0, "InternalError"},
		{"denied", denied, all, outputs.ReasonAuth, false, 0, "AccessDenied"},
		{"expired", expired, one, outputs.ReasonAuth, true, 0, "ExpiredToken"},
		{"no bucket", gone, one, outputs.ReasonServer, true, 0, "make the bucket"},
		{"key disabled", kms, one, outputs.ReasonServer, false, 0, "KMS.DisabledException"},
		{"reset", reset, all, outputs.ReasonNetwork, true, 0, "bucket lake: S3 "},
		{"answer lost", lost, all, outputs.ReasonNetwork, true, 0, "bucket lake: S3 "},
	} {
		for _, operation := range tc.operations {
			t.Run(tc.name+" at "+operation, func(t *testing.T) {
				s := newStore(t)
				o := newOutput(t, s.config(), "")
				b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 100, 0, 100))
				if operation != "PutObject" {
					b = outputtest.Batch(outputtest.Chunk(1, "a", "t", 100, 0, 60_000))
				}
				failed := false
				s.SetFault(func(target string) awstest.Fault {
					if target == operation && !failed {
						failed = true
						return tc.fault
					}
					return awstest.Fault{}
				})
				tries, se := sendUntil(t, o, b)
				if tries != 2 {
					t.Fatalf("%d tries", tries)
				}
				if se.Reason != tc.reason || (len(se.Failed) == 0) != tc.whole || strings.Contains(
					se.Error(), "HTTP status 0",
				) || se.RetryAfter != tc.retryAfter || !strings.Contains(se.Error(), tc.text) {
					t.Errorf("%s, again after %v: %v", se.Reason, se.RetryAfter, se)
				}
				s.wantOnce(t, 100)
				for _, object := range s.s3.Objects() {
					if object.Written != 1 {
						t.Errorf("%s was written %d times", object.Key, object.Written)
					}
				}
				// Of what was lost nobody has the id.
				if open := s.s3.Open(); open != 0 && (operation != "CreateMultipartUpload" || !tc.fault.Stored) {
					t.Errorf("%d uploads are left open", open)
				}
				if r := o.Report(); r.PossibleDuplicates != 0 {
					t.Errorf("%d possible duplicates", r.PossibleDuplicates)
				}
			})
		}
	}
}

// A call without an answer ends with its time-out, and the object that it made is found.
func TestTimeout(t *testing.T) {
	s := newStore(t)
	cfg := s.config()
	cfg.Timeout = 200 * time.Millisecond
	o := newOutput(t, cfg, "")
	// No network is between, so that a call which is given up does not arrive later.
	o.client = s3.New(o.client.Options(), func(to *s3.Options) { to.HTTPClient = awstest.Direct{To: s.Server} })
	hang := true
	s.SetFault(func(target string) awstest.Fault {
		if target == "PutObject" && hang {
			hang = false
			return awstest.Fault{Hang: true, Stored: true}
		}
		return awstest.Fault{}
	})
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		tries, se := sendUntil(t, o, outputtest.Batch(outputtest.Chunk(1, "a", "t", 10, 0, 10)))
		if took := time.Since(began); tries != 2 || se.Reason != outputs.ReasonNetwork || took != cfg.Timeout {
			t.Errorf("%d tries in %s: %v", tries, took, se)
		}
	})
	s.wantOnce(t, 10)
	if n := s.Requests("PutObject"); n != 1 {
		t.Errorf("the object was put %d times", n)
	}
}

// One prefix's failure leaves the others delivered, and only its events are named.
func TestOnePrefixFails(t *testing.T) {
	s := newStore(t)
	o := newOutput(t, s.config(), "")
	put := 0
	s.SetFault(func(target string) awstest.Fault {
		if target == "PutObject" {
			if put++; put == 2 {
				return awstest.Fault{Status: 403, Code: "AccessDenied", Message: "Access Denied"}
			}
		}
		return awstest.Fault{}
	})
	b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 10, 0, 10), outputtest.Chunk(2, "b", "t", 10, 10, 10),
		outputtest.Chunk(3, "c", "t", 10, 20, 10))
	var se *outputs.SendError
	if err := o.Send(t.Context(), b); !errors.As(err, &se) || len(se.Failed) != 10 || se.Failed[0].Index != 10 ||
		se.Failed[0].Reason != outputs.ReasonAuth || se.Failed[9].Index != 19 {
		t.Fatalf("got %v", err)
	}
	if got := len(s.numbers(t)); got != 20 {
		t.Errorf("%d events are delivered", got)
	}
}

func TestCancel(t *testing.T) {
	s := newStore(t)
	o := newOutput(t, s.config(), "")
	ctx, cancel := context.WithCancel(t.Context())
	s.SetFault(func(target string) awstest.Fault {
		if target == "UploadPart" {
			cancel()
			return awstest.Fault{Hang: true}
		}
		return awstest.Fault{}
	})
	err := o.Send(ctx, outputtest.Batch(outputtest.Chunk(1, "a", "t", 200, 0, 60_000)))
	if err == nil || s.s3.Open() != 0 {
		t.Errorf("%v, %d uploads left open", err, s.s3.Open())
	}
}
