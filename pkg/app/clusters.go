package app

import (
	"reflect"

	"github.com/seed-afc6a195/aggregator/pkg/app/routing"
	"github.com/seed-afc6a195/aggregator/pkg/cluster"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/forward"
	"github.com/seed-afc6a195/aggregator/pkg/tls"
)

// authenticator tells the listeners whose a connection is. It is their forward.Clusters.
type authenticator struct{ *cluster.Holder }

func (a authenticator) Identify(p forward.Peer) (name string, login bool, err error) {
	return a.Current().Identify(clusterPeer(p))
}

func (a authenticator) Login(p forward.Peer, l forward.Login) (name, proof string, err error) {
	return a.Current().Login(clusterPeer(p), cluster.Login(l))
}

func clusterPeer(p forward.Peer) cluster.Peer {
	return cluster.Peer{Source: p.Addr.Addr(), TLSNames: tls.Names(p.TLS), Allowed: p.Clusters}
}

// sameOutput reports whether out is what cfg wants under its name.
func sameOutput(out *output, cfg *config.Config) bool {
	return reflect.DeepEqual(out.cfg.Outputs[out.name], cfg.Outputs[out.name]) &&
		reflect.DeepEqual(out.fields, routing.ClusterFields(cfg)) && routing.Same(out.cfg, cfg)
}

// certificates returns all that is read again when it changes.
func (a *App) certificates() []tls.Reloader {
	var all []tls.Reloader
	for _, c := range a.allCertificates() {
		all = append(all, c.source)
	}
	return all
}

// certificate is one that a listener or the status endpoint shows, or an output shows or checks.
type certificate struct {
	// owner is like "listener public", "status", "output up".
	owner  string
	source interface {
		tls.Reloader
		State() tls.State
	}
}

func (a *App) allCertificates() []certificate {
	var all []certificate
	for i, s := range a.listeners.certificates {
		if s != nil {
			all = append(all, certificate{"listener " + a.initial.Listeners[i].Name, s})
		}
	}
	if s := a.queue.certificates; s != nil {
		all = append(all, certificate{"queue", s})
	}
	if s := a.status.certificates; s != nil {
		all = append(all, certificate{"status", s})
	}
	for _, out := range a.outputs.all() {
		if out.certificates != nil {
			all = append(all, certificate{"output " + out.name, out.certificates})
		}
	}
	return all
}
