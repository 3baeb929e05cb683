package awsclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/smithy-go"
	"github.com/klauspost/compress/gzip"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

const (
	// patience is how long a Send waits for turns: it holds one of the output's slots.
	patience  = 300 * time.Millisecond
	leastRest = 50 * time.Millisecond
	maxPaces  = 1000

	// A single event that is refused is the event's own fault after so many refusals with others being
	// taken in between; in one Send no more than so many are tried in a row, and the last one.
	refusedTimes  = 3
	refusedInARow = 3
	maxSuspects   = 64
)

// Outcome is what became of a record; an empty Code: it was stored.
type Outcome struct{ Code, Message string }

// unproved is the code of a record that the answer gives neither an id nor an error for.
const unproved = "NoRecordId"

// OutcomeOf returns the outcome of a record by what the answer says of it: only an id proves that it is stored.
func OutcomeOf(id, code, message *string) Outcome {
	switch {
	case code != nil && *code != "":
		return Outcome{Code: *code, Message: aws.ToString(message)}
	case id == nil || *id == "":
		return Outcome{
			Code: unproved, Message: "the answer gives the record no id, which proves nothing; it is sent again",
		}
	}
	return Outcome{}
}

// StreamsOptions is what Streams are made of.
type StreamsOptions struct {
	Stream *event.Template
	// Key gives the partition keys; what is empty becomes random. nil: the service has none.
	Key        *event.Template
	RandomKeys bool
	// Aggregate says that there are many lines in a record.
	Aggregate bool
	// Gzip says that each record is one gzip member.
	Gzip   bool
	Limits Limits
	Pace   PaceConfig
	// Timeout is that of a request.
	Timeout time.Duration
	Fields  event.Fields
	// Message is the field that is sent alone; nil: the whole event.
	Message *event.Template
	// Put makes one request, and returns what became of each record, in their order. After an error none
	// is known to be stored. records are reused when it returns.
	Put func(ctx context.Context, stream string, records []Record) ([]Outcome, error)
}

// Streams delivers events to services that take requests of records: as lines, within the
// service's limits, at each stream's pace. Safe for concurrent use.
type Streams struct {
	o         StreamsOptions
	fields    map[string]map[string]string
	splitters sync.Pool
	doubtful  atomic.Uint64

	mu      sync.Mutex
	streams map[string]*stream
}

// stream is what is known of one.
type stream struct {
	pace *Pace

	// most counts events in a request, while it is searched for the one that is refused.
	most atomic.Int64

	mu sync.Mutex
	// taken is when it last took a record.
	taken    time.Time
	suspects map[place]suspect
}

// place is where an event is.
type place struct {
	cluster string
	seq     uint64
	pos     int
}

// suspect is an event that the stream has refused in a request of its own.
type suspect struct {
	// times is since each of which the stream has taken others.
	times int
	last  time.Time
}

// poison notes that a request with nothing but ev was refused, and reports whether that is ev's fault rather
// than the stream's, which has taken others in between, again and again.
func (st *stream) poison(ev *event.Event, now time.Time) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	at := place{ev.Chunk.Cluster, ev.Chunk.Seq, ev.Pos}
	s, known := st.suspects[at]
	if !known || st.taken.After(s.last) {
		s.times++
	}
	s.last = now
	if s.times >= refusedTimes {
		delete(st.suspects, at)
		return true
	}
	if st.suspects == nil || len(st.suspects) >= maxSuspects {
		st.suspects = map[place]suspect{}
	}
	st.suspects[at] = s
	return false
}

func (st *stream) took(now time.Time) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.taken = now
}

// NewStreams returns Streams that have sent nothing yet.
func NewStreams(o StreamsOptions) *Streams {
	s := &Streams{o: o, streams: map[string]*stream{}}
	s.splitters.New = func() any { return s.newSplitter() }
	return s
}

func (s *Streams) newSplitter() *splitter {
	c := &splitter{
		limits: s.o.Limits, aggregate: s.o.Aggregate, key: s.o.Key, random: s.o.RandomKeys,
		text: outputs.NewText(s.o.Message, s.o.Fields, s.fields, true), plan: plan{limit: s.o.Limits.Name},
	}
	if s.o.Gzip {
		// The level is a valid one.
		c.zip, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed)
	}
	return c
}

// SetClusterFields sets what is added to the events of each cluster. Call it before the first Send.
func (s *Streams) SetClusterFields(fields map[string]map[string]string) { s.fields = fields }

// Connect checks the streams of the clusters, as outputs.Connector wants it. describe returns a stream's
// status; what asks for it is called action.
func (s *Streams) Connect(
	ctx context.Context, clusters []string, action string,
	describe func(ctx context.Context, stream string) (string, error),
) (string, error) {
	names, ok := s.o.Limits.names(s.o.Stream, clusters)
	if !ok {
		return fmt.Sprintf("not checked: the streams of %q depend on the events", s.o.Stream), nil
	}
	var found []string
	for _, name := range names {
		ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
		status, err := describe(ctx, name)
		cancel()
		var api smithy.APIError
		switch {
		case err == nil && status != "ACTIVE" && status != "UPDATING":
			return "", fmt.Errorf("stream %s is %s: it takes no records until it is ACTIVE", name, status)
		case err == nil:
			found = append(found, name+" "+status)
		case errors.As(err, &api) && (api.ErrorCode() == "AccessDeniedException" || api.ErrorCode() == "AccessDenied"):
			found = append(found, fmt.Sprintf("%s not checked, since %s is not allowed", name, action))
		default:
			return "", fmt.Errorf("stream %s: %w", name, &sendError{Describe(err), err})
		}
	}
	return "reached; streams: " + strings.Join(found, ", "), nil
}

// Report returns possible duplicates and paces.
func (s *Streams) Report() outputs.Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := outputs.Report{PossibleDuplicates: s.doubtful.Load()}
	for name, st := range s.streams {
		r.Paces = append(r.Paces, st.pace.report(name))
	}
	slices.SortFunc(r.Paces, func(a, b outputs.Pace) int { return cmp.Compare(a.Stream, b.Stream) })
	return r
}

// stream returns what is known of the stream called name. Of too many the one used least recently is
// forgotten, and learns its pace anew.
func (s *Streams) stream(name string) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st, ok := s.streams[name]; ok {
		return st
	}
	if len(s.streams) >= maxPaces {
		oldest := ""
		for n, st := range s.streams {
			if oldest == "" || st.pace.lastUsed().Before(s.streams[oldest].pace.lastUsed()) {
				oldest = n
			}
		}
		delete(s.streams, oldest)
	}
	st := &stream{pace: NewPace(s.o.Pace)}
	st.most.Store(math.MaxInt32)
	s.streams[name] = st
	return st
}

// AppendTarget satisfies outputs.Targeter: it is the name of ev's stream.
func (s *Streams) AppendTarget(dst []byte, ev *event.Event) []byte {
	return append(dst, StreamName(ev, s.o.Stream, s.o.Limits.Name)...)
}

// Send delivers the events of b.
func (s *Streams) Send(ctx context.Context, b *outputs.Batch) error {
	c := s.splitters.Get().(*splitter)
	defer s.splitters.Put(c)
	group := s.o.Key
	if !s.o.Aggregate || s.o.RandomKeys {
		group = nil
	}
	c.plan.assign(b.Events, s.o.Stream, group)
	d := delivery{s: s, c: c, events: b.Events, patience: patience}
	for i := range c.plan.streams {
		to := &c.plan.streams[i]
		order := c.plan.order[to.from:to.to]
		for _, i := range order {
			b.CountSent(to.name, &b.Events[i])
		}
		d.send(ctx, to.name, order)
	}
	return d.result()
}
