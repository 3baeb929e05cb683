package awsclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/aws/smithy-go"

	"github.com/seed-afc6a195/aggregator/internal/rate"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// delivery is one Send.
type delivery struct {
	s      *Streams
	c      *splitter
	events []event.Event
	// name is that of the stream that is sent to.
	name string
	// patience is what is left of it.
	patience time.Duration
	// taken says that something was stored, or refused for good.
	taken bool
	// ended is nothing more can be sent.
	ended  *failure
	failed []outputs.Failure
	// pause is the least that paced events wait.
	pause time.Duration
	// wish is the service's, for what failed.
	wish     time.Duration
	dominant *failure
}

// failure is why events were not delivered.
type failure struct {
	reason outputs.Reason
	status int
	detail string
	err    error
	// kind is as outputs.Failure has it, and what follows.
	kind   string
	remedy string
}

// send delivers the events that order names to one stream.
func (d *delivery) send(ctx context.Context, name string, order []int32) {
	st, refused := d.s.stream(name), 0
	d.name = name
	for len(order) > 0 {
		if d.ended != nil {
			d.fail(order, d.ended)
			return
		}
		turn, wait, ok := st.pace.Reserve(time.Now(), d.patience)
		if !ok {
			d.hold(name, order, wait)
			return
		}
		taken := d.c.cut(d.events, order, turn, int(st.most.Load()))
		bytes, records := d.c.bytes, d.c.records
		st.pace.Spend(turn, bytes, len(records))
		if len(records) == 0 {
			d.refuse()
			order = order[taken:]
			continue
		}
		d.patience -= wait
		if err := rate.Wait(ctx, wait); err != nil {
			d.ended = &failure{reason: outputs.ReasonNetwork, detail: "the delivery was ended", err: err}
			continue
		}
		outcomes, err := d.put(ctx, name, records)
		if err == nil {
			d.refuse()
			again := d.settle(st, turn, order, outcomes)
			order, refused = order[taken:], 0
			st.most.Store(min(2*st.most.Load(), math.MaxInt32))
			if again > len(records)/2 {
				// No use in going on now.
				d.hold(name, order, leastRest)
				return
			}
			continue
		}
		f, wish := d.whole(err)
		d.wish = max(d.wish, wish)
		if f.reason == outputs.ReasonThrottled {
			st.pace.Done(time.Now(), turn, 0, 0, bytes, len(records))
			d.refuse()
			d.failRecords(order, f)
			d.hold(name, order[taken:], leastRest)
			return
		}
		st.pace.Done(time.Now(), turn, 0, 0, 0, 0)
		switch {
		case !refusesRecords(err) && f.reason != outputs.ReasonTooLarge:
			d.refuse()
			d.failRecords(order, f)
			d.fail(order[taken:], f)
			return
		case taken > 1:
			// Find out which event it is.
			st.most.Store(int64(taken / 2))
			continue
		}
		ev := &d.events[order[0]]
		if st.poison(ev, time.Now()) {
			f = f.poison()
			d.taken = true
		} else if f.reason.Final() {
			f = f.held()
		}
		d.fail(order[:1], f)
		order = order[1:]
		if refused++; refused >= refusedInARow && len(order) > 1 {
			// The last one tells whether the stream takes anything.
			last := len(order) - 1
			d.fail(order[:last], f.held())
			order = order[last:]
		}
	}
}

// poison returns f as the failure of an event that is given up.
func (f *failure) poison() *failure {
	poison := *f
	if f.reason != outputs.ReasonTooLarge {
		poison.reason = outputs.ReasonRejected
	}
	return &poison
}

// held returns f as the failure of events that were not looked at, or may not be what is wrong.
func (f *failure) held() *failure {
	held := *f
	held.reason = outputs.ReasonServer
	return &held
}

// put makes one request.
func (d *delivery) put(ctx context.Context, name string, records []Record) ([]Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, d.s.o.Timeout)
	defer cancel()
	outcomes, err := d.s.o.Put(ctx, name, records)
	if err == nil && len(outcomes) != len(records) {
		return nil, &answerError{len(outcomes), len(records)}
	}
	return outcomes, err
}

// answerError says that an answer can't be assigned to the request's records.
type answerError struct{ got, want int }

func (e *answerError) Error() string {
	return fmt.Sprintf("the service answered for %d of %d records; all are sent again", e.got, e.want)
}

// whole says what became of a request that failed as a whole, and when the service wants it again.
func (d *delivery) whole(err error) (f *failure, wish time.Duration) {
	reason, status, unknown, wish := Classify(err)
	f = &failure{reason: reason, status: status, detail: d.place() + Describe(err), err: err}
	explained := outputs.Failure{Status: status}
	Explain(&explained, err)
	f.kind, f.remedy = explained.Kind, explained.Remedy
	var answer *answerError
	if errors.As(err, &answer) {
		f.reason, unknown = outputs.ReasonServer, true
	}
	if unknown {
		d.s.doubtful.Add(uint64(d.c.contained()))
	}
	if f.reason != outputs.ReasonServer && Everywhere(err) {
		d.ended = f
	}
	return f, wish
}

// place says where events go, in front of what is wrong.
func (d *delivery) place() string { return "[" + d.name + "] " }

// refusesRecords reports whether err may be about what is in the request.
func refusesRecords(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode() {
	case "ValidationException", "InvalidArgumentException", "SerializationException", "RequestEntityTooLargeException":
		return true
	}
	return false
}

// settle notes what became of the request's records, and returns how many failed.
func (d *delivery) settle(st *stream, turn Turn, order []int32, outcomes []Outcome) (failed int) {
	var accepted, throttled, acceptedBytes, throttledBytes int
	for i := range outcomes {
		record, out := &d.c.records[i], &outcomes[i]
		if out.Code == "" {
			accepted++
			acceptedBytes += len(record.Data)
			continue
		}
		failed++
		line := refusals().Find(0, out.Code, "")
		f := &failure{
			reason: line.Reason,
			detail: d.place() + out.Code + outputs.Words(": "+oneLine(out.Message), "") + hint(out.Code),
			kind:   outputs.KindOf(out.Code), remedy: line.Remedy,
		}
		switch {
		case out.Code == unproved:
			d.s.doubtful.Add(uint64(record.n))
		case f.reason == outputs.ReasonThrottled:
			throttled++
			throttledBytes += len(record.Data)
		case f.reason.Final():
			// It fits the request.
			f.reason = outputs.ReasonServer
		}
		d.fail(order[record.first:record.first+record.n], f)
	}
	if accepted > 0 {
		d.taken = true
		st.took(time.Now())
	}
	st.pace.Done(time.Now(), turn, acceptedBytes, accepted, throttledBytes, throttled)
	return failed
}

// refuse notes the events of the last cut that can never be sent.
func (d *delivery) refuse() {
	if len(d.c.refused) > 0 {
		for _, f := range d.c.refused {
			f.Target, f.Detail = d.name, d.place()+f.Detail
			d.failed = append(d.failed, f)
		}
		d.taken = true
		d.note(&failure{reason: d.c.refused[0].Reason, detail: d.place() + d.c.refused[0].Detail})
	}
}

// failRecords notes that the request's records failed.
func (d *delivery) failRecords(order []int32, f *failure) {
	for i := range d.c.records {
		record := &d.c.records[i]
		d.fail(order[record.first:record.first+record.n], f)
	}
}

// hold notes that events have to wait for their stream's pace.
func (d *delivery) hold(name string, order []int32, wait time.Duration) {
	if len(order) == 0 {
		return
	}
	wait = max(wait, leastRest)
	if d.pause == 0 || wait < d.pause {
		d.pause = wait
	}
	d.fail(order, &failure{reason: outputs.ReasonPaced, detail: "held back for the pace of stream " + name})
}

// fail notes that events were not delivered.
func (d *delivery) fail(order []int32, f *failure) {
	if len(order) == 0 {
		return
	}
	for _, i := range order {
		d.failed = append(d.failed, outputs.Failure{
			Index: int(i), Reason: f.reason, Status: f.status, Detail: f.detail, Target: d.name, Kind: f.kind,
			Remedy: f.remedy,
		})
	}
	d.note(f)
}

// note keeps the failure that tells most.
func (d *delivery) note(f *failure) {
	if d.dominant == nil || severity(f.reason) > severity(d.dominant.reason) {
		d.dominant = f
	}
}

func severity(r outputs.Reason) int {
	return slices.Index([]outputs.Reason{
		outputs.ReasonPaced, outputs.ReasonTooLarge, outputs.ReasonRejected, outputs.ReasonTarget,
		outputs.ReasonThrottled,
		outputs.ReasonServer, outputs.ReasonNetwork, outputs.ReasonAuth,
	}, r)
}

// result returns Send's error.
func (d *delivery) result() error {
	if len(d.failed) == 0 {
		return nil
	}
	e := &outputs.SendError{
		Reason: d.dominant.reason, RetryAfter: max(d.wish, d.pause), Err: &sendError{d.dominant.detail, d.dominant.err},
		Remedy: d.dominant.remedy,
	}
	if d.ended != nil && !d.taken && len(d.failed) == len(d.events) {
		e.Reason, e.Status = d.ended.reason, d.ended.status
		return e
	}
	slices.SortFunc(d.failed, func(a, b outputs.Failure) int { return cmp.Compare(a.Index, b.Index) })
	e.Failed = d.failed
	return e
}

// sendError shows what is for operators, and wraps what the SDK said.
type sendError struct {
	text string
	err  error
}

// Described is an error whose text is Describe's.
func Described(err error) error { return &sendError{Describe(err), err} }

func (e *sendError) Error() string { return e.text }
func (e *sendError) Unwrap() error { return e.err }

// contained returns how many events the request's records hold.
func (c *splitter) contained() (n int) {
	for i := range c.records {
		n += c.records[i].n
	}
	return n
}
