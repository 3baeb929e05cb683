package outputtest

import (
	"net/http"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// OneTarget holds that what a server answers to requests for one tenant, or path, is about that one alone: refusing
// makes an output whose server answers requests with events of the cluster "bad" with status, and takes all others.
func OneTarget(t *testing.T, refusing func(t *testing.T, status int) outputs.Output) {
	t.Helper()
	for _, tc := range []struct {
		status int
		reason outputs.Reason
	}{
		{http.StatusTooManyRequests, outputs.ReasonThrottled},
		{http.StatusServiceUnavailable, outputs.ReasonServer},
		{http.StatusInternalServerError, outputs.ReasonServer},
		{http.StatusForbidden, outputs.ReasonTarget},
		{http.StatusNotFound, outputs.ReasonTarget},
	} {
		t.Run(http.StatusText(tc.status), func(t *testing.T) {
			o := refusing(t, tc.status)
			defer func() {
				if err := o.Close(); err != nil {
					t.Error(err)
				}
			}()
			send := func(b *outputs.Batch) *outputs.SendError {
				err := o.Send(t.Context(), b)
				if err == nil {
					t.Fatal("what the server refuses is delivered")
				}
				return outputs.AsSendError(err)
			}
			bad := Chunk(1, "bad", "t", 2, 0, 10)
			both := Batch(bad, Chunk(2, "good", "t", 2, 2, 10))
			se := send(both)
			if len(se.Failed) != 2 || se.Failed[1].Index != 1 || se.Failed[0].Reason != tc.reason || !se.Apart {
				t.Errorf("of both: %+v", se)
			}
			if both.Host == "" {
				t.Error("nobody has taken the good one's events")
			}
			alone := Batch(bad)
			if se = send(alone); len(se.Failed) != 2 && tc.reason != outputs.ReasonTarget {
				t.Errorf("it keeps a worker: %+v", se)
			}
			if alone.Host != "" {
				t.Errorf("%s has taken none, and counts as one that does", alone.Host)
			}
			// The one of its events that may be to blame is looked for where no worker waits for it.
			alone.Again = true
			if se = send(alone); se.Suspect && (len(se.Failed) > 0 || se.Host == both.Host) {
				t.Errorf("again: %+v", se)
			}
		})
	}
}
