package archtest

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// required is every module that go.mod asks for itself, and what for. A new one is a decision: it is code that runs
// with this program's rights, and somebody else's releases to follow.
func required() map[string]string {
	return map[string]string{
		"charm.land/bubbletea/v2": "the command top: keys, sizes and colours of terminals",
		"github.com/aws/aws-sdk-go-v2": "the outputs to AWS: signing, retries, the chain " +
			"of credentials",
		"github.com/aws/aws-sdk-go-v2/config":                     "the same: environment and profiles",
		"github.com/aws/aws-sdk-go-v2/credentials":                "the same: roles",
		"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager": "uploads to S3 in parts",
		"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs":     "the output cloudwatch_logs",
		"github.com/aws/aws-sdk-go-v2/service/firehose":           "the output firehose",
		"github.com/aws/aws-sdk-go-v2/service/kinesis":            "the output kinesis",
		"github.com/aws/aws-sdk-go-v2/service/s3":                 "the output s3",
		"github.com/aws/aws-sdk-go-v2/service/sts":                "role_arn of the outputs to AWS",
		"github.com/aws/smithy-go":                                "the errors of the AWS SDK",
		"github.com/clipperhouse/displaywidth":                    "the width of texts in top, as bubbletea counts it",
		"github.com/elastic/elastic-transport-go/v8":              "connections to Elasticsearch",
		"github.com/expr-lang/expr":                               "conditions and expressions",
		"github.com/fluent/fluent-logger-golang":                  "tests: a client that is not ours",
		"github.com/klauspost/compress": "gzip, zstd and s2 at the speed that " +
			"docs/performance.md promises",
		"github.com/nats-io/jwt/v2":                "tests: credentials for the servers of the queue on JetStream",
		"github.com/nats-io/nats-server/v2":        "tests: the servers of the queue on JetStream",
		"github.com/nats-io/nats.go":               "the queue on JetStream",
		"github.com/nats-io/nkeys":                 "tests: credentials, as jwt",
		"github.com/prometheus/client_golang":      "/metrics",
		"github.com/prometheus/client_model":       "/metrics: what client_golang writes, for histograms in both forms",
		"github.com/rs/zerolog":                    "the program's log",
		"github.com/santhosh-tekuri/jsonschema/v6": "tests: aggregator schema is valid and fits the documentation",
		"github.com/spf13/cobra":                   "the commands",
		"github.com/spf13/pflag":                   "their flags; cobra's own",
		"github.com/tinylib/msgp":                  "msgpack where events flow",
		"github.com/twmb/franz-go":                 "the output kafka",
		"github.com/twmb/franz-go/pkg/kfake":       "tests: a made-up Kafka that is not ours",
		"github.com/twmb/franz-go/pkg/kmsg":        "the output kafka: its requests by name",
		"github.com/vmihailenco/msgpack/v5": "msgpack on cold paths: the handshake, what send makes up, what " +
			"dead shows; and tests",
		"go.etcd.io/bbolt":           "the queue's files",
		"go.uber.org/goleak":         "tests: no goroutine is left behind",
		"go.yaml.in/yaml/v3":         "the configuration",
		"golang.org/x/oauth2":        "tokens of client credentials for the outputs that speak HTTP",
		"google.golang.org/protobuf": "the outputs loki and otlp: the encoding of their requests",
		"go.opentelemetry.io/proto/slim/otlp": "tests: OpenTelemetry's own messages, to read by what the output otlp " +
			"wrote",
		"golang.org/x/sys":  "locks and free space of the queue's disk",
		"golang.org/x/term": "whether a person watches",
		"golang.org/x/text": "lines in other encodings than UTF-8",
	}
}

// brought is every other module whose code is linked into the binary, by whom it comes along.
func brought() map[string]string {
	aws, prometheus, terminal := "the AWS SDK", "the Prometheus client", "bubbletea"
	return map[string]string{
		"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream":         aws,
		"github.com/aws/aws-sdk-go-v2/feature/ec2/imds":                 aws,
		"github.com/aws/aws-sdk-go-v2/internal/configsources":           aws,
		"github.com/aws/aws-sdk-go-v2/internal/endpoints/v2":            aws,
		"github.com/aws/aws-sdk-go-v2/internal/v4a":                     aws,
		"github.com/aws/aws-sdk-go-v2/service/internal/accept-encoding": aws,
		"github.com/aws/aws-sdk-go-v2/service/internal/checksum":        aws,
		"github.com/aws/aws-sdk-go-v2/service/internal/presigned-url":   aws,
		"github.com/aws/aws-sdk-go-v2/service/internal/s3shared":        aws,
		"github.com/aws/aws-sdk-go-v2/service/signin":                   aws,
		"github.com/aws/aws-sdk-go-v2/service/sso":                      aws,
		"github.com/aws/aws-sdk-go-v2/service/ssooidc":                  aws,
		"github.com/beorn7/perks":                                       prometheus,
		"github.com/cespare/xxhash/v2":                                  prometheus,
		"github.com/munnerz/goautoneg":                                  prometheus,
		"github.com/prometheus/client_model":                            prometheus,
		"github.com/prometheus/common":                                  prometheus,
		"github.com/prometheus/procfs":                                  prometheus,
		"github.com/go-logr/logr": "the Elasticsearch transport, by way of " +
			"OpenTelemetry",
		"github.com/go-logr/stdr":               "the Elasticsearch transport, by way of OpenTelemetry",
		"go.opentelemetry.io/otel":              "the Elasticsearch transport",
		"go.opentelemetry.io/otel/metric":       "the Elasticsearch transport",
		"go.opentelemetry.io/otel/trace":        "the Elasticsearch transport",
		"github.com/pierrec/lz4/v4":             "the Kafka client",
		"github.com/mattn/go-colorable":         "zerolog",
		"github.com/mattn/go-isatty":            "zerolog",
		"github.com/philhofer/fwd":              "msgp",
		"github.com/vmihailenco/tagparser/v2":   "msgpack",
		"github.com/charmbracelet/colorprofile": terminal,
		"github.com/charmbracelet/ultraviolet":  terminal,
		"github.com/charmbracelet/x/ansi":       terminal,
		"github.com/charmbracelet/x/term":       terminal,
		"github.com/charmbracelet/x/termios":    terminal,
		"github.com/charmbracelet/x/windows":    terminal,
		"github.com/clipperhouse/uax29/v2":      terminal,
		"github.com/lucasb-eyer/go-colorful":    terminal,
		"github.com/mattn/go-runewidth":         terminal,
		"github.com/muesli/cancelreader":        terminal,
		"github.com/rivo/uniseg":                terminal,
		"github.com/xo/terminfo":                terminal,
		"golang.org/x/sync":                     terminal,
		"github.com/nats-io/nkeys":              "the NATS client",
		"github.com/nats-io/nuid":               "the NATS client",
		"golang.org/x/crypto":                   "the NATS client",
	}
}

// goTool returns what a go command prints.
func goTool(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = "../.."
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

// differ reports what is in one of two lists only.
func differ(t *testing.T, what string, got []string, want map[string]string) {
	t.Helper()
	for _, module := range got {
		if want[module] == "" {
			t.Errorf("%s has %s: leave it out, or name it here with the reason", what, module)
		}
	}
	for module := range want {
		if !slices.Contains(got, module) {
			t.Errorf("%s has no %s any more: take it out here", what, module)
		}
	}
}

func TestDependencies(t *testing.T) {
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
		Replace, Exclude []any
	}
	if err := json.Unmarshal([]byte(goTool(t, "mod", "edit", "-json")), &mod); err != nil {
		t.Fatal(err)
	}
	var direct []string
	for _, r := range mod.Require {
		if !r.Indirect {
			direct = append(direct, r.Path)
		}
	}
	differ(t, "go.mod", direct, required())
	if len(mod.Replace)+len(mod.Exclude) > 0 {
		t.Error("go.mod replaces or excludes modules: nobody who imports this one would")
	}
	linked := map[string]bool{}
	for path := range strings.FieldsSeq(
		goTool(t, "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", "./cmd/aggregator"),
	) {
		linked[path] = true
	}
	all := maps.Clone(brought())
	for module, why := range required() {
		if !strings.HasPrefix(why, "tests: ") {
			all[module] = why
		}
	}
	differ(t, "the binary", slices.Sorted(maps.Keys(linked)), all)
}

// TestPackages holds the number of packages that a first `go run ./cmd/aggregator` compiles, the standard library's
// among them: a module whose root package brings along hundreds makes that take minutes. The program's own are left
// out, since it takes no longer to compile the same files as more packages.
func TestPackages(t *testing.T) {
	const most = 545
	n := 0
	for path := range strings.FieldsSeq(goTool(t, "list", "-deps", "./cmd/aggregator")) {
		if !strings.HasPrefix(path, module+"/") {
			n++
		}
	}
	if n > most {
		t.Errorf("%d packages of others are compiled, more than %d: which import brought them?", n, most)
	}
}

// TestBinarySize holds the stripped binary's size, of which docs/decisions/0016-binary-size.md says what it is made of.
func TestBinarySize(t *testing.T) {
	const most = 46_000_000
	path := filepath.Join(t.TempDir(), "aggregator")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path,
		"./cmd/aggregator")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > most {
		t.Errorf("the stripped binary has %d bytes, more than %d: what brought them?", info.Size(), most)
	}
}
