package fluentd

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/conf"
	"github.com/seed-afc6a195/aggregator/internal/convert/fluentd/template"
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
	if _, err := strconv.ParseUint(port, 10, 16); err != nil && !strings.Contains(port, "${") {
		r.Lose("port", fmt.Sprintf("%.40q is no port", port), "write one; 24224 is taken")
		port = "24224"
	}
	bind, ok := r.Text("bind")
	if !ok || bind == "0.0.0.0" {
		// It listens on all addresses.
		bind = ""
	}
	l.Settings = l.Settings.With("address", net.JoinHostPort(bind, port))
	if strings.Contains(port, "${") || strings.Contains(bind, "${") {
		l.Settings = l.Settings.With("address", bind+":"+port)
	}
	r.Ignore("backlog", "linger_timeout", "deny_keepalive", "send_keepalive_packet", "resolve_hostname",
		"chunk_size_warn_limit", "skip_invalid_event", "blocking_timeout",
		"heartbeat_type", "cert_auto_generate", "can_read_timeout", "read_length", "read_interval_msec",
		"socket_interval_msec", "secure")
	if tag, ok := r.Plain("tag"); ok {
		c.old.Flow.Tagged(s.At, l.Title, tag)
	}
	if prefix, ok := r.Plain("add_tag_prefix"); ok {
		c.old.Flow.Prefix(s.At, l.Title, strings.TrimSuffix(prefix, ".")+".")
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
	all := c.clients(r, s, key, users)
	if s.Bool("allow_anonymous_source", true) && len(all) > 0 {
		what, do := s.Title+" allow_anonymous_source", "take sources out of the clusters to let them in"
		switch {
		case len(users) > 0:
			r.Notes.Say(s.At, what, "agents of networks that no <client> names may come in there, and not here", do)
		case hasKey:
			r.Notes.Say(s.At, what, "it is on, also where it is not written: agents of other networks may come in "+
				"with the key of all", "take it out of the clusters to keep them away")
			all = join(all, clusterOf("others", key, nil, nil))
		}
	}
	if len(all) == 0 && (hasKey || len(users) > 0) {
		all = []flow.Map{clusterOf("default", key, users, nil)}
	}
	l.Clusters = append(l.Clusters, all...)
	if s != r {
		s.Done()
	}
}

// clients reads <client>s, a cluster each. Those that share a user are one: a user says which cluster an agent is of.
func (c *converter) clients(r, s *settings.Reader, key string, users []any) (all []flow.Map) {
	for i, client := range s.Children("client") {
		cr := settings.NewReader(client, r.Notes, r.Title+" <client>")
		own := key
		if text, ok := cr.Secret("shared_key", "agents-key-"+strconv.Itoa(i+1)); ok {
			own = text
		}
		names, _ := cr.Plain("users")
		mine := usersOf(users, template.List(names))
		var sources []any
		if network, ok := cr.Text("network"); ok {
			sources = []any{network}
		} else if host, ok := cr.Text("host"); ok {
			if net.ParseIP(host) == nil {
				r.Notes.Lose(client.At, r.Title+" <client> host",
					"sources are addresses and networks, not names such as "+host, "write its address")
			} else {
				sources = []any{host}
			}
		}
		cr.Done()
		name := "default"
		if len(all) > 0 {
			name = "agents-" + strconv.Itoa(len(all)+1)
		}
		before := len(all)
		if all = join(all, clusterOf(name, own, mine, sources)); len(all) == before {
			r.Notes.Say(client.At, r.Title+" <client>", "clients that share a user are one cluster here",
				"give each its own users to tell them apart")
		}
	}
	return all
}

// join adds a cluster to others, or joins it to the one of its users or, without any, of its key: these say which
// cluster an agent is of.
func join(all []flow.Map, m flow.Map) []flow.Map {
	names := func(m flow.Map) (names []any) {
		for _, u := range listOf(m.Get("users")) {
			user, _ := u.(flow.Map)
			names = append(names, user.Get("name"))
		}
		return names
	}
	for i, c := range all {
		one, other := names(c), names(m)
		same := slices.ContainsFunc(one, func(name any) bool { return slices.Contains(other, name) })
		keys := listOf(c.Get("shared_key"))
		if same || one == nil && other == nil && slices.Contains(keys, m.Get("shared_key")) {
			// The joined one may have users of others.
			rest := append(slices.Clone(all[:i]), all[i+1:]...)
			return join(rest, joinClusters(c, m))
		}
	}
	return append(all, m)
}

// usersOf returns the users of those names, all where there are none.
func usersOf(users []any, names []string) []any {
	if len(names) == 0 {
		return users
	}
	return slices.DeleteFunc(slices.Clone(users), func(u any) bool {
		m, _ := u.(flow.Map)
		name, _ := m.Get("name").(string)
		return !slices.Contains(names, name)
	})
}

// clusterOf writes a cluster; key is "" for none.
func clusterOf(name, key string, users, sources []any) flow.Map {
	m := flow.Map{{Key: "name", Value: name}}
	if key != "" {
		m = m.With("shared_key", key)
	}
	if len(users) > 0 {
		m = m.With("users", users)
	}
	if len(sources) > 0 {
		m = m.With("sources", sources)
	}
	return m
}

// joinClusters returns a cluster whose agents are those of both.
func joinClusters(a, b flow.Map) flow.Map {
	for _, key := range [...]string{"shared_key", "users", "sources"} {
		one, other := listOf(a.Get(key)), listOf(b.Get(key))
		if key == "sources" && (len(one) == 0 || len(other) == 0) {
			// From anywhere.
			a = a.Without(key)
			continue
		}
		for _, v := range other {
			if !slices.ContainsFunc(one, func(x any) bool { return !settings.Differ(x, v) }) {
				one = append(one[:len(one):len(one)], v)
			}
		}
		switch {
		case len(one) == 1 && key == "shared_key":
			a = a.With(key, one[0])
		case len(one) > 0:
			a = a.With(key, one)
		}
	}
	return a
}

func listOf(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}
