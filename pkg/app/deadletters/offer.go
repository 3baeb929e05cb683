package deadletters

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/app/routing"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
	"github.com/seed-afc6a195/aggregator/pkg/filter/rules"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// offerer says what an output would make of events, as a configuration has it: filters, target, document. It is the
// rules' filter.Sink. One goroutine uses it.
type offerer struct {
	name string
	// rules is nil where there are none.
	rules *routing.Rules
	offer func(ev *event.Event) (outputs.Offer, error)
	// broken is why nothing can be said.
	broken string
	// made is that of the event at hand.
	made []client.DeadOffer
}

// newOfferer returns one for the output of that name. The caller closes it.
func newOfferer(cfg *config.Config, name string) *offerer {
	o := &offerer{name: name}
	var err error
	if o.offer, err = cfg.Outputs[name].Settings.Offers(routing.ClusterFields(cfg)); err == nil &&
		routing.LooksAtEvents(cfg) {
		o.rules, err = routing.NewRules(cfg, name, zerolog.Nop())
	}
	if err != nil {
		o.broken = err.Error()
	}
	return o
}

func (o *offerer) close() {
	if o.rules != nil {
		// Files that were only read.
		_ = o.rules.Close()
	}
}

// of returns what would be made of ev, which is one event unless a filter makes several of it.
func (o *offerer) of(ev *event.Event, now time.Time) []client.DeadOffer {
	o.made = nil
	switch {
	case o.broken != "":
		o.nothing(o.broken)
	case o.rules == nil:
		o.add(ev)
	default:
		var e filter.Event
		e.Reset(ev, o)
		o.rules.Process(&e, now, o)
		o.rules.Flush(now, true, o)
	}
	return o.made
}

func (o *offerer) nothing(why string) {
	o.made = append(o.made, client.DeadOffer{Output: o.name, Reason: why})
}

func (o *offerer) add(ev *event.Event) {
	offer, err := o.offer(ev)
	if err != nil {
		o.nothing(err.Error())
		return
	}
	made := client.DeadOffer{Output: o.name, Target: offer.Target}
	if json.Valid(offer.Document) {
		made.Document = offer.Document
	} else {
		made.Text = string(offer.Document)
	}
	o.made = append(o.made, made)
}

// Emit implements filter.Sink.
func (o *offerer) Emit(e *filter.Event) {
	ev := e.Event
	ev.Record = e.Rendered()
	o.add(&ev)
}

// Dropped implements filter.Sink.
func (o *offerer) Dropped(_ any, reason string) {
	switch reason {
	case rules.ReasonWhen:
		o.nothing("the conditions (when) of the routes to this output are not true of it")
	case rules.ReasonUnrouted:
		o.nothing("no route wants it")
	default:
		o.nothing("a filter drops it")
	}
}

// Dead implements filter.Sink.
func (o *offerer) Dead(e *filter.Event, reason string) {
	if e.Detail != "" {
		reason = fmt.Sprintf("%s: %s", reason, e.Detail)
	}
	o.nothing("it would become a dead letter again: " + reason)
}
