package app

import (
	stdtls "crypto/tls"

	"github.com/rs/zerolog"

	forwardoutput "github.com/seed-afc6a195/aggregator/pkg/outputs/forward"
	"github.com/seed-afc6a195/aggregator/pkg/tls"
)

// newForward makes an output of type forward with what it needs of other parts: the host's name and the certificates.
func (a *App) newForward(c *forwardoutput.Config, log zerolog.Logger) (*forwardoutput.Output, error) {
	var secure func(host string) *stdtls.Config
	if c.TLS != nil {
		certificates, err := tls.NewClient(*c.TLS, tls.Options{Log: log, Now: a.opts.Now})
		if err != nil {
			return nil, err
		}
		secure = certificates.ConfigFor
	}
	return forwardoutput.New(*c, forwardoutput.Options{Hostname: a.initial.Hostname, TLS: secure, Log: log})
}
