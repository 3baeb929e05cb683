package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// cluster is a made-up Kafka of one broker.
type cluster struct {
	*kfake.Cluster
	t *testing.T
}

func newCluster(t *testing.T, topics ...string) *cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topics...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &cluster{c, t}
}

// answer has every partition of a produce request that is for topic ("": any) answered with the error, until it returns
// nil.
func (c *cluster) answer(topic string, fail func() *kerr.Error) {
	c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		req := r.(*kmsg.ProduceRequest)
		res := req.ResponseKind().(*kmsg.ProduceResponse)
		refused := false
		for _, t := range req.Topics {
			name := t.Topic
			if name == "" {
				name = c.nameOf(t.TopicID)
			}
			e := kerr.NotEnoughReplicas // is sent again, in a request of its own
			if topic == "" || name == topic {
				if e = fail(); e != nil {
					refused = true
				}
			}
			if e == nil {
				continue
			}
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewProduceResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, e.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			res.Topics = append(res.Topics, rt)
		}
		return res, nil, refused
	})
}

func (c *cluster) nameOf(id [16]byte) string {
	for _, name := range []string{"logs", "bad", "good", "a", "b"} {
		if info := c.TopicInfo(name); info != nil && info.TopicID == id {
			return name
		}
	}
	return ""
}

// values returns what is in a topic, in its order.
func (c *cluster) values(topic string) (all []*kgo.Record) {
	c.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics(topic))
	if err != nil {
		c.t.Fatal(err)
	}
	defer client.Close()
	end := int64(0)
	if info := c.PartitionInfo(topic, 0); info != nil {
		end = info.HighWatermark
	}
	for int64(len(all)) < end {
		fetches := client.PollFetches(c.t.Context())
		if err := fetches.Err(); err != nil {
			c.t.Fatal(err)
		}
		all = append(all, fetches.Records()...)
	}
	return all
}

func newOutput(t *testing.T, c *cluster, change func(*Config)) *Output {
	t.Helper()
	cfg := Config{
		Common: outputs.Common{
			Timeout: time.Minute,
			Fields:  event.Fields{Time: "@timestamp", Tag: "tag", Cluster: "cluster"},
		},
		Brokers: c.ListenAddrs(), Topic: "logs", Compression: "zstd", MaxMessageSize: 1 << 20, MaxTopicsPerHour: 200,
	}
	if change != nil {
		change(&cfg)
	}
	o, err := New(cfg, Options{Log: zerolog.Nop(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestContract(t *testing.T) {
	for _, compression := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		t.Run(compression, func(t *testing.T) {
			outputtest.Contract(t, func(t *testing.T) *outputtest.Destination {
				t.Helper()
				c := newCluster(t, "a", "b")
				var mu sync.Mutex
				broken := map[string]bool{}
				for _, topic := range []string{"a", "b"} {
					c.answer(topic, func() *kerr.Error {
						mu.Lock()
						defer mu.Unlock()
						if broken[topic] {
							return kerr.TopicAuthorizationFailed
						}
						return nil
					})
				}
				set := func(to bool, topics ...string) {
					mu.Lock()
					defer mu.Unlock()
					for _, topic := range topics {
						broken[topic] = to
					}
				}
				return &outputtest.Destination{
					Output: newOutput(
						t,
						c,
						func(cfg *Config) { cfg.Compression, cfg.Topic = compression, "{cluster}" },
					),
					Numbers: func(t *testing.T) []int {
						t.Helper()
						return append(numbers(t, c.values("a")), numbers(t, c.values("b"))...)
					},
					Break:   func(int) { set(true, "a", "b") },
					Repair:  func() { set(false, "a", "b") },
					Trouble: func(on bool) { set(on, "b") },
				}
			})
		})
	}
}

func numbers(t *testing.T, records []*kgo.Record) (all []int) {
	t.Helper()
	for _, r := range records {
		_, text, _ := strings.Cut(string(r.Value), `"n":`)
		n := 0
		if _, err := fmt.Sscanf(text, "%d", &n); err != nil {
			t.Fatalf("a record has no number: %s", r.Value)
		}
		all = append(all, n)
	}
	return all
}

// TestRefusals: what each answer means for the events of its topic, and that others' go on.
func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		err    *kerr.Error
		reason outputs.Reason
		want   string
	}{
		{kerr.TopicAuthorizationFailed, outputs.ReasonTarget, "grant this user WRITE"},
		{kerr.InvalidRecord, outputs.ReasonRejected, "INVALID_RECORD"},
		{kerr.InvalidTimestamp, outputs.ReasonRejected, "INVALID_TIMESTAMP"},
		{kerr.MessageTooLarge, outputs.ReasonTooLarge, "max.message.bytes"},
		{kerr.PolicyViolation, outputs.ReasonTarget, "POLICY_VIOLATION"},
		{kerr.ClusterAuthorizationFailed, outputs.ReasonAuth, "IDEMPOTENT_WRITE"},
		{kerr.UnsupportedCompressionType, outputs.ReasonServer, "set compression"},
	} {
		t.Run(tc.err.Message, func(t *testing.T) {
			c := newCluster(t, "bad", "good")
			c.answer("bad", func() *kerr.Error { return tc.err })
			o := newOutput(t, c, func(cfg *Config) { cfg.Topic = "{cluster}" })
			defer o.Close()
			b := outputtest.Batch(outputtest.Chunk(1, "bad", "t", 3, 0, 10), outputtest.Chunk(2, "good", "t", 3, 3, 10))
			se := outputs.AsSendError(o.Send(t.Context(), b))
			if len(se.Failed) != 3 || se.Reason != tc.reason ||
				!strings.Contains(se.Error()+se.Failed[0].Remedy, tc.want) {
				t.Fatalf("%v (%d failed), want %s of three and %q", se, len(se.Failed), tc.reason, tc.want)
			}
			for _, f := range se.Failed {
				if f.Index > 2 || f.Target != "bad" || f.Reason != tc.reason || f.Kind != tc.err.Message ||
					f.Remedy == "" {
					t.Errorf("%+v", f)
				}
			}
			if got := numbers(t, c.values("good")); !slices.Equal(got, []int{3, 4, 5}) {
				t.Errorf("the good topic has %v", got)
			}
			if len(b.Sent) != 2 || b.Sent[0].Target != "bad" || b.Sent[1].Events != 3 {
				t.Errorf("counted %+v", b.Sent)
			}
		})
	}
}

// TestOneOfABatch: a batch that is refused for one of its records is taken but for that one.
func TestOneOfABatch(t *testing.T) {
	for _, tc := range []struct {
		err    *kerr.Error
		reason outputs.Reason
	}{{kerr.InvalidRecord, outputs.ReasonRejected}, {kerr.MessageTooLarge, outputs.ReasonTooLarge}} {
		t.Run(tc.err.Message, func(t *testing.T) {
			c := newCluster(t, "logs")
			c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				req := r.(*kmsg.ProduceRequest)
				batch := req.Topics[0].Partitions[0].Records
				if !strings.Contains(string(batch), `"n":37,`) {
					return nil, nil, false
				}
				res := req.ResponseKind().(*kmsg.ProduceResponse)
				rt := kmsg.NewProduceResponseTopic()
				rt.Topic, rt.TopicID = req.Topics[0].Topic, req.Topics[0].TopicID
				rp := kmsg.NewProduceResponseTopicPartition()
				rp.ErrorCode = tc.err.Code
				rt.Partitions = append(rt.Partitions, rp)
				res.Topics = append(res.Topics, rt)
				return res, nil, true
			})
			o := newOutput(t, c, func(cfg *Config) { cfg.Compression = "none" })
			defer o.Close()
			se := outputs.AsSendError(o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 100, 0, 10))))
			if len(se.Failed) != 1 || se.Failed[0].Index != 37 || se.Failed[0].Reason != tc.reason {
				t.Fatalf("%v: %+v", se, se.Failed)
			}
			got := numbers(t, c.values("logs"))
			slices.Sort(got)
			if len(got) != 99 || len(slices.Compact(got)) != 99 || slices.Contains(got, 37) {
				t.Errorf("the topic has %d records: %v", len(got), got)
			}
		})
	}
}

// TestTooLarge: a record over max_message_size is a dead letter that names the limit, and is not sent.
func TestTooLarge(t *testing.T) {
	c := newCluster(t, "logs")
	o := newOutput(t, c, func(cfg *Config) { cfg.MaxMessageSize = 2 << 10 })
	defer o.Close()
	b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 1, 0, 3000), outputtest.Chunk(2, "a", "t", 2, 1, 10))
	se := outputs.AsSendError(o.Send(t.Context(), b))
	if len(se.Failed) != 1 || se.Failed[0].Index != 0 || se.Failed[0].Reason != outputs.ReasonTooLarge ||
		!strings.Contains(se.Failed[0].Detail, "max_message_size is 2KiB") {
		t.Errorf("%+v", se)
	}
	if got := numbers(t, c.values("logs")); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("the topic has %v", got)
	}
}

// TestMissingTopic: it stops only itself, and check --connect names it.
func TestMissingTopic(t *testing.T) {
	c := newCluster(t, "good")
	o := newOutput(t, c, func(cfg *Config) { cfg.Topic = "{cluster}" })
	defer o.Close()
	b := outputtest.Batch(outputtest.Chunk(1, "bad", "t", 3, 0, 10), outputtest.Chunk(2, "good", "t", 3, 3, 10))
	se := outputs.AsSendError(o.Send(t.Context(), b))
	if len(se.Failed) != 3 || se.Failed[0].Reason != outputs.ReasonTarget ||
		!strings.Contains(se.Failed[0].Remedy, "make the topic") {
		t.Errorf("%+v", se)
	}
	if got := numbers(t, c.values("good")); !slices.Equal(got, []int{3, 4, 5}) {
		t.Errorf("the good topic has %v", got)
	}
	if _, err := o.Connect(t.Context(), []string{"bad", "good"}); err == nil ||
		!strings.Contains(err.Error(), "topic bad is missing") {
		t.Errorf("%v", err)
	}
	if found, err := o.Connect(t.Context(), []string{"good"}); err != nil ||
		!strings.Contains(found, "topic good has 1 partitions") {
		t.Errorf("%s, %v", found, err)
	}
}

// TestNoBroker: an address where nobody answers is the network's, and is told in one line.
func TestNoBroker(t *testing.T) {
	c := newCluster(t, "logs")
	o := newOutput(t, c, func(cfg *Config) { cfg.Timeout = time.Second })
	defer o.Close()
	c.Close()
	se := outputs.AsSendError(o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 10))))
	if se.Reason != outputs.ReasonNetwork || len(se.Failed) != 0 {
		t.Errorf("%+v", se)
	}
	if err := o.Prepare(t.Context()); outputs.AsSendError(err).Reason != outputs.ReasonNetwork {
		t.Errorf("Prepare: %v", err)
	}
	if _, err := o.Connect(t.Context(), nil); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("Connect: %v", err)
	}
}

// TestRecords: value, key, headers and time are the event's.
func TestRecords(t *testing.T) {
	c := newCluster(t, "logs")
	o := newOutput(t, c, func(cfg *Config) {
		cfg.Key, cfg.Headers, cfg.Message = "{tag}", map[string]string{"cluster": "{cluster}", "b": "x"}, "n"
	})
	defer o.Close()
	if err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 1, 7, 10))); err != nil {
		t.Fatal(err)
	}
	r := c.values("logs")[0]
	var headers []string
	for _, h := range r.Headers {
		headers = append(headers, h.Key+"="+string(h.Value))
	}
	if string(r.Value) != "7" || string(r.Key) != "t" || !slices.Equal(headers, []string{"b=x", "cluster=a"}) ||
		r.Timestamp.Year() < 2000 {
		t.Errorf("%q %q %v %v", r.Key, r.Value, headers, r.Timestamp)
	}
}

func TestCancelled(t *testing.T) {
	c := newCluster(t, "logs")
	release := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cancel() // now the broker has the events, for all that is known
		c.SleepControl(func() { <-release })
		return nil, nil, false
	})
	o := newOutput(t, c, nil)
	defer o.Close()
	defer close(release)
	err := o.Send(ctx, outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 10)))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if n := o.Report().PossibleDuplicates; n != 3 {
		t.Errorf("%d possible duplicates, want 3", n)
	}
}

// TestRawTexts: each record is its event's field, whatever is in it.
func TestRawTexts(t *testing.T) {
	c := newCluster(t, "logs")
	o := newOutput(t, c, func(cfg *Config) { cfg.Message, cfg.Fields = "log", event.Fields{} })
	if err := o.Send(t.Context(), outputtest.RawBatch()); err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	got, want := c.values("logs"), outputtest.RawTexts()
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i, r := range got {
		if string(r.Value) != want[i].Text {
			t.Errorf("%s: %q, want %q", want[i].Name, r.Value, want[i].Text)
		}
	}
}

// TestProxy: brokers are reached through the proxy that is set.
func TestProxy(t *testing.T) {
	c := newCluster(t, "logs")
	proxy := outputtest.NewProxy(t)
	o := newOutput(t, c, func(cfg *Config) { cfg.Proxy = proxy.URL })
	if err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 10))); err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(c.values("logs")); n != 3 {
		t.Errorf("%d records", n)
	}
	for _, address := range c.ListenAddrs() {
		if !slices.Contains(proxy.Asked(), address) {
			t.Errorf("the proxy was asked for %q, not for %s", proxy.Asked(), address)
		}
	}
}

func TestTableOfRefusals(t *testing.T) {
	var answers []outputtest.Answer
	for i := range refusals() {
		line := &refusals()[i]
		for _, kind := range line.Kinds {
			answers = append(answers, outputtest.Answer{What: line.What, Kind: kind})
		}
	}
	answers = append(answers, outputtest.Answer{What: "anything else", Kind: kerr.UnknownServerError.Message})
	outputtest.HoldRefusals(t, refusals(), answers, "../../../docs/kafka.md")
}

// TestVerdicts: what follows from the errors that matter most, and whether brokers have answered by them.
func TestVerdicts(t *testing.T) {
	for _, tc := range []struct {
		err             error
		reason          outputs.Reason
		answered, halve bool
	}{
		{kerr.MessageTooLarge, outputs.ReasonTooLarge, true, true},
		{kerr.InvalidRecord, outputs.ReasonRejected, true, true},
		{kerr.UnknownTopicOrPartition, outputs.ReasonTarget, true, false},
		{kerr.TopicAuthorizationFailed, outputs.ReasonTarget, true, false},
		{kerr.NotEnoughReplicas, outputs.ReasonTarget, true, false},
		{kerr.NotEnoughReplicasAfterAppend, outputs.ReasonTarget, false, false},
		{kerr.RequestTimedOut, outputs.ReasonTarget, false, false},
		{kerr.SaslAuthenticationFailed, outputs.ReasonAuth, true, false},
		{kerr.ClusterAuthorizationFailed, outputs.ReasonAuth, true, false},
		{kerr.ThrottlingQuotaExceeded, outputs.ReasonThrottled, true, false},
		{kerr.UnsupportedCompressionType, outputs.ReasonServer, true, false},
		{kerr.UnknownServerError, outputs.ReasonServer, true, false},
		{kgo.ErrMaxBuffered, outputs.ReasonTarget, true, false},
		{kgo.ErrRecordTimeout, outputs.ReasonTarget, false, false},
	} {
		v := verdictOf(fmt.Errorf("produce: %w", tc.err))
		if v.reason != tc.reason || v.answered != tc.answered || v.halve != tc.halve || v.remedy == "" ||
			v.detail == "" {
			t.Errorf("%v: %+v", tc.err, v)
		}
	}
}
