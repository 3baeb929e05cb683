package config

import (
	"errors"
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/cluster"
	"github.com/seed-afc6a195/aggregator/pkg/forward"
	"github.com/seed-afc6a195/aggregator/pkg/route"
)

// clusters holds that clusters can be told apart, that agents can come into each, and that tag patterns can be read.
func (c *checker) clusters() {
	section := c.root.get("clusters")
	for _, conflict := range cluster.Conflicts(c.Clusters) {
		key := index("clusters", conflict.Cluster)
		at := section.item(conflict.Cluster)
		if n := at.get(conflict.Key); n != nil {
			at = n
		}
		if key += "." + conflict.Key; !c.errors.within(key) {
			c.errors.at(at, key, conflict.Hint, "clusters[%d]%s has the same %s", conflict.Other,
				section.item(conflict.Other).within(), conflict.Same)
		}
	}
	for i := range c.Clusters {
		k, n, key := &c.Clusters[i], section.item(i), index("clusters", i)
		for j, text := range k.Tags {
			var mistake *route.PatternError
			if _, err := route.Compile(text); errors.As(err, &mistake) {
				c.errors.at(n.get("tags").item(j), index(key+".tags", j),
					"patterns are made of *, **, {a,b} and \\ before a character that stands for itself",
					"column %d: %s", mistake.Column, mistake.Reason)
			}
		}
		if !slices.ContainsFunc(c.Listeners, func(l forward.Config) bool { return c.reachable(&l, k) }) {
			c.warnings.at(n, key,
				"give it a shared_key, users, sources, tls_names and a listener with client_ca_file, or a "+
					"listener of its own",
				"no agent can come in: nothing tells which ones are its")
		}
	}
}

// allowed returns the clusters that may come in at l.
func (c *checker) allowed(l *forward.Config) (some []*cluster.Config) {
	for i := range c.Clusters {
		if k := &c.Clusters[i]; len(l.Clusters) == 0 || slices.Contains(l.Clusters, k.Name) {
			some = append(some, k)
		}
	}
	return some
}

// reachable reports whether an agent that comes in at l can turn out to be k's.
func (c *checker) reachable(l *forward.Config, k *cluster.Config) bool {
	allowed := c.allowed(l)
	switch {
	case !slices.Contains(allowed, k):
		return false
	case k.LogsIn():
		return true
	case k.Open():
		return len(k.Sources) > 0 || len(allowed) == 1
	}
	return l.TLS != nil && l.TLS.ClientCAFile != ""
}

// certified reports whether all who come in at l have a certificate of an authority that the operator chose.
func certified(l *forward.Config) bool {
	return l.TLS != nil && l.TLS.ClientCAFile != "" && l.TLS.ClientAuth == "require"
}

// strangers holds that nobody comes in at l, which is not loopback, without proving anything.
func (c *checker) strangers(n *node, key string, l *forward.Config) {
	for i := range c.Clusters {
		if k := &c.Clusters[i]; c.reachable(l, k) && !k.Proves() {
			c.errors.at(n.get("address"), key+".address",
				"set allow_anonymous: true to accept everyone, or give the cluster a shared_key, users, "+
					"tls_names or sources",
				"it can be reached from elsewhere, and agents of clusters[%d] have to prove nothing", i)
		}
	}
}
