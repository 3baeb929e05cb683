package outputs

import (
	"net"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/destination"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/conf"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/template"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// forward reads forward and secure_forward.
func forward(r *settings.Reader, o *flow.Output) {
	o.Type = "forward"
	port := "24224"
	if conf.Type(r.Section) == "secure_forward" {
		port = "24284"
	}
	all := r.Children("server")
	if s := r.Child("service_discovery"); s != nil && conf.Type(s) == "static" {
		all = append(all, s.Children("service")...)
	} else if s != nil {
		r.Notes.Lose(s.At, r.Title+" <service_discovery>", "servers are named in the configuration",
			"name a DNS name that has all of them")
	}
	servers, user, password := serversOf(r, o, all, port)
	r.IgnoreSections("server")
	if len(servers) == 0 {
		servers = []any{"127.0.0.1:" + port}
		r.Notes.Lose(r.At, r.Title, "it names no server that can be read", "write servers")
	}
	o.Settings = o.Settings.With("servers", servers)
	s := r
	if section := r.Child("security"); section != nil {
		s = settings.NewReader(section, r.Notes, r.Title+" <security>")
	}
	if key, ok := s.Secret("shared_key", o.Name+"-key"); ok {
		o.Settings = o.Settings.With("shared_key", key)
	}
	if name, ok := s.Text("self_hostname"); ok && !strings.Contains(name, "env:HOSTNAME") {
		o.Settings = o.Settings.With("self_hostname", name)
	}
	if s != r {
		s.Done()
	}
	switch {
	case user != "" && o.Settings.Get("shared_key") == nil:
		r.Notes.Say(r.At, r.Title+" username", "left out: users are asked for together with a key alone", "")
	case user != "":
		o.Settings = o.Settings.With("username", user).With("password", password)
	}
	forwardTLS(r, o)
	o.Settings = o.Settings.With("ack", r.Bool("require_ack_response", false))
	if wait, ok := r.Duration("ack_response_timeout"); ok {
		o.Settings = o.Settings.With("ack_timeout", wait)
	}
	if compress, _ := r.Plain("compress"); compress == "" || compress == "text" {
		o.Settings = o.Settings.With("compression", "none")
	} else {
		o.Settings = o.Settings.With("compression", compress)
	}
	r.Ignore("send_timeout", "connect_timeout", "recover_wait", "heartbeat_type", "heartbeat_interval",
		"phi_failure_detector", "phi_threshold", "hard_timeout", "expire_dns_cache", "dns_round_robin",
		"ignore_network_errors_at_startup", "keepalive", "keepalive_timeout", "time_as_integer",
		"verify_connection_at_startup", "transport", "suspend_flush", "proxy_uri", "extend_internal_protocol",
		"linger_timeout", "enable_strict_verification", "secure", "read_length", "read_interval_msec",
		"socket_interval_msec")
	if tag, ok := named(r, "tag"); ok {
		o.Settings = o.Settings.With("tag", tag)
	}
}

// usualWeight is the one of a server that none is said of.
const usualWeight = 60

// serversOf reads <server>s, with the login that one of them has.
func serversOf(r *settings.Reader, o *flow.Output, all []*syntax.Section, port string) (
	servers []any, user, password string,
) {
	var found []flow.Map
	weights, common := []int{}, 0
	for _, s := range all {
		sr := settings.NewReader(s, r.Notes, r.Title+" <"+s.Name+">")
		host, ok := sr.Text("host")
		if !ok {
			r.Notes.Lose(s.At, sr.Title, "it has no host", "write one")
			continue
		}
		p := port
		if text, ok := sr.Text("port"); ok {
			p = text
		}
		m := flow.Map{{Key: "address", Value: address(host, p)}}
		if slices.ContainsFunc(found, func(f flow.Map) bool { return f.Get("address") == m.Get("address") }) {
			r.Notes.Say(s.At, sr.Title, "left out: the server is there twice", "")
			continue
		}
		weight := usualWeight
		if n, ok := sr.Int("weight"); ok {
			weight = max(1, n)
		}
		weights, common = append(weights, weight), divisor(weight, common)
		if sr.Bool("standby", false) {
			m = m.With("standby", true)
		}
		if text, ok := sr.Text("username"); ok {
			user = text
		}
		if text, ok := sr.Secret("password", o.Name+"-password"); ok {
			password = text
		}
		if key, ok := sr.Secret("shared_key", o.Name+"-key"); ok {
			if had := o.Settings.Get("shared_key"); had != nil && had != key || len(all) > 1 && had == nil {
				sr.Lose("shared_key", "all servers of an output have one key", "make an output for each key")
			}
			o.Settings = o.Settings.With("shared_key", key)
		}
		sr.Ignore("name", "proxy_uri", "hostlabel")
		sr.Done()
		found = append(found, m)
	}
	for i, m := range found {
		// Only the ratio of weights counts, and 1 need not be said.
		if weights[i] != common {
			m = m.With("weight", weights[i]/common)
		}
		if len(m) == 1 {
			servers = append(servers, m[0].Value)
		} else {
			servers = append(servers, m)
		}
	}
	return servers, user, password
}

// divisor is the greatest number that divides both; of 0 and another one it is that.
func divisor(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// address joins a host and a port, of which either may be a variable.
func address(host, port string) string {
	if strings.Contains(host, "${") || strings.Contains(port, "${") {
		return host + ":" + port
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}

// firstOf leaves of a list of files, ["a", "b"], the first.
func firstOf(r *settings.Reader, key string) {
	for i, e := range r.Entries {
		text, plain := e.Value.Plain()
		if e.Key != key || !plain || !strings.HasPrefix(text, "[") {
			continue
		}
		if all := template.List(text); len(all) > 0 {
			r.Entries[i].Value = syntax.Literal(all[0], e.At)
			if len(all) > 1 {
				r.Notes.Lose(e.At, r.Title+" "+key, "authorities are in one file", "put them into one, for tls.ca_file")
			}
		}
	}
}

func forwardTLS(r *settings.Reader, o *flow.Output) {
	secure := conf.Type(r.Section) == "secure_forward"
	transport, _ := r.Plain("transport")
	for _, key := range [...]string{"tls_ca_cert_path", "tls_cert_path"} {
		firstOf(r, key)
	}
	m := destination.Files(r, nil, destination.File{Old: "tls_ca_cert_path", New: "ca_file"},
		destination.File{Old: "ca_cert_path", New: "ca_file"}, destination.File{Old: "tls_cert_path", New: "ca_file"},
		destination.File{Old: "tls_client_cert_path", New: "cert_file"},
		destination.File{Old: "tls_client_private_key_path", New: "key_file"})
	if r.Bool("tls_insecure_mode", false) || r.Bool("tls_allow_self_signed_cert", false) {
		m = m.With("insecure_skip_verify", true)
	}
	if !r.Bool("tls_verify_hostname", true) && m.Get("insecure_skip_verify") == nil {
		r.Lose("tls_verify_hostname", "the name in the server's certificate is always checked",
			"write the name that it has into tls.server_name")
	}
	r.Ignore("tls_version", "tls_ciphers", "tls_cert_thumbprint", "tls_cert_logical_store_name",
		"tls_cert_use_enterprise_store")
	destination.Passphrase(r, "tls_client_private_key_passphrase")
	if strings.EqualFold(transport, "tls") || secure {
		if m == nil {
			m = flow.Map{}
		}
		o.Settings = o.Settings.With("tls", m)
	}
}

// file reads file.
func file(r *settings.Reader, o *flow.Output) {
	o.Type = "file"
	path, ok := named(r, "path")
	if !ok {
		r.Notes.Lose(r.At, r.Title, "it has no path", "write one")
		path = "data/missing"
	}
	slice, starred := sliced(r), strings.Contains(path, "*")
	switch {
	case strings.Contains(path, "%"):
	case starred:
		path = strings.Replace(path, "*", slice, 1)
	case slice != "":
		path += "." + slice
	}
	suffix, ok := r.Text("path_suffix")
	if !ok {
		suffix = ".log"
	}
	if r.Bool("add_path_suffix", true) && !starred && !strings.HasSuffix(path, suffix) {
		path += suffix
	}
	r.Ignore("path_suffix", "append", "symlink_path", "symlink_path_use_relative", "recompress", "localtime", "utc",
		"time_format", "timezone", "output_type", "delimiter", "output_tag", "output_time", "include_tag_key",
		"include_time_key")
	o.Settings = o.Settings.With("path", coarse(r, path))
	if compress, _ := r.Plain("compress"); compress == "gzip" || compress == "gz" {
		o.Settings = o.Settings.With("compression", "gzip")
	}
	section := r.Children("format")
	if message, alone := alone(r); alone {
		o.Settings = o.Settings.With("message", message)
	} else if len(section) == 0 && !r.Has("format") {
		asLines(r)
	} else {
		fieldsOff(o, "", "")
	}
	r.Ignore("format")
}

func stdout(r *settings.Reader, o *flow.Output) {
	o.Type = "stdout"
	r.Ignore("output_type", "format", "use_logger", "utc", "localtime", "time_format", "timezone", "time_type")
	r.IgnoreSections("format")
}
