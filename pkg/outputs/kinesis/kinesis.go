// Package kinesis delivers events to Amazon Kinesis Data Streams.
package kinesis

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

const (
	maxName    = 128
	maxRecords = 500
	maxRecord  = 1 << 20
	// maxRequest is that of data and partition keys, as the service has it for records of 1 MiB, and largeRequest since
	// it takes larger ones.
	maxRequest   = 5 << 20
	largeRequest = 10 << 20
)

// limits returns those of PutRecords.
func limits(cfg *Config) awsclient.Limits {
	l := awsclient.Limits{
		Name: maxName, Records: maxRecords, Record: int(cmp.Or(cfg.MaxRecordSize, maxRecord)), Request: maxRequest,
	}
	if l.Record > maxRecord {
		l.Request = largeRequest
	}
	return l
}

// Options is what an Output needs beside its settings.
type Options struct {
	Log zerolog.Logger
	// Credentials is shared by the outputs to AWS; nil: its own.
	Credentials *awsclient.Credentials
}

// Output puts events into data streams. It satisfies outputs.Output, Connector and Reporter.
type Output struct {
	*awsclient.Streams
	aws   *awsclient.Client
	calls calls
}

// calls are the operations that are used. A field with the SDK's client would keep all of its operations in the binary.
type calls struct {
	put func(
		context.Context, *kinesis.PutRecordsInput, ...func(*kinesis.Options),
	) (*kinesis.PutRecordsOutput, error)
	describe func(
		context.Context, *kinesis.DescribeStreamSummaryInput, ...func(*kinesis.Options),
	) (*kinesis.DescribeStreamSummaryOutput, error)
}

func callsOf(c *kinesis.Client) calls {
	return calls{put: c.PutRecords, describe: c.DescribeStreamSummary}
}

// New returns an output. It makes no request.
func New(cfg Config, o Options) (*Output, error) {
	name, err := event.ParseTemplate(cfg.Stream)
	if err != nil {
		return nil, fmt.Errorf("stream: %w", err)
	}
	key, err := event.ParseTemplate(cfg.PartitionKey)
	if err != nil {
		return nil, fmt.Errorf("partition_key: %w", err)
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
		calls: callsOf(kinesis.NewFromConfig(c.AWS, func(o *kinesis.Options) {
			o.BaseEndpoint = c.Endpoint(o.BaseEndpoint)
		})),
	}
	out.Streams = awsclient.NewStreams(awsclient.StreamsOptions{
		Stream: name, Key: key, RandomKeys: cfg.PartitionKey == randomKeys, Aggregate: cfg.Aggregate,
		Limits: limits(&cfg),
		Pace:   cfg.Pace, Timeout: cfg.Settings().Timeout, Fields: cfg.Fields, Message: message, Put: out.put,
	})
	return out, nil
}

func (o *Output) put(ctx context.Context, stream string, records []awsclient.Record) ([]awsclient.Outcome, error) {
	in := make([]types.PutRecordsRequestEntry, len(records))
	for i := range records {
		in[i].Data, in[i].PartitionKey = records[i].Data, &records[i].Key
	}
	got, err := o.calls.put(ctx, &kinesis.PutRecordsInput{StreamName: &stream, Records: in})
	if err != nil {
		return nil, err
	}
	outcomes := make([]awsclient.Outcome, len(got.Records))
	for i := range got.Records {
		r := &got.Records[i]
		outcomes[i] = awsclient.OutcomeOf(r.SequenceNumber, r.ErrorCode, r.ErrorMessage)
	}
	return outcomes, nil
}

// Connect looks whether the clusters' streams are there.
func (o *Output) Connect(ctx context.Context, clusters []string) (found string, err error) {
	return o.Streams.Connect(ctx, clusters, "kinesis:DescribeStreamSummary", func(
		ctx context.Context, stream string,
	) (string, error) {
		got, err := o.calls.describe(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &stream})
		switch {
		case err != nil:
			return "", err
		case got.StreamDescriptionSummary == nil:
			return "", errors.New("the service's answer describes no stream")
		}
		return string(got.StreamDescriptionSummary.StreamStatus), nil
	})
}

// Close closes idle connections.
func (o *Output) Close() error {
	o.aws.Close()
	return nil
}
