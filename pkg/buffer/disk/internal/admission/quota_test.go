package admission

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

// quota returns one that has used so many bytes, and is called a name.
func quota(what string, tenant bool, limit, used int64) *Quota {
	return &Quota{What: what, Tenant: tenant, Limit: limit, Used: &used, Drop: func() bool { return false }}
}

// Claims of the same quota are one, and end with the batch.
func TestClaim(t *testing.T) {
	r := newRoom(t, buffer.Limits{})
	b := r.batch("a", kib)
	first, second := quota("a", true, 1, 0), quota("o", false, 1, 0)
	for range 3 {
		b.Claim(first, 10)
		b.Claim(second, 1)
	}
	if len(b.claims) != 2 || b.claims[0].bytes != 30 || b.claims[1].bytes != 3 {
		t.Errorf("claims %+v", b.claims)
	}
	b.Reset()
	if len(b.claims) != 0 || b.Len() != 0 {
		t.Errorf("after a reset: %d claims, %d messages", len(b.claims), b.Len())
	}
}

// A quota at its last byte and past it; what is larger by itself passes once nothing else is there.
func TestQuota(t *testing.T) {
	for _, tc := range []struct {
		name        string
		limit, used int64
		claims      []int64 // a batch each
		stored      int
	}{
		{"no limit", 0, 1 << 40, []int64{1, 1}, 2},
		{"up to it", 100, 50, []int64{50}, 1},
		{"past it", 100, 50, []int64{51}, 0},
		{"together up to it", 100, 0, []int64{50, 50}, 2},
		{"together past it", 100, 0, []int64{50, 51}, 1},
		{"larger by itself", 100, 0, []int64{1000}, 1},
		{"larger, where one byte is there", 100, 1, []int64{1000}, 0},
		{"larger, behind another of the group", 100, 0, []int64{1, 1000}, 1},
		{"no small one passes a large one", 100, 50, []int64{60, 1, 1}, 0},
		{"nothing is claimed", 100, 100, []int64{0}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, tenant := range []bool{false, true} {
				r := newRoom(t, buffer.Limits{WhenFull: "block"})
				q := quota("a", tenant, tc.limit, tc.used)
				for _, bytes := range tc.claims {
					b := r.batch("a", kib)
					b.Claim(q, bytes)
					r.Enter(b)
				}
				group, _ := r.decide()
				if len(group) != tc.stored || r.Count != len(tc.claims)-tc.stored {
					t.Errorf("of a cluster: %v: %d are stored, %d wait", tenant, len(group), r.Count)
				}
				if q.planned != 0 || q.full {
					t.Errorf("of a cluster: %v: the quota is left with %d, full %v", tenant, q.planned, q.full)
				}
			}
		})
	}
}

// Whose when_full decides at a quota, and what it says.
func TestQuotaPolicy(t *testing.T) {
	const why = "90 bytes wait for or of %s, whose max_queue_size is 100"
	for _, tc := range []struct {
		name        string
		tenant      bool
		policy, own string
		drops       bool // whether there is something to drop
		answered    bool
		dropped     int
		stored      bool
	}{
		{name: "an output's waits", policy: "block"},
		{name: "an output's is refused", policy: "reject", answered: true},
		{name: "an output's makes room", policy: "drop_oldest", drops: true, dropped: 1, stored: true},
		{name: "an output's has nothing to drop", policy: "drop_oldest", dropped: 1},
		{name: "an output's, of a cluster that drops", policy: "block", own: "drop_oldest", drops: true},
		{name: "an output's, of one that rejects", policy: "block", own: "reject", answered: true},
		{
			name: "an output's, of one that blocks", policy: "drop_oldest", own: "block", drops: true,
			dropped: 1, stored: true,
		},
		{name: "a cluster's waits", tenant: true, policy: "block"},
		{name: "a cluster's own is refused", tenant: true, policy: "block", own: "reject", answered: true},
		{name: "a cluster's own waits", tenant: true, policy: "drop_oldest", own: "block", drops: true},
		{
			name: "a cluster's own makes room", tenant: true, policy: "reject", own: "drop_oldest", drops: true,
			dropped: 1, stored: true,
		},
		{name: "a cluster's has nothing to drop", tenant: true, policy: "drop_oldest", dropped: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			to := buffer.Limits{WhenFull: tc.policy, ClusterWhenFull: map[string]string{"a": tc.own}}
			r := newRoom(t, to)
			q := quota("output es", tc.tenant, 100, 90)
			dropped := 0
			q.Drop = func() bool {
				dropped++
				if tc.drops {
					*q.Used = 0
				}
				return tc.drops
			}
			b := r.enter(r.batch("a", kib))[0]
			b.Claim(q, 11)
			group, _ := r.decide()
			if (len(group) == 1) != tc.stored || dropped != tc.dropped {
				t.Errorf("stored %d, dropped %d", len(group), dropped)
			}
			text := fmt.Sprintf(why, q.What)
			got := answer(b)
			if (got == "queue is full: "+text) != tc.answered || got != "" && !tc.answered {
				t.Errorf("its owner is told %q", got)
			}
			if w := r.Clusters[0].Why; w != "" == tc.stored || !tc.stored && w != text {
				t.Errorf("why: %q, want %q", w, text)
			}
		})
	}
}

// A cluster at its own limit waits alone; an output's limit stops only what is for it.
func TestQuotaOfOthers(t *testing.T) {
	for _, tc := range []struct {
		name   string
		tenant bool
		want   string
	}{
		{"a cluster's", true, "b"},
		{"an output's", false, "a b"},
	} {
		r := newRoom(t, buffer.Limits{WhenFull: "block"})
		full := quota("a", tc.tenant, 100, 100)
		first, second, other := r.batch("a", kib), r.batch("a", kib), r.batch("b", kib)
		first.Claim(full, 1)
		r.enter(first, second, other)
		group, _ := r.decide()
		of := map[*Batch]string{second: "a", other: "b"}
		got := names(group, of)
		if got == "b a" {
			got = "a b"
		}
		if got != tc.want || answer(first) != "" {
			t.Errorf("%s: stored %q, want %q", tc.name, got, tc.want)
		}
	}
}

// A batch that is stored in part has been let in: its quota lets the rest pass.
func TestQuotaOfBegun(t *testing.T) {
	r := newRoom(t, buffer.Limits{WhenFull: "reject"})
	b := r.batch("a", 20*kib, 20*kib)
	b.Claim(quota("a", true, 100, 100), 40*kib)
	b.Part(1)
	b.Advance()
	r.Enter(b)
	if group, _ := r.decide(); len(group) != 1 || answer(b) != "" {
		t.Errorf("%d are stored", len(group))
	}
}

// Where several limits hold, the first claim that is over its own is told.
func TestQuotaOfSeveral(t *testing.T) {
	r := newRoom(t, buffer.Limits{WhenFull: "reject"})
	b := r.enter(r.batch("a", kib))[0]
	b.Claim(quota("cluster a", true, 1000, 10), 10)
	b.Claim(quota("output es", false, 100, 95), 10)
	b.Claim(quota("output s3", false, 100, 99), 10)
	if group, _ := r.decide(); len(group) != 0 || !strings.Contains(answer(b), "95 bytes wait for or of output es, ") {
		t.Errorf("%d are stored", len(group))
	}
}
