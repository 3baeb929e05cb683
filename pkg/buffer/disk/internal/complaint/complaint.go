// Package complaint logs failures that repeat.
package complaint

import (
	"strings"

	"github.com/rs/zerolog"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
)

// Complaint logs a failure that repeats only once, also where each attempt is at a segment of its own, and its end.
type Complaint struct{ last string }

// Failed logs the error, unless it is the last one again.
func (c *Complaint) Failed(log zerolog.Logger, err error, msg string) {
	parts := strings.Split(err.Error(), segment.Prefix)
	for i := 1; i < len(parts); i++ {
		parts[i] = parts[i][min(segment.Digits, len(parts[i])):]
	}
	if text := strings.Join(parts, segment.Prefix); text != c.last {
		c.last = text
		log.Error().Err(err).Msg(msg)
	}
}

// Recovered logs that what failed works again, where something has failed.
func (c *Complaint) Recovered(log zerolog.Logger, msg string) {
	if c.last != "" {
		c.last = ""
		log.Info().Msg(msg)
	}
}
