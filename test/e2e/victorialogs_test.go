package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// victoriaLogs is a real VictoriaLogs. See test/victorialogs.
type victoriaLogs struct {
	t       *testing.T
	address string
	data    string
	cmd     *exec.Cmd
	log     bytes.Buffer // to be read when it has ended
}

// startVictoriaLogs starts one with an empty data directory. The test is skipped where that needs what is not there.
func startVictoriaLogs(t *testing.T) *victoriaLogs {
	t.Helper()
	if out, err := exec.Command("../victorialogs/install.sh").CombinedOutput(); err != nil {
		need(t, fmt.Sprintf("VictoriaLogs from the Go proxy: %v: %s", err, out))
	}
	v := &victoriaLogs{t: t, address: freeAddress(t), data: t.TempDir()}
	v.start()
	t.Cleanup(func() {
		if v.cmd != nil {
			v.end(syscall.SIGKILL)
		}
		if t.Failed() {
			t.Logf("log of VictoriaLogs:\n%s", v.log.String())
		}
	})
	return v
}

func (v *victoriaLogs) start() {
	v.t.Helper()
	path, err := filepath.Abs("../victorialogs/bin/victoria-logs")
	if err != nil {
		v.t.Fatal(err)
	}
	v.cmd = exec.Command(
		path,
		"-storageDataPath="+v.data,
		"-httpListenAddr="+v.address,
		"-retentionPeriod=100y",
		"-futureRetention=100y",
	)
	v.cmd.Stdout, v.cmd.Stderr = &v.log, &v.log
	if err := v.cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		res, err := http.Get("http://" + v.address + "/health")
		if err == nil {
			res.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			v.t.Fatalf("VictoriaLogs does not answer: %v", err)
		}
	}
}

func (v *victoriaLogs) end(by syscall.Signal) {
	v.t.Helper()
	if err := v.cmd.Process.Signal(by); err != nil {
		v.t.Error(err)
	}
	_ = v.cmd.Wait() // it was told to
	v.cmd = nil
}

// counts returns how often each value of a field is stored.
func (v *victoriaLogs) counts(query, field string) map[string]int {
	v.t.Helper()
	res, err := http.PostForm("http://"+v.address+"/select/logsql/query", url.Values{"query": {query}, "limit": {"0"}})
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	counts := map[string]int{}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event map[string]string
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			v.t.Fatalf("%q: %v", lines.Text(), err)
		}
		counts[event[field]]++
	}
	if err := lines.Err(); err != nil {
		v.t.Fatal(err)
	}
	return counts
}

// want waits until what was sent can be searched, and fails unless each of the numbers 1 … n is there; doubled says how
// many may be there more than once.
func (v *victoriaLogs) want(s *server, query string, n, doubled int) {
	v.t.Helper()
	var counts map[string]int
	s.eventually(fmt.Sprintf("%d events of %s", n, query), func() bool {
		counts = v.counts(query, "seq")
		return len(counts) >= n
	})
	more := 0
	for i := 1; i <= n; i++ {
		if c := counts[strconv.Itoa(i)]; c == 0 {
			v.t.Errorf("event %d is missing", i)
		} else if c > 1 {
			more++
		}
	}
	if more > doubled {
		v.t.Errorf("%d events are there more than once, and %d may", more, doubled)
	}
}

// lines is the output of type http to the input of JSON lines.
func (v *victoriaLogs) lines() string {
	return `{type: http, url: "http://` + v.address +
		`/insert/jsonline?_stream_fields=cluster,tag&_time_field=@timestamp&_msg_field=log", ` +
		`batch: {max_wait: 50ms, max_events: 500}, retry: {initial: 50ms, max: 1s}, timeout: 1m}`
}

// bulk is the output of type elasticsearch to the input for Elasticsearch's clients.
func (v *victoriaLogs) bulk() string {
	return `{type: elasticsearch, hosts: ["http://` + v.address +
		`/insert/elasticsearch"], index: logs, template: {manage: false}, ` +
		`headers: {VL-Stream-Fields: "cluster,tag", VL-Time-Field: "@timestamp", VL-Msg-Field: log}, ` +
		`batch: {max_wait: 50ms}, retry: {initial: 50ms, max: 1s}}`
}

func victoriaConfig(address, output string) string {
	return `
listeners: [{name: test, address: "` + address + `"}]
buffer: {path: %[1]s/data, min_free_disk: 1MiB}
outputs: {vl: ` + output + `}
status: {address: "127.0.0.1:0"}
log: {format: json}
`
}

// TestVictoriaLogs delivers to a real one by both of its inputs.
func TestVictoriaLogs(t *testing.T) {
	v := startVictoriaLogs(t)
	for tag, output := range map[string]string{"lines": v.lines(), "bulk": v.bulk()} {
		t.Run(tag, func(t *testing.T) {
			s := start(t, t.TempDir(), victoriaConfig("127.0.0.1:0", output))
			sendMade(t, s.Forward, 5000, "--tag", tag, "--connections", "4")
			s.drained()
			v.want(s, `{tag="`+tag+`"}`, 5000, 0)
			if n := s.deadLetters(); n != 0 {
				t.Errorf("%d dead letters", n)
			}
			if out := command(t, nil, "check", "--connect", "-c", s.config); !strings.Contains(out, "\nvl: ok: ") {
				t.Errorf("check --connect says:\n%s", out)
			}
			s.stop()
		})
	}
}

// TestVictoriaLogsOutage kills the program five times under load, and VictoriaLogs too: nothing is lost.
func TestVictoriaLogsOutage(t *testing.T) {
	v := startVictoriaLogs(t)
	total := manyEvents(t) / 2
	dir, address := t.TempDir(), freeAddress(t)
	config := victoriaConfig(address, v.lines())
	s := start(t, dir, config)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		sendMade(
			t,
			address,
			total,
			"--connections",
			"4",
			"--rate",
			strconv.Itoa(total/10),
			"--retry-timeout",
			"2m",
			"--tag",
			"outage",
		)
	}()
	received := func() string { return fmt.Sprint(at(s.get("/status"), "queue", "appended_events")) }
	for kill := range 5 {
		before := received()
		s.eventually("more events", func() bool {
			select {
			case <-sent:
				return true
			default:
				return received() != before
			}
		})
		switch kill {
		case 1:
			v.end(syscall.SIGTERM) // what it has answered for is in memory for a while, so a kill would be its own loss
		case 4:
			v.start()
		}
		s.kill()
		s = start(t, dir, config)
	}
	<-sent
	s.drained()
	v.want(s, `{tag="outage"}`, total, total/2)
	if n := s.deadLetters(); n != 0 {
		t.Errorf("%d dead letters", n)
	}
	s.stop()
}
