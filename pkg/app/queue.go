package app

import (
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk"
)

// openQueue opens the queue that the settings name. It is the only line that knows an engine.
func openQueue(cfg buffer.Config, o buffer.Options) (buffer.Queue, error) {
	q, err := disk.Open(cfg, o)
	if err != nil {
		return nil, err // not q: a queue that is none would be an interface that is not nil
	}
	return q, nil
}
