package sizing

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// Everything that is wrong is named at once, by its flag.
func TestFor_Failure(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Load)
		want   []string
	}{
		{"no events", func(l *Load) { l.EventsPerSecond = 0 }, []string{"--events-per-second 0"}},
		{"less than none", func(l *Load) { l.EventsPerSecond = -1 }, []string{"--events-per-second -1"}},
		{"no number", func(l *Load) { l.EventsPerSecond = math.NaN() }, []string{"--events-per-second NaN"}},
		{"without end", func(l *Load) { l.EventsPerSecond = math.Inf(1) }, []string{"--events-per-second +Inf"}},
		{"events of nothing", func(l *Load) { l.EventSize = 0 }, []string{"--event-size 0"}},
		{"events of more than a chunk", func(l *Load) { l.EventSize = 65 << 20 }, []string{"--event-size 68157440"}},
		{"no outage", func(l *Load) { l.Outage = 0 }, []string{"--outage 0s"}},
		{"an outage of a year", func(l *Load) { l.Outage = 365 * 24 * time.Hour }, []string{"--outage 8760h0m0s"}},
		{"no cluster", func(l *Load) { l.Clusters = 0 }, []string{"--clusters 0"}},
		{"fewer connections than none", func(l *Load) { l.Connections = -1 }, []string{"--connections -1"}},
		{"fewer replicas than none", func(l *Load) { l.Replicas = -1 }, []string{"--replicas -1"}},
		{"no cores", func(l *Load) { l.Cores = 0 }, []string{"--cores 0"}},
		{"no number of cores", func(l *Load) { l.Cores = math.NaN() }, []string{"--cores NaN"}},
		{"events that grow", func(l *Load) { l.Compression = 0.5 }, []string{"--compression 0.5"}},
		{
			"a queue that there is not", func(l *Load) { l.Queue = "raft" },
			[]string{`--queue "raft": must be bbolt or jetstream`},
		},
		{"chunks of less than nothing", func(l *Load) { l.EventsPerChunk = -1 }, []string{"--events-per-chunk -1"}},
		{"no output", func(l *Load) { l.Outputs = nil }, []string{"--outputs: must be at least one of"}},
		{
			"an output that there is not", func(l *Load) { l.Outputs = []string{"file", "tape"} },
			[]string{`--outputs "tape"`},
		},
		{
			"all of it", func(l *Load) { *l = Load{Clusters: -1, Outputs: []string{"x", "y"}} },
			[]string{
				"--events-per-second", "--event-size", "--outage", "--clusters", "--cores", "--compression", `"x"`,
				`"y"`,
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := For(usual(tc.change))
			if err == nil {
				t.Fatal("it was accepted")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v does not say %s", err, want)
				}
			}
			if n := len(strings.Split(err.Error(), "\n")); n != len(tc.want) {
				t.Errorf("%d mistakes are told of %d:\n%v", n, len(tc.want), err)
			}
		})
	}
}

// load is one by chance.
func load(r *rand.Rand) Load {
	l := usual()
	l.EventsPerSecond = math.Pow(10, r.Float64()*7-1)
	l.EventSize = int64(math.Pow(10, r.Float64()*5))
	l.Outage = time.Duration(1+r.IntN(72)) * time.Hour
	l.Clusters, l.Connections = 1+r.IntN(50), r.IntN(50_000)
	l.Cores, l.Compression = 0.5+8*r.Float64(), 1+7*r.Float64()
	types := OutputTypes()
	for range r.IntN(3) {
		l.Outputs = append(l.Outputs, types[r.IntN(len(types))])
	}
	if r.IntN(2) == 0 {
		l.Queue = QueueJetStream
	}
	return l
}

// More to carry never needs less, and what a plan says of itself agrees: with as many replicas as it needs it warns of
// none, and holds the outage, one replica lost.
func TestFor_Model(t *testing.T) {
	for i := range uint64(400) {
		l := load(rand.New(rand.NewPCG(9, i)))
		p, err := For(l)
		if err != nil {
			t.Fatal(err)
		}
		say := func(what string, args ...any) { t.Errorf("load %d, %+v: %s", i, l, fmt.Sprintf(what, args...)) }
		if p.Replicas != p.Needed || p.Replicas < 2 {
			say("%d replicas, %d needed", p.Replicas, p.Needed)
		}
		for _, w := range p.Warnings {
			if strings.Contains(w, "can't carry") || strings.Contains(w, "catch up") {
				say("and yet: %s", w)
			}
		}
		if p.CoresInUse > l.Cores*usable*1.0001 || p.CatchUp == "" {
			say("%.3f of %.3f cores are busy, caught up in %q", p.CoresInUse, l.Cores, p.CatchUp)
		}
		held := float64(p.Queue) * float64(p.Replicas-1)
		if p.Servers != nil {
			held = float64(p.Servers.MaxSize) / float64(len(l.Outputs))
			if p.Queue != 0 || p.Volume != 0 || p.Servers.Disk < p.Servers.MaxSize {
				say("a volume of %d, servers with %d for %d", p.Volume, p.Servers.Disk, p.Servers.MaxSize)
			}
		} else if p.Volume < p.Queue+l.DeadLetters+l.MinFreeDisk {
			say("a volume of %d for a queue of %d", p.Volume, p.Queue)
		}
		if stored := p.Stored * l.Outage.Seconds(); held < stored*0.999 {
			say("%.0f bytes are held of %.0f", held, stored)
		}
		if p.ClusterSize*int64(l.Clusters) < min(p.Queue, p.ClusterSize) || p.Memory < l.ProgramMemory {
			say("%d for each cluster, %d of memory", p.ClusterSize, p.Memory)
		}
		for name, more := range map[string]func(*Load){
			"events":  func(l *Load) { l.EventsPerSecond *= 2 },
			"size":    func(l *Load) { l.EventSize *= 2 },
			"outputs": func(l *Load) { l.Outputs = append([]string{"elasticsearch"}, l.Outputs...) },
		} {
			larger := l
			more(&larger)
			q, err := For(larger)
			if err != nil {
				continue
			}
			if q.Needed < p.Needed || q.Servers == nil && q.Queue*int64(q.Replicas-1) < p.Queue*int64(p.Replicas-1)/2 {
				say(
					"with more %s %d replicas instead of %d, with %d instead of %d", name, q.Needed, p.Needed, q.Queue,
					p.Queue,
				)
			}
		}
		var text bytes.Buffer
		if err := p.WriteText(&text); err != nil || strings.Contains(text.String(), "NaN") ||
			strings.Contains(text.String(), " \n") || strings.Contains(text.String(), "%!") {
			say("%v:\n%s", err, text.String())
		}
	}
}
