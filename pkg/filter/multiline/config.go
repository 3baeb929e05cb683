// Package multiline joins lines that were written together, such as stack traces, to one event.
package multiline

import (
	"fmt"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// Config is the settings of a multiline step.
type Config struct {
	Field           string        `yaml:"field" default:"log" help:"whose text is a line"`
	Format          string        `yaml:"format" enum:"|java|js|python|go|ruby|dotnet|php|dart|rust|all"`
	Start           string        `yaml:"start"`
	Continue        string        `yaml:"continue"`
	End             string        `yaml:"end"`
	Key             string        `yaml:"key"`
	MaxLines        int           `yaml:"max_lines" default:"500" min:"2"`
	MaxBytes        setting.Size  `yaml:"max_bytes" default:"1MiB" min:"1KiB"`
	MaxMessageLines int           `yaml:"max_message_lines" default:"20" min:"0"`
	MaxWait         time.Duration `yaml:"max_wait" default:"3s" min:"1ms"`
	Separator       string        `yaml:"separator" default:"\"\\n\""`
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"format": "whose stack traces are joined; empty: start, continue and end say",
		"start": "a regular expression for the first line of an event; without continue, all lines up to " +
			"the next first one belong to it",
		"continue": "a regular expression for the lines after the first; without start, any line may " +
			"be the first",
		"end": "a regular expression for the last line of an event, which need not wait for the next " +
			"one; without start, any line may be the first",
		"key": "what tells streams of one cluster and tag apart, e.g. {record.pod}; empty: namespace, " +
			"pod and container in kubernetes, container_id, and stream or source where it is stdout or stderr",
		"max_lines":         "of one event; what is longer goes on as several",
		"max_bytes":         "of one event's text; what is longer goes on as several",
		"max_message_lines": "with format: lines that may belong to a trace, or not, and wait for a frame to show it",
		"max_wait":          "how long a first line waits for the others",
		"separator":         "put between the lines, instead of the line ends that they came with",
	}
}

// Check reports settings that can't work.
func (c *Config) Check(r *setting.Report) {
	switch patterns := c.Start != "" || c.Continue != "" || c.End != ""; {
	case c.Format == "" && !patterns:
		r.Add("format", "write one such as java, or a regular expression in start",
			"nothing says which lines belong together")
	case c.Format != "" && patterns:
		r.Add("format", "remove it, or start, continue and end",
			"format %s has its own rules for first and further lines", c.Format)
	}
	if _, err := filter.ParsePath(c.Field); err != nil {
		r.Add("field", "write a field's name, such as log", "%v", err)
	}
	if c.Key == "" {
		r.Warn("key",
			`write "{tag}" to join all lines of a tag as earlier versions did, or what else tells streams apart`,
			"without it lines are told apart by namespace, pod, container and stdout or stderr, where records say "+
				"so, and no longer by the tag alone")
	}
	if _, err := filter.NewStreamKey(c.Key); err != nil {
		r.Add("key", "see the example in the documentation", "%v", err)
	}
	for key, text := range map[string]string{"start": c.Start, "continue": c.Continue, "end": c.End} {
		filter.CheckPattern(r, key, text)
	}
}

// New returns the Joiner that c describes, with its defaults set.
func New(c Config) (*Joiner, error) {
	j := &Joiner{
		separator: []byte(c.Separator), maxLines: c.MaxLines, maxBytes: int(c.MaxBytes), maxWait: c.MaxWait,
		maxMessage: c.MaxMessageLines,
	}
	var err error
	if j.path, err = filter.ParsePath(c.Field); err != nil {
		return nil, fmt.Errorf("multiline: %w", err)
	}
	if j.key, err = filter.NewStreamKey(c.Key); err != nil {
		return nil, fmt.Errorf("multiline: %w", err)
	}
	if c.Format != "" {
		j.machine, err = formatMachine(c.Format)
	} else {
		j.machine, err = patternMachine(c.Start, c.Continue, c.End)
	}
	if err != nil {
		return nil, fmt.Errorf("multiline: %w", err)
	}
	return j, nil
}
