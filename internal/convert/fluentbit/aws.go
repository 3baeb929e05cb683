package fluentbit

import (
	"path"
	"regexp"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/destination"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
)

// aws reads what outputs to AWS share.
func (c *converter) aws(r *settings.Reader, o *flow.Output) {
	destination.Region(r, o, "region")
	destination.Endpoint(r, o, "endpoint")
	destination.Role(r, o, "role_arn", "external_id")
	if r.Has("profile") {
		r.Say("profile", "credentials come from the environment, a profile, IRSA or the instance",
			"set AWS_PROFILE for the aggregator")
	}
	if r.Has("sts_endpoint") {
		r.Say("sts_endpoint", "STS is found by its region", "set AWS_ENDPOINT_URL_STS for another one")
	}
	if key, ok := r.Plain("log_key"); ok && o.Type != "cloudwatch_logs" {
		if path, isPath := accessor(key); isPath {
			o.Settings = o.Settings.With("message", ruby.Path(path))
		}
	}
}

// must returns what a key says that has to be there.
func (c *converter) must(r *settings.Reader, key string) string {
	text, ok := r.Text(key)
	if !ok {
		r.Notes.Lose(r.At, r.Title, "it has no "+key, "write one")
		return "missing"
	}
	return text
}

func (c *converter) records(r *settings.Reader, o *flow.Output) {
	c.aws(r, o)
	time, _ := r.Text("time_key")
	if format, ok := r.Plain("time_key_format"); ok && !strings.HasPrefix(format, "%Y-%m-%dT%H:%M:%S") {
		r.Lose("time_key_format", "the time is written as RFC 3339",
			`set the field by expr: strftime(time, "`+format+`")`)
	}
	fields(o, time, "")
	dataKeys(r, o)
	r.Ignore("simple_aggregation", "append_newline", "experimental_concurrency",
		"experimental_concurrency_retries")
	if compress, ok := r.Plain("compression"); ok && compress == "gzip" && o.Type == "firehose" {
		o.Settings = o.Settings.With("compression", "gzip")
	} else if ok && compress != "" {
		r.Lose("compression", "records have no compression "+compress, "use the stream's own")
	}
}

// dataKeys reads data_keys: the fields that are sent, and none else.
func dataKeys(r *settings.Reader, o *flow.Output) {
	var keep []any
	for _, v := range r.All("data_keys") {
		for name := range strings.SplitSeq(v.Shown(), ",") {
			if name = strings.TrimSpace(name); name != "" {
				keep = append(keep, ruby.Path([]string{name}))
			}
		}
	}
	if keep != nil {
		o.Steps = append(o.Steps, flow.Step{Kind: "modify", Body: flow.Map{{Key: "keep", Value: keep}}})
	}
}

func (c *converter) firehose(r *settings.Reader, o *flow.Output) {
	o.Type = "firehose"
	c.records(r, o)
	o.Settings = o.Settings.With("delivery_stream", c.must(r, "delivery_stream"))
}

func (c *converter) kinesis(r *settings.Reader, o *flow.Output) {
	o.Type = "kinesis"
	c.records(r, o)
	o.Settings = o.Settings.With("stream", c.must(r, "stream"))
	key := "random"
	if text, ok := r.Plain("partition_key"); ok {
		if path, ok := accessor(text); ok {
			key = ruby.Placeholder(path)
		}
	}
	o.Settings = o.Settings.With("partition_key", key)
	r.Ignore("aggregation", "port")
}

func (c *converter) cloudwatch(r *settings.Reader, o *flow.Output) {
	o.Type = "cloudwatch_logs"
	c.aws(r, o)
	group, _ := c.named(r, "log_group_name")
	if def, ok := r.Plain("default_log_group_name"); ok {
		group = withDefault(group, def)
	}
	group = c.ofTemplate(r, "log_group_template", group)
	if group == "" {
		r.Notes.Lose(r.At, r.Title, "it says no log_group_name", "write log_group")
		group = "missing"
	}
	o.Settings = o.Settings.With("log_group", group)
	stream, ok := c.named(r, "log_stream_name")
	if def, has := r.Plain("default_log_stream_name"); has {
		stream = withDefault(stream, def)
	}
	if prefix, has := c.named(r, "log_stream_prefix"); has && !ok {
		stream = prefix + "{tag}"
	}
	stream = c.ofTemplate(r, "log_stream_template", stream)
	if stream == "" {
		r.Notes.Lose(r.At, r.Title, "it says neither log_stream_name nor log_stream_prefix", "write log_stream")
		stream = "{tag}"
	}
	o.Settings = o.Settings.With("log_stream", stream)
	o.Settings = o.Settings.With("auto_create", r.Bool("auto_create_group", false))
	if days, ok := r.Int("log_retention_days"); ok {
		o.Settings = o.Settings.With("retention_days", days)
	}
	if tags, ok := r.Plain("new_log_group_tags"); ok {
		destination.Tags(o, "log_group_tags", tags)
	}
	if class, ok := r.Plain("log_group_class"); ok {
		o.Settings = o.Settings.With("log_group_class", class)
	}
	if key, ok := r.Plain("log_key"); ok {
		path, _ := accessor(key)
		o.Settings = o.Settings.With("message", ruby.Path(path))
	}
	if format, ok := r.Plain("log_format"); ok && format != "json" && format != "" {
		r.Lose("log_format", "events are JSON", "let the application write "+format+" itself")
	}
	for _, key := range [...]string{"metric_namespace", "metric_dimensions"} {
		if r.Has(key) {
			r.Lose(key, "no metrics are made of events", "let the agents make them")
		}
	}
	fields(o, "", "")
}

// ofTemplate returns the name that a template makes, and usual where there is none. Of a template that is more than one
// field, events without its fields have no name here.
func (c *converter) ofTemplate(r *settings.Reader, key, usual string) string {
	template, ok := c.named(r, key)
	if !ok {
		return usual
	}
	name := withDefault(template, usual)
	if name == template && strings.Contains(name, "{record") && usual != "" {
		r.Say(key, "events without its fields don't go to "+usual, "write what stands for a field: {record.a|none}")
	}
	return name
}

// withDefault adds what stands for a field that is missing to a template that is one.
func withDefault(template, def string) string {
	if m := regexp.MustCompile(`^\{(record\.[^}|]+)\}$`).FindStringSubmatch(template); m != nil && def != "" &&
		!strings.ContainsAny(def, "{%") {
		return "{" + m[1] + "|" + def + "}"
	}
	return template
}

func (c *converter) s3(r *settings.Reader, o *flow.Output) {
	o.Type = "s3"
	c.aws(r, o)
	destination.Bucket(r, o, "bucket")
	o.Settings = o.Settings.With("key", c.s3Key(r))
	compress, _ := r.Plain("compression")
	switch compress {
	case "gzip", "zstd":
		o.Settings = o.Settings.With("compression", compress)
	case "":
		o.Settings = o.Settings.With("compression", "none")
	default:
		r.Lose("compression", "objects are not compressed by "+compress, "none, gzip and zstd are there")
		o.Settings = o.Settings.With("compression", "none")
	}
	if size, ok := r.ThousandSize("total_file_size"); ok {
		if n, _ := settings.ParseSize(size, 1000); n > 256<<20 {
			r.Say("total_file_size", "objects have 256 MiB of events at most", "")
			size = "256MiB"
		}
		o.Settings = o.Settings.In("rotate", "max_size", size)
	}
	if age, ok := r.Duration("upload_timeout"); ok {
		o.Settings = o.Settings.In("rotate", "max_age", age)
	} else {
		o.Settings = o.Settings.In("rotate", "max_age", "10m")
	}
	for _, p := range [...]struct{ old, key string }{{"storage_class", "storage_class"}, {"canned_acl", "acl"}} {
		if text, ok := r.Plain(p.old); ok {
			o.Settings = o.Settings.With(p.key, text)
		}
	}
	r.Ignore("use_put_object", "upload_chunk_size", "store_dir", "store_dir_limit_size", "s3_key_format_tag_delimiters",
		"static_file_path", "preserve_data_ordering", "send_content_md5", "content_type", "tags")
	if r.Has("tags") {
		r.Notes.Say(r.At, r.Title+" tags", "objects have no tags here",
			"let the bucket's lifecycle rules look at prefixes")
	}
	if d := r.Text0("s3_key_format_tag_delimiters"); d != "" && d != "." {
		r.Lose("s3_key_format_tag_delimiters", "tags are cut at dots alone", "look at {tag[…]} in key")
	}
	c.date(r, o, "json_date_key", "date", "json_date_format", "iso8601")
}

// s3Key reads the format of an object's name: $INDEX is {index}, and what is behind it is the aggregator's own. Without
// it all behind the last / is, which would make an object for each second of events.
func (c *converter) s3Key(r *settings.Reader) string {
	const mark = "\x00"
	key, ok := r.Mapped("s3_key_format", func(text string) string {
		text = strings.NewReplacer("$UUID", "", "$INDEX", mark).Replace(text)
		text = strings.ReplaceAll(nameTemplate(text), mark, "{index}")
		return destination.Conversions(r, "s3_key_format", text)
	})
	if !ok {
		return "fluent-bit-logs/{tag}/%Y/%m/%d/%H/"
	}
	// A slash alone is between names, also where a part of one has no like.
	key = strings.TrimPrefix(regexp.MustCompile(`/+`).ReplaceAllString(key, "/"), "/")
	if before, _, found := strings.Cut(key, "{index}"); found {
		return before + "{index}"
	}
	dir, name := path.Split(key)
	if name != "" {
		r.Notes.Say(r.At, r.Title+" s3_key_format",
			"what is behind the last / of an object's name, a time and a number, is the aggregator's own", "")
	}
	if dir == "" {
		return "{tag}/"
	}
	return dir
}
