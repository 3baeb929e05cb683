// Package archtest holds the rule of who may import whom, as a test. Run it with -count=1: what go
// list says is no part of the test cache's key.
package archtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/seed-afc6a195/aggregator"

// row says what a package may import of this module. Patterns are path.Match's, relative to the
// module; the first row that fits a package is its own.
type row struct {
	packages string
	may      []string
	why      string
}

// table is the order of the packages: commands, the program, configuration, parts, shared values.
// Parts meet through small interfaces that the using side declares, and package app joins them.
func table() []row {
	return slices.Concat(receivingParts(), otherParts())
}

// sharedValues are what every part may know.
func sharedValues() []string {
	return []string{
		"pkg/event", "pkg/config/setting", "pkg/metric", "internal/failpoint", "internal/heartbeat",
		"internal/bind", "internal/humanize", "internal/logevery", "internal/rate", "internal/safetext",
	}
}

// with returns the shared values and more.
func with(more ...string) []string { return append(more, sharedValues()...) }

// third says where a dependency may show, so that it can be replaced.
func third() map[string][]string {
	return map[string][]string{
		"go.etcd.io/bbolt": {
			"pkg/buffer/disk/internal/segment", "pkg/buffer/disk/internal/statefile", "pkg/deadletter/disk",
		},
		"github.com/prometheus/client_golang":        {"pkg/status", "pkg/status/metrics"},
		"github.com/prometheus/client_model":         {"pkg/status/metrics"},
		"github.com/spf13/cobra":                     {"cmd/*", "cmd/aggregator/internal/*"},
		"charm.land/bubbletea/v2":                    {"cmd/aggregator/internal/live", "internal/top"},
		"github.com/elastic/elastic-transport-go/v8": {"pkg/outputs/elasticsearch"},
		"github.com/aws/aws-sdk-go-v2": {
			"pkg/outputs/awsclient", "pkg/outputs/firehose", "pkg/outputs/kinesis", "pkg/outputs/cloudwatch",
			"pkg/outputs/s3",
		},
		"golang.org/x/oauth2":        {"pkg/outputs/httpclient"},
		"google.golang.org/protobuf": {"pkg/outputs/loki", "pkg/outputs/otlp", "pkg/outputs/otlp/otlptest"},
		// Where events flow, messages are written byte by byte.
		"go.opentelemetry.io/proto": {"pkg/outputs/otlp/otlptest"},
		"github.com/twmb/franz-go":  {"pkg/outputs/kafka", "test/bench"},
		"github.com/expr-lang/expr": {"pkg/filter"},
		// Not where events flow: there tinylib's functions read bytes where they lie.
		"github.com/vmihailenco/msgpack/v5": {
			"pkg/forward/internal/handshake", "pkg/handover", "internal/msgview", "internal/ndjson", "internal/sender",
		},
		"go.yaml.in/yaml/v3": {
			"pkg/config", "pkg/config/setting", "internal/tryout", "internal/convert", "internal/convert/fluentbit",
			"internal/convert/fluentd/conf", "internal/convert/operator",
		},
	}
}

// pkg is what go list tells of a package.
type pkg struct {
	ImportPath string
	Imports    []string
}

func fits(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return ok && err == nil
	})
}

func isTestPackage(name string) bool {
	return strings.HasSuffix(name, "test") && !strings.HasPrefix(name, "internal/") && !strings.HasPrefix(name, "test/")
}

// check returns what is wrong with p's imports, without those of its _test.go files.
func check(p pkg) (wrong []string) {
	name := strings.TrimPrefix(p.ImportPath, module+"/")
	if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "misc"}, path.Base(name)) {
		wrong = append(wrong, name+": a package is named after what it is for, not "+path.Base(name))
	}
	rows := table()
	i := slices.IndexFunc(rows, func(r row) bool { return fits([]string{r.packages}, name) })
	if i < 0 {
		return append(wrong, name+": it has no row in the table of imports; give it one")
	}
	for _, imported := range p.Imports {
		for dependency, where := range third() {
			if (imported == dependency || strings.HasPrefix(imported, dependency+"/")) && !fits(where, name) {
				wrong = append(wrong, fmt.Sprintf("%s imports %s: only %v may", name, imported, where))
			}
		}
		ours, found := strings.CutPrefix(imported, module+"/")
		switch {
		case !found:
		case isTestPackage(ours) && !isTestPackage(name) && !strings.HasPrefix(name, "test/"):
			wrong = append(wrong, fmt.Sprintf("%s imports %s: only _test.go files may import test helpers", name, ours))
		case !fits(rows[i].may, ours):
			wrong = append(wrong,
				fmt.Sprintf("%s imports %s: %s (it may import %v)", name, ours, rows[i].why, rows[i].may))
		}
	}
	return wrong
}

func TestImports(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports", module+"/...")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	seen := 0
	for d := json.NewDecoder(strings.NewReader(string(out))); ; seen++ {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range check(p) {
			t.Error(wrong)
		}
	}
	if seen < 10 {
		t.Errorf("go list named %d packages, want all of the module's", seen)
	}
}

// The check itself: what it allows and what it finds.
func TestCheck(t *testing.T) {
	for _, tc := range []struct{ name, imported, want string }{
		{"pkg/event", module + "/pkg/metric", "shared values know nobody"},
		{"pkg/event", "strings", ""},
		{"pkg/forward", module + "/pkg/event", ""},
		{"pkg/forward", module + "/pkg/buffer", "a listener knows where it stores"},
		{"pkg/status", module + "/pkg/delivery", "a part knows shared values only"},
		{"pkg/delivery", module + "/pkg/outputs", ""},
		{"pkg/delivery", module + "/pkg/outputs/file", "what outputs and steps are"},
		{"pkg/outputs/file", module + "/pkg/outputs", ""},
		{"pkg/outputs/file", module + "/pkg/outputs/stdout", "not other outputs"},
		{"pkg/config", module + "/pkg/outputs/all", ""},
		{"pkg/config", module + "/pkg/outputs/file", "knows no output or step by name"},
		{"pkg/app", module + "/pkg/outputs/file", "knows no output or step by name"},
		{"pkg/outputs/all", module + "/pkg/outputs/file", ""},
		{"pkg/outputs/file", module + "/pkg/outputs/all", "not other outputs"},
		{"pkg/config", module + "/pkg/app", "gathers the parts' own"},
		{"pkg/tls", module + "/pkg/config/setting", ""},
		{"pkg/tls", module + "/pkg/event", "know their settings only"},
		{"pkg/filter/grep", module + "/pkg/filter", ""},
		{"pkg/filter/grep", module + "/pkg/filter/parse", "not other steps"},
		{"pkg/filter", module + "/pkg/filter/grep", "a part knows shared values only"},
		{"pkg/filter/expression", "github.com/expr-lang/expr", "only [pkg/filter] may"},
		{"pkg/config", module + "/pkg/filter/grep", "knows no output or step by name"},
		{"pkg/filter/all", module + "/pkg/filter/grep", ""},
		{"pkg/app", module + "/pkg/status", ""},
		{"pkg/app", module + "/internal/sender", "joins all parts"},
		{"cmd/aggregator", module + "/pkg/app", ""},
		{"cmd/aggregator", module + "/pkg/buffer", "commands hold no logic"},
		{"pkg/app", module + "/pkg/forward/forwardtest", "only _test.go files"},
		{"pkg/forward/forwardtest", module + "/pkg/forward", ""},
		{
			"pkg/app", "go.etcd.io/bbolt",
			"only [pkg/buffer/disk/internal/segment pkg/buffer/disk/internal/statefile pkg/deadletter/disk] may",
		},
		{
			"pkg/app", "go.etcd.io/bbolt/errors",
			"only [pkg/buffer/disk/internal/segment pkg/buffer/disk/internal/statefile pkg/deadletter/disk] may",
		},
		{"pkg/buffer/disk/internal/statefile", "go.etcd.io/bbolt", ""},
		{"pkg/buffer", module + "/pkg/buffer/disk", "the contract knows"},
		{"pkg/newcomer", "strings", "no row"},
		{"pkg/util", "strings", "named after what it is for"},
		{"pkg/outputs/common", "strings", "named after what it is for"},
	} {
		wrong := strings.Join(check(pkg{ImportPath: module + "/" + tc.name, Imports: []string{tc.imported}}), "\n")
		if (tc.want == "") != (wrong == "") || !strings.Contains(wrong, tc.want) {
			t.Errorf("%s imports %s: %q, want %q", tc.name, tc.imported, wrong, tc.want)
		}
	}
}
