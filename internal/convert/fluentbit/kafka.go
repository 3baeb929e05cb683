package fluentbit

import (
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// kafka reads kafka, with those of librdkafka's settings that have a like.
func (c *converter) kafka(r *settings.Reader, o *flow.Output) {
	o.Type = "kafka"
	var brokers []any
	text, ok := r.Text("brokers")
	if !ok {
		text = "127.0.0.1:9092"
	}
	for b := range strings.SplitSeq(text, ",") {
		brokers = append(brokers, strings.TrimSpace(b))
	}
	o.Settings = o.Settings.With("brokers", brokers)
	topics, _ := r.Text("topics")
	topic, more, several := strings.Cut(topics, ",")
	if topic == "" {
		topic = "fluent-bit"
	}
	if key, has := r.Plain("topic_key"); has {
		if path, isPath := accessor(key); isPath {
			topic = "{record." + ruby.Path(path) + "|" + topic + "}"
		}
	} else if several {
		r.Lose("topics", "an output has one topic; "+more+" is left out", "make an output for each")
	}
	o.Settings = o.Settings.With("topic", topic)
	if key, has := r.Plain("message_key_field"); has {
		if path, isPath := accessor(key); isPath {
			o.Settings = o.Settings.With("key", "{record."+ruby.Path(path)+"}")
		}
	} else if key, has := r.Text("message_key"); has {
		o.Settings = o.Settings.With("key", key)
	}
	if format, has := r.Plain("format"); has && format != "json" {
		r.Lose("format", "records are one JSON object each, not "+format, "change what reads them")
	}
	c.rdkafka(r, o)
	time, has := r.Text("timestamp_key")
	if !has {
		time = "@timestamp"
	}
	fields(o, time, "")
	r.Ignore("timestamp_format", "queue_full_retries", "dynamic_topic", "client_id", "group_id", "raw_log_key")
}

// rdkafka reads rdkafka.*.
func (c *converter) rdkafka(r *settings.Reader, o *flow.Output) {
	if codec, ok := r.Plain("rdkafka.compression.codec"); ok {
		o.Settings = o.Settings.With("compression", codec)
	} else {
		o.Settings = o.Settings.With("compression", "none")
	}
	protocol, _ := r.Plain("rdkafka.security.protocol")
	if strings.HasSuffix(strings.ToLower(protocol), "ssl") {
		m := flow.Map{}
		if file, ok := r.Text("rdkafka.ssl.ca.location"); ok {
			m = m.With("ca_file", file)
			r.Notes.NeedFile(file, "the file of that name that the old program had")
		}
		o.Settings = o.Settings.With("tls", m)
	}
	if user, ok := r.Text("rdkafka.sasl.username"); ok {
		mechanism := "plain"
		if m, has := r.Plain("rdkafka.sasl.mechanism"); has {
			mechanism = strings.ToLower(m)
		}
		if m, has := r.Plain("rdkafka.sasl.mechanisms"); has {
			mechanism = strings.ToLower(m)
		}
		sasl := flow.Map{{Key: "mechanism", Value: mechanism}, {Key: "username", Value: user}}
		if password, has := r.Secret("rdkafka.sasl.password", o.Name+"-password"); has {
			sasl = sasl.With("password", password)
		}
		o.Settings = o.Settings.With("sasl", sasl)
	}
	for _, e := range r.Entries {
		if strings.HasPrefix(e.Key, "rdkafka.log") || strings.HasPrefix(e.Key, "rdkafka.queue") ||
			strings.HasPrefix(e.Key, "rdkafka.request") {
			r.Ignore(e.Key)
		}
	}
}
