// Package join puts the fragments together that container runtimes cut long lines into.
package join

import (
	"fmt"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// Config is the settings of a join step.
type Config struct {
	Field    string        `yaml:"field" help:"whose text is a fragment; empty: log, or message where there is no log"`
	Key      string        `yaml:"key"`
	MaxBytes setting.Size  `yaml:"max_bytes" default:"1MiB" min:"1KiB"`
	MaxWait  time.Duration `yaml:"max_wait" default:"5s" min:"1ms"`
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"key": "what tells streams of one cluster and tag apart, e.g. {record.pod}; empty: namespace, pod and " +
			"container in kubernetes, container_id, and stream or source where it is stdout or stderr",
		"max_bytes": "of one line's text; what is longer goes on in pieces, with _partial: true",
		"max_wait":  "how long a fragment waits for the next; what there is then goes on, with _partial: true",
	}
}

// Check reports settings that can't work.
func (c *Config) Check(r *setting.Report) {
	if c.Field != "" {
		if _, err := filter.ParsePath(c.Field); err != nil {
			r.Add("field", "write a field's name, such as log", "%v", err)
		}
	}
	if _, err := filter.NewStreamKey(c.Key); err != nil {
		r.Add("key", "see the example in the documentation", "%v", err)
	}
}

// New returns the Joiner that c describes, with its defaults set.
func New(c Config) (*Joiner, error) {
	j := &Joiner{
		paths: [][]string{{"log"}, {"message"}}, maxBytes: int(c.MaxBytes), maxWait: c.MaxWait,
		ends: map[string]lineEnds{},
	}
	var err error
	if c.Field != "" {
		var path []string
		if path, err = filter.ParsePath(c.Field); err != nil {
			return nil, fmt.Errorf("join: %w", err)
		}
		j.paths = [][]string{path}
	}
	if j.key, err = filter.NewStreamKey(c.Key); err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	return j, nil
}
