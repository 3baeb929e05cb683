package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	saslscram "github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/seed-afc6a195/aggregator/pkg/tls/tlstest"
)

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
    timeout: 1m
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
