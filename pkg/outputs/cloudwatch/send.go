package cloudwatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// target is one log stream and the events of the batch that go there.
type target struct {
	name
	// events are indexes in the batch, in order of time once sorted.
	events []int32
	// renamed says that the events were meant for another stream.
	renamed bool
}

// sending is one Send.
type sending struct {
	o     *Output
	w     *work
	batch *outputs.Batch
	// events are the batch's.
	events []event.Event

	mu sync.Mutex
	// failed is in any order.
	failed []outputs.Failure
	// cause is why the first event is to be sent again.
	cause      *cause
	retryAfter time.Duration
	// halted is why nothing more is sent: what failed concerns all streams.
	halted *cause
	// unmade says that nothing more is made.
	unmade *cause
	// over has those of which no more streams may be made.
	over []*target
}

// cause is why events were not delivered.
type cause struct {
	reason outputs.Reason
	status int
	// unknown says that they may have been.
	unknown    bool
	retryAfter time.Duration
	text       string
	// code is the service's word for the error.
	code string
	// remedy is as outputs.Failure has it.
	remedy string
	// making says that it is about making a group or a stream.
	making bool
}

// causeOf returns what follows from err, of a call that was to do what verb says.
func causeOf(verb string, err error) *cause {
	c := &cause{text: verb + ": " + awsclient.Describe(err)}
	c.reason, c.status, c.unknown, c.retryAfter = awsclient.Classify(err)
	c.code = awsclient.Code(err)
	f := outputs.Failure{Status: c.status}
	awsclient.Explain(&f, err)
	c.remedy = f.Remedy
	return c
}

// wide reports whether c is likely to meet other streams too: what is throttled is the account, and only a
// denial may be about one group.
func (c *cause) wide() bool {
	switch c.reason {
	case outputs.ReasonThrottled, outputs.ReasonNetwork:
		return true
	case outputs.ReasonAuth:
		return !strings.HasPrefix(c.code, "AccessDenied")
	default:
		return false
	}
}

// later is c for what was not tried because of it.
func (c *cause) later() *cause {
	l := *c
	l.unknown = false
	return &l
}

// fail notes that events for t were not delivered, and in Report those that may have been all the same.
func (s *sending) fail(t *target, events []int32, c *cause) {
	if c.unknown {
		s.o.duplicates.Add(uint64(len(events)))
	}
	goes := t.String()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range events {
		s.failed = append(s.failed, outputs.Failure{
			Index: int(i), Reason: c.reason, Status: c.status, Detail: c.text, Target: goes,
			Kind: outputs.KindOf(c.code), Remedy: c.remedy,
		})
	}
	if s.cause == nil && !c.reason.Final() {
		s.cause = c
	}
	s.retryAfter = max(s.retryAfter, c.retryAfter)
}

// count notes that events go to t.
func (s *sending) count(t *target, events []int32) {
	goes := t.String()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range events {
		s.batch.CountSent(goes, &s.events[i])
	}
}

// result returns Send's error.
func (s *sending) result() error {
	if len(s.failed) == 0 {
		return nil
	}
	slices.SortFunc(s.failed, func(a, b outputs.Failure) int { return a.Index - b.Index })
	se := &outputs.SendError{RetryAfter: s.retryAfter, Failed: s.failed}
	if s.cause == nil {
		f := s.failed[0]
		se.Reason, se.Err = f.Reason, errors.New(f.Detail)
		return se
	}
	se.Reason, se.Status, se.Err, se.Remedy = s.cause.reason, s.cause.status, errors.New(s.cause.text), s.cause.remedy
	other := func(f outputs.Failure) bool { return f.Reason != se.Reason }
	if s.halted != nil && len(s.failed) == len(s.events) && !slices.ContainsFunc(s.failed, other) {
		// Events for other streams would not fare better.
		se.Failed = nil
	}
	return se
}

// plan returns where the events go that could be rendered.
func (s *sending) plan() []*target {
	var (
		// byKey is by group, NUL and stream as the templates have them.
		byKey   = map[string]*target{}
		targets []*target
		t       *target
		key     []byte
		refused = s.failed
	)
	for i := range s.events {
		ev := &s.events[i]
		if t == nil || !s.o.names.same(&s.events[i-1], ev) {
			key = s.o.names.appendGroup(key[:0], ev)
			n := len(key)
			key = s.o.names.appendStream(append(key, 0), ev)
			if t = byKey[string(key)]; t == nil {
				t = &target{name: name{group: string(key[:n]), stream: string(key[n+1:])}}
				byKey[string(key)] = t
				targets = append(targets, t)
			}
		}
		if len(refused) > 0 && refused[0].Index == i {
			refused[0].Target = t.String()
			s.batch.CountSent(t.String(), ev)
			refused = refused[1:]
			continue
		}
		t.events = append(t.events, int32(i))
	}
	return s.prepare(targets)
}

// prepare returns those of targets that have events, with these in order of time. The order of the
// targets is random, so that one whose trouble ends a Send does not always come before the same others.
func (s *sending) prepare(targets []*target) []*target {
	targets = slices.DeleteFunc(targets, func(t *target) bool { return len(t.events) == 0 })
	lines := s.w.lines
	byTime := func(a, b int32) int { return cmp.Compare(lines[a].ms, lines[b].ms) }
	for _, t := range targets {
		if !slices.IsSortedFunc(t.events, byTime) {
			slices.SortStableFunc(t.events, byTime)
		}
	}
	rand.Shuffle(len(targets), func(i, j int) { targets[i], targets[j] = targets[j], targets[i] })
	return targets
}

// deliver sends the events of targets, several targets at a time.
func (s *sending) deliver(ctx context.Context, targets []*target, r round) {
	next := make(chan *target)
	var workers sync.WaitGroup
	for range min(parallel, len(targets)) {
		workers.Go(func() {
			for t := range next {
				s.stream(ctx, t, r)
			}
		})
	}
	for _, t := range targets {
		next <- t
	}
	close(next)
	workers.Wait()
}

// stream sends the events of t, one request after the other. After a failed request what follows it is
// not sent, so that the stream fills up in order. Where a request is refused for what it holds, smaller ones find
// the event that is wrong, also over several Sends: an account that throttles may leave few requests to each.
func (s *sending) stream(ctx context.Context, t *target, r round) {
	if r == own && s.o.maker.isRefused(t.name) {
		s.redirected(t, t.events)
		return
	}
	made, refused := false, 0
	for rest := t.events; len(rest) > 0; {
		part := rest[:min(s.fits(rest), s.o.maker.most(t.name))]
		c := s.put(ctx, t, part)
		if c != nil && c.code == notFound && !made {
			over, problem := s.make(ctx, t, r)
			if over {
				s.redirected(t, rest)
				return
			}
			if made, c = true, problem; c == nil {
				c = s.put(ctx, t, part)
			}
		}
		if c != nil && c.wrong() && len(part) > 1 {
			// Find out which event it is.
			s.o.maker.narrow(t.name, len(part)/2)
			continue
		}
		rest = rest[len(part):]
		switch {
		case c == nil:
			s.count(t, part)
			refused = 0
		case c.wrong():
			s.count(t, part)
			s.fail(t, part, s.blame(t, c))
			if refused++; refused >= refusedInARow && len(rest) > 1 {
				// The last one tells whether the stream takes anything.
				last := len(rest) - 1
				s.count(t, rest[:last])
				s.fail(t, rest[:last], c.held())
				rest = rest[last:]
			}
		default:
			s.count(t, part)
			s.count(t, rest)
			s.fail(t, part, c)
			s.fail(t, rest, c.later())
			return
		}
	}
}

// fits returns how many of events, which are sorted, make one request: at least one.
func (s *sending) fits(events []int32) int {
	lines := s.w.lines
	first, size := lines[events[0]].ms, 0
	for n, i := range events {
		l := &lines[i]
		size += l.size()
		if n > 0 && (n == maxRequest || size > maxRequestBytes || l.ms-first >= maxSpan) {
			return n
		}
	}
	return len(events)
}

// put makes one request. It returns why none of its events were stored; those that the service refused
// for their time are noted.
func (s *sending) put(ctx context.Context, t *target, events []int32) *cause {
	if c := s.ended(ctx); c != nil {
		return c
	}
	in := make([]types.InputLogEvent, len(events))
	values := make([]struct {
		message string
		ms      int64
	}, len(events))
	cut := 0
	for n, i := range events {
		l, v := &s.w.lines[i], &values[n]
		v.message, v.ms = s.w.text[l.from:l.to], l.ms
		in[n] = types.InputLogEvent{Message: &v.message, Timestamp: &v.ms}
		if l.cut {
			cut++
		}
	}
	once, cancel := s.o.request(ctx)
	defer cancel()
	out, err := s.o.api.putEvents(once, &logs.PutLogEventsInput{
		LogGroupName: &t.group, LogStreamName: &t.stream, LogEvents: in,
	})
	if err != nil {
		c := causeOf("put events into "+t.String(), err)
		// ServiceUnavailableException as well.
		c.unknown = c.unknown || c.status >= http.StatusInternalServerError
		if c.wide() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.halted = c.later()
		}
		return c
	}
	s.refuse(t, events, out.RejectedLogEventsInfo)
	s.o.maker.accepted(t.name)
	s.o.maker.retainFlowing(ctx, t.group)
	s.o.truncated.Add(uint64(cut))
	if t.renamed {
		s.o.redirected.Add(uint64(len(events)))
	}
	return nil
}

// ended returns why nothing more is to be sent.
func (s *sending) ended(ctx context.Context) *cause {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil && s.halted == nil {
		s.halted = &cause{reason: outputs.ReasonNetwork, text: fmt.Sprintf("not sent: %v", err)}
	}
	return s.halted
}

// refuse notes the events of a request that the service did not store because of their time.
func (s *sending) refuse(t *target, events []int32, info *types.RejectedLogEventsInfo) {
	if info == nil {
		return
	}
	// upTo moves an end, which is exclusive.
	upTo := func(end *int32) int {
		if end == nil {
			return 0
		}
		return min(max(int(*end), 0), len(events))
	}
	tooOld, expired, tooNew := upTo(info.TooOldLogEventEndIndex), upTo(info.ExpiredLogEventEndIndex), len(events)
	if info.TooNewLogEventStartIndex != nil {
		tooNew = upTo(info.TooNewLogEventStartIndex)
	}
	// Emulators have been seen to name the last refused event where the first or the next one is due, so
	// what is surely beyond the limits counts as refused too: better a dead letter too many.
	now := s.o.now().UnixMilli()
	oldest, newest := now-maxAge, now+maxAhead
	for n, i := range events {
		ms := s.w.lines[i].ms
		var why string
		switch {
		case n < tooOld, n == tooOld && info.TooOldLogEventEndIndex != nil && ms < oldest:
			why = "older than 14 days"
		case n < expired:
			why = "older than the log group's retention"
		case n >= tooNew, info.TooNewLogEventStartIndex != nil && ms > newest:
			why = "more than 2 hours in the future"
		default:
			continue
		}
		at := time.UnixMilli(ms).UTC().Format(time.RFC3339)
		s.fail(t, events[n:n+1], &cause{
			reason: outputs.ReasonRejected,
			text:   "[" + t.String() + "] CloudWatch Logs refused the event's time, " + at + ": " + why,
		})
	}
}

const notFound = "ResourceNotFoundException"

// wrong reports whether the request was refused for what it holds.
func (c *cause) wrong() bool {
	if c.making {
		return false
	}
	switch c.code {
	case "InvalidParameterException", "ValidationException", "SerializationException":
		return true
	}
	return c.reason == outputs.ReasonTooLarge
}

// refusedInARow bounds how many events one Send finds refused alone with none taken in between.
const refusedInARow = 3

// blame returns c for an event that was refused alone. It is held until its stream has taken others: only
// then it is not the stream that is wrong.
func (s *sending) blame(t *target, c *cause) *cause {
	if !s.o.maker.blames(t.name) {
		return c.held()
	}
	final := *c
	if c.reason != outputs.ReasonTooLarge {
		final.reason = outputs.ReasonRejected
	}
	return &final
}

// held is c for events that are to be sent again.
func (c *cause) held() *cause {
	h := *c
	h.reason = outputs.ReasonServer
	return &h
}
