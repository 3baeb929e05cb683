package cloudwatch

import (
	"fmt"
	"hash/fnv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

const (
	// maxName bounds the characters of a group's or stream's name; bytes here, which are not fewer.
	maxName        = 512
	reservedPrefix = "aws/"
	// noValue stands for a placeholder without a value.
	noValue = "unknown"
	// otherValue stands for a placeholder's value beyond max_streams_per_hour.
	otherValue = "other"
)

// name is where an event goes.
type name struct{ group, stream string }

func (n name) String() string { return n.group + " " + n.stream }

// inGroup reports whether r may be in the name of a log group.
func inGroup(r rune) bool {
	return r < utf8.RuneSelf &&
		(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-/.#", r))
}

// inStream reports whether r may be in the name of a log stream. Space within it is allowed; what can't
// be seen is left out for the sake of those who read the name.
func inStream(r rune) bool {
	return r != ':' && r != '*' && r != utf8.RuneError && unicode.IsPrint(r)
}

// cleaner returns what puts a placeholder's value into a name of which valid runes are allowed.
func cleaner(valid func(r rune) bool) func(dst, value []byte) []byte {
	return func(dst, value []byte) []byte {
		if len(value) == 0 {
			return append(dst, noValue...)
		}
		for len(value) > 0 {
			r, n := utf8.DecodeRune(value)
			if valid(r) {
				dst = append(dst, value[:n]...)
			} else {
				dst = append(dst, '_')
			}
			value = value[n:]
		}
		return dst
	}
}

// namer fills in the names of groups and streams. It is immutable.
type namer struct {
	group, stream *event.Template
	// perChunk says that names are the same for all events of a chunk.
	perChunk bool
	// perSecond says that they are for all events of a chunk and a second.
	perSecond bool
}

func newNamer(cfg *Config) (*namer, error) {
	group, err := event.ParseTemplate(cfg.LogGroup)
	if err != nil {
		return nil, fmt.Errorf("log_group: %w", err)
	}
	stream, err := event.ParseTemplate(cfg.LogStream)
	if err != nil {
		return nil, fmt.Errorf("log_stream: %w", err)
	}
	return &namer{
		group: group, stream: stream, perChunk: group.PerChunk() && stream.PerChunk(),
		perSecond: !strings.Contains(cfg.LogGroup+cfg.LogStream, "{record"),
	}, nil
}

// same reports whether the names of ev are surely those of the event before it.
func (n *namer) same(before, ev *event.Event) bool {
	return before.SameOrigin(ev) && (n.perChunk || n.perSecond && before.Time.Sec == ev.Time.Sec)
}

// appendGroup and appendStream append a name of ev that CloudWatch Logs takes.
func (n *namer) appendGroup(dst []byte, ev *event.Event) []byte {
	return finish(dst, n.group.Append(dst, ev, cleaner(inGroup)))
}

func (n *namer) appendStream(dst []byte, ev *event.Event) []byte {
	return finish(dst, n.stream.Append(dst, ev, cleaner(inStream)))
}

// finish returns out, which is dst and a name, with a name that is neither empty, reserved nor too long.
func finish(dst, out []byte) []byte {
	added := out[len(dst):]
	switch {
	case len(added) == 0:
		return append(out, noValue...)
	case strings.HasPrefix(string(added[:min(len(added), len(reservedPrefix))]), reservedPrefix):
		added = append([]byte{'_'}, added...)
	}
	return append(dst, safetext.Shorten(added, maxName, '-', fnv.New32a())...)
}

// other returns where ev goes when its own names can't be made: the values of the placeholders but
// the cluster's are otherValue, and times are those of its arrival, which no agent chooses.
func (n *namer) other(ev *event.Event) name {
	known := event.Event{Chunk: ev.Chunk, Tag: ev.Tag, Time: event.Time{Sec: ev.Chunk.Received.Unix()}}
	clean := func(valid func(r rune) bool) func(dst, value []byte) []byte {
		return func(dst, value []byte) []byte {
			if string(value) == ev.Chunk.Cluster {
				return cleaner(valid)(dst, value)
			}
			return append(dst, otherValue...)
		}
	}
	return name{
		group:  string(finish(nil, n.group.Append(nil, &known, clean(inGroup)))),
		stream: string(finish(nil, n.stream.Append(nil, &known, clean(inStream)))),
	}
}
