package config

import "testing"

// What routes can't name, and what is never reached.
func TestRoutes_Refused(t *testing.T) {
	says(t, []mistake{
		{
			"no pattern", "routes: [{outputs: [archive]}]\noutputs: {archive: {type: stdout}}\n",
			"a.yaml:1:10: routes[0].match: the key is missing (tag patterns: *, **, {a,b}; one or a list)",
		},
		{
			"an empty list of patterns",
			"routes: [{match: [], outputs: [archive]}]\noutputs: {archive: {type: stdout}}\n",
			"a.yaml:1:18: routes[0].match: is empty (tag patterns: *, **, {a,b}; one or a list)",
		},
		{
			"no outputs", "routes: [{match: a}]\noutputs: {archive: {type: stdout}}\n",
			"a.yaml:1:10: routes[0].outputs: the key is missing (names of outputs)",
		},
		{
			"an empty list of outputs", "routes: [{match: a, outputs: []}]\noutputs: {archive: {type: stdout}}\n",
			"a.yaml:1:30: routes[0].outputs: is empty (names of outputs)",
		},
		{
			"an output that is not there",
			"routes: [{match: a, outputs: [archiv]}]\noutputs: {archive: {type: stdout}}\n",
			`a.yaml:1:31: routes[0].outputs[0]: no output is named "archiv" (did you mean archive?)`,
		},
		{
			"an output like no other",
			"routes: [{match: a, outputs: [archive, kafka]}]\noutputs: {archive: {type: stdout}}\n",
			`a.yaml:1:40: routes[0].outputs[1]: no output is named "kafka" (one of archive)`,
		},
		{
			"an output and no list", "routes: [{match: a, outputs: kafka}]\noutputs: {archive: {type: stdout}}\n",
			`a.yaml:1:30: routes[0].outputs: no output is named "kafka" (one of archive)`,
		},
		{
			"a filter where there is none",
			"routes: [{match: a, filters: f, outputs: archive}]\noutputs: {archive: {type: stdout}}\n",
			`a.yaml:1:30: routes[0].filters: no filter is named "f" (no filter is defined)`,
		},
		{
			"a filter that is near",
			"routes: [{match: a, filters: [parse_it], outputs: archive}]\n" +
				"filters: {parse-it: [{dedot: {}}]}\n" +
				"outputs: {archive: {type: stdout}}\n",
			`a.yaml:1:31: routes[0].filters[0]: no filter is named "parse_it" (did you mean parse-it?)`,
		},
		{
			"a cluster", "routes: [{match: a, clusters: [b], outputs: archive}]\noutputs: {archive: {type: stdout}}\n",
			`a.yaml:1:32: routes[0].clusters[0]: no cluster is named "b" (one of default)`,
		},
		{
			"a cluster by a star",
			"routes: [{match: a, clusters: [\"b*\"], outputs: archive}]\noutputs: {archive: {type: stdout}}\n", "",
		},
		{
			"a cluster's open bracket",
			"routes: [{match: a, clusters: [\"b{\"], outputs: archive}]\noutputs: {archive: {type: stdout}}\n",
			`a.yaml:1:31: routes[0].clusters: pattern "b{", column 2: { without a } (no spaces between braces; ` +
				`write \{ for the character) (` + ofPatterns + ")",
		},
		{
			"an open brace", "routes: [{match: \"{a,b\", outputs: archive}]\noutputs: {archive: {type: stdout}}\n",
			`a.yaml:1:18: routes[0].match: pattern "{a,b", column 1: { without a } (no spaces between braces; ` +
				`write \{ for the character) (` + ofPatterns + ")",
		},
		{
			"a closed brace", "routes: [{match: \"a}\", outputs: archive}]\noutputs: {archive: {type: stdout}}\n",
			`a.yaml:1:18: routes[0].match: pattern "a}", column 2: } without a { (write \} for the character) (` +
				ofPatterns + ")",
		},
		{
			"an empty pattern", "routes: [{match: \"\", outputs: archive}]\noutputs: {archive: {type: stdout}}\n",
			`a.yaml:1:18: routes[0].match: pattern "", column 1: it is empty (** matches every tag) (` +
				ofPatterns + ")",
		},
		{
			"a question mark", "routes: [{match: \"a?\", outputs: archive}]\noutputs: {archive: {type: stdout}}\n",
			`warning: a.yaml:1:18: routes[0].match: ? stands for itself in "a?": this is no regular expression ` +
				`(patterns have *, ** and {a,b}; write \? where the character itself is meant)`,
		},
		{
			"a route behind all",
			"routes:\n" +
				"- {match: \"**\", outputs: archive}\n" +
				"- {match: a, outputs: archive}\n" +
				"outputs: {archive: {type: stdout}}\n",
			"warning: a.yaml:3:3: routes[1]: never reached: routes[0] takes everything before it",
		},
		{
			"two behind all",
			"routes:\n" +
				"- {match: [x, \"**\"], outputs: archive}\n" +
				"- {match: a, outputs: archive}\n" +
				"- {match: \"**\", outputs: archive}\n" +
				"outputs: {archive: {type: stdout}}\n",
			"warning: a.yaml:3:3: routes[1]: never reached: routes[0] takes everything before it\n" +
				"warning: a.yaml:4:3: routes[2]: never reached: routes[0] takes everything before it",
		},
		{
			"behind all that go on",
			"routes:\n" +
				"- {match: \"**\", outputs: archive, continue: true}\n" +
				"- {match: a, outputs: archive}\n" +
				"outputs: {archive: {type: stdout}}\n",
			"",
		},
		{
			"behind all of a cluster",
			"routes:\n" +
				"- {match: \"**\", outputs: archive, clusters: [default]}\n" +
				"- {match: a, outputs: archive}\n" +
				"outputs: {archive: {type: stdout}}\n",
			"",
		},
		{
			"behind all of a condition",
			"routes:\n" +
				"- {match: \"**\", outputs: archive, when: record.a == 1}\n" +
				"- {match: a, outputs: archive}\n" +
				"outputs: {archive: {type: stdout}}\n",
			"",
		},
		{
			"a condition that is no truth",
			"routes: [{match: a, outputs: archive, when: \"1 + 1\"}]\noutputs: {archive: {type: stdout}}\n",
			`a.yaml:1:45: routes[0].when: expression "1 + 1": expected a truth value, but got an integer (write ` +
				`an expression such as cluster == "seoul" and record.level != "debug")`,
		},
		{
			"a condition that is not closed",
			"routes: [{match: a, outputs: archive, when: \"(tag == 'a'\"}]\noutputs: {archive: {type: stdout}}\n",
			`a.yaml:1:45: routes[0].when: expression "(tag == 'a'": line 1, column 11: unexpected token EOF ` +
				`(write an expression such as cluster == "seoul" and record.level != "debug")`,
		},
		{
			"a condition from a variable",
			"routes: [{match: a, outputs: archive, when: \"${env:SECRET} +\"}]\noutputs: {archive: {type: stdout}}\n",
			"a.yaml:1:45: routes[0].when: the value of ${env:SECRET} is not accepted (write an expression such " +
				`as cluster == "seoul" and record.level != "debug")`,
		},
		{
			"a text", "routes: [\"**\"]\n",
			`a.yaml:1:10: routes[0]: expected a mapping with keys like match, clusters, when, got "**"`,
		},
		{
			"a mapping", "routes: {match: \"**\", outputs: archive}\n",
			"a.yaml:1:9: routes: expected a list, got a mapping (write - before each entry)",
		},
	})
}

// What no output can be, of whatever type.
func TestOutputs_Refused(t *testing.T) {
	says(t, []mistake{
		{"no outputs", "outputs: {}\n", ""},
		{
			"a list", "outputs: [{type: stdout}]\n",
			"a.yaml:1:10: outputs: expected a mapping of names, got a list (write each under its name, as in a: " +
				"{…}, without -)",
		},
		{"nothing", "outputs: {a: }\n", "a.yaml:1:14: outputs.a: has no value (give it one, or remove the key)"},
		{
			"a text", "outputs: {a: stdout}\n",
			`a.yaml:1:14: outputs.a: expected a mapping with the key type, got "stdout"`,
		},
		{"a name with a space", "outputs: {a b: {type: stdout}}\n", `a.yaml:1:11: outputs."a b": ` + badName},
		{"a name with a dot first", "outputs: {.a: {type: stdout}}\n", `a.yaml:1:11: outputs.".a": ` + badName},
		{"an empty name", "outputs: {\"\": {type: stdout}}\n", `a.yaml:1:11: outputs."": ` + badName},
		{"a name that is a number", "outputs: {1: {type: stdout}}\n", ""},
		{
			"a type by another name", "outputs: {a: {type: opensearch}}\n",
			`a.yaml:1:21: outputs.a.type: "opensearch" is not a valid value (write elasticsearch with flavor: ` +
				"opensearch)",
		},
		{
			"a type in capitals", "outputs: {a: {type: STDOUT}}\n",
			`a.yaml:1:21: outputs.a.type: "STDOUT" is not a valid value (did you mean stdout?)`,
		},
		{
			"no type", "outputs: {a: {workers: 1, tpye: stdout}}\n",
			"a.yaml:1:27: outputs.a.tpye: unknown key (did you mean type?)",
		},
		{
			"fewer than no workers", "outputs: {a: {type: stdout, workers: -1}}\n",
			"a.yaml:1:38: outputs.a.workers: -1 is less than 0",
		},
		{
			"too many workers", "outputs: {a: {type: stdout, workers: 100000}}\n",
			"a.yaml:1:38: outputs.a.workers: each of 100000 workers would hold a batch in memory (write 256 or less)",
		},
		{
			"a short timeout", "outputs: {a: {type: stdout, timeout: 99ms}}\n",
			`a.yaml:1:38: outputs.a.timeout: "99ms" is less than 100ms`,
		},
		{"a small batch", "outputs: {a: {type: stdout, batch: {max_bytes: 1}}}\n", ""},
		{"an event at most", "outputs: {a: {type: stdout, batch: {max_events: 1}}}\n", ""},
		{
			"retry", "outputs: {a: {type: stdout, retry: {initial: 1m, max: 1s}}}\n",
			"a.yaml:1:46: outputs.a.retry.initial: the first wait, 1m0s, would be longer than the longest, 1s " +
				"(make retry.max the longer one)",
		},
		{
			"a retry that never comes", "outputs: {a: {type: stdout, retry: {initial: 0s}}}\n",
			`a.yaml:1:46: outputs.a.retry.initial: "0s" is less than 1ms`,
		},
		{
			"rejects", "outputs: {a: {type: stdout, on_reject: keep}}\n",
			`a.yaml:1:40: outputs.a.on_reject: "keep" is not a valid value (one of dead_letter, drop)`,
		},
		{
			"catching up", "outputs: {a: {type: stdout, catch_up: {fresh_share: 101%}}}\n",
			`a.yaml:1:53: outputs.a.catch_up.fresh_share: "101%" is no share from 0% to 100% (write a ` +
				"percentage, such as 30%)",
		},
		{"catching up with all", "outputs: {a: {type: stdout, catch_up: {fresh_share: 100%}}}\n", ""},
		{
			"a share that is none", "outputs: {a: {type: stdout, catch_up: {fresh_share: half}}}\n",
			`a.yaml:1:53: outputs.a.catch_up.fresh_share: "half" is no share from 0% to 100% (write a ` +
				"percentage, such as 30%)",
		},
		{"fields that are the same", "outputs: {a: {type: stdout, fields: {time: x, tag: x}}}\n", ""},
		{
			"the same files", "outputs: {a: {type: file, path: x}, b: {type: file, path: x}}\n",
			"a.yaml:1:59: outputs.b.path: output a writes to the same files (give each its own, or route both " +
				"to one output)",
		},
		{
			"the same files, three times",
			"outputs: {a: {type: file, path: x}, b: {type: file, path: x}, c: {type: file, path: x}}\n",
			"a.yaml:1:59: outputs.b.path: output a writes to the same files (give each its own, or route both " +
				"to one output)\n" +
				"a.yaml:1:85: outputs.c.path: output b writes to the same files (give each its own, or route both " +
				"to one output)",
		},
		{"other files", "outputs: {a: {type: file, path: x}, b: {type: file, path: x/y}}\n", ""},
		{
			"another program's tag", "outputs: {a: {type: file, path: \"${tag}\"}}\n",
			"a.yaml:1:33: outputs.a.path: ${tag} is neither ${env:NAME} nor ${file:/path} (placeholders are " +
				"written {tag}, {tag[1]}, {cluster} or {record.field}, without the dollar sign)",
		},
		{
			"another program's record", "outputs: {a: {type: file, path: \"$TAG[1]\"}}\n",
			`a.yaml:1:33: outputs.a.path: "$TAG[1]" is another program's placeholder, and would stand for ` +
				"itself (write {tag}, {tag[1]}, {cluster}, {record.field} or, for the time, %Y.%m.%d)",
		},
		{
			"another program's braces", "outputs: {a: {type: file, path: \"{{ .Tag }}\"}}\n",
			`a.yaml:1:33: outputs.a.path: "{{ .Tag }}" is another program's placeholder, and would stand for ` +
				"itself (write {tag}, {tag[1]}, {cluster}, {record.field} or, for the time, %Y.%m.%d)",
		},
	})
}
