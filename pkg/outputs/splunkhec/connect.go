package splunkhec

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/httpclient"
)

// Connect sends the collector a request without events, which shows whether it takes the token, and one with a blank
// event for each index, which shows of some servers whether it is there; nothing is delivered. Then it asks for the
// collector's health, and whether there are acknowledgements.
func (o *Output) Connect(ctx context.Context, clusters []string) (string, error) {
	ch := newChannel()
	answer, err := o.probe(ctx, ch, nil)
	if err != nil {
		return "", err
	}
	if err := o.explain(&answer); err != nil {
		return "", err
	}
	for _, index := range o.indexes(clusters) {
		body, err := json.Marshal(map[string]string{"index": index, "event": ""})
		if err != nil {
			return "", fmt.Errorf("index %s: %w", index, err)
		}
		if answer, err = o.probe(ctx, ch, body); err != nil {
			return "", err
		}
		if answer.code == codeWrongIndex {
			return "", fmt.Errorf("%s: index %s is not there, or the token may not write to it: make it in Splunk, "+
				"and allow it to the token%w", o.cfg.URL, index, outputs.ErrDenied)
		}
	}
	healthy, _, err := o.client.Do(ctx, httpclient.Request{
		Method: http.MethodGet, URL: o.base + "/health", Header: ch.header(), Plain: true,
	})
	if err == nil && healthy.Status >= http.StatusInternalServerError {
		return "", fmt.Errorf("%s: it takes the token, and is not well: health answered %s: %s", o.cfg.URL,
			healthy.Text(), healthy.Quote())
	}
	found := "Splunk at " + o.cfg.URL + " takes the token"
	if o.cfg.Ack != ackNever {
		if err := o.askAcks(ctx, ch); err != nil {
			return "", fmt.Errorf("%s: %w", o.cfg.URL, outputs.AsSendError(err).Err)
		}
		if o.acks.on() {
			found += ", which has indexer acknowledgement"
		} else {
			found += ", which has no indexer acknowledgement"
		}
	}
	if o.cfg.Index != "" {
		found += "; whether an index is there may show with its first event only"
	}
	if o.notice != "" {
		found += "; note: " + o.notice
	}
	return found, nil
}

// probe posts a body that delivers nothing.
func (o *Output) probe(ctx context.Context, ch *channel, body []byte) (reply, error) {
	answer, _, err := o.client.Do(ctx, httpclient.Request{
		Method: http.MethodPost, URL: o.base + "/event", ContentType: "application/json", Header: ch.header(),
		Body: body, Plain: true,
	})
	if err != nil {
		return reply{}, fmt.Errorf("%s: %w", o.cfg.URL, outputs.AsSendError(err).Err)
	}
	return readReply(&answer), nil
}

// explain returns nil where the answer to a request without events shows that the token is taken.
func (o *Output) explain(r *reply) error {
	answer := r.answer
	line := o.refusals.Find(answer.Status, r.kind(), "")
	switch {
	case r.coded && line.Reason == outputs.ReasonAuth:
		return fmt.Errorf("%s: it answered %s: %s: %s", o.cfg.URL, answer.Text(), r.said(), line.Remedy)
	case r.coded && (answer.Status >= http.StatusInternalServerError || line.Reason == outputs.ReasonThrottled):
		return fmt.Errorf("%s: it answered %s: %s: %s", o.cfg.URL, answer.Text(), r.said(), line.Remedy)
	case r.coded:
		return nil
	}
	if err := httpclient.Explain(o.cfg.URL, answer); err != nil {
		return err
	}
	return fmt.Errorf("%s: it answered %s: %s: is it the URL of Splunk's HTTP Event Collector?", o.cfg.URL,
		answer.Text(), r.said())
}

// maxProbes bounds how many indexes are asked about.
const maxProbes = 20

// indexes returns those that depend on the cluster alone.
func (o *Output) indexes(clusters []string) (names []string) {
	if len(clusters) == 0 {
		clusters = []string{"default"}
	}
	if rest := strings.ReplaceAll(o.cfg.Index, "{cluster}", ""); strings.Contains(rest, "{") || !o.names.PerChunk() {
		return nil
	}
	for _, cluster := range clusters {
		ev := &event.Event{Chunk: &event.Chunk{Cluster: cluster, Tag: "check"}, Record: []byte{0x80}}
		name := string(o.names.Append(nil, ev, appendIndex))
		if name != "" && !slices.Contains(names, name) && len(names) < maxProbes {
			names = append(names, name)
		}
	}
	return names
}
