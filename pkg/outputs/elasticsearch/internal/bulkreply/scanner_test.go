package bulkreply

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// scanned calls read with a Scanner of the text, as a whole and byte by byte, which may make no difference.
func scanned(t *testing.T, text string, read func(how string, s *Scanner)) {
	t.Helper()
	for how, r := range map[string]io.Reader{
		"at once": strings.NewReader(text), "byte by byte": iotest.OneByteReader(strings.NewReader(text)),
	} {
		s := new(Scanner)
		s.reset(r)
		read(how, s)
	}
}

// Strings are read with their escapes, up to the room that there is for them.
func TestScanner_Text(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		room       int
		want       string
		err        error
	}{
		{"empty", `""`, 10, "", nil},
		{"words", `"a b"`, 10, "a b", nil},
		{"behind white space", " \t\r\n\"a\"", 10, "a", nil},
		{"other scripts", `"서울"`, 10, "서울", nil},
		{"what is escaped", `"\"\\\/"`, 10, `"\/`, nil},
		{"controls become spaces", `"a\b\f\n\r\tb"`, 10, "a     b", nil},
		{"by its number", `"\u0041\u00e9\uC11C"`, 10, "Aé서", nil},
		{"half of a pair", `"\ud83d"`, 10, "\ufffd", nil},
		{"a pair", `"\ud83d\ude00"`, 10, "\ufffd\ufffd", nil},
		{"as much as there is room", `"abcde"`, 5, "abcde", nil},
		{"more", `"abcdefgh"`, 5, "abcde", nil},
		{"an escape behind the room", `"abcde\n\u0041"`, 5, "abcde", nil},
		{"an escape in the last place", `"abcd\u0041\u0041"`, 5, "abcdA", nil},
		{"without room", `"abc\"d"`, 0, "", nil},
		{"cut in the text", `"abc`, 10, "abc", io.ErrUnexpectedEOF},
		{"cut behind a backslash", `"abc\`, 10, "abc", io.ErrUnexpectedEOF},
		{"cut in a number", `"\u00`, 10, "", io.ErrUnexpectedEOF},
		{"an unknown escape", `"a\x"`, 10, "a", errShape},
		{"no number", `"a\u00g0"`, 10, "a", errShape},
		{"a number with a sign", `"\u+041"`, 10, "", errShape},
		{"no string", `5`, 10, "", errShape},
		{"nothing", "", 10, "", io.ErrUnexpectedEOF},
	} {
		scanned(t, tc.text, func(how string, s *Scanner) {
			if got := s.text([]byte(">"), tc.room); string(got) != ">"+tc.want || !errors.Is(s.err, tc.err) {
				t.Errorf("%s, %s: %q, %v, want %q, %v", tc.name, how, got, s.err, tc.want, tc.err)
			}
		})
	}
}

// A number is what an item's status is; anything else there is read over, and is none.
func TestScanner_Number(t *testing.T) {
	for _, tc := range []struct {
		text string
		want int
		err  error
	}{
		{"201,", 201, nil},
		{" 0}", 0, nil},
		{"-5]", -5, nil},
		{"2.5,", 0, nil},
		{"1e3,", 0, nil},
		{"true,", 0, nil},
		{"null,", 0, nil},
		{`"201",`, 0, nil},
		{`{"a":[201]},`, 0, nil},
		{`[201],`, 0, nil},
		{"99999999999999999999,", 0, nil},
		{strings.Repeat("1", 100) + ",", 0, nil},
		{",", 0, errShape},
		{"X", 0, errShape},
		{"", 0, io.ErrUnexpectedEOF},
	} {
		scanned(t, tc.text, func(how string, s *Scanner) {
			if got := s.number(); got != tc.want || !errors.Is(s.err, tc.err) {
				t.Errorf("%s, %s: %d, %v, want %d, %v", tc.text, how, got, s.err, tc.want, tc.err)
			}
			if tc.err == nil && s.next() != tc.text[len(tc.text)-1] {
				t.Errorf("%s, %s: it was not read to its end", tc.text, how)
			}
		})
	}
}

// Values are skipped as deep as may be, and no deeper.
func TestScanner_Depth(t *testing.T) {
	nested := func(n int) string { return strings.Repeat(`{"a":[`, n/2) + "1" + strings.Repeat("]}", n/2) }
	for _, tc := range []struct {
		depth int
		err   error
	}{{0, nil}, {2, nil}, {maxNesting, nil}, {maxNesting + 2, errShape}, {100 * maxNesting, errShape}} {
		scanned(t, nested(tc.depth)+" ", func(how string, s *Scanner) {
			if s.skip(0); !errors.Is(s.err, tc.err) {
				t.Errorf("%d deep, %s: %v, want %v", tc.depth, how, s.err, tc.err)
			}
		})
	}
}

// The first error stays, and all that is read behind it is nothing.
func TestScanner_ErrorStays(t *testing.T) {
	scanned(t, `{"a" 1}`, func(how string, s *Scanner) {
		s.object(func([]byte) { t.Errorf("%s: it has a member", how) })
		if !errors.Is(s.err, errShape) {
			t.Fatalf("%s: %v", how, s.err)
		}
		s.fail(io.ErrClosedPipe)
		s.skip(0)
		s.finish()
		if s.number() != 0 || len(s.text(nil, 9)) != 0 || s.peek() != 0 || s.next() != 0 || s.more() ||
			!errors.Is(s.err, errShape) {
			t.Errorf("%s: something is read behind the error, which is %v now", how, s.err)
		}
	})
}

// silent returns no bytes and no error, for ever.
type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

// A connection that gives nothing is given up.
func TestScanner_NoProgress(t *testing.T) {
	s := new(Scanner)
	s.reset(silent{})
	if s.peek() != 0 || !errors.Is(s.err, io.ErrNoProgress) {
		t.Errorf("%v", s.err)
	}
}

// What a text begins with is kept to be shown, and no more of it.
func TestScanner_Head(t *testing.T) {
	for _, text := range []string{"", "short", strings.Repeat("x", headSize), strings.Repeat("y", 3*headSize)} {
		scanned(t, text, func(how string, s *Scanner) {
			for s.more() {
				s.pos = s.end
			}
			if want := text[:min(len(text), headSize)]; string(s.Head) != want || s.read != int64(len(text)) {
				t.Errorf("%s: %d bytes are kept of %d, %q", how, len(s.Head), s.read, s.Head)
			}
		})
	}
}

// An item that says no more than that its event is stored is read in one look; each that differs is read as any other.
func TestIsUsual(t *testing.T) {
	for _, tc := range []struct {
		name, item string
		usual      bool
		target     string
	}{
		{"usual", `{"create":{"_index":"logs","status":201}}`, true, ""},
		{"another name", `{"create":{"_index":".ds-logs-2025.11.21-000001","status":201}}`, true, ""},
		{"no name", `{"create":{"_index":"","status":201}}`, true, ""},
		{"200", `{"create":{"_index":"logs","status":200}}`, false, ""},
		{"another operation", `{"index":{"_index":"logs","status":201}}`, false, ""},
		{"a space", `{"create": {"_index":"logs","status":201}}`, false, ""},
		{"more of it", `{"create":{"_index":"logs","status":201,"_id":"1"}}`, false, ""},
		{"another order", `{"create":{"status":201,"_index":"logs"}}`, false, ""},
		{"an escape in the name", `{"create":{"_index":"a\u0041","status":201}}`, false, ""},
		{"a quote in the name", `{"create":{"_index":"a\"","status":201}}`, false, ""},
		{"a name that is too long", `{"create":{"_index":"` + strings.Repeat("a", 300) + `","status":201}}`, false, ""},
		{"cut short", `{"create":{"_index":"logs","status":2`, false, ""},
	} {
		p := &Reply{Scan: new(Scanner), OKItem: OKItem("create"), Refusals: ItemRefusals()}
		p.Scan.reset(strings.NewReader(tc.item))
		p.Scan.peek()
		if got := p.isUsual(); got != tc.usual {
			t.Errorf("%s: %t", tc.name, got)
		}
		if tc.usual && p.Scan.pos != len(tc.item) || !tc.usual && p.Scan.pos != 0 {
			t.Errorf("%s: %d bytes of %d were read", tc.name, p.Scan.pos, len(tc.item))
		}
		if tc.name == "cut short" {
			continue
		}
		whole, err := parseReply(strings.NewReader(`{"items":[`+tc.item+`,`+tc.item+`]}`), 2)
		if err != nil || whole.Items != 2 || len(whole.Failed) > 0 {
			t.Errorf("%s: %d items, %d failed, %v", tc.name, whole.Items, len(whole.Failed), err)
		}
	}
}

// An error is shown with its causes, at most so many, and a cause that says the same is not said again.
func TestCause(t *testing.T) {
	deep := "null"
	for i := 8; i >= 0; i-- {
		deep = fmt.Sprintf(`{"type":"t%d","reason":"r%d","caused_by":%s}`, i, i, deep)
	}
	for _, tc := range []struct{ name, text, whole, public string }{
		{"text", `"no"`, "no", ""},
		{"type and reason", `{"type":"t","reason":"r"}`, "t: r", "t"},
		{"no reason", `{"type":"t"}`, "t", "t"},
		{"no type", `{"reason":"r"}`, "r", ""},
		{"nothing", `{}`, "", ""},
		{"null", `null`, "", ""},
		{"a list", `[{"type":"t"}]`, "", ""},
		{"other types", `{"type":5,"reason":["r"]}`, "", ""},
		{"reasons of no reason", `{"type":"t","reason":null}`, "t", "t"},
		{
			"a cause", `{"type":"t","reason":"r","caused_by":{"type":"u","reason":"s"}}`, "t: r (caused by u: s)",
			"t (caused by u)",
		},
		{"the same as its cause", `{"type":"t","reason":"u: s","caused_by":{"type":"u","reason":"s"}}`, "t: u: s", "t"},
		{"a cause as text", `{"type":"t","caused_by":"s"}`, "t (caused by s)", "t (caused by"},
		{"controls", `{"type":"a\u0007b","reason":"c\nd"}`, "a b: c d", "a b"},
		{
			"many causes", deep,
			"t0: r0 (caused by t1: r1 (caused by t2: r2 (caused by t3: r3 (caused by t4: r4))))",
			"t0 (caused by t1 (caused by t2 (caused by t3 (caused by t4))))",
		},
	} {
		scanned(t, tc.text, func(how string, s *Scanner) {
			c := s.cause(0)
			text := c.String()
			if got := outputs.Whole(text); got != tc.whole {
				t.Errorf("%s, %s: %q, want %q", tc.name, how, got, tc.whole)
			}
			if got := outputs.Public(text); !strings.HasPrefix(got, tc.public) || tc.public == "" && got != "" {
				t.Errorf("%s, %s: in public %q, want %q", tc.name, how, got, tc.public)
			}
		})
	}
}

// Where an event went is named once, and its index beside the target only where a pipeline has chosen another.
func TestPlace(t *testing.T) {
	for _, tc := range []struct{ target, index, want string }{
		{"", "", ""},
		{"logs", "", "[logs] "},
		{"logs", "logs", "[logs] "},
		{"logs", ".ds-logs-000001", "[logs, index .ds-logs-000001] "},
	} {
		if got := place(tc.target, tc.index); got != tc.want {
			t.Errorf("%q, %q: %q, want %q", tc.target, tc.index, got, tc.want)
		}
	}
}

// What can't be read as a reply is told from one that broke off, which may be the network's.
func TestNotBulk(t *testing.T) {
	for _, tc := range []struct {
		name, text, kind string
		broken           error
		reason           outputs.Reason
		want             string
	}{
		{"nothing", "", "", nil, outputs.ReasonServer, "answered 200 OK without a body"},
		{
			"half", `{"items":[`, "", nil, outputs.ReasonNetwork,
			"answered 200 OK, but the reply broke off after 10 bytes: unexpected EOF",
		},
		{
			"a reset", `{"it`, "", io.ErrClosedPipe, outputs.ReasonNetwork,
			"answered 200 OK, but the reply broke off after 4 bytes: io: read/write on closed pipe",
		},
		{
			"a page", "<html>\n", "text of type text/html", nil, outputs.ReasonServer,
			`answered 200 OK with text of type text/html, not a bulk reply: is this a proxy's page? ` +
				`It begins with "<html>\n"`,
		},
		{
			"of no type", "no", "", nil, outputs.ReasonServer,
			`answered 200 OK with text of no type, not a bulk reply: is this a proxy's page? It begins with "no"`,
		},
	} {
		var from io.Reader = strings.NewReader(tc.text)
		if tc.broken != nil {
			from = io.MultiReader(from, iotest.ErrReader(tc.broken))
		}
		p, err := parseReply(from, 1)
		if err == nil {
			t.Errorf("%s is a reply", tc.name)
			continue
		}
		reason, why := NotBulk(err, "200 OK", tc.kind, p.Scan)
		if got := outputs.Whole(why.Error()); reason != tc.reason || got != tc.want {
			t.Errorf("%s: %s: %s, want %s: %s", tc.name, reason, got, tc.reason, tc.want)
		}
	}
}

// A gateway's message stands for the error of a request where there is no other.
func TestReply_Message(t *testing.T) {
	for text, want := range map[string]string{
		`{"message":"Forbidden"}`:                             "Forbidden",
		`{"Message":"User: x is not authorized"}`:             "User: x is not authorized",
		`{"message":{"type":"t","reason":"r"}}`:               "t: r",
		`{"error":"first","message":"second"}`:                "first",
		`{"message":"first","Message":"second"}`:              "first",
		`{"message":null,"Message":"second"}`:                 "second",
		`{"MESSAGE":"no","status":403}`:                       "",
		`{"message":"first","error":{"type":"t","reason":1}}`: "t",
	} {
		p, err := parseReply(strings.NewReader(text), 1)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if got := outputs.Whole(p.Cause.String()); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// Where an event is there already, its first attempt alone is told of: a later one may have put it there.
func TestReply_There(t *testing.T) {
	const conflict = `{"create":{"_index":"logs-1","status":409,"error":{"type":"version_conflict_engine_exception"}}}`
	p := &Reply{
		Scan: new(Scanner), Refusals: ItemRefusals(), OKItem: OKItem("create"),
		First: func(item int) bool { return item != 1 }, Names: func(int) string { return "logs" },
	}
	if err := p.Parse(strings.NewReader(`{"items":[`+strings.Repeat(conflict+",", 2)+conflict+`]}`), 3); err != nil {
		t.Fatal(err)
	}
	if p.Items != 3 || len(p.Failed) != 0 || len(p.There) != 2 || p.There[0].Index != 0 || p.There[1].Index != 2 {
		t.Fatalf("%d items, failed %+v, there %+v", p.Items, p.Failed, p.There)
	}
	if f := p.There[0]; f.Status != 409 || f.Target != "logs" || f.Kind != "version_conflict_engine_exception" ||
		f.Detail != "[logs, index logs-1] version_conflict_engine_exception" || !f.Reason.Final() {
		t.Errorf("%+v", f)
	}
}

// Only what the failure store says that it has used counts.
func TestReply_FailureStore(t *testing.T) {
	for value, want := range map[string]uint64{
		`"used"`: 1, `"not_enabled"`: 0, `"failed"`: 0, `""`: 0, `null`: 0, `true`: 0, `{"used":1}`: 0, `"USED"`: 0,
	} {
		p, err := parseReply(strings.NewReader(`{"items":[{"create":{"status":201,"failure_store":`+value+`}}]}`), 1)
		if err != nil || p.Stored != want || p.Items != 1 {
			t.Errorf("%s: %d stored, %v", value, p.Stored, err)
		}
	}
}
