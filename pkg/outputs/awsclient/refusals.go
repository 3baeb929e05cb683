package awsclient

import (
	"sync"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// keyCodes are the error codes that may be cured by fetching the credentials anew.
func keyCodes() []string {
	return []string{
		"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired", "InvalidToken",
		"InvalidClientTokenId",
		"InvalidAccessKeyId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSignatureException",
	}
}

// deniedCodes are the error codes of a privilege that is missing.
func deniedCodes() []string {
	return []string{"AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation"}
}

// Refusals returns what follows from the error codes of AWS's services, of calls and of single records. docs/aws.md
// shows it.
func Refusals() outputs.Refusals { return refusals() }

//nolint:gochecknoglobals // a table, never written
var refusals = sync.OnceValue(func() outputs.Refusals {
	return outputs.Refusals{
		{
			What: "throttled", Kinds: []string{
				"ThrottlingException", "Throttling", "ThrottledException", "RequestThrottled",
				"RequestThrottledException",
				"TooManyRequestsException", "ProvisionedThroughputExceededException", "RequestLimitExceeded",
				"BandwidthLimitExceeded", "LimitExceededException", "SlowDown", "PriorRequestNotComplete",
				"KMSThrottlingException", "ServiceUnavailableException", "ServiceUnavailable",
			}, Reason: outputs.ReasonThrottled, Remedy: "ask for a larger quota if the lag does not shrink",
		},
		{
			What: "throttled, without a code", Status: []int{429}, Reason: outputs.ReasonThrottled,
			Remedy: "ask for a larger quota if the lag does not shrink",
		},
		{
			What: "credentials refused", Kinds: keyCodes(), Reason: outputs.ReasonAuth,
			Remedy: "renew the credentials, enable the region for the account, and check this machine's clock: they " +
				"are read again with each try",
		},
		{
			What: "account refused", Kinds: []string{
				"AuthFailure", "OptInRequired", "MissingAuthenticationToken", "MissingAuthenticationTokenException",
				"IncompleteSignature",
				"IncompleteSignatureException", "RequestTimeTooSkewed", "RequestInTheFuture", "AllAccessDisabled",
				"AccountProblem", "NotSignedUp",
			}, Reason: outputs.ReasonAuth, Remedy: "look at the account, and at this machine's clock",
		},
		{
			What: "privilege missing", Kinds: deniedCodes(), Reason: outputs.ReasonTarget,
			Remedy: "allow the action for it in the role's policy; with `role_arn` look at the trust policy too, and " +
				"at the VPC endpoint's policy",
		},
		{
			What: "key of the stream", Kinds: []string{
				"KMSAccessDeniedException", "KMSDisabledException", "KMSInvalidStateException", "KMSNotFoundException",
				"KMSOptInRequired",
				"InvalidKMSResourceException",
			}, Reason: outputs.ReasonTarget, Remedy: "look at the key's state and its policy",
		},
		{
			What: "missing", Kinds: []string{"ResourceNotFoundException", "NoSuchBucket"}, Reason: outputs.ReasonTarget,
			Remedy: "create it, or correct its name, region or account; what waits is sent then",
		},
		{
			What: "takes no records", Kinds: []string{"InvalidSourceException", "ResourceInUseException"},
			Reason: outputs.ReasonTarget,
			Remedy: "wait until the stream is ACTIVE; a delivery stream must have Direct PUT as its source",
		},
		{
			What: "not allowed", Status: []int{401, 403}, Reason: outputs.ReasonAuth,
			Remedy: "check credentials and policies, and proxies on the way",
		},
		{
			What: "broke off", Kinds: []string{"RequestTimeout", "RequestTimeoutException"},
			Reason: outputs.ReasonNetwork, Remedy: "look at the network; raise `timeout` for slow lines",
		},
		{
			What: "failure of the service", Status: []int{5}, Reason: outputs.ReasonServer,
			Remedy: "nothing, unless it lasts",
		},
		{What: "too large", Status: []int{413}, Reason: outputs.ReasonTooLarge, Remedy: "look at proxies on the way"},
		{
			What: "request refused",
			Kinds: []string{
				"ValidationException", "InvalidArgumentException", "InvalidParameterException",
				"SerializationException",
			},
			Reason: outputs.ReasonServer, Suspect: true,
			Remedy: "look at the dead letter, or at the settings where all is refused",
		},
		{What: "any other refusal", Reason: outputs.ReasonServer, Remedy: "look at the output's settings"},
	}
})
