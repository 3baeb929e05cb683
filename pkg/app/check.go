package app

import (
	"errors"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	forwardoutput "github.com/seed-afc6a195/aggregator/pkg/outputs/forward"
	"github.com/seed-afc6a195/aggregator/pkg/tls"
)

// Check says what of a configuration would fail at the start although the file itself is right: certificates that can't
// be read or don't fit.
func Check(cfg *config.Config) error {
	var errs []error
	for _, l := range cfg.Listeners {
		if l.TLS == nil {
			continue
		}
		if _, err := tls.NewServer(*l.TLS, tls.Options{Log: zerolog.Nop()}); err != nil {
			errs = append(errs, fmt.Errorf("listener %s: %w", l.Name, err))
		}
	}
	for _, name := range cfg.OutputNames() {
		c, ok := cfg.Outputs[name].Settings.(*forwardoutput.Config)
		if !ok || c.TLS == nil {
			continue
		}
		if _, err := tls.NewClient(*c.TLS, tls.Options{Log: zerolog.Nop()}); err != nil {
			errs = append(errs, fmt.Errorf("outputs.%s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}
