package kafka

import (
	stdtls "crypto/tls"
	"crypto/x509"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

const password = "s3cr3t-passw0rd"

// clusterWith is a made-up Kafka of one broker with the topic logs, and what else options say.
func clusterWith(t *testing.T, options ...kfake.Opt) *cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(3, "logs")}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &cluster{c, t}
}

// login is the settings of a user of the broker.
func login(mechanism, word string) *SASL {
	return &SASL{Mechanism: mechanism, Username: "agent", Password: setting.NewSecret(word)}
}

// Each mechanism logs in and delivers; a wrong password is told in one line that does not show it.
func TestLogin(t *testing.T) {
	for mechanism, method := range map[string]string{
		mechanismPlain: "PLAIN", mechanism256: "SCRAM-SHA-256", mechanism512: "SCRAM-SHA-512",
	} {
		t.Run(mechanism, func(t *testing.T) {
			c := clusterWith(t, kfake.EnableSASL(), kfake.Superuser(method, "agent", password))
			right := newOutput(t, c, func(cfg *Config) { cfg.SASL = login(mechanism, password) })
			defer right.Close()
			if err := right.Prepare(t.Context()); err != nil {
				t.Error(err)
			}
			b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 10))
			if err := right.Send(t.Context(), b); err != nil {
				t.Error(err)
			}
			// As real brokers say it: this one only ends the connection.
			c.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				res := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
				res.ErrorCode = kerr.SaslAuthenticationFailed.Code
				return res, nil, true
			})
			wrong := newOutput(t, c, func(cfg *Config) { cfg.SASL = login(mechanism, password+"x") })
			defer wrong.Close()
			_, err := wrong.Connect(t.Context(), nil)
			if err == nil || !errors.Is(err, outputs.ErrDenied) || !strings.Contains(err.Error(), "check sasl") ||
				strings.Contains(err.Error(), password) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
			se := outputs.AsSendError(wrong.Prepare(t.Context()))
			if se.Reason != outputs.ReasonAuth || se.Remedy == "" {
				t.Errorf("%+v", se)
			}
			if se := outputs.AsSendError(wrong.Send(t.Context(), b)); se.Reason != outputs.ReasonAuth {
				t.Errorf("%+v", se)
			}
		})
	}
}

// What stands between this program and the brokers is told in one line: TLS on one side only, an authority that is not
// trusted, a login that is missing.
func TestConnect_Reaching(t *testing.T) {
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS()
	defer web.Close()
	certificate := web.TLS.Certificates[0]
	pool := x509.NewCertPool()
	pool.AddCert(web.Certificate())
	trusting := func(roots *x509.CertPool) func(string) *stdtls.Config {
		return func(host string) *stdtls.Config {
			return &stdtls.Config{RootCAs: roots, ServerName: host, MinVersion: stdtls.VersionTLS12}
		}
	}
	secure := clusterWith(t, kfake.TLS(&stdtls.Config{
		Certificates: []stdtls.Certificate{certificate}, MinVersion: stdtls.VersionTLS12,
	}))
	plain := clusterWith(t)
	locked := clusterWith(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "agent", password))
	for _, tc := range []struct {
		name string
		to   *cluster
		tls  func(string) *stdtls.Config
		want string // "": it can be used
		wait time.Duration
	}{
		{"with TLS", secure, trusting(pool), "", time.Minute},
		{"an authority that is not trusted", secure, trusting(x509.NewCertPool()), "set tls.ca_file", time.Minute},
		// The broker waits for more of what it takes for a request.
		{"TLS where there is none", plain, trusting(pool), "TLS", 2 * time.Second},
		{"no TLS where there is", secure, nil, "speak TLS where tls is set, and only there", time.Minute},
		{"no login where one is wanted", locked, nil, "sasl", time.Minute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := Config{
				Common:  outputs.Common{Timeout: tc.wait},
				Brokers: tc.to.ListenAddrs(), Topic: "logs", MaxMessageSize: 1 << 20,
			}
			o, err := New(cfg, Options{TLS: tc.tls, Log: zerolog.Nop(), Now: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			defer o.Close()
			found, err := o.Connect(t.Context(), nil)
			switch {
			case tc.want == "" && (err != nil || found != "Kafka of 1 brokers: topic logs has 3 partitions"):
				t.Errorf("%q, %v", found, err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want) ||
				strings.Contains(err.Error(), "\n")):
				t.Errorf("%q, %v, want %q", found, err, tc.want)
			}
		})
	}
}

// may is a right on the topic logs.
func may(operation kmsg.ACLOperation) kfake.ACL {
	return kfake.ACL{
		Resource: kmsg.ACLResourceTypeTopic, Name: "logs", Pattern: kmsg.ACLResourcePatternTypeLiteral,
		Operation: operation, Allow: true,
	}
}

// A user that may not write to the topic is told apart from one that may, before anything is sent.
func TestConnect_Rights(t *testing.T) {
	for _, tc := range []struct {
		name   string
		rights []kfake.ACL
		want   string // "": it may
	}{
		{"it may write", []kfake.ACL{may(kmsg.ACLOperationWrite), may(kmsg.ACLOperationDescribe)}, ""},
		{"it may read", []kfake.ACL{may(kmsg.ACLOperationRead)}, "may not write to it: grant WRITE on the topic"},
		{"it may nothing", nil, "grant this user WRITE and DESCRIBE on the topic"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			user := kfake.User("PLAIN", "agent", password, tc.rights...)
			c := clusterWith(t, kfake.EnableSASL(), kfake.EnableACLs(), user)
			o := newOutput(t, c, func(cfg *Config) { cfg.SASL = login(mechanismPlain, password) })
			defer o.Close()
			_, err := o.Connect(t.Context(), nil)
			switch {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want != "" && (!errors.Is(err, outputs.ErrDenied) || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

// Which topics are looked at follows from the setting: those of all clusters, or none where they depend on events.
func TestConnect_Topics(t *testing.T) {
	for _, tc := range []struct {
		name, topic string
		create      bool
		want        string
	}{
		{"one", "logs", false, "topic logs has 3 partitions"},
		{"one for each cluster", "{cluster}", false, "topic other is missing: make it"},
		{
			"made with the first event", "{cluster}", true,
			"topic logs has 3 partitions, topic other is missing, and made with the first event if the brokers make " +
				"topics",
		},
		{"of tags", "{tag}", false, "the names of topics depend on events, so they could not be checked"},
		{"of records", "{record.app}", false, "could not be checked"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := newOutput(t, clusterWith(t), func(cfg *Config) { cfg.Topic, cfg.AutoCreate = tc.topic, tc.create })
			defer o.Close()
			found, err := o.Connect(t.Context(), []string{"logs", "other"})
			if err != nil {
				found = err.Error()
			}
			if !strings.Contains(found, tc.want) {
				t.Errorf("%q, want %q", found, tc.want)
			}
		})
	}
}

// A topic in a state that does not pass is named with Kafka's own word for it.
func TestConnect_TopicInTrouble(t *testing.T) {
	c := clusterWith(t)
	c.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		res := r.ResponseKind().(*kmsg.MetadataResponse)
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic, topic.ErrorCode = kmsg.StringPtr("logs"), kerr.InvalidTopicException.Code
		res.Topics = append(res.Topics, topic)
		return res, nil, true
	})
	o := newOutput(t, c, nil)
	defer o.Close()
	if _, err := o.Connect(t.Context(), nil); err == nil ||
		!strings.Contains(err.Error(), "topic logs: INVALID_TOPIC_EXCEPTION") {
		t.Errorf("%v", err)
	}
}

// A leader that moves while events are sent is followed: each of them is there once.
func TestLeaderMoves(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(1, "logs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	made := &cluster{c, t}
	o := newOutput(t, made, nil)
	defer o.Close()
	for n := range 6 {
		if err := c.MoveTopicPartition("logs", 0, int32(n%3)); err != nil {
			t.Fatal(err)
		}
		b := outputtest.Batch(outputtest.Chunk(uint64(n+1), "a", "t", 10, 10*n, 10))
		if err := o.Send(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	got := numbers(t, made.values("logs"))
	slices.Sort(got)
	if len(got) != 60 || len(slices.Compact(got)) != 60 {
		t.Errorf("the topic has %v", got)
	}
}

// Equal keys go to one partition, and there in the order in which they were sent.
func TestKeys(t *testing.T) {
	c := clusterWith(t)
	o := newOutput(t, c, func(cfg *Config) { cfg.Key = "{tag}" })
	defer o.Close()
	tags := []string{"a", "b", "c", "d", "e"}
	for n := range 4 {
		for i, tag := range tags {
			b := outputtest.Batch(outputtest.Chunk(uint64(10*n+i+1), "c", tag, 2, 100*i+2*n, 10))
			if err := o.Send(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics("logs"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	partition, order := map[string]int32{}, map[string][]int{}
	for seen := 0; seen < 40; {
		fetches := client.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		for _, r := range fetches.Records() {
			key := string(r.Key)
			if p, known := partition[key]; known && p != r.Partition {
				t.Errorf("key %s is in the partitions %d and %d", key, p, r.Partition)
			}
			partition[key] = r.Partition
			order[key] = append(order[key], numbers(t, []*kgo.Record{r})...)
			seen++
		}
	}
	for i, tag := range tags {
		if !slices.IsSorted(order[tag]) || len(order[tag]) != 8 || order[tag][0] != 100*i {
			t.Errorf("key %s: %v", tag, order[tag])
		}
	}
}
