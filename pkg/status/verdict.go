package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

const (
	// longLag is for how long events may wait for an output that nothing is known to be wrong with.
	longLag = 10 * time.Minute
	// fewDays is how long before its end a certificate is to be renewed.
	fewDays = 14
	// nearlyFull is the part of a queue's limit from which on it is told.
	nearlyFull = 0.8
	// newLetters is for how long dead letters are news: who knows of them may leave them where they are.
	newLetters = time.Hour
	// fewAcks is for how long a message that wants no ack is told.
	fewAcks = 10 * time.Minute
)

// judge says whether all is well, and if not what is wrong. It looks at s alone.
func (s *Snapshot) judge() client.Verdict {
	var v client.Verdict
	found := func(severity client.Severity, subject, remedy string, since time.Time, format string, args ...any) {
		v.Findings = append(v.Findings, client.Finding{
			Severity: severity, Subject: subject, Text: fmt.Sprintf(format, args...), Since: since.UTC(), Remedy: remedy,
		})
	}
	for _, why := range s.Unhealthy {
		found(client.Critical, "server", "restart it, and look at the disk and the log", time.Time{}, "%s", why)
	}
	if stale := time.Duration(s.Stale * float64(time.Second)).Round(time.Second); stale > 0 {
		found(client.Critical, "server", "look at the disk: it does not answer", time.Time{}, "it can't tell its state: what is shown here is %v old", stale)
	}
	if s.Queue.Full {
		found(client.Critical, "queue", "see which output does not deliver; raise buffer.max_size, or free the disk", time.Time{},
			"nothing is stored, and agents wait: %s", s.Queue.FullReason)
	} else {
		for _, why := range s.NotReady {
			found(client.Critical, "server", "", time.Time{}, "not ready: %s", why)
		}
	}
	if used := float64(s.Queue.DiskBytes); s.Queue.MaxBytes > 0 && used >= nearlyFull*float64(s.Queue.MaxBytes) && !s.Queue.Full {
		found(client.Warning, "queue", "see which output does not deliver; raise buffer.max_size", time.Time{},
			"%.0f %% of buffer.max_size are used", 100*used/float64(s.Queue.MaxBytes))
	}
	for i := range s.Outputs {
		s.Outputs[i].judge(found)
	}
	for i := range s.Clusters {
		if c := &s.Clusters[i]; c.Waiting != "" && !s.Queue.Full {
			found(client.Warning, "cluster "+c.Name, "raise the limit that it names, or see why its output does not deliver", time.Time{}, "its messages wait: %s", c.Waiting)
		}
	}
	for i := range s.Listeners {
		if peers := s.Listeners[i].NoAckPeers; len(peers) > 0 && s.Time.Sub(peers[0].LastSeen) < fewAcks {
			found(client.Warning, "listener "+s.Listeners[i].Name, "have them ask for acks, fluentd by require_ack_response true, Fluent Bit by Require_ack_response On", peers[0].LastSeen,
				"agents ask for no acks, so that what their connections lose is lost: %s of %s last", cmp.Or(peers[0].Peer, "one on a socket"), peers[0].Cluster)
		}
	}
	if d := &s.DeadLetters; d.Events > 0 && s.Time.Sub(d.Newest) < newLetters {
		found(client.Warning, "dead letters", "aggregator dead list says why; once that is put right, aggregator dead retry", d.Newest,
			"%d events were refused for good and are kept: %s", d.Events, d.most())
	}
	for i := range s.Certificates {
		s.Certificates[i].judge(found)
	}
	if f := s.Config.Failing; f.Text != "" {
		found(client.Warning, "configuration", "correct the file: aggregator check names every mistake", f.Time, "the newest is refused, the one before stays in force: %s", f.Text)
	}
	if restart := s.Config.Restart; len(restart) > 0 {
		found(client.Warning, "configuration", "restart it", s.Config.LoadedAt, "what has changed of %s is not in force before a restart", strings.Join(restart, ", "))
	}
	slices.SortStableFunc(v.Findings, func(a, b client.Finding) int { return cmp.Compare(rank(a.Severity), rank(b.Severity)) })
	sum(&v, s)
	return v
}

// sum fills in the sentence.
func sum(v *client.Verdict, s *Snapshot) {
	v.Severity = client.OK
	if len(v.Findings) == 0 {
		v.Text = fmt.Sprintf("All is well: %d events wait, no output fails.", s.Queue.PendingEvents)
		if n := s.DeadLetters.Events; n > 0 {
			v.Text += fmt.Sprintf(" Older dead letters: %d events.", n)
		}
		v.Findings = []client.Finding{}
		return
	}
	first := &v.Findings[0]
	v.Severity = first.Severity
	v.Text = fmt.Sprintf("%s: %s.", first.Subject, first.Text)
	if more := len(v.Findings) - 1; more > 0 {
		v.Text += fmt.Sprintf(" And %d more.", more)
	}
}

func rank(s client.Severity) int {
	return slices.Index([]client.Severity{client.Critical, client.Warning, client.OK}, s)
}

// finder takes what is found.
type finder func(severity client.Severity, subject, remedy string, since time.Time, format string, args ...any)

// judge tells what is wrong with an output.
func (o *Output) judge(found finder) {
	subject := "output " + o.Name
	var pending uint64
	for _, c := range o.Clusters {
		pending += c.Pending
	}
	lag := time.Duration(o.Lag * float64(time.Second)).Round(time.Second)
	switch o.State {
	case StateRefused:
		found(client.Critical, subject, "set its credentials or privileges right, there or in the configuration; events are kept", o.FailingSince,
			"the destination refuses its login or privileges; %d events wait%s: %s", pending, o.waitingUntil(), o.LastError.Text)
	case StateRetrying:
		found(client.Critical, subject, "see what is wrong with the destination; events are kept and sent again", o.FailingSince,
			"nothing gets through; %d events wait, the oldest for %v%s: %s", pending, lag, o.waitingUntil(), o.LastError.Text)
	case StateStalled:
		found(client.Critical, subject, "look at the disk and its node: dmesg, the storage class's events", o.LastError.Time,
			"its disk does not answer; %d events wait, the oldest for %v: %s", pending, lag, o.LastError.Text)
	case StatePaused:
		found(client.Warning, subject, "aggregator output resume "+o.Name, time.Time{}, "it is paused; %d events wait", pending)
	case StateUnconfigured:
		found(client.Warning, subject, "configure it again, or forget them: aggregator output purge "+o.Name, time.Time{},
			"it is not configured any more, and %d events wait for it", pending)
	case StateRunning:
		if lag > longLag {
			found(client.Warning, subject, "see whether the destination is slow; more workers, or a larger batch, may help", time.Time{},
				"it lags: %d events wait, the oldest for %v", pending, lag)
		}
	default: // idle, or gone
	}
}

// most says of which output and for which reason most dead letters are.
func (d *DeadLetters) most() string {
	if len(d.By) == 0 {
		return "see the list"
	}
	most := slices.MaxFunc(d.By, func(a, b DeadLetterCount) int { return cmp.Compare(a.Events, b.Events) })
	text := most.Reason
	if most.Output != "" {
		text += " by output " + most.Output
	}
	if len(d.By) > 1 {
		text += fmt.Sprintf(" (%d), and others", most.Events)
	}
	return text
}

// judge tells what is wrong with a certificate.
func (c *Certificate) judge(found finder) {
	switch file := cmp.Or(c.CertFile, c.CAFile); {
	case c.Failing.Text != "":
		found(client.Warning, c.Owner, "put valid files there", c.Failing.Time, "its certificate's files are refused, those before stay in force: %s", c.Failing.Text)
	case c.CertFile != "" && c.DaysLeft < 0:
		found(client.Critical, c.Owner, "renew it", c.NotAfter, "the certificate %s has expired", file)
	case c.CertFile != "" && c.DaysLeft < fewDays:
		found(client.Warning, c.Owner, "renew it", time.Time{}, "the certificate %s expires in %.1f days", file, c.DaysLeft)
	}
}

// pendingOf returns what the command queue shows.
func (s *Snapshot) pendingOf() client.Queue {
	q := client.Queue{Time: s.Time, Full: s.Queue.FullReason, Outputs: []client.OutputQueue{}}
	for i := range s.Outputs {
		o := &s.Outputs[i]
		out := client.OutputQueue{Output: o.Name, State: string(o.State), Clusters: []client.ClusterQueue{}}
		for _, c := range o.Clusters {
			p := client.Pending{
				Events: int64(c.Pending), Chunks: c.PendingChunks, Bytes: c.PendingBytes, Oldest: c.OldestAge, Delivered: c.DeliveredPerSecond, Queued: c.QueuedPerSecond,
			}
			p.Foresee()
			out.Clusters = append(out.Clusters, client.ClusterQueue{Cluster: c.Cluster, Pending: p})
			out.Add(&p)
		}
		out.Foresee()
		q.Outputs = append(q.Outputs, out)
		q.Events += out.Events
		q.Chunks += out.Chunks
		q.Bytes += out.Bytes
		q.Oldest = max(q.Oldest, out.Oldest)
	}
	return q
}

// waitingUntil says when o tries again, "" where it does not wait.
func (o *Output) waitingUntil() string {
	if o.BackoffUntil.IsZero() {
		return ""
	}
	return ", waiting until " + o.BackoffUntil.UTC().Format(time.RFC3339)
}
