package archtest

// receivingParts are what takes messages and keeps them: shared values, listeners, queues, dead letters.
func receivingParts() []row {
	return []row{
		{"pkg/event", nil, "shared values know nobody"},
		{"pkg/config/setting", nil, "shared values know nobody"},
		{"pkg/metric", nil, "shared values know nobody"},

		{"pkg/ingest", sharedValues(), "what listeners need knows shared values only"},
		{
			"pkg/forward", with("pkg/ingest", "pkg/resend", "pkg/forward/internal/*"),
			"a listener knows where it stores, and whom it tells of acks",
		},
		{
			"pkg/handover", with("pkg/buffer", "pkg/deadletter", "pkg/forward/client", "internal/rate"),
			"a handover knows the contract of queues, and the protocol that it extends",
		},
		{
			"pkg/forward/client",
			[]string{"pkg/event", "pkg/forward/internal/handshake"},
			"a client knows what it sends, and how one logs in",
		},
		{
			"pkg/forward/internal/refusal",
			[]string{"internal/logevery"},
			"why connections are closed is said without knowing them",
		},
		{"pkg/forward/internal/proxyheader", nil, "a header knows nobody"},
		{"pkg/forward/internal/socket", []string{"pkg/resend"}, "a socket knows which acks matter, not whose they are"},
		{
			"pkg/forward/internal/wire",
			[]string{"pkg/event", "pkg/forward/internal/proxyheader", "pkg/forward/internal/refusal"},
			"what reads messages knows bytes, and stores nothing",
		},
		{"pkg/forward/internal/handshake", nil, "the messages of the handshake know nobody"},
		{"pkg/forward/forwardtest", with("pkg/forward", "pkg/ingest"), "test helpers know their part"},
		{"pkg/resend", nil, "what tells resends from new chunks knows nobody"},
		{"pkg/buffer", with("pkg/deadletter"), "the contract knows shared values and what a dead letter is"},
		{
			"pkg/buffer/buffertest", with("pkg/buffer", "pkg/deadletter"),
			"the suite knows the contract, not the engines",
		},
		{
			"pkg/buffer/disk",
			with("internal/boltfile", "pkg/buffer", "pkg/buffer/chunk", "pkg/buffer/fair", "pkg/buffer/disk/internal/*",
				"pkg/deadletter", "pkg/deadletter/disk", "pkg/resend", "internal/format"),
			"an engine knows its contract, its files, its dead letters and what resends are",
		},
		{
			"pkg/buffer/disk/internal/statefile", with("internal/boltfile", "internal/format", "pkg/resend"),
			"what is kept beside the segments knows files, and which resends a restart has to know",
		},
		{
			"pkg/buffer/disk/internal/limits", with("internal/boltfile", "pkg/buffer"),
			"whether there is room is a matter of the contract's limits and the disk",
		},
		{
			"pkg/buffer/disk/internal/pack", with("pkg/buffer", "pkg/buffer/chunk", "pkg/deadletter", "pkg/resend"),
			"a batch on its way to chunks knows the contract, chunks and whose resend it may be, and no file",
		},
		{
			"pkg/buffer/disk/internal/journal", with("internal/boltfile", "internal/format", "pkg/buffer/chunk",
				"pkg/buffer/disk/internal/complaint"),
			"a journal knows chunks and its file, and nobody who wants them",
		},
		{
			"pkg/buffer/disk/internal/admission", with("pkg/buffer", "pkg/buffer/disk/internal/limits",
				"pkg/buffer/disk/internal/pace", "pkg/buffer/disk/internal/pack"),
			"who is stored next is a matter of what waits and of limits, and of no file",
		},
		{
			"pkg/buffer/disk/internal/adoption",
			with("pkg/buffer", "pkg/buffer/chunk", "pkg/buffer/disk/internal/statefile",
				"pkg/deadletter"), "what is handed over is noted, and stored by who does that",
		},
		{
			"pkg/buffer/disk/internal/requeue",
			with("pkg/buffer", "pkg/buffer/chunk", "pkg/buffer/disk/internal/statefile"),
			"dead letters that go back are noted, and stored by who does that",
		},
		{
			"pkg/buffer/disk/internal/recovery", with("internal/boltfile", "internal/format", "pkg/buffer/chunk",
				"pkg/buffer/disk/internal/journal", "pkg/buffer/disk/internal/segment",
				"pkg/buffer/disk/internal/statefile",
				"pkg/resend"), "a start reads every file, and asks nobody who wants what is in it",
		},
		{
			"pkg/buffer/disk/internal/directory", with("internal/boltfile", "pkg/buffer"),
			"a directory that is in use is so for every engine",
		},
		{
			"pkg/buffer/disk/internal/complaint", with("pkg/buffer/disk/internal/segment"),
			"a failure is the same where only its segment's number differs",
		},
		{"pkg/buffer/disk/internal/pace", with(), "when a commit goes is a matter of times and counts alone"},
		{
			"pkg/buffer/disk/internal/segment", with("internal/boltfile", "internal/format", "pkg/buffer/chunk",
				"pkg/resend"), "a segment knows chunks and files, and how connections end in it",
		},
		{
			"pkg/buffer/memory", with("pkg/buffer", "pkg/buffer/fair", "pkg/deadletter", "pkg/deadletter/memory"),
			"an engine knows its contract",
		},
		{
			"pkg/buffer/jetstream",
			with("pkg/buffer", "pkg/buffer/chunk", "pkg/buffer/fair", "pkg/buffer/jetstream/internal/*",
				"pkg/deadletter",
				"pkg/deadletter/jetstream", "pkg/resend", "internal/format"),
			"an engine knows its contract, its servers, its dead letters and what resends are",
		},
		{
			"pkg/buffer/jetstream/internal/setup", with("pkg/buffer", "pkg/buffer/jetstream/internal/link"),
			"what is to be on the servers knows the configuration and the connection",
		},
		{"pkg/buffer/jetstream/internal/sealing", with("pkg/buffer/chunk"), "a message knows chunks"},
		{
			"pkg/buffer/jetstream/internal/collect",
			with("pkg/buffer", "pkg/buffer/chunk", "pkg/buffer/jetstream/internal/sealing", "pkg/deadletter",
				"pkg/resend"),
			"a batch knows messages, chunks and what resends are",
		},
		{
			"pkg/buffer/jetstream/internal/*",
			with("pkg/buffer", "pkg/buffer/jetstream/internal/broadcast", "pkg/buffer/jetstream/internal/ledger",
				"pkg/buffer/jetstream/internal/subject", "pkg/deadletter", "internal/format"),
			"a piece of an engine knows the contract",
		},
		{"pkg/buffer/fair", nil, "turns know nobody"},
		{"pkg/buffer/chunk", with("internal/boltfile", "internal/format"), "a chunk knows its bytes only"},
		{"pkg/deadletter", sharedValues(), "the contract knows shared values only"},
		{"pkg/deadletter/deadlettertest", with("pkg/deadletter"), "the suite knows the contract, not the stores"},
		{"pkg/deadletter/memory", with("pkg/deadletter"), "a store knows its contract"},
		{
			"pkg/deadletter/disk", with("pkg/deadletter", "internal/boltfile", "internal/format"),
			"a store knows its contract and its files",
		},
		{
			"pkg/deadletter/jetstream", with("pkg/deadletter", "internal/boltfile", "internal/format"),
			"a store knows its contract and its servers",
		},
	}
}
