// Package outputs reads the destinations of fluentd's <match> and <store> sections.
package outputs

import (
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/destination"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/conf"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// Read reads the destination of a section. One that can't be said becomes files, so that no event is lost until
// somebody has written it.
func Read(s *syntax.Section, notes *settings.Notes) *flow.Output {
	o := &flow.Output{At: s.At, Title: conf.Title(s), Name: outputName(s)}
	read := types()[conf.Type(s)]
	if read == nil {
		destination.Unknown(o, notes)
		return o
	}
	r := conf.NewReader(s, notes)
	read(r, o)
	common(r, o)
	r.Done()
	return o
}

// outputName is the name of a destination: its @id, or what it is.
func outputName(s *syntax.Section) string {
	name := conf.Type(s)
	if id := s.Text("@id"); id != "" {
		name = id
	}
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return '_'
	}, name)
	if name = strings.Trim(name, "-_."); name == "" {
		return "output"
	}
	return name
}

// types is the types of outputs that can be said.
func types() map[string]func(*settings.Reader, *flow.Output) {
	return map[string]func(*settings.Reader, *flow.Output){
		"elasticsearch":              elasticsearch,
		"elasticsearch_dynamic":      elasticsearch,
		"elasticsearch_data_stream":  elasticsearch,
		"opensearch":                 elasticsearch,
		"opensearch_data_stream":     elasticsearch,
		"kinesis_firehose":           firehose,
		"loki":                       loki,
		"http":                       http,
		"splunk_hec":                 splunk,
		"opentelemetry":              otlp,
		"kafka2":                     kafka,
		"kafka_buffered":             kafka,
		"rdkafka2":                   kafka,
		"kinesis_streams":            kinesis,
		"kinesis_streams_aggregated": kinesis,
		"cloudwatch_logs":            cloudwatch,
		"s3":                         s3,
		"forward":                    forward,
		"secure_forward":             forward,
		"file":                       file,
		"stdout":                     stdout,
	}
}
