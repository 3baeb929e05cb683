package elasticsearch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

const (
	compressionGzip = "gzip"
	opCreate        = "create"
)

// gzipLevel is the fastest when measured (BenchmarkGzip with others): what repeats is most of what bulk
// requests hold, and it finds that already.
const gzipLevel = gzip.BestSpeed

// Output is a destination of Elasticsearch or OpenSearch servers. It satisfies outputs.Output.
type Output struct {
	cfg    Config
	client *client
	names  *namer
	limit  *limit
	path   string // of requests, with their query
	usual  string // an item of a reply
	format format
	now    func() time.Time
	bulks  sync.Pool // of *bulk

	fields map[string]map[string]string

	duplicates, failureStore atomic.Uint64
}

// New returns an output. It reaches no server before Prepare, Connect or Send.
func New(cfg Config, opts Options) (*Output, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	cfg.Common = cfg.Settings()
	c, err := newClient(cfg, opts)
	if err != nil {
		return nil, err
	}
	names, err := newNamer(cfg, opts.Now)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	names.onLimit = func(cluster string) {
		opts.Log.Warn().Str("cluster", cluster).Int("max_indices_per_hour", names.limit).
			Msg("the cluster's events have more names of indices than max_indices_per_hour: those with further names go to the index with \"other\" in the name, until the hour is over; look for a field in index whose values never end")
	}
	o := &Output{
		cfg: cfg, client: c, names: names, limit: newLimit(), now: opts.Now,
		format: format{names: names, op: cmp.Or(cfg.OpType, opCreate), id: cmp.Or(cfg.ID, idAuto)},
	}
	if o.format.id != idAuto && o.format.id != idNone {
		if o.format.ids, err = event.ParseTemplate(cfg.ID); err != nil {
			return nil, fmt.Errorf("id: %w", err)
		}
	}
	query := url.Values{"filter_path": {filterPath}}
	if cfg.Pipeline != "" {
		query.Set("pipeline", cfg.Pipeline)
	}
	o.path = "/_bulk?" + query.Encode()
	o.usual = `{"` + o.format.op + `":{"status":201}}`
	o.bulks.New = func() any { return o.newBulk() }
	return o, nil
}

func (o *Output) newBulk() *bulk {
	b := &bulk{format: o.format, enc: event.NewEncoder(o.cfg.Fields)}
	b.enc.SetClusterFields(o.fields)
	if o.cfg.Compression == compressionGzip {
		b.zip, _ = gzip.NewWriterLevel(&b.packed, gzipLevel) // an unknown level is its only error
	}
	return b
}

// SetClusterFields sets what is added to the events of each cluster. Call it before the first Send.
func (o *Output) SetClusterFields(fields map[string]map[string]string) { o.fields = fields }

// Prepare learns what the servers are and makes the index template.
func (o *Output) Prepare(ctx context.Context) error { return o.client.prepare(ctx) }

// Close closes idle connections.
func (o *Output) Close() error {
	o.client.close()
	return nil
}

// Report returns what the output knows of its servers.
func (o *Output) Report() outputs.Report {
	r := outputs.Report{
		RequestLimit: o.limit.report(), PossibleDuplicates: o.duplicates.Load(),
		FailureStore: o.failureStore.Load(), Redirected: o.names.redirected(),
	}
	o.client.report(&r)
	if text := o.names.notice(); text != "" {
		r.Notices = append(r.Notices, text)
	}
	return r
}

// Send sends the events of batch in as many requests as their size wants, each once, except that a
// request refused for its size is cut in smaller ones at once, and one that the server can't make sense
// of (400) is halved to find the event that is the cause.
func (o *Output) Send(ctx context.Context, batch *outputs.Batch) error {
	b := o.bulks.Get().(*bulk)
	defer o.bulks.Put(b)
	b.reset(len(batch.Events), batch.Bytes, o.limit.get(), o.client.server().typed)
	s := send{Output: o, b: b}
	for next := 0; next < len(batch.Events) && s.stop == nil; {
		next, s.failed = b.fill(batch.Events, next, o.limit.get(), s.failed)
		if len(b.lines) > 0 {
			s.post(ctx, 0, len(b.lines))
		}
	}
	return s.result(len(batch.Events))
}

// send is one Send.
type send struct {
	*Output
	b         *bulk
	failed    []outputs.Failure  // those with no reason are the suspects: refused alone, with 400
	accepted  bool               // at least one request was carried out
	senseless int                // requests refused with 400
	stop      *outputs.SendError // why nothing more is sent
	stopAt    int                // the first event that was not delivered because of it
	last      *outputs.SendError // the last request refused with 400 or 413
}

// maxSenseless is how many requests may be refused with 400 before one is accepted. It is enough to
// come down to single events.
const maxSenseless = 64

// post sends the events from … to-1 of the body.
func (s *send) post(ctx context.Context, from, to int) {
	if s.stop != nil {
		return
	}
	size := len(s.b.slice(from, to))
	out := s.request(ctx, s.b, from, to)
	if out.err == nil {
		s.accepted = true
		s.limit.accepted(size)
		for _, f := range out.failed {
			f.Index = s.b.lines[from+f.Index].event
			s.failed = append(s.failed, f)
		}
		return
	}
	one := outputs.Failure{Index: s.b.lines[from].event, Status: out.err.Status, Detail: out.err.Err.Error()}
	switch {
	case out.err.Reason == outputs.ReasonTooLarge || out.alone:
		s.limit.tooLarge(size)
		if to-from > 1 {
			s.split(ctx, from, to, min(size/2, s.limit.get()))
			return
		}
		s.last = out.err
		one.Reason = out.err.Reason // 429: the operator may give the node more room
		s.failed = append(s.failed, one)
	case out.err.Status == 400 && out.err.Reason == outputs.ReasonServer:
		s.last = out.err
		if s.senseless++; s.senseless >= maxSenseless && !s.accepted {
			s.halt(from, out.err)
			return
		}
		if to-from > 1 {
			s.split(ctx, from, to, size/2)
			return
		}
		if out.kind == "action_request_validation_exception" {
			one.Reason = outputs.ReasonRejected // of the event's own id or name
		}
		s.failed = append(s.failed, one)
	default:
		if out.err.Reason == outputs.ReasonThrottled {
			s.limit.busy(size)
		}
		s.halt(from, out.err)
	}
}

// split posts the events from … to-1 in parts of up to size bytes.
func (s *send) split(ctx context.Context, from, to, size int) {
	for from < to && s.stop == nil {
		end := s.b.cut(from, to, size)
		s.post(ctx, from, end)
		from = end
	}
}

// halt ends the Send before the event number from of the body.
func (s *send) halt(from int, err *outputs.SendError) {
	s.stop, s.stopAt = err, s.b.lines[from].event
}

// result returns the error of a Send of n events.
func (s *send) result(n int) error {
	suspects := 0
	for i := range s.failed {
		if s.failed[i].Reason != "" {
			continue
		}
		suspects++
		s.failed[i].Reason = outputs.ReasonServer // where all are refused, it is the configuration
		if s.accepted {
			s.failed[i].Reason = outputs.ReasonRejected
		}
	}
	if s.stop != nil {
		// Events behind that could not be rendered are found again the next time.
		s.failed = slices.DeleteFunc(s.failed, func(f outputs.Failure) bool { return f.Index >= s.stopAt })
		if len(s.failed) == 0 && s.stopAt == 0 {
			return s.stop
		}
		detail := s.stop.Err.Error()
		for i := s.stopAt; i < n; i++ {
			s.failed = append(s.failed, outputs.Failure{Index: i, Reason: s.stop.Reason, Status: s.stop.Status, Detail: detail})
		}
	}
	if len(s.failed) == 0 {
		return nil
	}
	slices.SortFunc(s.failed, func(a, b outputs.Failure) int { return cmp.Compare(a.Index, b.Index) })
	se := &outputs.SendError{Reason: worst(s.failed), Failed: s.failed}
	switch {
	case s.stop != nil:
		se.RetryAfter, se.Err = s.stop.RetryAfter, s.stop.Err
	case suspects == n && s.last != nil:
		se.Err = fmt.Errorf("every event is refused, so it must be a setting of this output or of the server: %w", s.last.Err)
	default:
		f := s.failed[slices.IndexFunc(s.failed, func(f outputs.Failure) bool { return f.Reason == se.Reason })]
		se.Err = errors.New(f.Detail)
		if f.Status != 0 {
			se.Err = fmt.Errorf("status %d: %s", f.Status, f.Detail)
		}
	}
	return se
}

// worst returns the reason that the operator should know first.
func worst(failed []outputs.Failure) outputs.Reason {
	order := []outputs.Reason{
		outputs.ReasonRejected, outputs.ReasonTooLarge, outputs.ReasonNetwork, outputs.ReasonServer,
		outputs.ReasonThrottled, outputs.ReasonAuth,
	}
	rank := -1
	for i := range failed {
		rank = max(rank, slices.Index(order, failed[i].Reason))
	}
	return order[max(rank, 0)]
}
