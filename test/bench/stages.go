package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// stages are what the server's time goes to. A sample of a CPU profile belongs to the stage that has the first match
// among the names of its stack's functions, read from the innermost outward; what matches none is the runtime's.
func stages() []struct{ name, functions string } {
	return []struct{ name, functions string }{
		{"collecting garbage", "runtime.gcBgMarkWorker runtime.bgsweep runtime.bgscavenge runtime.gcAssistAlloc"},
		{
			"compressing requests",
			"compress/flate.(*compressor) compress/flate.(*fast compress/flate.(*huffman compress/flate.(*Writer) " +
				"compress/gzip.(*Writer) compress/zstd.(*Encoder) compress/zstd.(*blockEnc) compress/zstd.(*fast " +
				"compress/zstd.(*seqCoders) compress/huff0.Compress compress/fse.Compress",
		},
		{
			"inflating chunks",
			"compress/flate.(*decompressor) compress/gzip.(*Reader) compress/zstd.(*Decoder) compress/zstd.(*frame " +
				"compress/zstd.(*block",
		},
		{"compressing chunks to store", "compress/s2.Encode compress/s2.encode compress/s2.(*Writer)"},
		{
			"reading the queue",
			"compress/s2.Decode compress/s2.s2Decode pkg/buffer/disk.(*source) pkg/buffer/disk.(*partition) " +
				"pkg/buffer/disk.(*Queue).fill",
		},
		{"committing to the queue", "bbolt pkg/buffer"},
		{"checking events", "pkg/event.ReadEntry pkg/event.readEntry"},
		{
			"rendering events",
			"pkg/event.(*Encoder) pkg/event.(*Event) pkg/event.(*Iterator) pkg/outputs/elasticsearch.(*bulk) " +
				"pkg/outputs/elasticsearch/internal/indexname. pkg/outputs/awsclient.(*cutter)",
		},
		{"encoding and signing requests", "encoding/base64 smithy-go/encoding fips140/sha256 crypto/sha256 aws/signer"},
		{
			"reading replies",
			"pkg/outputs/elasticsearch.(*reply) pkg/outputs/elasticsearch.(*scanner) encoding/json " +
				"net/http.(*persistConn).readLoop",
		},
		{
			"sending requests",
			"net/http.(*persistConn) net/http.(*Transport) net/http.(*Client) elastic-transport aws-sdk-go smithy-go " +
				"pkg/outputs/",
		},
		{"delivery loop", "pkg/delivery."},
		{"reading and acknowledging messages", "pkg/forward. pkg/app.(*ingest"},
		{"status", "pkg/status. net/http.(*conn) runtime/pprof"},
	}
}

const runtimeStage = "scheduling and the rest of the runtime"

// profileServer takes a CPU profile through the status endpoint and writes it to file.
func profileServer(ctx context.Context, status string, length time.Duration, file string) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%.0f", status, length.Seconds()), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	// Only read from.
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: %s", resp.Status)
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, resp.Body)
	return cmp.Or(err, f.Close())
}

// share is a stage's part of all samples.
type share struct {
	stage string
	part  float64
}

// stageShares reads a CPU profile, the largest share first. Those below half a percent are left out.
func stageShares(ctx context.Context, file string) ([]share, error) {
	var errs bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "tool", "pprof", "-traces", "-unit=us", file)
	cmd.Stderr = &errs
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("read the profile: %w: %s", err, errs.String())
	}
	time, err := stageTimes(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	total := 0.0
	for _, t := range time {
		total += t
	}
	var shares []share
	for stage, t := range time {
		if t >= total/200 {
			shares = append(shares, share{stage, t / total})
		}
	}
	slices.SortFunc(shares, func(
		a, b share,
	) int {
		return cmp.Or(cmp.Compare(b.part, a.part), cmp.Compare(a.stage, b.stage))
	})
	return shares, nil
}

// stageTimes sums up the samples of what pprof -traces prints, in microseconds: a line of dashes, a line with a time
// and the innermost function, and a line with each function that called the one before.
func stageTimes(traces io.Reader) (map[string]float64, error) {
	times := map[string]float64{}
	var time float64
	var stack []string
	settle := func() {
		if len(stack) > 0 {
			times[stageOf(stack)] += time
		}
		stack = nil
	}
	lines := bufio.NewScanner(traces)
	lines.Buffer(nil, 1<<20)
	begun := false
	for lines.Scan() {
		line := lines.Text()
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "-----"):
			settle()
			begun = true
		case !begun || len(words) == 0:
		case stack == nil:
			if len(words) < 2 {
				return nil, fmt.Errorf("a trace begins with %q", line)
			}
			if _, err := fmt.Sscanf(words[0], "%fus", &time); err != nil {
				return nil, fmt.Errorf("a trace begins with %q: %w", line, err)
			}
			stack = append(stack, words[1])
		default:
			stack = append(stack, words[0])
		}
	}
	settle()
	return times, lines.Err()
}

// stageOf returns the stage of a stack, innermost function first.
func stageOf(stack []string) string {
	for _, function := range stack {
		for _, s := range stages() {
			for part := range strings.FieldsSeq(s.functions) {
				if strings.Contains(function, part) {
					return s.name
				}
			}
		}
	}
	return runtimeStage
}
