package forward_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/forward"
	ft "github.com/seed-afc6a195/aggregator/pkg/forward/forwardtest"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
)

// TestBudgetNeed holds what NewBudget says: twice the largest message is enough for one of that size.
func TestBudgetNeed(t *testing.T) {
	const limit = 4 << 20
	in := message("t", ft.Bin(dup(e1, (limit-100)/len(e1))), ft.Map{"chunk": "c"})
	for factor, acks := range map[int64]int{1: 0, 2: 1} {
		r := newRig(func(o *forward.Options) {
			o.MaxMessageSize, o.Budget = setting.Size(limit), ingest.NewBudget(factor*limit)
		})
		if writes := r.run(in); len(writes) != acks {
			t.Errorf("with %d times the message: %d acks; %s", factor, len(writes), r.log)
		}
	}
}
