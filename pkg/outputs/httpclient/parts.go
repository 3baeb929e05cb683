package httpclient

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Part is the events of a batch that go in one request.
type Part struct {
	// Target is as outputs.Failure has it.
	Target string
	// Events are their indexes in the batch, ascending.
	Events []int
}

// SendParts makes the requests of a batch, one after the other, by post, which returns nil where the i-th was accepted,
// and returns the error of the whole Send. What the network, a login or a quota refuses keeps the parts behind it from
// being tried. An error of a part that names failed events, by their indexes in the batch, is about these alone.
// refused are events that could not be sent at all.
func SendParts(parts []Part, refused []outputs.Failure, post func(i int) *outputs.SendError) error {
	failed := refused
	var first *outputs.SendError
	for i, part := range parts {
		se := post(i)
		if se == nil {
			continue
		}
		if len(parts) == 1 && len(refused) == 0 && se.Reason != outputs.ReasonTarget {
			return se
		}
		alone := first == nil && i == 0 && len(refused) == 0 && len(se.Failed) == 0
		if first == nil {
			first = se
		}
		failed = append(failed, se.Failed...)
		for _, n := range part.Events {
			if len(se.Failed) == 0 {
				failed = append(failed, failure(n, part.Target, se))
			}
		}
		if !Stops(se) || se.Apart {
			continue
		}
		if alone {
			// Nothing was delivered, and the others would fare no better.
			return se
		}
		for _, rest := range parts[i+1:] {
			for _, n := range rest.Events {
				f := failure(n, rest.Target, se)
				f.Untried = true
				failed = append(failed, f)
			}
		}
		break
	}
	if len(failed) == 0 {
		return nil
	}
	slices.SortFunc(failed, func(a, b outputs.Failure) int { return a.Index - b.Index })
	whole := &outputs.SendError{
		Reason: failed[0].Reason, Status: failed[0].Status, Failed: failed, Apart: true,
		Err: errors.New(failed[0].Detail),
	}
	if first != nil {
		whole.Reason, whole.Status, whole.RetryAfter = first.Reason, first.Status, first.RetryAfter
		whole.Host, whole.Remedy, whole.Err = first.Host, first.Remedy, first.Err
		if whole.Reason.Final() {
			whole.Reason = outputs.ReasonServer
		}
	}
	return whole
}

// OfTarget has what a server answered to a request of b be about its target alone, where others of the output have
// other tenants, paths or headers: the worker goes on with these, and what the target takes says nothing of others. se
// may be nil: it took all; events are those of the request. A refusal that may be about one of them is named so at
// first only: then they are searched apart from the worker.
func OfTarget(se *outputs.SendError, b *outputs.Batch, target string, events []int) *outputs.SendError {
	if se == nil || len(se.Failed) > 0 {
		b.Host = target
		return se
	}
	se.Host = target
	if se.Reason == outputs.ReasonAuth && se.Status == http.StatusForbidden {
		// The login is known, and may not write there.
		se.Reason = outputs.ReasonTarget
	}
	if se.Reason != outputs.ReasonThrottled && se.Reason != outputs.ReasonServer || se.Suspect && b.Again {
		return se
	}
	se.Apart = true
	for _, n := range events {
		se.Failed = append(se.Failed, failure(n, target, se))
	}
	return se
}

// Stops reports whether what became of a request keeps others from being tried: they would fare no better.
func Stops(se *outputs.SendError) bool {
	return se.Reason == outputs.ReasonNetwork || se.Reason == outputs.ReasonAuth ||
		se.Reason == outputs.ReasonThrottled
}

// failure is what became of the n-th event of a batch whose other events may have gone elsewhere.
func failure(n int, target string, se *outputs.SendError) outputs.Failure {
	f := outputs.Failure{
		Index: n, Reason: se.Reason, Status: se.Status, Detail: se.Err.Error(), Target: target, Remedy: se.Remedy,
		Kind: outputs.KindOf(strings.ReplaceAll(http.StatusText(se.Status), " ", "_")),
	}
	if f.Reason == outputs.ReasonTooLarge {
		// Which of them it is is found when they are sent apart.
		f.Reason = outputs.ReasonServer
	}
	return f
}
