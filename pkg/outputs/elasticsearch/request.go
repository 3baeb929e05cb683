package elasticsearch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/internal/bulkreply"
)

// outcome is what became of one request.
type outcome struct {
	// failed is that of a request that was carried out; indexes are positions in the request.
	failed []outputs.Failure
	// err is why one was not.
	err *outputs.SendError
	// kind is the type of err, in Elasticsearch's words.
	kind  string
	alone bool // 429, but for the request's own size
	// there is like There of bulkreply.Reply.
	there []outputs.Failure
	// waited says that the server answered only after the time that it may wait for a target.
	waited bool
	// host is who answered, "" where none did.
	host string
	// hung says that all of the request was sent, and no reply came within the time-out.
	hung bool
}

// request sends the events from … to-1 of b. The server may wait for a target as long as most, or for its share of the
// time-out where that is 0. first reports whether the event of an item is at its first attempt.
func (o *Output) request(
	ctx context.Context, b *bulk, from, to int, most time.Duration, first func(item int) bool,
) outcome {
	text := b.slice(from, to)
	failed := func(reason outputs.Reason, status int, err error) outcome {
		return outcome{
			err: &outputs.SendError{
				Reason: reason, Status: status, Err: fmt.Errorf("%s: %w", b.describe(from, to), err),
			},
		}
	}
	path, may := o.path, o.serverWait
	if most > 0 && most < may {
		path, may = o.probePath, most
	}
	if o.cfg.Compression == compressionGzip {
		var err error
		if text, err = b.pack(text); err != nil {
			return failed(outputs.ReasonServer, 0, fmt.Errorf("compress: %w", err))
		}
	}
	limited, cancel := context.WithTimeout(ctx, o.cfg.Timeout)
	defer cancel()
	body := &payload{text: text}
	defer body.end()
	host, err := o.client.take(limited)
	if err != nil {
		return outcome{err: asSendError(fmt.Errorf("%s: %w", b.describe(from, to), err))}
	}
	watched, stop := o.client.watch(limited, host)
	defer stop()
	req, err := o.newRequest(watched, path, body)
	if err != nil {
		return failed(outputs.ReasonServer, 0, err)
	}
	began := time.Now()
	resp, err := o.client.performAt(host, req)
	if err != nil {
		if body.read() {
			o.uncertain(b, from, to)
		}
		var se *outputs.SendError
		if errors.As(err, &se) {
			return outcome{err: se}
		}
		out := failed(outputs.ReasonNetwork, 0, o.timedOut(ctx, limited, err))
		out.hung = body.whole() && tooLate(ctx, limited)
		return out
	}
	// What matters of it has been read.
	defer func() { _ = resp.Body.Close() }()
	r := bulkreply.Reply{
		Scan: &b.scan, Refusals: o.itemRefusals, OKItem: o.okItem, First: first,
		Names: func(item int) string { return b.targets[b.lines[min(from+item, to-1)].target] },
	}
	err = r.Parse(resp.Body, to-from)
	out := o.judge(&r, err, resp, to-from)
	out.host = host.address
	out.waited = time.Since(began) >= may-may/10
	if out.err == nil {
		o.failureStore.Add(r.Stored)
		return out
	}
	if out.hung = tooLate(ctx, limited); out.hung {
		out.err.Suspect = false
	}
	out.err.Host = out.host
	if s := resp.StatusCode; s < 300 || s >= 500 {
		// It may have been carried out.
		o.uncertain(b, from, to)
	}
	out.err.Err = fmt.Errorf("%s: %w", b.describe(from, to), o.timedOut(ctx, limited, out.err.Err))
	return out
}

// newRequest returns a bulk request, ready to be sent, whose body is compressed already where it has to be.
func (o *Output) newRequest(ctx context.Context, path string, body *payload) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, path, &payloadReader{payload: body})
	if err != nil {
		return nil, err
	}
	req.ContentLength = int64(len(body.text))
	req.GetBody = func() (io.ReadCloser, error) { return &payloadReader{payload: body}, nil }
	req.Header.Set("Content-Type", "application/x-ndjson")
	if o.cfg.Compression == compressionGzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	if o.client.signer != nil {
		o.client.signer.Hash(req, body.text)
	}
	return req, nil
}

// judge says what became of a request of n events to which the reply resp was read as r, or err.
func (o *Output) judge(r *bulkreply.Reply, err error, resp *http.Response, n int) outcome {
	status := strconv.Itoa(resp.StatusCode) + " " + http.StatusText(resp.StatusCode)
	se := &outputs.SendError{Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header.Get("Retry-After"), o.now)}
	switch {
	case err != nil:
		se.Reason, se.Err = bulkreply.NotBulk(err, status, mediaType(resp.Header), r.Scan)
	case resp.StatusCode < 300 && r.Items == n:
		return outcome{failed: r.Failed, there: r.There}
	case resp.StatusCode < 300:
		se.Reason, se.Err = outputs.ReasonServer,
			fmt.Errorf("answered %s with %d items for %d events, which proves nothing", status, r.Items, n)
	default:
		se.Err = fmt.Errorf("%s: %s", status,
			cmp.Or(r.Cause.String(), outputs.Words(strconv.Quote(string(r.Scan.Head)), "")))
	}
	refusal := o.requestRefusals.Find(resp.StatusCode, r.Cause.Kind, r.Cause.Reason)
	if resp.StatusCode >= 300 {
		se.Reason = refusal.Reason
	}
	unread := o.cfg.Compression == compressionGzip && gzipUnread(resp.StatusCode, r.Cause.Reason)
	if unread {
		se.Err = fmt.Errorf("%s: %w", adviseGzip, se.Err)
	}
	se.Remedy = refusal.Remedy
	se.Suspect = refusal.Suspect && se.Reason != outputs.ReasonNetwork && se.RetryAfter == 0 && !unread
	return outcome{
		err: se, kind: r.Cause.Kind,
		alone: resp.StatusCode == http.StatusTooManyRequests && tooLargeAlone(r.Cause.Reason),
	}
}

// adviseGzip says what to do about a server that takes no compressed requests.
const adviseGzip = "the server can't read gzip requests: set compression: none for this output, or have the server, " +
	"or the proxy before it, take them"

// gzipUnread reports whether a refusal shows that the server took a compressed body for its text: it stumbles over the
// first byte of gzip, 31, or does not take the encoding.
func gzipUnread(status int, reason string) bool {
	if status == http.StatusUnsupportedMediaType {
		return true
	}
	text := strings.ToLower(reason)
	return status == http.StatusBadRequest &&
		(strings.Contains(text, "code 31)") || strings.Contains(text, `\u001f`) ||
			strings.Contains(text, "content-encoding") || strings.Contains(text, "gzip"))
}

// tooLargeAlone reports whether a request was refused because it is larger than all that the node takes at
// a time: more of Elasticsearch's words are "coordinating_operation_bytes=N, max_coordinating_…bytes=M".
func tooLargeAlone(reason string) bool {
	number := func(s string) int {
		end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
		if end < 0 {
			end = len(s)
		}
		n, err := strconv.Atoi(s[:end])
		if err != nil {
			return 0
		}
		return n
	}
	_, rest, _ := strings.Cut(reason, "operation_bytes=")
	_, limit, _ := strings.Cut(rest, ", max_")
	_, limit, found := strings.Cut(limit, "=")
	return found && number(rest) > number(limit)
}

// uncertain counts the events that may be stored and are sent again with nothing to tell them by.
func (o *Output) uncertain(b *bulk, from, to int) {
	n := uint64(0)
	for _, l := range b.lines[from:to] {
		if !l.id {
			n++
		}
	}
	o.duplicates.Add(n)
}

// timedOut returns err, in plain words where it is that the request took too long.
func (o *Output) timedOut(ctx, limited context.Context, err error) error {
	if tooLate(ctx, limited) {
		return fmt.Errorf("no whole reply within the timeout of %s: %w", o.cfg.Timeout, err)
	}
	return err
}

// tooLate reports whether limited, which is of ctx, ended by its own time-out.
func tooLate(ctx, limited context.Context) bool {
	return ctx.Err() == nil && errors.Is(limited.Err(), context.DeadlineExceeded)
}

// retryAfter returns a Retry-After header's seconds, or the time until its date; 0 for none.
func retryAfter(header string, now func() time.Time) time.Duration {
	if header == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(at.Sub(now()), 0)
	}
	return 0
}

// mediaType says of what type the reply is, without parameters.
func mediaType(h http.Header) string {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	if kind == "" {
		return ""
	}
	return "text of type " + safetext.Line(kind, ' ')
}

// payload is a request's body. net/http may read it after the request has ended: not any more after end,
// when the memory is another request's.
type payload struct {
	mu       sync.Mutex
	text     []byte
	started  bool
	finished bool
}

// end makes readers fail.
func (p *payload) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = nil
}

// read reports whether any of it was read, and so perhaps sent.
func (p *payload) read() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.started
}

// whole reports whether all of it was read.
func (p *payload) whole() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.finished
}

var errEnded = errors.New("the request has ended")

// payloadReader reads a payload from its beginning.
type payloadReader struct {
	*payload
	at int
}

// Read satisfies io.Reader.
func (r *payloadReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.text == nil:
		return 0, errEnded
	case r.at == len(r.text):
		return 0, io.EOF
	}
	n := copy(p, r.text[r.at:])
	r.at += n
	r.started, r.finished = true, r.finished || r.at == len(r.text)
	return n, nil
}

// Close does nothing: a payload is in memory.
func (r *payloadReader) Close() error { return nil }
