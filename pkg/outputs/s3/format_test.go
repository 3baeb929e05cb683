package s3

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	formats "github.com/seed-afc6a195/aggregator/internal/format"
)

// TestLogFormats opens a log of each format there has been. In each, there is an object.
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
			l, objects, err := openIntents(path)
			if err != nil || len(objects) == 0 || !strings.HasPrefix(objects[0].key, "x/") || objects[0].events == 0 {
				t.Errorf("objects %+v, %v", objects, err)
			}
			l.log.Close()
		})
	}
}

// TestUnknownLogFormat makes no output that would begin a log anew which it may not read.
func TestUnknownLogFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s3-x.log")
	if err := os.WriteFile(path, []byte("aggregator s3 objects 9 9 c3a1cd55\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := New(Config{}, Options{Name: "x", Log: zerolog.Nop(), StateFile: path})
	if !errors.Is(err, formats.ErrUnknown) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want that the format is unknown, of which file", err)
	}
}
