package awsclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// answered returns the SDK's error of a call that was answered with a status, and with an error code unless that is
// empty.
func answered(status int, code, message string, header http.Header) error {
	cause := errors.New("deserialization failed, invalid character '<'")
	if code != "" {
		cause = &smithy.GenericAPIError{Code: code, Message: message}
	}
	return &smithy.OperationError{ServiceID: "Firehose", OperationName: "PutRecordBatch", Err: &awshttp.ResponseError{
		RequestID: "id-1", ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status, Header: header}}, Err: cause,
		},
	}}
}

// unanswered returns the SDK's error of a call that no answer came to.
func unanswered(cause error) error {
	send := &smithyhttp.RequestSendError{
		Err: &url.Error{Op: "Post", URL: "http://firehose.example/", Err: cause},
	}
	return &smithy.OperationError{ServiceID: "Firehose", OperationName: "PutRecordBatch", Err: send}
}

// What follows from an error: whether it may have taken effect, and whether it would be the same for all that the
// output sends.
func TestClassifyByCode(t *testing.T) {
	dial := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for _, tc := range []struct {
		name       string
		err        error
		reason     outputs.Reason
		unknown    bool
		everywhere bool
		denied     bool
	}{
		{"quota", answered(400, "LimitExceededException", "", nil), outputs.ReasonThrottled, false, false, false},
		{"slow down", answered(503, "SlowDown", "", nil), outputs.ReasonThrottled, false, false, false},
		{"expired", answered(400, "ExpiredToken", "", nil), outputs.ReasonAuth, false, true, false},
		{"clock", answered(403, "RequestTimeTooSkewed", "", nil), outputs.ReasonAuth, false, false, false},
		{"policy", answered(400, "AccessDeniedException", "", nil), outputs.ReasonTarget, false, false, true},
		{
			"policy of EC2's kind", answered(403, "UnauthorizedOperation", "", nil), outputs.ReasonTarget, false, false,
			true,
		},
		{"account's access", answered(403, "AllAccessDisabled", "", nil), outputs.ReasonAuth, false, false, true},
		{
			"the key's policy", answered(400, "KMSAccessDeniedException", "", nil), outputs.ReasonTarget, false, false,
			true,
		},
		{"a disabled key", answered(400, "KMSDisabledException", "", nil), outputs.ReasonTarget, false, false, false},
		{
			"no such stream", answered(400, "ResourceNotFoundException", "", nil), outputs.ReasonTarget, false, false,
			false,
		},
		{"slow line", answered(400, "RequestTimeout", "", nil), outputs.ReasonNetwork, true, true, false},
		{"500", answered(500, "InternalFailure", "", nil), outputs.ReasonServer, true, false, false},
		{"500 without a code", answered(500, "", "", nil), outputs.ReasonServer, true, false, false},
		{"600, which is none", answered(600, "", "", nil), outputs.ReasonServer, true, false, false},
		{"418", answered(418, "", "", nil), outputs.ReasonServer, false, false, false},
		{"300, the least that is no success", answered(300, "", "", nil), outputs.ReasonServer, false, false, false},
		{"299 that broke off", answered(299, "", "", nil), outputs.ReasonNetwork, true, true, false},
		{"what is too large", answered(413, "", "", nil), outputs.ReasonTooLarge, false, false, false},
		{"wrong", answered(400, "ValidationException", "", nil), outputs.ReasonServer, false, false, false},
		{"refused", unanswered(dial), outputs.ReasonNetwork, false, true, false},
		{"no such host", unanswered(&net.DNSError{IsNotFound: true}), outputs.ReasonNetwork, false, true, false},
		{
			"reset while reading", unanswered(&net.OpError{Op: "read", Err: syscall.ECONNRESET}),
			outputs.ReasonNetwork, true, true, false,
		},
		{"time-out", unanswered(context.DeadlineExceeded), outputs.ReasonNetwork, true, true, false},
		{"no credentials", &credentialsError{dial}, outputs.ReasonAuth, false, true, false},
		{
			"no credentials for STS says so", &credentialsError{answered(500, "InternalFailure", "", nil)},
			outputs.ReasonAuth, false, true, false,
		},
		{"unproved", &UnprovedError{Status: 200}, outputs.ReasonServer, true, false, false},
		{"nothing that is known", errors.New("odd"), outputs.ReasonNetwork, true, true, false},
	} {
		err := fmt.Errorf("send: %w", tc.err)
		reason, _, unknown, _ := Classify(err)
		if reason != tc.reason || unknown != tc.unknown {
			t.Errorf("%s: %s, may have taken effect: %t; want %s, %t", tc.name, reason, unknown, tc.reason, tc.unknown)
		}
		if got := Everywhere(err); got != tc.everywhere {
			t.Errorf("%s: the same everywhere: %t", tc.name, got)
		}
		if got := Denied(err); got != tc.denied {
			t.Errorf("%s: denied: %t", tc.name, got)
		}
	}
}

// The service's wish is milliseconds in AWS's own header and seconds in HTTP's; the own one counts first.
func TestRetryTime(t *testing.T) {
	for _, tc := range []struct {
		own, http string
		want      time.Duration
	}{
		{"", "", 0},
		{"1500", "", 1500 * time.Millisecond},
		{"", "7", 7 * time.Second},
		{"20", "7", 20 * time.Millisecond},
		{"soon", "7", 7 * time.Second},
		{"-1", "", 0},
		{"", "1.5", 0},
		{"", "Wed, 21 Oct 2026 07:28:00 GMT", 0},
		{"", "2147483647", 2147483647 * time.Second},
		{"", "2147483648", 0},
	} {
		h := http.Header{}
		for name, value := range map[string]string{"X-Amz-Retry-After": tc.own, "Retry-After": tc.http} {
			if value != "" {
				h.Set(name, value)
			}
		}
		if _, status, _, got := Classify(answered(503, "SlowDown", "", h)); got != tc.want || status != 503 {
			t.Errorf("%q and %q: %v with status %d, want %v", tc.own, tc.http, got, status, tc.want)
		}
	}
}

// A line for operators: what was called, what came back, and what to do. What the service said is for those alone who
// may see records.
func TestDescribe(t *testing.T) {
	const call = "Firehose PutRecordBatch: "
	denied := answered(400, "AccessDeniedException", "User: arn:x is not\u202e authorized\nx-amz-token: t", nil)
	for _, tc := range []struct {
		name          string
		err           error
		public, whole string
	}{
		{
			"an error code", denied,
			call + "AccessDeniedException (HTTP status 400, request id id-1); allow the action in the role's policy",
			call + "AccessDeniedException: User: arn:x is not  authorized (HTTP status 400, request id id-1); " +
				"allow the " +
				"action in the role's policy",
		},
		{
			"a message that is the code", answered(500, "InternalFailure", "InternalFailure", nil),
			call + "InternalFailure (HTTP status 500, request id id-1)",
			call + "InternalFailure (HTTP status 500, request id id-1)",
		},
		{
			"no answer around it", &smithy.GenericAPIError{Code: "ResourceNotFoundException", Message: "no"},
			"ResourceNotFoundException; create it, or correct its name, region or account",
			"ResourceNotFoundException: no; create it, or correct its name, region or account",
		},
		{
			"a page", answered(502, "", "", nil), call + "HTTP status 502, which could not be read",
			call + "HTTP status 502, which could not be read: deserialization failed, invalid character '<'",
		},
		{
			"refused", unanswered(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}),
			call + "the connection to it was refused: nothing listens there; check host and port, and that it runs", "",
		},
		{
			"plain to what wants TLS", unanswered(syscall.ECONNRESET),
			call + "the connection was reset: it, or something on the way, ended it; does it want https://?", "",
		},
		{"time-out", unanswered(context.DeadlineExceeded), call + "no answer within the time-out", ""},
		{
			"no credentials", &smithy.OperationError{
				ServiceID: "S3", OperationName: "PutObject", Err: &credentialsError{errors.New("no EC2 IMDS role " +
					"found")},
			},
			"S3 PutObject: no credentials: no EC2 IMDS role found; set them in the environment, a profile, IRSA, " +
				"EKS pod " +
				"identity or an instance profile", "",
		},
		{
			"unproved", &UnprovedError{Status: 200, Lacks: "an id", Kind: "text/html\nx"},
			"the answer 200 of type text/html proves nothing, as it lacks an id: is this a proxy's page?", "",
		},
		{
			"unproved, of no type", &UnprovedError{Status: 204, Lacks: "an id"},
			"the answer 204 of type no type proves nothing, as it lacks an id: is this a proxy's page?", "",
		},
		{
			"only a call", &smithy.OperationError{ServiceID: "S3", OperationName: "Get", Err: errors.New("odd\nend")},
			"S3 Get: odd", "",
		},
	} {
		text := Describe(tc.err)
		whole := tc.whole
		if whole == "" {
			whole = tc.public
		}
		if got := outputs.Public(text); got != tc.public {
			t.Errorf("%s: everybody sees\n%q, want\n%q", tc.name, got, tc.public)
		}
		if got := outputs.Whole(text); got != whole {
			t.Errorf("%s: who may see records sees\n%q, want\n%q", tc.name, got, whole)
		}
	}
	long := outputs.Whole(Describe(answered(400, "X", strings.Repeat("é", 1000), nil)))
	if n := strings.Count(long, "é"); n < maxText/2-4 || n > maxText/2 {
		t.Errorf("%d letters of a long message are shown", n)
	}
	if err := Described(denied); err.Error() != Describe(denied) || !errors.Is(err, denied) || !Denied(err) {
		t.Errorf("a described error: %v", err)
	}
}

// Every code that has advice is one that the table of refusals knows by name.
func TestHints(t *testing.T) {
	known := map[string]bool{}
	for _, line := range Refusals() {
		for _, kind := range line.Kinds {
			known[kind] = true
		}
	}
	for code, want := range map[string]string{
		"ExpiredToken": "renew", "RequestExpired": "renew", "TokenRefreshRequired": "renew",
		"InvalidClientTokenId": "does not know the access key", "InvalidAccessKeyId": "does not know the access key",
		"UnrecognizedClientException": "does not know the access key", "InvalidToken": "does not know the access key",
		"SignatureDoesNotMatch": "clock", "InvalidSignatureException": "clock", "RequestTimeTooSkewed": "clock",
		"RequestInTheFuture": "clock", "AccessDenied": "policy", "KMSOptInRequired": "KMS key",
		"InvalidKMSResourceException": "KMS key", "ResourceNotFoundException": "create it",
	} {
		got := hint(code)
		if !strings.HasPrefix(got, "; ") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q in it", code, got, want)
		}
		if !known[code] {
			t.Errorf("%s has advice and is in no line of the table", code)
		}
	}
	for _, code := range []string{"", "InternalFailure", "ThrottlingException", "accessdenied"} {
		if got := hint(code); got != "" {
			t.Errorf("%s: %q", code, got)
		}
	}
	for _, code := range keyCodes() {
		if line := Refusals().Find(0, code, ""); line.Reason != outputs.ReasonAuth || !badKeys(code) {
			t.Errorf("%s, which new credentials may cure, is %s", code, line.What)
		}
	}
}

// No error code stands in two lines of the table, where only the first would count.
func TestRefusalsNameEachCodeOnce(t *testing.T) {
	seen := map[string]string{}
	for _, line := range Refusals() {
		if line.Remedy == "" {
			t.Errorf("%s: nothing says what to do", line.What)
		}
		for _, kind := range line.Kinds {
			if before, twice := seen[kind]; twice {
				t.Errorf("%s is in %q and %q", kind, before, line.What)
			}
			seen[kind] = line.What
			if outputs.KindOf(kind) != kind {
				t.Errorf("%s would not be shown", kind)
			}
		}
	}
}
