package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient/awstest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/elasticsearch/elastictest"
)

// sinks are made-up destinations that cost little, each as the handler of its HTTP interface.
func sinks() map[string]func() http.Handler {
	return map[string]func() http.Handler{
		"elasticsearch": func() http.Handler {
			return elastictest.New(elastictest.Options{CountOnly: true}).Handler()
		},
		"firehose": func() http.Handler {
			aws := awstest.New(time.Now)
			aws.Firehose().Create("bench", awstest.Quota{})
			aws.Kinesis().Create("bench", 1, 1<<20, awstest.Quota{})
			return aws
		},
		"s3": func() http.Handler {
			aws := awstest.New(time.Now)
			aws.S3("eu-central-1", "bench")
			return aws
		},
		"http":   func() http.Handler { return discard(http.StatusNoContent, "") },
		"splunk": func() http.Handler { return discard(http.StatusOK, `{"text":"Success","code":0}`) },
	}
}

// discard reads requests and answers with the status and the body.
func discard(status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			w.WriteHeader(status)
			// Who asked may have gone.
			_, _ = io.WriteString(w, body)
		}
	})
}

// kafkaSink is a made-up broker, which keeps what it is sent in memory.
const kafkaSink = "kafka"

// serveKafka runs a broker and says where, until ctx ends.
func serveKafka(ctx context.Context, out io.Writer) error {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, "bench"))
	if err != nil {
		return fmt.Errorf("start a made-up broker: %w", err)
	}
	defer c.Close()
	if _, err := fmt.Fprintln(out, c.ListenAddrs()[0]); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// serveSink serves the sink called kind and says where, until ctx ends.
func serveSink(ctx context.Context, kind string, out io.Writer) error {
	if kind == kafkaSink {
		return serveKafka(ctx, out)
	}
	handler, ok := sinks()[kind]
	if !ok {
		return fmt.Errorf("no sink is called %q", kind)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := http.Server{Handler: handler(), ReadHeaderTimeout: time.Minute}
	// It ends anyway.
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if _, err := fmt.Fprintf(out, "http://%s\n", l.Addr()); err != nil {
		return err
	}
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// startSink runs a sink in a process of its own, so that what it costs is not the server's, and returns its URL.
func startSink(ctx context.Context, kind string) (url string, stop func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-sink", kind)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() error { return errors.Join(cmd.Process.Signal(syscall.SIGINT), cmd.Wait()) }
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("the sink %s does not say where it listens: %w", kind, err), stop())
	}
	return strings.TrimSpace(line), stop, nil
}
