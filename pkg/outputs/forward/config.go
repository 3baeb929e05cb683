package forward

import (
	"fmt"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Config is the settings of an output of type forward.
type Config struct {
	outputs.Common   `yaml:",inline"`
	Servers          []Server           `yaml:"servers" required:"true"`
	SharedKey        setting.Secret     `yaml:"shared_key" help:"of the servers; \"\" is a key too"`
	Username         string             `yaml:"username" help:"for servers that want a user besides the key"`
	Password         setting.Secret     `yaml:"password" help:"for servers that want a user besides the key"`
	SelfHostname     string             `yaml:"self_hostname"`
	TLS              *setting.ClientTLS `yaml:"tls" help:"how the servers are trusted; absent: plain TCP"`
	Ack              bool               `yaml:"ack" default:"true" help:"wait for the servers' acks"`
	AckTimeout       time.Duration      `yaml:"ack_timeout" default:"0s" help:"for each message; 0: half of timeout"`
	ConnectTimeout   time.Duration      `yaml:"connect_timeout" default:"10s" min:"100ms"`
	Compression      string             `yaml:"compression" default:"gzip" enum:"none|gzip|zstd"`
	MaxMessageSize   setting.Size       `yaml:"max_message_size" default:"4MiB" min:"1KiB"`
	Tag              string             `yaml:"tag" default:"\"{tag}\""`
	Metadata         string             `yaml:"metadata" default:"drop" enum:"keep|drop"`
	Connections      int                `yaml:"connections" default:"4" min:"1"`
	IdleTimeout      time.Duration      `yaml:"idle_timeout" default:"30s" min:"1s"`
	MaxConnectionAge time.Duration      `yaml:"max_connection_age" default:"10m"`
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"servers":            "host:port, unix:/path, or a mapping with address; one or a list",
		"self_hostname":      "said to servers with a key, must differ from theirs; default: hostname",
		"connect_timeout":    "for connecting, TLS and login together",
		"compression":        "of messages; fluentd reads zstd from 1.19 on",
		"max_message_size":   "before compression; an event that is larger goes alone",
		"tag":                "of messages, with {cluster}, {tag} and {tag[1]}",
		"metadata":           "Fluent Bit's; fluentd up to 1.19 loses events that have it",
		"connections":        "messages that a worker has under way at once",
		"idle_timeout":       "after which an unused connection is closed",
		"max_connection_age": "±10 %, so that load spreads over the servers behind an address; 0: no limit",
	}
}

// Server is one destination of messages.
type Server struct {
	Address string `yaml:"address" short:"true" required:"true"`
	Weight  int    `yaml:"weight" default:"1" min:"1" help:"its share of the messages"`
	Standby bool   `yaml:"standby" default:"false" help:"used only while no other server works"`
}

// Help implements setting.Explained.
func (Server) Help() map[string]string {
	return map[string]string{
		"address": "host:port or unix:/path; port 24224 where none is given",
	}
}

const (
	compressionNone = "none"
	metadataKeep    = "keep"

	// maxConnections bounds workers × connections: each holds a message in memory.
	maxConnections = 256
	// maxMessage is in bytes: msgpack's lengths, and receivers, end not far above.
	maxMessage = 1 << 30
	maxWeight  = 1 << 20
)

// Settings returns the common settings with this destination's defaults.
func (c *Config) Settings() outputs.Common { return c.Or(outputs.Defaults()) }

// Addresses returns the servers' addresses, in order.
func (c *Config) Addresses() []string {
	all := make([]string, len(c.Servers))
	for i, s := range c.Servers {
		all[i] = s.Address
	}
	return all
}

// ackTimeout returns how long to wait for one ack.
func (c *Config) ackTimeout() time.Duration {
	if c.AckTimeout > 0 {
		return c.AckTimeout
	}
	return c.Settings().Timeout / 2
}

// Check reports settings that can't work.
func (c *Config) Check(r *setting.Report) {
	c.Common.Check(r)
	seen, primary := map[string]bool{}, false
	for i, s := range c.Servers {
		key := fmt.Sprintf("servers[%d]", i)
		if s.Address == "" {
			// Reported as missing.
			continue
		}
		if err := (client.Config{Address: s.Address}).Check(); err != nil {
			r.Add(key+".address", "", "%v", err)
		}
		if seen[s.Address] {
			r.Add(key+".address", "give it a weight to send it more", "the same server is there twice")
		}
		if s.Weight > maxWeight {
			r.Add(key+".weight", "write small numbers: only their ratio counts", "%d is too much", s.Weight)
		}
		seen[s.Address], primary = true, primary || !s.Standby
	}
	if len(c.Servers) > 0 && !primary {
		r.Add("servers", "remove standby from one of them", "every server is on standby")
	}
	if !c.SharedKey.IsSet() && (c.Username != "" || c.Password.IsSet()) {
		r.Add("username", `set shared_key too; to "" where the server's is empty`,
			"the protocol has users only together with a shared key")
	}
	if tag, err := event.ParseTemplate(c.Tag); err != nil {
		r.Add("tag", "see the example in the documentation", "%v", err)
	} else if !tag.PerChunk() {
		r.Add("tag", "use {cluster}, {tag} and {tag[1]}", "%q differs from event to event", c.Tag)
	}
	if c.AckTimeout > c.Settings().Timeout {
		r.Add("ack_timeout", "raise timeout too, or leave ack_timeout out",
			"it is longer than timeout, which is for all messages of a batch")
	}
	if n := c.Settings().Workers * c.Connections; n > maxConnections {
		r.Add("connections", fmt.Sprintf("keep workers × connections at %d or less", maxConnections),
			"each of %d connections would hold a message in memory", n)
	}
	if c.MaxMessageSize > maxMessage {
		r.Add("max_message_size", "write 1GiB or less", "no receiver takes messages that large")
	}
}
