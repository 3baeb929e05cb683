// Package elastictest is a made-up Elasticsearch: as much of its HTTP interface as an output needs, and
// faults on demand. It stores what a real one would store and says what a real one would say, so that
// tests can tell whether each document arrived once; counting only, it is also a cheap sink for measurements.
package elastictest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Products that a Server can be.
const (
	Elasticsearch = "elasticsearch" // 8.14.3
	OpenSearch    = "opensearch"    // 2.15.0
	Legacy        = "legacy"        // Elasticsearch 6.4.3: actions have a _type
)

// Options is what a Server is made of.
type Options struct {
	// Product may be "": Elasticsearch.
	Product string
	// Version may be "": what the product's comment says.
	Version string
	// Seed is that of the faults that happen by chance.
	Seed      uint64
	CountOnly bool // documents are counted and thrown away; item faults and 409s don't happen
}

// Faults is what goes wrong. Shares are between 0 and 1, of bulk requests where nothing else is said.
type Faults struct {
	Unavailable float64 // 503, nothing stored
	TooMany     float64 // 429, nothing stored
	// ItemTooMany has items answered by 429.
	ItemTooMany float64
	// ResetBefore is the connection is reset in the middle of the body, nothing stored.
	ResetBefore float64
	// ResetAfter is the connection is reset where the reply should be, all stored.
	ResetAfter  float64
	BadRequests bool // 400 for every request, nothing stored, as of a wrong setting
	// Page is a page of HTML with status 200 and nothing stored, as a proxy's login.
	Page float64
	// Truncated is the reply ends in its middle, all stored.
	Truncated float64
	// Latency is before each reply.
	Latency time.Duration

	// MaxBody is in bytes, inflated: more is a 413 with nothing in it; 0: no limit.
	MaxBody int64
	// Bytes, inflated: more is a 429 as of a small indexing_pressure.memory.limit; 0: no limit.
	MaxPressure int64
	Poison      string               // documents that contain it are 400s of the mapping's; "": none
	Blocked     string               // writes to this index are 403s of a read-only block
	Indices     map[string]ItemError // writes to the index are refused so
	Gateway     string               // requests that contain it are 403s of a gateway, with a page; "": none
	Denied      string               // writes to this index are 403s of the security's, as are privileges on it
	// Authorization is what the header must say; "": anything.
	Authorization string
	RetryAfter    time.Duration // sent with 429 and 503, in whole seconds
	FailureStore  bool          // poison is taken into the failure store
	NoIDs         bool          // documents with an id are refused, as by collections for time series
}

// ItemError is how an item of a bulk reply is refused.
type ItemError struct {
	Status       int
	Type, Reason string
}

// Counters is what a Server has seen.
type Counters struct {
	Requests uint64 // bulk requests, whatever became of them
	// Bytes is that of their bodies as sent.
	Bytes uint64
	// Created counts documents stored.
	Created uint64
	// Conflicts counts documents that were there already.
	Conflicts uint64
	// Refused counts items with any other status.
	Refused uint64
}

// Document is one that was stored.
type Document struct {
	Index, ID string
	Source    []byte
	// Writes is how often: more than 1 with op_type index only.
	Writes int
}

// Server is a made-up Elasticsearch node. Safe for concurrent use.
type Server struct {
	opts   Options
	faults atomic.Pointer[Faults]
	count  struct{ requests, bytes, created, conflicts, refused atomic.Uint64 }
	// bodies has *body.
	bodies sync.Pool

	mu  sync.Mutex
	rng *rand.Rand
	// docs are by index and id.
	docs      map[string]map[string]*Document
	generated int // ids
	// templates are by path.
	templates map[string]json.RawMessage
	aliases   map[string]string // their write indices
}

// New returns a Server without faults.
func New(o Options) *Server {
	if o.Product == "" {
		o.Product = Elasticsearch
	}
	if o.Version == "" {
		o.Version = map[string]string{Elasticsearch: "8.14.3", OpenSearch: "2.15.0", Legacy: "6.4.3"}[o.Product]
	}
	s := &Server{
		opts: o, bodies: sync.Pool{New: func() any { return new(body) }},
		rng:  rand.New(rand.NewPCG(o.Seed, 1)),
		docs: map[string]map[string]*Document{}, templates: map[string]json.RawMessage{}, aliases: map[string]string{},
	}
	s.faults.Store(&Faults{})
	return s
}

// SetFaults replaces the faults, for requests that begin from now on.
func (s *Server) SetFaults(f Faults) { s.faults.Store(&f) }

// Counters returns what was seen so far.
func (s *Server) Counters() Counters {
	c := &s.count
	return Counters{
		Requests: c.requests.Load(), Bytes: c.bytes.Load(), Created: c.created.Load(),
		Conflicts: c.conflicts.Load(), Refused: c.refused.Load(),
	}
}

// Documents returns all that is stored, by index and then by id.
func (s *Server) Documents() []Document {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Document
	for _, docs := range s.docs {
		for _, d := range docs {
			all = append(all, *d)
		}
	}
	slices.SortFunc(all, func(a, b Document) int {
		if c := strings.Compare(a.Index, b.Index); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all
}

// Each calls f with all that is stored, in no order. f may neither keep nor change a document.
func (s *Server) Each(f func(*Document)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, docs := range s.docs {
		for _, d := range docs {
			f(d)
		}
	}
}

// Template returns what was put at path, such as "/_index_template/logs"; nil where nothing was.
func (s *Server) Template(path string) json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.templates[path]
}

// SetTemplate puts one at path.
func (s *Server) SetTemplate(path string, template json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.templates[path] = template
}

// chance returns true with the given share of calls.
func (s *Server) chance(share float64) bool {
	if share <= 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.Float64() < share
}

// Handler returns the node's HTTP interface.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	f := s.faults.Load()
	if s.opts.Product == Elasticsearch {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
	}
	path := r.URL.Path
	switch {
	case f.Authorization != "" && r.Header.Get("Authorization") != f.Authorization:
		w.Header().Set("WWW-Authenticate", `Basic realm="security" charset="UTF-8"`)
		fail(w, http.StatusUnauthorized, "security_exception",
			"unable to authenticate user [agent] for REST request ["+path+"]")
	case strings.HasSuffix(path, "/_bulk"):
		s.bulk(w, r, f)
	case path == "/":
		s.identify(w)
	case strings.HasPrefix(path, "/_index_template/"), strings.HasPrefix(path, "/_template/"):
		s.template(w, r)
	case strings.HasPrefix(path, "/_alias/") && r.Method == http.MethodGet:
		s.alias(w, r)
	case r.Method == http.MethodPut && strings.Count(path, "/") == 1 && !strings.HasPrefix(path, "/_"):
		s.makeIndex(w, r, f)
	case path == "/_security/user/_has_privileges" && s.opts.Product == Elasticsearch:
		s.privileges(w, r, f)
	default:
		fail(w, http.StatusBadRequest, "illegal_argument_exception",
			"no handler found for uri ["+path+"] and method ["+r.Method+"]")
	}
}

func (s *Server) identify(w http.ResponseWriter) {
	version := map[string]any{"number": s.opts.Version, "build_flavor": "default", "lucene_version": "9.10.0"}
	tagline := "You Know, for Search"
	if s.opts.Product == OpenSearch {
		version["distribution"] = "opensearch"
		tagline = "The OpenSearch Project: https://opensearch.org/"
	}
	answer(w, http.StatusOK, map[string]any{
		"name": "test", "cluster_name": "elastictest", "cluster_uuid": "AAAAAAAAAAAAAAAAAAAAAA", "version": version,
		"tagline": tagline,
	})
}

// template answers PUT and GET of composable and of legacy templates.
func (s *Server) template(w http.ResponseWriter, r *http.Request) {
	kind, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if kind == "_index_template" && s.opts.Product == Legacy {
		fail(w, http.StatusBadRequest, "illegal_argument_exception", "no handler found for uri ["+r.URL.Path+"]")
		return
	}
	switch r.Method {
	case http.MethodPut:
		var body json.RawMessage
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&body); err != nil {
			fail(w, http.StatusBadRequest, "parse_exception", err.Error())
			return
		}
		s.SetTemplate(r.URL.Path, body)
		answer(w, http.StatusOK, map[string]bool{"acknowledged": true})
	case http.MethodGet:
		stored := s.Template(r.URL.Path)
		switch {
		case stored == nil && kind == "_template":
			answer(w, http.StatusNotFound, struct{}{})
		case stored == nil:
			fail(w, http.StatusNotFound, "resource_not_found_exception", "index template matching ["+name+"] not found")
		case kind == "_template":
			answer(w, http.StatusOK, map[string]any{name: stored})
		default:
			answer(w, http.StatusOK, map[string]any{
				"index_templates": []any{map[string]any{"name": name, "index_template": stored}},
			})
		}
	default:
		fail(w, http.StatusMethodNotAllowed, "illegal_argument_exception",
			"Incorrect HTTP method for uri ["+r.URL.Path+"]")
	}
}

// privileges grants all that is asked for, except on Faults.Denied.
func (s *Server) privileges(w http.ResponseWriter, r *http.Request, f *Faults) {
	var ask struct {
		Cluster []string
		Index   []struct{ Names, Privileges []string }
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&ask); err != nil {
		fail(w, http.StatusBadRequest, "parse_exception", err.Error())
		return
	}
	all := true
	cluster, index := map[string]bool{}, map[string]map[string]bool{}
	for _, p := range ask.Cluster {
		cluster[p] = true
	}
	for _, i := range ask.Index {
		for _, name := range i.Names {
			index[name] = map[string]bool{}
			for _, p := range i.Privileges {
				index[name][p] = name != f.Denied
				all = all && name != f.Denied
			}
		}
	}
	answer(w, http.StatusOK, map[string]any{
		"username": "agent", "has_all_requested": all, "cluster": cluster, "index": index,
	})
}

// fail answers a whole request with an error.
func fail(w http.ResponseWriter, status int, kind, reason string) {
	cause := map[string]any{"type": kind, "reason": reason}
	answer(w, status, map[string]any{
		"error": map[string]any{"root_cause": []any{cause}, "type": kind, "reason": reason}, "status": status,
	})
}

func answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("a made-up reply is no JSON: %v", err))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // who asked has gone
}
