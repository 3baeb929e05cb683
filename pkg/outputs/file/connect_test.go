package file

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

func TestConnect(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, path, want, wrong string }{
		{"directory exists", "/{tag}.ndjson", "may write to DIR", ""},
		{"name begins with a literal", "/logs-{tag}.ndjson", "may write to DIR", ""},
		{"no placeholder", "/all.ndjson", "may write to DIR", ""},
		{"directory missing", "/a/b/{cluster}/%Y.ndjson", "may write to DIR/a/b, which the first event makes", ""},
		{
			"a file in the way", "/file/{tag}.ndjson", "",
			"make a file in DIR/file: not a directory (a file stands where a directory should be, or the reverse: " +
				"change the path setting)",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o, err := New(Config{Path: dir + tc.path}, Options{Name: "archive", Log: zerolog.Nop(), Now: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			found, err := o.Connect(t.Context(), []string{"default"})
			wrong := ""
			if err != nil {
				wrong = strings.ReplaceAll(err.Error(), dir, "DIR")
			}
			if got := strings.ReplaceAll(found, dir, "DIR"); got != tc.want || wrong != tc.wrong {
				t.Errorf("found %q, wrong %q; want %q, %q", got, wrong, tc.want, tc.wrong)
			}
			if err := o.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".aggregator*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
