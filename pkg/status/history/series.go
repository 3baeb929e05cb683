package history

import (
	"strings"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

const (
	// Every is how far apart two points of a line are.
	Every = 10 * time.Second
	// Points is how many a line has at most: those of 15 minutes.
	Points = 90
	// maxLines bounds the lines, whatever is configured.
	maxLines = 1000
	// trend is over how many points the queue's growth is reckoned, and fewest how many there must be.
	trend, fewest = 30, 6
)

// Missing stands where a line has no point.
const Missing = -1

// Names of lines. Those of clusters and outputs are followed by the name.
const (
	QueueBytes   = "queue.bytes"
	QueueEvents  = "queue.events"
	MemoryBytes  = "memory"
	DeadEvents   = "dead"
	ClusterRate  = "cluster.rate/"
	OutputRate   = "output.rate/"
	OutputLag    = "output.lag/"
	OutputEvents = "output.events/"
)

// Series remembers the lines of the last 15 minutes. The zero value remembers nothing yet. Safe for concurrent use.
type Series struct {
	mu sync.Mutex
	// last is that of the last point, with the monotonic clock.
	last time.Time
	// clock is the same, as the clock says.
	clock time.Time
	// count is that of all points there ever were.
	count int
	lines map[string]*line
	// worst is the longest lags since the last point.
	worst map[string]float64
}

// line is a ring of points; point i of all there ever were is at i % Points.
type line struct {
	points [Points]float64
	// newest is the number of its newest point.
	newest int
}

// Lines is what Series remembers: Points ends with the one of Time.
type Lines struct {
	Time   time.Time            `json:"time"`
	Every  float64              `json:"every_seconds"`
	Points map[string][]float64 `json:"points"`
}

// Keep notes s, which is taken once a second or so, and reports whether that made a point of every line.
func (x *Series) Keep(s *snapshot.Snapshot) (point bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.lines == nil {
		x.lines, x.worst = map[string]*line{}, map[string]float64{}
	}
	for i := range s.Outputs {
		name := OutputLag + s.Outputs[i].Name
		x.worst[name] = max(x.worst[name], s.Outputs[i].Lag)
	}
	if !x.last.IsZero() && s.At.Sub(x.last) < Every {
		return false
	}
	if gap := s.At.Sub(x.last); !x.last.IsZero() && gap >= 2*Every {
		// No snapshot could be taken meanwhile: nobody knows.
		x.count += int(min(gap/Every, Points)) - 1
	}
	x.last, x.clock = s.At, s.Time
	values(s, x.worst, x.add)
	clear(x.worst)
	x.count++
	for name, l := range x.lines {
		if l.newest <= x.count-Points {
			delete(x.lines, name)
		}
	}
	return true
}

// values calls add for all lines.
func values(s *snapshot.Snapshot, lags map[string]float64, add func(name string, value float64)) {
	add(QueueBytes, float64(s.Queue.DiskBytes))
	add(QueueEvents, float64(s.Queue.PendingEvents))
	add(MemoryBytes, float64(s.Memory.UsedBytes))
	add(DeadEvents, float64(s.DeadLetters.Events))
	for i := range s.Clusters {
		add(ClusterRate+s.Clusters[i].Name, s.Clusters[i].EventsPerSecond)
	}
	for i := range s.Outputs {
		o := &s.Outputs[i]
		add(OutputRate+o.Name, o.EventsPerSecond)
		add(OutputLag+o.Name, lags[OutputLag+o.Name])
		add(OutputEvents+o.Name, float64(o.Pending()))
	}
}

// add makes the point number x.count of a line.
func (x *Series) add(name string, value float64) {
	l := x.lines[name]
	if l == nil {
		if len(x.lines) >= maxLines {
			return
		}
		l = &line{newest: x.count - Points}
		x.lines[strings.Clone(name)] = l
	}
	for i := max(l.newest+1, x.count-Points+1, 0); i < x.count; i++ {
		l.points[i%Points] = Missing
	}
	l.points[x.count%Points], l.newest = value, x.count
}

// tail returns up to n points of a line, oldest first, Missing where there is none.
func (x *Series) tail(l *line, n int) []float64 {
	n = min(n, x.count)
	out := make([]float64, 0, n)
	for i := x.count - n; i < x.count; i++ {
		if i > l.newest {
			out = append(out, Missing)
			continue
		}
		out = append(out, l.points[i%Points])
	}
	return out
}

// Last returns the last n points of every line.
func (x *Series) Last(n int) Lines {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := Lines{Time: x.clock, Every: Every.Seconds(), Points: map[string][]float64{}}
	for name, l := range x.lines {
		all.Points[name] = x.tail(l, min(n, Points))
	}
	return all
}

// Fill fills in when the queue will be full, as it has grown in the last minutes.
func (x *Series) Fill(s *snapshot.Snapshot) {
	x.mu.Lock()
	defer x.mu.Unlock()
	l, q := x.lines[QueueBytes], &s.Queue
	if l == nil || q.Full {
		return
	}
	points := x.tail(l, trend)
	for len(points) > 0 && points[0] == Missing {
		points = points[1:]
	}
	room := q.MaxBytes - q.DiskBytes
	if free := q.FreeDiskBytes - q.MinFreeDiskBytes; q.MinFreeDiskBytes > 0 {
		room = min(room, free)
	}
	if len(points) < fewest || q.MaxBytes <= 0 || room <= 0 {
		return
	}
	perSecond := (float64(q.DiskBytes) - points[0]) / (float64(len(points)-1)*Every.Seconds() + s.At.Sub(x.last).
		Seconds())
	if perSecond > 0 {
		left := float64(room) / perSecond
		q.FullIn = &left
	}
}
