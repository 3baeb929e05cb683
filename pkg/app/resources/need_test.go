package resources

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/cgroup"
	"github.com/seed-afc6a195/aggregator/pkg/config"
)

// parse returns the configuration of a text.
func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("test.yaml", []byte(text), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// Between sockets and queue there is room for twice the largest message of any listener, and never less than 64 MiB.
func TestIngestBudget(t *testing.T) {
	for _, tc := range []struct {
		sizes []string
		want  int64
	}{
		{nil, 64 << 20},
		{[]string{"1MiB"}, 64 << 20},
		{[]string{"32MiB"}, 64 << 20},
		{[]string{"33MiB"}, 128 << 20},
		{[]string{"64MiB"}, 128 << 20},
		{[]string{"1MiB", "256MiB", "2MiB"}, 512 << 20},
	} {
		var listeners []string
		for i, size := range tc.sizes {
			listeners = append(listeners,
				fmt.Sprintf("{name: l%d, address: '127.0.0.1:0', max_message_size: %s}", i, size))
		}
		cfg := parse(t, "listeners: ["+strings.Join(listeners, ", ")+"]")
		if len(tc.sizes) == 0 {
			cfg.Listeners = nil
		}
		if got := IngestBudget(cfg); got != tc.want {
			t.Errorf("%q: %d MiB, want %d", tc.sizes, got>>20, tc.want>>20)
		}
	}
}

// Each output needs its batches, and what each of its workers makes of one.
func TestMemoryNeedOfOutputs(t *testing.T) {
	const base = ingestMemory + SpareMemory + baseMemory
	for _, tc := range []struct {
		outputs string
		want    int64
	}{
		{"a: {type: file, path: a, workers: 1, batch: {max_bytes: 1MiB}}", base + 3<<20},
		{"a: {type: file, path: a, workers: 4, batch: {max_bytes: 1MiB}}", base + 9<<20},
		{"a: {type: file, path: a, workers: 4, batch: {max_bytes: 2MiB}}", base + 18<<20},
		{
			"a: {type: file, path: a, workers: 1, batch: {max_bytes: 1MiB}}, b: {type: file, path: b, workers: 2, " +
				"batch: {max_bytes: 4MiB}}", base + 23<<20,
		},
	} {
		cfg := parse(t, "outputs: {"+tc.outputs+"}\nroutes: [{match: '**', outputs: [a]}]\nunrouted: drop")
		cfg.Listeners = nil
		if got := MemoryNeed(cfg); got != tc.want {
			t.Errorf("%s: %d MiB, want %d", tc.outputs, got>>20, tc.want>>20)
		}
	}
}

// The limit is never above what is needed nor above the group's share, unless the environment says so.
func TestPlansKeepToTheirLimits(t *testing.T) {
	for _, need := range []int64{1, 96 << 20, 1 << 30, 1 << 40} {
		for _, group := range []int64{1, 64 << 20, 1 << 30, 1 << 50, cgroup.Unlimited} {
			m := planMemory(need, group, false, 7)
			if m.LimitBytes > need || m.NeedBytes != need ||
				group != cgroup.Unlimited && (m.LimitBytes > group || m.GroupBytes != group) ||
				group == cgroup.Unlimited && (m.LimitBytes != need || m.GroupBytes != 0) {
				t.Errorf("need %d, group %d: %+v", need, group, m)
			}
			if (m.Source == fromGroup) != (m.LimitBytes < need) || m.Source == fromEnvironment {
				t.Errorf("need %d, group %d: the limit is said to come from %s", need, group, m.Source)
			}
			if m := planMemory(need, group, true, 7); m.LimitBytes != 7 || m.Source != fromEnvironment {
				t.Errorf("need %d, group %d, and the environment says 7: %+v", need, group, m)
			}
		}
	}
}

func TestMebibytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 MiB", 1: "0 MiB", 1 << 19: "0 MiB", 1<<19 + 1: "1 MiB", 1 << 20: "1 MiB", 180 << 20: "180 MiB",
		3 << 40: "3145728 MiB",
	} {
		if got := mebibytes(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

// However many files there are, agents have half of them or more, and all shares together are not more than there are
// where the outputs leave enough.
func TestSharesOfAnyLimit(t *testing.T) {
	cfg := parse(t, "outputs: {a: {type: file, path: a, workers: 8}}\nroutes: [{match: '**', outputs: [a]}]")
	before := OpenFiles{}
	for limit := 1; limit <= 1<<20; limit = limit*3/2 + 1 {
		f := ShareFiles(limit, cfg)
		if f.Limit != limit || f.Status != limit/8 || f.Connections < limit/2 || f.Connections > limit {
			t.Errorf("of %d: %+v", limit, f)
		}
		if f.Connections < before.Connections || f.Status < before.Status {
			t.Errorf("of %d there are fewer than of %d: %+v, %+v", limit, before.Limit, f, before)
		}
		if f.Connections > limit/2 && f.Connections+f.Status+queueFiles > limit {
			t.Errorf("of %d more are shared out: %+v", limit, f)
		}
		before = f
	}
}

// What is missing is told with the limit that would do, of all listeners together.
func TestWarningOfOpenFiles(t *testing.T) {
	const text = "listeners: [{address: '127.0.0.1:0', max_connections: 600}, " +
		"{name: b, address: '127.0.0.1:0', max_connections: 500}]"
	cfg := parse(t, text)
	for _, tc := range []struct {
		f    OpenFiles
		want string // "": nothing
	}{
		{OpenFiles{}, ""},
		{OpenFiles{Limit: 2000, Connections: 1100}, ""},
		{
			OpenFiles{Limit: 2000, Connections: 1099},
			"the process may open 2000 files, which is room for 1099 connections beside its queue and outputs, not " +
				"for " +
				"max_connections: raise the limit to 2001 (LimitNOFILE= of the service, ulimit -n), or lower " +
				"max_connections",
		},
		{OpenFiles{Limit: 100, Connections: 50}, "raise the limit to 1150 (LimitNOFILE= of the service"},
	} {
		var log bytes.Buffer
		tc.f.Warn(cfg, zerolog.New(&log))
		if (tc.want == "") != (log.Len() == 0) || !strings.Contains(log.String(), tc.want) {
			t.Errorf("%+v: %s", tc.f, &log)
		}
	}
}
