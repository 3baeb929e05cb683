// Package cluster says who a connection is and what its cluster may do.
package cluster

import "github.com/seed-afc6a195/aggregator/pkg/config/setting"

// Default is the cluster of everything where no clusters are configured.
const Default = "default"

// Config is the settings of one cluster.
type Config struct {
	Name         string            `yaml:"name" required:"true" help:"a tenant: the agents that share a key, user or certificate name"`
	SharedKey    []setting.Secret  `yaml:"shared_key" help:"one or a list"`
	Users        []User            `yaml:"users" help:"agents' user names and passwords"`
	TLSNames     []string          `yaml:"tls_names" help:"DNS or URI SAN, or CN, of the client certificate"`
	Sources      []string          `yaml:"sources" help:"networks; when given, also required"`
	Tags         []string          `yaml:"tags" help:"tag patterns; when given, other tags are refused"`
	RateLimit    setting.Rate      `yaml:"rate_limit" default:"0" help:"slows the cluster's acks; never drops"`
	MaxQueueSize setting.Size      `yaml:"max_queue_size" default:"0" help:"bytes on disk"`
	Fields       map[string]string `yaml:"fields" help:"added to every event"`
}

// User is an agent's user name and password.
type User struct {
	Name     string         `yaml:"name" required:"true"`
	Password setting.Secret `yaml:"password" required:"true"`
}
