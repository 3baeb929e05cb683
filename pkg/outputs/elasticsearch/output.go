package elasticsearch

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/internal/bulkreply"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/internal/indexname"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/internal/pressure"
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
	names  *indexname.Namer
	limit  *pressure.Limit
	// path is the path of requests, with their query.
	path string
	// okItem is what an item of a reply begins with, up to its index.
	okItem string
	slow   *pressure.SlowTargets
	// aliases is nil where events go to indices and data streams by their own names.
	aliases *aliases
	// serverWait is how long a server may wait for what a request needs, such as a shard, before it answers for the
	// events that can do without. probePath is path with probeWait in its place.
	serverWait time.Duration
	probePath  string
	format     format
	now        func() time.Time
	// bulks has *bulk.
	bulks sync.Pool
	// added is how many bytes an event's text had more than its msgpack the last time.
	added atomic.Int64

	itemRefusals, requestRefusals outputs.Refusals

	fields map[string]map[string]string

	seen
}

// seen is what replies have told beside what became of events.
type seen struct {
	duplicates, failureStore, alreadyThere atomic.Uint64
	// example is that of those already there.
	example atomic.Pointer[outputs.Example]
}

// New returns an output. It reaches no server before Prepare, Connect or Send.
func New(cfg Config, opts Options) (*Output, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	cfg.Common = cfg.Settings()
	if cfg.Alias != "" {
		cfg.Index = cfg.Alias
	}
	c, err := newClient(cfg, opts)
	if err != nil {
		return nil, err
	}
	names, err := indexname.New(indexname.Options{
		Index: cfg.Index, DataStream: cfg.DataStream || cfg.Alias != "", MaxPerHour: cfg.MaxIndicesPerHour,
		Now: opts.Now, Log: opts.Log,
	})
	if err != nil {
		return nil, err
	}
	o := &Output{
		cfg: cfg, client: c, names: names, limit: pressure.NewLimit(), now: opts.Now,
		itemRefusals:    bulkreply.ItemRefusals(),
		requestRefusals: bulkreply.RequestRefusals(),
		format:          format{names: names, op: cmp.Or(cfg.OpType, opCreate), id: cmp.Or(cfg.ID, idAuto)},
	}
	if o.format.ids, o.format.tail, err = parseID(o.format.id); err != nil {
		return nil, fmt.Errorf("id: %w", err)
	}
	o.slow = pressure.NewSlowTargets(cfg.Retry.Max, opts.Now)
	o.serverWait = serverWait(cfg.Timeout)
	o.path, o.probePath = bulkPath(&cfg, o.serverWait), bulkPath(&cfg, pressure.ProbeWait)
	o.okItem = bulkreply.OKItem(o.format.op)
	if cfg.Alias != "" {
		o.aliases = newAliases(c)
	}
	o.bulks.New = func() any { return o.newBulk() }
	o.added.Store(firstAdded)
	return o, nil
}

// maxServerWait is how long a server may wait at most: not much longer than it takes a busy one to make an index.
const maxServerWait = 30 * time.Second

// serverWait returns how long a server may wait for what a request with the time-out needs. It is well below that,
// since all of the request's other events wait for the reply.
func serverWait(timeout time.Duration) time.Duration {
	return max(min(timeout/3, maxServerWait), time.Millisecond).Round(time.Millisecond)
}

// bulkPath returns path and query of bulk requests in which a server may wait as long as that.
func bulkPath(cfg *Config, wait time.Duration) string {
	query := url.Values{"filter_path": {bulkreply.FilterPath}, "timeout": {fmt.Sprintf("%dms", wait.Milliseconds())}}
	if cfg.Alias != "" {
		query.Set("require_alias", "true")
	}
	if cfg.Pipeline != "" {
		query.Set("pipeline", cfg.Pipeline)
	}
	return "/_bulk?" + query.Encode()
}

func (o *Output) newBulk() *bulk {
	b := &bulk{format: o.format, slow: o.slow, number: map[string]int{}, enc: event.NewEncoder(o.cfg.Fields)}
	b.enc.SetClusterFields(o.fields)
	if o.cfg.Compression == compressionGzip {
		// An unknown level is its only error.
		b.zip, _ = gzip.NewWriterLevel(&b.packed, gzipLevel)
	}
	return b
}

// SetClusterFields sets what is added to the events of each cluster. Call it before the first Send.
func (o *Output) SetClusterFields(fields map[string]map[string]string) { o.fields = fields }

// AppendTarget satisfies outputs.Targeter: it is the index, alias or data stream that ev is sent to.
func (o *Output) AppendTarget(dst []byte, ev *event.Event) []byte { return o.names.Append(dst, ev) }

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
		RequestLimit: o.limit.Report(), PossibleDuplicates: o.duplicates.Load(),
		FailureStore: o.failureStore.Load(), Redirected: o.names.Redirected(), AlreadyThere: o.alreadyThere.Load(),
		AlreadyThereExample: o.example.Load(),
	}
	o.client.report(&r)
	if text := o.names.Notice(); text != "" {
		r.Notices = append(r.Notices, text)
	}
	return r
}

// RetryNow has hosts that rest and targets that are slow tried at once.
func (o *Output) RetryNow() {
	o.client.tryNow()
	o.slow.TryNow()
}
