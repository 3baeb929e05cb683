package parse

import (
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// receivedAt is when the tests' events came.
var receivedAt = time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC)

// lineTest is a text, and the record and the time that it is read into; at is "" where the event
// keeps its own. A want that is no object is the reason why the text does not parse.
type lineTest struct{ name, text, want, at string }

func runLines(t *testing.T, cfg Config, tests []lineTest) {
	t.Helper()
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			got, at, err := applyTo(t, cfg, tc.text)
			if err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("%q\n got %s\nwant %s", tc.text, got, tc.want)
			}
			if tc.at == "" {
				tc.at = receivedAt.Format(time.RFC3339Nano)
			}
			if at := time.Unix(at.Sec, int64(at.Nsec)).UTC().Format(time.RFC3339Nano); err == nil && at != tc.at {
				t.Errorf("%q: time %s, want %s", tc.text, at, tc.at)
			}
		})
	}
}

// applyTo returns the record that the step makes of {"log": text}, as JSON, and the event's time.
func applyTo(tb testing.TB, cfg Config, text string) (record string, at event.Time, err error) {
	tb.Helper()
	p, ev := newTestParser(tb, cfg), newTestEvent(text)
	if _, err = p.Apply(ev); err != nil {
		return "", at, err
	}
	var e event.Encoder
	out, err := e.AppendValue(nil, ev.Rendered())
	if err != nil {
		tb.Fatalf("%q became a broken record %x: %v", text, ev.Rendered(), err)
	}
	return string(out), ev.Time, nil
}

func newTestParser(tb testing.TB, cfg Config) *parser {
	tb.Helper()
	cfg.Field = "log"
	if cfg.Time.Key == "" {
		cfg.Time.Key = "time"
	}
	p, err := newParser(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func newTestEvent(text string) *filter.Event {
	record := filter.AppendString(filter.AppendString(filter.AppendMapHeader(nil, 1), "log"), text)
	ev := &filter.Event{}
	ev.Reset(&event.Event{Record: record, Time: event.Time{Sec: receivedAt.Unix()}}, nil)
	return ev
}

// The first tests are the example and the cases of fluentd's nginx parser.
func TestNginx(t *testing.T) {
	const (
		head = `127.0.0.1 192.168.0.1 - [28/Feb/2013:12:00:00 +0900] `
		want = `"remote":"127.0.0.1","host":"192.168.0.1","user":"-"`
		tail = `"code":"200","size":"777","referer":"-","agent":"Opera/12.0"`
		at   = "2013-02-28T03:00:00Z"
	)
	runLines(t, Config{Format: "nginx"}, []lineTest{
		{
			"documented", head + `"GET / HTTP/1.1" 200 777 "-" "Opera/12.0" -`,
			`{` + want + `,"method":"GET","path":"/",` + tail + `,"http_x_forwarded_for":"-"}`, at,
		},
		{
			"combined", head + `"GET / HTTP/1.1" 200 777 "-" "Opera/12.0"`,
			`{` + want + `,"method":"GET","path":"/",` + tail + `}`, at,
		},
		{
			"spaces in the path", head + `"GET /a[ ]b HTTP/1.1" 200 777 "-" "Opera/12.0"`,
			`{` + want + `,"method":"GET","path":"/a[ ]b",` + tail + `}`, at,
		},
		{
			"no protocol", head + `"GET /" 200 777 "-" "Opera/12.0"`,
			`{` + want + `,"method":"GET","path":"/",` + tail + `}`, at,
		},
		{
			"several addresses", head + `"GET / HTTP/1.1" 200 777 "-" "Opera/12.0" "127.0.0.1, 192.168.0.1"`,
			`{` + want + `,"method":"GET","path":"/",` + tail + `,"http_x_forwarded_for":"127.0.0.1, 192.168.0.1"}`, at,
		},
		{
			"ratio", head + `"GET / HTTP/1.1" 200 777 "-" "Opera/12.0" "2.43"`,
			`{` + want + `,"method":"GET","path":"/",` + tail + `,"gzip_ratio":"2.43"}`, at,
		},
		{
			"address and ratio", head + `"GET / HTTP/1.1" 200 777 "-" "Opera/12.0" "10.0.0.1" "2.43"`,
			`{` + want + `,"method":"GET","path":"/",` + tail +
				`,"http_x_forwarded_for":"10.0.0.1","gzip_ratio":"2.43"}`, at,
		},
		{
			"ratio and address", head + `"GET / HTTP/1.1" 200 777 "-" "Opera/12.0" "2.43" "-"`,
			`{` + want + `,"method":"GET","path":"/",` + tail + `,"gzip_ratio":"2.43","http_x_forwarded_for":"-"}`, at,
		},
		{
			"neither", head + `"GET / HTTP/1.1" 200 777 "-" "Opera/12.0" "-" "-"`,
			`{` + want + `,"method":"GET","path":"/",` + tail + `,"http_x_forwarded_for":"-","gzip_ratio":"-"}`, at,
		},
		{
			"common", head + `"GET / HTTP/1.1" 200 777`,
			`{` + want + `,"method":"GET","path":"/","code":"200","size":"777"}`, at,
		},
		{
			"newline", head + `"GET / HTTP/1.1" 200 777` + "\r\n",
			`{` + want + `,"method":"GET","path":"/","code":"200","size":"777"}`, at,
		},
		{
			"user",
			`::1 - alice [09/Nov/2026:23:59:59 -0130] "POST /x?a=%20&b=1 HTTP/2.0" 201 0 "https://h/p?q" "curl/8 ` +
				`(\x22x\x22)"`,
			`{"remote":"::1","host":"-","user":"alice","method":"POST","path":"/x?a=%20&b=1","code":"201","size":"0",` +
				`"referer":"https://h/p?q","agent":"curl/8 (\\x22x\\x22)"}`, "2026-11-10T01:29:59Z",
		},
		{
			"no request", head + `"" 400 0 "-" "-"`,
			`{` + want + `,"code":"400","size":"0","referer":"-","agent":"-"}`, at,
		},
		{
			"TLS to a plain port", head + `"\x16\x03\x01\x02" 400 150 "-" "-"`,
			`{` + want + `,"method":"\\x16\\x03\\x01\\x02","code":"400","size":"150","referer":"-","agent":"-"}`, at,
		},
		{
			"request of one word", head + `"-" 408 0 "" ""`,
			`{` + want + `,"method":"-","code":"408","size":"0","referer":"","agent":""}`, at,
		},
		{
			"cut after the address", head + `"GET / HTTP/1.1" 200 777 "-" "Opera/12.0" "10.0.0.1`,
			`{` + want + `,"method":"GET","path":"/",` + tail + `,"http_x_forwarded_for":"10.0.0.1"}`, at,
		},

		{
			"a request's time", head + `"GET / HTTP/1.1" 200 777 "-" "Opera/12.0" 0.003`,
			`{` + want + `,"method":"GET","path":"/",` + tail + `,"extra":"0.003"}`, at,
		},
		{
			"an id", head + `"GET / HTTP/1.1" 200 777 "-" "Opera/12.0" "7f3a"`,
			`{` + want + `,"method":"GET","path":"/",` + tail + `,"extra":"7f3a"}`, at,
		},
		{
			"ports and words",
			head + `"GET / HTTP/1.1" 200 777 "-" "Opera/12.0" "[2001:db8::1]:4711, 10.0.0.1:80,unknown, _gw"`,
			`{` + want + `,"method":"GET","path":"/",` + tail +
				`,"http_x_forwarded_for":"[2001:db8::1]:4711, 10.0.0.1:80,unknown, _gw"}`, at,
		},

		{"empty", "", errAccessWords.Error(), ""},
		{"prose", "a line of prose", errAccessTime.Error(), ""},
		{"nothing after the user", "a b c ", errAccessTime.Error(), ""},
		{"other time", `a b c [2013-02-28] "GET / HTTP/1.1" 200 777`, errTime.Error(), ""},
		{"thirteenth month", `a b c [28/Foo/2013:12:00:00 +0900] "GET / HTTP/1.1" 200 777`, errTime.Error(), ""},
		{"time not closed", `a b c [28/Feb/2013:12:00:00 "GET / HTTP/1.1" 200 777`, errAccessTime.Error(), ""},
		{"request not closed", head + `"GET / HTTP/1.1`, errAccessRequest.Error(), ""},
		{"no code", head + `"GET / HTTP/1.1"`, errAccessCode.Error(), ""},
		{"no size", head + `"GET / HTTP/1.1" 200`, errAccessCode.Error(), ""},
		{"referer not closed", head + `"GET / HTTP/1.1" 200 777 "-`, errAccessReferer.Error(), ""},
		{"no agent", head + `"GET / HTTP/1.1" 200 777 "-"`, errAccessAgent.Error(), ""},
		{"no space after the agent", head + `"GET / HTTP/1.1" 200 777 "-" "x"y`, errAccessRest.Error(), ""},
		{"a ratio and no address", head + `"GET / HTTP/1.1" 200 777 "-" "x" "2.43" "7f3a"`, errAccessRest.Error(), ""},
		{"three values", head + `"GET / HTTP/1.1" 200 777 "-" "x" "1" "2" "3"`, errAccessRest.Error(), ""},
		{"a quote in a bare value", head + `"GET / HTTP/1.1" 200 777 "-" "x" 1 "2"`, errAccessRest.Error(), ""},
	})
}

func TestNginxTypes(t *testing.T) {
	cfg := Config{Format: "nginx", Types: []string{"code:integer", "size:integer"}, Time: Time{Keep: true}}
	runLines(t, cfg, []lineTest{{
		"typed", `a b c [28/Feb/2013:12:00:00 +0900] "GET / HTTP/1.1" 200 777`,
		`{"remote":"a","host":"b","user":"c","time":"28/Feb/2013:12:00:00 ` +
			`+0900","method":"GET","path":"/","code":200,"size":777}`,
		"2013-02-28T03:00:00Z",
	}})
}

const nginxLine = `203.0.113.195 - - [12/Oct/2026:13:55:36 +0900] "GET /shop/items?page=2&sort=price ` +
	`HTTP/1.1" 200 5316 ` +
	`"https://shop.example.com/" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) ` +
	`Chrome/128.0 Safari/537.36" "10.1.2.3"`

func BenchmarkNginx(b *testing.B) { benchmarkStep(b, Config{Format: "nginx"}, nginxLine) }

// benchmarkStep measures the whole step on one event, with other fields that stay.
func benchmarkStep(b *testing.B, cfg Config, text string) {
	b.Helper()
	cfg.ReserveData = true
	p, ev := newTestParser(b, cfg), newTestEvent(text)
	from := ev.Event
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		ev.Reset(&from, nil)
		if _, err := p.Apply(ev); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzNginx(f *testing.F) {
	fuzzStep(f, Config{Format: "nginx"}, nginxLine,
		`a b c [28/Feb/2013:12:00:00 +0900] "GET / HTTP/1.1" 200 777 "-" "x" "2.43" "-"`)
}

// fuzzStep holds that whatever the text, the step neither panics nor makes a record that is broken or
// larger than the text can explain.
func fuzzStep(f *testing.F, cfg Config, seeds ...string) {
	f.Helper()
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	p := newTestParser(f, cfg)
	f.Fuzz(func(t *testing.T, text []byte) { applyAny(t, p, string(text)) })
}

func applyAny(t *testing.T, p *parser, text string) {
	t.Helper()
	ev := newTestEvent(text)
	if _, err := p.Apply(ev); err != nil {
		return
	}
	record := ev.Rendered()
	if rest, err := event.Skip(record); err != nil || len(rest) > 0 {
		t.Fatalf("%q became %x: %v, %d bytes after it", text, record, err, len(rest))
	}
	if len(record) > 1000+4*len(text) {
		t.Fatalf("%d bytes of text became %d", len(text), len(record))
	}
}
