package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/format"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
)

// salted is the salt of letters of tests, as it lies on disk.
const salted = "\x08\x07\x06\x05\x04\x03\x02\x01"

// at0 is the time of fullLetter, and rest what follows it in every format, but for the checksum.
const (
	at0  = "\x15\xcd\x5b\x07\x00\x00\x00\x00"
	rest = "\x05seoul\x06kube.a\x02es\x03k-7\x08rejected\x02no\x90\x03\x02\x01\x92\x01\x80"
)

// fullLetter is a letter with all that a letter can have.
func fullLetter() deadletter.Letter {
	return deadletter.Letter{
		ID: 0x0102, Time: time.Unix(0, 123456789), Cluster: "seoul", Tag: "kube.a", Output: "es", EventID: "k-7",
		Status: 400, Reason: "rejected", Detail: "no", Attempts: 2, Events: 1, Entry: []byte{0x92, 1, 0x80},
	}
}

// sum is the checksum of the bytes under the key.
func sum(key, b string) string {
	return string(boltfile.WithSum([]byte(b), []byte(key)...)[len(b):])
}

// What lies on disk is what other programs of the format read: a change of it needs a new number.
func TestLetterBytes(t *testing.T) {
	l, key := fullLetter(), "\x00\x00\x00\x00\x00\x00\x01\x02"
	if got := string(letterKey(l.ID)); got != key {
		t.Errorf("the key is %q, want %q", got, key)
	}
	body := "\x03\x03" + salted + at0 + rest
	if got, want := string(encodeLetter(&l, 0x0102030405060708)), body+sum(key, body); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// Letters of all formats are read that a program may have left, and those of a newer one where it says so.
func TestLetterFormats(t *testing.T) {
	key := string(letterKey(fullLetter().ID))
	for _, tc := range []struct {
		name, body, under string
		salt              uint64
		want              error
	}{
		{"the first, without a salt", "\x01" + at0 + rest, "", 0, nil},
		{"the first, under its number", "\x01" + at0 + rest, key, 0, nil},
		{"the second, with a salt", "\x02" + salted + at0 + rest, "", 0x0102030405060708, nil},
		{"the second, under its number", "\x02" + salted + at0 + rest, key, 0x0102030405060708, nil},
		{"the third", "\x03\x03" + salted + at0 + rest, key, 0x0102030405060708, nil},
		{"the third, for older ones", "\x03\x01" + salted + at0 + rest, key, 0x0102030405060708, nil},
		{"a newer one that this one may read", "\x04\x03" + salted + at0 + rest, key, 0x0102030405060708, nil},
		{"the third under no number", "\x03\x03" + salted + at0 + rest, "", 0, boltfile.ErrDamaged},
		{"the third under another number", "\x03\x03" + salted + at0 + rest, "\x00", 0, boltfile.ErrDamaged},
		{"the second under another number", "\x02" + salted + at0 + rest, "\x00", 0, boltfile.ErrDamaged},
		{"a newer one", "\x04\x04" + salted + at0 + rest, key, 0, format.ErrUnknown},
		{"before the first", "\x00" + at0 + rest, key, 0, format.ErrUnknown},
		{"no number", "", key, 0, format.ErrUnknown},
	} {
		value := []byte(tc.body + sum(tc.under, tc.body))
		got, err := decodeLetter([]byte(key), value, true)
		if !errors.Is(err, tc.want) || tc.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
			continue
		}
		if tc.want != nil {
			if !strings.HasPrefix(err.Error(), "dead letter 258: ") {
				t.Errorf("%s: %v does not name the letter", tc.name, err)
			}
			continue
		}
		if want := fullLetter(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", tc.name, got, want)
		}
		if salt := letterSalt(value); salt != tc.salt {
			t.Errorf("%s: the salt is %x, want %x", tc.name, salt, tc.salt)
		}
	}
}

// Whatever a letter has comes back as it was.
func TestLetterValues(t *testing.T) {
	for name, change := range map[string]func(*deadletter.Letter){
		"all of it": func(*deadletter.Letter) {},
		"nothing": func(l *deadletter.Letter) {
			*l = deadletter.Letter{Time: time.Unix(0, 0), Entry: []byte{}}
		},
		"the largest number":  func(l *deadletter.Letter) { l.ID = math.MaxUint64 },
		"a time before 1970":  func(l *deadletter.Letter) { l.Time = time.Unix(-1, 5) },
		"the last time":       func(l *deadletter.Letter) { l.Time = time.Unix(0, math.MaxInt64) },
		"the first time":      func(l *deadletter.Letter) { l.Time = time.Unix(0, math.MinInt64) },
		"an empty entry":      func(l *deadletter.Letter) { l.Entry = []byte{} },
		"a long entry":        func(l *deadletter.Letter) { l.Entry = []byte(noise(1<<20, 1)) },
		"an entry like a sum": func(l *deadletter.Letter) { l.Entry = []byte("\x03\x03" + salted) },
		"large counts": func(l *deadletter.Letter) {
			l.Status, l.Attempts, l.Events = math.MaxInt32, math.MaxInt32, math.MaxUint32
		},
		"names of any alphabet": func(l *deadletter.Letter) {
			l.Cluster, l.Tag, l.Output, l.Detail = "서울", "태그.\xff", "색\x00인", "mapper \x1b[1m\n"
		},
		"a text of 127 bytes": func(l *deadletter.Letter) { l.Detail = strings.Repeat("x", 127) },
		"a text of 128 bytes": func(l *deadletter.Letter) { l.Detail = strings.Repeat("x", 128) },
		"a text of 16 KiB":    func(l *deadletter.Letter) { l.Detail = strings.Repeat("x", 16<<10) },
	} {
		want := fullLetter()
		change(&want)
		value := encodeLetter(&want, 7)
		if got, err := decodeLetter(letterKey(want.ID), value, true); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, want)
		}
		want.Entry = nil
		if got, err := decodeLetter(letterKey(want.ID), value, false); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s, bare: got %+v, %v, want %+v", name, got, err, want)
		}
	}
}

// A letter's entry is the caller's: it does not share the page that it was read from.
func TestLetterIsACopy(t *testing.T) {
	l := fullLetter()
	value := encodeLetter(&l, 7)
	got, err := decodeLetter(letterKey(l.ID), value, true)
	if err != nil {
		t.Fatal(err)
	}
	clear(value)
	if !reflect.DeepEqual(got, fullLetter()) {
		t.Errorf("%+v", got)
	}
}

// No bit of a letter may be another one, and nothing of it may be missing.
func TestLetterDamage(t *testing.T) {
	l := fullLetter()
	value := encodeLetter(&l, 7)
	for n := range value {
		if _, err := decodeLetter(letterKey(l.ID), value[:n], true); err == nil {
			t.Errorf("%d of %d bytes are a letter", n, len(value))
		}
		for bit := range 8 {
			broken := bytes.Clone(value)
			broken[n] ^= 1 << bit
			if _, err := decodeLetter(letterKey(l.ID), broken, true); !errors.Is(err, boltfile.ErrDamaged) {
				t.Errorf("bit %d of byte %d is wrong: %v", bit, n, err)
			}
		}
	}
	for name, key := range map[string][]byte{"none": nil, "short": make([]byte, 7), "long": make([]byte, 9)} {
		if _, err := decodeLetter(key, value, true); !errors.Is(err, boltfile.ErrDamaged) ||
			!strings.HasPrefix(err.Error(), "dead letter with number ") {
			t.Errorf("%s: a letter of that number: %v", name, err)
		}
	}
}

// Lengths and numbers that whole bytes declare are not believed.
func TestLetterNonsense(t *testing.T) {
	key := string(letterKey(1))
	head := "\x03\x03" + salted
	for name, body := range map[string]string{
		"no salt":                  "\x03\x03",
		"half a time":              head + at0[:4],
		"no texts":                 head + at0,
		"a text longer than all":   head + at0 + "\x05seou",
		"a text of 4 GiB":          head + at0 + "\xff\xff\xff\xff\x0f",
		"a length beyond 32 bits":  head + at0 + "\x80\x80\x80\x80\x10",
		"a length without an end":  head + at0 + "\x80",
		"no numbers":               head + at0 + "\x00\x00\x00\x00\x00\x00",
		"a number beyond 32 bits":  head + at0 + "\x00\x00\x00\x00\x00\x00\x80\x80\x80\x80\x10\x00\x00",
		"a number without an end":  head + at0 + "\x00\x00\x00\x00\x00\x00\x01\x01\x80",
		"one number of the three":  head + at0 + "\x00\x00\x00\x00\x00\x00\x01",
		"a number beyond 64 bits":  head + at0 + "\x00\x00\x00\x00\x00\x00" + strings.Repeat("\xff", 10) + "\x01",
		"the format's number only": "\x03",
	} {
		_, err := decodeLetter([]byte(key), []byte(body+sum(key, body)), true)
		if !errors.Is(err, boltfile.ErrDamaged) || !strings.Contains(err.Error(), "dead letter 1 makes no sense") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Keys sort as their numbers do, which bbolt and the search for a page rely on.
func TestLetterKeysAscend(t *testing.T) {
	numbers := []uint64{0, 1, 127, 128, 255, 256, 1<<32 - 1, 1 << 32, 1<<63 - 1, 1 << 63, math.MaxUint64}
	keys := make([]string, len(numbers))
	for i, n := range numbers {
		keys[i] = string(letterKey(n))
		if back := binary.BigEndian.Uint64([]byte(keys[i])); back != n {
			t.Errorf("%d is %d", n, back)
		}
	}
	if !slices.IsSorted(keys) {
		t.Errorf("%q", keys)
	}
}
