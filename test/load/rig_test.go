// Package load runs the built program with as many clients as a busy place has, and looks at what it costs and whether
// it all comes back.
package load

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
	"github.com/seed-afc6a195/aggregator/pkg/tls/tlstest"
	"github.com/seed-afc6a195/aggregator/test/harness"
)

const (
	clusters = 20
	tags     = 1000
)

// binary is the program under test, built once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "aggregator-load")
	if err != nil {
		return "", err
	}
	return harness.Build(dir)
})

func TestMain(m *testing.M) {
	if !harness.Whole("load") {
		return
	}
	code := m.Run()
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// number returns what the environment says, or else preset.
func number(t *testing.T, name string, preset int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return preset
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// destination is a made-up Elasticsearch that keeps the ids of what it was given.
type destination struct {
	*httptest.Server

	mu      sync.Mutex
	slow    time.Duration // that it takes for each event, until fast is closed
	fast    chan struct{}
	ids     map[string]bool // nil: only counted
	events  int
	doubled int
}

func newDestination(t *testing.T, ids bool) *destination {
	t.Helper()
	d := &destination{}
	if ids {
		d.ids = map[string]bool{}
	}
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	return d
}

// ServeHTTP answers bulk requests, and says of itself what Elasticsearch does.
func (d *destination) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", "application/json")
	if !strings.HasSuffix(r.URL.Path, "/_bulk") {
		io.WriteString(w, `{"version":{"number":"8.14.3","build_flavor":"default"},"tagline":"You Know, for Search"}`)
		return
	}
	var reply bytes.Buffer
	reply.WriteString(`{"errors":false,"items":[`)
	lines, n := bufio.NewReaderSize(r.Body, 64<<10), 0
	for {
		action, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		var a struct {
			Create struct {
				ID string `json:"_id"`
			}
		}
		if err == nil {
			err = json.Unmarshal(action, &a)
		}
		if err == nil {
			_, err = lines.ReadBytes('\n')
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if n++; n > 1 {
			reply.WriteByte(',')
		}
		reply.WriteString(`{"create":{"status":201}}`)
		d.mu.Lock()
		if d.ids != nil {
			if d.ids[a.Create.ID] {
				d.doubled++
			}
			d.ids[a.Create.ID] = true
		}
		d.events++
		d.mu.Unlock()
	}
	reply.WriteString(`]}`)
	d.mu.Lock()
	slow, fast := d.slow*time.Duration(n), d.fast
	d.mu.Unlock()
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-fast:
		case <-r.Context().Done():
			return
		}
	}
	w.Write(reply.Bytes())
}

// slowDown has it take a time for each event, until fast is called.
func (d *destination) slowDown(slow time.Duration) (fast func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.slow, d.fast = slow, make(chan struct{})
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.slow = 0
		close(d.fast)
	}
}

// counts returns how many events came, and how many of them once more.
func (d *destination) counts() (events, doubled int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.events, d.doubled
}

// rig is the program with a destination and what agents need to know of it.
type rig struct {
	*harness.Server
	t      *testing.T
	es     *destination
	secure string // address of the listener with TLS
	client *tls.Config
}

// newRig starts the program; buffer is more settings of that section, each with a comma before it.
func newRig(t *testing.T, ids bool, buffer string) *rig {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	ca := tlstest.NewCA(t, "load")
	cert, key := ca.Issue(t, tlstest.Spec{}).Files(t)
	r := &rig{
		t: t, es: newDestination(t, ids), secure: harness.FreeAddress(t),
		client: &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost"},
	}
	dir := t.TempDir()
	var config strings.Builder
	fmt.Fprintf(&config, `
listeners:
  - {name: plain, address: "127.0.0.1:0"}
  - {name: secure, address: "%s", tls: {cert_file: %s, key_file: %s}}
buffer: {path: %s/data, min_free_disk: 1MiB, max_size: 2GiB%s}
outputs:
  es: {type: elasticsearch, hosts: ["%s"], index: "logs-{cluster}", flavor: elasticsearch, compression: none,
    template: {manage: false}, batch: {max_wait: 100ms, max_events: 1000}}
routes: [{match: "**", outputs: [es]}]
status: {address: "127.0.0.1:0", pprof: true}
log: {format: json}
clusters:
`, r.secure, cert, key, dir, buffer, r.es.URL)
	for i := range clusters {
		fmt.Fprintf(&config, "  - {name: c%02d, shared_key: key-%d, max_queue_size: 32MiB}\n", i, i)
	}
	r.Server = harness.Start(t, harness.Options{Binary: path, Dir: dir, Config: config.String()})
	return r
}

// agent returns one of cluster i%20, on the listener with TLS or the other one.
func (r *rig) agent(i int) *harness.Agent {
	a := &harness.Agent{
		Name: fmt.Sprintf("a%04d", i), Tag: fmt.Sprintf("load.%03d", i%tags), Address: r.Address, Seed: uint64(i),
		Padding: 200,
		Login:   &client.Login{SharedKey: fmt.Sprint("key-", i%clusters), Hostname: fmt.Sprint("node-", i)},
	}
	if i/clusters%2 == 1 {
		a.TLS, a.Address = r.client, func() string { return r.secure }
	}
	return a
}

// cost is what the process takes.
type cost struct {
	goroutines, files, heap, resident float64 // heap and resident in bytes; heap is what is left after a collection
	disk                              int64   // of the data directory, in bytes
}

// cost collects garbage and then reads the metrics.
func (r *rig) cost() (c cost) {
	r.t.Helper()
	for range 2 { // what the first finalizes is gone with the second
		if _, err := r.Request(r.t.Context(), http.MethodGet, "/debug/pprof/heap?gc=1"); err != nil {
			r.t.Fatal(err)
		}
	}
	text, err := r.Request(r.t.Context(), http.MethodGet, "/metrics")
	if err != nil {
		r.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		for want, to := range map[string]*float64{
			"go_goroutines": &c.goroutines, "process_open_fds": &c.files, "go_memstats_heap_alloc_bytes": &c.heap,
			"process_resident_memory_bytes": &c.resident,
		} {
			if name == want {
				if *to, err = strconv.ParseFloat(value, 64); err != nil {
					r.t.Fatal(err)
				}
			}
		}
	}
	if c.goroutines == 0 || c.files == 0 || c.heap == 0 || c.resident == 0 {
		r.t.Fatalf("the metrics lack some of what is looked for: %+v", c)
	}
	err = filepath.Walk(filepath.Join(r.Options.Dir, "data"), func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			c.disk += info.Size()
		}
		return nil // files go while they are counted
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// listener is what /status says of one.
type listener struct {
	Name        string
	Connections int
	Total       uint64 `json:"connections_total"`
	Acks        uint64 `json:"acks_total"`
	Latency     struct {
		P50 float64 `json:"p50_seconds"`
		P99 float64 `json:"p99_seconds"`
	} `json:"ack_latency"`
}

func (r *rig) latencies() []listener {
	r.t.Helper()
	var status struct{ Listeners []listener }
	r.Get("/status", &status)
	return status.Listeners
}

// resident returns the process's resident memory in bytes, VmRSS: or the largest ever, VmHWM:.
func (r *rig) resident(what string) int64 {
	r.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.PID()))
	if err != nil {
		r.t.Skip("needs Linux's /proc")
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == what {
			n, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				r.t.Fatal(err)
			}
			return n << 10
		}
	}
	r.t.Fatalf("the process has no %s", what)
	return 0
}

// restsAt waits until goroutines and files are back at what they were.
func (r *rig) restsAt(base cost) {
	r.t.Helper()
	var now cost
	defer func() {
		r.t.Logf("goroutines %.0f, files %.0f; before: %.0f, %.0f", now.goroutines, now.files, base.goroutines,
			base.files)
	}()
	r.Eventually("goroutines and descriptors to go back to what they were", func() bool {
		now = r.cost()
		return now.goroutines <= base.goroutines && now.files <= base.files
	})
}
