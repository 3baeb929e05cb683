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
	// longLag is for how long events may wait for an output that nothing is known to be wrong with, in seconds.
	longLag = 600
	// throttledLag is the same for one whose destination throttles.
	throttledLag = 300
	// shortLag is a lag that nobody has to hear of.
	shortLag = 5
	// maxWhose is how many clusters a finding names.
	maxWhose = 20
)

// The alerts that are about outputs.
const (
	alertLag        = "AggregatorOutputLag"
	alertStopped    = "AggregatorOutputStopped"
	alertThrottled  = "AggregatorThrottled"
	alertDiskHangs  = "AggregatorDiskHangs"
	alertDropped    = "AggregatorEventsDropped"
	alertRedirected = "AggregatorRedirected"
	alertWaits      = "AggregatorTargetWaits"
	alertTooMuch    = "AggregatorTooMuchWaits"
)

// output tells what is wrong with an output.
func output(o *snapshot.Output, now time.Time, found finder) {
	pending, whose := o.Pending(), whose(o)
	f := client.Finding{
		Severity: client.Critical, Subject: "output " + o.Name, Row: "output/" + o.Name,
		Whose: whose, Waiting: pending,
	}
	oldest := wait(pending)
	if o.Lag > 0 {
		oldest += ", the oldest for " + Span(o.Lag)
	}
	if len(whose) > 0 {
		oldest += " (of " + some(whose) + ")"
	}
	switch o.State {
	case snapshot.StateRefused:
		f.Alert, f.Since = alertStopped, o.FailingSince
		f.Remedy = "set its credentials or privileges right, there or in the configuration; events are kept"
		found(f, "%s refuses its login or privileges; %s%s: %s", product(o), oldest, nextTry(o, now), o.LastError.Text)
	case snapshot.StateRetrying:
		f.Alert, f.Since, f.Remedy = alertLag, o.FailingSince, retryingRemedy(o)
		found(f, "%s; %s%s: %s", stuck(o), oldest, nextTry(o, now), o.LastError.Text)
	case snapshot.StateStalled:
		f.Alert, f.Since, f.Remedy = alertDiskHangs, o.LastError.Time,
			"look at the disk and its node: dmesg, the storage class's events"
		found(f, "its disk does not answer; %s: %s", oldest, o.LastError.Text)
	case snapshot.StatePaused:
		f.Alert, f.Since, f.Remedy = alertStopped, o.FailingSince, "resume it: aggregator output resume "+o.Name
		f.Meant = true
		if pending == 0 {
			f.Severity = client.Warning
		}
		found(f, "it is paused; %s", oldest)
	case snapshot.StateUnconfigured:
		f.Alert, f.Remedy = alertStopped, "configure it again, or forget them: aggregator output purge "+o.Name
		f.Meant = true
		found(f, "it is not configured any more; %s", oldest)
	case snapshot.StateRunning:
		f.Severity = client.Warning
		switch {
		case o.ThrottledLately > 0 && o.Lag > throttledLag:
			f.Alert, f.Remedy = alertThrottled, "raise its quota or send it less; nothing is lost meanwhile"
			found(f, "%s throttles it%s%s; %s", product(o), slowed(o), caughtUp(o), oldest)
		case o.Lag > longLag:
			f.Alert, f.Remedy = alertLag,
				"see whether the destination is slow; more workers, or a larger batch, may help"
			found(f, "it lags%s; %s", caughtUp(o), oldest)
		}
	default: // idle, or gone
	}
	besides(o, found)
}

// stuck says that nothing gets through to a destination.
func stuck(o *snapshot.Output) string {
	if o.FailingReason == reasonThrottled {
		return "throttled by " + product(o) + ", so that nothing gets through"
	}
	return "nothing gets through"
}

// Reasons of outputs that have a remedy of their own, as outputs.Reason has them.
const (
	reasonThrottled = "throttled"
	reasonNetwork   = "network"
)

// retryingRemedy says what to do where nothing gets through.
func retryingRemedy(o *snapshot.Output) string {
	switch o.FailingReason {
	case reasonThrottled:
		return "raise its quota or send it less; events are kept and sent again"
	case reasonNetwork:
		return "see whether it runs and can be reached from here: name, port, firewall, proxy; events are kept and " +
			"sent again"
	}
	return "see what is wrong with the destination; events are kept and sent again"
}

// besides tells what may be wrong whatever the output's state.
func besides(o *snapshot.Output, found finder) {
	f := client.Finding{Severity: client.Warning, Subject: "output " + o.Name, Row: "output/" + o.Name}
	if len(o.WaitingTargets) > 0 {
		t := &o.WaitingTargets[0]
		aside := f
		aside.Alert = alertWaits
		aside.Waiting, aside.Since, aside.Whose = o.Waiting(), t.Since, t.Clusters
		aside.Remedy = cmp.Or(t.Remedy,
			"set the target right at the destination; its events are tried again by themselves")
		targets := t.Target
		if more := len(o.WaitingTargets) - 1 + o.WaitingTargetsMore; more > 0 {
			targets += fmt.Sprintf(" and %d more", more)
		}
		others := ""
		if flows(o) {
			others = "; all others are delivered"
		}
		found(aside, "%s aside for %s: %s%s", wait(aside.Waiting), targets, answer(t), others)
	}
	for i := range o.WaitingTargets {
		if t := &o.WaitingTargets[i]; t.Full {
			full := f
			full.Severity, full.Alert, full.Since, full.Whose, full.Waiting = client.Critical, alertTooMuch, t.Since,
				t.Clusters, t.Events
			full.Remedy = cmp.Or(t.Remedy,
				"set the target right, or move or purge what waits, or raise buffer.waiting.max_size")
			found(full, "so much waits aside for %s that new events of it become dead letters: %s", t.Target, answer(t))
			break
		}
	}
	// Where it is throttled, that is why.
	if len(o.HeldClusters) > 0 && o.ThrottledLately == 0 && flows(o) && o.Lag > throttledLag {
		held := f
		held.Whose, held.Remedy = o.HeldClusters, "see the last error; what was refused is tried again"
		found(held, "the events of %s wait until what was refused of them is taken: %s", some(o.HeldClusters),
			o.LastError.Text)
	}
	// Otherwise the state says it.
	others := slices.ContainsFunc(o.Hosts, func(h snapshot.Host) bool { return !h.Down })
	for i := range o.Hosts {
		if h := &o.Hosts[i]; h.Down && others {
			down := f
			down.Since, down.Remedy = h.Since, "see why that server does not answer; the others take its share"
			found(down, "its server %s is down: %s", h.Address, h.Error)
		}
	}
	if o.DroppedLately > 0 {
		lost := f
		lost.Alert, lost.Remedy = alertDropped,
			"if that is not meant, set on_reject, when_full or max_age to what keeps"
		found(lost, "%s dropped in 15 minutes, as a rule of the configuration says", counted(o.DroppedLately, "event"))
	}
	if o.RedirectedLately > 0 {
		other := f
		other.Alert, other.Remedy = alertRedirected, "see its notices: a placeholder has too many values"
		found(other, "%s went to the index or stream for others in an hour", counted(o.RedirectedLately, "event"))
	}
}

// flows reports whether o delivers, as far as it is known.
func flows(o *snapshot.Output) bool {
	return o.State == snapshot.StateRunning || o.State == snapshot.StateIdle
}

// answer is what a target's destination says of it, for everybody.
func answer(t *snapshot.WaitingTarget) string {
	kind := cmp.Or(t.Kind, "it is refused")
	if t.Status > 0 {
		return fmt.Sprintf("%d %s", t.Status, kind)
	}
	return kind
}

// whose returns the clusters whose events wait for o, those with the most first.
func whose(o *snapshot.Output) []string {
	waiting := slices.DeleteFunc(slices.Clone(o.Clusters),
		func(c snapshot.OutputCluster) bool { return c.Pending == 0 })
	slices.SortStableFunc(waiting, func(a, b snapshot.OutputCluster) int { return cmp.Compare(b.Pending, a.Pending) })
	var names []string
	for i := range min(len(waiting), maxWhose) {
		names = append(names, waiting[i].Cluster)
	}
	return names
}

// StateText says what an output does: "throttled by Elasticsearch, 3 of 8 workers, 41 s behind, catching up in about 2
// min".
func StateText(o *snapshot.Output, now time.Time) string {
	var text string
	switch o.State {
	case snapshot.StateRunning:
		text = "delivering"
		if o.ThrottledLately > 0 && (limited(o) || o.Lag > shortLag) {
			text = "throttled by " + product(o) + slowed(o)
		}
		if o.Lag > shortLag {
			text += fmt.Sprintf(", %s behind%s", Span(o.Lag), caughtUp(o))
		}
	case snapshot.StateIdle:
		text = "nothing waits"
		if o.EventsPerSecond > 0 {
			text = "delivering"
		}
	case snapshot.StateRetrying:
		text = stuck(o) + since(o, now) + nextTry(o, now)
	case snapshot.StateRefused:
		text = "login or privileges refused" + since(o, now) + nextTry(o, now)
	case snapshot.StatePaused:
		text = "paused by somebody" + since(o, now) + ", " + wait(o.Pending())
	case snapshot.StateUnconfigured:
		text = "not configured any more, " + wait(o.Pending())
	case snapshot.StateStalled:
		text = "its disk does not answer, " + wait(o.Pending())
	case snapshot.StateRemoved:
		text = "not configured any more, nothing waits"
	default:
		text = string(o.State)
	}
	if n := len(o.WaitingTargets) + o.WaitingTargetsMore; n > 0 {
		text += fmt.Sprintf(", %s wait aside for %s", Number(o.Waiting()), counted(n, "target"))
	}
	return text
}

// product names what o delivers to.
func product(o *snapshot.Output) string {
	name, _, _ := strings.Cut(o.Server, " ")
	switch o.Type {
	case "elasticsearch":
		return cmp.Or(name, "Elasticsearch")
	case "firehose":
		return "Firehose"
	case "kinesis":
		return "Kinesis"
	case "cloudwatch_logs":
		return "CloudWatch Logs"
	case "s3":
		return "S3"
	}
	return "the destination"
}

// limited reports whether fewer workers send than may.
func limited(o *snapshot.Output) bool { return o.Concurrency > 0 && o.Concurrency < o.Workers }

// slowed says by how much o has been slowed by what its destination throttled, "" where that is by waiting alone.
func slowed(o *snapshot.Output) string {
	text := ""
	if limited(o) {
		text = fmt.Sprintf(", %d of %d workers", o.Concurrency, o.Workers)
	}
	records := 0.0
	for i := range o.Paces {
		if o.Paces[i].Throttled > 0 {
			records += o.Paces[i].RecordsPerSecond
		}
	}
	if records > 0 {
		text += ", at most " + Rate(records) + " records/s"
	}
	return text
}

// caughtUp says when o will have caught up, where that can be told.
func caughtUp(o *snapshot.Output) string {
	if o.DoneIn != nil {
		return ", catching up in about " + Span(*o.DoneIn)
	}
	queued, settled := 0.0, 0.0
	for i := range o.Clusters {
		queued += o.Clusters[i].QueuedPerSecond
		settled += o.Clusters[i].SettledPerSecond
	}
	if queued > settled {
		return ", falling behind"
	}
	return ""
}

func since(o *snapshot.Output, now time.Time) string {
	if o.FailingSince.IsZero() {
		return ""
	}
	return " for " + ago(o.FailingSince, now)
}

// nextTry says when o tries again, "" where it does not wait.
func nextTry(o *snapshot.Output, now time.Time) string {
	if o.BackoffUntil.IsZero() || !o.BackoffUntil.After(now) {
		return ""
	}
	return ", next try in " + Span(o.BackoffUntil.Sub(now).Seconds())
}
