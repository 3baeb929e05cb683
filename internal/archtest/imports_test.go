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
	shared := []string{
		"pkg/event", "pkg/config/setting", "pkg/metric", "internal/failpoint", "internal/heartbeat",
		"internal/humanize", "internal/logevery", "internal/rate", "internal/safetext",
	}
	with := func(more ...string) []string { return append(more, shared...) }
	return []row{
		{"pkg/event", nil, "shared values know nobody"},
		{"pkg/config/setting", nil, "shared values know nobody"},
		{"pkg/metric", nil, "shared values know nobody"},

		{"pkg/ingest", shared, "what listeners need knows shared values only"},
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
			"pkg/buffer/jetstream/internal/*",
			with("pkg/buffer", "pkg/buffer/jetstream/internal/broadcast", "pkg/buffer/jetstream/internal/ledger",
				"pkg/buffer/jetstream/internal/subject", "pkg/deadletter", "internal/format"),
			"a piece of an engine knows the contract",
		},
		{"pkg/buffer/fair", nil, "turns know nobody"},
		{"pkg/buffer/chunk", with("internal/boltfile", "internal/format"), "a chunk knows its bytes only"},
		{"pkg/deadletter", shared, "the contract knows shared values only"},
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
		{"pkg/route", shared, "a part knows shared values only"},
		{"pkg/tls", []string{"pkg/config/setting", "internal/logevery"}, "certificates know their settings only"},
		{"pkg/tls/tlstest", nil, "whoever needs a certificate may use it"},
		{"pkg/cluster", shared, "a part knows shared values only"},
		{
			"pkg/status", with("pkg/status/client", "pkg/status/*"),
			"a part knows shared values only, and the words that it shares with who asks it",
		},
		{
			"pkg/status/snapshot", with("pkg/status/client"),
			"the state of the program knows shared values, and what both sides say",
		},
		{"pkg/status/snapshot/snapshottest", with("pkg/status/snapshot"), "test helpers know their part"},
		{"pkg/status/metrics", with("pkg/status/snapshot"), "metrics are made of the state"},
		{
			"pkg/status/verdict", with("pkg/status/snapshot", "pkg/status/client"),
			"the verdict is made of the state, in words that both sides know",
		},
		{
			"pkg/status/page",
			with("pkg/status/snapshot", "pkg/status/client", "pkg/status/history", "internal/safetext"),
			"the page is made of the state and its history",
		},
		{"pkg/status/history", with("pkg/status/snapshot"), "what was is a sequence of states"},
		{
			"pkg/status/client", with("internal/stepdiff"),
			"who asks knows what both sides say, not the server; what steps did is said as a trial says it",
		},
		{"pkg/delivery/suspicion", nil, "how hosts answer knows nobody"},
		{
			"pkg/delivery/stats", with("pkg/outputs", "pkg/delivery/internal/outcome"),
			"what is counted is what became of events, and what outputs said",
		},
		{"pkg/delivery/internal/outcome", nil, "what may become of an event knows nobody"},
		{"pkg/delivery/internal/pacing", with("pkg/outputs"), "how long to wait follows what an output said"},
		{"pkg/delivery/internal/rests", with("pkg/buffer"), "what is stored again is what a queue takes"},
		{
			"pkg/delivery/internal/waiting",
			with("pkg/outputs", "pkg/buffer", "pkg/delivery/stats", "pkg/delivery/internal/pacing"),
			"who waits for a target is told from what it answers, and knows neither events nor who sends them",
		},
		{
			"pkg/delivery",
			with("pkg/outputs", "pkg/filter", "pkg/filter/rules", "pkg/buffer", "pkg/delivery/suspicion",
				"pkg/delivery/stats",
				"pkg/delivery/internal/*"),
			"the delivery loop knows what outputs and steps are, and what a queue promises",
		},
		{"internal/stepdiff", []string{"internal/safetext"}, "what differs between two texts knows nobody"},
		{
			"pkg/status/tail", with("pkg/status/client", "internal/stepdiff", "internal/msgview"),
			"a live view knows events, and its own words",
		},
		{
			"pkg/status/grouptail", with("pkg/status/client", "pkg/status/tail"),
			"live views of a group are made of those of each of it, however these talk",
		},
		{
			"pkg/tap",
			with("pkg/ingest", "pkg/outputs", "pkg/filter", "pkg/filter/rules", "pkg/delivery", "pkg/status/client",
				"pkg/status/tail", "internal/stepdiff"),
			"a tap knows what comes in, what becomes of it on its way, and who looks",
		},
		{"pkg/trace", with("pkg/buffer", "pkg/deadletter"), "where events are follows from what sources are told"},
		{"pkg/outputs", shared, "a part knows shared values only"},
		{
			"pkg/outputs/outputtest", with("pkg/outputs", "pkg/buffer", "pkg/buffer/memory"),
			"test helpers know their part, and a queue to deliver from",
		},
		{
			"pkg/outputs/forward", with("pkg/outputs", "pkg/forward/client"),
			"the forward output is a client of the Forward protocol",
		},
		{"pkg/outputs/awsclient", with("pkg/outputs"), "what the outputs to AWS share knows what an output is"},
		{"pkg/outputs/awsclient/awstest", nil, "a made-up AWS knows nobody"},
		{"pkg/outputs/elasticsearch/elastictest", nil, "a made-up Elasticsearch knows nobody"},
		{
			"pkg/outputs/httpclient", with("pkg/outputs"),
			"what the outputs that speak HTTP share knows what an output is",
		},
		{"pkg/outputs/http", with("pkg/outputs", "pkg/outputs/httpclient"), "an output that speaks HTTP"},
		{"pkg/outputs/otlp", with("pkg/outputs", "pkg/outputs/httpclient"), "an output that speaks HTTP"},
		{"pkg/outputs/otlp/otlptest", nil, "a made-up receiver knows nobody"},
		{"pkg/outputs/splunkhec", with("pkg/outputs", "pkg/outputs/httpclient"), "an output that speaks HTTP"},
		{"pkg/outputs/splunkhec/splunktest", nil, "a made-up collector knows nobody"},
		{"pkg/outputs/loki", with("pkg/outputs", "pkg/outputs/httpclient"), "an output that speaks HTTP"},
		{"pkg/outputs/kafka", with("pkg/outputs", "pkg/outputs/awsclient"), "an output that may log in by AWS"},
		{"pkg/outputs/firehose", with("pkg/outputs", "pkg/outputs/awsclient"), "an output to AWS"},
		{"pkg/outputs/kinesis", with("pkg/outputs", "pkg/outputs/awsclient"), "an output to AWS"},
		{"pkg/outputs/cloudwatch", with("pkg/outputs", "pkg/outputs/awsclient"), "an output to AWS"},
		{
			"pkg/outputs/s3", with("pkg/outputs", "pkg/outputs/awsclient", "pkg/outputs/intent"),
			"an output to AWS, with a log of what it delivers",
		},
		{"pkg/outputs/intent", with("internal/format"), "a log of events knows events only"},
		{
			"pkg/outputs/file", with("pkg/outputs", "pkg/outputs/intent"),
			"an output with a log of what it delivers, which knows not other outputs",
		},
		{
			"pkg/outputs/elasticsearch", with("pkg/outputs", "pkg/outputs/awsclient",
				"pkg/outputs/elasticsearch/internal/*"), "an output with names of its own, which Amazon offers too",
		},
		{
			"pkg/outputs/elasticsearch/internal/indexname",
			[]string{"pkg/event", "pkg/outputs", "internal/safetext"},
			"names know events, and what bounds names of every output",
		},
		{"pkg/outputs/elasticsearch/internal/*", with("pkg/outputs"), "what servers say follows what an output is"},
		{"pkg/outputs/all", with("pkg/outputs", "pkg/outputs/*"), "the one place that knows every type of output"},
		{"pkg/outputs/*", with("pkg/outputs"), "an output knows what an output is, not other outputs"},

		{"internal/jsontext", nil, "a reader knows nobody"},
		{"pkg/filter", with("internal/jsontext"), "a part knows shared values only, and the one reader of JSON"},
		{"pkg/filter/parse/internal/*", []string{"pkg/event"}, "times and encodings know nobody"},
		{
			"pkg/filter/parse", with("pkg/filter", "internal/jsontext", "pkg/filter/parse/internal/*"),
			"a step knows what a step is, not other steps",
		},
		{"pkg/filter/rules", with("pkg/filter"), "rules know what a step is, and none"},
		{"pkg/filter/filtertest", with("pkg/filter", "internal/jsontext"), "test helpers know their part"},
		{"pkg/filter/all", with("pkg/filter", "pkg/filter/*"), "the one place that knows every kind of step"},
		{"pkg/filter/*", with("pkg/filter", "internal/jsontext"), "a step knows what a step is, not other steps"},
		{
			"pkg/config",
			with("pkg/filter", "pkg/filter/all", "pkg/forward", "pkg/buffer", "pkg/route", "pkg/cluster", "pkg/status",
				"pkg/delivery", "pkg/outputs", "pkg/outputs/all"),
			"the configuration gathers the parts' own, and knows no output or step by name",
		},
		{"internal/boltfile", nil, "a file knows nobody"},
		{"internal/boltfile/boltfiletest", []string{"internal/boltfile"}, "test helpers know their part"},
		{"internal/format", nil, "numbers know nobody"},
		{"internal/failpoint", nil, "a point knows nobody"},
		{"internal/heartbeat", nil, "what a loop tells knows nobody"},
		{"internal/cgroup", nil, "what Linux allows knows nobody"},
		{"internal/rate", nil, "amounts over time know nobody"},
		{"internal/safetext", nil, "texts know nobody"},
		{"internal/idlememory", nil, "memory knows nobody"},
		{"internal/msgview", nil, "who shows msgpack knows nobody"},
		{"internal/logevery", nil, "how often a line is logged knows nobody"},
		{
			"pkg/app",
			with("internal/cgroup", "pkg/*", "pkg/buffer/disk", "pkg/buffer/jetstream", "pkg/status/client",
				"pkg/status/tail", "pkg/status/grouptail",
				"pkg/outputs/all",
				"pkg/outputs/awsclient", "pkg/app/routing", "pkg/app/deadletters", "pkg/app/resources",
				"pkg/app/internal/router", "pkg/app/internal/group", "pkg/delivery/stats", "internal/idlememory"),
			"the program joins all parts, and knows no output or step by name",
		},
		{
			"pkg/app/routing", with("pkg/cluster", "pkg/config", "pkg/filter", "pkg/filter/rules", "pkg/route"),
			"what becomes of events is made of a configuration, and moves none",
		},
		{
			"pkg/app/internal/group", with("pkg/buffer", "pkg/status/snapshot"),
			"the group's picture is made of what its processes tell, and asks nobody",
		},
		{
			"pkg/app/internal/router",
			with("pkg/buffer", "pkg/cluster", "pkg/config", "pkg/ingest", "pkg/route"),
			"what arrives goes by the routes to the queue",
		},
		{
			"pkg/app/resources",
			with("pkg/config", "pkg/outputs", "pkg/outputs/all", "pkg/status", "internal/cgroup"),
			"what the process may take follows from its configuration and the machine",
		},
		{
			"pkg/app/deadletters",
			with("pkg/app/routing", "pkg/buffer", "pkg/cluster", "pkg/config", "pkg/deadletter", "pkg/filter",
				"pkg/filter/rules",
				"pkg/outputs", "pkg/route", "pkg/status/client"),
			"what operators do with dead letters knows where they are, and where they would go",
		},
		{"internal/ndjson", []string{"internal/jsontext"}, "lines know the one reader of JSON"},
		{"internal/disktrace", nil, "a disk knows nobody"},
		{"internal/sender", with("pkg/forward/client", "internal/ndjson"), "the load generator is a Forward client"},
		{"internal/humanize", nil, "words for numbers know nobody"},
		{
			"internal/sizing", with("pkg/outputs", "pkg/outputs/all"),
			"a calculator knows what each type of output costs",
		},
		{"deployments/*", nil, "what is deployed looks at the program from outside"},
		{"internal/systemd", nil, "who tells systemd knows nobody"},
		{
			"internal/convert",
			[]string{"internal/convert/*", "internal/convert/fluentd/conf"},
			"a conversion joins its readers and its writer",
		},
		{"internal/convert/syntax", nil, "places and sections know nobody"},
		{"internal/convert/dialect", nil, "an expression knows nobody"},
		{
			"internal/convert/ruby",
			[]string{"internal/convert/syntax", "internal/convert/dialect"},
			"Ruby knows where it stands, and expressions",
		},
		{
			"internal/convert/flow",
			[]string{"internal/convert/syntax", "pkg/route"},
			"what a configuration does knows places, and what tags a pattern matches",
		},
		{
			"internal/convert/settings",
			[]string{"internal/convert/syntax", "internal/convert/flow", "internal/convert/ruby"},
			"settings are read from sections and written as a flow has them",
		},
		{
			"internal/convert/destination",
			[]string{
				"internal/convert/syntax", "internal/convert/flow", "internal/convert/ruby",
				"internal/convert/settings",
			},
			"what the programs' destinations share knows neither program",
		},
		{
			"internal/convert/converttest",
			with("internal/convert", "internal/convert/flow", "internal/convert/settings", "pkg/app", "pkg/config"),
			"tables of translations know what is written, and that the program has to take it",
		},
		{
			"internal/convert/operator",
			[]string{"internal/convert/syntax", "internal/convert/settings", "internal/convert/fluentbit"},
			"resources become the sections of files, and what these do is said elsewhere",
		},
		{
			"internal/convert/fluentbit",
			[]string{
				"internal/convert/syntax", "internal/convert/flow", "internal/convert/ruby",
				"internal/convert/settings", "internal/convert/dialect", "internal/convert/destination",
			},
			"a reader of one program knows none of the other",
		},
		{
			"internal/convert/fluentd",
			[]string{
				"internal/convert/syntax", "internal/convert/flow", "internal/convert/ruby",
				"internal/convert/settings", "internal/convert/dialect", "internal/convert/destination",
				"internal/convert/fluentd/*",
			},
			"a reader of one program knows none of the other",
		},
		{
			"internal/convert/fluentd/conf",
			[]string{"internal/convert/syntax", "internal/convert/ruby", "internal/convert/settings"},
			"the syntax of files knows what stands in a value, and nothing of what plugins do",
		},
		{
			"internal/convert/fluentd/template",
			[]string{"internal/convert/flow", "internal/convert/ruby", "internal/convert/settings"},
			"placeholders are read as one program has them, and written as the other has",
		},
		{
			"internal/convert/fluentd/outputs",
			[]string{
				"internal/convert/syntax", "internal/convert/flow", "internal/convert/ruby",
				"internal/convert/settings",
				"internal/convert/destination", "internal/convert/fluentd/conf", "internal/convert/fluentd/template",
			},
			"a destination knows no filters and no routes",
		},
		{
			"internal/top",
			[]string{"pkg/status/client", "internal/humanize", "internal/safetext"},
			"who asks knows what the server says",
		},
		{
			"internal/tryout",
			with("pkg/config", "pkg/cluster", "pkg/route", "pkg/filter", "pkg/filter/rules", "pkg/outputs",
				"internal/msgview",
				"internal/ndjson", "internal/stepdiff"),
			"trying a configuration needs what decides on events, and none of what moves them",
		},
		{
			"cmd/aggregator/internal/terminal",
			[]string{"pkg/config", "internal/safetext", "internal/sender"},
			"what people read knows what the log's settings say, and nothing of what is shown",
		},
		{
			"cmd/aggregator/internal/flags",
			[]string{"pkg/app", "pkg/config", "pkg/config/setting", "pkg/status/client", "internal/safetext"},
			"flags name configurations and servers",
		},
		{
			"cmd/aggregator/internal/*",
			[]string{
				"cmd/aggregator/internal/flags", "cmd/aggregator/internal/terminal", "pkg/app", "pkg/config",
				"pkg/status/client", "internal/humanize", "internal/msgview", "internal/safetext", "internal/sender",
				"internal/top",
			},
			"commands hold no logic",
		},
		{
			"cmd/*",
			[]string{
				"cmd/aggregator/internal/*", "internal/humanize", "pkg/app", "pkg/app/resources", "pkg/app/routing",
				"pkg/config", "pkg/config/setting", "pkg/status/client",
				"pkg/forward/client", "pkg/handover", "internal/convert", "internal/convert/settings",
				"internal/msgview",
				"internal/safetext", "internal/sender", "internal/sizing", "internal/systemd", "internal/top",
				"internal/tryout",
			},
			"commands hold no logic",
		},
		{"internal/archtest", nil, "it looks from outside"},
		{"test/*", []string{"*/*", "*/*/*", "*/*/*/*"}, "tests of the whole may know all"},
	}
}

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
