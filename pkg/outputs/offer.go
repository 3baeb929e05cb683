package outputs

import (
	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// Offer is what an output would make of an event.
type Offer struct {
	// Target is where the event would go: an index, a stream, a file, …
	Target string
	// Document is what would be sent of it: a JSON object, or another text.
	Document []byte
}

// OffersText returns what Offers of an output does whose documents are what text makes.
func OffersText(text *Text, target func(ev *event.Event) string) func(ev *event.Event) (Offer, error) {
	return func(ev *event.Event) (Offer, error) {
		document, err := text.Append(nil, ev)
		return Offer{Target: target(ev), Document: document}, err
	}
}

// OffersJSON returns what Offers of an output does whose documents are whole events as JSON.
func OffersJSON(
	fields event.Fields, added map[string]map[string]string, target func(ev *event.Event) string,
) func(ev *event.Event) (Offer, error) {
	enc := event.NewEncoder(fields)
	enc.SetClusterFields(added)
	return func(ev *event.Event) (Offer, error) {
		document, err := enc.AppendEvent(nil, ev)
		return Offer{Target: target(ev), Document: document}, err
	}
}
