package outputs

import (
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/template"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// kafka reads kafka2, kafka_buffered and rdkafka2.
func kafka(r *settings.Reader, o *flow.Output) {
	o.Type = "kafka"
	var brokers []any
	text, _ := r.Text("brokers")
	for b := range strings.SplitSeq(text, ",") {
		if b = strings.TrimSpace(b); b != "" {
			brokers = append(brokers, b)
		}
	}
	if brokers == nil {
		r.Notes.Lose(r.At, r.Title, "it names no brokers", "write brokers; zookeeper is not asked")
		brokers = []any{"localhost:9092"}
	}
	r.Ignore("zookeeper", "zookeeper_path")
	o.Settings = o.Settings.With("brokers", brokers)
	topic, ok := named(r, "default_topic")
	if name, has := named(r, "topic"); has && !ok {
		topic, ok = name, true
	}
	if key, has := r.Plain("topic_key"); has {
		if path, isPath := template.Accessor(key); isPath {
			fallback := ""
			if ok && !strings.ContainsAny(topic, "{%") {
				fallback = "|" + topic
			}
			topic = "{record." + ruby.Path(path) + fallback + "}"
		}
	}
	if topic == "" {
		topic = "{tag}"
	}
	o.Settings = o.Settings.With("topic", topic)
	key, _ := named(r, "default_message_key")
	if name, has := r.Plain("message_key_key"); has {
		if path, isPath := template.Accessor(name); isPath {
			key = "{record." + ruby.Path(path) + "}"
		}
	}
	if key != "" {
		o.Settings = o.Settings.With("key", key)
	}
	switch codec, _ := r.Plain("compression_codec"); codec {
	case "gzip", "snappy", "lz4", "zstd":
		o.Settings = o.Settings.With("compression", codec)
	default:
		o.Settings = o.Settings.With("compression", "none")
	}
	kafkaLogin(r, o)
	if message, alone := alone(r, o); alone {
		o.Settings = o.Settings.With("message", message)
	}
	if r.Has("required_acks") && r.Text0("required_acks") != "-1" {
		r.Say("required_acks", "a record is delivered once all replicas in sync have it", "")
	}
	r.Ignore("output_data_type", "output_include_tag", "output_include_time", "exclude_topic_key",
		"exclude_message_key", "ack_timeout",
		"max_send_retries", "required_acks", "kafka_agg_max_bytes", "kafka_agg_max_messages", "max_send_limit_bytes",
		"discard_kafka_delivery_failed", "use_event_time", "get_kafka_client_log", "client_id", "idempotent",
		"use_default_for_unknown_topic",
		"partitioner_hash_function", "share_producer", "connect_timeout", "socket_timeout", "resolve_seed_brokers",
		"time_format",
		"active_support_notification_regex", "enable_event_emitter", "max_enqueue_retries",
		"rdkafka_delivery_handle_poll_timeout")
	fieldsOff(o, "", "")
}

// kafkaLogin reads TLS and SASL.
func kafkaLogin(r *settings.Reader, o *flow.Output) {
	var tls flow.Map
	for _, p := range [...]struct{ old, key string }{
		{"ssl_ca_cert", "ca_file"}, {"ssl_client_cert", "cert_file"}, {"ssl_client_cert_key", "key_file"},
	} {
		if text, ok := r.Text(p.old); ok {
			tls = tls.With(p.key, text)
			r.Notes.NeedFile(text, "the file of that name that the old program had")
		}
	}
	if !r.Bool("ssl_verify_hostname", true) {
		r.Lose("ssl_verify_hostname", "the name in the brokers' certificates is always checked",
			"write the name that they have into tls.server_name")
	}
	over := r.Bool("sasl_over_ssl", true)
	r.Ignore("ssl_ca_certs_from_system", "ssl_client_cert_chain")
	user, ok := r.Text("username")
	if ok {
		mechanism := "plain"
		if m, has := r.Plain("scram_mechanism"); has {
			mechanism = "scram-sha-256"
			if strings.Contains(m, "512") {
				mechanism = "scram-sha-512"
			}
		}
		sasl := flow.Map{{Key: "mechanism", Value: mechanism}, {Key: "username", Value: user}}
		if password, has := r.Secret("password", o.Name+"-password"); has {
			sasl = sasl.With("password", password)
		}
		o.Settings = o.Settings.With("sasl", sasl)
	}
	switch {
	case tls != nil:
		o.Settings = o.Settings.With("tls", tls)
	case ok && over || r.Bool("ssl_ca_certs_from_system", false):
		o.Settings = o.Settings.With("tls", flow.Map{})
	}
}
