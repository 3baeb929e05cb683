package otlp

import (
	"context"
	stdtls "crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
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
}

// Output is a destination of OTLP over HTTP. It satisfies outputs.Output, Connector, Reporter and Targeter.
type Output struct {
	cfg Config
	// to is the URL of log records.
	to string
	// where is the same without its query.
	where   string
	client  *httpclient.Client
	headers []pair
	// varies says that events may have different headers.
	varies   bool
	refusals outputs.Refusals
	// groupers has *grouper.
	groupers   sync.Pool
	duplicates atomic.Uint64
	// warning is that of the last answer that took all.
	warning atomic.Pointer[string]
	notice  string
}

// New returns an output. It connects to nothing before the first Send.
func New(cfg Config, o Options) (*Output, error) {
	cfg.Common = cfg.Settings()
	out := &Output{cfg: cfg, refusals: refusals(), where: cfg.Destination()}
	var err error
	if out.to, err = parseURL(cfg.URL); err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	if out.headers, err = parseHeaders(cfg.EventHeaders); err != nil {
		return nil, err
	}
	out.varies = slices.ContainsFunc(out.headers, func(h pair) bool { return !h.value.Static() })
	settings, err := pairs("resource", cfg.Resource)
	if err != nil {
		return nil, err
	}
	steady := !slices.ContainsFunc(settings, func(p pair) bool { return !p.value.PerChunk() })
	out.groupers.New = func() any {
		return &grouper{
			recorder: recorder{fields: cfg.Fields, body: cfg.Body, kube: cfg.Kubernetes, added: o.Added},
			settings: settings, steady: steady,
		}
	}
	out.client, err = httpclient.New(cfg.Config, httpclient.Options{
		TLS: o.TLS, Connections: cfg.Workers, Timeout: cfg.Timeout, Now: o.Now,
	})
	if err != nil {
		return nil, err
	}
	if out.client.Unencrypted(cfg.URL) {
		out.notice = "the credentials go to " + out.where + " unencrypted: use https"
		o.Log.Warn().Msg(out.notice)
	}
	return out, nil
}

// parseHeaders reads the headers that depend on events.
func parseHeaders(from map[string]string) ([]pair, error) {
	named := map[string]string{}
	for name, value := range from {
		named[http.CanonicalHeaderKey(name)] = value
	}
	return pairs("event_headers", named)
}

// appendHeader appends a value with a space in place of what a header can't have.
func appendHeader(dst, value []byte) []byte {
	for _, b := range value {
		if b < ' ' || b == 0x7f {
			b = ' '
		}
		dst = append(dst, b)
	}
	return dst
}

// targetOf names where ev goes: the headers that tell it from others, or the URL where there are none.
func targetOf(where string, headers []pair, ev *event.Event) string {
	if len(headers) == 0 {
		return where
	}
	var text []byte
	for i, h := range headers {
		if i > 0 {
			text = append(text, ", "...)
		}
		text = h.value.Append(append(append(text, h.name...), ": "...), ev, appendHeader)
	}
	return string(text)
}

// request is one request: the resources of events with equal headers.
type request struct {
	target    string
	header    http.Header
	resources []*resource
	events    []int
}

// Send sends the events of b in a request for each set of headers, one after the other.
func (o *Output) Send(ctx context.Context, b *outputs.Batch) error {
	if err := ctx.Err(); err != nil {
		return outputs.AsSendError(err)
	}
	requests, refused := o.render(b)
	parts := make([]httpclient.Part, len(requests))
	for i, r := range requests {
		parts[i] = httpclient.Part{Target: r.target, Events: r.events}
	}
	return httpclient.SendParts(parts, refused, func(i int) *outputs.SendError { return o.post(ctx, b, requests[i]) })
}

// render makes the requests. Events that can't be sent are returned.
func (o *Output) render(b *outputs.Batch) (requests []*request, refused []outputs.Failure) {
	byTarget, order := map[string][]int{}, []string{}
	target := ""
	for i := range b.Events {
		ev := &b.Events[i]
		if len(o.headers) > 0 || i == 0 {
			target = targetOf(o.where, o.headers, ev)
		}
		b.CountSent(target, ev)
		if byTarget[target] == nil {
			order = append(order, target)
		}
		byTarget[target] = append(byTarget[target], i)
	}
	g := o.groupers.Get().(*grouper) //nolint:forcetypeassert // New makes nothing else
	defer o.groupers.Put(g)
	for _, target := range order {
		r := &request{target: target, header: http.Header{}}
		g.reset()
		for _, i := range byTarget[target] {
			ev := &b.Events[i]
			if err := g.add(ev, b.Bytes); err != nil {
				refused = append(refused, outputs.Failure{
					Index: i, Reason: outputs.ReasonRejected, Target: target,
					Detail: fmt.Errorf("render event %d of chunk %d as a log record: %w", ev.Pos, ev.Chunk.Seq, err).
						Error(),
				})
				continue
			}
			if len(r.events) == 0 {
				for _, h := range o.headers {
					if value := h.value.Append(nil, ev, appendHeader); len(value) > 0 {
						r.header[h.name] = []string{string(value)}
					}
				}
			}
			r.events = append(r.events, i)
		}
		if r.resources = g.all; len(r.events) > 0 {
			requests = append(requests, r)
		}
	}
	g.reset()
	slices.SortFunc(refused, func(a, b outputs.Failure) int { return a.Index - b.Index })
	return requests, refused
}

// add appends ev to the records of its resource. room is how many bytes of events there may be in all. The error is the
// event's own.
func (g *grouper) add(ev *event.Event, room int) error {
	from, p, err := g.read(ev)
	defer func() { g.members = g.members[:from] }()
	if err != nil {
		return err
	}
	var kube []byte
	if p.kube >= 0 {
		kube = g.members[p.kube].value
	}
	r, err := g.of(ev, kube)
	if err != nil {
		return err
	}
	if r.records == nil {
		r.records = make([]byte, 0, min(room+room/4, 64<<10))
	}
	records, mark := begin(r.records, scopeRecords)
	if records, err = g.appendRecord(records, ev, from, p); err != nil {
		return err
	}
	r.records = end(records, mark)
	return nil
}

// post makes a request. It returns nil where all log records are taken.
func (o *Output) post(ctx context.Context, b *outputs.Batch, r *request) *outputs.SendError {
	answer, sent, err := o.client.Do(ctx, httpclient.Request{
		Method: http.MethodPost, URL: o.to, ContentType: protobuf, Header: r.header,
		Body: appendRequest(make([]byte, 0, b.Bytes*2), r.resources),
	})
	if err != nil {
		if sent {
			o.duplicates.Add(uint64(len(r.events)))
		}
		return outputs.AsSendError(err)
	}
	se := o.judge(r, &answer)
	if !o.varies {
		b.Host = o.where
		return se
	}
	return httpclient.OfTarget(se, b, r.target, r.events)
}

// judge returns what follows from an answer; nil: all log records are taken.
func (o *Output) judge(r *request, answer *httpclient.Answer) *outputs.SendError {
	what := fmt.Sprintf("%d log records", len(r.events))
	// 260 is what Loki answers where it takes nothing.
	taken := []int{http.StatusOK, http.StatusAccepted, http.StatusNoContent}
	if !slices.Contains(taken, answer.Status) || answer.Page() {
		return o.refused(what, r, answer)
	}
	verdict, err := readSuccess(answer)
	switch {
	case err != nil:
		o.duplicates.Add(uint64(len(r.events)))
		return &outputs.SendError{
			Reason: outputs.ReasonServer, Status: answer.Status, Host: o.where,
			Remedy: "check that the URL is that of OTLP over HTTP, and what stands before it",
			Err:    fmt.Errorf("%s: it answered %s, which proves nothing: %w", what, answer.Text(), err),
		}
	case verdict.rejected == 0:
		o.warn(verdict.message)
		return nil
	default:
		return o.partly(what, r, answer, verdict)
	}
}

// warn keeps what an answer says that took all.
func (o *Output) warn(message string) {
	if message != "" {
		message = outputs.Words(message, "words of its own")
		o.warning.Store(&message)
	}
}

// refused returns what follows from an answer that takes nothing.
func (o *Output) refused(what string, r *request, answer *httpclient.Answer) *outputs.SendError {
	se := httpclient.Refused(o.refusals, what, o.where, answer)
	if message := readStatus(answer); message != "" {
		se.Err = fmt.Errorf("%s: it answered %s: %s", what, answer.Text(), outputs.Words(message, "words of its own"))
	}
	if answer.Status >= http.StatusInternalServerError {
		o.duplicates.Add(uint64(len(r.events)))
	}
	return se
}

// partly returns what follows from an answer that took some log records, and does not say which. None of them may be
// sent again.
func (o *Output) partly(what string, r *request, answer *httpclient.Answer, v success) *outputs.SendError {
	k := int(min(v.rejected, int64(len(r.events))))
	words := "no reason was given"
	if v.message != "" {
		words = outputs.Words(v.message, "words of its own")
	}
	remedy := "see the reason, and the log of what takes the log records"
	text := fmt.Sprintf("%d of %s were refused: %s", k, what, words)
	se := &outputs.SendError{
		Reason: outputs.ReasonRejected, Status: answer.Status, Host: o.where, Remedy: remedy, Err: errors.New(text),
	}
	if k < len(r.events) {
		text = fmt.Sprintf("%d of %s were refused, and it is not told which; none may be sent again: %s", k, what,
			words)
	}
	for _, n := range r.events[:k] {
		se.Failed = append(se.Failed, outputs.Failure{
			Index: n, Reason: outputs.ReasonRejected, Status: answer.Status, Detail: text, Target: r.target,
			Kind: partialSuccess, Remedy: remedy, Unnamed: k < len(r.events),
		})
	}
	return se
}

// partialSuccess is the type of a refusal that came with success.
const partialSuccess = "partial_success"

// Connect sends a request without log records.
func (o *Output) Connect(ctx context.Context, clusters []string) (string, error) {
	if len(clusters) == 0 {
		clusters = []string{"default"}
	}
	header := http.Header{}
	ev := &event.Event{Chunk: &event.Chunk{Cluster: clusters[0], Tag: "check"}, Record: []byte{0x80}}
	for _, h := range o.headers {
		if value := h.value.Append(nil, ev, appendHeader); len(value) > 0 {
			header[h.name] = []string{string(value)}
		}
	}
	answer, _, err := o.client.Do(ctx, httpclient.Request{
		Method: http.MethodPost, URL: o.to, ContentType: protobuf, Header: header, Plain: true,
	})
	if err != nil {
		text := outputs.AsSendError(err).Err
		if strings.Contains(text.Error(), "malformed HTTP") {
			return "",
				fmt.Errorf("%s: what answers there is no HTTP/1.1: is it the port of gRPC? OTLP over HTTP is on "+
					"4318 as a rule", o.where)
		}
		return "", fmt.Errorf("%s: %w", o.where, text)
	}
	said := answer.Quote()
	if message := readStatus(&answer); message != "" {
		answer.Body = []byte(message)
		said = outputs.Words(message, "words of its own")
	}
	if err := httpclient.Explain(o.where, &answer); err != nil {
		return "", err
	}
	if answer.Status/100 != 2 && answer.Status != http.StatusBadRequest {
		return "", fmt.Errorf("%s: it answered %s: %s: is it the URL of OTLP over HTTP, with its path?", o.where,
			answer.Text(), said)
	}
	if _, err := readSuccess(&answer); answer.Status/100 == 2 && err != nil {
		return "", fmt.Errorf("%s: %w: is it the URL of OTLP over HTTP, with its path?", o.where, err)
	}
	found := o.where + " takes log records"
	if answer.Status == http.StatusBadRequest {
		found = fmt.Sprintf("%s answers %s to a request without log records: %s", o.where, answer.Text(), said)
	}
	if o.notice != "" {
		found += "; note: " + o.notice
	}
	return found, nil
}

// AppendTarget satisfies outputs.Targeter: it is what the headers name, or the server where there are none.
func (o *Output) AppendTarget(dst []byte, ev *event.Event) []byte {
	return append(dst, targetOf(o.where, o.headers, ev)...)
}

// Report returns what the output knows of itself.
func (o *Output) Report() outputs.Report {
	r := outputs.Report{PossibleDuplicates: o.duplicates.Load()}
	if o.notice != "" {
		r.Notices = append(r.Notices, o.notice)
	}
	if message := o.warning.Load(); message != nil {
		r.Notices = append(r.Notices, o.where+" took all, and said: "+outputs.Public(*message))
	}
	return r
}

// Close closes idle connections.
func (o *Output) Close() error {
	o.client.Close()
	return nil
}
