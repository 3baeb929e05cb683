package elasticsearch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/internal/bulkreply"
)

// What a reply says about an error is one line: all of it for who may see records, its type for everybody.
func TestWords(t *testing.T) {
	long := strings.Repeat("x", 3*maxWords)
	for _, tc := range []struct{ name, body, whole, public string }{
		{"nothing", "", "(an empty reply)", "(an empty reply)"},
		{"no JSON", "<html>\n", `"<html>\n"`, "words of its own"},
		{"much", long, `"` + long[:maxQuote] + `"`, "words of its own"},
		{"no error", `{"ok":true}`, `"{\"ok\":true}"`, "words of its own"},
		{"null", `{"error":null}`, `"{\"error\":null}"`, "words of its own"},
		{"a text", `{"error":"no handler\nfound"}`, "no handler found", ""},
		{"type and reason", `{"error":{"type":"t","reason":"r\ts"}}`, "t: r s", "t"},
		{"a type alone", `{"error":{"type":"t"}}`, "t", "t"},
		{"an empty text", `{"error":""}`, `"{\"error\":\"\"}"`, "words of its own"},
		{"a reason alone", `{"error":{"reason":"r"}}`, `"{\"error\":{\"reason\":\"r\"}}"`, "words of its own"},
		{"a number", `{"error":5}`, `"{\"error\":5}"`, "words of its own"},
		{"marks of ours", "\uFDD0x\uFDD2", `"\ufdd0x\ufdd2"`, "words of its own"},
	} {
		text := words([]byte(tc.body))
		if got := outputs.Whole(text); got != tc.whole {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.whole)
		}
		if got := outputs.Public(text); got != tc.public {
			t.Errorf("%s: in public %q, want %q", tc.name, got, tc.public)
		}
	}
	if got := outputs.Whole(words([]byte(`{"error":"` + long + `"}`))); len(got) > maxWords+len("…") {
		t.Errorf("%d bytes of an error are shown", len(got))
	}
}

func TestReplyKinds(t *testing.T) {
	for header, want := range map[string][2]string{
		"":                         {"something", ""},
		"text/html":                {"text/html", "text of type text/html"},
		"Text/HTML; charset=utf-8": {"text/html", "text of type Text/HTML"},
		"a b c":                    {"something", "text of type a b c"},
		"x\ty;z":                   {"something", "text of type x y"},
	} {
		if got := kind(header); got != want[0] {
			t.Errorf("%q is %q, want %q", header, got, want[0])
		}
		if got := mediaType(http.Header{"Content-Type": {header}}); got != want[1] {
			t.Errorf("%q is a %q, want %q", header, got, want[1])
		}
	}
	for code, want := range map[int]string{200: "200 OK", 503: "503 Service Unavailable", 599: "599", 0: "0"} {
		if got := status(code); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What follows from an answer to a request that is none of events.
func TestRefusal(t *testing.T) {
	for status, want := range map[int]outputs.Reason{
		401: outputs.ReasonAuth, 403: outputs.ReasonAuth, 429: outputs.ReasonThrottled, 400: outputs.ReasonServer,
		404: outputs.ReasonServer, 500: outputs.ReasonServer, 503: outputs.ReasonServer, 302: outputs.ReasonServer,
	} {
		res := answer{status: status, header: http.Header{"Retry-After": {"7"}}}
		se := refusal("look", res, []byte(`{"error":{"type":"t","reason":"r"}}`))
		text := strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
		if se.Reason != want || se.Status != status || se.RetryAfter != 7*time.Second || se.Suspect ||
			outputs.Whole(se.Err.Error()) != "look: it answered "+text+": t: r" {
			t.Errorf("%d: %+v", status, se)
		}
	}
}

// An answer that makes no sense is the server's, anything else the network's.
func TestAsSendError(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want outputs.Reason
	}{
		{&answerError{"it is too old"}, outputs.ReasonServer},
		{&hostError{"http://a", &answerError{"it is too old"}}, outputs.ReasonServer},
		{fmt.Errorf("look: %w", &answerError{"x"}), outputs.ReasonServer},
		{errors.New("reset"), outputs.ReasonNetwork},
		{context.DeadlineExceeded, outputs.ReasonNetwork},
	} {
		if se := asSendError(tc.err); se.Reason != tc.want || !errors.Is(se, tc.err) {
			t.Errorf("%v: %+v", tc.err, se)
		}
	}
	old := &hostError{"http://a:9200", &answerError{"it is too old"}}
	if got := old.Error(); got != "http://a:9200: it is too old" {
		t.Error(got)
	}
}

// Versions are compared by their numbers, not as texts.
func TestVersions(t *testing.T) {
	for _, tc := range []struct {
		text         string
		major, minor int
		ok           bool
	}{
		{"8.14.3", 8, 14, true},
		{"10.0.0-rc1", 10, 0, true},
		{"7.9", 7, 9, true},
		{"9.1.0-SNAPSHOT", 9, 1, true},
		{"8", 0, 0, false},
		{"", 0, 0, false},
		{"8.x", 0, 0, false},
		{"v8.1", 0, 0, false},
		{"8.1-beta", 0, 0, false},
		{"99999999999999999999.1", 0, 0, false},
	} {
		major, minor, ok := parseVersion(tc.text)
		if ok != tc.ok || ok && (major != tc.major || minor != tc.minor) {
			t.Errorf("%q: %d, %d, %t", tc.text, major, minor, ok)
		}
	}
	s := server{major: 7, minor: 10}
	for _, tc := range []struct {
		major, minor int
		want         bool
	}{{7, 10, true}, {7, 9, true}, {7, 11, false}, {6, 99, true}, {8, 0, false}, {10, 0, false}} {
		if got := s.least(tc.major, tc.minor); got != tc.want {
			t.Errorf("7.10 is at least %d.%d: %t", tc.major, tc.minor, got)
		}
	}
	if (server{}).least(1, 0) {
		t.Error("a version that is not known is a late one")
	}
	for want, s := range map[string]server{
		"": {flavor: opensearch}, "OpenSearch 2.15.0": {flavor: opensearch, version: "2.15.0"},
		"Elasticsearch 8.14.3": {flavor: elasticsearch, version: "8.14.3"},
		"Elasticsearch 6.8.23": {flavor: legacy, version: "6.8.23"},
	} {
		if got := s.name(); got != want {
			t.Errorf("%+v is called %q, want %q", s, got, want)
		}
	}
	for want, given := range map[flavor][]flavor{
		elasticsearch: {auto, "", elasticsearch}, opensearch: {opensearch}, legacy: {legacy},
	} {
		for _, f := range given {
			if got := assumed(f); got != (server{flavor: want}) {
				t.Errorf("%q is taken for %+v", f, got)
			}
		}
	}
}

// A node that refuses a request since it is larger than all that it takes is told from one that has much to do.
func TestTooLargeAlone(t *testing.T) {
	const words = "rejected execution of coordinating operation [coordinating_and_primary_bytes=0, replica_bytes=0, " +
		"all_bytes=0, coordinating_operation_bytes=%s, max_coordinating_and_primary_bytes=%s]"
	for _, tc := range []struct {
		reason string
		want   bool
	}{
		{fmt.Sprintf(words, "101", "100"), true},
		{fmt.Sprintf(words, "100", "100"), false},
		{fmt.Sprintf(words, "9", "100"), false},
		{fmt.Sprintf(words, "1000", "99"), true},
		{fmt.Sprintf(words, "x", "0"), false},
		{fmt.Sprintf(words, "99999999999999999999", "1"), false},
		{"operation_bytes=5", false},
		{"operation_bytes=5, max_bytes", false},
		{"operation_bytes=5, max_bytes=4", true},
		{"es_rejected_execution_exception", false},
		{"", false},
	} {
		if got := tooLargeAlone(tc.reason); got != tc.want {
			t.Errorf("%q: %t", tc.reason, got)
		}
	}
}

// Whether a server takes gzip for text is told by its status, or by what it stumbles over.
func TestGzipUnread(t *testing.T) {
	for _, tc := range []struct {
		status int
		reason string
		want   bool
	}{
		{415, "", true},
		{400, "Illegal character ((CTRL-CHAR, code 31)): only regular white space", true},
		{400, `Malformed: '\u001F'`, true},
		{400, "Unsupported Content-Encoding", true},
		{400, "Not in GZIP format", true},
		{400, "code 310", false},
		{400, "Validation Failed: 1: no requests added;", false},
		{500, "Not in GZIP format", false},
		{200, "gzip", false},
	} {
		if got := gzipUnread(tc.status, tc.reason); got != tc.want {
			t.Errorf("%d %q: %t", tc.status, tc.reason, got)
		}
	}
}

// What a refusal that may pass is told from one that stays.
func TestPasses(t *testing.T) {
	for _, code := range []int{401, 429, 500, 502, 503, 504} {
		if !passes(code) {
			t.Errorf("%d stays", code)
		}
	}
	for _, code := range []int{200, 302, 400, 403, 404, 405, 406, 501} {
		if passes(code) {
			t.Errorf("%d passes", code)
		}
	}
}

// judged returns what judge makes of the reply to a request of two events.
func judged(t *testing.T, o *Output, status int, retry, body string) outcome {
	t.Helper()
	r := bulkreply.Reply{
		Scan: new(bulkreply.Scanner), Refusals: o.itemRefusals, OKItem: o.okItem,
		Names: func(int) string { return "logs" },
	}
	err := r.Parse(strings.NewReader(body), 2)
	header := http.Header{"Content-Type": {"application/json"}}
	if retry != "" {
		header.Set("Retry-After", retry)
	}
	return o.judge(&r, err, &http.Response{StatusCode: status, Header: header}, 2)
}

// Whether a request is a suspect: something in it may be why it is refused, unless the answer is about the moment.
func TestJudge_Suspects(t *testing.T) {
	o, err := New(Config{Hosts: []string{"http://a"}, Index: "logs", Compression: compressionGzip}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	const refused = `{"error":{"type":"illegal_argument_exception","reason":"explicit index is not allowed"}}`
	const gzip = `{"error":{"type":"x","reason":"Not in GZIP format"}}`
	const much = `{"error":{"type":"es_rejected_execution_exception",` +
		`"reason":"rejected: operation_bytes=9, max_bytes=8"}}`
	for _, tc := range []struct {
		name    string
		status  int
		retry   string
		body    string
		reason  outputs.Reason
		suspect bool
		alone   bool
		says    string
	}{
		{"refused", 400, "", refused, outputs.ReasonServer, true, false, "400 Bad Request: illegal_argument"},
		{"refused, and to wait", 400, "3", refused, outputs.ReasonServer, false, false, "400 Bad Request"},
		{"gzip that is not read", 400, "", gzip, outputs.ReasonServer, false, false, "set compression: none"},
		{"no type for it", 415, "", "{}", outputs.ReasonServer, false, false, "set compression: none"},
		{"a page", 200, "", "<html>", outputs.ReasonServer, true, false, "is this a proxy's page?"},
		{"a page of an error", 502, "", "<html>", outputs.ReasonServer, true, false, "502 Bad Gateway with text"},
		{"half a reply", 200, "", `{"items":[`, outputs.ReasonNetwork, false, false, "broke off after 10 bytes"},
		{"half an error", 400, "", `{"error":`, outputs.ReasonServer, true, false, "broke off after 9 bytes"},
		{"too few items", 200, "", `{"items":[]}`, outputs.ReasonServer, true, false, "0 items for 2 events"},
		{"a firewall", 403, "", `{}`, outputs.ReasonAuth, true, false, `403 Forbidden: "{}"`},
		{"busy", 429, "1", "{}", outputs.ReasonThrottled, false, false, "429 Too Many Requests"},
		{"too large at any time", 429, "", much, outputs.ReasonThrottled, false, true, "rejected: operation"},
		{"too large", 413, "", "", outputs.ReasonTooLarge, false, false, "413 Request Entity Too Large without a body"},
		{"of the moment", 503, "", "{}", outputs.ReasonServer, false, false, "503 Service Unavailable"},
	} {
		out := judged(t, o, tc.status, tc.retry, tc.body)
		if out.err == nil {
			t.Errorf("%s is taken for a delivery", tc.name)
			continue
		}
		if out.err.Reason != tc.reason || out.err.Suspect != tc.suspect || out.alone != tc.alone ||
			out.err.Status != tc.status || out.err.Remedy == "" {
			t.Errorf("%s: alone %t, %+v", tc.name, out.alone, out.err)
		}
		if text := outputs.Whole(out.err.Err.Error()); !strings.Contains(text, tc.says) {
			t.Errorf("%s: %s, want %q", tc.name, text, tc.says)
		}
	}
	out := judged(t, o, 200, "", `{"items":[{"create":{"status":201}},{"create":{"status":429}}]}`)
	if out.err != nil || len(out.failed) != 1 || out.failed[0].Reason != outputs.ReasonThrottled ||
		out.failed[0].Target != "logs" || out.failed[0].Index != 1 {
		t.Errorf("a whole reply: %+v", out)
	}
}

// What a check says of a login that is not taken names the setting that there is.
func TestAdvise(t *testing.T) {
	key := setting.NewSecret("k")
	for _, tc := range []struct {
		name   string
		login  Login
		status int
		want   string
		denied bool
	}{
		{"no login", Login{}, 401, "no: set username and password, api_key or bearer_token", false},
		{"a user", Login{Username: "u", Password: key}, 401, "no: check username and password", false},
		{"a key", Login{APIKey: key}, 401, "no: check api_key, and that it has not expired", false},
		{"a token", Login{BearerToken: key}, 401, "no: check bearer_token, and that it has not expired", false},
		{"no right", Login{APIKey: key}, 403, "no", true},
		{"busy", Login{APIKey: key}, 429, "no", false},
	} {
		c := &client{cfg: Config{Login: tc.login}}
		err := c.advise(&outputs.SendError{Status: tc.status, Err: errors.New("no")})
		if err.Error() != tc.want || errors.Is(err, outputs.ErrDenied) != tc.denied {
			t.Errorf("%s: %v, denied %t", tc.name, err, errors.Is(err, outputs.ErrDenied))
		}
	}
	other := errors.New("another")
	if got := (&client{}).advise(other); !errors.Is(got, other) || got.Error() != "another" {
		t.Errorf("an error of another kind: %v", got)
	}
}

// What one of Amazon's services refuses is told with where to allow it.
func TestAdviseAWS(t *testing.T) {
	const mapped, policy, keys, collection = "map the role that signs", "both the role's own and the domain's",
		"check aws.region and aws.service", "the collection's data access policy"
	for _, tc := range []struct {
		service string
		status  int
		text    string
		want    string
	}{
		{"es", 403, "no permissions for [indices:data/write/bulk]", mapped},
		{serverless, 403, "No Permissions For [x]", mapped},
		{"es", 401, "User: x is not authorized to perform: es:ESHttpPost", policy},
		{"es", 403, "The security token included in the request is expired", keys},
		{"es", 403, "something else", ""},
		{serverless, 403, "Forbidden", collection},
		{serverless, 401, "Unauthorized", collection},
		{serverless, 404, "no permissions for [x]", ""},
		{"es", 200, "is not authorized to perform", ""},
	} {
		got := adviseAWS(&AWS{Service: tc.service}, tc.status, tc.text)
		if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s %d %q: %q, want %q", tc.service, tc.status, tc.text, got, tc.want)
		}
	}
}
