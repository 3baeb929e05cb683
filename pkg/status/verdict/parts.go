package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

const (
	// fewDays is how long before its end a certificate is to be renewed.
	fewDays = 14
	// nearlyFull is the part of a queue's limit from which on it is told.
	nearlyFull = 0.7
	// newLetters is for how long dead letters are news: who knows of them may leave them where they are.
	newLetters = time.Hour
	// fewAcks is for how long a message that wants no ack is told.
	fewAcks = 10 * time.Minute
	// silent is for how long a cluster may send nothing.
	silent = 30 * time.Minute
	// manyLogins is how many refused logins in ten minutes are told.
	manyLogins = 60
	// longDiskCall is how long a call to a disk may take, in seconds.
	longDiskCall = 30
	// lowDisk is how many times buffer.min_free_disk should be free.
	lowDisk = 2
)

// anchor is that of an alert's chapter.
func anchor(alert string) string { return strings.ToLower(alert) }

// server tells what is wrong with the program itself.
func server(s *snapshot.Snapshot, found finder) {
	f := client.Finding{Severity: client.Critical, Subject: "server", Row: "server"}
	for _, why := range s.Unhealthy {
		f.Remedy = "restart it, and look at the disk and the log"
		found(f, "%s", why)
	}
	f.Alert, f.Remedy = alertDiskHangs, "look at the disk: it does not answer"
	if stale := time.Duration(s.Stale * float64(time.Second)).Round(time.Second); stale > 0 {
		found(f, "it can't tell its state: what is shown here is %v old", stale)
	}
	for i := range s.Loops {
		if l := &s.Loops[i]; l.Doing == "disk" && l.Seconds > longDiskCall {
			found(f, "%s has been under way for %s", cmp.Or(l.What, "a disk call of "+l.Name), Span(l.Seconds))
		}
	}
	if s.Queue.Full {
		return
	}
	f.Alert, f.Remedy = "AggregatorNotReady", "wait where it starts or stops; else see the log"
	for _, why := range s.NotReady {
		away, queue := strings.CutPrefix(why, "nothing can be stored: ")
		if s.Group != nil && queue {
			q := f
			q.Subject, q.Row, q.Remedy = "queue", "queue", "see its NATS servers: aggregator check --connect, "+
				"nats server report jetstream"
			q.Waiting = uint64(max(0, s.Queue.PendingEvents))
			found(q, "nothing is stored, and agents wait: %s", away)
			continue
		}
		found(f, "not ready, so agents wait: %s", why)
	}
}

// group tells of the aggregators that share the queue.
func group(s *snapshot.Snapshot, found finder) {
	if s.Group == nil {
		return
	}
	f := client.Finding{Severity: client.Warning, Alert: "AggregatorPodGone"}
	for _, p := range s.Group.Missing(s.Time) {
		f.Subject, f.Row, f.Since = "pod "+p.Host, "pod/"+p.Name, p.LastSeen
		f.Remedy = "see why it ended, or can't reach the NATS servers; the others deliver what it had in hand"
		found(f, "nothing was heard of it for %s", ago(p.LastSeen, s.Time))
	}
	f.Severity, f.Alert, f.Since = client.Critical, "AggregatorNotReady", time.Time{}
	for i := range s.Group.Pods {
		p := &s.Group.Pods[i]
		if !p.Alive() || p.Name == s.Group.Self {
			continue
		}
		f.Subject, f.Row = "pod "+p.Host, "pod/"+p.Name
		if p.State == snapshot.PodNotReady {
			f.Remedy = "wait where it starts or stops; else see its log"
			found(f, "not ready, so agents are not to be sent there: %s", strings.Join(p.NotReady, "; "))
		}
		people(client.Finding{Severity: client.Warning, Subject: f.Subject, Row: f.Row}, p.NoAckPeers,
			p.LoginsRefusedLately, p.RefusedPeers, s.Time, found)
	}
}

// queue tells what is wrong with the queue.
func queue(s *snapshot.Snapshot, found finder) {
	q := &s.Queue
	f := client.Finding{
		Severity: client.Critical, Subject: "queue", Row: "queue", Alert: "AggregatorQueueFilling",
		Waiting: uint64(max(0, q.PendingEvents)), Whose: fillers(s),
	}
	limit := "buffer.max_size"
	if s.Group != nil {
		limit = "buffer.jetstream.max_size"
	}
	f.Remedy = "see which output does not deliver; raise " + limit + ", or free the disk"
	switch used := float64(q.DiskBytes); {
	case q.Full:
		found(f, "nothing is stored, and agents wait: %s", q.FullReason)
	case q.MaxBytes > 0 && used > nearlyFull*float64(q.MaxBytes):
		f.Severity, f.Remedy = client.Warning, "see which output does not deliver; raise "+limit
		left := ""
		if q.FullIn != nil {
			left = ", the rest in about " + Span(*q.FullIn)
		}
		found(f, "%.0f %% of %s are used%s", 100*used/float64(q.MaxBytes), limit, left)
	}
	if q.MinFreeDiskBytes > 0 && q.FreeDiskBytes < lowDisk*q.MinFreeDiskBytes {
		f.Severity, f.Alert, f.Remedy = client.Critical, "AggregatorDiskLow",
			"grow the volume, or delete what else is on it"
		found(f, "%s of its disk are free, and with less than %s nothing is stored", Size(q.FreeDiskBytes),
			Size(q.MinFreeDiskBytes))
	}
	f.Waiting, f.Whose = 0, nil
	if n := q.SetAsideSegments + s.DeadLetters.SetAsideFiles; n > 0 {
		f.Severity, f.Alert, f.Remedy = client.Critical, "AggregatorSetAside",
			"look at the disk: dmesg; the files are kept as *.corrupt"
		lost := q.DamagedEvents + s.DeadLetters.DamagedEvents
		found(f, "%s of the queue or the dead letters set aside; at least %s could not be read",
			counted(n, "damaged file"), counted(lost, "event"))
	}
}

// fillers returns the clusters that take the most of the queue, the first first.
func fillers(s *snapshot.Snapshot) []string {
	all := slices.DeleteFunc(slices.Clone(s.Clusters), func(c snapshot.Cluster) bool { return c.QueueBytes == 0 })
	slices.SortStableFunc(all, func(a, b snapshot.Cluster) int { return cmp.Compare(b.QueueBytes, a.QueueBytes) })
	var names []string
	for i := range min(len(all), maxWhose) {
		names = append(names, all[i].Name)
	}
	return names
}

// clusters tells what is wrong with clusters.
func clusters(s *snapshot.Snapshot, found finder) {
	for i := range s.Clusters {
		c := &s.Clusters[i]
		f := client.Finding{
			Severity: client.Warning, Subject: "cluster " + c.Name, Row: "cluster/" + c.Name, Whose: []string{c.Name},
		}
		if c.Waiting != "" && !s.Queue.Full {
			limit := f
			limit.Alert, limit.Remedy = "AggregatorQueueFilling",
				"raise the limit that it names, or see why its output does not deliver"
			found(limit, "its messages wait: %s", c.Waiting)
		}
		if !c.LastSeen.IsZero() && s.Time.Sub(c.LastSeen) > silent {
			f.Alert, f.Since, f.Remedy = "AggregatorClusterSilent", c.LastSeen,
				"see whether its agents run, reach this address and are let in; take it out of the configuration "+
					"if it is gone"
			found(f, "it has sent nothing for %s", ago(c.LastSeen, s.Time))
		}
		if c.DroppedLately > 0 {
			f.Alert, f.Since, f.Remedy = alertDropped, time.Time{},
				"if that is not meant, set unrouted or when_full to what keeps"
			found(f, "%s dropped on arrival in 15 minutes, as a rule of the configuration says",
				counted(c.DroppedLately, "event"))
		}
	}
}

// listener tells what is wrong with who connects.
func listener(l *snapshot.Listener, now time.Time, found finder) {
	f := client.Finding{Severity: client.Warning, Subject: "listener " + l.Name, Row: "listener/" + l.Name}
	people(f, l.NoAckPeers, l.LoginsRefusedLately, l.RefusedPeers, now, found)
}

// people tells what is wrong with who connects to what f is about.
func people(
	f client.Finding, peers []snapshot.NoAck, refused uint64, away []snapshot.RefusedPeer, now time.Time, found finder,
) {
	if len(peers) > 0 && now.Sub(peers[0].LastSeen) < fewAcks {
		f.Alert, f.Since, f.Whose = "AggregatorNoAcks", time.Time{}, []string{peers[0].Cluster}
		f.Remedy = "have them ask for acks, fluentd by require_ack_response true, Fluent Bit by Require_ack_response On"
		found(f, "agents ask for no acks, so that what their connections lose is lost: %s of %s last",
			cmp.Or(peers[0].Peer, "one on a socket"), peers[0].Cluster)
	}
	if refused > manyLogins {
		f.Alert, f.Since, f.Whose = "AggregatorAuthFailures", time.Time{}, nil
		f.Remedy = "see who is turned away and why: an old key or certificate, or somebody who tries"
		last := ""
		if len(away) > 0 {
			last = fmt.Sprintf(", the last of %s: %s", cmp.Or(away[0].Peer, "a socket"), away[0].Reason)
		}
		found(f, "%s refused in 10 minutes%s", counted(refused, "login"), last)
	}
}

// letters tells of dead letters.
func letters(s *snapshot.Snapshot, found finder) {
	d := &s.DeadLetters
	f := client.Finding{
		Severity: client.Warning, Subject: "dead letters", Row: "dead-letters", Alert: "AggregatorDeadLetters",
	}
	if d.Events > 0 && s.Time.Sub(d.Newest) < newLetters {
		f.Remedy = "aggregator dead list says why; once that is put right, aggregator dead retry"
		found(f, "%s refused for good and kept, the last %s ago: %s", counted(d.Events, "event"), ago(d.Newest, s.Time),
			most(d))
	}
	if d.EvictedLately > 0 {
		f.Severity, f.Alert = client.Critical, "AggregatorDeadLettersEvicted"
		f.Remedy = "raise buffer.dead_letters.max_size or max_age by a reload"
		found(f, "%s in them deleted in an hour, by max_size or max_age: they are lost",
			counted(d.EvictedLately, "event"))
	}
}

// most says of which output and for which reason most dead letters are.
func most(d *snapshot.DeadLetters) string {
	if len(d.By) == 0 {
		return "see the list"
	}
	most := slices.MaxFunc(d.By, func(a, b snapshot.DeadLetterCount) int { return cmp.Compare(a.Events, b.Events) })
	text := most.Reason
	if most.Output != "" {
		text += " by output " + most.Output
	}
	if len(d.By) > 1 {
		text += fmt.Sprintf(" (%s), and others", Number(most.Events))
	}
	return text
}

// certificate tells what is wrong with a certificate.
func certificate(c *snapshot.Certificate, found finder) {
	f := client.Finding{
		Severity: client.Warning, Subject: c.Owner, Row: "certificate/" + c.Owner,
		Alert: "AggregatorCertificateExpiring", Remedy: "renew it",
	}
	switch file := cmp.Or(c.CertFile, c.CAFile); {
	case c.Failing.Text != "":
		f.Since, f.Remedy = c.Failing.Time, "put valid files there"
		found(f, "its certificate's files are refused, those before stay in force: %s", c.Failing.Text)
	case c.CertFile != "" && c.DaysLeft < 0:
		f.Severity, f.Since = client.Critical, c.NotAfter
		found(f, "the certificate %s has expired", file)
	case c.CertFile != "" && c.DaysLeft < fewDays:
		found(f, "the certificate %s expires in %.1f days", file, c.DaysLeft)
	}
}

// configuration tells what of the newest configuration is not in force.
func configuration(s *snapshot.Snapshot, found finder) {
	f := client.Finding{Severity: client.Warning, Subject: "configuration", Row: "configuration"}
	if why := s.Config.Failing; why.Text != "" {
		refused := f
		refused.Alert, refused.Since, refused.Remedy = "AggregatorConfigRefused", why.Time,
			"correct the file: aggregator check names every mistake"
		found(refused, "the newest is refused, the one before stays in force: %s", why.Text)
	}
	if restart := s.Config.Restart; len(restart) > 0 {
		f.Since, f.Remedy = s.Config.LoadedAt, "restart it"
		found(f, "what has changed of %s is not in force before a restart", strings.Join(restart, ", "))
	}
}

// ledger tells where events are missing, once their figures rest.
func ledger(s *snapshot.Snapshot, found finder) {
	f := client.Finding{
		Severity: client.Critical, Subject: "ledger", Row: "server", Alert: "AggregatorLedger",
		Remedy: "keep the log, /status and /metrics, restart it, and report it: this is a fault of the program",
	}
	off := func(b *snapshot.Balance) bool { return b.Balanced != nil && !*b.Balanced }
	for i := range s.Ledger.Ingest {
		if a := &s.Ledger.Ingest[i]; off(&a.Balance) {
			found(f, "%d events of cluster %s came in and are in no counter", a.Difference, a.Cluster)
		}
	}
	for i := range s.Ledger.Outputs {
		if a := &s.Ledger.Outputs[i]; off(&a.Balance) {
			found(f, "%d events of cluster %s for output %s are in no counter", a.Difference, a.Cluster, a.Output)
		}
	}
}
