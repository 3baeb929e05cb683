package bulkreply

import (
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// TestPublicCauses: everybody sees the type, the field and the target, and no value of a record, wherever it is quoted.
func TestPublicCauses(t *testing.T) {
	for _, tc := range []struct{ kind, reason, want string }{
		{
			"document_parsing_exception",
			"[1:37] failed to parse field [code] of type [long] in document with id 'x'. Preview of field's " +
				"value: 'hunter2'",
			"document_parsing_exception: field [code] of type [long]",
		},
		{"mapper_parsing_exception", "failed to parse", "mapper_parsing_exception"},
		{
			"mapper_parsing_exception",
			"object mapping for [a.b] tried to parse field [b] as object, but found hunter2",
			"mapper_parsing_exception: [a.b]",
		},
		{
			"illegal_argument_exception", "mapper [n] cannot be changed from type [long] to [text]: hunter2",
			"illegal_argument_exception: [n] cannot be changed from type [long] to [text]",
		},
		{
			"illegal_argument_exception",
			"Limit of total fields [1000] has been exceeded while adding new fields [hunter2]",
			"illegal_argument_exception: Limit of total fields [1000]",
		},
		{
			"illegal_argument_exception", "can't use 'failed to parse field [hunter2] of type [long]'",
			"illegal_argument_exception",
		},
		{
			"cluster_block_exception", "index [a] blocked by: [FORBIDDEN/12/index read-only / allow delete (api)];",
			"cluster_block_exception: blocked by: [FORBIDDEN/12/index read-only / allow delete (api)]",
		},
		{"", "hunter2", ""},
	} {
		c := Cause{Kind: tc.kind, Reason: tc.reason}
		if got := outputs.Public(c.String()); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.reason, got, tc.want)
		}
		if got, want := outputs.Whole(c.String()), strings.TrimPrefix(tc.kind+": "+tc.reason, ": "); got != want {
			t.Errorf("the whole of it: %q, want %q", got, want)
		}
	}
	outer := Cause{Kind: "a", Reason: "hunter2", by: (&Cause{Kind: "b", Reason: "hunter2 again"}).String()}
	if got := outputs.Public(outer.String()); got != "a (caused by b)" {
		t.Errorf("with its cause: %q", got)
	}
}
