package file

import (
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Config is the settings of an output of type file.
type Config struct {
	outputs.Common `yaml:",inline"`
	Path           string `yaml:"path" required:"true" help:"with placeholders, e.g. data/archive/{cluster}/%Y-%m-%d.ndjson"`
	Compression    string `yaml:"compression" default:"none" enum:"none|gzip|zstd" help:"of the written files"`
	Rotate         Rotate `yaml:"rotate" help:"when a file is finished and the next one begins"`
}

// Rotate says when a file is finished; zeros switch a rule off.
type Rotate struct {
	MaxSize setting.Size  `yaml:"max_size" default:"512MiB" help:"bytes on disk"`
	MaxAge  time.Duration `yaml:"max_age" default:"24h" help:"since the file was begun"`
	Keep    int           `yaml:"keep" default:"0" help:"finished files of one path that are kept; 0: all"`
}
