package cloudwatch

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

func TestMessage(t *testing.T) {
	const whole = `"@timestamp":` // somewhere in it
	for _, tc := range []struct{ name, log, want string }{
		{"nginx", `10.0.0.1 - - [21/Nov/2025:10:15:00 +0000] "GET / HTTP/1.1" 200 612 "-" "curl/8.5"`, ""},
		{"one line feed is cut", "line\n", "line"},
		{"only one", "line\n\n", "line\n"},
		{"spaces stay", " \tx ", " \tx "},
		{"control characters stay", "\x00\x1b[31m", "\x00\x1b[31m"},
		{"not UTF-8", "caf\xe9\xff", "caf\ufffd\ufffd"},
		{"empty", "", whole},
		{"a line feed", "\n", whole},
	} {
		cfg := basic()
		cfg.Message = "log"
		cfg.Fields = event.Fields{Time: "@timestamp"}
		r := newRig(t, cfg)
		if err := r.out.Send(t.Context(), batch(at("web", now(), tc.log))); err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		want := tc.want
		if want == "" {
			want = tc.log
		}
		got := r.messages("/k8s/a", "web")
		if len(got) != 1 || got[0] != want && (want != whole || !contains(got[0], whole)) {
			t.Errorf("%s: stored %q, want %q", tc.name, got, want)
		}
	}
}

func TestOversize(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		fits       bool
	}{
		{"as much as fits", strings.Repeat("x", maxMessage), true},
		{"a byte more", strings.Repeat("x", maxMessage+1), false},
		{"2 MiB", strings.Repeat("x", 2<<20), false},
		{"2 MiB of three bytes each", strings.Repeat("日", 2<<20/3), false},
		{"no UTF-8, too long once repaired", strings.Repeat("\xff", 1<<19), false},
	} {
		for _, oversize := range []string{"dead_letter", oversizeTruncate} {
			cfg := basic()
			cfg.Message, cfg.Oversize = "log", oversize
			r := newRig(t, cfg)
			events := batch(at("web", now(), "before"), at("web", now(), tc.text), at("web", now(), "after"))
			failed := r.failures(t, events)
			got := r.messages("/k8s/a", "web")
			if !tc.fits && oversize == "dead_letter" {
				if len(got) != 2 || len(failed) != 1 || failed[1].Reason != outputs.ReasonTooLarge {
					t.Errorf("%s: %d stored, failed %+v", tc.name, len(got), failed)
				}
				continue
			}
			if len(failed) > 0 || len(got) != 3 || len(got[1]) > maxMessage || !utf8.ValidString(got[1]) {
				t.Errorf("%s: %d stored, failed %+v", tc.name, len(got), failed)
				continue
			}
			cut := uint64(0)
			if !tc.fits {
				cut = 1
			}
			if mark := contains(got[1], "…[truncated "); mark == tc.fits || len(got[1]) < maxMessage-10 ||
				r.out.Report().Truncated != cut {
				t.Errorf("%s: %d bytes, ends in %q; %d truncated", tc.name, len(got[1]), got[1][len(got[1])-40:],
					r.out.Report().Truncated)
			}
		}
	}
}

func TestTruncatedSaysHowMuch(t *testing.T) {
	got := string(truncated([]byte(strings.Repeat("x", 2<<20))))
	kept := strings.Count(got, "x")
	if want := "…[truncated 1048630 bytes]"; 2<<20-kept != 1048630 || !strings.HasSuffix(got, want) ||
		len(got) != maxMessage {
		t.Errorf("%d kept, %d bytes, ends in %q", kept, len(got), got[len(got)-40:])
	}
}

func TestMillis(t *testing.T) {
	for _, tc := range []struct {
		t    event.Time
		want int64
	}{
		{event.Time{Sec: 1, Nsec: 999_999_999}, 1999},
		{event.Time{Sec: -1, Nsec: 5}, 0},
		{event.Time{Sec: 1 << 62}, 1<<63 - 1},
	} {
		if got := millis(tc.t); got != tc.want {
			t.Errorf("%+v is %d ms, want %d", tc.t, got, tc.want)
		}
	}
}

func TestUnrenderable(t *testing.T) {
	r := newRig(t, basic())
	good := at("web", now(), "x")
	failed := r.failures(t,
		batch(good, event.Event{Chunk: good.Chunk, Time: good.Time, Record: []byte{0x81, 0xa1}}, good))
	if len(failed) != 1 || failed[1].Reason != outputs.ReasonRejected || len(r.messages("/k8s/a", "web")) != 2 {
		t.Errorf("failed %+v, stored %v", failed, r.messages("/k8s/a", "web"))
	}
}
