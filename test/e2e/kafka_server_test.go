package e2e

import (
	"bufio"
	"bytes"
	"context"
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
	_, controller, _ := net.SplitHostPort(freeAddress(t))
	k := &kafka{
		t: t, data: t.TempDir(), settings: settings, env: append(env, "KAFKA_CONTROLLER="+controller),
		address: freeAddress(t),
	}
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
