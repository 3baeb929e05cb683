package page

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

// How much of a snapshot is on the page, whatever is configured and whatever strangers send. The rest is in /status.
const (
	// maxText is how many bytes of an error's text.
	maxText = 4 << 10
	// maxName is how many bytes of a name.
	maxName     = 200
	maxFindings = 100
	// maxPeople is how many agents and hosts turned away that are named.
	maxPeople  = 30
	maxTargets = 20
	maxPaces   = 20
	// maxCauses is that of dead letters.
	maxCauses = 200
	// maxRows is how many outputs, clusters, certificates.
	maxRows = 500
)

// view is what the page shows. Times are milliseconds since 1970, ages seconds; what is missing is nothing. Rates and
// counts that change all the time are rounded to what people read, so that little has to be sent.
type view struct {
	Version   string               `json:"version"`
	Commit    string               `json:"commit"`
	Host      string               `json:"host"`
	Started   int64                `json:"started"`
	Ready     bool                 `json:"ready"`
	Stale     float64              `json:"stale,omitzero"`
	Verdict   verdict              `json:"verdict"`
	Config    config               `json:"config"`
	Memory    snapshot.Memory      `json:"memory"`
	Queue     queue                `json:"queue"`
	Outputs   map[string]*output   `json:"outputs"`
	Clusters  map[string]*cluster  `json:"clusters"`
	Listeners map[string]*listener `json:"listeners"`
	Letters   letters              `json:"letters"`
	// Group is nil where the queue is this program's alone.
	Group *group                  `json:"group,omitempty"`
	Certs map[string]*certificate `json:"certs"`
}

type verdict struct {
	Severity client.Severity `json:"severity"`
	Text     string          `json:"text"`
	// Findings are by their number, from "0".
	Findings map[string]client.Finding `json:"findings"`
	More     int                       `json:"more,omitzero"`
}

type failure struct {
	Text  string `json:"text"`
	At    int64  `json:"at"`
	Ended int64  `json:"ended,omitzero"`
}

type config struct {
	Source   string   `json:"source"`
	Hash     string   `json:"hash"`
	Loaded   int64    `json:"loaded"`
	Failing  *failure `json:"failing,omitzero"`
	Warnings []string `json:"warnings,omitempty"`
	Restart  []string `json:"restart,omitempty"`
	// Routes is what each matches, by its name.
	Routes map[string]string `json:"routes,omitempty"`
}

type queue struct {
	Events    float64  `json:"events"`
	Chunks    float64  `json:"chunks"`
	Disk      int64    `json:"disk"`
	Max       int64    `json:"max"`
	Free      int64    `json:"free"`
	MinFree   int64    `json:"min_free"`
	Full      string   `json:"full,omitempty"`
	FullIn    *float64 `json:"full_in,omitempty"`
	Oldest    float64  `json:"oldest"`
	CommitAge float64  `json:"commit_age"`
	CommitP99 float64  `json:"commit_p99"`
	Damaged   int      `json:"damaged,omitzero"`
	Memory    int64    `json:"memory"`
	MemoryMax int64    `json:"memory_max"`
}

type output struct {
	Type  string         `json:"type"`
	State snapshot.State `json:"state"`
	Text  string         `json:"text"`
	amounts
	// Done is in seconds.
	Done   *float64 `json:"done,omitempty"`
	Next   int64    `json:"next,omitzero"`
	Error  *failure `json:"error,omitempty"`
	Server string   `json:"server,omitempty"`
	// Workers is as in "3 of 8".
	Workers  string             `json:"workers"`
	P99      float64            `json:"p99"`
	Notices  []string           `json:"notices,omitempty"`
	Held     []string           `json:"held,omitempty"`
	Clusters map[string]*share  `json:"clusters,omitempty"`
	Targets  map[string]*target `json:"targets,omitempty"`
	More     int                `json:"targets_more,omitzero"`
	// Hosts are addresses, with why each is down, "" where it is not.
	Hosts map[string]string `json:"hosts,omitempty"`
	Paces map[string]*pace  `json:"paces,omitempty"`
	Dead  uint64            `json:"dead,omitzero"`
	// Dropped counts events lately, but for those by filters.
	Dropped uint64 `json:"dropped,omitzero"`
	// Filters says that it has steps, which /status has.
	Filters bool `json:"filters,omitzero"`
}

// amounts are how much an output delivers, and how much waits for it.
type amounts struct {
	Rate    float64 `json:"rate"`
	Pending float64 `json:"pending"`
	// Bytes are those on disk.
	Bytes float64 `json:"bytes"`
	Lag   float64 `json:"lag"`
}

// share is what an output has of one cluster.
type share struct {
	Pending float64 `json:"n,omitzero"`
	Rate    float64 `json:"r,omitzero"`
	Age     float64 `json:"a,omitzero"`
}

type target struct {
	Since    int64    `json:"since"`
	Events   float64  `json:"events"`
	Bytes    int64    `json:"bytes"`
	Why      string   `json:"why"`
	Next     int64    `json:"next,omitzero"`
	Remedy   string   `json:"remedy,omitempty"`
	Clusters []string `json:"clusters,omitempty"`
}

type pace struct {
	Bytes     float64 `json:"bytes,omitzero"`
	Records   float64 `json:"records,omitzero"`
	Requests  float64 `json:"requests,omitzero"`
	Throttled uint64  `json:"throttled"`
}

type cluster struct {
	Rate float64 `json:"rate"`
	// Bytes is a second.
	Bytes    float64 `json:"bytes"`
	Conns    int     `json:"conns"`
	MaxConns int     `json:"max_conns,omitzero"`
	// Limit counts bytes a second.
	Limit    int64   `json:"limit,omitzero"`
	Queue    int64   `json:"queue"`
	QueueMax int64   `json:"queue_max,omitzero"`
	Waiting  string  `json:"waiting,omitempty"`
	Seen     int64   `json:"seen,omitzero"`
	Agents   int     `json:"agents"`
	NoAcks   []agent `json:"no_acks,omitempty"`
	Dead     uint64  `json:"dead,omitzero"`
	// Dropped is of the last minutes.
	Dropped  uint64 `json:"dropped,omitzero"`
	Repeated uint64 `json:"repeated,omitzero"`
}

type agent struct {
	Peer     string `json:"peer"`
	Hostname string `json:"hostname,omitempty"`
	Seen     int64  `json:"seen"`
}

type listener struct {
	Address string   `json:"address"`
	Conns   int      `json:"conns"`
	Refused uint64   `json:"refused"`
	P50     float64  `json:"p50"`
	P99     float64  `json:"p99"`
	Error   *failure `json:"error,omitempty"`
	// Away is whom it turned away.
	Away []refused `json:"away,omitempty"`
}

type refused struct {
	agent

	Reason string `json:"reason"`
	Text   string `json:"text"`
	Times  uint64 `json:"times"`
}

type letters struct {
	Events  int64  `json:"events"`
	Letters int    `json:"letters"`
	Bytes   int64  `json:"bytes"`
	Newest  int64  `json:"newest,omitzero"`
	Evicted uint64 `json:"evicted,omitzero"`
	// Causes are by output and reason.
	Causes map[string]cause `json:"causes"`
}

type cause struct {
	Output   string           `json:"output"`
	Reason   string           `json:"reason"`
	Events   int64            `json:"events"`
	Clusters map[string]int64 `json:"clusters"`
}

type certificate struct {
	File    string   `json:"file"`
	Names   []string `json:"names,omitempty"`
	Until   int64    `json:"until,omitzero"`
	Loaded  int64    `json:"loaded"`
	Failing *failure `json:"failing,omitempty"`
}

// viewOf returns what the page shows of s, with destinations' own words only if so.
func viewOf(s *snapshot.Snapshot, words bool) *view {
	v := &view{
		Version: s.Version, Commit: s.Commit, Host: name(s.Hostname), Started: millis(s.Started), Ready: s.Ready,
		Stale:  read(s.Stale),
		Memory: s.Memory, Outputs: map[string]*output{}, Clusters: map[string]*cluster{},
		Listeners: map[string]*listener{}, Certs: map[string]*certificate{},
	}
	v.Memory.UsedBytes = int64(read(float64(s.Memory.UsedBytes)))
	v.Verdict = verdictOf(s)
	v.Config = config{
		Source: text(s.Config.Source), Hash: s.Config.Hash, Loaded: millis(s.Config.LoadedAt),
		Failing: failureOf(s.Config.Failing, false), Warnings: texts(s.Config.Warnings),
		Restart: texts(s.Config.Restart), Routes: map[string]string{},
	}
	for i := range min(len(s.Config.Routes), maxRows) {
		r := &s.Config.Routes[i]
		v.Config.Routes[r.Name] = name(strings.Join(r.Match, ", "))
	}
	v.Queue = queueOf(&s.Queue)
	v.Queue.Damaged += s.DeadLetters.SetAsideFiles
	for i := range min(len(s.Outputs), maxRows) {
		v.Outputs[s.Outputs[i].Name] = outputOf(&s.Outputs[i], words)
	}
	for i := range min(len(s.Clusters), maxRows) {
		v.Clusters[s.Clusters[i].Name] = clusterOf(&s.Clusters[i])
	}
	for i := range s.Listeners {
		v.listener(&s.Listeners[i])
	}
	v.Letters = lettersOf(&s.DeadLetters)
	v.Group = groupOf(s)
	for i := range min(len(s.Certificates), maxRows) {
		c := &s.Certificates[i]
		v.Certs[name(c.Owner)] = &certificate{
			File: name(cmp.Or(c.CertFile, c.CAFile)), Names: texts(c.Names), Until: millis(c.NotAfter),
			Loaded: millis(c.LoadedAt), Failing: failureOf(c.Failing, false),
		}
	}
	return v
}

func verdictOf(s *snapshot.Snapshot) verdict {
	v := verdict{Severity: s.Verdict.Severity, Text: text(s.Verdict.Text), Findings: map[string]client.Finding{}}
	for i, f := range s.Verdict.Findings[:min(len(s.Verdict.Findings), maxFindings)] {
		f.Text, f.Subject, f.Row, f.Remedy, f.Since = text(f.Text), name(f.Subject), name(f.Row), text(f.Remedy),
			f.Since.Truncate(time.Second)
		v.Findings[strconv.Itoa(i)] = f
	}
	v.More = len(s.Verdict.Findings) - len(v.Findings)
	return v
}

func queueOf(q *snapshot.Queue) queue {
	return queue{
		Events: read(float64(q.PendingEvents)), Chunks: read(float64(q.PendingChunks)), Disk: q.DiskBytes,
		Max: q.MaxBytes, Free: int64(read(float64(q.FreeDiskBytes))), MinFree: q.MinFreeDiskBytes,
		Full: text(q.FullReason), FullIn: readPointer(q.FullIn), Oldest: read(q.OldestAge),
		CommitAge: read(q.CommitAge), CommitP99: read(q.CommitLatency.Quantile(0.99)),
		Damaged: q.SetAsideSegments, Memory: int64(read(float64(q.MemoryBytes))), MemoryMax: q.MemoryMaxBytes,
	}
}

func outputOf(o *snapshot.Output, words bool) *output {
	out := &output{
		Type: o.Type, State: o.State, Text: text(o.StateText), Done: readPointer(o.DoneIn),
		amounts: amounts{Rate: read(o.EventsPerSecond), Pending: read(float64(o.Pending())), Lag: read(o.Lag)},
		Next:    millis(o.BackoffUntil), Error: failureOf(o.LastError, words), Server: name(o.Server),
		Workers: strconv.Itoa(o.Concurrency) + " of " + strconv.Itoa(o.Workers),
		P99:     read(o.RequestLatency.Quantile(0.99)), Notices: texts(o.Notices), Held: texts(o.HeldClusters),
		Clusters: map[string]*share{}, Targets: map[string]*target{},
		Hosts: map[string]string{}, Paces: map[string]*pace{}, Dropped: o.DroppedLately, Filters: len(o.Steps) > 0,
		More: o.WaitingTargetsMore,
	}
	bytes := int64(0)
	for i := range o.Clusters {
		c := &o.Clusters[i]
		bytes += c.PendingBytes
		out.Dead += c.Dead.Sum()
		if i < maxRows && (c.Pending > 0 || c.DeliveredPerSecond > 0) {
			out.Clusters[c.Cluster] = &share{
				Pending: short(float64(c.Pending)), Rate: short(c.DeliveredPerSecond),
				Age: short(math.Round(c.OldestAge)),
			}
		}
	}
	out.Bytes = read(float64(bytes))
	for i := range min(len(o.WaitingTargets), maxTargets) {
		t := &o.WaitingTargets[i]
		why := t.Kind
		if t.Status > 0 {
			why = strconv.Itoa(t.Status) + " " + why
		}
		out.Targets[name(t.Target)] = &target{
			Since: millis(t.Since), Events: read(float64(t.Events)), Bytes: t.Bytes, Why: text(why),
			Next: millis(t.NextTry), Remedy: text(t.Remedy), Clusters: texts(t.Clusters),
		}
	}
	out.More += max(0, len(o.WaitingTargets)-maxTargets)
	for i := range o.Hosts {
		out.Hosts[name(o.Hosts[i].Address)] = text(o.Hosts[i].Error)
	}
	for i := range min(len(o.Paces), maxPaces) {
		p := &o.Paces[i]
		out.Paces[name(p.Stream)] = &pace{
			Bytes: read(p.BytesPerSecond), Records: read(p.RecordsPerSecond), Requests: read(p.RequestsPerSecond),
			Throttled: p.Throttled,
		}
	}
	return out
}

func clusterOf(c *snapshot.Cluster) *cluster {
	return &cluster{
		Rate: read(c.EventsPerSecond), Bytes: read(c.BytesPerSecond), Conns: c.Connections, MaxConns: c.MaxConnections,
		Limit: c.RateLimit,
		Queue: int64(read(float64(c.QueueBytes))), QueueMax: c.QueueMaxBytes, Waiting: text(c.Waiting),
		Seen: coarse(c.LastSeen),
		Dead: c.Dead.Sum(), Dropped: c.DroppedLately, Repeated: uint64(read(float64(c.DuplicateEvents))),
	}
}

// listener adds a listener, and to the clusters what it knows of their agents.
func (v *view) listener(l *snapshot.Listener) {
	out := &listener{
		Address: name(l.Address), Conns: l.Connections, Refused: l.Refused.Sum(), P50: read(l.AckLatency.Quantile(0.5)),
		P99:   read(l.AckLatency.Quantile(0.99)),
		Error: failureOf(l.LastError, false),
	}
	for i := range l.Agents {
		a := &l.Agents[i]
		c := v.Clusters[a.Cluster]
		if c == nil {
			continue
		}
		c.Agents++
		if !a.AsksAcks && len(c.NoAcks) < maxPeople {
			c.NoAcks = append(c.NoAcks, agent{Peer: name(a.Peer), Hostname: name(a.Hostname), Seen: coarse(a.LastSeen)})
		}
	}
	// Not in the order of who sent last, which changes all the time.
	for _, c := range v.Clusters {
		slices.SortFunc(c.NoAcks, func(
			a, b agent,
		) int {
			return cmp.Or(cmp.Compare(a.Peer, b.Peer), cmp.Compare(a.Hostname, b.Hostname))
		})
	}
	for i := range min(len(l.RefusedPeers), maxPeople) {
		r := &l.RefusedPeers[i]
		out.Away = append(out.Away, refused{
			agent{name(r.Peer), name(r.Hostname), millis(r.LastSeen)}, r.Reason, text(r.Text), r.Times,
		})
	}
	v.Listeners[name(l.Name)] = out
}

func lettersOf(d *snapshot.DeadLetters) letters {
	out := letters{
		Events: d.Events, Letters: d.Count, Bytes: d.Bytes, Newest: millis(d.Newest), Evicted: d.EvictedLately,
		Causes: map[string]cause{},
	}
	for i := range d.By {
		by := &d.By[i]
		key := by.Output + " " + by.Reason
		c, known := out.Causes[key]
		if !known {
			if len(out.Causes) >= maxCauses {
				continue
			}
			c = cause{Output: by.Output, Reason: by.Reason, Clusters: map[string]int64{}}
		}
		c.Events += by.Events
		c.Clusters[name(by.Cluster)] += by.Events
		out.Causes[key] = c
	}
	return out
}

func failureOf(f snapshot.Failure, words bool) *failure {
	if f.Text == "" {
		return nil
	}
	out := &failure{Text: f.Text, At: millis(f.Time), Ended: millis(f.Ended)}
	if words && f.Detail != "" {
		out.Text = f.Detail
	}
	out.Text = text(out.Text)
	return out
}
