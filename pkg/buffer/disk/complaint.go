package disk

import (
	"strings"

	"github.com/rs/zerolog"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/disk/internal/segment"
)

// complaint logs a failure that repeats only once, also where each attempt is at a segment of its own, and its end.
type complaint struct{ last string }

func (c *complaint) failed(log zerolog.Logger, err error, msg string) {
	parts := strings.Split(err.Error(), segment.Prefix)
	for i := 1; i < len(parts); i++ {
		parts[i] = parts[i][min(segment.Digits, len(parts[i])):]
	}
	if text := strings.Join(parts, segment.Prefix); text != c.last {
		c.last = text
		log.Error().Err(err).Msg(msg)
	}
}

func (c *complaint) recovered(log zerolog.Logger, msg string) {
	if c.last != "" {
		c.last = ""
		log.Info().Msg(msg)
	}
}
