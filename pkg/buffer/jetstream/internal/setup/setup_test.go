package setup

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

func TestAtLeast(t *testing.T) {
	for _, tc := range []struct {
		version, least string
		want           bool
	}{
		{"2.15.3", "2.10.0", true},
		{"2.10.0", "2.10.0", true},
		{"2.9.25", "2.10.0", false},
		{"3.0.0-dev", "2.10.0", true},
		{"", "2.10.0", false},
	} {
		if got := atLeast(tc.version, tc.least); got != tc.want {
			t.Errorf("%s at least %s: %v", tc.version, tc.least, got)
		}
	}
}

func ours() *Setup {
	return &Setup{Config: buffer.Config{
		MaxSize: 8 << 30, DedupeWindow: time.Hour, JetStream: &buffer.JetStreamConfig{Stream: "Q", Replicas: 3},
	}}
}

func TestMaxSize(t *testing.T) {
	cfg := ours().Config
	if got := MaxSize(&cfg); got != 8<<30 {
		t.Errorf("as buffer.max_size says: %d", got)
	}
	cfg.JetStream.MaxSize = 1 << 30
	if got := MaxSize(&cfg); got != 1<<30 {
		t.Errorf("as buffer.jetstream.max_size says: %d", got)
	}
	if got := MaxSize(&buffer.Config{JetStream: &buffer.JetStreamConfig{}}); got != defaultMaxSize {
		t.Errorf("where nobody says: %d", got)
	}
}

// What makes a stream useless is named, and what does not matter isn't.
func TestDifferences(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*jetstream.StreamConfig)
		want   string
	}{
		"as it is made":   {func(*jetstream.StreamConfig) {}, ""},
		"smaller":         {func(c *jetstream.StreamConfig) { c.MaxBytes, c.Replicas = 1, 1 }, ""},
		"retention":       {func(c *jetstream.StreamConfig) { c.Retention = jetstream.LimitsPolicy }, "retention"},
		"what is dropped": {func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld }, "discard"},
		"storage":         {func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }, "storage"},
		"subjects":        {func(c *jetstream.StreamConfig) { c.Subjects = []string{"X.>"} }, "subjects"},
		"age":             {func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }, "max_age"},
		"messages":        {func(c *jetstream.StreamConfig) { c.MaxMsgs = 5 }, "max_msgs"},
		"of a subject":    {func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 5 }, "max_msgs"},
		"no acks":         {func(c *jetstream.StreamConfig) { c.NoAck = true }, "no_ack"},
		"sealed":          {func(c *jetstream.StreamConfig) { c.Sealed = true }, "sealed"},
		"mirror":          {func(c *jetstream.StreamConfig) { c.Mirror = &jetstream.StreamSource{} }, "mirror"},
		"republish":       {func(c *jetstream.StreamConfig) { c.RePublish = &jetstream.RePublish{} }, "republish"},
	} {
		t.Run(name, func(t *testing.T) {
			want, got := ours().streamConfig(), ours().streamConfig()
			tc.change(&got)
			all := strings.Join(differences(&got, &want), "; ")
			if (tc.want == "") != (all == "") || !strings.Contains(all, tc.want) {
				t.Errorf("%q, want %q", all, tc.want)
			}
		})
	}
}

// What is lower is raised, and what is higher stays: another process may have set it.
func TestRaise(t *testing.T) {
	want := ours().streamConfig()
	got := want
	if _, more := raise(got, &want); more {
		t.Error("what is as it should be is raised")
	}
	got.MaxBytes, got.Duplicates, got.Replicas = 1, 2*want.Duplicates, 5
	to, more := raise(got, &want)
	if !more || to.MaxBytes != want.MaxBytes || to.Duplicates != got.Duplicates || to.Replicas != 5 {
		t.Errorf("%v: %+v", more, to)
	}
}

func TestIDs(t *testing.T) {
	c := &checker{Setup: *ours()}
	if c.ids(); len(c.found) != 1 || c.found[0].Severity != Warning {
		t.Errorf("an hour's ids of a large fleet: %+v", c.found)
	}
	c = &checker{Setup: *ours()}
	c.Config.DedupeWindow = 10 * time.Minute
	if c.ids(); len(c.found) != 0 {
		t.Errorf("ten minutes' ids: %+v", c.found)
	}
}
