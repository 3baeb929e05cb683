package cloudwatch

import "testing"

func TestConnect(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(c *Config)
		before func(r *rig)
		found  string
		fails  string
	}{
		{"there", nil, func(r *rig) { r.cw.Add("/k8s/a"); r.cw.Add("/k8s/b") }, "/k8s/a, /k8s/b exists", ""},
		{"to be made", nil, func(r *rig) { r.cw.Add("/k8s/ab") }, "/k8s/a, /k8s/b is made", ""},
		{
			"missing", func(c *Config) { c.AutoCreate = false }, func(r *rig) { r.cw.Add("/k8s/a") }, "",
			"/k8s/b is missing",
		},
		{"by tag", func(c *Config) { c.LogGroup = "{tag[0]}" }, nil, "depend on events", ""},
		{"by day", func(c *Config) { c.LogGroup = "%Y" }, nil, "depend on events", ""},
		{"denied", nil, func(r *rig) { r.aws.Deny("Logs_20140328.DescribeLogGroups", true) }, "not allowed", ""},
		{"expired", nil, func(r *rig) { r.aws.Expire("AKIDEXAMPLE", true) }, "", "ExpiredToken"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := basic()
			if tc.change != nil {
				tc.change(&cfg)
			}
			r := newRig(t, cfg)
			if tc.before != nil {
				tc.before(r)
			}
			found, err := r.out.Connect(t.Context(), []string{"a", "b"})
			if (err != nil) != (tc.fails != "") || !contains(found, tc.found) ||
				err != nil && !contains(err.Error(), tc.fails) {
				t.Errorf("found %q, %v", found, err)
			}
		})
	}
}
