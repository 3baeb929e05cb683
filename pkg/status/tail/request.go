package tail

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// maxGrep is how many bytes of a pattern.
const maxGrep = 1 << 10

// Errors of requests that can't be shown. Any other one says what in the request can't be read.
var (
	// ErrNowhere is returned where there is nothing of the name in Request.At.
	ErrNowhere = errors.New("there is nothing of that name")
	// ErrNotAllowed is returned where records are asked for that may not be seen.
	ErrNotAllowed = errors.New("that takes the token of status.token or a user of status.users")
)

// Request is what somebody asks to see, in the words of the configuration. Its fields are as in Query.
type Request struct {
	At      string `json:"at,omitempty"`
	Cluster string `json:"cluster,omitempty"`
	Tag     string `json:"tag,omitempty"`
	Grep    string `json:"grep,omitempty"`
	Records bool   `json:"records,omitempty"`
	Values  bool   `json:"values,omitempty"`
	Sample  int    `json:"sample,omitempty"`
	Rate    int    `json:"rate,omitempty"`
}

// Stream is what somebody looks at: a View, or those of several aggregators at once.
type Stream interface {
	// Events and Missed are as those of View.
	Events() <-chan Shown
	Missed() uint64
	// Pods returns whose events are shown, when that changes; nil: only this aggregator's.
	Pods() <-chan client.TailPods
	// Close ends it, and waits for that.
	Close()
}

// Local shows the events of this aggregator.
type Local struct {
	Hub *Hub
	// Tags returns what reports whether a tag fits a pattern.
	Tags func(pattern string) (func(tag string) bool, error)
	// Route returns the name of the route that people call so, routes[0]. The error names those that there are.
	Route func(name string) (string, error)
	// Output reports whether there is an output of that name.
	Output func(name string) bool
}

// Open shows what is asked for.
func (l *Local) Open(r Request) (Stream, error) {
	q, err := l.Query(r)
	if err != nil {
		return nil, err
	}
	v, err := l.Hub.Open(q)
	if err != nil {
		// Not v, which would be a Stream that is not nil.
		return nil, err
	}
	return v, nil
}

// Query returns r as the configuration in force has it.
func (l *Local) Query(r Request) (q Query, err error) {
	q = Query{
		At: r.At, Cluster: r.Cluster, Records: r.Records || r.Values, Values: r.Values, Sample: r.Sample, Rate: r.Rate,
	}
	if q.At == "" {
		q.At = client.TailArrival
	}
	if q.At != client.TailArrival && !l.Output(q.At) {
		name, err := l.Route(q.At)
		if err != nil {
			return q, fmt.Errorf("at is %q, the name of an output, or a route, and not %q: %w: %w", client.TailArrival,
				q.At, ErrNowhere, err)
		}
		q.At, q.Route = name, name
	}
	if r.Tag != "" {
		if q.Tag, err = l.Tags(r.Tag); err != nil {
			return q, fmt.Errorf("tag: %w", err)
		}
	}
	if r.Grep == "" {
		return q, nil
	}
	if !q.Records {
		return q, fmt.Errorf("grep looks at records as they arrive: %w, on loopback too; at a route or an output it "+
			"does not", ErrNotAllowed)
	}
	if q.Grep, err = regexp.Compile(r.Grep); err == nil && len(r.Grep) > maxGrep {
		err = fmt.Errorf("it has %d", len(r.Grep))
	}
	if err != nil {
		return q, fmt.Errorf("grep: no regular expression of %d bytes at most: %w", maxGrep, err)
	}
	return q, nil
}

// Pods implements Stream.
func (*View) Pods() <-chan client.TailPods { return nil }
