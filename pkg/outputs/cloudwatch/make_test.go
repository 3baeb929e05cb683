package cloudwatch

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

func TestNames(t *testing.T) {
	long := strings.Repeat("n", 600)
	for _, tc := range []struct{ group, stream, tag, wantGroup, wantStream string }{
		{"/k8s/{cluster}", "{tag}", "kube.web", "/k8s/a", "kube.web"},
		{"/k8s/{cluster}/%Y", "{tag[1]}", "kube.web", "/k8s/a/2025", "web"},
		{"{tag}", "{tag}", "a:b*c d\x00é", "a_b_c_d__", "a_b_c d_é"},
		{"{tag}", "{tag}", "", "unknown", "unknown"},
		{"{tag}", "{tag}", "\xff日", "__", "_日"},
		{"{tag}", "x", "aws/lambda", "_aws/lambda", "x"},
		{"{record.log}", "{record.none|nobody}", "t", "text", "nobody"},
		{"{record.none}", "%Y", "t", "unknown", "2025"},
		{"{tag}", "{tag}", long, strings.Repeat("n", 503) + "-14f036a5", strings.Repeat("n", 503) + "-14f036a5"},
	} {
		n, err := newNamer(&Config{LogGroup: tc.group, LogStream: tc.stream})
		if err != nil {
			t.Fatal(err)
		}
		ev := at(tc.tag, now(), "text")
		prefix := []byte("before")
		group, stream := string(n.appendGroup(prefix, &ev)), string(n.appendStream(prefix, &ev))
		if group != "before"+tc.wantGroup || stream != "before"+tc.wantStream {
			t.Errorf("%s and %s with tag %q: %q and %q", tc.group, tc.stream, tc.tag, group, stream)
		}
	}
}

func FuzzNames(f *testing.F) {
	f.Add("tag", "value")
	f.Add("aws/x", strings.Repeat("日", 300))
	f.Add("../../other", "a:b*\x00\x1b[2J\u202e")
	f.Fuzz(func(t *testing.T, tag, value string) {
		n, err := newNamer(&Config{LogGroup: "{tag}", LogStream: "{record.log}{tag[1]}"})
		if err != nil {
			t.Fatal(err)
		}
		ev := at(tag, now(), value)
		group, stream := string(n.appendGroup(nil, &ev)), string(n.appendStream(nil, &ev))
		if len(group) == 0 || len(group) > maxName || strings.HasPrefix(group, reservedPrefix) ||
			strings.ContainsFunc(group, func(r rune) bool { return !inGroup(r) }) {
			t.Errorf("log group %q", group)
		}
		if len(stream) == 0 || len(stream) > maxName ||
			strings.ContainsFunc(stream, func(r rune) bool { return !inStream(r) }) {
			t.Errorf("log stream %q", stream)
		}
		if n, err = newNamer(&Config{LogGroup: "/k8s/{tag}", LogStream: "of {record.log}"}); err != nil {
			t.Fatal(err)
		}
		if group := n.appendGroup(nil, &ev); !bytes.HasPrefix(group, []byte("/k8s/")) || len(group) == len("/k8s/") {
			t.Errorf("log group %q", group)
		}
		if stream := n.appendStream(nil, &ev); !bytes.HasPrefix(stream, []byte("of ")) {
			t.Errorf("log stream %q", stream)
		}
	})
}

func TestSameNames(t *testing.T) {
	c := &event.Chunk{Cluster: "a", Tag: "t"}
	for _, tc := range []struct {
		stream                  string
		perChunk, second, other bool // same for: the same second, the next second, another chunk
	}{
		{"{tag}", true, true, false},
		{"%Y", true, false, false},
		{"{record.x}", false, false, false},
	} {
		n, err := newNamer(&Config{LogGroup: "g", LogStream: tc.stream})
		if err != nil {
			t.Fatal(err)
		}
		first := event.Event{Chunk: c, Time: event.Time{Sec: 1}}
		second, other := first, first
		second.Time.Sec = 2
		other.Chunk = &event.Chunk{}
		if n.same(&first, &first) != tc.perChunk || n.same(&first, &second) != tc.second ||
			n.same(&first, &other) != tc.other {
			t.Errorf("%s: %v, %v, %v", tc.stream, n.same(&first, &first), n.same(&first, &second),
				n.same(&first, &other))
		}
	}
}

// TestStreamsAreBounded sends more names than may be made, in each of the places that a name can be.
func TestStreamsAreBounded(t *testing.T) {
	for _, tc := range []struct {
		name, group, stream   string
		otherGroup, otherName string
	}{
		{"streams", "/k8s/{cluster}", "{tag}", "/k8s/a", "other"},
		{"groups", "{tag}", "app", "other", "app"},
		{"both", "{tag}", "x-{tag}", "other", "x-other"},
		{"by time of the event", "g", "{cluster}-{tag}-%H", "g", "a-other-12"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := basic()
			cfg.LogGroup, cfg.LogStream, cfg.MaxStreamsPerHour = tc.group, tc.stream, 10
			r := newRig(t, cfg)
			clock := now()
			r.out.maker.now = func() time.Time { return clock }
			b := batch()
			for i := range 40 {
				b.Events = append(b.Events, at(fmt.Sprintf("tag%d", i), now(), "x"))
			}
			for range 2 {
				if err := r.out.Send(t.Context(), b); err != nil {
					t.Fatal(err)
				}
			}
			if got := r.cw.Groups()[tc.otherGroup].Streams[tc.otherName]; len(got) != 60 {
				t.Errorf("%d events went to the other stream: %v", len(got), r.cw.Groups())
			}
			report := r.out.Report()
			if report.Redirected != 60 || len(report.Notices) != 1 ||
				!contains(report.Notices[0], "max_streams_per_hour (10)") {
				t.Errorf("reported %+v", report)
			}
			clock = clock.Add(time.Hour)
			if err := r.out.Send(t.Context(), b); err != nil || r.out.Report().Redirected != 80 {
				t.Errorf("an hour later: %v, %+v", err, r.out.Report())
			}
		})
	}
}

// TestExistingStreamsAreFree has more streams than may be made, all of them there already.
func TestExistingStreamsAreFree(t *testing.T) {
	cfg := basic()
	cfg.MaxStreamsPerHour = 1
	r := newRig(t, cfg)
	b, names := batch(), []string{}
	for i := range 20 {
		names = append(names, fmt.Sprintf("tag%d", i))
		b.Events = append(b.Events, at(names[i], now(), "x"))
	}
	r.cw.Add("/k8s/a", names...)
	if err := r.out.Send(t.Context(), b); err != nil || r.out.Report().Redirected != 0 {
		t.Errorf("%v, %+v", err, r.out.Report())
	}
}

// TestRace has two Sends make the same streams.
func TestRace(t *testing.T) {
	r := newRig(t, basic())
	var sends sync.WaitGroup
	for range 4 {
		sends.Go(func() {
			b := batch()
			for i := range 20 {
				b.Events = append(b.Events, at(fmt.Sprintf("tag%d", i), now(), "x"))
			}
			if err := r.out.Send(t.Context(), b); err != nil {
				t.Error(err)
			}
		})
	}
	sends.Wait()
	for name, events := range r.cw.Groups()["/k8s/a"].Streams {
		if len(events) != 4 {
			t.Errorf("stream %s has %d events", name, len(events))
		}
	}
}

// TestBoundIsPerCluster has one cluster use up its streams: another's are made.
func TestBoundIsPerCluster(t *testing.T) {
	cfg := basic()
	cfg.MaxStreamsPerHour = 2
	r := newRig(t, cfg)
	b := batch()
	for i := range 5 {
		b.Events = append(b.Events, at(fmt.Sprintf("tag%d", i), now(), "x"))
	}
	good := at("tag", now(), "x")
	good.Chunk.Cluster = "b"
	if err := r.out.Send(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := r.out.Send(t.Context(), batch(good)); err != nil || len(r.messages("/k8s/b", "tag")) != 1 {
		t.Errorf("%v: %v", err, r.cw.Groups())
	}
}
