// Package firehose delivers events to Amazon Data Firehose.
package firehose

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"
	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// limits returns those of PutRecordBatch: 500 records, 4 MiB for the request, 1,000 KiB for a record
// before base64. Whether the request's are counted before or after base64 is not said: after is safe.
func limits() awsclient.Limits {
	return awsclient.Limits{Name: 64, Records: 500, Record: 1_024_000, Request: 4 << 20, Base64: true}
}

// Options is what an Output needs beside its settings.
type Options struct {
	Log zerolog.Logger
	// Credentials is shared by the outputs to AWS; nil: its own.
	Credentials *awsclient.Credentials
}

// Output puts events into delivery streams. It satisfies outputs.Output, Connector and Reporter.
type Output struct {
	*awsclient.Streams
	aws   *awsclient.Client
	calls calls
}

// calls are the operations that are used. A field with the SDK's client would keep all of its operations in the binary.
type calls struct {
	put func(
		context.Context, *firehose.PutRecordBatchInput, ...func(*firehose.Options),
	) (*firehose.PutRecordBatchOutput, error)
	describe func(
		context.Context, *firehose.DescribeDeliveryStreamInput, ...func(*firehose.Options),
	) (*firehose.DescribeDeliveryStreamOutput, error)
}

func callsOf(c *firehose.Client) calls {
	return calls{put: c.PutRecordBatch, describe: c.DescribeDeliveryStream}
}

// New returns an output. It makes no request.
func New(cfg Config, o Options) (*Output, error) {
	name, err := event.ParseTemplate(cfg.DeliveryStream)
	if err != nil {
		return nil, fmt.Errorf("delivery_stream: %w", err)
	}
	message, err := cfg.Field()
	if err != nil {
		return nil, err
	}
	c, err := awsclient.Load(context.Background(), cfg.Config, awsclient.Options{
		Log: o.Log, Credentials: o.Credentials,
	})
	if err != nil {
		return nil, err
	}
	out := &Output{
		aws: c,
		calls: callsOf(firehose.NewFromConfig(c.AWS, func(o *firehose.Options) {
			o.BaseEndpoint = c.Endpoint(o.BaseEndpoint)
		})),
	}
	out.Streams = awsclient.NewStreams(awsclient.StreamsOptions{
		Stream: name, Aggregate: cfg.Aggregate, Gzip: cfg.Compression == compressionGzip, Limits: limits(),
		Pace: cfg.Pace, Timeout: cfg.Settings().Timeout, Fields: cfg.Fields, Message: message, Put: out.put,
	})
	return out, nil
}

func (o *Output) put(ctx context.Context, stream string, records []awsclient.Record) ([]awsclient.Outcome, error) {
	in := make([]types.Record, len(records))
	for i := range records {
		in[i].Data = records[i].Data
	}
	got, err := o.calls.put(ctx, &firehose.PutRecordBatchInput{DeliveryStreamName: &stream, Records: in})
	if err != nil {
		return nil, err
	}
	outcomes := make([]awsclient.Outcome, len(got.RequestResponses))
	for i := range got.RequestResponses {
		r := &got.RequestResponses[i]
		outcomes[i] = awsclient.OutcomeOf(r.RecordId, r.ErrorCode, r.ErrorMessage)
	}
	return outcomes, nil
}

// Connect looks whether the clusters' streams are there.
func (o *Output) Connect(ctx context.Context, clusters []string) (found string, err error) {
	return o.Streams.Connect(ctx, clusters, "firehose:DescribeDeliveryStream", func(
		ctx context.Context, stream string,
	) (string, error) {
		got, err := o.calls.describe(ctx, &firehose.DescribeDeliveryStreamInput{
			DeliveryStreamName: &stream,
		})
		switch {
		case err != nil:
			return "", err
		case got.DeliveryStreamDescription == nil:
			return "", errors.New("the service's answer describes no stream")
		}
		return string(got.DeliveryStreamDescription.DeliveryStreamStatus), nil
	})
}

// Close closes idle connections.
func (o *Output) Close() error {
	o.aws.Close()
	return nil
}
