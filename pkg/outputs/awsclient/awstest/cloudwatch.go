package awstest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// The limits of CloudWatch Logs, as its API reference has them.
const (
	// logRequestBytes is how many messages, and logOverhead for each.
	logRequestBytes = 1_048_576
	logOverhead     = 26
	// logRequest is how many events.
	logRequest = 10_000
	logSpan    = 24 * time.Hour
	logOldest  = 14 * 24 * time.Hour
	logNewest  = 2 * time.Hour
)

// CloudWatch is CloudWatch Logs. Safe for concurrent use.
type CloudWatch struct {
	now func() time.Time

	mu     sync.Mutex
	groups map[string]*LogGroup
	refuse func(LogEvent) string
	puts   []LogPut
	bytes  int
	broken string
}

// LogGroup is a log group and its streams.
type LogGroup struct {
	Class string
	Tags  map[string]string
	// RetentionDays may be 0: for ever.
	RetentionDays int
	Streams       map[string][]LogEvent
}

// LogEvent is an event of a stream.
type LogEvent struct {
	Timestamp int64  `json:"timestamp"`
	Message   string `json:"message"`
}

// LogPut is a request that was accepted.
type LogPut struct {
	Group, Stream string
	// Bytes is as they count for the limit.
	Events, Stored, Bytes int
}

// logsCall is the input of all the operations.
type logsCall struct {
	Group     string            `json:"logGroupName"`
	Stream    string            `json:"logStreamName"`
	Class     string            `json:"logGroupClass"`
	Tags      map[string]string `json:"tags"`
	Retention int               `json:"retentionInDays"`
	Prefix    string            `json:"logGroupNamePrefix"`
	Limit     int               `json:"limit"`
	Events    []LogEvent        `json:"logEvents"`
}

// logsError is an answer of CloudWatch Logs that is an error.
type logsError struct{ code, message string }

// NewCloudWatch adds CloudWatch Logs to s, with a clock of its own for the age of events.
func NewCloudWatch(s *Server, now func() time.Time) *CloudWatch {
	c := &CloudWatch{now: now, groups: map[string]*LogGroup{}, refuse: func(LogEvent) string { return "" }}
	for operation, do := range map[string]func(*logsCall) (any, *logsError){
		"PutLogEvents": c.put, "CreateLogGroup": c.createGroup, "CreateLogStream": c.createStream,
		"PutRetentionPolicy": c.retain, "DescribeLogGroups": c.describe,
	} {
		s.handle("Logs_20140328."+operation, func(w http.ResponseWriter, _ *http.Request, body []byte) {
			var in logsCall
			if err := json.Unmarshal(body, &in); err != nil || !utf8.Valid(body) {
				failJSON(w, http.StatusBadRequest, "SerializationException", "the body is no JSON")
				return
			}
			c.mu.Lock()
			out, e := do(&in)
			if e != nil && e.code == invalidParameter {
				c.broken = operation + ": " + e.message
			}
			c.mu.Unlock()
			if e != nil {
				failJSON(w, http.StatusBadRequest, e.code, e.message)
				return
			}
			reply(w, http.StatusOK, out)
		})
	}
	return c
}

// Add makes a group with streams, as somebody else would.
func (c *CloudWatch) Add(group string, streams ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.groups[group] = &LogGroup{Streams: map[string][]LogEvent{}}
	for _, s := range streams {
		c.groups[group].Streams[s] = nil
	}
}

// SetRefuse has requests refused that hold an event for which refuse returns a text, which is the
// service's message.
func (c *CloudWatch) SetRefuse(refuse func(e LogEvent) string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = refuse
}

// Invalid returns why the last request was refused that broke a limit, "" where there was none.
func (c *CloudWatch) Invalid() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken
}

// Groups returns all groups as they are now, by name.
func (c *CloudWatch) Groups() map[string]LogGroup {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]LogGroup, len(c.groups))
	for group, g := range c.groups {
		copied := *g
		copied.Streams = make(map[string][]LogEvent, len(g.Streams))
		for stream, events := range g.Streams {
			copied.Streams[stream] = slices.Clone(events)
		}
		all[group] = copied
	}
	return all
}

// Puts returns the requests that were accepted, in order.
func (c *CloudWatch) Puts() []LogPut {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.puts)
}

// Bytes returns how many bytes were accepted, as they count for the limit.
func (c *CloudWatch) Bytes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

const invalidParameter = "InvalidParameterException"

func invalid(format string, args ...any) *logsError {
	return &logsError{invalidParameter, fmt.Sprintf(format, args...)}
}

func checkGroup(name string) *logsError {
	if !regexp.MustCompile(`^[.\-_/#A-Za-z0-9]{1,512}$`).MatchString(name) || strings.HasPrefix(name, "aws/") {
		return invalid("1 validation error detected: Value '%s' at 'logGroupName' failed to satisfy constraint", name)
	}
	return nil
}

func checkStream(name string) *logsError {
	if !regexp.MustCompile(`^[^:*]{1,512}$`).MatchString(name) {
		return invalid("1 validation error detected: Value '%s' at 'logStreamName' failed to satisfy constraint", name)
	}
	return nil
}

func (c *CloudWatch) createGroup(in *logsCall) (any, *logsError) {
	if e := checkGroup(in.Group); e != nil {
		return nil, e
	}
	if c.groups[in.Group] != nil {
		return nil, &logsError{"ResourceAlreadyExistsException", "The specified log group already exists"}
	}
	c.groups[in.Group] = &LogGroup{Class: in.Class, Tags: in.Tags, Streams: map[string][]LogEvent{}}
	return struct{}{}, nil
}

func (c *CloudWatch) createStream(in *logsCall) (any, *logsError) {
	if e := checkGroup(in.Group); e != nil {
		return nil, e
	}
	if e := checkStream(in.Stream); e != nil {
		return nil, e
	}
	g, e := c.group(in)
	if e != nil {
		return nil, e
	}
	if _, ok := g.Streams[in.Stream]; ok {
		return nil, &logsError{"ResourceAlreadyExistsException", "The specified log stream already exists"}
	}
	g.Streams[in.Stream] = nil
	return struct{}{}, nil
}

func (c *CloudWatch) group(in *logsCall) (*LogGroup, *logsError) {
	if g := c.groups[in.Group]; g != nil {
		return g, nil
	}
	return nil, &logsError{"ResourceNotFoundException", "The specified log group does not exist."}
}

func (c *CloudWatch) retain(in *logsCall) (any, *logsError) {
	g, e := c.group(in)
	if e != nil {
		return nil, e
	}
	if !slices.Contains(
		[]int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653},
		in.Retention,
	) {
		return nil, invalid("retentionInDays %d is not one of the allowed values", in.Retention)
	}
	g.RetentionDays = in.Retention
	return struct{}{}, nil
}

func (c *CloudWatch) describe(in *logsCall) (any, *logsError) {
	type group struct {
		Name      string `json:"logGroupName"`
		Retention int    `json:"retentionInDays,omitempty"`
	}
	found := []group{}
	for name, g := range c.groups {
		if strings.HasPrefix(name, in.Prefix) {
			found = append(found, group{name, g.RetentionDays})
		}
	}
	slices.SortFunc(found, func(a, b group) int { return strings.Compare(a.Name, b.Name) })
	if in.Limit > 0 && len(found) > in.Limit {
		found = found[:in.Limit]
	}
	return map[string]any{"logGroups": found}, nil
}

func (c *CloudWatch) put(in *logsCall) (any, *logsError) {
	if e := checkGroup(in.Group); e != nil {
		return nil, e
	}
	if e := checkStream(in.Stream); e != nil {
		return nil, e
	}
	size, e := checkLogEvents(in.Events)
	if e != nil {
		return nil, e
	}
	g, e := c.group(in)
	if e != nil {
		return nil, e
	}
	if _, ok := g.Streams[in.Stream]; !ok {
		return nil, &logsError{"ResourceNotFoundException", "The specified log stream does not exist."}
	}
	for _, ev := range in.Events {
		if why := c.refuse(ev); why != "" {
			return nil, &logsError{invalidParameter, why}
		}
	}
	now, n := c.now(), len(in.Events)
	// before returns how many are older.
	before := func(age time.Duration) int {
		i := slices.IndexFunc(in.Events, func(e LogEvent) bool { return e.Timestamp >= now.Add(-age).UnixMilli() })
		if i < 0 {
			return n
		}
		return i
	}
	tooOld, expired, tooNew := before(logOldest), 0, before(-logNewest-time.Millisecond)
	if g.RetentionDays > 0 {
		expired = before(time.Duration(g.RetentionDays) * 24 * time.Hour)
	}
	valid := in.Events[max(tooOld, expired):max(tooNew, tooOld, expired)]
	if len(valid) > 0 && valid[len(valid)-1].Timestamp-valid[0].Timestamp > logSpan.Milliseconds() {
		return nil, invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	g.Streams[in.Stream] = append(g.Streams[in.Stream], valid...)
	c.puts = append(c.puts, LogPut{Group: in.Group, Stream: in.Stream, Events: n, Stored: len(valid), Bytes: size})
	c.bytes += size
	info := map[string]int{}
	if tooOld > 0 {
		info["tooOldLogEventEndIndex"] = tooOld
	}
	if expired > 0 {
		info["expiredLogEventEndIndex"] = expired
	}
	if tooNew < n {
		info["tooNewLogEventStartIndex"] = tooNew
	}
	if len(info) == 0 {
		return map[string]any{}, nil
	}
	return map[string]any{"rejectedLogEventsInfo": info}, nil
}

// checkLogEvents returns how many bytes a request's events count, or which limit they break.
func checkLogEvents(events []LogEvent) (size int, e *logsError) {
	if len(events) == 0 || len(events) > logRequest {
		return 0,
			invalid(
				"1 validation error detected: Value at 'logEvents' failed to satisfy constraint: Member must have "+
					"length between 1 and %d", logRequest,
			)
	}
	for i, ev := range events {
		n := len(ev.Message) + logOverhead
		size += n
		switch {
		case ev.Message == "":
			return 0,
				invalid(
					"1 validation error detected: Value '' at 'logEvents.%d.member.message' failed to satisfy "+
						"constraint: Member must have length greater than or equal to 1", i+1,
				)
		case ev.Timestamp < 0:
			return 0,
				invalid(
					"1 validation error detected: Value '%d' at 'logEvents.%d.member.timestamp' failed to satisfy "+
						"constraint: Member must have value greater than or equal to 0", ev.Timestamp, i+1,
				)
		case n > logRequestBytes:
			return 0, invalid("Log event too large: %d bytes exceeds limit of %d", n, logRequestBytes)
		case i > 0 && ev.Timestamp < events[i-1].Timestamp:
			return 0, invalid("Log events in a single PutLogEvents request must be in chronological order.")
		}
	}
	if size > logRequestBytes {
		return 0, invalid("Upload too large: %d bytes exceeds limit of %d", size, logRequestBytes)
	}
	return size, nil
}
