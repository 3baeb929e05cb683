package app

import (
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/tls"
)

// Check says what of a configuration would fail at the start although the file itself is right: certificates that can't
// be read or don't fit, destinations that can't be made.
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
	if set := cfg.Status.TLS; set != nil {
		if _, err := tls.NewServer(*set, tls.Options{Log: zerolog.Nop()}); err != nil {
			errs = append(errs, fmt.Errorf("status.tls: %w", err))
		}
	}
	for _, name := range cfg.OutputNames() {
		out, err := newSender(name, cfg, surroundings{log: zerolog.Nop(), now: time.Now, hostname: cfg.Hostname, stateDir: cfg.Buffer.Path})
		if err == nil {
			err = out.Close()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("outputs.%s: %w", name, err))
		}
	}
	seen := make(map[string]bool) // outputs share filters: what is wrong with one is said once
	for _, name := range cfg.OutputNames() {
		rules, err := NewRules(cfg, name, zerolog.Nop())
		if err == nil {
			err = rules.Close()
		}
		for _, err := range parts(err) {
			if !seen[err.Error()] {
				seen[err.Error()] = true
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// parts returns the errors that were joined to err.
func parts(err error) (all []error) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		if err != nil {
			all = append(all, err)
		}
		return all
	}
	for _, e := range joined.Unwrap() {
		all = append(all, parts(e)...)
	}
	return all
}
