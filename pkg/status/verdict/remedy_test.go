package verdict

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

// TestRetryingRemedy holds that what to do fits why nothing gets through.
func TestRetryingRemedy(t *testing.T) {
	for reason, want := range map[string]string{
		"throttled": "quota", "network": "can be reached", "server": "wrong with the destination",
		"": "wrong with the destination",
	} {
		s := snapshot.Snapshot{Outputs: []snapshot.Output{{
			Name: "out", State: snapshot.StateRetrying, Lag: 100,
			OutputTimes: snapshot.OutputTimes{FailingReason: reason},
		}}}
		s.Time = time.Unix(1_800_000_000, 0)
		Fill(&s)
		if len(s.Verdict.Findings) == 0 || !strings.Contains(s.Verdict.Findings[0].Remedy, want) {
			t.Errorf("%q: %+v", reason, s.Verdict.Findings)
		}
	}
}
