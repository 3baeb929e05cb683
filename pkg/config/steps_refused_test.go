package config

import "testing"

// What a filter and a step of it are not: the place of each mistake, and what is said of it.
func TestSteps_Refused(t *testing.T) {
	says(t, []mistake{
		{
			"an empty filter", "filters: {f: []}\n",
			"a.yaml:1:14: filters.f: the filter is empty (write at least one step)",
		},
		{"nothing", "filters: {f: }\n", "a.yaml:1:14: filters.f: has no value (give it one, or remove the key)"},
		{
			"a text", "filters: {f: grep}\n",
			`a.yaml:1:14: filters.f: expected a list, got "grep" (write - before each entry)`,
		},
		{
			"a step that is a text", "filters: {f: [grep]}\n",
			`a.yaml:1:15: filters.f[0]: expected a mapping with keys like parse, grep, modify, got "grep"`,
		},
		{
			"a step without settings", "filters: {f: [{grep: }]}\n",
			"a.yaml:1:22: filters.f[0].grep: has no value (give it one, or remove the key)",
		},
		{
			"no kind", "filters: {f: [{}]}\n",
			"a.yaml:1:15: filters.f[0]: a step has exactly one of these keys, and perhaps when (one of parse, " +
				"grep, modify, dedot, redact, sample, throttle, join, multiline, lookup, expr; make a list item of " +
				"each)",
		},
		{
			"a kind that is near", "filters: {f: [{modfy: {remove: a}}]}\n",
			"a.yaml:1:16: filters.f[0].modfy: unknown key (did you mean modify?)",
		},
		{
			"when twice, the other", "filters: {f: [{dedot: {}, When: \"true\"}]}\n",
			"a.yaml:1:27: filters.f[0].When: unknown key (did you mean when?)",
		},
		{
			"a condition that is no truth", "filters: {f: [{dedot: {}, when: \"1\"}]}\n",
			`a.yaml:1:33: filters.f[0].when: expression "1": expected a truth value, but got an integer (write ` +
				`an expression such as cluster == "seoul" and record.level != "debug")`,
		},
		{
			"a condition that is a number", "filters: {f: [{dedot: {}, when: 1}]}\n",
			"a.yaml:1:33: filters.f[0].when: expected a text, got 1 (put it in quotes)",
		},
		{
			"a condition that is true", "filters: {f: [{dedot: {}, when: true}]}\n",
			"a.yaml:1:33: filters.f[0].when: expected a text, got true (put it in quotes)",
		},
		{"a name with a slash", "filters: {f/g: [{dedot: {}}]}\n", `a.yaml:1:11: filters."f/g": ` + badName},
		{
			"a condition of a secret", "filters: {f: [{dedot: {}, when: \"record.${env:SECRET} ==\"}]}\n",
			"a.yaml:1:33: filters.f[0].when: the value of ${env:SECRET} is not accepted (write an expression " +
				`such as cluster == "seoul" and record.level != "debug")`,
		},
	})
}

// What grep can't be.
func TestStepGrep_Refused(t *testing.T) {
	says(t, []mistake{
		{
			"no rule", "filters: {f: [{grep: {}}]}\n",
			"a.yaml:1:22: filters.f[0].grep: there is no expression (write include or exclude, such as exclude: " +
				`{path: "^/healthcheck"})`,
		},
		{
			"a rule without expressions", "filters: {f: [{grep: {include: {a: []}}}]}\n",
			"a.yaml:1:22: filters.f[0].grep: there is no expression (write include or exclude, such as exclude: " +
				`{path: "^/healthcheck"})`,
		},
		{
			"a rule that is a list", "filters: {f: [{grep: {include: [a]}}]}\n",
			"a.yaml:1:32: filters.f[0].grep.include: expected a mapping of names, got a list (write each under " +
				"its name, as in a: {…}, without -)",
		},
		{
			"a path", "filters: {f: [{grep: {include: {\"a..b\": x}}}]}\n",
			`a.yaml:1:32: filters.f[0].grep.include.a..b: field "a..b": position 3: a field's name is missing ` +
				`(write a.b, or ["a.b"] for a name with dots)`,
		},
		{
			"an expression", "filters: {f: [{grep: {include: {a: \"(\"}}}]}\n",
			"a.yaml:1:36: filters.f[0].grep.include.a: error parsing regexp: missing closing ): `(` (" + ofSyntax + ")",
		},
		{
			"the second expression", "filters: {f: [{grep: {exclude: {a: [x, \"[\"]}}}]}\n",
			"a.yaml:1:36: filters.f[0].grep.exclude.a: error parsing regexp: missing closing ]: `[` (" + ofSyntax + ")",
		},
		{
			"look-around", "filters: {f: [{grep: {exclude_all: {a: 'x(?!y)'}}}]}\n",
			"a.yaml:1:40: filters.f[0].grep.exclude_all.a: error parsing regexp: invalid or unsupported Perl " +
				"syntax: `(?!`: there is no look-around: match what is around too and put what is wanted in a " +
				"group, or leave it to a second step (" + ofSyntax + ")",
		},
		{
			"possessive", "filters: {f: [{grep: {include_any: {a: 'x++'}}}]}\n",
			"a.yaml:1:40: filters.f[0].grep.include_any.a: error parsing regexp: invalid nested repetition " +
				"operator: `++`: leave the second sign of \"++\" out: nothing here goes back to try another way (" +
				ofSyntax + ")",
		},
		{
			"a reference", "filters: {f: [{grep: {include: {a: '(x)\\1'}}}]}\n",
			"a.yaml:1:36: filters.f[0].grep.include.a: error parsing regexp: invalid escape sequence: `\\1`: " +
				"there are no references to groups (" + ofSyntax + ")",
		},
		{
			"in slashes", "filters: {f: [{grep: {include: {a: '/^x$/i'}}}]}\n",
			`a.yaml:1:36: filters.f[0].grep.include.a: "/^x$/i" stands in slashes, which would be part of it ` +
				`(write "(?i)^x$") (` + ofSyntax + ")",
		},
		{
			"an empty name", "filters: {f: [{grep: {include: {\"\": x}}}]}\n",
			`a.yaml:1:32: filters.f[0].grep.include.: field "": position 1: a field's name is missing (write ` +
				`a.b, or ["a.b"] for a name with dots)`,
		},
		{
			"fluentd's regexp", "filters: {f: [{grep: {regexp: {a: x}}}]}\n",
			"a.yaml:1:23: filters.f[0].grep.regexp: unknown key (one of include, include_any, exclude, exclude_all)",
		},
	})
}

// What modify and dedot can't be.
func TestStepModify_Refused(t *testing.T) {
	says(t, []mistake{
		{
			"nothing to change", "filters: {f: [{modify: {}}]}\n",
			"a.yaml:1:24: filters.f[0].modify: there is nothing to change (write set, rename, remove, …)",
		},
		{
			"a rename of two", "filters: {f: [{modify: {rename: {a: b, b: c}}}]}\n",
			`a.yaml:1:37: filters.f[0].modify.rename.a: "b" is renamed itself: write a second modify step`,
		},
		{
			"a rename with one star", "filters: {f: [{modify: {rename: {\"a*\": b}}}]}\n",
			"a.yaml:1:40: filters.f[0].modify.rename.a*: the old name and the new one need a * each, which " +
				"stands for the same text",
		},
		{
			"a rename with two stars", "filters: {f: [{modify: {rename: {\"a*b*\": \"x*\"}}}]}\n",
			"a.yaml:1:42: filters.f[0].modify.rename.a*b*: a name may have one *",
		},
		{
			"a star above", "filters: {f: [{modify: {rename: {\"*.a\": \"*.b\"}}}]}\n",
			"a.yaml:1:33: filters.f[0].modify.rename.*.a: only the last name may have *",
		},
		{
			"a rename to nothing", "filters: {f: [{modify: {rename: {a: \"\"}}}]}\n",
			`a.yaml:1:37: filters.f[0].modify.rename.a: field "": position 1: a field's name is missing (write ` +
				`a.b, or ["a.b"] for a name with dots)`,
		},
		{
			"a removed path", "filters: {f: [{modify: {remove: [a, \"b[\"]}}]}\n",
			`a.yaml:1:33: filters.f[0].modify.remove: field "b[": position 3: a name in quotes should follow ` +
				`'[' (write ["a.b"])`,
		},
		{
			"a kept path", "filters: {f: [{modify: {keep: \"a b\"}}]}\n",
			`a.yaml:1:31: filters.f[0].modify.keep: field "a b": position 2: '.' or '[' should follow a name`,
		},
		{
			"an open placeholder", "filters: {f: [{modify: {set: {a: \"{record.x\"}}}]}\n",
			`a.yaml:1:34: filters.f[0].modify.set.a: "{record.x": position 1: '{' is not closed`,
		},
		{
			"an unknown type", "filters: {f: [{modify: {convert: {a: integer}}}]}\n",
			`a.yaml:1:38: filters.f[0].modify.convert.a: "integer" is no type: write int, float, bool or string`,
		},
		{
			"a type as a list", "filters: {f: [{modify: {convert: {a: [int]}}}]}\n",
			"a.yaml:1:38: filters.f[0].modify.convert.a: expected a text, got a list",
		},
		{
			"a star in the middle of a move", "filters: {f: [{modify: {move_under: {m: [\"a*.b\"]}}}]}\n",
			`a.yaml:1:41: filters.f[0].modify.move_under.m: "a*.b": only the last name may have * and ?`,
		},
		{
			"a tag", "filters: {f: [{modify: {tag: \"a.{record\"}}]}\n",
			`a.yaml:1:30: filters.f[0].modify.tag: "a.{record": position 9: a field should follow record (write ` +
				"{record.field})",
		},
		{
			"flatten", "filters: {f: [{modify: {flatten: {field: \"a.\"}}}]}\n",
			`a.yaml:1:42: filters.f[0].modify.flatten.field: field "a.": position 3: a field's name is missing ` +
				`(write a.b, or ["a.b"] for a name with dots)`,
		},
		{
			"flatten in short", "filters: {f: [{modify: {flatten: \"a..b\"}}]}\n",
			`a.yaml:1:34: filters.f[0].modify.flatten.field: field "a..b": position 3: a field's name is ` +
				`missing (write a.b, or ["a.b"] for a name with dots)`,
		},
		{
			"set of nil", "filters: {f: [{modify: {set: {a: ~}}}]}\n",
			"a.yaml:1:34: filters.f[0].modify.set.a: has no value (give it one, or remove the key)",
		},
		{
			"set of a list", "filters: {f: [{modify: {set: {a: [1]}}}]}\n",
			"a.yaml:1:34: filters.f[0].modify.set.a: expected a single value, got a list",
		},
		{
			"several", "filters: {f: [{modify: {rename: {\"a.\": b}, convert: {c: text}, tag: \"{\"}}]}\n",
			`a.yaml:1:33: filters.f[0].modify.rename.a.: field "a.": position 3: a field's name is missing ` +
				"(write a.b, or [\"a.b\"] for a name with dots)\n" +
				"a.yaml:1:57: filters.f[0].modify.convert.c: \"text\" is no type: write int, float, bool or string\n" +
				`a.yaml:1:69: filters.f[0].modify.tag: "{": position 1: unknown placeholder ""; ` + ofPlaceholders,
		},
		{
			"a dot for dots", "filters: {f: [{dedot: {separator: \".\"}}]}\n",
			`a.yaml:1:35: filters.f[0].dedot.separator: "." has a dot (write _)`,
		},
		{
			"a dot among others", "filters: {f: [{dedot: {separator: \"-.-\"}}]}\n",
			`a.yaml:1:35: filters.f[0].dedot.separator: "-.-" has a dot (write _)`,
		},
	})
}

// What parse can't be.
func TestStepParse_Refused(t *testing.T) {
	says(t, []mistake{
		{
			"nothing", "filters: {f: [{parse: {}}]}\n",
			"a.yaml:1:23: filters.f[0].parse.field: the key is missing (whose text is read, e.g. log or " +
				"kubernetes.log)\n" +
				"a.yaml:1:23: filters.f[0].parse.format: the key is missing (how the text is written)",
		},
		{
			"no format", "filters: {f: [{parse: {field: log}}]}\n",
			"a.yaml:1:23: filters.f[0].parse.format: the key is missing (how the text is written)",
		},
		{
			"no field", "filters: {f: [{parse: {format: json}}]}\n",
			"a.yaml:1:23: filters.f[0].parse.field: the key is missing (whose text is read, e.g. log or " +
				"kubernetes.log)",
		},
		{
			"no expression", "filters: {f: [{parse: {field: log, format: regex}}]}\n",
			"a.yaml:1:23: filters.f[0].parse.regex: format regex needs an expression (write one such as " +
				`^(?<method>\S+) (?<path>\S+)$)`,
		},
		{
			"an expression without names", "filters: {f: [{parse: {field: log, format: regex, regex: \"(a)(b)\"}}]}\n",
			"a.yaml:1:58: filters.f[0].parse.regex: no group has a name: write (?<name>…) for what becomes a " +
				"field (see the examples in the documentation)",
		},
		{
			"an expression of another format",
			"filters: {f: [{parse: {field: log, format: json, regex: \"(?<a>b)\"}}]}\n",
			"a.yaml:1:57: filters.f[0].parse.regex: format json has no expression of its own (write format: " +
				"regex, or remove it)",
		},
		{
			"an expression that is not closed",
			"filters: {f: [{parse: {field: log, format: regex, regex: \"(?<a>b\"}}]}\n",
			"a.yaml:1:58: filters.f[0].parse.regex: error parsing regexp: missing closing ): `(?<a>b` (see the " +
				"examples in the documentation)",
		},
		{
			"an encoding", "filters: {f: [{parse: {field: log, format: text, encoding: klingon}}]}\n",
			`a.yaml:1:60: filters.f[0].parse.encoding: "klingon" is no encoding that is known: write its IANA ` +
				"name, such as euc-kr, shift_jis, iso-8859-1, gbk, big5 or windows-1252 (see the examples in the " +
				"documentation)",
		},
		{
			"an encoding of containers' lines",
			"filters: {f: [{parse: {field: log, format: cri, encoding: euc-kr}}]}\n",
			"a.yaml:1:59: filters.f[0].parse.encoding: lines of containers are cut between the bytes of a " +
				"character: they are decoded once they are joined (write a step after it: {field: message, format: " +
				"text, encoding: euc-kr})",
		},
		{
			"a type that is none", "filters: {f: [{parse: {field: log, format: json, types: [\"a:number\"]}}]}\n",
			`a.yaml:1:57: filters.f[0].parse.types: "a:number": name:type should follow at "a:number" (known ` +
				"are string, integer, float, bool, hex, time and array) (see the examples in the documentation)",
		},
		{
			"a type without a field", "filters: {f: [{parse: {field: log, format: json, types: [\":integer\"]}}]}\n",
			`a.yaml:1:57: filters.f[0].parse.types: ":integer": name:type should follow at ":integer" (known ` +
				"are string, integer, float, bool, hex, time and array) (see the examples in the documentation)",
		},
		{
			"a field without a type", "filters: {f: [{parse: {field: log, format: json, types: [a]}}]}\n",
			`a.yaml:1:57: filters.f[0].parse.types: "a": name:type should follow at "a" (known are string, ` +
				"integer, float, bool, hex, time and array) (see the examples in the documentation)",
		},
		{
			"a time that nobody has",
			"filters: {f: [{parse: {field: log, format: json, time: {key: \"\", format: unix}}}]}\n",
			"a.yaml:1:74: filters.f[0].parse.time.format: no field has the time (name the field in time.key)",
		},
		{
			"a conversion of time", "filters: {f: [{parse: {field: log, format: json, time: {format: \"%K\"}}}]}\n",
			`a.yaml:1:65: filters.f[0].parse.time.format: "%K": "%K" at position 1 is no conversion (known are ` +
				"%Y %y %m %d %e %b %B %h %a %A %j %H %k %I %l %p %P %M %S %L %N %f %z %:z %Z %s %Q %T %F %D %R %r " +
				"%c %n %t %%) (see the examples in the documentation)",
		},
		{
			"a zone", "filters: {f: [{parse: {field: log, format: json, time: {zone: Mars/Olympus}}}]}\n",
			`a.yaml:1:63: filters.f[0].parse.time.zone: "Mars/Olympus" is no zone (write UTC, Local, +09:00 or ` +
				"a name like Asia/Seoul): unknown time zone Mars/Olympus (see the examples in the documentation)",
		},
		{
			"keys alone of JSON", "filters: {f: [{parse: {field: log, format: json, bare_keys: true}}]}\n",
			"a.yaml:1:61: filters.f[0].parse.bare_keys: format json has no keys alone (remove it)",
		},
		{
			"CSV without columns", "filters: {f: [{parse: {field: log, format: csv}}]}\n",
			"a.yaml:1:23: filters.f[0].parse.csv.columns: format csv needs the names of the columns (see the " +
				"examples in the documentation)",
		},
		{
			"CSV with a long delimiter",
			"filters: {f: [{parse: {field: log, format: csv, csv: {columns: [a], delimiter: \";;\"}}}]}\n",
			`a.yaml:1:80: filters.f[0].parse.csv.delimiter: ";;" is not one character that can stand between ` +
				"columns (see the examples in the documentation)",
		},
		{
			"LTSV with an expression",
			"filters: {f: [{parse: {field: log, format: ltsv, ltsv: {delimiter_pattern: \"(\"}}}]}\n",
			`a.yaml:1:76: filters.f[0].parse.ltsv.delimiter_pattern: "(": error parsing regexp: missing closing ` +
				"): `(` (see the examples in the documentation)",
		},
		{
			"what is not parsed", "filters: {f: [{parse: {field: log, format: json, on_error: drop}}]}\n",
			`a.yaml:1:60: filters.f[0].parse.on_error: "drop" is not a valid value (one of keep, tag, dead_letter)`,
		},
		{
			"a field that is no path", "filters: {f: [{parse: {field: \"log.\", format: json}}]}\n",
			`a.yaml:1:31: filters.f[0].parse.field: field "log.": position 5: a field's name is missing (write ` +
				`a.b, or ["a.b"] for a name with dots) (see the examples in the documentation)`,
		},
		{
			"joins of one line", "filters: {f: [{parse: {field: log, format: cri, join: {max_lines: 1}}}]}\n",
			"a.yaml:1:67: filters.f[0].parse.join.max_lines: 1 is less than 2",
		},
		{
			"joins of a few bytes", "filters: {f: [{parse: {field: log, format: cri, join: {max_bytes: 1023}}}]}\n",
			"a.yaml:1:67: filters.f[0].parse.join.max_bytes: 1023 is less than 1KiB",
		},
		{
			"a joining key", "filters: {f: [{parse: {field: log, format: cri, join: {key: \"{pod\"}}}]}\n",
			`a.yaml:1:61: filters.f[0].parse.join.key: "{pod": position 1: unknown placeholder "pod"; ` +
				ofPlaceholders + " (see the examples in the documentation)",
		},
	})
}
