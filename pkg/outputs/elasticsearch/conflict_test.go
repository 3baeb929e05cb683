package elasticsearch

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// A 409 is a delivery where the event may have been sent before, and else is told: it may be another's id.
func TestAlreadyThere(t *testing.T) {
	for _, tc := range []struct {
		name    string
		conf    string
		change  func(b *outputs.Batch)
		counted uint64
		dead    int
	}{
		{name: "a first attempt", conf: "count", counted: 3},
		{name: "a first attempt, kept", conf: onConflictDeadLetter, counted: 3, dead: 3},
		{name: "tried before", conf: onConflictDeadLetter, change: func(b *outputs.Batch) { b.Again = true }},
		{
			name: "found at the start", conf: onConflictDeadLetter,
			change: func(b *outputs.Batch) { b.Events[0].Chunk.Again = true },
		},
		{
			name: "a dead letter sent again", conf: onConflictDeadLetter,
			change: func(b *outputs.Batch) { b.Events[0].Chunk.Returned = true },
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := elastictest.New(elastictest.Options{})
			o := newOutput(t, s.Handler(), func(
				c *Config,
			) {
				c.ID, c.OnConflict, c.Username, c.Password = "same", tc.conf, "", setting.Secret{}
			})
			if err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 1, 9, 10))); err != nil {
				t.Fatal(err)
			}
			b := outputtest.Batch(outputtest.Chunk(2, "a", "kube.x", 3, 0, 10))
			if tc.change != nil {
				tc.change(b)
			}
			err := o.Send(t.Context(), b)
			if se := outputs.AsSendError(err); tc.dead == 0 && err != nil ||
				tc.dead > 0 &&
					(len(se.Failed) != tc.dead || se.Failed[0].Reason != outputs.ReasonRejected ||
						se.Failed[0].Status != 409) {
				t.Errorf("Send: %v", err)
			}
			r := o.Report()
			if r.AlreadyThere != tc.counted {
				t.Errorf("%d counted, want %d", r.AlreadyThere, tc.counted)
			}
			if tc.counted == 0 {
				if r.AlreadyThereExample != nil || len(r.Notices) > 0 {
					t.Errorf("told: %+v", r)
				}
				return
			}
			if e := r.AlreadyThereExample; e == nil || e.Tag != "kube.x" || e.Target != "logs-a" ||
				!strings.Contains(e.Detail, "[same]: version conflict") {
				t.Errorf("the example is %+v", e)
			}
			if len(r.Notices) != 1 || strings.Contains(r.Notices[0], "same]") {
				t.Errorf("notices %q: want one, without the server's words", r.Notices)
			}
		})
	}
}
