package ruby_test

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// TestExpr holds what Ruby becomes, and that it is an expression of the aggregator's.
func TestExpr(t *testing.T) {
	for code, want := range map[string]string{
		`record["a"]`:                           `record.a`,
		`record["a"]["b.c"]`:                    `record.a?.["b.c"]`,
		`record['kubernetes']['labels']['app']`: `record.kubernetes?.labels?.app`,
		`record.dig("a", "b")`:                  `record.a?.b`,
		`record["a"] || record["b"]`:            `record.a ?? record.b`,
		`record["a"] || "none"`:                 `record.a ?? "none"`,
		`record["a"].downcase`:                  `lower(string(record.a ?? ""))`,
		`record["a"].to_i`:                      `int(record.a ?? 0)`,
		`record["a"].to_f * 1000`:               `float(record.a ?? 0) * 1000`,
		`record["a"].gsub(/\d+/, "N")`:          `replacePattern(string(record.a ?? ""), "\\d+", "N")`,
		`record["a"].gsub(/(\w+)=/, '\1:')`:     `replacePattern(string(record.a ?? ""), "(\\w+)=", "${1}:")`,
		`record["a"].sub(/^x/, "")`:             `replacePattern(string(record.a ?? ""), "^x", "")`,
		`record["a"].sub("a", "b").x`:           ``,
		`record["a"].sub("a", "b")`:             `join(split(string(record.a ?? ""), "a", 2), "b")`,
		`record["a"].match(/u=(\w+)/)[1]`: `string(record.a ?? "") matches "u=(\\w+)" ? ` +
			`replacePattern(string(record.a ?? ""), "(?s)^.*?(u=(\\w+)).*$", "${2}") : nil`,
		`record["a"][/\d+/]`: `string(record.a ?? "") matches "\\d+" ? replacePattern(string(record.a ?? ` +
			`""), "(?s)^.*?(\\d+).*$", "${1}") : nil`,
		`record["a"][/(?<x>\d)/, 1].to_i`: `int(string(record.a ?? "") matches "(?<x>\\d)" ? replacePattern(string(` +
			`record.a ?? ""), "(?s)^.*?((?<x>\\d)).*$", "${2}") : nil ?? 0)`,
		`record["a"].strip.split(",")[0]`: `get(split(trim(string(record.a ?? "")), ","), 0)`,
		`record["a"][0..9]`:               `string(record.a ?? "")[0:10]`,
		`record["a"] == "x" ? 1 : 2`:      `(record.a == "x") ? 1 : 2`,
		`record["a"] && record["a"].include?("b")`: `(record.a != nil and record.a != false) and (string(record.a ?? ` +
			`"") contains "b")`,
		`record["a"].nil? ? "b" : record["a"]`:          `(record.a == nil) ? "b" : record.a`,
		`record["a"] =~ /^x/i`:                          `string(record.a ?? "") matches "(?i)^x"`,
		`record.has_key?("a")`:                          `record.a != nil`,
		`record.key?("a") && !record["b"].empty?`:       `(record.a != nil) and (not (string(record.b ?? "") == ""))`,
		`tag_parts[1]`:                                  `get(split(tag, "."), 1)`,
		`tag_prefix[1]`:                                 `join(split(tag, ".")[:2], ".")`,
		`tag_suffix[-2]`:                                `join(split(tag, ".")[-2:], ".")`,
		`"#{record["a"]}-#{tag}"`:                       `string(record.a ?? "") + "-" + tag`,
		`time.to_i`:                                     `time.Unix()`,
		`Time.now.utc.iso8601`:                          `strftime(now(), "%Y-%m-%dT%H:%M:%SZ")`,
		`Time.at(time).strftime("%Y")`:                  `strftime(time, "%Y")`,
		`time.strftime('%Y-%m-%dT%H:%M:%S.%L%z')`:       `strftime(time, "%Y-%m-%dT%H:%M:%S.%L%z")`,
		`time.localtime("+09:00").strftime("%F %T %z")`: `strftime(time, "%F %T %z", "Etc/GMT-9")`,
		`time.getlocal("+05:30").iso8601(3)`: `strftime(time, "%Y-%m-%dT%H:%M:%S.%L+05:30", ` +
			`"Asia/Kolkata")`,
		`time.strftime("%S.%6N")`:                        `strftime(time, "%S.") + strftime(time, "%N")[:6]`,
		`time.localtime("+07:17").to_s`:                  ``,
		`time.getlocal("-03:00").hour`:                   ``,
		`ENV["A"]`:                                       `"${env:A:-}"`,
		`Time.at(time.to_i).utc.iso8601(3)`:              `strftime(time, "%Y-%m-%dT%H:%M:%S.%LZ")`,
		`record["a"].to_json`:                            `toJSON(record.a)`,
		`{"a" => record["b"], "c" => 1}`:                 `{"a": record.b, "c": 1}`,
		`record["n"].to_i >= 500 ? "error" : "ok"`:       `(int(record.n ?? 0) >= 500) ? "error" : "ok"`,
		`["a", "b"].include?(record["c"])`:               `record.c in ["a", "b"]`,
		`record["a"] if record["b"]`:                     `(record.b != nil and record.b != false) ? record.a : nil`,
		`record["a"] unless record["b"].nil?`:            `(record.b == nil) ? nil : record.a`,
		`if record["a"] then "x" else "y" end`:           `(record.a != nil and record.a != false) ? "x" : "y"`,
		`record["a"]["b"] rescue nil`:                    `record.a?.b`,
		`record["a"]["b"] rescue "c"`:                    `record.a?.b ?? "c"`,
		`record["a"]&.upcase`:                            `upper(string(record.a ?? ""))`,
		`record["a"].map { |x| x }`:                      ``,
		"`date`":                                         ``,
		`require 'json'; JSON.parse(record["a"])`:        `fromJSON(string(record.a ?? ""))`,
		`require 'json'`:                                 ``,
		`"%.2f" % record["a"].to_f`:                      ``,
		`record["a"][2, 3]`:                              `string(record.a ?? "")[2:5]`,
		`record["a"].slice(0, 5)`:                        `string(record.a ?? "")[0:5]`,
		`record["a"][1, record["b"].to_i]`:               ``,
		`[record["a"], record["b"]].compact.join("-")`:   `join(filter([record.a, record.b], # != nil), "-")`,
		`record["a"].is_a?(Hash) ? "map" : "other"`:      `(type(record.a) in ["map"]) ? "map" : "other"`,
		`record["a"].is_a?(Foo)`:                         ``,
		`record["a"].force_encoding("UTF-8")`:            `string(record.a ?? "")`,
		`record["a"].encode("UTF-8", invalid: :replace)`: `string(record.a ?? "")`,
		`case record["l"] when "E", "F" then "error" else "info" end`: `((record.l == "E") or (record.l == "F")) ? ` +
			`"error" : "info"`,
		`case record["l"] when /^E/ then 1 when "I" then 2 end`: `(string(record.l ?? "") matches "^E") ? 1 : ` +
			`((record.l == "I") ? 2 : nil)`,
		`case when record["a"] == 1 then "x" else "y" end`: `(record.a == 1) ? "x" : "y"`,
		`case record["l"] when "E" then 1`:                 ``,
		`begin; JSON.parse(record["a"]); rescue JSON::ParserError => e; record["a"]; end`: `fromJSON(string(record.a ` +
			`?? "")) ?? record.a`,
		`begin JSON.parse(record["a"]) rescue nil end`: `fromJSON(string(record.a ?? ""))`,
		`[1, 2].sum`:                 `sum([1, 2])`,
		`record["a"].unknown_method`: ``,
		`record[`:                    ``,
		`SecureRandom.uuid`:          ``,
	} {
		got, err := ruby.Expr(code)
		if (err != nil) != (want == "") || got != want && err == nil {
			t.Errorf("%s: %s %v, want %s", code, got, err, want)
			continue
		}
		if err == nil {
			if _, err := filter.NewExpression(got); err != nil {
				t.Errorf("%s: %v", code, err)
			}
		}
	}
}

func TestConstant(t *testing.T) {
	def := func(text string) *string { return &text }
	for code, want := range map[string]syntax.Part{
		`ENV['A']`:                       {Env: "A"},
		`ENV["A"]`:                       {Env: "A"},
		`ENV.fetch('A')`:                 {Env: "A"},
		`ENV.fetch('A', 'b')`:            {Env: "A", Default: def("b")},
		`ENV['A'] || 'b'`:                {Env: "A", Default: def("b")},
		`ENV['A'] || 5`:                  {Env: "A", Default: def("5")},
		`ENV['A'] || use_default`:        {Env: "A", Default: def(ruby.UseDefault)},
		`ENV['A'] || use_nil`:            {Env: "A", Default: def(ruby.UseDefault)},
		`(ENV['A'] || 'b')`:              {Env: "A", Default: def("b")},
		`ENV['A'].nil? ? 'b' : ENV['A']`: {Env: "A", Default: def("b")},
		`Socket.gethostname`:             {Env: "HOSTNAME"},
		`hostname`:                       {Env: "HOSTNAME"},
		`'text'`:                         {Text: "text"},
		`File.read('/x')`:                {File: "/x"},
		`File.open("/x").read.strip`:     {File: "/x"},
		`File.read(ENV['A'])`:            {Code: `File.read(ENV['A'])`},
		`'https://' + ENV['A']`:          {Code: `'https://' + ENV['A']`},
	} {
		got := ruby.Constant(code)
		same := got.Env == want.Env && got.Text == want.Text && got.Code == want.Code &&
			got.File == want.File &&
			(got.Default == nil) == (want.Default == nil)
		if !same || got.Default != nil && *got.Default != *want.Default {
			t.Errorf("%s: %+v, want %+v", code, got, want)
		}
	}
}

// FuzzExpr: no code panics, and what comes out is an expression or refused by the aggregator with a reason.
func FuzzExpr(f *testing.F) {
	for _, seed := range []string{
		`record["a"].gsub(/x/, "y")`, `a ? b : c`, `"#{record["a"]}"`, `{"a" => 1}`,
		`x[0..-1]`, `!a && b || c`, `/`, `"`, `if a then b end`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, code string) {
		if out, err := ruby.Expr(code); err == nil && out == "" {
			t.Fatalf("%q becomes nothing", code)
		}
		_ = ruby.Constant(code)
	})
}
