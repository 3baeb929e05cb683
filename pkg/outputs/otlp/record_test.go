package otlp

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
	logs "go.opentelemetry.io/proto/slim/otlp/logs/v1"
	"google.golang.org/protobuf/proto"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/otlp/otlptest"
)

func eventOf(t *testing.T, cluster string, record any) event.Event {
	t.Helper()
	var packed bytes.Buffer
	enc := msgpack.NewEncoder(&packed)
	enc.SetSortMapKeys(true) // as an agent has it, the same for all events of a pod
	if err := enc.Encode(record); err != nil {
		t.Fatal(err)
	}
	return event.Event{
		Chunk: &event.Chunk{Seq: 1, Cluster: cluster, Tag: "t", Received: time.Unix(1763720200, 5)},
		Time:  event.Time{Sec: 1763720100, Nsec: 7}, Record: packed.Bytes(),
	}
}

// recordOf returns the log record that ev becomes, read by OpenTelemetry's own messages.
func recordOf(r *recorder, ev *event.Event) (*logs.LogRecord, error) {
	from, p, err := r.read(ev)
	if err != nil {
		return nil, err
	}
	raw, err := r.appendRecord(nil, ev, from, p)
	r.members = r.members[:from]
	if err != nil {
		return nil, err
	}
	l := new(logs.LogRecord)
	return l, proto.Unmarshal(raw, l)
}

func TestRecords(t *testing.T) {
	type m = map[string]any
	trace, span := "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	for _, tc := range []struct {
		name       string
		fields     event.Fields
		body       string
		record     m
		wantBody   any
		attributes m
		severity   logs.SeverityNumber
		text       string
		ids        bool
	}{
		{
			name: "a field is the body", record: m{"log": "x\r\n", "a": 1}, wantBody: "x", attributes: m{"a": int64(1)},
		},
		{
			name: "message comes first", record: m{"log": "x", "message": "y"}, wantBody: "y",
			attributes: m{"log": "x"},
		},
		{
			name: "one that is set", body: "text", record: m{"log": "x", "text": "y"}, wantBody: "y",
			attributes: m{"log": "x"},
		},
		{name: "an empty one", record: m{"log": "\n", "a": "b"}, wantBody: m{"log": "\n", "a": "b"}, attributes: m{}},
		{name: "none", record: m{"a": m{"b": []any{1, "c", nil, 2.5, true}}}, wantBody: m{
			"a": m{"b": []any{int64(1), "c", nil, 2.5, true}},
		}, attributes: m{}},
		{name: "a map", record: m{"message": m{"b": 1}}, wantBody: m{"b": int64(1)}, attributes: m{}},
		{
			name: "a severity", record: m{"log": "x", "level": "WARN"}, wantBody: "x", attributes: m{}, severity: 13,
			text: "WARN",
		},
		{
			name: "an unknown one", record: m{"log": "x", "severity": "odd"}, wantBody: "x", attributes: m{},
			text: "odd",
		},
		{
			name: "no severity", record: m{"log": "x", "level": 30, "severity": strings.Repeat("x", 25)}, wantBody: "x",
			attributes: m{"level": int64(30), "severity": strings.Repeat("x", 25)},
		},
		{
			name: "ids", record: m{"log": "x", "trace_id": trace, "spanId": span}, wantBody: "x", attributes: m{},
			ids: true,
		},
		{
			name: "no ids", record: m{"log": "x", "trace_id": strings.Repeat("0", 32), "span_id": "xyz"}, wantBody: "x",
			attributes: m{"trace_id": strings.Repeat("0", 32), "span_id": "xyz"},
		},
		{
			name: "what is added wins", fields: event.Fields{Tag: "tag", Source: "from"},
			record:   m{"log": "x", "tag": "mine", "k8s.cluster.name": "mine", "region": "mine", "from": "me"},
			wantBody: "x", attributes: m{"tag": "t"},
		},
		{
			name: "numbers", record: m{
				"log": "x", "min": int64(math.MinInt64), "max": uint64(math.MaxUint64), "f": float32(0.5),
			},
			wantBody: "x",
			attributes: m{
				"min": int64(math.MinInt64), "max": "18446744073709551615", "f": 0.5,
			},
		},
		{
			name: "no UTF-8", record: m{"log": []byte("a\xff"), "b\xfe": "c"}, wantBody: "a\ufffd",
			attributes: m{"b\ufffd": "c"},
		},
		{name: "an empty key", record: m{"log": "x", "": 1}, wantBody: "x", attributes: m{"_": int64(1)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ev := eventOf(t, "k", tc.record)
			r := &recorder{
				fields: tc.fields, body: tc.body, kube: "kubernetes",
				added: map[string]map[string]string{"k": {"region": "x"}},
			}
			for range 2 {
				l, err := recordOf(r, &ev)
				if err != nil {
					t.Fatal(err)
				}
				attributes := otlptest.Attributes(l)
				if body := otlptest.Body(l); !reflect.DeepEqual(body, tc.wantBody) {
					t.Errorf("the body is %#v, want %#v", body, tc.wantBody)
				}
				if !reflect.DeepEqual(attributes, tc.attributes) {
					t.Errorf("the attributes are %#v, want %#v", attributes, tc.attributes)
				}
				if l.GetSeverityNumber() != tc.severity || l.GetSeverityText() != tc.text {
					t.Errorf("severity %d, %q", l.GetSeverityNumber(), l.GetSeverityText())
				}
				if l.GetTimeUnixNano() != 1763720100_000000007 || l.GetObservedTimeUnixNano() != 1763720200_000000005 {
					t.Errorf("times %d, %d", l.GetTimeUnixNano(), l.GetObservedTimeUnixNano())
				}
				if tc.ids != (len(l.GetTraceId()) == 16 && len(l.GetSpanId()) == 8) {
					t.Errorf("ids %x, %x", l.GetTraceId(), l.GetSpanId())
				}
			}
		})
	}
}

// TestEqualKeys: of equal keys the last counts, in small maps and large ones.
func TestEqualKeys(t *testing.T) {
	for _, n := range []int{2, 40} {
		record := []byte{0xde, 0, byte(n + 1)}
		for i := range n {
			record = append(record, 0xa1, byte('A'+i), 1)
		}
		record = append(record, 0xa1, 'A', 2)
		ev := eventOf(t, "k", map[string]any{})
		ev.Record = record
		l, err := recordOf(&recorder{}, &ev)
		if err != nil {
			t.Fatal(err)
		}
		body, ok := otlptest.Body(l).(map[string]any)
		if !ok || len(body) != n || body["A"] != int64(2) {
			t.Errorf("of %d keys: %v", n, body)
		}
	}
}

func TestMetadata(t *testing.T) {
	ev := eventOf(t, "k", map[string]any{"log": "x", "meta": "mine"})
	var err error
	if ev.Metadata, err = msgpack.Marshal(map[string]any{"a": 1}); err != nil {
		t.Fatal(err)
	}
	l, err := recordOf(&recorder{fields: event.Fields{Metadata: "meta"}}, &ev)
	if err != nil {
		t.Fatal(err)
	}
	if got := otlptest.Attributes(l); !reflect.DeepEqual(got, map[string]any{"meta": map[string]any{"a": int64(1)}}) {
		t.Errorf("%v", got)
	}
}

// TestNotRendered: what is no record, or nested too deep, is an error of the event.
func TestNotRendered(t *testing.T) {
	deep := []byte{0x81, 0xa1, 'a'}
	for range event.MaxDepth {
		deep = append(deep, 0x91)
	}
	deep = append(deep, 1)
	for name, record := range map[string][]byte{
		"nothing": {}, "a number": {1}, "cut": {0x81, 0xa1}, "cut behind a key": {0x81, 0xa1, 'a'},
		"cut in a value": {0x81, 0xa1, 'a', 0xa5, 'b'}, "cut in a list": {0x81, 0xa1, 'a', 0x92, 1},
		"reserved": {0x81, 0xa1, 'a', 0xc1}, "too deep": deep,
	} {
		ev := eventOf(t, "k", map[string]any{})
		ev.Record = record
		if l, err := recordOf(&recorder{}, &ev); err == nil {
			t.Errorf("%s became %v", name, l)
		}
	}
	ev := eventOf(t, "k", map[string]any{})
	ev.Record = append(deep[:3:3], deep[4:]...)
	if _, err := recordOf(&recorder{}, &ev); err != nil {
		t.Errorf("as deep as may be: %v", err)
	}
}

// FuzzRecord: whatever the bytes of a record are, they are refused or become a message that keeps the specification.
func FuzzRecord(f *testing.F) {
	for _, record := range []any{
		map[string]any{"log": "x", "kubernetes": map[string]any{"labels": map[string]any{"a": "b"}}, "level": "info"},
		map[string]any{"a": []any{1, 2.5, nil, true, "x", []byte{0xff}}, "trace_id": strings.Repeat("a", 32)},
		map[any]any{1: 2, "": map[string]any{}},
	} {
		packed, err := msgpack.Marshal(record)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		ev := event.Event{
			Chunk: &event.Chunk{Seq: 1, Cluster: "k", Tag: "t"}, Time: event.Time{Sec: 1763720100}, Record: record,
		}
		var e event.Entry
		entry := event.AppendEntry(nil, event.AppendTime(nil, ev.Time), nil, record)
		rest, readErr := event.ReadEntry(entry, &e)
		g := &grouper{recorder: recorder{kube: "kubernetes", fields: event.Fields{Tag: "tag", Cluster: "cluster"}}}
		g.reset()
		if err := g.add(&ev, 10); err != nil {
			if readErr == nil && len(rest) == 0 && e.Kind == event.KindEvent {
				t.Fatalf("%x is an event, and not rendered: %v", record, err)
			}
			return
		}
		if len(g.members) > 0 {
			t.Fatal("members are left")
		}
		var all logs.LogsData
		if err := proto.Unmarshal(appendRequest(nil, g.all), &all); err != nil {
			t.Fatalf("%x: %v", record, err)
		}
		otlptest.Attributes(all.GetResourceLogs()[0].GetScopeLogs()[0].GetLogRecords()[0])
	})
}

// FuzzAnswer: whatever is answered is read, or is none.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte{0x0a, 0x07, 0x08, 0x03, 0x12, 0x03, 'a', 'b', 'c'})
	f.Add([]byte(`{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"x"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, parse := range []func([]byte) (success, error){parseSuccess, parseSuccessJSON} {
			if s, err := parse(body); err == nil && (s.rejected < 0 || len(s.message) > maxMessage+3) {
				t.Errorf("%+v", s)
			}
		}
	})
}
