//go:build fluentbit

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestChainToFluentBit sends through the aggregator to a real Fluent Bit, which writes what it gets to a file; see
// TestFluentBit for how to run it.
func TestChainToFluentBit(t *testing.T) {
	binary := os.Getenv("FLUENT_BIT")
	if binary == "" {
		t.Fatal("FLUENT_BIT must name a fluent-bit binary, version 5 or later")
	}
	const key = "shared_key: k3y\n    self_hostname: sender"
	for _, tc := range []struct{ name, server, output string }{
		{"plain", "", "compression: none"},
		{"gzip and metadata", "", "metadata: keep"},
		{"zstd", "", "compression: zstd"},
		{"shared key", "Shared_Key k3y\n    Self_Hostname receiver", key},
		{
			"user", "Shared_Key k3y\n    Self_Hostname receiver\n    Security.Users agent pa55",
			key + "\n    username: agent\n    password: pa55",
		},
		{"without acks", "", "ack: false"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			address := freeAddress(t)
			host, port, _ := strings.Cut(address, ":")
			conf := filepath.Join(dir, "fluent-bit.conf")
			text := fmt.Sprintf(`
[SERVICE]
    Flush 0.1
    Log_Level warn
[INPUT]
    Name forward
    Listen %s
    Port %s
    %s
[OUTPUT]
    Name file
    Match *
    Path %s
    File got
    Format plain
`, host, port, tc.server, dir)
			if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			receiver := exec.Command(binary, "-c", conf)
			receiver.Stderr = os.Stderr
			if err := receiver.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = receiver.Process.Signal(os.Interrupt)
				_ = receiver.Wait()
			})
			s := start(t, t.TempDir(), `
listeners:
  - {name: test, address: "127.0.0.1:0"}
buffer: {path: %[1]s/data, min_free_disk: 1MiB}
outputs:
  up:
    type: forward
    servers: [{address: "`+address+`"}]
    `+tc.output+`
    batch: {max_wait: 20ms}
    retry: {max: 1s}
status: {address: "127.0.0.1:0"}
log: {format: json}
`)
			const total = 50 * perChunk
			a := &agent{tag: "to.fluent-bit"}
			a.run(t.Context(), s.Forward, total)
			var numbers map[string]int
			s.eventually("all events in Fluent Bit's file", func() bool {
				numbers = count(t, filepath.Join(dir, "got"))
				return len(numbers) == total
			})
			for n, times := range numbers {
				if times != 1 {
					t.Errorf("event %s arrived %d times", n, times)
				}
			}
			s.stop()
		})
	}
}

// count returns how often each n is in the file of JSON lines at path.
func count(t *testing.T, path string) map[string]int {
	t.Helper()
	numbers := map[string]int{}
	f, err := os.Open(path)
	if err != nil {
		return numbers
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var record struct{ N json.Number }
		if json.Unmarshal(lines.Bytes(), &record) == nil {
			numbers[record.N.String()]++
		}
	}
	return numbers
}
