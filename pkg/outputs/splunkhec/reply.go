package splunkhec

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/httpclient"
)

// Codes of the collector that are no refusals of events: it took them, whatever it says of its queues.
const (
	codeSuccess      = 0
	codeHealthy      = 17
	codeQueueNearly  = 24
	codeAcksNearly   = 25
	codeNoAcks       = 14
	codeNoData       = 5
	codeWrongIndex   = 7
	codeNoChannel    = 10
	codeWrongChannel = 11
	codeEventMissing = 12
	codeEventBlank   = 13
)

// reply is what the collector answered.
type reply struct {
	answer *httpclient.Answer
	// coded says that it has a code of the collector.
	coded bool
	code  int
	// text is what it says of the code.
	text string
	// ack is the number by which to ask for an acknowledgement.
	ack *int64
	// bad is the number of the event at which it stopped, from 0.
	bad *int
	// acks are those of those that were asked for.
	acks map[string]bool
}

// readReply reads an answer. What is no answer of the collector has no code.
func readReply(a *httpclient.Answer) reply {
	r := reply{answer: a}
	var body struct {
		Code *int            `json:"code"`
		Text string          `json:"text"`
		Ack  *int64          `json:"ackId"`
		Bad  *int            `json:"invalid-event-number"`
		Acks map[string]bool `json:"acks"`
	}
	if a.Page() || json.Unmarshal(a.Body, &body) != nil {
		return r
	}
	r.ack, r.bad, r.acks = body.Ack, body.Bad, body.Acks
	if body.Code != nil {
		r.coded, r.code, r.text = true, *body.Code, body.Text
	}
	return r
}

// taken reports whether the collector says that it took all events.
func (r *reply) taken() bool {
	return r.answer.Status/100 == 2 && r.coded &&
		slices.Contains([]int{codeSuccess, codeQueueNearly, codeAcksNearly}, r.code)
}

// said returns the collector's own words.
func (r *reply) said() string {
	if r.text == "" {
		return r.answer.Quote()
	}
	return outputs.Words(fmt.Sprintf("%s (code %d)", r.text, r.code), "words of its own")
}

// kind returns the type of a refusal: its code.
func (r *reply) kind() string {
	if !r.coded {
		return ""
	}
	return kindOf(r.code)
}

func kindOf(code int) string { return "code_" + strconv.Itoa(code) }

func kindsOf(codes ...int) []string {
	all := make([]string, len(codes))
	for i, code := range codes {
		all[i] = kindOf(code)
	}
	return all
}

// refusals is what the collector's codes mean; behind them stands what statuses without one mean.
func refusals() outputs.Refusals {
	return append(outputs.Refusals{
		{
			What: "the token is not taken", Kinds: kindsOf(1, 2, 3, 4, 21, 22), Reason: outputs.ReasonAuth,
			Remedy: "check token, and in Splunk under Data inputs, HTTP Event Collector, that it is enabled there",
		},
		{
			What: "no such index, or not for this token", Kinds: kindsOf(codeWrongIndex), Reason: outputs.ReasonTarget,
			Remedy: "make the index in Splunk, and allow it to the token",
		},
		{
			What: "an event that Splunk does not take", Kinds: kindsOf(6, codeEventMissing, codeEventBlank, 15),
			Reason: outputs.ReasonRejected, Remedy: "see the reason, and change the event by a filter",
		},
		{
			What: "Splunk's queues are full", Kinds: kindsOf(9, 18, 19, 20, 26, 27), Reason: outputs.ReasonThrottled,
			Remedy: "look at the indexers, and at the disks they write to",
		},
		{
			What: "it is shutting down", Kinds: kindsOf(23), Reason: outputs.ReasonServer,
			Remedy: "nothing, if it comes up again",
		},
		{
			What: "it does not know the channel", Kinds: kindsOf(codeNoChannel, codeWrongChannel),
			Reason: outputs.ReasonServer, Remedy: "nothing: the next request has a new channel",
		},
		{
			What: "the token has no acknowledgement", Kinds: kindsOf(codeNoAcks), Reason: outputs.ReasonServer,
			Remedy: "enable indexer acknowledgement for the token, or write ack: auto",
		},
		{
			What: "an error in the collector", Kinds: kindsOf(8), Reason: outputs.ReasonServer, Suspect: true,
			Remedy: "look at splunkd.log",
		},
		{
			What: "no data, it says", Kinds: kindsOf(codeNoData), Reason: outputs.ReasonServer, Suspect: true,
			Remedy: "look at proxies on the way: one may take the body away",
		},
	}, httpclient.Refusals()...)
}

// refused returns what follows from a reply that takes nothing, or not all. what says what was asked for.
func (o *Output) refused(what string, r *reply) *outputs.SendError {
	se := httpclient.Refused(o.refusals, what, o.cfg.URL, r.answer)
	line := o.refusals.Find(r.answer.Status, r.kind(), "")
	se.Reason, se.Remedy, se.Suspect = line.Reason, line.Remedy, r.answer.Suspect(line)
	if r.answer.Status/100 == 2 && !r.coded {
		se.Remedy = "check that url is the collector's: what answers there is not it"
	}
	return se
}

// aboutContent reports whether the reply refuses an event for what is in it.
func (o *Output) aboutContent(r *reply) bool {
	return o.refusals.Find(r.answer.Status, r.kind(), "").Reason == outputs.ReasonRejected &&
		r.answer.Status < http.StatusInternalServerError
}
