package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
	"github.com/seed-afc6a195/aggregator/pkg/route"
)

// connectTimeout bounds how long Connect tries an output, whatever its own timeout is.
const connectTimeout = 30 * time.Second

// Reached is what Connect learned of one output.
type Reached struct {
	Output string
	// Found is one line; "" where Err is set.
	Found string
	// Err is one line: what is wrong and what to do.
	Err error
	// Denied says that Err is that a privilege is missing.
	Denied bool
}

// Connect makes every output that a route leads to as New would and reaches its destination, all at once, without
// delivering anything, for the clusters whose events the routes lead there. The results are in the order of the
// outputs' names.
func Connect(ctx context.Context, cfg *config.Config) []Reached {
	names := cfg.OutputNames()
	reached := make([]Reached, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		clusters := clustersOf(cfg, name)
		if len(clusters) == 0 {
			reached[i] = Reached{Output: name, Found: "not tried: no route leads here"}
			continue
		}
		wg.Go(func() {
			found, err := connect(ctx, name, cfg, clusters)
			denied := errors.Is(err, outputs.ErrDenied) || awsclient.Denied(err)
			if err != nil {
				found, err = "", errors.New(oneLine(err.Error()))
			}
			reached[i] = Reached{Output: name, Found: oneLine(found), Err: err, Denied: denied}
		})
	}
	wg.Wait()
	return reached
}

// QueueFinding is what ConnectQueue has seen.
type QueueFinding struct {
	// Text is one line.
	Text string
	// Fault says that nothing can be stored.
	Fault bool
}

// ConnectQueue says what it found of the servers that hold the queue, without changing anything; nothing where the
// queue is on a disk.
func ConnectQueue(ctx context.Context, cfg *config.Config) (all []QueueFinding) {
	if cfg.Buffer.Type != buffer.TypeJetStream {
		return nil
	}
	certificates, err := queueTLS(&cfg.Buffer, zerolog.Nop(), time.Now)
	if err != nil {
		return []QueueFinding{{oneLine(err.Error()), true}}
	}
	o := jetstream.Options{Options: buffer.Options{Log: zerolog.Nop(), Now: time.Now}, Host: cfg.Hostname}
	if certificates != nil {
		o.TLS = certificates.ConfigFor
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	for _, f := range jetstream.Check(ctx, cfg.Buffer, o) {
		prefix := map[jetstream.Severity]string{jetstream.Fine: "ok: ", jetstream.Warning: "warning: "}[f.Severity]
		all = append(all, QueueFinding{oneLine(prefix + f.Subject + ": " + f.Text), f.Severity == jetstream.Fault})
	}
	return all
}

// clustersOf returns the clusters whose events a route may lead to the output.
func clustersOf(cfg *config.Config, output string) (clusters []string) {
	for _, name := range cfg.ClusterNames() {
		leads := slices.ContainsFunc(cfg.Routes, func(r route.Config) bool {
			if !slices.Contains(r.Outputs, output) {
				return false
			}
			table, err := route.New([]route.Config{{Match: []string{"**"}, Clusters: r.Clusters, Outputs: r.Outputs}})
			return err == nil && table.Match(name, "any") != nil
		})
		if leads {
			clusters = append(clusters, name)
		}
	}
	return clusters
}

func connect(ctx context.Context, name string, cfg *config.Config, clusters []string) (found string, err error) {
	out, err := newSender(name, cfg, senderDeps{
		log: zerolog.Nop(), now: time.Now, hostname: cfg.Hostname, stateDir: cfg.Buffer.OwnDir(),
	})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	c, ok := out.Output.(outputs.Connector)
	if !ok {
		return "nothing to reach", nil
	}
	ctx, cancel := context.WithTimeout(ctx, min(out.common.Timeout, connectTimeout))
	defer cancel()
	return c.Connect(ctx, clusters)
}

// oneLine joins the lines of joined errors, and drops what would do something to a terminal.
func oneLine(text string) string {
	text = outputs.Whole(text)
	text = strings.ReplaceAll(strings.TrimSpace(text), "\n", "; ")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}
