package cloudwatch

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient/awstest"
)

const (
	setRetention = "Logs_20140328.PutRetentionPolicy"
	look         = "Logs_20140328.DescribeLogGroups"
)

// A group without retention gets it from whoever finds it, and no stream before.
func TestRetentionOfHalfMadeGroups(t *testing.T) {
	for _, tc := range []struct {
		name      string
		before    func(r *rig)
		retention int // afterwards
		delivered bool
		notices   int
	}{
		{"no group", func(*rig) {}, 7, true, 0},
		{"a group that another run has made", func(r *rig) { r.cw.Add("/k8s/a") }, 7, true, 0},
		{
			"the same, and setting it is denied", func(r *rig) { r.cw.Add("/k8s/a"); r.aws.Deny(setRetention, true) },
			0, false, 0,
		},
		{
			"the same, and it can't be looked at", func(r *rig) { r.cw.Add("/k8s/a"); r.aws.Deny(look, true) }, 0, true,
			1,
		},
		{"no group, and none can be looked at", func(r *rig) { r.aws.Deny(look, true) }, 7, true, 1},
		{"a group that events go to", func(r *rig) { r.cw.Add("/k8s/a", "web") }, 7, true, 0},
		{
			"the same, and setting it is denied: nothing is held up",
			func(r *rig) { r.cw.Add("/k8s/a", "web"); r.aws.Deny(setRetention, true) }, 0, true, 0,
		},
		{"others whose names begin alike", func(r *rig) { r.cw.Add("/k8s/a-more"); r.cw.Add("/k8s/a") }, 7, true, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := basic()
			cfg.RetentionDays = 7
			r := newRig(t, cfg)
			tc.before(r)
			failed := r.failures(t, batch(at("web", now(), "a")))
			if (len(failed) == 0) != tc.delivered {
				t.Errorf("failed: %+v", failed)
			}
			if f, ok := failed[0]; ok && f.Reason != outputs.ReasonTarget {
				t.Errorf("it waits for %s", f.Reason)
			}
			g := r.cw.Groups()["/k8s/a"]
			if g.RetentionDays != tc.retention {
				t.Errorf("a retention of %d days, want %d", g.RetentionDays, tc.retention)
			}
			if _, made := g.Streams["web"]; made != tc.delivered {
				t.Errorf("the stream is there: %t", made)
			}
			if n := len(r.out.Report().Notices); n != tc.notices {
				t.Errorf("notices %q", r.out.Report().Notices)
			}
			if g, ok := r.cw.Groups()["/k8s/a-more"]; ok && g.RetentionDays != 0 {
				t.Error("another group got the retention")
			}
			r.aws.Deny(setRetention, false)
			if !tc.delivered {
				if failed := r.failures(t, batch(at("web", now(), "a"))); len(failed) > 0 ||
					r.cw.Groups()["/k8s/a"].RetentionDays != 7 {
					t.Errorf("once it is allowed: %+v, retention %d", failed, r.cw.Groups()["/k8s/a"].RetentionDays)
				}
			}
		})
	}
}

// A retention that somebody has set is left as it is, and a group is looked at once, not with every request.
func TestRetentionIsLookedAtOnce(t *testing.T) {
	cfg := basic()
	cfg.RetentionDays = 7
	r := newRig(t, cfg)
	looks := 0
	r.aws.SetFault(func(target string) awstest.Fault {
		if target == look {
			looks++
		}
		return awstest.Fault{}
	})
	r.cw.Add("/k8s/a", "web")
	for range 5 {
		if failed := r.failures(t, batch(at("web", now(), "a"))); len(failed) > 0 {
			t.Fatal(failed)
		}
	}
	if looks != 1 {
		t.Errorf("looked %d times", looks)
	}
	other := basic()
	other.RetentionDays, other.LogGroup = 30, "/k8s/a"
	o, err := New(withEndpoint(other, r), Options{Name: "cw", Now: now})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if err := o.Send(t.Context(), batch(at("web", now(), "a"))); err != nil {
		t.Fatal(err)
	}
	if days := r.cw.Groups()["/k8s/a"].RetentionDays; days != 7 {
		t.Errorf("a retention of 7 days became %d", days)
	}
}

func withEndpoint(cfg Config, r *rig) Config {
	cfg.Config = r.out.cfg.Config
	return cfg
}
