package http

import (
	"cmp"
	"context"
	stdtls "crypto/tls"
	"fmt"
	"maps"
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

// Output is a destination of an HTTP server. It satisfies outputs.Output, Connector, Reporter and Targeter.
type Output struct {
	cfg     Config
	client  *httpclient.Client
	to      *target
	headers []header
	// varies says that events may go to different paths, or with different headers.
	varies      bool
	contentType string
	refusals    outputs.Refusals
	done, again []int
	reject      []int
	// texts has *outputs.Text.
	texts      sync.Pool
	duplicates atomic.Uint64
	// notice is what the operator should know although events flow.
	notice string
}

type header struct {
	name  string
	value *event.Template
}

// New returns an output. It connects to nothing before the first Send.
func New(cfg Config, o Options) (*Output, error) {
	cfg.Common = cfg.Settings()
	out := &Output{cfg: cfg, contentType: cfg.ContentType, refusals: httpclient.Refusals()}
	var err error
	if out.to, err = parseURL(cfg.URL); err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	out.varies = !out.to.path.Static() || out.to.query != nil && !out.to.query.Static()
	if out.contentType == "" {
		out.contentType = map[string]string{
			bodyArray: "application/json", bodyOne: "application/json", bodyText: "text/plain; charset=utf-8",
		}[cfg.Body]
		out.contentType = cmp.Or(out.contentType, "application/x-ndjson")
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.EventHeaders)) {
		value, err := event.ParseTemplate(cfg.EventHeaders[name])
		if err != nil {
			return nil, fmt.Errorf("event_headers.%s: %w", name, err)
		}
		out.headers = append(out.headers, header{http.CanonicalHeaderKey(name), value})
		out.varies = out.varies || !value.Static()
	}
	if out.done, err = parseStatuses(cfg.Statuses.Done); err != nil {
		return nil, fmt.Errorf("statuses.done: %w", err)
	}
	if len(out.done) == 0 {
		out.done = []int{2}
	}
	if out.again, err = parseStatuses(cfg.Statuses.Again); err != nil {
		return nil, fmt.Errorf("statuses.again: %w", err)
	}
	if out.reject, err = parseStatuses(cfg.Statuses.Reject); err != nil {
		return nil, fmt.Errorf("statuses.reject: %w", err)
	}
	if _, err := cfg.Text(cfg.Fields, o.Added, true); err != nil {
		return nil, err
	}
	out.texts.New = func() any {
		// What can be wrong with it was found above.
		text, _ := cfg.Text(cfg.Fields, o.Added, true)
		return text
	}
	out.client, err = httpclient.New(
		cfg.Config,
		httpclient.Options{TLS: o.TLS, Connections: cfg.Workers, Timeout: cfg.Timeout, Now: o.Now},
	)
	if err != nil {
		return nil, err
	}
	if out.client.Unencrypted(cfg.URL) {
		out.notice = "the credentials go to " + out.to.base + " unencrypted: use https"
		o.Log.Warn().Msg(out.notice)
	}
	return out, nil
}

// request is one request and the events in it.
type request struct {
	url string
	// target is the URL without its query.
	target string
	header http.Header
	// key is that of what it has in common with others.
	key    string
	body   []byte
	events []int
}

// Send sends the events of b in a request for each URL and each set of headers, one after the other.
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
	text := o.texts.Get().(*outputs.Text) //nolint:forcetypeassert // New makes nothing else
	defer o.texts.Put(text)
	known := map[string]*request{}
	var raw []byte
	var r *request
	for i := range b.Events {
		ev := &b.Events[i]
		var n int
		raw, n = o.to.append(raw[:0], ev)
		end := len(raw)
		for _, h := range o.headers {
			raw = h.value.Append(append(raw, 0), ev, appendHeader)
		}
		if r == nil || r.key != string(raw) || o.cfg.Body == bodyOne {
			key := string(raw)
			if r = known[key]; r == nil || o.cfg.Body == bodyOne {
				r = &request{url: key[:end], target: key[:n], key: key, header: http.Header{}}
				parts := strings.Split(key[end:], "\x00")
				for j, h := range o.headers {
					r.header[h.name] = []string{parts[j+1]}
				}
				known[key] = r
				requests = append(requests, r)
				if o.cfg.Body != bodyOne {
					r.body = make([]byte, 0, b.Bytes+b.Bytes/2+len(b.Events)*64)
				}
			}
		}
		b.CountSent(r.target, ev)
		from := len(r.body)
		body := r.body
		if o.cfg.Body == bodyArray {
			body = append(body, map[bool]byte{true: '[', false: ','}[from == 0])
		}
		body, err := text.Append(body, ev)
		if err != nil {
			r.body = r.body[:from]
			refused = append(
				refused,
				outputs.Failure{Index: i, Reason: outputs.ReasonRejected, Detail: err.Error(), Target: r.target},
			)
			continue
		}
		if o.cfg.Body == bodyLines || o.cfg.Body == bodyText {
			body = append(body, '\n')
		}
		r.body, r.events = body, append(r.events, i)
	}
	requests = slices.DeleteFunc(requests, func(r *request) bool { return len(r.events) == 0 })
	if o.cfg.Body == bodyArray {
		for _, r := range requests {
			r.body = append(r.body, ']')
		}
	}
	return requests, refused
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

// post makes a request. It returns nil where the events are delivered.
func (o *Output) post(ctx context.Context, b *outputs.Batch, r *request) *outputs.SendError {
	answer, sent, err := o.client.Do(ctx, httpclient.Request{
		Method: o.cfg.Method, URL: r.url, ContentType: o.contentType, Header: r.header, Body: r.body,
	})
	if err != nil {
		if sent {
			o.duplicates.Add(uint64(len(r.events)))
		}
		return outputs.AsSendError(err)
	}
	se := o.judge(r, &answer)
	if !o.varies {
		b.Host = o.to.base
		return se
	}
	return httpclient.OfTarget(se, b, r.target, r.events)
}

// judge returns what follows from an answer; nil: the events are delivered.
func (o *Output) judge(r *request, answer *httpclient.Answer) *outputs.SendError {
	what := fmt.Sprintf("%s %s with %d events", o.cfg.Method, r.target, len(r.events))
	switch {
	case means(o.again, answer.Status):
		return &outputs.SendError{
			Reason: outputs.ReasonServer, Status: answer.Status, RetryAfter: answer.RetryAfter, Host: o.to.base,
			Err: fmt.Errorf("%s: it answered %s: %s", what, answer.Text(), answer.Quote()),
		}
	case means(o.reject, answer.Status):
		return &outputs.SendError{
			Reason: outputs.ReasonServer, Status: answer.Status, Suspect: true, Host: o.to.base,
			Err: fmt.Errorf("%s: it answered %s: %s", what, answer.Text(), answer.Quote()),
		}
	case means(o.done, answer.Status) && answer.Page():
		return &outputs.SendError{
			Reason: outputs.ReasonServer, Status: answer.Status, Host: o.to.base,
			Remedy: "check what stands before the server: a proxy's login?",
			Err: fmt.Errorf(
				"%s: a page for people proves nothing: it answered %s: %s",
				what,
				answer.Text(),
				answer.Quote(),
			),
		}
	case means(o.done, answer.Status):
		return nil
	}
	if answer.Status >= http.StatusInternalServerError {
		o.duplicates.Add(uint64(len(r.events)))
	}
	return httpclient.Refused(o.refusals, what, o.to.base, answer)
}

// Connect makes a request with the method HEAD, which delivers nothing: whether events are taken can't be asked.
func (o *Output) Connect(ctx context.Context, clusters []string) (string, error) {
	if len(clusters) == 0 {
		clusters = []string{"default"}
	}
	url, n := o.to.append(
		nil,
		&event.Event{Chunk: &event.Chunk{Cluster: clusters[0], Tag: "check"}, Record: []byte{0x80}},
	)
	answer, _, err := o.client.Do(ctx, httpclient.Request{Method: http.MethodHead, URL: string(url), Plain: true})
	if err != nil {
		return "", fmt.Errorf("%s: %w", o.to.base, outputs.AsSendError(err).Err)
	}
	if answer.Status == http.StatusBadRequest && strings.HasPrefix(o.to.base, "http://") {
		// What a server with TLS says to a request without has a body, and an answer to HEAD has none.
		said, _, err := o.client.Do(ctx, httpclient.Request{Method: http.MethodGet, URL: string(url), Plain: true})
		if err == nil && said.WantsTLS() {
			return "", fmt.Errorf("%s: it speaks TLS: write url with https", o.to.base)
		}
	}
	page := answer.Page()
	if answer.Status != http.StatusInternalServerError && answer.Status != http.StatusNotImplemented {
		// Of these, and of pages, it can't be told whether it is HEAD that is not known.
		answer.Kind = ""
		if err := httpclient.Explain("HEAD "+string(url[:n]), &answer); err != nil {
			return "", err
		}
	}
	found := fmt.Sprintf("%s answers HEAD with %s; whether it takes events can't be asked", url[:n], answer.Text())
	switch {
	case answer.Status == http.StatusNotFound || answer.Status == http.StatusGone:
		found += "; is the URL's path right? Some servers answer so to HEAD alone"
	case answer.Status/100 == 2 && page:
		found += ", with a page for people; events answered so would not count as delivered"
	}
	if o.notice != "" {
		found += "; note: " + o.notice
	}
	return found, nil
}

// AppendTarget satisfies outputs.Targeter: it is the URL without its query.
func (o *Output) AppendTarget(dst []byte, ev *event.Event) []byte {
	from := len(dst)
	dst, n := o.to.append(dst, ev)
	return dst[:max(n, from)]
}

// Report returns what the output knows of itself.
func (o *Output) Report() outputs.Report {
	r := outputs.Report{PossibleDuplicates: o.duplicates.Load()}
	if o.notice != "" {
		r.Notices = append(r.Notices, o.notice)
	}
	return r
}

// Close closes idle connections.
func (o *Output) Close() error {
	o.client.Close()
	return nil
}
