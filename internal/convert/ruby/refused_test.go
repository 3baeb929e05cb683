package ruby_test

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
)

// TestRefused: what has no like is refused, with words that say what of it.
func TestRefused(t *testing.T) {
	for code, want := range map[string]string{
		// Calls of what is not here.
		`SecureRandom.uuid`:                  "SecureRandom",
		`Socket.ip_address_list`:             "Socket",
		`foo`:                                "foo",
		`foo(1)`:                             "foo",
		`record["a"].unknown`:                "the method unknown",
		`record["a"].unknown(1)`:             "the method unknown",
		`record["a"].unknown(1, 2, 3)`:       "the method unknown",
		`record["a"].unpack("C*")`:           "the method unpack",
		`record["a"].delete("ab")`:           "the method delete",
		`record["a"].tr("ab", "xy")`:         "the method tr",
		`record["a"].scan(/x/)`:              "the method scan with a regular expression",
		`record["a"].sub(/(a)/, "b")`:        "sub with groups",
		`record["a"].gsub(/a/, record["b"])`: "gsub whose replacement is no literal text",
		`record["a"].gsub(/(?=a)/, "b")`:     "the regular expression",
		`record["a"] =~ /(?<!a)b/`:           "the regular expression",
		`record["a"] =~ "b"`:                 "=~ without a regular expression",
		`record.dig()`:                       "dig without a name",
		`record["a"].is_a?(Foo)`:             "the class Foo",
		`record["a"][1, record["b"].to_i]`:   "whose beginning is no number",
		`record["a"][-2, 1]`:                 "whose beginning is no number",
		`ENV`:                                "ENV without a name",
		`Time.zone`:                          "this use of Time",
		`Time.at(record["a"])`:               "this use of Time",
		`time.foo`:                           "the method foo of a time",
		`time.strftime(record["a"])`:         "the method strftime of a time",
		`tag_prefix["a"]`:                    "tag_prefix without a number",
		// Blocks and programs.
		`record["a"].map { |x| x }`:       "a block, as map has it,",
		`record["a"].each do |x| x end`:   "a block, as each has it,",
		`record["a"].select(1) { |x| x }`: "a block, as select has it,",
		"`date`":                          "a command in backquotes",
		`{ |x| x }`:                       "a hash whose keys are no texts",
		`{a x}`:                           "a block in braces",
		`a = 1; a`:                        "a",
		`"%.2f" % 1`:                      "a format",
		`"#{record["a"}"`:                 "",
		strings.Repeat("(", 100):          "expressions nested too deep",
		strings.Repeat("!", 5000):         "Ruby of more than 4096 bytes",
		// What is no Ruby.
		``:                               "the code ends too early",
		`record[`:                        "the code ends too early",
		`record["a"`:                     `"]" is missing`,
		`record["a`:                      "a text without its end",
		`"a #{b"`:                        "#{ without }",
		`/a`:                             "a regular expression without its end",
		`record["a"] =~ /#{b}/`:          "a regular expression with #{…}",
		`1 +`:                            "the code ends too early",
		`(1`:                             `")" is missing`,
		`1 2`:                            `"2"`,
		`record["a"] ? 1`:                `":" is missing`,
		`if record["a"] then 1`:          `"end" is missing`,
		`case record["a"] when 1 then 2`: `"when" is missing`,
		`begin record["a"]`:              `"end" is missing`,
		`[1, 2`:                          `"," is missing`,
		`record.`:                        "behind a dot",
		`record["a"].gsub(/a/, "b"`:      `"," is missing`,
		`require 'json'`:                 `";" is missing`,
		`record["a"].encode("UTF-8"`:     "a bracket without its end",
	} {
		got, err := ruby.Expr(code)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %s %v, want %s", code, got, err, want)
		}
	}
}

// TestFormats: what there is of Ruby's formats of times here.
func TestFormats(t *testing.T) {
	for old, want := range map[string][2]string{
		"%Y-%m-%dT%H:%M:%S.%3NZ": {"%Y-%m-%dT%H:%M:%S.%LZ", "%Y-%m-%dT%H:%M:%S.%NZ"},
		"%Y-%m-%dT%H:%M:%S.%NZ":  {"%Y-%m-%dT%H:%M:%S.%NZ", "%Y-%m-%dT%H:%M:%S.%NZ"},
		"%Y-%m-%dT%H:%M:%S%:z":   {"%Y-%m-%dT%H:%M:%S+00:00", "%Y-%m-%dT%H:%M:%S%z"},
		"%d/%b/%Y:%H:%M:%S %z":   {"%d/%b/%Y:%H:%M:%S %z", "%d/%b/%Y:%H:%M:%S %z"},
		"%-d.%-m.%Y":             {"%d.%m.%Y", "%d.%m.%Y"},
		"%R":                     {"%H:%M", "%R"},
		"%X":                     {"%H:%M:%S", "%H:%M:%S"},
		"%D":                     {"%m/%d/%y", "%D"},
		"100%%":                  {"100%%", "100%%"},
		"%%Y":                    {"%%Y", "%%Y"},
		"%s":                     {"%s", "%s"},
		"%iso8601":               {"%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S%z"},
	} {
		if got := [2]string{ruby.Strftime(old), ruby.Strptime(old)}; got != want {
			t.Errorf("%s: %q, want %q", old, got, want)
		}
	}
}

// TestFields: fields as paths, in expressions and in names.
func TestFields(t *testing.T) {
	for _, tc := range []struct {
		names                    []string
		path, field, placeholder string
	}{
		{[]string{"a"}, "a", "record.a", "{record.a}"},
		{[]string{"a", "b"}, "a.b", "record.a?.b", "{record.a.b}"},
		{[]string{"a.b"}, `["a.b"]`, `record["a.b"]`, `{record["a.b"]}`},
		{[]string{"a", "b.c"}, `a["b.c"]`, `record.a?.["b.c"]`, `{record.a["b.c"]}`},
		{[]string{"a-b"}, "a-b", `record["a-b"]`, "{record.a-b}"},
		{[]string{"1a"}, "1a", `record["1a"]`, "{record.1a}"},
		{[]string{"a", "1"}, "a.1", `record.a?.["1"]`, "{record.a.1}"},
		{[]string{"a b"}, `["a b"]`, `record["a b"]`, `{record["a b"]}`},
		{[]string{"ü"}, `["ü"]`, `record["ü"]`, `{record["ü"]}`},
		{[]string{""}, `[""]`, `record[""]`, `{record[""]}`},
		{[]string{`q"`}, `["q\""]`, `record["q\""]`, `{record["q\""]}`},
		{[]string{"@timestamp"}, "@timestamp", `record["@timestamp"]`, "{record.@timestamp}"},
	} {
		if got := ruby.Path(tc.names); got != tc.path {
			t.Errorf("%q: the path %s, want %s", tc.names, got, tc.path)
		}
		if got := ruby.Field(tc.names); got != tc.field {
			t.Errorf("%q: the field %s, want %s", tc.names, got, tc.field)
		}
		if got := ruby.Placeholder(tc.names); got != tc.placeholder {
			t.Errorf("%q: the placeholder %s, want %s", tc.names, got, tc.placeholder)
		}
	}
}
