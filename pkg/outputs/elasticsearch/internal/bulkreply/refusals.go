package bulkreply

import (
	"slices"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// Types of errors, in the server's words.
const (
	illegal = "illegal_argument_exception"
	parsing = "document_parsing_exception"
	mapper  = "mapper_parsing_exception"
	missing = "index_not_found_exception"
	block   = "cluster_block_exception"
)

// ItemRefusals returns what follows from an item of a bulk reply that proves no delivery. docs/elasticsearch.md shows
// it.
func ItemRefusals() outputs.Refusals {
	return slices.Concat(stateRefusals(), setupRefusals(), contentRefusals(), otherRefusals())
}

// stateRefusals are of the state that a cluster or an index is in.
func stateRefusals() outputs.Refusals {
	return outputs.Refusals{
		{
			What: "conflict with an older version", Status: []int{409}, Reason: outputs.ReasonServer,
			Remedy: "nothing: it is tried again",
		},
		{What: "too long in coming", Status: []int{408}, Reason: outputs.ReasonServer, Remedy: "look at the nodes"},
		{
			What: "disk past the flood stage", Kinds: []string{block},
			Words: "index […] blocked by: [TOO_MANY_REQUESTS/12/", Reason: outputs.ReasonTarget,
			Remedy: "free disk space on the nodes; the server lifts the block by itself",
		},
		{
			What: "index blocked", Kinds: []string{block}, Words: "index […] blocked by: [",
			Reason: outputs.ReasonTarget,
			Remedy: "lift the block (`index.blocks.*: null`), move what waits elsewhere, or purge it",
		},
		{
			What: "no new indices", Kinds: []string{block, "index_create_block_exception"},
			Words: "blocked by: [FORBIDDEN/10/", Reason: outputs.ReasonTarget,
			Remedy: "lift the cluster's block on making indices (`cluster.blocks.create_index: null`)",
		},
		{
			What: "cluster blocked", Kinds: []string{block}, Words: "blocked by: [", Reason: outputs.ReasonServer,
			Remedy: "lift the cluster's block, or wait until it has a master and its state again",
		},
		{
			What: "no write index", Status: []int{400}, Kinds: []string{illegal},
			Words: "no write index is defined for alias [", Reason: outputs.ReasonTarget,
			Remedy: "give one of the alias's indices `is_write_index: true`",
		},
		{
			What: "closed index", Kinds: []string{"index_closed_exception"}, Reason: outputs.ReasonTarget,
			Remedy: "open the index, move what waits elsewhere, or purge it",
		},
		{
			What: "no active primary (red)", Kinds: []string{
				"unavailable_shards_exception", "no_shard_available_action_exception",
			}, Reason: outputs.ReasonTarget,
			Remedy: "look at `GET _cluster/allocation/explain`; restore or re-create the index where its " +
				"shards are gone",
		},
		{
			What: "without privilege", Status: []int{403}, Kinds: []string{"security_exception"},
			Reason: outputs.ReasonTarget,
			Remedy: "give the user `create_doc` and `auto_configure` on the name (`index` for `op_type: index`)",
		},
		{
			What: "login refused", Status: []int{401}, Reason: outputs.ReasonAuth,
			Remedy: "check the credentials and their expiry",
		},
		{
			What: "shards full", Status: []int{400}, Kinds: []string{"validation_exception", illegal},
			Words: "Validation Failed: 1: this action would add […", Reason: outputs.ReasonTarget,
			Remedy: "delete old indices, make fewer, or raise `cluster.max_shards_per_node`",
		},
	}
}

// setupRefusals are of how an index, or what is before it, is set up.
func setupRefusals() outputs.Refusals {
	const (
		raiseFields = "map noisy objects as `flattened`, set " +
			"`index.mapping.total_fields.ignore_dynamic_beyond_limit`, or raise `index.mapping.total_fields.limit`"
		allowCreate = "allow the name in `action.auto_create_index` or the template's `allow_auto_create`, or " +
			"make the index"
	)
	return outputs.Refusals{
		{
			What: "fields full", Status: []int{400}, Kinds: []string{parsing, mapper},
			Words: "[…] failed to parse: Limit of total fields [", Reason: outputs.ReasonTarget, Partial: true,
			Remedy: raiseFields,
		},
		{
			What: "fields full, before 8", Status: []int{400}, Kinds: []string{illegal},
			Words: "Limit of total fields [", Reason: outputs.ReasonTarget, Partial: true,
			Remedy: raiseFields,
		},
		{
			What: "missing pipeline", Status: []int{400}, Kinds: []string{illegal},
			Words: "pipeline with id […] does not exist", Reason: outputs.ReasonTarget,
			Remedy: "make the pipeline, or take it out of `pipeline` or the index's settings",
		},
		{
			What: "`op_type: index` on a data stream", Status: []int{400}, Kinds: []string{illegal},
			Words:  "only write ops with an op_type of create are allowed in data streams",
			Reason: outputs.ReasonTarget, Remedy: "set `op_type: create`",
		},
		{
			What: "ids not taken", Status: []int{400}, Words: "Document ID is not supported",
			Reason: outputs.ReasonTarget,
			Remedy: "set `id: none`: this collection makes the ids itself",
		},
		{
			What: "auto-create off", Status: []int{404}, Kinds: []string{missing},
			Words: "no such index […] and [action.auto_create_index]", Reason: outputs.ReasonTarget,
			Remedy: allowCreate,
		},
		{
			What: "template forbids auto-create", Status: []int{404}, Kinds: []string{missing},
			Words:  "no such index [composable template […] forbids index auto creation]",
			Reason: outputs.ReasonTarget, Remedy: allowCreate,
		},
		{
			What: "no such index", Status: []int{404}, Kinds: []string{missing}, Reason: outputs.ReasonTarget,
			Remedy: "make the index, its alias or its data stream's template",
		},
		{
			What: "routing required", Status: []int{400}, Kinds: []string{"routing_missing_exception"},
			Reason: outputs.ReasonTarget,
			Remedy: "take `_routing.required` out of the index's mapping",
		},
	}
}

// contentRefusals are of what is in an event.
func contentRefusals() outputs.Refusals {
	const content = "change the mapping of new indices, or drop or rename the field by a filter; then retry the " +
		"dead letters"
	return outputs.Refusals{
		{
			What: "strict mapping", Status: []int{400}, Kinds: []string{"strict_dynamic_mapping_exception"},
			Reason: outputs.ReasonRejected,
			Remedy: "add the field to the mapping, or set `dynamic` otherwise; then retry the dead letters",
		},
		{
			What: "field of another type", Status: []int{400}, Kinds: []string{parsing, mapper},
			Reason: outputs.ReasonRejected, Remedy: content,
		},
		{
			What: "field of another type, by a new mapping", Status: []int{400}, Kinds: []string{illegal},
			Words: "mapper […] cannot be changed from type [", Reason: outputs.ReasonRejected,
			Remedy: content,
		},
		{
			What: "field's name too long", Status: []int{400}, Kinds: []string{illegal},
			Words: "Field name […] is longer than the limit", Reason: outputs.ReasonRejected, Remedy: content,
		},
		{
			What: "nested too deep", Status: []int{400}, Kinds: []string{illegal}, Words: "Limit of mapping depth [",
			Reason: outputs.ReasonRejected, Remedy: content,
		},
		{
			What: "value too long for a keyword", Status: []int{400}, Kinds: []string{illegal},
			Words: "Document contains at least one immense term", Reason: outputs.ReasonRejected,
			Remedy: "set `ignore_above` in the field's mapping",
		},
		{
			What: "no name for an index", Kinds: []string{"invalid_index_name_exception"},
			Reason: outputs.ReasonRejected, Remedy: "look at the fields in `index`",
		},
	}
}

// otherRefusals are of a size, the moment, and what is not known.
func otherRefusals() outputs.Refusals {
	return outputs.Refusals{
		{
			What: "event too large", Status: []int{413}, Reason: outputs.ReasonTooLarge,
			Remedy: "raise `http.max_content_length`, or the proxy's limit",
		},
		{
			What: "too much at once", Status: []int{429}, Reason: outputs.ReasonThrottled,
			Remedy: "nothing, or more nodes",
		},
		{
			What: "memory short", Kinds: []string{"circuit_breaking_exception"}, Reason: outputs.ReasonThrottled,
			Remedy: "fewer `workers`, smaller batches, or a larger heap",
		},
		{
			What: "forbidden otherwise", Status: []int{403}, Reason: outputs.ReasonTarget,
			Remedy: "look at the privileges, and at proxies on the way",
		},
		{
			What: "any other refusal", Status: []int{4}, Reason: outputs.ReasonRejected, Unlisted: true,
			Remedy: "look at the dead letter's reason",
		},
		{What: "any failure", Reason: outputs.ReasonServer, Remedy: "look at the nodes"},
	}
}

// RequestRefusals returns what follows from an answer to a whole bulk request that carried it out for no event.
// docs/elasticsearch.md shows it.
func RequestRefusals() outputs.Refusals {
	return outputs.Refusals{
		{
			What: "too large", Status: []int{413}, Reason: outputs.ReasonTooLarge,
			Remedy: "raise `http.max_content_length`, or the proxy's limit",
		},
		{
			What: "cluster blocked", Kinds: []string{"cluster_block_exception"}, Reason: outputs.ReasonServer,
			Remedy: "lift the cluster's block, or wait until it has a master and its state again",
		},
		{
			What: "too much at once", Status: []int{429}, Reason: outputs.ReasonThrottled,
			Remedy: "nothing, or more nodes",
		},
		{
			What: "login refused", Status: []int{401, 407}, Reason: outputs.ReasonAuth,
			Remedy: "check the credentials and their expiry, those of a proxy too",
		},
		{
			What: "without privilege", Status: []int{403}, Kinds: []string{"security_exception"},
			Reason: outputs.ReasonAuth,
			Remedy: "give the user the privileges in \"With ECK\"",
		},
		{
			What: "refused by a gateway", Status: []int{403}, Reason: outputs.ReasonAuth, Suspect: true,
			Remedy: "look at the rules of the firewall or proxy on the way",
		},
		{
			What: "of the moment", Status: []int{408, 425, 503, 504}, Reason: outputs.ReasonServer,
			Remedy: "look at the nodes and at proxies on the way",
		},
		{
			What: "somewhere else", Status: []int{3}, Reason: outputs.ReasonServer,
			Remedy: "set `hosts` to where it points",
		},
		{
			What: "a page in place of a reply", Status: []int{2}, Reason: outputs.ReasonServer, Suspect: true,
			Remedy: "something else answers: a proxy's login or error page",
		},
		{
			What: "any other answer", Reason: outputs.ReasonServer, Suspect: true,
			Remedy: "look at the nodes and at proxies on the way",
		},
	}
}
