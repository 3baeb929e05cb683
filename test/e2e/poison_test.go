package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Configurations that would eat memory or time, or hide what they say: each is refused in time, with exit code 2 and
// words, within a modest address space.
func TestPoisonedConfigurations(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	put := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	var laughs strings.Builder
	laughs.WriteString("a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&laughs, "a%d: &a%d [%s]\n", i, i,
			strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), ","))
	}
	key := func(value string) string { return `clusters: [{name: a, shared_key: "` + value + `"}]` }
	for name, tc := range map[string]struct{ text, want string }{
		"a billion laughs": {laughs.String(), "more than 100000 values"},
		"merges of merges": {
			"a: &a {x: 1}\nb: &b {<<: [*a,*a,*a]}\nc: {<<: [*b,*b,*b], <<: *b}\n", "unknown key",
		},
		"an alias of itself": {"filters: &a {f: *a}", "contains itself"},
		"nested lists": {
			"hostname: " + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000), "aggregator.yaml",
		},
		"nested mappings": {
			"a: " + strings.Repeat("{a: ", 5000) + strings.Repeat("}", 5000), "nests deeper than 100",
		},
		"a huge file":               {"hostname: " + strings.Repeat("x", 5<<20), "larger than 4 MiB"},
		"a huge key":                {strings.Repeat("x", 1<<20) + ": 1", "not valid YAML"},
		"a hundred thousand keys":   {strings.Repeat("k: 1\n", 100_000), "is given on line 1 already"},
		"a key twice":               {"hostname: a\nhostname: b\n", "is given on line 1 already"},
		"tabs":                      {"status:\n\taddress: x\n", "spaces, not tabs"},
		"UTF-16":                    {"\xff\xfeh\x00:\x00 \x001\x00", "unknown key"},
		"UTF-16 with half a rune":   {"\xff\xfeh\x00:\x00 \x00\x00\xd8", "not valid YAML"},
		"no UTF-8":                  {"hostname: \xff\xfe\xfd", "not valid YAML"},
		"zero bytes":                {"hostname: a\x00b", "not valid YAML"},
		"control characters":        {"host\x1b[31mname: a", "not valid YAML"},
		"a YAML tag":                {`hostname: !!python/object/apply:os.system ["id"]`, "expected a text"},
		"binary":                    {"hostname: !!binary aGk=", "is not known"},
		"a secret that never ends":  {key("${file:/dev/zero}"), "larger than 4 MiB"},
		"a secret that never comes": {key("${file:" + fifo + "}"), "a pipe into which nobody writes"},
		"a directory for a secret":  {key("${file:" + dir + "}"), "is a directory"},
		"no such secret":            {key("${file:" + dir + "/none}"), "no such file"},
		"too many secrets": {
			"clusters:\n" +
				strings.Repeat(
					`- {name: a, shared_key: "`+
						strings.Repeat("${file:"+put("big", strings.Repeat("s", 3<<20))+"}", 10)+"\"}\n", 3,
				), "more than 16 MiB",
		},
		"a reference within another": {key("${file:${env:HOME}}"), "within another one is not looked up"},
		"a reference without an end": {key("${env:HOME"), "a ${ has no }"},
		"a regular expression": {
			`{filters: {f: [{grep: {include: {a: "((a{1,1000}){1,1000}){1,1000}"}}}]}, routes: [{match: "**", ` +
				`filters: [f], outputs: [archive]}]}`, "parsing regexp",
		},
		"a huge condition": {
			`{routes: [{match: "**", when: "` + strings.Repeat("1 + ", 100_000) + `1 > 0", outputs: [archive]}]}`,
			"routes[0].when",
		},
		"a deep condition": {
			`{routes: [{match: "**", when: "` + strings.Repeat("(", 50_000) + "true" + strings.Repeat(")", 50_000) +
				`", outputs: [archive]}]}`, "routes[0].when",
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := put("aggregator.yaml", tc.text)
			cmd := exec.CommandContext(t.Context(), path, "check", "-c", file)
			cmd.Env = append(os.Environ(), "GOMEMLIMIT=off")
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			hangs := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() }) // it may have ended
			err := cmd.Wait()
			if !hangs.Stop() {
				t.Fatal("it hangs")
			}
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(out.String(), tc.want) {
				t.Errorf("%v: %.1000s, want %s", err, out.String(), tc.want)
			}
			if n := out.Len(); n > 256<<10 {
				t.Errorf("it says %d bytes", n)
			}
			// Linux counts what this test's own process had when it started the program.
			var own syscall.Rusage
			if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
				t.Fatal(err)
			}
			if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok &&
				usage.Maxrss > max(400<<10, own.Maxrss) {
				t.Errorf("it took %d MiB", usage.Maxrss>>10)
			}
		})
	}
	// A pipe into which somebody writes is fine: check -c <(…).
	cmd := exec.CommandContext(t.Context(), "bash", "-c", `"$0" check -c <(echo "hostname: a")`, path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("from a pipe: %v\n%s", err, out)
	}
}
