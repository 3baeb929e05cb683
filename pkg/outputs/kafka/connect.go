package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// mayWrite is the bit of WRITE among the operations that brokers say are allowed on a topic, and unknownOperations is
// what they say where they do not tell.
const (
	mayWrite          = 1 << 4
	unknownOperations = -2147483648
)

// Connect asks a broker whether it lets this program in, and for the topics of the clusters. It makes none.
func (o *Output) Connect(ctx context.Context, clusters []string) (string, error) {
	names, known := o.topics.names(clusters)
	if !known {
		names = nil
	}
	got, err := o.metadata(ctx, names...)
	if err != nil {
		se := whole(err)
		text := se.Err.Error()
		if se.Remedy != "" {
			text += ": " + se.Remedy
		}
		if errors.Is(err, context.DeadlineExceeded) {
			text = fmt.Sprintf(
				"no broker of %s answers: is the port that of clients, does it speak TLS where tls is set, and only "+
					"there, and does it take the login (sasl)?",
				strings.Join(o.cfg.Brokers, ", "),
			)
		}
		if se.Reason == outputs.ReasonAuth {
			return "", fmt.Errorf("%s%w", text, outputs.ErrDenied)
		}
		return "", errors.New(text)
	}
	var there, missing []string
	for _, t := range got.Topics {
		name := ""
		if t.Topic != nil {
			name = *t.Topic
		}
		err := kerr.ErrorForCode(t.ErrorCode)
		switch {
		case errors.Is(err, kerr.UnknownTopicOrPartition):
			missing = append(missing, name)
		case errors.Is(err, kerr.TopicAuthorizationFailed):
			v := verdictOf(err)
			return "", fmt.Errorf("topic %s: %s: %s%w", name, v.detail, v.remedy, outputs.ErrDenied)
		case err != nil && !kerr.IsRetriable(err):
			return "", fmt.Errorf("topic %s: %s", name, verdictOf(err).detail)
		case t.AuthorizedOperations != unknownOperations && t.AuthorizedOperations&mayWrite == 0:
			return "", fmt.Errorf(
				"topic %s: this user may not write to it: grant WRITE on the topic%w",
				name,
				outputs.ErrDenied,
			)
		default:
			there = append(there, fmt.Sprintf("topic %s has %d partitions", name, len(t.Partitions)))
		}
	}
	found := fmt.Sprintf("Kafka of %d brokers", len(got.Brokers))
	switch {
	case !known:
		return found + ": the names of topics depend on events, so they could not be checked", nil
	case len(missing) > 0 && !o.cfg.AutoCreate:
		return "", fmt.Errorf(
			"topic %s is missing: make it, or set auto_create where the brokers have auto.create.topics.enable",
			strings.Join(missing, ", "),
		)
	case len(missing) > 0:
		there = append(
			there,
			"topic "+strings.Join(
				missing,
				", ",
			)+" is missing, and made with the first event if the brokers make topics",
		)
	}
	return found + ": " + strings.Join(there, ", "), nil
}
