package deployments

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

const alertsFile = chartDir + "/files/alerts.yaml"

// alert is an alert of a rule file for Prometheus.
type alert struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func alerts(t *testing.T) []alert {
	t.Helper()
	text, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []alert
		}
	}
	if err := yaml.UnmarshalStrict(text, &file); err != nil {
		t.Fatal(err)
	}
	var all []alert
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("there are no alerts")
	}
	return all
}

// TestAlerts parses each expression as Prometheus does, and holds that the program has such metrics with such labels.
func TestAlerts(t *testing.T) {
	metrics := documentedMetrics(t)
	operations, err := os.ReadFile(repository + "/docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, a := range alerts(t) {
		t.Run(a.Alert, func(t *testing.T) {
			if seen[a.Alert] || !strings.HasPrefix(a.Alert, "Aggregator") {
				t.Error("the name is taken, or not the program's")
			}
			seen[a.Alert] = true
			if !strings.Contains(string(operations), "\n### "+a.Alert+"\n") {
				t.Error("docs/operations.md doesn't say what to do")
			}
			checkExpr(t, a.Expr, metrics)
			if a.For != "" {
				if _, err := time.ParseDuration(a.For); err != nil {
					t.Error(err)
				}
			}
			if s := a.Labels["severity"]; s != "critical" && s != "warning" {
				t.Errorf("severity is %q", s)
			}
			for _, key := range []string{"summary", "description"} {
				// Prometheus puts these variables before each template.
				text := "{{$labels := .Labels}}{{$value := .Value}}" + a.Annotations[key]
				functions := template.FuncMap{
					"humanize": func(any) string { return "" }, "humanizeDuration": func(any) string { return "" },
					"humanizePercentage": func(any) string { return "" },
				}
				parsed, err := template.New(key).Option("missingkey=error").Funcs(functions).Parse(text)
				if err != nil || a.Annotations[key] == "" {
					t.Errorf("%s: %q: %v", key, a.Annotations[key], err)
					continue
				}
				labels := map[string]string{}
				for _, l := range []string{
					"instance", "job", "output", "cluster", "listener", "loop", "owner", "state",
				} {
					labels[l] = "x"
				}
				if err := parsed.Execute(
					&strings.Builder{}, map[string]any{"Labels": labels, "Value": 1.0},
				); err != nil {
					t.Errorf("%s: %v", key, err)
				}
			}
		})
	}
}

// checkExpr parses an expression as Prometheus does, and holds that the program has the metrics in it, with their
// labels.
func checkExpr(t *testing.T, text string, metrics map[string]map[string]bool) {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		t.Fatal(err)
	}
	used := 0
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok || selector.Name == "up" {
			return nil
		}
		used++
		known, there := metrics[selector.Name]
		if !there {
			known, there = metrics[strings.TrimSuffix(selector.Name, "_bucket")]
		}
		if !there {
			t.Errorf("the program has no metric %s", selector.Name)
		}
		for _, m := range selector.LabelMatchers {
			if m.Name != "__name__" && !known[m.Name] {
				t.Errorf("%s has no label %s", selector.Name, m.Name)
			}
		}
		return nil
	})
	if used == 0 {
		t.Error("it looks at no metric of the program")
	}
}

// TestDashboards holds the same of the queries in docs/operations.md.
func TestDashboards(t *testing.T) {
	metrics := documentedMetrics(t)
	text, err := os.ReadFile(repository + "/docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| what | PromQL |")
	queries := regexp.MustCompile("(?m)^\\| ([^|]+) \\| `([^`]+)` \\|$").FindAllStringSubmatch(table, -1)
	if len(queries) < 8 {
		t.Fatalf("%d queries", len(queries))
	}
	for _, q := range queries {
		t.Run(q[1], func(t *testing.T) { checkExpr(t, q[2], metrics) })
	}
}

// documentedMetrics returns the labels of each metric in docs/metrics.md, which a test of the program keeps true.
func documentedMetrics(t *testing.T) map[string]map[string]bool {
	t.Helper()
	text, err := os.ReadFile(repository + "/docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(aggregator_\\w+)` \\| \\w+ \\| ([^|]*) \\|").
		FindAllStringSubmatch(string(text), -1) {
		all[m[1]] = map[string]bool{}
		for _, l := range strings.Split(m[2], ",") {
			all[m[1]][strings.TrimSpace(l)] = true
		}
	}
	if len(all) < 50 {
		t.Fatalf("docs/metrics.md has %d metrics", len(all))
	}
	return all
}

// TestPrometheusRule holds that the chart's rules are those of the file, with the place of each runbook.
func TestPrometheusRule(t *testing.T) {
	o := render(t, parseValues(t, "monitoring: {prometheusRule: {enabled: true}}"))
	want := alerts(t)
	rules := only(t, o.rules).Spec.Groups[0].Rules
	if len(rules) != len(want) {
		t.Fatalf("%d rules of %d", len(rules), len(want))
	}
	for i, r := range rules {
		if r.Alert != want[i].Alert || r.Expr.StrVal != want[i].Expr {
			t.Errorf("rule %d is %s %s", i, r.Alert, r.Expr.StrVal)
		}
		if !strings.HasSuffix(r.Annotations["runbook_url"], "docs/operations.md#"+strings.ToLower(r.Alert)) {
			t.Errorf("%s: runbook_url is %q", r.Alert, r.Annotations["runbook_url"])
		}
	}
}
