package app

import (
	stdtls "crypto/tls"
	"fmt"
	"os"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/file"
	forwardoutput "github.com/seed-afc6a195/aggregator/pkg/outputs/forward"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/stdout"
	"github.com/seed-afc6a195/aggregator/pkg/tls"
)

// surroundings is what destinations need of the program besides their settings.
type surroundings struct {
	log      zerolog.Logger
	now      func() time.Time
	hostname string
}

// sender is a destination, ready to be sent to.
type sender struct {
	outputs.Output
	common       outputs.Common               // with the destination's defaults
	certificates *tls.Client                  // nil without TLS
	fields       map[string]map[string]string // by cluster; see config
}

// newSender makes the destination that cfg calls name. It reaches for nothing outside but files of certificates.
func newSender(name string, cfg *config.Config, in surroundings) (*sender, error) {
	settings := cfg.Outputs[name].Settings
	s := &sender{fields: clusterFields(cfg), common: commonOf(cfg.Outputs[name])}
	log := in.log.With().Str("output", name).Logger()
	var err error
	switch c := settings.(type) {
	case *file.Config:
		s.Output, err = file.New(*c, name, log, in.now)
	case *stdout.Config:
		s.Output = stdout.New(*c, os.Stdout)
	case *forwardoutput.Config:
		var secure func(host string) *stdtls.Config
		if secure, err = s.secure(c.TLS, log, in.now); err == nil {
			s.Output, err = forwardoutput.New(*c, forwardoutput.Options{Hostname: in.hostname, TLS: secure, Log: log})
		}
	default:
		err = fmt.Errorf("type %s is not supported yet", s.common.Type)
	}
	if err != nil {
		return nil, err
	}
	if o, ok := s.Output.(interface {
		SetClusterFields(fields map[string]map[string]string)
	}); ok {
		o.SetClusterFields(s.fields)
	}
	return s, nil
}

// commonOf returns what all outputs have, with the defaults of the destination.
func commonOf(out config.Output) outputs.Common {
	return out.Settings.(interface{ Settings() outputs.Common }).Settings()
}

// secure reads the certificates of a client. It returns nil where set is.
func (s *sender) secure(set *setting.ClientTLS, log zerolog.Logger, now func() time.Time) (func(host string) *stdtls.Config, error) {
	if set == nil {
		return nil, nil //nolint:nilnil // nil: no TLS
	}
	var err error
	if s.certificates, err = tls.NewClient(*set, tls.Options{Log: log, Now: now}); err != nil {
		return nil, err
	}
	return s.certificates.ConfigFor, nil
}
