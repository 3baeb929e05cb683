package memory

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/buffertest"
)

func TestContract(t *testing.T) {
	buffertest.Run(t, func(cfg buffer.Config, o buffer.Options) (buffer.Queue, error) { return Open(cfg, o) })
}
