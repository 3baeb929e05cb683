package app

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

// Acks that stop and go on have a line each: of everything, of a cluster, and none for what waits a moment.
func TestTheLogSaysThatAcksStop(t *testing.T) {
	const all, share = "the queue is full", "a limit is reached"
	full := buffer.Stats{
		Full:     "100 bytes are used, buffer.max_size is 100",
		Clusters: []buffer.ClusterUse{{Cluster: "seoul", Why: "the same"}},
	}
	limit := buffer.Stats{Clusters: []buffer.ClusterUse{
		{Cluster: "osaka"}, {Cluster: "seoul", Why: "9 bytes wait for or of output es, whose max_queue_size is 9"},
	}}
	room := buffer.Stats{}
	for _, tc := range []struct {
		name  string
		looks []buffer.Stats
		want  []string
	}{
		{"room", []buffer.Stats{room, room}, nil},
		{"for a moment", []buffer.Stats{full, room, full, room, limit, room}, nil},
		{"everything", []buffer.Stats{full, full, full, full}, []string{all}},
		{
			"and on",
			[]buffer.Stats{full, full, full, room, room, room, room, room, room, room},
			[]string{all, "acks go on"},
		},
		{
			"at the limit, now and then",
			[]buffer.Stats{full, full, room, full, room, room, full, room, full},
			[]string{all},
		},
		{"a share", []buffer.Stats{limit, limit, limit}, []string{share}},
		{
			"a share, and on",
			[]buffer.Stats{limit, limit, limit, room, room, room, room, room, room},
			[]string{share, "acks go on"},
		},
		{"a share, then everything", []buffer.Stats{limit, limit, full, full}, []string{share, all}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var log bytes.Buffer
			r := roomLog{log: zerolog.New(&log), stopped: map[string]*stopped{}}
			now := time.Unix(1_700_000_000, 0)
			for _, st := range tc.looks {
				r.look(st, now)
				now = now.Add(lookForRoom)
			}
			lines := strings.Split(strings.TrimSpace(log.String()), "\n")
			if log.Len() == 0 {
				lines = nil
			}
			if len(lines) != len(tc.want) {
				t.Fatalf("logged\n%s\nwant %q", log.String(), tc.want)
			}
			for i, words := range tc.want {
				if !strings.Contains(lines[i], words) ||
					words != "acks go on" &&
						(!strings.Contains(lines[i], "max_queue_size is 9") && words == share ||
							!strings.Contains(lines[i], `"remedy"`)) {
					t.Errorf("line %d: %s", i, lines[i])
				}
			}
		})
	}
}
