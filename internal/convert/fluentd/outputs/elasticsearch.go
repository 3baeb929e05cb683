package outputs

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/convert/destination"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/conf"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/template"
	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// elasticsearch reads elasticsearch, opensearch and their data streams.
func elasticsearch(r *settings.Reader, o *flow.Output) {
	o.Type = "elasticsearch"
	if id, ok := r.Text("cloud_id"); ok {
		o.Settings = o.Settings.With("cloud_id", id)
		r.Ignore("host", "port", "scheme", "path", "hosts")
	} else {
		o.Settings = o.Settings.With("hosts", hosts(r, o))
	}
	login(r, o)
	esTLS(r, o)
	if strings.HasPrefix(conf.Type(r.Section), "opensearch") {
		o.Settings = o.Settings.With("flavor", "opensearch")
	}
	at := index(r, o)
	documents(r, o)
	if timeout, ok := r.Duration("request_timeout"); ok {
		if d, err := time.ParseDuration(timeout); err == nil && d > time.Hour {
			r.Say("request_timeout", "an hour at most: no answer within one is none", "")
			timeout = "1h"
		}
		o.Settings = o.Settings.With("timeout", timeout)
	}
	if text, ok := named(r, "pipeline"); ok {
		o.Settings = o.Settings.With("pipeline", text)
	}
	tag := ""
	if r.Bool("include_tag_key", false) {
		tag = "tag"
		if key, ok := r.Text("tag_key"); ok {
			tag = key
		}
	}
	r.Ignore("tag_key", "include_tag_key")
	fieldsOff(o, at, tag)
	indexTemplate(r, o)
	r.Ignore("reload_connections", "reconnect_on_error", "reload_on_failure", "reload_after", "resurrect_after",
		"sniffer_class_name", "http_backend", "http_backend_excon_nonblock",
		"log_es_400_reason", "log_os_400_reason", "type_name", "suppress_type_name", "suppress_doc_wrap",
		"validate_client_version", "verify_es_version_at_startup", "verify_os_version_at_startup",
		"default_elasticsearch_version", "default_opensearch_version", "max_retry_get_es_version",
		"max_retry_get_os_version", "max_retry_putting_template", "fail_on_putting_template_retry_exceed",
		"fail_on_detecting_es_version_retry_exceed", "fail_on_detecting_os_version_retry_exceed",
		"slow_flush_log_threshold", "bulk_message_request_threshold", "with_transporter_log",
		"prefer_oj_serializer", "exception_backup", "content_type", "emit_error_for_missing_id", "time_parse_error_tag",
		"logstash_prefix_separator", "unrecoverable_error_types",
		"unrecoverable_record_types", "emit_error_label_event", "ignore_exceptions", "use_legacy_template",
		"compression_level", "include_index_in_url", "http_receive_timeout",
		"emit_unrecoverable", "index_date_pattern", "selector_class_name", "retry_tag", "time_precision",
		"include_timestamp", "logstash_format", "utc_index", "flatten_hashes_separator",
		"enable_ilm", "ilm_policy_overwrite", "template_overwrite", "rollover_index", "customize_template",
		"template_pattern", "application_name", "index_prefix", "target_bulk_bytes", "host_placeholder", "ssl_version",
		"ssl_min_version", "ssl_max_version", "index_separator", "deflector_alias",
		"data_stream_template_use_index_patterns_wildcard", "reload_after_failure",
		"catch_transport_exception_on_retry", "http_open_timeout", "custom_headers_placeholder")
	if r.Has("utc_index") && !r.Bool("utc_index", true) {
		r.Lose("utc_index", "%Y, %m, %d in names are UTC",
			"set a field by expr with strftime and a zone, and put it into the index (docs/filters.md#expr-and-when)")
	}
	if r.Bool("flatten_hashes", false) {
		sep, ok := r.Text("flatten_hashes_separator")
		if !ok {
			sep = "_"
		}
		o.Steps = append(o.Steps, flow.Step{Kind: "modify", Body: flow.Map{{
			Key:   "flatten",
			Value: flow.Map{{Key: "separator", Value: sep}},
		}}})
	}
}

// hosts reads host and port, or hosts.
func hosts(r *settings.Reader, o *flow.Output) []any {
	scheme, port, path := "http", "9200", ""
	if text, ok := r.Text("scheme"); ok {
		scheme = text
	}
	if text, ok := r.Text("port"); ok {
		port = text
	}
	if text, ok := r.Text("path"); ok {
		path = "/" + strings.Trim(text, "/")
	}
	if text, ok := r.Text("hosts"); ok {
		var all []any
		r.Ignore("host")
		for h := range strings.SplitSeq(text, ",") {
			h = strings.TrimSpace(h)
			if s, rest, found := strings.Cut(h, "://"); found {
				if login, behind, found := strings.Cut(rest, "@"); found {
					rest = behind
					loginOf(r, o, login)
				}
				if !strings.Contains(strings.TrimPrefix(rest, "["), ":") {
					if host, p, found := strings.Cut(rest, "/"); found {
						rest = host + ":" + port + "/" + p
					} else {
						rest += ":" + port
					}
				}
				all = append(all, s+"://"+rest)
				continue
			}
			if !strings.Contains(h, ":") || strings.HasPrefix(h, "${") && strings.Count(h, ":") < 2 {
				h += ":" + port
			}
			all = append(all, scheme+"://"+h+path)
		}
		return oneScheme(r, all)
	}
	host := "localhost"
	if text, ok := r.Text("host"); ok {
		host = text
	}
	if s, rest, found := strings.Cut(host, "://"); found {
		scheme, host = s, strings.TrimSuffix(rest, "/")
	}
	return []any{scheme + "://" + host + ":" + port + path}
}

// oneScheme makes all hosts ones of TLS, where some are: a login is sent to all.
func oneScheme(r *settings.Reader, all []any) []any {
	tls := slices.ContainsFunc(all, func(host any) bool {
		return strings.HasPrefix(fmt.Sprint(host), "https://")
	})
	for i, host := range all {
		if rest, plain := strings.CutPrefix(fmt.Sprint(host), "http://"); plain && tls {
			all[i] = "https://" + rest
			r.Lose("hosts", "some hosts are https and others http: "+rest+" is taken for https too",
				"write all with https, or all with http")
		}
	}
	return all
}

// loginOf reads name:password, as a host's URL has it.
func loginOf(r *settings.Reader, o *flow.Output, text string) {
	name, password, found := strings.Cut(text, ":")
	// The colon may be a variable's.
	if strings.Contains(text, "${env:") {
		r.Lose("hosts", "its name and password are variables", "write username and password")
		return
	}
	v, _ := r.Get("hosts")
	o.Settings = o.Settings.With("username", name)
	if found {
		o.Settings = o.Settings.With("password", r.Notes.SecretFile(
			o.Name+"-password", syntax.Literal(password, v.At), "the password in hosts at "+v.At.String()))
	}
}

// login reads user and password, keys and tokens.
func login(r *settings.Reader, o *flow.Output) {
	destination.Login(r, o, "user", "password")
	if key, ok := r.Secret("api_key", o.Name+"-api-key"); ok {
		o.Settings = o.Settings.With("api_key", key)
	}
	destination.CloudAuth(r, o)
	if headers, v := destination.Object(r, "custom_headers"); headers != nil {
		destination.Headers(r, o, headers, v.At)
	}
	if s := r.Child("endpoint"); s != nil {
		signed(r, o, s)
	}
}

// signed reads <endpoint> of the plugin for Amazon OpenSearch.
func signed(r *settings.Reader, o *flow.Output, s *syntax.Section) {
	e := settings.NewReader(s, r.Notes, r.Title+" <endpoint>")
	if url, ok := e.Text("url"); ok {
		o.Settings = o.Settings.With("hosts", []any{strings.TrimSuffix(url, "/")})
	}
	var m flow.Map
	if region, ok := e.Text("region"); ok && destination.IsRegion(region) {
		m = m.With("region", region)
	} else if ok {
		e.Lose("region", region+" is no region", "write the region's code, such as eu-central-1")
		m = m.With("region", "${env:AWS_REGION}")
		r.Notes.NeedEnv("AWS_REGION", "the region of "+r.Title)
	}
	if name, ok := e.Text("aws_service_name"); ok {
		m = m.With("service", name)
	}
	if role := destination.RoleARN(e, "assume_role_arn"); role != "" {
		m = m.With("role_arn", role)
	}
	if e.Has("access_key_id") || e.Has("secret_access_key") {
		r.Notes.Say(s.At, r.Title+" <endpoint> access_key_id",
			"credentials come from the environment, a profile, IRSA or the instance", "set AWS_ACCESS_KEY_ID "+
				"and AWS_SECRET_ACCESS_KEY, or give it a role")
	}
	e.Ignore("access_key_id", "secret_access_key", "assume_role_session_name", "assume_role_web_identity_token_file",
		"sts_credentials_region",
		"refresh_credentials_interval", "ecs_container_credentials_relative_uri")
	e.Done()
	destination.Signed(r, o, m)
}

func esTLS(r *settings.Reader, o *flow.Output) {
	m := destination.Files(r, nil, destination.File{Old: "ca_file", New: "ca_file"},
		destination.File{Old: "client_cert", New: "cert_file"}, destination.File{Old: "client_key", New: "key_file"})
	destination.Passphrase(r, "client_key_pass")
	if !r.Bool("ssl_verify", true) {
		m = m.With("insecure_skip_verify", true)
	}
	destination.TLS(o, m)
}

// index reads which index an event goes to, and returns the name of the field for its time.
func index(r *settings.Reader, o *flow.Output) (at string) {
	if strings.HasSuffix(conf.Type(r.Section), "_data_stream") {
		name, ok := named(r, "data_stream_name")
		if !ok {
			name = "logs-generic-default"
		}
		o.Settings = o.Settings.With("index", name).With("data_stream", true)
		r.Ignore("data_stream_template_name", "data_stream_ilm_name", "data_stream_ilm_policy",
			"data_stream_ilm_policy_overwrite", "data_stream_template_index_patterns", "data_stream_enable")
		ownTime(o)
		return "@timestamp"
	}
	name, ok := named(r, "index_name")
	if !ok {
		name = "fluentd"
	}
	if r.Bool("include_timestamp", false) {
		at = "@timestamp"
	}
	if r.Bool("logstash_format", false) {
		at = "@timestamp"
		prefix, ok := named(r, "logstash_prefix")
		if !ok {
			prefix = "logstash"
		}
		separator, ok := r.Text("logstash_prefix_separator")
		if !ok {
			separator = "-"
		}
		date, ok := r.Text("logstash_dateformat")
		if !ok {
			date = "%Y.%m.%d"
		}
		name = prefix + separator + date
	}
	r.Ignore("logstash_prefix", "logstash_dateformat")
	if key, ok := r.Plain("target_index_key"); ok {
		name = targetIndex(r, o, key, name)
	}
	if r.Has("target_type_key") {
		r.Say("target_type_key", "documents have no types any more", "")
	}
	o.Settings = o.Settings.With("index", name)
	key, hasKey := r.Plain("time_key")
	r.Ignore("time_key_format")
	// Without a field for its time the plugin looks at none.
	if at != "" {
		ownTime(o)
		if hasKey && key != "@timestamp" {
			timeKey(r, o, key, ruby.Field([]string{"@timestamp"})+" == nil")
		}
	}
	if r.Bool("time_key_exclude_timestamp", false) {
		at = ""
	}
	return at
}

// targetIndex returns the index that a field names; events without it go to the index name.
func targetIndex(r *settings.Reader, o *flow.Output, key, name string) string {
	path, ok := template.Accessor(key)
	if !ok {
		r.Lose("target_index_key", "the field can't be read", "write index by hand")
		return name
	}
	o.Notes = append(o.Notes, "target_index_key "+key+": events without it go to "+name+".")
	set := flow.Step{Kind: "modify", Body: flow.Map{{Key: "set_if_missing", Value: flow.Map{{
		Key:   ruby.Path(path),
		Value: name,
	}}}}}
	o.Steps = append(o.Steps, set)
	r.Notes.Say(r.At, r.Title+" target_index_key",
		"the field "+key+" stays in the document; the plugin takes it out", "")
	return ruby.Placeholder(path)
}

// ownTime takes the time that an event itself says it has: the plugin leaves @timestamp as it is, and the index is of
// that day.
func ownTime(o *flow.Output) {
	o.Steps = append(o.Steps, flow.Step{
		Kind: "parse", Body: flow.Map{
			{Key: "field", Value: `["@timestamp"]`},
			{Key: "format", Value: "regex"},
			{Key: "regex", Value: `^(?<time>\d{4}-\d\d-\d\dT.+)$`},
			{Key: "keep", Value: true},
		},
		When: ruby.Field([]string{"@timestamp"}) + " != nil",
		Note: "An event that says its own @timestamp keeps it.",
	})
}

// timeKey reads time_key: the field whose time the document and the index have; when is for which events, "" for all.
func timeKey(r *settings.Reader, o *flow.Output, key, when string) {
	path, ok := template.Accessor(key)
	if !ok {
		r.Lose("time_key", "the field can't be read", "write a step parse with time")
		return
	}
	field := ruby.Path(path)
	var t flow.Map
	if format, ok := r.Plain("time_key_format"); ok {
		t = flow.Map{{Key: "format", Value: flow.Literal(ruby.Strptime(format))}}
	}
	body := flow.Map{{Key: "field", Value: field}, {Key: "format", Value: "regex"}, {
		Key:   "regex",
		Value: "^(?<time>.+)$",
	}}
	if t != nil {
		body = body.With("time", t)
	}
	o.Steps = append(o.Steps, flow.Step{
		Kind: "parse", Body: body.With("keep", true), When: when,
		Note: "time_key: the time that the index and @timestamp have",
	})
}

// documents reads ids and operations.
func documents(r *settings.Reader, o *flow.Output) {
	if key, ok := r.Plain("id_key"); ok {
		path, isPath := template.Accessor(key)
		switch {
		case !isPath:
			r.Lose("id_key", "the field can't be read", "write id by hand, as {record.…}")
		case key != "_hash":
			o.Settings = o.Settings.With("id", ruby.Placeholder(path))
		}
	}
	switch op, _ := r.Plain("write_operation"); op {
	case "", "index", "create":
		if op == "index" && r.Has("id_key") ||
			op == "" && o.Settings.Get("id") != nil && o.Settings.Get("data_stream") == nil {
			o.Settings = o.Settings.With("op_type", "index")
		}
	default:
		r.Lose("write_operation", "documents are created or replaced, not changed by "+op, "write op_type: index")
	}
	for _, key := range [...]string{"parent_key", "routing_key", "join_key"} {
		if r.Has(key) {
			r.Lose(key, "documents have no "+strings.TrimSuffix(key, "_key")+" here", "set it in an ingest pipeline")
		}
	}
	destination.Remove(r, o, "remove_keys", template.Paths(r, "remove_keys"))
	r.Ignore("remove_keys_on_update", "remove_keys_on_update_key")
}

// indexTemplate says that indices are made as the old program had them made: by templates of others, or by none.
func indexTemplate(r *settings.Reader, o *flow.Output) {
	own := r.Has("template_name") || r.Has("template_file") || r.Has("templates")
	r.Ignore("template_name", "template_file", "templates")
	if r.Bool("enable_ilm", false) {
		r.Say("enable_ilm",
			"the policy and the template that are there stay in force; a write alias is made by nobody here",
			"make the alias once, or use a data stream")
	}
	r.Ignore("ilm_policy_id", "ilm_policy", "ilm_policies", "application_name", "customize_template", "rollover_index")
	if own {
		r.Notes.Say(r.At, r.Title+" template", "the template that is there stays in force", "")
	}
	o.Settings = o.Settings.With("template", flow.Map{{Key: "manage", Value: false}})
}
