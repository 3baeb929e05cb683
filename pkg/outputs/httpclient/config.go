// Package httpclient is what the outputs that speak HTTP share: logins, headers, compression, proxies, and what an
// answer proves or refuses.
package httpclient

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Config is the settings that outputs that speak HTTP have; each destination's Config inlines it.
type Config struct {
	Username    string                    `yaml:"username" help:"for basic authentication"`
	Password    setting.Secret            `yaml:"password" help:"for basic authentication"`
	BearerToken setting.Secret            `yaml:"bearer_token" help:"instead of username and password"`
	OAuth2      *OAuth2                   `yaml:"oauth2" help:"instead of these: client credentials"`
	Headers     map[string]setting.Secret `yaml:"headers" help:"name: value, added to every request"`
	TLS         *setting.ClientTLS        `yaml:"tls" help:"how the server is trusted"`
	Proxy       string                    `yaml:"proxy"`
	Compression string                    `yaml:"compression" default:"gzip" enum:"none|gzip|zstd" help:"of requests"`
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"proxy": "URL of an HTTP proxy to the server; default: as HTTP_PROXY, HTTPS_PROXY and NO_PROXY say; " +
			"none: no proxy",
	}
}

// OAuth2 is the settings of OAuth 2.0 client credentials (RFC 6749, section 4.4).
type OAuth2 struct {
	TokenURL     string            `yaml:"token_url" required:"true" help:"where tokens are to be had"`
	ClientID     string            `yaml:"client_id" required:"true" help:"who asks for them"`
	ClientSecret setting.Secret    `yaml:"client_secret" required:"true" help:"the client's"`
	Scopes       []string          `yaml:"scopes" help:"that a token is to have"`
	Parameters   map[string]string `yaml:"parameters" help:"more of the request for a token, e.g. audience"`
}

const (
	compressionGzip = "gzip"
	compressionZstd = "zstd"
)

// Check reports settings that can't work. A destination's own Check calls it, with the URL of its server.
func (c *Config) Check(r *setting.Report) {
	c.checkLogin(r)
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		if why, hint := badHeader(name, c.Headers[name].Reveal()); why != "" {
			r.Add("headers."+name, hint, "%s", why)
		} else if http.CanonicalHeaderKey(name) == "Authorization" && c.login() != "" {
			r.Add("headers."+name, "remove it, or "+c.login(), "the login sets it")
		}
	}
	outputs.CheckProxy(r, c.Proxy)
	if c.OAuth2 != nil {
		if u, err := url.Parse(c.OAuth2.TokenURL); err != nil || u.Host == "" ||
			u.Scheme != "http" && u.Scheme != "https" {
			r.Add("oauth2.token_url", "write https://host/path", "it is not a URL")
		}
	}
}

// login returns the key of the login that is set, "" for none.
func (c *Config) login() string {
	switch {
	case c.Username != "" || c.Password.IsSet():
		return "username"
	case c.BearerToken.IsSet():
		return "bearer_token"
	case c.OAuth2 != nil:
		return "oauth2"
	default:
		return ""
	}
}

func (c *Config) checkLogin(r *setting.Report) {
	var ways []string
	for key, given := range map[string]bool{
		"username": c.Username != "" || c.Password.IsSet(), "bearer_token": c.BearerToken.IsSet(),
		"oauth2": c.OAuth2 != nil,
	} {
		if given {
			ways = append(ways, key)
		}
	}
	if slices.Sort(ways); len(ways) > 1 {
		r.Add(ways[1], "keep one of them", "%s are set: only one can be sent", strings.Join(ways, " and "))
	}
	switch {
	case c.Password.IsSet() && c.Username == "":
		r.Add("username", "set it too", "there is a password without a user")
	case strings.Contains(c.Username, ":"):
		r.Add("username", "", "it can't hold a colon")
	}
	unsendable := func(c rune) bool { return c <= ' ' || c > '~' }
	if c.BearerToken.IsSet() && strings.ContainsFunc(strings.TrimSpace(c.BearerToken.Reveal()), unsendable) {
		r.Add(
			"bearer_token",
			"check where it comes from",
			"it holds a space, a line break or a character that can't be sent",
		)
	}
}

// IsHeaderName reports whether a header may have the name.
func IsHeaderName(name string) bool {
	return regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$").MatchString(name)
}

// badHeader says why a header can't be set, "" where it can.
func badHeader(name, value string) (why, hint string) {
	own := []string{
		"Host",
		"Content-Type",
		"Content-Encoding",
		"Content-Length",
		"Transfer-Encoding",
		"Connection",
		"User-Agent",
	}
	switch {
	case !IsHeaderName(name):
		return "it is no name of a header", "write letters, digits and -"
	case slices.Contains(own, http.CanonicalHeaderKey(name)):
		return "this program sets it itself", "remove it"
	case strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }),
		value != strings.TrimSpace(value):
		return "its value holds a line break, or a space at an end", "check where it comes from"
	}
	return "", ""
}
