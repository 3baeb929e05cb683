package status

import (
	"fmt"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

// Config is the settings of the status endpoint.
type Config struct {
	Address string             `yaml:"address" default:"127.0.0.1:9880"`
	Token   setting.Secret     `yaml:"token" help:"bearer token for changes and records; on loopback nobody needs it"`
	Users   []User             `yaml:"users" help:"who may change things or see records too, by name and password"`
	TLS     *setting.ServerTLS `yaml:"tls" help:"serve over TLS"`
	Private bool               `yaml:"private" default:"false"`
	Pprof   bool               `yaml:"pprof" default:"false" help:"serve /debug/pprof, to whom may see records"`
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"address": "where /status, /metrics and the probes are served",
		"private": "true: all but /healthz and /readyz needs the token or a user, on loopback too",
	}
}

// Check implements setting.Checker.
func (c *Config) Check(r *setting.Report) {
	if c.Private && c.Token.Reveal() == "" && len(c.Users) == 0 {
		r.Add("private", "set status.token or status.users too", "nobody could see anything")
	}
	names := map[string]bool{}
	for i, u := range c.Users {
		key := fmt.Sprintf("users[%d].name", i)
		switch {
		case strings.Contains(u.Name, ":"):
			r.Add(key, "leave it out", "HTTP can't carry a name with a colon")
		case names[u.Name]:
			r.Add(key, "give each a name of its own", "another user has the same name")
		}
		names[u.Name] = true
	}
}

// User may sign in at the status endpoint.
type User struct {
	Name     string         `yaml:"name" required:"true"`
	Password setting.Secret `yaml:"password" required:"true"`
}
