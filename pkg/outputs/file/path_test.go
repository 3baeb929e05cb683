package file

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

func TestAppendClean(t *testing.T) {
	long := strings.Repeat("ä", 150)
	for _, tc := range []struct{ value, want string }{
		{"kube.var.log", "kube.var.log"},
		{"", "_"},
		{".", "_"},
		{"..", "__"},
		{"...", "___"},
		{"../../etc/passwd", "______etc_passwd"},
		{"/etc/passwd", "_etc_passwd"},
		{`..\..\x`, "______x"},
		{".hidden", "_hidden"},
		{"a..b", "a__b"},
		{"a/./b", "a_._b"},
		{"a\x00b", "a_b"},
		{"a\nb\x1b[31m", "a_b_[31m"},
		{"a\u202eb", "a_b"}, // turns the direction of writing
		{"a\xffb", "a_b"},
		{"서울-prod", "서울-prod"},
	} {
		got := string(appendClean([]byte("dir/"), []byte(tc.value)))
		if got != "dir/"+tc.want {
			t.Errorf("%q: %q, want %q", tc.value, got, tc.want)
		}
	}
	a, b := string(appendClean(nil, []byte(long+"a"))), string(appendClean(nil, []byte(long+"b")))
	if a == b || len(a) > maxValue || !strings.HasPrefix(a, strings.Repeat("ä", 95)+"~") {
		t.Errorf("long values: %q, %q", a, b)
	}
}

func TestFinalPath(t *testing.T) {
	for _, tc := range []struct{ filled, ext, want string }{
		{"data/a.ndjson", "", "data/a.ndjson"},
		{"data/a.ndjson", ".gz", "data/a.ndjson.gz"},
		{"data/a.ndjson.gz", ".gz", "data/a.ndjson.gz"},
		{"data/a", ".zst", "data/a.zst"},
		{"/var//log/./a", "", "/var/log/a"},
		{"../up/a", "", "../up/a"}, // the operator may
		{"a.20261121T101500Z-0001.ndjson", "", "a.20261121T101500Z-0001_.ndjson"},
		{"a.20261121T101500Z-0001", "", "a.20261121T101500Z-0001_"},
		{"a.20261121T101500Z-0001", ".gz", "a.20261121T101500Z-0001_.gz"},
		{"a.20261121T101500Z-001", "", "a.20261121T101500Z-001"},
	} {
		if got := finalPath(tc.filled, tc.ext); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.filled, got, tc.want)
		}
	}
	for _, part := range strings.Split(
		finalPath(strings.Repeat("a", 400)+"/"+strings.Repeat("b", 400)+"."+strings.Repeat("c", 400), ".gz"), "/",
	) {
		if len(part) > maxComponent {
			t.Errorf("a name of %d bytes", len(part))
		}
	}
}

func TestTraversalStaysInside(t *testing.T) {
	for _, evil := range []string{
		"../../../evil", "..", ".", "/etc/cron.d/evil", "a/../../evil", "\x00", strings.Repeat("../", 100),
		"a\x00/../b", "．．／evil",
	} {
		dir := t.TempDir()
		o := open(t, Config{Path: filepath.Join(dir, "in", "{cluster}", "{tag}", "{tag[0]}.ndjson")}, newClock())
		send(t, o, outputtest.Chunk(1, evil, evil, 1, 0, 5))
		got := tree(t, dir)
		if len(got) != 1 || !strings.HasPrefix(got[0], "in"+string(filepath.Separator)) {
			t.Errorf("%q: files %v", evil, got)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
}
