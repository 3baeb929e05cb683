package config

import "testing"

// Names of clusters can stand in paths, each is another, and what each says of itself is complete.
func TestClusters_Names(t *testing.T) {
	says(t, []mistake{
		{
			"no name", "clusters: [{shared_key: hunter2}]\n",
			"a.yaml:1:12: clusters[0].name: the key is missing (a tenant: the agents that share a key, user or " +
				"certificate name)",
		},
		{
			"an empty name", "clusters: [{name: \"\", shared_key: hunter2}]\n",
			"a.yaml:1:19: clusters[0].name: is empty (a tenant: the agents that share a key, user or certificate name)",
		},
		{"a path", "clusters: [{name: ../x, shared_key: hunter2}]\n", "a.yaml:1:19: clusters[0].name: " + badName},
		{"a dot", "clusters: [{name: a.b, shared_key: hunter2}]\n", ""},
		{"a star", "clusters: [{name: \"a*\", shared_key: hunter2}]\n", "a.yaml:1:19: clusters[0].name: " + badName},
		{
			"a number", "clusters: [{name: 12, shared_key: hunter2}]\n",
			"a.yaml:1:19: clusters[0].name: expected a text, got 12 (put it in quotes)",
		},
		{"digits", "clusters: [{name: \"12\", shared_key: hunter2}]\n", ""},
		{
			"the same name", "clusters: [{name: a, shared_key: k1}, {name: a, shared_key: k2}]\n",
			"a.yaml:1:46: clusters[1].name: clusters[0] (a.yaml:1) has the same name (give each its own)",
		},
		{
			"the same name, three times",
			"clusters: [{name: a, shared_key: k1}, {name: a, shared_key: k2}, {name: a, shared_key: k3}]\n",
			"a.yaml:1:46: clusters[1].name: clusters[0] (a.yaml:1) has the same name (give each its own)\n" +
				"a.yaml:1:73: clusters[2].name: clusters[0] (a.yaml:1) has the same name (give each its own)",
		},
		{"in other letters", "clusters: [{name: a, shared_key: k1}, {name: A, shared_key: k2}]\n", ""},
		{"none", "clusters: []\n", ""},
		{
			"a mapping", "clusters: {seoul: {shared_key: hunter2}}\n",
			"a.yaml:1:11: clusters: expected a list, got a mapping (write - before each entry)",
		},
	})
}

// Whose an agent is can be told by its login alone.
func TestClusters_Logins(t *testing.T) {
	says(t, []mistake{
		{
			"the same key", "clusters: [{name: a, shared_key: hunter2}, {name: b, shared_key: hunter2}]\n",
			"a.yaml:1:66: clusters[1].shared_key: clusters[0] (a.yaml:1) has the same key (" + ofKeys + ")",
		},
		{
			"the same key in lists",
			"clusters: [{name: a, shared_key: [k1, hunter2]}, {name: b, shared_key: [hunter2, k3]}]\n",
			"a.yaml:1:72: clusters[1].shared_key: clusters[0] (a.yaml:1) has the same key (" + ofKeys + ")",
		},
		{
			"the same key with users of each",
			"clusters: [{name: a, shared_key: k, users: [{name: u, password: p}]}, {name: b, shared_key: k, " +
				"users: [{name: v, password: p}]}]\n",
			"",
		},
		{
			"the same key with users of one",
			"clusters: [{name: a, shared_key: k, users: [{name: u, password: p}]}, {name: b, shared_key: k}]\n",
			"a.yaml:1:93: clusters[1].shared_key: clusters[0] (a.yaml:1) has the same key (" + ofKeys + ")",
		},
		{
			"the same user",
			"clusters: [{name: a, users: [{name: u, password: hunter2}]}, {name: b, users: [{name: u, password: " +
				"hunter2}]}]\n",
			"a.yaml:1:79: clusters[1].users: clusters[0] (a.yaml:1) has the same user and password (a user " +
				"decides which cluster an agent belongs to: give each its own)",
		},
		{
			"the same user with another password",
			"clusters: [{name: a, users: [{name: u, password: p1}]}, {name: b, users: [{name: u, password: p2}]}]\n",
			"",
		},
		{
			"users without keys, and an empty key",
			"clusters: [{name: a, users: [{name: u, password: p}]}, {name: b, shared_key: \"\"}]\n",
			"a.yaml:1:78: clusters[1].shared_key: clusters[0] (a.yaml:1) has the same key (" + ofKeys + ")",
		},
		{
			"a user without a password", "clusters: [{name: a, users: [{name: u}]}]\n",
			"a.yaml:1:30: clusters[0].users[0].password: the key is missing",
		},
		{
			"a user with an empty one", "clusters: [{name: a, users: [{name: u, password: \"\"}]}]\n",
			"a.yaml:1:50: clusters[0].users[0].password: is empty",
		},
		{
			"a user without a name", "clusters: [{name: a, users: [{password: hunter2}]}]\n",
			"a.yaml:1:30: clusters[0].users[0].name: the key is missing",
		},
		{
			"users by name", "clusters: [{name: a, users: {u: hunter2}}]\n",
			"a.yaml:1:29: clusters[0].users: expected a list, got a mapping (write - before each entry)",
		},
		{
			"a key as a number", "clusters: [{name: a, shared_key: 12345678}]\n",
			"a.yaml:1:34: clusters[0].shared_key: expected a text, got a value of another type (put it in quotes)",
		},
		{"a key in quotes", "clusters: [{name: a, shared_key: \"12345678\"}]\n", ""},
		{"no keys", "clusters: [{name: a, shared_key: []}]\n", ""},
	})
}

// Networks and names of certificates that can't be read, or that two clusters share.
func TestClusters_Networks(t *testing.T) {
	says(t, []mistake{
		{"a network", "clusters: [{name: a, sources: [10.20.0.0/16]}]\n", ""},
		{"one address", "clusters: [{name: a, sources: 10.20.0.1}]\n", ""},
		{
			"no network", "clusters: [{name: a, sources: [10.20.0.0/16, seoul.example]}]\n",
			`a.yaml:1:31: clusters[0].sources: "seoul.example" is no network (write networks like 10.20.0.0/16, ` +
				"or single addresses)",
		},
		{
			"a mask of dots", "clusters: [{name: a, sources: [10.20.0.0/255.255.0.0]}]\n",
			`a.yaml:1:31: clusters[0].sources: "10.20.0.0/255.255.0.0" is no network (write networks like ` +
				"10.20.0.0/16, or single addresses)",
		},
		{
			"the same network", "clusters: [{name: a, sources: [10.0.0.0/8]}, {name: b, sources: [10.0.0.0/8]}]\n",
			"a.yaml:1:65: clusters[1].sources: clusters[0] (a.yaml:1) has the same network (the network alone " +
				"can't decide which one an agent belongs to)",
		},
		{
			"the same network, not masked",
			"clusters: [{name: a, sources: [10.0.0.0/8]}, {name: b, sources: [10.1.2.3/8]}]\n",
			"a.yaml:1:65: clusters[1].sources: clusters[0] (a.yaml:1) has the same network (the network alone " +
				"can't decide which one an agent belongs to)",
		},
		{
			"a network in a network",
			"clusters: [{name: a, sources: [10.0.0.0/8]}, {name: b, sources: [10.1.0.0/16]}]\n", "",
		},
		{
			"the same network and keys",
			"clusters: [{name: a, sources: [10.0.0.0/8], shared_key: k1}, {name: b, sources: [10.0.0.0/8], " +
				"shared_key: k2}]\n",
			"",
		},
		{
			"the same network and one key",
			"clusters: [{name: a, sources: [10.0.0.0/8], shared_key: k1}, {name: b, sources: [10.0.0.0/8]}]\n",
			"a.yaml:1:81: clusters[1].sources: clusters[0] (a.yaml:1) has the same network (the network alone " +
				"can't decide which one an agent belongs to)",
		},
		{
			"an empty certificate's name", "clusters: [{name: a, shared_key: k, tls_names: [\"\"]}]\n",
			"a.yaml:1:48: clusters[0].tls_names: a name is empty",
		},
		{
			"the same certificate's name",
			"clusters: [{name: a, shared_key: k1, tls_names: [X.example]}, {name: b, shared_key: k2, tls_names: " +
				"[x.example]}]\n",
			"a.yaml:1:100: clusters[1].tls_names: clusters[0] (a.yaml:1) has the same certificate name (a name " +
				"decides which cluster an agent belongs to: give each its own)",
		},
	})
}

// What a cluster may use, and which tags it may send.
func TestClusters_Limits(t *testing.T) {
	says(t, []mistake{
		{
			"no unit", "clusters: [{name: a, shared_key: k, rate_limit: 5MiB}]\n",
			`a.yaml:1:49: clusters[0].rate_limit: "5MiB" is not a rate per second (write 5MiB/s)`,
		},
		{
			"a rate",
			"clusters: [{name: a, shared_key: k, rate_limit: 5MiB/s, max_queue_size: 1GiB, max_connections: 7}]\n", "",
		},
		{
			"less than no connections", "clusters: [{name: a, shared_key: k, max_connections: -1}]\n",
			"a.yaml:1:54: clusters[0].max_connections: -1 is less than 0",
		},
		{
			"when it is full", "clusters: [{name: a, shared_key: k, when_full: drop}]\n",
			`a.yaml:1:48: clusters[0].when_full: "drop" is not a valid value (did you mean drop_oldest?)`,
		},
		{"fields", "clusters: [{name: a, shared_key: k, fields: {region: kr}}]\n", ""},
		{
			"fields of other types", "clusters: [{name: a, shared_key: k, fields: {zone: 3}}]\n",
			"a.yaml:1:52: clusters[0].fields.zone: expected a text, got 3 (put it in quotes)",
		},
		{
			"fields as a list", "clusters: [{name: a, shared_key: k, fields: [region]}]\n",
			"a.yaml:1:45: clusters[0].fields: expected a mapping of names, got a list (write each under its " +
				"name, as in a: {…}, without -)",
		},
		{
			"a field without value", "clusters: [{name: a, shared_key: k, fields: {region: }}]\n",
			"a.yaml:1:54: clusters[0].fields.region: has no value (give it one, or remove the key)",
		},
		{"a tag", "clusters: [{name: a, shared_key: k, tags: \"kube.**\"}]\n", ""},
		{
			"an open brace", "clusters: [{name: a, shared_key: k, tags: [\"kube.**\", \"{a,b\"]}]\n",
			`a.yaml:1:55: clusters[0].tags[1]: column 1: { without a } (no spaces between braces; write \{ for ` +
				"the character) (" + ofPatterns + ")",
		},
		{
			"a backslash at the end", "clusters: [{name: a, shared_key: k, tags: 'a\\'}]\n",
			`a.yaml:1:43: clusters[0].tags[0]: column 2: nothing follows the \ (` + ofPatterns + ")",
		},
		{
			"an empty tag", "clusters: [{name: a, shared_key: k, tags: [\"\"]}]\n",
			"a.yaml:1:44: clusters[0].tags[0]: column 1: it is empty (** matches every tag) (" + ofPatterns + ")",
		},
		{"three stars", "clusters: [{name: a, shared_key: k, tags: [\"a.***\"]}]\n", ""},
	})
}
