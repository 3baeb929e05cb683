package otlp

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/httpclient"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/otlp/otlptest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// partial is an ExportLogsServiceResponse in protobuf.
func partial(rejected uint64, message string) []byte {
	var inner []byte
	inner = protowire.AppendVarint(protowire.AppendTag(inner, partialRejected, protowire.VarintType), rejected)
	inner = protowire.AppendString(protowire.AppendTag(inner, partialMessage, protowire.BytesType), message)
	return protowire.AppendBytes(protowire.AppendTag(nil, responsePartial, protowire.BytesType), inner)
}

// What answers of success say: how many log records were refused, and why; or that they are no answers of OTLP.
func TestReadSuccess(t *testing.T) {
	const json = "application/json"
	for _, tc := range []struct {
		name, kind string
		body       []byte
		want       success
		err        string
	}{
		{"nothing", protobuf, nil, success{}, ""},
		{"an empty message", json, []byte("{}"), success{}, ""},
		{"some refused", protobuf, partial(2, "too old"), success{2, "too old"}, ""},
		{"its other name", "application/protobuf", partial(2, ""), success{2, ""}, ""},
		{"a warning", protobuf, partial(0, "half\n  full"), success{0, "half full"}, ""},
		{"fewer than none", protobuf, partial(1<<64-3, "x"), success{0, "x"}, ""},
		{
			"a field of a later version", protobuf,
			append(protowire.AppendFixed64(protowire.AppendTag(nil, 9, protowire.Fixed64Type), 7), partial(3, "")...),
			success{3, ""},
			"",
		},
		{
			"as text", json, []byte(`{"partialSuccess":{"rejectedLogRecords":"4","errorMessage":"no"}}`),
			success{4, "no"},
			"",
		},
		{"as a number", json, []byte(`{"partialSuccess":{"rejectedLogRecords":5},"later":1}`), success{5, ""}, ""},
		{"as null", json, []byte(`{"partialSuccess":{"rejectedLogRecords":null}}`), success{}, ""},
		{"less than none", json, []byte(`{"partialSuccess":{"rejectedLogRecords":"-1"}}`), success{}, ""},
		{"no number", json, []byte(`{"partialSuccess":{"rejectedLogRecords":"many"}}`), success{}, "is no number"},
		{"no JSON", json, []byte(`ok`), success{}, "no answer of OTLP"},
		{"half a message", protobuf, partial(2, "too old")[:5], success{}, "no answer of OTLP"},
		{"half a tag", protobuf, []byte{0x80}, success{}, "no answer of OTLP"},
		{"half of what is inside", protobuf, []byte{0x0a, 1, 0x08}, success{}, "no answer of OTLP"},
		{"a page", "text/html", []byte("<html>"), success{}, "a page for people"},
		{"what others say", "text/plain", []byte("ok"), success{}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := readSuccess(&httpclient.Answer{Status: http.StatusOK, Kind: tc.kind, Body: tc.body})
			told := ""
			if err != nil {
				told = err.Error()
			}
			if got != tc.want || (err == nil) != (tc.err == "") || !strings.Contains(told, tc.err) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// A google.rpc.Status is shown as its message, in both encodings; what is none is not taken for one.
func TestReadStatus(t *testing.T) {
	status := protowire.AppendString(
		protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 8), "")
	status = protowire.AppendTag(status[:2], statusMessage, protowire.BytesType)
	status = protowire.AppendString(status, "queue\nis full")
	for _, tc := range []struct {
		name, kind, body, want string
	}{
		{"protobuf", protobuf, string(status), "queue is full"},
		{"JSON", "application/json", `{"code":8,"message":"queue is full","details":[]}`, "queue is full"},
		{"another JSON", "application/json", `{"error":"x"}`, ""},
		{"a broken message", protobuf, string(status[:len(status)-1]), ""},
		{"text", "text/plain", "queue is full", ""},
	} {
		if got := readStatus(&httpclient.Answer{Kind: tc.kind, Body: []byte(tc.body)}); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// However long a message is, one line of it is kept that ends with a whole character.
func TestOneLine(t *testing.T) {
	wide := strings.Repeat("€", 200)
	for _, text := range []string{"", "short", strings.Repeat("x", maxMessage), wide, "\xff\xfe"} {
		got := oneLine([]byte(text))
		whole := len(text) <= maxMessage && utf8.ValidString(text)
		if len(got) > maxMessage || !utf8.ValidString(got) || whole && got != text {
			t.Errorf("%d bytes became %q", len(text), got)
		}
	}
}

// An answer proves a delivery, or all is sent again: Loki's 260 is one of success, and takes nothing.
func TestProof(t *testing.T) {
	for _, tc := range []struct {
		name, kind string
		status     int
		body       string
		delivered  bool
		notice     string
	}{
		{"all taken", protobuf, 200, "", true, ""},
		{"taken for later", "text/plain", 202, "", true, ""},
		{"nothing to say", "", 204, "", true, ""},
		{"with a warning", protobuf, 200, string(partial(0, "full")), true, "took all, and said: words of its own"},
		{"half an answer", protobuf, 200, string(partial(1, "no")[:3]), false, ""},
		{"a page", "text/html", 200, "<html>", false, ""},
		{"ingestion is blocked", "text/plain", 260, "ingestion blocked for user a", false, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := otlptest.New(otlptest.Options{})
			s.SetFault(func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Content-Type", tc.kind)
				w.WriteHeader(tc.status)
				_, err := w.Write([]byte(tc.body))
				return err == nil || tc.body != ""
			})
			o := newOutput(t, s, nil)
			defer o.Close()
			err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 10)))
			if (err == nil) != tc.delivered {
				t.Fatal(err)
			}
			if err != nil && outputs.AsSendError(err).Reason != outputs.ReasonServer {
				t.Errorf("%v", err)
			}
			if notices := strings.Join(o.Report().Notices, "\n"); !strings.Contains(notices, tc.notice) {
				t.Errorf("the operator is told %q, want %q", notices, tc.notice)
			}
		})
	}
}
