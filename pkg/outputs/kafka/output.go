package kafka

import (
	"context"
	stdtls "crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	saslaws "github.com/twmb/franz-go/pkg/sasl/aws"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

const (
	dialTimeout = 10 * time.Second
	// linger is how long a batch of records waits for more of the same request.
	linger = 5 * time.Millisecond
	// metadataAge is how soon what the brokers say of topics and leaders may be asked for again.
	metadataAge = 500 * time.Millisecond
	// unknownTries is how often in a row brokers say that they do not know a topic before its events are given up for
	// now.
	unknownTries = 2
	// batchOverhead is more than a batch takes beside its records.
	batchOverhead = 128
)

// Options is what an output needs besides its settings.
type Options struct {
	// TLS returns the settings for a connection to host, for each anew. nil: plain connections.
	TLS func(host string) *stdtls.Config
	Log zerolog.Logger
	Now func() time.Time
	// Credentials are those of AWS, shared by all outputs of the process; nil: the output's own.
	Credentials *awsclient.Credentials
	// Added is what is added to the events of each cluster, by the cluster's name and the field's.
	Added map[string]map[string]string
}

// Output is a destination of Kafka. It satisfies outputs.Output, Preparer, Connector, Reporter and Targeter.
type Output struct {
	cfg    Config
	log    zerolog.Logger
	now    func() time.Time
	topics *topics
	// key may be nil: records have none.
	key     *event.Template
	headers []header
	client  *kgo.Client
	// timeout is that of a Send.
	timeout time.Duration
	// texts has *outputs.Text.
	texts sync.Pool

	duplicates atomic.Uint64

	mu sync.Mutex
	// limits are bytes that a topic takes at once, learned from refusals.
	limits map[string]int
}

type header struct {
	name  string
	value *event.Template
}

// New returns an output. It connects to no broker before Prepare, Connect or Send.
func New(cfg Config, o Options) (*Output, error) {
	cfg.Common = cfg.Settings()
	out := &Output{cfg: cfg, log: o.Log, now: o.Now, timeout: cfg.Timeout, limits: map[string]int{}}
	var err error
	out.topics, err = newTopics(cfg.Topic, outputs.NewNameLimit(outputs.NameLimitOptions{
		Setting: "max_topics_per_hour", Max: cfg.MaxTopicsPerHour, Now: o.Now, Log: o.Log,
		Beyond: `events with further topics go to the one with "other" in the name`,
	}))
	if err != nil {
		return nil, err
	}
	if cfg.Key != "" {
		if out.key, err = event.ParseTemplate(cfg.Key); err != nil {
			return nil, fmt.Errorf("key: %w", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Headers)) {
		value, err := event.ParseTemplate(cfg.Headers[name])
		if err != nil {
			return nil, fmt.Errorf("headers.%s: %w", name, err)
		}
		out.headers = append(out.headers, header{name, value})
	}
	if _, err := cfg.Text(cfg.Fields, o.Added, false); err != nil {
		return nil, err
	}
	out.texts.New = func() any {
		// What can be wrong with it was found above.
		text, _ := cfg.Text(cfg.Fields, o.Added, false)
		return text
	}
	options, err := clientOptions(&cfg, o)
	if err != nil {
		return nil, err
	}
	if out.client, err = kgo.NewClient(options...); err != nil {
		return nil, fmt.Errorf("make a client of Kafka: %w", err)
	}
	return out, nil
}

func clientOptions(cfg *Config, o Options) ([]kgo.Opt, error) {
	var seeds []string
	for _, text := range cfg.Brokers {
		address, err := broker(text)
		if err != nil {
			return nil, fmt.Errorf("brokers: %w", err)
		}
		seeds = append(seeds, address)
	}
	codec, err := codec(cfg.Compression)
	if err != nil {
		return nil, err
	}
	var proxy *url.URL
	if cfg.Proxy != "" && cfg.Proxy != outputs.NoProxy {
		if proxy, err = url.Parse(cfg.Proxy); err != nil {
			// Its text may hold a password.
			return nil, errors.New("proxy: it is not a URL")
		}
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(
			seeds...), kgo.ClientID("aggregator"), kgo.SoftwareNameAndVersion("aggregator", "1"),
		kgo.DisableClientMetrics(),
		kgo.Dialer(dialer(proxy, o.TLS)), kgo.MetadataMinAge(metadataAge),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerBatchCompression(codec, kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(
			int32(cfg.MaxMessageSize),
		), kgo.BrokerMaxWriteBytes(max(100<<20, int32(min(int64(cfg.MaxMessageSize)+1<<20, maxMessage)))),
		kgo.ProducerLinger(linger), kgo.UnknownTopicRetries(unknownTries),
		kgo.ProduceRequestTimeout(
			cfg.Timeout / 2,
		), kgo.RequestTimeoutOverhead(max(cfg.Timeout/4, time.Second)), kgo.RetryTimeout(cfg.Timeout),
		// Each worker's batch fits twice, so that what a topic without a leader holds on to keeps no others from the
		// client.
		kgo.MaxBufferedRecords(2 * cfg.Workers * cfg.Batch.MaxEvents),
		// A Send has to end, by its context; what it gives up is sent again, and counted as a possible duplicate. The
		// client's own time-out counts from a record's time, which is the event's.
		kgo.AllowIdempotentProduceCancellation(),
		kgo.WithLogger(logger{o.Log}),
	}
	if cfg.AutoCreate {
		options = append(options, kgo.AllowAutoTopicCreation())
	}
	if cfg.SASL != nil {
		options = append(options, kgo.SASL(mechanism(cfg.SASL, cfg.Proxy, o)))
	}
	return options, nil
}

func codec(name string) (kgo.CompressionCodec, error) {
	switch name {
	case "none":
		return kgo.NoCompression(), nil
	case "gzip":
		return kgo.GzipCompression().WithLevel(1), nil
	case "snappy":
		return kgo.SnappyCompression(), nil
	case "lz4":
		return kgo.Lz4Compression(), nil
	case "zstd", "":
		return kgo.ZstdCompression().WithLevel(int(zstd.SpeedFastest)), nil
	default:
		return kgo.CompressionCodec{}, fmt.Errorf("compression: there is no %q", name)
	}
}

func mechanism(s *SASL, proxy string, o Options) sasl.Mechanism {
	switch s.Mechanism {
	case mechanism256:
		return scram.Auth{User: s.Username, Pass: s.Password.Reveal()}.AsSha256Mechanism()
	case mechanism512:
		return scram.Auth{User: s.Username, Pass: s.Password.Reveal()}.AsSha512Mechanism()
	case mechanismIAM:
		keys := awsclient.NewKeys(s.identity(proxy), awsclient.Options{Log: o.Log, Credentials: o.Credentials})
		return saslaws.ManagedStreamingIAM(func(ctx context.Context) (saslaws.Auth, error) {
			access, secret, session, err := keys.Retrieve(ctx)
			return saslaws.Auth{
				AccessKey:    access,
				SecretKey:    secret,
				SessionToken: session,
				UserAgent:    "aggregator",
			}, err
		})
	default:
		return plain.Auth{User: s.Username, Pass: s.Password.Reveal()}.AsMechanism()
	}
}

// dialer returns what connects to brokers, through a proxy where there is one.
func dialer(
	proxy *url.URL, secure func(host string) *stdtls.Config,
) func(ctx context.Context, network, address string) (net.Conn, error) {
	d := outputs.Dialer(dialTimeout)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		raw, err := outputs.DialThrough(ctx, d, proxy, network, address)
		if err != nil || secure == nil {
			return raw, err
		}
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, errors.Join(err, raw.Close())
		}
		conn := stdtls.Client(raw, secure(host))
		if err := conn.HandshakeContext(ctx); err != nil {
			// Never used.
			_ = raw.Close()
			return nil, fmt.Errorf("TLS with %s: %w", address, err)
		}
		return conn, nil
	}
}

// Prepare learns whether the brokers let this program in.
func (o *Output) Prepare(ctx context.Context) error {
	if err := o.reach(ctx); err != nil {
		return whole(err)
	}
	return nil
}

// AppendTarget satisfies outputs.Targeter: it is the topic.
func (o *Output) AppendTarget(dst []byte, ev *event.Event) []byte {
	name, _ := o.topics.of(nil, ev)
	return append(dst, name...)
}

// Report returns what the output knows of itself.
func (o *Output) Report() outputs.Report {
	r := outputs.Report{PossibleDuplicates: o.duplicates.Load(), Redirected: o.topics.redirected.Load()}
	if text := o.topics.limit.Notice(); text != "" {
		r.Notices = append(r.Notices, text)
	}
	return r
}

// Close ends the client. What it still holds was given up before.
func (o *Output) Close() error {
	o.client.Close()
	return nil
}

// logger takes what the client logs. It logs much of what heals by itself, and each Send tells what did not.
type logger struct{ log zerolog.Logger }

// Level satisfies kgo.Logger.
func (l logger) Level() kgo.LogLevel {
	if l.log.GetLevel() <= zerolog.DebugLevel {
		return kgo.LogLevelInfo
	}
	return kgo.LogLevelNone
}

// Log satisfies kgo.Logger.
func (l logger) Log(_ kgo.LogLevel, msg string, keyvals ...any) {
	e := l.log.Debug()
	for i := 0; i+1 < len(keyvals); i += 2 {
		if key, ok := keyvals[i].(string); ok && !strings.Contains(key, "auth") {
			e = e.Any(key, keyvals[i+1])
		}
	}
	e.Msg("Kafka client: " + msg)
}
