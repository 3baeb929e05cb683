package status

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
)

// page is the state of the program for people: what /status has, without scripts or anything from outside.
const page = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>aggregator {{.Hostname}}</title>
<style>
body{font:1rem/1.5 sans-serif;margin:1rem auto;max-width:70rem;padding:0 1rem}
div{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{border-bottom:1px solid #ddd;padding:.2rem .6rem;text-align:right;white-space:nowrap}
th:first-child,td:first-child,td.text{text-align:left}td.text{white-space:normal}.bad{color:#b00020}
</style>
<h1>aggregator {{.Hostname}}</h1>
<p>{{if .Ready}}Ready{{else}}<strong class="bad">Not ready: {{join .NotReady}}</strong>{{end}}, version {{.Version}}, up {{duration .Uptime}}.
Configuration {{with .Config.Source}}{{.}}{{else}}of defaults{{end}} {{.Config.Hash}}, in force since {{clock .Config.LoadedAt}}.
{{with .Config.Failing.Text}}<strong class="bad">The newest file is refused: {{.}}</strong>{{end}}
{{with .Config.Restart}}<strong class="bad">Needs a restart: {{join .}}</strong>{{end}}</p>
{{with .Memory}}{{if .LimitBytes}}<p>Memory: {{size .LimitBytes}} at most, by {{.Source}}; the configuration has use for {{size .NeedBytes}}{{with .GroupBytes}}, the control group allows {{size .}}{{end}}.
{{if lt .LimitBytes .NeedBytes}}<strong class="bad">That is less than full load can need.</strong>{{end}}</p>{{end}}{{end}}
{{range .Config.Warnings}}<p>Warning: {{.}}</p>{{end}}
<h2>Outputs</h2><div><table><tr><th>output<th>state<th>sending<th>events/s<th>pending<th>lag<th>delivered<th>dead<th>dropped<th class="text">last error</tr>
{{range .Outputs}}<tr><td>{{.Name}} ({{.Type}})<td{{if refused .State}} class="bad"{{end}}>{{.State}}{{if not .BackoffUntil.IsZero}}, waiting until {{clock .BackoffUntil}}{{end}}<td>{{.InFlight}} of {{.Concurrency}}, {{.Workers}} workers<td>{{printf "%.0f" .EventsPerSecond}}{{with sums .}}<td>{{.Pending}}<td>{{duration .Lag}}<td>{{.Delivered}}<td>{{.Dead}}<td>{{.Dropped}}{{with .Purged}}, {{.}} purged{{end}}{{end}}<td class="text">{{failure .LastError}}</tr>
{{if told .}}<tr><td><td class="text" colspan="9">{{.Server}}{{with .HeldClusters}} <span class="bad">Held until what was refused of them is taken: {{join .}}.</span>{{end}}
{{range .Notices}} {{.}}{{end}}{{range .Hosts}}{{if .Down}} <span class="bad">{{.Address}} is down: {{.Error}}.</span>{{end}}{{end}}{{range paces .}} {{.Stream}}: {{rate .}}.{{end}}</tr>{{end}}
{{end}}</table></div>
{{range .Outputs}}{{if .Steps}}<h2>Filters to {{.Name}}</h2><div><table><tr><th>route<th class="text">step<th>in<th>out<th>dropped<th>errors<th>time an event</tr>
{{range .Steps}}<tr><td>{{.Route}}<td class="text">{{.Filter}}[{{.Index}}] {{.Kind}}<td>{{.In}}<td>{{.Out}}<td>{{.Dropped}}<td{{if .Errors}} class="bad"{{end}}>{{.Errors}}<td>{{each .}}</tr>
{{end}}</table></div>{{end}}{{end}}
<h2>Clusters</h2><div><table><tr><th>cluster<th>connections<th>events/s<th>received<th>stored<th>duplicate<th>dead<th>dropped<th>in the queue<th>last seen</tr>
{{range .Clusters}}<tr><td>{{.Name}}<td>{{.Connections}}<td>{{printf "%.0f" .EventsPerSecond}}<td>{{.ReceivedEvents}}<td>{{.StoredEvents}}<td>{{.DuplicateEvents}}<td>{{.Dead.Sum}}<td>{{.Dropped.Sum}}<td>{{size .QueueBytes}}{{with .Waiting}} <span class="bad">{{.}}</span>{{end}}<td>{{clock .LastSeen}}</tr>
{{end}}</table></div>
<h2>Listeners</h2><div><table><tr><th>listener<th>connections<th>probes<th>refused<th>acks<th>ack p50<th>ack p99<th class="text">last error</tr>
{{range .Listeners}}<tr><td>{{.Name}} {{.Address}}<td>{{.Connections}}<td>{{.ProbesTotal}}<td>{{.Refused.Sum}}<td>{{.AcksTotal}}<td>{{quantile .AckLatency 0.5}}<td>{{quantile .AckLatency 0.99}}<td class="text">{{failure .LastError}}</tr>
{{with .NoAckPeers}}<tr><td><td class="text" colspan="7"><span class="bad">No acks are asked for by</span>{{range .}} {{.Peer}} ({{.Cluster}}, {{.Messages}} messages, the last {{clock .LastSeen}}).{{end}} What their connections lose is lost.</tr>{{end}}
{{end}}</table></div>
{{with .Certificates}}<h2>Certificates</h2><div><table><tr><th>of<th>days left<th>loaded<th class="text">names<th class="text">problem</tr>
{{range .}}<tr><td>{{.Owner}}<td>{{printf "%.1f" .DaysLeft}}<td>{{clock .LoadedAt}}<td class="text">{{join .Names}}<td class="text bad">{{.Failing.Text}}</tr>
{{end}}</table></div>{{end}}
<h2>Queue</h2><p>{{.Queue.PendingEvents}} events in {{.Queue.PendingChunks}} chunks wait, {{size .Queue.DiskBytes}} of {{size .Queue.MaxBytes}} on disk, {{size .Queue.FreeDiskBytes}} free.
{{if .Queue.Full}}<strong class="bad">Full: {{.Queue.FullReason}}</strong>{{end}}
{{with .Queue.SetAsideSegments}}<strong class="bad">{{.}} damaged files or chunks were set aside; at least {{$.Queue.DamagedEvents}} events in them could not be read.</strong>{{end}}</p>
<h2>Dead letters</h2><p>{{.DeadLetters.Events}} events in {{.DeadLetters.Count}} dead letters, {{size .DeadLetters.Bytes}} on disk; since the start {{.DeadLetters.RetriedEvents}}
events were sent again, {{.DeadLetters.PurgedEvents}} purged, {{.DeadLetters.EvictedEvents}} pushed out by the limits.{{with .DeadLetters.SetAsideFiles}}
<strong class="bad">{{.}} damaged files were set aside; at least {{$.DeadLetters.DamagedEvents}} events in them could not be read.</strong>{{end}} The command <code>aggregator dead</code> shows them and sends them again.</p>
{{with .DeadLetters.By}}<div><table><tr><th>output<th>cluster<th>reason<th>events</tr>
{{range .}}<tr><td>{{with .Output}}{{.}}{{else}}none{{end}}<td>{{.Cluster}}<td>{{.Reason}}<td>{{.Events}}</tr>
{{end}}</table></div>{{end}}
{{with .Letters}}<h3>The newest</h3><div><table><tr><th>letter<th>refused<th>output<th>cluster<th class="text">tag<th>reason<th>status<th class="text">detail</tr>
{{range .}}<tr><td><a href="/dead-letters/{{.ID}}">{{.ID}}</a><td>{{clock .Time}}<td>{{with .Output}}{{.}}{{else}}none{{end}}<td>{{.Cluster}}<td class="text">{{.Tag}}<td>{{.Reason}}<td>{{with .Status}}{{.}}{{end}}<td class="text">{{.Detail}}</tr>
{{end}}</table></div>{{end}}
<p><a href="/login">Sign in</a> with a user's password, or with the token as password, to see destinations' own words here.
<a href="/status">/status</a> has all of it as JSON, <a href="/metrics">/metrics</a> for Prometheus; <a href="/healthz">/healthz</a> and
<a href="/readyz">/readyz</a> are for probes{{if pprof}}, <a href="/debug/pprof/">/debug/pprof/</a> for profiles{{end}}. POST /reload reads the configuration again;
POST /outputs/NAME/pause, resume, retry and purge?all=true steer an output.</p></html>
`

// pagePolicy lets a browser use the page's own style and nothing else, wherever it comes from.
func pagePolicy() string {
	_, style, _ := strings.Cut(page, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// describe says what f is, how long ago it was, and whether it is past.
func describe(f Failure) string {
	span := func(seconds float64) string {
		return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
	}
	text := cmp.Or(f.Detail, f.Text)
	switch {
	case text == "":
		return ""
	case f.Lasts():
		return fmt.Sprintf("%s (%s ago)", text, span(f.Age))
	}
	return fmt.Sprintf("past: %s (%s ago, for %s)", text, span(f.Age), span(f.Ended.Sub(f.Time).Seconds()))
}

// pagePaces is how many streams of an output the page shows.
const pagePaces = 20

// rate describes what limits of p are in force.
func rate(p Pace) string {
	var parts []string
	for _, limit := range []struct {
		rate   float64
		format string
	}{
		{p.BytesPerSecond / (1 << 10), "%.0f KiB/s"},
		{p.RecordsPerSecond, "%.0f records/s"},
		{p.RequestsPerSecond, "%.0f requests/s"},
	} {
		if limit.rate > 0 {
			parts = append(parts, fmt.Sprintf(limit.format, limit.rate))
		}
	}
	if len(parts) == 0 {
		parts = append(parts, "no limit")
	}
	return fmt.Sprintf("%s, throttled %d times", strings.Join(parts, ", "), p.Throttled)
}

// outputSums adds up an output's clusters.
type outputSums struct {
	Lag                               float64
	Pending, Delivered, Dead, Dropped uint64
	Purged                            uint64
}

func newPage(pprof bool) *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{
		"pprof":   func() bool { return pprof },
		"refused": func(s State) bool { return s == StateRefused },
		"told": func(o Output) bool {
			return o.Server != "" || len(o.HeldClusters)+len(o.Notices)+len(o.Hosts)+len(o.Paces) > 0
		},
		"paces":   func(o Output) []Pace { return o.Paces[:min(len(o.Paces), pagePaces)] },
		"rate":    rate,
		"failure": describe,
		"join":    func(texts []string) string { return strings.Join(texts, ", ") },
		"duration": func(seconds float64) string {
			return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
		},
		"quantile": func(l Latency, q float64) string {
			return time.Duration(l.Quantile(q) * float64(time.Second)).Round(100 * time.Microsecond).String()
		},
		"clock": func(t time.Time) string {
			if t.IsZero() {
				return "never"
			}
			return t.UTC().Format(time.DateTime)
		},
		"each": func(st Step) string {
			return (time.Duration(st.Seconds*float64(time.Second)) / time.Duration(max(st.In, 1))).String()
		},
		"size": func(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) },
		"sums": func(o Output) outputSums {
			s := outputSums{Lag: o.Lag}
			for _, c := range o.Clusters {
				s.Pending += c.Pending
				s.Delivered += c.Delivered
				s.Dead += c.Dead.Sum()
				s.Dropped += c.Dropped.Sum()
				s.Purged += c.Purged
			}
			return s
		},
	}).Parse(page))
}

// pageLetters is how many dead letters the page shows.
const pageLetters = 10

// pageData is what the page is made from.
type pageData struct {
	Snapshot
	Letters []client.DeadLetter // the newest; only for who may see them
}

func (s *Server) index(w http.ResponseWriter, r *http.Request) {
	records, words := s.mayRead(r)
	data := pageData{Snapshot: s.shown(words)}
	if records && s.options.DeadLetters != nil && data.DeadLetters.Count > 0 {
		list, err := s.options.DeadLetters.List(r.Context(), client.DeadFilter{}, client.DeadPage{Limit: pageLetters, Newest: true})
		if err != nil {
			s.options.Log.Warn().Err(err).Msg("the page shows no dead letters")
		}
		data.Letters = list.Letters
		for i := range data.Letters {
			if !words {
				data.Letters[i].Detail = ""
			}
		}
	}
	var b bytes.Buffer
	if err := s.page.Execute(&b, data); err != nil {
		s.options.Log.Error().Err(err).Msg("can't write the page")
		http.Error(w, "the page can't be written, see the log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(safetext.Escaped(b.Bytes())) // the client is gone; nothing to do
}
