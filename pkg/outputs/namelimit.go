package outputs

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// NameLimit bounds how many different names, such as those of topics, the events of a cluster are given in each hour of
// the clock: an agent with values that never end must not fill a destination with targets. Safe for concurrent use.
type NameLimit struct {
	o NameLimitOptions

	mu   sync.Mutex
	hour int64
	// known has the names of hour by cluster, each with itself.
	known map[string]map[string]string
	// over is the clusters that have reached the limit in hour.
	over []string
}

// NameLimitOptions is what a NameLimit is made of.
type NameLimitOptions struct {
	// Setting is the limit's key in the configuration.
	Setting string
	// Max counts names of a cluster in an hour; 0: no limit.
	Max int
	// Beyond says what becomes of events with further names, for people.
	Beyond string
	Now    func() time.Time
	// Log is told once an hour of each cluster that has reached the limit.
	Log zerolog.Logger
}

// NewNameLimit returns a limit that no cluster has reached.
func NewNameLimit(o NameLimitOptions) *NameLimit {
	return &NameLimit{o: o, known: map[string]map[string]string{}}
}

// Admit reports whether events of the cluster may have the name in this hour, and returns the name as a text that
// lasts.
func (l *NameLimit) Admit(cluster string, name []byte) (string, bool) {
	if l.o.Max <= 0 {
		return string(name), true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	// A clock that is set back begins an hour too: the limit must not last until the time that it showed before.
	if hour := l.clock(); hour != l.hour {
		l.hour, l.over = hour, nil
		clear(l.known)
	}
	names := l.known[cluster]
	if names == nil {
		names = map[string]string{}
		l.known[strings.Clone(cluster)] = names
	}
	if text, ok := names[string(name)]; ok {
		return text, true
	}
	if len(names) >= l.o.Max {
		if !slices.Contains(l.over, cluster) {
			l.over = append(l.over, strings.Clone(cluster))
			l.o.Log.Warn().Str("cluster", cluster).Int(l.o.Setting, l.o.Max).
				Msgf("%s is reached: until the hour is over, %s", l.o.Setting, l.o.Beyond)
		}
		return "", false
	}
	text := string(name)
	names[text] = text
	return text, true
}

// clock returns the number of the hour.
func (l *NameLimit) clock() int64 { return l.o.Now().Unix() / 3600 }

// Notice says which clusters have reached the limit in this hour; "" where none has.
func (l *NameLimit) Notice() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.over) == 0 || l.clock() != l.hour {
		return ""
	}
	return fmt.Sprintf("%s (%d) is reached for cluster %s: until the hour is over, %s", l.o.Setting, l.o.Max,
		strings.Join(slices.Sorted(slices.Values(l.over)), ", "), l.o.Beyond)
}
