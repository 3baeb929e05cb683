package parse

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// lineFormats are the formats whose lines stand in testdata/lines.
func lineFormats() map[string]Config {
	return map[string]Config{
		"nginx": {}, "ingress_nginx": {}, "haproxy": {}, "envoy": {}, "traefik": {}, "alb": {},
		"csv": {CSV: CSV{Columns: []string{"time", "user", "id", "place"}}, Types: []string{"id:integer"}},
	}
}

// TestLines reads ten lines as each server writes them by default: testdata/lines/FORMAT.log becomes FORMAT.ndjson,
// records with their time, or the reason why a line does not parse. UPDATE_GOLDEN=1 writes it.
func TestLines(t *testing.T) {
	for name, cfg := range lineFormats() {
		t.Run(name, func(t *testing.T) {
			cfg.Format = name
			path := filepath.Join("testdata", "lines", name)
			lines, err := os.ReadFile(path + ".log")
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			for text := range strings.Lines(string(lines)) {
				record, at, err := applyTo(t, cfg, text)
				if err != nil {
					fmt.Fprintf(&got, "%s\n", err)
					continue
				}
				fmt.Fprintf(&got, "%s %s\n", time.Unix(at.Sec, int64(at.Nsec)).UTC().Format(time.RFC3339Nano), record)
			}
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(path+".ndjson", got.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path + ".ndjson")
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("got\n%s", &got)
			}
		})
	}
}

// FuzzLines feeds any text to these formats.
func FuzzLines(f *testing.F) {
	parsers := map[string]*parser{}
	for name, cfg := range lineFormats() {
		cfg.Format = name
		parsers[name] = newTestParser(f, cfg)
		lines, err := os.ReadFile(filepath.Join("testdata", "lines", name+".log"))
		if err != nil {
			f.Fatal(err)
		}
		for text := range strings.Lines(string(lines)) {
			f.Add(name, text)
		}
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		if p := cmp.Or(parsers[name], parsers["envoy"]); p != nil {
			applyAny(t, p, text)
		}
	})
}

func BenchmarkLines(b *testing.B) {
	for name, cfg := range lineFormats() {
		lines, err := os.ReadFile(filepath.Join("testdata", "lines", name+".log"))
		if err != nil {
			b.Fatal(err)
		}
		first, _, _ := strings.Cut(string(lines), "\n")
		cfg.Format = name
		b.Run(name, func(b *testing.B) { benchmarkStep(b, cfg, first) })
	}
}
