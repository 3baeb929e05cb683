package elasticsearch

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/humanize"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// Kind is what the program knows of outputs of type elasticsearch. keys are shared by all outputs to AWS; nil: each has
// its own.
func Kind(keys *awsclient.Credentials) outputs.Kind {
	const own, opensearch = "elasticsearch", "elasticsearch with flavor: opensearch"
	return outputs.Kind{
		Name: own, Summary: "Elasticsearch and OpenSearch", Example: `hosts: ["http://es.example:9200"], index: logs`,
		CPUMicros: 1e6 / 524_000,
		NewConfig: func() outputs.Config { return new(Config) },
		New: outputs.Make(func(c *Config, d outputs.Deps) (outputs.Output, error) {
			secure, err := d.TLS(c.TLS)
			if err != nil {
				return nil, err
			}
			out, err := New(*c, Options{TLS: secure, Log: d.Log, Now: d.Now, Credentials: keys})
			if err != nil {
				return nil, err
			}
			out.SetClusterFields(d.Fields)
			return out, nil
		}),
		Needs: func(l outputs.Load) []string {
			return []string{fmt.Sprintf(
				"Elasticsearch gets %s a day of JSON. To catch up in as long as the outage took, it has to index at "+
					"twice that rate.",
				humanize.Bytes(l.BytesPerSecond*86400),
			)}
		},
		Aliases: map[string]string{
			"es": own, "elastic": own, "elasticsearch_data_stream": own, "opensearch": opensearch,
			"aws_opensearch": opensearch, "aos": opensearch,
		},
	}
}

// Destination implements outputs.Config.
func (c *Config) Destination() string {
	hosts, err := c.addresses()
	if err != nil {
		// cloud_id is reported already.
		hosts = []string{"cloud_id"}
	}
	return cmp.Or(c.Alias, c.Index) + " at " + strings.Join(hosts, ", ")
}
