package app

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/cluster"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// connectTimeout bounds how long Connect tries an output, whatever its own timeout is.
const connectTimeout = 30 * time.Second

// Reached is what Connect learned of one output.
type Reached struct {
	Output string
	Found  string // one line; "" where Err is set
	Err    error  // one line: what is wrong and what to do
}

// Connect makes every output as New would and reaches its destination, all at once, without delivering anything. The
// results are in the order of the outputs' names.
func Connect(ctx context.Context, cfg *config.Config) []Reached {
	var clusters []string
	for _, c := range cfg.Clusters {
		clusters = append(clusters, c.Name)
	}
	if clusters == nil {
		clusters = []string{cluster.Default}
	}
	names := cfg.OutputNames()
	reached := make([]Reached, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			found, err := connect(ctx, name, cfg, clusters)
			if err != nil {
				found, err = "", errors.New(oneLine(err.Error()))
			}
			reached[i] = Reached{Output: name, Found: oneLine(found), Err: err}
		})
	}
	wg.Wait()
	return reached
}

func connect(ctx context.Context, name string, cfg *config.Config, clusters []string) (found string, err error) {
	out, err := newSender(name, cfg, surroundings{log: zerolog.Nop(), now: time.Now, hostname: cfg.Hostname, stateDir: cfg.Buffer.Path})
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
