package outputs_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// complaints returns what a part of a configuration says of itself: "key: reason (hint)" for each problem.
func complaints(c setting.Checker) (all []string) {
	var r setting.Report
	c.Check(&r)
	for _, p := range r.Problems {
		all = append(all, fmt.Sprintf("%s: %s (%s)", p.Key, p.Reason, p.Hint))
	}
	return all
}

// Every number below zero is refused under its own key, and each refusal says what to do.
func TestNegativeSettings(t *testing.T) {
	const words = ": a negative value has no meaning (leave it out for the default)"
	for key, set := range map[string]func(c *outputs.Common){
		"workers":            func(c *outputs.Common) { c.Workers = -1 },
		"batch.max_bytes":    func(c *outputs.Common) { c.Batch.MaxBytes = -1 },
		"batch.max_events":   func(c *outputs.Common) { c.Batch.MaxEvents = -1 },
		"batch.max_wait":     func(c *outputs.Common) { c.Batch.MaxWait = -time.Second },
		"retry.initial":      func(c *outputs.Common) { c.Retry.Initial = -1 },
		"retry.max":          func(c *outputs.Common) { c.Retry.Max = -1 },
		"retry.max_attempts": func(c *outputs.Common) { c.Retry.MaxAttempts = -3 },
		"retry.max_age":      func(c *outputs.Common) { c.Retry.MaxAge = -time.Hour },
		"max_queue_size":     func(c *outputs.Common) { c.MaxQueueSize = -1 },
		"rate_limit":         func(c *outputs.Common) { c.RateLimit = -1 },
		"timeout":            func(c *outputs.Common) { c.Timeout = -1 },
	} {
		c := outputs.Defaults()
		set(&c)
		if got := complaints(&c); len(got) != 1 || got[0] != key+words {
			t.Errorf("%s: %q", key, got)
		}
	}
}

func TestSettingsAgainstEachOther(t *testing.T) {
	for _, tc := range []struct {
		name string
		set  outputs.Common
		want string
	}{
		{"the most workers", outputs.Common{Workers: 256}, ""},
		{
			"one worker more",
			outputs.Common{Workers: 257},
			"workers: each of 257 workers would hold a batch in memory (write 256 or less)",
		},
		{
			"equal waits",
			outputs.Common{Retry: outputs.RetryConfig{Initial: time.Second, Max: time.Second}},
			"",
		},
		{
			"a longest wait that is shorter",
			outputs.Common{Retry: outputs.RetryConfig{Initial: 2 * time.Second, Max: time.Second}},
			"retry.initial: the first wait, 2s, would be longer than the longest, 1s (make retry.max the longer one)",
		},
		{
			"a first wait alone", outputs.Common{Retry: outputs.RetryConfig{Initial: time.Hour}}, "",
		},
		{
			"a share without a percent sign",
			outputs.Common{CatchUp: outputs.CatchUpConfig{FreshShare: "30"}},
			`catch_up.fresh_share: "30" is no share from 0% to 100% (write a percentage, such as 30%)`,
		},
	} {
		if got := strings.Join(complaints(&tc.set), "\n"); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestFreshShare(t *testing.T) {
	for _, tc := range []struct {
		text string
		want float64
		ok   bool
	}{
		{"", 0, true},
		{"0%", 0, true},
		{"100%", 1, true},
		{"30%", 0.3, true},
		{"12.5%", 0.125, true},
		{"100.1%", 0, false},
		{"-1%", 0, false},
		{"NaN%", 0, false},
		{"Inf%", 0, false},
		{"%", 0, false},
		{"30%%", 0, false},
		{"30 %", 0, false},
		{" 30%", 0, false},
		{"30", 0, false},
		{"a third", 0, false},
	} {
		got, err := (outputs.CatchUpConfig{FreshShare: tc.text}).Share()
		if got != tc.want || (err == nil) != tc.ok {
			t.Errorf("%q: %v, %v; want %v, right %t", tc.text, got, err, tc.want, tc.ok)
		}
		if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("%q", tc.text)) {
			t.Errorf("%q: the error does not show it: %v", tc.text, err)
		}
	}
}

// What an output has set stays, one setting at a time, and nothing else than the zeros is filled in.
func TestOrFillsZerosOnly(t *testing.T) {
	for name, set := range map[string]func(c *outputs.Common){
		"workers":          func(c *outputs.Common) { c.Workers = 9 },
		"batch.max_bytes":  func(c *outputs.Common) { c.Batch.MaxBytes = 9 },
		"batch.max_events": func(c *outputs.Common) { c.Batch.MaxEvents = 9 },
		"batch.max_wait":   func(c *outputs.Common) { c.Batch.MaxWait = 9 },
		"retry.initial":    func(c *outputs.Common) { c.Retry.Initial = 9 },
		"retry.max":        func(c *outputs.Common) { c.Retry.Max = 9 },
		"timeout":          func(c *outputs.Common) { c.Timeout = 9 },
		"on_reject":        func(c *outputs.Common) { c.OnReject = outputs.OnRejectDrop },
	} {
		want := outputs.Defaults()
		set(&want)
		var own outputs.Common
		set(&own)
		if got := own.Or(outputs.Defaults()); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	kept := outputs.Common{
		Type: "x", MaxQueueSize: 5, RateLimit: 6, CatchUp: outputs.CatchUpConfig{FreshShare: "1%"},
		Retry: outputs.RetryConfig{MaxAttempts: 7, MaxAge: 8},
	}
	got := kept.Or(outputs.Common{
		Type: "y", MaxQueueSize: 50, RateLimit: 60, Retry: outputs.RetryConfig{MaxAttempts: 70, MaxAge: 80},
	})
	if !reflect.DeepEqual(got, kept) {
		t.Errorf("settings that have no default of a destination: %+v, want %+v", got, kept)
	}
	if again := outputs.Defaults().Or(outputs.Defaults()); !reflect.DeepEqual(again, outputs.Defaults()) {
		t.Errorf("the defaults of the defaults are %+v", again)
	}
}

// Only what is about the event itself is given up; every other reason is tried again.
func TestFinalReasons(t *testing.T) {
	for reason, final := range map[outputs.Reason]bool{
		outputs.ReasonRejected: true, outputs.ReasonTooLarge: true, outputs.ReasonPaced: false,
		outputs.ReasonThrottled: false, outputs.ReasonServer: false, outputs.ReasonNetwork: false,
		outputs.ReasonAuth: false, outputs.ReasonTarget: false, "": false,
	} {
		if reason.Final() != final {
			t.Errorf("%q is final: %t", reason, reason.Final())
		}
	}
}
