package lookup

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

const (
	// lookEvery is how often the file is looked at: a change counts that much later at most.
	lookEvery = 5 * time.Second
	// settled is how old a file's last change must be for its time to tell the next one from it.
	settled = 2 * time.Second
	// keepMemory is how many bytes of a text's memory are kept from one event to the next.
	keepMemory = 64 << 10
)

// Step adds fields from a file. It is a filter.Step, and owns the file's content: New reads it, a
// goroutine that Close ends reads it again when it changes.
//
// The field's text, as event.AppendText has it, is the key, so that 404 finds "404". Fields that the
// event has already are overwritten. A missing value (a cell without text, JSON's null) adds nothing
// but the default, if there is one.
type Step struct {
	cfg     Config
	log     zerolog.Logger
	field   []string
	targets []target
	text    []byte

	current atomic.Pointer[table]

	// seen is that of what was read last, good or bad; nil: look again.
	seen fs.FileInfo
	sum  [sha256.Size]byte
	// failed is the last warning; "" once the file is good again.
	failed string

	stop context.CancelFunc
	done chan struct{}
}

// New reads the file that cfg names. Errors say what is wrong with it. The caller closes the Step.
func New(cfg Config, log zerolog.Logger) (*Step, error) {
	s := &Step{cfg: cfg, log: log, done: make(chan struct{})}
	var err error
	if s.field, err = filter.ParsePath(cfg.Field); err != nil {
		return nil, fmt.Errorf("lookup: %w", err)
	}
	if s.targets, err = cfg.targets(); err != nil {
		return nil, fmt.Errorf("lookup: %w", err)
	}
	if _, err := s.reload(); err != nil {
		return nil, fmt.Errorf("lookup: %w", err)
	}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	go s.watch(ctx)
	return s, nil
}

// targets returns the fields of Add and Default, by name.
func (c *Config) targets() (all []target, err error) {
	names := slices.Sorted(maps.Keys(c.Add))
	for _, text := range slices.Sorted(maps.Keys(c.Default)) {
		if _, named := c.Add[text]; !named {
			names = append(names, text)
		}
	}
	for _, text := range names {
		t := target{column: c.Add[text]}
		if t.path, err = filter.ParsePath(text); err != nil {
			return nil, err
		}
		if v, given := c.Default[text]; given {
			if t.fallback, err = filter.AppendValue(nil, v); err != nil {
				return nil, fmt.Errorf("default of %s: %w", text, err)
			}
		}
		all = append(all, t)
	}
	return all, nil
}

// Close ends the reading of the file. What was read stays in force for Apply.
func (s *Step) Close() error {
	s.stop()
	<-s.done
	return nil
}

func (s *Step) watch(ctx context.Context) {
	defer close(s.done)
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			changed, err := s.reload()
			switch {
			case err != nil && err.Error() != s.failed:
				s.failed = err.Error()
				s.log.Warn().Err(err).Str("file", s.cfg.File).
					Msg("the lookup file is refused, the one read before stays in force")
			case changed:
				s.failed = ""
				s.log.Info().Str("file", s.cfg.File).Int("rows", len(s.current.Load().rows)).
					Msg("the lookup file has changed")
			}
		}
	}
}

// reload reads the file if it has changed since it was read last. After an error the content that
// was read before stays in force.
func (s *Step) reload() (changed bool, err error) {
	info, err := os.Stat(s.cfg.File)
	if err != nil {
		s.seen = nil
		return false, fmt.Errorf("look at the file: %w", err)
	}
	if s.seen != nil && os.SameFile(info, s.seen) && info.Size() == s.seen.Size() &&
		info.ModTime().Equal(s.seen.ModTime()) {
		return false, nil
	}
	s.seen = nil
	content, err := s.content(info)
	if err != nil {
		return false, err
	}
	if age := time.Since(info.ModTime()); age > settled {
		s.seen = info
	}
	sum := sha256.Sum256(content)
	if s.current.Load() != nil && sum == s.sum {
		// what is in force is there again.
		s.failed = ""
		return false, nil
	}
	t, err := s.cfg.read(content, s.targets)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", s.cfg.File, err)
	}
	s.sum = sum
	s.current.Store(t)
	return true, nil
}

// content reads the file that info is of.
func (s *Step) content(info fs.FileInfo) ([]byte, error) {
	if !info.Mode().IsRegular() {
		// A pipe would never end.
		return nil, fmt.Errorf("read %s: it is no regular file", s.cfg.File)
	}
	f, err := os.Open(s.cfg.File)
	if err != nil {
		return nil, fmt.Errorf("open the file: %w", err)
	}
	content, err := io.ReadAll(io.LimitReader(f, int64(s.cfg.MaxSize)+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", s.cfg.File, err)
	}
	if len(content) > int(s.cfg.MaxSize) {
		return nil, fmt.Errorf("read %s: it is larger than max_size, %v", s.cfg.File, s.cfg.MaxSize)
	}
	return content, nil
}

// Apply adds the fields. It never drops ev.
func (s *Step) Apply(ev *filter.Event) (filter.Verdict, error) {
	t := s.current.Load()
	var row [][]byte
	if value, ok := ev.Get(s.field...); ok {
		text, _, err := event.ReadBytes(value)
		text = filter.TrimLineEnd(text)
		if row = t.rows[string(text)]; row == nil && (err != nil || t.replaced) {
			s.text = event.AppendText(s.text[:0], value)
			row = t.rows[string(filter.TrimLineEnd(s.text))]
		}
		if cap(s.text) > keepMemory {
			s.text = nil
		}
	}
	for i := range t.targets {
		value := t.targets[i].fallback
		if i < len(row) && row[i] != nil {
			value = row[i]
		}
		if value != nil {
			ev.Set(value, t.targets[i].path...)
		}
	}
	return filter.Keep, nil
}
