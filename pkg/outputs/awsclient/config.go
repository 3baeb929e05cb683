// Package awsclient is what the outputs to Amazon Web Services share: settings, credentials, what an
// error means, the pace at which a stream takes records, and how events become records and requests.
package awsclient

import (
	"net/url"
	"regexp"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Config is the settings that every output to AWS has; each destination's Config inlines it.
type Config struct {
	Region       string         `yaml:"region" required:"true" help:"of AWS"`
	Endpoint     string         `yaml:"endpoint"`
	RoleARN      string         `yaml:"role_arn"`
	ExternalID   setting.Secret `yaml:"external_id" help:"that the role's owner asks for"`
	UseFIPS      bool           `yaml:"use_fips" default:"false" help:"true: the service's FIPS endpoint"`
	UseDualStack bool           `yaml:"use_dualstack" default:"false" help:"true: the service's IPv4 and IPv6 endpoint"`
	Proxy        string         `yaml:"proxy"`
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"endpoint": "URL of a VPC endpoint or an emulator; default: the service's own",
		"role_arn": "a role to assume; default: the credentials of the environment, a profile, IRSA, EKS pod " +
			"identity or the instance",
		"proxy": "URL of an HTTP proxy to AWS, for roles too; default: as HTTP_PROXY, HTTPS_PROXY and NO_PROXY say; " +
			"none: no proxy",
	}
}

// Check reports settings that can't work. A destination's own Check calls it.
func (c *Config) Check(r *setting.Report) {
	c.checkRegion(r)
	c.checkEndpoint(r)
	outputs.CheckProxy(r, c.Proxy)
	switch {
	case c.RoleARN == "" && c.ExternalID.IsSet():
		r.Add("external_id", "add role_arn, or remove external_id", "it is only used to assume a role")
	case c.RoleARN != "" &&
		!regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+$`).MatchString(c.RoleARN):
		r.Add("role_arn", "write arn:aws:iam::123456789012:role/name", "%q is not the ARN of a role", c.RoleARN)
	}
}

func (c *Config) checkRegion(r *setting.Report) {
	region := func(s string) bool { return regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+){1,3}-[0-9]{1,2}$`).MatchString(s) }
	n := len(c.Region)
	switch {
	case n == 0 || region(c.Region):
		// A missing one is reported by its tag.
	case c.Endpoint != "" && regexp.MustCompile(`^[A-Za-z0-9-]{1,63}$`).MatchString(c.Region):
		// An emulator's.
	case region(c.Region[:n-1]):
		r.Add("region", "write "+c.Region[:n-1], "%q is an availability zone", c.Region)
	default:
		r.Add("region", "write a region's code, such as eu-central-1", "%q is not a region", c.Region)
	}
}

func (c *Config) checkEndpoint(r *setting.Report) {
	if c.Endpoint == "" {
		return
	}
	const hint = "write https://host or http://host:port"
	u, err := url.Parse(c.Endpoint)
	switch {
	case err != nil:
		// Its text would show the URL, and so what stands before an @.
		r.Add("endpoint", hint, "it is not a URL")
	case u.User != nil:
		r.Add("endpoint", "remove what stands before the @", "credentials do not belong into a URL")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		r.Add("endpoint", hint, "%q is not the URL of a service", c.Endpoint)
	case c.UseFIPS:
		r.Add("use_fips", "name the FIPS host in endpoint, and leave use_fips out",
			"it chooses the service's host, as endpoint does")
	case c.UseDualStack:
		r.Add("use_dualstack", "leave it out", "it chooses the service's host, as endpoint does")
	}
}
