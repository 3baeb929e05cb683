package file

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	formats "github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/intent"
)

// TestLogFormats opens a log of each format there has been. In each, batches of a killed program are in one file.
func TestLogFormats(t *testing.T) {
	logs, err := filepath.Glob("testdata/formats/*.log")
	if err != nil || len(logs) < 2 {
		t.Fatalf("logs %v, %v", logs, err)
	}
	for _, name := range logs {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "log")
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			l, steps, err := intent.Open(path, format())
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
			events := 0
			for i := range steps {
				events += intent.Events(steps[i].spans)
				if steps[i].kind != kindBatch || steps[i].path != "/tmp/archive/out.ndjson" {
					t.Errorf("step %+v", steps[i])
				}
			}
			if events == 0 || events > 50 {
				t.Errorf("%d events in %d batches", events, len(steps))
			}
		})
	}
}

// TestUnknownLogFormat makes no output that would begin a log anew which it may not read.
func TestUnknownLogFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file-x.log")
	if err := os.WriteFile(path, []byte("aggregator file batches 9 9 a4951949\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := New(Config{Path: t.TempDir() + "/out"}, Options{Name: "x", Log: zerolog.Nop(), StateFile: path})
	if !errors.Is(err, formats.ErrUnknown) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want that the format is unknown, of which file", err)
	}
}
