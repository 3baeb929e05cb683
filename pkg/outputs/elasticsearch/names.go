package elasticsearch

import (
	"sync/atomic"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// namer makes the names of indices. Safe for concurrent use.
type namer struct {
	template *event.Template
	others   atomic.Uint64
}

// newNamer returns a namer for cfg. now is the clock of the limit of names in an hour.
func newNamer(cfg Config, _ func() time.Time) (*namer, error) {
	t, err := event.ParseTemplate(cfg.Index)
	if err != nil {
		return nil, err
	}
	return &namer{template: t}, nil
}

// append appends the name of ev's index, which Elasticsearch takes whatever the event holds.
func (n *namer) append(dst []byte, ev *event.Event) []byte { return n.template.Append(dst, ev, nil) }

// redirected returns how many events were named for an "other" index so far.
func (n *namer) redirected() uint64 { return n.others.Load() }
