package outputs

import (
	"context"
	"fmt"
)

// Turn lets an output that writes to one place send one batch at a time.
type Turn chan struct{}

// NewTurn returns a Turn that is free.
func NewTurn() Turn { return make(Turn, 1) }

// Take waits until the batch before has given the turn back, or until ctx ends, of which the error tells as a
// *SendError.
func (t Turn) Take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return AsSendError(fmt.Errorf("wait for the batch before: %w", ctx.Err()))
	}
}

// Give gives the turn back.
func (t Turn) Give() { <-t }
