package config

import "testing"

// What multiline and join can't be.
func TestStepJoin_Refused(t *testing.T) {
	says(t, []mistake{
		{
			"nothing says what belongs together", "filters: {f: [{multiline: {key: \"{tag}\"}}]}\n",
			"a.yaml:1:27: filters.f[0].multiline.format: nothing says which lines belong together (write one " +
				"such as java, or a regular expression in start)",
		},
		{
			"a format and an expression",
			"filters: {f: [{multiline: {key: \"{tag}\", format: java, start: \"^x\"}}]}\n",
			"a.yaml:1:50: filters.f[0].multiline.format: format java has its own rules for first and further " +
				"lines (remove it, or start, continue and end)",
		},
		{
			"no format", "filters: {f: [{multiline: {key: \"{tag}\", format: cobol}}]}\n",
			`a.yaml:1:50: filters.f[0].multiline.format: "cobol" is not a valid value (one of java, js, python, ` +
				"go, ruby, dotnet, php, dart, rust, all)",
		},
		{
			"an expression", "filters: {f: [{multiline: {key: \"{tag}\", start: \"(\"}}]}\n",
			"a.yaml:1:49: filters.f[0].multiline.start: error parsing regexp: missing closing ): `(` (" + ofSyntax +
				")",
		},
		{
			"all three", "filters: {f: [{multiline: {key: \"{tag}\", start: \"(\", continue: \"[\", end: \"*\"}}]}\n",
			"a.yaml:1:49: filters.f[0].multiline.start: error parsing regexp: missing closing ): `(` (" + ofSyntax +
				")\n" +
				"a.yaml:1:64: filters.f[0].multiline.continue: error parsing regexp: missing closing ]: `[` (" +
				ofSyntax + ")\n" +
				"a.yaml:1:74: filters.f[0].multiline.end: error parsing regexp: missing argument to repetition " +
				"operator: `*` (" + ofSyntax + ")",
		},
		{
			"a field", "filters: {f: [{multiline: {key: \"{tag}\", format: java, field: \"a.\"}}]}\n",
			`a.yaml:1:63: filters.f[0].multiline.field: field "a.": position 3: a field's name is missing ` +
				`(write a.b, or ["a.b"] for a name with dots) (write a field's name, such as log)`,
		},
		{
			"a key", "filters: {f: [{multiline: {key: \"{record\", format: java}}]}\n",
			`a.yaml:1:33: filters.f[0].multiline.key: key: "{record": position 7: a field should follow record ` +
				"(write {record.field}) (see the example in the documentation)",
		},
		{
			"one line", "filters: {f: [{multiline: {key: \"{tag}\", format: java, max_lines: 1}}]}\n",
			"a.yaml:1:67: filters.f[0].multiline.max_lines: 1 is less than 2",
		},
		{
			"few bytes", "filters: {f: [{multiline: {key: \"{tag}\", format: java, max_bytes: 1KB}}]}\n",
			`a.yaml:1:67: filters.f[0].multiline.max_bytes: "1KB" is less than 1KiB`,
		},
		{
			"no wait", "filters: {f: [{multiline: {key: \"{tag}\", format: java, max_wait: 0s}}]}\n",
			`a.yaml:1:66: filters.f[0].multiline.max_wait: "0s" is less than 1ms`,
		},
		{
			"a field of join", "filters: {f: [{join: {field: \"a[0]\"}}]}\n",
			`a.yaml:1:30: filters.f[0].join.field: field "a[0]": position 3: a name in quotes should follow '[' ` +
				`(write ["a.b"]) (write a field's name, such as log)`,
		},
		{
			"a key of join", "filters: {f: [{join: {key: \"{pod}\"}}]}\n",
			`a.yaml:1:28: filters.f[0].join.key: key: "{pod}": position 1: unknown placeholder "pod"; ` +
				ofPlaceholders + " (see the example in the documentation)",
		},
		{
			"a wait of join", "filters: {f: [{join: {max_wait: 1}}]}\n",
			"a.yaml:1:33: filters.f[0].join.max_wait: 1 has no unit (write 1s)",
		},
	})
}

// What sample and throttle can't be.
func TestStepSample_Refused(t *testing.T) {
	says(t, []mistake{
		{
			"neither", "filters: {f: [{sample: {}}]}\n",
			"a.yaml:1:24: filters.f[0].sample: a sample needs either rate or one_in (write rate: 0.1 or one_in: 10)",
		},
		{
			"both", "filters: {f: [{sample: {rate: 0.1, one_in: 10}}]}\n",
			"a.yaml:1:24: filters.f[0].sample: a sample needs either rate or one_in (write rate: 0.1 or one_in: 10)",
		},
		{
			"more than all", "filters: {f: [{sample: {rate: 1.1}}]}\n",
			"a.yaml:1:31: filters.f[0].sample.rate: 1.1 is not over 0 and up to 1 (write 0.1 for a tenth; to " +
				`drop everything use expr: {drop: "true"})`,
		},
		{"all", "filters: {f: [{sample: {rate: 1}}]}\n", onlyUnused},
		{
			"less than none", "filters: {f: [{sample: {rate: -0.1}}]}\n",
			"a.yaml:1:31: filters.f[0].sample.rate: -0.1 is less than 0",
		},
		{
			"one in less than one", "filters: {f: [{sample: {one_in: -1}}]}\n",
			"a.yaml:1:33: filters.f[0].sample.one_in: -1 is less than 0",
		},
		{
			"a key", "filters: {f: [{sample: {one_in: 2, key: \"{x\"}}]}\n",
			`a.yaml:1:41: filters.f[0].sample.key: "{x": position 1: unknown placeholder "x"; ` + ofPlaceholders +
				" (write text with placeholders, such as {record.trace_id})",
		},
		{
			"a share as text", "filters: {f: [{sample: {rate: 10%}}]}\n",
			`a.yaml:1:31: filters.f[0].sample.rate: expected a number such as 0.5, got "10%"`,
		},
		{
			"no rate", "filters: {f: [{throttle: {}}]}\n",
			"a.yaml:1:26: filters.f[0].throttle.rate: the key is missing (events a second, of one cluster and " +
				"key, that go on, on average over an interval)",
		},
		{
			"a rate of nothing", "filters: {f: [{throttle: {rate: 0}}]}\n",
			"a.yaml:1:33: filters.f[0].throttle.rate: 0 is not over 0 and up to 2³¹ (write events a second, " +
				"such as 100)",
		},
		{
			"a rate that is too high", "filters: {f: [{throttle: {rate: 2147483648}}]}\n",
			"a.yaml:1:33: filters.f[0].throttle.rate: 2.147483648e+09 is not over 0 and up to 2³¹ (write events " +
				"a second, such as 100)",
		},
		{"the highest rate", "filters: {f: [{throttle: {rate: 2147483647}}]}\n", onlyUnused},
		{
			"less than one event in an interval", "filters: {f: [{throttle: {rate: 0.05}}]}\n",
			"a.yaml:1:33: filters.f[0].throttle.rate: 0.05 a second is less than one event in 10s (make the " +
				"interval longer)",
		},
		{"one event in an interval", "filters: {f: [{throttle: {rate: 0.1}}]}\n", onlyUnused},
		{
			"a burst below the rate", "filters: {f: [{throttle: {rate: 10, burst: 9}}]}\n",
			"a.yaml:1:44: filters.f[0].throttle.burst: 9 events of a second are fewer than the rate of 10 " +
				"(leave it out for as many as rate)",
		},
		{"a burst of the rate", "filters: {f: [{throttle: {rate: 10, burst: 10}}]}\n", onlyUnused},
		{
			"a broken second", "filters: {f: [{throttle: {rate: 10, interval: 1500ms}}]}\n",
			"a.yaml:1:47: filters.f[0].throttle.interval: 1.5s is not a number of whole seconds up to 5m0s (write 10s)",
		},
		{
			"a long interval", "filters: {f: [{throttle: {rate: 10, interval: 5m1s}}]}\n",
			"a.yaml:1:47: filters.f[0].throttle.interval: 5m1s is not a number of whole seconds up to 5m0s (write 10s)",
		},
		{"the longest interval", "filters: {f: [{throttle: {rate: 10, interval: 5m}}]}\n", onlyUnused},
		{
			"no keys", "filters: {f: [{throttle: {rate: 10, max_keys: 0}}]}\n",
			"a.yaml:1:47: filters.f[0].throttle.max_keys: 0 is less than 1",
		},
		{
			"a key of throttle", "filters: {f: [{throttle: {rate: 10, key: \"{record.a\"}}]}\n",
			`a.yaml:1:42: filters.f[0].throttle.key: "{record.a": position 1: '{' is not closed (write text ` +
				"with placeholders, such as {record.trace_id})",
		},
	})
}

// What redact can't be.
func TestStepRedact_Refused(t *testing.T) {
	says(t, []mistake{
		{
			"nothing to search for", "filters: {f: [{redact: {}}]}\n",
			"a.yaml:1:24: filters.f[0].redact: nothing to search for (give patterns, or builtin such as [email, " +
				"credit_card])",
		},
		{
			"an empty expression", "filters: {f: [{redact: {patterns: [\"\"]}}]}\n",
			`a.yaml:1:36: filters.f[0].redact.patterns[0].regex: is empty (in Go's syntax, e.g. password=(\S+))`,
		},
		{
			"an expression of nothing", "filters: {f: [{redact: {patterns: [\"x*\"]}}]}\n",
			`a.yaml:1:36: filters.f[0].redact.patterns[0].regex: "x*" finds what is empty too`,
		},
		{
			"the second expression", "filters: {f: [{redact: {patterns: [\"x+\", {regex: \"(\"}]}}]}\n",
			"a.yaml:1:50: filters.f[0].redact.patterns[1].regex: error parsing regexp: missing closing ): `(` (" +
				ofSyntax + ")",
		},
		{
			"an expression without regex", "filters: {f: [{redact: {patterns: [{}]}}]}\n",
			"a.yaml:1:36: filters.f[0].redact.patterns[0].regex: the key is missing (in Go's syntax, e.g. " +
				`password=(\S+))`,
		},
		{
			"an unknown one", "filters: {f: [{redact: {builtin: [email, phone]}}]}\n",
			`a.yaml:1:42: filters.f[0].redact.builtin[1]: "phone" is not a valid value (one of credit_card, ` +
				"email, ipv4, ipv6, bearer, aws_key, jwt)",
		},
		{
			"one in capitals", "filters: {f: [{redact: {builtin: EMAIL}}]}\n",
			`a.yaml:1:34: filters.f[0].redact.builtin: "EMAIL" is not a valid value (did you mean email?)`,
		},
		{
			"a hash without a key", "filters: {f: [{redact: {builtin: email, with: hash}}]}\n",
			"a.yaml:1:24: filters.f[0].redact.key: a hash without a key can be reversed by trying texts (write " +
				"key: ${file:/run/secrets/redact}, the same on every replica)",
		},
		{
			"a hash with an empty key", "filters: {f: [{redact: {builtin: email, with: hash, key: \"\"}}]}\n",
			"a.yaml:1:58: filters.f[0].redact.key: a hash without a key can be reversed by trying texts (write " +
				"key: ${file:/run/secrets/redact}, the same on every replica)",
		},
		{
			"a long mask",
			"filters: {f: [{redact: {builtin: email, mask: " +
				"\"12345678901234567890123456789012345678901234567890123456789012345\"}}]}\n",
			"a.yaml:1:47: filters.f[0].redact.mask: longer than 64 bytes",
		},
		{
			"the longest mask",
			"filters: {f: [{redact: {builtin: email, mask: " +
				"\"1234567890123456789012345678901234567890123456789012345678901234\"}}]}\n",
			onlyUnused,
		},
		{"an empty mask", "filters: {f: [{redact: {builtin: email, mask: \"\"}}]}\n", onlyUnused},
		{
			"two stars in a name", "filters: {f: [{redact: {builtin: email, fields: [a, \"b**.c\"]}}]}\n",
			`a.yaml:1:53: filters.f[0].redact.fields[1]: field "b**.c": ** stands alone between dots (write ` +
				"message, user.*, **.email)",
		},
		{
			"two stars twice", "filters: {f: [{redact: {builtin: email, fields: \"**.**\"}}]}\n",
			`a.yaml:1:49: filters.f[0].redact.fields[0]: field "**.**": one ** is enough (write message, ` +
				"user.*, **.email)",
		},
		{
			"another way", "filters: {f: [{redact: {builtin: email, with: encrypt}}]}\n",
			`a.yaml:1:47: filters.f[0].redact.with: "encrypt" is not a valid value (one of mask, hash)`,
		},
	})
}

// What lookup and expr can't be.
func TestStepLookup_Refused(t *testing.T) {
	says(t, []mistake{
		{
			"nothing", "filters: {f: [{lookup: {}}]}\n",
			"a.yaml:1:24: filters.f[0].lookup.field: the key is missing (whose text is looked up, e.g. " +
				"kubernetes.namespace_name)\n" +
				"a.yaml:1:24: filters.f[0].lookup.file: the key is missing (read again when it changes; a bad new " +
				"one is refused and the old one stays)",
		},
		{
			"a name that does not tell", "filters: {f: [{lookup: {field: a, file: x.txt}}]}\n",
			"a.yaml:1:24: filters.f[0].lookup.format: the name x.txt does not tell how the file is written " +
				"(write csv, json or ndjson)",
		},
		{"a name that tells in capitals", "filters: {f: [{lookup: {field: a, file: x.CSV}}]}\n", onlyUnused},
		{
			"NDJSON without a key", "filters: {f: [{lookup: {field: a, file: x.jsonl}}]}\n",
			"a.yaml:1:24: filters.f[0].lookup.key: an NDJSON file has no first column (name the member that " +
				"holds the key)",
		},
		{
			"a field", "filters: {f: [{lookup: {field: \"a b\", file: x.csv}}]}\n",
			`a.yaml:1:32: filters.f[0].lookup.field: field "a b": position 2: '.' or '[' should follow a name`,
		},
		{
			"an added field", "filters: {f: [{lookup: {field: a, file: x.csv, add: {\"b.\": c}}}]}\n",
			`a.yaml:1:53: filters.f[0].lookup.add: field "b.": position 3: a field's name is missing (write ` +
				`a.b, or ["a.b"] for a name with dots)`,
		},
		{
			"a default that nothing leads to",
			"filters: {f: [{lookup: {field: a, file: x.csv, add: {b: c}, default: {d: 1}}}]}\n",
			"a.yaml:1:74: filters.f[0].lookup.default.d: no column leads to this field (name it in add as well)",
		},
		{
			"a default that is no path", "filters: {f: [{lookup: {field: a, file: x.csv, default: {\"[d\": 1}}}]}\n",
			`a.yaml:1:57: filters.f[0].lookup.default: field "[d": position 2: a name in quotes should follow ` +
				`'[' (write ["a.b"])`,
		},
		{
			"a file of no size", "filters: {f: [{lookup: {field: a, file: x.csv, max_size: 0}}]}\n",
			"a.yaml:1:58: filters.f[0].lookup.max_size: 0 is less than 1",
		},
		{
			"no expression", "filters: {f: [{expr: {}}]}\n",
			"a.yaml:1:22: filters.f[0].expr: there is no expression (write drop: 'record.status == 404', or " +
				"set: {field: 'expression'})",
		},
		{
			"a text for a truth", "filters: {f: [{expr: {drop: \"'yes'\"}}]}\n",
			`a.yaml:1:29: filters.f[0].expr.drop: expression "'yes'": expected a truth value, but got a text`,
		},
		{
			"a field that is no path", "filters: {f: [{expr: {set: {\"a.\": \"1\"}}}]}\n",
			`a.yaml:1:28: filters.f[0].expr.set.a.: field "a.": position 3: a field's name is missing (write ` +
				`a.b, or ["a.b"] for a name with dots)`,
		},
		{
			"a value that is a number", "filters: {f: [{expr: {set: {a: 1}}}]}\n",
			"a.yaml:1:32: filters.f[0].expr.set.a: expected a text, got 1 (put it in quotes)",
		},
		{
			"a value that is not closed", "filters: {f: [{expr: {set: {a: \"1 +\"}}}]}\n",
			`a.yaml:1:32: filters.f[0].expr.set.a: expression "1 +": line 1, column 3: unexpected token EOF`,
		},
		{
			"two mistakes", "filters: {f: [{expr: {drop: \"(\", set: {b: \"]\", a: \")\"}}}]}\n",
			"a.yaml:1:29: filters.f[0].expr.drop: expression \"(\": line 1, column 1: unexpected token EOF\n" +
				`a.yaml:1:43: filters.f[0].expr.set.b: expression "]": line 1, column 1: unexpected token ` +
				"Bracket(\"]\")\n" +
				`a.yaml:1:51: filters.f[0].expr.set.a: expression ")": line 1, column 1: unexpected token ` +
				`Bracket(")")`,
		},
		{
			"an assignment", "filters: {f: [{expr: {drop: \"record.a = 1\"}}]}\n",
			`a.yaml:1:29: filters.f[0].expr.drop: expression "record.a = 1": line 1, column 10: unexpected ` +
				`token Operator("=")`,
		},
		{
			"a pattern that is no text",
			"filters: {f: [{expr: {set: {a: \"replacePattern(record.a, record.b, '')\"}}}]}\n",
			`a.yaml:1:32: filters.f[0].expr.set.a: expression "replacePattern(record.a, record.b, '')": line 1, ` +
				"column 33: the pattern of replacePattern is written in quotes",
		},
		{
			"a format with placeholders", "filters: {f: [{expr: {set: {a: \"strftime(time, '%Y-{tag}')\"}}}]}\n",
			`a.yaml:1:32: filters.f[0].expr.set.a: expression "strftime(time, '%Y-{tag}')": line 1, column 16: ` +
				`the format of a time has no placeholders: add texts up, as in strftime(time, "%Y") + record.x`,
		},
		{
			"a zone that is none", "filters: {f: [{expr: {set: {a: \"strftime(time, '%Y', 'Mars')\"}}}]}\n",
			`a.yaml:1:32: filters.f[0].expr.set.a: expression "strftime(time, '%Y', 'Mars')": line 1, column ` +
				"22: unknown time zone Mars",
		},
	})
}
