// Package otlptest is a made-up receiver of OTLP over HTTP for tests. It reads requests by OpenTelemetry's own
// messages, and keeps what its specification says: media types, statuses with a google.rpc.Status, partial success,
// lengths of ids, unique keys.
package otlptest

import (
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
	collectorlogs "go.opentelemetry.io/proto/slim/otlp/collector/logs/v1"
	logs "go.opentelemetry.io/proto/slim/otlp/logs/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Options is what a Server is made of.
type Options struct {
	Token string // that has to come as a bearer's; "": none
	// Tenants are those that X-Scope-OrgID may name; nil: any.
	Tenants []string
	// MaxBody counts bytes of a request, unpacked; 0: 20 MiB, as a Collector takes.
	MaxBody int
	JSON    bool // it answers in JSON
	// CountOnly says that log records are counted and not kept.
	CountOnly bool
}

// Record is a log record that the server has.
type Record struct {
	Tenant   string
	Resource map[string]any // its attributes
	Log      *logs.LogRecord
}

// Server is a made-up receiver. Safe for concurrent use.
type Server struct {
	o Options

	mu      sync.Mutex
	token   string
	tenants []string
	fault   func(w http.ResponseWriter, r *http.Request) bool
	reject  func(l *logs.LogRecord) bool
	bad     func(l *logs.LogRecord) bool
	records []Record
	count   int
	most    int // resources in one request
}

// New returns a Server without log records.
func New(o Options) *Server {
	if o.MaxBody == 0 {
		o.MaxBody = 20 << 20
	}
	return &Server{o: o, token: o.Token, tenants: o.Tenants}
}

// SetFault has f answer requests for which it returns true, before anything else; nil: none.
func (s *Server) SetFault(f func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// SetToken changes the token that has to come.
func (s *Server) SetToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}

// SetTenants changes whom X-Scope-OrgID may name.
func (s *Server) SetTenants(names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tenants = names
}

// SetReject has log records for which reject returns true not taken, with partial success, and requests with one for
// which bad returns true refused as a whole. nil: none.
func (s *Server) SetReject(reject, bad func(l *logs.LogRecord) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reject, s.bad = reject, bad
}

// Records returns what the server has, in the order of receipt.
func (s *Server) Records() []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.records)
}

// Count returns how many log records the server has.
func (s *Server) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// Resources returns how many there were in one request at most.
func (s *Server) Resources() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// Refuse answers with a status and a google.rpc.Status that has the message.
func Refuse(w http.ResponseWriter, status int, message string) {
	body := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 3)
	body = protowire.AppendString(protowire.AppendTag(body, 2, protowire.BytesType), message)
	answer(w, status, "application/x-protobuf", body)
}

func answer(w http.ResponseWriter, status int, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	// Who asked may have gone.
	_, _ = w.Write(body)
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	fault := s.fault
	s.mu.Unlock()
	if fault != nil && fault(w, r) {
		return
	}
	body, status, why := s.read(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch tenant := r.Header.Get("X-Scope-Orgid"); {
	case r.URL.Path != "/v1/logs":
		http.NotFound(w, r)
	case r.Method != http.MethodPost:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case s.token != "" && r.Header.Get("Authorization") != "Bearer "+s.token:
		Refuse(w, http.StatusUnauthorized, "no valid token")
	case tenant != "" && s.tenants != nil && !slices.Contains(s.tenants, tenant):
		Refuse(w, http.StatusForbidden, "no such tenant")
	case r.Header.Get("Content-Type") != "application/x-protobuf":
		w.WriteHeader(http.StatusUnsupportedMediaType)
	case status != 0:
		Refuse(w, status, why)
	default:
		s.take(w, tenant, body)
	}
}

// read returns a request's body, unpacked, or the status that refuses it.
func (s *Server) read(r *http.Request) (body []byte, status int, why string) {
	var from io.Reader = r.Body
	switch r.Header.Get("Content-Encoding") {
	case "":
	case "gzip":
		unpack, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, http.StatusBadRequest, "no gzip"
		}
		from = unpack
	case "zstd":
		unpack, err := zstd.NewReader(r.Body)
		if err != nil {
			return nil, http.StatusBadRequest, "no zstd"
		}
		defer unpack.Close()
		from = unpack
	default:
		return nil, http.StatusUnsupportedMediaType, "an unknown encoding"
	}
	body, err := io.ReadAll(io.LimitReader(from, int64(s.o.MaxBody)+1))
	switch {
	case err != nil:
		return nil, http.StatusBadRequest, err.Error()
	case len(body) > s.o.MaxBody:
		return nil, http.StatusRequestEntityTooLarge, "request body too large"
	}
	return body, 0, ""
}

// take takes the log records of a request. s.mu is held.
func (s *Server) take(w http.ResponseWriter, tenant string, body []byte) {
	var request collectorlogs.ExportLogsServiceRequest
	if err := proto.Unmarshal(body, &request); err != nil {
		Refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	taken, rejected, err := s.sort(tenant, request.GetResourceLogs())
	if err != nil {
		Refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	s.count += len(taken)
	s.most = max(s.most, len(request.GetResourceLogs()))
	if !s.o.CountOnly {
		s.records = append(s.records, taken...)
	}
	response := &collectorlogs.ExportLogsServiceResponse{}
	if rejected > 0 {
		response.PartialSuccess = &collectorlogs.ExportLogsPartialSuccess{
			RejectedLogRecords: int64(rejected), ErrorMessage: "some are not taken",
		}
	}
	encode, kind := proto.Marshal, "application/x-protobuf"
	if s.o.JSON {
		encode, kind = protojson.Marshal, "application/json"
	}
	text, err := encode(response)
	if err != nil {
		// A message of its own.
		panic(err)
	}
	answer(w, http.StatusOK, kind, text)
}
