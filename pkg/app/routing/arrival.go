package routing

import (
	"github.com/seed-afc6a195/aggregator/pkg/cluster"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/route"
)

// Arrival returns what cfg says of which events go where, and of who may send them.
func Arrival(cfg *config.Config) (*route.Table, *cluster.Registry, error) {
	routes, err := route.New(cfg.Routes)
	if err != nil {
		return nil, nil, err
	}
	registry, err := NewRegistry(cfg)
	return routes, registry, err
}

// NewRegistry makes the clusters of a configuration.
func NewRegistry(cfg *config.Config) (*cluster.Registry, error) {
	return cluster.New(cfg.Clusters, func(pattern string) (func(tag string) bool, error) {
		p, err := route.Compile(pattern)
		return p.Match, err
	})
}

// ClusterFields returns what is added to the events of each cluster.
func ClusterFields(cfg *config.Config) map[string]map[string]string {
	fields := map[string]map[string]string{}
	for _, c := range cfg.Clusters {
		if len(c.Fields) > 0 {
			fields[c.Name] = c.Fields
		}
	}
	return fields
}
