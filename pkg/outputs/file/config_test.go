package file

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

func TestCheck(t *testing.T) {
	const negative = "rotate: a negative value has no meaning (write 0 to switch a rule off)"
	for _, tc := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"sound", Config{Path: "data/{cluster}/%Y.ndjson"}, ""},
		{"no path is its tag's to report", Config{}, ""},
		{"a directory", Config{Path: "data/"}, `path: "data/" is a directory (add a file name, such as {tag}.ndjson)`},
		{"the root", Config{Path: "/"}, `path: "/" is a directory (add a file name, such as {tag}.ndjson)`},
		{"a size", Config{Path: "a", Rotate: Rotate{MaxSize: -1}}, negative},
		{"an age", Config{Path: "a", Rotate: Rotate{MaxAge: -1}}, negative},
		{"all of rotate", Config{Path: "a", Rotate: Rotate{MaxSize: -1, MaxAge: -1, Keep: -1}}, negative},
		{"nothing of rotate", Config{Path: "a", Rotate: Rotate{}}, ""},
		{"common", Config{Path: "a", Common: outputs.Common{Timeout: -1}}, "timeout: a negative value has no meaning " +
			"(leave it out for the default)"},
	} {
		var r setting.Report
		tc.cfg.Check(&r)
		var all []string
		for _, p := range r.Problems {
			all = append(all, fmt.Sprintf("%s: %s (%s)", p.Key, p.Reason, p.Hint))
		}
		if got := strings.Join(all, "\n"); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	for _, path := range []string{"{nope}", "{tag", "%Q"} {
		var r setting.Report
		if (&Config{Path: path}).Check(&r); len(r.Problems) != 1 || r.Problems[0].Key != "path" {
			t.Errorf("%q: %+v", path, r.Problems)
		}
	}
}

// Two outputs that would write the same files are told by this name, however the path is written.
func TestFiles(t *testing.T) {
	for _, tc := range []struct{ path, compression, want string }{
		{"data/{tag}.ndjson", compressionNone, "data/{tag}.ndjson"},
		{"./data//x/../{tag}.ndjson", compressionNone, "data/{tag}.ndjson"},
		{"data/{tag}.ndjson", "", "data/{tag}.ndjson"},
		{"data/{tag}.ndjson", compressionGzip, "data/{tag}.ndjson.gz"},
		{"data/{tag}.ndjson.gz", compressionGzip, "data/{tag}.ndjson.gz"},
		{"data/{tag}.ndjson.gz", compressionZstd, "data/{tag}.ndjson.gz.zst"},
		{"data/{tag}.ndjson.gz", compressionNone, "data/{tag}.ndjson.gz"},
		{"/a/../b", compressionZstd, "/b.zst"},
	} {
		c := Config{Path: tc.path, Compression: tc.compression}
		if got := c.Files(); got != tc.want {
			t.Errorf("%s, %s: %s, want %s", tc.path, tc.compression, got, tc.want)
		}
		if c.Destination() != tc.path {
			t.Errorf("the destination is %q", c.Destination())
		}
	}
}

// What is not the system's error alone says what was tried on what, once, and what to do about it.
func TestExplain(t *testing.T) {
	const p = "/data/a"
	for _, tc := range []struct {
		err  error
		want string
	}{
		{syscall.ENOSPC, " (free space there; delivery goes on by itself)"},
		{syscall.EDQUOT, " (free space there; delivery goes on by itself)"},
		{syscall.EACCES, " (let the user that the aggregator runs as write there)"},
		{syscall.EROFS, " (let the user that the aggregator runs as write there)"},
		{syscall.EMFILE, " (raise the limit of open files)"},
		{syscall.ENFILE, " (raise the limit of open files)"},
		{syscall.ENAMETOOLONG, " (shorten the path setting)"},
		{
			syscall.EISDIR,
			" (a file stands where a directory should be, or the reverse: change the path setting)",
		},
		{syscall.EIO, ""},
		{errors.New("odd"), ""},
	} {
		for _, err := range []error{tc.err, &fs.PathError{Op: "open", Path: p, Err: tc.err}} {
			got := explain("write", p, err)
			if got.Error() != "write "+p+": "+tc.err.Error()+tc.want || !errors.Is(got, tc.err) {
				t.Errorf("%v: %q, want %q", err, got, tc.want)
			}
		}
	}
}

// Of a batch's failures, the first that is tried again decides what becomes of the batch; without one, all are refused.
func TestSendError(t *testing.T) {
	first := errors.New("disk full")
	refused := func(i int) outputs.Failure {
		return outputs.Failure{Index: i, Reason: outputs.ReasonRejected, Detail: fmt.Sprint("broken ", i)}
	}
	full := outputs.Failure{Index: 2, Reason: outputs.ReasonTarget, Remedy: "free space"}
	other := outputs.Failure{Index: 7, Reason: outputs.ReasonServer, Remedy: "look at the disk"}
	for _, tc := range []struct {
		name   string
		failed []outputs.Failure
		first  error
		reason outputs.Reason
		remedy string
		text   string
	}{
		{"refused only", []outputs.Failure{refused(5), refused(3)}, nil, outputs.ReasonRejected, "", "broken 3"},
		{
			"a full disk",
			[]outputs.Failure{other, refused(0), full},
			first, outputs.ReasonTarget, "free space",
			"disk full",
		},
		{
			"another error",
			[]outputs.Failure{other, refused(0)},
			first, outputs.ReasonServer, "look at the disk",
			"disk full",
		},
	} {
		var se *outputs.SendError
		if err := sendError(tc.failed, tc.first); !errors.As(err, &se) || se.Reason != tc.reason ||
			se.Remedy != tc.remedy || se.Err.Error() != tc.text || len(se.Failed) != len(tc.failed) {
			t.Errorf("%s: %+v", tc.name, se)
			continue
		}
		for i := 1; i < len(se.Failed); i++ {
			if se.Failed[i].Index <= se.Failed[i-1].Index {
				t.Errorf("%s: failures are not in order: %+v", tc.name, se.Failed)
			}
		}
	}
}

// A name's stem and extensions come together again, and a finished file's mark is no extension.
func TestSplitName(t *testing.T) {
	const mark = ".20261121T101500Z-0001"
	for _, tc := range []struct{ name, ext, stem, exts string }{
		{"a", "", "a", ""},
		{"a.ndjson", "", "a", ".ndjson"},
		{"a.b.ndjson.gz", ".gz", "a.b", ".ndjson.gz"},
		{"a.gz", ".gz", "a", ".gz"},
		{".ndjson", "", ".ndjson", ""},
		{".gz", ".gz", ".gz", ""},
		{"a" + mark, "", "a" + mark, ""},
		{"a" + mark + ".gz", ".gz", "a" + mark, ".gz"},
		{"a" + mark + ".ndjson", "", "a" + mark, ".ndjson"},
		{"서울.ndjson.zst", ".zst", "서울", ".ndjson.zst"},
	} {
		stem, exts := splitName(tc.name, tc.ext)
		if stem != tc.stem || exts != tc.exts || stem+exts != tc.name {
			t.Errorf("%q: %q and %q, want %q and %q", tc.name, stem, exts, tc.stem, tc.exts)
		}
	}
	for text, want := range map[string]bool{
		mark: true, ".20261121T101500Z-9999": true, ".20269999T999999Z-0000": true, "": false,
		".20261121T101500Z-001": false, ".20261121T101500Z-00011": false, ".20261121t101500Z-0001": false,
		".20261121T101500Z_0001": false, "x20261121T101500Z-0001": false, ".2026112١T101500Z-001": false,
	} {
		if got := isFinished(text); got != want {
			t.Errorf("%q is a finished file's: %t", text, got)
		}
	}
	stamp := time.Date(2026, 11, 21, 10, 15, 0, 0, time.UTC).Format(finishedFormat)
	if !isFinished(stamp + "-0001") {
		t.Errorf("what finishing writes, %s-0001, is not known again", stamp)
	}
}

// An output that the kind makes writes what try shows, into the file that try shows.
func TestKindMakes(t *testing.T) {
	kind := Kind()
	if kind.Name != "file" || kind.Summary != "files on a disk of this machine" || kind.Example != "path: logs" ||
		kind.Files != maxOpen || kind.CPUMicros < 1.5 || kind.CPUMicros > 1.6 || kind.Needs != nil ||
		!reflect.DeepEqual(kind.Aliases, map[string]string{"files": "file", "disk": "file"}) {
		t.Errorf("%+v", kind)
	}
	dir, state := t.TempDir(), t.TempDir()
	c := kind.NewConfig().(*Config)
	c.Path, c.Compression, c.Fields = filepath.Join(dir, "{cluster}", "{tag}"), compressionNone, event.Fields{Tag: "t"}
	added := map[string]map[string]string{"a": {"env": "prod"}}
	out, err := kind.New(c, outputs.Deps{
		Name: "x", Log: zerolog.Nop(), Now: newClock().time, StateDir: state, Fields: added,
	})
	if err != nil {
		t.Fatal(err)
	}
	b := outputtest.Batch(outputtest.Chunk(1, "a", "../web", 1, 4, 2))
	if err := out.Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	const line = `{"n":4,"log":"xx","t":"../web","env":"prod"}`
	path := filepath.Join(dir, "a", "___web")
	if got := string(mustRead(t, path)); got != line+"\n" {
		t.Errorf("%s has %q", path, got)
	}
	offer, err := c.Offers(added)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := offer(&b.Events[0]); err != nil || got.Target != "file "+path || string(got.Document) != line {
		t.Errorf("offered %s to %s, %v", got.Document, got.Target, err)
	}
	if target := string(out.(outputs.Targeter).AppendTarget(nil, &b.Events[0])); target != path {
		t.Errorf("the target is %s", target)
	}
	if got := out.(outputs.DiskWriter).WritesTo(); got != c.Path {
		t.Errorf("it writes to %s", got)
	}
	if err := out.Close(); err != nil {
		t.Error(err)
	}
	if !exists(filepath.Join(state, "file-x.log")) {
		t.Error("its log of batches is not where the kind puts it")
	}
	for key, c := range map[string]Config{
		"path": {Path: "{"}, "message": {Path: "a", MessageConfig: outputs.MessageConfig{Message: "{"}},
	} {
		if _, err := c.Offers(nil); err == nil || !strings.HasPrefix(err.Error(), key+": ") {
			t.Errorf("%s is offered: %v", key, err)
		}
		if _, err := kind.New(&c, outputs.Deps{Name: "x"}); err == nil ||
			!strings.HasPrefix(err.Error(), "output x: "+key+": ") {
			t.Errorf("%s is made: %v", key, err)
		}
	}
}

// time returns what it shows.
func (c *clock) time() time.Time { return c.now }

// The end of the last whole line is found wherever the blocks lie in which a file is read.
func TestLineEnd(t *testing.T) {
	const block = 64 << 10
	for _, n := range []int{0, 1, block - 1, block, block + 1, 2*block + 7} {
		for _, tail := range []int{0, 1, block - 1, block, block + 1} {
			text := strings.Repeat("x", n)
			end := int64(0)
			if n > 0 {
				text, end = text[:n-1]+"\n", int64(n)
			}
			text += strings.Repeat("y", tail)
			if got, err := lineEnd(strings.NewReader(text), int64(len(text))); err != nil || got != end {
				t.Errorf("a line of %d bytes and %d behind it: %d, %v", n, tail, got, err)
			}
		}
	}
}

// A frame ends where its own header and its blocks say, for every form of the header; half a frame is none.
func TestZstdFrame(t *testing.T) {
	const magic = "\x28\xb5\x2f\xfd"
	for _, tc := range []struct {
		name, header string
		blocks       string
		whole        bool
	}{
		{"a window", "\x00\x58", "\x09\x00\x00a", true},
		{"a window and a dictionary", "\x03\x58dict", "\x09\x00\x00a", true},
		{"one byte of size", "\x20\x01", "\x09\x00\x00a", true},
		{"eight bytes of size", "\xe0\x01\x00\x00\x00\x00\x00\x00\x00", "\x09\x00\x00a", true},
		{"a checksum", "\x04\x58", "\x09\x00\x00aSUMS", true},
		{"a block that repeats a byte", "\x00\x58", "\x03\xff\x00a", true},
		{"two blocks", "\x00\x58", "\x10\x00\x00ab\x09\x00\x00c", true},
		{"an empty block", "\x00\x58", "\x01\x00\x00", true},
		{"a block of no kind", "\x00\x58", "\x07\x00\x00", false},
		{"no last block", "\x00\x58", "\x08\x00\x00a", false},
	} {
		frame := magic + tc.header + tc.blocks
		for size := range len(frame) + 1 {
			want := int64(0)
			if tc.whole && size == len(frame) {
				want = int64(size)
			}
			if got, err := zstdFrame(strings.NewReader("xx"+frame[:size]), 2, int64(2+size)); err != nil ||
				got != want {
				t.Errorf("%s, %d of %d bytes: %d, %v; want %d", tc.name, size, len(frame), got, err, want)
			}
		}
		got, err := zstdEnd(t.Context(), strings.NewReader(frame+frame+"x"), int64(2*len(frame)+1))
		if err != nil ||
			(got == int64(2*len(frame))) != tc.whole || !tc.whole && got != 0 {
			t.Errorf("%s, twice: sound up to %d, %v", tc.name, got, err)
		}
	}
}
