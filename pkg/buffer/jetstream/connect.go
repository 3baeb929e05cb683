package jetstream

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

const (
	// oldestServer is the first version that has all that the queue uses.
	oldestServer = "2.10.0"
	// requestWithin is how long a server may take to answer a question.
	requestWithin = 5 * time.Second
	// maxInbox is how many bytes of a connection's own messages are kept while it is being made again.
	maxInbox = 8 << 20
)

// errTooOld is wrapped by what Open and Check say of a server that lacks something.
var errTooOld = errors.New("its version is too old: " + oldestServer + " is the first that will do")

// connector makes the connection to the servers, and remembers what they refused.
type connector struct {
	login   atomic.Pointer[buffer.JetStreamConfig]
	refused atomic.Pointer[refusal] // what a server last said of a permission or a login
	turned  func()                  // called when the connection is made or lost
	closed  chan struct{}           // closed when the connection is, for good
	conn    atomic.Pointer[nats.Conn]
}

// nc returns the connection, once connect has.
func (c *connector) nc() *nats.Conn { return c.conn.Load() }

type refusal struct {
	at  time.Time
	err error
}

// lately is how long a refusal explains what does not work.
const lately = 15 * time.Second

// whyNot returns what a server refused lately, or else err.
func (c *connector) whyNot(err error) error {
	if r := c.refused.Load(); r != nil && time.Since(r.at) < lately && err != nil {
		return fmt.Errorf("%w (%w)", r.err, err)
	}
	return err
}

// connect returns a connection that is being made, for as long as that takes, and again whenever it is lost.
func (c *connector) connect(cfg *buffer.JetStreamConfig, o *Options) (*nats.Conn, error) {
	c.login.Store(cfg)
	options := []nats.Option{
		nats.Name("aggregator " + o.Host), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond), nats.ReconnectJitter(250*time.Millisecond, time.Second),
		nats.ReconnectBufSize(maxInbox), nats.Timeout(3 * time.Second), nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2), nats.IgnoreAuthErrorAbort(), nats.FlusherTimeout(10 * time.Second),
		nats.ConnectHandler(func(*nats.Conn) { c.turned() }),
		nats.ReconnectHandler(func(*nats.Conn) {
			c.refused.Store(nil)
			c.turned()
		}),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { c.turned() }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { c.note(err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.note(err) }),
		nats.ClosedHandler(func(*nats.Conn) { close(c.closed) }),
	}
	switch {
	case cfg.CredentialsFile != "":
		options = append(options, nats.UserCredentials(cfg.CredentialsFile))
	case cfg.Token.Reveal() != "":
		options = append(options, nats.TokenHandler(func() string { return c.login.Load().Token.Reveal() }))
	case cfg.Username != "":
		options = append(options, nats.UserInfoHandler(func() (string, string) {
			login := c.login.Load()
			return login.Username, login.Password.Reveal()
		}))
	}
	if o.TLS != nil {
		options = append(options, secure(o.TLS))
	}
	if o.inProcess != nil {
		options = append(options, nats.InProcessServer(o.inProcess))
	}
	nc, err := nats.Connect(strings.Join(cfg.URLs, ","), options...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	c.conn.Store(nc)
	return nc, nil
}

// secure has each connection ask how its server is to be trusted, and what is shown to it.
func secure(how func(host string) *tls.Config) nats.Option {
	return func(o *nats.Options) error {
		// The client fills in the host.
		o.Secure, o.TLSConfig = true, how("")
		o.TLSConfig.RootCAs, o.RootCAsCB = nil, func() (*x509.CertPool, error) { return how("").RootCAs, nil }
		o.TLSConfig.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if get := how("").GetClientCertificate; get != nil {
				return get(r)
			}
			return &tls.Certificate{}, nil // none
		}
		return nil
	}
}

// note remembers err where it explains what will not work.
func (c *connector) note(err error) {
	if err != nil && !errors.Is(err, nats.ErrSlowConsumer) {
		c.refused.Store(&refusal{time.Now(), err})
	}
}

// atLeast reports whether a version, such as "2.15.3", is not before another one.
func atLeast(version, least string) bool {
	got, want := numbers(version), numbers(least)
	for i := range want {
		if got[i] != want[i] {
			return got[i] > want[i]
		}
	}
	return true
}

func numbers(version string) (n [3]int) {
	version, _, _ = strings.Cut(version, "-")
	for i, text := range strings.SplitN(version, ".", len(n)) {
		// What is no number counts as 0.
		n[i], _ = strconv.Atoi(text)
	}
	return n
}

// setup makes what is missing on the servers and holds what is there against cfg. differs is what can't be used as it
// is, in words; err is everything else, which may go by itself.
type setup struct {
	js  jetstream.JetStream
	cfg buffer.Config
}

// streams are the names of what the queue has on the servers.
func (s *setup) chunks() string  { return s.cfg.JetStream.Stream }
func (s *setup) letters() string { return s.cfg.JetStream.Stream + "_DEAD" }
func (s *setup) bucket() string  { return s.cfg.JetStream.Stream + "_GROUP" }

// defaultMaxSize is what may wait where nobody says.
const defaultMaxSize = 16 << 30

func maxSize(cfg *buffer.Config) int64 {
	return cmp.Or(int64(cfg.JetStream.MaxSize), int64(cfg.MaxSize), defaultMaxSize)
}

// minWindow is the least that ids are remembered for, since the queue's own attempts go under them too.
const minWindow = 2 * time.Minute

// streamConfig is the settings of the stream of chunks.
func (s *setup) streamConfig() jetstream.StreamConfig {
	size := maxSize(&s.cfg)
	return jetstream.StreamConfig{
		Name: s.chunks(), Description: "what aggregator has acknowledged and not delivered",
		Subjects: []string{s.chunks() + ".q.>"}, Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew,
		// The queue's own limit comes first. What is stored again by it, such as rests, must find room beyond.
		MaxBytes: size + size/8 + 64<<20,
		MaxMsgs:  -1, MaxConsumers: -1, MaxMsgsPerSubject: -1, Storage: jetstream.FileStorage,
		Replicas: s.cfg.JetStream.Replicas, Duplicates: max(s.cfg.DedupeWindow, minWindow), AllowDirect: true,
	}
}

// differences returns what of a stream makes it useless for the queue, in words.
func differences(got, want *jetstream.StreamConfig) (all []string) {
	say := func(what string, got, want any) {
		all = append(all, fmt.Sprintf("%s is %v, must be %v", what, got, want))
	}
	if got.Retention != want.Retention {
		say("retention", got.Retention, want.Retention)
	}
	if got.Discard != want.Discard {
		say("discard", got.Discard, want.Discard)
	}
	if got.Storage != want.Storage {
		say("storage", got.Storage, want.Storage)
	}
	if len(got.Subjects) != 1 || got.Subjects[0] != want.Subjects[0] {
		say("subjects", got.Subjects, want.Subjects)
	}
	if got.MaxAge != 0 {
		say("max_age", got.MaxAge, "0: what is old would be dropped")
	}
	if got.MaxMsgs > 0 || got.MaxMsgsPerSubject > 0 {
		say("max_msgs", max(got.MaxMsgs, got.MaxMsgsPerSubject), -1)
	}
	if got.NoAck {
		say("no_ack", true, false)
	}
	if got.Sealed {
		say("sealed", true, false)
	}
	if got.Mirror != nil || len(got.Sources) > 0 {
		say("mirror or sources", "set", "none")
	}
	if got.SubjectTransform != nil || got.RePublish != nil {
		say("subject_transform or republish", "set", "none")
	}
	return all
}

// DifferentError says that a stream with the queue's name has settings that the queue can't live with.
type DifferentError struct {
	Stream      string
	Differences []string
}

func (e *DifferentError) Error() string {
	return fmt.Sprintf("stream %s was made with other settings: %s. Name another one in buffer.jetstream.stream, or "+
		"delete that one if nobody needs it", e.Stream, strings.Join(e.Differences, "; "))
}

// raise returns the settings that a stream has, with those of want that are higher, and whether there are any: what is
// lower stays, since a process with older settings may start at any time.
func raise(got jetstream.StreamConfig, want *jetstream.StreamConfig) (to jetstream.StreamConfig, more bool) {
	to = got
	if got.MaxBytes > 0 && got.MaxBytes < want.MaxBytes {
		to.MaxBytes, more = want.MaxBytes, true
	}
	if got.Duplicates < want.Duplicates {
		to.Duplicates, more = want.Duplicates, true
	}
	if got.Replicas < want.Replicas {
		to.Replicas, more = want.Replicas, true
	}
	return to, more
}

// stream makes the stream of chunks where it is missing.
func (s *setup) stream(ctx context.Context) error {
	want := s.streamConfig()
	found, err := s.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = s.js.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			found, err = s.js.Stream(ctx, want.Name)
		}
	}
	if err != nil {
		return fmt.Errorf("make stream %s with %d replicas: %w", want.Name, want.Replicas, err)
	}
	if found == nil {
		return nil
	}
	got := found.CachedInfo().Config
	if all := differences(&got, &want); len(all) > 0 {
		return &DifferentError{Stream: want.Name, Differences: all}
	}
	if to, more := raise(got, &want); more {
		if _, err := s.js.UpdateStream(ctx, to); err != nil {
			return fmt.Errorf("raise the limits of stream %s: %w", want.Name, err)
		}
	}
	return nil
}

// members returns the key-value bucket in which the processes tell each other of themselves.
func (s *setup) members(ctx context.Context) (jetstream.KeyValue, error) {
	kv, err := s.js.KeyValue(ctx, s.bucket())
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = s.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: s.bucket(), Description: "the processes of aggregator that share stream " + s.chunks(), History: 1,
			Storage: jetstream.FileStorage, Replicas: s.cfg.JetStream.Replicas,
		})
		if errors.Is(err, jetstream.ErrBucketExists) {
			kv, err = s.js.KeyValue(ctx, s.bucket())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("make key-value bucket %s: %w", s.bucket(), err)
	}
	return kv, nil
}

// hostName returns what people call this process.
func hostName(o *Options) string {
	if o.Host != "" {
		return o.Host
	}
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}
