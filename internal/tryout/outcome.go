package tryout

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"

	"github.com/seed-afc6a195/aggregator/internal/stepdiff"
)

// Results of an event.
const (
	Delivered  = "delivered"
	Dropped    = "dropped"
	DeadLetter = "dead_letter"
	// Joined says that it is a part of another event.
	Joined = "joined"
)

// Outcome is what became of an event for some outputs. An event has several outcomes where several
// routes take it.
type Outcome struct {
	// Event is its number, from 1; 0: a step made it.
	Event int `json:"event"`
	// Parts is the numbers of all events that were joined into it, its own first.
	Parts   []int  `json:"parts,omitempty"`
	Cluster string `json:"cluster"`
	Tag     string `json:"tag"`
	// Refused is the routes whose conditions are not true, and why.
	Refused []string `json:"refused,omitempty"`
	// Route may be "": no route took it.
	Route   string          `json:"route,omitempty"`
	Outputs []string        `json:"outputs,omitempty"`
	Steps   []stepdiff.Step `json:"steps,omitempty"`

	Result string `json:"result"`
	// Reason is why it was dropped or became a dead letter.
	Reason string `json:"reason,omitempty"`
	// Into is the number of the event that it was joined into.
	Into int `json:"into,omitempty"`

	// Time is that of an event that goes on.
	Time string `json:"time,omitempty"`
	// Record is without what is added at delivery.
	Record json.RawMessage `json:"record,omitempty"`
	// Documents are as they are delivered.
	Documents []Document `json:"documents,omitempty"`
}

// Document is an event as some outputs get it.
type Document struct {
	Outputs []string `json:"outputs"`
	// Where in each of the outputs, in their order: "index logs-seoul-2026.11.30".
	Targets  []string        `json:"targets,omitempty"`
	Document json.RawMessage `json:"document"`
	// Text is what is sent instead of the document: a field alone, which message names.
	Text string `json:"text,omitempty"`
}

// places returns the outputs, each with where in it.
func (d *Document) places() []string {
	all := slices.Clone(d.Outputs)
	for i, target := range d.Targets {
		if target != "" {
			all[i] += " (" + target + ")"
		}
	}
	return all
}

// grouped puts together what became of an event for outputs that treated it alike.
func grouped(fates []*fate, refused []string) (all []Outcome) {
	// same is like all, without what differs.
	var same []Outcome
	for _, f := range fates {
		if f.elsewhere {
			continue
		}
		o := f.Outcome
		o.Outputs, o.Documents = nil, nil
		i := slices.IndexFunc(same, func(s Outcome) bool { return reflect.DeepEqual(s, o) })
		if i < 0 {
			same = append(same, o)
			f.Refused = refused
			all = append(all, f.Outcome)
			continue
		}
		a := &all[i]
		a.Outputs = append(a.Outputs, f.Outputs...)
		for _, d := range f.Documents {
			if j := slices.IndexFunc(a.Documents, func(
				x Document,
			) bool {
				return bytes.Equal(x.Document, d.Document) && x.Text == d.Text
			}); j >= 0 {
				a.Documents[j].Outputs = append(a.Documents[j].Outputs, d.Outputs...)
				a.Documents[j].Targets = append(a.Documents[j].Targets, d.Targets...)
			} else {
				a.Documents = append(a.Documents, d)
			}
		}
	}
	return all
}
