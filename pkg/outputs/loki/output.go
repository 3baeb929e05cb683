package loki

import (
	"context"
	stdtls "crypto/tls"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/httpclient"
)

// tenantHeader names whose the lines are.
const tenantHeader = "X-Scope-Orgid"

// Options is what an output needs besides its settings.
type Options struct {
	// TLS returns the settings for a connection to host, for each anew. nil: Go's defaults, with TLS 1.2 at least.
	TLS func(host string) *stdtls.Config
	Log zerolog.Logger
	Now func() time.Time
	// Added is what is added to the events of each cluster, by the cluster's name and the field's.
	Added map[string]map[string]string
}

// Output is a destination of Loki. It satisfies outputs.Output, Connector, Reporter and Targeter.
type Output struct {
	cfg Config
	// url is that of pushes.
	url      string
	client   *httpclient.Client
	streams  *streams
	metadata []pair
	tenant   *event.Template
	refusals outputs.Refusals
	// texts has *outputs.Text.
	texts      sync.Pool
	duplicates atomic.Uint64
	notice     string
	// perChunk says that the events of a chunk with equal tags go to one stream.
	perChunk bool
}

// New returns an output. It connects to nothing before the first Send.
func New(cfg Config, o Options) (*Output, error) {
	cfg.Common = cfg.Settings()
	out := &Output{cfg: cfg, refusals: refusals()}
	var err error
	if out.url, err = address(cfg.URL); err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	out.streams, err = newStreams(cfg.Labels, outputs.NewNameLimit(outputs.NameLimitOptions{
		Setting: "max_streams_per_hour", Max: cfg.MaxStreamsPerHour, Now: o.Now, Log: o.Log,
		Beyond: `further streams have "other" in their labels; put what has many values into structured_metadata`,
	}))
	if err != nil {
		return nil, err
	}
	if out.metadata, err = pairs("structured_metadata", cfg.StructuredMetadata); err != nil {
		return nil, err
	}
	if out.tenant, err = event.ParseTemplate(cfg.Tenant); err != nil {
		return nil, fmt.Errorf("tenant: %w", err)
	}
	out.perChunk = out.tenant.PerChunk()
	for _, l := range out.streams.labels {
		out.perChunk = out.perChunk && l.value.PerChunk()
	}
	if _, err := cfg.Text(cfg.Fields, o.Added, false); err != nil {
		return nil, err
	}
	out.texts.New = func() any {
		// What can be wrong with it was found above.
		text, _ := cfg.Text(cfg.Fields, o.Added, false)
		return text
	}
	out.client, err = httpclient.New(cfg.client(), httpclient.Options{
		TLS: o.TLS, Connections: cfg.Workers, Timeout: cfg.Timeout, Now: o.Now,
	})
	if err != nil {
		return nil, err
	}
	if out.client.Unencrypted(cfg.URL) {
		out.notice = "the credentials go to " + cfg.URL + " unencrypted: use https"
		o.Log.Warn().Msg(out.notice)
	}
	return out, nil
}

// refusals is what Loki's answers mean.
func refusals() outputs.Refusals {
	return append(outputs.Refusals{
		{
			What:   "a request too large for its parts",
			Status: []int{http.StatusInternalServerError, http.StatusBadRequest},
			Words:  "rpc error: code = ResourceExhausted", Reason: outputs.ReasonTooLarge,
			Remedy: "raise grpc_server_max_recv_msg_size, or lower batch.max_bytes",
		},
		{
			What:   "a line that is too old, too new or out of order",
			Kinds:  []string{tooOld, tooNew, outOfOrder, tooFarBehind},
			Reason: outputs.ReasonRejected,
			Remedy: "raise reject_old_samples_max_age, creation_grace_period or max_chunk_age in Loki, or drop such " +
				"events by a filter",
		},
		{
			What: "a line, a label's value or metadata that is too long", Reason: outputs.ReasonRejected,
			Kinds:  []string{lineTooLong, labelTooLong, metadataLarge, metadataMany},
			Remedy: "raise the limit that the reason names in Loki's limits_config, or shorten it by a filter",
		},
		{
			What: "structured metadata is not allowed", Kinds: []string{metadataOff}, Reason: outputs.ReasonTarget,
			Remedy: "set allow_structured_metadata in Loki's limits_config, or remove structured_metadata here",
		},
		{
			What: "a stream at its limit, or one too many", Kinds: []string{streamLimit, streamRate},
			Reason: outputs.ReasonThrottled,
			Remedy: "labels of fewer values, or larger limits of streams in Loki's limits_config",
		},
		{
			What: "ingestion is blocked", Kinds: []string{blocked}, Reason: outputs.ReasonTarget,
			Remedy: "see block_ingestion_until in Loki's limits_config",
		},
	}, httpclient.Refusals()...)
}

// request is one request: the streams of a tenant.
type request struct {
	tenant  string
	streams []*stream
	byName  map[string]*stream
	events  []int
}

// Send pushes the events of b in a request for each tenant, one after the other.
func (o *Output) Send(ctx context.Context, b *outputs.Batch) error {
	if err := ctx.Err(); err != nil {
		return outputs.AsSendError(err)
	}
	requests, refused := o.render(b)
	parts := make([]httpclient.Part, len(requests))
	for i, r := range requests {
		parts[i] = httpclient.Part{Target: o.target(r.tenant), Events: r.events}
	}
	left := maxPushes
	return httpclient.SendParts(parts, refused, func(i int) *outputs.SendError {
		return o.push(ctx, b, requests[i], &left)
	})
}

// render makes the requests. Events that can't be sent are returned.
func (o *Output) render(b *outputs.Batch) (requests []*request, refused []outputs.Failure) {
	text := o.texts.Get().(*outputs.Text) //nolint:forcetypeassert // New makes nothing else
	defer o.texts.Put(text)
	slab := make([]byte, 0, b.Bytes+b.Bytes/2+len(b.Events)*96)
	known := map[string]*request{}
	var raw, tenant []byte
	var r *request
	var s *stream
	var lastChunk *event.Chunk
	lastTag, target := "", ""
	for i := range b.Events {
		ev := &b.Events[i]
		if same := o.perChunk && ev.Chunk == lastChunk && ev.DeliveredTag() == lastTag; !same {
			tenant = o.tenant.Append(tenant[:0], ev, appendTenant)
			if r = known[string(tenant)]; r == nil {
				r = &request{tenant: string(tenant), byName: map[string]*stream{}}
				known[r.tenant] = r
				requests = append(requests, r)
			}
			s, target, lastChunk, lastTag = nil, o.target(r.tenant), ev.Chunk, ev.DeliveredTag()
		}
		b.CountSent(target, ev)
		from := len(slab)
		line, err := text.Append(slab, ev)
		switch n := len(line) - from; {
		case err != nil:
			refused = append(refused, outputs.Failure{
				Index: i, Reason: outputs.ReasonRejected, Detail: err.Error(), Target: target,
			})
			continue
		case n > int(o.cfg.MaxLineSize):
			refused = append(refused, outputs.Failure{
				Index: i, Reason: outputs.ReasonTooLarge, Target: target, Kind: "line_too_long",
				Detail: fmt.Sprintf("the line has %d bytes, and max_line_size is %s", n, o.cfg.MaxLineSize),
				Remedy: "raise max_line_size of Loki's limits, and of this output",
			})
			continue
		}
		slab = line
		if s == nil {
			var labels string
			labels, raw = o.streams.of(raw, ev)
			if s = r.byName[labels]; s == nil {
				s = &stream{labels: labels, entries: make([]entry, 0, len(b.Events)/4+1)}
				r.byName[labels] = s
				r.streams = append(r.streams, s)
			}
		}
		e := entry{event: i, ns: timeOf(ev), line: slab[from:len(slab):len(slab)]}
		if len(o.metadata) > 0 {
			e.metadata = appendMetadata(nil, o.metadata, ev)
		}
		s.entries = append(s.entries, e)
		r.events = append(r.events, i)
	}
	full := requests[:0]
	for _, r := range requests {
		if len(r.events) > 0 {
			full = append(full, r)
		}
	}
	return full, refused
}

// appendTenant appends a value with _ in place of what a tenant's name can't have.
func appendTenant(dst, value []byte) []byte {
	for _, b := range value {
		if b < '!' || b > '~' || b == '/' || b == '\\' || b == '|' {
			b = '_'
		}
		dst = append(dst, b)
	}
	return dst
}

func (o *Output) target(tenant string) string {
	if tenant == "" {
		return o.cfg.URL
	}
	return "tenant " + tenant
}

// post makes a request. It returns nil where the lines are there, else also Loki's name of why not, "" for what is not
// known.
func (o *Output) post(ctx context.Context, b *outputs.Batch, r *request) (se *outputs.SendError, kind string) {
	header := http.Header{}
	if r.tenant != "" {
		header[tenantHeader] = []string{r.tenant}
	}
	answer, sent, err := o.client.Do(ctx, httpclient.Request{
		Method: http.MethodPost, URL: o.url, ContentType: "application/x-protobuf", Header: header, Plain: true,
		Body: s2.EncodeSnappy(nil, appendRequest(make([]byte, 0, b.Bytes*2), r.streams)),
	})
	if err != nil {
		if sent {
			o.duplicates.Add(uint64(len(r.events)))
		}
		return outputs.AsSendError(err), ""
	}
	if o.tenant.Static() {
		b.Host = o.cfg.URL
	}
	return o.judge(r, &answer)
}

// judge returns what follows from an answer; nil: the lines are there. Loki answers 204, and others 200 or 202; but 260
// where it takes nothing because ingestion is blocked.
func (o *Output) judge(r *request, answer *httpclient.Answer) (se *outputs.SendError, kind string) {
	taken := []int{http.StatusOK, http.StatusAccepted, http.StatusNoContent}
	if slices.Contains(taken, answer.Status) && !answer.Page() {
		return nil, ""
	}
	kind = kindOf(string(answer.Body))
	what := fmt.Sprintf("push of %d lines in %d streams", len(r.events), len(r.streams))
	se = httpclient.Refused(o.refusals, what, o.cfg.URL, answer)
	if line := o.refusals.Find(answer.Status, kind, strings.TrimSpace(string(answer.Body))); line != nil {
		se.Reason, se.Remedy, se.Suspect = line.Reason, line.Remedy, answer.Suspect(line)
	}
	if answer.Status >= http.StatusInternalServerError {
		o.duplicates.Add(uint64(len(r.events)))
	}
	return se, kind
}

// Connect asks Loki whether it is ready, and pushes a request without lines, which shows whether the login may push.
func (o *Output) Connect(ctx context.Context, clusters []string) (string, error) {
	if len(clusters) == 0 {
		clusters = []string{"default"}
	}
	header := http.Header{}
	ev := &event.Event{Chunk: &event.Chunk{Cluster: clusters[0], Tag: "check"}, Record: []byte{0x80}}
	if tenant := o.tenant.Append(nil, ev, appendTenant); len(tenant) > 0 {
		header[tenantHeader] = []string{string(tenant)}
	}
	answer, _, err := o.client.Do(ctx, httpclient.Request{
		Method: http.MethodPost, URL: o.url, ContentType: "application/x-protobuf", Header: header, Plain: true,
		Body: s2.EncodeSnappy(nil, nil),
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w", o.cfg.URL, outputs.AsSendError(err).Err)
	}
	if answer.Status == http.StatusUnauthorized && strings.Contains(string(answer.Body), "no org id") {
		return "", fmt.Errorf("%s: it wants a tenant: set tenant", o.cfg.URL)
	}
	if err := httpclient.Explain(o.cfg.URL, &answer); err != nil {
		return "", err
	}
	found := "Loki at " + o.cfg.URL + " takes pushes"
	switch answer.Status {
	case http.StatusUnprocessableEntity:
		// It is what Loki from 3.0 on says to a request without lines.
	case http.StatusBadRequest:
		found = fmt.Sprintf("%s answers %s to a push without lines: %s", o.cfg.URL, answer.Text(), answer.Quote())
	default:
		if answer.Status/100 != 2 {
			return "", fmt.Errorf("%s: it answered %s to %s: is it Loki's URL?", o.cfg.URL, answer.Text(), pushPath)
		}
	}
	if o.notice != "" {
		found += "; note: " + o.notice
	}
	return found, nil
}

// AppendTarget satisfies outputs.Targeter: it is the tenant, or the server where there is none.
func (o *Output) AppendTarget(dst []byte, ev *event.Event) []byte {
	return append(dst, o.target(string(o.tenant.Append(nil, ev, appendTenant)))...)
}

// Report returns what the output knows of itself.
func (o *Output) Report() outputs.Report {
	r := outputs.Report{PossibleDuplicates: o.duplicates.Load(), Redirected: o.streams.redirected.Load()}
	for _, text := range []string{o.notice, o.streams.limit.Notice()} {
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

// toValid returns text with U+FFFD for what is not UTF-8.
func toValid(text []byte) []byte { return []byte(strings.ToValidUTF8(string(text), "\ufffd")) }
