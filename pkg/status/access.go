package status

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

// complainEvery is how often, at most, refused credentials are logged.
const complainEvery = 10 * time.Second

// protected says whether the request would change something or show records: not everybody may.
func protected(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead ||
		r.URL.Path == "/dead-letters" || strings.HasPrefix(r.URL.Path, "/dead-letters/")
}

// refusal says why a protected request is refused, with the HTTP status; "": it is not.
//
// Over loopback, where only this machine's users are, nobody needs credentials, but the request must
// be meant for this machine: not that of another site's page, nor sent to a name of another site's
// that leads here. From elsewhere it takes the token or a user's password.
func (s *Server) refusal(r *http.Request) (code int, why string) {
	code, why = s.access(r)
	if code == http.StatusUnauthorized {
		if now, last := time.Now().UnixNano(), s.complained.Load(); now-last > int64(complainEvery) && s.complained.CompareAndSwap(last, now) {
			s.options.Log.Warn().Str("from", r.RemoteAddr).Str("path", r.URL.Path).Msg("refused a request without the right token or password")
		}
	}
	return code, why
}

// access is refusal without a word in the log.
func (s *Server) access(r *http.Request) (code int, why string) {
	if !ownOrigin(r) {
		return http.StatusForbidden, "this is not done for other sites' pages"
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	c := &s.options.Config
	switch {
	case local != nil && local.IP.IsLoopback() && s.ownHost(r):
		return 0, ""
	case c.Token.Reveal() == "" && len(c.Users) == 0:
		return http.StatusForbidden, "records are shown and changes are taken on loopback only (as http://localhost), unless status.token or status.users is set"
	case c.authorized(r):
		return 0, ""
	}
	return http.StatusUnauthorized, "this needs the token of status.token as Authorization: Bearer, or a user of status.users with the password"
}

// ownOrigin says whether no page of another site makes the request, which a browser says in Origin.
func ownOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin == "" || origin == "http://"+r.Host || origin == "https://"+r.Host
}

// ownHost says whether the request was sent to a name of this machine. Other names may be those of a
// web page's site, which has them lead here (DNS rebinding).
func (s *Server) ownHost(r *http.Request) bool {
	if r.Host == "" { // no browser sends an empty one
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

// authorized says whether the request has the token or a user's name and password, in a time that
// doesn't tell how much of them is right.
func (c *Config) authorized(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	ok := 0
	if strings.EqualFold(scheme, "Bearer") && c.Token.Reveal() != "" {
		ok |= same(token, c.Token)
	}
	if name, password, basic := r.BasicAuth(); basic {
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
