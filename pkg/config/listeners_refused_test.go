package config

import "testing"

// What a listener says of proxies: networks that are none, and a protocol that nobody is believed to speak.
func TestListeners_Proxies(t *testing.T) {
	says(t, []mistake{
		{"off", "listeners: [{address: '127.0.0.1:1', proxy_protocol: \"off\"}]\n", ""},
		{
			"off, with networks",
			"listeners: [{address: '127.0.0.1:1', proxy_protocol: \"off\", trusted_proxies: [10.0.0.0/8]}]\n", "",
		},
		{"off without quotes", "listeners: [{address: '127.0.0.1:1', proxy_protocol: off}]\n", ""},
		{
			"from a network",
			"listeners: [{address: '127.0.0.1:1', proxy_protocol: required, trusted_proxies: 10.0.0.0/8}]\n", "",
		},
		{
			"from one address",
			"listeners: [{address: '127.0.0.1:1', proxy_protocol: optional, trusted_proxies: ['10.0.0.1', " +
				"'2001:db8::1']}]\n",
			"",
		},
		{
			"from nobody", "listeners: [{address: '127.0.0.1:1', proxy_protocol: required}]\n",
			"a.yaml:1:13: listeners[0].trusted_proxies: proxy_protocol: required believes trusted_proxies only, " +
				"and there are none (name the load balancer's networks)",
		},
		{
			"from an empty list",
			"listeners: [{address: '127.0.0.1:1', proxy_protocol: optional, trusted_proxies: []}]\n",
			"a.yaml:1:81: listeners[0].trusted_proxies: proxy_protocol: optional believes trusted_proxies only, " +
				"and there are none (name the load balancer's networks)",
		},
		{
			"a name",
			"listeners: [{address: '127.0.0.1:1', proxy_protocol: required, trusted_proxies: [proxy.example]}]\n",
			`a.yaml:1:81: listeners[0].trusted_proxies: "proxy.example" is neither an address nor a network ` +
				"such as 10.0.0.0/8",
		},
		{
			"a mask that is too long",
			"listeners: [{address: '127.0.0.1:1', proxy_protocol: required, trusted_proxies: [10.0.0.0/33]}]\n",
			`a.yaml:1:81: listeners[0].trusted_proxies: "10.0.0.0/33" is neither an address nor a network such ` +
				"as 10.0.0.0/8",
		},
		{
			"the second of two",
			"listeners: [{address: '127.0.0.1:1', proxy_protocol: required, trusted_proxies: [10.0.0.0/8, 10.0.0]}]\n",
			`a.yaml:1:81: listeners[0].trusted_proxies: "10.0.0" is neither an address nor a network such as ` +
				"10.0.0.0/8",
		},
		{
			"on a socket",
			"listeners: [{address: 'unix:/run/a', proxy_protocol: required, trusted_proxies: [10.0.0.0/8]}]\n",
			"a.yaml:1:54: listeners[0].proxy_protocol: there is no PROXY protocol on a Unix socket (leave it off)",
		},
		{
			"another word", "listeners: [{address: '127.0.0.1:1', proxy_protocol: v2}]\n",
			`a.yaml:1:54: listeners[0].proxy_protocol: "v2" is not a valid value (one of off, optional, required)`,
		},
	})
}

// Names of listeners can stand in metrics, and each is another; two that give none have the same.
func TestListeners_Names(t *testing.T) {
	says(t, []mistake{
		{
			"two without", "listeners: [{address: '127.0.0.1:1'}, {address: '127.0.0.1:2'}]\n",
			"a.yaml:1:39: listeners[1].name: listeners[0] (a.yaml:1) has the same name (give each its own)",
		},
		{
			"two alike", "listeners:\n- {name: a, address: '127.0.0.1:1'}\n- {address: '127.0.0.1:2', name: a}\n",
			"a.yaml:3:34: listeners[1].name: listeners[0] (a.yaml:2) has the same name (give each its own)",
		},
		{
			"three alike",
			"listeners:\n" +
				"- {name: a, address: '127.0.0.1:1'}\n" +
				"- {name: a, address: '127.0.0.1:2'}\n" +
				"- {name: a, address: '127.0.0.1:3'}\n",
			"a.yaml:3:10: listeners[1].name: listeners[0] (a.yaml:2) has the same name (give each its own)\n" +
				"a.yaml:4:10: listeners[2].name: listeners[1] (a.yaml:3) has the same name (give each its own)",
		},
		{"in other letters", "listeners: [{name: a, address: '127.0.0.1:1'}, {name: A, address: '127.0.0.1:2'}]\n", ""},
		{"empty", "listeners: [{name: \"\", address: '127.0.0.1:1'}]\n", "a.yaml:1:20: listeners[0].name: " + badName},
		{"a space", "listeners: [{name: a b, address: '127.0.0.1:1'}]\n", "a.yaml:1:20: listeners[0].name: " + badName},
		{"a slash", "listeners: [{name: a/b, address: '127.0.0.1:1'}]\n", "a.yaml:1:20: listeners[0].name: " + badName},
		{
			"a dash first", "listeners: [{name: -a, address: '127.0.0.1:1'}]\n",
			"a.yaml:1:20: listeners[0].name: " + badName,
		},
		{
			"a dot first", "listeners: [{name: .a, address: '127.0.0.1:1'}]\n",
			"a.yaml:1:20: listeners[0].name: " + badName,
		},
		{"an underscore first", "listeners: [{name: _a, address: '127.0.0.1:1'}]\n", ""},
		{
			"not ASCII", "listeners: [{name: séoul, address: '127.0.0.1:1'}]\n",
			"a.yaml:1:20: listeners[0].name: " + badName,
		},
		{
			"as long as may be",
			"listeners: [{name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, address: " +
				"'127.0.0.1:1'}]\n",
			"",
		},
		{
			"one longer",
			"listeners: [{name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, address: " +
				"'127.0.0.1:1'}]\n",
			"a.yaml:1:20: listeners[0].name: " + badName,
		},
	})
}

// Keys that a listener must have, and the least and the most of its numbers.
func TestListeners_Keys(t *testing.T) {
	says(t, []mistake{
		{
			"no address", "listeners: [{name: a}]\n",
			"a.yaml:1:13: listeners[0].address: the key is missing (host:port, or unix:/path)",
		},
		{
			"an empty address", "listeners: [{address: \"\"}]\n",
			"a.yaml:1:23: listeners[0].address: is empty (host:port, or unix:/path)",
		},
		{
			"an empty one", "listeners: [{}]\n",
			"a.yaml:1:13: listeners[0].address: the key is missing (host:port, or unix:/path)",
		},
		{"none", "listeners: []\n", ""},
		{
			"a mapping", "listeners: {address: '127.0.0.1:1'}\n",
			"a.yaml:1:12: listeners: expected a list, got a mapping (write - before each entry)",
		},
		{
			"a text", "listeners: 127.0.0.1:1\n",
			`a.yaml:1:12: listeners: expected a list, got "127.0.0.1:1" (write - before each entry)`,
		},
		{"nothing", "listeners:\n", "a.yaml:1:11: listeners: has no value (give it one, or remove the key)"},
		{
			"a text in the list", "listeners: ['127.0.0.1:1']\n",
			`a.yaml:1:13: listeners[0]: expected a mapping with keys like name, address, tls, got "127.0.0.1:1"`,
		},
		{
			"no connections", "listeners: [{address: '127.0.0.1:1', max_connections: 0}]\n",
			"a.yaml:1:55: listeners[0].max_connections: 0 is less than 1",
		},
		{"one connection", "listeners: [{address: '127.0.0.1:1', max_connections: 1}]\n", ""},
		{"no limit of a source", "listeners: [{address: '127.0.0.1:1', max_connections_per_source: 0}]\n", ""},
		{
			"less than none of a source", "listeners: [{address: '127.0.0.1:1', max_connections_per_source: -1}]\n",
			"a.yaml:1:66: listeners[0].max_connections_per_source: -1 is less than 0",
		},
		{
			"a short handshake", "listeners: [{address: '127.0.0.1:1', handshake_timeout: 99ms}]\n",
			`a.yaml:1:57: listeners[0].handshake_timeout: "99ms" is less than 100ms`,
		},
		{"the shortest handshake", "listeners: [{address: '127.0.0.1:1', handshake_timeout: 100ms}]\n", ""},
		{"the shortest rest", "listeners: [{address: '127.0.0.1:1', idle_timeout: 1s}]\n", ""},
		{
			"less than that", "listeners: [{address: '127.0.0.1:1', idle_timeout: 999ms}]\n",
			`a.yaml:1:52: listeners[0].idle_timeout: "999ms" is less than 1s`,
		},
		{
			"a small message", "listeners: [{address: '127.0.0.1:1', max_message_size: 65535}]\n",
			"a.yaml:1:56: listeners[0].max_message_size: 65535 is less than 64KiB",
		},
		{"the smallest limit", "listeners: [{address: '127.0.0.1:1', max_message_size: 65536}]\n", ""},
		{
			"a small limit of what is decompressed",
			"listeners: [{address: '127.0.0.1:1', max_decompressed_size: 64KB}]\n",
			`a.yaml:1:61: listeners[0].max_decompressed_size: "64KB" is less than 64KiB`,
		},
	})
}

// What TLS of a listener needs, and what a handover does.
func TestListeners_Certificates(t *testing.T) {
	says(t, []mistake{
		{
			"no files", "listeners: [{address: '127.0.0.1:1', tls: {}}]\n",
			"a.yaml:1:43: listeners[0].tls.cert_file: the key is missing (PEM)\n" +
				"a.yaml:1:43: listeners[0].tls.key_file: the key is missing (PEM)",
		},
		{
			"no key", "listeners: [{address: '127.0.0.1:1', tls: {cert_file: a.pem}}]\n",
			"a.yaml:1:43: listeners[0].tls.key_file: the key is missing (PEM)",
		},
		{
			"an empty key", "listeners: [{address: '127.0.0.1:1', tls: {cert_file: a.pem, key_file: \"\"}}]\n",
			"a.yaml:1:72: listeners[0].tls.key_file: is empty (PEM)",
		},
		{
			"an old version",
			"listeners: [{address: '127.0.0.1:1', tls: {cert_file: a, key_file: b, min_version: \"1.1\"}}]\n",
			`a.yaml:1:84: listeners[0].tls.min_version: "1.1" is not a valid value (did you mean 1.2?)`,
		},
		{
			"a version as a number",
			"listeners: [{address: '127.0.0.1:1', tls: {cert_file: a, key_file: b, min_version: 1.3}}]\n",
			"a.yaml:1:84: listeners[0].tls.min_version: expected a text, got 1.3 (put it in quotes)",
		},
		{
			"another demand",
			"listeners: [{address: '127.0.0.1:1', tls: {cert_file: a, key_file: b, client_auth: verify}}]\n",
			`a.yaml:1:84: listeners[0].tls.client_auth: "verify" is not a valid value (one of require, request)`,
		},
		{
			"true", "listeners: [{address: '127.0.0.1:1', tls: true}]\n",
			"a.yaml:1:43: listeners[0].tls: expected a mapping with keys like cert_file, key_file, " +
				"client_ca_file, got true",
		},
		{
			"certificates that are required",
			"listeners: [{address: '0.0.0.0:1', tls: {cert_file: a, key_file: b, client_ca_file: c}}]\n", "",
		},
		{
			"certificates that are requested",
			"listeners: [{address: '0.0.0.0:1', tls: {cert_file: a, key_file: b, client_ca_file: c, " +
				"client_auth: request}}]\n",
			`a.yaml:1:23: listeners[0].address: "0.0.0.0:1" ` + openToAll,
		},
		{
			"a handover without a key", "listeners: [{address: '127.0.0.1:1', handover: {clusters: [default]}}]\n",
			"a.yaml:1:48: listeners[0].handover.shared_key: the key is missing (for handovers alone, no cluster's)",
		},
		{
			"a handover with an empty key",
			"listeners: [{address: '127.0.0.1:1', handover: {shared_key: \"\", clusters: [default]}}]\n",
			"a.yaml:1:61: listeners[0].handover.shared_key: is empty (for handovers alone, no cluster's)",
		},
		{
			"a handover of the default",
			"listeners: [{address: '127.0.0.1:1', handover: {shared_key: hunter2, clusters: default}}]\n", "",
		},
		{
			"a handover of an unknown cluster",
			"listeners: [{address: '127.0.0.1:1', handover: {shared_key: hunter2, clusters: [seoul]}}]\n",
			`a.yaml:1:81: listeners[0].handover.clusters[0]: no cluster is named "seoul" (one of default)`,
		},
		{
			"clusters of a listener",
			"listeners: [{address: '127.0.0.1:1', clusters: [seol]}]\nclusters: [{name: seoul, shared_key: hunter2}]\n",
			`a.yaml:1:49: listeners[0].clusters[0]: no cluster is named "seol" (did you mean seoul?)`,
		},
		{
			"clusters where there are none", "listeners: [{address: '127.0.0.1:1', clusters: [seoul]}]\n",
			`a.yaml:1:49: listeners[0].clusters[0]: no cluster is named "seoul" (one of default)`,
		},
	})
}

// Whoever can be reached from elsewhere has to know whom it takes.
func TestListeners_Strangers(t *testing.T) {
	says(t, []mistake{
		{
			"nobody to ask", "listeners: [{address: '0.0.0.0:1'}]\n",
			`a.yaml:1:23: listeners[0].address: "0.0.0.0:1" ` + openToAll,
		},
		{"nobody to ask, and meant", "listeners: [{address: '0.0.0.0:1', allow_anonymous: true}]\n", ""},
		{"a key", "listeners: [{address: '0.0.0.0:1'}]\nclusters: [{name: a, shared_key: hunter2}]\n", ""},
		{"a network", "listeners: [{address: '0.0.0.0:1'}]\nclusters: [{name: a, sources: [10.0.0.0/8]}]\n", ""},
		{
			"a cluster that asks nothing", "listeners: [{address: '0.0.0.0:1'}]\nclusters: [{name: a}]\n",
			"a.yaml:1:23: listeners[0].address: it can be reached from elsewhere, and agents of clusters[0] " +
				nothingToProve,
		},
		{
			"a key and one that asks nothing",
			"listeners: [{address: '0.0.0.0:1'}]\nclusters: [{name: a, shared_key: hunter2}, {name: b}]\n",
			"warning: a.yaml:2:44: clusters[1]: " + noWayIn,
		},
		{
			"one that asks nothing, on its own",
			"listeners:\n" +
				"- {name: a, address: '0.0.0.0:1', clusters: [a]}\n" +
				"- {name: b, address: '0.0.0.0:2', clusters: [b]}\n" +
				"clusters: [{name: a, shared_key: hunter2}, {name: b}]\n",
			"a.yaml:3:22: listeners[1].address: it can be reached from elsewhere, and agents of clusters[1] " +
				nothingToProve,
		},
		{
			"an empty key", "listeners: [{address: '0.0.0.0:1'}]\nclusters: [{name: a, shared_key: [hunter2, \"\"]}]\n",
			"a.yaml:1:23: listeners[0].address: it can be reached from elsewhere, and agents of clusters[0] " +
				nothingToProve + "\n" +
				"a.yaml:2:44: clusters[0].shared_key[1]: the secret is empty (write one, or remove the entry)",
		},
		{
			"names of certificates and none to check",
			"listeners: [{address: '127.0.0.1:1'}]\nclusters: [{name: a, tls_names: [x]}]\n",
			"warning: a.yaml:2:12: clusters[0]: " + noWayIn,
		},
		{
			"names of certificates",
			"listeners: [{address: '0.0.0.0:1', tls: {cert_file: a, key_file: b, client_ca_file: c}}]\n" +
				"clusters: [{name: a, tls_names: [x]}]\n",
			"",
		},
		{
			"a host's name", "listeners: [{address: 'a.example:1'}]\n",
			`a.yaml:1:23: listeners[0].address: "a.example:1" ` + openToAll,
		},
		{
			"in IPv6, for all", "listeners: [{address: '[::]:1'}]\n",
			`a.yaml:1:23: listeners[0].address: "[::]:1" ` + openToAll,
		},
		{"a mapped loopback", "listeners: [{address: '[::ffff:127.0.0.1]:1'}]\n", ""},
		{"all of 127", "listeners: [{address: '127.9.9.9:1'}]\n", ""},
	})
}
