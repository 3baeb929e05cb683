package parse

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// received is when the events of the tests came.
func received() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

type fieldsOf = map[string]any

// with returns a configuration as it is after defaults are set, with changes.
func with(change func(*Config)) Config {
	c := Config{
		Field: "log", ReserveData: true, OnError: "keep", Time: Time{Key: "time", Zone: "UTC"},
		Join: Join{Enabled: true, MaxLines: 1000, MaxBytes: 1 << 20, MaxWait: 5 * time.Second},
	}
	change(&c)
	return c
}

func newEvent(tb testing.TB, record fieldsOf) *filter.Event {
	tb.Helper()
	b, err := filter.AppendValue(nil, record)
	if err != nil {
		tb.Fatal(err)
	}
	e := &filter.Event{}
	e.Reset(&event.Event{
		Chunk: &event.Chunk{Cluster: "seoul", Tag: "kube.web"}, Record: b,
		Time: event.Time{Sec: received().Unix(), Nsec: 5},
	}, 0)
	return e
}

func asJSON(tb testing.TB, e *filter.Event) string {
	tb.Helper()
	out, err := new(event.Encoder).AppendValue(nil, e.Rendered())
	if err != nil {
		tb.Fatal(err)
	}
	return string(out)
}

func timeOf(e *filter.Event) string {
	if e.Time == (event.Time{Sec: received().Unix(), Nsec: 5}) {
		return ""
	}
	return time.Unix(e.Time.Sec, int64(e.Time.Nsec)).UTC().Format(time.RFC3339Nano)
}

func TestStep(t *testing.T) {
	regex := func(c *Config) {
		c.Format, c.Regex = "regex", `^(?<method>\S+) (?<path>\S+) (?<code>\S+)(?: (?<time>.+))?$`
	}
	json := func(c *Config) { c.Format = "json" }
	for name, tc := range map[string]struct {
		config func(*Config)
		record fieldsOf
		want   string // the record as JSON
		at     string // the event's time, "" where it is the one it came with
		err    error
	}{
		"fields are merged": {
			json, fieldsOf{"log": `{"level":"info","n":1}`, "pod": "a"}, `{"pod":"a","level":"info","n":1}`, "", nil,
		},
		"what was read wins": {
			json, fieldsOf{"level": "x", "log": `{"level":"info"}`, "z": 1}, `{"z":1,"level":"info"}`, "", nil,
		},
		"the text's own name among what was read": {
			json, fieldsOf{"log": `{"log":"inner"}`}, `{"log":"inner"}`, "", nil,
		},
		"more than a few fields": {
			json, fieldsOf{"f7": "old", "log": manyFields(40)}, strings.ReplaceAll(manyFields(40), " ", ""), "", nil,
		},
		"keep": {
			func(c *Config) { json(c); c.Keep = true },
			fieldsOf{"log": `{"a":1}`},
			`{"log":"{\"a\":1}","a":1}`, "",
			nil,
		},
		"without reserve_data": {
			func(c *Config) { json(c); c.ReserveData = false },
			fieldsOf{"log": `{"a":1}`, "pod": "a"},
			`{"a":1}`, "",
			nil,
		},
		"into": {
			func(c *Config) { json(c); c.Into = "app" },
			fieldsOf{"app": 1, "log": `{"a":1,"b":{}}`, "pod": "a"},
			`{"pod":"a","app":{"a":1,"b":{}}}`, "", nil,
		},
		"prefix": {
			func(c *Config) { json(c); c.Prefix = "app_"; c.Types = []string{"n:string"} },
			fieldsOf{"log": `{"a":1,"n":2,"time":1700000000}`},
			`{"app_a":1,"app_n":"2"}`, "2023-11-14T22:13:20Z", nil,
		},
		"a nested text": {
			func(c *Config) { json(c); c.Field = "k.log" },
			fieldsOf{"k": fieldsOf{"log": `{"a":1}`, "pod": "a"}},
			`{"k":{"pod":"a"},"a":1}`, "", nil,
		},
		"a nested text that is kept": {
			func(c *Config) { json(c); c.Field = "k.log"; c.Keep = true },
			fieldsOf{"k": fieldsOf{"log": `{}`}},
			`{"k":{"log":"{}"}}`, "", nil,
		},
		"time": {
			json,
			fieldsOf{"log": `{"time":"2024-05-06T07:08:09.5+02:00","a":1}`},
			`{"a":1}`, "2024-05-06T05:08:09.5Z",
			nil,
		},
		"time kept": {
			func(c *Config) { json(c); c.Time.Keep = true },
			fieldsOf{"log": `{"time":1700000000.25}`},
			`{"time":1700000000.25}`, "2023-11-14T22:13:20.25Z", nil,
		},
		"reserve_time": {
			func(c *Config) { json(c); c.ReserveTime = true }, fieldsOf{"log": `{"time":1700000000}`}, `{}`, "", nil,
		},
		"a time that is none stays a field": {
			json, fieldsOf{"log": `{"time":0.25}`}, `{"time":0.25}`, "", nil,
		},
		"a time that must be one": {
			func(c *Config) { json(c); c.Time.Format = []string{"unix"} },
			fieldsOf{"log": `{"time":"x"}`},
			`{"log":"{\"time\":\"x\"}"}`, "", errTime,
		},
		"no time key": {
			func(c *Config) { json(c); c.Time.Key = "" },
			fieldsOf{"log": `{"time":1700000000}`},
			`{"time":1700000000}`,
			"", nil,
		},
		"formats in turn": {
			func(c *Config) {
				regex(c)
				c.Time.Format = []string{"%d/%b/%Y", "2006-01-02 15:04", "unix_ms"}
				c.Time.Zone = "Asia/Seoul"
			},
			fieldsOf{"log": "GET / 200 2024-05-06 07:08"},
			`{"method":"GET","path":"/","code":"200"}`, "2024-05-05T22:08:00Z", nil,
		},
		"types": {
			func(c *Config) { regex(c); c.Types = []string{"code:integer,path:array:/"} },
			fieldsOf{"log": "GET a/b 200"},
			`{"method":"GET","path":["a","b"],"code":200}`, "", nil,
		},
		"no match": {regex, fieldsOf{"log": "GET"}, `{"log":"GET"}`, "", errPattern},
		"tag": {
			func(c *Config) { regex(c); c.OnError = "tag" },
			fieldsOf{"log": "GET"},
			`{"log":"GET","_parse_error":"the regular expression does not match"}`, "", errPattern,
		},
		"dead letter": {
			func(c *Config) { regex(c); c.OnError = "dead_letter" }, fieldsOf{"log": "GET"}, "dead", "", errPattern,
		},
		"no field": {json, fieldsOf{"msg": "{}"}, `{"msg":"{}"}`, "", errMissing},
		"no field, after a step that failed": {
			func(c *Config) { json(c); c.OnError = "tag" },
			fieldsOf{"_parse_error": "no CRI line"},
			`{"_parse_error":"no CRI line"}`, "", errMissing,
		},
		"no field, tag": {
			func(c *Config) { json(c); c.OnError = "tag" },
			fieldsOf{"a": 1},
			`{"a":1,"_parse_error":"the record does not have the field"}`, "", errMissing,
		},
		"no text":        {json, fieldsOf{"log": fieldsOf{"a": 1}}, `{"log":{"a":1}}`, "", errNoText},
		"JSON no object": {json, fieldsOf{"log": "[1]"}, `{"log":"[1]"}`, "", errNotObject},
		"JSON cut":       {json, fieldsOf{"log": `{"a":1,`}, `{"log":"{\"a\":1,"}`, "", errJSON},
		"cri, each line by itself": {
			func(c *Config) { c.Format = "cri"; c.Join.Enabled = false },
			fieldsOf{"log": "2016-10-06T00:17:09.669794202Z stdout P part", "pod": "a"},
			`{"pod":"a","stream":"stdout","logtag":"P","message":"part"}`, "2016-10-06T00:17:09.669794202Z", nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			step, joiner, err := New(with(tc.config))
			if err != nil || step == nil || joiner != nil {
				t.Fatalf("New: %v, %v, %v", step, joiner, err)
			}
			for range 2 { // memory used again changes nothing
				e := newEvent(t, tc.record)
				verdict, err := step.Apply(e)
				if !errors.Is(err, tc.err) {
					t.Fatalf("error %v, want %v", err, tc.err)
				}
				if verdict == filter.Dead {
					if tc.want != "dead" || !strings.Contains(e.Detail, tc.err.Error()) {
						t.Fatalf("dead: %q", e.Detail)
					}
					return
				}
				if got := asJSON(t, e); got != tc.want {
					t.Fatalf("got  %s\nwant %s", got, tc.want)
				}
				if got := timeOf(e); got != tc.at {
					t.Fatalf("time %q, want %q", got, tc.at)
				}
			}
		})
	}
}

func manyFields(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`, "f` + string(rune('0'+i/10)) + string(rune('0'+i%10)) + `": 1`)
	}
	return "{" + strings.Replace(b.String()[2:], `"f07"`, `"f7"`, 1) + "}"
}

func TestCheck(t *testing.T) {
	for name, tc := range map[string]struct {
		config func(*Config)
		key    string // of the problem, "-" where there is none
		reason string
	}{
		"good":      {func(c *Config) { c.Format = "cri" }, "-", ""},
		"field":     {func(c *Config) { c.Format = "cri"; c.Field = "a..b" }, "field", "name is missing"},
		"no regex":  {func(c *Config) { c.Format = "regex" }, "regex", "needs an expression"},
		"bad regex": {func(c *Config) { c.Format = "regex"; c.Regex = "(?=a)" }, "regex", "no look-around"},
		"no names":  {func(c *Config) { c.Format = "regex"; c.Regex = "(a)" }, "regex", "no group has a name"},
		"a regex too far": {
			func(c *Config) { c.Format = "json"; c.Regex = "(?<a>b)" }, "regex", "no expression of its own",
		},
		"type": {func(c *Config) { c.Format = "json"; c.Types = []string{"a:number"} }, "types", "a:number"},
		"type's argument": {
			func(c *Config) { c.Format = "json"; c.Types = []string{"a:float:x"} }, "types", "argument",
		},
		"zone": {func(c *Config) { c.Format = "json"; c.Time.Zone = "Mars/Olympus" }, "time.zone", "no zone"},
		"conversion": {
			func(c *Config) { c.Format = "json"; c.Time.Format = []string{"%Y-%q"} }, "time.format",
			`"%q" at position 4`,
		},
		"no layout": {
			func(c *Config) { c.Format = "json"; c.Time.Format = []string{"YYYY"} }, "time.format",
			"no format of times",
		},
		"format, no key": {
			func(c *Config) { c.Format = "json"; c.Time.Key = ""; c.Time.Format = []string{"unix"} }, "time.format",
			"no field",
		},
		"regex and time": {
			func(c *Config) { c.Format = "regex"; c.Regex = "("; c.Time.Zone = "x"; c.Time.Format = []string{"%q"} },
			"time.zone time.format regex", "",
		},
		"columns": {
			func(c *Config) { c.Format = "csv"; c.CSV.Columns = []string{"a", "", "", "a"} }, "csv.columns",
			"two columns have the name",
		},
		"columns left": {func(c *Config) { c.Format = "csv"; c.CSV.Columns = []string{"a", "", ""} }, "-", ""},
		"slashes": {
			func(c *Config) { c.Format = "ltsv"; c.LTSV.DelimiterPattern = `/\s+/` }, "ltsv.delimiter_pattern",
			"slashes around the expression",
		},
		"join key": {func(c *Config) { c.Format = "cri"; c.Join.Key = "{what}" }, "join.key", "unknown placeholder"},
	} {
		c := with(tc.config)
		var r setting.Report
		c.Check(&r)
		var keys []string
		for _, p := range r.Problems {
			keys = append(keys, p.Key)
		}
		switch {
		case tc.key == "-" && len(r.Problems) > 0:
			t.Errorf("%s: %v", name, r.Problems)
		case tc.key == "-":
		case strings.Join(keys, " ") != tc.key || !strings.Contains(r.Problems[0].Reason, tc.reason):
			t.Errorf("%s: %+v, want one at %s with %q", name, r.Problems, tc.key, tc.reason)
		}
	}
}
