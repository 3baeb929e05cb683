package sizing

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// tableOf returns the lines of a plan's tables, without what is listed below them.
func tableOf(t *testing.T, change func(*Load)) string {
	t.Helper()
	p, err := For(usual(change))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := p.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	table, _, _ := strings.Cut(b.String(), "\nAfterwards")
	return table
}

// TestTables holds the tables for people, byte for byte.
func TestTables(t *testing.T) {
	const head = "10,000 events/s of 300 B, destinations away for 12h: 2.9 MiB/s received, 732.4 KiB/s stored, to "
	for _, tc := range []struct {
		name   string
		change func(*Load)
		want   string
	}{
		{
			"two replicas", func(*Load) {}, head + `elasticsearch

               each replica   all 2
cores          2              4         0.02 of them busy when one replica is lost
memory limit   256 MiB        512 MiB
volume         43 GiB         86 GiB    1.4 MiB/s written and read
queue          38 GiB         76 GiB    buffer: {max_size: 38GiB}
`,
		},
		{
			"one replica of several clusters", func(l *Load) { l.Replicas, l.Clusters = 1, 3 }, head + `elasticsearch

                 each replica   all 1
cores            2              2         0.02 of them busy
memory limit     256 MiB        256 MiB
volume           43 GiB         43 GiB    1.4 MiB/s written and read
queue            38 GiB         38 GiB    buffer: {max_size: 38GiB}
each cluster's   26 GiB         26 GiB    max_queue_size: 26GiB, twice its share
`,
		},
		{
			"parts of cores, and files", func(l *Load) {
				l.Replicas, l.Cores, l.Outputs = 3, 0.25, []string{"s3", "file"}
			}, head + `s3 and file

               each replica   all 3
cores          0.25           0.75      0.02 of them busy when one replica is lost
memory limit   256 MiB        768 MiB
volume         23 GiB         69 GiB    2.9 MiB/s written and read
queue          19 GiB         57 GiB    buffer: {max_size: 19GiB}
`,
		},
		{
			"servers", func(l *Load) { l.Queue, l.Clusters = QueueJetStream, 4 }, head + `elasticsearch

               each replica   all 2
cores          2              4         0.02 of them busy when one replica is lost
memory limit   256 MiB        512 MiB

NATS servers     each of 3   all
cores            0.01        0.02       busy, for 20 messages/s of 36.6 KiB
memory           768 MiB     2.2 GiB
disk             38 GiB      114 GiB    732.4 KiB/s written, 2.9 MiB/s through the network of the leader
queue            31 GiB      the same   buffer: {jetstream: {replicas: 3, max_size: 31GiB}}
each cluster's   16 GiB      16 GiB     max_queue_size: 16GiB, twice its share
`,
		},
		{
			"little", func(l *Load) {
				l.EventsPerSecond, l.EventSize, l.Outage, l.Connections, l.ProgramMemory = 0.5, 1, time.Second, 0, 0
			}, `0.5 events/s of 1 B, destinations away for 1s: 0.5 B/s received, 0.1 B/s stored, to elasticsearch

               each replica   all 2
cores          2              4       0.00 of them busy when one replica is lost
memory limit   0 B            0 B
volume         4 GiB          8 GiB   0.2 B/s written and read
queue          1 GiB          2 GiB   buffer: {max_size: 1GiB}
`,
		},
	} {
		if got := tableOf(t, tc.change); got != tc.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tc.name, got, tc.want)
		}
	}
}

// TestLists holds that each list has its title, and none without a line.
func TestLists(t *testing.T) {
	for _, tc := range []struct {
		name string
		plan Plan
		want string
	}{
		{"nothing", Plan{}, ""},
		{
			"a time to drain",
			Plan{CatchUp: "7m"},
			"\nAfterwards the backlog drains within 7m, if the destinations take it that fast.\n",
		},
		{
			"all lists in their order",
			Plan{Assumed: []string{"a1"}, Notes: []string{"n1"}, Warnings: []string{"w1", "w2"}},
			"\nTake care\n- w1\n- w2\n\nTo know\n- n1\n\nAssumed\n- a1\n",
		},
		{"only what is assumed", Plan{Assumed: []string{"a"}, Notes: []string{}}, "\nAssumed\n- a\n"},
	} {
		var b strings.Builder
		if tc.plan.writeLists(&b); b.String() != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, &b, tc.want)
		}
	}
}

// refusing is a writer that can't.
type refusing struct{}

func (refusing) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// TestWriteText_Failure holds that what the writer says is told.
func TestWriteText_Failure(t *testing.T) {
	for _, queue := range []string{QueueDisk, QueueJetStream} {
		p, err := For(usual(func(l *Load) { l.Queue = queue }))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.WriteText(refusing{}); err == nil || err.Error() != "no space left" {
			t.Errorf("%s: got %v", queue, err)
		}
	}
}

// TestNumbers holds how numbers are written in tables.
func TestNumbers(t *testing.T) {
	for _, tc := range []struct {
		n               float64
		number, grouped string
	}{
		{0, "0", "0"},
		{0.001, "0", "0"},
		{0.005, "0.01", "0.01"},
		{0.5, "0.5", "0.5"},
		{1, "1", "1"},
		{10, "10", "10"},
		{2.25, "2.25", "2.25"},
		{99.99, "99.99", "99.99"},
		{100, "100", "100"},
		{100.4, "100.4", "100"},
		{999, "999", "999"},
		{999.6, "999.6", "1,000"},
		{1000, "1000", "1,000"},
		{12345.5, "12345.5", "12,346"},
		{999_999, "999999", "999,999"},
		{1e6, "1000000", "1,000,000"},
		{1234567890, "1234567890", "1,234,567,890"},
	} {
		if got := number(tc.n); got != tc.number {
			t.Errorf("number(%v) = %q, want %q", tc.n, got, tc.number)
		}
		if got := grouped(tc.n); got != tc.grouped {
			t.Errorf("grouped(%v) = %q, want %q", tc.n, got, tc.grouped)
		}
	}
}

// TestRounding holds that sizes are rounded up to whole units, and have an end.
func TestRounding(t *testing.T) {
	const mib, gib = 1 << 20, 1 << 30
	for _, tc := range []struct {
		name string
		got  int64
		want int64
	}{
		{"nothing", roundUp(0, 64*mib), 0},
		{"a byte", roundUp(1, 64*mib), 64 * mib},
		{"a unit", roundUp(64*mib, 64*mib), 64 * mib},
		{"a byte more", roundUp(64*mib+1, 64*mib), 128 * mib},
		{"part of a byte more", roundUp(64*mib+0.5, 64*mib), 128 * mib},
		{"more than there is", roundUp(1e30, 64*mib), 1 << 62},
		{"without end", roundUp(math.Inf(1), gib), 1 << 62},
		{"at least a GiB", gibibytes(0), gib},
		{"a GiB for a byte", gibibytes(1), gib},
		{"a GiB", gibibytes(gib), gib},
		{"more than a GiB", gibibytes(gib + 1), 2 * gib},
		{"as much as there is", gibibytes(1e25), 1 << 62},
		{"no replica", int64(ceil(0)), 0},
		{"a bit of a replica", int64(ceil(0.0001)), 1},
		{"a replica", int64(ceil(1)), 1},
		{"a bit more", int64(ceil(1.0001)), 2},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: got %d, want %d", tc.name, tc.got, tc.want)
		}
	}
}

// TestJSON holds the names of a plan as JSON: scripts read them.
func TestJSON(t *testing.T) {
	const common = "assumed catch_up clusters cores_in_use_per_replica cores_per_replica delivered_bytes_per_second " +
		"disk_bytes_per_second_per_replica event_size events_per_second memory_per_replica notes outage outputs " +
		"queue_per_cluster queue_per_replica received_bytes_per_second replicas replicas_needed "
	const rest = "stored_bytes_per_second volume_per_replica warnings"
	for queue, want := range map[string]string{
		QueueDisk: common + rest, QueueJetStream: common + "servers " + rest,
	} {
		p, err := For(usual(func(l *Load) { l.Queue = queue }))
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if names := strings.Join(slices.Sorted(maps.Keys(got)), " "); names != want {
			t.Errorf("%s: got %s\nwant %s", queue, names, want)
		}
		// A list without a line is a list all the same.
		if warnings, ok := got["warnings"].([]any); !ok || len(warnings) > 0 {
			t.Errorf("%s: warnings are %v", queue, got["warnings"])
		}
		if servers, ok := got["servers"].(map[string]any); ok {
			const of = "cores_in_use count disk_each max_size memory_each message_size messages_second network_each " +
				"replicas written_each"
			if names := strings.Join(slices.Sorted(maps.Keys(servers)), " "); names != of {
				t.Errorf("got %s\nwant %s", names, of)
			}
		}
	}
}

// TestNoSuchLine holds that a plan's lines are filled in: no verb without its value, and each a sentence.
func TestNoSuchLine(t *testing.T) {
	for _, queue := range []string{QueueDisk, QueueJetStream} {
		for _, output := range OutputTypes() {
			p, err := For(usual(func(l *Load) {
				l.Queue, l.Outputs, l.Replicas, l.QueueLimit = queue, []string{output}, 1, 1
			}))
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range slices.Concat(p.Warnings, p.Notes, p.Assumed) {
				if strings.Contains(line, "%!") || !strings.HasSuffix(line, ".") ||
					strings.Contains(line, "  ") || strings.TrimSpace(line) != line {
					t.Errorf("%s, %s: %q", queue, output, line)
				}
			}
			if cost := fmt.Sprintf("µs to %s (docs/performance.md)", output); !strings.Contains(p.Assumed[0], cost) {
				t.Errorf("%s: %q does not tell its cost", output, p.Assumed[0])
			}
		}
	}
}
