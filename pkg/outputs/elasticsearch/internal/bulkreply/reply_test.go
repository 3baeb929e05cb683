package bulkreply

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

func parseReply(text io.Reader, n int) (*Reply, error) {
	p := &Reply{Scan: new(Scanner), Refusals: ItemRefusals(), OKItem: OKItem("create")}
	return p, p.Parse(text, n)
}

const mixed = `{"took":3,"errors":true,"items":[
 {"create":{"_index":"a","_id":"1","_shards":{"total":2,"successful":1},"status":201}},
 {"create":{"status":409,"error":{"type":"version_conflict_engine_exception",
   "reason":"[1]: version conflict, document already exists"}}},
 {"create":{"status":429,"error":{"type":"es_rejected_execution_exception",
   "reason":"rejected execution of primary operation"}}},
 {"create":{"status":400,"error":{"caused_by":{"reason":"For input string: \"a\u0041\n\"",
   "type":"illegal_argument_exception"},
   "reason":"failed to parse field [code] of type [long]","type":"document_parsing_exception"}}},
 {"create":{"status":201,"failure_store":"used"}},{"create":{"status":201,"failure_store":null}},
 {"create":{"status":503,"error":"unavailable"}} ] }
`

func TestReply(t *testing.T) {
	failure := func(i int, r outputs.Reason, status int, detail string) outputs.Failure {
		kind, _, named := strings.Cut(detail, ":")
		if !named {
			kind = ""
		}
		return outputs.Failure{Index: i, Reason: r, Status: status, Detail: detail, Kind: kind}
	}
	for _, tc := range []struct {
		name, text string
		n          int
		items      int
		failed     []outputs.Failure
		stored     uint64
		Cause      string
	}{
		{
			name: "all well", text: `{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}`,
			items: 2,
		},
		{name: "no items", text: `{"took":0,"errors":false,"items":[]}`},
		{name: "nothing but errors", text: ` { "errors" : false } `},
		{name: "mixed", text: mixed, items: 7, stored: 1, failed: []outputs.Failure{
			failure(
				2, outputs.ReasonThrottled, 429,
				"es_rejected_execution_exception: rejected execution of primary operation",
			),
			failure(
				3, outputs.ReasonRejected, 400,
				`document_parsing_exception: failed to parse field [code] of type [long] (caused by `+
					`illegal_argument_exception: For input string: "aA ")`,
			),
			failure(6, outputs.ReasonServer, 503, "unavailable"),
		}},
		{
			name:  "a request's error",
			text:  `{"error":{"root_cause":[{"type":"x"}],"type":"security_exception","reason":"no"},"status":401}`,
			Cause: "security_exception: no",
		},
		{name: "a request's error as text", text: `{"error":"Forbidden","status":403}`, Cause: "Forbidden"},
		{name: "an error of no known shape", text: `{"error":[1,2,{"a":null}],"x":-1.5e9}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{
				"at once": strings.NewReader(tc.text), "byte by byte": iotest.OneByteReader(strings.NewReader(tc.text)),
			} {
				p, err := parseReply(r, 10)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				for i := range p.Failed {
					f := &p.Failed[i]
					f.Detail, f.Remedy = outputs.Whole(f.Detail), "" // TestItemRefusals looks at remedies
				}
				if p.Items != tc.items || p.Stored != tc.stored || outputs.Whole(p.Cause.String()) != tc.Cause ||
					!slices.Equal(p.Failed, tc.failed) {
					t.Errorf("%s: %d items, %d in the failure store, cause %q, failed %+v", name, p.Items, p.Stored,
						p.Cause.String(), p.Failed)
				}
			}
		})
	}
}

func TestReplyBroken(t *testing.T) {
	whole := strings.TrimSpace(mixed)
	for n := range len(whole) {
		if _, err := parseReply(strings.NewReader(whole[:n]), 10); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
	}
	for _, text := range []string{
		"<html>", "[]", `{"items":[{}]}`, `{"items":[{"create":{"status":201},"index":{"status":201}}]}`,
		`{"items":[1]}`, `{"items":{}}`,
		`{"errors":false}{}`, `{"errors":false} x`, `{"a":1,}`, `{"a" 1}`, `{a:1}`,
		`{"items":[{"create":{"status":201}}{"create":{"status":201}}]}`,
		`{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":}`, `{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`,
	} {
		if _, err := parseReply(strings.NewReader(text), 10); !errors.Is(err, errShape) {
			t.Errorf("%q: %v", text, err)
		}
	}
	broken := errors.New("connection reset")
	if _, err := parseReply(io.MultiReader(strings.NewReader(whole[:40]), iotest.ErrReader(broken)), 10); !errors.Is(
		err, broken,
	) {
		t.Errorf("the connection's error became %v", err)
	}
}

// endless is a reply that never ends.
type endless struct{ begun bool }

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	if !e.begun {
		e.begun, n = true, copy(p, `{"errors":true,"items":[{"create":{"status":400,"error":{"reason":"`)
	}
	for i := n; i < len(p); i++ {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestReplyIsBounded(t *testing.T) {
	if _, err := parseReply(&endless{}, 1); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("a reply without end: %v", err)
	}
	var b strings.Builder
	b.WriteString(`{"errors":true,"items":[`)
	const n = 10_000
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(
			`{"create":{"status":400,"error":{"type":"t","reason":"` + strconv.Itoa(i) + strings.Repeat("é", 4000) +
				`"}}}`,
		)
	}
	b.WriteString("]}")
	p, err := parseReply(strings.NewReader(b.String()), n)
	if err != nil || len(p.Failed) != n {
		t.Fatalf("%d failures, %v", len(p.Failed), err)
	}
	size := 0
	for _, f := range p.Failed {
		size += len(f.Detail)
		if f.Detail == "" || len(outputs.Whole(f.Detail)) > maxReason+10 {
			t.Fatalf("a detail of %d bytes", len(f.Detail))
		}
	}
	if size > maxDetails+n*10 {
		t.Errorf("%d bytes of details were kept", size)
	}
}

func FuzzReply(f *testing.F) {
	f.Add(mixed)
	f.Add(`{"errors":false,"items":[{"create":{"status":201}}]}`)
	f.Add(`{"errors":false,"items":[{"create":{"_index":"a","status":201}},{"create":{"_index":"a\\","status":201}}]}`)
	f.Add(`{"error":{"type":"x","reason":"\ud83d\ude00"},"status":500}`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseReply(strings.NewReader(text), 5)
		slow, slowErr := parseReply(iotest.OneByteReader(strings.NewReader(text)), 5)
		if (err == nil) != (slowErr == nil) ||
			err == nil && (p.Items != slow.Items || !slices.Equal(p.Failed, slow.Failed)) {
			t.Fatalf("at once %v, byte by byte %v", err, slowErr)
		}
		if err != nil {
			return
		}
		// What is taken for a reply has as many items as a parser of all JSON finds.
		var all map[string]json.RawMessage // a struct would take "ITEMS" too
		var want []json.RawMessage
		if json.Unmarshal([]byte(text), &all) != nil || json.Unmarshal(all["items"], &want) != nil ||
			strings.Contains(text, `\`) {
			return
		}
		if strings.Count(text, `"items"`) == 1 && len(want) != p.Items {
			t.Errorf("%d items, want %d", p.Items, len(want))
		}
	})
}
