package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
)

// said is a field's text and how JSON has it.
type said struct{ text, json string }

func sayings() []said {
	return []said{
		{
			`10.0.0.1 - - [21/Nov/2026:10:15:00 +0000] "GET /a?b=c HTTP/1.1" 200 512 "-" "curl/8"`,
			`"10.0.0.1 - - [21/Nov/2026:10:15:00 +0000] \"GET /a?b=c HTTP/1.1\" 200 512 \"-\" \"curl/8\""`,
		},
		{"이벤트 ☃ 𝄞", `"이벤트 ☃ 𝄞"`},
		{"two\nlines\tand \\ \x01\x7f", "\"two\\nlines\\tand \\\\ \\u0001\x7f\""},
		{"<b>&amp;</b>", `"<b>&amp;</b>"`},
		{"", `""`},
		{strings.Repeat("long ", 2000), `"` + strings.Repeat("long ", 2000) + `"`},
	}
}

// sentTo sends count events under each tag, and returns them as the JSON lines that are to arrive.
func sentTo(t *testing.T, address string, tags []string, count int) (lines []string) {
	t.Helper()
	agent, err := client.Dial(t.Context(), client.Config{Address: address, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	start := time.Now().Truncate(time.Second)
	for _, tag := range tags {
		for n := 0; n < count; {
			var entries []byte
			first := n
			for ; n < min(first+perChunk, count); n++ {
				says := sayings()[n%len(sayings())]
				at := start.Add(time.Duration(n) * time.Millisecond).UTC()
				record, err := msgpack.Marshal(&struct {
					N    int      `msgpack:"n"`
					Log  string   `msgpack:"log"`
					Rate float64  `msgpack:"rate"`
					Tags []string `msgpack:"tags"`
				}{n, says.text, 0.5, []string{"a", "b"}})
				if err != nil {
					t.Fatal(err)
				}
				nanos := uint32(at.Nanosecond() + 1)
				entries = event.AppendEntry(entries, event.AppendTime(nil, event.Time{Sec: at.Unix(), Nsec: nanos}),
					nil, record)
				lines = append(lines,
					fmt.Sprintf(`{"n":%d,"log":%s,"rate":0.5,"tags":["a","b"],"@timestamp":"%s.%09dZ","tag":"%s",`+
						`"cluster":"default"}`,
						n, says.json, at.Format("2006-01-02T15:04:05"), nanos, tag))
			}
			m := client.Message{Tag: tag, Entries: entries, Events: n - first, Chunk: client.NewChunk()}
			if err := agent.Send(t.Context(), &m); err != nil {
				t.Fatal(err)
			}
		}
	}
	return lines
}

// wantLines waits until get returns as many lines as want, and compares them, in any order.
func wantLines(t *testing.T, s *server, what string, want []string, get func() []string) {
	t.Helper()
	var got []string
	s.eventually(fmt.Sprintf("%d lines in %s", len(want), what), func() bool {
		got = get()
		return len(got) >= len(want)
	})
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if len(got) != len(want) {
		t.Errorf("%s has %d lines, want %d", what, len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("%s: line %d is\n%s\nwant\n%s", what, i, got[i], want[i])
		}
	}
}

// TestAWS sends the same events to all that AWS has: each receives them byte for byte, once.
func TestAWS(t *testing.T) {
	c := startMoto(t)
	for _, name := range []string{"logs-default", "single-default"} {
		c.stream(name)
	}
	for _, name := range []string{"plain", "gzipped", "zstandard", "raw"} {
		c.bucket(name)
	}
	for _, name := range []string{"logs-default", "many-default"} {
		_, err := c.kinesis.CreateStream(t.Context(), &kinesis.CreateStreamInput{
			StreamName: &name, ShardCount: aws.Int32(2),
		})
		c.must(err)
	}
	// One request at a time: moto loses records of a data stream that are put side by side.
	at := "region: " + awsRegion + ", endpoint: \"" + c.url + "\", batch: {max_wait: 200ms}, workers: 1"
	s := start(t, t.TempDir(), `
listeners:
  - {name: test, address: "127.0.0.1:0"}
buffer: {path: %[1]s/data, min_free_disk: 1MiB}
outputs:
  firehose: {type: firehose, delivery_stream: "logs-{cluster}", `+at+`}
  firehose-single: {type: firehose, delivery_stream: "single-{cluster}", aggregate: false, `+at+`}
  kinesis: {type: kinesis, stream: "logs-{cluster}", `+at+`}
  kinesis-many: {type: kinesis, stream: "many-{cluster}", partition_key: random, aggregate: true, `+at+`}
  cloudwatch: {type: cloudwatch_logs, log_group: "/k8s/{cluster}", log_stream: "{tag}", `+at+`}
  cloudwatch-message: {type: cloudwatch_logs, log_group: "/raw/{cluster}", log_stream: "{tag}", message: n, `+at+`}
  plain: {type: s3, bucket: plain, key: "{cluster}/{tag}/%%Y/%%m/%%d/%%H/", compression: none, path_style: true, `+at+`}
  gzipped: {type: s3, bucket: gzipped, key: "{cluster}/%%Y%%m%%d_{index}", compression: gzip,
    storage_class: STANDARD_IA,
    server_side_encryption: "aws:kms", kms_key_id: alias/logs, path_style: true, `+at+`}
  raw: {type: s3, bucket: raw, key: "{cluster}/", message: n, path_style: true, `+at+`}
  zstandard: {type: s3, bucket: zstandard, key: "{cluster}/", path_style: true, `+at+`}
routes:
  - {match: "**", outputs: [firehose, firehose-single, kinesis, kinesis-many, cloudwatch, cloudwatch-message, plain,
      gzipped, zstandard, raw]}
status: {address: "127.0.0.1:0"}
log: {format: json}
`, credentialsOf()...)
	const count = 600
	tags := []string{"kube.a", "kube.b", "host.c"}
	want := sentTo(t, s.Forward, tags, count)
	for _, bucket := range []string{"logs-default", "single-default", "plain", "gzipped", "zstandard"} {
		wantLines(t, s, "bucket "+bucket, want, func() []string { lines, _ := c.linesIn(bucket); return lines })
	}
	for _, stream := range []string{"logs-default", "many-default"} {
		wantLines(t, s, "data stream "+stream, want, func() []string { return c.linesOfKinesis(stream) })
	}
	wantLines(t, s, "log group /k8s/default", want,
		func() []string { lines, _ := c.linesOfLogs("/k8s/default"); return lines })
	var numbers []string
	for range tags {
		for n := range count {
			numbers = append(numbers, strconv.Itoa(n))
		}
	}
	wantLines(t, s, "bucket raw", numbers, func() []string { lines, _ := c.linesIn("raw"); return lines })
	c.wantNumbered("gzipped")
	wantLines(t, s, "log group /raw/default", numbers,
		func() []string { lines, _ := c.linesOfLogs("/raw/default"); return lines })
	if _, streams := c.linesOfLogs("/k8s/default"); !slices.Equal(
		slices.Sorted(slices.Values(streams)), slices.Sorted(slices.Values(tags)),
	) {
		t.Errorf("log streams %q", streams)
	}
	_, keys := c.linesIn("plain")
	for _, key := range keys {
		if parts := strings.Split(key, "/"); len(parts) != 7 || parts[0] != "default" ||
			!slices.Contains(tags, parts[1]) || !strings.HasSuffix(key, ".ndjson") {
			t.Errorf("key %s", key)
		}
	}
	s.stop()
}

// TestAWSConnect asks all that AWS has, and what it does not have.
func TestAWSConnect(t *testing.T) {
	c := startMoto(t)
	c.stream("logs-default")
	path, err := binary()
	c.must(err)
	at := "region: " + awsRegion + ", endpoint: \"" + c.url + "\""
	for _, tc := range []struct {
		name, outputs string
		ok            bool
	}{
		{"there", `{type: s3, bucket: logs-default, key: "a/", path_style: true, ` + at + `}`, true},
		{"no bucket", `{type: s3, bucket: nobody-has-it, key: "a/", path_style: true, ` + at + `}`, false},
		{"stream", `{type: firehose, delivery_stream: "logs-{cluster}", ` + at + `}`, true},
		{"no stream", `{type: firehose, delivery_stream: "nobody-{cluster}", ` + at + `}`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			config := filepath.Join(dir, "aggregator.yaml")
			text := "buffer: {path: " + dir + "/data}\noutputs:\n  out: " + tc.outputs +
				"\nroutes:\n  - {match: \"**\", outputs: [out]}\n"
			c.must(os.WriteFile(config, []byte(text), 0o600))
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, path, "check", "--connect", "-c", config)
			cmd.Env = append(os.Environ(), credentialsOf()...)
			out, err := cmd.CombinedOutput()
			if (err == nil) != tc.ok {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestS3Kill kills the program when the bucket has an object and the program does not know yet. After its start more
// events wait, so the batches are cut differently: still every event is in the bucket once.
func TestS3Kill(t *testing.T) {
	for name, key := range map[string]string{"times": "{tag}/", "numbers": "{tag}/{index}"} {
		t.Run(name, func(t *testing.T) { killWithObject(t, key) })
	}
}

func killWithObject(t *testing.T, key string) {
	t.Helper()
	c := startMoto(t)
	c.bucket("lake")
	to, err := url.Parse(c.url)
	c.must(err)
	stored, release := make(chan struct{}), make(chan struct{})
	var hold atomic.Bool
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) },
		ModifyResponse: func(r *http.Response) error {
			if r.Request.Method == http.MethodPut && hold.CompareAndSwap(true, false) {
				stored <- struct{}{}
				<-release
			}
			return nil
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {}, // the program was killed
	})
	defer proxy.Close()
	dir := t.TempDir()
	config := `
listeners:
  - {name: test, address: "127.0.0.1:0"}
buffer: {path: %[1]s/data, min_free_disk: 1MiB}
outputs:
  lake: {type: s3, bucket: lake, key: "` + key + `", path_style: true, batch: {max_wait: 100ms}, region: ` + awsRegion +
		`, endpoint: "` + proxy.URL + `"}
routes:
  - {match: "**", outputs: [lake]}
status: {address: "127.0.0.1:0"}
log: {format: json}
`
	s := start(t, dir, config, credentialsOf()...)
	var want []string
	for range 3 {
		hold.Store(true)
		want = append(want, sentTo(t, s.Forward, []string{"kill"}, 200)...)
		select {
		case <-stored:
		case <-time.After(patience):
			t.Fatal("no object was put")
		}
		want = append(want, sentTo(t, s.Forward, []string{"kill"}, 200)...)
		s.kill()
		release <- struct{}{}
		s = start(t, dir, config, credentialsOf()...)
		wantLines(t, s, "bucket lake", want, func() []string { lines, _ := c.linesIn("lake"); return lines })
	}
	s.stop()
	wantLines(t, s, "bucket lake", want, func() []string { lines, _ := c.linesIn("lake"); return lines })
}
