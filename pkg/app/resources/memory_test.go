package resources

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/cgroup"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/status"
)

func TestPlanMemory(t *testing.T) {
	const MiB = 1 << 20
	for _, tc := range []struct {
		name        string
		need, group int64
		fixed       bool
		inForce     int64
		want        status.Memory
		scarce      bool
	}{
		{
			"no group", 200 * MiB, cgroup.Unlimited, false, 0,
			status.Memory{LimitBytes: 200 * MiB, Source: "configuration", NeedBytes: 200 * MiB},
			false,
		},
		{
			"a group with room", 200 * MiB, 1000 * MiB, false, 0, status.Memory{
				LimitBytes: 200 * MiB, Source: "configuration", NeedBytes: 200 * MiB, GroupBytes: 1000 * MiB,
			}, false,
		},
		{
			"a group that is just large enough", 180 * MiB, 200 * MiB, false, 0, status.Memory{
				LimitBytes: 180 * MiB, Source: "configuration", NeedBytes: 180 * MiB, GroupBytes: 200 * MiB,
			}, false,
		},
		{
			"a small group", 200 * MiB, 200 * MiB, false, 0, status.Memory{
				LimitBytes: 180 * MiB, Source: "control group", NeedBytes: 200 * MiB, GroupBytes: 200 * MiB,
			}, true,
		},
		{
			"the environment has the last word", 200 * MiB, 100 * MiB, true, 150 * MiB, status.Memory{
				LimitBytes: 150 * MiB, Source: "GOMEMLIMIT", NeedBytes: 200 * MiB, GroupBytes: 100 * MiB,
			}, true,
		},
		{
			"also when it turns the limit off", 200 * MiB, 100 * MiB, true, 1<<63 - 1, status.Memory{
				LimitBytes: 1<<63 - 1, Source: "GOMEMLIMIT", NeedBytes: 200 * MiB, GroupBytes: 100 * MiB,
			}, false,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := planMemory(tc.need, tc.group, tc.fixed, tc.inForce)
			if got != tc.want || (got.LimitBytes < got.NeedBytes) != tc.scarce {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

// What a configuration has use for follows what it allows.
func TestNeededMemory(t *testing.T) {
	need := func(more string) int64 {
		text := `
listeners: [{address: "127.0.0.1:0"` + more + `}]
routes: [{match: "**", outputs: [pods, all]}]
outputs: {pods: {type: file, path: /d/pods}, all: {type: file, path: /d/all}}
`
		cfg, err := config.Parse("test.yaml", []byte(text), config.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return MemoryNeed(cfg)
	}
	small, large := need(", max_message_size: 1MiB"), need(", max_message_size: 256MiB")
	if small < 100<<20 || large < small+400<<20 {
		t.Errorf("%d bytes for messages of 1 MiB, %d for those of 256 MiB", small, large)
	}
}
