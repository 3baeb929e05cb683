package intent

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// word is the smallest record: a text.
type word string

func wordFormat() Format[word] {
	return Format[word]{
		What: "words", Name: "aggregator words",
		Append: func(b []byte, w *word) []byte { return append(b, *w...) },
		Parse:  func(payload []byte) (word, bool) { return word(payload), len(payload) == 0 || payload[0] != '!' },
	}
}

// words returns so many different ones.
func words(n int) []word {
	all := make([]word, n)
	for i := range all {
		all[i] = word(fmt.Sprintf("w%05d", i))
	}
	return all
}

// openWords opens the log at path, in which nothing may be wrong, and closes it with the test.
func openWords(t *testing.T, path string) (*Log[word], []word) {
	t.Helper()
	l, got, err := Open(path, wordFormat())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l, got
}

// The file is a line with a checksum of its own, and records with theirs: later versions have to read it.
func TestLog_Golden(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, _ := openWords(t, path)
	if err := l.Add(true, "ab", ""); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	line, records, _ := bytes.Cut(data, []byte("\n"))
	if want := "aggregator words 2 2 " + goldenSum; string(line) != want {
		t.Errorf("it begins with %q, want %q", line, want)
	}
	if want := "00000002" + "e2a22936" + "6162" + "00000000" + "00000000"; hex.EncodeToString(records) != want {
		t.Errorf("records %x, want %s", records, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v: names of objects are nobody else's", info.Mode(), err)
	}
}

const goldenSum = "df00a5ad"

// Open leaves a file behind also where there was none, and nothing beside it.
func TestLog_New(t *testing.T) {
	dir := t.TempDir()
	_, got := openWords(t, filepath.Join(dir, "log"))
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "log" || len(got) != 0 {
		t.Errorf("%d records, files %v, %v", len(got), entries, err)
	}
}

// A log of no path keeps nothing, and fails at nothing.
func TestLog_NoPath(t *testing.T) {
	l, got := openWords(t, "")
	for what, err := range map[string]error{
		"Add": l.Add(true, words(3)...), "Rewrite": l.Rewrite(words(3)), "Discard": l.Discard(),
		"CheckFormat": CheckFormat("", wordFormat()),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if len(got) != 0 {
		t.Errorf("%d records of nothing", len(got))
	}
}

// The newest are kept within the limits of number and of bytes, to the record.
func TestNewest(t *testing.T) {
	large := func(n, bytes int) []word {
		all := words(n)
		for i := range all {
			all[i] += word(strings.Repeat("x", bytes-len(all[i])))
		}
		return all
	}
	const head = 8
	for _, tc := range []struct {
		name  string
		given []word
		kept  int
	}{
		{"none", nil, 0},
		{"as many as may be", words(MaxRecords), MaxRecords},
		{"one more", words(MaxRecords + 1), MaxRecords},
		{"many more", words(3 * MaxRecords), MaxRecords},
		{"as large as may be", large(4, maxBytes/4-head), 4},
		{"a byte more", append(words(1), large(4, maxBytes/4-head)...), 4},
		{"one as large as all", large(1, maxBytes-head), 1},
		{"one larger than all", large(1, maxBytes-head+1), 0},
		{"one larger than all before others", append(large(1, maxBytes), words(2)...), 2},
	} {
		l := Log[word]{format: wordFormat()}
		got := l.newest(tc.given)
		if want := tc.given[len(tc.given)-tc.kept:]; len(got) != tc.kept ||
			tc.kept > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %d records are left of %d, want the last %d", tc.name, len(got), len(tc.given), tc.kept)
		}
	}
}

// Rewrite puts the newest records in place of all that the file had, and what is added comes behind them.
func TestRewrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, _ := openWords(t, path)
	all := words(MaxRecords + 3)
	if err := l.Add(false, "before"); err != nil {
		t.Fatal(err)
	}
	if err := l.Rewrite(all[:MaxRecords+2]); err != nil {
		t.Fatal(err)
	}
	if err := l.Add(false, all[MaxRecords+2]); err != nil {
		t.Fatal(err)
	}
	if _, got := openWords(t, path); !reflect.DeepEqual(got, all[2:]) {
		t.Errorf("%d records came back, want %d", len(got), MaxRecords+1)
	}
	if _, err := os.Stat(path + ".new"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the new file is left beside it: %v", err)
	}
}

// Add of nothing makes no file, and begins none anew.
func TestAdd_Nothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, _ := openWords(t, path)
	if err := l.Discard(); err != nil {
		t.Fatal(err)
	}
	if err := l.Add(true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a file: %v", err)
	}
}

// The log begins anew once it has more than twice what is kept: with what Fold leaves, and what is added then.
func TestAdd_Folds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f := wordFormat()
	folds, given := 0, 0
	f.Fold = func(all []word) []word {
		folds, given = folds+1, len(all)
		return all[len(all)-2:]
	}
	l, _, err := Open(path, f)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	all := words(2*MaxRecords + 2)
	if err := l.Add(false, all[:2*MaxRecords]...); err != nil {
		t.Fatal(err)
	}
	if err := l.Add(false, all[2*MaxRecords]); err != nil || folds != 0 {
		t.Fatalf("%d folds at the limit, %v", folds, err)
	}
	if err := l.Add(false, all[2*MaxRecords+1]); err != nil || folds != 1 || given != MaxRecords {
		t.Fatalf("%d folds past it, of %d records, %v", folds, given, err)
	}
	if _, got := openWords(t, path); !reflect.DeepEqual(got, all[2*MaxRecords-1:]) {
		t.Errorf("%v is left", got)
	}
}

// What somebody else has put in the log's place is set aside, and told with its path.
func TestOpen_NotALog(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"a directory": func(path string) error { return os.Mkdir(path, 0o750) },
		"a file that is too long": func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, maxLogBytes+1))
		},
		"a text": func(path string) error { return os.WriteFile(path, []byte("hello\n"), 0o600) },
		"another output's log": func(path string) error {
			other := Format[word]{Name: "aggregator wordss"}
			return os.WriteFile(path, []byte(other.beginning()), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			if err := put(path); err != nil {
				t.Fatal(err)
			}
			if err := CheckFormat(path, wordFormat()); err != nil {
				t.Errorf("what is damaged is no other format: %v", err)
			}
			l, got, err := Open(path, wordFormat())
			if err == nil || len(got) != 0 || !errors.Is(err, errDamaged) ||
				err.Error() != "read the log of words "+path+": it is damaged" {
				t.Errorf("%d records, %v", len(got), err)
			}
			defer l.Close()
			if _, err := os.Stat(path + ".damaged"); err != nil {
				t.Errorf("it was not set aside: %v", err)
			}
			if err := l.Add(true, "a"); err != nil {
				t.Fatal(err)
			}
			if _, got := openWords(t, path); !reflect.DeepEqual(got, []word{"a"}) {
				t.Errorf("then it has %v", got)
			}
		})
	}
}

// The first line tells whether the rest may be read.
func TestCut(t *testing.T) {
	f := wordFormat()
	const name = "aggregator words"
	for _, tc := range []struct {
		name, data string
		rest       string
		damaged    bool
		unknown    bool
	}{
		{"nothing", "", "", false, false},
		{"half of the name", "aggreg", "", false, false},
		{"the name alone", name, "", false, false},
		{"the number without its end", name + " 2 2 0123", "", false, false},
		{"the first format", name + " 1\nrest", "rest", false, false},
		{"this format", f.beginning() + "rest", "rest", false, false},
		{"nothing behind it", f.beginning(), "", false, false},
		{"a newer one that may be read", withSum(name+" 9 2") + "\nrest", "rest", false, false},
		{"a newer one", withSum(name+" 9 3") + "\nrest", "rest", false, true},
		{"a checksum of another line", name + " 2 2 00000000\nrest", "", true, false},
		{"one number only", withSum(name+" 2") + "\nrest", "", true, false},
		{"no number", withSum(name+" x y") + "\nrest", "", true, false},
		{"a longer name", withSum(name+"s 2 2") + "\nrest", "", true, false},
		{"another name", withSum("aggregator other 2 2") + "\nrest", "", true, false},
		{"a line without end", name + " 2 2 " + strings.Repeat("0", 100), "", true, false},
		{"an empty line", "\nrest", "", true, false},
	} {
		rest, err := f.cut([]byte(tc.data))
		if errors.Is(err, errDamaged) != tc.damaged || errors.Is(err, format.ErrUnknown) != tc.unknown ||
			err != nil != (tc.damaged || tc.unknown) {
			t.Errorf("%s: %v", tc.name, err)
		}
		if string(rest) != tc.rest {
			t.Errorf("%s: %q is left, want %q", tc.name, rest, tc.rest)
		}
	}
}

// A record that the output's own Parse refuses ends what can be read; with Whole all of it is lost.
func TestOpen_RefusedRecord(t *testing.T) {
	for _, tc := range []struct {
		whole bool
		want  []word
	}{{false, []word{"a", "b"}}, {true, nil}} {
		path := filepath.Join(t.TempDir(), "log")
		l, _ := openWords(t, path)
		if err := l.Add(false, "a", "b", "!c", "d"); err != nil {
			t.Fatal(err)
		}
		l.Close()
		f := wordFormat()
		f.Whole = tc.whole
		again, got, err := Open(path, f)
		if !errors.Is(err, errDamaged) || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("whole %t: %q, %v", tc.whole, got, err)
		}
		again.Close()
		if _, left := openWords(t, path); len(left) != len(tc.want) {
			t.Errorf("whole %t: then %q", tc.whole, left)
		}
	}
}

// Records come oldest first, for each event in the order of the batch, and each time that they hold it.
func TestEach_Order(t *testing.T) {
	a, b := &event.Chunk{Seq: 1}, &event.Chunk{Seq: 2}
	keys := Keys{}
	spans := func(list ...Span) []Span { return list }
	of := func(c *event.Chunk, at ...uint32) Span { return Span{keys.Of(c), runsOf(at...)} }
	var x Index[string]
	first, second, third := "first", "second", "third"
	x.Add(&first, spans(of(a, 0, 1, 4), of(b, 2)))
	x.Add(&second, spans(of(a, 4)))
	x.Add(&third, spans(of(b, 2), of(a, 0), of(b, 2)))
	var got []string
	events := []event.Event{{Chunk: a, Pos: 4}, {Chunk: a, Pos: 2}, {Chunk: b, Pos: 2}, {Chunk: a, Pos: 0}}
	each := func() {
		got = nil
		x.Each(events, keys, func(i int, record *string, before int) {
			got = append(got, fmt.Sprint(i, " ", *record, " ", before))
		})
	}
	each()
	if want := []string{
		"0 first 2", "0 second 0", "2 first 3", "2 third 0", "2 third 2", "3 first 0", "3 third 1",
	}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if !x.Remove(&third, spans(of(b, 2), of(a, 0), of(b, 2))) {
		t.Error("a record that is there can't be removed")
	}
	if each(); !reflect.DeepEqual(got, []string{"0 first 2", "0 second 0", "2 first 3", "3 first 0"}) {
		t.Errorf("without the third: %q", got)
	}
	stranger := "first"
	if x.Remove(&stranger, spans(of(a, 0, 1, 4))) || len(x.All()) != 2 || x.All()[0] != &first {
		t.Errorf("an equal record is another one: %d are left", len(x.All()))
	}
}

// An empty index asks for no key: a Send without doubts costs nothing.
func TestEach_Empty(t *testing.T) {
	keys := Keys{}
	var x Index[string]
	x.Each([]event.Event{{Chunk: &event.Chunk{}}}, keys, func(int, *string, int) { t.Error("it has a record") })
	if len(keys) != 0 || len(x.All()) != 0 {
		t.Errorf("%d keys were made", len(keys))
	}
}
