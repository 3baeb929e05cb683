package segment

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/buffer/chunk"
)

// Names are of one length, so that they sort as their numbers do, and only they are segments'.
func TestName(t *testing.T) {
	for seq, want := range map[uint64]string{
		0: "seg-0000000000000000.db", 1: "seg-0000000000000001.db", 0xabcdef: "seg-0000000000abcdef.db",
		math.MaxUint64: "seg-ffffffffffffffff.db",
	} {
		name := Name(seq)
		if first, ok := First(name); name != want || first != seq || !ok {
			t.Errorf("%d is %s, want %s, and back %d, %v", seq, name, want, first, ok)
		}
	}
	for _, name := range []string{
		"", "seg-", "seg-.db", "seg-1.db", "seg-000000000000000.db", "seg-00000000000000001.db",
		"seg-000000000000000g.db", "seg--000000000000001.db", "seg-+000000000000001.db", "seg-0x00000000000001.db",
		"seg-0000000000000001", "seg-0000000000000001.db.tmp", "seg-0000000000000001.db.corrupt",
		"0000000000000001.db", "SEG-0000000000000001.db", "xseg-0000000000000001.db", "state.db",
		"seg-0000_0000_0000_1.db",
	} {
		if first, ok := First(name); ok {
			t.Errorf("%q is segment %d", name, first)
		}
	}
}

// What is told of a damaged segment: its cause, what is left, and the first ten of what is lost.
func TestDamageFields(t *testing.T) {
	lost := make([]chunk.Header, 13)
	for i := range lost {
		lost[i] = chunk.Header{Seq: uint64(i), Events: i, Cluster: "c\n", Tag: "t"}
	}
	for _, tc := range []struct {
		name   string
		lost   int
		lines  int
		last   string
		events int64
	}{
		{"nothing", 0, 0, "", 0},
		{"one", 1, 1, `chunk 0: 0 events of cluster "c\n", tag "t"`, 0},
		{"ten", 10, 10, `chunk 9: 9 events of cluster "c\n", tag "t"`, 45},
		{"eleven", 11, 11, "1 chunks more", 55},
		{"thirteen", 13, 11, "3 chunks more", 78},
	} {
		d := NewDamage(errors.New("it is cut"), lost[:tc.lost])
		d.chunks, d.bytes = 3, 4000
		f := d.Fields()
		told, _ := f["lost"].([]string)
		_, ok := f["lost"]
		if ok != (tc.lost > 0) || len(told) != tc.lines || len(told) > 0 && told[len(told)-1] != tc.last {
			t.Errorf("%s: %q", tc.name, told)
		}
		delete(f, "lost")
		want := map[string]any{"error": "it is cut", "chunks": 3, "bytes": int64(4000)}
		if !reflect.DeepEqual(f, want) || d.LostEvents() != tc.events {
			t.Errorf("%s: %v, %d events are lost; want %v, %d", tc.name, f, d.LostEvents(), want, tc.events)
		}
	}
}

// A damaged chunk is kept as it is under a name of its own, also where the file ends within it.
func TestQuarantineChunk(t *testing.T) {
	path := filepath.Join(t.TempDir(), Name(100))
	if err := os.WriteFile(path, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		seq       uint64
		off, size uint32
		want      string
	}{{100, 2, 3, "234"}, {101, 8, 5, "89"}, {102, 10, 5, ""}, {103, 99, 5, ""}, {104, 0, 0, ""}, {100, 0, 1, "0"}} {
		name, err := QuarantineChunk(path, tc.seq, &Entry{Off: tc.off, Size: tc.size}, f)
		got, rerr := os.ReadFile(name)
		if err != nil || rerr != nil || string(got) != tc.want {
			t.Errorf("chunk %d: %q, %v; want %q", tc.seq, got, errors.Join(err, rerr), tc.want)
		}
		if !strings.HasPrefix(name, path+"-1") || !strings.HasSuffix(name, ".corrupt") {
			t.Errorf("chunk %d is in %s", tc.seq, name)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := QuarantineChunk(path, 7, &Entry{Size: 1}, f); err == nil ||
		!strings.HasPrefix(err.Error(), "set aside chunk 7: ") {
		t.Errorf("a closed file: %v", err)
	}
}
