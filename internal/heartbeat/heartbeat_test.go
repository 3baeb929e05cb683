package heartbeat

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

func TestLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Loop
		at := func(doing Doing, what string, age time.Duration) {
			t.Helper()
			if s := l.State(); s.Doing != doing || s.What != what || time.Since(s.Since) != age {
				t.Errorf("it is %+v, since %v", s, time.Since(s.Since))
			}
		}
		if s := l.State(); s != (State{}) {
			t.Errorf("a new loop is %+v", s)
		}
		l.Turn()
		time.Sleep(time.Second)
		at(Turning, "", time.Second)
		l.Disk("a commit")
		time.Sleep(time.Hour)
		at(InDiskCall, "a commit", time.Hour)
		l.Turn()
		at(Turning, "", 0)
		l.Rest()
		if s := l.State(); s != (State{}) {
			t.Errorf("at rest it is %+v", s)
		}
	})
}

// TestJudgement is which loops hang, and which calls are told.
func TestJudgement(t *testing.T) {
	now := time.Unix(1e9, 0)
	since := func(age time.Duration) time.Time { return now.Add(-age) }
	for _, tc := range []struct {
		name          string
		state         State
		stalled, slow string
	}{
		{"it rests for a day", State{Resting, "", since(24 * time.Hour)}, "", ""},
		{"it turns", State{Turning, "", since(59 * time.Second)}, "", ""},
		{
			"it has not come round",
			State{Turning, "", since(75 * time.Second)},
			`the loop "committer" has not turned for 75 s`, "",
		},
		{"a short call", State{InDiskCall, "a commit to data", since(9 * time.Second)}, "", ""},
		{
			"a long call",
			State{InDiskCall, "a commit to data", since(12 * time.Second)},
			"",
			"a commit to data has waited for 12 s",
		},
		{
			"a very long call",
			State{InDiskCall, "a commit to data", since(time.Hour)},
			"",
			"a commit to data has waited for 3600 s",
		},
		{"a new loop", State{}, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := Beat{Loop: "committer", State: tc.state}
			if got := text(Stalled([]Beat{b, {Loop: "cleaner"}}, now)); got != tc.stalled {
				t.Errorf("stalled: %q", got)
			}
			if got := text(b.Slow(now)); got != tc.slow {
				t.Errorf("slow: %q", got)
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestWatcher(t *testing.T) {
	var log bytes.Buffer
	w := Watcher{Log: zerolog.New(&log)}
	now := time.Unix(1e9, 0)
	first := []Beat{{"committer", State{InDiskCall, "a commit to data", now}}, {"cleaner", State{}}}
	look := func(after time.Duration, beats []Beat, want ...string) {
		t.Helper()
		log.Reset()
		w.Look(beats, now.Add(after))
		for _, words := range want {
			if !strings.Contains(log.String(), words) {
				t.Errorf("after %v: %s", after, &log)
			}
		}
		if n := strings.Count(log.String(), "\n"); n != len(want) {
			t.Errorf("after %v there are %d lines: %s", after, n, &log)
		}
	}
	look(9*time.Second, first)
	look(10*time.Second, first, "a commit to data has waited for 10 s")
	look(11*time.Second, first)
	second := []Beat{{"committer", State{InDiskCall, "a commit to data", now.Add(20 * time.Second)}}}
	look(21*time.Second, second, "a commit to data has ended, after 21 s")
	look(30*time.Second, second, "a commit to data has waited for 10 s")
	look(40*time.Second, nil, "a commit to data has ended")
	look(50*time.Second, nil)
}
