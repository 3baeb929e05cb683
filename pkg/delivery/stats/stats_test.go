package stats

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/delivery/internal/outcome"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// The counters of a loop go on in the next one of its name.
func TestRecorderGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := NewRecorder("es", zerolog.Nop())
		first.Settled("a", &outcome.Counts{Delivered: 3, Bytes: 30})
		first.Failed(&outputs.SendError{Reason: outputs.ReasonServer, Err: errors.New("away")}, false)
		second := NewRecorder("es", zerolog.Nop())
		second.GoOn(first)
		second.Settled("a", &outcome.Counts{Delivered: 2, Bytes: 20})
		second.Succeeded()
		var s Stats
		second.Fill(&s)
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

// Targets are told apart by name up to a bound; those that were quiet for a while make place for others, and none is
// lost from the sums.
func TestTargetTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := newTargetTable()
		send := func(name string, events, refused int) {
			var failed []outputs.Failure
			for i := range refused {
				failed = append(failed, outputs.Failure{
					Index: i, Target: name, Reason: outputs.ReasonTarget, Status: 403, Kind: "cluster_block_exception",
				})
			}
			table.Sent([]outputs.TargetCount{{Target: name, Events: events, Bytes: 10 * events}}, failed)
		}
		for i := range maxTargets + 50 {
			send(fmt.Sprintf("i%03d", i), 10, 3)
		}
		list := table.list()
		if len(list) != maxTargets+1 || list[0].Delivered != 7 || list[0].Refused["target"] != 3 || list[0].Kind == "" {
			t.Errorf("%d rows, the first is %+v", len(list), list[0])
		}
		if rest := list[maxTargets]; rest.Target != "" || rest.Delivered != 350 || rest.Refused["target"] != 150 {
			t.Errorf("the rest is %+v", rest)
		}
		time.Sleep(2 * targetQuiet)
		send("busy", 1000, 0)
		list = table.list()
		sum := uint64(0)
		for _, row := range list {
			sum += row.Delivered
		}
		if len(list) != maxTargets+1 || list[0].Target != "busy" || sum != 7*(maxTargets+50)+1000 {
			t.Errorf("%d rows, %d events, the first is %+v", len(list), sum, list[0])
		}
	})
}

func TestShownTarget(t *testing.T) {
	if got := ShownTarget("a\nb\x1b" + strings.Repeat("x", 2*targetShown)); strings.ContainsAny(got, "\n\x1b") ||
		len(got) > targetShown+4 {
		t.Errorf("%q", got)
	}
}
