package forward

import (
	"crypto/tls"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

func TestCheckWords(t *testing.T) {
	const users = "username: the protocol has users only together with a shared key " +
		`(set shared_key too; to "" where the server's is empty)`
	for _, tc := range []struct {
		name   string
		change func(c *Config)
		want   string
	}{
		{"sound", func(*Config) {}, ""},
		{"a missing address is its tag's to report", func(c *Config) { c.Servers[1].Address = "" }, ""},
		{
			"twice", func(c *Config) { c.Servers[1].Address = "a" },
			"servers[1].address: the same server is there twice (give it a weight to send it more)",
		},
		{
			"too much weight", func(c *Config) { c.Servers[0].Weight = maxWeight + 1 },
			"servers[0].weight: 1048577 is too much (write small numbers: only their ratio counts)",
		},
		{"the most weight", func(c *Config) { c.Servers[0].Weight = maxWeight }, ""},
		{"one on standby", func(c *Config) { c.Servers[0].Standby = true }, ""},
		{
			"all on standby", func(c *Config) { c.Servers[0].Standby, c.Servers[1].Standby = true, true },
			"servers: every server is on standby (remove standby from one of them)",
		},
		{"a user without a key", func(c *Config) { c.Username = "u" }, users},
		{"a password without a key", func(c *Config) { c.Password = setting.NewSecret("p") }, users},
		{"a user with an empty key", func(c *Config) { c.Username, c.SharedKey = "u", setting.NewSecret("") }, ""},
		{
			"a tag of the record", func(c *Config) { c.Tag = "{record.app}" },
			`tag: "{record.app}" differs from event to event (use {cluster}, {tag} and {tag[1]})`,
		},
		{
			"a tag of the time", func(c *Config) { c.Tag = "%Y" },
			`tag: "%Y" differs from event to event (use {cluster}, {tag} and {tag[1]})`,
		},
		{"acks for as long as the batch", func(c *Config) { c.AckTimeout = time.Minute }, ""},
		{
			"acks for longer", func(c *Config) { c.AckTimeout = time.Minute + 1 },
			"ack_timeout: it is longer than timeout, which is for all messages of a batch (raise timeout too, or " +
				"leave " +
				"ack_timeout out)",
		},
		{"as many connections as may be", func(c *Config) { c.Connections, c.Workers = 128, 2 }, ""},
		{
			"one for each of too many workers", func(c *Config) { c.Connections, c.Workers = 129, 2 },
			"connections: each of 258 connections would hold a message in memory (keep workers × connections at " +
				"256 or less)",
		},
		{"the largest message", func(c *Config) { c.MaxMessageSize = 1 << 30 }, ""},
		{
			"a larger one", func(c *Config) { c.MaxMessageSize = 1<<30 + 1 },
			"max_message_size: no receiver takes messages that large (write 1GiB or less)",
		},
	} {
		c := settings("a", "b")
		tc.change(&c)
		var r setting.Report
		c.Check(&r)
		var all []string
		for _, p := range r.Problems {
			all = append(all, fmt.Sprintf("%s: %s (%s)", p.Key, p.Reason, p.Hint))
		}
		if got := strings.Join(all, "\n"); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// An ack is waited for half as long as a batch, unless the settings say how long.
func TestAckTimeout(t *testing.T) {
	for _, tc := range []struct{ timeout, own, want time.Duration }{
		{0, 0, 30 * time.Second},
		{10 * time.Second, 0, 5 * time.Second},
		{10 * time.Second, 7 * time.Second, 7 * time.Second},
		{0, time.Millisecond, time.Millisecond},
	} {
		c := Config{AckTimeout: tc.own}
		c.Timeout = tc.timeout
		if got := c.ackTimeout(); got != tc.want {
			t.Errorf("timeout %s, ack_timeout %s: %s, want %s", tc.timeout, tc.own, got, tc.want)
		}
	}
}

// All servers together are one target, named by its servers as far as the name stays short.
func TestTargetName(t *testing.T) {
	long := strings.Repeat("a", 98)
	for _, tc := range []struct {
		addresses []string
		want      string
	}{
		{[]string{"a"}, "a"},
		{[]string{"a", "unix:/run/b"}, "a, unix:/run/b"},
		{[]string{long, long, "b"}, long + " and 2 more"},
		{[]string{long, long + "bb"}, long + ", " + long + "bb"},
		{[]string{long, long + "bbb"}, long + " and 1 more"},
	} {
		c := settings(tc.addresses...)
		if got := targetOf(&c); got != tc.want || len(got) > maxTarget {
			t.Errorf("%q: %q, want %q", tc.addresses, got, tc.want)
		}
		if got := c.Destination(); got != strings.Join(tc.addresses, ", ") ||
			!reflect.DeepEqual(c.Addresses(), tc.addresses) {
			t.Errorf("%q: its destination is %q", tc.addresses, got)
		}
	}
}

// What check, size, try and the documentation tell of outputs to Forward servers.
func TestKind(t *testing.T) {
	kind := Kind()
	if kind.Name != "forward" || kind.Summary != "Forward servers: another aggregator, fluentd, Fluent Bit" ||
		kind.Example != `servers: ["logs.example:24224"]` || kind.Files != 0 || kind.Needs != nil ||
		kind.CPUMicros < 1.9 || kind.CPUMicros > 2 {
		t.Errorf("%+v", kind)
	}
	for _, alias := range []string{"fluentd", "fluent", "fluentbit", "fluent-bit", "fluent_bit", "secure_forward"} {
		if kind.Aliases[alias] != kind.Name {
			t.Errorf("%s is called %q", alias, kind.Aliases[alias])
		}
	}
	if got := kind.NewConfig().Settings(); !reflect.DeepEqual(got, outputs.Defaults()) {
		t.Errorf("settings %+v", got)
	}
	none := func(*setting.ClientTLS) (func(string) *tls.Config, error) { return nil, nil }
	c := settings("a", "b")
	out, err := kind.New(&c, outputs.Deps{Name: "x", Hostname: "h", Log: zerolog.Nop(), TLS: none})
	if err != nil {
		t.Fatal(err)
	}
	if target := string(out.(outputs.Targeter).AppendTarget(nil, nil)); target != "a, b" ||
		!out.(outputs.WholeChunker).WholeChunks() {
		t.Errorf("the target is %q", target)
	}
	if err := out.Close(); err != nil {
		t.Error(err)
	}
	unreadable := errors.New("no such file")
	if _, err := kind.New(&c, outputs.Deps{TLS: func(*setting.ClientTLS) (func(string) *tls.Config, error) {
		return nil, unreadable
	}}); !errors.Is(err, unreadable) {
		t.Errorf("a certificate that can't be read: %v", err)
	}
}

// try shows the record as it goes, with nothing added, and under which tag.
func TestOffers(t *testing.T) {
	c := settings("a")
	c.Tag = "{cluster}.{tag}"
	offer, err := c.Offers(map[string]map[string]string{"seoul": {"env": "prod"}})
	if err != nil {
		t.Fatal(err)
	}
	b := outputtest.Batch(outputtest.Chunk(1, "seoul", "app", 1, 7, 2))
	if got, err := offer(&b.Events[0]); err != nil || got.Target != "tag seoul.app at a" ||
		string(got.Document) != `{"n":7,"log":"xx"}` {
		t.Errorf("offered %s to %s, %v", got.Document, got.Target, err)
	}
	c.Tag = "{"
	if _, err := c.Offers(nil); err == nil || !strings.HasPrefix(err.Error(), "tag: ") {
		t.Errorf("a tag that can't be read: %v", err)
	}
}

// ring returns servers by their addresses, with their weights.
func ring(weights ...int) *servers {
	s := &servers{log: zerolog.Nop(), maxRest: maxRest}
	for i, w := range weights {
		s.all = append(s.all, &server{Server: Server{Address: string(rune('a' + i)), Weight: w}})
	}
	return s
}

// picks returns whom the next messages go to.
func picks(s *servers, n int) string {
	var b strings.Builder
	for range n {
		b.WriteString(s.pick(nil).Address)
	}
	return b.String()
}

// Turns go by weight and are mixed, without a run for the heavy one; who was tried with a message gets it no more.
func TestTurns(t *testing.T) {
	for want, weights := range map[string][]int{
		"aaaa": {1}, "abab": {1, 1}, "abcabc": {2, 2, 2}, "aabaaaabaa": {4, 1}, "abaaba": {2, 1},
		"aabacaaaabacaa": {5, 1, 1},
	} {
		if got := picks(ring(weights...), len(want)); got != want {
			t.Errorf("weights %v: %s, want %s", weights, got, want)
		}
	}
	s := ring(1, 1)
	if got := s.pick(s.all); got != nil {
		t.Errorf("all were tried, and %s is next", got.Address)
	}
	for range 3 {
		if got := s.pick(s.all[:1]); got != s.all[1] {
			t.Errorf("a was tried, and %v is next", got)
		}
	}
	s.all[1].Standby = true
	if got := picks(s, 3); got != "aaa" {
		t.Errorf("b is on standby: %s", got)
	}
	if got := s.pick(s.all[:1]); got != s.all[1] {
		t.Errorf("a was tried, b is on standby, and %v is next", got)
	}
}

// One that failed rests, is then given one message, and is like the others again once that was taken; RetryNow ends all
// rests.
func TestRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := ring(1, 1)
		a := s.all[0]
		s.failed(a, errors.New("refused\nby it"))
		s.failed(a, errors.New("refused again"))
		hosts := s.report()
		if !hosts[0].Down || hosts[0].Error != "refused again" || hosts[0].Since != a.since || a.fails != 1 ||
			hosts[1] != (outputs.Host{Address: "b"}) {
			t.Errorf("failures while it rests count as one: %+v, %d", hosts, a.fails)
		}
		if got := picks(s, 4); got != "bbbb" {
			t.Errorf("it rests, and gets messages: %s", got)
		}
		(&Output{servers: s}).RetryNow()
		if got := picks(s, 4); strings.Count(got, "a") != 1 || !a.probing {
			t.Errorf("one message is to try it: %s", got)
		}
		s.undecided(a)
		if got := picks(s, 4); strings.Count(got, "a") != 1 {
			t.Errorf("the one told nothing, so another is to try it: %s", got)
		}
		s.works(a)
		if got := picks(s, 4); strings.Count(got, "a") != 2 || s.report()[0].Down {
			t.Errorf("it works again: %s, %+v", got, s.report())
		}
	})
}

// A message that others overtake keeps its server from further ones, until it lands; nobody is overtaken where there is
// no other server.
func TestOvertaken(t *testing.T) {
	s := ring(1, 1)
	one := &flight{}
	if s.overtake(one) || s.addressOf(one) != "a server" {
		t.Error("a message that goes nowhere yet is overtaken")
	}
	s.fliesTo(one, s.all[0])
	if !s.overtake(one) || s.addressOf(one) != "a" || picks(s, 3) != "bbb" {
		t.Error("others are not sent past it")
	}
	s.fliesTo(one, s.all[1])
	if s.all[0].inFlight != 0 || s.all[1].inFlight != 1 || picks(s, 3) != "aaa" {
		t.Errorf("it has changed its server: %d and %d are in flight", s.all[0].inFlight, s.all[1].inFlight)
	}
	for range 2 {
		if s.lands(one); s.all[1].inFlight != 0 {
			t.Errorf("it has landed: %d are in flight", s.all[1].inFlight)
		}
	}
	alone := ring(1)
	alone.fliesTo(one, alone.all[0])
	if alone.overtake(one) || alone.all[0].inFlight != 0 {
		t.Error("it is overtaken where there is no other server")
	}
}
