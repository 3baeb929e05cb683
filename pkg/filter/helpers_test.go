package filter

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// pack makes msgpack of JSON, keeping the order of members and equal ones.
func pack(tb testing.TB, text string) []byte {
	tb.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var value func() []byte
	value = func() []byte {
		tok, err := d.Token()
		if err != nil {
			tb.Fatalf("%s: %v", text, err)
		}
		switch tok := tok.(type) {
		case json.Delim:
			var body []byte
			n := 0
			for ; d.More(); n++ {
				body = append(body, value()...)
				if tok == '{' {
					body = append(body, value()...)
				}
			}
			_, _ = d.Token()
			if tok == '{' {
				return append(AppendMapHeader(nil, n), body...)
			}
			return append(AppendArrayHeader(nil, n), body...)
		case json.Number:
			if i, err := tok.Int64(); err == nil {
				return AppendInt(nil, i)
			}
			f, _ := tok.Float64()
			return AppendFloat(nil, f)
		default:
			b, err := AppendValue(nil, tok)
			if err != nil {
				tb.Fatal(err)
			}
			return b
		}
	}
	return value()
}

// show renders msgpack as JSON; equal keys are shown once.
func show(tb testing.TB, value []byte) string {
	tb.Helper()
	var e event.Encoder
	text, err := e.AppendValue(nil, value)
	if err != nil {
		tb.Fatalf("%x: %v", value, err)
	}
	return string(text)
}

func newEvent(tb testing.TB, record string) *Event {
	tb.Helper()
	e := &Event{}
	e.Reset(&event.Event{
		Chunk: &event.Chunk{Cluster: "seoul", Tag: "kube.web"}, Time: event.Time{Sec: 1700000000, Nsec: 5},
		Record: pack(tb, record), Metadata: pack(tb, `{"stream":"a"}`),
	}, "origin")
	return e
}

const kubernetesRecord = `{"log":"2024-05-01T10:00:00.123456789Z stdout F GET /api/v1/items?page=3 200 ` +
	`12ms","stream":"stdout",` +
	`"time":"2024-05-01T10:00:00.123456789Z","path":"/api/v1/items","status":200,"level":"info","msg":"served",` +
	`"kubernetes":{"pod_name":"web-7d4b9c6f5-x2x8p","namespace_name":"shop","container_name":"web",` +
	`"labels":{"app":"web","pod-template-hash":"7d4b9c6f5"},"host":"node-1"}}`
