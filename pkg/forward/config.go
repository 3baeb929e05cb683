package forward

import (
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

// Config is the settings of one listener.
type Config struct {
	Name                    string             `yaml:"name" default:"forward" help:"in logs and metrics"`
	Address                 string             `yaml:"address" required:"true" help:"host:port, or unix:/path"`
	TLS                     *setting.ServerTLS `yaml:"tls" help:"absent: plain TCP"`
	ProxyProtocol           string             `yaml:"proxy_protocol" default:"\"off\"" enum:"off|optional|required"`
	TrustedProxies          []string           `yaml:"trusted_proxies" help:"networks whose PROXY headers are believed"`
	Clusters                []string           `yaml:"clusters" help:"which clusters may come in here; none: all"`
	Handover                *HandoverConfig    `yaml:"handover"`
	AllowAnonymous          bool               `yaml:"allow_anonymous" default:"false"`
	UDPHeartbeat            bool               `yaml:"udp_heartbeat" default:"true"`
	MaxConnections          int                `yaml:"max_connections" default:"10000" min:"1" help:"open at once"`
	MaxConnectionsPerSource int                `yaml:"max_connections_per_source" default:"0" min:"0"`
	MaxConnectionAge        time.Duration      `yaml:"max_connection_age" default:"0s" min:"0s"`
	MaxMessages             int                `yaml:"max_messages_per_connection" default:"0" min:"0"`
	HandshakeTimeout        time.Duration      `yaml:"handshake_timeout" default:"10s" min:"100ms"`
	IdleTimeout             time.Duration      `yaml:"idle_timeout" default:"10m" min:"1s" help:"between messages"`
	MaxMessageSize          setting.Size       `yaml:"max_message_size" default:"64MiB" min:"64KiB" help:"as sent"`
	MaxDecompressedSize     setting.Size       `yaml:"max_decompressed_size" default:"256MiB" min:"64KiB"`
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"proxy_protocol": "v1 and v2, from trusted_proxies only",
		"handover": "another aggregator's drain --to may come in here; everybody has to log " +
			"in here then",
		"allow_anonymous":             "a listener that is not loopback, with nobody to authenticate, must say true",
		"udp_heartbeat":               "answer fluentd's UDP heartbeats on the same port",
		"max_connections_per_source":  "0: no limit",
		"max_connection_age":          "closed between messages; ±10 %; 0: no limit",
		"max_messages_per_connection": "0: no limit",
		"handshake_timeout":           "for TLS and HELO, PING, PONG together",
		"max_decompressed_size":       "of a compressed message",
	}
}

// HandoverConfig is who may hand over a queue, and of whose clusters.
type HandoverConfig struct {
	SharedKey setting.Secret `yaml:"shared_key" required:"true" help:"for handovers alone, no cluster's"`
	Clusters  []string       `yaml:"clusters" required:"true" help:"whose events are taken over, by name"`
}

// Check holds what the settings need of each other.
func (c *Config) Check(r *setting.Report) {
	if _, err := parseNetworks(c.TrustedProxies); err != nil {
		r.Add("trusted_proxies", "", "%v", err)
	}
	switch {
	case c.ProxyProtocol == "off" || c.ProxyProtocol == "":
	case strings.HasPrefix(c.Address, "unix:"):
		r.Add("proxy_protocol", "leave it off", "there is no PROXY protocol on a Unix socket")
	case len(c.TrustedProxies) == 0:
		r.Add("trusted_proxies", "name the load balancer's networks",
			"proxy_protocol: %s believes trusted_proxies only, and there are none", c.ProxyProtocol)
	}
}
