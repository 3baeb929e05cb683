package app

import (
	stdtls "crypto/tls"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/app/routing"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/all"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
	"github.com/seed-afc6a195/aggregator/pkg/tls"
)

// senderDeps is what destinations need of the program besides their settings.
type senderDeps struct {
	log      zerolog.Logger
	now      func() time.Time
	hostname string
	// stateDir is where an output may keep files of its own.
	stateDir string
	// credentials are shared by all outputs to AWS.
	credentials *awsclient.Credentials
}

// sender is a destination, ready to be sent to.
type sender struct {
	outputs.Output
	// common is with the destination's defaults.
	common outputs.Common
	// certificates may be nil without TLS.
	certificates *tls.Client
	// fields are by cluster; see config.
	fields map[string]map[string]string
}

// newSender makes the destination that cfg calls name. It reaches for nothing outside but files of certificates.
func newSender(name string, cfg *config.Config, in senderDeps) (*sender, error) {
	settings := cfg.Outputs[name].Settings
	s := &sender{fields: routing.ClusterFields(cfg), common: settings.Settings()}
	kind, known := outputs.Find(all.Kinds(in.credentials), s.common.Type)
	if !known {
		return nil, fmt.Errorf("outputs of type %s can't be made", s.common.Type)
	}
	log := in.log.With().Str("output", name).Logger()
	var err error
	s.Output, err = kind.New(settings, outputs.Deps{
		Name: name, Log: log, Now: in.now, Hostname: in.hostname, StateDir: in.stateDir, Fields: s.fields,
		TLS: func(set *setting.ClientTLS) (func(host string) *stdtls.Config, error) {
			return s.secure(set, log, in.now)
		},
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// secure reads the certificates of a client. It returns nil where set is.
func (s *sender) secure(
	set *setting.ClientTLS, log zerolog.Logger, now func() time.Time,
) (func(host string) *stdtls.Config, error) {
	if set == nil {
		return nil, nil //nolint:nilnil // nil: no TLS
	}
	var err error
	if s.certificates, err = tls.NewClient(*set, tls.Options{Log: log, Now: now}); err != nil {
		return nil, err
	}
	return s.certificates.ConfigFor, nil
}
