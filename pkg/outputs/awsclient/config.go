// Package awsclient is what the outputs to Amazon Web Services share: settings, credentials, what an
// error means, and the pace at which a stream takes records.
package awsclient

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

// Config is the settings that every output to AWS has; each destination's Config inlines it.
type Config struct {
	Region       string         `yaml:"region" required:"true" help:"of AWS"`
	Endpoint     string         `yaml:"endpoint" help:"URL of a VPC endpoint or an emulator; default: the service's own"`
	RoleARN      string         `yaml:"role_arn" help:"a role to assume; default: the credentials of the environment, a profile, IRSA, EKS pod identity or the instance"`
	ExternalID   setting.Secret `yaml:"external_id" help:"that the role's owner asks for"`
	UseFIPS      bool           `yaml:"use_fips" default:"false" help:"true: the service's FIPS endpoint"`
	UseDualStack bool           `yaml:"use_dualstack" default:"false" help:"true: the service's IPv4 and IPv6 endpoint"`
}

// Load returns the SDK's configuration. It makes one attempt at each call: repeating is the delivery
// loop's. The first credentials are fetched by the first call, not here.
func Load(ctx context.Context, cfg Config) (aws.Config, error) {
	return awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(cfg.Region),
		awsconfig.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }))
}
