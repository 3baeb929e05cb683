package sizing

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/all"
)

// plan returns what the usual load needs with a change.
func plan(t *testing.T, change func(*Load)) Plan {
	t.Helper()
	p, err := For(usual(change))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestRates holds what goes in, is stored and goes out each second, and what that costs, by hand.
func TestRates(t *testing.T) {
	shared := func(change func(*Load)) func(*Load) {
		return func(l *Load) {
			l.Queue = QueueJetStream
			change(l)
		}
	}
	for _, tc := range []struct {
		name   string
		change func(*Load)
		got    func(Plan) float64
		want   float64
	}{
		{"received", func(*Load) {}, func(p Plan) float64 { return p.Received }, 3e6},
		{"stored", func(*Load) {}, func(p Plan) float64 { return p.Stored }, 750e3},
		{"delivered", func(*Load) {}, func(p Plan) float64 { return p.Delivered }, 4.5e6},
		{"written and read", func(*Load) {}, func(p Plan) float64 { return p.DiskTraffic }, 1.5e6},
		{
			"half of it at each of two", func(l *Load) { l.Replicas = 3 },
			func(p Plan) float64 { return p.DiskTraffic }, 750e3,
		},
		{
			"files as well, each once", func(l *Load) { l.Outputs = []string{"file", "stdout", "file"} },
			func(p Plan) float64 { return p.DiskTraffic }, 10.5e6,
		},
		{
			"files alone where the queue is elsewhere", shared(func(l *Load) { l.Outputs = []string{"file", "s3"} }),
			func(p Plan) float64 { return p.Servers.Written }, 1.5e6,
		},
		{"cores", func(*Load) {}, func(p Plan) float64 { return p.CoresInUse }, 10_000 / 524e3},
		{
			"cores for two outputs", func(l *Load) { l.Outputs = []string{"elasticsearch", "elasticsearch"} },
			func(p Plan) float64 { return p.CoresInUse }, 10_000 * (2/524e3 - 0.6/1e6),
		},
		{
			"cores for three times the size", func(l *Load) { l.EventSize = 900 },
			func(p Plan) float64 { return p.CoresInUse }, 30_000 / 524e3,
		},
		{
			"cores at each of four", func(l *Load) { l.Replicas = 5 },
			func(p Plan) float64 { return p.CoresInUse }, 2_500 / 524e3,
		},
		{
			"cores with a queue elsewhere", shared(func(*Load) {}),
			func(p Plan) float64 { return p.CoresInUse }, 10_000 * (1/524e3 + 0.18/1e6),
		},
		{"messages", shared(func(*Load) {}), func(p Plan) float64 { return p.Servers.Messages }, 20},
		{
			"messages for two outputs", shared(func(l *Load) { l.Outputs = []string{"s3", "loki"} }),
			func(p Plan) float64 { return p.Servers.Messages }, 40,
		},
		{
			"bytes of a message", shared(func(*Load) {}),
			func(p Plan) float64 { return float64(p.Servers.PerMessage) }, 37_500,
		},
		{
			"bytes of a small one", shared(func(l *Load) { l.EventsPerChunk, l.EventSize = 1, 3 }),
			func(p Plan) float64 { return float64(p.Servers.PerMessage) }, 0,
		},
		{
			"the leader's network", shared(func(*Load) {}),
			func(p Plan) float64 { return p.Servers.Network }, 3e6,
		},
		{
			"the servers' cores", shared(func(*Load) {}), func(p Plan) float64 { return p.Servers.Cores },
			20 * (22 + 8.4*37_500/1024) * 2 / 1e6 / 2,
		},
		{
			"the servers' memory", shared(func(*Load) {}),
			func(p Plan) float64 { return float64(p.Servers.Memory) }, 768 << 20,
		},
	} {
		if got := tc.got(plan(t, tc.change)); math.Abs(got-tc.want) > 1e-9*max(1, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestGiven holds that a plan repeats what it was asked for.
func TestGiven(t *testing.T) {
	p := plan(t, func(l *Load) {
		l.Outputs, l.Clusters, l.Outage = []string{"s3", "file", "s3"}, 7, 36*time.Hour+30*time.Minute
	})
	if p.EventsPerSecond != 10_000 || p.EventSize != 300 || p.Outage != "36h30m" || p.Clusters != 7 ||
		!slices.Equal(p.Outputs, []string{"s3", "file", "s3"}) || p.Cores != 2 {
		t.Errorf("got %+v", p.Given)
	}
}

// TestMemory holds what a container needs: the program, its connections with one replica lost, and a tenth.
func TestMemory(t *testing.T) {
	const mib = 1 << 20
	for _, tc := range []struct {
		name                  string
		program               int64
		connections, replicas int
		want                  int64
	}{
		{"nothing", 0, 0, 2, 0},
		{"a byte", 1, 0, 2, 64 * mib},
		{"just within", 57 * mib, 0, 2, 64 * mib},
		{"just beyond", 58 * mib, 0, 2, 128 * mib},
		{"connections", 0, 10_000, 2, 320 * mib},
		{"connections of two", 0, 10_000, 3, 192 * mib},
		{"connections of one alone", 0, 10_000, 1, 320 * mib},
		{"both", 160 * mib, 10_000, 3, 384 * mib},
	} {
		got := plan(t, func(l *Load) {
			l.ProgramMemory, l.Connections, l.Replicas = tc.program, tc.connections, tc.replicas
		}).Memory
		if got != tc.want {
			t.Errorf("%s: got %d MiB, want %d", tc.name, got/mib, tc.want/mib)
		}
	}
}

// TestClusterShares holds that a cluster may have twice its share waiting, and never more than there is.
func TestClusterShares(t *testing.T) {
	const gib = 1 << 30
	for _, tc := range []struct {
		clusters     int
		disk, shared int64
	}{
		{1, 38 * gib, 31 * gib},
		{2, 38 * gib, 31 * gib},
		{3, 26 * gib, 21 * gib},
		{4, 19 * gib, 16 * gib},
		{76, gib, gib},
		{1000, gib, gib},
	} {
		for queue, want := range map[string]int64{QueueDisk: tc.disk, "": tc.disk, QueueJetStream: tc.shared} {
			p := plan(t, func(l *Load) { l.Clusters, l.Queue = tc.clusters, queue })
			if p.ClusterSize != want {
				t.Errorf("%d clusters, %q: got %d GiB, want %d", tc.clusters, queue, p.ClusterSize/gib, want/gib)
			}
		}
	}
}

// TestVolume holds that what is asked to stay free and what dead letters may take is room of its own.
func TestVolume(t *testing.T) {
	const gib = 1 << 30
	for _, tc := range []struct {
		name       string
		dead, free int64
		want       int64
	}{
		{"the queue and its segments", 0, 0, 41 * gib},
		{"dead letters", 10 * gib, 0, 51 * gib},
		{"room that stays free", 0, 10 * gib, 51 * gib},
		{"both", 10 * gib, 10 * gib, 62 * gib},
	} {
		p := plan(t, func(l *Load) { l.DeadLetters, l.MinFreeDisk = tc.dead, tc.free })
		if p.Volume != tc.want || p.Queue != 38*gib {
			t.Errorf("%s: got %d GiB for a queue of %d, want %d", tc.name, p.Volume/gib, p.Queue/gib, tc.want/gib)
		}
	}
}

// TestQueueLimit holds when a configured queue is too small: never at what the plan asks for.
func TestQueueLimit(t *testing.T) {
	const gib = 1 << 30
	for _, tc := range []struct {
		name, queue string
		limit       int64
		want        string
	}{
		{"none", QueueDisk, 0, ""},
		{"as much as needed", QueueDisk, 38 * gib, ""},
		{
			"a byte less", QueueDisk, 38*gib - 1,
			"The configuration's buffer.max_size is 38 GiB: agents would have to wait after 12h.",
		},
		{
			"a tenth", QueueDisk, 19 * gib / 5,
			"The configuration's buffer.max_size is 3.8 GiB: agents would have to wait after 1h12m.",
		},
		{
			"next to nothing", QueueDisk, 1,
			"The configuration's buffer.max_size is 1 B: agents would have to wait after 1s.",
		},
		{"a shared one, as much as needed", QueueJetStream, 31 * gib, ""},
		{
			"a shared one, a byte less", QueueJetStream, 31*gib - 1,
			"The configuration's buffer.jetstream.max_size is 31 GiB: agents would have to wait before the outage " +
				"is over.",
		},
	} {
		p := plan(t, func(l *Load) { l.Queue, l.QueueLimit = tc.queue, tc.limit })
		if got := strings.Join(p.Warnings, "\n"); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

// TestTooFewReplicas holds what is said of a load that the given replicas don't carry when one is lost.
func TestTooFewReplicas(t *testing.T) {
	const alone = "With one replica, agents keep their events while it restarts. Take two at least."
	for _, tc := range []struct {
		name     string
		events   float64
		replicas int
		want     []string
	}{
		{"as many as needed", 1e6, 5, nil},
		{"more than needed", 1e6, 9, nil},
		{"one too few", 1e6, 4, []string{"4 replicas can't carry the load when one is lost: it needs 5."}},
		{"half", 262_001, 2, []string{"2 replicas can't carry the load when one is lost: it needs 3."}},
		{"just two", 261_999, 2, nil},
		{"alone, and enough but for losses", 10_000, 1, []string{alone}},
		{
			"alone", 262_001, 1,
			[]string{alone, "1 replica can't carry the load: it needs 3, one of which may be lost."},
		},
	} {
		p := plan(t, func(l *Load) { l.EventsPerSecond, l.Replicas = tc.events, tc.replicas })
		if !slices.Equal(p.Warnings, tc.want) {
			t.Errorf("%s: got %q, want %q", tc.name, p.Warnings, tc.want)
		}
		if p.Replicas != tc.replicas {
			t.Errorf("%s: %d replicas of %d", tc.name, p.Replicas, tc.replicas)
		}
	}
}

// TestNotesOfKinds holds that each kind of output says what it needs once, in the order of their names, between what is
// said of replicas and what is said of agents.
func TestNotesOfKinds(t *testing.T) {
	kinds := all.Kinds(nil)
	p := plan(t, func(l *Load) {
		l.Outputs = slices.Concat(OutputTypes(), OutputTypes())
		slices.Reverse(l.Outputs)
	})
	want := []string{
		"What a lost replica had acknowledged is on its volume, and is delivered when that is attached again. " +
			"The others take its agents.",
	}
	for _, name := range OutputTypes() {
		if kind, _ := outputs.Find(kinds, name); kind.Needs != nil {
			want = append(want, kind.Needs(outputs.Load{
				EventsPerSecond: 10_000, BytesPerSecond: 4.5e6, Clusters: 1, Outage: 12 * time.Hour,
			})...)
		}
	}
	want = append(want,
		"Agents need to bridge only the time that no replica answers, minutes, and not the outage of a destination.")
	if !slices.Equal(p.Notes, want) {
		t.Errorf("got %q\nwant %q", p.Notes, want)
	}
}
