// Package bulkreply reads what servers say to bulk requests, and knows what follows from it for each event.
package bulkreply

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
	// maxReason bounds the bytes of one text.
	maxReason = 2 << 10
	// maxDetails bounds the bytes of all texts of a reply; beyond, only their types are kept.
	maxDetails = 8 << 20
	// maxCauses bounds the levels of caused_by.
	maxCauses = 4
	// replyBase is how many bytes a reply may have, besides replyPerItem for each item.
	replyBase    = 1 << 20
	replyPerItem = 16 << 10
	// maxIndexName bounds the bytes of an index's name, with the quote.
	maxIndexName = 256
)

// FilterPath leaves of a reply what parse reads: the status of every item, without which nothing is proved, and the
// index that it was for, which a pipeline may have chosen.
const FilterPath = "errors,error,status,items.*._index,items.*.status,items.*.error.type,items.*.error.reason," +
	"items.*.error.caused_by,items.*.failure_store"

// okItemRest is what an item of a reply ends with after its index, where the event is stored.
const okItemRest = `","status":201}}`

// OKItem returns what most items of a reply begin with where the request's actions are of the type op. Their
// index follows, and okItemRest.
func OKItem(op string) string { return `{"` + op + `":{"_index":"` }

// Cause is an error in Elasticsearch's words.
type Cause struct {
	Kind, Reason string
	// by is what caused it, as text.
	by string
}

// String returns "type: reason (caused by type: reason)". Reasons are marked as outputs.Words: they may quote values of
// the event.
func (c *Cause) String() string {
	text := c.Kind
	if c.Reason != "" {
		between, public := "", facts(c.Reason)
		if text != "" {
			between = ": "
		}
		if public != "" {
			public = between + public
		}
		text += outputs.Words(between+c.Reason, public)
	}
	if c.by != "" && !strings.Contains(outputs.Whole(text), outputs.Whole(c.by)) {
		text += " (caused by " + c.by + ")"
	}
	return text
}

// Reply is what a server said to a bulk request. Scan, Refusals, First, OKItem and Names are set before Parse, which
// sets the others. Details are kept within bounds, whatever the server says.
type Reply struct {
	Items  int
	Failed []outputs.Failure
	// There is of Failed's kind: what the server said of events at their first attempt that it has already.
	There []outputs.Failure
	// Stored is how many events the failure store has taken.
	Stored uint64
	// Cause is why the whole request was refused.
	Cause Cause

	Scan *Scanner
	// Refusals are those of items.
	Refusals outputs.Refusals
	// First reports whether an item is for an event's first attempt; nil: none is.
	First func(item int) bool
	// OKItem is what OKItem returns.
	OKItem string
	// Names returns the target that an item was for; nil: it is not known.
	Names func(item int) string

	// last is the last detail that was kept, and index the index that it names.
	last, index string
	// details is how many bytes of details are kept.
	details int
}

// Parse reads the reply to a request of n events. An error of Scanner's says that it is not a reply to
// the end; Failed and Stored are to be forgotten then. Failures' indexes are the items'.
func (p *Reply) Parse(r io.Reader, n int) error {
	limited := &io.LimitedReader{R: r, N: replyBase + int64(n)*replyPerItem}
	s := p.Scan
	s.reset(limited)
	s.object(func(key []byte) {
		switch string(key) {
		case "items":
			s.array(p.item)
		case "error":
			p.Cause = s.cause(0)
		case "message", "Message":
			// A gateway's, such as AWS's.
			if p.Cause == (Cause{}) {
				p.Cause = s.cause(0)
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
func (p *Reply) item() {
	s := p.Scan
	if s.peek() == '{' && p.isUsual() {
		p.Items++
		return
	}
	ops := 0
	s.object(func(op []byte) {
		ops++
		create := string(op) == "create"
		var status int
		var c Cause
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
				if s.peek() != '"' {
					s.skip(0)
				} else if string(s.text(nil, headSize)) == "used" {
					p.Stored++
				}
			default:
				s.skip(0)
			}
		})
		switch refusal := p.refusal(create, status, &c); {
		case s.err != nil:
		case refusal != nil:
			p.Failed = append(p.Failed, p.failure(refusal, status, index, &c))
		case status == http.StatusConflict && p.First != nil && p.First(p.Items):
			p.There = append(p.There, p.failure(&outputs.Refusal{Reason: outputs.ReasonRejected}, status, index, &c))
		}
	})
	if ops != 1 {
		s.fail(errShape)
	}
	p.Items++
}

// isUsual reads an item that says that its event is stored, and no more.
func (p *Reply) isUsual() bool {
	text := p.Scan.buf[p.Scan.pos:p.Scan.end]
	if len(text) < len(p.OKItem) || string(text[:len(p.OKItem)]) != p.OKItem {
		return false
	}
	name := bytes.IndexByte(text[len(p.OKItem):min(len(text), len(p.OKItem)+maxIndexName)], '"')
	end := len(p.OKItem) + name + len(okItemRest)
	if name < 0 || end > len(text) || string(text[end-len(okItemRest):end]) != okItemRest ||
		bytes.IndexByte(text[len(p.OKItem):len(p.OKItem)+name], '\\') >= 0 {
		return false
	}
	p.Scan.pos += end
	return true
}

// indexName reads the name of an index.
func (p *Reply) indexName() string {
	if p.Scan.peek() != '"' {
		p.Scan.skip(0)
		return ""
	}
	// The key around it has been looked at.
	p.Scan.key = p.Scan.text(p.Scan.key[:0], maxIndexName)
	if string(p.Scan.key) == p.index {
		return p.index
	}
	p.index = safetext.Line(string(p.Scan.key), ' ')
	return p.index
}

// failure returns what became of the event of the item that is read.
func (p *Reply) failure(refusal *outputs.Refusal, status int, index string, c *Cause) outputs.Failure {
	f := outputs.Failure{Index: p.Items, Status: status, Kind: outputs.KindOf(c.Kind)}
	refusal.Fill(&f)
	if p.Names != nil {
		f.Target = p.Names(p.Items)
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
func (p *Reply) detail(place string, c *Cause) string {
	text := place + c.String()
	if text == p.last {
		return p.last
	}
	if p.details += len(text); p.details > maxDetails {
		return place + c.Kind
	}
	p.last = text
	return text
}

// cause reads an error: an object, or a mere text.
func (s *Scanner) cause(level int) (c Cause) {
	switch s.peek() {
	case '"':
		c.Reason = s.words()
	case '{':
		s.object(func(key []byte) {
			switch {
			case string(key) == "type" && s.peek() == '"':
				c.Kind = s.words()
			case string(key) == "reason" && s.peek() == '"':
				c.Reason = s.words()
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
func (s *Scanner) words() string {
	return safetext.Line(string(s.text(nil, maxReason)), ' ')
}

// refusal says what becomes of an event whose item has the status, nil where it is delivered.
func (p *Reply) refusal(create bool, status int, c *Cause) *outputs.Refusal {
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusConflict && create && (c.Kind == "" || strings.Contains(c.Kind, "version_conflict")):
		// It is there, since an earlier try or as another event.
		return nil
	}
	return p.Refusals.Find(status, c.Kind, c.Reason)
}

// NotBulk returns why a reply can't be read: err of Parse, with what the reply begins with.
func NotBulk(err error, status, kind string, s *Scanner) (outputs.Reason, error) {
	switch shape := errors.Is(err, errShape); {
	case s.read == 0 && errors.Is(err, io.ErrUnexpectedEOF):
		return outputs.ReasonServer, fmt.Errorf("answered %s without a body", status)
	case !shape:
		return outputs.ReasonNetwork, fmt.Errorf("answered %s, but the reply broke off after %d bytes: %w", status,
			s.read, err)
	}
	return outputs.ReasonServer,
		fmt.Errorf("answered %s with %s, not a bulk reply: is this a proxy's page? It begins with %s",
			status, cmp.Or(kind, "text of no type"), outputs.Words(strconv.Quote(string(s.Head)), "words of its own"))
}
