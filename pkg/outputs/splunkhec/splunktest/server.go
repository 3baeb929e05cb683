// Package splunktest is a made-up HTTP Event Collector for tests. It keeps the limits that Splunk documents: tokens,
// indexes, channels, sizes, what an event must have; where it stops at an event, those before are taken; numbers of
// acknowledgements are given to each channel, told once, and forgotten with a restart.
package splunktest

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Options is what a Server is made of.
type Options struct {
	Token   string
	Ack     bool     // the token has indexer acknowledgement
	Indexes []string // that there are and the token may write to; nil: any
	// MaxContent is the most bytes of a request, unpacked; 0: 1,000,000.
	MaxContent int
	CountOnly  bool // events are counted and not kept
	FromOne    bool // invalid-event-number counts from 1
	CheckEarly bool // the index is looked at before the event
}

// Event is one that an indexer has.
type Event struct {
	Index, Host, Source, SourceType string
	Time                            string // as it was sent
	Event                           string // JSON; of a raw line its text
	Fields                          map[string]string
	Raw                             bool
}

// Server is a made-up collector. Safe for concurrent use.
type Server struct {
	o Options

	mu       sync.Mutex
	token    string
	disabled bool
	ack      bool
	indexes  []string
	busy     bool
	poison   string // events with it are refused
	stalled  bool   // indexers write nothing
	fault    func(w http.ResponseWriter, r *http.Request) bool
	indexed  []Event
	queued   []Event // taken, and not on any disk
	count    int
	channels map[string]*channel
	polls    int
	seen     map[string]bool // ids of channels, ever
}

// channel is what is known of one.
type channel struct {
	next int64
	done map[int64]bool // by number: an indexer has it
}

// New returns a Server without events.
func New(o Options) *Server {
	if o.MaxContent == 0 {
		o.MaxContent = 1_000_000
	}
	return &Server{
		o: o, token: o.Token, ack: o.Ack, indexes: o.Indexes, channels: map[string]*channel{},
		seen: map[string]bool{},
	}
}

// SetFault has f answer requests for which it returns true, before anything else; nil: none.
func (s *Server) SetFault(f func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// SetToken changes the token that is taken.
func (s *Server) SetToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}

// SetAck gives the token acknowledgement, or takes it away.
func (s *Server) SetAck(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ack = on
}

// SetDisabled disables the token.
func (s *Server) SetDisabled(disabled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disabled = disabled
}

// SetIndexes changes which there are.
func (s *Server) SetIndexes(names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.indexes = names
}

// SetBusy has its queues be full.
func (s *Server) SetBusy(busy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = busy
}

// SetPoison has events that hold the text refused, "": none.
func (s *Server) SetPoison(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.poison = text
}

// Stall has indexers write nothing until they go on.
func (s *Server) Stall(stalled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stalled = stalled
	if !stalled {
		s.flush()
	}
}

// flush writes what is queued. s.mu is held.
func (s *Server) flush() {
	s.indexed = append(s.indexed, s.queued...)
	s.queued = nil
	for _, c := range s.channels {
		for id := range c.done {
			c.done[id] = true
		}
	}
}

// Crash forgets channels, and loses what no indexer has.
func (s *Server) Crash() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queued, s.channels = nil, map[string]*channel{}
}

// Events returns what indexers have, in the order of receipt.
func (s *Server) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.indexed)
}

// Count returns how many events indexers have.
func (s *Server) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// Channels returns how many different channels were ever named.
func (s *Server) Channels() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

// Polls returns how often acknowledgements were asked for.
func (s *Server) Polls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.polls
}

// texts are what codes are called.
func texts(code int) string {
	return map[int]string{
		0: "Success", 1: "Token disabled", 2: "Token is required", 3: "Invalid authorization", 4: "Invalid token",
		5: "No data", 6: "Invalid data format", 7: "Incorrect index", 8: "Internal server error", 9: "Server is busy",
		10: "Data channel is missing", 11: "Invalid data channel", 12: "Event field is required",
		13: "Event field cannot be blank", 14: "ACK is disabled", 15: "Error in handling indexed fields",
		17: "HEC is healthy", 18: "HEC is unhealthy, queues are full",
	}[code]
}

// Answer writes an answer with a code, and more members.
func Answer(w http.ResponseWriter, status, code int, more map[string]any) {
	body := map[string]any{"text": texts(code), "code": code}
	for key, value := range more {
		body[key] = value
	}
	send(w, status, body)
}

// send writes an answer.
func send(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // a test's own members
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	// Who asked may have gone.
	_, _ = w.Write(text)
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	fault := s.fault
	s.mu.Unlock()
	if fault != nil && fault(w, r) {
		return
	}
	body, problem := s.read(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/services/collector")
	if path == "/health" && r.Method == http.MethodGet {
		s.health(w)
		return
	}
	if status, code := s.login(r); code != 0 {
		Answer(w, status, code, nil)
		return
	}
	switch {
	case r.Method != http.MethodPost:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case problem != 0:
		w.WriteHeader(problem)
	case path == "/ack":
		s.acks(w, r, body)
	case path == "/event" || path == "" || path == "/event/1.0":
		s.take(w, r, body, false)
	case path == "/raw" || path == "/raw/1.0":
		s.take(w, r, body, true)
	default:
		http.NotFound(w, r)
	}
}

// login returns the refusal of a request that is not logged in, or 0.
func (s *Server) login(r *http.Request) (status, code int) {
	header := r.Header.Get("Authorization")
	token, ok := strings.CutPrefix(header, "Splunk ")
	switch {
	case header == "":
		return http.StatusUnauthorized, 2
	case !ok:
		return http.StatusUnauthorized, 3
	case token != s.token:
		return http.StatusForbidden, 4
	case s.disabled:
		return http.StatusForbidden, 1
	}
	return 0, 0
}

// health answers whether the collector is well. s.mu is held.
func (s *Server) health(w http.ResponseWriter) {
	if s.busy {
		Answer(w, http.StatusServiceUnavailable, 18, nil)
		return
	}
	Answer(w, http.StatusOK, 17, nil)
}

// channel returns the one that a request names, and the code of its refusal. s.mu is held.
func (s *Server) channel(r *http.Request) (id string, code int) {
	id = r.Header.Get("X-Splunk-Request-Channel")
	if id == "" {
		id = r.URL.Query().Get("channel")
	}
	switch guid := regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`); {
	case id == "":
		return "", 10
	case !guid.MatchString(id):
		return "", 11
	}
	s.seen[id] = true
	return id, 0
}

// acks answers which requests are acknowledged. s.mu is held.
func (s *Server) acks(w http.ResponseWriter, r *http.Request, body []byte) {
	s.polls++
	if !s.ack {
		Answer(w, http.StatusBadRequest, 14, nil)
		return
	}
	id, code := s.channel(r)
	if code != 0 {
		Answer(w, http.StatusBadRequest, code, nil)
		return
	}
	var asked struct{ Acks []int64 }
	if err := json.Unmarshal(body, &asked); err != nil || len(asked.Acks) == 0 {
		Answer(w, http.StatusBadRequest, 6, nil)
		return
	}
	answer := map[string]bool{}
	c := s.channels[id]
	for _, n := range asked.Acks {
		done := c != nil && c.done[n]
		answer[strconv.FormatInt(n, 10)] = done
		if done {
			delete(c.done, n)
		}
	}
	send(w, http.StatusOK, map[string]any{"acks": answer})
}
