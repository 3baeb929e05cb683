// Package all lists the types of outputs. It is the one place that knows them all.
package all

import (
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/cloudwatch"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/file"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/firehose"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/forward"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/http"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/kafka"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/kinesis"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/loki"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/otlp"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/s3"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/splunkhec"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/stdout"
)

// Kinds returns the types of outputs, in the order in which documentation has them. keys are shared by all outputs to
// AWS that they make; nil: each has its own.
func Kinds(keys *awsclient.Credentials) []outputs.Kind {
	return []outputs.Kind{
		file.Kind(),
		stdout.Kind(),
		elasticsearch.Kind(keys),
		firehose.Kind(keys),
		cloudwatch.Kind(keys),
		forward.Kind(),
		http.Kind(),
		kafka.Kind(keys),
		loki.Kind(),
		otlp.Kind(),
		splunkhec.Kind(),
		kinesis.Kind(keys),
		s3.Kind(keys),
	}
}
