package memory

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter/deadlettertest"
)

func TestContract(t *testing.T) {
	deadlettertest.Run(t, func(_ *testing.T, cfg deadletter.Config) deadletter.Store {
		s := &Store{}
		s.SetLimits(cfg)
		return s
	})
}
