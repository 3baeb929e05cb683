package splunkhec

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/httpclient"
)

const (
	// firstPoll and longestPoll bound how soon an acknowledgement is asked for again.
	firstPoll   = 100 * time.Millisecond
	longestPoll = 5 * time.Second
)

// channel is by what Splunk tells senders apart that ask for acknowledgements: it numbers the requests of each. It is
// for one Send at a time.
type channel struct {
	// id is a GUID.
	id string
}

func newChannel() *channel {
	c := new(channel)
	c.renew()
	return c
}

// renew gives the channel another name. Splunk forgets, with a restart, what it numbered, and begins anew: so a number
// whose acknowledgement never came must not be mistaken for a later one.
func (c *channel) renew() {
	var b [16]byte
	// It never fails.
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	c.id = fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// header returns the header that names the channel.
func (c *channel) header() http.Header { return http.Header{"X-Splunk-Request-Channel": {c.id}} }

// acknowledging is what is known of whether the token has indexer acknowledgement. Safe for concurrent use.
type acknowledging struct {
	// state may be 0: not known; 1: it has; -1: it has not.
	state atomic.Int32
	// doubted says that it has to have, and an answer was without.
	doubted atomic.Bool
}

// on reports whether it has.
func (a *acknowledging) on() bool { return a.state.Load() > 0 }

func (a *acknowledging) set(on bool) {
	if on {
		a.doubted.Store(false)
		a.state.Store(1)
		return
	}
	a.state.Store(-1)
}

// notice says what the operator should know of it, with the setting ack.
func (a *acknowledging) notice(setting string) string {
	if setting == ackAuto && a.state.Load() < 0 {
		return "the token has no indexer acknowledgement: events count as delivered once Splunk has taken them, " +
			"before an indexer has them on its disk"
	}
	return ""
}

// Prepare finds out whether the token is taken, and has indexer acknowledgement.
func (o *Output) Prepare(ctx context.Context) error {
	if o.cfg.Ack == ackNever {
		return nil
	}
	if err := o.askAcks(ctx, newChannel()); err != nil {
		return err
	}
	if notice := o.acks.notice(o.cfg.Ack); notice != "" {
		o.log.Warn().Msg(notice)
	}
	return nil
}

// askAcks asks for an acknowledgement that nobody waits for, which shows whether there are any. It returns a
// *outputs.SendError where that can't be known, or where there are none although there have to be.
func (o *Output) askAcks(ctx context.Context, ch *channel) error {
	answer, err := o.askFor(ctx, ch, []int64{0})
	if err != nil {
		return outputs.AsSendError(err)
	}
	switch line := o.refusals.Find(answer.answer.Status, answer.kind(), ""); {
	case answer.acks != nil, answer.code == codeNoChannel, answer.code == codeWrongChannel:
		o.acks.set(true)
		return nil
	case answer.code != codeNoAcks && (line.Reason == outputs.ReasonAuth || line.Reason == outputs.ReasonThrottled ||
		answer.answer.Status >= http.StatusInternalServerError):
		return o.refused("ask for acknowledgements", &answer)
	case o.cfg.Ack == ackAlways:
		o.acks.set(false)
		return o.refused("ask for acknowledgements, since ack is true", &answer)
	}
	o.acks.set(false)
	return nil
}

// askFor asks which of the requests are acknowledged. The error is a *outputs.SendError.
func (o *Output) askFor(ctx context.Context, ch *channel, ids []int64) (reply, error) {
	body, err := json.Marshal(map[string][]int64{"acks": ids})
	if err != nil {
		return reply{}, err
	}
	answer, _, err := o.client.Do(ctx, httpclient.Request{
		Method: http.MethodPost, URL: o.base + "/ack?channel=" + ch.id, ContentType: "application/json",
		Header: ch.header(), Body: body, Plain: true,
	})
	if err != nil {
		return reply{}, err
	}
	return readReply(&answer), nil
}

// await waits until all that Splunk took is acknowledged, for as long as ack_timeout lets, and notes of what is not
// that it has to be sent again.
func (d *delivery) await(ctx context.Context) {
	if len(d.waits) == 0 {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, d.o.cfg.AckTimeout)
	defer cancel()
	var last error
	for pause := d.o.poll; len(d.waits) > 0; pause = min(pause*3/2, longestPoll) {
		if !sleep(bounded, pause) {
			break
		}
		answer, err := d.o.askFor(bounded, d.ch, d.ids())
		switch {
		case bounded.Err() != nil:
		case err != nil:
			last = err
		case d.gone(&answer):
			if d.o.cfg.Ack == ackAuto {
				// What the answer to the events proves is all that there is.
				d.o.acks.set(false)
				d.waits = nil
			} else {
				d.o.acks.doubted.Store(true)
				d.giveUp(d.o.refused("ask for acknowledgements, since ack is true", &answer))
			}
			return
		case answer.acks == nil:
			last = d.o.refused("ask for acknowledgements", &answer)
		default:
			last = nil
			d.acknowledged(answer.acks)
		}
	}
	if len(d.waits) == 0 {
		return
	}
	d.ch.renew()
	if ctx.Err() != nil {
		d.giveUp(outputs.AsSendError(fmt.Errorf("wait for an acknowledgement: %w", ctx.Err())))
		return
	}
	err := fmt.Errorf("no indexer has acknowledged them within ack_timeout (%s)", d.o.cfg.AckTimeout)
	if last != nil {
		err = fmt.Errorf("%w: %w", err, last)
	}
	d.giveUp(&outputs.SendError{
		Reason: outputs.ReasonServer, Host: d.o.cfg.URL, Err: err,
		Remedy: "look at the indexers; behind a load balancer, requests of one client have to reach one collector",
	})
}

// gone reports whether there are no acknowledgements any more.
func (d *delivery) gone(answer *reply) bool {
	return answer.coded && answer.code == codeNoAcks ||
		!answer.coded && answer.acks == nil && answer.answer.Status == http.StatusNotFound
}

// ids returns the numbers that are waited for.
func (d *delivery) ids() []int64 {
	ids := make([]int64, len(d.waits))
	for i := range d.waits {
		ids[i] = d.waits[i].id
	}
	return ids
}

// acknowledged forgets what is.
func (d *delivery) acknowledged(acks map[string]bool) {
	left := d.waits[:0]
	for _, w := range d.waits {
		if !acks[strconv.FormatInt(w.id, 10)] {
			left = append(left, w)
		}
	}
	d.waits = left
}

// giveUp notes that se became of all that is not acknowledged.
func (d *delivery) giveUp(se *outputs.SendError) {
	for _, w := range d.waits {
		d.o.duplicates.Add(uint64(len(w.events)))
		r := d.requests[w.part]
		switch before := d.results[w.part]; {
		case before == nil && len(w.events) == len(r.events):
			d.results[w.part] = se
		case before == nil:
			d.results[w.part] = withRest(se, nil, &request{target: r.target, events: w.events})
		case len(before.Failed) > 0:
			d.results[w.part] = withRest(se, before.Failed, &request{target: r.target, events: w.events})
		}
	}
	d.waits = nil
}

// unacknowledged is what becomes of events that Splunk took without saying that it will acknowledge them, where it has
// to.
func (o *Output) unacknowledged(events int) *outputs.SendError {
	o.duplicates.Add(uint64(events))
	return &outputs.SendError{
		Reason: outputs.ReasonServer, Host: o.cfg.URL,
		Err:    errors.New("ack is true, and Splunk took events without a number to ask for an acknowledgement by"),
		Remedy: "enable indexer acknowledgement for the token, or write ack: auto",
	}
}

// sleep waits for d, or returns false when ctx ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
