package elastictest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// maxID is Elasticsearch's limit of a document's id, in bytes.
const maxID = 512

// body is what a request holds, and the reply to it.
type body struct {
	inflate gzip.Reader
	read    bytes.Buffer
	reply   bytes.Buffer
}

// item is an action and its document.
type item struct {
	op, index, id string
	typed         bool
	// missing says that an alias is required, and its index is none.
	missing bool
	doc     []byte
}

// bulk answers a bulk request.
func (s *Server) bulk(w http.ResponseWriter, r *http.Request, f *Faults) {
	s.count.requests.Add(1)
	if s.chance(f.ResetBefore) {
		// Whatever comes of it, the connection ends.
		_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
		reset(w)
		return
	}
	b := s.bodies.Get().(*body)
	defer s.bodies.Put(b)
	if err := s.read(b, r); err != nil {
		fail(w, http.StatusBadRequest, "parse_exception", err.Error())
		return
	}
	if f.Latency > 0 {
		select {
		case <-time.After(f.Latency):
		case <-r.Context().Done():
			return
		}
	}
	if s.refuse(w, b, f) {
		return
	}
	b.reply.Reset()
	if s.opts.CountOnly {
		s.countOnly(b)
	} else if kind, reason := s.store(b, r, f); kind != "" {
		fail(w, http.StatusBadRequest, kind, reason)
		return
	}
	reply := b.reply.Bytes()
	switch {
	case s.chance(f.ResetAfter):
		reset(w)
		return
	case s.chance(f.Truncated):
		w.Header().Set("Content-Length", strconv.Itoa(len(reply)))
		reply = reply[:len(reply)/2]
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(reply) // who asked has gone
}

// read fills b.read with the request's body, inflated.
func (s *Server) read(b *body, r *http.Request) error {
	b.read.Reset()
	from := io.Reader(&counting{r.Body, s})
	if r.Header.Get("Content-Encoding") == "gzip" {
		if err := b.inflate.Reset(from); err != nil {
			return fmt.Errorf("gzip: %w", err)
		}
		from = &b.inflate
	}
	_, err := b.read.ReadFrom(from)
	return err
}

type counting struct {
	io.Reader
	s *Server
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.s.count.bytes.Add(uint64(n))
	return n, err
}

// refuse answers a request that is refused as a whole.
func (s *Server) refuse(w http.ResponseWriter, b *body, f *Faults) bool {
	size := int64(b.read.Len())
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter/time.Second)))
	}
	switch {
	case f.MaxBody > 0 && size > f.MaxBody:
		w.Header().Del("X-Elastic-Product")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	case f.MaxPressure > 0 && size > f.MaxPressure:
		fail(w, http.StatusTooManyRequests, "es_rejected_execution_exception", fmt.Sprintf(
			"rejected execution of coordinating operation [coordinating_and_primary_bytes=0, replica_bytes=0, "+
				"all_bytes=0, "+
				"coordinating_operation_bytes=%d, max_coordinating_and_primary_bytes=%d]", size, f.MaxPressure))
	case f.Gateway != "" && bytes.Contains(b.read.Bytes(), []byte(f.Gateway)):
		w.Header().Del("X-Elastic-Product")
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "<html><title>403 Forbidden</title></html>") // who asked has gone
	case s.chance(f.Unavailable):
		fail(w, http.StatusServiceUnavailable, "cluster_block_exception",
			"blocked by: [SERVICE_UNAVAILABLE/1/state not recovered / initialized];")
	case s.chance(f.TooMany):
		fail(w, http.StatusTooManyRequests, "es_rejected_execution_exception", "rejected execution of TimedRunnable")
	case f.BadRequests:
		fail(w, http.StatusBadRequest, "illegal_argument_exception", "explicit index in bulk is not allowed")
	case s.chance(f.Page):
		w.Header().Del("X-Elastic-Product")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		// Who asked has gone.
		_, _ = io.WriteString(w, "<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n")
	default:
		w.Header().Del("Retry-After")
		return false
	}
	return true
}

// reset ends the connection so that the other side reads an error, not an end.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		// What net/http knows as a reply that is not to be.
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		// Then it ends a little more politely.
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close() // that is what it is for
}

// countOnly takes every second line for a document.
func (s *Server) countOnly(b *body) {
	n := bytes.Count(b.read.Bytes(), []byte{'\n'}) / 2
	s.count.created.Add(uint64(n))
	b.reply.WriteString(`{"errors":false,"items":[`)
	for i := range n {
		if i > 0 {
			b.reply.WriteByte(',')
		}
		b.reply.WriteString(`{"create":{"_index":"logs-default-2025.11.21","status":201}}`)
	}
	b.reply.WriteString("]}")
}

// store carries the request out and renders the reply. A request that is no bulk request is not carried
// out at all: what is wrong with it is returned.
func (s *Server) store(b *body, r *http.Request, f *Faults) (kind, reason string) {
	items, wrong := s.parse(b.read.Bytes(), strings.TrimPrefix(strings.TrimSuffix(r.URL.Path, "/_bulk"), "/"))
	if wrong != "" {
		return "illegal_argument_exception", wrong
	}
	for i := range items {
		if n := len(items[i].id); n > maxID {
			return "action_request_validation_exception", fmt.Sprintf(
				"Validation Failed: 1: id [%s] is too long, must be no longer than 512 bytes but was: %d;", items[i].id,
				n)
		}
		if s.opts.Product == Legacy && !items[i].typed {
			return "action_request_validation_exception", "Validation Failed: 1: type is missing;"
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	filter := r.URL.Query().Get("filter_path")
	short := filter != ""
	replies := make([]any, len(items))
	errs := false
	for i := range items {
		it := &items[i]
		if alias := s.aliases[it.index]; alias != "" {
			it.index = alias
		} else if r.URL.Query().Get("require_alias") == "true" {
			it.missing = true
		}
		status, extra := s.write(it, f)
		reply := map[string]any{"status": status}
		if status >= 300 {
			errs = true
		}
		for k, v := range extra {
			reply[k] = v
		}
		if !short || strings.Contains(filter, "_index") {
			reply["_index"] = it.index
		}
		if !short {
			reply["_id"], reply["_version"] = it.id, 1
		}
		replies[i] = map[string]any{it.op: reply}
	}
	whole := map[string]any{"errors": errs, "items": replies}
	if !short {
		whole["took"] = 1
	}
	text, err := json.Marshal(whole)
	if err != nil {
		return "exception", err.Error()
	}
	b.reply.Write(text)
	return "", ""
}

// parse reads a body's actions and documents, or says in Elasticsearch's words what is wrong with it;
// index is for actions that name none.
func (s *Server) parse(text []byte, index string) (items []item, wrong string) {
	if len(text) == 0 || text[len(text)-1] != '\n' {
		return nil, "The bulk request must be terminated by a newline [\\n]"
	}
	for line := 1; len(text) > 0; line += 2 {
		action, rest, _ := bytes.Cut(text, []byte{'\n'})
		doc, rest, found := bytes.Cut(rest, []byte{'\n'})
		if !found || len(doc) == 0 {
			return nil, fmt.Sprintf("line [%d] has no document", line)
		}
		text = rest
		var ops map[string]map[string]string
		if err := json.Unmarshal(action, &ops); err != nil || len(ops) != 1 {
			return nil, fmt.Sprintf("Malformed action/metadata line [%d], %v", line, err)
		}
		for op, meta := range ops {
			it := item{op: op, index: index, id: meta["_id"], doc: doc}
			if meta["_index"] != "" {
				it.index = meta["_index"]
			}
			_, it.typed = meta["_type"]
			switch {
			case op != "create" && op != "index":
				return nil, fmt.Sprintf(
					"Malformed action/metadata line [%d], expected field [create] or [index] but found [%s]", line, op,
				)
			case it.typed && s.opts.Product != Legacy && !strings.HasPrefix(s.opts.Version, "7."):
				return nil, fmt.Sprintf("Action/metadata line [%d] contains an unknown parameter [_type]", line)
			case it.index == "" || it.index != strings.ToLower(it.index) ||
				url.PathEscape(it.index) != it.index && !strings.ContainsAny(it.index, "@:"):
				return nil, fmt.Sprintf("Invalid index name [%s]", it.index)
			}
			items = append(items, it)
		}
	}
	return items, ""
}

// write carries out one action. It returns its status and what else the reply says.
func (s *Server) write(it *item, f *Faults) (status int, extra map[string]any) {
	refuse := func(status int, kind, reason string, cause map[string]any) (int, map[string]any) {
		s.count.refused.Add(1)
		e := map[string]any{"type": kind, "reason": reason}
		if cause != nil {
			e["caused_by"] = cause
		}
		return status, map[string]any{"error": e}
	}
	wrong, isRefused := f.Indices[it.index]
	switch {
	case it.missing:
		return refuse(http.StatusNotFound, "index_not_found_exception",
			"no such index ["+it.index+"] and [require_alias] request flag is [true] and ["+it.index+
				"] is not an alias", nil)
	case f.NoIDs && it.id != "":
		return refuse(http.StatusBadRequest, "illegal_argument_exception",
			"Document ID is not supported in create/index operation request", nil)
	case isRefused:
		return refuse(wrong.Status, wrong.Type, wrong.Reason, nil)
	case f.Blocked != "" && it.index == f.Blocked:
		return refuse(http.StatusForbidden, "cluster_block_exception",
			"index ["+it.index+"] blocked by: [FORBIDDEN/8/index write (api)];", nil)
	case f.Denied != "" && it.index == f.Denied:
		return refuse(http.StatusForbidden, "security_exception",
			"action [indices:data/write/bulk[s]] is unauthorized for user [agent] on indices ["+it.index+"]", nil)
	case f.ItemTooMany > 0 && s.rng.Float64() < f.ItemTooMany:
		return refuse(http.StatusTooManyRequests, "es_rejected_execution_exception",
			"rejected execution of primary operation", nil)
	}
	if s.docs[it.index] == nil {
		s.docs[it.index] = map[string]*Document{}
	}
	if it.id == "" {
		s.generated++
		it.id = "generated-" + strconv.Itoa(s.generated)
	}
	known := s.docs[it.index][it.id]
	switch {
	case known != nil && it.op == "create":
		s.count.conflicts.Add(1)
		_, extra := refuse(0, "version_conflict_engine_exception",
			"["+it.id+"]: version conflict, document already exists (current version [1])", nil)
		s.count.refused.Add(^uint64(0))
		return http.StatusConflict, extra
	case f.Poison != "" && bytes.Contains(it.doc, []byte(f.Poison)) && f.FailureStore:
		extra = map[string]any{"failure_store": "used"}
	case f.Poison != "" && bytes.Contains(it.doc, []byte(f.Poison)), !json.Valid(it.doc):
		return refuse(http.StatusBadRequest, "document_parsing_exception",
			"[1:10] failed to parse field [code] of type [long] in document with id '"+it.id+"'",
			map[string]any{"type": "illegal_argument_exception", "reason": "For input string: \"" + f.Poison + "\""})
	case known != nil:
		known.Writes++
		known.Source = bytes.Clone(it.doc)
		s.count.created.Add(1)
		return http.StatusOK, nil
	}
	s.docs[it.index][it.id] = &Document{Index: it.index, ID: it.id, Source: bytes.Clone(it.doc), Writes: 1}
	s.count.created.Add(1)
	return http.StatusCreated, extra
}
