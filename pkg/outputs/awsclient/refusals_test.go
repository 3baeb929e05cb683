package awsclient

import (
	"errors"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

func TestRefusals(t *testing.T) {
	outputtest.HoldRefusals(t, Refusals(), []outputtest.Answer{
		{What: "throttled", Status: 400, Kind: "ThrottlingException"},
		{What: "throttled", Status: 503, Kind: "ServiceUnavailableException"},
		{What: "throttled", Status: 0, Kind: "ProvisionedThroughputExceededException"},
		{What: "throttled, without a code", Status: 429},
		{What: "credentials refused", Status: 400, Kind: "ExpiredTokenException"},
		{What: "credentials refused", Status: 403, Kind: "SignatureDoesNotMatch"},
		{What: "account refused", Status: 403, Kind: "OptInRequired"},
		{What: "privilege missing", Status: 400, Kind: "AccessDeniedException"},
		{What: "privilege missing", Status: 403, Kind: "AccessDenied"},
		{What: "key of the stream", Status: 400, Kind: "InvalidKMSResourceException"},
		{What: "missing", Status: 400, Kind: "ResourceNotFoundException"},
		{What: "missing", Status: 404, Kind: "NoSuchBucket"},
		{What: "takes no records", Status: 400, Kind: "InvalidSourceException"},
		{What: "takes no records", Status: 400, Kind: "ResourceInUseException"},
		{What: "not allowed", Status: 403},
		{What: "broke off", Status: 400, Kind: "RequestTimeout"},
		{What: "failure of the service", Status: 500, Kind: "InternalFailure"},
		{What: "failure of the service", Status: 503},
		{What: "too large", Status: 413},
		{What: "request refused", Status: 400, Kind: "ValidationException"},
		{What: "request refused", Status: 400, Kind: "InvalidParameterException"},
		{What: "any other refusal", Status: 400, Kind: "NewException"},
	}, "../../../docs/aws.md")
}

func TestExplain(t *testing.T) {
	var f outputs.Failure
	Explain(&f, &smithy.OperationError{Err: &smithy.GenericAPIError{Code: "ResourceNotFoundException"}})
	if f.Kind != "ResourceNotFoundException" || f.Remedy == "" {
		t.Errorf("%+v", f)
	}
	f = outputs.Failure{}
	if Explain(&f, errors.New("connection refused")); f.Kind != "" || f.Remedy != "" {
		t.Errorf("no service has said anything, but %+v", f)
	}
}
