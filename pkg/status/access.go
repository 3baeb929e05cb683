package status

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/status/page"
)

// complainEvery is how often, at most, refused credentials are logged.
const complainEvery = 10 * time.Second

// open reports whether everybody may do this: see numbers, and be told whether the program lives. All else
// is protected, be it something that nobody thought of here.
func open(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	switch r.URL.Path {
	case "/", "/healthz", "/readyz", "/status", "/queue", "/metrics", livePath:
		return true
	}
	name, ok := strings.CutPrefix(r.URL.Path, page.Folder)
	return ok && !strings.Contains(name, "/")
}

// probes reports whether the request asks whether the program lives, which is open to everybody always.
func probes(r *http.Request) bool {
	return open(r) && (r.URL.Path == "/healthz" || r.URL.Path == "/readyz")
}

// refusal says why a request that is not open is refused, with the HTTP status; "": it is not.
//
// Over loopback, where only this machine's users are, nobody needs credentials, but the request must
// be meant for this machine: not that of another site's page, nor sent to a name of another site's
// that leads here, nor passed on by a proxy. From elsewhere it takes the token or a user's password.
func (s *Server) refusal(r *http.Request) (code int, why string) {
	if !ownOrigin(r) {
		return http.StatusForbidden, "this is not done for other sites' pages"
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	c := &s.options.Config
	switch {
	case !c.Private && r.URL.Path != loginPath && local != nil && local.IP.IsLoopback() && s.ownHost(r) &&
		!forwarded(r):
		return 0, ""
	}
	return s.credentials(r)
}

// loginPath is where a browser is asked for credentials, wherever it runs.
const loginPath = "/login"

// credentials says why a request does not prove who it is from, with the HTTP status; "": it does.
func (s *Server) credentials(r *http.Request) (code int, why string) {
	c := &s.options.Config
	switch {
	case c.Token.Reveal() == "" && len(c.Users) == 0:
		return http.StatusForbidden, "records are shown and changes are taken on loopback only (as " +
			"http://localhost), unless status.token or status.users is set"
	case r.Header.Get("Authorization") == "":
		return http.StatusUnauthorized, "this needs the token of status.token, as Authorization: Bearer or as the " +
			"password of any user name, or a user of status.users with the password"
	}
	source := sourceOf(r.RemoteAddr)
	switch wait := s.attempts.wait(source); {
	case wait > 0:
		s.complain(r, "wrong tokens or passwords keep coming: refused unread")
		return http.StatusTooManyRequests, fmt.Sprintf(
			"too many wrong tokens or passwords from this address: try again in %d s", 1+int(wait.Seconds()),
		)
	case c.authorized(r):
		return 0, ""
	}
	s.attempts.wrong(source)
	s.complain(r, "refused a wrong token or password")
	return http.StatusUnauthorized,
		"this is not the token of status.token, nor a user of status.users with the password"
}

// mayRead reports whether the reply to a request that is open to everybody may hold records all the same, and whether
// a destination's own words, which may quote some: these only for the token or a user's password, on loopback too.
func (s *Server) mayRead(r *http.Request) (records, words bool) {
	_, why := s.refusal(r)
	return why == "", why == "" && s.options.Config.authorized(r)
}

// who names whom a request is from, for the log: a user, the token, or nobody in particular on loopback.
func (s *Server) who(r *http.Request) string {
	c := &s.options.Config
	if name, _, basic := r.BasicAuth(); basic &&
		slices.ContainsFunc(c.Users, func(u User) bool { return u.Name == name }) && c.authorized(r) {
		return "user " + name
	}
	if c.authorized(r) {
		return "the token"
	}
	return "somebody on this machine"
}

// complain logs that a request was refused, now and then.
func (s *Server) complain(r *http.Request, what string) {
	if ok, _ := s.complaints.Allow("refused", "", 1, time.Now()); ok {
		s.options.Log.Warn().Str("from", r.RemoteAddr).Str("path", r.URL.Path).Msg(what)
	}
}

// forwarded reports whether a proxy passed the request on: then it comes from this machine only in name.
func forwarded(r *http.Request) bool {
	for _, header := range []string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip"} {
		if len(r.Header.Values(header)) > 0 {
			return true
		}
	}
	return false
}

// ownOrigin reports whether no page of another site makes the request, which a browser says in Origin,
// and in Sec-Fetch-Site.
func ownOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if site := r.Header.Get("Sec-Fetch-Site"); r.Method != http.MethodGet && site != "" && site != "same-origin" &&
		site != "none" {
		return false
	}
	return origin == "" || origin == "http://"+r.Host || origin == "https://"+r.Host
}

// ownHost reports whether the request was sent to a name of this machine. Other names may be those of a
// web page's site, which has them lead here (DNS rebinding).
func (s *Server) ownHost(r *http.Request) bool {
	if r.Host == "" {
		// No browser sends an empty one.
		return true
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	return strings.EqualFold(host, "localhost") || s.hostname != "" && strings.EqualFold(host, s.hostname)
}

// authorized reports whether the request has the token or a user's name and password, in a time that
// doesn't tell how much of them is right.
func (c *Config) authorized(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	ok := 0
	if strings.EqualFold(scheme, "Bearer") && c.Token.Reveal() != "" {
		ok |= same(token, c.Token)
	}
	if name, password, basic := r.BasicAuth(); basic {
		if c.Token.Reveal() != "" {
			// Browsers ask for a name too: any will do.
			ok |= same(password, c.Token)
		}
		for _, u := range c.Users {
			ok |= same(name, setting.NewSecret(u.Name)) & same(password, u.Password)
		}
	}
	return ok == 1
}

func same(given string, want setting.Secret) int {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(want.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:])
}
