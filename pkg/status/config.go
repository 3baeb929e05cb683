package status

import "github.com/seed-afc6a195/aggregator/pkg/config/setting"

// Config is the settings of the status endpoint.
type Config struct {
	Address string             `yaml:"address" default:"127.0.0.1:9880" help:"where /status, /metrics and the probes are served"`
	Token   setting.Secret     `yaml:"token" later:"true" help:"bearer token"`
	Users   []User             `yaml:"users" later:"true" help:"who may change things or see records"`
	TLS     *setting.ServerTLS `yaml:"tls" later:"true" help:"serve over TLS"`
	Pprof   bool               `yaml:"pprof" default:"false" help:"serve /debug/pprof"`
}

// User may sign in at the status endpoint.
type User struct {
	Name     string         `yaml:"name" required:"true"`
	Password setting.Secret `yaml:"password" required:"true"`
}
