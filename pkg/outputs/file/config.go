package file

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Config is the settings of an output of type file.
type Config struct {
	outputs.Common        `yaml:",inline"`
	Path                  string `yaml:"path" required:"true" placeholders:"other"`
	outputs.MessageConfig `yaml:",inline"`
	Compression           string `yaml:"compression" default:"none" enum:"none|gzip|zstd" help:"of the written files"`
	Rotate                Rotate `yaml:"rotate" help:"when a file is finished and the next one begins"`
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"path": "with placeholders, e.g. data/archive/{cluster}/%Y-%m-%d.ndjson",
	}
}

// Rotate says when a file is finished; zeros switch a rule off.
type Rotate struct {
	MaxSize setting.Size  `yaml:"max_size" default:"512MiB" help:"bytes on disk"`
	MaxAge  time.Duration `yaml:"max_age" default:"24h" help:"since the file was begun"`
	Keep    int           `yaml:"keep" default:"0" help:"finished files of one path that are kept; 0: all"`
}

// Compressions of files.
const (
	compressionNone = "none"
	compressionGzip = "gzip"
	compressionZstd = "zstd"
)

// Files returns the template of the files' names, with the compression's ending. No two outputs may have the same: each
// cuts a file back to what itself has written to it.
func (c *Config) Files() string {
	path := filepath.Clean(c.Path)
	if ext := ext(c.Compression); !strings.HasSuffix(path, ext) {
		path += ext
	}
	return path
}

// ext returns the ending of compressed files' names.
func ext(compression string) string {
	switch compression {
	case compressionGzip:
		return ".gz"
	case compressionZstd:
		return ".zst"
	default:
		return ""
	}
}

// Settings returns the common settings with this destination's defaults: batches are written one
// after the other, so one worker is enough.
func (c *Config) Settings() outputs.Common {
	return c.Or(outputs.Common{Workers: 1}).Or(outputs.Defaults())
}

// Check reports settings that can't work.
func (c *Config) Check(r *setting.Report) {
	c.Common.Check(r)
	c.MessageConfig.Check(r)
	if _, err := event.ParseTemplate(c.Path); err != nil {
		r.Add("path", "see the example in the documentation", "%v", err)
	} else if n := len(c.Path); n > 0 && c.Path[n-1] == '/' {
		r.Add("path", "add a file name, such as {tag}.ndjson", "%q is a directory", c.Path)
	}
	if c.Rotate.MaxSize < 0 || c.Rotate.MaxAge < 0 || c.Rotate.Keep < 0 {
		r.Add("rotate", "write 0 to switch a rule off", "a negative value has no meaning")
	}
}
