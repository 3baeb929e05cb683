package sizing

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"
)

// TestBounds holds that the last value on either side is taken, and the next one refused with what it must be.
func TestBounds(t *testing.T) {
	const rate = "must be above 0, and at most 1,000,000,000"
	for _, tc := range []struct {
		name string
		set  func(*Load)
		// want is "" where it is taken.
		want string
	}{
		{"hardly an event", func(l *Load) { l.EventsPerSecond = math.SmallestNonzeroFloat64 }, ""},
		{"a billion events", func(l *Load) { l.EventsPerSecond = 1e9 }, ""},
		{
			"more than a billion", func(l *Load) { l.EventsPerSecond = math.Nextafter(1e9, 2e9) },
			"--events-per-second 1.0000000000000001e+09: " + rate,
		},
		{"no event", func(l *Load) { l.EventsPerSecond = 0 }, "--events-per-second 0: " + rate},
		{
			"without end", func(l *Load) { l.EventsPerSecond = math.Inf(-1) },
			"--events-per-second -Inf: " + rate,
		},
		{"events of a byte", func(l *Load) { l.EventSize = 1 }, ""},
		{"events of 64 MiB", func(l *Load) { l.EventSize = 64 << 20 }, ""},
		{
			"a byte more", func(l *Load) { l.EventSize = 64<<20 + 1 },
			"--event-size 67108865: must be 1 byte to 64MiB",
		},
		{"less than nothing", func(l *Load) { l.EventSize = -1 }, "--event-size -1: must be 1 byte to 64MiB"},
		{"a moment", func(l *Load) { l.Outage = 1 }, ""},
		{"90 days", func(l *Load) { l.Outage = 90 * 24 * time.Hour }, ""},
		{
			"a moment more", func(l *Load) { l.Outage = 90*24*time.Hour + 1 },
			"--outage 2160h0m0.000000001s: must be above 0, and at most 2160h, which is 90 days",
		},
		{
			"an outage that ended before", func(l *Load) { l.Outage = -time.Second },
			"--outage -1s: must be above 0, and at most 2160h, which is 90 days",
		},
		{"a million clusters", func(l *Load) { l.Clusters = 1e6 }, ""},
		{"one more", func(l *Load) { l.Clusters = 1e6 + 1 }, "--clusters 1000001: must be 1 to 1,000,000"},
		{"no agent", func(l *Load) { l.Connections = 0 }, ""},
		{"ten million agents", func(l *Load) { l.Connections = 1e7 }, ""},
		{
			"one agent more", func(l *Load) { l.Connections = 1e7 + 1 },
			"--connections 10000001: must be 0 to 10,000,000",
		},
		{"as many replicas as needed", func(l *Load) { l.Replicas = 0 }, ""},
		{"ten thousand replicas", func(l *Load) { l.Replicas = 1e4 }, ""},
		{
			"one replica more", func(l *Load) { l.Replicas = 1e4 + 1 },
			"--replicas 10001: must be 0 (as many as needed) to 10,000",
		},
		{"a tenth of a core", func(l *Load) { l.Cores = 0.1 }, ""},
		{"1024 cores", func(l *Load) { l.Cores = 1024 }, ""},
		{"hardly a core", func(l *Load) { l.Cores = 0.09 }, "--cores 0.09: must be 0.1 to 1024"},
		{"more cores", func(l *Load) { l.Cores = 1024.5 }, "--cores 1024.5: must be 0.1 to 1024"},
		{"no compression", func(l *Load) { l.Compression = 1 }, ""},
		{"a hundred to one", func(l *Load) { l.Compression = 100 }, ""},
		{"all but nothing", func(l *Load) { l.Compression = 101 }, "--compression 101: must be 1 to 100"},
		{"no number", func(l *Load) { l.Compression = math.NaN() }, "--compression NaN: must be 1 to 100"},
		{"a disk by name", func(l *Load) { l.Queue = QueueDisk }, ""},
		{"in capitals", func(l *Load) { l.Queue = "JetStream" }, `--queue "JetStream": must be bbolt or jetstream`},
		{"chunks of the usual size", func(l *Load) { l.EventsPerChunk = 0 }, ""},
		{"chunks of a million", func(l *Load) { l.EventsPerChunk = 1e6 }, ""},
		{
			"an event more in each", func(l *Load) { l.EventsPerChunk = 1e6 + 1 },
			"--events-per-chunk 1000001: must be 1 to 1,000,000",
		},
		{
			"no output", func(l *Load) { l.Outputs = []string{} },
			"--outputs: must be at least one of " + strings.Join(OutputTypes(), ", "),
		},
		{
			"an output in capitals", func(l *Load) { l.Outputs = []string{"file", "S3"} },
			`--outputs "S3": must be one of ` + strings.Join(OutputTypes(), ", "),
		},
	} {
		p, err := For(usual(tc.set))
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s: %v", tc.name, err)
		case tc.want != "" && (err == nil || err.Error() != tc.want):
			t.Errorf("%s: got %v, want %s", tc.name, err, tc.want)
		case tc.want != "" && (p.Replicas != 0 || p.Outputs != nil):
			t.Errorf("%s: there is a plan beside the error: %+v", tc.name, p)
		}
	}
}

// TestMistakesInOrder holds that several mistakes are told in the order of the flags, the same each time.
func TestMistakesInOrder(t *testing.T) {
	const want = "--events-per-second 0: must be above 0, and at most 1,000,000,000\n" +
		"--event-size 0: must be 1 byte to 64MiB\n" +
		"--outage 0s: must be above 0, and at most 2160h, which is 90 days\n" +
		"--clusters 0: must be 1 to 1,000,000\n" +
		"--cores 0: must be 0.1 to 1024\n" +
		"--compression 0: must be 1 to 100\n" +
		"--outputs: must be at least one of "
	for range 3 {
		if _, err := For(Load{}); err == nil || err.Error() != want+strings.Join(OutputTypes(), ", ") {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

// TestLargest holds that the largest loads have sizes and times that are none below zero, whatever they are worth.
func TestLargest(t *testing.T) {
	largest := func(change func(*Load)) func(*Load) {
		return func(l *Load) {
			l.EventsPerSecond, l.EventSize, l.Outage, l.Compression = 1e9, 64<<20, 90*24*time.Hour, 1
			l.Clusters, l.Connections, l.Cores = 1e6, 1e7, 1024
			change(l)
		}
	}
	for name, change := range map[string]func(*Load){
		"as many as needed": largest(func(*Load) {}),
		"one replica":       largest(func(l *Load) { l.Replicas = 1 }),
		"10,000 replicas":   largest(func(l *Load) { l.Replicas = 1e4 }),
		"a shared queue":    largest(func(l *Load) { l.Queue = QueueJetStream }),
		"one event a chunk": largest(func(l *Load) { l.Queue, l.EventsPerChunk = QueueJetStream, 1 }),
		"all outputs":       largest(func(l *Load) { l.Outputs, l.Replicas = OutputTypes(), 2 }),
	} {
		p, err := For(usual(change))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		sizes := []int64{p.Memory, p.Queue, p.Volume, p.ClusterSize}
		if s := p.Servers; s != nil {
			sizes = []int64{p.Memory, s.Memory, s.Disk, s.MaxSize, s.PerMessage, p.ClusterSize}
		}
		for i, n := range sizes {
			if n <= 0 {
				t.Errorf("%s: size %d is %d", name, i, n)
			}
		}
		var text bytes.Buffer
		if err := p.WriteText(&text); err != nil || strings.Contains(text.String(), " -") {
			t.Errorf("%s: %v\n%s", name, err, &text)
		}
	}
}

// TestCatchUp holds how long a backlog takes, up to where no time is left for it.
func TestCatchUp(t *testing.T) {
	// Two cores at half the measured rate carry 524,000 events/s for each replica.
	for _, tc := range []struct {
		name   string
		events float64
		outage time.Duration
		want   string
	}{
		{"as long as the outage", 524_000, time.Hour, "1h"},
		{"twice as long", 2 * 1_048_000 / 3.0, time.Hour, "2h"},
		{"a tenth of it", 1_048_000 / 11.0, 10 * time.Hour, "1h"},
		{"in no time", 1, time.Hour, "1s"},
		{"hardly ever", 1_047_999.9, 90 * 24 * time.Hour, "1281023h54m"},
		{"never", 1_048_000.1, time.Hour, ""},
	} {
		p, err := For(usual(func(l *Load) {
			l.EventsPerSecond, l.Outage, l.Replicas = tc.events, tc.outage, 2
		}))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if p.CatchUp != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, p.CatchUp, tc.want)
		}
		warned := strings.Contains(strings.Join(p.Warnings, "\n"), "There is no processor time left to catch up")
		if warned != (tc.want == "") {
			t.Errorf("%s: the warnings are %q", tc.name, p.Warnings)
		}
		var text strings.Builder
		if err := p.WriteText(&text); err != nil ||
			strings.Contains(text.String(), "the backlog drains within "+tc.want+",") != (tc.want != "") {
			t.Errorf("%s: %v\n%s", tc.name, err, &text)
		}
	}
}
