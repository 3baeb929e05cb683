package app

import (
	"path/filepath"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

// A queue that can't be opened is none, so that nobody closes it.
func TestQueueThatCannotBeOpened(t *testing.T) {
	cfg := buffer.Config{Path: filepath.Join(t.TempDir(), "data"), SegmentSize: 1 << 20, MaxSize: 8 << 20}
	first, err := openQueue(t.Context(), &cfg, "host", buffer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if second, err := openQueue(t.Context(), &cfg, "host", buffer.Options{}); err == nil || second.Queue != nil {
		t.Errorf("a directory that another one holds: %v, %v", second, err)
	}
}
