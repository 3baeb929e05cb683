package live

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

func newTailCommand() *cobra.Command {
	var f serverFlags
	query := map[string]*string{"at": new(string), "cluster": new(string), "tag": new(string), "grep": new(string)}
	sample, rate := 0, 0
	cmd := &cobra.Command{
		Use: "tail", Short: "Show events live, as they arrive, or on their way by a route to an output",
		Args: flags.NoArgs,
		Long: `Shows events as they arrive, or on their way by a route or to an output: what each step of the
filters did to them, as aggregator try shows it, how they are then, and what the destination answered. It goes on until
it is interrupted.

A route is named by its position, 0 or routes[0], or by one of its patterns, as in aggregator try --route. What an
output sent before anybody looked is shown without its steps when it is sent again.

As events arrive, nothing is taken out of them yet: their records are shown, and looked into by --grep, only with the
token or a user's password, also from the same machine; so are the values of what steps changed, records of events that
steps dropped, and a destination's own words. It costs the server nothing while nobody looks, and never slows it: what
is more than --rate a second, or is not read fast enough, is not shown, and is counted.

Where aggregators share a queue on JetStream, events of all of them are shown, whichever is asked, each with the name of
the host where it was. They share out --rate; --sample is of each.

` + flags.AskHelp,
		Example: `  aggregator tail --cluster seoul-prod
  aggregator tail --at 'kube.**'
  aggregator tail --at es --tag 'kube.**' --grep 'error|panic' --json | jq .record`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			numbers := map[string]int{"sample": sample, "rate": rate}
			for key, n := range numbers {
				if n < 1 && cmd.Flags().Changed(key) {
					return flags.WrongUsage(fmt.Errorf("--%s %d: must be at least 1", key, n))
				}
			}
			c, err := f.Ask(cmd)
			if err != nil {
				return err
			}
			values := url.Values{}
			for key, value := range query {
				if *value != "" {
					values.Set(key, *value)
				}
			}
			for key, n := range numbers {
				if n > 0 {
					values.Set(key, strconv.Itoa(n))
				}
			}
			body, err := c.Do(cmd.Context(), "GET", "tail", values)
			if err != nil {
				return flags.Explained(err)
			}
			// Only read from.
			defer func() { _ = body.Close() }()
			return showTail(body, cmd.OutOrStdout(), cmd.ErrOrStderr(), f.json, cmd.Context().Err)
		},
	}
	f.Register(cmd)
	fs := cmd.Flags()
	fs.StringVar(query["at"], "at", "", "`arrival`, the name of an output, or a route (default arrival)")
	fs.StringVar(query["cluster"], "cluster", "", "only events of this `cluster`")
	fs.StringVar(query["tag"], "tag", "", "only events whose tag fits this `pattern`, as in routes")
	fs.StringVar(query["grep"], "grep", "", "only events whose record as JSON fits this regular `expression`")
	fs.IntVar(&sample, "sample", 0, "one of so many that fit (default: all)")
	fs.IntVar(&rate, "rate", 0,
		fmt.Sprintf("events a second at most (default %d, %d at most)", client.TailRate, client.TailMaxRate))
	fs.BoolVar(&f.json, "json", false, "each event as a line of JSON")
	return cmd
}

// maxTailLine bounds a line of a live view, in bytes.
const maxTailLine = 1 << 20

// showTail shows the events of a stream until it ends. That is no error where the user has ended it.
func showTail(in io.Reader, out, notes io.Writer, asJSON bool, ended func() error) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxTailLine)
	kind := ""
	var pods tailedPods
	for lines.Scan() {
		line := lines.Text()
		if text, ok := strings.CutPrefix(line, "event: "); ok {
			kind = text
			continue
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var err error
		switch kind {
		case "event":
			err = showTailed(out, data, asJSON)
		case "missed":
			var m client.TailMissed
			if err = json.Unmarshal([]byte(data), &m); err == nil {
				_, err = fmt.Fprintf(notes, "%d more events were not shown\n", m.Events)
			}
		case "pods":
			var p client.TailPods
			if err = json.Unmarshal([]byte(data), &p); err == nil {
				_, err = io.WriteString(notes, pods.news(p.Pods))
			}
		}
		if err != nil {
			return fmt.Errorf("show what the server sends: %w", err)
		}
	}
	if ended() != nil {
		return nil //nolint:nilerr // the user has ended it, so it is no failure
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read what the server sends: %w", err)
	}
	return errors.New("the server has ended the live view")
}

// tailedPods are the aggregators whose events are shown, by name, as was told last.
type tailedPods map[string]client.TailPod

// news says in lines of text what is new about them.
func (t *tailedPods) news(pods []client.TailPod) string {
	var text strings.Builder
	say := func(format string, args ...any) {
		text.WriteString(safetext.Line(fmt.Sprintf(format, args...), ' ') + "\n")
	}
	was, first := *t, *t == nil
	now := tailedPods{}
	var live []string
	for _, p := range pods {
		now[p.Name] = p
		switch {
		case p.State == client.TailLive:
			live = append(live, p.Host)
			if !first && was[p.Name].State != p.State {
				say("events of %s are shown too", p.Host)
			}
		case p == was[p.Name]:
		case p.State == client.TailRefused:
			say("no events of %s are shown: %s", p.Host, p.Why)
		default:
			say("no events of %s are shown: it does not answer", p.Host)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if _, there := now[name]; !there {
			say("%s is gone", was[name].Host)
		}
	}
	if *t = now; first {
		return fmt.Sprintf("events of %s\n", safetext.Line(strings.Join(live, ", "), ' ')) + text.String()
	}
	return text.String()
}

// showTailed shows one event.
func showTailed(out io.Writer, data string, asJSON bool) error {
	if asJSON {
		_, err := fmt.Fprintln(out, safetext.Line(data, ' '))
		return err
	}
	var t client.TailEvent
	if err := json.Unmarshal([]byte(data), &t); err != nil {
		return err
	}
	_, err := io.WriteString(out, tailed(&t))
	return err
}

// tailed returns an event as lines of text: the event, and under it what steps did to it.
func tailed(t *client.TailEvent) string {
	parts := []string{t.Time.Format(time.RFC3339Nano), t.Cluster, t.Tag, strconv.Itoa(t.Bytes) + " B"}
	if t.Pod != "" {
		parts = append(parts, "on "+t.Pod)
	}
	if t.Joined > 0 {
		parts = append(parts, fmt.Sprintf("%d events joined", t.Joined))
	}
	if t.Result != "" {
		where := t.Output
		if t.Route != "" {
			where = t.Route + " → " + t.Output
		}
		if t.Target != "" {
			where += " (" + t.Target + ")"
		}
		parts = append(parts, where+": "+tailResult(t))
	}
	if t.Record != nil {
		parts = append(parts, string(t.Record))
	}
	lines := []string{strings.Join(parts, "  ")}
	for i := range t.Steps {
		for _, l := range t.Steps[i].Lines() {
			lines = append(lines, "    "+l.Text)
		}
	}
	if t.Detail != "" {
		lines = append(lines, "    "+t.Detail)
	}
	if t.Remedy != "" {
		lines = append(lines, "    to do: "+t.Remedy)
	}
	var text strings.Builder
	for _, l := range lines {
		text.WriteString(safetext.Line(l, ' ') + "\n")
	}
	return text.String()
}

// tailResult says in words what becomes of an event.
func tailResult(t *client.TailEvent) string {
	why, said := t.Answer, t.Kind
	if t.Status != 0 {
		said = strings.TrimSpace(strconv.Itoa(t.Status) + " " + t.Kind)
	}
	if said != "" {
		why += " (" + said + ")"
	}
	switch t.Result {
	case client.TailRetry:
		return "is sent again: " + why
	case client.TailWaits:
		return "waits for its target: " + cmp.Or(said, "it takes none now")
	case client.TailDropped:
		return "dropped by " + cmp.Or(t.Step, "on_reject: "+why)
	case client.TailDeadLetter:
		return "dead letter: " + cmp.Or(t.Step, why)
	case client.TailJoined:
		return "joined to another event"
	default:
		return t.Result
	}
}
