package jetstream

import (
	"context"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/setup"
)

// Severity is how bad a finding is.
type Severity = setup.Severity

// Severities.
const (
	Fine    = setup.Fine    // it is as it should be
	Warning = setup.Warning // it works, and promises less
	Fault   = setup.Fault   // nothing can be stored
)

// Finding is one thing that Check has looked at.
type Finding = setup.Finding

// DifferentError says that a stream with the queue's name has settings that the queue can't live with.
type DifferentError = setup.DifferentError

// Check looks whether the servers can hold the queue that cfg.JetStream names: reachable, login, permissions, version,
// what the stream's settings are, replicas. It changes nothing: a stream that is missing is not made.
func Check(ctx context.Context, cfg buffer.Config, o Options) []Finding {
	return setup.Check(ctx, &cfg, o.link(cfg.JetStream, func() {}))
}
