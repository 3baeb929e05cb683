package file

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzAppendClean holds that a value is always one harmless name.
func FuzzAppendClean(f *testing.F) {
	for _, s := range []string{"", "kube.var.log", "../..", "a..b", "\xff\x00", strings.Repeat("é", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got := string(appendClean(nil, []byte(value)))
		if got == "" || len(got) > maxValue || got[0] == '.' || strings.Contains(got, "..") ||
			strings.ContainsAny(got, "/\\\x00\n\r\x1b\x7f") || !utf8.ValidString(got) {
			t.Fatalf("%q became %q", value, got)
		}
		path := finalPath("in/"+got+"/"+got+".ndjson", ".gz")
		if filepath.Dir(filepath.Dir(path)) != "in" || !strings.HasSuffix(path, ".gz") || !filepath.IsLocal(path) {
			t.Fatalf("%q became %q", value, path)
		}
		if again := finalPath(path, ".gz"); again != path {
			t.Fatalf("%q is %q the second time", path, again)
		}
	})
}
