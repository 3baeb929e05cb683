package loki

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/httpclient"
)

// Loki's names of why it takes a line or a stream not, as its metric loki_discarded_samples_total has them.
const (
	tooOld        = "greater_than_max_sample_age"
	tooNew        = "too_far_in_future"
	outOfOrder    = "out_of_order"
	tooFarBehind  = "too_far_behind"
	lineTooLong   = "line_too_long"
	labelTooLong  = "label_value_too_long"
	metadataLarge = "structured_metadata_too_large"
	metadataMany  = "structured_metadata_too_many"
	metadataOff   = "disallowed_structured_metadata"
	streamLimit   = "stream_limit"
	streamRate    = "per_stream_rate_limit"
	blocked       = "blocked_ingestion"
)

// kindOf returns Loki's name of what an answer says, "" for what is not known.
func kindOf(text string) string {
	text = strings.TrimSpace(text)
	if count, rest, found := strings.Cut(text, " errors like: "); found && strings.Trim(count, "0123456789") == "" {
		text = rest
	}
	line := outputs.Refusals{
		{What: tooOld, Words: "entry for stream '…' has timestamp too old"},
		{What: tooNew, Words: "entry for stream '…' has timestamp too new"},
		{What: outOfOrder, Words: "entry with timestamp … ignored, reason: 'entry out of order"},
		{What: tooFarBehind, Words: "entry with timestamp … ignored, reason: 'entry too far behind"},
		{What: streamRate, Words: "entry with timestamp … ignored, reason: 'Per stream rate limit exceeded"},
		{What: lineTooLong, Words: "Max entry size '"},
		{What: labelTooLong, Words: "stream '…' has label value too long"},
		{What: metadataLarge, Words: "stream '…' has structured metadata too large"},
		{What: metadataMany, Words: "stream '…' has too many structured metadata labels"},
		{What: metadataOff, Words: "stream '…' includes structured metadata, but this feature is disallowed"},
		{What: streamLimit, Words: "Maximum active stream limit exceeded"},
		{What: streamRate, Words: "Per stream rate limit exceeded"},
		{What: blocked, Words: "ingestion blocked for user"},
		{},
	}.Find(0, "", text)
	return line.What
}

// maxPushes bounds the requests of one Send: what is left then waits for another turn.
const maxPushes = 2000

// push makes the request r. What Loki says of a line or a stream leaves the others of the request where they are, and
// does not tell which they are: so it is pushed again in halves, which doubles none, down to what is refused alone.
// left is how many requests may follow.
func (o *Output) push(ctx context.Context, b *outputs.Batch, r *request, left *int) *outputs.SendError {
	se, kind := o.post(ctx, b, r)
	ofStream := kind == streamLimit || kind == streamRate
	if se != nil && (ofStream || se.Reason == outputs.ReasonRejected) {
		halves := r.halves(ofStream)
		switch *left -= len(halves); {
		case len(halves) == 0:
			se.Failed, se.Apart = o.failures(r, se, kind), true
		case *left < 0:
			se = o.notYet(r)
		default:
			return o.pushAll(ctx, b, halves, left)
		}
	}
	if o.tenant.Static() {
		return se
	}
	// Loki's limits are each tenant's own.
	return httpclient.OfTarget(se, b, o.target(r.tenant), r.events)
}

// pushAll makes the requests, one after the other.
func (o *Output) pushAll(ctx context.Context, b *outputs.Batch, all []*request, left *int) *outputs.SendError {
	parts := make([]httpclient.Part, len(all))
	for i, r := range all {
		parts[i] = httpclient.Part{Target: o.target(r.tenant), Events: r.events}
	}
	err := httpclient.SendParts(parts, nil, func(i int) *outputs.SendError { return o.push(ctx, b, all[i], left) })
	if err == nil {
		return nil
	}
	return outputs.AsSendError(err)
}

// failures are of all events of a request.
func (o *Output) failures(r *request, se *outputs.SendError, kind string) []outputs.Failure {
	failed := make([]outputs.Failure, len(r.events))
	for i, n := range r.events {
		failed[i] = outputs.Failure{
			Index: n, Reason: se.Reason, Status: se.Status, Detail: se.Err.Error(), Kind: kind,
			Target: o.target(r.tenant), Remedy: se.Remedy,
		}
	}
	return failed
}

// notYet is what becomes of a request for which there are no requests left.
func (o *Output) notYet(r *request) *outputs.SendError {
	se := &outputs.SendError{
		Reason: outputs.ReasonServer, Host: o.cfg.URL, Apart: true,
		Err: errors.New("not pushed again yet: too many lines of the request were refused before"),
	}
	se.Failed = o.failures(r, se, "")
	for i := range se.Failed {
		se.Failed[i].Untried = true
	}
	return se
}

// halves returns the request in halves, of its streams or of its lines; none where it has one only.
func (r *request) halves(ofStreams bool) []*request {
	if ofStreams {
		n := len(r.streams) / 2
		if n == 0 {
			return nil
		}
		return []*request{r.of(r.streams[:n]), r.of(r.streams[n:])}
	}
	if len(r.events) < 2 {
		return nil
	}
	first := r.events[len(r.events)/2]
	var before, behind []*stream
	for _, s := range r.streams {
		at := slices.IndexFunc(s.entries, func(e entry) bool { return e.event >= first })
		if at < 0 {
			at = len(s.entries)
		}
		if at > 0 {
			before = append(before, &stream{labels: s.labels, entries: s.entries[:at]})
		}
		if at < len(s.entries) {
			behind = append(behind, &stream{labels: s.labels, entries: s.entries[at:]})
		}
	}
	return []*request{r.of(before), r.of(behind)}
}

// of returns the request with some of its streams.
func (r *request) of(streams []*stream) *request {
	part := &request{tenant: r.tenant, streams: streams}
	for _, s := range streams {
		for i := range s.entries {
			part.events = append(part.events, s.entries[i].event)
		}
	}
	slices.Sort(part.events)
	return part
}
