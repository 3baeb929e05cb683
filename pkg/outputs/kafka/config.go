// Package kafka delivers events to topics of Apache Kafka.
package kafka

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// Config is the settings of an output of type kafka.
type Config struct {
	outputs.Common        `yaml:",inline"`
	Brokers               []string          `yaml:"brokers" required:"true"`
	Topic                 string            `yaml:"topic" required:"true" placeholders:"target"`
	MaxTopicsPerHour      int               `yaml:"max_topics_per_hour" default:"200"`
	Key                   string            `yaml:"key" placeholders:"other"`
	Headers               map[string]string `yaml:"headers" help:"of records: name: text with placeholders"`
	outputs.MessageConfig `yaml:",inline"`
	Acks                  string             `yaml:"acks" default:"all" enum:"all"`
	Compression           string             `yaml:"compression" default:"zstd" enum:"none|gzip|snappy|lz4|zstd"`
	MaxMessageSize        setting.Size       `yaml:"max_message_size" default:"1MiB" min:"1KiB"`
	AutoCreate            bool               `yaml:"auto_create" default:"false"`
	TLS                   *setting.ClientTLS `yaml:"tls" help:"how the brokers are trusted; absent: plain TCP"`
	Proxy                 string             `yaml:"proxy"`
	SASL                  *SASL              `yaml:"sasl"`
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"brokers": "host:port of some of them, one or a list; port 9092 where none is given",
		"topic":   "with placeholders, e.g. logs-{cluster}",
		"max_topics_per_hour": "different topics of a cluster in an hour; events beyond go to the one with \"other\" " +
			"in place of what is neither cluster nor time, and the time of arrival; 0: no limit",
		"key": "of records, with placeholders, e.g. {tag}: equal keys share a partition; empty: any " +
			"partition",
		"acks":        "a record is delivered once all replicas in sync have it",
		"compression": "of batches of records",
		"max_message_size": "bytes that brokers and topics take in a batch of records, before compression: " +
			"message.max.bytes",
		"auto_create": "true: brokers may make missing topics, if auto.create.topics.enable says so there",
		"proxy": "URL of an HTTP proxy that lets connections to the brokers through (CONNECT), and to AWS for " +
			"aws_msk_iam; default: none, whatever the environment says",
		"sasl": "how this program logs in; absent: not, or by the certificate in tls",
	}
}

// SASL is the settings of a login.
type SASL struct {
	Mechanism  string         `yaml:"mechanism" required:"true" enum:"plain|scram-sha-256|scram-sha-512|aws_msk_iam"`
	Username   string         `yaml:"username" help:"for plain and scram"`
	Password   setting.Secret `yaml:"password" help:"for plain and scram"`
	Region     string         `yaml:"region" help:"for aws_msk_iam"`
	RoleARN    string         `yaml:"role_arn"`
	ExternalID setting.Secret `yaml:"external_id" help:"for aws_msk_iam: that the role's owner asks for"`
}

// Help implements setting.Explained.
func (SASL) Help() map[string]string {
	return map[string]string{
		"mechanism": "how",
		"role_arn": "for aws_msk_iam: a role to assume; default: the credentials of the environment, a " +
			"profile, IRSA, EKS pod identity or the instance",
	}
}

const (
	mechanismPlain = "plain"
	mechanism256   = "scram-sha-256"
	mechanism512   = "scram-sha-512"
	mechanismIAM   = "aws_msk_iam"

	// maxName is how many bytes of a topic's name.
	maxName = 249
	// maxMessage is how many bytes of a batch that the protocol can say.
	maxMessage = 1 << 30
)

// Settings returns the common settings with this destination's defaults.
func (c *Config) Settings() outputs.Common {
	return c.Or(outputs.Common{Batch: outputs.BatchConfig{MaxBytes: 4 << 20, MaxEvents: 20_000}}).Or(outputs.Defaults())
}

// Check reports settings that can't work.
func (c *Config) Check(r *setting.Report) {
	c.Common.Check(r)
	c.MessageConfig.Check(r)
	if outputs.CheckProxy(r, c.Proxy); strings.HasPrefix(c.Proxy, "socks5:") {
		r.Add("proxy", "write http://host:port", "only a proxy that takes CONNECT can be on the way to brokers")
	}
	seen := map[string]bool{}
	for i, text := range c.Brokers {
		key := fmt.Sprintf("brokers[%d]", i)
		address, err := broker(text)
		switch {
		case err != nil:
			r.Add(key, "write host:port, without a scheme", "%v", err)
		case seen[address]:
			r.Add(key, "remove it", "the same broker is there twice")
		}
		seen[address] = true
	}
	if _, err := parseTopic(c.Topic); err != nil {
		r.Add("topic", "use letters, digits, . _ and -, and placeholders", "%v", err)
	}
	if _, err := event.ParseTemplate(c.Key); err != nil {
		r.Add("key", "see the example in the documentation", "%v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		if _, err := event.ParseTemplate(c.Headers[name]); err != nil {
			r.Add("headers."+name, "see the example in the documentation", "%v", err)
		}
	}
	if c.MaxTopicsPerHour < 0 {
		r.Add("max_topics_per_hour", "write 0 for no limit", "a negative value has no meaning")
	}
	if c.MaxMessageSize > maxMessage {
		r.Add("max_message_size", "write 1GiB or less", "the protocol takes no larger batches")
	}
	if c.SASL != nil && c.TLS == nil && c.SASL.Mechanism == mechanismIAM {
		r.Add("tls", "write tls: {}", "brokers take aws_msk_iam over TLS only")
	}
	if c.SASL != nil && c.TLS == nil && c.SASL.Mechanism == mechanismPlain {
		r.Warn("tls", "set it, or use scram-sha-512", "the password comes over the network unencrypted")
	}
}

// Check reports settings that can't work.
func (s *SASL) Check(r *setting.Report) {
	if s.Mechanism == mechanismIAM {
		who := s.identity("")
		if s.Region == "" {
			r.Add("region", "the region of the brokers, such as eu-central-1", "the key is missing")
		}
		who.Check(r)
		if s.Username != "" || s.Password.IsSet() {
			r.Add("username", "leave username and password out", "aws_msk_iam signs by the credentials of AWS")
		}
		return
	}
	switch {
	case s.Username == "":
		r.Add("username", "set it", "the mechanism %s needs one", s.Mechanism)
	case s.Password.Reveal() == "":
		r.Add("password", "set it", "the mechanism %s needs one", s.Mechanism)
	}
	if s.Region != "" || s.RoleARN != "" || s.ExternalID.IsSet() {
		r.Add("region", "leave region, role_arn and external_id out", "they are for aws_msk_iam")
	}
}

func (s *SASL) identity(proxy string) awsclient.Config {
	return awsclient.Config{Region: s.Region, RoleARN: s.RoleARN, ExternalID: s.ExternalID, Proxy: proxy}
}

// broker returns a broker's address with its port.
func broker(text string) (string, error) {
	if strings.Contains(text, "://") || strings.ContainsAny(text, " /@") {
		return "", fmt.Errorf("%q is no address of a broker", text)
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.Trim(text, "[]"), "9092"
		if strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return "", fmt.Errorf("%q is no address of a broker", text)
		}
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil || host == "" {
		return "", fmt.Errorf("%q is no address of a broker", text)
	}
	return net.JoinHostPort(host, port), nil
}
