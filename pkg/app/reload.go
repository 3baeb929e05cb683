package app

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/app/internal/router"
	"github.com/seed-afc6a195/aggregator/pkg/app/resources"
	"github.com/seed-afc6a195/aggregator/pkg/app/routing"
	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/deadletter"
	"github.com/seed-afc6a195/aggregator/pkg/route"
	"github.com/seed-afc6a195/aggregator/pkg/status"
)

// WatchEvery is how often the configuration and the files that it names are read again. Looking at what they say sees
// every way of changing them, also the swapped links of a Kubernetes secret, which change no watched file.
const WatchEvery = 5 * time.Second

// watch puts a changed configuration in force until ctx ends.
func (a *App) watch(ctx context.Context) error {
	tick := time.NewTicker(WatchEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			// It is logged and shown by the status.
			_ = a.reload(false)
		case <-ctx.Done():
			return nil
		}
	}
}

// Reload reads the configuration again and puts it in force. After an error the old one stays in force, whole. warnings
// say what the operator may not have meant.
func (a *App) Reload() (warnings []string, err error) {
	for _, c := range a.certificates() {
		// It is logged and shown by the status.
		_, _ = c.Reload()
	}
	if err := a.reload(true); err != nil {
		return nil, err
	}
	state := a.configState()
	if len(state.Restart) > 0 {
		warnings = []string{
			strings.Join(state.Restart, ", ") +
				" can't change while the program runs: what was there before stays in force until a restart",
		}
	}
	return append(warnings, state.Warnings...), nil
}

// reload is Reload; unless asked for it does nothing where what was tried last has not changed.
func (a *App) reload(asked bool) error {
	s := &a.settings
	s.reloading.Lock()
	defer s.reloading.Unlock()
	if s.load == nil {
		return errors.New("there is no configuration file to read again, or the program stops")
	}
	next, err := s.load()
	if !asked && s.triedAlready(next, err) {
		return nil
	}
	var restart []string
	tried := next.Hash
	if err == nil {
		restart, err = a.apply(next.Config)
	} else {
		tried = err.Error()
	}
	if err != nil {
		s.refused(tried, err, a.opts.Now())
		a.opts.Log.Error().Err(err).Msg("the new configuration is refused: the old one stays in force")
		return err
	}
	var memory status.Memory
	if a.opts.LimitMemory {
		memory = resources.LimitMemory(next.Config, a.opts.Log)
	}
	s.accepted(next, memory, restart, a.opts.Now())
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

// configState has among its warnings what waits now for outputs that are not configured.
func (a *App) configState() status.ConfigState {
	state, cfg := a.settings.report()
	state.Warnings = slices.Concat(state.Warnings, orphans(cfg, a.backlogs(nil)))
	for i := range cfg.Routes {
		r := &cfg.Routes[i]
		state.Routes = append(state.Routes, status.Route{Name: route.Name(i), Match: r.Match, Outputs: r.Outputs})
	}
	return state
}

// routeNamed returns the name of the route that people call so.
func (a *App) routeNamed(name string) (string, error) {
	i, err := route.Find(a.settings.current().Routes, name)
	if err != nil {
		return "", err
	}
	return route.Name(i), nil
}

// certainRoute returns the name of the route that takes every event of a cluster and tag to the output, if one does.
func (a *App) certainRoute(output, cluster, tag string) string {
	return a.router.Rules().Routes.Certain(output, cluster, tag)
}

// orphans says of each output that is not in cfg what waits for it.
func orphans(cfg *config.Config, backlogs []Backlog) (texts []string) {
	for _, b := range backlogs {
		if _, there := cfg.Outputs[b.Output]; !there {
			texts = append(texts, fmt.Sprintf("output %s is not configured any more, and %d events wait for it: "+
				"put it back under its name to deliver them, or lose them with aggregator output purge %s", b.Output,
				b.Events, b.Output))
		}
	}
	return texts
}

// apply puts cfg in force: all that can fail comes first and changes nothing. It returns the settings that differ but
// stay as they are until a restart.
func (a *App) apply(cfg *config.Config) (restart []string, err error) {
	routes, registry, err := routing.Arrival(cfg)
	if err != nil {
		return nil, err
	}
	// fresh has outputs that are new or have changed.
	var fresh []*output
	for _, name := range cfg.OutputNames() {
		if old := a.outputs.get(name); old != nil && sameOutput(old, cfg) {
			continue
		}
		out, err := newOutput(name, cfg, a.outputs.deps)
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
	if q, ok := a.queue.Queue.(interface {
		SetLogin(login *buffer.JetStreamConfig)
	}); ok && cfg.Buffer.JetStream != nil {
		q.SetLogin(cfg.Buffer.JetStream)
	}
	restart = append(needsRestart(a.initial, cfg), a.listeners.setLimits(cfg, a.opts.Log)...)
	a.router.SetRules(router.RulesOf(cfg, routes, registry))
	var old []*output
	for _, out := range a.outputs.all() {
		_, stays := cfg.Outputs[out.name]
		if !stays || slices.ContainsFunc(fresh, func(f *output) bool { return f.name == out.name }) {
			old = append(old, out)
		}
	}
	if err := a.outputs.retire(old...); err != nil {
		// Only during a stop.
		a.opts.Log.Error().Err(err).Msg("a reload is cut short, since the program stops")
	}
	for _, out := range a.outputs.all() {
		// What keeps it waiting may just have been put right.
		out.loop.RetryNow()
	}
	for _, out := range fresh {
		a.outputs.launch(out)
	}
	return restart, nil
}

// needsRestart names the settings that differ and can't change while the program runs.
func needsRestart(old, next *config.Config) []string {
	keys := []string{}
	for key, differs := range map[string]bool{
		"hostname": old.Hostname != next.Hostname, "listeners": len(old.Listeners) != len(next.Listeners),
		"listeners[].max_message_size": resources.IngestBudget(next) > resources.IngestBudget(old),
		"buffer":                       !reflect.DeepEqual(fixedBuffer(old), fixedBuffer(next)),
		"status":                       !reflect.DeepEqual(old.Status, next.Status),
		"log":                          old.Log != next.Log,
	} {
		if differs {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// fixedBuffer returns the buffer's settings but for those that SetLimits changes, and the login at the queue's servers.
func fixedBuffer(cfg *config.Config) buffer.Config {
	b := cfg.Buffer
	if b.JetStream != nil {
		j := *b.JetStream
		j.MaxSize, j.CredentialsFile, j.Username, j.Password, j.Token = 0, "", "", setting.Secret{}, setting.Secret{}
		b.JetStream = &j
	}
	b.MaxSize, b.MinFreeDisk, b.SegmentSize, b.WhenFull, b.DeadLetters = 0, 0, 0, "", deadletter.Config{}
	return b
}
