package parse

import "testing"

// What each type makes of texts as they stand in logs: what is not written so stays text, and "-" is nothing.
func TestTypes_Texts(t *testing.T) {
	for kind, want := range map[string]map[string]string{
		"integer": {
			"7": `7`, " 7 ": `7`, "007": `7`, "+5": `5`, "-5": `-5`, "9223372036854775807": `9223372036854775807`,
			"9223372036854775808": `9223372036854775808`, "18446744073709551615": `18446744073709551615`,
			"18446744073709551616": `"18446744073709551616"`, "-9223372036854775808": `-9223372036854775808`,
			"-9223372036854775809": `"-9223372036854775809"`, "": `null`, "-": `null`, " ": `null`, "--5": `"--5"`,
			"1.0": `"1.0"`, "1e3": `"1e3"`, "12ms": `"12ms"`, "1,234": `"1,234"`, "0x1f": `"0x1f"`, "٣": `"٣"`,
			"true": `"true"`,
		},
		"float": {
			"0.25": `0.25`, " 1.5 ": `1.5`, "7": `7.0`, ".5": `0.5`, "5.": `5.0`, "1e3": `1000.0`, "-0": `-0.0`,
			"1,5": `"1,5"`, "12ms": `"12ms"`, "1e400": `"1e400"`, "": `null`, "-": `null`, "1.2.3": `"1.2.3"`,
			"0.1234567890123456789": `0.12345678901234568`,
		},
		"bool": {
			"true": `true`, "TRUE": `true`, "True ": `true`, "yes": `true`, "1": `true`, "false": `false`,
			"no": `false`,
			"0":  `false`, "on": `false`, "t": `false`, "": `null`, "-": `null`, "2": `false`,
		},
		"hex": {
			"ff": `255`, "0xFF": `255`, "0Xff": `255`, "ffffffffffffffff": `18446744073709551615`, "-1": `-1`,
			"": `null`, "-": `null`, "0x": `"0x"`, "xyz": `"xyz"`, "10000000000000000": `"10000000000000000"`,
		},
		"string": {"": `""`, "-": `"-"`, " 7 ": `" 7 "`, "7": `"7"`},
		"array":  {"": `[""]`, "a": `["a"]`, "a,b": `["a","b"]`, "a,,b,": `["a","","b",""]`, "a, b": `["a"," b"]`},
		"array:;": {
			"a;b": `["a","b"]`, "a,b": `["a,b"]`,
		},
		"array:::": {"a::b": `["a","b"]`, "a:b": `["a:b"]`},
		"time:%s":  {"1700000000": `"2023-11-14T22:13:20Z"`, "soon": `"soon"`, "": `null`, "-": `null`},
		"time:%d/%b/%Y:%H:%M:%S %z": {
			"28/Feb/2013:12:00:00 +0900": `"2013-02-28T03:00:00Z"`, "28/Feb/2013": `"28/Feb/2013"`,
		},
	} {
		s, _, err := New(with(func(c *Config) {
			c.Format, c.Types = "ltsv", []string{"v:" + kind}
			c.LTSV.LabelDelimiter = "="
		}))
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		for text, want := range want {
			e := newEvent(t, fieldsOf{"log": "v=" + text})
			if _, err := s.Apply(e); err != nil {
				t.Errorf("%s: %q: %v", kind, text, err)
			}
			if got := asJSON(t, e); got != `{"v":`+want+`}` {
				t.Errorf("%s: %q: %s, want %s", kind, text, got, want)
			}
		}
	}
}
