package httpclient

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// What a request that delivers nothing was answered, told in one line to who runs check --connect.
func TestExplain(t *testing.T) {
	page := "<html>\n<h1>Log in</h1></html>"
	for _, tc := range []struct {
		name   string
		answer Answer
		want   string
	}{
		{"taken", Answer{Status: 204}, ""},
		{"another request's fault", Answer{Status: 400, Body: []byte("empty")}, ""},
		{"another path", Answer{Status: 404}, ""},
		{
			"TLS there",
			Answer{Status: 400, Body: []byte("Client sent an HTTP request to an HTTPS server.\n")},
			"logs:80: it speaks TLS: write url with https",
		},
		{
			"wrong token",
			Answer{Status: 401, Body: []byte(`{"error":"no"}`)},
			"logs:80: it answered 401 Unauthorized: `{\"error\":\"no\"}`: check the login, or token, and " +
				"that it has not expired",
		},
		{
			"no right, and no words",
			Answer{Status: 403},
			"logs:80: it answered 403 Forbidden: give the login the right to write there",
		},
		{
			"a proxy's login",
			Answer{Status: 407},
			"logs:80: a proxy on the way answered 407 Proxy Authentication Required: give it its login, as proxy: " +
				"http://user:password@host",
		},
		{
			"a redirect",
			Answer{Status: 301, Location: "https://logs/"},
			"logs:80: it answered 301 Moved Permanently, which leads to https://logs/: no redirect is followed: " +
				"write the URL that it leads to",
		},
		{
			"a redirect to nowhere",
			Answer{Status: 302},
			"logs:80: it answered 302 Found: no redirect is followed: write the URL that it leads to",
		},
		{
			"at its limits",
			Answer{Status: 429, Body: []byte("slow down\n")},
			`logs:80: it answered 429 Too Many Requests: "slow down": try again later, or get a larger quota there`,
		},
		{
			"away",
			Answer{Status: 503, Kind: "text/html", Body: []byte(page)},
			"logs:80: it answered 503 Service Unavailable with a page for people: look at the server and at proxies " +
				"on the way",
		},
		{
			"a portal",
			Answer{Status: 200, Kind: "text/html", Body: []byte(page)},
			"logs:80: it answered 200 OK with a page for people: check the URL, and what stands before the server: a " +
				"proxy's login?",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := ""
			err := Explain("logs:80", &tc.answer)
			if err != nil {
				got = outputs.Whole(err.Error())
			}
			if got != tc.want || strings.Contains(got, "\n") {
				t.Errorf("%s\nwant %s", got, tc.want)
			}
			if denied := errors.Is(err, outputs.ErrDenied); denied != (tc.answer.Status == 403) {
				t.Errorf("denied: %v", denied)
			}
		})
	}
}
