package sizing

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/all"
)

// usual is a load that tests change.
func usual(change ...func(*Load)) Load {
	l := Load{
		EventsPerSecond: 10_000, EventSize: 300, Outage: 12 * time.Hour, Clusters: 1, Connections: 1000,
		Outputs: []string{"elasticsearch"},
		Cores:   2, Compression: 4, ProgramMemory: 160 << 20, DeadLetters: 1 << 30, MinFreeDisk: 1 << 30,
	}
	for _, c := range change {
		c(&l)
	}
	return l
}

func TestFor(t *testing.T) {
	const gib = 1 << 30
	for _, tc := range []struct {
		name   string
		change func(*Load)
		got    func(Plan) any
		want   any
	}{
		{"one carries it, and one more", func(*Load) {}, func(p Plan) any { return p.Replicas }, 2},
		// 10,000 × 300 B × 43,200 s ÷ 4 = 30.2 GiB, and a quarter more.
		{"a queue for the outage", func(*Load) {}, func(p Plan) any { return p.Queue }, int64(38 * gib)},
		{
			"a volume for queue, segments, dead letters, free space, file system", func(*Load) {},
			func(p Plan) any { return p.Volume }, int64(43 * gib),
		},
		{
			"stored once for several outputs", func(l *Load) { l.Outputs = []string{"elasticsearch", "firehose"} },
			func(p Plan) any { return p.Queue }, int64(38 * gib),
		},
		{
			"4 replicas, 3 of them carry", func(l *Load) { l.Replicas = 4 }, func(p Plan) any { return p.Queue },
			int64(13 * gib),
		},
		{
			"each cluster twice its share", func(l *Load) { l.Clusters = 4 }, func(p Plan) any { return p.ClusterSize },
			int64(19 * gib),
		},
		{
			"160 MiB, 26 MiB for connections, a tenth more", func(*Load) {}, func(p Plan) any { return p.Memory },
			int64(256 << 20),
		},
		// 1,000,000 × 1.91 µs = 1.91 cores; of 2 cores a quarter is planned with.
		{"processor decides", func(l *Load) { l.EventsPerSecond = 1e6 }, func(p Plan) any { return p.Needed }, 5},
		{
			"larger events", func(l *Load) { l.EventsPerSecond, l.EventSize = 1e6, 600 },
			func(p Plan) any { return p.Needed }, 9,
		},
		{
			"smaller events cost no less", func(l *Load) { l.EventsPerSecond, l.EventSize = 1e6, 10 },
			func(p Plan) any { return p.Needed }, 5,
		},
		{
			"disk decides", func(l *Load) { l.EventsPerSecond, l.Cores, l.Compression = 1e6, 64, 1 },
			func(p Plan) any { return p.Needed }, 11,
		},
		{"catching up takes half the cores", func(*Load) {}, func(p Plan) any { return p.CatchUp }, "7m"},
		{
			"at least a little", func(l *Load) { l.EventsPerSecond = 0.001 },
			func(p Plan) any { return fmt.Sprint(p.Replicas, p.Queue/gib, p.Memory>>20) }, "2 1 256",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := For(usual(tc.change))
			if err != nil {
				t.Fatal(err)
			}
			if got := tc.got(p); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestWarningsAndNotes(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Load)
		want   string // "" for no warning
	}{
		{"all is well", func(*Load) {}, ""},
		{"alone", func(l *Load) { l.Replicas = 1 }, "With one replica, agents keep their events while it restarts."},
		{
			"alone with too much", func(l *Load) { l.EventsPerSecond, l.Replicas = 4e5, 1 },
			"1 replica can't carry the load: it needs 3, one of which may be lost.",
		},
		{
			"too few", func(l *Load) { l.EventsPerSecond, l.Replicas = 1e6, 3 },
			"3 replicas can't carry the load when one is lost: it needs 5.",
		},
		{
			"no time to catch up", func(l *Load) { l.EventsPerSecond, l.Replicas = 1e6, 1 },
			"no processor time left to catch up",
		},
		{
			"a small queue", func(l *Load) { l.QueueLimit = 19 << 30 },
			"buffer.max_size is 19 GiB: agents would have to wait after 6h.",
		},
		{"a large one", func(l *Load) { l.QueueLimit = 1 << 40 }, ""},
		{
			"files", func(l *Load) { l.Outputs = []string{"file"} },
			"A file output needs room of its own, 362.1 GiB a day",
		},
		{
			"note: firehose", func(l *Load) { l.Outputs, l.Clusters = []string{"firehose"}, 3 },
			"Firehose: 1.4 MiB/s for each of 3 clusters",
		},
		{"note: kinesis", func(l *Load) { l.Outputs = []string{"kinesis"} }, "Kinesis: 5 shards"},
		{"note: cloudwatch", func(l *Load) { l.Outputs = []string{"cloudwatch_logs"} }, "at least 5 requests of 1 MiB"},
		{
			"note: cloudwatch, too late", func(
				l *Load,
			) {
				l.Outputs, l.Outage = []string{"cloudwatch_logs"}, 15*24*time.Hour
			}, "refuses events older than 14 days",
		},
		{"note: elasticsearch", func(*Load) {}, "Elasticsearch gets 362.1 GiB a day"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := For(usual(tc.change))
			if err != nil {
				t.Fatal(err)
			}
			lines := p.Warnings
			if strings.HasPrefix(tc.name, "note") {
				lines = p.Notes
			}
			if text := strings.Join(lines, "\n"); (tc.want == "") != (text == "") || !strings.Contains(text, tc.want) {
				t.Errorf("got %q, want %q", text, tc.want)
			}
		})
	}
}

// TestMoreNeedsMore: a larger load never needs less of anything.
func TestMoreNeedsMore(t *testing.T) {
	more := map[string]func(l *Load, by float64){
		"events": func(l *Load, by float64) { l.EventsPerSecond *= by },
		"size":   func(l *Load, by float64) { l.EventSize = int64(float64(l.EventSize) * by) },
		"outage": func(l *Load, by float64) { l.Outage = time.Duration(float64(l.Outage) * by) },
		"agents": func(l *Load, by float64) { l.Connections = int(float64(l.Connections) * by) },
		"memory": func(l *Load, by float64) { l.ProgramMemory = int64(float64(l.ProgramMemory) * by) },
	}
	for name, increase := range more {
		var before Plan
		for by := 1.0; by < 60; by *= 1.3 {
			after, err := For(usual(func(l *Load) { increase(l, by) }))
			if err != nil {
				t.Fatal(err)
			}
			all := func(p Plan, each int64) int64 { return int64(p.Replicas-1) * each }
			if after.Replicas < before.Replicas || all(after, after.Volume) < all(before, before.Volume) ||
				all(after, after.Memory) < all(before, before.Memory) {
				t.Errorf("%s × %.1f needs less than before:\n%+v\n%+v", name, by, before, after)
			}
			before = after
		}
	}
}

// TestMeasured: the costs are those of docs/performance.md.
func TestMeasured(t *testing.T) {
	text, err := os.ReadFile("../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	kinds := all.Kinds(nil)
	for output, row := range map[string]string{
		"file":          "PackedForward, 500 a chunk, 4 connections, acks",
		"elasticsearch": "Elasticsearch, `compression: gzip`", "firehose": "Firehose, aggregated",
	} {
		kind, _ := outputs.Find(kinds, output)
		want := grouped(1e6 / kind.CPUMicros)
		if !strings.Contains(string(text), "| "+row+" | "+want+" |") {
			t.Errorf("docs/performance.md has no row %q with %s events per CPU-second", row, want)
		}
	}
	for _, kind := range kinds {
		if kind.CPUMicros <= ingestMicros {
			t.Errorf("%s costs %v", kind.Name, kind.CPUMicros-ingestMicros)
		}
	}
	if !slices.IsSorted(OutputTypes()) || len(OutputTypes()) != len(kinds) {
		t.Errorf("types %v", OutputTypes())
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		12 * time.Hour: "12h", 90 * time.Minute: "1h30m", 100*time.Hour + time.Minute: "100h1m", 5 * time.Second: "5s",
		time.Millisecond:                  "1s",
		61*time.Second + time.Millisecond: "1m", 10 * time.Minute: "10m", 20 * time.Hour: "20h",
	} {
		if got := short(d); got != want {
			t.Errorf("short(%v) = %q, want %q", d, got, want)
		}
	}
}

// TestAlone holds that nothing is said of other replicas where there are none.
func TestAlone(t *testing.T) {
	p, err := For(usual(func(l *Load) { l.Replicas = 1 }))
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(append(p.Notes, p.Assumed...), "\n"); strings.Contains(text, "others") {
		t.Errorf("there are no others:\n%s", text)
	}
}
