package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/internal/sizing"
	"github.com/seed-afc6a195/aggregator/pkg/app/resources"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
)

func newSizeCommand() *cobra.Command {
	var f sizeFlags
	cmd := &cobra.Command{
		Use:   "size",
		Short: "Tell what replicas, disk, memory and cores a load needs",
		Long: `Tells how many replicas carry a load when one of them is lost, and the cores, the memory and the volume
of each, so that all destinations may be away for as long as --outage says. With --queue jetstream it tells the same of
the NATS servers that hold the queue, and the replicas need no volume. It prints what it assumes; docs/sizing.md
explains that.

From a configuration it takes the outputs, their workers and batches, the clusters and the limits of a configuration,
and says where buffer.max_size is too small for the outage.`,
		Example: `  aggregator size --events-per-second 20000 --outage 12h
  aggregator size --events-per-second 300000 --event-size 800B --outputs elasticsearch,firehose --clusters 5
  aggregator size --events-per-second 100000 --outage 12h --queue jetstream
  aggregator size --events-per-second 20000 --outage 12h -c aggregator.yaml --json`,
		Args: flags.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			load, err := f.load(cmd.Flags().Changed, cmd.ErrOrStderr())
			if err != nil {
				return flags.WrongUsage(err)
			}
			plan, err := sizing.For(load)
			if err != nil {
				return flags.WrongUsage(err)
			}
			if !f.json {
				return plan.WriteText(cmd.OutOrStdout())
			}
			e := json.NewEncoder(cmd.OutOrStdout())
			e.SetIndent("", "  ")
			e.SetEscapeHTML(false)
			return e.Encode(plan)
		},
	}
	f.register(cmd)
	return cmd
}

// sizeFlags is what the user may say.
type sizeFlags struct {
	config                          flags.Config
	eventSize                       string
	rate, cores, compression        float64
	outage                          time.Duration
	outputs                         []string
	clusters, connections, replicas int
	queue                           string
	chunk                           int
	json                            bool
}

func (f *sizeFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.Float64Var(&f.rate, "events-per-second", 0, "events a second of all clusters, at the peak")
	fs.DurationVar(&f.outage, "outage", 12*time.Hour, "how long all destinations may be away at once")
	fs.StringVar(&f.eventSize, "event-size", "300B", "bytes of an event: about its line and its fields")
	fs.StringSliceVar(&f.outputs, "outputs", []string{"elasticsearch"},
		"types of the outputs that every event goes to: "+strings.Join(sizing.OutputTypes(), ", "))
	fs.IntVar(&f.clusters, "clusters", 1, "clusters that send")
	fs.IntVar(&f.connections, "connections", 1000, "connections of agents, at all replicas together")
	fs.IntVar(&f.replicas, "replicas", 0, "replicas that there are; 0: as many as needed")
	fs.Float64Var(&f.cores, "cores", 2, "cores of each replica")
	fs.Float64Var(&f.compression, "compression", sizing.DefaultCompression, "bytes of events for each byte on disk")
	fs.StringVar(&f.queue, "queue", "", "bbolt, each replica's own disk, or jetstream, which NATS servers hold; "+
		"default: what the configuration says, else bbolt")
	fs.IntVar(&f.chunk, "events-per-chunk", sizing.DefaultChunk,
		"events that agents send at once, for --queue jetstream")
	f.config.Register(cmd,
		"take outputs, clusters and limits from this configuration `file` or directory; may come several times")
	fs.BoolVar(&f.json, "json", false, "as JSON")
}

// load returns what is to be carried. given says which flags were set.
func (f *sizeFlags) load(given func(flag string) bool, notes io.Writer) (sizing.Load, error) {
	if !given("events-per-second") {
		return sizing.Load{},
			errors.New("--events-per-second is missing: how many events come in a second, at the peak?")
	}
	size, err := setting.ParseSize(f.eventSize)
	if err != nil {
		return sizing.Load{}, fmt.Errorf("--event-size %q: %w", f.eventSize, err)
	}
	l := sizing.Load{
		EventsPerSecond: f.rate, EventSize: int64(size), Outage: f.outage, Clusters: f.clusters,
		Connections: f.connections,
		Queue:       f.queue, EventsPerChunk: f.chunk,
		Outputs: f.outputs, Replicas: f.replicas, Cores: f.cores, Compression: f.compression,
	}
	cfg, read, err := f.configuration(given("outputs"), notes)
	if err != nil {
		return l, err
	}
	if read {
		l.QueueLimit = int64(cfg.Buffer.MaxSize)
		if l.Queue == "" {
			l.Queue = cfg.Buffer.Type
		}
		if j := cfg.Buffer.JetStream; j != nil {
			l.QueueLimit = int64(j.MaxSize)
		}
		l.Outputs = nil
		for _, name := range cfg.OutputNames() {
			l.Outputs = append(l.Outputs, cfg.Outputs[name].Common.Type)
		}
		if !given("clusters") {
			l.Clusters = max(1, len(cfg.Clusters))
		}
	}
	l.ProgramMemory = resources.MemoryNeed(cfg)
	l.DeadLetters = int64(cfg.Buffer.DeadLetters.MaxSize)
	l.MinFreeDisk = int64(cfg.Buffer.MinFreeDisk)
	return l, nil
}

// configuration reads the configuration that there is, unless outputs are given: then, or where there is none, it makes
// one up that has the outputs with their defaults. It says on notes which one was read.
func (f *sizeFlags) configuration(outputsGiven bool, notes io.Writer) (cfg *config.Config, read bool, err error) {
	if len(f.config.Given) > 0 && outputsGiven {
		return nil, false, errors.New("--outputs and --config both name the outputs: give one of them")
	}
	if !outputsGiven && len(f.config.Paths()) > 0 {
		loaded, err := f.config.Load(config.Options{StandIn: true})
		if err == nil {
			f.config.Tell(notes)
		}
		return loaded.Config, true, err
	}
	if len(f.outputs) == 0 {
		return nil, false, fmt.Errorf("--outputs: must be at least one of %s", strings.Join(sizing.OutputTypes(), ", "))
	}
	for _, t := range f.outputs {
		if !slices.Contains(sizing.OutputTypes(), t) {
			return nil, false, fmt.Errorf("--outputs %q: must be one of %s", t,
				strings.Join(sizing.OutputTypes(), ", "))
		}
	}
	cfg, err = config.Example(f.outputs...)
	return cfg, false, err
}
