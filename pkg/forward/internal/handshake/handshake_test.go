package handshake

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/tinylib/msgp/msgp"
)

// TestAppend holds what is written to the bytes that the protocol's description gives.
func TestAppend(t *testing.T) {
	long := strings.Repeat("d", 128)
	for _, tc := range []struct {
		name string
		what interface{ Append(dst []byte) []byte }
		want string
	}{
		{
			"HELO", &Helo{Nonce: "n\x00", Auth: "a"},
			"\x92\xa4HELO\x83\xa5nonce\xc4\x02n\x00\xa4auth\xc4\x01a\xa9keepalive\xc3",
		},
		{
			"HELO without users", &Helo{Nonce: "n"},
			"\x92\xa4HELO\x83\xa5nonce\xc4\x01n\xa4auth\xc4\x00\xa9keepalive\xc3",
		},
		{"PING", &Ping{"h", "s", long, "u", ""}, "\x96\xa4PING\xa1h\xa1s\xd9\x80" + long + "\xa1u\xa0"},
		{"PONG", &Pong{true, "", "server", long}, "\x95\xa4PONG\xc3\xa0\xa6server\xd9\x80" + long},
		{"a refusal", &Pong{Reason: "no"}, "\x95\xa4PONG\xc2\xa2no\xa0\xa0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := string(tc.what.Append([]byte("before"))); got != "before"+tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestDigest(t *testing.T) {
	const abc = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" +
		"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" // of FIPS 180-2
	if got := Digest("a", "", "bc"); got != abc {
		t.Errorf("got %s", got)
	}
}

func TestParsePing(t *testing.T) {
	good := "\x96\xa4PING\xa1h\xc4\x02s\xff\xd9\x01k\xda\x00\x01u\xdb\x00\x00\x00\x01p"
	for _, tc := range []struct {
		name, in, rest string
		err            error
		text           string
	}{
		{"every width of str, and bin", good, "", nil, ""},
		{"with a message behind it", good + "\x93\x01", "\x93\x01", nil, ""},
		{"an array of 16 bits", "\xdc\x00\x06" + good[1:], "", nil, ""},
		{"nothing", "", "", ErrShort, ""},
		{"half a header", "\xdc\x00", "", ErrShort, ""},
		{"half a word", "\x96\xa4PI", "", ErrShort, ""},
		{"cut", good[:len(good)-1], "", ErrShort, ""},
		{"a text that claims 4 GiB", "\x96\xa4PING\xdb\xff\xff\xff\xff", "", ErrShort, ""},
		{"an array that claims much", "\xdd\xff\xff\xff\xff\xa4PING", "", ErrPing, "instead of 6"},
		{"five", "\x95" + good[1:], "", ErrPing, "5 elements instead of 6"},
		{"a number", "\x96\xa4PING\x01", "", ErrPing, "element 2 is no text"},
		{"nil", "\x96\xa4PING\xa1h\xc0", "", ErrPing, "element 3 is no text"},
		{"another word", "\x96\xa4PONG", "", ErrNotPing, ""},
		{"a word that is none", "\x96\x01", "", ErrNotPing, ""},
		{"an empty array", "\x90", "", ErrNotPing, ""},
		{"nil instead", "\xc0", "", ErrNotPing, ""},
		{"a map", "\x80", "", ErrNotPing, ""},
		{"the reserved byte", "\xc1", "", ErrNotPing, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, rest, err := ParsePing([]byte(tc.in))
			if !errors.Is(err, tc.err) || tc.text != "" && !strings.Contains(err.Error(), tc.text) {
				t.Fatalf("got %v, want %v: %s", err, tc.err, tc.text)
			}
			if want := (Ping{"h", "s\xff", "k", "u", "p"}); err == nil && (p != want || string(rest) != tc.rest) {
				t.Errorf("got %+v and %q", p, rest)
			}
		})
	}
}

// TestParseMemory has nothing taken for what a peer only declares.
func TestParseMemory(t *testing.T) {
	claims := []byte("\x96\xa4PING\xdb\x0f\xff\xff\xff")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		if _, _, err := ParsePing(claims); !errors.Is(err, ErrShort) {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if took := (after.TotalAlloc - before.TotalAlloc) / 100; took > 16<<10 {
		t.Errorf("%d bytes were taken for a text of which no byte came", took)
	}
}

// FuzzParse: what is read is what another codec reads, and what is written is read again.
func FuzzParse(f *testing.F) {
	f.Add([]byte("\x92\xa4HELO\x83\xa5nonce\xc4\x02n\x00\xa4auth\xa0\xa9keepalive\xc3"))
	f.Add([]byte("\x96\xa4PING\xa1h\xc4\x02s\xff\xd9\x01k\xda\x00\x01u\xdb\x00\x00\x00\x01p"))
	f.Add([]byte("\x95\xa4PONG\xc3\xa0\xa6server\xa1d"))
	f.Add([]byte("\x92\xa4HELO\x81\xa1x\xde\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if p, rest, err := ParsePing(in); err == nil {
			again, more, err := ParsePing(p.Append(nil))
			if err != nil || again != p || len(more) > 0 {
				t.Errorf("%+v is read as %+v: %v", p, again, err)
			}
			if skipped, err := msgp.Skip(in); err != nil || len(skipped) != len(rest) {
				t.Errorf("%d bytes follow, another codec says %d: %v", len(rest), len(skipped), err)
			}
		}
		if rest, err := msgp.Skip(in); err != nil || len(rest) > 0 {
			return // the others are given whole values only
		}
		if h, err := ParseHelo(in); err == nil {
			if again, err := ParseHelo(h.Append(nil)); err != nil || again != h {
				t.Errorf("%+v is read as %+v: %v", h, again, err)
			}
		}
		if p, err := ParsePong(in); err == nil {
			if again, err := ParsePong(p.Append(nil)); err != nil || again != p {
				t.Errorf("%+v is read as %+v: %v", p, again, err)
			}
		}
	})
}
