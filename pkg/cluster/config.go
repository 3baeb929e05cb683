package cluster

import (
	"net/netip"
	"regexp"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

// Default is the cluster of everything where no clusters are configured.
const Default = "default"

// Config is the settings of one cluster.
type Config struct {
	Name           string            `yaml:"name" required:"true"`
	SharedKey      []setting.Secret  `yaml:"shared_key" help:"one or a list"`
	Users          []User            `yaml:"users" help:"agents' user names and passwords; when given, also required"`
	TLSNames       []string          `yaml:"tls_names" help:"DNS or URI SAN, or CN, of the client certificate"`
	Sources        []string          `yaml:"sources" help:"networks; when given, also required"`
	Tags           []string          `yaml:"tags" help:"tag patterns; when given, other tags are refused"`
	RateLimit      setting.Rate      `yaml:"rate_limit" default:"0"`
	MaxConnections int               `yaml:"max_connections" default:"0"`
	MaxQueueSize   setting.Size      `yaml:"max_queue_size" default:"0"`
	WhenFull       string            `yaml:"when_full" enum:"block|drop_oldest|reject"`
	Fields         map[string]string `yaml:"fields" help:"added to every event"`
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"name":            "a tenant: the agents that share a key, user or certificate name",
		"rate_limit":      "bytes a second as sent; slows reading and acks, never drops",
		"max_connections": "open at once, at all listeners; 0: no limit",
		"max_queue_size":  "bytes on disk that may wait for any output; 0: the buffer's limit. Past it: when_full",
		"when_full":       "for this cluster; default: buffer.when_full",
	}
}

// User is an agent's user name and password.
type User struct {
	Name     string         `yaml:"name" required:"true"`
	Password setting.Secret `yaml:"password" required:"true"`
}

// Check reports names that can't stand in paths and networks that are none.
func (c *Config) Check(r *setting.Report) {
	if !regexp.MustCompile(`^[0-9A-Za-z_][0-9A-Za-z_.-]{0,62}$`).MatchString(c.Name) {
		r.Add("name", "up to 63 of the letters a-z and A-Z, digits, _, - and ., the first no - or .",
			"not a valid name")
	}
	for _, text := range c.Sources {
		if _, err := parseNetwork(text); err != nil {
			r.Add("sources", "write networks like 10.20.0.0/16, or single addresses", "%q is no network", text)
		}
	}
	for _, name := range c.TLSNames {
		if name == "" {
			r.Add("tls_names", "", "a name is empty")
		}
	}
}

// LogsIn reports whether agents prove with HELO, PING and PONG that they belong to c.
func (c *Config) LogsIn() bool { return len(c.SharedKey) > 0 || len(c.Users) > 0 }

// Open reports whether nothing but the way that they came tells c's agents: their network, or the listener.
func (c *Config) Open() bool { return !c.LogsIn() && len(c.TLSNames) == 0 }

// Proves reports whether a stranger is kept out: by a secret, a certificate or the network. An empty key is no secret.
func (c *Config) Proves() bool {
	if len(c.Users) > 0 || len(c.Sources) > 0 {
		return true
	}
	for _, key := range c.SharedKey {
		if key.Reveal() == "" {
			return false
		}
	}
	return !c.Open()
}

// keys are the shared keys of c's agents. Users without a key have the empty one, as agents do that are given none.
func (c *Config) keys() []setting.Secret {
	if len(c.SharedKey) == 0 && len(c.Users) > 0 {
		return []setting.Secret{setting.NewSecret("")}
	}
	return c.SharedKey
}

// parseNetwork reads a network, or one address.
func parseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err
}
