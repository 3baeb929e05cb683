package elasticsearch

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Bounds of what is kept of a reply.
const (
	maxReason    = 2 << 10 // bytes of one text
	maxDetails   = 8 << 20 // bytes of all texts of a reply; beyond, only their types are kept
	maxCauses    = 4       // levels of caused_by
	replyBase    = 1 << 20 // bytes that a reply may have, and
	replyPerItem = 16 << 10
	maxIndexName = 256 // bytes of an index's name, with the quote
)

// filterPath leaves of a reply what parse reads: the status of every item, without which nothing is proved, and the
// index that it was for, which a pipeline may have chosen.
const filterPath = "errors,error,status,items.*._index,items.*.status,items.*.error.type,items.*.error.reason," +
	"items.*.error.caused_by,items.*.failure_store"

// cause is an error in Elasticsearch's words.
type cause struct {
	kind, reason string
	by           string // what caused it, as text
}

// String returns "type: reason (caused by type: reason)". Reasons are marked as outputs.Words: they may quote values of
// the event.
func (c *cause) String() string {
	text := c.kind
	if c.reason != "" {
		between, public := "", facts(c.reason)
		if text != "" {
			between = ": "
		}
		if public != "" {
			public = between + public
		}
		text += outputs.Words(between+c.reason, public)
	}
	if c.by != "" && !strings.Contains(outputs.Whole(text), outputs.Whole(c.by)) {
		text += " (caused by " + c.by + ")"
	}
	return text
}

// reply is what a server said to a bulk request.
type reply struct {
	items  int
	failed []outputs.Failure
	// Of failed's kind: what the server said of events at their first attempt that it has already.
	there  []outputs.Failure
	stored uint64 // events that the failure store has taken
	cause  cause  // of the whole request

	scan     *scanner
	refusals outputs.Refusals    // of items
	first    func(item int) bool // whether an item is for an event's first attempt; nil: none is
	usual    string              // most items begin with this and their index,
	rest     string              // and end with that
	names    func(item int) string
	last     string // detail
	index    string // the last one's
	details  int    // bytes kept
}

// parse reads the reply to a request of n events. An error of scanner's says that it is not a reply to
// the end; failed and stored are to be forgotten then. Failures' indexes are the items'.
func (p *reply) parse(r io.Reader, n int) error {
	limited := &io.LimitedReader{R: r, N: replyBase + int64(n)*replyPerItem}
	s := p.scan
	s.reset(limited)
	s.object(func(key []byte) {
		switch string(key) {
		case "items":
			s.array(p.item)
		case "error":
			p.cause = s.cause(0)
		case "message", "Message":
			// A gateway's, such as AWS's.
			if p.cause == (cause{}) {
				p.cause = s.cause(0)
				return
			}
			s.skip(0)
		default:
			s.skip(0)
		}
	})
	s.finish()
	if s.err != nil && limited.N <= 0 {
		return fmt.Errorf("the reply is longer than %d bytes for %d events", s.read, n)
	}
	return s.err
}

// item reads an item.
func (p *reply) item() {
	s := p.scan
	if s.peek() == '{' && p.isUsual() {
		p.items++
		return
	}
	ops := 0
	s.object(func(op []byte) {
		ops++
		create := string(op) == opCreate
		var status int
		var c cause
		index := ""
		s.object(func(key []byte) {
			switch string(key) {
			case "_index":
				index = p.indexName()
			case "status":
				status = s.number()
			case "error":
				c = s.cause(0)
			case "failure_store":
				if s.peek() == '"' && string(s.text(nil, headSize)) == "used" {
					p.stored++
				} else {
					s.skip(0)
				}
			default:
				s.skip(0)
			}
		})
		switch refusal := p.refusal(create, status, &c); {
		case s.err != nil:
		case refusal != nil:
			p.failed = append(p.failed, p.failure(refusal, status, index, &c))
		case status == http.StatusConflict && p.first != nil && p.first(p.items):
			p.there = append(p.there, p.failure(&outputs.Refusal{Reason: outputs.ReasonRejected}, status, index, &c))
		}
	})
	if ops != 1 {
		s.fail(errShape)
	}
	p.items++
}

// isUsual reads an item that says that its event is stored, and no more.
func (p *reply) isUsual() bool {
	text := p.scan.buf[p.scan.pos:p.scan.end]
	if len(text) < len(p.usual) || string(text[:len(p.usual)]) != p.usual {
		return false
	}
	name := bytes.IndexByte(text[len(p.usual):min(len(text), len(p.usual)+maxIndexName)], '"')
	end := len(p.usual) + name + len(p.rest)
	if name < 0 || end > len(text) || string(text[end-len(p.rest):end]) != p.rest ||
		bytes.IndexByte(text[len(p.usual):len(p.usual)+name], '\\') >= 0 {
		return false
	}
	p.scan.pos += end
	return true
}

// indexName reads the name of an index.
func (p *reply) indexName() string {
	if p.scan.peek() != '"' {
		p.scan.skip(0)
		return ""
	}
	// The key around it has been looked at.
	p.scan.key = p.scan.text(p.scan.key[:0], maxIndexName)
	if string(p.scan.key) == p.index {
		return p.index
	}
	p.index = safetext.Line(string(p.scan.key), ' ')
	return p.index
}

// failure returns what became of the event of the item that is read.
func (p *reply) failure(refusal *outputs.Refusal, status int, index string, c *cause) outputs.Failure {
	f := outputs.Failure{Index: p.items, Status: status, Kind: outputs.KindOf(c.kind)}
	refusal.Fill(&f)
	if p.names != nil {
		f.Target = p.names(p.items)
	}
	f.Detail = p.detail(place(f.Target, index), c)
	return f
}

// place says where an event went: the target that it was sent to, and its index where that has another name.
func place(target, index string) string {
	switch {
	case target == "" && index == "":
		return ""
	case index == "" || index == target:
		return "[" + target + "] "
	default:
		return "[" + target + ", index " + index + "] "
	}
}

// detail returns place and the text of c, the same string where it is the last one's.
func (p *reply) detail(place string, c *cause) string {
	text := place + c.String()
	if text == p.last {
		return p.last
	}
	if p.details += len(text); p.details > maxDetails {
		return place + c.kind
	}
	p.last = text
	return text
}

// cause reads an error: an object, or a mere text.
func (s *scanner) cause(level int) (c cause) {
	switch s.peek() {
	case '"':
		c.reason = s.words()
	case '{':
		s.object(func(key []byte) {
			switch {
			case string(key) == "type" && s.peek() == '"':
				c.kind = s.words()
			case string(key) == "reason" && s.peek() == '"':
				c.reason = s.words()
			case string(key) == "caused_by" && level < maxCauses:
				by := s.cause(level + 1)
				c.by = by.String()
			default:
				s.skip(0)
			}
		})
	default:
		s.skip(0)
	}
	return c
}

// words reads a string to be shown to people: its control characters become spaces.
func (s *scanner) words() string {
	return safetext.Line(string(s.text(nil, maxReason)), ' ')
}

// refusal says what becomes of an event whose item has the status, nil where it is delivered.
func (p *reply) refusal(create bool, status int, c *cause) *outputs.Refusal {
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusConflict && create && (c.kind == "" || strings.Contains(c.kind, "version_conflict")):
		// It is there, since an earlier try or as another event.
		return nil
	}
	return p.refusals.Find(status, c.kind, c.reason)
}

// notBulk returns why a reply can't be read: err of parse, with what the reply begins with.
func notBulk(err error, status, kind string, s *scanner) (outputs.Reason, error) {
	switch shape := errors.Is(err, errShape); {
	case s.read == 0 && errors.Is(err, io.ErrUnexpectedEOF):
		return outputs.ReasonServer, fmt.Errorf("answered %s without a body", status)
	case !shape:
		return outputs.ReasonNetwork, fmt.Errorf("answered %s, but the reply broke off after %d bytes: %w", status,
			s.read, err)
	}
	return outputs.ReasonServer,
		fmt.Errorf("answered %s with %s, not a bulk reply: is this a proxy's page? It begins with %s",
			status, cmp.Or(kind, "text of no type"), outputs.Words(strconv.Quote(string(s.head)), "words of its own"))
}
