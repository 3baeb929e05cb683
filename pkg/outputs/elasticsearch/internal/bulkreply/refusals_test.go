package bulkreply

import (
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

// The answers are those of Elasticsearch 8.14.3, where nothing else is said, for an item of each state. A mistake here
// loses events, repeats them for ever, or has one index stop another.
func TestItemRefusals(t *testing.T) {
	const (
		illegal = "illegal_argument_exception"
		parsing = "document_parsing_exception"
		block   = "cluster_block_exception"
		missing = "index_not_found_exception"
	)
	outputtest.HoldRefusals(t, ItemRefusals(), []outputtest.Answer{
		{What: "conflict with an older version", Status: 409, Kind: "something_else"},
		{What: "too long in coming", Status: 408},
		{
			What: "index blocked", Status: 403, Kind: block,
			Words: "index [ro] blocked by: [FORBIDDEN/8/index write (api)];",
		},
		{
			What: "index blocked", Status: 403, Kind: block,
			Words: "index [ro2] blocked by: [FORBIDDEN/5/index read-only (api)];",
		},
		{
			What: "index blocked", Status: 403, Kind: block,
			Words: "index [ro4] blocked by: [FORBIDDEN/9/index metadata (api)];",
		},
		{
			What: "disk past the flood stage", Status: 429, Kind: block,
			Words: "index [ro3] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index " +
				"has read-only-allow-delete block];",
		},
		// OpenSearch.
		{
			What: "no new indices", Status: 403, Kind: "index_create_block_exception",
			Words: "blocked by: [FORBIDDEN/10/cluster create-index blocked (api)];",
		},
		{What: "cluster blocked", Status: 503, Kind: block, Words: "blocked by: [SERVICE_UNAVAILABLE/2/no master];"},
		{
			What: "no write index", Status: 400, Kind: illegal,
			Words: "no write index is defined for alias [al]. The write index may be explicitly disabled using " +
				"is_write_index=false",
		},
		{What: "closed index", Status: 400, Kind: "index_closed_exception", Words: "closed"},
		{
			What: "no active primary (red)", Status: 503, Kind: "unavailable_shards_exception",
			Words: "[red][0] primary shard is not active Timeout: [2s], request: [BulkShardRequest",
		},
		{
			What: "without privilege", Status: 403, Kind: "security_exception",
			Words: "action [indices:admin/auto_create] is unauthorized for user [u]",
		},
		{What: "login refused", Status: 401, Kind: "security_exception"},
		{
			What: "shards full", Status: 400, Kind: "validation_exception",
			Words: "Validation Failed: 1: this action would add [2] shards, but this cluster currently has [13]/[1] " +
				"maximum normal shards open;",
		},
		// 7.x.
		{
			What: "shards full", Status: 400, Kind: "validation_exception",
			Words: "Validation Failed: 1: this action would add [2] total shards, but this cluster currently has " +
				"[1]/[1] maximum shards open;",
		},
		{
			What: "fields full", Status: 400, Kind: parsing,
			Words: "[1:31] failed to parse: Limit of total fields [3] has been exceeded while adding new fields [3]",
		},
		// 7.x.
		{
			What: "fields full, before 8", Status: 400, Kind: illegal,
			Words: "Limit of total fields [1000] has been exceeded",
		},
		{What: "missing pipeline", Status: 400, Kind: illegal, Words: "pipeline with id [nope] does not exist"},
		{
			What: "`op_type: index` on a data stream", Status: 400, Kind: illegal,
			Words: "only write ops with an op_type of create are allowed in data streams",
		},
		// OpenSearch Serverless.
		{
			What: "ids not taken", Status: 400, Kind: illegal,
			Words: "Document ID is not supported in create/index operation request",
		},
		{
			What: "auto-create off", Status: 404, Kind: missing,
			Words: "no such index [nope-1] and [action.auto_create_index] contains [-nope-*] which forbids automatic " +
				"creation of the index",
		},
		{
			What: "template forbids auto-create", Status: 404, Kind: missing,
			Words: "no such index [composable template [na-*] forbids index auto creation]",
		},
		{
			What: "no such index", Status: 404, Kind: missing,
			Words: "no such index [notalias] and [require_alias] request flag is [true] and [notalias] is not an alias",
		},
		{
			What: "routing required", Status: 400, Kind: "routing_missing_exception",
			Words: "routing is required for [rt]/[1]",
		},
		{
			What: "strict mapping", Status: 400, Kind: "strict_dynamic_mapping_exception",
			Words: "[1:8] mapping set to strict, dynamic introduction of [zz] within [_doc] is not allowed",
		},
		{
			What: "field of another type", Status: 400, Kind: parsing,
			Words: "[1:7] failed to parse field [a] of type [long] in document with id 'x'. Preview of field's " +
				"value: 'words'",
		},
		{
			What: "field of another type", Status: 400, Kind: parsing,
			Words: "[1:7] object mapping for [o] tried to parse field [o] as object, but found a concrete value",
		},
		{
			What: "field of another type", Status: 400, Kind: parsing,
			Words: "[1:13] failed to parse: Limit of mapping depth [2] has been exceeded due to object field [a.b]",
		},
		{
			What: "field of another type", Status: 400, Kind: parsing,
			Words: "[1:8] failed to parse: data stream timestamp field [@timestamp] is missing",
		},
		// 7.x, OpenSearch.
		{
			What: "field of another type", Status: 400, Kind: "mapper_parsing_exception",
			Words: "failed to parse field [a] of type [long]",
		},
		{
			What: "field of another type", Status: 400, Kind: parsing, // a value that reads like a state
			Words: "[1:7] failed to parse field [a] of type [long] in document with id 'x'. Preview of field's " +
				"value: '] failed to parse: Limit of total fields ['",
		},
		{
			What: "field of another type, by a new mapping", Status: 400, Kind: illegal,
			Words: "mapper [a] cannot be changed from type [long] to [text]",
		},
		{
			What: "field's name too long", Status: 400, Kind: illegal,
			Words: "Field name [abcdefghij] is longer than the limit of [5] characters",
		},
		{What: "nested too deep", Status: 400, Kind: illegal, Words: "Limit of mapping depth [20] has been exceeded"},
		{
			What: "value too long for a keyword", Status: 400, Kind: illegal,
			Words: "Document contains at least one immense term in field=\"k\"",
		},
		{
			What: "no name for an index", Status: 400, Kind: "invalid_index_name_exception",
			Words: "Invalid index name [Upper], must be lowercase",
		},
		{What: "event too large", Status: 413},
		{
			What: "too much at once", Status: 429, Kind: "es_rejected_execution_exception",
			Words: "rejected execution of primary operation",
		},
		{What: "too much at once", Status: 429, Kind: "circuit_breaking_exception"},
		{What: "memory short", Status: 503, Kind: "circuit_breaking_exception"},
		{What: "forbidden otherwise", Status: 403},
		{What: "any other refusal", Status: 400, Kind: illegal, Words: "field [x] not present as part of path [x]"},
		{What: "any other refusal", Status: 422},
		{What: "any failure", Status: 500, Kind: "node_closed_exception"},
		{What: "any failure", Status: 0},
		{What: "any failure", Status: 301},
	}, "../../../../../docs/elasticsearch.md")
}

func TestRequestRefusals(t *testing.T) {
	outputtest.HoldRefusals(t, RequestRefusals(), []outputtest.Answer{
		{What: "too large", Status: 413},
		{
			What: "cluster blocked", Status: 403, Kind: "cluster_block_exception",
			Words: "blocked by: [FORBIDDEN/6/cluster read-only (api)];",
		},
		{
			What: "cluster blocked", Status: 503, Kind: "cluster_block_exception",
			Words: "blocked by: [SERVICE_UNAVAILABLE/1/state not recovered / initialized];",
		},
		{What: "too much at once", Status: 429},
		{What: "login refused", Status: 401, Kind: "security_exception"},
		{What: "login refused", Status: 407},
		{What: "without privilege", Status: 403, Kind: "security_exception"},
		{What: "refused by a gateway", Status: 403},
		{What: "of the moment", Status: 503},
		{What: "of the moment", Status: 504},
		{What: "of the moment", Status: 408},
		{What: "somewhere else", Status: 302},
		{What: "a page in place of a reply", Status: 200},
		{What: "any other answer", Status: 400, Kind: "illegal_argument_exception"},
		{What: "any other answer", Status: 418},
		{What: "any other answer", Status: 502},
	}, "../../../../../docs/elasticsearch.md")
}

// What is about the moment or the login never makes a request a suspect.
func TestSuspectsAreNotOfTheMoment(t *testing.T) {
	table := RequestRefusals()
	for _, status := range []int{401, 407, 408, 413, 425, 429, 503, 504} {
		if table.Find(status, "", "").Suspect {
			t.Errorf("%d makes a request a suspect", status)
		}
	}
	if table.Find(403, "security_exception", "").Suspect {
		t.Error("a missing privilege makes a request a suspect")
	}
	for i := range ItemRefusals() {
		if r := ItemRefusals()[i]; r.Suspect || r.Partial && r.Reason != outputs.ReasonTarget ||
			r.Unlisted && r.Reason != outputs.ReasonRejected {
			t.Errorf("a line of items contradicts itself: %+v", r)
		}
	}
}

// What is delivered needs no line.
func TestDelivered(t *testing.T) {
	const yes, no = true, false
	p := &Reply{Refusals: ItemRefusals()}
	for _, tc := range []struct {
		create    bool
		status    int
		kind      string
		delivered bool
	}{
		{yes, 200, "", yes},
		{yes, 201, "", yes},
		{no, 200, "", yes},
		{yes, 409, "version_conflict_engine_exception", yes},
		{yes, 409, "", yes},
		{yes, 409, "something_else", no},
		{no, 409, "version_conflict_engine_exception", no},
		{yes, 300, "", no},
		{yes, 0, "", no},
		{yes, 199, "", no},
	} {
		if got := p.refusal(tc.create, tc.status, &Cause{Kind: tc.kind}); (got == nil) != tc.delivered {
			t.Errorf("create %t, %d %s: %+v", tc.create, tc.status, tc.kind, got)
		}
	}
}
