package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOldBuffers runs the commands by which docs/migrate/README.md looks into the buffers of the old stack.
func TestOldBuffers(t *testing.T) {
	const guide = "migrate/README.md"
	// As Fluent Bit 5 answers with storage.metrics.
	fluentBit := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/storage" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w,
			`{"storage_layer":{"chunks":{"total_chunks":17,"mem_chunks":2,"fs_chunks":15,"fs_chunks_up":15,"fs_`+
				`chunks_down":0}},`+
				`"input_chunks":{"tail.0":{"status":{"overlimit":false,"mem_size":"32.8K","mem_limit":"0b"},`+
				`"chunks":{"total":17,"up":17,"down":0,"busy":16,"busy_size":"30.1K"}}}}`)
	}))
	defer fluentBit.Close()
	sh := newShell(t, "PODS=fluentd-0=nowhere fluentd-1=nowhere")
	buffer := filepath.Join(sh.Dir, "buffer")
	sh.replace = append(sh.replace, "127.0.0.1:2020", fluentBit.Listener.Addr().String(), "/fluentd/buffer", buffer)
	wantOutput(t, "fluent-bit", sh.run(guide, "fluent-bit"), "17")

	// What is collected, what waits, and what fluentd knows of both.
	chunks := []string{"buffer.b5f2a.log", "buffer.q5f29.log"}
	if err := os.Mkdir(buffer, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range chunks {
		sh.write(filepath.Join("buffer", name), "events")
		sh.write(filepath.Join("buffer", name+".meta"), "tag")
	}
	wantOutput(t, "fluentd", sh.run(guide, "fluentd"), "pod/fluentd-0: 2 chunks\n", "pod/fluentd-1: 2 chunks\n")
	if err := os.RemoveAll(buffer); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(buffer, 0o700); err != nil {
		t.Fatal(err)
	}
	wantOutput(t, "fluentd", sh.run(guide, "fluentd"), "pod/fluentd-0: 0 chunks\n")
}

// TestWaiting: what docs/migrate/README.md shows of each pod before the aggregator is scaled to 0.
func TestWaiting(t *testing.T) {
	idle := start(t, t.TempDir(), defaultConfig)
	busy := start(t, t.TempDir(), strings.Replace(defaultConfig, `type: file
    path: "%[1]s/out/{tag}.ndjson"`, `type: forward
    servers: [{address: "127.0.0.1:1"}]`, 1))
	sendMade(t, idle.Forward, 10)
	sendMade(t, busy.Forward, 25)
	idle.drained()
	sh := newShell(t, "PODS=aggregator-0="+idle.Status+" aggregator-1="+busy.Status+" aggregator-2=127.0.0.1:1")
	wantOutput(t, "waiting", strings.ReplaceAll(sh.run("migrate/README.md", "waiting"), "\t", " "),
		"pod/aggregator-0: 0 events wait\n", "pod/aggregator-1: 25 events wait\n", "pod/aggregator-2 does not answer\n")
}
