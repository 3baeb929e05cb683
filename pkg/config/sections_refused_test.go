package config

import "testing"

// What the buffer can't be: sizes and times beyond their bounds, words that are none of the choices.
func TestBuffer_Refused(t *testing.T) {
	says(t, []mistake{
		{"the least segment", "buffer: {segment_size: 1MiB}\n", ""},
		{"less", "buffer: {segment_size: 1048575}\n", "a.yaml:1:24: buffer.segment_size: 1048575 is less than 1MiB"},
		{"the largest segment", "buffer: {segment_size: 4GiB}\n", ""},
		{
			"one byte more", "buffer: {segment_size: 4294967297}\n",
			"a.yaml:1:24: buffer.segment_size: a segment of 4294967297 would give its disk back only as a whole " +
				"(write 4GiB or less; 64MiB fits nearly everybody)",
		},
		{
			"a queue", "buffer: {type: memory}\n",
			`a.yaml:1:16: buffer.type: "memory" is not a valid value (one of bbolt, jetstream)`,
		},
		{"a number of bytes", "buffer: {max_size: 0}\n", ""},
		{
			"a share", "buffer: {max_size: 80%}\n",
			`a.yaml:1:20: buffer.max_size: "80%" has an unknown unit (units are B, KB, MB, GB, TB and KiB, MiB, ` +
				"GiB, TiB)",
		},
		{"no dedupe", "buffer: {dedupe_window: 0s}\n", ""},
		{
			"less than none", "buffer: {dedupe_window: -1ns}\n",
			`a.yaml:1:25: buffer.dedupe_window: "-1ns" is less than 0`,
		},
		{
			"forever", "buffer: {dedupe_window: forever}\n",
			`a.yaml:1:25: buffer.dedupe_window: "forever" is not a duration (write a duration like 500ms, 10s, ` +
				"5m or 24h)",
		},
		{
			"full", "buffer: {when_full: drop}\n",
			`a.yaml:1:21: buffer.when_full: "drop" is not a valid value (did you mean drop_oldest?)`,
		},
		{
			"compression", "buffer: {compression: gzip}\n",
			`a.yaml:1:23: buffer.compression: "gzip" is not a valid value (one of none, s2, zstd)`,
		},
		{
			"compression that is not one", "buffer: {compression: false}\n",
			"a.yaml:1:23: buffer.compression: expected a text, got false (one of none, s2, zstd)",
		},
		{"sync", "buffer: {sync: always}\n", `a.yaml:1:16: buffer.sync: expected true or false, got "always"`},
		{
			"dead letters", "buffer: {dead_letters: {max_age: 7d}}\n",
			`a.yaml:1:34: buffer.dead_letters.max_age: "7d" has a unit that durations lack (write 168h)`,
		},
		{"dead letters by number", "buffer: {dead_letters: {max_age: 0}}\n", ""},
		{
			"what waits", "buffer: {waiting: {max_size: -1}}\n",
			"a.yaml:1:30: buffer.waiting.max_size: -1 is not a size (write a size like 512KiB, 10MiB or 1GB)",
		},
		{
			"what waits, short", "buffer: {waiting: 1GiB}\n",
			`a.yaml:1:19: buffer.waiting: expected a mapping with keys like max_size, got "1GiB"`,
		},
		{
			"a text", "buffer: /var/lib/x\n",
			`a.yaml:1:9: buffer: expected a mapping with keys like type, path, segment_size, got "/var/lib/x"`,
		},
		{
			"a list", "buffer: [{path: /var/lib/x}]\n",
			"a.yaml:1:9: buffer: expected a mapping with keys like type, path, segment_size, got a list",
		},
	})
}

// What the queue of JetStream needs, and in which words it is refused.
func TestBuffer_JetStream(t *testing.T) {
	says(t, []mistake{
		{
			"no section", "buffer: {type: jetstream}\n",
			"a.yaml:1:9: buffer.jetstream: type jetstream needs it (write where the NATS servers are, as in " +
				"jetstream: {urls: [nats://nats-0:4222]})",
		},
		{
			"another type", "buffer: {jetstream: {urls: nats://a:4222}}\n",
			"a.yaml:1:21: buffer.jetstream: the type of the queue is bbolt (write type: jetstream, or leave the " +
				"section out)",
		},
		{
			"no servers", "buffer: {type: jetstream, jetstream: {}}\n",
			"a.yaml:1:38: buffer.jetstream.urls: the key is missing (nats://host:port of some servers, one or a list)",
		},
		{
			"an empty list of servers", "buffer: {type: jetstream, jetstream: {urls: []}}\n",
			"a.yaml:1:45: buffer.jetstream.urls: is empty (nats://host:port of some servers, one or a list)",
		},
		{
			"servers",
			"buffer: {type: jetstream, jetstream: {urls: [nats://a, tls://b:4222, ws://c:80/path, wss://d]}}\n", "",
		},
		{
			"another scheme", "buffer: {type: jetstream, jetstream: {urls: [nats://a, http://b:4222]}}\n",
			`a.yaml:1:56: buffer.jetstream.urls[1]: "http://b:4222" is no address of a NATS server (write ` +
				"nats://host:4222, or tls://host:4222)",
		},
		{
			"no scheme", "buffer: {type: jetstream, jetstream: {urls: a:4222}}\n",
			`a.yaml:1:45: buffer.jetstream.urls[0]: "a:4222" is no address of a NATS server (write ` +
				"nats://host:4222, or tls://host:4222)",
		},
		{
			"a path", "buffer: {type: jetstream, jetstream: {urls: nats://a:4222/x}}\n",
			`a.yaml:1:45: buffer.jetstream.urls[0]: "nats://a:4222/x" says more than where a NATS server is ` +
				"(write nats://host:4222, or tls://host:4222)",
		},
		{
			"a query", "buffer: {type: jetstream, jetstream: {urls: \"nats://a:4222?x=1\"}}\n",
			`a.yaml:1:45: buffer.jetstream.urls[0]: "nats://a:4222?x=1" says more than where a NATS server is ` +
				"(write nats://host:4222, or tls://host:4222)",
		},
		{
			"a colon and no port", "buffer: {type: jetstream, jetstream: {urls: \"nats://a:\"}}\n",
			`a.yaml:1:45: buffer.jetstream.urls[0]: "nats://a:" has no port behind the colon (write ` +
				"nats://host:4222, or tls://host:4222)",
		},
		{
			"a login", "buffer: {type: jetstream, jetstream: {urls: \"nats://me:hunter2@a:4222\"}}\n",
			"a.yaml:1:45: buffer.jetstream.urls[0]: a login in a URL would show in logs and errors (write " +
				"username and password, or token, beside urls)",
		},
		{
			"a login that is no URL", "buffer: {type: jetstream, jetstream: {urls: \"http://me:hunter2@a:4222\"}}\n",
			`a.yaml:1:45: buffer.jetstream.urls[0]: "…@a:4222" is no address of a NATS server (write ` +
				"nats://host:4222, or tls://host:4222)",
		},
		{
			"a stream", "buffer: {type: jetstream, jetstream: {urls: nats://a, stream: a.b}}\n",
			`a.yaml:1:63: buffer.jetstream.stream: "a.b" can't be the name of a stream (up to 64 of the letters ` +
				"a-z and A-Z, digits, _ and -)",
		},
		{
			"an empty stream", "buffer: {type: jetstream, jetstream: {urls: nats://a, stream: \"\"}}\n",
			`a.yaml:1:63: buffer.jetstream.stream: "" can't be the name of a stream (up to 64 of the letters ` +
				"a-z and A-Z, digits, _ and -)",
		},
		{
			"two replicas", "buffer: {type: jetstream, jetstream: {urls: nats://a, replicas: 2}}\n",
			"a.yaml:1:65: buffer.jetstream.replicas: NATS keeps 1 to 5 replicas, and an even number bears no " +
				"more losses than one less (write 3: one server may be lost, and the others go on; or 1 to try it " +
				"out, or 5)",
		},
		{
			"no replicas", "buffer: {type: jetstream, jetstream: {urls: nats://a, replicas: 0}}\n",
			"a.yaml:1:65: buffer.jetstream.replicas: 0 is less than 1",
		},
		{
			"a small queue", "buffer: {type: jetstream, jetstream: {urls: nats://a, max_size: 67108863}}\n",
			"a.yaml:1:65: buffer.jetstream.max_size: 67108863 is less than 64MiB",
		},
		{
			"two logins",
			"buffer: {type: jetstream, jetstream: {urls: nats://a, token: hunter2, credentials_file: x}}\n",
			"a.yaml:1:62: buffer.jetstream.token: credentials_file logs in already (leave all but one out)",
		},
		{
			"three logins",
			"buffer: {type: jetstream, jetstream: {urls: nats://a, token: hunter2, credentials_file: x, " +
				"username: u, password: hunter2}}\n",
			"a.yaml:1:62: buffer.jetstream.token: credentials_file logs in already (leave all but one out)",
		},
		{
			"a user without a password", "buffer: {type: jetstream, jetstream: {urls: nats://a, username: u}}\n",
			"a.yaml:1:65: buffer.jetstream.username: there is no password with it (write both, or none)",
		},
		{
			"a password without a user", "buffer: {type: jetstream, jetstream: {urls: nats://a, password: hunter2}}\n",
			"a.yaml:1:65: buffer.jetstream.password: there is no username with it (write both, or none)",
		},
		{
			"the disk's limit", "buffer: {type: jetstream, max_size: 1GiB, jetstream: {urls: nats://a}}\n",
			"a.yaml:1:37: buffer.max_size: it is of the queue on a disk (write buffer.jetstream.max_size)",
		},
	})
}

// What the status endpoint can't be.
func TestStatus_Refused(t *testing.T) {
	says(t, []mistake{
		{"all", "status: {address: ':9880'}\n", ""},
		{
			"a scheme", "status: {address: 'http://127.0.0.1:9880'}\n",
			`a.yaml:1:19: status.address: "http://127.0.0.1:9880" begins with a scheme (write host:port)`,
		},
		{
			"a socket", "status: {address: 'unix:/run/status'}\n",
			`a.yaml:1:19: status.address: "unix:/run/status" has no port between 0 and 65535 (write host:port)`,
		},
		{
			"no port", "status: {address: 127.0.0.1}\n",
			`a.yaml:1:19: status.address: "127.0.0.1" has no port (write host:port)`,
		},
		{
			"a port alone", "status: {address: 9880}\n",
			"a.yaml:1:19: status.address: expected a text, got 9880 (put it in quotes)",
		},
		{"empty", "status: {address: \"\"}\n", `a.yaml:1:19: status.address: "" has no port (write host:port)`},
		{
			"nobody could see it", "status: {private: true}\n",
			"a.yaml:1:19: status.private: nobody could see anything (set status.token or status.users too)",
		},
		{
			"an empty token", "status: {private: true, token: \"\"}\n",
			"a.yaml:1:19: status.private: nobody could see anything (set status.token or status.users too)",
		},
		{"private", "status: {private: true, token: hunter2}\n", ""},
		{
			"users that nobody is", "status: {private: true, users: []}\n",
			"a.yaml:1:19: status.private: nobody could see anything (set status.token or status.users too)",
		},
		{
			"a token beyond the host", "status: {address: '0.0.0.0:9880', token: hunter2}\n",
			"warning: a.yaml:1:19: status: tokens and passwords come over the network unencrypted (set " +
				"status.tls, or let only a proxy that does TLS reach it)",
		},
		{
			"a user beyond the host", "status: {address: '0.0.0.0:9880', users: [{name: a, password: hunter2}]}\n",
			"warning: a.yaml:1:19: status: tokens and passwords come over the network unencrypted (set " +
				"status.tls, or let only a proxy that does TLS reach it)",
		},
		{"both with TLS", "status: {address: '0.0.0.0:9880', token: hunter2, tls: {cert_file: a, key_file: b}}\n", ""},
		{
			"a name with a colon", "status: {users: [{name: 'a:b', password: hunter2}]}\n",
			"a.yaml:1:25: status.users[0].name: HTTP can't carry a name with a colon (leave it out)",
		},
		{
			"a name twice",
			"status: {users: [{name: a, password: hunter2}, {name: b, password: hunter2}, {name: a, password: x}]}\n",
			"a.yaml:1:85: status.users[2].name: another user has the same name (give each a name of its own)",
		},
		{"no password", "status: {users: [{name: a}]}\n", "a.yaml:1:18: status.users[0].password: the key is missing"},
		{
			"users as a mapping", "status: {users: {a: hunter2}}\n",
			"a.yaml:1:17: status.users: expected a list, got a mapping (write - before each entry)",
		},
		{
			"the agents' address", "listeners: [{address: '127.0.0.1:9880'}]\n",
			"a.yaml: status.address: listeners[0] (a.yaml:1) listens there already (give each its own)",
		},
		{
			"the agents' default", "status: {address: '127.0.0.1:24224'}\n",
			"a.yaml:1:19: status.address: listeners[0] listens there already (give each its own)",
		},
	})
}

// What the log, the host's name, the stop and events without a route can't be.
func TestRoot_Refused(t *testing.T) {
	says(t, []mistake{
		{
			"a level", "log: {level: trace}\n",
			`a.yaml:1:14: log.level: "trace" is not a valid value (one of debug, info, warn, error)`,
		},
		{
			"a level in capitals", "log: {level: INFO}\n",
			`a.yaml:1:14: log.level: "INFO" is not a valid value (did you mean info?)`,
		},
		{
			"a level that is short", "log: {level: warning}\n",
			`a.yaml:1:14: log.level: "warning" is not a valid value (did you mean warn?)`,
		},
		{
			"a format", "log: {format: text}\n",
			`a.yaml:1:15: log.format: "text" is not a valid value (one of auto, console, json)`,
		},
		{"a text", "log: debug\n", `a.yaml:1:6: log: expected a mapping with keys like level, format, got "debug"`},
		{"an empty log", "log: {}\n", ""},
		{
			"unrouted", "unrouted: keep\n",
			`a.yaml:1:11: unrouted: "keep" is not a valid value (one of dead_letter, drop)`,
		},
		{
			"unrouted, true", "unrouted: true\n",
			"a.yaml:1:11: unrouted: expected a text, got true (one of dead_letter, drop)",
		},
		{"no delay", "shutdown_delay: 0s\n", ""},
		{"a delay before now", "shutdown_delay: -1s\n", `a.yaml:1:17: shutdown_delay: "-1s" is less than 0s`},
		{"a stop", "shutdown_timeout: 1s\n", ""},
		{"too short a stop", "shutdown_timeout: 999ms\n", `a.yaml:1:19: shutdown_timeout: "999ms" is less than 1s`},
		{"a stop without unit", "shutdown_timeout: 30\n", "a.yaml:1:19: shutdown_timeout: 30 has no unit (write 30s)"},
		{
			"a name with a tab", "hostname: \"a\\tb\"\n",
			"a.yaml:1:11: hostname: it has line ends or characters that can't be seen (write one line of text)",
		},
		{
			"a name that is a number", "hostname: 17\n",
			"a.yaml:1:11: hostname: expected a text, got 17 (put it in quotes)",
		},
		{
			"a name with a right-to-left mark", "hostname: \"a\\u202eb\"\n",
			"a.yaml:1:11: hostname: it has line ends or characters that can't be seen (write one line of text)",
		},
		{"spaces", "hostname: \"a b\"\n", ""},
	})
}
