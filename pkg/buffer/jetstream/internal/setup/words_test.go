package setup

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/buffer/jetstream/internal/link"
)

// Versions are compared by their numbers, whatever stands behind them.
func TestVersions(t *testing.T) {
	for _, tc := range []struct {
		version string
		numbers [3]int
		ok      bool
	}{
		{"2.10.0", [3]int{2, 10, 0}, true},
		{"2.10.29", [3]int{2, 10, 29}, true},
		{"2.11", [3]int{2, 11, 0}, true},
		{"3", [3]int{3, 0, 0}, true},
		{"10.0.0", [3]int{10, 0, 0}, true},
		{"2.10.0-preview.2", [3]int{2, 10, 0}, true},
		{"2.10.0-RC.1.2", [3]int{2, 10, 0}, true},
		{"2.9.99", [3]int{2, 9, 99}, false},
		{"2.2.10", [3]int{2, 2, 10}, false},
		{"1.99.99", [3]int{1, 99, 99}, false},
		{"2", [3]int{2, 0, 0}, false},
		{"v2.10.0", [3]int{0, 10, 0}, false},
		{"", [3]int{}, false},
		{"-", [3]int{}, false},
		{"...", [3]int{}, false},
		{"nightly", [3]int{}, false},
	} {
		if got := numbers(tc.version); got != tc.numbers {
			t.Errorf("%q is %v, want %v", tc.version, got, tc.numbers)
		}
		if got := atLeast(tc.version, oldestServer); got != tc.ok {
			t.Errorf("%q will do: %v", tc.version, got)
		}
		if !atLeast(tc.version, tc.version) || !atLeast("99.0.0", tc.version) {
			t.Errorf("%q is before itself, or behind 99.0.0", tc.version)
		}
	}
}

// A server whose version nobody knows is too old, and the error says which one would do.
func TestTooOld(t *testing.T) {
	err := Version(&nats.Conn{})
	if !errors.Is(err, ErrTooOld) || !strings.HasSuffix(err.Error(),
		"its version is too old: 2.10.0 is the first that will do") {
		t.Errorf("%v", err)
	}
}

// The stream is made as docs say: what is full refuses, what is old stays, and there is room beyond the queue's limit.
func TestStreamConfig(t *testing.T) {
	for _, tc := range []struct {
		name   string
		config buffer.Config
		bytes  int64
		window time.Duration
	}{
		{"as nobody says", buffer.Config{}, 18<<30 + 64<<20, 2 * time.Minute},
		{"a size", buffer.Config{MaxSize: 8 << 30}, 9<<30 + 64<<20, 2 * time.Minute},
		{"one byte", buffer.Config{MaxSize: 1}, 64<<20 + 1, 2 * time.Minute},
		{"a window", buffer.Config{MaxSize: 8 << 20, DedupeWindow: time.Hour}, 73 << 20, time.Hour},
		{"a window below the least", buffer.Config{MaxSize: 8 << 20, DedupeWindow: time.Second}, 73 << 20, MinWindow},
		{"the least window", buffer.Config{MaxSize: 8 << 20, DedupeWindow: MinWindow}, 73 << 20, MinWindow},
	} {
		tc.config.JetStream = &buffer.JetStreamConfig{Stream: "Q", Replicas: 3}
		s := &Setup{Config: tc.config}
		want := jetstream.StreamConfig{
			Name: "Q", Description: "what aggregator has acknowledged and not delivered", Subjects: []string{"Q.q.>"},
			Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew, MaxBytes: tc.bytes, MaxMsgs: -1,
			MaxConsumers: -1, MaxMsgsPerSubject: -1, Storage: jetstream.FileStorage, Replicas: 3,
			Duplicates: tc.window, AllowDirect: true,
		}
		if got := s.streamConfig(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", tc.name, got, want)
		}
		if s.Bucket() != "Q_GROUP" {
			t.Errorf("%s: the bucket is %s", tc.name, s.Bucket())
		}
	}
}

// What makes a stream useless is said in the words of its settings, with what it has and what it must have.
func TestDifferencesInWords(t *testing.T) {
	set := func(change func(*jetstream.StreamConfig)) (got, want jetstream.StreamConfig) {
		got, want = ours().streamConfig(), ours().streamConfig()
		change(&got)
		return got, want
	}
	for _, tc := range []struct {
		name   string
		change func(*jetstream.StreamConfig)
		want   []string
	}{
		{"what does not matter", func(c *jetstream.StreamConfig) {
			c.Description, c.Replicas, c.MaxBytes, c.Duplicates, c.MaxMsgs = "mine", 5, 1, time.Second, 0
			c.MaxConsumers, c.MaxMsgSize, c.DenyDelete, c.Placement = 3, 100, true, &jetstream.Placement{Cluster: "c"}
		}, nil},
		{
			"retention", func(c *jetstream.StreamConfig) { c.Retention = jetstream.InterestPolicy },
			[]string{"retention is Interest, must be WorkQueue"},
		},
		{
			"discard", func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld },
			[]string{"discard is DiscardOld, must be DiscardNew"},
		},
		{
			"storage", func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage },
			[]string{"storage is Memory, must be File"},
		},
		{
			"no subjects", func(c *jetstream.StreamConfig) { c.Subjects = nil },
			[]string{"subjects is [], must be [Q.q.>]"},
		},
		{
			"one subject more", func(c *jetstream.StreamConfig) { c.Subjects = append(c.Subjects, "x") },
			[]string{"subjects is [Q.q.> x], must be [Q.q.>]"},
		},
		{
			"age", func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour },
			[]string{"max_age is 1h0m0s, must be 0: what is old would be dropped"},
		},
		{
			"messages", func(c *jetstream.StreamConfig) { c.MaxMsgs, c.MaxMsgsPerSubject = 5, 7 },
			[]string{"max_msgs is 7, must be -1"},
		},
		{
			"a source", func(c *jetstream.StreamConfig) { c.Sources = []*jetstream.StreamSource{{Name: "X"}} },
			[]string{"mirror or sources is set, must be none"},
		},
		{
			"a transform", func(c *jetstream.StreamConfig) { c.SubjectTransform = &jetstream.SubjectTransformConfig{} },
			[]string{"subject_transform or republish is set, must be none"},
		},
		{
			"several, in order",
			func(c *jetstream.StreamConfig) { c.NoAck, c.Sealed, c.MaxAge = true, true, time.Second },
			[]string{
				"max_age is 1s, must be 0: what is old would be dropped", "no_ack is true, must be false",
				"sealed is true, must be false",
			},
		},
	} {
		got, want := set(tc.change)
		if all := differences(&got, &want); !reflect.DeepEqual(all, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, all, tc.want)
		}
	}
	err := &DifferentError{Stream: "Q", Differences: []string{"a is 1, must be 2", "b is 3, must be 4"}}
	const want = "stream Q was made with other settings: a is 1, must be 2; b is 3, must be 4. Name another one in " +
		"buffer.jetstream.stream, or delete that one if nobody needs it"
	if err.Error() != want {
		t.Errorf("%s, want %s", err, want)
	}
}

// Each limit is raised alone, nothing else of a stream changes, and what has no limit gets none.
func TestRaiseEach(t *testing.T) {
	base := jetstream.StreamConfig{
		Name: "Q", Description: "mine", MaxBytes: 100, Duplicates: time.Minute, Replicas: 1, MaxMsgSize: 7,
	}
	with := func(change func(*jetstream.StreamConfig)) jetstream.StreamConfig {
		c := base
		change(&c)
		return c
	}
	for _, tc := range []struct {
		name      string
		got, want jetstream.StreamConfig
		to        jetstream.StreamConfig
		more      bool
	}{
		{"the same", base, base, base, false},
		{
			"bytes", base, with(func(c *jetstream.StreamConfig) { c.MaxBytes = 101 }),
			with(func(c *jetstream.StreamConfig) { c.MaxBytes = 101 }), true,
		},
		{"fewer bytes", base, with(func(c *jetstream.StreamConfig) { c.MaxBytes = 99 }), base, false},
		{
			"no limit of bytes", with(func(c *jetstream.StreamConfig) { c.MaxBytes = -1 }), base,
			with(func(c *jetstream.StreamConfig) { c.MaxBytes = -1 }), false,
		},
		{
			"window", base, with(func(c *jetstream.StreamConfig) { c.Duplicates = time.Hour }),
			with(func(c *jetstream.StreamConfig) { c.Duplicates = time.Hour }), true,
		},
		{"a shorter window", base, with(func(c *jetstream.StreamConfig) { c.Duplicates = time.Second }), base, false},
		{
			"replicas", base, with(func(c *jetstream.StreamConfig) { c.Replicas = 3 }),
			with(func(c *jetstream.StreamConfig) { c.Replicas = 3 }), true,
		},
		{
			"fewer replicas", with(func(c *jetstream.StreamConfig) { c.Replicas = 5 }), base,
			with(func(c *jetstream.StreamConfig) { c.Replicas = 5 }), false,
		},
		{
			"one up, one down", base,
			with(func(c *jetstream.StreamConfig) { c.MaxBytes, c.Replicas, c.Description = 50, 3, "ours" }),
			with(func(c *jetstream.StreamConfig) { c.Replicas = 3 }), true,
		},
	} {
		to, more := raise(tc.got, &tc.want)
		if more != tc.more || !reflect.DeepEqual(to, tc.to) {
			t.Errorf("%s: %v, %+v, want %v, %+v", tc.name, more, to, tc.more, tc.to)
		}
	}
}

// Without a server to ask there is one finding, a fault that names the setting.
func TestCheckWithoutServers(t *testing.T) {
	for name, cfg := range map[string]*buffer.JetStreamConfig{
		"nothing is configured": nil, "no URLs": {Stream: "Q", Replicas: 3}, "empty URLs": {URLs: []string{}},
	} {
		got := Check(t.Context(), &buffer.Config{JetStream: cfg}, &link.Options{Config: cfg})
		want := []Finding{{Fault, "buffer.jetstream.urls", "it names no server"}}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	bad := &buffer.JetStreamConfig{URLs: []string{"nats://[::1"}}
	got := Check(t.Context(), &buffer.Config{JetStream: bad}, &link.Options{Config: bad, Turned: func() {}})
	if len(got) != 1 || got[0].Severity != Fault || got[0].Subject != "buffer.jetstream" ||
		!strings.HasPrefix(got[0].Text, "connect to NATS: ") {
		t.Errorf("a URL that is none: %+v", got)
	}
}

// Ids are warned of from where they take much memory of the servers.
func TestIDsBound(t *testing.T) {
	for window, want := range map[time.Duration]string{
		0: "", time.Minute: "", MinWindow: "", 14*time.Minute + 18*time.Second: "",
		14*time.Minute + 20*time.Second: "14m20s: at 5000 chunks a second, servers keep ",
		24 * time.Hour:                  "24h0m0s: at 5000 chunks a second, servers keep ",
	} {
		c := &checker{Setup: *ours()}
		c.Config.DedupeWindow = window
		c.ids()
		if (want == "") != (len(c.found) == 0) {
			t.Errorf("%v: %+v", window, c.found)
			continue
		}
		if want != "" && (c.found[0].Subject != "buffer.dedupe_window" || !strings.HasPrefix(c.found[0].Text, want) ||
			!strings.HasSuffix(c.found[0].Text, " of ids in memory")) {
			t.Errorf("%v: %+v", window, c.found)
		}
	}
}
