package disk

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/rs/zerolog"
)

// complaint logs a failure that repeats only once, also where each attempt is at a segment of its own, and its end.
type complaint struct{ last string }

func (c *complaint) failed(log zerolog.Logger, err error, msg string) {
	parts := strings.Split(err.Error(), segmentPrefix)
	for i := 1; i < len(parts); i++ {
		parts[i] = parts[i][min(segmentDigits, len(parts[i])):]
	}
	if text := strings.Join(parts, segmentPrefix); text != c.last {
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

// segmentName returns the file name of the segment that begins with seq.
const (
	segmentPrefix = "seg-"
	segmentDigits = 16
)

func segmentName(seq uint64) string {
	return fmt.Sprintf("%s%0*x.db", segmentPrefix, segmentDigits, seq)
}

// segmentSeq is the reverse of segmentName.
func segmentSeq(name string) (uint64, bool) {
	hex, prefix := strings.CutPrefix(name, segmentPrefix)
	hex, suffix := strings.CutSuffix(hex, ".db")
	if !prefix || !suffix || len(hex) != 16 {
		return 0, false
	}
	seq, err := strconv.ParseUint(hex, 16, 64)
	return seq, err == nil
}
