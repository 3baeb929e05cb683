package otlp

import (
	"bytes"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/vmihailenco/msgpack/v5"
	logs "go.opentelemetry.io/proto/slim/otlp/logs/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/otlp/otlptest"
)

// The names of severities, in any letters, are OpenTelemetry's numbers; what is not known is none.
func TestSeverity(t *testing.T) {
	for number, names := range map[uint64]string{
		1: "trace TRACE finest verbose", 5: "debug Debug dbg d fine finer config",
		9:  "info INFORMATION informational i default",
		10: "notice", 13: "warn Warning W", 17: "error ERR e severe", 18: "critical CRIT", 19: "alert",
		21: "fatal f panic emerg Emergency", 0: "odd 30 warning! t infos",
	} {
		for name := range strings.FieldsSeq(names) {
			for _, text := range []string{name, " " + name + "\n"} {
				if got := severity([]byte(text)); got != number {
					t.Errorf("%q: %d, want %d", text, got, number)
				}
			}
		}
	}
	if severity(nil) != 0 {
		t.Error("nothing is a severity")
	}
}

// Of several fields that may name a severity the first counts, and the others stay attributes.
func TestSeverityField(t *testing.T) {
	for _, tc := range []struct {
		record     []byte
		number     logs.SeverityNumber
		text       string
		attributes map[string]any
	}{
		{record("log", "x", "level", "warn", "severity", "error"), 13, "warn", map[string]any{"severity": "error"}},
		{record("log", "x", "log.level", "E"), 17, "E", map[string]any{}},
		{record("log", "x", "loglevel", " Info "), 9, " Info ", map[string]any{}},
		{record("log", "x", "severity_text", "odd"), 0, "odd", map[string]any{}},
		{record("log", "x", "level", "", "severity", "info"), 9, "info", map[string]any{"level": ""}},
		{
			record("log", "x", "level", strings.Repeat("w", maxSeverity+1)), 0, "",
			map[string]any{"level": strings.Repeat("w", maxSeverity+1)},
		},
		{
			record("log", "x", "level", strings.Repeat("w", maxSeverity)), 0, strings.Repeat("w", maxSeverity),
			map[string]any{},
		},
		{record("log", "x", "Level", "warn"), 0, "", map[string]any{"Level": "warn"}},
	} {
		ev := &event.Event{Chunk: &event.Chunk{Cluster: "k"}, Record: tc.record}
		l, err := recordOf(&recorder{}, ev)
		if err != nil {
			t.Fatal(err)
		}
		if l.GetSeverityNumber() != tc.number || l.GetSeverityText() != tc.text ||
			!reflect.DeepEqual(otlptest.Attributes(l), tc.attributes) {
			t.Errorf("%x: %d %q, %v", tc.record, l.GetSeverityNumber(), l.GetSeverityText(), otlptest.Attributes(l))
		}
	}
}

// record returns a record of keys and texts in their order.
func record(pairs ...string) []byte {
	b := []byte{0x80 | byte(len(pairs)/2)}
	for _, text := range pairs {
		if len(text) < 32 {
			b = append(b, 0xa0|byte(len(text)))
		} else {
			b = append(b, 0xd9, byte(len(text)))
		}
		b = append(b, text...)
	}
	return b
}

// An id is as many hexadecimal digits as it has bytes twice, not all of them 0.
func TestHasID(t *testing.T) {
	const trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	for _, tc := range []struct {
		text string
		size int
		want bool
	}{
		{trace, 16, true},
		{strings.ToUpper(trace), 16, true},
		{span, 8, true},
		{trace, 8, false},
		{span, 16, false},
		{trace[1:], 16, false},
		{trace + "0", 16, false},
		{trace[:31] + "g", 16, false},
		{strings.Repeat("0", 32), 16, false},
		{strings.Repeat("0", 31) + "1", 16, true},
		{strings.Repeat("0", 16), 8, false},
		{"", 8, false},
	} {
		value, err := msgpack.Marshal(tc.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := hasID(value, tc.size); got != tc.want {
			t.Errorf("%q for %d bytes: %t", tc.text, tc.size, got)
		}
	}
	if hasID([]byte{0x05}, 8) || hasID([]byte{0xc0}, 8) {
		t.Error("what is no text is an id")
	}
}

// A time is in nanoseconds since 1970, or left out where it can't be one.
func TestNanos(t *testing.T) {
	for _, tc := range []struct {
		time event.Time
		want int64
	}{
		{event.Time{}, 0},
		{event.Time{Nsec: 5}, 0},
		{event.Time{Sec: -1}, 0},
		{event.Time{Sec: 1}, 1e9},
		{event.Time{Sec: 1763720100, Nsec: 999_999_999}, 1763720100_999_999_999},
		{event.Time{Sec: 1 << 33}, 1 << 33 * 1e9},
		{event.Time{Sec: 1<<33 + 1}, 0},
		{event.Time{Sec: math.MaxInt64}, 0},
	} {
		if got := nanos(tc.time); got != tc.want {
			t.Errorf("%+v: %d, want %d", tc.time, got, tc.want)
		}
		ev := &event.Event{Chunk: &event.Chunk{}, Time: tc.time, Record: record("log", "x")}
		l, err := recordOf(&recorder{}, ev)
		if err != nil || int64(l.GetTimeUnixNano()) != tc.want || l.GetObservedTimeUnixNano() != 0 {
			t.Errorf("%+v: the log record's is %d, %v", tc.time, l.GetTimeUnixNano(), err)
		}
	}
}

// Each type of msgpack becomes the value of OpenTelemetry's that holds it; what none holds is a text.
func TestValues(t *testing.T) {
	for _, tc := range []struct {
		name  string
		value []byte
		want  any
	}{
		{"nil", []byte{0xc0}, nil},
		{"false", []byte{0xc2}, false},
		{"true", []byte{0xc3}, true},
		{"a small number", []byte{0x7f}, int64(127)},
		{"a negative one", []byte{0xff}, int64(-1)},
		{"an uint64 that fits", []byte{0xcf, 0x7f, 255, 255, 255, 255, 255, 255, 255}, int64(math.MaxInt64)},
		{"one that does not", []byte{0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0}, "9223372036854775808"},
		{"the smallest", []byte{0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0}, int64(math.MinInt64)},
		{"a float", []byte{0xca, 0x3f, 0xc0, 0, 0}, 1.5},
		{"a double", []byte{0xcb, 0xbf, 0xf8, 0, 0, 0, 0, 0, 0}, -1.5},
		{"a text", []byte{0xa2, 'h', 'i'}, "hi"},
		{"an empty text", []byte{0xa0}, ""},
		{"bytes", []byte{0xc4, 2, 'h', 'i'}, "hi"},
		{"no UTF-8", []byte{0xc4, 2, 'h', 0xff}, "h\ufffd"},
		{"a list", []byte{0x93, 1, 0xc0, 0x91, 0xc3}, []any{int64(1), nil, []any{true}}},
		{"an empty list", []byte{0x90}, []any{}},
		{"a map", []byte{0x81, 0xa1, 'a', 0x80}, map[string]any{"a": map[string]any{}}},
		{"a map of other keys", []byte{0x82, 1, 2, 0xc0, 3}, map[string]any{"1": int64(2), "_": int64(3)}},
		{"an empty key", []byte{0x81, 0xa0, 1}, map[string]any{"_": int64(1)}},
	} {
		ev := &event.Event{Chunk: &event.Chunk{}, Record: slices.Concat(
			[]byte{0x82, 0xa1, 'v'}, tc.value, record("log", "x")[1:],
		)}
		l, err := recordOf(&recorder{}, ev)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if got := otlptest.Attributes(l)["v"]; !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %#v, want %#v", tc.name, got, tc.want)
		}
	}
	inf := append([]byte{0x81, 0xa1, 'v', 0xcb}, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0)
	l, err := recordOf(&recorder{}, &event.Event{Chunk: &event.Chunk{}, Record: inf})
	if err != nil {
		t.Fatal(err)
	}
	body, ok := otlptest.Body(l).(map[string]any)
	if v, isFloat := body["v"].(float64); !ok || !isFloat || !math.IsInf(v, 1) {
		t.Errorf("infinity became %#v", otlptest.Body(l))
	}
}

// The length of a message stands before it, in as many bytes as it takes.
func TestBeginEnd(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 129, 16_383, 16_384, 100_000} {
		inner := bytes.Repeat([]byte("x"), n)
		dst, mark := begin([]byte("before"), 5)
		dst = end(append(dst, inner...), mark)
		want := protowire.AppendBytes(protowire.AppendTag([]byte("before"), 5, protowire.BytesType), inner)
		if !bytes.Equal(dst, want) {
			t.Errorf("%d bytes: %.20x, want %.20x", n, dst, want)
		}
	}
	// One within another, both longer than a byte tells.
	dst, outer := begin(nil, 1)
	dst, inner := begin(dst, 2)
	dst = end(end(append(dst, bytes.Repeat([]byte("y"), 200)...), inner), outer)
	want := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), bytes.Repeat([]byte("y"), 200))
	want = protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), want)
	if !bytes.Equal(dst, want) {
		t.Errorf("one within another: %.20x, want %.20x", dst, want)
	}
}

// What is added to an event stands among the attributes, and what a record has of the same name does not.
func TestAdded(t *testing.T) {
	for _, tc := range []struct {
		name   string
		fields event.Fields
		change func(ev *event.Event)
		want   map[string]any
	}{
		{"nothing", event.Fields{}, func(*event.Event) {}, map[string]any{"tag": "mine", "id": "mine", "src": "mine"}},
		{
			"a tag",
			event.Fields{Tag: "tag"},
			func(*event.Event) {},
			map[string]any{"tag": "kube.x", "id": "mine", "src": "mine"},
		},
		{
			"a tag that a filter gave",
			event.Fields{Tag: "tag"},
			func(ev *event.Event) { ev.Tag = "other" },
			map[string]any{"tag": "other", "id": "mine", "src": "mine"},
		},
		{
			"an id",
			event.Fields{ID: "id"},
			func(*event.Event) {},
			map[string]any{"tag": "mine", "id": "AAAAAAAAAAAAAAAAAAAAAA-3", "src": "mine"},
		},
		{
			"a source",
			event.Fields{Source: "src"},
			func(ev *event.Event) { ev.Chunk.Source = "10.0.0.1" },
			map[string]any{"tag": "mine", "id": "mine", "src": "10.0.0.1"},
		},
		{
			"no source that is known",
			event.Fields{Source: "src"},
			func(*event.Event) {},
			map[string]any{"tag": "mine", "id": "mine"},
		},
	} {
		ev := &event.Event{
			Chunk:  &event.Chunk{Cluster: "k", Tag: "kube.x", Parts: []event.Part{{First: 3, Events: 1}}, Events: 1},
			Record: record("log", "x", "tag", "mine", "id", "mine", "src", "mine"),
		}
		tc.change(ev)
		l, err := recordOf(&recorder{fields: tc.fields}, ev)
		if err != nil {
			t.Fatal(err)
		}
		if got := otlptest.Attributes(l); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// One line is kept of a message, which ends with a whole character wherever it is cut.
func TestOneLine_Cut(t *testing.T) {
	for _, wide := range []string{"x", "é", "서", "😀"} {
		for shift := range 5 {
			text := strings.Repeat("y", shift) + strings.Repeat(wide, maxMessage)
			got := oneLine([]byte(text))
			if !utf8.ValidString(got) || !strings.HasPrefix(text, got) || len(got) > maxMessage ||
				len(got) <= maxMessage-len(wide) {
				t.Errorf("%d and %s: %d bytes, %q at the end", shift, wide, len(got), got[len(got)-4:])
			}
		}
	}
	for text, want := range map[string]string{
		"": "", " \n\t ": "", " a \r\n b\t": "a b", "a\xff\xfeb": "a\ufffdb", "a\u00a0b": "a b",
	} {
		if got := oneLine([]byte(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// resourceOf returns the attributes of the resource of an event with what is known of its pod.
func resourceOf(t *testing.T, g *grouper, kube any) map[string]any {
	t.Helper()
	g.kube = "kubernetes"
	g.reset()
	ev := eventOf(t, "seoul", map[string]any{"log": "x", "kubernetes": kube})
	if err := g.add(&ev, 10); err != nil {
		t.Fatal(err)
	}
	var all logs.LogsData
	if err := proto.Unmarshal(appendRequest(nil, g.all), &all); err != nil {
		t.Fatal(err)
	}
	attributes := map[string]any{}
	for _, kv := range all.GetResourceLogs()[0].GetResource().GetAttributes() {
		if _, twice := attributes[kv.GetKey()]; twice {
			t.Errorf("%s is there twice", kv.GetKey())
		}
		value, err := otlptest.Plain(kv.GetValue())
		if err != nil {
			t.Fatal(err)
		}
		attributes[kv.GetKey()] = value
	}
	return attributes
}

// What is known of a pod has OpenTelemetry's names; what it has none for keeps its own, behind the field's.
func TestResource_Names(t *testing.T) {
	type m = map[string]any
	for _, tc := range []struct {
		name string
		kube m
		want m
	}{
		{"nothing", m{}, m{}},
		{
			"all of it",
			m{
				"namespace_name": "n", "pod_name": "p", "pod_id": "i", "pod_ip": "10.0.0.1", "host": "h",
				"container_image": "img", "docker_id": "d", "namespace_labels": m{"a": "b"},
				"namespace_annotations": m{"c": "d"}, "other": 1,
			},
			m{
				"k8s.namespace.name": "n", "k8s.pod.name": "p", "k8s.pod.uid": "i", "k8s.pod.ip": "10.0.0.1",
				"k8s.node.name": "h", "container.image.name": "img", "container.id": "d",
				"k8s.namespace.label.a": "b", "k8s.namespace.annotation.c": "d", "kubernetes.other": int64(1),
			},
		},
		{"labels that are no map", m{"labels": "x"}, m{"kubernetes.labels": "x"}},
		{"no labels", m{"labels": m{}}, m{}},
		{
			"a service by its container",
			m{"container_name": "web"},
			m{"k8s.container.name": "web", "service.name": "web"},
		},
		{
			"by its label",
			m{"container_name": "web", "labels": m{"app": "cart"}},
			m{"k8s.container.name": "web", "k8s.pod.label.app": "cart", "service.name": "cart"},
		},
		{
			"by the label that Kubernetes recommends",
			m{"labels": m{"app": "cart", "app.kubernetes.io/name": "shop"}},
			m{"k8s.pod.label.app": "cart", "k8s.pod.label.app.kubernetes.io/name": "shop", "service.name": "shop"},
		},
		{
			"an empty label",
			m{"container_name": "web", "labels": m{"app": ""}},
			m{"k8s.container.name": "web", "k8s.pod.label.app": "", "service.name": "web"},
		},
	} {
		if got := resourceOf(t, &grouper{}, tc.kube); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// Settings win over what is added to a cluster's events, and that over what is known of the pod.
func TestResource_Precedence(t *testing.T) {
	settings, err := pairs("resource", map[string]string{
		"region": "{record.none}", "env": "set", "k8s.node.name": "mine",
	})
	if err != nil {
		t.Fatal(err)
	}
	g := &grouper{
		settings: settings,
		recorder: recorder{
			fields: event.Fields{Cluster: "cluster"},
			added: map[string]map[string]string{
				"seoul": {"env": "added", "region": "ap", "k8s.pod.name": "added"}, "other": {"x": "y"},
			},
		},
	}
	got := resourceOf(t, g, map[string]any{"pod_name": "p", "host": "h"})
	want := map[string]any{
		"k8s.cluster.name": "seoul", "region": "ap", "env": "set", "k8s.node.name": "mine", "k8s.pod.name": "added",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// Events that differ in their pod, a setting or the cluster have different resources; else they share one.
func TestGrouper_Of(t *testing.T) {
	settings, err := pairs("resource", map[string]string{"app": "{record.app}"})
	if err != nil {
		t.Fatal(err)
	}
	g := &grouper{recorder: recorder{kube: "kubernetes"}, settings: settings}
	g.reset()
	var got []string
	for i, e := range []struct{ cluster, app, pod string }{
		{"a", "x", "p"}, {"a", "x", "p"}, {"a", "y", "p"}, {"a", "x", "q"}, {"b", "x", "p"}, {"a", "x", "p"},
	} {
		ev := eventOf(t, e.cluster, map[string]any{
			"log": "l", "app": e.app, "kubernetes": map[string]any{"pod_name": e.pod},
		})
		ev.Pos = i
		if err := g.add(&ev, 10); err != nil {
			t.Fatal(err)
		}
		got = append(got, strconv.Itoa(len(g.all)))
	}
	if want := "1 1 2 3 4 4"; strings.Join(got, " ") != want {
		t.Errorf("resources after each event: %v, want %s", got, want)
	}
	broken := event.Event{Chunk: &event.Chunk{Received: time.Unix(1, 0)}, Record: []byte{0x81, 0xa1}}
	before := len(g.all)
	if err := g.add(&broken, 10); err == nil || len(g.all) != before || len(g.members) != 0 {
		t.Errorf("a broken event: %v, %d resources, %d members left", err, len(g.all), len(g.members))
	}
}
