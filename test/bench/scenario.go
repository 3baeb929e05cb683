package main

// scenario is one way of sending made-up events of 300 bytes, and where they go.
type scenario struct {
	name string
	// send is flags of aggregator send.
	send []string
	// part is of the events asked for, in percent: slow forms need fewer.
	part int
	// filters are settings of the filters and routes; "": none.
	filters string
	// share has printed what is kept of the rates of the scenario before, which has no filters.
	share bool
	// sink is what runs beside it, see sinks; "": nothing.
	sink string
	// output is its settings, with the sink's URL for SINK; "": a file.
	output string
	// tls: the listener has a certificate.
	tls bool
	// replicated: the queue is a stream on three NATS servers beside it.
	replicated bool
}

func scenarios() []scenario {
	elastic := func(more string) string {
		return `{type: elasticsearch, hosts: [SINK], index: "logs-{cluster}-%Y.%m.%d", ` + more + `}`
	}
	plain := elastic("compression: none")
	flags := func(base []string, more ...string) []string { return append(base[:len(base):len(base)], more...) }
	fast, message := []string{"--connections", "4"}, []string{"--connections", "16", "--mode", "message"}
	cri, gzip, forward := flags(fast, "--cri"), flags(fast, "--compress", "gzip"), flags(fast, "--mode", "forward")
	single := flags(message, "--chunk-events", "1")
	// A fleet of agents: each connection has a tag of its own and waits for the ack of a small chunk.
	fleet := []string{"--connections", "256", "--tags", "256", "--chunk-events", "10"}
	all := []scenario{
		{name: "packed, 500 a chunk, 4 connections", send: fast, part: 100},
		{name: "the same, gzip", send: gzip, part: 100},
		{name: "the same, zstd", send: flags(fast, "--compress", "zstd"), part: 100},
		{name: "forward mode, 500 a chunk, 4 connections", send: forward, part: 100},
		{name: "message mode, 16 connections, 500 in flight", send: message, part: 30},
		{name: "message mode, 16 connections, no acks", send: flags(message, "--ack=false"), part: 30},
		{name: "message mode, 16 connections, 1 in flight", send: single, part: 3},
		{name: "to Elasticsearch, not compressed", send: fast, part: 100, sink: "elasticsearch", output: plain},
		{
			name: "to Elasticsearch, gzip", send: fast, part: 100, sink: "elasticsearch",
			output: elastic("compression: gzip"),
		},
		{name: "to Elasticsearch, forward mode", send: forward, part: 100, sink: "elasticsearch", output: plain},
		{name: "to Elasticsearch, gzip in", send: gzip, part: 100, sink: "elasticsearch", output: plain},
		{
			name: "to Elasticsearch, TLS in", send: flags(fast, "--insecure"), part: 100, sink: "elasticsearch",
			output: plain, tls: true,
		},
		{
			name: "to Elasticsearch, message mode, 1 in flight", send: single, part: 5, sink: "elasticsearch",
			output: plain,
		},
		{
			name: "to Elasticsearch, 10,000 events/s", send: flags(fast, "--rate", "10000"), part: 5,
			sink: "elasticsearch", output: plain,
		},
		{
			name: "fleet: 256 connections and tags, 10 a chunk", send: fleet, part: 50, sink: "elasticsearch",
			output: plain,
		},
		{
			name: "the same fleet at 20,000 events/s", send: flags(fleet, "--rate", "20000"), part: 10,
			sink: "elasticsearch", output: plain,
		},
	}
	all = append(all, toOthers(fast)...)
	for _, load := range []scenario{
		{name: "500 a chunk", send: fast, part: 50},
		{name: "fleet", send: fleet, part: 15},
		{name: "fleet at 20,000 events/s", send: flags(fleet, "--rate", "20000"), part: 10},
	} {
		load.sink, load.output = "elasticsearch", plain
		disk, stream := load, load
		disk.name, stream.name = "disk beside jetstream, "+load.name, "jetstream R3, "+load.name
		stream.replicated = true
		all = append(all, disk, stream)
	}
	return append(all,
		scenario{name: "CRI lines, without filters", send: cri, part: 100},
		scenario{name: "CRI lines, filters: grep, cri, modify", send: cri, part: 100, filters: steps, share: true},
	)
}

// toOthers are the ways to outputs other than Elasticsearch, of events that are sent with the flags fast.
func toOthers(fast []string) []scenario {
	firehose := "{type: firehose, region: eu-central-1, endpoint: SINK, delivery_stream: bench}"
	return []scenario{
		{name: "to Firehose, aggregated", send: fast, part: 50, sink: "firehose", output: firehose},
		{
			name: "to Kafka, zstd", send: fast, part: 50, sink: kafkaSink,
			output: "{type: kafka, brokers: [SINK], topic: bench}",
		},
		{
			name: "to HTTP, ndjson", send: fast, part: 50, sink: "http",
			output: "{type: http, url: SINK, compression: none}",
		},
		{name: "to HTTP, ndjson, gzip", send: fast, part: 50, sink: "http", output: "{type: http, url: SINK}"},
		{name: "to Loki", send: fast, part: 50, sink: "http", output: "{type: loki, url: SINK}"},
		{name: "to OTLP, gzip", send: fast, part: 50, sink: "http", output: "{type: otlp, url: SINK}"},
		{name: "to OTLP", send: fast, part: 50, sink: "http", output: "{type: otlp, url: SINK, compression: none}"},
		{
			name: "to Splunk, gzip", send: fast, part: 50, sink: "splunk",
			output: "{type: splunk_hec, url: SINK, token: x, ack: false}",
		},
		{
			name: "to Splunk", send: fast, part: 50, sink: "splunk",
			output: "{type: splunk_hec, url: SINK, token: x, ack: false, compression: none}",
		},
		{
			name: "to Kinesis, aggregated", send: fast, part: 50, sink: "firehose",
			output: "{type: kinesis, region: eu-central-1, endpoint: SINK, stream: bench, aggregate: true}",
		},
		{
			name: "to S3, zstd", send: fast, part: 50, sink: "s3",
			output: `{type: s3, region: eu-central-1, endpoint: SINK, bucket: bench, key: "{cluster}/", ` +
				`path_style: true, ` +
				"rotate: {max_age: 2s}}",
		},
	}
}
