package splunkhec

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// maxBad is how many events of a request are refused before the rest waits for another turn: each costs two requests.
const maxBad = 16

// delivery is what becomes of a batch's requests.
type delivery struct {
	o        *Output
	ch       *channel
	requests []*request
	// results are of each request; nil: delivered, or to be acknowledged.
	results []*outputs.SendError
	waits   []wait
}

// wait is events that Splunk took and has to acknowledge.
type wait struct {
	// part is whose events they are.
	part   int
	id     int64
	events []int
}

// send sends the events of the i-th request. Where Splunk stops at an event, it took those before; that one is sent
// alone, to be sure that it is meant, and then what is left.
func (d *delivery) send(ctx context.Context, b *outputs.Batch, i int) *outputs.SendError {
	var failed []outputs.Failure
	r := d.requests[i]
	for bad := 0; len(r.events) > 0; bad++ {
		answer, se := d.post(ctx, b, i, r)
		if se == nil {
			break
		}
		n, stopped := d.stoppedAt(&answer, r)
		switch {
		case !stopped && len(failed) == 0:
			return se
		case !stopped:
			return withRest(se, failed, r)
		case !d.o.aboutContent(&answer):
			return withRest(se, failed, d.from(r, n))
		}
		refused, culprit, trouble := d.find(ctx, b, i, r, n)
		if trouble != nil {
			return withRest(trouble, failed, d.from(r, n))
		}
		if refused != nil {
			failed = append(failed, *refused)
		}
		if r = d.left(r, n, culprit); bad+1 >= maxBad && len(r.events) > 0 {
			return notYet(failed, r)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return withRest(&outputs.SendError{
		Reason: outputs.ReasonRejected, Status: failed[0].Status, Host: d.o.cfg.URL, Remedy: failed[0].Remedy,
		Err: fmt.Errorf("%d of the events are refused: %s", len(failed), failed[0].Detail),
	}, failed, r.piece(0, 0))
}

// notYet returns what becomes of the rest of a request that has too many events which are refused.
func notYet(failed []outputs.Failure, r *request) *outputs.SendError {
	se := withRest(&outputs.SendError{
		Reason: outputs.ReasonServer,
		Err:    errors.New("not sent yet: too many events of the request were refused before"),
	}, failed, r)
	for i := range se.Failed {
		se.Failed[i].Untried = !se.Failed[i].Reason.Final()
	}
	return se
}

// stoppedAt returns the event of r at which Splunk stopped, and whether it says so. What has been refused alone is no
// matter of where.
func (d *delivery) stoppedAt(answer *reply, r *request) (n int, stopped bool) {
	if answer.answer == nil || !answer.coded || answer.bad == nil || len(r.events) < 2 {
		return 0, false
	}
	if reason := d.o.refusals.Find(answer.answer.Status, answer.kind(), "").Reason; reason != outputs.ReasonRejected &&
		reason != outputs.ReasonThrottled {
		return 0, false
	}
	n = *answer.bad
	return n, n >= 0 && n <= len(r.events)
}

// find sends the event at which Splunk stopped alone and, where that is taken, the one before, and returns what became
// of the one that is refused, the culprit; nil: neither is. trouble keeps from finding out.
func (d *delivery) find(
	ctx context.Context, b *outputs.Batch, part int, r *request, n int,
) (refused *outputs.Failure, culprit int, trouble *outputs.SendError) {
	for _, n := range []int{n, n - 1} {
		if n < 0 || n >= len(r.events) {
			continue
		}
		_, se := d.post(ctx, b, part, r.piece(n, n+1))
		switch {
		case se == nil:
		case se.Reason == outputs.ReasonRejected && len(se.Failed) == 1:
			return &se.Failed[0], n, nil
		default:
			return nil, 0, se
		}
	}
	return nil, -1, nil
}

// left returns what is still to be sent of r once it is known what became of the n-th event, at which Splunk stopped.
// It took those before, and there is nothing by which to ask whether indexers have them: where that is to be known,
// they are sent again.
func (d *delivery) left(r *request, n, culprit int) *request {
	if d.o.acks.on() && culprit >= 0 {
		d.o.duplicates.Add(uint64(culprit))
		return r.without(culprit)
	}
	return r.piece(min(n+1, len(r.events)), len(r.events))
}

// from returns what is still to be sent of r where Splunk stopped at the n-th event: that one, those behind it, and one
// before it, since others count from 1.
func (d *delivery) from(r *request, n int) *request {
	if d.o.acks.on() {
		d.o.duplicates.Add(uint64(n))
		return r
	}
	return r.piece(max(min(n, len(r.events))-1, 0), len(r.events))
}

// post makes one request. It returns nil where Splunk took the events. An answer without one is no answer.
func (d *delivery) post(
	ctx context.Context, b *outputs.Batch, part int, r *request,
) (answer reply, se *outputs.SendError) {
	o := d.o
	answer, sent, err := o.post(ctx, d.ch, r)
	if err != nil {
		if sent {
			o.duplicates.Add(uint64(len(r.events)))
		}
		d.ch.renew()
		return reply{}, outputs.AsSendError(err)
	}
	b.Host = o.cfg.URL
	if !answer.taken() {
		if answer.code == codeWrongChannel || answer.code == codeNoChannel {
			d.ch.renew()
		}
		se = o.refused(fmt.Sprintf("%d events for %s", len(r.events), r.target), &answer)
		switch {
		case se.Reason == outputs.ReasonRejected && len(r.events) > 1:
			// Which of them it is about is found by halves, unless the answer says it.
			se.Reason, se.Suspect = outputs.ReasonServer, true
		case se.Reason == outputs.ReasonRejected || se.Reason == outputs.ReasonTarget && answer.coded:
			for _, n := range r.events {
				se.Failed = append(se.Failed, outputs.Failure{
					Index: n, Reason: se.Reason, Status: se.Status, Detail: se.Err.Error(), Target: r.target,
					Kind: answer.kind(), Remedy: se.Remedy,
				})
			}
		}
		return answer, se
	}
	switch {
	case o.cfg.Ack == ackNever:
	case answer.ack != nil:
		o.acks.set(true)
		d.waits = append(d.waits, wait{part: part, id: *answer.ack, events: slices.Clone(r.events)})
	case o.cfg.Ack == ackAlways:
		o.acks.doubted.Store(true)
		return answer, o.unacknowledged(len(r.events))
	default:
		o.acks.set(false)
	}
	return answer, nil
}

// withRest returns se for the events of r, beside those that failed before.
func withRest(se *outputs.SendError, failed []outputs.Failure, r *request) *outputs.SendError {
	whole := *se
	if len(se.Failed) > 0 {
		failed = append(failed, se.Failed...)
	} else {
		for _, n := range r.events {
			f := outputs.Failure{
				Index: n, Reason: se.Reason, Status: se.Status, Detail: se.Err.Error(), Target: r.target,
				Remedy: se.Remedy,
			}
			if f.Reason == outputs.ReasonTooLarge {
				f.Reason = outputs.ReasonServer
			}
			failed = append(failed, f)
		}
	}
	slices.SortFunc(failed, func(a, b outputs.Failure) int { return a.Index - b.Index })
	whole.Failed = slices.CompactFunc(failed, func(a, b outputs.Failure) bool { return a.Index == b.Index })
	return &whole
}
