package elasticsearch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// flavor is a family of servers that are talked to in the same way.
type flavor string

// The flavors, as the configuration has them.
const (
	auto          flavor = "auto"
	elasticsearch flavor = "elasticsearch" // from 7.14 on: it proves it by a header in every reply
	opensearch    flavor = "opensearch"
	legacy        flavor = "legacy" // Elasticsearch before 7.14
)

const (
	productHeader = "X-Elastic-Product"
	product       = "Elasticsearch"
	maxReply      = 256 << 10 // bytes of a reply to anything but a bulk request that are read
	maxQuote      = 100       // bytes of a strange reply that an error shows
	maxWords      = 1000      // bytes of an error's reason that are kept
)

// server is what is known of the servers.
type server struct {
	flavor       flavor
	version      string // "" where the server does not tell
	major, minor int    // of version
	typed        bool   // Elasticsearch 6.x: wants "_type":"_doc" in the actions of a bulk request
}

// name returns product and version, "" while the version is not known.
func (s server) name() string {
	switch {
	case s.version == "":
		return ""
	case s.flavor == opensearch:
		return "OpenSearch " + s.version
	default:
		return product + " " + s.version
	}
}

// least says whether the version is known and not before major.minor.
func (s server) least(major, minor int) bool {
	return s.major > major || s.major == major && s.minor >= minor
}

// assumed is the server where none has told what it is.
func assumed(want flavor) server {
	if want == auto || want == "" {
		want = elasticsearch
	}
	return server{flavor: want}
}

// answerError is what is wrong with the answer of a server that was reached.
type answerError struct{ text string }

func (e *answerError) Error() string { return e.text }

// asSendError returns err, which perform returned, as what Send and Prepare return.
func asSendError(err error) *outputs.SendError {
	var answer *answerError
	reason := outputs.ReasonNetwork
	if errors.As(err, &answer) {
		reason = outputs.ReasonServer
	}
	return &outputs.SendError{Reason: reason, Err: err}
}

// identity is what a host tells of itself.
type identity struct {
	server  server
	product bool  // it is held to the product check
	refused error // it works, but would not tell; a *outputs.SendError
}

// identify asks h what it is. An error says that no request should go there.
func (c *client) identify(ctx context.Context, h *host) (identity, error) {
	res, body, err := c.ask(ctx, h.plain, http.MethodGet, "/", nil)
	if err != nil {
		return identity{}, err
	}
	want := flavor(c.cfg.Flavor)
	proved := res.header.Get(productHeader) == product
	id := identity{server: assumed(want), product: want == elasticsearch || proved && (want == auto || want == "")}
	switch code := res.status; {
	case code == http.StatusOK:
		var notice string
		if id.server, notice, err = decide(want, proved, res.header.Get("Content-Type"), body); err != nil {
			return identity{}, err
		}
		if notice != "" {
			c.notice("%s: %s", h.address, notice)
		}
	case code >= 500:
		return identity{}, &answerError{fmt.Sprintf("it answered GET / with %s: %s", status(code), words(body))}
	case code == http.StatusUnauthorized || code == http.StatusTooManyRequests:
		id.refused = refusal(h.address+": GET /", res, body)
	case code == http.StatusForbidden:
		c.notice("%s: its version is not known, because the user lacks the cluster privilege monitor: it is taken for %s", h.address, id.server.flavor)
	case want == auto || want == "":
		e := refusal(h.address+": GET /", res, body)
		e.Err = fmt.Errorf("%w; check the URL's path, or set flavor for a server that does not answer GET /", e.Err)
		id.refused = e
	}
	if id.product && id.refused == nil && res.status == http.StatusOK {
		// The client library judges by the first reply with 2xx that it sees. It should see this one, and not
		// that of a bulk request, whose events would be sent again.
		if _, _, err := c.ask(ctx, h.checked, http.MethodGet, "/", nil); err != nil {
			return identity{}, err
		}
	}
	return id, nil
}

// decide reads the reply to GET /.
func decide(want flavor, proved bool, mediaType string, body []byte) (s server, notice string, err error) {
	var main struct {
		Version struct{ Number, Distribution string }
	}
	if err := json.Unmarshal(body, &main); err != nil || main.Version.Number == "" {
		return s, "", &answerError{fmt.Sprintf("it answered GET / with %s, not as Elasticsearch or OpenSearch do: is it a proxy's? %s", kind(mediaType), quote(body))}
	}
	s = server{flavor: want, version: clip(main.Version.Number, maxQuote)}
	s.major, s.minor, err = parseVersion(s.version)
	if err != nil {
		return s, "", &answerError{fmt.Sprintf("it gives its version as %q, which is none of Elasticsearch or OpenSearch", s.version)}
	}
	if want == auto || want == "" {
		switch d := main.Version.Distribution; {
		case d == "opensearch":
			s.flavor = opensearch
		case d != "":
			return s, "", &answerError{fmt.Sprintf("it is %q %s, neither Elasticsearch nor OpenSearch: set flavor to what it is compatible with", clip(d, maxQuote), s.version)}
		case s.least(7, 14):
			s.flavor = elasticsearch
		default:
			s.flavor = legacy
		}
	}
	switch {
	case want == elasticsearch && !proved:
		return s, "", &answerError{fmt.Sprintf("it gives its version as %s but lacks the header %s that Elasticsearch has from 7.14 on: "+
			"have proxies on the way pass it, or set flavor to auto, opensearch or legacy", s.version, productHeader)}
	case s.flavor == elasticsearch && !proved:
		notice = fmt.Sprintf("its replies lack the header %s: a proxy on the way may take it out, or it is another product", productHeader)
	case s.flavor == legacy && !s.least(6, 2):
		return s, "", &answerError{fmt.Sprintf("Elasticsearch %s is too old: 6.2 is the oldest that is supported", s.version)}
	}
	s.typed = s.flavor == legacy && s.major == 6
	return s, notice, nil
}

// parseVersion reads the two first numbers of "8.14.3" or "7.0.0-rc1".
func parseVersion(text string) (major, minor int, err error) {
	first, rest, _ := strings.Cut(text, ".")
	second, _, _ := strings.Cut(rest, ".")
	if major, err = strconv.Atoi(first); err != nil {
		return 0, 0, err
	}
	if minor, err = strconv.Atoi(second); err != nil {
		return 0, 0, err
	}
	return major, minor, nil
}

// answer is the reply to a small request, without its body.
type answer struct {
	status int
	header http.Header
}

// ask sends a small request and reads the reply, of which no more than maxReply bytes are returned.
func (c *client) ask(ctx context.Context, send performer, method, path string, body []byte) (answer, []byte, error) {
	return exchange(ctx, func(req *http.Request) (*http.Response, error) { return c.do(send, req) }, method, path, body)
}

// call is ask at the host whose turn it is. The time is bounded by the timeout of the configuration.
func (c *client) call(ctx context.Context, method, path string, body []byte) (answer, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Settings().Timeout)
	defer cancel()
	return exchange(ctx, c.perform, method, path, body)
}

func exchange(ctx context.Context, send func(*http.Request) (*http.Response, error), method, path string, body []byte) (answer, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, path, bytes.NewReader(body))
	if err != nil {
		return answer{}, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := send(req)
	if err != nil {
		return answer{}, nil, err
	}
	defer func() { _ = res.Body.Close() }() // what was read counts
	text, err := io.ReadAll(io.LimitReader(res.Body, maxReply))
	if err != nil {
		return answer{}, nil, fmt.Errorf("read the reply: %w", err)
	}
	return answer{res.StatusCode, res.Header}, text, nil
}

// refusal returns what to do about a reply that is not the one that what asked for.
func refusal(what string, res answer, body []byte) *outputs.SendError {
	e := &outputs.SendError{Reason: outputs.ReasonServer, Status: res.status}
	switch res.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		e.Reason = outputs.ReasonAuth
	case http.StatusTooManyRequests:
		e.Reason = outputs.ReasonThrottled
	}
	e.RetryAfter = retryAfter(res.header.Get("Retry-After"), time.Now)
	e.Err = fmt.Errorf("%s: it answered %s: %s", what, status(res.status), words(body))
	return e
}

// status returns a status code with its meaning.
func status(code int) string {
	return strings.TrimSpace(strconv.Itoa(code) + " " + http.StatusText(code))
}

// words returns what a reply says about an error, in one line.
func words(body []byte) string {
	var reply struct{ Error json.RawMessage }
	if json.Unmarshal(body, &reply) != nil || reply.Error == nil {
		return quote(body)
	}
	var text string
	if json.Unmarshal(reply.Error, &text) == nil {
		return clip(text, maxWords)
	}
	var e struct{ Type, Reason string }
	if json.Unmarshal(reply.Error, &e) != nil || e.Type == "" {
		return quote(body)
	}
	return clip(e.Type+": "+e.Reason, maxWords)
}

// quote returns the beginning of a strange reply, with control characters escaped.
func quote(body []byte) string {
	if len(body) == 0 {
		return "(an empty reply)"
	}
	return strconv.Quote(string(body[:min(len(body), maxQuote)]))
}

// kind returns what a reply is, by its media type.
func kind(mediaType string) string {
	name, _, err := mime.ParseMediaType(mediaType)
	if err != nil {
		return "something"
	}
	return clip(name, maxQuote)
}

// clip returns at most n bytes of s in one line, with a mark where it was cut.
func clip(s string, n int) string {
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
