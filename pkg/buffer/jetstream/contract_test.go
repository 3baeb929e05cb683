package jetstream

import (
	"os"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/buffer/buffertest"
)

func TestMain(m *testing.M) {
	buffertest.RunChild(openServed)
	os.Exit(m.Run())
}

func TestContract(t *testing.T) { buffertest.Run(t, openServed) }
