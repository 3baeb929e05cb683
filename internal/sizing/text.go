package sizing

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/humanize"
)

// WriteText writes p for people.
func (p Plan) WriteText(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s events/s of %s, destinations away for %s: %s/s received, %s/s stored, to %s\n\n",
		grouped(p.EventsPerSecond), humanize.Bytes(float64(p.EventSize)), p.Outage, humanize.Bytes(p.Received),
		humanize.Bytes(p.Stored), strings.Join(p.Outputs, " and "))
	table := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	n := float64(p.Replicas)
	row := func(cells ...string) { _, _ = io.WriteString(table, strings.Join(cells, "\t")+"\n") } // into memory
	row("", "each replica", "all "+strconv.Itoa(p.Replicas), "")
	busy := "%.2f of them busy when one replica is lost"
	if p.Replicas == 1 {
		busy = "%.2f of them busy"
	}
	row("cores", number(p.Cores), number(p.Cores*n), fmt.Sprintf(busy, p.CoresInUse))
	row("memory limit", humanize.Bytes(float64(p.Memory)), humanize.Bytes(float64(p.Memory)*n), "")
	row("volume", humanize.Bytes(float64(p.Volume)), humanize.Bytes(float64(p.Volume)*n),
		humanize.Bytes(p.DiskTraffic)+"/s written and read")
	row("queue", humanize.Bytes(float64(p.Queue)), humanize.Bytes(float64(p.Queue)*n),
		fmt.Sprintf("buffer: {max_size: %dGiB}", p.Queue>>30))
	if p.Clusters > 1 {
		row("each cluster's", humanize.Bytes(float64(p.ClusterSize)), humanize.Bytes(float64(p.ClusterSize)*n),
			fmt.Sprintf("max_queue_size: %dGiB, twice its share", p.ClusterSize>>30))
	}
	// Into memory.
	_ = table.Flush()
	if p.CatchUp != "" {
		fmt.Fprintf(&b, "\nAfterwards the backlog drains within %s, if the destinations take it that fast.\n",
			p.CatchUp)
	}
	list := func(title string, lines []string) {
		if len(lines) > 0 {
			fmt.Fprintf(&b, "\n%s\n", title)
		}
		for _, l := range lines {
			fmt.Fprintf(&b, "- %s\n", l)
		}
	}
	list("Take care", p.Warnings)
	list("To know", p.Notes)
	list("Assumed", p.Assumed)
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	_, err := io.WriteString(out, strings.Join(lines, "\n"))
	return err
}

// grouped writes a number with commas between thousands, without decimals above 100.
func grouped(n float64) string {
	if n < 100 {
		return number(n)
	}
	digits := strconv.FormatFloat(n, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// number writes n with at most two decimals.
func number(n float64) string {
	text := strconv.FormatFloat(n, 'f', 2, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// short writes a duration of more than a minute without seconds, and one of full hours without minutes.
func short(d time.Duration) string {
	if d >= time.Minute {
		d = d.Round(time.Minute)
	} else {
		d = max(d.Round(time.Second), time.Second)
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
