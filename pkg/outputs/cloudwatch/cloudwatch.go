// Package cloudwatch delivers events to Amazon CloudWatch Logs.
//
// The events of a batch are put in order of time for each log stream and cut into requests within the
// limits of PutLogEvents. What the service refuses of a request for its time is given up with the
// service's reason; all else is sent again, and nothing that was accepted. CloudWatch Logs has no ids to
// tell events apart by, so a request of unknown outcome that is sent again may double its events: these
// are counted.
package cloudwatch

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// parallel is how many streams one Send writes to at a time. Streams are as many as pods, and each takes
// a request of some 50 ms however few its events are; one by one a batch of a hundred would take 5 s.
const parallel = 4

// Options is what an Output needs beside its settings.
type Options struct {
	// Name is that of the output, in errors.
	Name string
	// Log names the output.
	Log zerolog.Logger
	// Credentials are shared by all outputs of the process; nil: the Output's own.
	Credentials *awsclient.Credentials
	// Now may be nil: time.Now.
	Now func() time.Time
}

// Output is a destination of CloudWatch Logs. It satisfies outputs.Output, Connector and Reporter.
type Output struct {
	cfg   Config
	names *namer
	// message may be nil: the whole event.
	message  *event.Template
	truncate bool
	client   *awsclient.Client
	api      *calls
	maker    *maker
	now      func() time.Time
	fields   map[string]map[string]string
	// works has *work.
	works sync.Pool

	duplicates, redirected, truncated atomic.Uint64
}

// New returns an output. It reaches for nothing before the first call.
func New(cfg Config, o Options) (*Output, error) {
	names, err := newNamer(&cfg)
	if err != nil {
		return nil, fmt.Errorf("output %s: %w", o.Name, err)
	}
	client, err := awsclient.Load(context.Background(), cfg.Config, awsclient.Options{
		Log: o.Log, Credentials: o.Credentials,
	})
	if err != nil {
		return nil, fmt.Errorf("output %s: %w", o.Name, err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	cfg.Common = cfg.Settings()
	out := &Output{cfg: cfg, names: names, truncate: cfg.Oversize == oversizeTruncate, client: client, now: o.Now}
	if out.message, err = cfg.Field(); err != nil {
		return nil, fmt.Errorf("output %s: %w", o.Name, err)
	}
	out.api = callsOf(logs.NewFromConfig(client.AWS, func(l *logs.Options) {
		l.BaseEndpoint, l.HTTPClient = client.Endpoint(l.BaseEndpoint), proving{l.HTTPClient}
	}))
	out.maker = newMaker(&out.cfg, out.api, o.Log, o.Now)
	out.works.New = func() any {
		return &work{message: outputs.NewText(out.message, out.cfg.Fields, out.fields, false)}
	}
	return out, nil
}

// SetClusterFields sets what is added to the events of each cluster. Call it before the first Send.
func (o *Output) SetClusterFields(fields map[string]map[string]string) { o.fields = fields }

// Close closes idle connections.
func (o *Output) Close() error {
	o.client.Close()
	return nil
}

// Report tells what became of events that were not simply stored once.
func (o *Output) Report() outputs.Report {
	return outputs.Report{
		Notices:            o.maker.notices(),
		PossibleDuplicates: o.duplicates.Load(),
		Redirected:         o.redirected.Load(),
		Truncated:          o.truncated.Load(),
	}
}

// AppendTarget satisfies outputs.Targeter: it is the log group and stream that ev asks for.
func (o *Output) AppendTarget(dst []byte, ev *event.Event) []byte {
	dst = o.names.appendGroup(dst, ev)
	return o.names.appendStream(append(dst, ' '), ev)
}

// Send puts the events of b into their log streams.
func (o *Output) Send(ctx context.Context, b *outputs.Batch) error {
	w := o.works.Get().(*work)
	defer func() {
		if w.text = ""; cap(w.buf) <= maxKept {
			o.works.Put(w)
		}
	}()
	s := &sending{o: o, w: w, batch: b, events: b.Events}
	s.failed = o.render(w, b.Events)
	targets := s.plan()
	for round := own; len(targets) > 0; round++ {
		s.deliver(ctx, targets, round)
		targets = s.redirect(round)
	}
	return s.result()
}

// request bounds one call by the time-out.
func (o *Output) request(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, o.cfg.Timeout)
}
