package app

import (
	stdtls "crypto/tls"

	"github.com/rs/zerolog"

	forwardoutput "github.com/seed-afc6a195/aggregator/pkg/outputs/forward"
	"github.com/seed-afc6a195/aggregator/pkg/tls"
)

// newForward gives out a sender of type forward, with what it needs of other parts: the host's name and the certificates.
func (a *App) newForward(out *output, c *forwardoutput.Config, log zerolog.Logger) (err error) {
	var secure func(host string) *stdtls.Config
	if c.TLS != nil {
		if out.certificates, err = tls.NewClient(*c.TLS, tls.Options{Log: log, Now: a.opts.Now}); err != nil {
			return err
		}
		secure = out.certificates.ConfigFor
	}
	out.sender, err = forwardoutput.New(*c, forwardoutput.Options{Hostname: a.initial.Hostname, TLS: secure, Log: log})
	return err
}
