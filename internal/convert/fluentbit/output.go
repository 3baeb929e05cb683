package fluentbit

import (
	"regexp"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/destination"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// outputs is the types of outputs that can be said.
func outputs() map[string]func(*converter, *settings.Reader, *flow.Output) {
	return map[string]func(*converter, *settings.Reader, *flow.Output){
		"es":               (*converter).elasticsearch,
		"opensearch":       (*converter).elasticsearch,
		"forward":          (*converter).forward,
		"loki":             (*converter).loki,
		"kafka":            (*converter).kafka,
		"kinesis_firehose": (*converter).firehose,
		"firehose":         (*converter).firehose,
		"kinesis_streams":  (*converter).kinesis,
		"kinesis":          (*converter).kinesis,
		"cloudwatch_logs":  (*converter).cloudwatch,
		"cloudwatch":       (*converter).cloudwatch,
		"s3":               (*converter).s3,
		"http":             (*converter).http,
		"splunk":           (*converter).splunk,
		"opentelemetry":    (*converter).otlp,
		"file":             (*converter).file,
		"stdout":           (*converter).stdout,
	}
}

// output reads [OUTPUT]. One that can't be said becomes files, so that no event is lost until somebody has written it.
func (c *converter) output(s *syntax.Section) []flow.Target {
	name := strings.ToLower(kind(s))
	switch name {
	case "null":
		return []flow.Target{{Null: true}}
	case "prometheus_exporter", "prometheus_remote_write", "counter", "flowcounter":
		c.old.Status = true
		c.notes.Say(s.At, title(s), "left out: the aggregator counts by itself: /metrics", "")
		return []flow.Target{{Null: true}}
	}
	o := &flow.Output{At: s.At, Title: title(s), Name: outputName(s)}
	r := c.reader(s)
	read := outputs()[name]
	if read == nil {
		destination.Unknown(o, c.notes)
		return []flow.Target{{Output: o}}
	}
	read(c, r, o)
	c.common(r, o)
	r.Done()
	return []flow.Target{{Output: o}}
}

func outputName(s *syntax.Section) string {
	name := kind(s)
	if alias := s.Text("alias"); alias != "" {
		name = alias
	}
	name = strings.Trim(regexp.MustCompile(`[^a-z0-9_-]+`).ReplaceAllString(strings.ToLower(name), "_"), "_-")
	if name == "" {
		return "output"
	}
	return name[:min(len(name), 50)]
}

// common reads what all outputs have.
func (c *converter) common(r *settings.Reader, o *flow.Output) {
	for _, e := range r.Entries {
		if strings.HasPrefix(e.Key, "net.") || strings.HasPrefix(e.Key, "tls.") && e.Key != "tls.verify" {
			r.Ignore(e.Key)
		}
	}
	r.Ignore("extra_user_agent", "tls", "tls.verify", "storage.type", "mem_buf_limit", "buffer_size", "time_key_format",
		"buffer_chunk_size", "trace_output", "trace_error", "json_date_key", "json_date_format", "format",
		"auto_retry_requests", "http2")
	if n, ok := r.Int("workers"); ok && n > 0 {
		o.Settings = o.Settings.With("workers", n)
	}
	if size, ok := r.ThousandSize("storage.total_limit_size"); ok {
		o.Settings = o.Settings.With("max_queue_size", size)
	}
	switch text, ok := r.Plain("retry_limit"); {
	case !ok || strings.EqualFold(text, "false") || strings.EqualFold(text, "no_limits"):
	case strings.EqualFold(text, "no_retries"):
		o.Settings = o.Settings.In("retry", "max_attempts", 1)
	default:
		if n, ok := r.Int("retry_limit"); ok && n > 0 {
			o.Settings = o.Settings.In("retry", "max_attempts", n+1)
		}
	}
	o.Steps = append(c.processors(r), o.Steps...)
}

// tls reads tls and tls.*.
func (c *converter) tls(r *settings.Reader, o *flow.Output) bool {
	if !r.Bool("tls", false) {
		return false
	}
	m, _ := o.Settings.Get("tls").(flow.Map)
	m = destination.Files(r, m, destination.File{Old: "tls.ca_file", New: "ca_file"},
		destination.File{Old: "tls.crt_file", New: "cert_file"}, destination.File{Old: "tls.key_file", New: "key_file"})
	if name, ok := r.Text("tls.vhost"); ok {
		m = m.With("server_name", name)
	}
	if !r.Bool("tls.verify", true) {
		m = m.With("insecure_skip_verify", true)
	}
	destination.Passphrase(r, "tls.key_passwd")
	if r.Has("tls.ca_path") {
		r.Lose("tls.ca_path", "authorities are in one file", "put them into one, for tls.ca_file")
	}
	destination.TLS(o, m)
	return true
}

// named writes $TAG, $TAG[1], $field['x'] in names as placeholders; strftime stays.
func (c *converter) named(r *settings.Reader, key string) (string, bool) {
	return r.Mapped(key, func(text string) string { return destination.Conversions(r, key, nameTemplate(text)) })
}

func nameTemplate(text string) string {
	var b strings.Builder
	for text != "" {
		m := regexp.MustCompile(
			`^(?:\$TAG\[(\d+)\]|\$(TAG)|\$\(?([A-Za-z_][A-Za-z0-9_]*(?:\[['"][^'"]+['"]\])*)\)?|([^$]+))`,
		).FindStringSubmatch(text)
		if m == nil {
			m = []string{text[:1], "", "", "", text[:1]}
		}
		text = text[len(m[0]):]
		switch {
		case m[1] != "":
			b.WriteString("{tag[" + m[1] + "]}")
		case m[2] != "":
			b.WriteString("{tag}")
		case m[3] != "":
			path, _ := accessor("$" + m[3])
			b.WriteString(ruby.Placeholder(path))
		default:
			b.WriteString(flow.Literal(strings.NewReplacer("{", "{{", "}", "}}").Replace(m[4])))
		}
	}
	return b.String()
}

func fields(o *flow.Output, time, tag string) {
	o.Settings = o.Settings.With("fields", flow.Map{
		{Key: "time", Value: time},
		{Key: "tag", Value: tag},
		{Key: "cluster", Value: ""},
	})
}

// elasticsearch reads es and opensearch.
func (c *converter) elasticsearch(r *settings.Reader, o *flow.Output) {
	o.Type = "elasticsearch"
	c.elasticsearchPlace(r, o)
	destination.Login(r, o, "http_user", "http_passwd")
	destination.CloudAuth(r, o)
	if key, ok := r.Secret("http_api_key", o.Name+"-api-key"); ok {
		o.Settings = o.Settings.With("api_key", key)
	}
	awsAuth(r, o)
	if kind(r.Section) == "opensearch" {
		o.Settings = o.Settings.With("flavor", "opensearch")
	}
	c.index(r, o)
	if text, ok := r.Text("pipeline"); ok {
		o.Settings = o.Settings.With("pipeline", text)
	}
	time, ok := r.Text("time_key")
	if !ok {
		time = "@timestamp"
	}
	if format, has := r.Plain("time_key_format"); has && !strings.HasPrefix(format, "%Y-%m-%dT%H:%M:%S") {
		r.Lose("time_key_format", "the time is written as RFC 3339",
			`set the field by expr: strftime(time, "`+format+`")`)
	}
	if r.Bool("current_time_index", false) {
		r.Say("current_time_index", "names have the event's time, not the one at which it is sent", "")
	}
	tag := ""
	if r.Bool("include_tag_key", false) {
		tag = "_flb-key"
		if key, ok := r.Text("tag_key"); ok {
			tag = key
		}
	}
	fields(o, time, tag)
	if r.Bool("replace_dots", false) {
		o.Steps = append(o.Steps, flow.Step{Kind: "dedot", Body: flow.Map{{Key: "separator", Value: "_"}}})
	}
	if compress, _ := r.Plain("compress"); compress != "gzip" {
		o.Settings = o.Settings.With("compression", "none")
	}
	o.Settings = o.Settings.With("template", flow.Map{{Key: "manage", Value: false}})
	r.Ignore("type", "suppress_type_name", "time_key_nanos", "tag_key", "generate_id", "current_time_index",
		"include_tag_key", "write_operation", "id_key", "logstash_prefix_separator")
}

// elasticsearchPlace reads where the servers are.
func (c *converter) elasticsearchPlace(r *settings.Reader, o *flow.Output) {
	host, ok := r.Text("host")
	if !ok {
		host = "127.0.0.1"
	}
	port, ok := r.Text("port")
	if !ok {
		port = "9200"
	}
	scheme := "http"
	if c.tls(r, o) {
		scheme = "https"
	}
	path := ""
	if text, ok := r.Text("path"); ok {
		path = "/" + strings.Trim(text, "/")
	}
	if s, rest, found := strings.Cut(host, "://"); found {
		scheme, host = s, rest
	}
	url := scheme + "://" + host + ":" + port + path
	if id, ok := r.Text("cloud_id"); ok {
		o.Settings = o.Settings.With("cloud_id", id)
	} else {
		o.Settings = o.Settings.With("hosts", []any{url})
	}
}

// awsAuth reads how requests are signed.
func awsAuth(r *settings.Reader, o *flow.Output) {
	if r.Bool("aws_auth", false) {
		var m flow.Map
		for _, p := range [...]struct{ old, key string }{
			{"aws_region", "region"},
			{"aws_service_name", "service"},
			{"aws_role_arn", "role_arn"},
			{"aws_external_id", "external_id"},
		} {
			text, ok := r.Text(p.old)
			if p.key == "role_arn" {
				text = destination.RoleARN(r, p.old)
				ok = text != ""
			}
			if ok && (p.key != "region" || destination.IsRegion(text)) {
				m = m.With(p.key, text)
			} else if ok {
				r.Lose(p.old, text+" is no region", "write the region's code, such as eu-central-1")
				m = m.With(p.key, "${env:AWS_REGION}")
				r.Notes.NeedEnv("AWS_REGION", "the region of "+r.Title)
			}
		}
		destination.Signed(r, o, m)
	}
	r.Ignore("aws_auth", "aws_region", "aws_role_arn", "aws_external_id", "aws_service_name", "aws_sts_endpoint",
		"aws_profile")
	if r.Has("aws_profile") || r.Has("aws_sts_endpoint") {
		r.Say("aws_profile", "credentials come from the environment, a profile, IRSA or the instance",
			"set AWS_PROFILE or AWS_ENDPOINT_URL_STS for the aggregator")
	}
}

// index reads the index, the id and the operation.
func (c *converter) index(r *settings.Reader, o *flow.Output) {
	index, ok := c.named(r, "index")
	if !ok {
		index = "fluent-bit"
	}
	if r.Bool("logstash_format", false) {
		prefix, ok := r.Mapped("logstash_prefix", flow.LiteralTemplate)
		if !ok {
			prefix = "logstash"
		}
		if key, ok := r.Plain("logstash_prefix_key"); ok {
			path, isPath := accessor(key)
			if isPath {
				prefix = ruby.PlaceholderOf(ruby.Path(path) + "|" + prefix)
			} else {
				r.Lose("logstash_prefix_key", "the field can't be read", "write index by hand")
			}
		}
		separator, ok := r.Mapped("logstash_prefix_separator", flow.LiteralTemplate)
		if !ok {
			separator = "-"
		}
		date, ok := r.Mapped("logstash_dateformat", func(text string) string {
			return destination.Conversions(r, "logstash_dateformat", text)
		})
		if !ok {
			date = "%Y.%m.%d"
		}
		index = prefix + separator + date
	}
	r.Ignore("logstash_prefix", "logstash_prefix_key", "logstash_dateformat", "logstash_prefix_separator")
	o.Settings = o.Settings.With("index", index)
	if key, ok := r.Plain("id_key"); ok {
		if path, ok := accessor(key); ok {
			o.Settings = o.Settings.With("id", ruby.Placeholder(path))
		} else {
			r.Lose("id_key", "the field can't be read", "write id by hand, as {record.…}")
		}
	}
	switch op, _ := r.Plain("write_operation"); strings.ToLower(op) {
	case "", "create":
	case "index":
		o.Settings = o.Settings.With("op_type", "index")
	default:
		r.Lose("write_operation", "documents are created or replaced, not changed by "+op, "write op_type: index")
	}
}

// forward reads forward.
func (c *converter) forward(r *settings.Reader, o *flow.Output) {
	o.Type = "forward"
	host, ok := r.Text("host")
	if !ok {
		host = "127.0.0.1"
	}
	port, ok := r.Text("port")
	if !ok {
		port = "24224"
	}
	address := host + ":" + port
	if path, ok := r.Text("unix_path"); ok {
		address = "unix:" + path
	}
	o.Settings = o.Settings.With("servers", []any{address})
	if r.Has("upstream") {
		c.upstream(r, o)
	}
	if key, ok := r.Secret("shared_key", o.Name+"-key"); ok {
		o.Settings = o.Settings.With("shared_key", key)
	}
	destination.Login(r, o, "username", "password")
	r.Ignore("self_hostname", "empty_shared_key", "time_as_integer", "send_options", "add_option", "fluentd_compat",
		"retain_metadata_in_forward_mode", "tls.verify_hostname")
	if c.tls(r, o) && o.Settings.Get("tls") == nil {
		o.Settings = o.Settings.With("tls", flow.Map{})
	}
	o.Settings = o.Settings.With("ack", r.Bool("require_ack_response", false))
	if tag, ok := c.named(r, "tag"); ok {
		o.Settings = o.Settings.With("tag", tag)
	}
	if compress, _ := r.Plain("compress"); compress != "gzip" {
		o.Settings = o.Settings.With("compression", "none")
	}
}

func (c *converter) file(r *settings.Reader, o *flow.Output) {
	o.Type = "file"
	path, ok := r.Text("path")
	if !ok {
		path = "."
	}
	name, ok := r.Text("file")
	if !ok {
		name = "{tag}"
	}
	o.Settings = o.Settings.With("path", strings.TrimSuffix(path, "/")+"/"+name)
	r.Ignore("mkdir", "delimiter", "label_delimiter")
	if format, _ := r.Plain("format"); format != "" && format != "out_file" && format != "plain" && format != "json" {
		r.Lose("format", "lines are one JSON object each, not "+format, "change what reads them")
	} else {
		r.Notes.Say(r.At, r.Title, "a line is one JSON object with the time and the tag in it", "")
	}
}

func (c *converter) stdout(r *settings.Reader, o *flow.Output) {
	o.Type = "stdout"
	r.Ignore("format", "json_date_key", "json_date_format")
}
