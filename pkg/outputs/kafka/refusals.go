package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// kindsOf returns Kafka's names of errors.
func kindsOf(errs ...*kerr.Error) []string {
	names := make([]string, len(errs))
	for i, err := range errs {
		names[i] = err.Message
	}
	return names
}

// refusals is what Kafka's errors mean. Brokers answer for records by these names, without a status.
func refusals() outputs.Refusals {
	return outputs.Refusals{
		{
			What: "a record, or a request, that is too large", Reason: outputs.ReasonTooLarge,
			Kinds: kindsOf(kerr.MessageTooLarge, kerr.RecordListTooLarge),
			Remedy: "raise the topic's max.message.bytes, and max_message_size here where that is what it " +
				"is over",
		},
		{
			What: "a record that is not taken", Reason: outputs.ReasonRejected,
			Kinds:  kindsOf(kerr.InvalidRecord, kerr.InvalidTimestamp, kerr.CorruptMessage),
			Remedy: "see the reason; a compacted topic wants key",
		},
		{
			What: "no such topic", Reason: outputs.ReasonTarget,
			Kinds:  kindsOf(kerr.UnknownTopicOrPartition, kerr.UnknownTopicID),
			Remedy: "make the topic, or set auto_create where the brokers have auto.create.topics.enable",
		},
		{
			What: "no right to write to the topic", Reason: outputs.ReasonTarget,
			Kinds: kindsOf(kerr.TopicAuthorizationFailed), Remedy: "grant this user WRITE and DESCRIBE on the topic",
		},
		{
			What: "too few replicas in sync, or no leader", Reason: outputs.ReasonTarget,
			Kinds: kindsOf(kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.LeaderNotAvailable,
				kerr.NotLeaderForPartition, kerr.KafkaStorageError),
			Remedy: "look at the brokers, and at the topic's settings",
		},
		{
			What: "the topic's name or settings", Reason: outputs.ReasonTarget,
			Kinds:  kindsOf(kerr.InvalidTopicException, kerr.PolicyViolation, kerr.InvalidRequiredAcks),
			Remedy: "look at the topic's settings, and at the policies of the cluster",
		},
		{
			What: "no answer of the brokers among themselves", Reason: outputs.ReasonTarget,
			Kinds: kindsOf(kerr.RequestTimedOut, kerr.NetworkException), Remedy: "look at the brokers",
		},
		{
			What: "the login", Reason: outputs.ReasonAuth,
			Kinds:  kindsOf(kerr.SaslAuthenticationFailed, kerr.IllegalSaslState, kerr.UnsupportedSaslMechanism),
			Remedy: "check sasl: mechanism, username and password, and that the port is that of a listener with SASL",
		},
		{
			What: "no right in the cluster", Reason: outputs.ReasonAuth,
			Kinds:  kindsOf(kerr.ClusterAuthorizationFailed),
			Remedy: "grant this user IDEMPOTENT_WRITE on the cluster: brokers before 2.8 want it",
		},
		{
			What: "a quota", Reason: outputs.ReasonThrottled, Kinds: kindsOf(kerr.ThrottlingQuotaExceeded),
			Remedy: "nothing, or a larger quota",
		},
		{
			What: "the compression", Reason: outputs.ReasonServer, Kinds: kindsOf(kerr.UnsupportedCompressionType),
			Remedy: "set compression to what the topic's brokers know",
		},
		{
			What: "anything else", Reason: outputs.ReasonServer,
			Remedy: "look at the brokers, and at the topic's settings",
		},
	}
}
