package delivery

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// The counters of a loop go on in the next one of its name.
func TestRecorderGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := newRecorder("es", zerolog.Nop())
		first.settled("a", &counts{delivered: 3, bytes: 30})
		first.failed(&outputs.SendError{Reason: outputs.ReasonServer, Err: errors.New("away")}, false)
		second := newRecorder("es", zerolog.Nop())
		second.goOn(first)
		second.settled("a", &counts{delivered: 2, bytes: 20})
		second.succeeded()
		var s Stats
		second.fill(&s)
		if len(s.Clusters) != 1 || s.Clusters[0].Delivered != 5 || s.Clusters[0].Bytes != 50 {
			t.Errorf("%+v", s.Clusters)
		}
		if s.Sends != 2 || s.Failures != 1 || s.LastError == "" {
			t.Errorf("%+v", s)
		}
	})
}

func TestKindOf(t *testing.T) {
	for _, tc := range []struct{ a, b string }{
		{"status 503 of es-1", "status 502 of es-2"},
		{`field "a" is bad`, `field "b" is bad`},
		{"field [x] of type [long]", "field [y] of type [text]"},
	} {
		if kindOf(tc.a) != kindOf(tc.b) {
			t.Errorf("%q and %q are of one kind", tc.a, tc.b)
		}
	}
	if kindOf("connection refused") == kindOf("connection reset") {
		t.Error("other words, another kind")
	}
}
