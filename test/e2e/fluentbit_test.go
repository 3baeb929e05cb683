//go:build fluentbit

package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestFluentBit sends a file through a real Fluent Bit, which no package registry has: FLUENT_BIT names the binary.
//
//	FLUENT_BIT=/usr/bin/fluent-bit go test -tags fluentbit -run FluentBit ./test/e2e
func TestFluentBit(t *testing.T) {
	binary := os.Getenv("FLUENT_BIT")
	if binary == "" {
		t.Fatal("FLUENT_BIT must name a fluent-bit binary, version 5 or later")
	}
	s := start(t, t.TempDir(), defaultConfig)
	_, port, _ := net.SplitHostPort(s.Forward)
	const count = 20_000
	for _, tc := range []struct{ name, options string }{
		{"defaults", ""},
		{"ack", "require_ack_response true"},
		{"gzip", "require_ack_response true\n    compress gzip"},
		{"metadata off", "require_ack_response true\n    retain_metadata_in_forward_mode false"},
		{"metadata on", "require_ack_response true\n    retain_metadata_in_forward_mode true"},
		{"integer time", "require_ack_response true\n    time_as_integer true"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			tag := strings.ReplaceAll(tc.name, " ", "-")
			var lines strings.Builder
			for n := range count {
				fmt.Fprintf(&lines, "{\"n\":%d,\"text\":\"이벤트 %d\"}\n", n, n)
			}
			write := func(name, text string) string {
				path := filepath.Join(dir, name)
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				return path
			}
			input := write("input.log", lines.String())
			parsers := write("parsers.conf", "[PARSER]\n    Name line\n    Format json\n")
			config := write("fluent-bit.conf", fmt.Sprintf(`
[SERVICE]
    Flush 0.2
    Log_Level warn
    Parsers_File %s
[INPUT]
    Name tail
    Path %s
    Tag %s
    Parser line
    Read_from_Head true
    Exit_On_Eof true
[OUTPUT]
    Name forward
    Match *
    Host 127.0.0.1
    Port %s
    Retry_Limit False
    %s
`, parsers, input, tag, port, tc.options))
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if out, err := exec.CommandContext(ctx, binary, "-c", config).CombinedOutput(); err != nil {
				t.Fatalf("fluent-bit: %v\n%s", err, out)
			}
			wantNumbered(t, s, tag, count)
		})
	}
}
