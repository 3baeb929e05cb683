// Package s3 archives events as objects in Amazon S3, or in a store that speaks its protocol.
//
// A Send makes one object for each prefix that its events have: one JSON object a line, compressed as
// a whole. Events are delivered when their object is complete.
//
// An object's name follows from its events, so a repeated upload of the same events replaces the
// object instead of doubling them. After a crash, though, the queue may hand out the events of a finished
// object in batches that are cut differently. So a log on disk says which events each object is to
// hold, before it is uploaded; events of an object in that log, and of one whose upload failed in a
// way that does not tell, are not sent again before the bucket was asked for it. Where it is complete, they
// are delivered.
package s3

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/failpoint"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/intent"
)

// Options is what an Output needs beside its settings.
type Options struct {
	// Name is that of the output, in errors; Log has it.
	Name string
	Log  zerolog.Logger
	// Credentials is shared by all outputs; nil: its own.
	Credentials *awsclient.Credentials
	// StateFile is the log of objects, of this output alone, from its first Send on, in a directory that is there.
	// "": none, so events may be doubled by a crash.
	StateFile string
}

// Output is a bucket. It satisfies outputs.Output, Connector and Reporter. Safe for concurrent use.
type Output struct {
	cfg Config
	// target is the bucket's name for others.
	target  string
	state   string
	timeout time.Duration
	// abortTimeout is for taking back the parts of an upload.
	abortTimeout time.Duration
	path         *event.Template
	ext, mime    string
	aws          *awsclient.Client
	client       *s3.Client
	checksums    aws.RequestChecksumCalculation
	log          zerolog.Logger
	fields       map[string]map[string]string
	doubts       doubts
	numbers      numbers

	mu   sync.Mutex
	idle []*objectBuilder
	// intents may be nil: not opened yet.
	intents    *intents
	notices    []string
	duplicates uint64
}

// What the operator should know although events flow.
const (
	noticeDamaged = "the log of S3 objects could not be read: events in flight when the program ended last may be " +
		"doubled; the program's log says why"
	noticeLog = "the log of S3 objects can't be written: events may be doubled by a crash; the program's " +
		"log says why"
	noticeHidden = "the credentials may not look for objects, so events may be doubled after a failed upload or a " +
		"crash: allow s3:GetObject and s3:ListBucket"
)

// New returns an output. It reads the SDK's settings, looks at the log, and makes no request.
func New(cfg Config, opts Options) (*Output, error) {
	if err := intent.CheckFormat(opts.StateFile, format()); err != nil {
		return nil, fmt.Errorf("output %s: %w", opts.Name, err)
	}
	path, err := parseKey(cfg.Key)
	if err != nil {
		return nil, fmt.Errorf("output %s: key: %w", opts.Name, err)
	}
	client, err := awsclient.Load(context.Background(), cfg.Config, awsclient.Options{
		Log: opts.Log, Credentials: opts.Credentials,
	})
	if err != nil {
		return nil, fmt.Errorf("output %s: %w", opts.Name, err)
	}
	o := &Output{
		cfg: cfg, target: "s3://" + cfg.Bucket, state: opts.StateFile, timeout: cfg.Settings().Timeout, path: path,
		aws: client, abortTimeout: abortTimeout,
		log:       opts.Log,
		checksums: client.AWS.RequestChecksumCalculation,
		client: s3.NewFromConfig(client.AWS, func(s *s3.Options) {
			s.BaseEndpoint = client.Endpoint(s.BaseEndpoint)
			s.UsePathStyle = cfg.PathStyle
		}),
	}
	o.ext, o.mime = ext(cfg.Compression, cfg.Message != "")
	text, err := cfg.Text(cfg.Fields, nil, true)
	if err != nil {
		return nil, fmt.Errorf("output %s: %w", opts.Name, err)
	}
	w, err := newObjectBuilder(cfg.Compression, text)
	if err != nil {
		return nil, fmt.Errorf("output %s: compression %s: %w", opts.Name, cfg.Compression, err)
	}
	o.idle = append(o.idle, w)
	return o, nil
}

// begin opens the log of objects for the first Send: until then it may be another Output's.
func (o *Output) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.intents != nil {
		return
	}
	var objects []object
	var err error
	if o.intents, objects, err = openIntents(o.state); err != nil {
		o.log.Warn().Err(err).
			Msg("the log of S3 objects can't be relied on: events in flight when the program ended last may be doubled")
		o.notices = append(o.notices, noticeDamaged)
	}
	o.doubts.add(objects...)
	o.numbers.remember(objects)
}

// SetClusterFields sets what is added to the events of each cluster. Call it before the first Send.
func (o *Output) SetClusterFields(fields map[string]map[string]string) {
	o.fields = fields
	for _, w := range o.idle {
		w.text.SetClusterFields(fields)
	}
}

// Close closes the log of objects.
func (o *Output) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.intents != nil {
		o.intents.log.Close()
	}
	o.aws.Close()
	return nil
}

// Report satisfies outputs.Reporter.
func (o *Output) Report() outputs.Report {
	o.mu.Lock()
	defer o.mu.Unlock()
	return outputs.Report{Notices: slices.Clone(o.notices), PossibleDuplicates: o.duplicates}
}

// Send uploads the events of b.
func (o *Output) Send(ctx context.Context, b *outputs.Batch) error {
	o.begin()
	keys := intent.Keys{}
	skip, about, err := o.recall(ctx, b.Events, keys)
	if err != nil {
		return o.failure(err)
	}
	w, err := o.take()
	if err != nil {
		return outputs.AsSendError(err)
	}
	defer o.put(w)
	p := assign(o.path, b.Events, skip)
	p.name(b.Events, keys, o.ext, &o.numbers)
	o.record(p)
	r := result{refused: w.unrenderable(b.Events, skip)}
	for i := range p.targets {
		if t := &p.targets[i]; t.events > 0 {
			o.send(ctx, w.body(t, p, b.Events), t, about, &r)
		}
	}
	b.CountAll(o.target)
	return r.err(len(b.Events), o.target)
}

// AppendTarget satisfies outputs.Targeter: it is the bucket. All events go there, so its state is the output's: they
// stay in the queue, where there is more room than aside.
func (o *Output) AppendTarget(dst []byte, _ *event.Event) []byte { return append(dst, o.target...) }

// result is what became of a batch so far.
type result struct {
	// refused is what was refused for good.
	refused []outputs.Failure
	// failed are to be sent again.
	failed []outputs.Failure
	// dominant and last are of the objects that failed.
	dominant, last *outputs.SendError
	retryAfter     time.Duration
	// down says that no object after this can succeed.
	down bool
}

// send uploads body as the object of t, and adds to r.
func (o *Output) send(ctx context.Context, body *body, t *target, about []*doubt, r *result) {
	var err error
	if !r.down {
		err = body.render()
	}
	switch {
	case r.down || err != nil:
	case body.whole && body.rendered == 0:
		r.refused = append(r.refused, body.refused...)
		// Of nothing no object is made.
		return
	default:
		var unknown bool
		if unknown, err = o.upload(ctx, &t.object, body); unknown {
			o.doubts.add(t.object)
		}
		failpoint.Pass("s3.uploaded")
		if err == nil {
			o.numbers.complete(t.prefix, t.hash)
			r.refused = append(r.refused, body.refused...)
			o.countDoubles(t, body.chain, about)
			return
		}
	}
	se := r.last
	if err != nil {
		se = o.failure(err)
		r.last = se
		r.down = ctx.Err() != nil || awsclient.Everywhere(err) || code(err) == "NoSuchBucket"
		r.retryAfter = max(r.retryAfter, se.RetryAfter)
		if r.dominant == nil || se.Reason == outputs.ReasonAuth {
			r.dominant = se
		}
	}
	for e := t.first; e != none; e = body.chain[e] {
		r.failed = append(r.failed, outputs.Failure{
			Index: int(e), Reason: se.Reason, Status: se.Status, Detail: se.Err.Error(), Remedy: se.Remedy,
		})
	}
}

// countDoubles counts the events of t that were sent although another object may hold them.
func (o *Output) countDoubles(t *target, next []int32, about []*doubt) {
	if about == nil {
		return
	}
	n := uint64(0)
	for e := t.first; e != none; e = next[e] {
		if about[e] != nil && about[e].key != t.object.key {
			n++
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.duplicates += n
}

// err returns Send's error, for a batch of so many events to the target.
func (r *result) err(events int, target string) error {
	if len(r.refused)+len(r.failed) == 0 {
		return nil
	}
	all := append(r.refused, r.failed...)
	slices.SortFunc(all, func(a, b outputs.Failure) int { return a.Index - b.Index })
	for i := range all {
		all[i].Target = target
	}
	if r.dominant == nil {
		return &outputs.SendError{Reason: outputs.ReasonRejected, Failed: all, Err: errors.New(all[0].Detail)}
	}
	if r.down && len(r.failed) == events {
		// No other batch would fare better.
		all = nil
	}
	return &outputs.SendError{
		Reason: r.dominant.Reason, Status: r.dominant.Status, RetryAfter: r.retryAfter, Failed: all,
		Err: r.dominant.Err,
	}
}

// record has the log say which objects are to come. Where it can't be written events are delivered all
// the same: a crash can double them, but they can't be lost.
func (o *Output) record(p *plan) {
	objects := make([]object, 0, len(p.targets))
	for i := range p.targets {
		if p.targets[i].events > 0 {
			objects = append(objects, p.targets[i].object)
		}
	}
	o.mu.Lock()
	err := o.intents.add(objects)
	o.mu.Unlock()
	if err != nil {
		o.log.Error().Err(err).Msg("the log of S3 objects can't be written: a crash now would double events")
		o.notice(noticeLog)
	}
}

// notice adds what the operator should know.
func (o *Output) notice(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Contains(o.notices, text) {
		o.notices = append(o.notices, text)
		o.log.Warn().Msg(text)
	}
}

// take returns an objectBuilder for one Send, which put gives back.
func (o *Output) take() (*objectBuilder, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n := len(o.idle); n > 0 {
		w := o.idle[n-1]
		o.idle = o.idle[:n-1]
		return w, nil
	}
	text, err := o.cfg.Text(o.cfg.Fields, o.fields, true)
	if err != nil {
		return nil, err
	}
	return newObjectBuilder(o.cfg.Compression, text)
}

func (o *Output) put(w *objectBuilder) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.idle = append(o.idle, w)
}

// failure says what follows from the error of a request. Nothing that S3 refuses is an event's fault,
// so everything is sent again.
func (o *Output) failure(err error) *outputs.SendError {
	reason, status, _, retryAfter := awsclient.Classify(err)
	explained := outputs.Failure{Status: status}
	awsclient.Explain(&explained, err)
	switch {
	case reason == outputs.ReasonTarget && awsclient.Denied(err):
		reason = outputs.ReasonAuth
	case reason == outputs.ReasonTarget, reason.Final():
		reason = outputs.ReasonServer
	}
	return &outputs.SendError{
		Reason: reason, Status: status, RetryAfter: retryAfter, Remedy: explained.Remedy,
		Err: &bucketError{
			text: fmt.Sprintf("bucket %s: %s%s", o.cfg.Bucket, awsclient.Describe(err), o.advice(err)), err: err,
		},
	}
}

// bucketError is an error in words for the operator, without what the SDK's own text has besides.
type bucketError struct {
	text string
	err  error
}

func (e *bucketError) Error() string { return e.text }
func (e *bucketError) Unwrap() error { return e.err }

// advice says what to do about errors of S3.
func (o *Output) advice(err error) string {
	if region := bucketRegion(err); region != "" && region != o.cfg.Region {
		return fmt.Sprintf("; the bucket is in %s: set region to that", region)
	}
	switch code(err) {
	case "NoSuchBucket":
		return "; make the bucket, or correct its name; the events are kept and sent then"
	case "InvalidStorageClass":
		return "; correct storage_class"
	case "AccessControlListNotSupported":
		return "; the bucket takes no ACLs: remove acl"
	}
	return ""
}

// bucketRegion returns the region that an answer names, "" for none.
func bucketRegion(err error) string {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.Response != nil {
		return response.Response.Header.Get("X-Amz-Bucket-Region")
	}
	return ""
}

// Connect asks for the first object of the bucket: unlike HeadBucket, that is answered with the
// reason where it is refused.
func (o *Output) Connect(ctx context.Context, clusters []string) (found string, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	list, err := o.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &o.cfg.Bucket, MaxKeys: aws.Int32(1)})
	switch {
	case err == nil && list.Name == nil && list.KeyCount == nil && list.MaxKeys == nil:
		return "", fmt.Errorf("bucket %s: what answers a list of objects is not S3: check endpoint, and what stands "+
			"before it: a proxy's login?", o.cfg.Bucket)
	case err == nil:
		return fmt.Sprintf("bucket %s in %s answers; objects go below %s", o.cfg.Bucket, o.cfg.Region,
			o.example(clusters)), nil
	case code(err) == "AccessDenied":
		return fmt.Sprintf("S3 answers; s3:ListBucket is not allowed, so bucket %s could not be checked",
			o.cfg.Bucket), nil
	}
	return "", o.failure(err).Err
}

// example returns the prefix of an event that came now, with no tag and an empty record.
func (o *Output) example(clusters []string) string {
	cluster := "default"
	if len(clusters) > 0 {
		cluster = clusters[0]
	}
	ev := event.Event{
		Chunk: &event.Chunk{Cluster: cluster}, Time: event.Time{Sec: time.Now().Unix()}, Record: []byte{0x80},
	}
	return shownPrefix(finalPrefix(o.path.Append(nil, &ev, appendClean)))
}
