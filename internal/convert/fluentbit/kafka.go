package fluentbit

import (
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/destination"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// kafka reads kafka, with those of librdkafka's settings that have a like.
func (c *converter) kafka(r *settings.Reader, o *flow.Output) {
	o.Type = "kafka"
	destination.Brokers(r, o, "127.0.0.1:9092")
	topics, _ := r.Text("topics")
	topic, more, several := strings.Cut(topics, ",")
	if topic == "" {
		topic = "fluent-bit"
	}
	if key, has := r.Plain("topic_key"); has {
		if path, isPath := accessor(key); isPath {
			topic = ruby.PlaceholderOf(ruby.Path(path) + "|" + topic)
		}
		if !r.Bool("dynamic_topic", false) {
			r.Say("topic_key", "any topic that the field names is taken; there, only those of topics",
				"a route with when tells them apart")
		}
	} else if several {
		r.Lose("topics", "an output has one topic; "+more+" is left out", "make an output for each")
	}
	o.Settings = o.Settings.With("topic", topic)
	message, has := r.Text("message_key")
	if key, of := r.Plain("message_key_field"); of {
		if path, isPath := accessor(key); isPath {
			// The other one is for records without the field.
			message, has = withDefault(ruby.Placeholder(path), message), true
		}
	}
	if has {
		o.Settings = o.Settings.With("key", message)
	}
	switch format, _ := r.Plain("format"); strings.ToLower(format) {
	case "", "json":
	case "raw":
		if key, has := r.Plain("raw_log_key"); has {
			if path, isPath := accessor(key); isPath {
				o.Settings = o.Settings.With("message", ruby.Path(path))
			}
		}
	default:
		r.Lose("format", "records are one JSON object each, not "+format, "change what reads them")
	}
	c.rdkafka(r, o)
	c.date(r, o, "timestamp_key", "@timestamp", "timestamp_format", "double")
	r.Ignore("queue_full_retries", "dynamic_topic", "client_id", "group_id", "raw_log_key")
}

// rdkafka reads rdkafka.*.
func (c *converter) rdkafka(r *settings.Reader, o *flow.Output) {
	codec, _ := r.Plain("rdkafka.compression.codec")
	if other, ok := r.Plain("rdkafka.compression.type"); ok {
		codec = other
	}
	o.Settings = o.Settings.With("compression", destination.Compression(codec))
	protocol, _ := r.Plain("rdkafka.security.protocol")
	if strings.HasSuffix(strings.ToLower(protocol), "ssl") {
		m := destination.Files(r, flow.Map{}, destination.File{Old: "rdkafka.ssl.ca.location", New: "ca_file"},
			destination.File{Old: "rdkafka.ssl.certificate.location", New: "cert_file"},
			destination.File{Old: "rdkafka.ssl.key.location", New: "key_file"})
		destination.Passphrase(r, "rdkafka.ssl.key.password")
		if !r.Bool("rdkafka.enable.ssl.certificate.verification", true) {
			m = m.With("insecure_skip_verify", true)
		}
		if text, ok := r.Plain("rdkafka.ssl.endpoint.identification.algorithm"); ok && strings.EqualFold(text, "none") {
			r.Lose("rdkafka.ssl.endpoint.identification.algorithm",
				"the name in the brokers' certificates is always checked",
				"write the name that they have into tls.server_name")
		}
		o.Settings = o.Settings.With("tls", m)
	}
	mechanism := "plain"
	for _, key := range [...]string{"rdkafka.sasl.mechanism", "rdkafka.sasl.mechanisms"} {
		if m, has := r.Plain(key); has {
			mechanism = strings.ToLower(m)
		}
	}
	switch mechanism {
	case "plain", "scram-sha-256", "scram-sha-512":
		destination.SASL(r, o, mechanism, "rdkafka.sasl.username", "rdkafka.sasl.password")
	default:
		r.Notes.Lose(r.At, r.Title+" rdkafka.sasl.mechanism", "there is no login by "+mechanism,
			"log in by scram-sha-512, aws_msk_iam or a certificate")
	}
	if size, ok := r.ThousandSize("rdkafka.message.max.bytes"); ok {
		o.Settings = o.Settings.With("max_message_size", size)
	}
	if acks, ok := r.Plain("rdkafka.request.required.acks"); ok && acks != "-1" && acks != "all" {
		r.Say("rdkafka.request.required.acks", "a record is delivered once all replicas in sync have it", "")
	}
	for _, e := range r.Entries {
		for _, part := range [...]string{
			"log", "queue", "request", "batch", "linger", "client", "socket", "metadata", "reconnect", "retry",
			"retries", "message.send", "message.timeout", "delivery", "statistics", "broker", "debug",
			"enable.idempotence",
			"acks", "max.in.flight", "api", "topic.metadata", "connections", "sticky", "security", "partitioner",
		} {
			if strings.HasPrefix(e.Key, "rdkafka."+part) {
				r.Ignore(e.Key)
			}
		}
	}
}
