package e2e

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient/awstest"
)

// testMoveCloudWatch: the golden messages, at their times, in the streams of the pods, and a group with its retention.
func testMoveCloudWatch(t *testing.T, c *cloud) {
	t.Helper()
	m := newMove(t, "nginx-cloudwatch", "shop")
	m.env = m.irsa(c)
	dir := t.TempDir()
	for _, prefix := range []string{"/parallel", ""} {
		s := m.start(dir, "GROUP_PREFIX="+prefix)
		m.sendInput(s)
		group := prefix + "/nginx/shop"
		wantLines(t, s, "log group "+group, m.golden("cw"),
			func() []string { lines, _ := c.linesOfLogs(group); return lines })
		if _, streams := c.linesOfLogs(group); !slices.Equal(streams, []string{"nginx-7c5ddbdf54-abcde"}) {
			t.Errorf("streams %q of %s, want the pod's", streams, group)
		}
		if n := s.deadLetters(); n != 0 {
			t.Errorf("%d dead letters", n)
		}
		if prefix == "" {
			const guide = "migrate/nginx-cloudwatch.md"
			sh := m.shell(s, fmt.Sprintf("FROM=%d", m.day.UnixMilli()),
				fmt.Sprintf("TO=%d", m.day.AddDate(0, 0, 1).UnixMilli()))
			wantOutput(t, "try", sh.run(guide, "try"), "tests passed: 3", "dropped: access[1] grep")
			wantOutput(t, "connect", sh.run(guide, "connect"), "cw: ok")
			wantOutput(t, "compare", sh.run(guide, "compare"), "sidecars 3, aggregator 3\n")
		}
		s.stop()
	}
	groups, err := c.logs.DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{})
	c.must(err)
	for _, group := range groups.LogGroups {
		if group.RetentionInDays == nil || *group.RetentionInDays != 30 {
			t.Errorf("%s: retention %v, want 30 days", *group.LogGroupName, group.RetentionInDays)
		}
	}
}

// irsa returns the environment that a pod of EKS has: a role, a token, a region, and no keys. The services are moto's.
func (m *move) irsa(c *cloud) []string {
	m.secret("eks/token", "header.payload.signature")
	return append([]string{
		"AWS_ROLE_ARN=arn:aws:iam::123456789012:role/aggregator",
		"AWS_WEB_IDENTITY_TOKEN_FILE=" + filepath.Join(m.secrets, "eks", "token"),
		"AWS_REGION=" + awsRegion, "AWS_DEFAULT_REGION=" + awsRegion, "AWS_ENDPOINT_URL=" + c.url,
		"AWS_ENDPOINT_URL_STS=" + c.url,
	}, credentialsOf()[2:]...)
}

// testMoveFirehose: what Firehose puts into the bucket are the golden lines.
func testMoveFirehose(t *testing.T, c *cloud) {
	t.Helper()
	m := newMove(t, "firehose-s3", "production")
	m.env = m.irsa(c)
	for _, name := range []string{"parallel-logs-production", "logs-production"} {
		c.stream(name)
	}
	dir := t.TempDir()
	for _, prefix := range []string{"parallel-", ""} {
		s := m.start(dir, "STREAM_PREFIX="+prefix)
		m.sendInput(s)
		bucket := prefix + "logs-production"
		wantLines(t, s, "bucket "+bucket, m.golden("firehose"),
			func() []string { lines, _ := c.linesIn(bucket); return lines })
		if prefix == "" {
			const guide = "migrate/firehose-s3.md"
			sh := m.shell(s, "OLD_OBJECTS=logs-production/", "NEW_OBJECTS=parallel-logs-production/")
			wantOutput(t, "try", sh.run(guide, "try"), "tests passed: 3", "dropped: kubernetes[0] grep")
			wantOutput(t, "size", sh.run(guide, "size"), "3,000 events/s", "Firehose", "volume")
			wantOutput(t, "connect", sh.run(guide, "connect"), "firehose: ok")
			n := len(m.golden("firehose"))
			wantOutput(t, "compare", sh.run(guide, "compare"), fmt.Sprintf("fluentd %d, aggregator %d\n", n, n))
		}
		s.stop()
	}
}

// testMoveThrottled is what the old stack lost events by: more than the stream's quota. How often the stream has to say
// so depends on how fast the program learns its pace.
func testMoveThrottled(t *testing.T) {
	const events = 20_000
	cloud := awstest.New(time.Now)
	served := httptest.NewServer(cloud)
	defer served.Close()
	m := newMove(t, "firehose-s3", "production")
	m.env = append(credentialsOf(), "AWS_REGION="+awsRegion, "AWS_ENDPOINT_URL="+served.URL)
	// As the smaller regions' 1 MiB/s, with the records of a batch refused one by one.
	cloud.Firehose().
		Create("logs-production", awstest.Quota{Bytes: 1 << 20, Records: 5000, Requests: 1000, PerRecord: true})
	s := m.start(t.TempDir())
	wantOutput(t, "drill", m.shell(s).run("migrate/firehose-s3.md", "drill"), "20000")
	s.drained()
	seen := make(map[string]int, events)
	for _, record := range cloud.Firehose().Records("logs-production") {
		for _, line := range splitLines(t, record) {
			var e struct{ Seq json.Number }
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			seen[e.Seq.String()]++
		}
	}
	for i := 1; i <= events; i++ {
		if n := seen[strconv.Itoa(i)]; n != 1 {
			t.Fatalf("event %d is there %d times", i, n)
		}
	}
	if cloud.Firehose().Throttled("logs-production") == 0 {
		t.Error("never throttled, so nothing was tested")
	}
	if n := s.deadLetters(); n != 0 {
		t.Errorf("%d dead letters", n)
	}
	s.stop()
}
