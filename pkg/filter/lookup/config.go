// Package lookup adds fields to events by looking the text of one up in a file.
package lookup

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// Config is the settings of a lookup step.
type Config struct {
	Field   string            `yaml:"field" required:"true"`
	File    string            `yaml:"file" required:"true"`
	Format  string            `yaml:"format" default:"auto" enum:"auto|csv|json|ndjson" help:"auto: by the file's name"`
	Key     string            `yaml:"key"`
	Add     map[string]string `yaml:"add" help:"field: column; empty: every column but the key, under its name"`
	Default map[string]any    `yaml:"default" help:"field: value where the key, or its value, is missing"`
	MaxSize setting.Size      `yaml:"max_size" default:"16MiB" min:"1" help:"of the file"`
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"field": "whose text is looked up, e.g. kubernetes.namespace_name",
		"file":  "read again when it changes; a bad new one is refused and the old one stays",
		"key":   "the column to look up in; empty: a CSV file's first; a JSON object has its names",
	}
}

// The formats.
const (
	formatAuto   = "auto"
	formatCSV    = "csv"
	formatJSON   = "json"
	formatNDJSON = "ndjson"
)

// format returns how the file is written, "" where its name does not tell.
func (c *Config) format() string {
	if c.Format != formatAuto && c.Format != "" {
		return c.Format
	}
	switch strings.ToLower(filepath.Ext(c.File)) {
	case ".csv":
		return formatCSV
	case ".json":
		return formatJSON
	case ".ndjson", ".jsonl":
		return formatNDJSON
	}
	return ""
}

// Check reports settings that can't work. It does not look at the file.
func (c *Config) Check(r *setting.Report) {
	format := c.format()
	if format == "" && c.File != "" {
		r.Add("format", "write csv, json or ndjson", "the name %s does not tell how the file is written", c.File)
	}
	if format == formatNDJSON && c.Key == "" {
		r.Add("key", "name the member that holds the key", "an NDJSON file has no first column")
	}
	if _, err := filter.ParsePath(c.Field); err != nil {
		r.Add("field", "", "%v", err)
	}
	for _, text := range slices.Sorted(maps.Keys(c.Add)) {
		if _, err := filter.ParsePath(text); err != nil {
			r.Add("add", "", "%v", err)
		}
	}
	for _, text := range slices.Sorted(maps.Keys(c.Default)) {
		if _, err := filter.ParsePath(text); err != nil {
			r.Add("default", "", "%v", err)
		} else if _, named := c.Add[text]; !named && len(c.Add) > 0 {
			r.Add("default."+text, "name it in add as well", "no column leads to this field")
		}
	}
}
