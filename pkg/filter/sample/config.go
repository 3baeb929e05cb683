// Package sample lets a share of the events through: of all, or up to so many a second.
package sample

import (
	"math"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Config is the settings of a sample step.
type Config struct {
	Rate  float64 `yaml:"rate" help:"the share that goes on, over 0 and up to 1; or one_in"`
	OneIn int     `yaml:"one_in" help:"one of so many goes on; or rate"`
	Key   string  `yaml:"key"`
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"key": "all events with one text here go on, or none, e.g. {record.trace_id}; empty: each event by itself",
	}
}

// Check reports settings that can't work.
func (c *Config) Check(r *setting.Report) {
	switch {
	case (c.Rate != 0) == (c.OneIn != 0):
		r.Add("", "write rate: 0.1 or one_in: 10", "a sample needs either rate or one_in")
	case c.OneIn == 0 && !(c.Rate > 0 && c.Rate <= 1):
		// NaN is neither.
		r.Add("rate", "write 0.1 for a tenth; to drop everything use expr: {drop: \"true\"}",
			"%v is not over 0 and up to 1", c.Rate)
	}
	checkKey(r, c.Key)
}

// ThrottleConfig is the settings of a throttle step.
type ThrottleConfig struct {
	Rate     float64       `yaml:"rate" required:"true"`
	Burst    int           `yaml:"burst" help:"events of one second that go on at most; 0: as many as rate"`
	Key      string        `yaml:"key"`
	Interval time.Duration `yaml:"interval" default:"10s" min:"1s"`
	MaxKeys  int           `yaml:"max_keys" default:"10000" min:"1"`
}

// Help implements setting.Explained.
func (ThrottleConfig) Help() map[string]string {
	return map[string]string{
		"rate":     "events a second, of one cluster and key, that go on, on average over an interval",
		"key":      "what is counted on its own, e.g. {record.app} or {tag}; empty: each cluster",
		"interval": "whole seconds; one event for each key and interval sums up what was dropped",
		"max_keys": "keys and intervals that are remembered; beyond, those not seen for longest are forgotten",
	}
}

// maxInterval bounds what is remembered of a key: a counter for each second.
const maxInterval = 5 * time.Minute

// Check reports settings that can't work.
func (c *ThrottleConfig) Check(r *setting.Report) {
	switch {
	case c.Interval < time.Second || c.Interval > maxInterval || c.Interval%time.Second != 0:
		r.Add("interval", "write 10s", "%v is not a number of whole seconds up to %v", c.Interval, maxInterval)
	case !(c.Rate > 0 && c.Rate <= math.MaxInt32):
		r.Add("rate", "write events a second, such as 100", "%v is not over 0 and up to 2³¹", c.Rate)
	case perInterval(*c) < 1:
		r.Add("rate", "make the interval longer", "%v a second is less than one event in %v", c.Rate, c.Interval)
	case c.Burst != 0 && float64(c.Burst) < c.Rate:
		r.Add("burst", "leave it out for as many as rate", "%d events of a second are fewer than the rate of %v",
			c.Burst, c.Rate)
	}
	checkKey(r, c.Key)
}

func checkKey(r *setting.Report, key string) {
	if _, err := event.ParseTemplate(key); err != nil {
		r.Add("key", "write text with placeholders, such as {record.trace_id}", "%v", err)
	}
}
