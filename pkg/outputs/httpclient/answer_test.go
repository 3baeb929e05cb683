package httpclient

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// What follows from each status: what to do with the events, and what people are to do.
func TestRefused(t *testing.T) {
	for _, tc := range []struct {
		status  int
		reason  outputs.Reason
		suspect bool
		remedy  string
	}{
		{302, outputs.ReasonServer, false, "write the URL that it leads to"},
		{400, outputs.ReasonServer, true, "see the reason"},
		{401, outputs.ReasonAuth, false, "check the login"},
		{403, outputs.ReasonAuth, false, "the right to write"},
		{404, outputs.ReasonTarget, false, "check the URL's path"},
		{405, outputs.ReasonTarget, false, "check the URL's path"},
		{407, outputs.ReasonAuth, false, "check the login"},
		{408, outputs.ReasonServer, false, "proxies on the way"},
		{410, outputs.ReasonTarget, false, "check the URL's path"},
		{413, outputs.ReasonTooLarge, false, "batch.max_bytes"},
		{422, outputs.ReasonServer, true, "see the reason"},
		{429, outputs.ReasonThrottled, false, "quota"},
		{500, outputs.ReasonServer, true, "look at the server"},
		{502, outputs.ReasonServer, true, "look at the server"},
		{503, outputs.ReasonServer, false, "proxies on the way"},
		{504, outputs.ReasonServer, false, "proxies on the way"},
		{204, outputs.ReasonServer, false, "check that the URL is the server's"},
		{999, outputs.ReasonServer, false, "check that the URL is the server's"},
	} {
		se := Refused(Refusals(), "send", "logs:443", &Answer{Status: tc.status, Body: []byte("no")})
		if se.Reason != tc.reason || se.Suspect != tc.suspect || !strings.Contains(se.Remedy, tc.remedy) ||
			se.Status != tc.status || se.Host != "logs:443" {
			t.Errorf("%d: %+v", tc.status, se)
		}
	}
}

// A server that asks to wait does not say so because of an event.
func TestRefused_Waits(t *testing.T) {
	se := Refused(Refusals(), "send", "h", &Answer{Status: 500, RetryAfter: time.Minute})
	if se.Suspect || se.RetryAfter != time.Minute {
		t.Errorf("%+v", se)
	}
}

// The error quotes the server to those who may see records, and shortens it.
func TestRefused_Quotes(t *testing.T) {
	for _, tc := range []struct{ name, body, public, whole string }{
		{"nothing", " \r\n", "send: it answered 400 Bad Request: (an empty answer)", ""},
		{
			"words", "bad\tfield", "send: it answered 400 Bad Request: words of its own",
			`send: it answered 400 Bad Request: "bad\tfield"`,
		},
		{
			"much", strings.Repeat("x", 1000), "send: it answered 400 Bad Request: words of its own",
			`send: it answered 400 Bad Request: "` + strings.Repeat("x", maxQuote) + `"`,
		},
		{
			"marks of ours", "\uFDD0a\uFDD2", "send: it answered 400 Bad Request: words of its own",
			`send: it answered 400 Bad Request: "\ufdd0a\ufdd2"`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text := Refused(Refusals(), "send", "h", &Answer{Status: 400, Body: []byte(tc.body)}).Err.Error()
			if tc.whole == "" {
				tc.whole = tc.public
			}
			if outputs.Public(text) != tc.public || outputs.Whole(text) != tc.whole {
				t.Errorf("%q, in public %q", outputs.Whole(text), outputs.Public(text))
			}
		})
	}
}

func TestAnswer_WantsTLS(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		body   string
		want   bool
	}{
		{"Go", 400, "Client sent an HTTP request to an HTTPS server.\n", true},
		{"nginx", 400, "<center>The plain HTTP request was sent to HTTPS port</center>", true},
		{"Apache", 400, "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />", true},
		{"another status", 404, "Client sent an HTTP request to an HTTPS server.\n", false},
		{"another reason", 400, "unknown field https", false},
	} {
		if got := (&Answer{Status: tc.status, Body: []byte(tc.body)}).WantsTLS(); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

func TestAnswer_Page(t *testing.T) {
	for kind, want := range map[string]bool{
		"text/html": true, "application/json": false, "text/plain": false, "": false,
	} {
		if got := (&Answer{Status: http.StatusOK, Kind: kind}).Page(); got != want {
			t.Errorf("%q: %v", kind, got)
		}
	}
}

func TestAnswer_Text(t *testing.T) {
	for status, want := range map[int]string{200: "200 OK", 418: "418 I'm a teapot", 599: "599"} {
		if got := (&Answer{Status: status}).Text(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What can't work is told with its key.
func TestConfig_Check(t *testing.T) {
	secret, header := setting.NewSecret, func(name, value string) Config {
		return Config{Headers: map[string]setting.Secret{name: setting.NewSecret(value)}}
	}
	oauth := func(to string) *OAuth2 { return &OAuth2{TokenURL: to} }
	for _, tc := range []struct {
		name string
		cfg  Config
		want []string
	}{
		{"nothing", Config{}, nil},
		{"basic", Config{Username: "u", Password: secret("p")}, nil},
		{"a token", Config{BearerToken: secret("abc.def-ghi_/+=\n")}, nil},
		{"OAuth", Config{OAuth2: oauth("https://id.example/token")}, nil},
		{
			"two logins",
			Config{Username: "u", BearerToken: secret("t")},
			[]string{"username: bearer_token and username are set: only one can be sent"},
		},
		{
			"three logins",
			Config{Username: "u", BearerToken: secret("t"), OAuth2: oauth("https://id.example/")},
			[]string{"oauth2: bearer_token and oauth2 and username are set: only one can be sent"},
		},
		{"a password alone", Config{Password: secret("p")}, []string{"username: there is a password without a user"}},
		{"a user with a colon", Config{Username: "a:b"}, []string{"username: it can't hold a colon"}},
		{
			"a token of two lines",
			Config{BearerToken: secret("one\ntwo")},
			[]string{"bearer_token: it holds a space, a line break or a character that can't be sent"},
		},
		{
			"a token of another alphabet",
			Config{BearerToken: secret("тoken")},
			[]string{"bearer_token: it holds a space, a line break or a character that can't be sent"},
		},
		{"a header", header("X-Scope-OrgID", "seoul"), nil},
		{"a login as a header", header("authorization", "ApiKey abc"), nil},
		{"a header with a space", header("X Key", "v"), []string{"headers.X Key: it is no name of a header"}},
		{"a header without a name", header("", "v"), []string{"headers.: it is no name of a header"}},
		{
			"our own header", header("content-encoding", "br"),
			[]string{"headers.content-encoding: this program sets it itself"},
		},
		{
			"a value of two lines", header("X-Key", "a\r\nX-Other: b"),
			[]string{"headers.X-Key: its value holds a line break, or a space at an end"},
		},
		{
			"a value with its file's line feed", header("X-Key", "a\n"),
			[]string{"headers.X-Key: its value holds a line break, or a space at an end"},
		},
		{
			"a login and its header",
			Config{Username: "u", Headers: map[string]setting.Secret{"Authorization": secret("x")}},
			[]string{"headers.Authorization: the login sets it"},
		},
		{
			"OAuth without a scheme",
			Config{OAuth2: oauth("id.example/token")},
			[]string{"oauth2.token_url: it is not a URL"},
		},
		{
			"OAuth by another scheme",
			Config{OAuth2: oauth("ftp://id.example/")},
			[]string{"oauth2.token_url: it is not a URL"},
		},
		{"no proxy", Config{Proxy: outputs.NoProxy}, nil},
		{"no proxy's URL", Config{Proxy: "proxy:3128"}, []string{"proxy: it is not the URL of a proxy"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var r setting.Report
			tc.cfg.Check(&r)
			var got []string
			for _, p := range r.Problems {
				got = append(got, p.Key+": "+p.Reason)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}
