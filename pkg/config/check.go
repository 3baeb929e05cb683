package config

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/cluster"
	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/forward"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// OutputNames returns the names of the outputs, sorted.
func (c *Config) OutputNames() []string { return slices.Sorted(maps.Keys(c.Outputs)) }

// ClusterNames returns the names of the clusters, as they are in the file; cluster.Default's where there are none.
func (c *Config) ClusterNames() (names []string) {
	for _, k := range c.Clusters {
		names = append(names, k.Name)
	}
	if names == nil {
		return []string{cluster.Default}
	}
	return names
}

// Matches returns the patterns of the routes.
func (c *Config) Matches() (patterns []string) {
	for _, r := range c.Routes {
		patterns = append(patterns, r.Match...)
	}
	return patterns
}

// checker holds the rules between settings of different parts.
type checker struct {
	*Config
	root     *node
	errors   *problems
	warnings *problems
}

// verify adds what the caller finds wrong outside the files.
func (c *checker) verify(verify func(c *Config, whole bool) []setting.Problem) {
	if verify == nil {
		return
	}
	for _, p := range verify(c.Config, len(c.errors.list) == 0) {
		if to := c.to(p.Warning); !c.errors.within(p.Key) {
			to.at(c.root.find(p.Key), p.Key, p.Hint, "%s", p.Reason)
		}
	}
}

func (c *checker) to(warning bool) *problems {
	if warning {
		return c.warnings
	}
	return c.errors
}

func (c *checker) check() {
	c.clusters()
	c.listeners()
	c.buffer()
	for _, section := range []string{"outputs", "filters"} {
		c.mapNames(section)
	}
	c.files()
	c.routes()
	c.filters()
	c.placeholders()
	c.tagPatterns()
}

// buffer holds that what is set of the queue is of its type.
func (c *checker) buffer() {
	if c.Buffer.Type != buffer.TypeJetStream {
		return
	}
	set := c.root.get("buffer")
	if n := set.get("max_size"); n != nil && !c.errors.within("buffer.max_size") {
		c.errors.at(n, "buffer.max_size", "write buffer.jetstream.max_size", "it is of the queue on a disk")
	}
	for key, instead := range map[string]string{
		"segment_size": "leave it out", "min_free_disk": "leave it out: the servers watch their disks",
		"sync": "set sync_interval of the NATS servers; always: each chunk is synced before its ack",
	} {
		if n := set.get(key); n != nil {
			c.warnings.at(n, "buffer."+key, instead, "it has no effect with type jetstream")
		}
	}
	for _, name := range c.OutputNames() {
		common, key := c.Outputs[name].Common, join("outputs", name)+".catch_up.fresh_share"
		if common == nil || c.errors.within(key) {
			continue
		}
		if share, err := common.CatchUp.Share(); err == nil && share > 0 {
			c.warnings.at(c.root.get("outputs").get(name).get("catch_up"), key, "leave it out",
				"it has no effect with buffer.type jetstream, which hands out the oldest first")
		}
	}
}

// files holds that outputs have files of their own.
func (c *checker) files() {
	taken := map[string]string{}
	for _, name := range c.OutputNames() {
		settings, ok := c.Outputs[name].Settings.(outputs.FileWriter)
		key := join("outputs", name) + ".path"
		if !ok || c.errors.within(key) {
			continue
		}
		path := settings.Files()
		if first, shared := taken[path]; shared {
			c.errors.at(c.root.get("outputs").get(name).get("path"), key,
				"give each its own, or route both to one output", "output %s writes to the same files", first)
		}
		taken[path] = name
	}
}

// mapNames holds that names can stand in paths, metrics and addresses.
func (c *checker) mapNames(section string) {
	if n := c.root.get(section); n != nil {
		for _, e := range n.entries {
			if !plain(e.key) {
				c.errors.add(e.place, join(section, e.key), nameHint, "not a valid name")
			}
		}
	}
}

const nameHint = "up to 63 of the letters a-z and A-Z, digits, _, - and ., the first no - or ."

func (c *checker) listeners() {
	names := make(map[string]string)
	var taken []takenAddress
	for i, l := range c.Listeners {
		key := index("listeners", i)
		n := c.root.get("listeners").item(i)
		c.defined(n, key, "clusters", "cluster", l.Clusters, c.ClusterNames())
		c.handover(n.get("handover"), key+".handover", l.Handover)
		if c.errors.within(key + ".name") {
			continue
		}
		at := n.get("name")
		if at == nil {
			at = n
		}
		if !plain(l.Name) {
			c.errors.at(at, key+".name", nameHint, "not a valid name")
		} else if first, taken := names[l.Name]; taken {
			c.errors.at(at, key+".name", "give each its own", "%s has the same name", first)
		}
		names[l.Name] = key + at.within()
		if l.Address == "" || c.errors.within(key+".address") {
			continue
		}
		address := n.get("address")
		loopback, reason := parseAddress(l.Address, true)
		switch {
		case reason != "":
			c.errors.at(address, key+".address", "write host:port or unix:/path", "%s %s", address.shown(), reason)
			continue
		case !loopback && !l.AllowAnonymous && !certified(&l) && len(c.Clusters) == 0 && c.root.get("clusters") == nil:
			c.errors.at(address, key+".address",
				"set allow_anonymous: true to accept everyone, or listen on 127.0.0.1",
				"%s can be reached from elsewhere, and nobody has to authenticate", address.shown())
		}
		if !loopback && !l.AllowAnonymous && !certified(&l) {
			c.strangers(n, key, &l)
		}
		if first := listensAt(taken, l.Address); first != "" {
			c.errors.at(address, key+".address", "give each its own", "%s listens there already", first)
		}
		taken = append(taken, takenAddress{l.Address, key + address.within()})
	}
	if c.errors.within("status.address") {
		return
	}
	address := c.root.get("status").get("address")
	loopback, reason := parseAddress(c.Status.Address, false)
	if reason != "" {
		c.errors.at(address, "status.address", "write host:port", "%s %s", address.shown(), reason)
	} else if first := listensAt(taken, c.Status.Address); first != "" {
		c.errors.at(address, "status.address", "give each its own", "%s listens there already", first)
	}
	if s := c.Status; !loopback && s.TLS == nil && (s.Token.Reveal() != "" || len(s.Users) > 0) {
		c.warnings.at(address, "status", "set status.tls, or let only a proxy that does TLS reach it",
			"tokens and passwords come over the network unencrypted")
	}
}

// takenAddress is where something listens, and what.
type takenAddress struct{ address, by string }

// listensAt returns what listens at an address already, or at all of this host's with its port, "" for nothing.
func listensAt(taken []takenAddress, address string) string {
	host, port, err := net.SplitHostPort(address)
	for _, t := range taken {
		h, p, wrong := net.SplitHostPort(t.address)
		if t.address == address && !strings.HasSuffix(address, ":0") ||
			err == nil && wrong == nil && p == port && port != "0" && meet(host, h) {
			return t.by
		}
	}
	return ""
}

// meet reports whether the hosts of two listening addresses have an address in common. What names stand for is not
// looked up.
func meet(a, b string) bool {
	if a == b || a == "" || b == "" {
		return true
	}
	parse := func(host string) netip.Addr {
		if host == "localhost" {
			host = "127.0.0.1"
		}
		ip, _ := netip.ParseAddr(host)
		return ip.Unmap()
	}
	first, second := parse(a), parse(b)
	switch {
	case !first.IsValid() || !second.IsValid():
		return false
	case first == second, first == netip.IPv6Unspecified(), second == netip.IPv6Unspecified():
		return true
	}
	return first.Is4() == second.Is4() && (first.IsUnspecified() || second.IsUnspecified())
}

// parseAddress says what is wrong with a listening address, or whether only this host reaches it.
func parseAddress(address string, unix bool) (loopback bool, reason string) {
	if name, ok := strings.CutPrefix(address, "unix:"); ok && unix {
		if name == "" {
			return false, "names no socket"
		}
		return true, ""
	}
	host, port, err := net.SplitHostPort(address)
	switch {
	case strings.Contains(address, "://"):
		return false, "begins with a scheme"
	case err != nil && strings.Count(address, ":") > 1:
		return false, "is not an address: IPv6 is written as in [::1]:24224"
	case err != nil && !strings.Contains(address, ":"):
		return false, "has no port"
	case err != nil:
		return false, "is not an address"
	case strings.ContainsAny(host, "*/ "):
		return false, "has no host that can be listened at: leave it out for all, as in :24224"
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false, "has no port between 0 and 65535"
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback(), ""
}

func (c *checker) routes() {
	clusters := c.ClusterNames()
	filters := slices.Sorted(maps.Keys(c.Filters))
	outputs := c.OutputNames()
	used := make(map[string]bool)
	catchAll := -1
	for i, r := range c.Routes {
		key := index("routes", i)
		n := c.root.get("routes").item(i)
		c.defined(n, key, "outputs", "output", r.Outputs, outputs)
		c.defined(n, key, "filters", "filter", r.Filters, filters)
		c.defined(n, key, "clusters", "cluster", r.Clusters, clusters)
		for _, o := range r.Outputs {
			used[o] = true
		}
		if catchAll >= 0 {
			c.warnings.at(n, key, "", "never reached: routes[%d] takes everything before it", catchAll)
		} else if slices.Contains(r.Match, "**") && len(r.Clusters) == 0 && r.When == "" && !r.Continue {
			catchAll = i
		}
	}
	for _, name := range outputs {
		if !used[name] {
			c.warnings.at(c.root.get("outputs").get(name), join("outputs", name), "name it in a route",
				"no route leads here")
		}
	}
}

// handover holds what a listener's handover needs of the clusters.
func (c *checker) handover(n *node, key string, set *forward.HandoverConfig) {
	if set == nil {
		return
	}
	c.defined(n, key, "clusters", "cluster", set.Clusters, c.ClusterNames())
	for _, cluster := range c.Clusters {
		for _, secret := range cluster.SharedKey {
			if secret.Reveal() == set.SharedKey.Reveal() && secret.Reveal() != "" {
				c.errors.at(n.get("shared_key"), key+".shared_key", "give handovers a key of their own",
					"cluster %s has the same key, so its agents would pass for another aggregator", cluster.Name)
			}
		}
	}
}

// defined holds that names, the strings at key of the route n, are among those that are defined.
// Patterns of clusters are the route's to check.
func (c *checker) defined(n *node, route, key, what string, names, known []string) {
	for i, name := range names {
		where := route + "." + key
		if n.get(key) != nil && n.get(key).kind == list {
			where = index(where, i)
		}
		at := n.get(key).item(i)
		if slices.Contains(known, name) || c.errors.within(where) {
			continue
		}
		if what == "cluster" && strings.HasPrefix(route, "routes") && strings.ContainsAny(name, `*?[{\`) {
			continue
		}
		hint := fmt.Sprintf("no %s is defined", what)
		if len(known) > 0 {
			hint = "one of " + listed(known)
		}
		if near := nearest(name, known); near != "" && at != nil && at.refs == nil {
			hint = "did you mean " + near + "?"
		}
		c.errors.at(at, where, hint, "no %s is named %s", what, at.shown())
	}
}
