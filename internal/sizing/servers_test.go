package sizing

import (
	"bytes"
	"strings"
	"testing"
)

func TestJetStream(t *testing.T) {
	shared := func(change func(*Load)) func(*Load) {
		return func(l *Load) {
			l.Queue = QueueJetStream
			change(l)
		}
	}
	const gib = 1 << 30
	for _, tc := range []struct {
		name   string
		change func(*Load)
		got    func(Plan) any
		want   any
	}{
		// 10,000 × 300 B × 43,200 s ÷ 4 = 30.2 GiB.
		{"the outage", func(*Load) {}, func(p Plan) any { return p.Servers.MaxSize }, int64(31 * gib)},
		{
			"a copy for each output", func(l *Load) { l.Outputs = []string{"elasticsearch", "firehose"} },
			func(p Plan) any { return p.Servers.MaxSize }, int64(61 * gib),
		},
		{
			"an eighth more, dead letters, a file system", func(*Load) {}, func(p Plan) any { return p.Servers.Disk },
			int64(38 * gib),
		},
		{"no volume", func(*Load) {}, func(p Plan) any { return p.Volume + p.Queue }, int64(0)},
		{"20 chunks/s", func(*Load) {}, func(p Plan) any { return p.Servers.Messages }, 20.0},
		{
			"a fleet's chunks", func(l *Load) { l.EventsPerChunk = 10 }, func(p Plan) any { return p.Servers.Messages },
			1000.0,
		},
		{
			"each cluster twice its share", func(l *Load) { l.Clusters = 4 },
			func(p Plan) any { return p.ClusterSize }, int64(16 * gib),
		},
		{
			"disk is the servers' matter", func(l *Load) { l.EventsPerSecond, l.Cores, l.Compression = 1e6, 64, 1 },
			func(p Plan) any { return p.Needed }, 2,
		},
	} {
		p, err := For(usual(shared(tc.change)))
		if err != nil {
			t.Fatal(err)
		}
		if got := tc.got(p); got != tc.want {
			t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
		}
		var text bytes.Buffer
		if err := p.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		if s := text.String(); !strings.Contains(s, "NATS servers") || strings.Contains(s, "\nvolume") ||
			!strings.Contains(s, "buffer: {jetstream: {replicas: 3, max_size: ") {
			t.Errorf("%s:\n%s", tc.name, s)
		}
	}
	for name, tc := range map[string]struct {
		change func(*Load)
		want   string
	}{
		"busy servers":  {func(l *Load) { l.EventsPerSecond, l.EventsPerChunk = 1e6, 10 }, "cores busy each"},
		"a slow disk":   {func(l *Load) { l.EventsPerSecond = 1e6 }, "Each server writes 71.5 MiB/s"},
		"a small queue": {func(l *Load) { l.QueueLimit = gib }, "buffer.jetstream.max_size is 1 GiB"},
	} {
		p, err := For(usual(shared(tc.change)))
		if err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(p.Warnings, "\n"); !strings.Contains(text, tc.want) {
			t.Errorf("%s: %q", name, text)
		}
	}
	if _, err := For(usual(func(l *Load) { l.Queue, l.EventsPerChunk = "raft", -1 })); err == nil ||
		!strings.Contains(err.Error(), "--queue") || !strings.Contains(err.Error(), "--events-per-chunk") {
		t.Errorf("got %v", err)
	}
}
