package loki

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// refusing is a made-up Loki that says text of the lines with "n":7, and takes the others.
func refusing(text string) *made { return &made{poison: `"n":7,`, refusal: text} }

// Loki's own words of a line that it refuses make that line a dead letter, and leave the others delivered, once.
func TestRefusedLines(t *testing.T) {
	for kind, text := range map[string]string{
		tooOld: `entry for stream '{cluster="a", tag="t"}' has timestamp too old: 2020-01-01T00:00:00Z, oldest ` +
			`acceptable timestamp is: 2026-01-01T00:00:00Z`,
		tooNew:     `entry for stream '{cluster="a"}' has timestamp too new: 2126-01-01T00:00:00Z`,
		outOfOrder: "entry with timestamp 2026-01-01 00:00:00 +0000 UTC ignored, reason: 'entry out of order',\n",
		tooFarBehind: "entry with timestamp 2026-01-01 00:00:00 +0000 UTC ignored, reason: 'entry too far behind, " +
			"entry timestamp is: 2026-01-01T00:00:00Z'",
		lineTooLong: `3 errors like: Max entry size '262144' bytes exceeded for stream '{a="b"}' while adding an ` +
			`entry with length '300000' bytes; 1 errors like: more`,
		labelTooLong:  `stream '{a="b"}' has label value too long: 'b'`,
		metadataLarge: `stream '{a="b"}' has structured metadata too large: '9' bytes, limit: '8' bytes.`,
		metadataMany:  `stream '{a="b"}' has too many structured metadata labels: '9', limit: '8'.`,
	} {
		t.Run(kind, func(t *testing.T) {
			m := refusing(text)
			o := newOutput(t, m, nil)
			defer o.Close()
			se := outputs.AsSendError(o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 16, 0, 10))))
			if len(se.Failed) != 1 || se.Failed[0].Index != 7 || se.Failed[0].Reason != outputs.ReasonRejected ||
				se.Failed[0].Kind != kind || se.Failed[0].Remedy == "" {
				t.Errorf("%+v", se)
			}
			if got := m.numbers(t); len(got) != 16-1 || slices.Contains(got, 7) {
				t.Errorf("Loki has %v", got)
			}
		})
	}
}

// A batch of which all lines are refused is not pushed without end: what is left waits, untried, for another turn.
func TestRefusedLines_All(t *testing.T) {
	m := refusing("entry for stream '{}' has timestamp too old: x")
	m.poison = `"n":`
	o := newOutput(t, m, nil)
	defer o.Close()
	requests, _ := o.render(outputtest.Batch(outputtest.Chunk(1, "a", "t", 16, 0, 10)))
	left := 9
	se := o.push(t.Context(), &outputs.Batch{}, requests[0], &left)
	dead, untried := 0, 0
	for _, f := range se.Failed {
		switch {
		case f.Reason == outputs.ReasonRejected:
			dead++
		case f.Untried && f.Reason == outputs.ReasonServer:
			untried++
		}
	}
	if dead == 0 || untried == 0 || dead+untried != 16 {
		t.Errorf("%d dead, %d not tried: %+v", dead, untried, se)
	}
}

// A stream at its limit keeps its own lines only: those of the other streams of the request are delivered.
func TestOneStream(t *testing.T) {
	for kind, text := range map[string]string{
		streamLimit: "Maximum active stream limit exceeded when trying to create stream {n=\"7\"}, reduce",
		streamRate:  "Per stream rate limit exceeded (limit: 3MB/sec) while attempting to ingest for stream",
	} {
		t.Run(kind, func(t *testing.T) {
			m := refusing(text)
			m.status = http.StatusTooManyRequests
			o := newOutput(t, m, func(c *Config) { c.Labels = map[string]string{"n": "{record.n}"} })
			defer o.Close()
			se := outputs.AsSendError(o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 16, 0, 10))))
			if len(se.Failed) != 1 || se.Failed[0].Index != 7 || se.Failed[0].Reason != outputs.ReasonThrottled ||
				se.Failed[0].Kind != kind {
				t.Errorf("%+v", se)
			}
			if got := m.numbers(t); len(got) != 15 {
				t.Errorf("Loki has %v", got)
			}
		})
	}
}

// Loki answers 260 where ingestion is blocked: a status of success, and nothing is taken.
func TestBlocked(t *testing.T) {
	for code, text := range map[int]string{
		260: "ingestion blocked for user a until '2126-01-01T00:00:00Z' with status code '260'", 299: "no words",
		503: "ingestion blocked for user a until '2126-01-01T00:00:00Z' with status code '503'",
	} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			o := newOutput(t, &made{fault: status(code, text)}, nil)
			defer o.Close()
			err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 10)))
			if err == nil {
				t.Fatal("what is not taken is delivered")
			}
			waits := outputs.AsSendError(err).Reason == outputs.ReasonTarget
			if waits != strings.Contains(text, "blocked") {
				t.Errorf("%v", err)
			}
		})
	}
}
