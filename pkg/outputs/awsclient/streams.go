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

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

const (
	patience  = 300 * time.Millisecond // that a Send waits for turns: it holds one of the output's slots
	leastRest = 50 * time.Millisecond
	maxPaces  = 1000

	// A single event that is refused is the event's own fault after so many refusals with others being
	// taken in between; in one Send no more than so many are tried in a row.
	refusals      = 3
	refusedInARow = 3
	maxSuspects   = 64
)

// Outcome is what became of a record; an empty Code: it was stored.
type Outcome struct{ Code, Message string }

// StreamsOptions is what Streams are made of.
type StreamsOptions struct {
	Stream *event.Template
	// Key gives the partition keys; what is empty becomes random. nil: the service has none.
	Key        *event.Template
	RandomKeys bool
	Aggregate  bool // many lines in a record
	Gzip       bool // each record is one gzip member
	Limits     Limits
	Pace       PaceConfig
	Timeout    time.Duration // of a request
	Fields     event.Fields
	// Put makes one request, and returns what became of each record, in their order. After an error none
	// is known to be stored. records are reused when it returns.
	Put func(ctx context.Context, stream string, records []Record) ([]Outcome, error)
}

// Streams delivers events to services that take requests of records: as lines of JSON, within the
// service's limits, at each stream's pace. Safe for concurrent use.
type Streams struct {
	o        StreamsOptions
	fields   map[string]map[string]string
	cutters  sync.Pool
	doubtful atomic.Uint64

	mu      sync.Mutex
	streams map[string]*stream
}

// stream is what is known of one.
type stream struct {
	pace *Pace

	most atomic.Int64 // events in a request, while it is searched for the one that is refused

	mu       sync.Mutex
	taken    time.Time // when it last took a record
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
	times int // since each of which the stream has taken others
	last  time.Time
}

// guilty notes that a request with nothing but ev was refused, and says whether that is ev's fault rather
// than the stream's, which has taken others in between, again and again.
func (st *stream) guilty(ev *event.Event, now time.Time) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	at := place{ev.Chunk.Cluster, ev.Chunk.Seq, ev.Pos}
	s, known := st.suspects[at]
	if !known || st.taken.After(s.last) {
		s.times++
	}
	s.last = now
	if s.times >= refusals {
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
	s.cutters.New = func() any { return s.newCutter() }
	return s
}

func (s *Streams) newCutter() *cutter {
	c := &cutter{
		limits: s.o.Limits, aggregate: s.o.Aggregate, key: s.o.Key, random: s.o.RandomKeys,
		enc: event.NewEncoder(s.o.Fields), plan: plan{limit: s.o.Limits.Name},
	}
	c.enc.SetClusterFields(s.fields)
	if s.o.Gzip {
		c.zip, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is a valid one
	}
	return c
}

// SetClusterFields sets what is added to the events of each cluster. Call it before the first Send.
func (s *Streams) SetClusterFields(fields map[string]map[string]string) { s.fields = fields }

// Connect checks the streams of the clusters, as outputs.Connector wants it. describe returns a stream's
// status; what asks for it is called action.
func (s *Streams) Connect(ctx context.Context, clusters []string, action string, describe func(ctx context.Context, stream string) (string, error)) (string, error) {
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

// Send delivers the events of b.
func (s *Streams) Send(ctx context.Context, b *outputs.Batch) error {
	c := s.cutters.Get().(*cutter)
	defer s.cutters.Put(c)
	group := s.o.Key
	if !s.o.Aggregate || s.o.RandomKeys {
		group = nil
	}
	c.plan.assign(b.Events, s.o.Stream, group)
	d := delivery{s: s, c: c, events: b.Events, patience: patience}
	for i := range c.plan.streams {
		to := &c.plan.streams[i]
		d.send(ctx, to.name, c.plan.order[to.from:to.to])
	}
	return d.result()
}

// delivery is one Send.
type delivery struct {
	s        *Streams
	c        *cutter
	events   []event.Event
	patience time.Duration // that is left
	taken    bool          // something was stored, or refused for good
	ended    *failure      // nothing more can be sent
	failed   []outputs.Failure
	pause    time.Duration // the least that paced events wait
	wish     time.Duration // the service's, for what failed
	worst    *failure
}

// failure is why events were not delivered.
type failure struct {
	reason outputs.Reason
	status int
	detail string
	err    error
}

// send delivers the events that order names to one stream.
func (d *delivery) send(ctx context.Context, name string, order []int32) {
	st, refused := d.s.stream(name), 0
	for len(order) > 0 {
		if d.ended != nil {
			d.fail(order, d.ended)
			return
		}
		turn, wait, ok := st.pace.Reserve(time.Now(), d.patience)
		if !ok {
			d.hold(name, order, wait)
			return
		}
		taken := d.c.cut(d.events, order, turn, int(st.most.Load()))
		bytes, records := d.c.bytes, d.c.records
		st.pace.Spend(turn, bytes, len(records))
		if len(records) == 0 {
			d.refuse()
			order = order[taken:]
			continue
		}
		d.patience -= wait
		if err := sleep(ctx, wait); err != nil {
			d.ended = &failure{reason: outputs.ReasonNetwork, detail: "the delivery was ended", err: err}
			continue
		}
		outcomes, err := d.put(ctx, name, records)
		if err == nil {
			d.refuse()
			again := d.settle(st, turn, order, outcomes)
			order, refused = order[taken:], 0
			st.most.Store(min(2*st.most.Load(), math.MaxInt32))
			if again > len(records)/2 { // no use in going on now
				d.hold(name, order, leastRest)
				return
			}
			continue
		}
		f, wish := d.whole(err)
		d.wish = max(d.wish, wish)
		if f.reason == outputs.ReasonThrottled {
			st.pace.Done(time.Now(), turn, 0, 0, bytes, len(records))
			d.refuse()
			d.failRecords(order, f)
			d.hold(name, order[taken:], leastRest)
			return
		}
		st.pace.Done(time.Now(), turn, 0, 0, 0, 0)
		switch {
		case !refusesRecords(err):
			d.refuse()
			d.failRecords(order, f)
			d.fail(order[taken:], f)
			return
		case taken > 1: // find out which event it is
			st.most.Store(int64(taken / 2))
			continue
		}
		ev := &d.events[order[0]]
		if st.guilty(ev, time.Now()) {
			f = &failure{outputs.ReasonRejected, f.status, f.detail, f.err}
			d.taken = true
		}
		d.fail(order[:1], f)
		order = order[1:]
		if refused++; refused >= refusedInARow {
			d.fail(order, f.held())
			return
		}
	}
}

// held returns f as the failure of events that were not looked at.
func (f *failure) held() *failure {
	return &failure{outputs.ReasonServer, f.status, f.detail, f.err}
}

// put makes one request.
func (d *delivery) put(ctx context.Context, name string, records []Record) ([]Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, d.s.o.Timeout)
	defer cancel()
	outcomes, err := d.s.o.Put(ctx, name, records)
	if err == nil && len(outcomes) != len(records) {
		return nil, &answerError{len(outcomes), len(records)}
	}
	return outcomes, err
}

// answerError says that an answer can't be assigned to the request's records.
type answerError struct{ got, want int }

func (e *answerError) Error() string {
	return fmt.Sprintf("the service answered for %d of %d records; all are sent again", e.got, e.want)
}

// whole says what became of a request that failed as a whole, and when the service wants it again.
func (d *delivery) whole(err error) (f *failure, wish time.Duration) {
	reason, status, unknown, wish := Classify(err)
	f = &failure{reason, status, Describe(err), err}
	var answer *answerError
	if errors.As(err, &answer) {
		f.reason, unknown = outputs.ReasonServer, true
	}
	if unknown {
		d.s.doubtful.Add(uint64(d.c.contained()))
	}
	var keys *credentialsError
	var api smithy.APIError
	if f.reason == outputs.ReasonNetwork || errors.As(err, &keys) || errors.As(err, &api) && badKeys(api.ErrorCode()) {
		d.ended = f // it would be the same for every stream
	}
	return f, wish
}

// refusesRecords says whether err may be about what is in the request.
func refusesRecords(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode() {
	case "ValidationException", "InvalidArgumentException", "SerializationException", "RequestEntityTooLargeException":
		return true
	}
	return false
}

// settle notes what became of the request's records, and returns how many failed.
func (d *delivery) settle(st *stream, turn Turn, order []int32, outcomes []Outcome) (failed int) {
	var accepted, throttled, acceptedBytes, throttledBytes int
	for i := range outcomes {
		record, out := &d.c.records[i], &outcomes[i]
		if out.Code == "" {
			accepted++
			acceptedBytes += len(record.Data)
			continue
		}
		failed++
		f := &failure{reason: outputs.ReasonServer, detail: out.Code + ": " + oneLine(out.Message) + hint(out.Code)}
		switch {
		case IsThrottle(out.Code):
			f.reason = outputs.ReasonThrottled
			throttled++
			throttledBytes += len(record.Data)
		case denied(out.Code):
			f.reason = outputs.ReasonAuth
		}
		d.fail(order[record.first:record.first+record.n], f)
	}
	if accepted > 0 {
		d.taken = true
		st.took(time.Now())
	}
	st.pace.Done(time.Now(), turn, acceptedBytes, accepted, throttledBytes, throttled)
	return failed
}

// refuse notes the events of the last cut that can never be sent.
func (d *delivery) refuse() {
	if len(d.c.refused) > 0 {
		d.failed = append(d.failed, d.c.refused...)
		d.taken = true
		d.note(&failure{reason: d.c.refused[0].Reason, detail: d.c.refused[0].Detail})
	}
}

// failRecords notes that the request's records failed.
func (d *delivery) failRecords(order []int32, f *failure) {
	for i := range d.c.records {
		record := &d.c.records[i]
		d.fail(order[record.first:record.first+record.n], f)
	}
}

// hold notes that events have to wait for their stream's pace.
func (d *delivery) hold(name string, order []int32, wait time.Duration) {
	if len(order) == 0 {
		return
	}
	wait = max(wait, leastRest)
	if d.pause == 0 || wait < d.pause {
		d.pause = wait
	}
	d.fail(order, &failure{reason: outputs.ReasonPaced, detail: "held back for the pace of stream " + name})
}

// fail notes that events were not delivered.
func (d *delivery) fail(order []int32, f *failure) {
	if len(order) == 0 {
		return
	}
	for _, i := range order {
		d.failed = append(d.failed, outputs.Failure{Index: int(i), Reason: f.reason, Status: f.status, Detail: f.detail})
	}
	d.note(f)
}

// note keeps the failure that tells most.
func (d *delivery) note(f *failure) {
	if d.worst == nil || severity(f.reason) > severity(d.worst.reason) {
		d.worst = f
	}
}

func severity(r outputs.Reason) int {
	return slices.Index([]outputs.Reason{
		outputs.ReasonPaced, outputs.ReasonTooLarge, outputs.ReasonRejected, outputs.ReasonThrottled,
		outputs.ReasonServer, outputs.ReasonNetwork, outputs.ReasonAuth,
	}, r)
}

// result returns Send's error.
func (d *delivery) result() error {
	if len(d.failed) == 0 {
		return nil
	}
	e := &outputs.SendError{Reason: d.worst.reason, RetryAfter: max(d.wish, d.pause), Err: &sendError{d.worst.detail, d.worst.err}}
	if d.ended != nil && !d.taken && len(d.failed) == len(d.events) {
		e.Reason, e.Status = d.ended.reason, d.ended.status
		return e
	}
	slices.SortFunc(d.failed, func(a, b outputs.Failure) int { return cmp.Compare(a.Index, b.Index) })
	e.Failed = d.failed
	return e
}

// sendError shows what is for operators, and wraps what the SDK said.
type sendError struct {
	text string
	err  error
}

func (e *sendError) Error() string { return e.text }
func (e *sendError) Unwrap() error { return e.err }

// contained returns how many events the request's records hold.
func (c *cutter) contained() (n int) {
	for i := range c.records {
		n += c.records[i].n
	}
	return n
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
