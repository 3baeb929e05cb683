package fluentbit

import (
	"path/filepath"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/destination"
	"github.com/seed-afc6a195/aggregator/internal/convert/flow"
	"github.com/seed-afc6a195/aggregator/internal/convert/settings"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// upstreams reads the files of servers that outputs name, where they are there.
func (r *reader) upstreams(from string) error {
	for _, s := range r.out.Sections {
		name := s.Text("upstream")
		if s.Name != "output" || name == "" || r.out.Servers[name] != nil {
			continue
		}
		paths := r.files.Match(name, filepath.Dir(from))
		if len(paths) == 0 {
			paths = r.files.Match(filepath.Base(name), filepath.Dir(from))
		}
		if len(paths) == 0 {
			continue
		}
		own := &reader{files: r.files, set: r.set, out: &File{}}
		if err := own.file(paths[0], s.At); err != nil {
			return err
		}
		if r.out.Servers == nil {
			r.out.Servers = map[string][]*syntax.Section{}
		}
		r.out.Servers[name] = nodes(own.out.Sections)
	}
	return nil
}

// nodes returns the servers among sections.
func nodes(sections []*syntax.Section) (all []*syntax.Section) {
	for _, s := range sections {
		switch s.Name {
		case "node":
			all = append(all, s)
		case "upstream_server":
			all = append(all, s.Children("nodes")...)
		}
	}
	return all
}

// upstream reads the servers of an output's upstream file; false where they are not known.
func (c *converter) upstream(r *settings.Reader, o *flow.Output) bool {
	name, _ := r.Plain("upstream")
	servers := c.servers[name]
	if servers == nil {
		servers = c.servers[""]
	}
	if len(servers) == 0 {
		r.Lose("upstream", "the file of servers is not here", "put "+name+" there and convert again, or write "+
			"servers: [host:port, …] with those that it names")
		return false
	}
	var all []any
	for i, s := range servers {
		n := settings.NewReader(s, r.Notes, "[NODE] "+s.Text("name"))
		n.Ignore("name")
		host, _ := n.Text("host")
		port, ok := n.Text("port")
		if !ok {
			port = "24224"
		}
		all = append(all, host+":"+port)
		own := *o
		own.Settings = nil
		c.tls(n, &own)
		if key, ok := n.Secret("shared_key", o.Name+"-key"); ok {
			own.Settings = own.Settings.With("shared_key", key)
		}
		destination.Login(n, &own, "username", "password")
		for _, p := range own.Settings {
			switch {
			case i == 0 || o.Settings.Get(p.Key) == nil:
				o.Settings = o.Settings.With(p.Key, p.Value)
			case settings.Differ(o.Settings.Get(p.Key), p.Value):
				r.Notes.Lose(s.At, n.Title+" "+p.Key, "all servers of an output have the same",
					"make an output for each")
			}
		}
		for _, e := range s.Entries {
			if strings.HasPrefix(e.Key, "tls") || strings.HasPrefix(e.Key, "net.") {
				n.Ignore(e.Key)
			}
		}
		n.Ignore("self_hostname", "require_ack_response", "compress", "time_as_integer", "weight")
		n.Done()
	}
	o.Settings = o.Settings.With("servers", all)
	return true
}
