package app

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/status"
)

// TestWaitShutdownDelay goes on serving for shutdown_delay, while it is not ready any more, unless a part fails.
func TestWaitShutdownDelay(t *testing.T) {
	broken := errors.New("a listener broke")
	for _, tc := range []struct {
		name        string
		delay, fail time.Duration // 0: none
		want        time.Duration
		err         error
		log         string
	}{
		{"none", 0, 0, 0, nil, ""},
		{"a minute", time.Minute, 0, time.Minute, nil, "not ready any more: a stop follows"},
		{"a part that fails meanwhile", time.Minute, 10 * time.Second, 10 * time.Second, broken, "not ready any more"},
		{"a part that fails too late", time.Minute, 2 * time.Minute, time.Minute, nil, "not ready any more"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log lockedBuffer
				a := &App{opts: Options{Log: zerolog.New(&log)}}
				a.settings.begin(&config.Config{ShutdownDelay: tc.delay}, &Options{}, status.Memory{}, time.Now())
				a.ready.Store(true)
				r := &running{App: a, failed: make(chan error, 1)}
				if tc.fail > 0 {
					time.AfterFunc(tc.fail, func() { r.failed <- broken })
				}
				began := time.Now()
				err := r.waitShutdownDelay()
				if took := time.Since(began); took != tc.want || !errors.Is(err, tc.err) {
					t.Errorf("it took %v, want %v: %v", took, tc.want, err)
				}
				if a.ready.Load() {
					t.Error("it is ready still")
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				if (tc.log == "") != (log.String() == "") || !strings.Contains(log.String(), tc.log) {
					t.Errorf("the log: %s", log.String())
				}
			})
		})
	}
}

// TestTellWhy has the log say why a stop begins.
func TestTellWhy(t *testing.T) {
	for _, tc := range []struct {
		cause       error
		level, text string
	}{
		{nil, "info", "stopping: messages in hand are stored and acknowledged"},
		{errors.New("the disk is gone"), "error", "the disk is gone"},
	} {
		var log bytes.Buffer
		r := &running{App: &App{opts: Options{Log: zerolog.New(&log)}}}
		r.tellWhy(tc.cause)
		if s := log.String(); !strings.Contains(s, `"level":"`+tc.level+`"`) || !strings.Contains(s, tc.text) {
			t.Errorf("%v: %s", tc.cause, s)
		}
	}
}

// TestAPartThatFails stops the program in order, and is the error that Run returns. Only the first one counts.
func TestAPartThatFails(t *testing.T) {
	p := start(t, t.TempDir(), twoOutputs)
	p.send("kube.a", "1", "one")
	p.await("its delivery", func(
		s status.Snapshot,
	) bool {
		return delivered(s, "pods") == 1 && delivered(s, "all") == 1
	})
	if url := p.StatusURL(); url != "http://"+p.StatusAddr().String() {
		t.Errorf("the status is at %s", url)
	}
	if n := p.activity(); n < 3 { // a connection, a message, two requests
		t.Errorf("all that happened counts as %d", n)
	}
	r := &running{App: p.App, failed: make(chan error, 1)}
	first, second := errors.New("first"), errors.New("second")
	for _, err := range []error{nil, first, second} {
		r.start(t.Context(), &r.watching, func(context.Context) error { return err })
		r.watching.Wait()
	}
	select {
	case err := <-r.failed:
		if !errors.Is(err, first) {
			t.Errorf("got %v", err)
		}
	default:
		t.Error("no failure was told")
	}
	p.end()
}

// TestStopSignals ends both contexts in their order, and after a stop in any case.
func TestStopSignals(t *testing.T) {
	s := newStopSignals()
	if s.force.Err() != nil || s.abandon.Err() != nil {
		t.Error("they have ended before a stop")
	}
	s.forceNow()
	if s.force.Err() == nil || s.abandon.Err() != nil {
		t.Error("outputs are to give back what they hold, and are waited for")
	}
	s.end()
	if s.abandon.Err() == nil {
		t.Error("a stop has ended, and something still waits for it")
	}
}
