package outputs

import (
	"maps"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/destination"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/template"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// kafka reads kafka2, kafka_buffered and rdkafka2.
func kafka(r *settings.Reader, o *flow.Output) {
	o.Type = "kafka"
	if !destination.Brokers(r, o, "localhost:9092") {
		r.Notes.Lose(r.At, r.Title, "it names no brokers", "write brokers; zookeeper is not asked")
	}
	r.Ignore("zookeeper", "zookeeper_path")
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
			topic = ruby.PlaceholderOf(ruby.Path(path) + fallback)
		}
	}
	if topic == "" {
		topic = "{tag}"
	}
	o.Settings = o.Settings.With("topic", topic)
	key, _ := named(r, "default_message_key")
	if name, has := r.Plain("message_key_key"); has {
		if path, isPath := template.Accessor(name); isPath {
			key = ruby.Placeholder(path)
		}
	}
	if key != "" {
		o.Settings = o.Settings.With("key", key)
	}
	codec, _ := r.Plain("compression_codec")
	compression := destination.Compression(codec)
	if codec != "" && compression == "none" {
		r.Lose("compression_codec", "records are not compressed by "+codec, "write compression: zstd")
	}
	o.Settings = o.Settings.With("compression", compression)
	recordHeaders(r, o)
	kafkaLogin(r, o)
	if message, alone := alone(r); alone {
		o.Settings = o.Settings.With("message", message)
	}
	if r.Has("required_acks") && r.Text0("required_acks") != "-1" {
		r.Say("required_acks", "a record is delivered once all replicas in sync have it", "")
	}
	if r.Has("partition_key_key") || r.Has("partition_key") || r.Has("default_partition_key") {
		r.Notes.Say(r.At, r.Title+" partition_key", "the key of a record says its partition: {record.…} in key", "")
	}
	r.Ignore("partition_key_key", "partition_key", "default_partition_key", "record_key", "exclude_partition_key",
		"exclude_partition", "partitioner", "chunk_key", "use_event_time", "max_send_limit_bytes", "output_data_type",
		"ack_timeout",
		"max_send_retries", "required_acks", "kafka_agg_max_bytes", "kafka_agg_max_messages", "max_send_limit_bytes",
		"discard_kafka_delivery_failed", "use_event_time", "get_kafka_client_log", "client_id", "idempotent",
		"use_default_for_unknown_topic",
		"partitioner_hash_function", "share_producer", "connect_timeout", "socket_timeout", "resolve_seed_brokers",
		"time_format",
		"active_support_notification_regex", "enable_event_emitter", "max_enqueue_retries",
		"rdkafka_delivery_handle_poll_timeout")
	for _, kind := range [...]string{"topic", "message"} {
		key := "exclude_" + kind + "_key"
		if r.Bool(key, false) {
			r.Say(key, "the field stays in the event", "modify: {remove: […]} takes another field out")
		}
	}
	time, tag := "", ""
	if r.Bool("output_include_time", false) {
		time = "time"
	}
	if r.Bool("output_include_tag", false) {
		tag = "tag"
	}
	fieldsOff(o, time, tag)
}

// kafkaLogin reads TLS and SASL.
func kafkaLogin(r *settings.Reader, o *flow.Output) {
	tls := destination.Files(r, nil, destination.File{Old: "ssl_ca_cert", New: "ca_file"},
		destination.File{Old: "ssl_client_cert", New: "cert_file"},
		destination.File{Old: "ssl_client_cert_key", New: "key_file"})
	destination.Passphrase(r, "ssl_client_cert_key_password")
	if !r.Bool("ssl_verify_hostname", true) {
		r.Lose("ssl_verify_hostname", "the name in the brokers' certificates is always checked",
			"write the name that they have into tls.server_name")
	}
	over := r.Bool("sasl_over_ssl", true)
	r.Ignore("ssl_ca_certs_from_system")
	if r.Has("ssl_client_cert_chain") {
		r.Lose("ssl_client_cert_chain", "a certificate and its chain are in one file", "put them into tls.cert_file")
	}
	mechanism := "plain"
	if m, has := r.Plain("scram_mechanism"); has {
		mechanism = "scram-sha-256"
		if strings.Contains(m, "512") {
			mechanism = "scram-sha-512"
		}
	}
	ok := destination.SASL(r, o, mechanism, "username", "password")
	if r.Has("principal") || r.Has("keytab") {
		r.Notes.Lose(r.At, r.Title+" principal", "there is no Kerberos", "log in by SCRAM, or by a certificate")
	}
	r.Ignore("principal", "keytab", "service_name")
	switch {
	case tls != nil:
		o.Settings = o.Settings.With("tls", tls)
	case ok && over || r.Bool("ssl_ca_certs_from_system", false):
		o.Settings = o.Settings.With("tls", flow.Map{})
	}
}

// recordHeaders reads headers, and those that are fields of the record.
func recordHeaders(r *settings.Reader, o *flow.Output) {
	var m flow.Map
	fixed, _ := destination.Object(r, "headers")
	for _, name := range slices.Sorted(maps.Keys(fixed)) {
		m = m.With(name, flow.LiteralTemplate(fixed[name]))
	}
	fields, at := destination.Object(r, "headers_from_record")
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		path, ok := template.Accessor(fields[name])
		if !ok {
			r.Notes.Lose(at.At, r.Title+" headers_from_record", "the field "+fields[name]+" can't be read",
				"write headers by hand")
			continue
		}
		m = m.With(name, ruby.PlaceholderOf(ruby.Path(path)+"|"))
	}
	destination.RecordHeaders(o, m)
}
