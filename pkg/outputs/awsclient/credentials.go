package awsclient

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"github.com/rs/zerolog"
)

const (
	// refreshEarly is before credentials expire.
	refreshEarly = 5 * time.Minute
	fetchTimeout = 30 * time.Second
	// roleSession is what every role allows, also when it is assumed with a role.
	roleSession    = time.Hour
	refetchExpired = time.Minute
)

// Credentials keeps one cache for the credentials of the environment and one for each role that is
// assumed with them. One per process. Safe for concurrent use.
type Credentials struct {
	mu     sync.Mutex
	caches map[identity]*aws.CredentialsCache
}

// identity is whose credentials they are. The zero role is the environment's own.
type identity struct {
	role, externalID string
	// fips and dualStack say which STS is asked.
	fips, dualStack bool
	proxy           string
}

// NewCredentials returns empty caches.
func NewCredentials() *Credentials {
	return &Credentials{caches: map[identity]*aws.CredentialsCache{}}
}

// cache returns the cache for cfg's role. Of several regions the first one's STS is asked: its
// credentials are good in all of them.
func (c *Credentials) cache(cfg Config, log zerolog.Logger) *aws.CredentialsCache {
	c.mu.Lock()
	defer c.mu.Unlock()
	base := c.get(identity{fips: cfg.UseFIPS, dualStack: cfg.UseDualStack, proxy: cfg.Proxy}, func(
		ctx context.Context,
	) (aws.Credentials, error) {
		return fromEnvironment(ctx, cfg, log)
	})
	if cfg.RoleARN == "" {
		return base
	}
	id := identity{cfg.RoleARN, cfg.ExternalID.Reveal(), cfg.UseFIPS, cfg.UseDualStack, cfg.Proxy}
	return c.get(id, assumeRole(cfg, base, log))
}

func (c *Credentials) get(id identity, fetch func(context.Context) (aws.Credentials, error)) *aws.CredentialsCache {
	if c.caches[id] == nil {
		c.caches[id] = aws.NewCredentialsCache(&source{fetch: fetch}, func(o *aws.CredentialsCacheOptions) {
			o.ExpiryWindow = refreshEarly
		})
	}
	return c.caches[id]
}

// fromEnvironment reads environment and files anew each time, since the SDK's chain keeps the keys that
// it has once read from a profile for ever.
func fromEnvironment(ctx context.Context, cfg Config, log zerolog.Logger) (aws.Credentials, error) {
	a, err := load(ctx, cfg, log)
	if err != nil {
		return aws.Credentials{}, err
	}
	defer httpClient(a.HTTPClient).CloseIdleConnections()
	return a.Credentials.Retrieve(ctx)
}

// assumeRole returns what fetches the role's credentials. It keeps its client, which knows by how much the
// local clock is wrong.
func assumeRole(
	cfg Config, base *aws.CredentialsCache, log zerolog.Logger,
) func(context.Context) (aws.Credentials, error) {
	var client *sts.Client
	return func(ctx context.Context) (aws.Credentials, error) {
		if client == nil {
			a, err := load(ctx, cfg, log, awsconfig.WithCredentialsProvider(base), forgetting(base))
			if err != nil {
				return aws.Credentials{}, err
			}
			a.HTTPClient = httpClient(a.HTTPClient)
			client = sts.NewFromConfig(a)
		}
		return stscreds.NewAssumeRoleProvider(client, cfg.RoleARN, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = "aggregator"
			o.Duration = roleSession
			if cfg.ExternalID.IsSet() {
				o.ExternalID = aws.String(cfg.ExternalID.Reveal())
			}
		}).Retrieve(ctx)
	}
}

// source fetches credentials. The SDK's cache calls one method at a time.
type source struct {
	fetch func(context.Context) (aws.Credentials, error)
	// last is with the time at which they really expire.
	last aws.Credentials
}

// Retrieve fetches credentials. ctx has no deadline, because several requests wait for the outcome.
func (s *source) Retrieve(ctx context.Context) (aws.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	got, err := s.fetch(ctx)
	if err != nil {
		return aws.Credentials{}, &credentialsError{err}
	}
	s.last = got
	return got, nil
}

// HandleFailToRefresh goes on with credentials that were to be refreshed early, while they are good.
func (s *source) HandleFailToRefresh(_ context.Context, cached aws.Credentials, err error) (aws.Credentials, error) {
	if !cached.HasKeys() || s.last.Expired() {
		// No keys: they were refused.
		return aws.Credentials{}, err
	}
	return s.last, nil
}

// AdjustExpiresBy moves the time of the next refresh forward: early, or half way where little time is
// left. Credentials that seem to be expired already are tried all the same: the local clock may be wrong.
func (s *source) AdjustExpiresBy(c aws.Credentials, early time.Duration) (aws.Credentials, error) {
	left := time.Until(c.Expires)
	switch {
	case left <= 0:
		c.Expires = time.Now().Add(refetchExpired)
	case left < -2*early:
		c.Expires = c.Expires.Add(-left / 2)
	default:
		c.Expires = c.Expires.Add(early)
	}
	return c, nil
}

// forgetting has a client drop the credentials that AWS refuses, so that the next call fetches them anew.
func forgetting(keys *aws.CredentialsCache) awsconfig.LoadOptionsFunc {
	watch := func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
		middleware.InitializeOutput, middleware.Metadata, error,
	) {
		out, meta, err := next.HandleInitialize(ctx, in)
		var api smithy.APIError
		// own says that the credentials are those that others are made with.
		var own *credentialsError
		if errors.As(err, &api) && badKeys(api.ErrorCode()) && !errors.As(err, &own) {
			keys.Invalidate()
		}
		return out, meta, err
	}
	return awsconfig.WithAPIOptions([]func(*middleware.Stack) error{func(s *middleware.Stack) error {
		return s.Initialize.Add(middleware.InitializeMiddlewareFunc("ForgetRefusedCredentials", watch),
			middleware.Before)
	}})
}

// credentialsError says that there are no credentials to sign a request with.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return fmt.Sprintf("get credentials: %v", e.err) }
func (e *credentialsError) Unwrap() error { return e.err }
