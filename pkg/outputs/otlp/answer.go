package otlp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/httpclient"
)

// protobuf is the media type of requests, and of answers.
const protobuf = "application/x-protobuf"

// Fields of ExportLogsServiceResponse, ExportLogsPartialSuccess and google.rpc.Status.
const (
	responsePartial = 1
	partialRejected = 1
	partialMessage  = 2
	statusMessage   = 2
)

// success is what an answer says that took log records.
type success struct {
	// rejected counts log records that it did not take.
	rejected int64
	message  string
}

// readSuccess reads an answer that says that log records were taken. The error says what it is instead.
func readSuccess(a *httpclient.Answer) (s success, err error) {
	switch {
	case a.Page():
		return s, errors.New("it is a page for people")
	case len(a.Body) == 0:
		return s, nil
	case a.Kind == protobuf || a.Kind == "application/protobuf":
		return parseSuccess(a.Body)
	case a.Kind == "application/json":
		return parseSuccessJSON(a.Body)
	default:
		return s, nil
	}
}

// parseSuccess reads an ExportLogsServiceResponse.
func parseSuccess(body []byte) (s success, err error) {
	err = eachField(body, func(n protowire.Number, partial []byte, _ uint64) error {
		if n != responsePartial {
			return nil
		}
		return eachField(partial, func(n protowire.Number, text []byte, number uint64) error {
			switch n { //nolint:exhaustive // there are no others
			case partialRejected:
				s.rejected = max(int64(number), 0)
			case partialMessage:
				s.message = oneLine(text)
			}
			return nil
		})
	})
	if err != nil {
		return success{}, fmt.Errorf("its body is no answer of OTLP: %w", err)
	}
	return s, nil
}

// parseSuccessJSON reads an ExportLogsServiceResponse as JSON, in which an int64 is a text.
func parseSuccessJSON(body []byte) (s success, err error) {
	var response struct {
		PartialSuccess struct {
			RejectedLogRecords json.RawMessage `json:"rejectedLogRecords"`
			ErrorMessage       string          `json:"errorMessage"`
		} `json:"partialSuccess"`
	}
	if err := json.Unmarshal(body, &response); err != nil {
		return s, errors.New("its body is no answer of OTLP")
	}
	s.message = oneLine([]byte(response.PartialSuccess.ErrorMessage))
	if text := strings.Trim(string(response.PartialSuccess.RejectedLogRecords), `"`); text != "" && text != "null" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return success{}, errors.New("its body is no answer of OTLP: rejectedLogRecords is no number")
		}
		s.rejected = max(n, 0)
	}
	return s, nil
}

// readStatus returns the message of an answer that is a google.rpc.Status, "" where it is none.
func readStatus(a *httpclient.Answer) (message string) {
	switch a.Kind {
	case protobuf, "application/protobuf":
		if err := eachField(a.Body, func(n protowire.Number, text []byte, _ uint64) error {
			if n == statusMessage {
				message = oneLine(text)
			}
			return nil
		}); err != nil {
			return ""
		}
	case "application/json":
		var status struct{ Message string }
		if json.Unmarshal(a.Body, &status) == nil {
			message = oneLine([]byte(status.Message))
		}
	}
	return message
}

// eachField calls do for each field of a message: with the bytes of one that has a length, or the number of another.
func eachField(b []byte, do func(n protowire.Number, text []byte, number uint64) error) error {
	for len(b) > 0 {
		n, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return protowire.ParseError(size)
		}
		b = b[size:]
		var text []byte
		var number uint64
		switch kind {
		case protowire.BytesType:
			text, size = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			number, size = protowire.ConsumeVarint(b)
		default:
			size = protowire.ConsumeFieldValue(n, kind, b)
		}
		if size < 0 {
			return protowire.ParseError(size)
		}
		b = b[size:]
		if err := do(n, text, number); err != nil {
			return err
		}
	}
	return nil
}

// maxMessage bounds what is kept of a message.
const maxMessage = 300

// oneLine returns text as one line that is not too long.
func oneLine(text []byte) string {
	line := strings.Join(strings.Fields(strings.ToValidUTF8(string(text), "\ufffd")), " ")
	if len(line) > maxMessage {
		end := maxMessage
		for !utf8.RuneStart(line[end]) {
			end--
		}
		line = line[:end]
	}
	return line
}

// refusals is what answers mean: those that OTLP says are to be tried again, and behind them what statuses mean else.
func refusals() outputs.Refusals {
	return append(outputs.Refusals{
		{
			What:   "not now",
			Status: []int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout},
			Reason: outputs.ReasonServer, Remedy: "look at the Collector, and where it sends to",
		},
		{
			What: "no OTLP over HTTP", Status: []int{http.StatusUnsupportedMediaType}, Reason: outputs.ReasonServer,
			Remedy: "check that the URL is that of OTLP over HTTP with protobuf",
		},
	}, httpclient.Refusals()...)
}
