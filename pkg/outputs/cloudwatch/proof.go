package cloudwatch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// maxAnswer is more than an answer to PutLogEvents has, in bytes.
const maxAnswer = 64 << 10

// proving makes requests, and takes an answer of success to PutLogEvents for one only where it is the service's: the
// SDK takes an empty one too, and JSON of any kind.
type proving struct{ logs.HTTPClient }

// Do satisfies logs.HTTPClient.
func (p proving) Do(r *http.Request) (*http.Response, error) {
	res, err := p.HTTPClient.Do(r)
	if err != nil || res.StatusCode >= http.StatusMultipleChoices ||
		!strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".PutLogEvents") {
		return res, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if cerr := res.Body.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if !isAnswer(body) {
		return nil, &awsclient.UnprovedError{
			Status: res.StatusCode, Lacks: "the JSON of CloudWatch Logs", Kind: res.Header.Get("Content-Type"),
		}
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

// isAnswer reports whether text is an object with nothing but what PutLogEvents answers with.
func isAnswer(text []byte) bool {
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil || members == nil {
		return false
	}
	for name := range members {
		switch name {
		case "nextSequenceToken", "rejectedLogEventsInfo", "rejectedEntityInfo":
		default:
			return false
		}
	}
	return true
}
