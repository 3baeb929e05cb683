package flags

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/seed-afc6a195/aggregator/pkg/config"
)

// Offline says that the queue itself is looked into, and no server is asked.
type Offline struct {
	dir     string
	offline bool
}

// Register makes the flags in fs.
func (f *Offline) Register(fs *pflag.FlagSet) {
	fs.StringVar(&f.dir, "data-dir", "", "open this data `directory`, which no server uses, instead of asking one")
	fs.BoolVar(&f.offline, "offline", false,
		"open the queue that the configuration names, a directory or a JetStream stream, instead of asking a server")
}

// Set reports whether no server is to be asked.
func (f *Offline) Set() bool { return f.dir != "" || f.offline }

// Check returns what is wrong with the flags; asks reports whether others of them are about a server.
func (f *Offline) Check(asks bool) error {
	switch {
	case f.dir != "" && f.offline:
		return WrongUsage(errors.New("--data-dir and --offline: give one of them"))
	case f.Set() && asks:
		return WrongUsage(fmt.Errorf(
			"%s asks no server: leave out --status and what goes with it, such as --token, or %[1]s", f.name()))
	}
	return nil
}

func (f *Offline) name() string {
	if f.offline {
		return "--offline"
	}
	return "--data-dir"
}

// Queue returns cfg, or the defaults where it is nil, with the queue that is meant.
func (f *Offline) Queue(cfg *config.Config) (*config.Config, error) {
	if cfg == nil {
		var err error
		if cfg, err = config.Defaults(config.Options{}); err != nil {
			return nil, err
		}
	}
	if f.dir == "" {
		return cfg, nil
	}
	if cfg.Buffer.JetStream != nil {
		return nil,
			WrongUsage(fmt.Errorf("buffer.type of the configuration is jetstream, so no directory has its queue: "+
				"--offline looks into %s; for the directory of a server that had one, leave out -c",
				cfg.Buffer.Place()))
	}
	cfg.Buffer.Path = f.dir
	return cfg, nil
}
