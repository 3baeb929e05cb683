package config

import (
	"strings"
	"testing"
)

// told returns the mistakes of a file, one a line, "" where it is right.
func told(text string) string {
	if _, err := Parse("a.yaml", []byte(text), world()); err != nil {
		return err.Error()
	}
	return ""
}

// What people get wrong about YAML is told at the line where it is, with what to write.
func TestSyntax_Mistakes(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{
			"a tab", "log:\n\tlevel: info\n",
			"a.yaml:2: not valid YAML: found character that cannot start any token (YAML is indented with spaces",
		},
		{
			"a star without quotes", "routes:\n  - match: **\n    outputs: [a]\n",
			`a.yaml:2: not valid YAML: a text that begins with * means something else here`,
		},
		{
			"a star in a list", "routes:\n  - match: [kube.**, *]\n    outputs: [a]\n",
			`a.yaml:2: not valid YAML: a text that begins with * means something else here`,
		},
		{
			"a percent sign", "outputs:\n  a: {type: file, path: %Y.log}\n",
			`a.yaml:2: not valid YAML: a text that begins with % means something else here`,
		},
		{
			"an at sign", "hostname: @home\n",
			`a.yaml:1: not valid YAML: a text that begins with @ means something else here`,
		},
		{
			"a back-quote", "hostname: \x60hostname\x60\n",
			"a.yaml:1: not valid YAML: a text that begins with \x60 means something else here",
		},
		{
			"braces and more", "routes: [{match: {a,b}.**, outputs: [a]}]\n",
			"a.yaml:1: not valid YAML: a text that begins with { means something else here",
		},
		{
			"an exclamation mark", "routes: [{match: a, when: !record.ok}]\n",
			"a.yaml:1: not valid YAML: a text that begins with ! means something else here",
		},
		{
			"a quote that is open", "hostname: \"home\nlog: {level: info}\n",
			`a.yaml:1: not valid YAML: the quote " that opens here is not closed in its line`,
		},
		{
			"a single quote that is open", "hostname: 'home\nlog: {level: info}\n",
			`a.yaml:1: not valid YAML: the quote ' that opens here is not closed in its line`,
		},
		{
			"an apostrophe", "log: {}\nhostname: 'Kim's host'\n",
			"a.yaml:2: not valid YAML: did not find expected key (a text in quotes ends before its line does",
		},
		{
			"a colon in a text", "buffer:\n  path: a: b\n",
			"a.yaml:2: not valid YAML: mapping values are not allowed in this context (put a text with a colon",
		},
		{"a bracket that is open", "routes:\n  - match: [a, b\n    outputs: [a]\n", "not valid YAML"},
		{
			"a key twice", "log: {level: info}\nlog: {level: warn}\n",
			"a.yaml:2:1: log: the key is given on line 1 already",
		},
		{
			"two documents", "hostname: a\n---\nhostname: b\n",
			"a.yaml:2:1: a second YAML document (remove everything from its --- on)",
		},
		{
			"an anchor that is not there", "log: *none\n",
			"a.yaml:1: not valid YAML: no anchor has the name behind the * here",
		},
		{"an anchor in itself", "log: &a {level: *a}\n", "the alias *a contains itself"},
		{"a list as a key", "? [a]\n: 1\n", "a.yaml:1:3: a key must be a word, not a list or a mapping"},
		{
			"a merge of a text", "log:\n  <<: text\n",
			`a.yaml:2:7: log: << takes a mapping, or a list of mappings, not "text"`,
		},
		{"nothing", "", "a.yaml: the file is empty (write {} where the defaults are meant)"},
		{"comments", "# hostname: a\n", "a.yaml: the file is empty"},
		{"null", "~\n", "a.yaml: the file is empty"},
		{
			"a text", "hello\n",
			`a.yaml:1:1: expected a mapping with keys like hostname, listeners, clusters, got "hello"`,
		},
		{"a list", "- a\n", "expected a mapping with keys like hostname, listeners, clusters, got a list"},
		{"JSON", `{"log": {"level": "info"}}`, ""},
		{
			"JSON with a mistake", `{"log": {"lvel": "info"}}`,
			"a.yaml:1:10: log.lvel: unknown key (did you mean level?)",
		},
		{"a byte order mark", "\ufefflog: {level: info}\n", ""},
		{"Windows' line ends", "log:\r\n  level: info\r\n", ""},
		{
			"not UTF-8", "log: {}\nhostname: caf\xe9\n",
			"a.yaml:2: not valid YAML: incomplete UTF-8 octet sequence (save the file as UTF-8)",
		},
		{
			"UTF-16", "l\x00o\x00g\x00:\x00 \x00{\x00}\x00",
			"a.yaml: the file is UTF-16 without a byte order mark",
		},
		{
			"fluentd's", "# comment\n<source>\n  @type forward\n</source>\n",
			"a.yaml: this is a configuration of fluentd (aggregator convert makes one",
		},
		{"fluentd's include", "@include conf.d/*.conf\n", "a.yaml: this is a configuration of fluentd"},
		{"Fluent Bit's", "[SERVICE]\n    Flush 1\n", "a.yaml: this is a configuration of Fluent Bit"},
		{"Fluent Bit's input", "[INPUT]\n    Name tail\n", "a.yaml: this is a configuration of Fluent Bit"},
		{"a merge", "base: &b {level: info}\nlog:\n  <<: *b\n", "a.yaml:1:1: base: unknown key"},
		{"much", strings.Repeat("#", 5<<20), "a.yaml: the file is larger than 4 MiB"},
		{"deep", "log: " + strings.Repeat("[", 150) + strings.Repeat("]", 150) + "\n", "or nests deeper than 100"},
		{
			"a billion laughs", "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n" +
				"c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
				"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e]\n",
			"the file has more than 100000 values, counted with what aliases repeat",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := told(tc.text)
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, tc.want)
			}
		})
	}
}

// Values that come from elsewhere: what is there, what is not, and what is no such thing.
func TestInterpolation_Kinds(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"a variable", "hostname: ${env:SECRET}\n", ""},
		{"within a text", "hostname: a-${env:N}-b\n", ""},
		{"several", "hostname: ${env:N}${env:PASSWORD}\n", ""},
		{"a number", "shutdown_timeout: ${env:N}s\n", ""},
		{"a whole number", "listeners: [{address: '127.0.0.1:0', max_connections: '${env:N}'}]\n", ""},
		{"a truth value", "listeners: [{address: '127.0.0.1:0', udp_heartbeat: '${env:ON}'}]\n", ""},
		{"a fallback", "hostname: ${env:NOT_SET:-home}\n", ""},
		{"an empty variable's fallback", "hostname: ${env:EMPTY:-home}\n", ""},
		{"an empty fallback", "log: {level: info}\nhostname: 'h${env:NOT_SET:-}'\n", ""},
		{"a fallback with a colon", "buffer: {path: '${env:NOT_SET:-/a:b}'}\n", ""},
		{"a file", "hostname: ${file:/secret}\n", ""},
		{"a file of Windows", "hostname: ${file:/crlf}\n", ""},
		{"escaped", "hostname: $${env:SECRET}\n", ""},
		{"a dollar sign alone", "hostname: a$b$\n", ""},
		{
			"a variable that is not set", "hostname: ${env:NOT_SET}\n",
			`a.yaml:1:11: hostname: the environment variable "NOT_SET" is not set (set it, or write ${env:NOT_SET:-`,
		},
		{
			"a file that is not there", "hostname: ${file:/none}\n",
			"a.yaml:1:11: hostname: the file of ${file:} can't be read: open /none",
		},
		{
			"neither", "hostname: ${HOME}\n",
			"a.yaml:1:11: hostname: ${HOME} is neither ${env:NAME} nor ${file:/path} (write ${env:HOME}; or $${ for a",
		},
		{"another program's", "hostname: ${tag}\n", "placeholders are written {tag}"},
		{"not closed", "hostname: ${env:SECRET\n", "a.yaml:1:11: hostname: "},
		{
			"a text where a number is", "shutdown_timeout: ${env:SECRET}\n",
			"a.yaml:1:19: shutdown_timeout: the value of ${env:SECRET} is not a duration",
		},
		{
			"a number out of range", "listeners: [{address: '127.0.0.1:0', max_connections: '-${env:N}'}]\n",
			"the value of ${env:N} is less than 1",
		},
		{
			"a word that is no choice", "log: {level: '${env:SECRET}'}\n",
			"log.level: the value of ${env:SECRET} is not a valid value (one of debug, info, warn, error)",
		},
		{
			"an empty secret", "clusters: [{name: a, shared_key: '${env:EMPTY}'}]\n",
			"clusters[0].shared_key: the secret is empty: ${env:EMPTY} holds nothing",
		},
		{
			"an empty file of a secret", "clusters: [{name: a, shared_key: '${file:/empty}'}]\n",
			"the secret is empty: ${file:/empty} holds nothing",
		},
		{
			"a secret with a space", "clusters: [{name: a, shared_key: '${env:SPACE}'}]\n",
			"the secret of ${env:SPACE} begins or ends with white space",
		},
		{
			"a secret with two line ends", "clusters: [{name: a, shared_key: '${file:/two}'}]\n",
			"the secret of ${file:/two} begins or ends with white space",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := told(tc.text)
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) || strings.Contains(got, "s3cr3t") {
				t.Errorf("got:\n%s\nwant:\n%s", got, tc.want)
			}
		})
	}
}

// What is found by a part of its name, or with a slip of the pen, and what is nothing alike.
func TestNearest(t *testing.T) {
	known := []string{
		"elasticsearch", "cloudwatch_logs", "firehose", "kinesis", "kafka", "file", "forward", "stdout", "s3", "loki",
	}
	for text, want := range map[string]string{
		"elasticsearch": "elasticsearch", "elasticsaerch": "elasticsearch", "elastic": "elasticsearch",
		"ela":           "elasticsearch",
		"ElasticSearch": "elasticsearch", "cloudwatch": "cloudwatch_logs", "cloudwatch-logs": "cloudwatch_logs",
		"fire":    "firehose",
		"kinesys": "kinesis", "kafak": "kafka", "fil": "file", "files": "file", "fo": "", "forwrad": "forward",
		"std": "stdout", "S3": "s3",
		"s4": "s3", "lokki": "loki", "": "", "opensearch": "", "splunk": "", "el": "", "f": "",
	} {
		if got := Nearest(text, known); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := Nearest("anything", nil); got != "" {
		t.Errorf("of none: %q", got)
	}
}
