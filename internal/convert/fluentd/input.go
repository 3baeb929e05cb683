package fluentd

import (
	"net"
	"strconv"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/conf"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// forwardInput reads a source that takes events from agents as a listener.
func (c *converter) forwardInput(s *syntax.Section) {
	r := c.reader(s)
	l := flow.Listener{At: s.At, Title: conf.Title(s)}
	if conf.Type(s) == "unix" {
		path, _ := r.Text("path")
		l.Settings = l.Settings.With("address", "unix:"+path)
		r.Ignore("backlog")
		r.Done()
		c.old.Listeners = append(c.old.Listeners, l)
		return
	}
	port := "24224"
	if conf.Type(s) == "secure_forward" {
		port = "24284"
	}
	if p, ok := r.Text("port"); ok {
		port = p
	}
	bind, ok := r.Text("bind")
	if !ok || bind == "0.0.0.0" {
		bind = "" // on all addresses
	}
	l.Settings = l.Settings.With("address", net.JoinHostPort(bind, port))
	if strings.Contains(port, "${") || strings.Contains(bind, "${") {
		l.Settings = l.Settings.With("address", bind+":"+port)
	}
	r.Ignore("backlog", "linger_timeout", "deny_keepalive", "send_keepalive_packet", "resolve_hostname",
		"chunk_size_warn_limit", "skip_invalid_event", "blocking_timeout",
		"heartbeat_type", "add_tag_prefix", "can_read_timeout", "read_length", "read_interval_msec",
		"socket_interval_msec", "secure")
	if tag, ok := r.Text("tag"); ok {
		r.Lose("tag", "events keep the tag that agents gave them, and would all get "+tag+" there",
			"add modify: {tag: "+tag+"} in front, and routes for all tags")
	}
	if prefix, ok := r.Text("add_tag_prefix"); ok {
		r.Lose("add_tag_prefix", "events keep the tag that agents gave them, without "+prefix,
			"let agents send it, or take the prefix off the routes' patterns")
	}
	if r.Has("source_address_key") || r.Has("source_hostname_key") {
		r.Say("source_address_key", "fields: {source: …} of an output adds who sent an event", "")
		r.Ignore("source_hostname_key")
	}
	if size, ok := r.Size("chunk_size_limit"); ok {
		l.Settings = l.Settings.With("max_message_size", size)
	}
	c.transport(r, &l)
	c.security(r, &l)
	r.Done()
	c.old.Listeners = append(c.old.Listeners, l)
}

// transport reads the certificate of a listener.
func (c *converter) transport(r *settings.Reader, l *flow.Listener) {
	section := r.Child("transport")
	t := r
	if conf.Type(r.Section) != "secure_forward" {
		if section == nil || !strings.EqualFold(section.Arg, "tls") {
			return
		}
		t = settings.NewReader(section, r.Notes, r.Title+" <transport tls>")
	}
	var m flow.Map
	for _, p := range [...]struct{ old, key string }{
		{"cert_path", "cert_file"},
		{"private_key_path", "key_file"},
		{"ca_path", "client_ca_file"},
		{"ca_cert_path", "client_ca_file"},
	} {
		if text, ok := t.Text(p.old); ok {
			if p.old == "ca_cert_path" && conf.Type(r.Section) == "secure_forward" ||
				p.old == "ca_path" && !t.Bool("client_cert_auth", false) {
				continue
			}
			m = m.With(p.key, text)
			r.Notes.NeedFile(text, "the file of that name that the old program had")
		}
	}
	t.Ignore("client_cert_auth", "protocol", "ciphers", "version", "max_version", "insecure", "cert_verifier",
		"linger_timeout", "enable_client_cert_auth", "ca_private_key_path", "ca_private_key_passphrase",
		"generate_private_key_length", "generate_cert_country", "generate_cert_state", "generate_cert_locality",
		"generate_cert_common_name")
	if v, _ := t.Plain("min_version"); v == "TLS1_3" {
		m = m.With("min_version", "1.3")
	}
	if t.Has("private_key_passphrase") {
		t.Lose("private_key_passphrase", "keys are read without a passphrase",
			"write the key without one: openssl pkey -in old.key -out new.key")
	}
	if m.Get("cert_file") == nil || m.Get("key_file") == nil {
		r.Notes.Say(r.At, r.Title, "the certificate that fluentd made itself, or none, becomes files",
			"make them: docs/tls.md")
		m = m.With("cert_file", "/etc/aggregator/tls/tls.crt").With("key_file", "/etc/aggregator/tls/tls.key")
		r.Notes.NeedFile("/etc/aggregator/tls/tls.crt", "the listener's certificate; docs/tls.md")
		r.Notes.NeedFile("/etc/aggregator/tls/tls.key", "its key")
	}
	l.Settings = l.Settings.With("tls", m)
	if t != r {
		t.Done()
	}
}

// security reads who may come in as clusters.
func (c *converter) security(r *settings.Reader, l *flow.Listener) {
	section := r.Child("security")
	s := r
	if section != nil {
		s = settings.NewReader(section, r.Notes, r.Title+" <security>")
	}
	s.Ignore("self_hostname", "user_auth", "allow_anonymous_source", "authentication", "dns_lookup", "allow_keepalive")
	key, hasKey := s.Secret("shared_key", "agents-key")
	var users []any
	for _, u := range append(s.Children("user"), r.Children("users")...) {
		ur := settings.NewReader(u, r.Notes, r.Title+" <user>")
		name, _ := ur.Text("username")
		password, _ := ur.Secret("password", "agents-password-"+settings.FileName(name))
		users = append(users, flow.Map{{Key: "name", Value: name}, {Key: "password", Value: password}})
	}
	s.IgnoreSections("user", "client")
	r.IgnoreSections("user", "client")
	if !s.Bool("user_auth", false) && conf.Type(r.Section) != "secure_forward" && len(users) > 0 {
		r.Notes.Say(section.At, r.Title+" <user>", "left out: user_auth is off", "")
		users = nil
	}
	clients := s.Children("client")
	for i, client := range clients {
		cr := settings.NewReader(client, r.Notes, r.Title+" <client>")
		m := flow.Map{{Key: "name", Value: clusterName(cr, i)}}
		if own, ok := cr.Secret("shared_key", "agents-key-"+strconv.Itoa(i+1)); ok {
			m = m.With("shared_key", own)
		} else if hasKey {
			m = m.With("shared_key", key)
		}
		if len(users) > 0 {
			m = m.With("users", users)
		}
		cr.Ignore("users")
		if network, ok := cr.Text("network"); ok {
			m = m.With("sources", []any{network})
		} else if host, ok := cr.Text("host"); ok {
			if net.ParseIP(host) == nil {
				r.Notes.Lose(client.At, r.Title+" <client> host",
					"sources are addresses and networks, not names such as "+host, "write its address")
			} else {
				m = m.With("sources", []any{host})
			}
		}
		cr.Done()
		l.Clusters = append(l.Clusters, m)
	}
	if len(clients) == 0 && (hasKey || len(users) > 0) {
		m := flow.Map{{Key: "name", Value: "default"}}
		if hasKey {
			m = m.With("shared_key", key)
		}
		if len(users) > 0 {
			m = m.With("users", users)
		}
		l.Clusters = append(l.Clusters, m)
	}
	if s != r {
		s.Done()
	}
}

func clusterName(r *settings.Reader, i int) string {
	if i == 0 {
		return "default"
	}
	_ = r
	return "agents-" + strconv.Itoa(i+1)
}
