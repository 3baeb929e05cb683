// Package routing makes of a configuration what becomes of events: which may come, which outputs want them, and what
// the routes to an output do with them.
package routing

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/logevery"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/rules"
	"github.com/seed-afc6a195/aggregator/pkg/route"
)

// Rules are what the routes to one output do with its events, and the files that their steps hold open.
type Rules struct {
	*rules.Rules
	// open ends what a step holds open.
	open []func() error
}

// Close ends what the steps hold open. The rules are not used afterwards.
func (r *Rules) Close() error {
	var errs []error
	for _, end := range r.open {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}

// NewRules makes what becomes of events on their way to the output of that name. Its steps are its own. The caller
// closes it.
func NewRules(cfg *config.Config, output string, log zerolog.Logger) (_ *Rules, err error) {
	table, err := route.New(cfg.Routes)
	if err != nil {
		return nil, err
	}
	r := &Rules{}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	// wrong is all that can't be made, so that nobody mends it one by one.
	var wrong []error
	routes := make([]rules.Route, len(cfg.Routes))
	for i, c := range cfg.Routes {
		rt := rules.Route{
			Name: fmt.Sprintf("routes[%d]", i), Outputs: c.Outputs, Continue: c.Continue,
			Match: func(cluster, tag string) bool {
				matched := table.Match(cluster, tag)
				return matched != nil && slices.Contains(matched.Routes, i)
			},
		}
		if rt.When, err = condition(c.When); err != nil {
			wrong = append(wrong, fmt.Errorf("%s.when: %w", rt.Name, err))
		}
		if slices.Contains(c.Outputs, output) {
			if rt.Steps, err = r.stages(cfg, c.Filters, log); err != nil {
				wrong = append(wrong, err)
			}
		}
		routes[i] = rt
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	r.Rules = rules.New(output, routes, cfg.Unrouted == "drop")
	r.OnError(logErrors(log.With().Str("output", output).Logger()))
	return r, nil
}

// logErrors returns what logs the errors of steps: the first of each, and then one a minute.
func logErrors(log zerolog.Logger) func(*filter.Stage, error) {
	limit := &logevery.Limit{Every: time.Minute}
	// Rules are one goroutine's.
	names := map[*filter.Stage]string{}
	return func(s *filter.Stage, err error) {
		name := names[s]
		if name == "" {
			name = fmt.Sprintf("%s[%d] %s", s.Filter, s.Index, s.Kind)
			if s.Kind == rules.KindWhen {
				name = s.Filter + ".when"
			}
			names[s] = name
		}
		if ok, leftOut := limit.Allow(name, "", 1, time.Now()); ok {
			log.Warn().Err(err).Str("step", name).Uint64("left_out", leftOut).Msg("a step failed on an event")
		}
	}
}

// condition returns nil, which is always true, for no text.
func condition(text string) (*filter.Condition, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // nil: always
	}
	return filter.NewCondition(text)
}

// stages makes the steps of the filters of those names, one after the other. Its error names all that can't be made.
func (r *Rules) stages(cfg *config.Config, filters []string, log zerolog.Logger) (all []filter.Stage, _ error) {
	var wrong []error
	for _, name := range filters {
		for i := range cfg.Filters[name] {
			step := &cfg.Filters[name][i]
			where := fmt.Sprintf("filters.%s[%d]", name, i)
			s := filter.Stage{Filter: name, Index: i}
			var err error
			if s.When, err = condition(step.When); err != nil {
				wrong = append(wrong, fmt.Errorf("%s.when: %w", where, err))
			}
			made, err := step.Settings.New(filter.Deps{
				Log: log.With().Str("filter", name).Int("step", i).Logger(), Now: time.Now,
			})
			if err != nil {
				wrong = append(wrong, fmt.Errorf("%s.%s: %w", where, step.Kind, err))
				continue
			}
			if made.Close != nil {
				r.open = append(r.open, made.Close)
			}
			s.Kind, s.Step, s.Joiner = step.Kind, made.Step, made.Joiner
			all = append(all, s)
			if then := made.Then; then != nil {
				then.Filter, then.Index = name, i
				all = append(all, *then)
			}
		}
	}
	return all, errors.Join(wrong...)
}

// Same reports whether events go the same ways, and are changed alike, in both.
func Same(a, b *config.Config) bool { return !LooksAtEvents(a) && !LooksAtEvents(b) || equal(a, b) }

// LooksAtEvents reports whether any route looks at events, and not only at clusters and tags.
func LooksAtEvents(cfg *config.Config) bool {
	return slices.ContainsFunc(cfg.Routes, func(r route.Config) bool { return r.When != "" || len(r.Filters) > 0 })
}

func equal(a, b *config.Config) bool {
	return reflect.DeepEqual(a.Routes, b.Routes) && reflect.DeepEqual(a.Filters, b.Filters) && a.Unrouted == b.Unrouted
}
