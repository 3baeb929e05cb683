package resources

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config"
)

// What the queue and the outputs need stays theirs; agents have at least half of all files.
func TestShareFiles(t *testing.T) {
	const three = "outputs:\n  a: {type: file, path: a}\n  b: {type: file, path: b}\n  c: {type: file, path: c}\n"
	for _, tc := range []struct {
		name, text string
		limit      int
		want       OpenFiles
		warning    string // a part of it; "": none
	}{
		{"no limit is known", "{}", 0, OpenFiles{}, ""},
		{"much", "{}", 1 << 20, OpenFiles{1 << 20, 131072, 917371}, ""},
		{"as by hand", "{}", 1024, OpenFiles{1024, 128, 763}, "room for 763 connections"},
		{"little", "{}", 256, OpenFiles{256, 32, 128}, "raise the limit to 10128"},
		{"many files to write", three, 1024, OpenFiles{1024, 128, 627}, "max_connections"},
		{
			"as many as there is room for", "listeners: [{address: '127.0.0.1:0', max_connections: 700}]\n", 1024,
			OpenFiles{1024, 128, 763},
			"",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg, err := config.Parse("test.yaml", []byte(tc.text), config.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			got := ShareFiles(tc.limit, cfg)
			got.Warn(cfg, zerolog.New(&log))
			if got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
			if (tc.warning == "") != (log.Len() == 0) || !strings.Contains(log.String(), tc.warning) {
				t.Errorf("the log is %q", &log)
			}
		})
	}
}
