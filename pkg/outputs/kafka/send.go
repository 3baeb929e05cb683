package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

const (
	// maxPatience is how long a topic may keep a Send waiting whose other topics are done: others' events wait for it
	// too.
	maxPatience = 10 * time.Second
	// leaveTime is how long the client may take to let go of records that are given up.
	leaveTime = 2 * time.Second
	// maxBadRequests is how many requests for a topic may be refused for their content before one is taken: enough to
	// come down to single events.
	maxBadRequests = 64
)

// group is the events of a batch that go to one topic.
type group struct {
	topic   string
	records []kgo.Record
	// events are those of each record, in the batch.
	events []int
	// bytes are those of each record.
	bytes  []int
	failed []outputs.Failure

	// reached says that brokers have answered for it.
	reached bool
	// tried counts requests refused for their content.
	tried int
	// abandoned says that the client may still hold its records.
	abandoned bool
}

// Send produces the events of b to their topics, side by side: what keeps one from being answered keeps the others for
// a while only. Each record is given to the client once, which repeats what it may repeat without doubling.
func (o *Output) Send(ctx context.Context, b *outputs.Batch) error {
	if err := ctx.Err(); err != nil {
		return outputs.AsSendError(err)
	}
	groups, failed, err := o.render(b)
	if err != nil {
		return outputs.AsSendError(err)
	}
	if len(groups) > 0 {
		o.deliver(ctx, groups)
	}
	reached := slices.ContainsFunc(groups, func(g *group) bool { return g.reached })
	if !reached && len(groups) > 0 {
		return o.unreached(ctx, groups[0])
	}
	for _, g := range groups {
		failed = append(failed, g.failed...)
	}
	if len(failed) == 0 {
		return nil
	}
	slices.SortFunc(failed, func(a, b outputs.Failure) int { return a.Index - b.Index })
	dominant := dominantFailure(failed)
	return &outputs.SendError{
		Reason: dominant.Reason,
		Failed: failed,
		Remedy: dominant.Remedy,
		Err:    fmt.Errorf("topic %s: %s", dominant.Target, dominant.Detail),
	}
}

// dominantFailure returns the failure that the operator should know first.
func dominantFailure(failed []outputs.Failure) *outputs.Failure {
	order := []outputs.Reason{
		outputs.ReasonRejected, outputs.ReasonTooLarge, outputs.ReasonTarget, outputs.ReasonNetwork,
		outputs.ReasonServer,
		outputs.ReasonThrottled, outputs.ReasonAuth,
	}
	dominant := &failed[0]
	for i := range failed {
		if slices.Index(order, failed[i].Reason) > slices.Index(order, dominant.Reason) {
			dominant = &failed[i]
		}
	}
	return dominant
}

// render makes the records, by topic. Events that can't be sent are returned.
func (o *Output) render(b *outputs.Batch) (groups []*group, refused []outputs.Failure, err error) {
	text := o.texts.Get().(*outputs.Text) //nolint:forcetypeassert // New makes nothing else
	defer o.texts.Put(text)
	byTopic := map[string]*group{}
	var raw, slab []byte
	type part struct{ from, key, to int }
	var lastChunk *event.Chunk
	var lastTag, topic string
	perChunk := o.topics.template.PerChunk()
	slab = make([]byte, 0, b.Bytes+b.Bytes/2+len(b.Events)*96)
	parts := make([]part, len(b.Events))
	places := make([]*group, len(b.Events))
	for i := range b.Events {
		ev := &b.Events[i]
		if !perChunk || ev.Chunk != lastChunk || ev.DeliveredTag() != lastTag {
			topic, raw = o.topics.of(raw, ev)
			lastChunk, lastTag = ev.Chunk, ev.DeliveredTag()
		}
		b.CountSent(topic, ev)
		p := part{from: len(slab)}
		if o.key != nil {
			slab = o.key.Append(slab, ev, nil)
		}
		p.key = len(slab)
		slab, err = text.Append(slab, ev)
		p.to = len(slab)
		size := p.to - p.from + batchOverhead
		switch {
		case err != nil:
			slab = slab[:p.from]
			refused = append(
				refused,
				outputs.Failure{Index: i, Reason: outputs.ReasonRejected, Detail: err.Error(), Target: topic},
			)
			continue
		case size > int(o.cfg.MaxMessageSize):
			slab = slab[:p.from]
			refused = append(refused, outputs.Failure{
				Index: i, Reason: outputs.ReasonTooLarge, Target: topic, Kind: kerr.MessageTooLarge.Message,
				Detail: fmt.Sprintf(
					"the record has %d bytes, and max_message_size is %s",
					p.to-p.from,
					o.cfg.MaxMessageSize,
				),
				Remedy: "raise max_message_size, if brokers and topic take more",
			})
			continue
		}
		g := byTopic[topic]
		if g == nil {
			g = &group{topic: topic}
			byTopic[topic] = g
			groups = append(groups, g)
		}
		parts[i], places[i] = p, g
		g.events, g.bytes = append(g.events, i), append(g.bytes, size)
	}
	// The slab moves no more.
	for i, g := range places {
		if g == nil {
			continue
		}
		if g.records == nil {
			g.records = make([]kgo.Record, 0, len(g.events))
		}
		p, ev := parts[i], &b.Events[i]
		r := kgo.Record{Topic: g.topic, Value: slab[p.key:p.to:p.to], Timestamp: timeOf(ev)}
		if o.key != nil && p.key > p.from {
			r.Key = slab[p.from:p.key:p.key]
		}
		for _, h := range o.headers {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.name, Value: h.value.Append(nil, ev, nil)})
		}
		g.records = append(g.records, r)
	}
	return groups, refused, nil
}

// timeOf returns the time of a record: the event's, or, where Kafka could not be told that, when it came.
func timeOf(ev *event.Event) time.Time {
	if ev.Time.Sec <= 0 || ev.Time.Sec > 1<<40 {
		return ev.Chunk.Received
	}
	return time.Unix(ev.Time.Sec, int64(ev.Time.Nsec))
}

// deliver sends the groups side by side and returns when all have ended, or have been given up.
func (o *Output) deliver(ctx context.Context, groups []*group) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	if len(groups) == 1 {
		o.produce(ctx, groups[0], 0, len(groups[0].records))
		return
	}
	ended := make(chan struct{}, len(groups))
	var reached atomic.Bool
	var wg sync.WaitGroup
	for _, g := range groups {
		wg.Go(func() {
			o.produce(ctx, g, 0, len(g.records))
			if g.reached {
				reached.Store(true)
			}
			ended <- struct{}{}
		})
	}
	var patience <-chan time.Time
	for left := len(groups); left > 0; {
		select {
		case <-ended:
			if left--; left > 0 && reached.Load() && patience == nil {
				timer := time.NewTimer(min(maxPatience, o.timeout/2))
				defer timer.Stop()
				patience = timer.C
			}
		case <-patience:
			cancel()
			patience = nil
		}
	}
	wg.Wait()
}

// produce sends the records from … to-1 of a group, in as many waves as the topic's limit wants.
func (o *Output) produce(ctx context.Context, g *group, from, to int) {
	for from < to {
		end := o.wave(g, from, to)
		o.settle(ctx, g, from, end, o.await(ctx, g, from, end))
		from = end
	}
}

// wave returns the end of as many records from from on as the topic takes at once, but one at least.
func (o *Output) wave(g *group, from, to int) int {
	o.mu.Lock()
	limit := o.limits[g.topic]
	o.mu.Unlock()
	if limit == 0 {
		return to
	}
	end, size := from+1, g.bytes[from]
	for end < to && size+g.bytes[end] <= limit {
		size += g.bytes[end]
		end++
	}
	return end
}

// await gives records to the client and returns the errors of those that were not taken.
func (o *Output) await(ctx context.Context, g *group, from, to int) map[*kgo.Record]error {
	records := g.records[from:to]
	var mu sync.Mutex
	errs := map[*kgo.Record]error{}
	var left atomic.Int64
	left.Store(int64(len(records)))
	done := make(chan struct{})
	promise := func(r *kgo.Record, err error) {
		if err != nil {
			mu.Lock()
			errs[r] = err
			mu.Unlock()
		}
		if left.Add(-1) == 0 {
			close(done)
		}
	}
	for i := range records {
		o.client.TryProduce(ctx, &records[i], promise)
	}
	select {
	case <-done:
		return errs
	case <-ctx.Done():
	}
	leave := time.NewTimer(leaveTime)
	defer leave.Stop()
	select {
	case <-done:
		return errs
	case <-leave.C:
	}
	// The client still holds some, and may send them: which ones can't be told, so all of them count as not sent.
	g.abandoned = true
	lost := map[*kgo.Record]error{}
	for i := range records {
		lost[&records[i]] = ctx.Err()
	}
	return lost
}

// settle says what became of the records from … to-1 of a group. Those that were refused together, for their size or
// for one of them, are sent again in halves.
func (o *Output) settle(ctx context.Context, g *group, from, to int, errs map[*kgo.Record]error) {
	if len(errs) < to-from {
		g.reached = true
	}
	if len(errs) == 0 {
		return
	}
	type again struct{ from, to int }
	var halves []again
	for i := from; i < to; i++ {
		err := errs[&g.records[i]]
		if err == nil {
			continue
		}
		v := verdictOf(err)
		g.reached = g.reached || v.answered
		switch {
		case !v.halve || to-from == 1:
		case ctx.Err() != nil:
			// Which of them it is about is not known, and can't be found any more.
			v.reason = outputs.ReasonServer
		case v.reason == outputs.ReasonTooLarge || g.tried < maxBadRequests:
			// What is too large comes to an end by itself.
			if n := len(halves); n > 0 && halves[n-1].to == i {
				halves[n-1].to++
			} else {
				halves = append(halves, again{i, i + 1})
			}
			continue
		}
		o.fail(g, i, err, v)
	}
	for _, h := range halves {
		g.tried++
		if errors.Is(errs[&g.records[h.from]], kerr.MessageTooLarge) ||
			errors.Is(errs[&g.records[h.from]], kerr.RecordListTooLarge) {
			// These come to an end by themselves.
			g.tried--
			o.learn(g, h.from, h.to)
		}
		if h.to-h.from == 1 {
			o.produce(ctx, g, h.from, h.to)
			continue
		}
		middle := h.from + (h.to-h.from)/2
		o.produce(ctx, g, h.from, middle)
		o.produce(ctx, g, middle, h.to)
	}
}

// learn notes that the topic takes less at once than the records from … to-1 have.
func (o *Output) learn(g *group, from, to int) {
	size := 0
	for _, n := range g.bytes[from:to] {
		size += n
	}
	size = min(size, int(o.cfg.MaxMessageSize))
	o.mu.Lock()
	defer o.mu.Unlock()
	if known := o.limits[g.topic]; known == 0 || size/2 < known {
		if len(o.limits) > 10_000 {
			clear(o.limits)
		}
		o.limits[g.topic] = max(size/2, 1024)
	}
}

// fail notes why a record was not taken.
func (o *Output) fail(g *group, i int, err error, v verdict) {
	f := outputs.Failure{
		Index:    g.events[i],
		Reason:   v.reason,
		Kind:     v.kind,
		Target:   g.topic,
		Detail:   v.detail,
		Remedy:   v.remedy,
		Unlisted: v.unlisted,
	}
	if f.Detail == "" {
		f.Detail = outputs.Diagnose(err)
	}
	if v.halve && f.Reason == outputs.ReasonRejected && g.tried >= maxBadRequests {
		// One after the other: it is the topic.
		f.Reason = outputs.ReasonTarget
	}
	if v.reason == outputs.ReasonTooLarge {
		f.Detail = fmt.Sprintf(
			"the record has %d bytes, more than max.message.bytes of the topic or message.max.bytes of the brokers",
			g.bytes[i],
		)
		f.Remedy = "raise max.message.bytes of the topic"
	}
	if !v.answered {
		o.duplicates.Add(1)
	}
	g.failed = append(g.failed, f)
}
