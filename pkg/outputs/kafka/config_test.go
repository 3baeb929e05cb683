package kafka

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// complaints returns what settings say of themselves; warnings begin with an exclamation mark.
func complaints(c setting.Checker) string {
	var r setting.Report
	c.Check(&r)
	var all []string
	for _, p := range r.Problems {
		text := fmt.Sprintf("%s: %s (%s)", p.Key, p.Reason, p.Hint)
		if p.Warning {
			text = "!" + text
		}
		all = append(all, text)
	}
	return strings.Join(all, "\n")
}

func TestCheckWords(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(c *Config)
		want   string
	}{
		{"the longest name", func(c *Config) { c.Topic = strings.Repeat("a", 249) }, ""},
		{
			"a longer one", func(c *Config) { c.Topic = strings.Repeat("a", 250) },
			"topic: a topic's name has at most 249 characters (use letters, digits, . _ and -, and placeholders)",
		},
		{
			"a colon", func(c *Config) { c.Topic = "%H:%M" },
			"topic: a topic's name can't have ':' (use letters, digits, . _ and -, and placeholders)",
		},
		{
			"twice", func(c *Config) { c.Brokers = []string{"a:9092", "b", "a"} },
			"brokers[2]: the same broker is there twice (remove it)",
		},
		{
			"an address with a login", func(c *Config) { c.Brokers = []string{"user@a"} },
			`brokers[0]: "user@a" is no address of a broker (write host:port, without a scheme)`,
		},
		{
			"a proxy of another kind", func(c *Config) { c.Proxy = "socks5://proxy:1080" },
			"proxy: only a proxy that takes CONNECT can be on the way to brokers (write http://host:port)",
		},
		{"a proxy", func(c *Config) { c.Proxy = "https://user:secret@proxy:3128" }, ""},
		{
			"less than no topic", func(c *Config) { c.MaxTopicsPerHour = -1 },
			"max_topics_per_hour: a negative value has no meaning (write 0 for no limit)",
		},
		{"the largest batch", func(c *Config) { c.MaxMessageSize = 1 << 30 }, ""},
		{
			"a larger batch", func(c *Config) { c.MaxMessageSize = 1<<30 + 1 },
			"max_message_size: the protocol takes no larger batches (write 1GiB or less)",
		},
		{
			"a password in the clear", func(c *Config) { c.SASL = &SASL{Mechanism: mechanismPlain} },
			"!tls: the password comes over the network unencrypted (set it, or use scram-sha-512)",
		},
		{"one that is not shown", func(c *Config) { c.SASL = &SASL{Mechanism: mechanism512} }, ""},
		{
			"AWS in the clear", func(c *Config) { c.SASL = &SASL{Mechanism: mechanismIAM} },
			"tls: brokers take aws_msk_iam over TLS only (write tls: {})",
		},
	} {
		c := Config{Brokers: []string{"a"}, Topic: "logs"}
		tc.change(&c)
		if got := complaints(&c); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// Each way to log in wants its own settings, and none of the others'.
func TestCheckLogin(t *testing.T) {
	word := setting.NewSecret("p")
	const others = "region: they are for aws_msk_iam (leave region, role_arn and external_id out)"
	for _, tc := range []struct {
		name string
		sasl SASL
		want string
	}{
		{"plain", SASL{Mechanism: mechanismPlain, Username: "u", Password: word}, ""},
		{
			"no user",
			SASL{Mechanism: mechanism256, Password: word},
			"username: the mechanism scram-sha-256 needs one (set it)",
		},
		{
			"no password",
			SASL{Mechanism: mechanism512, Username: "u"},
			"password: the mechanism scram-sha-512 needs one (set it)",
		},
		{
			"an empty password",
			SASL{Mechanism: mechanismPlain, Username: "u", Password: setting.NewSecret("")},
			"password: the mechanism plain needs one (set it)",
		},
		{"a region", SASL{Mechanism: mechanismPlain, Username: "u", Password: word, Region: "eu-central-1"}, others},
		{"a role", SASL{Mechanism: mechanismPlain, Username: "u", Password: word, RoleARN: "x"}, others},
		{"a role's id", SASL{Mechanism: mechanismPlain, Username: "u", Password: word, ExternalID: word}, others},
		{
			"AWS", SASL{
				Mechanism: mechanismIAM, Region: "eu-central-1", RoleARN: "arn:aws:iam::123456789012:role/x",
				ExternalID: word,
			}, "",
		},
		{
			"AWS nowhere",
			SASL{Mechanism: mechanismIAM},
			"region: the key is missing (the region of the brokers, such as eu-central-1)",
		},
		{
			"AWS with a user",
			SASL{Mechanism: mechanismIAM, Region: "eu-central-1", Username: "u"},
			"username: aws_msk_iam signs by the credentials of AWS (leave username and password out)",
		},
		{
			"a role that is none",
			SASL{Mechanism: mechanismIAM, Region: "eu-central-1", RoleARN: "x"},
			`role_arn: "x" is not the ARN of a role (write arn:aws:iam::123456789012:role/name)`,
		},
	} {
		if got := complaints(&tc.sasl); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// A broker's address, with the port of Kafka where it gives none.
func TestBroker(t *testing.T) {
	for text, want := range map[string]string{
		"kafka": "kafka:9092", "kafka.example:9094": "kafka.example:9094", "10.0.0.1": "10.0.0.1:9092",
		"::1": "[::1]:9092", "[::1]": "[::1]:9092", "[::1]:1": "[::1]:1", "a:65535": "a:65535", "a:0": "a:0",
		"a:65536": "", "a:x": "", "a:-1": "", "a:": "", ":9092": "", "": "", "a:1:2": "", "a/b": "", "a b": "",
		"kafka://a": "", "user@a": "",
	} {
		got, err := broker(text)
		if got != want || (err == nil) != (want != "") ||
			err != nil && err.Error() != fmt.Sprintf("%q is no address of a broker", text) {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
}

// In the name beyond the limit stand cluster and time as they are, "other" in place of all else, and braces stay
// braces.
func TestFewer(t *testing.T) {
	for text, want := range map[string]string{
		"logs":                        "logs",
		"{cluster}-{tag}":             "{cluster}-other",
		"{tag}{tag[1]}.%Y":            "otherother.%Y",
		`{record["a}b"]|x}-{cluster}`: "other-{cluster}",
		"{cluster|none}":              "{cluster|none}",
		"{{x}}{tag}":                  "{{x}}other",
		"":                            "",
		"{tag":                        "other",
	} {
		if got := fewer(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// Which topics check looks for: each once, and none where their names depend on events.
func TestTopicsToLookFor(t *testing.T) {
	for _, tc := range []struct {
		topic    string
		clusters []string
		want     []string
		known    bool
	}{
		{"logs", []string{"a", "b"}, []string{"logs"}, true},
		{"logs-{cluster}", []string{"a", "b", "a"}, []string{"logs-a", "logs-b"}, true},
		{"logs-{cluster}", nil, []string{"logs-default"}, true},
		{"logs-{cluster}", []string{"a/b", "a_b"}, []string{"logs-a_b"}, true},
		{"{tag}", []string{"a"}, nil, false},
		{"{cluster}-{record.app}", []string{"a"}, nil, false},
		{"{cluster}-%Y", []string{"a"}, nil, false},
	} {
		names, err := newTopics(tc.topic, limited(0, time.Now))
		if err != nil {
			t.Fatal(err)
		}
		if got, known := names.names(tc.clusters); !slices.Equal(got, tc.want) || known != tc.known {
			t.Errorf("%s of %q: %q, %t; want %q, %t", tc.topic, tc.clusters, got, known, tc.want, tc.known)
		}
	}
}

// The failure that the operator hears of first is the one that concerns most.
func TestDominantFailure(t *testing.T) {
	ascending := []outputs.Reason{
		outputs.ReasonRejected, outputs.ReasonTooLarge, outputs.ReasonTarget, outputs.ReasonNetwork,
		outputs.ReasonServer, outputs.ReasonThrottled, outputs.ReasonAuth,
	}
	for i, high := range ascending {
		failed := []outputs.Failure{
			{Index: 1, Reason: ascending[0]}, {Index: 2, Reason: high}, {Index: 3, Reason: high},
		}
		if got := dominantFailure(failed); got.Reason != high || i > 0 && got.Index != 2 {
			t.Errorf("%s: %+v", high, got)
		}
		slices.Reverse(failed)
		if got := dominantFailure(failed); got.Reason != high || got.Index != 3 {
			t.Errorf("%s, the other way round: %+v", high, got)
		}
	}
}

// What an error means is told in words for the event's own line, and for all of a batch.
func TestVerdictWords(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: errors.New("refused")}
	for _, tc := range []struct {
		err          error
		kind, detail string
	}{
		{
			kerr.MessageTooLarge, "MESSAGE_TOO_LARGE",
			"MESSAGE_TOO_LARGE: " + kerr.MessageTooLarge.Description,
		},
		{
			fmt.Errorf("produce: %w", kgo.ErrMaxBuffered), "buffer_full",
			"the client still holds as many records as it may: a topic has not taken them",
		},
		{
			io.EOF, "no_answer",
			"no answer came in time: it closed the connection without a whole answer; does it want https://?",
		},
		{refused, "no_answer", "no answer came in time: dial: refused"},
	} {
		if v := verdictOf(tc.err); v.kind != tc.kind || v.detail != tc.detail || outputs.KindOf(v.kind) != v.kind {
			t.Errorf("%v: %+v", tc.err, v)
		}
	}
}

// What check, size and the documentation tell of outputs to Kafka.
func TestKind(t *testing.T) {
	kind := Kind(nil)
	if kind.Name != "kafka" || kind.Summary != "topics of Apache Kafka" || kind.Files != 0 ||
		kind.Example != "brokers: kafka.example, topic: logs" || kind.CPUMicros < 2.3 || kind.CPUMicros > 2.4 {
		t.Errorf("%+v", kind)
	}
	for _, alias := range []string{"kafka2", "rdkafka", "msk", "redpanda"} {
		if kind.Aliases[alias] != kind.Name {
			t.Errorf("%s is called %q", alias, kind.Aliases[alias])
		}
	}
	if got := kind.Needs(outputs.Load{BytesPerSecond: 3 << 20}); len(got) != 1 ||
		!strings.HasPrefix(got[0], "Kafka gets 3 MiB/s before compression, and each replica of a topic as much. ") {
		t.Errorf("%q", got)
	}
	want := outputs.BatchConfig{MaxBytes: 4 << 20, MaxEvents: 20_000, MaxWait: time.Second}
	if got := kind.NewConfig().Settings().Batch; got != want {
		t.Errorf("a batch is %+v, want %+v", got, want)
	}
}

// unconnected returns an output that is asked for nothing but what it makes of events.
func unconnected(t *testing.T, change func(c *Config)) *Output {
	t.Helper()
	c := Config{Brokers: []string{"kafka.invalid"}, Topic: "{tag}", MaxMessageSize: 1 << 20}
	change(&c)
	o, err := New(c, Options{Log: zerolog.Nop(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

// A record has key, headers, value and time of its event, and is with those of its topic, in their order.
func TestRender(t *testing.T) {
	o := unconnected(t, func(c *Config) {
		c.Key, c.Message = "{record.log}", "n"
		c.Headers = map[string]string{"z": "{cluster}", "a": "x-{tag}"}
	})
	b := outputtest.Batch(outputtest.Chunk(1, "c", "t", 2, 0, 1), outputtest.Chunk(2, "c", "u", 1, 2, 0),
		outputtest.Chunk(3, "c", "t", 1, 3, 1))
	b.Events = append(b.Events, outputtest.Broken(b.Events[0].Chunk))
	groups, refused, err := o.render(b)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, g := range groups {
		for i, r := range g.records {
			after := r.Timestamp.Unix() - outputtest.Start
			parts := []string{fmt.Sprintf("%s %d: %s=%s %d", g.topic, g.events[i], r.Key, r.Value, after)}
			for _, h := range r.Headers {
				parts = append(parts, fmt.Sprintf("%s=%s", h.Key, h.Value))
			}
			got = append(got, strings.Join(parts, " "))
			if r.Topic != g.topic || g.bytes[i] != len(r.Key)+len(r.Value)+batchOverhead {
				t.Errorf("%s is for %s and counts %d bytes", parts[0], r.Topic, g.bytes[i])
			}
		}
	}
	want := []string{
		"t 0: x=0 0 a=x-t z=c", "t 1: x=1 1 a=x-t z=c", "t 3: x=3 0 a=x-t z=c", "u 2: =2 0 a=x-u z=c",
	}
	if !slices.Equal(got, want) {
		t.Errorf("records\n%q, want\n%q", got, want)
	}
	if len(refused) != 1 || refused[0].Index != 4 || refused[0].Reason != outputs.ReasonRejected ||
		refused[0].Target != "t" {
		t.Errorf("refused %+v", refused)
	}
}

// A record that max_message_size can't hold is refused without asking a broker; at the limit it goes.
func TestRenderTooLarge(t *testing.T) {
	b := outputtest.Batch(outputtest.Chunk(1, "c", "t", 1, 0, 1000))
	size := len(`{"n":0,"log":""}`) + 1000 + batchOverhead
	for most, fits := range map[int]bool{size: true, size - 1: false, size + 1: true} {
		o := unconnected(t, func(c *Config) { c.MaxMessageSize = setting.Size(most) })
		groups, refused, err := o.render(b)
		if err != nil || (len(groups) == 1) != fits || (len(refused) == 0) != fits {
			t.Errorf("%d bytes: %d groups, refused %+v, %v", most, len(groups), refused, err)
		}
		if !fits && (refused[0].Reason != outputs.ReasonTooLarge || refused[0].Kind != "MESSAGE_TOO_LARGE" ||
			!strings.HasPrefix(refused[0].Detail, "the record has 1016 bytes, and max_message_size is ")) {
			t.Errorf("%d bytes: %+v", most, refused[0])
		}
	}
}

// Settings that can't be read are found when the output is made, and named by their keys.
func TestUnreadableSettings(t *testing.T) {
	for want, change := range map[string]func(c *Config){
		"topic: ":                           func(c *Config) { c.Topic = "a/b" },
		"key: ":                             func(c *Config) { c.Key = "{" },
		"headers.x: ":                       func(c *Config) { c.Headers = map[string]string{"x": "{"} },
		"message: ":                         func(c *Config) { c.Message = "{" },
		"brokers: ":                         func(c *Config) { c.Brokers = []string{"kafka://a"} },
		`compression: there is no "brotli"`: func(c *Config) { c.Compression = "brotli" },
		"proxy: it is not a URL":            func(c *Config) { c.Proxy = "http://u:secret@p\x7f" },
	} {
		c := Config{Brokers: []string{"a"}, Topic: "logs"}
		change(&c)
		if _, err := New(c, Options{Now: time.Now}); err == nil || !strings.HasPrefix(err.Error(), want) ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
