package deployments

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const (
	dashboardSource = repository + "/deployments/monitoring/dashboard.yaml"
	dashboardFile   = chartDir + "/files/dashboard.json"
	metricsGolden   = repository + "/pkg/status/metrics/testdata/metrics.txt"
)

// dashboard is deployments/monitoring/dashboard.yaml.
type dashboard struct {
	Title string `json:"title"`
	Rows  []struct {
		Title  string  `json:"title"`
		Panels []panel `json:"panels"`
	} `json:"rows"`
}

type panel struct {
	Title   string `json:"title"`
	Help    string `json:"help"`
	Kind    string `json:"kind"` // stat, or series
	Unit    string `json:"unit"`
	Queries []struct {
		Expr   string `json:"expr"`
		Legend string `json:"legend"`
	} `json:"queries"`
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile(dashboardSource)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDashboardSwitch holds that the chart brings the dashboard where that is wanted, as it is.
func TestDashboardSwitch(t *testing.T) {
	const name = "aggregator-dashboard"
	if _, there := render(t, parseValues(t, "")).configMaps[name]; there {
		t.Error("nobody asked for a dashboard")
	}
	want, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	values := parseValues(t, "monitoring: {dashboard: {enabled: true, labels: {team: logs}}}")
	got, there := render(t, values).configMaps[name]
	if !there || strings.TrimSpace(got.Data["aggregator.json"]) != strings.TrimSpace(string(want)) ||
		got.Labels["team"] != "logs" {
		t.Errorf("the ConfigMap is there: %t, with labels %v", there, got.Labels)
	}
}

// object is JSON as Grafana has it.
type object map[string]any

// grafana returns the dashboard for Grafana, whose rows have 24 columns.
func (d *dashboard) grafana() object {
	source := object{"type": "prometheus", "uid": "${datasource}"}
	variable := func(name, metric string) object {
		query := fmt.Sprintf("label_values(%s, %s)", metric, name)
		return object{
			"name": name, "type": "query", "datasource": source, "query": object{"query": query, "refId": name},
			"definition": query,
			"includeAll": true, "multi": true, "allValue": ".*", "current": object{"text": "All", "value": "$__all"},
			"refresh": 2, "sort": 1,
		}
	}
	var panels []object
	id, y := 0, 0
	for _, row := range d.Rows {
		id++
		panels = append(panels, object{
			"id": id, "type": "row", "title": row.Title, "collapsed": false, "panels": []object{},
			"gridPos": object{"h": 1, "w": 24, "x": 0, "y": y},
		})
		y++
		x, high := 0, 0
		for _, p := range row.Panels {
			id++
			kind, w, h := "timeseries", 8, 8
			if p.Kind == "stat" {
				kind, w, h = "stat", 4, 4
			}
			if x+w > 24 {
				x, y = 0, y+high
			}
			panels = append(panels, p.grafana(id, kind, source, object{"h": h, "w": w, "x": x, "y": y}))
			x, high = x+w, h
		}
		y += high
	}
	return object{
		"title": d.Title, "uid": "aggregator", "schemaVersion": 39, "editable": true, "refresh": "30s",
		"timezone": "browser",
		"tags":     []string{"aggregator", "logs"}, "time": object{"from": "now-6h", "to": "now"}, "panels": panels,
		"templating": object{"list": []object{
			{"name": "datasource", "type": "datasource", "query": "prometheus"},
			variable("pod", "aggregator_ready"), variable("cluster", "aggregator_received_events_total"),
			variable("output", "aggregator_output_lag_seconds"),
		}},
	}
}

func (p *panel) grafana(id int, kind string, source, place object) object {
	var targets []object
	for i, q := range p.Queries {
		targets = append(targets, object{
			"refId": string(rune('A' + i)), "expr": q.Expr, "legendFormat": q.Legend, "datasource": source,
		})
	}
	return object{
		"id": id, "type": kind, "title": p.Title, "description": p.Help, "datasource": source, "gridPos": place,
		"targets": targets,
		"fieldConfig": object{
			"defaults":  object{"unit": map[bool]string{true: "short", false: p.Unit}[p.Unit == ""], "min": 0},
			"overrides": []object{},
		},
	}
}

// TestDashboardFile holds that the chart's dashboard is what its source says.
func TestDashboardFile(t *testing.T) {
	d := readDashboard(t)
	text, err := json.MarshalIndent(d.grafana(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, dashboardFile, string(text)+"\n")
}

// scrapes returns what the program has on /metrics, scraped each minute for two hours, of one pod: counters grow.
func scrapes(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(metricsGolden)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	counters := regexp.MustCompile(`_(total|bucket|sum|count)$`)
	sample := regexp.MustCompile(`^(aggregator_\w+)(\{.*\})? ([0-9.e+-]+)`)
	for line := range strings.Lines(string(text)) {
		m := sample.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		labels := `pod="aggregator-0"`
		if inner := strings.Trim(m[2], "{}"); inner != "" {
			labels += ", " + inner
		}
		grows := "0"
		if counters.MatchString(m[1]) {
			grows = "1"
		}
		fmt.Fprintf(&b, "%s{%s} %s+%sx120\n", m[1], labels, m[3], grows)
	}
	if b.Len() == 0 {
		t.Fatalf("%s has no samples", metricsGolden)
	}
	return b.String()
}

// native returns the scrapes as Prometheus keeps them that takes native histograms: without buckets, sums and counts of
// their own.
func native(scraped string) string {
	var b strings.Builder
	parts := regexp.MustCompile(`^(aggregator_\w+_seconds)_(bucket|sum|count)(\{.*\}) `)
	for line := range strings.Lines(scraped) {
		switch m := parts.FindStringSubmatch(line); {
		case m == nil:
			b.WriteString(line)
		case m[2] == "count":
			const grown = "{{schema:3 sum:2 count:7 z_bucket:1 buckets:[1 2 3]}}"
			fmt.Fprintf(&b, "%s%s %s+%sx120\n", m[1], m[3], grown, grown)
		}
	}
	return b.String()
}

// TestDashboardQueries runs each query over the program's own metrics: it must find something, and each panel says what
// it shows.
func TestDashboardQueries(t *testing.T) {
	classic := scrapes(t)
	forms := map[string]string{"classic": classic, "native": native(classic)}
	fill := strings.NewReplacer("$__rate_interval", "5m", "$pod", ".*", "$cluster", ".*", "$output", ".*")
	metrics := documentedMetrics(t)
	for _, labels := range metrics {
		labels["pod"] = true // which Prometheus adds
	}
	titles := map[string]bool{}
	for _, row := range readDashboard(t).Rows {
		for _, p := range row.Panels {
			t.Run(p.Title, func(t *testing.T) {
				if titles[p.Title] || p.Help == "" || len(p.Queries) == 0 || len(row.Title) == 0 {
					t.Errorf("the panel has the name of another, or does not say what it shows: %+v", p)
				}
				titles[p.Title] = true
				for _, q := range p.Queries {
					expr := fill.Replace(q.Expr)
					if strings.Contains(expr, "$") {
						t.Errorf("%s has a variable that the dashboard has not", q.Expr)
					}
					if !strings.Contains(expr, "ALERTS{") { // Prometheus' own
						checkExpr(t, expr, metrics)
					}
					for form, series := range forms {
						if evaluate(t, expr, series) == 0 {
							t.Errorf("%s finds nothing where histograms are %s", expr, form)
						}
					}
				}
			})
		}
	}
}
