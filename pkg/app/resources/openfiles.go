package resources

import (
	"fmt"
	"syscall"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/all"
)

const (
	// queueFiles is what the process has open at most for itself and its queue: segments being read and written, the
	// state, dead letters, directories, the configuration, the log.
	queueFiles = 64
	// spareFiles is what each request of an output may have open beside its connection: a name that is looked up, a
	// connection that ends while the next one begins.
	spareFiles = 2
	// statusShare is the part of all open files that the status endpoint's clients may have.
	statusShare = 8
)

// OpenFiles is how the process's limit of open files is shared out.
type OpenFiles struct {
	// Limit is that of the process; 0: unknown, and nothing is bounded.
	Limit int
	// Status counts connections to the status endpoint.
	Status int
	// Connections counts connections of all listeners.
	Connections int
}

// ProcessFiles returns how many files the process may open. The Go runtime has raised the soft limit to the hard one.
func ProcessFiles() int {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0
	}
	return int(min(r.Cur, 1<<30))
}

// ShareFiles shares limit open files out. What the queue and the outputs need is kept for them, as far as it leaves
// half of all to the agents: without them nothing that agents send can be stored or delivered.
func ShareFiles(limit int, cfg *config.Config) OpenFiles {
	if limit == 0 {
		return OpenFiles{}
	}
	f := OpenFiles{Limit: limit, Status: limit / statusShare}
	need := queueFiles + f.Status + len(cfg.Listeners)
	kinds := all.Kinds(nil)
	for _, out := range cfg.Outputs {
		need += spareFiles * (out.Settings.Settings().Workers + 1)
		if kind, known := outputs.Find(kinds, out.Common.Type); known {
			need += kind.Files
		}
	}
	f.Connections = max(limit-need, limit/2)
	return f
}

// Warn logs where the listeners' max_connections can't be had.
func (f OpenFiles) Warn(cfg *config.Config, log zerolog.Logger) {
	wanted := 0
	for _, l := range cfg.Listeners {
		wanted += l.MaxConnections
	}
	if f.Limit == 0 || wanted <= f.Connections {
		return
	}
	log.Warn().Int("open_files", f.Limit).Int("max_connections", wanted).Int("connections", f.Connections).
		Msg(fmt.Sprintf(
			"the process may open %d files, which is room for %d connections beside its queue and outputs, not for "+
				"max_connections: raise the limit to %d (LimitNOFILE= of the service, ulimit -n), or lower "+
				"max_connections",
			f.Limit, f.Connections, f.Limit-f.Connections+wanted))
}
