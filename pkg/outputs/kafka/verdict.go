package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// verdict is what an error of a record means.
type verdict struct {
	reason outputs.Reason
	// kind is Kafka's name of the error.
	kind string
	// detail is the error's own where it is "".
	detail string
	remedy string
	// answered says that brokers have answered, so that it was surely not stored.
	answered bool
	// halve says that it may be about one of those that were refused together.
	halve    bool
	unlisted bool
}

// verdictOf says what an error of a record means.
func verdictOf(err error) verdict {
	var known *kerr.Error
	if !errors.As(err, &known) {
		switch {
		case errors.Is(err, kgo.ErrMaxBuffered):
			return verdict{
				reason: outputs.ReasonTarget, kind: "buffer_full", answered: true,
				remedy: "look at the topics that take nothing",
				detail: "the client still holds as many records as it may: a topic has not taken them",
			}
		case awsclient.Unsigned(err):
			return verdict{reason: outputs.ReasonAuth, answered: true}
		default:
			return verdict{
				reason: outputs.ReasonTarget, kind: "no_answer",
				detail: "no answer came in time: " + outputs.Diagnose(err),
				remedy: "look for a partition without a leader, or with fewer replicas in sync than " +
					"min.insync.replicas",
			}
		}
	}
	line := refusals().Find(0, known.Message, "")
	v := verdict{
		reason: line.Reason, kind: known.Message, remedy: line.Remedy, unlisted: line.Unlisted,
		detail: known.Message + ": " + known.Description,
		halve:  line.Reason.Final(),
	}
	switch known {
	case kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut, kerr.NetworkException:
		// It may be stored.
	default:
		v.answered = true
	}
	return v
}

// whole returns an error that is about no topic.
func whole(err error) *outputs.SendError {
	var known *kerr.Error
	if errors.As(err, &known) || awsclient.Unsigned(err) {
		v := verdictOf(err)
		if v.detail == "" {
			v.detail = outputs.Diagnose(err)
		}
		return &outputs.SendError{Reason: v.reason, Remedy: v.remedy, Err: errors.New(v.detail)}
	}
	var closed *kgo.ErrFirstReadEOF
	if errors.As(err, &closed) || errors.Is(err, io.EOF) {
		return &outputs.SendError{
			Reason: outputs.ReasonNetwork,
			Err: errors.New("a broker closes the connection without an answer: does it speak TLS where tls is set, " +
				"and only there, and does it want a login (sasl)?"),
		}
	}
	if strings.Contains(err.Error(), "invalid large response size") {
		return &outputs.SendError{
			Reason: outputs.ReasonNetwork,
			Err: errors.New("what answers does not speak Kafka: is the port that of clients, and does it " +
				"speak TLS where " +
				"tls is set, and only there?"),
		}
	}
	return &outputs.SendError{Reason: outputs.ReasonNetwork, Err: errors.New(outputs.Diagnose(err))}
}

// unreached says why no broker has answered for any topic of a batch.
func (o *Output) unreached(ctx context.Context, g *group) error {
	reason := errors.New("no broker answers")
	if len(g.failed) > 0 {
		reason = errors.New(g.failed[0].Detail)
	}
	if ctx.Err() != nil {
		return outputs.AsSendError(fmt.Errorf("%w: %w", ctx.Err(), reason))
	}
	if err := o.reach(ctx); err != nil {
		return whole(err)
	}
	return &outputs.SendError{
		Reason: outputs.ReasonNetwork,
		Err:    fmt.Errorf("brokers answer, but take no records: %w", reason),
	}
}

// reachTimeout bounds how long a broker is waited for that is only asked whether it is there.
const reachTimeout = 10 * time.Second

// reach returns nil where a broker answers and lets this program in.
func (o *Output) reach(ctx context.Context) error {
	_, err := o.metadata(ctx)
	return err
}

// metadata asks the brokers for what they know of the topics.
func (o *Output) metadata(ctx context.Context, topics ...string) (*kmsg.MetadataResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, min(reachTimeout, o.timeout))
	defer cancel()
	req := kmsg.NewPtrMetadataRequest()
	req.IncludeTopicAuthorizedOperations = true
	// Not nil, which would be all of them.
	req.Topics = []kmsg.MetadataRequestTopic{}
	for _, name := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(name)
		req.Topics = append(req.Topics, t)
	}
	return req.RequestWith(ctx, o.client)
}
