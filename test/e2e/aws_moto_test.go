package e2e

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	firehosetypes "github.com/aws/aws-sdk-go-v2/service/firehose/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// cloud is a running moto, and clients of its services.
type cloud struct {
	t        *testing.T
	url      string
	s3       *s3.Client
	firehose *firehose.Client
	kinesis  *kinesis.Client
	logs     *cloudwatchlogs.Client
}

const awsRegion = "eu-central-1"

// credentialsOf are the environment's for the program; moto takes any.
func credentialsOf() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=AKIAE2E", "AWS_SECRET_ACCESS_KEY=not-a-secret", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=none", "AWS_SHARED_CREDENTIALS_FILE=none",
	}
}

// startMoto runs moto until the test ends.
func startMoto(t *testing.T) *cloud {
	t.Helper()
	program := filepath.Join("aws", ".venv", "bin", "moto_server")
	if _, err := os.Stat(program); err != nil {
		need(t, program+": run test/e2e/aws/install.sh")
	}
	address := freeAddress(t)
	_, port, _ := strings.Cut(address, ":")
	var output bytes.Buffer
	cmd := exec.Command(program, "-H", "127.0.0.1", "-p", port)
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-exited
		if t.Failed() {
			t.Logf("log of moto:\n%s", output.String()[max(0, output.Len()-10_000):])
		}
	})
	c := &cloud{t: t, url: "http://" + address}
	deadline := time.After(patience)
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		if answer, err := http.Get(c.url + "/moto-api/data.json"); err == nil {
			answer.Body.Close()
			break
		}
		select {
		case <-tick.C:
		case err := <-exited:
			exited <- err
			t.Fatalf("moto ended at its start: %v\n%s", err, &output)
		case <-deadline:
			t.Fatal("moto did not start")
		}
	}
	cfg := aws.Config{
		Region: awsRegion, BaseEndpoint: &c.url,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAE2E", "not-a-secret", ""),
	}
	c.s3 = s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	c.firehose, c.kinesis, c.logs = firehose.NewFromConfig(cfg), kinesis.NewFromConfig(cfg),
		cloudwatchlogs.NewFromConfig(cfg)
	return c
}

func (c *cloud) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cloud) bucket(name string) {
	c.t.Helper()
	_, err := c.s3.CreateBucket(c.t.Context(), &s3.CreateBucketInput{
		Bucket: &name, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: awsRegion},
	})
	c.must(err)
}

// stream makes a delivery stream to the bucket of the same name, which it makes too.
func (c *cloud) stream(name string) {
	c.t.Helper()
	c.bucket(name)
	_, err := c.firehose.CreateDeliveryStream(c.t.Context(), &firehose.CreateDeliveryStreamInput{
		DeliveryStreamName: &name,
		ExtendedS3DestinationConfiguration: &firehosetypes.ExtendedS3DestinationConfiguration{
			BucketARN: aws.String("arn:aws:s3:::" + name),
			RoleARN:   aws.String("arn:aws:iam::123456789012:role/firehose"),
		},
	})
	c.must(err)
}

// linesIn returns the lines of all objects of a bucket, decompressed as their names say, and the keys.
func (c *cloud) linesIn(bucket string) (lines, keys []string) {
	c.t.Helper()
	pages := s3.NewListObjectsV2Paginator(c.s3, &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(c.t.Context())
		c.must(err)
		for _, object := range page.Contents {
			got, err := c.s3.GetObject(c.t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: object.Key})
			c.must(err)
			var r io.Reader = got.Body
			switch filepath.Ext(*object.Key) {
			case ".gz":
				r, err = gzip.NewReader(r)
			case ".zst":
				r, err = zstd.NewReader(r)
			}
			c.must(err)
			text, err := io.ReadAll(r)
			c.must(err)
			got.Body.Close()
			lines = append(lines, splitLines(c.t, text)...)
			keys = append(keys, *object.Key)
		}
	}
	return lines, keys
}

// wantNumbered holds that the objects of a bucket are numbered from 0 on, and stored and encrypted as configured.
func (c *cloud) wantNumbered(bucket string) {
	c.t.Helper()
	_, keys := c.linesIn(bucket)
	var numbers []int
	for _, key := range keys {
		name, _, _ := strings.Cut(key, "-")
		_, number, _ := strings.Cut(name, "_")
		n, err := strconv.Atoi(number)
		c.must(err)
		numbers = append(numbers, n)
		got, err := c.s3.HeadObject(c.t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
		c.must(err)
		if got.StorageClass != s3types.StorageClassStandardIa ||
			got.ServerSideEncryption != s3types.ServerSideEncryptionAwsKms ||
			aws.ToString(got.SSEKMSKeyId) != "alias/logs" {
			c.t.Errorf("%s: stored as %s, encrypted by %s %s", key, got.StorageClass, got.ServerSideEncryption,
				aws.ToString(got.SSEKMSKeyId))
		}
	}
	slices.Sort(numbers)
	for i, n := range numbers {
		if n != i {
			c.t.Errorf("objects are numbered %v", numbers)
			return
		}
	}
}

// splitLines returns the lines of text, each of which must have its end.
func splitLines(t *testing.T, text []byte) []string {
	t.Helper()
	if len(text) == 0 {
		return nil
	}
	if text[len(text)-1] != '\n' {
		t.Fatalf("a line without end: %q", text[max(0, len(text)-200):])
	}
	return strings.Split(string(text[:len(text)-1]), "\n")
}

// linesOfKinesis returns the lines of all records of a stream.
func (c *cloud) linesOfKinesis(stream string) (lines []string) {
	c.t.Helper()
	shards, err := c.kinesis.ListShards(c.t.Context(), &kinesis.ListShardsInput{StreamName: &stream})
	c.must(err)
	for _, shard := range shards.Shards {
		from, err := c.kinesis.GetShardIterator(c.t.Context(), &kinesis.GetShardIteratorInput{
			StreamName: &stream, ShardId: shard.ShardId, ShardIteratorType: kinesistypes.ShardIteratorTypeTrimHorizon,
		})
		c.must(err)
		for at := from.ShardIterator; at != nil; {
			got, err := c.kinesis.GetRecords(c.t.Context(), &kinesis.GetRecordsInput{ShardIterator: at})
			c.must(err)
			for i := range got.Records {
				lines = append(lines,
					splitLines(c.t, append(bytes.TrimSuffix(got.Records[i].Data, []byte("\n")), '\n'))...)
			}
			if len(got.Records) == 0 {
				break
			}
			at = got.NextShardIterator
		}
	}
	return lines
}

// linesOfLogs returns the messages of all streams of a log group, and the streams.
func (c *cloud) linesOfLogs(group string) (lines, streams []string) {
	c.t.Helper()
	all, err := c.logs.DescribeLogStreams(c.t.Context(), &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: &group})
	if err != nil {
		return nil, nil // not made yet
	}
	for _, stream := range all.LogStreams {
		streams = append(streams, *stream.LogStreamName)
		var token *string
		for {
			got, err := c.logs.GetLogEvents(c.t.Context(), &cloudwatchlogs.GetLogEventsInput{
				LogGroupName: &group, LogStreamName: stream.LogStreamName, StartFromHead: aws.Bool(true),
				NextToken: token,
			})
			c.must(err)
			for _, e := range got.Events {
				lines = append(lines, *e.Message)
			}
			if len(got.Events) == 0 || token != nil && *token == *got.NextForwardToken {
				break
			}
			token = got.NextForwardToken
		}
	}
	return lines, streams
}
