package parse

import (
	"fmt"
	"strings"
	"testing"
)

// cutLine is a whole line of a format. A part of it that ends early, or is another, is told by its name.
type cutLine struct {
	format, whole string
	// cuts are where the line ends, with the part that is missing then.
	cuts [][2]string
	// changes are parts that others stand in place of, with what stands in the record then, or why there is none.
	changes [][3]string
}

// misplaced is what is said of a line in which a part is not where it belongs.
func misplaced(part string) string {
	return "the line is not in the format's order: " + part + " is not where it belongs"
}

// hold checks what is made of the line, of its beginnings, and of what is changed in it.
func (c *cutLine) hold(t *testing.T) {
	t.Helper()
	cfg := Config{Format: c.format}
	if _, _, err := applyTo(t, cfg, c.whole); err != nil {
		t.Errorf("%s: the whole line: %v", c.format, err)
	}
	for _, cut := range c.cuts {
		_, _, err := applyTo(t, cfg, c.whole[:strings.Index(c.whole, cut[0])+len(cut[0])])
		if want := misplaced(cut[1]); fmt.Sprint(err) != want {
			t.Errorf("%s: cut behind %s: %v, want %s", c.format, cut[0], err, want)
		}
	}
	for _, change := range c.changes {
		if !strings.Contains(c.whole, change[0]) {
			t.Errorf("%s: there is no %s", c.format, change[0])
		}
		record, _, err := applyTo(t, cfg, strings.Replace(c.whole, change[0], change[1], 1))
		if err != nil {
			record = err.Error()
		}
		if !strings.Contains(record, change[2]) || err != nil && record != change[2] {
			t.Errorf("%s: %s for %s: %s, want %s", c.format, change[1], change[0], record, change[2])
		}
	}
}

func TestIngressNginx_Cut(t *testing.T) {
	(&cutLine{
		"ingress_nginx",
		`10.0.0.1 - bob [28/Feb/2013:12:00:00 +0900] "GET /a HTTP/1.1" 201 612 "-" "curl/8" 88 0.061 ` +
			`[shop-web-80] [] 10.1.0.5:8080 613 0.060 200 7f3a`,
		[][2]string{
			{"10.0.0.1", "the dash"},
			{"10.0.0.1 -", "remote_user"},
			{"10.0.0.1 - ", "remote_user"},
			{"bob", "time"},
			{"12:00:00", "time"},
			{"+0900]", "the request"},
			{`"GET /a`, "the request"},
			{`HTTP/1.1"`, "status"},
			{" 201", "body_bytes_sent"},
			{" 612", "http_referer"},
			{`"-"`, "http_user_agent"},
			{`"curl/8"`, "request_length"},
			{" 88", "request_time"},
			{" 0.061", "proxy_upstream_name"},
			{"[shop-web-80]", "proxy_alternative_upstream_name"},
			{"[]", "upstream_addr"},
			{":8080", "upstream_response_length"},
			{" 613", "upstream_response_time"},
			{" 0.060", "upstream_status"},
			{" 200", "req_id"},
			{" 200 ", "req_id"},
		},
		[][3]string{
			{" - bob", " x bob", misplaced("the dash")},
			{" 201 ", "  201 ", misplaced("status")},
			{"GET /a HTTP/1.1", "", `"remote_user":"bob","status":"201"`},
			{"GET /a HTTP/1.1", "-", `"remote_user":"bob","status":"201"`},
			{"GET /a HTTP/1.1", "GET", `"method":"GET","status":"201"`},
			{"GET /a HTTP/1.1", "GET /a", `"method":"GET","path":"/a","status":"201"`},
			{"GET /a HTTP/1.1", "GET /a b HTTP/2", `"path":"/a b","protocol":"HTTP/2"`},
			{"curl/8", `a\"b`, `"http_user_agent":"a\\\"b"`},
			{"curl/8", `a"b`, misplaced("request_length")},
			{"10.1.0.5:8080", "10.1.0.5:8080, 10.1.0.6:8080", `"upstream_addr":"10.1.0.5:8080, 10.1.0.6:8080"`},
			{"0.060 200", "0.001, 0.060 502, 200", `:"0.001, 0.060","upstream_status":"502, 200"`},
			{"0.060 200", "0.060 502 : 200", `"upstream_status":"502 : 200","req_id":"7f3a"`},
			{"bob", "b\xffb", "\"remote_user\":\"b\ufffdb\""},
			{"7f3a", "7f3a more", errAccessRest.Error()},
			{"28/Feb", "28/Foo", errTime.Error()},
		},
	}).hold(t)
}

func TestHAProxy_Cut(t *testing.T) {
	(&cutLine{
		"haproxy",
		"haproxy[14389]: 10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - " +
			`---- 1/1/1/1/0 0/7 {1wt.eu} {} "GET /index.html HTTP/1.1"`,
		[][2]string{
			{":33317", "time"},
			{"14.655]", "frontend_name"},
			{"http-in", "backend_name"},
			{"static", "backend_name"},
			{"static/srv1", "TR"},
			{"10/0/30/69", "Tr"},
			{"69/109", "status_code"},
			{" 200", "bytes_read"},
			{" 2750", "captured_request_cookie"},
			{" 2750 -", "captured_response_cookie"},
			{"- - ", "termination_state"},
			{" ----", "actconn"},
			{"1/1/1/1", "srv_conn"},
			{"1/1/1/1/0", "srv_queue"},
			{" 0/7", "the request"},
			{"{1wt.eu", "captured_request_headers"},
			{"{1wt.eu}", "the request"},
			{"{}", "the request"},
			{`"GET`, "the request"},
		},
		[][3]string{
			{"haproxy[14389]: ", "", `{"client_ip":"10.0.1.2","client_port":"33317"`},
			{"haproxy[14389]: ", "<134>Feb  6 12:14:14 lb haproxy[14389]: ", `{"client_ip":"10.0.1.2"`},
			{"10.0.1.2:33317", "[2001:db8::1]:33317", `{"client_ip":"2001:db8::1","client_port":"33317"`},
			{"10.0.1.2:33317", "10.0.1.2", `{"client_ip":"10.0.1.2","frontend_name"`},
			{"10.0.1.2:33317", "unix:1", `{"client_ip":"unix","client_port":"1"`},
			{"10.0.1.2:33317", "-", `{"client_ip":"-","frontend_name"`},
			{"static/srv1", "static/<NOSRV>", `"server_name":"<NOSRV>"`},
			{"static/srv1", "static", misplaced("backend_name")},
			{"static/srv1", "a/b/c", misplaced("server_name")},
			{"10/0/30/69/109", "10/0/30/69/109/1", misplaced("Ta")},
			{"10/0/30/69/109", "-1/-1/-1/-1/+7", `"TR":"-1","Tw":"-1","Tc":"-1","Tr":"-1","Ta":"+7"`},
			{" {1wt.eu}", "", `"captured_request_headers":"","method":"GET"`},
			{" {1wt.eu} {}", "", `"backend_queue":"7","method":"GET"`},
			{"{1wt.eu}", "{a|b c}", `"captured_request_headers":"a|b c"`},
			{"GET /index.html HTTP/1.1", "<BADREQ>", `"method":"<BADREQ>"}`},
			{`HTTP/1.1"`, `HTTP/1.1" x`, errAccessRest.Error()},
		},
	}).hold(t)
}

func TestEnvoy_Cut(t *testing.T) {
	(&cutLine{
		"envoy",
		`[2016-04-15T20:17:00.310Z] "POST /api HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "nsq2http" "cc21d9b0" ` +
			`"locations" "tcp://10.0.2.1:80"`,
		[][2]string{
			{"310Z", "time"},
			{"310Z]", "the request"},
			{`HTTP/2"`, "response_code"},
			{" 204", "response_flags"},
			{" 204 -", "response_code_details"},
			{" 154", "bytes_sent"},
			{" 154 0", "duration"},
			{" 226", "upstream_service_time"},
			{" 100", "x_forwarded_for"},
			{`"10.0.35.28"`, "user_agent"},
			{`"nsq2http"`, "request_id"},
			{`"cc21d9b0"`, "authority"},
			{`"locations"`, "upstream_host"},
		},
		[][3]string{
			{"204 - 154", "204 154", misplaced("upstream_host")},
			{"204 - 154", "503 UF,URX 154", `"response_code":"503","response_flags":"UF,URX","bytes_received":"154"`},
			{"204 - 154", `204 - via_upstream - "-" 154`, `"response_code_details":"via_upstream",` +
				`"connection_termination_details":"-","upstream_transport_failure_reason":"-","bytes_received":"154"`},
			{"204 - 154", "204 - via_upstream - - 154", misplaced("upstream_transport_failure_reason")},
			{`:80"`, `:80" outbound|80||web`, misplaced("upstream_local_address")},
			{`:80"`, `:80" out 10.1.0.2:1 10.1.0.3:80 10.1.0.4:2 web.shop default`, `"route_name":"default"}`},
			{`:80"`, `:80" out 10.1.0.2:1 10.1.0.3:80 10.1.0.4:2 web.shop default x`, errAccessRest.Error()},
			{"2016-04-15T20:17:00.310Z", "", errTime.Error()},
			{"2016-04-15T20:17:00.310Z", "noon", errTime.Error()},
			{"[2016-04-15T20:17:00.310Z]", "2016-04-15T20:17:00.310Z", misplaced("time")},
		},
	}).hold(t)
}

func TestTraefik_Cut(t *testing.T) {
	const line = `10.0.0.1 - bob [28/Feb/2013:12:00:00 +0000] "GET /a HTTP/1.1" 200 12 "-" "curl/8" 7 "web@docker" ` +
		`"http://10.1.0.5:80" 3ms`
	(&cutLine{
		"traefik", line,
		[][2]string{
			{"10.0.0.1", "host"},
			{"10.0.0.1 -", "user"},
			{"+0000]", "the request"},
			{`HTTP/1.1"`, "code"},
			{" 200", "size"},
			{`200 12`, "referer"},
			{`"-"`, "agent"},
			{`"curl/8"`, "requests"},
			{" 7", "router"},
			{`docker"`, "server"},
			{`:80"`, "the duration"},
			{`:80" 3`, "the duration in ms"},
		},
		[][3]string{
			{"3ms", "3s", misplaced("the duration in ms")},
			{"3ms", "ms", misplaced("the duration in ms")},
			{"3ms", "0ms", `"duration_ms":"0"}`},
			{"3ms", "3ms x", errAccessRest.Error()},
			{`"web@docker"`, "-", misplaced("router")},
			{line, `{"ClientHost":"10.0.0.1","Status":200}`, `{"ClientHost":"10.0.0.1","Status":200}`},
			{line, `{"ClientHost":"10.0.0.1"`, errJSON.Error()},
			{line, "{}", "{}"},
			{line, "[]", misplaced("host")},
			{line, "", misplaced("remote")},
		},
	}).hold(t)
}
