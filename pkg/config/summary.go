package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Summary says in some lines what the configuration does. It contains no secrets, and what an
// interpolation brought in is shown as where it came from.
func (c *Config) Summary() string {
	if len(c.Became) == 0 {
		return c.summary
	}
	return c.summary + "became     " + strings.Join(c.Became, "\n           ") + "\n"
}

func (c *Config) summarize() string {
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", label, fmt.Sprintf(format, args...))
	}
	line("hostname", "%s", c.Hostname)
	for _, l := range c.Listeners {
		secure := ""
		if l.TLS != nil {
			secure = " with TLS"
			if l.TLS.ClientCAFile != "" {
				secure += ", client certificates " + map[string]string{
					"require": "required", "request": "requested",
				}[l.TLS.ClientAuth]
			}
		}
		anonymous := ""
		if l.AllowAnonymous {
			anonymous = ", anyone may send"
		}
		line("listener", "%s on %s%s%s", l.Name, l.Address, secure, anonymous)
	}
	for _, k := range c.Clusters {
		var by []string
		for how, given := range map[string]bool{
			"shared key": len(k.SharedKey) > 0, "user": len(k.Users) > 0, "certificate": len(k.TLSNames) > 0,
			"source": len(k.Sources) > 0,
		} {
			if given {
				by = append(by, how)
			}
		}
		slices.Sort(by)
		line("cluster", "%s by %s", k.Name, cmp.Or(strings.Join(by, " and "), "its listener"))
	}
	limit := "80 % of what is free on the disk"
	if c.Buffer.MaxSize > 0 {
		limit = c.Buffer.MaxSize.String()
	}
	if j := c.Buffer.JetStream; j != nil {
		line("buffer", "jetstream, %s, replicas: %d, at most %s, when full: %s", c.Buffer.Place(), j.Replicas,
			j.MaxSize,
			c.Buffer.WhenFull)
	} else {
		line("buffer", "%s in %s, at most %s, when full: %s", c.Buffer.Type, c.Buffer.Path, limit, c.Buffer.WhenFull)
	}
	if !c.Buffer.Sync && c.Buffer.JetStream == nil {
		line("", "sync is off: a power failure loses acknowledged events")
	}
	for _, r := range c.Routes {
		from, next := "", ""
		if len(r.Clusters) > 0 {
			from = " of " + strings.Join(r.Clusters, ", ")
		}
		if r.Continue {
			next = ", then on"
		}
		line("route", "%s%s%s → %s%s", strings.Join(r.Match, ", "), from, conditions(r.When, r.Filters),
			strings.Join(r.Outputs, ", "), next)
	}
	line("unrouted", "%s", c.Unrouted)
	for _, name := range c.OutputNames() {
		o := c.Outputs[name]
		where := o.Settings.Destination()
		if where != "" {
			where = " to " + where
		}
		line("output", "%s: %s%s", name, o.Common.Type, where)
	}
	scheme := "http"
	if c.Status.TLS != nil {
		scheme = "https"
	}
	line("status", "%s://%s/", scheme, c.Status.Address)
	for _, w := range c.Warnings {
		line("warning", "%s", w)
	}
	return b.String()
}
