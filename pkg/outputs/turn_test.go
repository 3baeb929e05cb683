package outputs_test

import (
	"context"
	"errors"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// One batch at a time has the turn, and who waits in vain says so as a failure that may be tried again.
func TestTurn(t *testing.T) {
	turn := outputs.NewTurn()
	if err := turn.Take(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	err := turn.Take(ended)
	var failed *outputs.SendError
	if !errors.As(err, &failed) || failed.Reason.Final() || !errors.Is(err, context.Canceled) {
		t.Errorf("a second one: %v", err)
	}
	turn.Give()
	if err := turn.Take(t.Context()); err != nil {
		t.Error(err)
	}
}
