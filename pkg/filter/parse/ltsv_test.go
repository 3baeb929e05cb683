package parse

import (
	"strings"
	"testing"
)

// The first tests are the example and the cases of fluentd's ltsv parser.
func TestLTSV(t *testing.T) {
	cfg := Config{Format: "ltsv", Time: Time{Format: []string{"%Y/%m/%d %H:%M:%S"}, Zone: "+09:00"}}
	runLines(t, cfg, []lineTest{
		{
			"documented", "time:2013/02/28 12:00:00\thost:192.168.0.1\treq_id:111\tuser:-",
			`{"host":"192.168.0.1","req_id":"111","user":"-"}`, "2013-02-28T03:00:00Z",
		},
		{"no time", "host:192.168.0.1\treq_id:111", `{"host":"192.168.0.1","req_id":"111"}`, ""},
		{"other time", "host:192.168.0.1\ttime:noon", errTime.Error(), ""},
	})

	cfg = Config{Format: "ltsv", Time: Time{Key: "mytime", Format: []string{"%d/%b/%Y:%H:%M:%S %z"}}}
	runLines(t, cfg, []lineTest{{
		"time key and format", "mytime:28/Feb/2013:12:00:00 +0900\thost:192.168.0.1\treq_id:111",
		`{"host":"192.168.0.1","req_id":"111"}`, "2013-02-28T03:00:00Z",
	}})

	cfg = Config{Format: "ltsv", LTSV: LTSV{Delimiter: ",", LabelDelimiter: "="}}
	runLines(t, cfg, []lineTest{{
		"delimiters", "when=2013/02/28 12:00:00,host=192.168.0.1,req_id=111",
		`{"when":"2013/02/28 12:00:00","host":"192.168.0.1","req_id":"111"}`, "",
	}})

	cfg.LTSV.Delimiter = " "
	runLines(t, cfg, []lineTest{{
		"what is no pair is passed over",
		"A leading portion that is not LTSV    :  foo=bar baz=derp and a trailing portion",
		`{"foo":"bar","baz":"derp"}`, "",
	}})

	const want = `{"timestamp":"1362020400","host":"192.168.0.1","req_id":"111","user":"-"}`
	cfg.LTSV.DelimiterPattern = `\s+`
	runLines(t, cfg, []lineTest{
		{"documented pattern", "timestamp=1362020400 host=192.168.0.1  req_id=111 user=-", want, ""},
		{"spaces and tabs", "timestamp=1362020400\thost=192.168.0.1 \t req_id=111 user=- ", want, ""},
	})

	runLines(t, Config{Format: "ltsv", Types: []string{"status:integer size:integer"}}, []lineTest{
		{
			"Apache's, with types",
			"host:127.0.0.1\tident:-\tuser:-\ttime:[10/Jul/2018:13:27:05 +0200]\treq:GET / " +
				"HTTP/1.1\tstatus:200\tsize:16218\n",
			`{"host":"127.0.0.1","ident":"-","user":"-","time":"[10/Jul/2018:13:27:05 +0200]","req":"GET / ` +
				`HTTP/1.1","status":200,"size":16218}`, "",
		},
		{"RFC 3339", "time:2026-11-20T10:00:00.5+09:00\ta:b:c\td:", `{"a":"b:c","d":""}`, "2026-11-20T01:00:00.5Z"},
		{"twice", "a:1\ta:2", `{"a":"2"}`, ""},
		{"bytes that are not UTF-8", "a\xff:\xfe", `{"a�":"�"}`, ""},
		{"empty", "", errLTSV.Error(), ""},
		{"prose", "no labels\there", errLTSV.Error(), ""},
		{"empty label", ":v\t\t", errLTSV.Error(), ""},
		{"as many fields as may be", strings.Repeat("a:1\t", maxFields), `{"a":"1"}`, ""},
		{"too many fields", strings.Repeat("a:1\t", maxFields+1), errFields.Error(), ""},
	})
}

func TestLTSVSettings(t *testing.T) {
	for pattern, want := range map[string]string{
		`\s*`: `ltsv.delimiter_pattern: "\\s*": it also matches nothing, which is everywhere`,
		`(`:   "ltsv.delimiter_pattern: \"(\": error parsing regexp: missing closing ): `(`",
	} {
		if _, err := newLTSV(LTSV{DelimiterPattern: pattern}); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", pattern, err, want)
		}
	}
}

func BenchmarkLTSV(b *testing.B) {
	benchmarkStep(b, Config{Format: "ltsv"},
		"time:2026-11-20T10:00:00.5+09:00\thost:192.168.0.1\tuser:-\treq:GET / HTTP/1.1\tstatus:200\tsize:16218")
}

func FuzzLTSV(f *testing.F) {
	fuzzStep(f, Config{Format: "ltsv"}, "time:2013-02-28 12:00:00\thost:192.168.0.1\treq_id:111\tuser:-",
		"a:b:c\t:\t\tb:\n")
}
