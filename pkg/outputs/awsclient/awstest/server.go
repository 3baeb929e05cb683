// Package awstest is a made-up AWS for tests: services that keep the documented limits, answer as AWS
// does, and fail as they are told.
package awstest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Server is a made-up AWS. It serves all its services at one URL. Safe for concurrent use.
type Server struct {
	now func() time.Time
	// handlers are by X-Amz-Target.
	handlers map[string]handler
	// rest is what has no X-Amz-Target and is no form; nil: nothing.
	rest http.Handler

	mu      sync.Mutex
	fault   func(target string) Fault
	expired map[string]bool
	// expires has the access keys that STS has handed out.
	expires map[string]time.Time
	// denied has targets, and names of what DenyOn denies.
	denied   map[string]bool
	requests map[string]int
	roles    []string

	firehose *Firehose
	kinesis  *Kinesis
}

// handler answers a call; body is the whole of it.
type handler func(w http.ResponseWriter, r *http.Request, body []byte)

// maxBody bounds a request's body, in bytes.
const maxBody = 64 << 20

// New returns a server whose clock is now.
func New(now func() time.Time) *Server {
	s := &Server{
		now: now, handlers: map[string]handler{}, fault: func(string) Fault { return Fault{} },
		expired: map[string]bool{}, expires: map[string]time.Time{}, denied: map[string]bool{},
		requests: map[string]int{},
	}
	s.firehose = newFirehose(s)
	s.kinesis = newKinesis(s)
	return s
}

// Fault is what befalls a call. The zero Fault: nothing.
type Fault struct {
	// Status is answered instead, with Code and Message as AWS's error; 0: the service's answer.
	Status        int
	Code, Message string
	// RetryAfter is the header.
	RetryAfter string
	// Stored says that the call takes effect before its answer is replaced, cut or held back.
	Stored bool
	// Cut says that the connection ends without an answer.
	Cut bool
	// Hang says that there is no answer until the client gives up.
	Hang bool
}

// SetFault has f decide what befalls each call; target is X-Amz-Target, the Action of a form, or the
// HTTP method of anything else. f must not call s.
func (s *Server) SetFault(f func(target string) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f == nil {
		f = func(string) Fault { return Fault{} }
	}
	s.fault = f
}

// Expire has all calls signed with the access key refused as expired, or taken again.
func (s *Server) Expire(accessKey string, expired bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expired[accessKey] = expired
}

// Deny has calls of the target, such as "Firehose_20150804.DescribeDeliveryStream", denied or allowed.
func (s *Server) Deny(target string, denied bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied[target] = denied
}

// DenyOn has calls denied, or allowed, that name the stream or log group.
func (s *Server) DenyOn(name string, denied bool) { s.Deny("on "+name, denied) }

// deniedOn reports whether a call is denied for what it names.
func (s *Server) deniedOn(body []byte) bool {
	var in struct{ DeliveryStreamName, StreamName, LogGroupName string }
	if json.Unmarshal(body, &in) != nil {
		// Its service says so.
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.denied["on "+in.DeliveryStreamName] || s.denied["on "+in.StreamName] || s.denied["on "+in.LogGroupName]
}

// Requests returns how many calls there were of the target.
func (s *Server) Requests(target string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[target]
}

// handle has calls of target answered by h.
func (s *Server) handle(target string, h handler) { s.handlers[target] = h }

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	target := r.Header.Get("X-Amz-Target")
	form := target == "" && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
	if target == "" && !form {
		s.serveRest(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		// The client has gone, or sends without end.
		return
	}
	h, fail := s.handlers[target], failJSON
	if form {
		target, h, fail = "AssumeRole", s.assumeRole, failForm
	}
	s.withFault(w, r, target, fail, func(w http.ResponseWriter) {
		switch code, message := s.refusal(r, target); {
		case code != "":
			fail(w, http.StatusBadRequest, code, message)
		case s.deniedOn(body):
			fail(w, http.StatusBadRequest, "AccessDeniedException",
				"User: arn:aws:sts::123456789012:assumed-role/aggregator is not authorized")
		case h == nil:
			fail(w, http.StatusBadRequest, "UnknownOperationException", "")
		default:
			h(w, r, body)
		}
	})
}

func (s *Server) serveRest(w http.ResponseWriter, r *http.Request) {
	if s.rest == nil {
		http.Error(w, "no service takes such a call", http.StatusNotFound)
		return
	}
	s.rest.ServeHTTP(w, r)
}

// withFault has answer answer the call, unless a fault befalls it, which is said by fail. It panics with
// http.ErrAbortHandler to cut the connection.
func (s *Server) withFault(
	w http.ResponseWriter, r *http.Request, target string, fail failer, answer func(http.ResponseWriter),
) {
	s.mu.Lock()
	s.requests[target]++
	f := s.fault(target)
	s.mu.Unlock()
	if f.Status == 0 && !f.Cut && !f.Hang {
		answer(w)
		return
	}
	if f.Stored {
		answer(nowhere{http.Header{}})
	}
	switch {
	case f.Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case f.Cut:
		panic(http.ErrAbortHandler)
	}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	fail(w, f.Status, f.Code, f.Message)
}

// nowhere is an answer that nobody gets.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}

// maxSkew is how far a signature's time may be from the server's.
const maxSkew = 5 * time.Minute

// refusal returns the error with which a call is refused before its service sees it, "" for none.
func (s *Server) refusal(r *http.Request, target string) (code, message string) {
	authorization := r.Header.Get("Authorization")
	key, ok := accessKey(authorization)
	if !ok || !strings.Contains(authorization, "Signature=") {
		return "MissingAuthenticationTokenException", "Missing Authentication Token"
	}
	signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return "IncompleteSignatureException", "Date must be in ISO-8601 'basic format'."
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now().UTC()
	if skew := signed.Sub(now).Abs(); skew > maxSkew {
		return "InvalidSignatureException",
			fmt.Sprintf("Signature expired or not yet current: %s is not within 5 min of %s\n\nThe Canonical String "+
				"for this request should have been\n'POST\nx-amz-security-token:%s'",
				signed.Format("20060102T150405Z"), now.Format("20060102T150405Z"), r.Header.Get("X-Amz-Security-Token"))
	}
	if expires, ok := s.expires[key]; s.expired[key] || ok && now.After(expires) {
		if target == "AssumeRole" {
			return "ExpiredToken", "The security token included in the request is expired"
		}
		return "ExpiredTokenException", "The security token included in the request is expired"
	}
	if s.denied[target] {
		_, action, _ := strings.Cut(target, ".")
		return "AccessDeniedException",
			"User: arn:aws:sts::123456789012:assumed-role/aggregator is not authorized to perform: " + action
	}
	return "", ""
}

// accessKey returns the access key of a signature, version 4.
func accessKey(authorization string) (key string, ok bool) {
	scope, ok := strings.CutPrefix(authorization, "AWS4-HMAC-SHA256 Credential=")
	key, scope, _ = strings.Cut(scope, "/")
	return key, ok && key != "" && strings.Contains(scope, "/aws4_request")
}

// failer answers with an error in a protocol's own form.
type failer func(w http.ResponseWriter, status int, code, message string)

// failJSON answers with an error as the JSON protocols have it.
func failJSON(w http.ResponseWriter, status int, code, message string) {
	reply(w, status, map[string]string{"__type": code, "message": message})
}

// decode reads body into v, and answers where it can't.
func decode(w http.ResponseWriter, body []byte, v any) bool {
	err := json.Unmarshal(body, v)
	if err != nil {
		failJSON(w, http.StatusBadRequest, "SerializationException", err.Error())
	}
	return err == nil
}

// find returns the stream of that name, and answers where there is none. kind is what the service calls it.
func find[S any](w http.ResponseWriter, streams map[string]S, kind, name string) (S, bool) {
	d, ok := streams[name]
	if !ok {
		failJSON(w, http.StatusBadRequest, "ResourceNotFoundException",
			kind+" "+name+" under account 123456789012 not found.")
	}
	return d, ok
}

// reply answers with v as JSON.
func reply(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		// v is made of a test's plain values.
		panic(err)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Requestid", "11111111-2222-3333-4444-555555555555")
	w.WriteHeader(status)
	// An error: the client has gone.
	_, _ = w.Write(b)
}

// Roles returns the ARNs that were assumed, with "/" and the external id, in order.
func (s *Server) Roles() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.roles)
}
