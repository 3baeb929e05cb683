package parse

import "testing"

// The first tests are the example and the cases of fluentd's apache2 parser.
func TestApache2(t *testing.T) {
	const (
		head = `192.168.0.1 - - [28/Feb/2013:12:00:00 +0900] `
		at   = "2013-02-28T03:00:00Z"
	)
	runLines(t, Config{Format: "apache2"}, []lineTest{
		{
			"documented", head + `"GET / HTTP/1.1" 200 777 "-" "Opera/12.0"`,
			`{"host":"192.168.0.1","user":null,"method":"GET","path":"/","code":200,"size":777,"referer":null,` +
				`"agent":"Opera/12.0"}`, at,
		},
		{
			"no protocol", head + `"GET /" 200 777 "-" "Opera/12.0"`,
			`{"host":"192.168.0.1","user":null,"method":"GET","path":"/","code":200,"size":777,"referer":null,` +
				`"agent":"Opera/12.0"}`, at,
		},
		{
			"escapes", head + `"GET /\" HTTP/1.1" 200 777 "referer \\ \"" "user agent \\ \""`,
			`{"host":"192.168.0.1","user":null,"method":"GET","path":"/\\\"","code":200,"size":777,` +
				`"referer":"referer \\\\ \\\"","agent":"user agent \\\\ \\\""}`, at,
		},
		{
			"escaped backslash before the end", head + `"GET / HTTP/1.1" 200 777 "a\\" "b\\\\"`,
			`{"host":"192.168.0.1","user":null,"method":"GET","path":"/","code":200,"size":777,"referer":"a\\\\",` +
				`"agent":"b\\\\\\\\"}`, at,
		},
		{
			"common, Apache's own example",
			`127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326`,
			`{"host":"127.0.0.1","user":"frank","method":"GET","path":"/apache_pb.gif","code":200,"size":2326,` +
				`"referer":null,"agent":null}`,
			"2000-10-10T20:55:36Z",
		},
		{
			"combined, Apache's own example",
			`127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326 ` +
				`"http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"`,
			`{"host":"127.0.0.1","user":"frank","method":"GET","path":"/apache_pb.gif","code":200,"size":2326,` +
				`"referer":"http://www.example.com/start.html","agent":"Mozilla/4.08 [en] (Win98; I ;Nav)"}`,
			"2000-10-10T20:55:36Z",
		},
		{
			"nothing sent", head + `"-" 408 - "-" "-"`,
			`{"host":"192.168.0.1","user":null,"method":null,"path":null,"code":408,"size":null,"referer":null,` +
				`"agent":null}`, at,
		},

		{"code of letters", head + `"GET / HTTP/1.1" OK 777`, errAccessNumber.Error(), ""},
		{
			"size of 30 digits", head + `"GET / HTTP/1.1" 200 123456789012345678901234567890`, errAccessNumber.Error(),
			"",
		},
		{"more after the agent", head + `"GET / HTTP/1.1" 200 777 "-" "x" "y"`, errAccessRest.Error(), ""},
		{"quotes closed by an escape", head + `"GET / HTTP/1.1" 200 777 "-" "x\"`, errAccessAgent.Error(), ""},
		{"two words", `a [28/Feb/2013:12:00:00 +0900] "GET / HTTP/1.1" 200 777`, errAccessTime.Error(), ""},
	})
}

func FuzzApache2(f *testing.F) {
	fuzzStep(f, Config{Format: "apache2"}, nginxLine,
		`a - c [28/Feb/2013:12:00:00 +0900] "GET /\" HTTP/1.1" 200 - "\\" "\\\""`)
}
