package app

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/delivery/stats"
)

// parsed returns the configuration of a text.
func parsed(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("test.yaml", []byte(text), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// A reload says of which settings the change waits for a restart, ascending, and of all others nothing.
func TestNeedsRestart(t *testing.T) {
	const plain = `
hostname: me
listeners: [{address: "127.0.0.1:0"}]
buffer: {path: /d}
status: {address: "127.0.0.1:9880"}
routes: [{match: "**", outputs: [out]}]
outputs: {out: {type: stdout}}
`
	const buffers = "buffer: {path: /d}"
	for _, tc := range []struct {
		name, old, with string
		want            []string
	}{
		{"nothing", "", "", []string{}},
		{"the hostname", "hostname: me", "hostname: you", []string{"hostname"}},
		{
			"one listener more", `[{address: "127.0.0.1:0"}]`,
			`[{address: "127.0.0.1:0"}, {name: b, address: "127.0.0.1:1"}]`,
			[]string{"listeners"},
		},
		{
			"larger messages than there is room for", `0"}]`, `0", max_message_size: 256MiB}]`,
			[]string{"listeners[].max_message_size"},
		},
		{"smaller messages", `0"}]`, `0", max_message_size: 1MiB}]`, []string{}},
		{"the queue's place", buffers, "buffer: {path: /e}", []string{"buffer"}},
		{"the queue's compression", buffers, "buffer: {path: /d, compression: none}", []string{"buffer"}},
		{"the queue's size", buffers, "buffer: {path: /d, max_size: 5GiB}", []string{}},
		{"room on its disk", buffers, "buffer: {path: /d, min_free_disk: 1MiB}", []string{}},
		{"what is done when it is full", buffers, "buffer: {path: /d, when_full: drop_oldest}", []string{}},
		{"its dead letters", buffers, "buffer: {path: /d, dead_letters: {max_size: 2GiB}}", []string{}},
		{"the status endpoint", "9880", "9881", []string{"status"}},
		{"how it is logged", "hostname: me", "hostname: me\nlog: {level: debug}", []string{"log"}},
		{"routes", "**", "kube.**", []string{}},
		{"outputs", "type: stdout", "type: file, path: /f", []string{}},
		{"clusters", "hostname: me", "hostname: me\nclusters: [{name: a, shared_key: k}]", []string{}},
		{
			"all at once", "hostname: me", "hostname: you\nlog: {level: warn}",
			[]string{"hostname", "log"},
		},
	} {
		if !strings.Contains(plain, tc.old) {
			t.Fatalf("%s: %q is not in the text", tc.name, tc.old)
		}
		old, next := parsed(t, plain), parsed(t, strings.Replace(plain, tc.old, tc.with, 1))
		if got := needsRestart(old, next); !slices.Equal(got, tc.want) || got == nil {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
		if got := needsRestart(next, next); len(got) > 0 {
			t.Errorf("%s: the same needs a restart for %q", tc.name, got)
		}
	}
}

// Logins at the queue's servers and the size of the stream change without a restart; which servers and stream do not.
func TestFixedBuffer(t *testing.T) {
	plain := func() *config.Config {
		return &config.Config{Buffer: buffer.Config{Type: buffer.TypeJetStream, JetStream: &buffer.JetStreamConfig{
			Stream: "s", Username: "u",
		}}}
	}
	for _, tc := range []struct {
		name   string
		change func(j *buffer.JetStreamConfig)
		fixed  bool
	}{
		{"nothing", func(*buffer.JetStreamConfig) {}, false},
		{"a user", func(j *buffer.JetStreamConfig) { j.Username = "v" }, false},
		{"a password", func(j *buffer.JetStreamConfig) { j.Password = setting.NewSecret("p") }, false},
		{"a token", func(j *buffer.JetStreamConfig) { j.Token = setting.NewSecret("t") }, false},
		{"a file of credentials", func(j *buffer.JetStreamConfig) { j.CredentialsFile = "/c" }, false},
		{"a size", func(j *buffer.JetStreamConfig) { j.MaxSize = 1 << 30 }, false},
		{"a stream", func(j *buffer.JetStreamConfig) { j.Stream = "other" }, true},
	} {
		old, next := plain(), plain()
		tc.change(next.Buffer.JetStream)
		before := *next.Buffer.JetStream
		if differs := !reflect.DeepEqual(fixedBuffer(old), fixedBuffer(next)); differs != tc.fixed {
			t.Errorf("%s needs a restart: %v", tc.name, differs)
		}
		if !reflect.DeepEqual(*next.Buffer.JetStream, before) {
			t.Errorf("%s: the configuration itself was changed", tc.name)
		}
	}
	alone := &config.Config{Buffer: buffer.Config{MaxSize: 5}}
	if b := fixedBuffer(alone); b.MaxSize != 0 || b.JetStream != nil || alone.Buffer.MaxSize != 5 {
		t.Errorf("of a queue on disk: %+v", b)
	}
}

// What waits for outputs that are not configured is told of each, with what to do.
func TestOrphans(t *testing.T) {
	cfg := parsed(t, "outputs: {a: {type: stdout}}\nroutes: [{match: '**', outputs: [a]}]")
	said := func(output string, events int) string {
		return fmt.Sprintf("output %[1]s is not configured any more, and %[2]d events wait for it: put it back under "+
			"its name to deliver them, or lose them with aggregator output purge %[1]s", output, events)
	}
	for _, tc := range []struct {
		name     string
		backlogs []Backlog
		want     []string
	}{
		{"nothing waits", nil, nil},
		{"it is configured", []Backlog{{Output: "a", Events: 7}}, nil},
		{"two are not", []Backlog{{Output: "b", Events: 1}, {Output: "a"}, {Output: "A", Events: 2}}, []string{
			said("b", 1), said("A", 2),
		}},
	} {
		if got := orphans(cfg, tc.backlogs); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// The queue's limits are those of the configuration, by output and by cluster.
func TestQueueLimits(t *testing.T) {
	l := queueLimits(parsed(t, `
clusters:
  - {name: a, shared_key: k, max_queue_size: 1GiB, when_full: reject}
  - {name: b, shared_key: l}
buffer: {path: /d, max_size: 9GiB, when_full: block}
routes: [{match: "**", outputs: [o, p]}]
outputs: {o: {type: stdout, max_queue_size: 2GiB}, p: {type: stdout}}
`))
	if l.MaxSize != 9<<30 || l.WhenFull != "block" {
		t.Errorf("the whole queue: %d bytes, then %s", l.MaxSize, l.WhenFull)
	}
	if l.Outputs["o"] != 2<<30 || l.Outputs["p"] != 0 || l.Clusters["a"] != 1<<30 || l.Clusters["b"] != 0 {
		t.Errorf("of outputs %v, of clusters %v", l.Outputs, l.Clusters)
	}
	if l.ClusterWhenFull["a"] != "reject" || l.ClusterWhenFull["b"] != "" {
		t.Errorf("of clusters: %q", l.ClusterWhenFull)
	}
}

// What to do for a target depends on what becomes of its events.
func TestRemedyOf(t *testing.T) {
	const full = "; its new events become dead letters until then, or until buffer.waiting.max_size is raised"
	for _, tc := range []struct {
		name string
		w    stats.WaitingTarget
		want string
	}{
		{"nothing is known", stats.WaitingTarget{}, ""},
		{"something is", stats.WaitingTarget{Remedy: "open it"}, "open it"},
		{
			"too much waits",
			stats.WaitingTarget{Full: true},
			"set the target right, or move or purge what waits" + full,
		},
		{
			"too much waits, and what to do is known",
			stats.WaitingTarget{Full: true, Remedy: "open it"},
			"open it" + full,
		},
		{
			"it takes events again",
			stats.WaitingTarget{Flowing: true, Remedy: "open it"},
			"nothing: it takes events again, and what waited is being sent",
		},
		{
			"it takes events, but too much waits",
			stats.WaitingTarget{Flowing: true, Full: true, Remedy: "x"},
			"x" + full,
		},
	} {
		if got := remedyOf(&tc.w); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// What waits is one row for each target as it is shown, with the most events first; beyond a bound it is counted.
func TestRowsOfWaitingTargets(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	wait := func(target, cluster string, events int64, ago time.Duration) buffer.Wait {
		return buffer.Wait{
			Output: "es", Target: target, Cluster: cluster,
			Pending: buffer.Count{Chunks: 1, Events: events, Bytes: 10 * events},
			Oldest:  now.Add(-ago),
		}
	}
	all, more := waitingTargets([]buffer.Wait{
		wait("", "a", 99, time.Hour), wait("b", "osaka", 2, time.Minute), wait("b", "seoul", 3, time.Hour),
		wait("a", "seoul", 5, time.Second), wait("none", "seoul", 0, time.Second),
	}, []stats.WaitingTarget{{Target: "b", Since: now.Add(-2 * time.Hour), Status: 429, Next: now}}, now)
	var got []string
	for _, w := range all {
		got = append(got, fmt.Sprintf("%s %d events, %d bytes, %v s, of %q, %d", w.Target, w.Events, w.Bytes, w.Oldest,
			w.Clusters, w.Status))
	}
	want := []string{
		`a 5 events, 50 bytes, 1 s, of ["seoul"], 0`, `b 5 events, 50 bytes, 3600 s, of ["osaka" "seoul"], 429`,
	}
	if !slices.Equal(got, want) || more != 0 {
		t.Errorf("%q and %d more, want %q", got, more, want)
	}
	if !all[1].Since.Equal(now.Add(-2*time.Hour)) || !all[1].NextTry.Equal(now) {
		t.Errorf("since %v, next %v", all[1].Since, all[1].NextTry)
	}
	for n, left := range map[int]int{maxWaitingShown: 0, maxWaitingShown + 1: 1, 2 * maxWaitingShown: maxWaitingShown} {
		var waits []buffer.Wait
		for i := range n {
			waits = append(waits, wait(fmt.Sprintf("t%04d", i), "a", int64(i+1), time.Second))
		}
		some, more := waitingTargets(waits, nil, now)
		if len(some) != min(n, maxWaitingShown) || more != left || some[0].Events != uint64(n) {
			t.Errorf("of %d: %d rows, and %d more", n, len(some), more)
		}
	}
}

// Errors that were joined are told one by one, however deep.
func TestParts(t *testing.T) {
	a, b, c := errors.New("a"), errors.New("b"), errors.New("c")
	for _, tc := range []struct {
		err  error
		want []error
	}{
		{nil, nil},
		{a, []error{a}},
		{errors.Join(a, b), []error{a, b}},
		{errors.Join(errors.Join(a), nil, errors.Join(b, errors.Join(c))), []error{a, b, c}},
	} {
		if got := parts(tc.err); !slices.Equal(got, tc.want) {
			t.Errorf("%v: %v", tc.err, got)
		}
	}
	wrapped := fmt.Errorf("in x: %w", a)
	if got := parts(wrapped); len(got) != 1 || got[0] != wrapped { //nolint:errorlint // it is the very same
		t.Errorf("one that wraps: %v", got)
	}
}

// What does not wait has no age, and what comes from the future is new.
func TestAge(t *testing.T) {
	now := time.Unix(1000, 0)
	for when, want := range map[time.Time]float64{
		{}: 0, now: 0, now.Add(-90 * time.Second): 90, now.Add(time.Hour): 0,
	} {
		if got := age(when, now); got != want {
			t.Errorf("%v: %v, want %v", when, got, want)
		}
	}
}
