package elasticsearch

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// AWS says that the hosts are Amazon's, and whose requests these are.
type AWS struct {
	Region     string         `yaml:"region" required:"true" help:"of the domain or collection"`
	Service    string         `yaml:"service" default:"es" enum:"es|aoss"`
	RoleARN    string         `yaml:"role_arn"`
	ExternalID setting.Secret `yaml:"external_id" help:"that the role's owner asks for"`
}

// Help implements setting.Explained.
func (AWS) Help() map[string]string {
	return map[string]string{
		"service": "es: Amazon OpenSearch Service; aoss: OpenSearch Serverless",
		"role_arn": "a role to assume; default: the credentials of the environment, a profile, IRSA, EKS pod " +
			"identity or the instance",
	}
}

const serverless = "aoss"

// identity returns whose credentials sign, and through which proxy they are to be had.
func (a *AWS) identity(proxy string) awsclient.Config {
	return awsclient.Config{Region: a.Region, RoleARN: a.RoleARN, ExternalID: a.ExternalID, Proxy: proxy}
}

// Check reports settings that can't work.
func (a *AWS) Check(r *setting.Report) {
	who := a.identity("")
	who.Check(r)
}

// serverless reports whether the hosts are a collection of OpenSearch Serverless: it tells nothing of itself, and has
// no templates.
func (c *Config) serverless() bool { return c.AWS != nil && c.AWS.Service == serverless }

// checkAWS holds that what Amazon's services can't do is not asked of them.
func (c *Config) checkAWS(r *setting.Report) {
	if c.AWS == nil {
		return
	}
	if c.Username != "" || c.APIKey.IsSet() || c.BearerToken.IsSet() {
		r.Add("aws", "remove it, or username, api_key and bearer_token", "a request is either signed or has a login")
	}
	if f := flavor(c.Flavor); f == legacy && c.serverless() || f == elasticsearch {
		r.Add("flavor", "leave it out", "what Amazon offers is OpenSearch, or an Elasticsearch before 7.11 (legacy)")
	}
	if !c.serverless() {
		return
	}
	if c.ID != idNone {
		r.Warn("id", "write id: none, unless the collection is of type search",
			"collections for time series and vectors take no ids of their own: they refuse every event that has one")
	}
	if c.Alias != "" || c.DataStream {
		r.Add(
			"aws.service",
			"write index, without alias and data_stream",
			"OpenSearch Serverless has neither rollover nor data streams",
		)
	}
	if c.Pipeline != "" {
		r.Add("pipeline", "leave it out", "OpenSearch Serverless has no ingest pipelines of that kind")
	}
}

// adviseAWS says what to do about a refusal of a service of Amazon's, "" where nothing is known.
func adviseAWS(a *AWS, code int, text string) string {
	lower := strings.ToLower(text)
	switch {
	case code != http.StatusForbidden && code != http.StatusUnauthorized:
		return ""
	case strings.Contains(lower, "no permissions for"):
		return "fine-grained access control refuses it: map the role that signs, by its ARN, to a role of " +
			"OpenSearch's security plugin that may " +
			"cluster_monitor, indices:data/write/bulk and, on these indices, create_index and write"
	case strings.Contains(lower, "is not authorized to perform"):
		return "the policy refuses it: both the role's own and the domain's access policy have to allow " +
			"es:ESHttpGet, es:ESHttpPut and es:ESHttpPost there"
	case awsclient.RefusesKeys(text):
		return "check aws.region and aws.service, that the host is the domain's own name, and where the " +
			"credentials come from"
	case a.Service == serverless:
		return "the collection's data access policy has to allow the role that signs aoss:CreateIndex, " +
			"aoss:WriteDocument and aoss:DescribeIndex, " +
			"its network policy this network, and the role's own policy aoss:APIAccessAll"
	}
	return ""
}

// unsigned returns what follows from a request that could not be signed.
func unsigned(err error) *outputs.SendError {
	return &outputs.SendError{Reason: outputs.ReasonAuth, Err: fmt.Errorf("sign the request: %w", err)}
}

// lacksMonitor reports whether a refusal of GET / is fine-grained access control's, which may let events in all the
// same.
func lacksMonitor(body []byte) bool { return strings.Contains(string(body), "no permissions for") }

// identifyServerless asks a collection, which answers no GET /, whether it takes bulk requests: with one of no events.
func (c *client) identifyServerless(ctx context.Context, h *host) (identity, error) {
	id := identity{server: server{flavor: opensearch, serverless: true}}
	res, body, err := c.ask(ctx, h, http.MethodPost, "/_bulk", nil)
	switch {
	case awsclient.Unsigned(err):
		id.refused = unsigned(err)
	case err != nil:
		return identity{}, err
	case res.status == http.StatusUnauthorized || res.status == http.StatusForbidden ||
		res.status == http.StatusTooManyRequests:
		id.refused = refusal(h.address+": POST /_bulk", res, body)
	case res.status >= http.StatusInternalServerError,
		res.status/100 == 3,
		res.status == http.StatusNotFound,
		kind(res.header.Get("Content-Type")) == "text/html":
		return identity{}, &answerError{
			fmt.Sprintf(
				"it answered POST /_bulk with %s: %s: is it the endpoint of a collection?",
				status(res.status),
				words(body),
			),
		}
	}
	return id, nil
}
