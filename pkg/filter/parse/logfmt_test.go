package parse

import (
	"strings"
	"testing"
)

func TestLogfmt(t *testing.T) {
	yes := true
	runLines(t, Config{Format: "logfmt", BareKeys: &yes, Types: []string{"status:integer"}}, []lineTest{
		{"Fluent Bit's example", "key1=val1 key2=val2 key3", `{"key1":"val1","key2":"val2","key3":true}`, ""},
		{
			"kr/logfmt's example", `foo=bar a=14 baz="hello kitty" cool%story=bro f %^asdf`,
			`{"foo":"bar","a":"14","baz":"hello kitty","cool%story":"bro","f":true,"%^asdf":true}`, "",
		},
		{
			"Heroku's router",
			`at=info method=GET path=/ host=mutelight.org fwd="124.133.52.161" dyno=web.2 connect=4ms service=8ms ` +
				`status=200 bytes=1653`,
			`{"at":"info","method":"GET","path":"/","host":"mutelight.org","fwd":"124.133.52.161","dyno":"web.2",` +
				`"connect":"4ms","service":"8ms","status":200,"bytes":"1653"}`, "",
		},
		{
			"slog", `time=2026-11-20T10:00:00.123+09:00 level=INFO msg="a \"b\" \\ c\n\td" err="x=y"` + "\n",
			`{"level":"INFO","msg":"a \"b\" \\ c\n\td","err":"x=y"}`, "2026-11-20T01:00:00.123Z",
		},
		{"strconv.Quote", `a="\x1b[31m\u00e9\U0001f600\a\v\xff"`, "{\"a\":\"\\u001b[31mé😀\\u0007\\u000b�\"}", ""},
		{"JSON", `a="\/\u00e9\ud83d\ude00\b\f\ud83d."`, `{"a":"/é😀\b\f�."}`, ""},
		{"nothing after =", `a= b="" c=`, `{"a":"","b":"","c":""}`, ""},
		{"= and quotes within a word", `url=/x?a=b&c=d q=5"x`, `{"url":"/x?a=b&c=d","q":"5\"x"}`, ""},
		{"blanks", "  a=1\t\tb=2\r\n", `{"a":"1","b":"2"}`, ""},
		{"twice", `a=1 a=2`, `{"a":"2"}`, ""},
		{"time that is none", `time=noon a=1`, `{"time":"noon","a":"1"}`, ""},

		{"empty", "", errLogfmt.Error(), ""},
		{"prose", "connection reset by peer", errLogfmt.Error(), ""},
		{"no key", `a=1 =2`, errLogfmtKey.Error(), ""},
		{"key in quotes", `"a"=1`, errLogfmtKey.Error(), ""},
		{"key with a quote", `a"b=1`, errLogfmtKey.Error(), ""},
		{"JSON object", `{"a":1}`, errLogfmtKey.Error(), ""},
		{"not closed", `a="b`, errLogfmtQuote.Error(), ""},
		{"not closed after an escape", `a="b\n`, errLogfmtQuote.Error(), ""},
		{"closed by an escape", `a="b\"`, errLogfmtQuote.Error(), ""},
		{"ends in a backslash", `a="b\`, errLogfmtQuote.Error(), ""},
		{"cut escape", `a="\u12"`, errLogfmtEscape.Error(), ""},
		{"wrong escape", `a="\xzz"`, errLogfmtEscape.Error(), ""},
		{"joined", `a="b"c=d`, errLogfmtAfter.Error(), ""},
		{"as many fields as may be", "x=1 " + strings.Repeat("a ", maxFields-1), `{"x":"1","a":true}`, ""},
		{"too many fields", "x=1 " + strings.Repeat("a ", maxFields), errFields.Error(), ""},
	})
}

func TestLogfmtLeavesProse(t *testing.T) {
	runLines(t, Config{Format: "logfmt"}, []lineTest{
		{
			"a flag at the end", `level=info msg="order placed" cached`,
			`{"level":"info","msg":"order placed","cached":true}`, "",
		},
		{
			"flags among pairs", `a=1 b=2 cached c=3 dry-run d=4`,
			`{"a":"1","b":"2","cached":true,"c":"3","dry-run":true,"d":"4"}`, "",
		},
		{"pairs alone", `a=1 b="x y"`, `{"a":"1","b":"x y"}`, ""},

		{"a time and a level", "12:00:00 INFO user=kim logged in", errLogfmtProse.Error(), ""},
		{"a URL", "connect to http://db?ssl=on failed, retry in 5 s", errLogfmtProse.Error(), ""},
		{"a word first", "panic: a=b in c", errLogfmtProse.Error(), ""},
		{"words after", "user=kim logged in", errLogfmtProse.Error(), ""},
		{"one word after one pair", "retry=3 failed", errLogfmtProse.Error(), ""},
		{"a word between pairs", "rate=5 of limit=10", errLogfmtProse.Error(), ""},
		{"words between pairs", "x=1 and y=2 or z=3", errLogfmtProse.Error(), ""},
		{"a word with a comma", "a=1 b=2 failed, c=3", errLogfmtProse.Error(), ""},
		{"a number", "took=5 s=1 17 t=2", errLogfmtProse.Error(), ""},
		{"two words", "a=1 b=2 c=3 that was", errLogfmtProse.Error(), ""},
		{"no pair", "connection reset by peer", errLogfmtProse.Error(), ""},
		{"a quote", "it's x=1 that it was", errLogfmtProse.Error(), ""},
	})
}

func BenchmarkLogfmt(b *testing.B) {
	benchmarkStep(b, Config{Format: "logfmt"},
		`time=2026-11-20T10:00:00.123+09:00 level=INFO msg="a \"b\" done" method=GET path=/ status=200 bytes=1653`)
}

func FuzzLogfmt(f *testing.F) {
	fuzzStep(f, Config{Format: "logfmt"}, `time=2026-11-20T10:00:00Z a="\ud83d\ude00 \x1b \n" b= c`, `a="\`, `= "`)
}
