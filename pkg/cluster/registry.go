package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

// Compile makes a tag pattern into a test.
type Compile func(pattern string) (match func(tag string) bool, err error)

// Registry is the clusters of one configuration. It never changes.
type Registry struct {
	clusters []*entry
	byName   map[string]*entry
}

// entry is a cluster, ready for use.
type entry struct {
	Config
	networks []netip.Prefix
	tags     []func(tag string) bool
	keys     []setting.Secret
}

// New makes a registry of configs; it may be none. Its errors name every two clusters that could not be told apart.
func New(configs []Config, compile Compile) (*Registry, error) {
	var errs []error
	for _, c := range Conflicts(configs) {
		errs = append(errs,
			fmt.Errorf("clusters %s and %s have the same %s (%s)", configs[c.Other].Name, configs[c.Cluster].Name,
				c.Same, c.Hint))
	}
	r := &Registry{byName: make(map[string]*entry, len(configs))}
	for _, c := range configs {
		e := &entry{Config: c, keys: c.keys()}
		for _, text := range c.Sources {
			network, err := parseNetwork(text)
			if err != nil {
				errs = append(errs, fmt.Errorf("cluster %s, sources: %w", c.Name, err))
			}
			e.networks = append(e.networks, network)
		}
		for _, text := range c.Tags {
			match, err := compile(text)
			if err != nil {
				errs = append(errs, fmt.Errorf("cluster %s, tags: %w", c.Name, err))
			}
			e.tags = append(e.tags, match)
		}
		r.clusters = append(r.clusters, e)
		r.byName[c.Name] = e
	}
	return r, errors.Join(errs...)
}

// Peer is what is known of a client before it has said who it is.
type Peer struct {
	// Source is its own address; invalid on a Unix socket.
	Source netip.Addr
	// TLSNames are those of its verified certificate.
	TLSNames []string
	Allowed  []string // clusters that may come in at its listener; none: all
}

// Why a connection is refused: labels.
const (
	reasonKey         = "shared_key"
	reasonUser        = "user"
	reasonSource      = "source"
	reasonCertificate = "certificate"
	reasonUnknown     = "unknown_cluster"
)

// Refusal is why a connection belongs to no cluster.
type Refusal struct{ label, text string }

func (r *Refusal) Error() string { return r.text }

// Reason is the refusal's label, for metrics.
func (r *Refusal) Reason() string { return r.label }

func refuse(label, format string, args ...any) error {
	return &Refusal{label, fmt.Sprintf(format, args...)}
}

// allowed returns the clusters that may come in where p came.
func (r *Registry) allowed(p Peer) []*entry {
	if len(p.Allowed) == 0 {
		return r.clusters
	}
	var some []*entry
	for _, name := range p.Allowed {
		if e := r.byName[name]; e != nil {
			some = append(some, e)
		}
	}
	return some
}

// Identify returns p's cluster where its certificate, its network or the listener alone decide it. login: it has to
// log in first, and Login says which it is. Errors are of type *Refusal. See the package's comment for the order.
func (r *Registry) Identify(p Peer) (cluster string, login bool, err error) {
	if len(r.clusters) == 0 {
		return Default, false, nil
	}
	allowed := r.allowed(p)
	named, err := certified(allowed, p)
	switch {
	case err != nil:
		return "", false, err
	case named != nil && named.LogsIn():
		return "", true, nil
	case named != nil:
		return named.Name, false, named.from(p)
	}
	if e := nearest(allowed, p.Source); e != nil && e.Open() {
		return e.Name, false, nil
	}
	if slices.ContainsFunc(allowed, func(e *entry) bool { return e.LogsIn() }) {
		return "", true, nil
	}
	if len(allowed) == 1 && allowed[0].Open() {
		return allowed[0].Name, false, allowed[0].from(p)
	}
	if len(p.TLSNames) > 0 {
		return "", false, refuse(reasonCertificate,
			"no cluster that may come in here has one of the names of its certificate, %.200q, among its tls_names",
			p.TLSNames)
	}
	return "", false, refuse(reasonUnknown,
		"neither a client certificate nor its network says which cluster it belongs to")
}

// certified returns the cluster that p's certificate names, nil if it names none.
func certified(allowed []*entry, p Peer) (named *entry, err error) {
	for _, e := range allowed {
		if !e.names(p.TLSNames) {
			continue
		}
		if named != nil {
			return nil, refuse(reasonCertificate, "its certificate has names of the clusters %s and %s", named.Name,
				e.Name)
		}
		named = e
	}
	return named, nil
}

// names reports whether one of a certificate's names is e's. Host names have no case.
func (e *entry) names(certificate []string) bool {
	return slices.ContainsFunc(e.TLSNames, func(name string) bool {
		return slices.ContainsFunc(certificate, func(n string) bool { return strings.EqualFold(n, name) })
	})
}

// nearest returns the cluster whose network around source is the smallest, nil if none has one.
func nearest(allowed []*entry, source netip.Addr) (best *entry) {
	bits := -1
	for _, e := range allowed {
		for _, n := range e.networks {
			if n.Contains(source) && n.Bits() > bits {
				best, bits = e, n.Bits()
			}
		}
	}
	return best
}

// from returns an error unless p may be e's as far as its network goes.
func (e *entry) from(p Peer) error {
	if len(e.networks) == 0 ||
		slices.ContainsFunc(e.networks, func(n netip.Prefix) bool { return n.Contains(p.Source) }) {
		return nil
	}
	where := "a Unix socket"
	if p.Source.IsValid() {
		where = p.Source.String()
	}
	return refuse(reasonSource, "%s is none of the sources of cluster %s", where, e.Name)
}

// Allows reports whether cluster may send events of that tag. What a cluster sends that is not configured has no
// limits.
func (r *Registry) Allows(cluster, tag string) bool {
	e := r.byName[cluster]
	return e == nil || len(e.tags) == 0 ||
		slices.ContainsFunc(e.tags, func(match func(string) bool) bool { return match(tag) })
}

// Fields returns what is added to every event of cluster. It is not to be changed.
func (r *Registry) Fields(cluster string) map[string]string {
	return cmp.Or(r.byName[cluster], &entry{}).Fields
}

// Names returns the names of all clusters, in the order of the configuration.
func (r *Registry) Names() []string {
	names := make([]string, len(r.clusters))
	for i, e := range r.clusters {
		names[i] = e.Name
	}
	return names
}
