package outputs

import (
	"maps"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/destination"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/conf"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/template"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// aws reads what outputs to AWS share.
func aws(r *settings.Reader, o *flow.Output, endpoint string) {
	destination.Region(r, o, "region", "s3_region")
	destination.Endpoint(r, o, endpoint)
	if r.Has("aws_key_id") || r.Has("aws_sec_key") || r.Has("aws_secret_key") {
		r.Ignore("aws_key_id", "aws_sec_key", "aws_secret_key", "aws_ses_token")
		r.Notes.Say(r.At, r.Title+" aws_key_id",
			"credentials come from the environment, a profile, IRSA or the instance", "set AWS_ACCESS_KEY_ID "+
				"and AWS_SECRET_ACCESS_KEY, or give it a role")
		r.Notes.NeedEnv("AWS_ACCESS_KEY_ID", "aws_key_id of "+r.At.String()+", unless it has a role")
		r.Notes.NeedEnv("AWS_SECRET_ACCESS_KEY", "aws_sec_key of "+r.At.String()+", unless it has a role")
	}
	destination.Role(r, o, "aws_sts_role_arn", "aws_sts_external_id")
	for _, name := range [...]string{
		"assume_role_credentials", "web_identity_credentials", "shared_credentials",
		"instance_profile_credentials",
	} {
		s := r.Child(name)
		if s == nil {
			continue
		}
		switch name {
		case "assume_role_credentials":
			cr := settings.NewReader(s, r.Notes, r.Title+" <"+name+">")
			destination.Role(cr, o, "role_arn", "external_id")
			cr.Ignore("role_session_name", "duration_seconds", "policy", "sts_region", "sts_http_proxy",
				"sts_endpoint_url")
			cr.Done()
		default:
			r.Notes.Say(s.At, r.Title+" <"+name+">",
				"credentials come from the environment, a profile, IRSA or the instance, whichever is there", "")
		}
	}
	for _, key := range [...]string{"http_proxy", "proxy_uri"} {
		if proxy, ok := r.Text(key); ok {
			o.Settings = o.Settings.With("proxy", proxy)
		}
	}
	if r.Bool("enable_dual_stack", false) {
		o.Settings = o.Settings.With("use_dualstack", true)
	}
	r.Ignore("aws_sts_session_name", "aws_use_sts", "aws_iam_retries", "aws_sts_endpoint_url",
		"aws_sts_duration_seconds", "aws_sts_policy", "aws_ecs_authentication", "ssl_verify_peer",
		"log_rejected_request", "debug", "use_bundled_cert", "compute_checksums",
		"signature_version")
}

// records reads what the plugins for Kinesis and Firehose share.
func records(r *settings.Reader, o *flow.Output) {
	aws(r, o, "endpoint")
	r.Ignore("append_new_line", "retries_on_batch_request", "drop_failed_records_after_batch_request_retries",
		"reset_backoff_if_success", "batch_request_max_count", "batch_request_max_size",
		"monitor_num_of_batch_request_retries", "debug", "log_truncate_max_size", "detach_process", "num_processes",
		"order_events", "chomp_record", "reduce_max_size_error_message")
	if key, ok := r.Plain("data_key"); ok {
		if path, isPath := template.Accessor(key); isPath {
			o.Settings = o.Settings.With("message", ruby.Path(path))
		}
	}
	if r.Has("compression") {
		if text, _ := r.Plain("compression"); text == "gzip" && o.Type == "firehose" {
			o.Settings = o.Settings.With("compression", "gzip")
		} else if text != "" {
			r.Lose("compression", "records have no compression "+text, "use compression of the stream, or gzip")
		}
	}
	if message, alone := alone(r); alone {
		o.Settings = o.Settings.With("message", message)
	}
	addedFields(r, o)
}

// addedFields reads include_time_key and include_tag_key: the fields that the time and the tag become.
func addedFields(r *settings.Reader, o *flow.Output) {
	var names [2]string
	for i, kind := range [...]string{"time", "tag"} {
		key, ok := r.Text(kind + "_key")
		if !ok {
			key = kind
		}
		if r.Bool("include_"+kind+"_key", false) {
			names[i] = key
		}
	}
	if format, ok := r.Plain("time_format"); ok && names[0] != "" && !rfc3339(format) {
		r.Lose("time_format", "the time is written as RFC 3339", "set the field by expr: strftime(time, …)")
	}
	fieldsOff(o, names[0], names[1])
}

func firehose(r *settings.Reader, o *flow.Output) {
	o.Type = "firehose"
	records(r, o)
	if name, ok := named(r, "delivery_stream_name"); ok {
		o.Settings = o.Settings.With("delivery_stream", name)
	} else {
		r.Notes.Lose(r.At, r.Title, "it has no delivery_stream_name", "write one")
		o.Settings = o.Settings.With("delivery_stream", "missing")
	}
}

func kinesis(r *settings.Reader, o *flow.Output) {
	o.Type = "kinesis"
	records(r, o)
	name, ok := named(r, "stream_name")
	if !ok {
		r.Notes.Lose(r.At, r.Title, "it has no stream_name", "write one")
		name = "missing"
	}
	o.Settings = o.Settings.With("stream", name)
	key := "random"
	if text, ok := r.Plain("partition_key"); ok {
		if path, ok := template.Accessor(text); ok {
			key = ruby.Placeholder(path)
		}
	}
	o.Settings = o.Settings.With("partition_key", key)
	if conf.Type(r.Section) == "kinesis_streams_aggregated" {
		r.Notes.Lose(r.At, r.Title, "records are not packed as the Kinesis Producer Library does",
			"aggregate: true puts many lines in a record; consumers must read lines")
		r.Ignore("fixed_partition_key")
	}
}

func cloudwatch(r *settings.Reader, o *flow.Output) {
	o.Type = "cloudwatch_logs"
	aws(r, o, "endpoint")
	for _, p := range [...]struct{ kind, key string }{{"log_group", "log_group"}, {"log_stream", "log_stream"}} {
		name, ok := named(r, p.kind+"_name")
		if !ok && r.Bool("use_tag_as_"+strings.TrimPrefix(p.kind, "log_"), false) {
			name, ok = "{tag}", true
		}
		if key, has := r.Plain(p.kind + "_name_key"); has && !ok {
			path, _ := template.Accessor(key)
			name, ok = ruby.Placeholder(path), true
			if r.Bool("remove_"+p.kind+"_name_key", false) {
				r.Notes.Say(r.At, r.Title+" remove_"+p.kind+"_name_key", "the field "+key+" stays in the event", "")
			}
		}
		r.Ignore("use_tag_as_"+strings.TrimPrefix(p.kind, "log_"), "remove_"+p.kind+"_name_key")
		if !ok {
			r.Notes.Lose(r.At, r.Title, "it says no "+p.kind, "write "+p.key)
			name = "missing"
		}
		o.Settings = o.Settings.With(p.key, name)
	}
	o.Settings = o.Settings.With("auto_create", r.Bool("auto_create_stream", false))
	if days, ok := r.Int("retention_in_days"); ok {
		o.Settings = o.Settings.With("retention_days", days)
	}
	if keys, ok := r.Plain("message_keys"); ok {
		all := template.List(keys)
		if len(all) == 1 {
			path, _ := template.Accessor(all[0])
			o.Settings = o.Settings.With("message", ruby.Path(path))
		} else {
			o.Settings = o.Settings.With("message", "_message")
			o.Steps = append(o.Steps, joinedFields("_message", all))
		}
	}
	if message, alone := alone(r); alone {
		o.Settings = o.Settings.With("message", message)
	}
	r.Ignore("max_events_per_batch", "put_log_events_retry_wait", "put_log_events_retry_limit",
		"put_log_events_disable_retry_limit", "json_handler", "localtime", "policy", "remove_retention_in_days_key")
	if n, ok := r.Int("concurrency"); ok && n > 1 {
		o.Settings = o.Settings.With("workers", min(n, maxWorkers))
	}
	if r.Has("max_message_length") {
		r.Say("max_message_length",
			"only an event over 1 MiB is cut off, by oversize: truncate, or becomes a dead letter", "")
	}
	if key := r.Text0("retention_in_days_key"); key != "" {
		r.Lose("retention_in_days_key", "days are the same for all groups that are made", "write retention_days")
	}
	if tags, _ := destination.Object(r, "log_group_aws_tags"); tags != nil {
		var m flow.Map
		for _, name := range slices.Sorted(maps.Keys(tags)) {
			m = m.With(name, flow.Literal(tags[name]))
		}
		o.Settings = o.Settings.With("log_group_tags", m)
	}
	if r.Has("log_group_aws_tags_key") {
		r.Lose("log_group_aws_tags_key", "tags are the same for all groups that are made", "write log_group_tags")
	}
	addedFields(r, o)
}

// joinedFields is a step that sets a field to the texts of others, with a blank between.
func joinedFields(field string, names []string) flow.Step {
	var texts []string
	for _, name := range names {
		path, _ := template.Accessor(name)
		texts = append(texts, "string("+ruby.Field(path)+` ?? "")`)
	}
	return flow.Step{
		Kind: "expr", Note: "message_keys: what is sent alone.",
		Body: flow.Map{{Key: "set", Value: flow.Map{{
			Key: field, Value: flow.Expression("join(filter([" + strings.Join(texts, ", ") + `], # != ""), " ")`),
		}}}},
	}
}
