package app

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/status"
)

// TestSettings goes through what may happen to a configuration: what is in force, what is shown, and what is tried
// again.
func TestSettings(t *testing.T) {
	first, second := &config.Config{Warnings: []string{"w1"}}, &config.Config{Warnings: []string{"w2"}}
	at := func(minute int) time.Time { return time.Date(2026, 3, 1, 8, minute, 0, 0, time.UTC) }
	broken := errors.New("a.yaml:3: wrong")
	var s settings
	s.begin(first, &Options{ConfigSource: "a.yaml", ConfigHash: "h1"}, status.Memory{LimitBytes: 1}, at(0))
	for i, tc := range []struct {
		name    string
		do      func()
		cfg     *config.Config
		state   status.ConfigState
		memory  int64
		tried   Loaded // what is not tried again
		triedIn error
	}{
		{
			"the first", func() {}, first,
			status.ConfigState{Source: "a.yaml", Hash: "h1", LoadedAt: at(0), Warnings: []string{"w1"}},
			1,
			Loaded{Hash: "h1"},
			nil,
		},
		{
			"one that can't be read", func() { s.refused(broken.Error(), broken, at(1)) }, first,
			status.ConfigState{
				Source: "a.yaml", Hash: "h1", LoadedAt: at(0), Warnings: []string{"w1"},
				Failing: status.Failure{Text: broken.Error(), Time: at(1)},
			},
			1,
			Loaded{},
			broken,
		},
		{
			"one that can't be put in force", func() { s.refused("h2", broken, at(2)) }, first,
			status.ConfigState{
				Source: "a.yaml", Hash: "h1", LoadedAt: at(0), Warnings: []string{"w1"},
				Failing: status.Failure{Text: broken.Error(), Time: at(2)},
			},
			1,
			Loaded{Hash: "h2"},
			nil,
		},
		{
			"one that is put in force", func() {
				s.accepted(Loaded{Config: second, Hash: "h3"}, status.Memory{LimitBytes: 2}, []string{"hostname"},
					at(3))
			}, second,
			status.ConfigState{
				Source: "a.yaml", Hash: "h3", LoadedAt: at(3), Warnings: []string{"w2"}, Reloads: 1,
				Restart: []string{"hostname"},
			},
			2,
			Loaded{Hash: "h3"},
			nil,
		},
		{
			"the first again",
			func() { s.accepted(Loaded{Config: first, Hash: "h1"}, status.Memory{LimitBytes: 1}, nil, at(4)) }, first,
			status.ConfigState{Source: "a.yaml", Hash: "h1", LoadedAt: at(4), Warnings: []string{"w1"}, Reloads: 2},
			1,
			Loaded{Hash: "h1"},
			nil,
		},
	} {
		tc.do()
		state, cfg := s.report()
		if cfg != tc.cfg || s.current() != tc.cfg || s.memoryLimit().LimitBytes != tc.memory {
			t.Errorf("%s: another configuration is in force, or its memory", tc.name)
		}
		w := tc.state
		if state.Source != w.Source || state.Hash != w.Hash || !state.LoadedAt.Equal(w.LoadedAt) ||
			state.Reloads != w.Reloads || state.Failing != w.Failing ||
			!slices.Equal(state.Warnings, w.Warnings) || !slices.Equal(state.Restart, w.Restart) {
			t.Errorf("%s: the state is %+v, want %+v", tc.name, state, w)
		}
		if !s.triedAlready(tc.tried, tc.triedIn) || s.triedAlready(Loaded{Hash: "new"}, nil) ||
			s.triedAlready(Loaded{}, errors.New("another")) {
			t.Errorf("%s: what was tried is not known, or what was not is", tc.name)
		}
		if i == 0 {
			state.Warnings[0] = "changed" // by who shows it
		}
	}
}

// TestSettingsFreeze ends reloads for good.
func TestSettingsFreeze(t *testing.T) {
	loads := 0
	a := &App{opts: Options{Now: time.Now}}
	a.settings.begin(&config.Config{}, &Options{Load: func() (Loaded, error) {
		loads++
		return Loaded{}, errors.New("unreadable")
	}}, status.Memory{}, time.Now())
	if err := a.reload(true); err == nil || err.Error() != "unreadable" {
		t.Errorf("got %v", err)
	}
	if err := a.reload(false); err != nil {
		t.Errorf("what failed in the same way before is told again: %v", err)
	}
	a.settings.freeze()
	if err := a.reload(true); err == nil || loads != 2 {
		t.Errorf("a reload after the end: %v; %d were loaded", err, loads)
	}
}
