package config

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// mistake is a file and what is said of it: all of it, or how it begins or what stands in it; "" where it is right.
type mistake struct{ name, text, want string }

// tell checks what is said of files, each of which is a mistake that somebody made.
func tell(t *testing.T, table []mistake) {
	t.Helper()
	for _, tc := range table {
		t.Run(tc.name, func(t *testing.T) {
			got := told(tc.text)
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, tc.want)
			}
			if strings.Contains(got, "hunter2") || strings.Contains(got, "s3cr3t") {
				t.Errorf("a secret shows: %s", got)
			}
		})
	}
}

// Numbers as people write them: of units that there are not, grouped, with fractions, of another base.
func TestNumbers_Mistakes(t *testing.T) {
	var table []mistake
	for _, n := range []struct{ key, value, want string }{
		{"max_bytes", "10MiB", ""},
		{"max_bytes", "1.5GiB", `"1.5GiB" is not a whole number (write 1536MiB)`},
		{"max_bytes", "10_000", `10_000 has an unknown unit (write 10000)`},
		{"max_bytes", "'10,000'", `"10,000" has an unknown unit (write 10000)`},
		{"max_bytes", "10mb", `"10mb" has an unknown unit (write 10MB)`},
		{"max_bytes", "-5", "-5 is not a size (write a size like 512KiB, 10MiB or 1GB)"},
		{"max_bytes", "9999999999999TiB", `"9999999999999TiB" is too large for a size`},
		{"max_bytes", "'${env:SEC_SIZE}'", "the value of ${env:SEC_SIZE} has an unknown unit"},
		{"max_events", "1000", ""},
		{"max_events", "010", ""},
		{"max_events", "1_000", "1_000 is not a whole number (write 1000)"},
		{"max_events", "'1,000'", `"1,000" is not a whole number (write 1000)`},
		{"max_events", "'1000'", `"1000" is not a whole number (write it without quotes)`},
		{"max_events", "many", `"many" is not a whole number`},
		{"max_events", "1e3", "1e3 is not a whole number"},
		{"max_events", "99999999999999999999", "99999999999999999999 is not a whole number of 64 bits"},
		{"max_events", "-3", "-3 is less than 0"},
		{"max_wait", "1m30s", ""},
		{"max_wait", "0", ""},
		{"max_wait", "30", "30 has no unit (write 30s)"},
		{"max_wait", "1.5", "1.5 has no unit (write 1.5s)"},
		{"max_wait", "1m 30s", `"1m 30s" is not a duration (write 1m30s)`},
		{"max_wait", "2min", `"2min" is not a duration (write 2m)`},
		{"max_wait", "3 Hours", `"3 Hours" is not a duration (write 3h)`},
		{"max_wait", "5 secs", `"5 secs" is not a duration (write 5s)`},
		{"max_wait", "1d12h", `"1d12h" has a unit that durations lack (write 24h12h)`},
		{"max_wait", "2 weeks", `"2 weeks" has a unit that durations lack (write 336h)`},
		{"max_wait", "1:30", `"1:30" is not a duration (write a duration like 500ms, 10s, 5m or 24h)`},
		{"max_wait", "99999999d", `"99999999d" is not a duration (write a duration like`},
		{"max_wait", "999999999999h", `"999999999999h" is too long for a duration (the most is 2562047h, 292 years)`},
		{"max_wait", "-1s", `"-1s" is less than 0`},
	} {
		text := fmt.Sprintf("outputs:\n  a:\n    type: stdout\n    batch:\n      %s: %s\n", n.key, n.value)
		want := n.want
		if want != "" {
			want = fmt.Sprintf("a.yaml:5:%d: outputs.a.batch.%s: %s", 6+len(n.key)+3, n.key, want)
		}
		table = append(table, mistake{n.key + " " + n.value, text, want})
	}
	tell(t, table)
	// What is advised is right.
	for _, m := range table {
		if meant := regexp.MustCompile(`\(write ([^a]\S*)\)`).FindStringSubmatch(m.want); meant != nil {
			value := regexp.MustCompile(`: [^:\n]*\n$|: \d:\d+\n$`)
			if got := told(value.ReplaceAllString(m.text, ": "+meant[1]+"\n")); got != "" {
				t.Errorf("%s: what is advised is refused too: %s", m.name, got)
			}
		}
	}
}

// Truth values of other languages are told what they are here.
func TestTruth_Mistakes(t *testing.T) {
	var table []mistake
	for value, want := range map[string]string{
		"true": "", "false": "", `"${env:ON}"`: "",
		"yes": "write true", "on": "write true", "'true'": "write true", "1": "write true", "True": "write true",
		"no": "write false", "off": "write false", "False": "write false", "0": "write false",
		"disabled": "write false",
		"maybe":    `got "maybe"`, `"${env:N}"`: "got the value of ${env:N}",
	} {
		table = append(table, mistake{value, "buffer: {sync: " + value + "}\n", want})
	}
	tell(t, table)
}

// What ${} can't do is told with what it can.
func TestInterpolation_Mistakes(t *testing.T) {
	const at = "a.yaml:1:11: hostname: "
	tell(t, []mistake{
		{"one within another", "hostname: ${env:NONE:-${env:N}}\n", at + "a ${} within another one is not looked up"},
		{"a path of one", "hostname: ${file:${env:N}/x}\n", at + "a ${} within another one is not looked up"},
		{"no variable", "hostname: ${env:}\n", at + "the ${env:} names no environment variable (write ${env:NAME})"},
		{"no file", "hostname: ${file:}\n", at + "the ${file:} names no file (write ${file:/path})"},
		{
			"without env", "hostname: ${HOME}\n",
			at + "${HOME} is neither ${env:NAME} nor ${file:/path} (write ${env:HOME}; or $${ for a literal ${)",
		},
		{"as in a shell", "hostname: ${N:-x}\n", "(write ${env:N:-x}; or $${ for a literal ${)"},
		{"capitals", "hostname: ${ENV:N}\n", "(write ${env:N}; or $${ for a literal ${)"},
		{"spaces", "hostname: ${ env:N }\n", "(write ${env:N}; or $${ for a literal ${)"},
		{
			"neither at all", "hostname: ${vault:a/b}\n",
			"${vault:a/b} is neither ${env:NAME} nor ${file:/path} (write $${",
		},
		{"a shell's default", "hostname: ${env:NONE-x}\n", "(set it; a default is written ${env:NONE:-default})"},
		{"a shell's assignment", "hostname: ${env:NONE:=x}\n", "(set it; a default is written ${env:NONE:-default})"},
		{"a shell's error", "hostname: ${env:NONE:?gone}\n", "(set it; a default is written ${env:NONE:-default})"},
		{"not a name of a key", "${env:N}: 1\n", `"${env:N}": unknown key`},
		{"not a name of an output", "outputs: {'${env:N}': {type: stdout}}\n", `outputs."${env:N}": not a valid name`},
		{
			"an output", "outputs: {a: '${env:SECRET}'}\n",
			"outputs.a: expected a mapping with the key type, got the value of",
		},
		{
			"a section", "status: '${env:SECRET}'\n",
			"status: expected a mapping with keys like address, token, users, got the",
		},
		{
			"several lines of a name", "hostname: '${file:/two}'\n",
			at + "it has line ends or characters that can't be seen",
		},
		{"a color in a name", "hostname: \"\\e[31mred\"\n", at + "it has line ends or characters that can't be seen"},
		{
			"in braces", "clusters:\n  - {name: a, shared_key: ${env:SECRET}}\n",
			`a.yaml:2: not valid YAML: a text with ${ is not in quotes: did not find expected ',' or '}' (put ` +
				`the whole text in quotes, as in "${env:NAME}")`,
		},
		{
			"in brackets", "clusters:\n- name: a\n  shared_key: [${env:SECRET}, b]\n",
			"a.yaml:3: not valid YAML: a text with ${ is",
		},
		{
			"in braces of several lines", "clusters: [\n  {name: a,\n   shared_key: ${env:SECRET}}\n]\n",
			"a.yaml:3: not valid",
		},
		{"in quotes in braces", "clusters:\n  - {name: a, shared_key: \"${env:SECRET}\"}\n", ""},
	})
}

// Mistakes in YAML are told at the line where they are, not where the parser gave up.
func TestYAML_Mistakes(t *testing.T) {
	tell(t, []mistake{
		{
			"a placeholder in braces", "outputs:\n  a: {type: file, path: data/{cluster}.log}\n",
			"a.yaml:2: not valid YAML: a text with {",
		},
		{
			"a placeholder first", "outputs:\n  a:\n    type: file\n    path: {cluster}/x\n",
			"a.yaml:4: not valid YAML: a text with {",
		},
		{
			"a bracket that is open", "outputs: {a: {type: stdout, workers: 3}\nlog: {level: info}\n",
			"a.yaml:1: not valid YAML: did not find expected ',' or '}' (close the { or [ that opens in this line",
		},
		{"a bracket open to the end", "log: {}\noutputs:\n  a: {type: stdout\n", "a.yaml:3: not valid YAML"},
		{
			"one bracket too many", "{hostname: a}}\n",
			"a.yaml:1: not valid YAML: did not find expected <document start>",
		},
		{
			"indented less", "outputs:\n  a:\n    type: stdout\n   workers: 3\n",
			"a.yaml:4: not valid YAML: did not find expected key",
		},
		{
			"indented more", "outputs:\n  a:\n    type: file\n    path: x\n      workers: 3\n",
			"a.yaml:5: not valid YAML",
		},
		{
			"an item off", "routes:\n  - match: a\n    outputs: b\n - match: c\n",
			"a.yaml:4: not valid YAML: did not find expected key",
		},
		{
			"an item's key off", "routes:\n  - match: a\n   outputs: b\n",
			"a.yaml:3: not valid YAML: did not find expected '-'",
		},
		{
			"off behind a long text",
			"filters:\n  f:\n    - expr:\n        drop: |\n          a: b\n         c\n  g: []\n x: 1\n",
			"a.yaml:8: not valid YAML",
		},
		{
			"off behind brackets", "routes:\n  - match: [a,\n  b]\n    outputs: [c]\n   continue: true\n",
			"a.yaml:5: not valid YAML",
		},
		{
			"a tab further in", "outputs:\n  a:\n    type: stdout\n\tworkers: 3\n",
			"a.yaml:4: not valid YAML: found a tab character",
		},
		{
			"no space", "log: {level:info}\n",
			"a.yaml:1:7: log.level: there is no space behind the colon, so that it is no key",
		},
		{"no space in a block", "log:\n  level:info\n", "a.yaml:2:3: log.level: there is no space behind the colon"},
		{"no space in an output", "outputs: {a: {type:stdout}}\n", "a.yaml:1:15: outputs.a.type: there is no space"},
		{"no space at all", "hostname:a\n", "a.yaml:1:1: hostname: there is no space behind the colon"},
		{"an equals sign", "hostname = a\n", "(write each as key: value, with a space behind the colon)"},
		{
			"a directive", "%YAML 1.2\n---\nhostname: a\n",
			"found incompatible YAML document (remove the line %YAML, or write 1.1)",
		},
		{"a directive that is taken", "%YAML 1.1\n---\nhostname: a\n...\n", ""},
		{"an empty document and one", "---\n---\nhostname: a\n", "a.yaml:2:1: a second YAML document"},
		{"an end that begins another", "hostname: a\n---\n", "a.yaml:2:1: a second YAML document"},
		{
			"an included file", "hostname: !include x.yaml\n",
			"the YAML tag here, which begins with !, is not known (give -c all files, or a directory",
		},
		{
			"a tag for variables", "hostname: !env HOST\n",
			"the YAML tag here, which begins with !, is not known (write ${env:NAME} or ${file:/path})",
		},
		{"a tag for text", "hostname: !!str 5\n", ""},
		{"folded", "hostname: >-\n  ho\n  me\n", ""},
		{"a literal", "hostname: |-\n  home\n", ""},
		{
			"an alias repeats a mistake",
			"outputs:\n  a: &o {type: stdout, wrkers: 2}\n  b: *o\n  c: {<<: *o, workers: 1}\n",
			"a.yaml:2:24: outputs.a.wrkers: unknown key (did you mean workers?)",
		},
		{
			"a merge of several", "log:\n  <<: [{level: info}, {levl: warn}]\n",
			"a.yaml:2:24: log.levl: unknown key (did you mean level?)",
		},
		{"a key of a merge wins not", "log:\n  <<: {level: nonsense}\n  level: info\n", ""},
	})
	if got := told("outputs:\n  a: &o {type: stdout, wrkers: 2}\n  b: *o\n"); strings.Contains(got, "\n") {
		t.Errorf("one mistake is told twice: %s", got)
	}
}

// Characters that a page or a word processor put in place of those of a keyboard.
func TestCharacters_Mistakes(t *testing.T) {
	tell(t, []mistake{
		{
			"no-break spaces", "outputs:\n\u00a0\u00a0a: {type: stdout}\n",
			`a.yaml:2:1: the key "\u00a0\u00a0a" begins or ends with a space`,
		},
		{
			"one behind a colon", "outputs:\n  a: {type:\u00a0stdout}\n",
			"a.yaml:2:7: outputs.a.type: there is no space behind the",
		},
		{
			"one at the end", "outputs:\n  a: {type: stdout}\u00a0\n",
			"a.yaml:2: not valid YAML: did not find expected key (a space in",
		},
		{"one within", "buffer: {path: a\u00a0b}\n", ""},
		{
			"quotes", "hostname: “home”\n",
			"a.yaml:1:11: hostname: the text begins or ends with “, which is no quote to YAML",
		},
		{"quotes in quotes", "hostname: '“home”'\n", ""},
		{"a dash", "routes:\n  – match: a\n", `the key "– match" begins or ends with –, which is no - to YAML`},
		{
			"nothing to see", "log: {level: \u200binfo}\n",
			"log.level: the text begins or ends with a character that can't be seen (U+200B)",
		},
		{
			"a mark within", "hostname: a\n\ufefflog: {level: info}\n",
			`a.yaml:2:1: the key "\ufefflog" begins or ends with`,
		},
		{"a wide colon", "hostname： a\n", "(write each as key: value, with a space behind the colon)"},
	})
}

// Files of other programs are told apart from mistakes in one of this program.
func TestOtherPrograms(t *testing.T) {
	tell(t, []mistake{
		{
			"Fluent Bit", "service: {flush: 1}\npipeline: {inputs: []}\n",
			"this is a configuration of Fluent Bit (aggregator convert makes",
		},
		{
			"fluentd", "config: [{source: {$type: forward}}]\n",
			"this is a configuration of fluentd (aggregator convert makes",
		},
		{
			"Vector", "sources: {a: {type: fluent}}\nsinks: {b: {type: console}}\n",
			"this is a configuration of Vector (write one",
		},
		{
			"the Collector", "receivers: {otlp: {}}\nexporters: {}\n",
			"this is a configuration of the OpenTelemetry Collector (write",
		},
		{
			"Kubernetes", "apiVersion: v1\nkind: ConfigMap\ndata: {a.yaml: ''}\n",
			"a.yaml:1:1: this is a Kubernetes object (-c takes",
		},
		{"a slip", "sinks: {}\noutputs: {a: {type: stdout}}\n", "a.yaml:1:1: sinks: unknown key (one of"},
	})
}

// Keys under another name are one mistake, not two.
func TestNames_Mistakes(t *testing.T) {
	tell(t, []mistake{
		{
			"a required key", "routes: [{match: '**', output: a}]\noutputs: {a: {type: stdout}}\n",
			"a.yaml:1:24: routes[0].output: unknown key (did you mean outputs?)",
		},
		{"a type", "outputs: {a: {typ: stdout}}\n", "a.yaml:1:15: outputs.a.typ: unknown key (did you mean type?)"},
		{"no name", "outputs:\n  type: stdout\n", "(each output has a name: outputs: {NAME: {type: …}})"},
		{
			"a filter that is no list", "filters: {f: {parse: {}}}\n",
			"a.yaml:1:14: filters.f: expected a list, got a mapping",
		},
		{"a name in other letters", "outputs: {a: {type: Elastic-Search}}\n", "outputs.a.type: "},
	})
	for _, text := range []string{
		"routes: [{match: '**', output: a}]\noutputs: {a: {type: stdout}}\n", "outputs: {a: {typ: stdout}}\n",
		"filters: {f: {parse: {}}}\n", "listeners: [{adrress: '127.0.0.1:0'}]\n",
	} {
		if got := told(text); strings.Contains(got, "\n") {
			t.Errorf("%s is one mistake, not several:\n%s", text, got)
		}
	}
}

// Addresses that can't be listened at, or at which something of this program listens already.
func TestAddresses_Mistakes(t *testing.T) {
	const one = "a.yaml:1:23: listeners[0].address: "
	var table []mistake
	for address, want := range map[string]string{
		"127.0.0.1:24224": "", "localhost:24224": "", "[::1]:24224": "", "unix:/run/a.sock": "", "127.0.0.1:0": "",
		"127.0.0.1": `"127.0.0.1" has no port`, "24224": `"24224" has no port`,
		"127.0.0.1:99999": "has no port between 0 and 65535", "127.0.0.1:http": "has no port between 0 and 65535",
		"tcp://127.0.0.1:24224": "begins with a scheme",
		"::1:24224":             "is not an address: IPv6 is written as in [::1]:24224",
		"*:24224":               "has no host that can be listened at",
		"10.0.0.0/8:24224":      "has no host that can be listened at",
		"unix:":                 "names no socket", "0.0.0.0:24224": "can be reached from elsewhere",
		":24224": "can be reached from elsewhere",
	} {
		if want != "" {
			want = one + fmt.Sprintf("%q ", address) + strings.TrimPrefix(want, fmt.Sprintf("%q ", address))
		}
		table = append(table, mistake{address, fmt.Sprintf("listeners: [{address: %q}]\n", address), want})
	}
	for _, two := range []struct {
		a, b string
		meet bool
	}{
		{"127.0.0.1:1", "127.0.0.1:1", true},
		{"127.0.0.1:1", "127.0.0.1:2", false},
		{"127.0.0.1:0", "127.0.0.1:0", false},
		{"127.0.0.1:1", "localhost:1", true},
		{"127.0.0.1:1", "0.0.0.0:1", true},
		{"127.0.0.1:1", ":1", true},
		{"127.0.0.1:1", "[::]:1", true},
		{"127.0.0.1:1", "127.0.0.2:1", false},
		{"[::1]:1", "0.0.0.0:1", false},
		{"[::1]:1", "[::]:1", true},
		{"a.example:1", "b.example:1", false},
		{"unix:/a", "unix:/a", true},
		{"unix:/a", "unix:/b", false},
	} {
		want := ""
		if two.meet {
			want = "listeners[1].address: listeners[0] (a.yaml:1) listens there already (give each its own)"
		}
		table = append(table, mistake{two.a + " and " + two.b, fmt.Sprintf(
			"listeners: [{name: a, address: %q, allow_anonymous: true}, "+
				"{name: b, address: %q, allow_anonymous: true}]\n",
			two.a, two.b), want})
	}
	table = append(table, mistake{
		"the page at a listener",
		"listeners: [{address: '127.0.0.1:1'}]\nstatus: {address: '0.0.0.0:1', token: hunter2}\n",
		"a.yaml:2:19: status.address: listeners[0] (a.yaml:1) listens there already (give each its own)",
	})
	tell(t, table)
}
