package awsclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Classify says what follows from the error of a call to AWS. status is the answer's HTTP status, 0 where
// there was none; retryAfter is the service's wish, 0 for none. unknown: the call may have taken
// effect all the same. A refusal that is not known here is ReasonServer, never a final one: as far as can
// be told it is not an event that is wrong but the request, so it is held.
func Classify(err error) (reason outputs.Reason, status int, unknown bool, retryAfter time.Duration) {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.Response != nil {
		status = response.HTTPStatusCode()
		retryAfter = retryTime(response.Response.Header)
	}
	if unproved, ok := errors.AsType[*UnprovedError](err); ok {
		return outputs.ReasonServer, max(status, unproved.Status), true, retryAfter
	}
	var keys *credentialsError
	if errors.As(err, &keys) {
		return outputs.ReasonAuth, status, false, retryAfter
	}
	r := refusalOf(err, status)
	switch {
	case r == nil:
		// A 200 that broke off, or no answer at all.
		return outputs.ReasonNetwork, status, wasSent(err), retryAfter
	case r.Reason == outputs.ReasonNetwork:
		unknown = true
	case r.Reason == outputs.ReasonServer:
		unknown = status >= http.StatusInternalServerError
	}
	return r.Reason, status, unknown, retryAfter
}

// Explain sets what else than the reason is known of a failure by err: its kind, for everybody to see, and what to do.
func Explain(f *outputs.Failure, err error) {
	f.Kind = outputs.KindOf(Code(err))
	if r := refusalOf(err, f.Status); r != nil && err != nil {
		f.Remedy = r.Remedy
	}
}

// Code returns the error code that the service gave, "" for none.
func Code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// refusalOf returns the line of Refusals for err, nil where no service has refused anything.
func refusalOf(err error, status int) *outputs.Refusal {
	code := Code(err)
	if code == "" && status < http.StatusMultipleChoices {
		return nil
	}
	return refusals().Find(status, code, "")
}

// Everywhere reports whether the error of a call would be the same for whatever else the output sends: to other
// streams, log groups, or objects.
func Everywhere(err error) bool {
	var keys *credentialsError
	var api smithy.APIError
	reason, _, _, _ := Classify(err)
	return reason == outputs.ReasonNetwork || errors.As(err, &keys) || errors.As(err, &api) && badKeys(api.ErrorCode())
}

// wasSent reports whether the request may have reached the service.
func wasSent(err error) bool {
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return false
	}
	var name *net.DNSError
	return !errors.As(err, &name)
}

// retryTime reads the headers by which services say when to come back.
func retryTime(h http.Header) time.Duration {
	for _, from := range []struct {
		header string
		unit   time.Duration
	}{{"x-amz-retry-after", time.Millisecond}, {"Retry-After", time.Second}} {
		if n, err := strconv.ParseUint(h.Get(from.header), 10, 31); err == nil {
			return time.Duration(n) * from.unit
		}
	}
	return 0
}

// UnprovedError says that an answer of success is not the service's, or not to all of the request: what was sent is
// sent again.
type UnprovedError struct {
	// Status is that of the answer.
	Status int
	// Lacks is what would prove it.
	Lacks string
	// Kind is the answer's media type, "" where it gives none.
	Kind string
}

func (e *UnprovedError) Error() string {
	kind := e.Kind
	if kind == "" {
		kind = "no type"
	}
	return fmt.Sprintf("the answer %d of type %s proves nothing, as it lacks %s: is this a proxy's page?", e.Status,
		oneLine(kind), e.Lacks)
}

// badKeys reports whether the error code may be cured by fetching the credentials anew.
func badKeys(code string) bool { return slices.Contains(keyCodes(), code) }

// Denied reports whether the error of a call is that a privilege is missing.
func Denied(err error) bool {
	code := Code(err)
	return slices.Contains(deniedCodes(), code) || code == "AllAccessDisabled" || code == "KMSAccessDeniedException"
}

// Describe returns one line for operators: what was called, what came back, and what to do about it
// where that is known. It holds no secret, and what the service said is marked as outputs.Words.
func Describe(err error) string {
	call := ""
	var op *smithy.OperationError
	if errors.As(err, &op) {
		call = op.Service() + " " + op.Operation() + ": "
	}
	var keys *credentialsError
	if errors.As(err, &keys) {
		// They are of STS, where a role was to be assumed.
		text := call + "no credentials: " + Describe(keys.err)
		var api smithy.APIError
		var others *credentialsError
		var op *smithy.OperationError
		asked := errors.As(keys.err, &op) && op.Service() == sts.ServiceID
		if !errors.As(keys.err, &api) && !errors.As(keys.err, &others) && !asked {
			text += "; set them in the environment, a profile, IRSA, EKS pod identity or an instance profile"
		}
		return text
	}
	return call + describe(err)
}

func describe(err error) string {
	var api smithy.APIError
	var response *smithyhttp.ResponseError
	hasAnswer := errors.As(err, &response) && response.Response != nil && response.HTTPStatusCode() != 0
	if errors.As(err, &api) {
		text := api.ErrorCode()
		if message := oneLine(api.ErrorMessage()); message != "" && message != text {
			text += outputs.Words(": "+message, "")
		}
		if hasAnswer {
			text += fmt.Sprintf(" (HTTP status %d", response.HTTPStatusCode())
			if id, ok := requestID(err); ok {
				text += ", request id " + id
			}
			text += ")"
		}
		return text + hint(api.ErrorCode())
	}
	unproved, ok := errors.AsType[*UnprovedError](err)
	switch {
	case ok:
		return unproved.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer within the time-out"
	case hasAnswer:
		return fmt.Sprintf("HTTP status %d, which could not be read: %s", response.HTTPStatusCode(),
			outputs.Words(oneLine(response.Err.Error()), ""))
	}
	var send *smithyhttp.RequestSendError
	if errors.As(err, &send) {
		text := outputs.Diagnose(send.Err)
		var at *url.Error
		if errors.As(send.Err, &at) {
			text = outputs.DiagnoseAt(at.URL, at.Err)
		}
		// These outputs have no tls: authorities are the SDK's to find, and a certificate's name is the endpoint's.
		return oneLine(strings.NewReplacer(
			"set tls.ca_file to that authority's certificate",
			"set AWS_CA_BUNDLE in the environment to a file with that authority's certificate",
			"set tls.server_name to one of them, or use it as the address", "write endpoint with one of them",
		).Replace(text))
	}
	var op *smithy.OperationError
	if errors.As(err, &op) {
		err = op.Err
	}
	return oneLine(err.Error())
}

// requestID returns the id by which AWS finds a request. Its errors have it in a type of their own, which
// is met by its method.
func requestID(err error) (id string, ok bool) {
	var with interface{ ServiceRequestID() string }
	if errors.As(err, &with) {
		id = oneLine(with.ServiceRequestID())
	}
	return id, id != ""
}

// maxText bounds what of a service's words is passed on, in bytes.
const maxText = 400

// oneLine returns the first line of text: what follows in a refused signature's message is the request's
// headers, with the session's token.
func oneLine(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	return safetext.Clip(safetext.Line(text, ' '), maxText)
}

// hint says what to do about the common error codes.
func hint(code string) string {
	switch code {
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired":
		return "; renew the credentials: they are read again with each try"
	case "InvalidClientTokenId", "InvalidAccessKeyId", "UnrecognizedClientException", "InvalidToken":
		return "; AWS does not know the access key: check the credentials, and that the region is enabled for " +
			"the account"
	case "SignatureDoesNotMatch", "InvalidSignatureException", "RequestTimeTooSkewed", "RequestInTheFuture":
		return "; check this machine's clock, then the secret access key"
	case "AccessDenied", "AccessDeniedException":
		return "; allow the action in the role's policy"
	case "KMSAccessDeniedException", "KMSDisabledException", "KMSInvalidStateException", "KMSNotFoundException",
		"KMSOptInRequired", "InvalidKMSResourceException":
		return "; check the stream's KMS key and its policy"
	case "ResourceNotFoundException":
		return "; create it, or correct its name, region or account"
	}
	return ""
}
