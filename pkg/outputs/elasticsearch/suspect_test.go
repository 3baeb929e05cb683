package elasticsearch

import (
	"slices"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// A refusal says to which target it is, of what kind, and what to do; the events of other targets are delivered.
func TestTargetRefuses(t *testing.T) {
	s := elastictest.New(elastictest.Options{})
	o := newOutput(t, s.Handler(), nil)
	s.SetFaults(elastictest.Faults{Indices: map[string]elastictest.ItemError{
		"logs-a": {Status: 400, Type: "index_closed_exception", Reason: "closed"},
		"logs-b": {
			Status: 400, Type: "document_parsing_exception",
			Reason: "[1:9] failed to parse: Limit of total fields [3] has been exceeded",
		},
		"logs-c": {Status: 400, Type: "brand new <type>", Reason: "nobody knows"},
	}})
	b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 1, 0, 5), outputtest.Chunk(2, "b", "t", 1, 1, 5),
		outputtest.Chunk(3, "c", "t", 1, 2, 5), outputtest.Chunk(4, "d", "t", 1, 3, 5))
	se := outputs.AsSendError(o.Send(t.Context(), b))
	if se.Suspect || se.Reason != outputs.ReasonTarget || b.Host == "" {
		t.Errorf("host %q, %+v", b.Host, se)
	}
	want := []outputs.Failure{
		{Index: 0, Reason: outputs.ReasonTarget, Status: 400, Target: "logs-a", Kind: "index_closed_exception"},
		{
			Index: 1, Reason: outputs.ReasonTarget, Status: 400, Target: "logs-b", Kind: "document_parsing_exception",
			Partial: true,
		},
		{Index: 2, Reason: outputs.ReasonRejected, Status: 400, Target: "logs-c", Unlisted: true},
	}
	for i := range se.Failed {
		if se.Failed[i].Detail == "" || se.Failed[i].Remedy == "" {
			t.Errorf("nothing is said of %+v", se.Failed[i])
		}
		se.Failed[i].Detail, se.Failed[i].Remedy = "", ""
	}
	if !slices.Equal(se.Failed, want) {
		t.Errorf("got %+v, want %+v", se.Failed, want)
	}
	if got := numbers(t, s); !slices.Equal(got, []int{3}) {
		t.Errorf("the server has %v", got)
	}
}

// A request that a gateway refuses for what it holds is marked, one that is refused for the moment or the login is not.
func TestSuspect(t *testing.T) {
	for _, tc := range []struct {
		name    string
		faults  elastictest.Faults
		suspect bool
	}{
		{"a gateway's page", elastictest.Faults{Gateway: `"n":1,`}, true},
		{"a login's page", elastictest.Faults{Page: 1}, true},
		{"a login's page, with a wish", elastictest.Faults{Page: 1, RetryAfter: time.Second}, false},
		{"busy", elastictest.Faults{TooMany: 1}, false},
		{"unavailable", elastictest.Faults{Unavailable: 1}, false},
		{"no login", elastictest.Faults{Authorization: "Bearer other"}, false},
		{"reset", elastictest.Faults{ResetAfter: 1}, false},
		{"half a reply", elastictest.Faults{Truncated: 1}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := elastictest.New(elastictest.Options{})
			o := newOutput(t, s.Handler(), nil)
			s.SetFaults(tc.faults)
			b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 5))
			se := outputs.AsSendError(o.Send(t.Context(), b))
			if se.Suspect != tc.suspect || tc.suspect && (se.Host == "" || se.Host != b.Host || len(se.Failed) > 0) {
				t.Errorf("suspect %t by host %q, batch's %q: %v", se.Suspect, se.Host, b.Host, se)
			}
		})
	}
}
