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

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// flavor is a family of servers that are talked to in the same way.
type flavor string

// The flavors, as the configuration has them.
const (
	auto flavor = "auto"
	// elasticsearch is from 7.14 on: it proves it by a header in every reply.
	elasticsearch flavor = "elasticsearch"
	opensearch    flavor = "opensearch"
	// legacy is Elasticsearch before 7.14.
	legacy flavor = "legacy"
)

const (
	productHeader = "X-Elastic-Product"
	product       = "Elasticsearch"
	// maxReply is how many bytes of a reply to anything but a bulk request are read.
	maxReply = 256 << 10
	// maxQuote is how many bytes of a strange reply an error shows.
	maxQuote = 100
	// maxWords is how many bytes of an error's reason are kept.
	maxWords = 1000
)

// server is what is known of the servers.
type server struct {
	flavor flavor
	// version is "" where the server does not tell.
	version string
	// major and minor are of version.
	major, minor int
	// typed says that it wants "_type":"_doc" in the actions of a bulk request, as Elasticsearch 6.x.
	typed bool
	// serverless says that it is Elastic's own offer, which decides on shards and replicas itself.
	serverless bool
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

// least reports whether the version is known and not before major.minor.
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
	server server
	// refused says that it works, but would not tell; a *outputs.SendError.
	refused error
}

// identify asks h what it is. An error says that no request should go there.
func (c *client) identify(ctx context.Context, h *host) (identity, error) {
	if c.cfg.serverless() {
		return c.identifyServerless(ctx, h)
	}
	res, body, err := c.ask(ctx, h, http.MethodGet, "/", nil)
	switch {
	case awsclient.Unsigned(err):
		return identity{server: assumed(flavor(c.cfg.Flavor)), refused: unsigned(err)}, nil
	case err != nil:
		return identity{}, err
	}
	want := flavor(c.cfg.Flavor)
	id := identity{server: assumed(want)}
	proved := res.header.Get(productHeader) == product
	strange := ""
	switch code := res.status; {
	case code == http.StatusOK:
		var notice string
		if id.server, notice, strange, err = decide(want, proved, res.header.Get("Content-Type"), body); err != nil {
			return identity{}, err
		}
		if notice != "" {
			c.notice("%s: %s", h.address, notice)
		}
	case code == http.StatusUnauthorized || code == http.StatusTooManyRequests ||
		code == http.StatusForbidden && c.signer != nil && !lacksMonitor(body):
		id.refused = refusal(h.address+": GET /", res, body)
	case code == http.StatusForbidden && c.signer != nil:
		id.server.flavor = opensearch
		c.notice("%s: its version is not known, and it is taken for OpenSearch: %s", h.address,
			adviseAWS(c.cfg.AWS, code, string(body)))
	case code == http.StatusForbidden:
		c.notice(
			"%s: its version is not known, because the user lacks the cluster privilege monitor: it is taken for %s",
			h.address, id.server.flavor,
		)
	case code == http.StatusProxyAuthRequired:
		return identity{}, &answerError{fmt.Sprintf("a proxy on the way answered %s: give it its login, as proxy: "+
			"http://user:password@host", status(code))}
	case outputs.WantsTLS(code, body):
		return identity{}, &answerError{"it speaks TLS: write the host with https"}
	case code >= 500 && code != http.StatusNotImplemented:
		return identity{}, &answerError{fmt.Sprintf("it answered GET / with %s: %s", status(code), words(body))}
	default:
		strange = status(code) + ": " + words(body)
	}
	if strange != "" && (want == auto || want == "") {
		return c.bulkOnly(ctx, h, id, strange)
	}
	return id, nil
}

// bulkOnly tells a server that knows bulk requests, but answers GET / in a strange way, from one that knows
// neither, as what stands for a server that is not there: with a bulk request of no events.
func (c *client) bulkOnly(ctx context.Context, h *host, id identity, strange string) (identity, error) {
	res, body, err := c.ask(ctx, h, http.MethodPost, "/_bulk", nil)
	switch {
	case err != nil:
		return identity{}, err
	case res.status == http.StatusUnauthorized:
		id.refused = refusal(h.address+": POST /_bulk", res, body)
	case res.status/100 == 3 || res.status == http.StatusNotFound || res.status == http.StatusMethodNotAllowed ||
		res.status == http.StatusNotImplemented,
		kind(res.header.Get("Content-Type")) == "text/html":
		return identity{}, &answerError{
			fmt.Sprintf("it answered GET / with %s; and POST /_bulk with %s and %s: is it a proxy's? Check the "+
				"URL's path, "+
				"and what stands before the server", strange, status(res.status), quote(body)),
		}
	default:
		c.notice(
			"%s: it is taken for Elasticsearch 7 or later, though it answered GET / with %s; set flavor if "+
				"it is another", h.address, strange,
		)
	}
	return id, nil
}

// decide reads the reply to GET /. strange says what it is where it is none of a server that is known.
func decide(want flavor, proved bool, mediaType string, body []byte) (s server, notice, strange string, err error) {
	var main struct {
		Version struct {
			Number, Distribution string
			Build                string `json:"build_flavor"`
		}
	}
	s = assumed(want)
	if err := json.Unmarshal(body, &main); err != nil || main.Version.Number == "" {
		if want == elasticsearch && !proved {
			return s, "", "", lacksHeader("it does not give its version")
		}
		return s, "", fmt.Sprintf("%s, not as Elasticsearch or OpenSearch do: %s", kind(mediaType), quote(body)), nil
	}
	number := clip(main.Version.Number, maxQuote)
	major, minor, ok := parseVersion(number)
	if !ok {
		return s, "", fmt.Sprintf("the version %q, which is none of Elasticsearch or OpenSearch", number), nil
	}
	d := main.Version.Distribution
	if (want == auto || want == "") && d != "" && d != string(opensearch) {
		return s, "", fmt.Sprintf("%q %s, neither Elasticsearch nor OpenSearch", clip(d, maxQuote), number), nil
	}
	s = server{
		flavor: want, version: number, major: major, minor: minor, serverless: main.Version.Build == "serverless",
	}
	if want == auto || want == "" {
		switch {
		case d != "":
			s.flavor = opensearch
		case s.least(7, 14):
			s.flavor = elasticsearch
		default:
			s.flavor = legacy
		}
	}
	switch {
	case want == elasticsearch && !proved:
		return s, "", "", lacksHeader("it gives its version as " + number)
	case s.flavor == elasticsearch && !proved:
		notice = fmt.Sprintf(
			"its replies lack the header %s: a proxy on the way may take it out, or it is another product",
			productHeader,
		)
	case s.flavor == legacy && !s.least(6, 2):
		return s, "", "", &answerError{
			fmt.Sprintf("Elasticsearch %s is too old: 6.2 is the oldest that is supported", number),
		}
	}
	s.typed = s.flavor == legacy && s.major == 6
	return s, notice, "", nil
}

func lacksHeader(found string) error {
	return &answerError{fmt.Sprintf("%s and lacks the header %s that Elasticsearch has from 7.14 on: "+
		"have proxies on the way pass it, or set flavor to auto, opensearch or legacy", found, productHeader)}
}

// parseVersion reads the two first numbers of "8.14.3" or "7.0.0-rc1".
func parseVersion(text string) (major, minor int, ok bool) {
	first, rest, _ := strings.Cut(text, ".")
	second, _, _ := strings.Cut(rest, ".")
	major, err1 := strconv.Atoi(first)
	minor, err2 := strconv.Atoi(second)
	return major, minor, err1 == nil && err2 == nil
}

// answer is the reply to a small request, without its body.
type answer struct {
	status int
	header http.Header
}

// ask sends a small request to h and reads the reply, of which no more than maxReply bytes are returned.
func (c *client) ask(ctx context.Context, h *host, method, path string, body []byte) (answer, []byte, error) {
	return exchange(ctx, func(req *http.Request) (*http.Response, error) { return c.do(h, req) }, method, path, body)
}

// call is ask at the host whose turn it is. The time is bounded by the timeout of the configuration.
func (c *client) call(ctx context.Context, method, path string, body []byte) (answer, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Settings().Timeout)
	defer cancel()
	return exchange(ctx, c.perform, method, path, body)
}

func exchange(
	ctx context.Context, send func(*http.Request) (*http.Response, error), method, path string, body []byte,
) (answer, []byte, error) {
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
	// What was read counts.
	defer func() { _ = res.Body.Close() }()
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

// words returns what a reply says about an error, in one line. But for the error's type they are marked as
// outputs.Words.
func words(body []byte) string {
	var reply struct{ Error json.RawMessage }
	if json.Unmarshal(body, &reply) != nil || reply.Error == nil {
		return quote(body)
	}
	var text string
	if json.Unmarshal(reply.Error, &text) == nil && text != "" {
		return outputs.Words(clip(text, maxWords), "")
	}
	var e struct{ Type, Reason string }
	switch {
	case json.Unmarshal(reply.Error, &e) != nil || e.Type == "":
		return quote(body)
	case e.Reason == "":
		return clip(e.Type, maxWords)
	}
	return clip(e.Type, maxWords) + outputs.Words(clip(": "+e.Reason, maxWords), "")
}

// quote returns the beginning of a strange reply, with control characters escaped, marked as outputs.Words.
func quote(body []byte) string {
	if len(body) == 0 {
		return "(an empty reply)"
	}
	return outputs.Words(strconv.Quote(string(body[:min(len(body), maxQuote)])), "words of its own")
}

// kind returns what a reply is, by its media type.
func kind(mediaType string) string {
	name, _, err := mime.ParseMediaType(mediaType)
	if err != nil {
		return "something"
	}
	return clip(name, maxQuote)
}

// clip returns at most n bytes of s on one line, with a mark where it was cut.
func clip(s string, n int) string { return safetext.Line(safetext.Clip(s, n), ' ') }
