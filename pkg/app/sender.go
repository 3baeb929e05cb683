package app

import (
	stdtls "crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/cloudwatch"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/file"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/firehose"
	forwardoutput "github.com/seed-afc6a195/aggregator/pkg/outputs/forward"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/kinesis"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/s3"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/stdout"
	"github.com/seed-afc6a195/aggregator/pkg/tls"
)

// surroundings is what destinations need of the program besides their settings.
type surroundings struct {
	log         zerolog.Logger
	now         func() time.Time
	hostname    string
	stateDir    string                 // where an output may keep files of its own
	credentials *awsclient.Credentials // shared by all outputs to AWS
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
		state := filepath.Join(in.stateDir, "file-"+name+".log")
		s.Output, err = file.New(*c, file.Options{Name: name, Log: in.log, Now: in.now, StateFile: state})
	case *stdout.Config:
		s.Output = stdout.New(*c, os.Stdout)
	case *forwardoutput.Config:
		var secure func(host string) *stdtls.Config
		if secure, err = s.secure(c.TLS, log, in.now); err == nil {
			s.Output, err = forwardoutput.New(*c, forwardoutput.Options{Hostname: in.hostname, TLS: secure, Log: log})
		}
	case *elasticsearch.Config:
		var secure func(host string) *stdtls.Config
		if secure, err = s.secure(c.TLS, log, in.now); err == nil {
			s.Output, err = elasticsearch.New(*c, elasticsearch.Options{TLS: secure, Log: log, Now: in.now})
		}
	case *firehose.Config:
		s.Output, err = firehose.New(*c, firehose.Options{Log: log, Credentials: in.credentials})
	case *kinesis.Config:
		s.Output, err = kinesis.New(*c, kinesis.Options{Log: log, Credentials: in.credentials})
	case *cloudwatch.Config:
		s.Output, err = cloudwatch.New(*c, cloudwatch.Options{Name: name, Log: log, Credentials: in.credentials, Now: in.now})
	case *s3.Config:
		state := filepath.Join(in.stateDir, "s3-"+name+".log")
		s.Output, err = s3.New(*c, s3.Options{Name: name, Log: log, Credentials: in.credentials, StateFile: state})
	default:
		return nil, fmt.Errorf("outputs of type %s can't be made", s.common.Type)
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
