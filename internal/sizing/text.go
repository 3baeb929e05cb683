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
	// It is written into memory.
	row := func(cells ...string) { _, _ = io.WriteString(table, strings.Join(cells, "\t")+"\n") }
	row("", "each replica", "all "+strconv.Itoa(p.Replicas), "")
	busy := "%.2f of them busy when one replica is lost"
	if p.Replicas == 1 {
		busy = "%.2f of them busy"
	}
	row("cores", number(p.Cores), number(p.Cores*n), fmt.Sprintf(busy, p.CoresInUse))
	row("memory limit", humanize.Bytes(float64(p.Memory)), humanize.Bytes(float64(p.Memory)*n), "")
	if s := p.Servers; s != nil {
		// Into memory.
		_ = table.Flush()
		p.writeServers(&b, table, row)
	} else {
		p.writeVolumes(n, row)
	}
	// Into memory.
	_ = table.Flush()
	p.writeLists(&b)
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	_, err := io.WriteString(out, strings.Join(lines, "\n"))
	return err
}

// writeServers writes what the NATS servers need.
func (p *Plan) writeServers(b *strings.Builder, table *tabwriter.Writer, row func(cells ...string)) {
	s := p.Servers
	b.WriteByte('\n')
	bytes := func(n int64) (each, all string) {
		return humanize.Bytes(float64(n)), humanize.Bytes(float64(n) * float64(s.Count))
	}
	row("NATS servers", "each of "+strconv.Itoa(s.Count), "all", "")
	row("cores", fmt.Sprintf("%.2f", s.Cores), fmt.Sprintf("%.2f", s.Cores*float64(s.Count)),
		fmt.Sprintf("busy, for %s messages/s of %s", grouped(s.Messages), humanize.Bytes(float64(s.PerMessage))))
	each, all := bytes(s.Memory)
	row("memory", each, all, "")
	each, all = bytes(s.Disk)
	row("disk", each, all, humanize.Bytes(s.Written)+"/s written, "+humanize.Bytes(s.Network)+
		"/s through the network of the leader")
	row("queue", humanize.Bytes(float64(s.MaxSize)), "the same",
		fmt.Sprintf("buffer: {jetstream: {replicas: %d, max_size: %dGiB}}", s.Replicas, s.MaxSize>>30))
	p.writeCluster(1, row)
	_ = table.Flush()
}

// writeVolumes writes what the replicas' own volumes hold.
func (p *Plan) writeVolumes(n float64, row func(cells ...string)) {
	row("volume", humanize.Bytes(float64(p.Volume)), humanize.Bytes(float64(p.Volume)*n),
		humanize.Bytes(p.DiskTraffic)+"/s written and read")
	row("queue", humanize.Bytes(float64(p.Queue)), humanize.Bytes(float64(p.Queue)*n),
		fmt.Sprintf("buffer: {max_size: %dGiB}", p.Queue>>30))
	p.writeCluster(n, row)
}

// writeCluster writes what each of several clusters may have waiting.
func (p *Plan) writeCluster(n float64, row func(cells ...string)) {
	if p.Clusters > 1 {
		row("each cluster's", humanize.Bytes(float64(p.ClusterSize)), humanize.Bytes(float64(p.ClusterSize)*n),
			fmt.Sprintf("max_queue_size: %dGiB, twice its share", p.ClusterSize>>30))
	}
}

// writeLists writes what is to be known besides.
func (p *Plan) writeLists(b *strings.Builder) {
	if p.CatchUp != "" {
		fmt.Fprintf(b, "\nAfterwards the backlog drains within %s, if the destinations take it that fast.\n",
			p.CatchUp)
	}
	list := func(title string, lines []string) {
		if len(lines) > 0 {
			fmt.Fprintf(b, "\n%s\n", title)
		}
		for _, l := range lines {
			fmt.Fprintf(b, "- %s\n", l)
		}
	}
	list("Take care", p.Warnings)
	list("To know", p.Notes)
	list("Assumed", p.Assumed)
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
