// Package verdict reports whether all is well, and if not what is wrong, since when, whose events it concerns, how many
// wait and what to do. /status, the page and the commands show what it says, and the alerts of deployments/helm go by
// the same figures.
package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

// chapters is where what to do for each alert is written down.
const chapters = "docs/operations.md#"

// finder takes what is found.
type finder func(f client.Finding, format string, args ...any)

// Fill fills in the verdict, and what each output does in words. What of s may be shared with others must not change:
// see Of.
func Fill(s *snapshot.Snapshot) {
	for i := range s.Outputs {
		s.Outputs[i].StateText = StateText(&s.Outputs[i], s.Time)
	}
	s.Verdict = Of(s)
}

// Of looks at s alone and changes nothing.
func Of(s *snapshot.Snapshot) client.Verdict {
	v := client.Verdict{Findings: []client.Finding{}}
	found := func(f client.Finding, format string, args ...any) {
		f.Text, f.Since = fmt.Sprintf(format, args...), f.Since.UTC()
		if f.Alert != "" {
			f.Chapter = chapters + anchor(f.Alert)
		}
		v.Findings = append(v.Findings, f)
	}
	server(s, found)
	queue(s, found)
	group(s, found)
	for i := range s.Outputs {
		output(&s.Outputs[i], s.Time, found)
	}
	clusters(s, found)
	for i := range s.Listeners {
		listener(&s.Listeners[i], s.Time, found)
	}
	letters(s, found)
	for i := range s.Certificates {
		certificate(&s.Certificates[i], found)
	}
	configuration(s, found)
	ledger(s, found)
	slices.SortStableFunc(v.Findings, func(a, b client.Finding) int {
		return cmp.Or(cmp.Compare(rank(a.Severity), rank(b.Severity)), cmp.Compare(meant(&a), meant(&b)),
			cmp.Compare(b.Waiting, a.Waiting))
	})
	sum(&v, s)
	return v
}

// sum fills in the sentence.
func sum(v *client.Verdict, s *snapshot.Snapshot) {
	v.Severity = client.OK
	if len(v.Findings) == 0 {
		v.Text = "All is well: " + well(s) + "."
		if n := s.DeadLetters.Events; n > 0 {
			v.Text += fmt.Sprintf(" Older dead letters: %s.", counted(n, "event"))
		}
		return
	}
	first := &v.Findings[0]
	v.Severity = first.Severity
	v.Text = fmt.Sprintf("%s: %s.", first.Subject, first.Text)
	if more := len(v.Findings) - 1; more > 0 {
		v.Text += fmt.Sprintf(" And %d more.", more)
	}
}

// well says what goes on while all is well.
func well(s *snapshot.Snapshot) string {
	rate, senders, last := 0.0, 0, time.Time{}
	for i := range s.Clusters {
		c := &s.Clusters[i]
		rate += c.EventsPerSecond
		if c.EventsPerSecond > 0 {
			senders++
		}
		if c.LastSeen.After(last) {
			last = c.LastSeen
		}
	}
	switch {
	case rate > 0:
		return fmt.Sprintf("%s events/s from %s, delivered within %s", Rate(rate), counted(senders, "cluster"),
			Span(s.DeliveredWithin))
	case last.IsZero():
		return "nothing was sent here yet, " + wait(uint64(max(0, s.Queue.PendingEvents)))
	}
	return fmt.Sprintf("nothing is sent here now, the last event came %s ago, %s", ago(last, s.Time),
		wait(uint64(max(0, s.Queue.PendingEvents))))
}

// meant is 1 for what somebody did, who may well know of it, such as a pause: what broke stands before it.
func meant(f *client.Finding) int {
	if f.Meant {
		return 1
	}
	return 0
}

func rank(s client.Severity) int {
	return slices.Index([]client.Severity{client.Critical, client.Warning, client.OK}, s)
}
