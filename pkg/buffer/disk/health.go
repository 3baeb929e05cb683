package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/boltfile"
	"github.com/seed-afc6a195/aggregator/internal/heartbeat"
)

// Beats returns what the queue's loops are at, in the order committer, sealer, cleaner, and what reads for each output.
// It waits for no disk.
func (s *Queue) Beats() []heartbeat.Beat {
	all := []heartbeat.Beat{
		{Loop: "committer", State: s.commit.beat.State()},
		{Loop: "sealer", State: s.commit.sealBeat.State()},
		{Loop: "cleaner", State: s.clean.beat.State()},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, src := range s.sources {
		if src.configured {
			all = append(all, heartbeat.Beat{Loop: "output " + src.name + ": read", State: src.beat.State()})
		}
	}
	return all
}

// Ready returns why nothing can be stored now, nil where something can. It waits for no disk.
func (s *Queue) Ready() error {
	if err := s.goneErr(); err != nil {
		return err
	}
	commit := heartbeat.Beat{State: s.commit.beat.State()}
	if err := commit.Slow(time.Now()); err != nil {
		return err
	}
	s.commit.mu.Lock()
	waiting := s.commit.count
	s.commit.mu.Unlock()
	if full := s.commit.limits.Why(waiting); full != "" {
		return errors.New(full)
	}
	return nil
}

// goneErr returns why the directory is not this queue's any more; nil: it is.
func (s *Queue) goneErr() error {
	if gone := s.gone.Load(); gone != nil {
		return *gone
	}
	return nil
}

// checkDir notices that the directory's path leads somewhere else by now: what is stored from then on would be in two
// places, of which the next start finds one.
func (s *Queue) checkDir() {
	if s.gone.Load() != nil {
		return
	}
	path := filepath.Join(s.dir, boltfile.LockFile)
	there, err := os.Stat(path)
	held, herr := s.lock.Stat()
	if herr != nil || err == nil && os.SameFile(there, held) || err != nil && !errors.Is(err, os.ErrNotExist) {
		return
	}
	err = fmt.Errorf("%s is not the directory any more that the queue was opened in, or somebody removed %s: it was "+
		"replaced, moved or unmounted; "+
		"put it back where it was, and start again", s.dir, boltfile.LockFile)
	s.gone.Store(&err)
	s.log.Error().Err(err).Msg("nothing is stored and acknowledged any more")
}
