package metrics

import (
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
)

// scrape returns the lines of a scrape that begin with a name or a part of it.
func scrape(t *testing.T, s snapshot.Snapshot, prefix, accept string) (lines []string) {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(Collectors(func() snapshot.Snapshot { return s })[0])
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody)
	request.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{
		EnableOpenMetrics: true, EnableOpenMetricsTextCreatedSamples: true,
	}).ServeHTTP(w, request)
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, prefix) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

// Of odd states each figure says what docs/metrics.md says of it, with zeros where there is nothing.
func TestFiguresOfOddStates(t *testing.T) {
	moment := time.UnixMilli(1_800_000_000_500)
	output := func(o snapshot.Output) snapshot.Snapshot {
		o.Name = "o"
		return snapshot.Snapshot{Outputs: []snapshot.Output{o}}
	}
	cluster := func(c snapshot.Cluster) snapshot.Snapshot {
		c.Name = "a"
		return snapshot.Snapshot{Clusters: []snapshot.Cluster{c}}
	}
	certificate := func(c snapshot.Certificate) snapshot.Snapshot {
		c.Owner = "output o"
		return snapshot.Snapshot{Certificates: []snapshot.Certificate{c}}
	}
	probes := func(p snapshot.Probes) snapshot.Snapshot { return snapshot.Snapshot{Probes: p} }
	config := func(c snapshot.ConfigState) snapshot.Snapshot { return snapshot.Snapshot{Config: c} }
	waiting := snapshot.OutputWaiting{
		WaitingTargetsMore: 3, WaitingTargets: []snapshot.WaitingTarget{{Target: "b", Events: 7}, {Target: "a"}},
	}
	hosts := snapshot.Destination{Hosts: []snapshot.Host{{Address: "h1"}, {Address: "h2", Down: true}}}
	for _, tc := range []struct {
		name   string
		s      snapshot.Snapshot
		prefix string
		want   []string
	}{
		{"no start", snapshot.Snapshot{}, "aggregator_start_timestamp_seconds ", []string{"0"}},
		{
			"a start",
			snapshot.Snapshot{Started: moment},
			"aggregator_start_timestamp_seconds ",
			[]string{"1.8000000005e+09"},
		},
		{
			"a build",
			snapshot.Snapshot{Version: `1"\`},
			"aggregator_build_info{",
			[]string{`commit="",version="1\"\\"} 1`},
		},
		{"ready", probes(snapshot.Probes{Ready: true}), "aggregator_ready ", []string{"1"}},
		{"not ready", probes(snapshot.Probes{NotReady: []string{"x"}}), "aggregator_ready ", []string{"0"}},
		{"unhealthy", probes(snapshot.Probes{Ready: true}), "aggregator_healthy ", []string{"0"}},
		{
			"stale",
			snapshot.Snapshot{Taken: snapshot.Taken{Stale: 2.5}},
			"aggregator_status_stale_seconds ",
			[]string{"2.5"},
		},
		{
			"loops", probes(snapshot.Probes{Loops: []snapshot.Loop{
				{Name: "disk", Doing: "disk", Seconds: 4}, {Name: "rest", Doing: "resting", Seconds: 9},
			}}), "aggregator_loop_disk_wait_seconds{loop=", []string{`"disk"} 4`, `"rest"} 0`},
		},
		{
			"a file that is refused", config(snapshot.ConfigState{Failing: snapshot.Failure{Text: "x", Ended: moment}}),
			"aggregator_config_failing ",
			[]string{"1"},
		},
		{
			"a file in force", config(snapshot.ConfigState{Failing: snapshot.Failure{Detail: "x"}}),
			"aggregator_config_failing ",
			[]string{"0"},
		},
		{
			"warnings", config(snapshot.ConfigState{Warnings: []string{"a", "b"}}), "aggregator_config_warnings ",
			[]string{"2"},
		},
		{
			"a cluster that waits", cluster(snapshot.Cluster{Waiting: "x"}), "aggregator_cluster_waiting{",
			[]string{`cluster="a"} 1`},
		},
		{"one that does not", cluster(snapshot.Cluster{}), "aggregator_cluster_waiting{", []string{`cluster="a"} 0`}},
		{
			"one that never sent", cluster(snapshot.Cluster{}), "aggregator_cluster_last_seen_timestamp_seconds{",
			[]string{`cluster="a"} 0`},
		},
		{
			"a limited rate", cluster(snapshot.Cluster{Slowed: 0.25}), "aggregator_cluster_rate_limited_seconds_total{",
			[]string{`cluster="a"} 0.25`},
		},
		{
			"an expired certificate", certificate(snapshot.Certificate{DaysLeft: -0.5}),
			"aggregator_tls_certificate_remaining_seconds{",
			[]string{`owner="output o"} -43200`},
		},
		{
			"a refused one", certificate(snapshot.Certificate{Failing: snapshot.Failure{Text: "x"}}),
			"aggregator_tls_failing{",
			[]string{`owner="output o"} 1`},
		},
		{
			"targets that take nothing", output(snapshot.Output{OutputWaiting: waiting}),
			"aggregator_output_waiting_targets{",
			[]string{`output="o"} 5`},
		},
		{
			"what waits for them", output(snapshot.Output{OutputWaiting: waiting}),
			"aggregator_output_waiting_events{output=",
			[]string{`"o",target="a"} 0`, `"o",target="b"} 7`},
		},
		{
			"hosts", output(snapshot.Output{Destination: hosts}), "aggregator_output_host_up{host=",
			[]string{`"h1",output="o"} 1`, `"h2",output="o"} 0`},
		},
		{
			"held clusters", output(snapshot.Output{HeldClusters: []string{"a", "b"}}),
			"aggregator_output_held_clusters{",
			[]string{`output="o"} 2`},
		},
		{
			"an unheard-of state", output(snapshot.Output{State: "new"}), `aggregator_output_state{output="o",state="r`,
			[]string{`efused"} 0`, `emoved"} 0`, `etrying"} 0`, `unning"} 0`},
		},
		{
			"no commits by any cause", snapshot.Snapshot{}, "aggregator_queue_commits_by_cause_total", nil,
		},
		{
			"dead letters before any output",
			snapshot.Snapshot{DeadLetters: snapshot.DeadLetters{By: []snapshot.DeadLetterCount{{
				Reason: "r",
				Events: 3,
			}}}},
			"aggregator_dead_letters_events{",
			[]string{`cluster="",output="",reason="r"} 3`},
		},
	} {
		var got []string
		for _, line := range scrape(t, tc.s, tc.prefix, "text/plain") {
			got = append(got, strings.TrimPrefix(line, tc.prefix))
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// An output is in exactly one of the states.
func TestOneState(t *testing.T) {
	for _, state := range []snapshot.State{
		snapshot.StateRunning, snapshot.StateIdle, snapshot.StateRetrying, snapshot.StatePaused, snapshot.StateRefused,
		snapshot.StateUnconfigured, snapshot.StateStalled, snapshot.StateRemoved,
	} {
		s := snapshot.Snapshot{Outputs: []snapshot.Output{{Name: "o", State: state}}}
		lines, ones := scrape(t, s, "aggregator_output_state{", "text/plain"), 0
		for _, line := range lines {
			if strings.HasSuffix(line, " 1") {
				ones++
				if !strings.Contains(line, `state="`+string(state)+`"`) {
					t.Errorf("%s: %s", state, line)
				}
			}
		}
		if len(lines) != 8 || ones != 1 {
			t.Errorf("%s: %d states, %d of them 1", state, len(lines), ones)
		}
	}
}

// Counters say when they began: most with the program, those of a filter's steps and certificates with their output.
func TestWhenCountersBegan(t *testing.T) {
	started, anew := time.Unix(1000, 0), time.Unix(2000, 0)
	s := snapshot.Snapshot{
		Started: started,
		Outputs: []snapshot.Output{
			{Name: "old", Steps: []snapshot.Step{{Kind: "grep"}}},
			{Name: "new", Since: anew, Steps: []snapshot.Step{{Kind: "grep"}}},
		},
		Certificates: []snapshot.Certificate{{Owner: "output new"}, {Owner: "output old"}, {Owner: "listener new"}},
		Clusters:     []snapshot.Cluster{{Name: "new"}},
	}
	const openMetrics = "application/openmetrics-text; version=1.0.0"
	for _, tc := range []struct {
		prefix string
		want   []string
	}{
		{"aggregator_received_events_created{", []string{`cluster="new"} 1000.0`}},
		{"aggregator_output_requests_created{", []string{`output="new"} 1000.0`, `output="old"} 1000.0`}},
		{"aggregator_tls_reloads_created{owner=", []string{
			`"listener new"} 1000.0`, `"output new"} 2000.0`, `"output old"} 1000.0`,
		}},
		{`aggregator_filter_step_in_events_created{filter="",kind="grep",output=`, []string{
			`"new",route="",step="0"} 2000.0`, `"old",route="",step="0"} 1000.0`,
		}},
	} {
		var got []string
		for _, line := range scrape(t, s, tc.prefix, openMetrics) {
			got = append(got, strings.TrimPrefix(line, tc.prefix))
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.prefix, got, tc.want)
		}
	}
	s.Started = time.Time{}
	if got := scrape(t, s, "aggregator_received_events_created", openMetrics); got != nil {
		t.Errorf("nobody knows when it began, but: %q", got)
	}
}

// While it is not known what a pod did last, its group's ledger has no figures that an alert could go by.
func TestLedgerOfAGroupThatCloses(t *testing.T) {
	s := snapshot.Snapshot{Ledger: snapshot.Ledger{
		Ingest:  []snapshot.IngestAccount{{Cluster: "a", Balance: snapshot.Balance{Difference: -4}}},
		Outputs: []snapshot.OutputAccount{{Output: "o", Cluster: "a", Balance: snapshot.Balance{Difference: 5}}},
	}}
	want := []string{
		`aggregator_ledger_ingest_difference_events{cluster="a"} -4`,
		`aggregator_ledger_output_difference_events{cluster="a",output="o"} 5`,
	}
	for _, tc := range []struct {
		name  string
		group *snapshot.Group
		want  []string
	}{
		{"no group", nil, want},
		{"a group", &snapshot.Group{}, want},
		{"a group of which one has just ended", &snapshot.Group{Closing: true}, nil},
	} {
		s.Group = tc.group
		if got := scrape(t, s, "aggregator_ledger_", "text/plain"); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// Names that a configuration or a stranger chose are escaped, and become UTF-8.
func TestLabelsAreEscaped(t *testing.T) {
	for _, tc := range []struct{ name, want string }{
		{"plain", `plain`},
		{"한글", `한글`},
		{"two\nlines", `two\nlines`},
		{`quo"te\`, `quo\"te\\`},
		{"a\xff\xfeb", "a\uFFFDb"},
		{"", ``},
	} {
		s := snapshot.Snapshot{Clusters: []snapshot.Cluster{{Name: tc.name}}}
		got := scrape(t, s, "aggregator_stored_events_total", "text/plain")
		if want := `aggregator_stored_events_total{cluster="` + tc.want + `"} 0`; !slices.Equal(got, []string{want}) {
			t.Errorf("%q: %q, want %q", tc.name, got, want)
		}
	}
}

// What Prometheus takes of figures that are none does not stop a scrape.
func TestFiguresThatAreNoNumbers(t *testing.T) {
	for f, want := range map[float64]string{math.Inf(1): "+Inf", math.Inf(-1): "-Inf", 1e300: "1e+300", -2: "-2"} {
		s := snapshot.Snapshot{Outputs: []snapshot.Output{{Name: "o", Lag: f}}}
		got := scrape(t, s, "aggregator_output_lag_seconds", "text/plain")
		if !slices.Equal(got, []string{`aggregator_output_lag_seconds{output="o"} ` + want}) {
			t.Errorf("%v: %q", f, got)
		}
	}
}

// Every help is a sentence, in which nothing has to be escaped, and every label is a name.
func TestHelps(t *testing.T) {
	for _, f := range families() {
		if !strings.HasSuffix(f.help, ".") || strings.ContainsAny(f.help, "\n\\") {
			t.Errorf("%s: %q", f.name, f.help)
		}
		for i, label := range f.labels {
			if label == "" || strings.ToLower(label) != label || slices.Contains(f.labels[:i], label) {
				t.Errorf("%s has the labels %q", f.name, f.labels)
			}
		}
		set := 0
		for _, is := range []bool{f.counter != nil, f.seconds != nil, f.gauge != nil, f.histogram != nil} {
			if is {
				set++
			}
		}
		if set != 1 {
			t.Errorf("%s is %d things at once", f.name, set)
		}
	}
}
