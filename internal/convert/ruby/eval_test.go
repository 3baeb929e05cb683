package ruby_test

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert/converttest"
)

// TestValues holds that what becomes of Ruby has the values that Ruby has: of records, what ${…} becomes. "" is that
// the field is not set, where Ruby has nil.
func TestValues(t *testing.T) {
	for _, tc := range []struct{ code, record, want string }{
		// Fields.
		{`record["a"]`, `{"a":"x"}`, `"x"`},
		{`record["a"]`, `{"a":5}`, `5`},
		{`record["a"]`, `{"a":{"b":[1]}}`, `{"b":[1]}`},
		{`record["a"]`, `{}`, ``},
		{`record["a"]["b"]`, `{"a":{"b":true}}`, `true`},
		{`record['a.b']`, `{"a.b":1}`, `1`},
		{`record.dig("a", "b", "c")`, `{"a":{"b":{"c":"x"}}}`, `"x"`},
		{`record.dig("a", "b", "c")`, `{"a":{}}`, ``},
		{`record.fetch("a", "none")`, `{"a":"x"}`, `"x"`},
		{`record.fetch("a", "none")`, `{}`, `"none"`},
		{`record["a"] || record["b"] || "c"`, `{"b":"y"}`, `"y"`},
		{`record["a"] || record["b"] || "c"`, `{}`, `"c"`},
		{`record["a"]&.downcase`, `{"a":"X"}`, `"x"`},
		{`record.has_key?("a")`, `{"a":1}`, `true`},
		{`record.key?("a")`, `{}`, `false`},
		{`record.key?("a") && record["a"] == 1 ? "one" : "other"`, `{"a":1}`, `"one"`},
		{`record["a"].nil?`, `{}`, `true`},
		{`record["a"].nil? ? "none" : record["a"]`, `{"a":"x"}`, `"x"`},
		{`!record["a"].nil?`, `{}`, `false`},
		{`record["a"].to_json`, `{"a":{"b":1}}`, `"{\"b\":1}"`},
		{`JSON.parse(record["a"])["b"]`, `{"a":"{\"b\":1}"}`, `1`},
		// Texts.
		{`record["a"].downcase`, `{"a":"AbC"}`, `"abc"`},
		{`record["a"].upcase`, `{"a":"AbC"}`, `"ABC"`},
		{`record["a"].capitalize`, `{"a":"hELLO"}`, `"Hello"`},
		{`record["a"].strip`, `{"a":"  x \n"}`, `"x"`},
		{`record["a"].lstrip`, `{"a":"  x "}`, `"x "`},
		{`record["a"].rstrip`, `{"a":" x  "}`, `" x"`},
		{`record["a"].chomp`, `{"a":"x\n"}`, `"x"`},
		{`record["a"].chomp(".log")`, `{"a":"x.log"}`, `"x"`},
		{`record["a"].delete_prefix("k8s.")`, `{"a":"k8s.x"}`, `"x"`},
		{`record["a"].delete_suffix("-1")`, `{"a":"x-1"}`, `"x"`},
		{`record["a"].delete("-")`, `{"a":"a-b-c"}`, `"abc"`},
		{`record["a"].tr("-", "_")`, `{"a":"a-b-c"}`, `"a_b_c"`},
		{`record["a"].length`, `{"a":"four"}`, `4`},
		{`record["a"].size > 3`, `{"a":"four"}`, `true`},
		{`record["a"].empty?`, `{"a":""}`, `true`},
		{`record["a"].empty? ? "none" : record["a"]`, `{"a":"x"}`, `"x"`},
		{`record["a"].start_with?("ab")`, `{"a":"abc"}`, `true`},
		{`record["a"].end_with?("bc")`, `{"a":"abc"}`, `true`},
		{`record["a"].include?("b")`, `{"a":"abc"}`, `true`},
		{`record["a"] + "-" + record["b"]`, `{"a":"x","b":"y"}`, `"x-y"`},
		{`"#{record["a"]}/#{record["b"]}"`, `{"a":"x","b":2}`, `"x/2"`},
		{`"a" + 'b'`, `{}`, `"ab"`},
		{`'#{record["a"]}'`, `{}`, `"#{record[\"a\"]}"`},
		{`record["a"][0..2]`, `{"a":"abcdef"}`, `"abc"`},
		{`record["a"][0...2]`, `{"a":"abcdef"}`, `"ab"`},
		{`record["a"][2..-1]`, `{"a":"abcdef"}`, `"cdef"`},
		{`record["a"][0, 3]`, `{"a":"abcdef"}`, `"abc"`},
		{`record["a"][0..9]`, `{"a":"abc"}`, `"abc"`},
		{`record["a"].slice(1, 2)`, `{"a":"abcdef"}`, `"bc"`},
		{`record["a"].split(".")[1]`, `{"a":"x.y.z"}`, `"y"`},
		{`record["a"].split(".").last`, `{"a":"x.y.z"}`, `"z"`},
		{`record["a"].split(".").first`, `{"a":"x.y.z"}`, `"x"`},
		{`record["a"].split(".")[-1]`, `{"a":"x.y.z"}`, `"z"`},
		{`record["a"].split(".")[0..1].join("-")`, `{"a":"x.y.z"}`, `"x-y"`},
		{`record["a"].split("/").length`, `{"a":"x/y"}`, `2`},
		// Regular expressions.
		{`record["a"].gsub(/\d+/, "N")`, `{"a":"1 and 22"}`, `"N and N"`},
		{`record["a"].gsub("x", "y")`, `{"a":"xxz"}`, `"yyz"`},
		{`record["a"].gsub(/(\w+)@(\w+)/, '\2 at \1')`, `{"a":"me@here"}`, `"here at me"`},
		{`record["a"].gsub(/(?<u>\w+)@/, '\k<u>:')`, `{"a":"me@here"}`, `"me:here"`},
		{`record["a"].gsub(/a/, "$1")`, `{"a":"cat"}`, `"c$1t"`},
		{`record["a"].sub(/^v/, "")`, `{"a":"v1v"}`, `"1v"`},
		{`record["a"].sub(/o/, "0")`, `{"a":"foo"}`, `"f0o"`},
		{`record["a"].sub(/\.log$/, "")`, `{"a":"a.log"}`, `"a"`},
		{`record["a"] =~ /^E/ ? "error" : "ok"`, `{"a":"E1"}`, `"error"`},
		{`record["a"] !~ /^E/`, `{"a":"E1"}`, `false`},
		{`record["a"].match?(/b/i)`, `{"a":"ABC"}`, `true`},
		{`record["a"].gsub(/\s+/, ' ').strip`, `{"a":" a   b "}`, `"a b"`},
		// Numbers.
		{`record["a"].to_i + 1`, `{"a":"41"}`, `42`},
		{`record["a"].to_i`, `{}`, `0`},
		{`record["a"].to_f`, `{"a":"1.5"}`, `1.5`},
		{`record["a"].to_f * 1000`, `{"a":"0.25"}`, `250.0`},
		{`record["a"] * 2`, `{"a":21}`, `42`},
		{`record["a"] - record["b"]`, `{"a":5,"b":3}`, `2`},
		{`record["a"].to_i % 10`, `{"a":"42"}`, `2`},
		{`record["a"].to_i / 10`, `{"a":"42"}`, `4`},
		{`-record["a"].to_i / 10`, `{"a":"42"}`, `-5`},
		{`record["a"] / 10`, `{"a":42}`, `4`},
		{`record["a"] / 10`, `{"a":42.5}`, `4.25`},
		{`record["a"].to_f / 10`, `{"a":"42"}`, `4.2`},
		{`record["a"].length / 2 + 1`, `{"a":"abcde"}`, `3`},
		{`record["a"] + 1`, `{"a":1}`, `2`},
		{`record["a"].ceil`, `{"a":1.2}`, `2`},
		{`2 ** 3`, `{}`, `8`},
		{`time.to_i / 60 % 60`, `{}`, `0`},
		{`record["a"].to_i.to_s + "ms"`, `{"a":"5"}`, `"5ms"`},
		{`Float(record["a"]) > 1.0`, `{"a":"1.5"}`, `true`},
		{`-record["a"].to_i`, `{"a":"4"}`, `-4`},
		{`record["a"].round`, `{"a":1.6}`, `2`},
		{`record["a"].floor`, `{"a":1.6}`, `1`},
		{`record["a"].abs`, `{"a":-3}`, `3`},
		{`record["a"].to_s`, `{"a":5}`, `"5"`},
		{`Integer(record["a"])`, `{"a":"7"}`, `7`},
		{`record["a"].to_i >= 500 ? "error" : "info"`, `{"a":"503"}`, `"error"`},
		{`(record["a"].to_i + 1) * 2`, `{"a":"1"}`, `4`},
		// Truth.
		{`record["a"] == "x" && record["b"] == "y"`, `{"a":"x","b":"y"}`, `true`},
		{`record["a"] == "x" || record["b"] == "y"`, `{"a":"z","b":"y"}`, `true`},
		{`record["a"] && record["a"]["b"]`, `{"a":{"b":1}}`, `1`},
		{`record["a"] && record["a"]["b"]`, `{}`, ``},
		{`not record["a"]`, `{"a":false}`, `true`},
		{`["a", "b"].include?(record["c"])`, `{"c":"b"}`, `true`},
		{`record["a"] != "x"`, `{"a":"y"}`, `true`},
		{`record["a"] if record["a"] == 1`, `{"a":1}`, `1`},
		{`record["a"] if record["a"] == 1`, `{"a":2}`, ``},
		{`record["a"] unless record["a"] == 1`, `{"a":2}`, `2`},
		{`if record["a"] then "yes" else "no" end`, `{"a":false}`, `"no"`},
		{`if record["a"] == 1 then "one" elsif record["a"] == 2 then "two" else "more" end`, `{"a":2}`, `"two"`},
		{`case record["a"] when "E", "F" then "error" when "W" then "warn" else "info" end`, `{"a":"W"}`, `"warn"`},
		{`case record["a"] when /^E/ then "error" else "info" end`, `{"a":"ERR"}`, `"error"`},
		{`begin JSON.parse(record["a"]) rescue record["a"] end`, `{"a":"{\"b\":1}"}`, `{"b":1}`},
		// Lists and maps.
		{`[record["a"], record["b"]].compact.join("-")`, `{"a":"x"}`, `"x"`},
		{`[record["a"], record["b"]].join("/")`, `{"a":"x","b":"y"}`, `"x/y"`},
		{`{"a" => record["a"], "b" => 1}`, `{"a":"x"}`, `{"a":"x","b":1}`},
		{`record["a"][0]`, `{"a":["x","y"]}`, `"x"`},
		{`record["a"].is_a?(Hash)`, `{"a":{}}`, `true`},
		{`record["a"].is_a?(String) ? "text" : "other"`, `{"a":1}`, `"other"`},
		{`[1, 2, 3].sum`, `{}`, `6`},
		{`[3, 1].min`, `{}`, `1`},
		// Tags and times.
		{`tag`, `{}`, `"kube.shop.web"`},
		{`tag_parts[1]`, `{}`, `"shop"`},
		{`tag_parts[-1]`, `{}`, `"web"`},
		{`tag_prefix[1]`, `{}`, `"kube.shop"`},
		{`tag_suffix[1]`, `{}`, `"shop.web"`},
		{`tag_suffix[-2]`, `{}`, `"shop.web"`},
		{`tag.split(".")[0]`, `{}`, `"kube"`},
		{`tag.gsub(".", "-")`, `{}`, `"kube-shop-web"`},
		{`time.to_i`, `{}`, `1767225600`},
		{`time.strftime("%Y-%m-%d")`, `{}`, `"2026-01-01"`},
		{`time.strftime("%Y-%m-%dT%H:%M:%S.%3NZ")`, `{}`, `"2026-01-01T00:00:00.000Z"`},
		{`time.utc.iso8601`, `{}`, `"2026-01-01T00:00:00Z"`},
		{`time.iso8601(3)`, `{}`, `"2026-01-01T00:00:00.000Z"`},
		{`Time.at(time).strftime("%H")`, `{}`, `"00"`},
		{`time.year`, `{}`, `2026`},
		{`record["a"].to_s.length`, `{"a":1234}`, `4`},
		{`record["a"].to_s.empty? ? "none" : record["a"].to_s`, `{}`, `"none"`},
		{`record["a"].to_s.strip.empty?`, `{"a":"  "}`, `true`},
		{`(record["a"] || "x,y").split(",").length`, `{}`, `2`},
		{`(record["a"] || record["b"]).to_s.upcase`, `{"b":"x"}`, `"X"`},
		{`record["log"].to_s[0..4] + "..."`, `{"log":"abcdefgh"}`, `"abcde..."`},
		{
			`record["kubernetes"]["labels"]["app.kubernetes.io/name"] || record["kubernetes"]["pod_name"]`,
			`{"kubernetes":{"labels":{"app.kubernetes.io/name":"web"},"pod_name":"p"}}`, `"web"`,
		},
		{
			`record["kubernetes"]["labels"]["app"] || record["kubernetes"]["container_name"]`,
			`{"kubernetes":{"container_name":"c"}}`, `"c"`,
		},
		{
			`record.dig("kubernetes", "namespace_name").to_s.start_with?("kube-") ? "system" : "app"`,
			`{"kubernetes":{"namespace_name":"kube-system"}}`, `"system"`,
		},
		{`record["level"].to_s.downcase.gsub("warning", "warn")`, `{"level":"WARNING"}`, `"warn"`},
		{
			`record["message"].to_s.include?("error") || record["level"] == "ERROR" ? 1 : 0`,
			`{"message":"an error"}`, `1`,
		},
		{`record["a"] == nil ? "nil" : "there"`, `{}`, `"nil"`},
		{`record["a"].nil? && record["b"].nil?`, `{}`, `true`},
		{`record["a"] =~ /x/ && record["b"] =~ /y/ ? "both" : "no"`, `{"a":"x","b":"y"}`, `"both"`},
		{`record["a"].is_a?(Array) ? record["a"].join(",") : record["a"]`, `{"a":["x","y"]}`, `"x,y"`},
		{`record["a"].freeze`, `{"a":"x"}`, `"x"`},
		{`record["a"].force_encoding("UTF-8")`, `{"a":"x"}`, `"x"`},
		{`record["a"].scrub("?")`, `{"a":"x"}`, `"x"`},
		{`"%s" + record["a"].to_s`, `{"a":1}`, `"%s1"`},
		{`true`, `{}`, `true`},
		{`nil`, `{}`, ``},
		{`:symbol`, `{}`, `"symbol"`},
		{`1_000 + 1`, `{}`, `1001`},
		{`"a\tb"`, `{}`, `"a\tb"`},
		{`Time.parse(record["t"]).to_i`, `{"t":"2026-01-01T00:00:01Z"}`, `1767225601`},
	} {
		t.Run(tc.code, func(t *testing.T) {
			text := "<source>\n@type forward\nbind 127.0.0.1\n</source>\n<filter **>\n@type record_transformer\n" +
				"enable_ruby\n<record>\nx ${" + tc.code + "}\n</record>\n</filter>\n<match **>\n@type stdout\n" +
				"</match>\n"
			r := converttest.Convert(t, "x.conf", text)
			if len(r.Notes.Lost) > 0 {
				t.Fatal(r.Notes.Lost)
			}
			got := converttest.Events(t, converttest.Load(t, r.Configuration), "kube.shop.web", tc.record)
			value := ""
			if _, behind, found := strings.Cut(got, `,"x":`); found || strings.Contains(got, `{"x":`) {
				if !found {
					_, behind, _ = strings.Cut(got, `{"x":`)
				}
				value, _, _ = strings.Cut(behind, `,"@timestamp"`)
			}
			if value != tc.want || strings.HasPrefix(got, "failed") {
				t.Errorf("%s of %s: %s, want x %s", tc.code, tc.record, got, tc.want)
			}
		})
	}
}
