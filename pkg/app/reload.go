package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/status"
)

// WatchEvery is how often the configuration and the files that it names are read again. Looking at what they say sees
// every way of changing them, also the swapped links of a Kubernetes secret, which change no watched file.
const WatchEvery = 5 * time.Second

// Loaded is a configuration with the hash of all that it was made of.
type Loaded struct {
	Config *config.Config
	Hash   string
}

// watch puts a changed configuration in force until ctx ends.
func (a *App) watch(ctx context.Context) error {
	tick := time.NewTicker(WatchEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = a.reload(false) // it is logged and shown by the status
		case <-ctx.Done():
			return nil
		}
	}
}

// Reload reads the configuration again and puts it in force. After an error the old one stays in force, whole. warnings say
// what the operator may not have meant.
func (a *App) Reload() (warnings []string, err error) {
	for _, c := range a.certificates() {
		_, _ = c.Reload() // it is logged and shown by the status
	}
	if err := a.reload(true); err != nil {
		return nil, err
	}
	state := a.configState()
	if len(state.Restart) > 0 {
		warnings = []string{strings.Join(state.Restart, ", ") + " can't change while the program runs: what was there before stays in force until a restart"}
	}
	return append(warnings, state.Warnings...), nil
}

// reload is Reload; unless asked for it does nothing where what was tried last has not changed.
func (a *App) reload(asked bool) error {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	if a.opts.Load == nil {
		return errors.New("there is no configuration file to read again, or the program stops")
	}
	next, err := a.opts.Load()
	if !asked && (err == nil && next.Hash == a.tried || err != nil && err.Error() == a.tried) {
		return nil
	}
	a.tried = next.Hash
	var restart []string
	if err == nil {
		restart, err = a.apply(next.Config)
	} else {
		a.tried = err.Error()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.state.Failing = status.Failure{Text: err.Error(), Time: a.opts.Now()}
		a.opts.Log.Error().Err(err).Msg("the new configuration is refused: the old one stays in force")
		return err
	}
	a.cfg = next.Config
	if a.opts.LimitMemory {
		a.memory = limitMemory(a.cfg, a.opts.Log)
	}
	a.state = status.ConfigState{
		Source: a.state.Source, Hash: next.Hash, LoadedAt: a.opts.Now(), Warnings: slices.Clone(next.Config.Warnings),
		Reloads: a.state.Reloads + 1, Restart: restart,
	}
	log := a.opts.Log.Info().Str("hash", next.Hash)
	if len(restart) > 0 {
		log = a.opts.Log.Warn().Str("hash", next.Hash).Strs("needs_restart", restart)
	}
	log.Msg("a new configuration is in force")
	for _, w := range slices.Concat(next.Config.Warnings, orphans(next.Config, a.backlogs(nil))) {
		a.opts.Log.Warn().Msg(w)
	}
	return nil
}

// orphans says of each output that is not in cfg what waits for it.
func orphans(cfg *config.Config, backlogs []Backlog) (texts []string) {
	for _, b := range backlogs {
		if _, there := cfg.Outputs[b.Output]; !there {
			texts = append(texts, fmt.Sprintf("output %s is not configured any more, and %d events wait for it: "+
				"put it back under its name to deliver them, or lose them with aggregator output purge %s", b.Output, b.Events, b.Output))
		}
	}
	return texts
}

// apply puts cfg in force: all that can fail comes first and changes nothing. It returns the settings that differ but
// stay as they are until a restart.
func (a *App) apply(cfg *config.Config) (restart []string, err error) {
	routes, registry, err := newRules(cfg)
	if err != nil {
		return nil, err
	}
	var fresh []*output // of outputs that are new or have changed
	for _, name := range cfg.OutputNames() {
		if old := a.output(name); old != nil && sameOutput(old, cfg) {
			continue
		}
		out, err := a.newOutput(name, cfg)
		if err != nil {
			for _, out := range fresh {
				err = errors.Join(err, out.close())
			}
			return nil, fmt.Errorf("outputs.%s: %w", name, err)
		}
		fresh = append(fresh, out)
	}
	// From here on nothing fails. What the old routes still send to an output that goes is kept in the queue.
	a.clusters.Swap(registry)
	a.queue.SetLimits(queueLimits(cfg))
	if a.places != nil {
		files := shareFiles(a.files.limit, cfg)
		a.places.SetLimit(files.connections)
		files.warn(cfg, a.opts.Log)
	}
	restart = needsRestart(a.initial, cfg)
	if len(cfg.Listeners) == len(a.listeners) {
		for i, l := range a.listeners {
			if l.SetLimits(cfg.Listeners[i]) {
				restart = append(restart, fmt.Sprintf("listeners[%d]", i))
			}
		}
	}
	a.ingest.setRules(routes, registry, cfg.Unrouted == "dead_letter", wantsSources(cfg))
	var old []*output
	for _, out := range a.currentOutputs() {
		_, stays := cfg.Outputs[out.name]
		if !stays || slices.ContainsFunc(fresh, func(f *output) bool { return f.name == out.name }) {
			old = append(old, out)
		}
	}
	if err := a.retire(old...); err != nil { // only during a stop
		a.opts.Log.Error().Err(err).Msg("a reload is cut short, since the program stops")
	}
	for _, out := range a.currentOutputs() {
		out.loop.RetryNow() // what keeps it waiting may just have been put right
	}
	for _, out := range fresh {
		a.launch(out)
	}
	return restart, nil
}

// needsRestart names the settings that differ and can't change while the program runs.
func needsRestart(old, next *config.Config) []string {
	keys := []string{}
	for key, differs := range map[string]bool{
		"hostname": old.Hostname != next.Hostname, "listeners": len(old.Listeners) != len(next.Listeners),
		"listeners[].max_message_size": ingestBudget(next) > ingestBudget(old),
		"buffer":                       !reflect.DeepEqual(fixedBuffer(old), fixedBuffer(next)), "status": !reflect.DeepEqual(old.Status, next.Status),
		"log": old.Log != next.Log,
	} {
		if differs {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// fixedBuffer returns the buffer's settings but for those that SetLimits changes.
func fixedBuffer(cfg *config.Config) buffer.Config {
	b := cfg.Buffer
	b.MaxSize, b.MinFreeDisk, b.SegmentSize, b.WhenFull, b.DeadLetters = 0, 0, 0, "", deadletter.Config{}
	return b
}

// output returns the running output of that name, nil where there is none.
func (a *App) output(name string) *output {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.outputs[name]
}

// currentOutputs returns the running outputs, ascending by name.
func (a *App) currentOutputs() []*output {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []*output
	for _, name := range slices.Sorted(maps.Keys(a.outputs)) {
		all = append(all, a.outputs[name])
	}
	return all
}
