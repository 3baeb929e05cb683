// Package sizing tells what a load needs: replicas, disk, memory and processor time, each with the assumption behind
// it.
package sizing

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/humanize"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/all"
)

// What is assumed, and where it comes from.
const (
	// measuredSize is the bytes of the events that costs are measured with; see docs/performance.md.
	measuredSize = 300
	// usable is the part of a measured rate that is planned with: what filters, TLS, real events and slower processors
	// cost, and room to catch up after an outage.
	usable = 0.25
	// unevenness is how much more than its share a replica may get: agents choose theirs by chance.
	unevenness = 1.25
	// fileSystem is the part of a volume that a file system leaves for files.
	fileSystem = 0.95
	// memoryLimit is the part of a container's memory that the program lets its heap grow to.
	memoryLimit = 0.9
	// perConnection is what an idle connection with TLS holds, in bytes; see docs/performance.md.
	perConnection = 27 << 10
	// diskRate is what a volume carries without being asked for more, in bytes a second: 125 MiB/s, AWS gp3's.
	diskRate = 125 << 20
	// segments are the queue's files that are written or about to be deleted, in bytes.
	segments = 2 * 64 << 20
	// delivered is the bytes of JSON that a byte of msgpack becomes, with the added fields.
	delivered = 1.5
)

// DefaultCompression is how many bytes of events a stored byte stands for: logs come to 4 to 6 with s2.
const DefaultCompression = 4

// ingestMicros is the processor time that an event of 300 bytes takes from socket to queue, fdatasync and ack included.
// What it takes from there to an output is the rest of the time that the output's kind tells.
const ingestMicros = 0.6

// OutputTypes returns the types of output that are known, ascending.
func OutputTypes() []string { return slices.Sorted(slices.Values(outputs.Names(all.Kinds(nil)))) }

// Load is what is to be carried.
type Load struct {
	// EventsPerSecond is that of all clusters, at the peak.
	EventsPerSecond float64
	// EventSize counts bytes of msgpack, which is about the length of the line and its fields.
	EventSize int64
	// Outage is how long all destinations may be away at once.
	Outage   time.Duration
	Clusters int
	// Connections is that of agents, at all replicas together.
	Connections int
	// Outputs are their types; every event goes to each.
	Outputs []string
	// Replicas may be 0: as many as needed.
	Replicas int
	// Cores is that of each replica.
	Cores float64
	// Compression is how many bytes of events become a stored one.
	Compression float64
	// Queue is QueueDisk or QueueJetStream; "": the first. EventsPerChunk is of what agents send at once, for the
	// second; 0: DefaultChunk.
	Queue          string
	EventsPerChunk int

	// ProgramMemory counts bytes that the program has use for without connections, as its configuration tells.
	ProgramMemory int64
	// DeadLetters is buffer.dead_letters.max_size.
	DeadLetters int64
	// MinFreeDisk is buffer.min_free_disk.
	MinFreeDisk int64
	// QueueLimit is buffer.max_size of a given configuration; 0: none is given.
	QueueLimit int64
}

// Plan is what a Load needs. Sizes are bytes, rates are for each second.
type Plan struct {
	Given

	Replicas int `json:"replicas"`
	// Needed is how many carry the load with one replica lost.
	Needed int     `json:"replicas_needed"`
	Cores  float64 `json:"cores_per_replica"`
	// CoresInUse is at the load, with one replica lost.
	CoresInUse float64 `json:"cores_in_use_per_replica"`
	// Memory is the container's limit.
	Memory int64 `json:"memory_per_replica"`
	Volume int64 `json:"volume_per_replica"`
	// Queue is for buffer.max_size.
	Queue int64 `json:"queue_per_replica"`
	// ClusterSize is for max_queue_size of each cluster, at a replica.
	ClusterSize int64 `json:"queue_per_cluster"`

	Received float64 `json:"received_bytes_per_second"`
	Stored   float64 `json:"stored_bytes_per_second"`
	// Delivered is that to each output, before compression.
	Delivered   float64 `json:"delivered_bytes_per_second"`
	DiskTraffic float64 `json:"disk_bytes_per_second_per_replica"`
	// Servers hold the queue; nil: each replica's own volume does.
	Servers *Servers `json:"servers,omitempty"`
	// How long the backlog takes to drain if only this side limits it; "" when it never does.
	CatchUp string `json:"catch_up"`

	Warnings []string `json:"warnings"`
	Notes    []string `json:"notes"`
	Assumed  []string `json:"assumed"`
}

// Given is what of a Load a Plan repeats.
type Given struct {
	EventsPerSecond float64  `json:"events_per_second"`
	EventSize       int64    `json:"event_size"`
	Outage          string   `json:"outage"`
	Clusters        int      `json:"clusters"`
	Outputs         []string `json:"outputs"`
}

// check names everything that is wrong with l, by the flags of aggregator size.
func (l Load) check() error {
	var wrong []error
	bad := func(is bool, format string, args ...any) {
		if is {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	bad(!(l.EventsPerSecond > 0 && l.EventsPerSecond <= 1e9),
		"--events-per-second %v: must be above 0, and at most 1,000,000,000", l.EventsPerSecond)
	bad(l.EventSize < 1 || l.EventSize > 64<<20, "--event-size %d: must be 1 byte to 64MiB", l.EventSize)
	bad(l.Outage <= 0 || l.Outage > 90*24*time.Hour,
		"--outage %v: must be above 0, and at most 2160h, which is 90 days", l.Outage)
	bad(l.Clusters < 1 || l.Clusters > 1e6, "--clusters %d: must be 1 to 1,000,000", l.Clusters)
	bad(l.Connections < 0 || l.Connections > 1e7, "--connections %d: must be 0 to 10,000,000", l.Connections)
	bad(l.Replicas < 0 || l.Replicas > 1e4, "--replicas %d: must be 0 (as many as needed) to 10,000", l.Replicas)
	bad(!(l.Cores >= 0.1 && l.Cores <= 1024), "--cores %v: must be 0.1 to 1024", l.Cores)
	bad(!(l.Compression >= 1 && l.Compression <= 100), "--compression %v: must be 1 to 100", l.Compression)
	bad(l.Queue != "" && l.Queue != QueueDisk && l.Queue != QueueJetStream, "--queue %q: must be %s or %s", l.Queue,
		QueueDisk, QueueJetStream)
	bad(l.EventsPerChunk < 0 || l.EventsPerChunk > 1e6, "--events-per-chunk %d: must be 1 to 1,000,000",
		l.EventsPerChunk)
	bad(len(l.Outputs) == 0, "--outputs: must be at least one of %s", strings.Join(OutputTypes(), ", "))
	for _, o := range l.Outputs {
		bad(!slices.Contains(OutputTypes(), o), "--outputs %q: must be one of %s", o, strings.Join(OutputTypes(), ", "))
	}
	return errors.Join(wrong...)
}

// For returns what l needs. Its error names everything that is wrong with l.
func For(l Load) (Plan, error) {
	if err := l.check(); err != nil {
		return Plan{}, err
	}
	p := Plan{
		Given: Given{
			EventsPerSecond: l.EventsPerSecond, EventSize: l.EventSize, Outage: short(l.Outage), Clusters: l.Clusters,
			Outputs: l.Outputs,
		},
		Cores: l.Cores, Warnings: []string{}, Notes: []string{},
	}
	p.Received = l.EventsPerSecond * float64(l.EventSize)
	p.Stored = p.Received / l.Compression
	p.Delivered = p.Received * delivered
	files := 0.0
	kinds := all.Kinds(nil)
	// It is for each event.
	cost := ingestMicros
	shared := l.Queue == QueueJetStream
	if l.EventsPerChunk == 0 {
		l.EventsPerChunk = DefaultChunk
	}
	if shared {
		cost *= sharedCost
	}
	for _, o := range l.Outputs {
		kind, _ := outputs.Find(kinds, o)
		cost += kind.CPUMicros - ingestMicros
		if kind.Files > 0 {
			files += p.Delivered
		}
	}
	cost *= max(1, float64(l.EventSize)/measuredSize)
	cores := l.EventsPerSecond * cost / 1e6
	// Written and read back.
	disk := 2*p.Stored + files
	if shared {
		disk = files
	}

	// With one lost, the others carry all.
	carrying := max(1, ceil(cores/usable/l.Cores), ceil(disk/(diskRate/2)))
	p.Needed = carrying + 1
	p.Replicas = p.Needed
	if l.Replicas > 0 {
		p.Replicas = l.Replicas
		carrying = max(1, l.Replicas-1)
	}
	share := 1 / float64(carrying)
	p.CoresInUse = cores * share
	p.DiskTraffic = disk * share
	p.Queue = gibibytes(p.Stored * l.Outage.Seconds() * share * unevenness)
	p.ClusterSize = p.Queue
	if l.Clusters > 1 {
		p.ClusterSize = gibibytes(2 * float64(p.Queue) / float64(l.Clusters))
		p.ClusterSize = min(p.ClusterSize, p.Queue)
	}
	p.Volume = gibibytes((float64(p.Queue) + segments + float64(l.DeadLetters+l.MinFreeDisk)) / fileSystem)
	p.Memory = roundUp((float64(l.ProgramMemory)+float64(l.Connections)*share*perConnection)/memoryLimit, 64<<20)
	// What is left of all cores, at half the measured rate, drains the backlog.
	if spare := float64(p.Replicas)*l.Cores/2*1e6/cost - l.EventsPerSecond; spare > 0 {
		p.CatchUp = short(time.Duration(min(l.Outage.Seconds()*l.EventsPerSecond/spare*float64(time.Second), most)))
	}
	if shared {
		p.share(l)
	}
	p.judge(l, files)
	p.note(l)
	p.assume(l)
	return p, nil
}

// judge warns of what does not hold.
func (p *Plan) judge(l Load, files float64) {
	warn := func(format string, args ...any) { p.Warnings = append(p.Warnings, fmt.Sprintf(format, args...)) }
	if p.Replicas == 1 {
		warn("With one replica, agents keep their events while it restarts. Take two at least.")
	}
	switch {
	case p.Replicas == 1 && p.Needed > 2:
		warn("1 replica can't carry the load: it needs %d, one of which may be lost.", p.Needed)
	case p.Replicas > 1 && p.Replicas < p.Needed:
		warn("%s can't carry the load when one is lost: it needs %d.", humanize.Count(p.Replicas, "replica"), p.Needed)
	}
	if p.CatchUp == "" {
		warn("There is no processor time left to catch up after the outage: more cores or replicas.")
	}
	if p.Servers != nil {
		p.judgeServers(l)
	} else if l.QueueLimit > 0 && l.QueueLimit < p.Queue {
		warn("The configuration's buffer.max_size is %s: agents would have to wait after %s.",
			humanize.Bytes(float64(l.QueueLimit)),
			short(time.Duration(float64(l.Outage)*float64(l.QueueLimit)/float64(p.Queue))))
	}
	if files > 0 {
		warn(
			"A file output needs room of its own, %s a day at all replicas before compression, and keeps for as long "+
				"as its rotate.keep says.", humanize.Bytes(files*86400),
		)
	}
}

// note says what to ask of destinations and of those who run the replicas.
func (p *Plan) note(l Load) {
	note := func(format string, args ...any) { p.Notes = append(p.Notes, fmt.Sprintf(format, args...)) }
	if p.Servers != nil {
		note("What a lost aggregator had acknowledged is in the stream, and the others deliver it within " +
			"seconds. One " +
			"NATS server may be lost at a time: docs/scaling.md.")
	} else if p.Replicas > 1 {
		note(
			"What a lost replica had acknowledged is on its volume, and is delivered when that is attached again. " +
				"The others take its agents.",
		)
	}
	kinds := all.Kinds(nil)
	load := outputs.Load{
		EventsPerSecond: l.EventsPerSecond, BytesPerSecond: p.Delivered, Clusters: l.Clusters, Outage: l.Outage,
	}
	for _, o := range slices.Compact(slices.Sorted(slices.Values(l.Outputs))) {
		if kind, _ := outputs.Find(kinds, o); kind.Needs != nil {
			p.Notes = append(p.Notes, kind.Needs(load)...)
		}
	}
	note("Agents need to bridge only the time that no replica answers, minutes, and not the outage of a destination.")
}

// assume says what the figures rest on.
func (p *Plan) assume(l Load) {
	kinds := all.Kinds(nil)
	var costs []string
	for _, o := range slices.Compact(slices.Sorted(slices.Values(l.Outputs))) {
		kind, _ := outputs.Find(kinds, o)
		costs = append(costs, fmt.Sprintf("%.1f µs to %s", kind.CPUMicros-ingestMicros, o))
	}
	lost := "One replica is lost, and the others carry all of the load."
	if p.Replicas == 1 {
		lost = "The one replica carries all of the load, and is not lost."
	}
	ingest, once := ingestMicros, "; a chunk is stored once for all outputs"
	if p.Servers != nil {
		ingest, once = ingestMicros*sharedCost, ""
	}
	p.Assumed = []string{
		fmt.Sprintf("Processor time for an event of 300 bytes: %.1f µs to receive, store, sync and acknowledge, %s "+
			"(docs/performance.md); larger events in proportion.",
			ingest, strings.Join(costs, ", ")),
		fmt.Sprintf(
			"%.0f %% of that rate is planned with: filters, TLS, real events, slower processors, and catching up "+
				"take the rest.", usable*100,
		),
		fmt.Sprintf("Stored events take 1/%g of their size%s.", l.Compression, once),
		lost,
		fmt.Sprintf("Agents spread by chance: a replica may get %.0f %% more than its share.", (unevenness-1)*100),
		fmt.Sprintf("A volume carries %s/s, half of which is planned with.", humanize.Bytes(diskRate)),
	}
	if p.Servers != nil {
		p.Assumed = append(p.Assumed, p.assumeServers(l)...)
	} else {
		p.Assumed = append(p.Assumed, fmt.Sprintf("The volume also holds %s of dead letters and %s that stay free.",
			humanize.Bytes(float64(l.DeadLetters)), humanize.Bytes(float64(l.MinFreeDisk))))
	}
	p.Assumed = append(p.Assumed,
		fmt.Sprintf("JSON with the added fields is %g times as long as an event.", delivered))
}

// ceil rounds up, to a count.
func ceil(x float64) int { return int(math.Ceil(x)) }

// most is where sizes and times end that nothing holds anyway.
const most = 1 << 62

// roundUp returns the next multiple of unit, a power of two.
func roundUp(bytes float64, unit int64) int64 {
	return int64(min(math.Ceil(bytes/float64(unit)), most/float64(unit))) * unit
}

// gibibytes rounds up to whole GiB.
func gibibytes(bytes float64) int64 { return max(1<<30, roundUp(bytes, 1<<30)) }
