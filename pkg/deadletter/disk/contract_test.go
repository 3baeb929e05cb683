package disk

import (
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter/deadlettertest"
)

func TestContract(t *testing.T) {
	deadlettertest.Run(t, func(t *testing.T, cfg deadletter.Config) deadletter.Store {
		t.Helper()
		s, err := Open(t.TempDir(), cfg, zerolog.Nop(), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	})
}
