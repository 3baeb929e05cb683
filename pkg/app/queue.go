package app

import (
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk"
)

// openQueue opens the queue that the settings name. It is the only line that knows an engine.
func openQueue(cfg buffer.Config, o buffer.Options) (buffer.Queue, error) { return disk.Open(cfg, o) }
