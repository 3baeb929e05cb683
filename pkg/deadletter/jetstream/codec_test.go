package jetstream

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// head is what of fullLetter stands before how its entry is stored, but for the numbers of the format.
const head = "\x15\xcd\x5b\x07\x00\x00\x00\x00" +
	"\x05seoul\x06kube.a\x02es\x03k-7\x08rejected\x02no\x90\x03\x02\x01"

// fullLetter is a letter with all that a letter can have.
func fullLetter() deadletter.Letter {
	return deadletter.Letter{
		ID: 7, Time: time.Unix(0, 123456789), Cluster: "seoul", Tag: "kube.a", Output: "es", EventID: "k-7",
		Status: 400, Reason: "rejected", Detail: "no", Attempts: 2, Events: 1, Entry: []byte{0x92, 1, 0x80},
	}
}

// summed returns the bytes with their checksum.
func summed(b string) []byte { return boltfile.WithSum([]byte(b)) }

// What is in a stream is what processes of other versions read: a change of it needs a new number.
func TestLetterBytes(t *testing.T) {
	l := fullLetter()
	if got, want := encode(&l, 3), summed("\x01\x01"+head+"\x00\x92\x01\x80"); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	l.Entry = []byte(strings.Repeat("x", 100))
	packedBytes := encode(&l, 99)
	if start := "\x01\x01" + head + "\x01\x64"; !strings.HasPrefix(string(packedBytes), start) {
		t.Errorf("compressed: got %q, want it to begin with %q", packedBytes, start)
	}
}

// An entry is compressed where it is larger than is said, and gets smaller.
func TestPacked(t *testing.T) {
	at := len("\x01\x01" + head)
	for _, tc := range []struct {
		name  string
		entry string
		over  int
		want  byte
	}{
		{"as large as may be", strings.Repeat("x", 100), 100, plain},
		{"larger", strings.Repeat("x", 101), 100, packed},
		{"larger, but it gets no smaller", "\x01\x7f\x33\xa0\x05", 0, plain},
		{"nothing", "", 0, plain},
		{"always", strings.Repeat("x", 100), 0, packed},
		{"never", strings.Repeat("x", 1000), math.MaxInt, plain},
	} {
		l := fullLetter()
		l.Entry = []byte(tc.entry)
		value := encode(&l, tc.over)
		if value[at] != tc.want {
			t.Errorf("%s: stored as %d, want %d", tc.name, value[at], tc.want)
		}
		got, err := decode(7, value, true)
		if err != nil || string(got.Entry) != tc.entry {
			t.Errorf("%s: %d bytes became %d, %v", tc.name, len(tc.entry), len(got.Entry), err)
		}
	}
}

func TestLetterValues(t *testing.T) {
	for name, change := range map[string]func(*deadletter.Letter){
		"all of it": func(*deadletter.Letter) {},
		"nothing": func(l *deadletter.Letter) {
			*l = deadletter.Letter{Time: time.Unix(0, 0), Entry: []byte{}}
		},
		"the largest number": func(l *deadletter.Letter) { l.ID = math.MaxUint64 },
		"a time before 1970": func(l *deadletter.Letter) { l.Time = time.Unix(-1, 5) },
		"large counts": func(l *deadletter.Letter) {
			l.Status, l.Attempts, l.Events = math.MaxInt32, math.MaxInt32, math.MaxInt32
		},
		"names of any alphabet": func(l *deadletter.Letter) {
			l.Cluster, l.Tag, l.Output, l.Detail = "서울", "태그.\xff", "색\x00인", "mapper \x1b[1m\n"
		},
		"a text of 16 KiB": func(l *deadletter.Letter) { l.Detail = strings.Repeat("x", 16<<10) },
	} {
		want := fullLetter()
		change(&want)
		if got, err := decode(want.ID, encode(&want, 1<<20), true); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, want)
		}
	}
}

// What is damaged, makes no sense, or is of a newer program is refused with the letter's number.
func TestRefused(t *testing.T) {
	zeros := strings.Repeat("\x00", 8)
	for _, tc := range []struct {
		name  string
		value []byte
		want  error
		text  string
	}{
		{"nothing", nil, boltfile.ErrDamaged, "dead letter 7: wrong checksum"},
		{"another checksum", append(summed("\x01\x01" + head)[:50], 0, 0, 0, 0), boltfile.ErrDamaged, "wrong checksum"},
		{
			"a newer format", summed("\x02\x02" + head + "\x00"), format.ErrUnknown,
			"dead letter 7: dead letter in a stream of format 2, which programs of format 2 and later read",
		},
		{"no format", summed(""), format.ErrUnknown, "dead letter in a stream of format 0"},
		{"no time", summed("\x01\x01\x00"), boltfile.ErrDamaged, "dead letter 7 makes no sense"},
		{"no texts", summed("\x01\x01" + zeros), boltfile.ErrDamaged, "dead letter 7 makes no sense"},
		{"a text of 4 GiB", summed("\x01\x01" + zeros + "\xff\xff\xff\xff\x0f"), boltfile.ErrDamaged, "makes no sense"},
		{"no entry", summed("\x01\x01" + head), boltfile.ErrDamaged, "makes no sense"},
		{"an entry of another kind", summed("\x01\x01" + head + "\x02x"), boltfile.ErrDamaged, "makes no sense"},
		{
			"an entry that declares too much", summed("\x01\x01" + head + "\x01\x81\x80\x80\x80\x04x"),
			boltfile.ErrDamaged, "dead letter 7 declares 1073741825 bytes",
		},
		{
			"an entry that is not compressed", summed("\x01\x01" + head + "\x01\x05xx"), boltfile.ErrDamaged,
			"decompress dead letter 7",
		},
	} {
		l, err := decode(7, tc.value, true)
		if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s: %v, want %s", tc.name, err, tc.text)
		}
		if l.ID != 7 || l.Entry != nil {
			t.Errorf("%s: %+v", tc.name, l)
		}
	}
	// A newer program may say that this one may read it.
	got, err := decode(7, summed("\x02\x01"+head+"\x00\x92\x01\x80"), true)
	if want := fullLetter(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("a newer format, for older ones: got %+v, %v", got, err)
	}
}

func TestToken(t *testing.T) {
	for plainName, want := range map[string]string{
		"": "=", "es": "es", "Es-2_x": "Es-2_x", "a.b": "=612e62", "*": "=2a", ">": "=3e", "=": "=3d",
		"=61": "=3d3631", "ä": "=c3a4", "a b": "=612062", "\x00": "=00", "\xff": "=ff",
	} {
		got := token(plainName)
		if got != want {
			t.Errorf("%q is %q, want %q", plainName, got, want)
		}
		if back, ok := name(got); !ok || back != plainName {
			t.Errorf("%q is %q, %v, want %q", got, back, ok, plainName)
		}
	}
	for _, text := range []string{"", "=6", "=zz", "=612", "=61 ", "=+1"} {
		if back, ok := name(text); ok {
			t.Errorf("%q is %q", text, back)
		}
	}
}

// Every byte of a name is its own, and has no meaning in a subject.
func TestTokenOfEachByte(t *testing.T) {
	seen := map[string]byte{}
	for c := range 256 {
		got := token(string([]byte{byte(c)}))
		if other, ok := seen[got]; ok {
			t.Errorf("%q is the token of %q and %q", got, other, byte(c))
		}
		seen[got] = byte(c)
		if back, ok := name(got); !ok || back != string([]byte{byte(c)}) || strings.ContainsAny(got, ".*> \t\r\n") {
			t.Errorf("byte %#x is %q, and that %q", c, got, back)
		}
	}
}

// The servers choose by subject what of a filter they can, and no letter that fits is left out.
func TestFilterSubject(t *testing.T) {
	s := &Store{o: Options{Prefix: "Q.dead"}}
	for _, tc := range []struct {
		name   string
		filter deadletter.Filter
		want   string
	}{
		{"all", deadletter.Filter{}, "Q.dead.*.*.*.*"},
		{"an output", deadletter.Filter{Output: "es"}, "Q.dead.es.*.*.*"},
		{"an output with a dot", deadletter.Filter{Output: "a.b"}, "Q.dead.=612e62.*.*.*"},
		{"an output like all", deadletter.Filter{Output: "*"}, "Q.dead.=2a.*.*.*"},
		{"no output", deadletter.Filter{NoOutput: true}, "Q.dead.=.*.*.*"},
		{"a cluster", deadletter.Filter{Cluster: "seoul"}, "Q.dead.*.seoul.*.*"},
		{"a reason", deadletter.Filter{Reason: "too_large"}, "Q.dead.*.*.too_large.*"},
		{"all three", deadletter.Filter{Output: "es", Cluster: "c", Reason: "r"}, "Q.dead.es.c.r.*"},
		{"what subjects do not tell", deadletter.Filter{UpTo: 7, Since: time.Unix(1, 0)}, "Q.dead.*.*.*.*"},
	} {
		if got := s.filterSubject(&tc.filter); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// A number of events is told as it is, and nothing else passes for one.
func TestSubjectEvents(t *testing.T) {
	s := &Store{o: Options{Prefix: "Q.dead"}}
	for events, want := range map[string]int64{"0": 0, "1": 1, "4294967295": math.MaxUint32} {
		if _, n, ok := s.parse("Q.dead.o.c.r." + events); !ok || n != want {
			t.Errorf("%s events are %d, %v", events, n, ok)
		}
	}
	for _, text := range []string{"", " 1", "1.0", "x", "1e3", "99999999999999999999", "-0x1"} {
		if _, n, ok := s.parse("Q.dead.o.c.r." + text); ok {
			t.Errorf("%q is %d events", text, n)
		}
	}
}

// A note names the letters that are being sent again, and what is no number is passed over.
func TestNote(t *testing.T) {
	for _, ids := range [][]uint64{nil, {1}, {1, 0, math.MaxUint64}} {
		note := noteOf(ids)
		if got := idsOf(note); !slices.Equal(got, ids) {
			t.Errorf("%v are %v", ids, got)
		}
		if got := idsOf(append(note, 1, 2, 3)); !slices.Equal(got, ids) {
			t.Errorf("%v and half a number are %v", ids, got)
		}
	}
	want := "\x00\x00\x00\x00\x00\x00\x01\x02" + "\x00\x00\x00\x00\x00\x00\x00\x01"
	if got := string(noteOf([]uint64{258, 1})); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Where the servers have not said how large a message may be, nothing is cut.
func TestSplitUnknown(t *testing.T) {
	s := &Store{o: Options{Conn: &nats.Conn{}}}
	l := fullLetter()
	l.Entry = make([]byte, 4<<20)
	if got := s.split(&l); len(got) != 1 || len(got[0].Entry) != 4<<20 || got[0].EventID != "k-7" {
		t.Errorf("%d letters", len(got))
	}
}

// What is being sent again is marked, and no longer once that has ended.
func TestMark(t *testing.T) {
	s := New(Options{})
	s.mark([]uint64{1, 2}, true)
	s.mark([]uint64{2, 3}, false)
	for id, want := range map[uint64]bool{1: true, 2: false, 3: false} {
		if s.requeueing[id] != want {
			t.Errorf("%d: %v", id, s.requeueing[id])
		}
	}
	if len(s.requeueing) != 1 {
		t.Errorf("%v are remembered", s.requeueing)
	}
}
