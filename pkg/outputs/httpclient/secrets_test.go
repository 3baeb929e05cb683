package httpclient

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Every way in which a server may say what it was sent is concealed, the longest first; what is too short is not.
func TestSecrets(t *testing.T) {
	secret := setting.NewSecret
	for _, tc := range []struct {
		name string
		cfg  Config
		want []string // among others
	}{
		{"none", Config{}, nil},
		{"short ones", Config{BearerToken: secret("12345"), Password: secret("12345")}, nil},
		{"a token", Config{BearerToken: secret(" t0ken-1\n")}, []string{"t0ken-1", "dDBrZW4tMQ=="}},
		{
			"a password",
			Config{Username: "u", Password: secret(`a"b<c>&d`)},
			[]string{`a"b<c>&d`, `a\"b\u003cc\u003e\u0026d`, `a\"b<c>&d`, "a%22b%3Cc%3E%26d", "dTphImI8Yz4mZA=="},
		},
		{
			"a header with a scheme",
			Config{Headers: map[string]setting.Secret{"X-A": secret("ApiKey abcdef")}},
			[]string{"ApiKey abcdef", "abcdef", "ApiKey+abcdef"},
		},
		{"a client", Config{OAuth2: &OAuth2{ClientSecret: secret("client-s")}}, []string{"client-s"}},
		{
			"one secret twice",
			Config{
				BearerToken: secret("equal-1"), Headers: map[string]setting.Secret{"X-A": secret("equal-1")},
			},
			[]string{"equal-1"},
		},
	} {
		var got []string
		for _, word := range secrets(&tc.cfg) {
			got = append(got, string(word))
		}
		for _, want := range tc.want {
			if !slices.Contains(got, want) {
				t.Errorf("%s: %q is not among %q", tc.name, want, got)
			}
		}
		if tc.want == nil && got != nil {
			t.Errorf("%s: %q", tc.name, got)
		}
		if !slices.IsSortedFunc(got, func(a, b string) int { return len(b) - len(a) }) {
			t.Errorf("%s: not the longest first: %q", tc.name, got)
		}
		slices.Sort(got)
		if len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("%s: a word is there twice: %q", tc.name, got)
		}
	}
}

// An answer is quoted as it reads best: JSON within backquotes, anything else with escapes, never more than so much.
func TestAnswer_Quote(t *testing.T) {
	for _, tc := range []struct{ name, body, want string }{
		{"nothing", "", "(an empty answer)"},
		{"white space", " \r\n\t", "(an empty answer)"},
		{"words", " no\n", `"no"`},
		{"JSON", `{"a":"b"}`, "`{\"a\":\"b\"}`"},
		{"JSON of lines", "{\n\"a\"}", `"{\n\"a\"}"`},
		{"a backquote", "\"`\"", "\"\\\"`\\\"\""},
		{"no UTF-8", "a\xff", `"a\xff"`},
		{"as much as is shown", strings.Repeat("x", maxQuote), `"` + strings.Repeat("x", maxQuote) + `"`},
		{"more", strings.Repeat("x", maxQuote+1), `"` + strings.Repeat("x", maxQuote) + `"`},
	} {
		text := (&Answer{Body: []byte(tc.body)}).Quote()
		if got := outputs.Whole(text); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
		want := "words of its own"
		if strings.HasPrefix(tc.want, "(") {
			want = tc.want
		}
		if got := outputs.Public(text); got != want {
			t.Errorf("%s: in public %s, want %s", tc.name, got, want)
		}
	}
}

// What may be the name of a header, to the character.
func TestIsHeaderName(t *testing.T) {
	for c := range rune(0x180) {
		name := "X" + string(c)
		want := c < 0x80 && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			strings.ContainsRune("!#$%&'*+-.^_`|~", c))
		if IsHeaderName(name) != want || IsHeaderName(string(c)) != want {
			t.Errorf("%q: %t", name, !want)
		}
	}
	if IsHeaderName("") || IsHeaderName("a b") || IsHeaderName("a\n") {
		t.Error("what is none is one")
	}
}

// A refusal of one target keeps its own events only, where there are others: by what it is about.
func TestOfTarget(t *testing.T) {
	for _, tc := range []struct {
		name    string
		se      *outputs.SendError
		again   bool
		reason  outputs.Reason
		failed  int
		apart   bool
		suspect bool
		host    string // of the error
	}{
		{"throttled", refusal("throttled", 429), false, "throttled", 2, true, false, "target"},
		{"an error", refusal("server", 500), false, "server", 2, true, false, "target"},
		{"away", refusal("network", 0), false, "network", 0, false, false, "target"},
		{"no login", refusal("auth", 401), false, "auth", 0, false, false, "target"},
		{"no right", refusal("auth", 403), false, "target", 0, false, false, "target"},
		{"not there", refusal("target", 404), false, "target", 0, false, false, "target"},
		{"too large", refusal("too_large", 413), false, "too_large", 0, false, false, "target"},
		{"a suspect", suspected(500), false, "server", 2, true, true, "target"},
		{"a suspect again", suspected(500), true, "server", 0, false, true, "target"},
		{
			"with names of its own", refusal("rejected", 400, outputs.Failure{Index: 3, Reason: "rejected"}), false,
			"rejected", 1, false, false, "h",
		},
	} {
		b := &outputs.Batch{Again: tc.again}
		se := OfTarget(tc.se, b, "target", []int{3, 5})
		if se.Reason != tc.reason || len(se.Failed) != tc.failed || se.Apart != tc.apart || se.Suspect != tc.suspect ||
			se.Host != tc.host {
			t.Errorf("%s: %+v", tc.name, se)
		}
		if named := tc.host == "h"; (b.Host == "target") != named {
			t.Errorf("%s: the batch's host is %q", tc.name, b.Host)
		}
		for i, f := range se.Failed {
			if f.Index != []int{3, 5}[i] || tc.apart && (f.Target != "target" || f.Reason != tc.reason) {
				t.Errorf("%s: %+v", tc.name, f)
			}
		}
	}
	b := new(outputs.Batch)
	if se := OfTarget(nil, b, "target", []int{1}); se != nil || b.Host != "target" {
		t.Errorf("taken: %v, the batch's host is %q", se, b.Host)
	}
}

// suspected is a refusal that may be about one event.
func suspected(status int) *outputs.SendError {
	se := refusal("server", status)
	se.Suspect = true
	return se
}

// What keeps the parts behind it from being tried.
func TestStops(t *testing.T) {
	for reason, want := range map[outputs.Reason]bool{
		outputs.ReasonNetwork: true, outputs.ReasonAuth: true, outputs.ReasonThrottled: true,
		outputs.ReasonServer: false, outputs.ReasonTarget: false, outputs.ReasonRejected: false,
		outputs.ReasonTooLarge: false, outputs.ReasonPaced: false,
	} {
		if got := Stops(&outputs.SendError{Reason: reason}); got != want {
			t.Errorf("%s: %t", reason, got)
		}
	}
}

// A failure of one event has the type of its status, and is searched for where it is too large among others.
func TestFailure(t *testing.T) {
	for _, tc := range []struct {
		reason outputs.Reason
		status int
		want   outputs.Reason
		kind   string
	}{
		{outputs.ReasonServer, 500, outputs.ReasonServer, "Internal_Server_Error"},
		{outputs.ReasonTooLarge, 413, outputs.ReasonServer, "Request_Entity_Too_Large"},
		{outputs.ReasonServer, 418, outputs.ReasonServer, ""},
		{outputs.ReasonServer, 599, outputs.ReasonServer, ""},
		{outputs.ReasonNetwork, 0, outputs.ReasonNetwork, ""},
	} {
		se := &outputs.SendError{Reason: tc.reason, Status: tc.status, Err: errors.New("no"), Remedy: "look"}
		want := outputs.Failure{
			Index: 7, Reason: tc.want, Status: tc.status, Detail: "no", Target: "t", Kind: tc.kind, Remedy: "look",
		}
		if got := failure(7, "t", se); got != want {
			t.Errorf("%s %d: %+v, want %+v", tc.reason, tc.status, got, want)
		}
	}
}

// What is wrong with settings is told with what to write; of several headers in the order of the alphabet.
func TestConfig_CheckHints(t *testing.T) {
	secret := setting.NewSecret
	for _, tc := range []struct {
		name string
		cfg  Config
		want string
	}{
		{
			"a login and its header",
			Config{
				BearerToken: secret("t"), Headers: map[string]setting.Secret{"authorization": secret("x")},
			},
			"headers.authorization: the login sets it (remove it, or bearer_token)",
		},
		{
			"OAuth and its header",
			Config{
				OAuth2:  &OAuth2{TokenURL: "https://id/"},
				Headers: map[string]setting.Secret{"Authorization": secret("x")},
			},
			"headers.Authorization: the login sets it (remove it, or oauth2)",
		},
		{
			"several headers",
			Config{Headers: map[string]setting.Secret{
				"Host": secret("x"), "a b": secret("x"), "X-A": secret(" x"), "B": secret("x"),
			}},
			"headers.Host: this program sets it itself (remove it); headers.X-A: its value holds a line break, or a " +
				"space at an end (check where it comes from); headers.a b: it is no name of a header (write letters, " +
				"digits and -)",
		},
		{
			"OAuth without a host",
			Config{OAuth2: &OAuth2{TokenURL: "https:///x"}},
			"oauth2.token_url: it is not a URL (write https://host/path)",
		},
		{
			"a password alone",
			Config{Password: secret("p")},
			"username: there is a password without a user (set it too)",
		},
	} {
		var r setting.Report
		tc.cfg.Check(&r)
		var all []string
		for _, p := range r.Problems {
			all = append(all, fmt.Sprintf("%s: %s (%s)", p.Key, p.Reason, p.Hint))
		}
		if got := strings.Join(all, "; "); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// Which login there is, by its key.
func TestConfig_Login(t *testing.T) {
	for _, tc := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, ""},
		{Config{Username: "u"}, "username"},
		{Config{Password: setting.NewSecret("")}, "username"},
		{Config{BearerToken: setting.NewSecret("")}, "bearer_token"},
		{Config{OAuth2: &OAuth2{}}, "oauth2"},
		{Config{Username: "u", OAuth2: &OAuth2{}}, "username"},
	} {
		if got := tc.cfg.login(); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}

// A page, a wish to wait and a login say nothing of one event; an error or what is not understood may.
func TestAnswer_Suspect(t *testing.T) {
	for _, tc := range []struct {
		answer Answer
		want   bool
	}{
		{Answer{Status: 400}, true},
		{Answer{Status: 400, RetryAfter: time.Second}, false},
		{Answer{Status: 500, Kind: "text/html"}, true},
		{Answer{Status: 403}, false},
		{Answer{Status: 403, Kind: "text/html"}, true},
		{Answer{Status: 403, Kind: "text/html", RetryAfter: 1}, false},
		{Answer{Status: 401, Kind: "text/html"}, false},
		{Answer{Status: 429}, false},
		{Answer{Status: 503}, false},
		{Answer{Status: 200, Kind: "text/html"}, false},
	} {
		if got := tc.answer.Suspect(Refusals().Find(tc.answer.Status, "", "")); got != tc.want {
			t.Errorf("%+v: %t", tc.answer, got)
		}
	}
}
