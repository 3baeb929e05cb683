package awsclient

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Only an id proves that a record is stored.
func TestOutcomeOf(t *testing.T) {
	for _, tc := range []struct {
		name              string
		id, code, message *string
		want              string // the code
	}{
		{"an id", aws.String("49"), nil, nil, ""},
		{"an id and empty errors", aws.String("49"), aws.String(""), aws.String(""), ""},
		{"an error", nil, aws.String("InternalFailure"), aws.String("no"), "InternalFailure"},
		{"an error beside an id", aws.String("49"), aws.String("InternalFailure"), nil, "InternalFailure"},
		{"nothing", nil, nil, nil, unproved},
		{"an empty id", aws.String(""), nil, nil, unproved},
	} {
		if got := OutcomeOf(tc.id, tc.code, tc.message); got.Code != tc.want ||
			(tc.want == unproved) != (got.Code == unproved && got.Message != "") {
			t.Errorf("%s: %+v, want %q", tc.name, got, tc.want)
		}
	}
}
