package parse

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// The examples of RFC 5424, section 6.5, and those of fluentd's documentation and tests.
func TestSyslogRFC5424(t *testing.T) {
	const sd = `[exampleSDID@32473 iut=\"3\" eventSource=\"Application\" eventID=\"1011\"]`
	tests := []lineTest{
		{
			"RFC 5424, 1",
			"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' failed for " +
				"lonvick on /dev/pts/8",
			`{"pri":34,"host":"mymachine.example.com","ident":"su","pid":"-","msgid":"ID47","extradata":"-",` +
				`"message":"'su root' failed for lonvick on /dev/pts/8"}`, "2003-10-11T22:14:15.003Z",
		},
		{
			"RFC 5424, 2",
			`<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.`,
			`{"pri":165,"host":"192.0.2.1","ident":"myproc","pid":"8710","msgid":"-","extradata":"-",` +
				`"message":"%% It's time to make the do-nuts."}`, "2003-08-24T12:14:15.000003Z",
		},
		{
			"RFC 5424, 3", "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 " +
				"[exampleSDID@32473 iut=\"3\" eventSource=\"Application\" eventID=\"1011\"] \xef\xbb\xbfAn " +
				"application event log entry...",
			`{"pri":165,"host":"mymachine.example.com","ident":"evntslog","pid":"-","msgid":"ID47","extradata":"` + sd +
				`",` +
				`"message":"An application event log entry..."}`, "2003-10-11T22:14:15.003Z",
		},
		{
			"RFC 5424, 4", `<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 ` +
				`[exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"][examplePriority@32473 ` +
				`class="high"]`,
			`{"pri":165,"host":"mymachine.example.com","ident":"evntslog","pid":"-","msgid":"ID47",` +
				`"extradata":"` + sd + `[examplePriority@32473 class=\"high\"]"}`, "2003-10-11T22:14:15.003Z",
		},
		{
			"fluentd's", `<16>1 2013-02-28T12:00:00.003Z 192.168.0.1 fluentd 11111 ID24224 ` +
				`[exampleSDID@20224 iut="3" eventSource="Application" eventID="11211"] Hi, from Fluentd!`,
			`{"pri":16,"host":"192.168.0.1","ident":"fluentd","pid":"11111","msgid":"ID24224",` +
				`"extradata":"[exampleSDID@20224 iut=\"3\" eventSource=\"Application\" eventID=\"11211\"]",` +
				`"message":"Hi, from Fluentd!"}`, "2013-02-28T12:00:00.003Z",
		},
		{
			"brackets in the message", `<16>1 2017-02-06T13:14:15.003Z h i 1 m [a@1 b="c"] [Hi] from Fluentd]!`,
			`{"pri":16,"host":"h","ident":"i","pid":"1","msgid":"m","extradata":"[a@1 b=\"c\"]","message":"[Hi] from ` +
				`Fluentd]!"}`, "2017-02-06T13:14:15.003Z",
		},
		{
			"escapes", `<16>1 2017-02-06T13:14:15Z h i 1 m [a b="\"\]\\"] x`,
			`{"pri":16,"host":"h","ident":"i","pid":"1","msgid":"m","extradata":"[a b=\"\\\"\\]\\\\\"]","message":"x"}`,
			"2017-02-06T13:14:15Z",
		},
		{
			"bracket in quotes", `<16>1 2017-02-06T13:14:15Z h i 1 m [a b="[x] y"] z`,
			`{"pri":16,"host":"h","ident":"i","pid":"1","msgid":"m","extradata":"[a b=\"[x] y\"]","message":"z"}`,
			"2017-02-06T13:14:15Z",
		},
		{
			"space before the message",
			`<28>1 2018-09-26T15:54:26.620412+09:00 machine minissdpd 1298 - -  peer 192.168.0.5:50123 is ` +
				`not from a LAN`,
			`{"pri":28,"host":"machine","ident":"minissdpd","pid":"1298","msgid":"-","extradata":"-",` +
				`"message":" peer 192.168.0.5:50123 is not from a LAN"}`, "2018-09-26T06:54:26.620412Z",
		},
		{
			"no time", `<14>1 - - - - - - x`,
			`{"pri":14,"host":"-","ident":"-","pid":"-","msgid":"-","extradata":"-","message":"x"}`, "",
		},
		{
			"no message", `<14>1 2020-03-31T20:32:54Z h i - - -`,
			`{"pri":14,"host":"h","ident":"i","pid":"-","msgid":"-","extradata":"-"}`, "2020-03-31T20:32:54Z",
		},
		{
			"empty message", `<14>999 2020-03-31T20:32:54Z h i - - - ` + "\n",
			`{"pri":14,"host":"h","ident":"i","pid":"-","msgid":"-","extradata":"-","message":""}`,
			"2020-03-31T20:32:54Z",
		},

		{"time that is none", `<14>1 yesterday h i - - - x`, errSyslogTime.Error(), ""},
		{"February 30th", `<14>1 2020-02-30T20:32:54Z h i - - - x`, errSyslogTime.Error(), ""},
		{"only a time", `<14>1 2020-02-03T20:32:54Z`, errSyslogTime.Error(), ""},
		{"no msgid", `<14>1 2020-02-03T20:32:54Z h i -`, errSyslogHeader.Error(), ""},
		{"two spaces", `<14>1 2020-02-03T20:32:54Z h  i - - - x`, errSyslogHeader.Error(), ""},
		{"no structured data", `<14>1 2020-02-03T20:32:54Z h i - - message`, errSyslogData.Error(), ""},
		{"not closed", `<14>1 2020-02-03T20:32:54Z h i - - [a b="c" message`, errSyslogData.Error(), ""},
		{"closed by an escape", `<14>1 2020-02-03T20:32:54Z h i - - [a b="c\"] message`, errSyslogData.Error(), ""},
		{"message joined to the data", `<14>1 2020-02-03T20:32:54Z h i - - [a]message`, errSyslogData.Error(), ""},
		{"end after msgid", `<14>1 2020-02-03T20:32:54Z h i - - `, errSyslogData.Error(), ""},
	}
	runLines(t, Config{Format: "syslog"}, tests)
	runLines(t, Config{Format: "syslog", Syslog: Syslog{Protocol: "rfc5424"}}, append(tests, lineTest{
		"no priority", `2017-02-06T13:14:15.003Z 192.168.0.1 fluentd - - - Hi, from Fluentd!`,
		`{"host":"192.168.0.1","ident":"fluentd","pid":"-","msgid":"-","extradata":"-","message":"Hi, from Fluentd!"}`,
		"2017-02-06T13:14:15.003Z",
	}, lineTest{"RFC 3164", `<6>Feb 28 12:00:00 192.168.0.1 fluentd[11111]: x`, errSyslogTime.Error(), ""}))
}

func TestSyslogStructuredData(t *testing.T) {
	cfg := Config{Format: "syslog", Syslog: Syslog{StructuredData: true}}
	p := newTestParser(t, cfg)
	for data, want := range map[string]string{
		`[exampleSDID@32473 iut="3" eventSource="Application"][examplePriority@32473 class="high"]`: `{` +
			`"exampleSDID@32473":{"iut":"3","eventSource":"Application"},"examplePriority@32473":{"class":"high"}}`,
		`[origin ip="192.0.2.1" ip="192.0.2.129"]`: `{"origin":{"ip":"192.0.2.129"}}`,
		`[a b="\"\\\]\x" c=""][d]`:                 `{"a":{"b":"\"\\]\\x","c":""},"d":{}}`,
		`[a b][c d="e" f][]`:                       `{"a":{},"c":{"d":"e"},"":{}}`,
		`-`:                                        ``,
	} {
		ev := newTestEvent(`<14>1 - - - - - ` + data + ` x`)
		if _, err := p.Apply(ev); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		got, _ := ev.Get("structured_data")
		if got := string(event.AppendText(nil, got)); got != want {
			t.Errorf("%s\n got %s\nwant %s", data, got, want)
		}
	}
}

// The examples of RFC 3164, section 5.4, those of fluentd, and what is in the wild.
func TestSyslogRFC3164(t *testing.T) {
	const fluentd = `"host":"192.168.0.1","ident":"fluentd","pid":"11111","message":"[error] Syslog test"}`
	tests := []lineTest{
		{
			"RFC 3164, 1", `<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8`,
			`{"pri":34,"host":"mymachine","ident":"su","message":"'su root' failed for lonvick on /dev/pts/8"}`,
			"2026-10-11T22:14:15Z",
		},
		{
			"RFC 3164, 2, as relayed", `<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!`,
			`{"pri":13,"host":"10.0.0.99","ident":"Use","message":"the BFG!"}`, "2026-02-05T17:32:18Z",
		},
		{
			"RFC 3164, 3", `<165>Aug 24 05:34:00 CST 1987 mymachine myproc[10]: %% It's time to make the do-nuts.`,
			`{"pri":165,"host":"CST","ident":"1987","message":"mymachine myproc[10]: %% It's time to make ` +
				`the do-nuts."}`, "2026-08-24T05:34:00Z",
		},
		{
			"RFC 3164, 4, as relayed",
			`<0>Oct 22 10:52:12 scapegoat 1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org 10.1.2.32 sched[0]: ` +
				`That's All Folks!`,
			`{"pri":0,"host":"scapegoat","ident":"1990","message":"Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org ` +
				`10.1.2.32 sched[0]: That's All Folks!"}`,
			"2026-10-22T10:52:12Z",
		},
		{
			"fluentd's", `<6>Feb 28 12:00:00 192.168.0.1 fluentd[11111]: [error] Syslog test`, `{"pri":6,` + fluentd,
			"2026-02-28T12:00:00Z",
		},
		{
			"no priority", "Feb 28 12:00:00 192.168.0.1 fluentd[11111]: [error] Syslog test\n", `{` + fluentd,
			"2026-02-28T12:00:00Z",
		},
		{
			"fraction", `Feb 28 12:00:00.456 192.168.0.1 fluentd[11111]: [error] Syslog test`, `{` + fluentd,
			"2026-02-28T12:00:00.456Z",
		},
		{
			"no colon", `Feb 28 12:00:00 192.168.0.1 fluentd[11111] [error] Syslog test`, `{` + fluentd,
			"2026-02-28T12:00:00Z",
		},
		{
			"no space", `Feb 28 12:00:00 192.168.0.1 fluentd[11111]:[error] Syslog test`, `{` + fluentd,
			"2026-02-28T12:00:00Z",
		},
		{
			"RFC 3339", `<6>2026-02-28T12:00:00.5+09:00 192.168.0.1 fluentd[11111]: [error] Syslog test`,
			`{"pri":6,` + fluentd, "2026-02-28T03:00:00.5Z",
		},
		{
			"year", `<6>Feb 28 2013 12:00:00 192.168.0.1 fluentd[11111]: [error] Syslog test`, `{"pri":6,` + fluentd,
			"2013-02-28T12:00:00Z",
		},
		{
			"signs in the ident",
			"Feb 28 12:00:00 192.168.0.1 ~!@#$%^&*()_+=-`]{};\"'/?\\,.<>[11111]: [error] Syslog test",
			"{\"host\":\"192.168.0.1\",\"ident\":\"~!@#$%^&*()_+=-`]{};\\\"'/?\\\\,.<>\",\"pid\":\"11111\"," +
				"\"message\":\"[error] Syslog test\"}", "2026-02-28T12:00:00Z",
		},
		{
			"colon in the message", `Aug 10 12:00:00 127.0.0.1 test foo:bar`,
			`{"host":"127.0.0.1","ident":"test","message":"foo:bar"}`, "2026-08-10T12:00:00Z",
		},
		{
			"one word", `Aug 10 12:00:00 127.0.0.1 value1,value2,value3,value4`,
			`{"host":"127.0.0.1","message":"value1,value2,value3,value4"}`, "2026-08-10T12:00:00Z",
		},
		{"ident alone", `Aug 10 12:00:00 h su:`, `{"host":"h","ident":"su","message":""}`, "2026-08-10T12:00:00Z"},
		{
			"colons in the ident", `Aug 10 12:00:00 h My::App: x`, `{"host":"h","ident":"My::App","message":"x"}`,
			"2026-08-10T12:00:00Z",
		},
		{
			"message at the colon", `Aug 10 12:00:00 h su:'su root' failed`,
			`{"host":"h","ident":"su","message":"'su root' failed"}`, "2026-08-10T12:00:00Z",
		},
		{
			"pid of letters", `Aug 10 12:00:00 h app[web.1]: x`,
			`{"host":"h","ident":"app","pid":"web.1","message":"x"}`, "2026-08-10T12:00:00Z",
		},
		{
			"kernel", `<4>Aug  1 00:00:01 h kernel: [12345.678901] eth0: up`,
			`{"pri":4,"host":"h","ident":"kernel","message":"[12345.678901] eth0: up"}`, "2026-08-01T00:00:01Z",
		},
		{
			"no host", `<86>Aug  1 00:00:01 sshd[42]: Accepted`,
			`{"pri":86,"ident":"sshd","pid":"42","message":"Accepted"}`, "2026-08-01T00:00:01Z",
		},
		{
			"a firewall's", `<166>Jun 01 2023 12:00:00: %ASA-6-302013: Built outbound`,
			`{"pri":166,"ident":"%ASA-6-302013","message":"Built outbound"}`, "2023-06-01T12:00:00Z",
		},
		{
			"IPv6", `<6>Aug  1 00:00:01 2001:db8::1 a: b`, `{"pri":6,"host":"2001:db8::1","ident":"a","message":"b"}`,
			"2026-08-01T00:00:01Z",
		},
		{"nothing after the host", `Aug 10 12:00:00 h `, `{"host":"h","message":""}`, "2026-08-10T12:00:00Z"},

		{"empty", "", errSyslogTime.Error(), ""},
		{"RFC 3164, 2, as sent", "Use the BFG!", errSyslogTime.Error(), ""},
		{
			"RFC 3164, 4, as sent",
			`<0>1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org 10.1.2.32 sched[0]: That's All Folks!`,
			errSyslogTime.Error(), "",
		},
		{"no number in the priority", "<>Feb 28 12:00:00 192.168.0.1 fluentd[11111]: x", errSyslogTime.Error(), ""},
		{"long priority", "<99999999999>Feb 28 12:00:00 192.168.0.1 fluentd[11111]: x", errSyslogTime.Error(), ""},
		{"priority not closed", "<6", errSyslogTime.Error(), ""},
		{"only a priority", "<6>", errSyslogTime.Error(), ""},
		{"only a time", "<6>Feb 28 12:00:00", errSyslogTime.Error(), ""},
		{"no host at all", "<6>Feb 28 12:00:00 x", errSyslogHost.Error(), ""},
		{"25 o'clock", "<6>Feb 28 25:00:00 h x", errSyslogTime.Error(), ""},
		{"February 30th", "<6>Feb 30 12:00:00 h x", errSyslogTime.Error(), ""},
		{"point without a fraction", "<6>Feb 28 12:00:00. h x", errSyslogTime.Error(), ""},
	}
	runLines(t, Config{Format: "syslog"}, tests)
	runLines(t, Config{Format: "syslog", Syslog: Syslog{Protocol: "rfc3164"}}, tests)
}

func TestSyslogTime(t *testing.T) {
	const want = `{"host":"h","ident":"a","message":"b"}`
	runLines(t, Config{Format: "syslog", Time: Time{Zone: "+09:00"}}, []lineTest{
		{"zone", `Feb 28 12:00:00 h a: b`, want, "2026-02-28T03:00:00Z"},
	})
	runLines(t, Config{Format: "syslog", Time: Time{Format: []string{"%b %d %M:%S:%H"}}}, []lineTest{
		{"format", `Feb 28 00:00:12 h a: b`, want, "2026-02-28T12:00:00Z"},
		{"not as the format has it", `2026-02-28T12:00:00Z h a: b`, errTime.Error(), ""},
		{"too short for the format", `Feb 28`, errTime.Error(), ""},
	})
	runLines(t, Config{Format: "syslog", Time: Time{Keep: true}}, []lineTest{
		{
			"kept", `Feb 28 12:00:00 h a: b`, `{"time":"Feb 28 12:00:00","host":"h","ident":"a","message":"b"}`,
			"2026-02-28T12:00:00Z",
		},
	})
	runLines(t, Config{Format: "syslog", Time: Time{Key: "other"}}, []lineTest{
		{"not used", `Feb 28 12:00:00 h a: b`, `{"time":"Feb 28 12:00:00","host":"h","ident":"a","message":"b"}`, ""},
	})
}

func BenchmarkSyslogRFC3164(b *testing.B) {
	benchmarkStep(b, Config{Format: "syslog"},
		`<34>Oct 11 22:14:15 mymachine su[123]: 'su root' failed for lonvick on /dev/pts/8`)
}

func BenchmarkSyslogRFC5424(b *testing.B) {
	benchmarkStep(b, Config{Format: "syslog"}, `<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 `+
		`[exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"] An application event log entry...`)
}

func FuzzSyslog(f *testing.F) {
	fuzzStep(f, Config{Format: "syslog", Syslog: Syslog{StructuredData: true}},
		`<34>Oct 11 22:14:15 mymachine su[1]: 'su root' failed`, `<6>Feb 28 2013 12:00:00.5: a`,
		`2026-02-28T12:00:00Z h a: b`,
		`<165>1 2003-10-11T22:14:15.003Z h i - ID47 [a@1 b="\"c\]"][d] x`, `<14>1 - - - - - -`)
}
