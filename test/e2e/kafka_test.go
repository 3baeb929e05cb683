package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	saslscram "github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/seed-afc6a195/aggregator/pkg/tls/tlstest"
)

// kafka is a real broker. See test/kafka.
type kafka struct {
	t        *testing.T
	address  string
	data     string
	settings []string
	env      []string
	cmd      *exec.Cmd
	log      bytes.Buffer // to be read when it has ended
	drained  chan struct{}
}

// startKafka starts a broker with an empty data directory. The test is skipped where that needs what is not there.
func startKafka(t *testing.T, env []string, settings ...string) *kafka {
	t.Helper()
	script, err := filepath.Abs("../kafka/start.sh")
	if err != nil {
		t.Fatal(err)
	}
	build := exec.Command(script, "0", t.TempDir())
	build.Env = append(os.Environ(), "KAFKA_BUILD_ONLY=1")
	if out, err := build.CombinedOutput(); err != nil {
		need(t, fmt.Sprintf("a JDK 17, mvn and the jars of Kafka: %v: %s", err, out))
	}
	k := &kafka{t: t, data: t.TempDir(), settings: settings, env: env, address: freePair(t)}
	k.start()
	t.Cleanup(func() {
		if k.cmd != nil {
			k.end(syscall.SIGKILL)
		}
		if t.Failed() {
			t.Logf("log of the broker:\n%s", k.log.String())
		}
	})
	return k
}

// freePair returns an address whose port and the next one are free.
func freePair(t *testing.T) string {
	t.Helper()
	for range 100 {
		first, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := first.Addr().(*net.TCPAddr).Port
		second, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port+1))
		first.Close()
		if err == nil {
			second.Close()
			return "127.0.0.1:" + strconv.Itoa(port)
		}
	}
	t.Fatal("no two ports beside each other are free")
	return ""
}

func (k *kafka) start() {
	k.t.Helper()
	script, err := filepath.Abs("../kafka/start.sh")
	if err != nil {
		k.t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(k.address)
	k.cmd = exec.Command(script, append([]string{port, k.data}, k.settings...)...)
	k.cmd.Env = append(os.Environ(), k.env...)
	out, err := k.cmd.StdoutPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	k.cmd.Stderr = k.cmd.Stdout
	if err := k.cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	giveUp := time.AfterFunc(patience, func() { _ = k.cmd.Process.Kill() }) // which ends the lines below
	defer giveUp.Stop()
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			k.t.Fatalf("the broker did not start:\n%s%s", k.log.String(), line)
		}
		k.log.WriteString(line)
		if strings.Contains(line, " ready on ") {
			break
		}
	}
	k.drained = make(chan struct{})
	go func() {
		defer close(k.drained)
		_, _ = io.Copy(&k.log, lines) // ends with the broker
	}()
}

// end ends the broker and waits for that.
func (k *kafka) end(by syscall.Signal) {
	k.t.Helper()
	if err := k.cmd.Process.Signal(by); err != nil {
		k.t.Error(err)
	}
	giveUp := time.AfterFunc(patience, func() { _ = k.cmd.Process.Kill() })
	defer giveUp.Stop()
	<-k.drained
	_ = k.cmd.Wait() // a JVM that gets SIGTERM ends with 143
	k.cmd = nil
}

// client returns one that is not the program's own settings.
func (k *kafka) client(more ...kgo.Opt) *kgo.Client {
	k.t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(k.address)}, more...)...)
	if err != nil {
		k.t.Fatal(err)
	}
	return c
}

// make makes a topic, with settings.
func (k *kafka) make(name string, partitions int32, settings map[string]string, more ...kgo.Opt) {
	k.t.Helper()
	client := k.client(more...)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	for key, value := range settings {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = key, kmsg.StringPtr(value)
		topic.Configs = append(topic.Configs, c)
	}
	req.Topics = append(req.Topics, topic)
	res, err := req.RequestWith(ctx, client)
	if err == nil {
		err = kerr.ErrorForCode(res.Topics[0].ErrorCode)
	}
	if err != nil {
		k.t.Fatalf("make topic %s: %v", name, err)
	}
}

// counts returns how often each value of field is in the topic, whose end is where it is now.
func (k *kafka) counts(topic, field string, more ...kgo.Opt) map[string]int {
	k.t.Helper()
	client := k.client(append(more, kgo.ConsumeTopics(topic))...)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ends, got := k.ends(ctx, client, topic), map[int32]int64{}
	all := map[string]int{}
	for {
		missing := false
		for partition, end := range ends {
			missing = missing || got[partition] < end
		}
		if !missing {
			return all
		}
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			k.t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			got[r.Partition] = r.Offset + 1
			d := json.NewDecoder(bytes.NewReader(r.Value))
			d.UseNumber()
			var event map[string]any
			if err := d.Decode(&event); err != nil {
				k.t.Fatalf("a record is %q: %v", r.Value, err)
			}
			all[fmt.Sprint(event[field])]++
		})
	}
}

func (k *kafka) ends(ctx context.Context, client *kgo.Client, topic string) map[int32]int64 {
	k.t.Helper()
	meta := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(topic)
	meta.Topics = append(meta.Topics, t)
	known, err := meta.RequestWith(ctx, client)
	if err != nil {
		k.t.Fatal(err)
	}
	req := kmsg.NewPtrListOffsetsRequest()
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = topic
	for _, p := range known.Topics[0].Partitions {
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Partition, rp.Timestamp = p.Partition, -1
		rt.Partitions = append(rt.Partitions, rp)
	}
	req.Topics = append(req.Topics, rt)
	ends := map[int32]int64{}
	for _, shard := range client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			k.t.Fatal(shard.Err)
		}
		for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				ends[p.Partition] = p.Offset
			}
		}
	}
	return ends
}

// want fails unless the topic has each of the numbers 1 … n once; more says how many may be there twice or more.
func (k *kafka) want(topic string, n, more int, opts ...kgo.Opt) {
	k.t.Helper()
	counts := k.counts(topic, "seq", opts...)
	missing, doubled := 0, 0
	for i := 1; i <= n; i++ {
		switch c := counts[strconv.Itoa(i)]; {
		case c == 0:
			missing++
		case c > 1:
			doubled++
		}
	}
	if missing > 0 || len(counts) != n || doubled > more {
		k.t.Errorf(
			"topic %s: %d of %d events are missing, %d are there more than once (%d may), %d different ones",
			topic,
			missing,
			n,
			doubled,
			more,
			len(counts),
		)
	}
}

func kafkaConfig(address, broker, topic string, more ...string) string {
	settings := ""
	if len(more) > 0 {
		settings = "    " + strings.Join(more, "\n    ") + "\n"
	}
	return `
listeners:
  - {name: test, address: "` + address + `"}
buffer: {path: %[1]s/data, min_free_disk: 1MiB}
outputs:
  bus:
    type: kafka
    brokers: ` + broker + `
    topic: "` + topic + `"
    batch: {max_wait: 50ms}
    retry: {initial: 50ms, max: 1s}
    timeout: 10s
` + settings + `routes:
  - {match: "**", outputs: [bus]}
status: {address: "127.0.0.1:0"}
log: {format: json}
`
}

// TestKafka delivers to a real broker: each event once, and what the program is told of topics is what it says.
func TestKafka(t *testing.T) {
	k := startKafka(t, nil)
	k.make("logs-default", 3, nil)
	s := start(t, t.TempDir(), kafkaConfig("127.0.0.1:0", k.address, "logs-{cluster}", `key: "{tag}"`))
	sendMade(t, s.Forward, 20_000, "--tag", "kube.web", "--connections", "4")
	s.drained()
	k.want("logs-default", 20_000, 0)
	if n := s.deadLetters(); n != 0 {
		t.Errorf("%d dead letters", n)
	}
	if out := command(t, nil, "check", "--connect", "-c", s.config); !strings.Contains(out, "\nbus: ok: ") ||
		!strings.Contains(out, "topic logs-default has 3 partitions") {
		t.Errorf("check --connect says:\n%s", out)
	}
	s.stop()
}

// TestKafkaTopics: a topic that is missing keeps its own events only, one that takes small batches gets small ones, and
// an event that no broker takes is a dead letter.
func TestKafkaTopics(t *testing.T) {
	k := startKafka(t, nil)
	k.make("good", 1, nil)
	k.make("small", 1, map[string]string{"max.message.bytes": "4096"})
	s := start(t, t.TempDir(), kafkaConfig("127.0.0.1:0", k.address, "{tag}", "compression: none"))
	sendMade(t, s.Forward, 500, "--tag", "late")
	sendMade(t, s.Forward, 2000, "--tag", "good")
	sendMade(t, s.Forward, 2000, "--tag", "small")
	var large bytes.Buffer
	fmt.Fprintf(&large, "{\"seq\":0,\"log\":%q}\n", strings.Repeat("x", 8000))
	command(t, &large, "send", "--address", s.Forward, "--tag", "small")
	s.eventually("what is not for the missing topic, and the dead letter", func() bool {
		client := k.client()
		defer client.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return k.ends(ctx, client, "good")[0] >= 2000 && k.ends(ctx, client, "small")[0] >= 2000 && s.deadLetters() == 1
	})
	k.want("good", 2000, 0)
	k.want("small", 2000, 0)
	if list := command(
		t, nil, "dead", "list", "--status", "http://"+s.Status, "--output", "bus", "--limit", "1",
	); !strings.Contains(
		list,
		"max.message.bytes",
	) {
		t.Errorf("the dead letter does not name the limit:\n%s", list)
	}
	k.make("late", 1, nil)
	s.drained()
	k.want("late", 500, 0)
	s.stop()
}

// TestKafkaOutage kills the program five times under load, and the broker too: nothing is lost, and what doubles is
// what was on its way when one of them ended.
func TestKafkaOutage(t *testing.T) {
	const perRequest = 500
	k := startKafka(t, nil)
	k.make("logs", 2, nil)
	total := manyEvents(t)
	dir, address := t.TempDir(), freeAddress(t)
	config := strings.Replace(
		kafkaConfig(address, k.address, "logs"),
		"max_wait: 50ms",
		fmt.Sprintf("max_wait: 50ms, max_events: %d", perRequest),
		1,
	)
	s := start(t, dir, config)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		sendMade(t, address, total, "--connections", "4", "--rate", strconv.Itoa(total/10), "--retry-timeout", "2m")
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
			k.end(syscall.SIGKILL)
		case 4:
			k.start()
		}
		s.kill()
		s = start(t, dir, config)
	}
	<-sent
	s.drained()
	// At each end there were two requests on their way at most, and what was delivered last may not have been noted.
	k.want("logs", total, total/2)
	if n := s.deadLetters(); n != 0 {
		t.Errorf("%d dead letters", n)
	}
	s.stop()
}

// TestKafkaLogin: over TLS with SASL, and what check --connect says where something is wrong.
func TestKafkaLogin(t *testing.T) {
	dir := t.TempDir()
	ca := tlstest.NewCA(t, "kafka")
	certFile, keyFile := ca.Issue(t, tlstest.Spec{}).Files(t)
	caFile := ca.File(t)
	pem := filepath.Join(dir, "kafka.pem")
	var both []byte
	for _, name := range []string{keyFile, certFile} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, text...)
	}
	if err := os.WriteFile(pem, both, 0o600); err != nil {
		t.Fatal(err)
	}
	k := startKafka(
		t,
		[]string{"KAFKA_USER=agent:scram-secret"},
		"listener.security.protocol.map=CLIENTS:SASL_SSL,CONTROLLER:PLAINTEXT",
		"sasl.enabled.mechanisms=SCRAM-SHA-256,PLAIN",
		"sasl.mechanism.inter.broker.protocol=SCRAM-SHA-256",
		"ssl.keystore.type=PEM",
		"ssl.keystore.location="+pem,
		"ssl.truststore.type=PEM",
		"ssl.truststore.location="+caFile,
		"listener.name.clients.scram-sha-256.sasl.jaas.config="+
			"org.apache.kafka.common.security.scram.ScramLoginModule required "+
			"username=\"agent\" password=\"scram-secret\";",
		"listener.name.clients.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule "+
			"required user_agent=\"plain-secret\";",
	)
	const scram, plain = "sasl: {mechanism: scram-sha-256, username: agent, password: " +
		"scram-secret}", "sasl: {mechanism: plain, username: agent, password: plain-secret}"
	secure := "tls: {ca_file: " + caFile + "}"
	login := []kgo.Opt{
		kgo.DialTLSConfig(
			&tls.Config{InsecureSkipVerify: true},
		), kgo.SASL(saslscram.Auth{User: "agent", Pass: "scram-secret"}.AsSha256Mechanism()),
	}
	k.make("logs", 1, nil, login...)
	for i, by := range []string{scram, plain} {
		s := start(t, t.TempDir(), kafkaConfig("127.0.0.1:0", k.address, "logs", secure, by))
		sendMade(t, s.Forward, 1000*(1-i)+500*i)
		s.drained()
		s.stop()
	}
	k.want("logs", 1000, 500, login...)
	for _, tc := range []struct {
		name, broker, topic, want string
		more                      []string
	}{
		{"right", k.address, "logs", "topic logs has 1 partitions", []string{secure, scram}},
		{
			"wrong password", k.address, "logs", "SASL_AUTHENTICATION_FAILED",
			[]string{secure, strings.Replace(scram, "scram-secret", "wrong-secret", 1)},
		},
		{"no login", k.address, "logs", "does it speak", []string{secure}},
		{"plain on TLS", k.address, "logs", "TLS", []string{strings.Replace(scram, "tls", "", 1)}},
		{"not trusted", k.address, "logs", "not trusted", []string{"tls: {}", scram}},
		{"wrong port", freeAddress(t), "logs", "refused", []string{secure, scram}},
		{"missing topic", k.address, "nope", "topic nope is missing", []string{secure, scram}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			config := filepath.Join(t.TempDir(), "a.yaml")
			if err := os.WriteFile(
				config, []byte(fmt.Sprintf(kafkaConfig("127.0.0.1:0", tc.broker, tc.topic, tc.more...), t.TempDir())),
				0o600,
			); err != nil {
				t.Fatal(err)
			}
			path, err := binary()
			if err != nil {
				t.Fatal(err)
			}
			out, _ := exec.Command(path, "check", "--connect", "-c", config).CombinedOutput()
			line := ""
			for _, l := range strings.Split(string(out), "\n") {
				if strings.HasPrefix(l, "bus: ") {
					line = l
				}
			}
			if !strings.Contains(line, tc.want) || strings.Contains(string(out), "-secret") {
				t.Errorf("check --connect says %q, want %q in:\n%s", line, tc.want, out)
			}
		})
	}
}
