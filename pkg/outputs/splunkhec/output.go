package splunkhec

import (
	"context"
	stdtls "crypto/tls"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/httpclient"
)

// Options is what an output needs besides its settings.
type Options struct {
	// TLS returns the settings for a connection to host, for each anew. nil: Go's defaults, with TLS 1.2 at least.
	TLS func(host string) *stdtls.Config
	Log zerolog.Logger
	Now func() time.Time
	// Added is what is added to the events of each cluster, by the cluster's name and the field's.
	Added map[string]map[string]string
	// Poll is how soon an acknowledgement is asked for; what is not there yet is asked for less and less often. 0:
	// firstPoll.
	Poll time.Duration
}

// Output is a destination of Splunk's collector. It satisfies outputs.Output, Preparer, Connector, Reporter and
// Targeter.
type Output struct {
	cfg Config
	// base is the URL of the collector.
	base     string
	client   *httpclient.Client
	refusals outputs.Refusals
	// names is that of indexes.
	names *event.Template
	// renderers has *renderer.
	renderers sync.Pool
	// channels is one for each worker.
	channels   chan *channel
	acks       acknowledging
	poll       time.Duration
	duplicates atomic.Uint64
	notice     string
	log        zerolog.Logger
}

// New returns an output. It connects to nothing before Prepare.
func New(cfg Config, o Options) (*Output, error) {
	cfg.Common = cfg.Settings()
	out := &Output{cfg: cfg, refusals: refusals(), poll: o.Poll, log: o.Log}
	if out.poll <= 0 {
		out.poll = firstPoll
	}
	var err error
	if out.base, err = parseURL(cfg.URL); err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	first, err := newRenderer(&cfg, o.Added)
	if err != nil {
		return nil, err
	}
	out.names = first.names
	out.renderers.New = func() any {
		// What can be wrong with it was found above.
		r, _ := newRenderer(&cfg, o.Added)
		return r
	}
	out.channels = make(chan *channel, cfg.Workers)
	for range cfg.Workers {
		out.channels <- newChannel()
	}
	out.client, err = httpclient.New(cfg.client(), httpclient.Options{
		TLS: o.TLS, Connections: cfg.Workers, Timeout: cfg.Timeout, Now: o.Now,
	})
	if err != nil {
		return nil, err
	}
	if out.client.Unencrypted(cfg.URL) {
		out.notice = "the token goes to " + cfg.URL + " unencrypted: use https"
		o.Log.Warn().Msg(out.notice)
	}
	return out, nil
}

// request is one request: the events of an index and, where they are raw lines, of a source, sourcetype and host.
type request struct {
	target string
	// query is that of raw lines, what is said of them in the URL.
	query string
	body  []byte
	// starts are where each event begins in body.
	starts []int
	// events are their indexes in the batch.
	events []int
}

// piece returns the request's events from the n-th on until the to-th.
func (r *request) piece(from, to int) *request {
	end := len(r.body)
	if to < len(r.starts) {
		end = r.starts[to]
	}
	part := &request{target: r.target, query: r.query, events: r.events[from:to]}
	if from < to {
		part.body = r.body[r.starts[from]:end]
	}
	for _, at := range r.starts[from:to] {
		part.starts = append(part.starts, at-r.starts[from])
	}
	return part
}

// without returns the request but for its n-th event.
func (r *request) without(n int) *request {
	before, behind := r.piece(0, n), r.piece(n+1, len(r.events))
	part := &request{target: r.target, query: r.query}
	part.body = append(append(part.body, before.body...), behind.body...)
	part.events = append(append(part.events, before.events...), behind.events...)
	part.starts = append(part.starts, before.starts...)
	for _, at := range behind.starts {
		part.starts = append(part.starts, at+len(before.body))
	}
	return part
}

// Send sends the events of b in a request for each index, one after the other, and waits until all that Splunk took is
// acknowledged, where it acknowledges.
func (o *Output) Send(ctx context.Context, b *outputs.Batch) error {
	var ch *channel
	select {
	case ch = <-o.channels:
		defer func() { o.channels <- ch }()
	case <-ctx.Done():
		return outputs.AsSendError(ctx.Err())
	}
	if err := ctx.Err(); err != nil {
		return outputs.AsSendError(err)
	}
	if o.acks.doubted.Load() {
		// Nothing is sent that could not be acknowledged: it would be there again and again.
		if err := o.askAcks(ctx, ch); err != nil {
			return err
		}
	}
	requests, refused := o.render(b)
	parts := make([]httpclient.Part, len(requests))
	d := &delivery{o: o, ch: ch, requests: requests, results: make([]*outputs.SendError, len(requests))}
	for i, r := range requests {
		parts[i] = httpclient.Part{Target: r.target, Events: r.events}
		d.results[i] = d.send(ctx, b, i)
		if se := d.results[i]; se != nil && httpclient.Stops(se) {
			break
		}
	}
	d.await(ctx)
	return httpclient.SendParts(parts, refused, func(i int) *outputs.SendError { return d.results[i] })
}

// render makes the requests. Events that can't be sent are returned.
func (o *Output) render(b *outputs.Batch) (requests []*request, refused []outputs.Failure) {
	render := o.renderers.Get().(*renderer) //nolint:forcetypeassert // New makes nothing else
	defer o.renderers.Put(render)
	// It is of a batch whose memory is another's now.
	render.last = event.Event{}
	known := map[string]*request{}
	var key []byte
	var r *request
	var last *event.Event
	for i := range b.Events {
		ev := &b.Events[i]
		if r == nil || !render.steady || !last.SameOrigin(ev) {
			if render.raw {
				key = render.query(key[:0], ev)
			} else {
				key = render.index(key[:0], ev)
			}
			if r = known[string(key)]; r == nil {
				r = &request{target: targetOf(o.base, string(render.index(nil, ev)))}
				if render.raw {
					r.query = string(key)
				}
				known[string(key)] = r
				requests = append(requests, r)
			}
		}
		last = ev
		b.CountSent(r.target, ev)
		from := len(r.body)
		if r.body == nil {
			r.body = make([]byte, 0, b.Bytes+b.Bytes/2+len(b.Events)*128)
		}
		body, err := render.append(r.body, ev)
		if err != nil {
			refused = append(refused, outputs.Failure{
				Index: i, Reason: outputs.ReasonRejected, Detail: err.Error(), Target: r.target,
			})
			continue
		}
		r.body = body
		r.starts, r.events = append(r.starts, from), append(r.events, i)
	}
	full := requests[:0]
	for _, r := range requests {
		if len(r.events) > 0 {
			full = append(full, r)
		}
	}
	return full, refused
}

// post makes one request of events.
func (o *Output) post(ctx context.Context, ch *channel, r *request) (reply, bool, error) {
	to, kind := o.base+"/event", "application/json"
	if o.cfg.Endpoint == endpointRaw {
		to, kind = o.base+"/raw?channel="+ch.id+r.query, "text/plain; charset=utf-8"
	}
	answer, sent, err := o.client.Do(ctx, httpclient.Request{
		Method: http.MethodPost, URL: to, ContentType: kind, Header: ch.header(), Body: r.body,
	})
	if err != nil {
		return reply{}, sent, err
	}
	return readReply(&answer), true, nil
}

// AppendTarget satisfies outputs.Targeter: it is the index, or the server where the token decides.
func (o *Output) AppendTarget(dst []byte, ev *event.Event) []byte {
	return append(dst, targetOf(o.base, string(o.names.Append(nil, ev, appendIndex)))...)
}

// Report returns what the output knows of itself.
func (o *Output) Report() outputs.Report {
	r := outputs.Report{PossibleDuplicates: o.duplicates.Load()}
	for _, text := range []string{o.notice, o.acks.notice(o.cfg.Ack)} {
		if text != "" {
			r.Notices = append(r.Notices, text)
		}
	}
	return r
}

// Close closes idle connections.
func (o *Output) Close() error {
	o.client.Close()
	return nil
}
