package app

import (
	"slices"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/status"
)

// Loaded is a configuration with the hash of all that it was made of.
type Loaded struct {
	Config *config.Config
	Hash   string
}

// settings are the configuration in force, and what became of the last that was to take its place. Safe for concurrent
// use.
type settings struct {
	// reloading is held for as long as a reload takes: there is one at a time, and outputs come and go only then. It
	// guards load, nil where nothing can be loaded, and tried, the hash or error of what was loaded last.
	reloading sync.Mutex
	load      func() (Loaded, error)
	tried     string

	mu     sync.Mutex
	cfg    *config.Config
	memory status.Memory
	state  status.ConfigState
}

// begin puts the first configuration in force, which o names.
func (s *settings) begin(cfg *config.Config, o *Options, memory status.Memory, now time.Time) {
	s.load, s.tried, s.cfg, s.memory = o.Load, o.ConfigHash, cfg, memory
	s.state = status.ConfigState{
		Source: o.ConfigSource, Hash: o.ConfigHash, LoadedAt: now, Warnings: slices.Clone(cfg.Warnings),
		Restart: []string{},
	}
}

// current returns the configuration in force, which nobody changes.
func (s *settings) current() *config.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg
}

// memoryLimit returns what limits the process's memory.
func (s *settings) memoryLimit() status.Memory {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.memory
}

// report returns the state to show, and the configuration that it is of.
func (s *settings) report() (status.ConfigState, *config.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.state
	state.Warnings, state.Restart = slices.Clone(state.Warnings), slices.Clone(state.Restart)
	return state, s.cfg
}

// triedAlready reports whether what was loaded, or failed to load, is what was tried last. The caller holds reloading.
func (s *settings) triedAlready(next Loaded, err error) bool {
	if err != nil {
		return err.Error() == s.tried
	}
	return next.Hash == s.tried
}

// accepted notes that next is in force. restart names settings that are not, before a restart. The caller holds
// reloading.
func (s *settings) accepted(next Loaded, memory status.Memory, restart []string, now time.Time) {
	s.tried = next.Hash
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg, s.memory = next.Config, memory
	s.state = status.ConfigState{
		Source: s.state.Source, Hash: next.Hash, LoadedAt: now, Warnings: slices.Clone(next.Config.Warnings),
		Reloads: s.state.Reloads + 1, Restart: restart,
	}
}

// refused notes that what was tried, a hash or why it could not be loaded, is not put in force for err. What is in
// force stays. The caller holds reloading.
func (s *settings) refused(tried string, err error, now time.Time) {
	s.tried = tried
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Failing = status.Failure{Text: err.Error(), Time: now}
}

// freeze ends reloads, after one that may be under way: nothing is put in force any more.
func (s *settings) freeze() {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	s.load = nil
}
