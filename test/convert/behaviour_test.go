// Package convert_test holds what is converted to what the old programs do: for the same events, the same documents at
// the same destinations.
package convert_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/internal/convert"
	"github.com/seed-afc6a195/aggregator/internal/ndjson"
	"github.com/seed-afc6a195/aggregator/internal/tryout"
	"github.com/seed-afc6a195/aggregator/pkg/app/routing"
	"github.com/seed-afc6a195/aggregator/pkg/config"
)

var update = flag.Bool("update", false, "record again what the old programs do: needs FLUENT_BIT or FLUENTD")

// program is an old one: how it is started, and of whose configurations it is.
type program struct {
	name, variable string
	config         string // the name of its configuration in a case
	args           func(config string) []string
	version        []string
}

func programs() []program {
	return []program{
		{
			"fluentbit", "FLUENT_BIT", "fluent-bit.*",
			func(config string) []string { return []string{"-c", config} },
			[]string{"--version"},
		},
		{
			"fluentd", "FLUENTD", "fluent.conf",
			func(config string) []string { return []string{"-c", config, "--no-supervisor"} },
			[]string{"--version"},
		},
	}
}

// recorded is what an old program did with the events of a case.
type recorded struct {
	Version   string      `json:"version"`
	Delivered []delivered `json:"delivered"`
}

// TestBehaviour: what is converted brings the same documents to the same destinations as was recorded of the old
// program; where a variable such as FLUENT_BIT names one, what it does now is what was recorded.
func TestBehaviour(t *testing.T) {
	for _, p := range programs() {
		dirs, err := filepath.Glob(filepath.Join("testdata", p.name, "*"))
		if err != nil || len(dirs) == 0 {
			t.Fatal(dirs, err)
		}
		for _, dir := range dirs {
			t.Run(p.name+"/"+filepath.Base(dir), func(t *testing.T) {
				binary := os.Getenv(p.variable)
				if *update && binary != "" {
					record(t, p, binary, dir)
				}
				want := readRecorded(t, dir)
				compare(t, "the converted configuration", converted(t, p, dir), want.Delivered)
				if binary != "" {
					// Else what it did is in recorded.json.
					compare(t, p.name, observe(t, p, binary, dir), want.Delivered)
				}
			})
		}
	}
}

func record(t *testing.T, p program, binary, dir string) {
	t.Helper()
	words := strings.Fields(binary)
	out, err := exec.CommandContext(t.Context(), words[0], append(words[1:], p.version...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	version, _, _ := strings.Cut(string(out), "\n")
	all := observe(t, p, binary, dir)
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\"version\": %q, \"delivered\": [", strings.TrimSpace(version))
	for i, d := range all {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "\n  {\"to\": %q, \"document\": %s}", d.To, d.Document)
	}
	b.WriteString("\n]}\n")
	if err := os.WriteFile(filepath.Join(dir, "recorded.json"), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readRecorded(t *testing.T, dir string) (r recorded) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "recorded.json"))
	if err != nil {
		t.Fatalf("%v: record it with task convert:record", err)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	for i := range r.Delivered {
		r.Delivered[i].Document = canonical(r.Delivered[i].Document)
	}
	return r
}

// compare reports what of the multiset got is not in want, and the other way round.
func compare(t *testing.T, who string, got, want []delivered) {
	t.Helper()
	lines := func(all []delivered) (text []string) {
		for _, d := range all {
			text = append(text, d.To+" "+string(d.Document))
		}
		slices.Sort(text)
		return text
	}
	g, w := lines(got), lines(want)
	if slices.Equal(g, w) {
		return
	}
	for _, line := range w {
		if i := slices.Index(g, line); i >= 0 {
			g = slices.Delete(g, i, i+1)
			continue
		}
		t.Errorf("%s lacks   %s", who, line)
	}
	for _, line := range g {
		t.Errorf("%s has too %s", who, line)
	}
}

// input is an event as an agent sends it.
type input struct {
	Tag    string          `json:"tag"`
	Time   float64         `json:"time"`
	Record json.RawMessage `json:"record"`
}

func inputs(t *testing.T, dir string) (all []input) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "input.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		var in input
		if err := json.Unmarshal(line, &in); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, in)
	}
	return all
}

func (in input) at() time.Time {
	return time.Unix(0, int64(in.Time*1e6+0.5)*1000).UTC()
}

// converted returns what the converted configuration of a case makes of its events.
func converted(t *testing.T, p program, dir string) (all []delivered) {
	t.Helper()
	environment := map[string]string{"FORWARD_PORT": "24224", "HTTP_PORT": "9", "HOSTNAME": "host"}
	result, err := convert.Convert(files(t, p, dir), convert.Options{Read: config.ReadFile, Glob: filepath.Glob})
	if err != nil {
		t.Fatal(err)
	}
	for _, lost := range result.Notes.Lost {
		t.Errorf("can't be said: %s", lost)
	}
	cfg, err := config.Parse("aggregator.yaml", result.Configuration, config.Options{
		LookupEnv: func(name string) (string, bool) { v, ok := environment[name]; return v, ok },
		ReadFile:  func(string) ([]byte, error) { return nil, fs.ErrNotExist },
		StandIn:   true,
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, result.Configuration)
	}
	c, err := tryout.New(cfg, func(cfg *config.Config, output string) (tryout.Rules, error) {
		return routing.NewRules(cfg, output, zerolog.Nop())
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	run, err := c.Start()
	if err != nil {
		t.Fatal(err)
	}
	cluster, _ := c.Example()
	var outcomes []tryout.Outcome
	var last time.Time
	for _, in := range inputs(t, dir) {
		record, _, err := ndjson.AppendObject(nil, in.Record, "")
		if err != nil {
			t.Fatal(err)
		}
		last = in.at()
		outcomes = append(outcomes,
			run.Give(tryout.Event{Cluster: cluster, Tag: in.Tag, Time: last, Record: record}, last)...)
	}
	outcomes = append(outcomes, run.Flush(last, true)...)
	if err := run.Close(); err != nil {
		t.Fatal(err)
	}
	for _, o := range outcomes {
		for _, d := range o.Documents {
			for _, target := range d.Targets {
				// The server is another one each time.
				_, path, isURL := strings.Cut(target, "://")
				if isURL {
					_, path, _ = strings.Cut(path, "/")
					target = "/" + path
				}
				all = append(all, delivered{To: target, Document: canonical(d.Document)})
			}
		}
	}
	return all
}

// files returns the configuration of a case, with its parsers.
func files(t *testing.T, p program, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, p.config))
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	more, err := filepath.Glob(filepath.Join(dir, "parsers.conf"))
	if err != nil {
		t.Fatal(err)
	}
	return append(all, more...)
}

// observe runs the old program on the events of a case and returns what its destinations got.
func observe(t *testing.T, p program, binary, dir string) []delivered {
	t.Helper()
	sink := newSink(t)
	port := freePort(t)
	path, err := filepath.Abs(files(t, p, dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(binary)
	cmd := exec.Command(words[0], append(words[1:], p.args(path)...)...)
	cmd.Dir = filepath.Dir(path)
	cmd.Env = append(os.Environ(), "FORWARD_PORT="+port, "HTTP_PORT="+sink.port(), "HOSTNAME=host", "TZ=UTC")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	conn := dial(t, port, ended, &out)
	send(t, conn, inputs(t, dir))
	sink.quiet(t)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		_ = cmd.Process.Kill() // it is gone, or going
		t.Errorf("it did not end: %s", &out)
	}
	if len(sink.all()) == 0 {
		t.Logf("nothing came: %s", &out)
	}
	return sink.all()
}

// dial connects once the program listens.
func dial(t *testing.T, port string, ended <-chan error, out *bytes.Buffer) net.Conn {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", "127.0.0.1:"+port)
		if err == nil {
			t.Cleanup(func() { _ = conn.Close() })
			return conn
		}
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v\n%s", err, out)
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatal(errors.New("it does not listen"))
	return nil
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	return port
}
