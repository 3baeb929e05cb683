package sample

import (
	"fmt"
	"math"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

// keepMemory is how many bytes of a key's memory are kept from one event to the next.
const keepMemory = 64 << 10

// Step lets a share of keys through. It is a filter.Step.
//
// It decides by a hash of the key's text, which is the same on every replica and after a restart;
// what goes on at one rate goes on at each higher one too. An event whose key is empty (the field
// is missing), and each where no key is set, is decided on by its id, so that a delivery that is
// repeated comes to the same.
type Step struct {
	key *event.Template
	// limit is the largest hash that goes on.
	limit uint64
	text  []byte
}

// New returns the step that cfg describes.
func New(cfg Config) (*Step, error) {
	key, err := event.ParseTemplate(cfg.Key)
	if err != nil {
		return nil, fmt.Errorf("sample: key: %w", err)
	}
	rate := cfg.Rate
	if cfg.OneIn > 0 {
		rate = 1 / float64(cfg.OneIn)
	}
	s := &Step{key: key, limit: math.MaxUint64}
	switch {
	case !(rate > 0 && rate <= 1):
		return nil, fmt.Errorf("sample: rate %v is not over 0 and up to 1", cfg.Rate)
	case rate < 1:
		s.limit = uint64(rate * (1 << 64))
	}
	return s, nil
}

// Apply drops ev unless its key is of the share that goes on.
func (s *Step) Apply(ev *filter.Event) (filter.Verdict, error) {
	s.text = ev.AppendTemplate(s.text[:0], s.key)
	if len(s.text) == 0 {
		s.text = ev.AppendID(s.text)
	}
	if len(s.text) == 0 {
		// An event that a step has made.
		s.text = append(event.AppendTime(s.text, ev.Time), ev.Rendered()...)
	}
	h := hash(s.text)
	if cap(s.text) > keepMemory {
		s.text = nil
	}
	if h > s.limit {
		return filter.Drop, nil
	}
	return filter.Keep, nil
}

// hash returns a hash of text of which all bits depend on all of text: FNV-1a, mixed as MurmurHash3
// ends. It is a contract between replicas, and between versions.
func hash(text []byte) uint64 {
	h := uint64(0xcbf29ce484222325)
	for _, c := range text {
		h = (h ^ uint64(c)) * 0x100000001b3
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
