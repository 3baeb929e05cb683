package deployments

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chartutil"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const kustomizeDir = "../kustomize"

// TestKustomizeFiles keeps the manifests that are made of the chart: those of the base, of the monitoring, and the
// configuration of each overlay.
func TestKustomizeFiles(t *testing.T) {
	files, err := templates(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, template := range map[string]string{
		"serviceaccount.yaml": "serviceaccount.yaml", "service.yaml": "service.yaml",
		"statefulset.yaml": "workload.yaml", "poddisruptionbudget.yaml": "poddisruptionbudget.yaml",
	} {
		golden(t, kustomizeDir+"/base/"+name, plain(files["aggregator/templates/"+template]))
	}
	golden(t, kustomizeDir+"/base/aggregator.yaml", configuration(t, nil))
	files, err = templates(t,
		parseValues(t, "monitoring: {serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}}"))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, kustomizeDir+"/components/monitoring/monitoring.yaml",
		plain(files["aggregator/templates/monitoring.yaml"]))
	for _, move := range moves(t) {
		golden(t, kustomizeDir+"/overlays/"+move+"/aggregator.yaml", configuration(t, moveValues(t, move)))
	}
}

// plain is a rendered template without what is Helm's own.
func plain(text string) string {
	var out strings.Builder
	for line := range strings.Lines(strings.TrimLeft(text, "\n")) {
		if label := strings.TrimSpace(line); !strings.HasPrefix(label, "helm.sh/chart:") &&
			!strings.HasPrefix(label, "app.kubernetes.io/managed-by:") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// configuration returns the program's configuration as the chart makes it.
func configuration(t *testing.T, values chartutil.Values) string {
	t.Helper()
	return render(t, values).configMaps["aggregator"].Data["aggregator.yaml"]
}

// moves returns the names of the overlays; each has values of the same name for the chart.
func moves(t *testing.T) (names []string) {
	t.Helper()
	dirs, err := filepath.Glob(kustomizeDir + "/overlays/*")
	if err != nil || len(dirs) != 4 {
		t.Fatalf("overlays are %v: %v", dirs, err)
	}
	for _, dir := range dirs {
		names = append(names, filepath.Base(dir))
	}
	return names
}

func moveValues(t *testing.T, move string) chartutil.Values {
	t.Helper()
	text, err := os.ReadFile("../moves/" + move + "/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return parseValues(t, string(text))
}

// TestKustomize builds base and overlays and holds that they are what the chart makes with the same values.
func TestKustomize(t *testing.T) {
	cases := map[string]chartutil.Values{"base": nil}
	for _, move := range moves(t) {
		cases["overlays/"+move] = moveValues(t, move)
	}
	for dir, values := range cases {
		t.Run(dir, func(t *testing.T) {
			built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).
				Run(filesys.MakeFsOnDisk(), kustomizeDir+"/"+dir)
			if err != nil {
				t.Fatal(err)
			}
			stream, err := built.AsYaml()
			if err != nil {
				t.Fatal(err)
			}
			got, err := decode(stream)
			if err != nil {
				t.Fatal(err)
			}
			coalesced, err := chartutil.CoalesceValues(loadChart(t), values)
			if err != nil {
				t.Fatal(err)
			}
			checkObjects(t, got, secretsOf(t, coalesced))
			g, w := asYAML(t, got.all), asYAML(t, render(t, values).all)
			for name := range w {
				if !bytes.Equal(g[name], w[name]) {
					t.Errorf("%s: kustomize has\n%s\nHelm has\n%s", name, g[name], w[name])
				}
				delete(g, name)
			}
			for name := range g {
				t.Errorf("Helm makes no %s", name)
			}
		})
	}
}

// asYAML returns the objects as YAML by kind and name, without what is Helm's own.
func asYAML(t *testing.T, objects []runtime.Object) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, o := range objects {
		m := o.(meta.Object)
		own := m.GetLabels()
		delete(own, "helm.sh/chart")
		delete(own, "app.kubernetes.io/managed-by")
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if all[o.GetObjectKind().GroupVersionKind().Kind+" "+m.GetName()], err = yaml.JSONToYAML(text); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestMoves holds that the configuration in each move's values is the one that its guide and its tests are about.
func TestMoves(t *testing.T) {
	for _, move := range moves(t) {
		t.Run(move, func(t *testing.T) {
			text, err := os.ReadFile("../moves/" + move + "/aggregator.yaml")
			if err != nil {
				t.Fatal(err)
			}
			var want map[string]any
			if err := yaml.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := yaml.Unmarshal([]byte(configuration(t, moveValues(t, move))), &got); err != nil {
				t.Fatal(err)
			}
			for _, key := range []string{"hostname", "listeners", "status", "shutdown_timeout"} { // the chart's
				delete(want, key)
				delete(got, key)
			}
			g, w := mustYAML(t, got), mustYAML(t, want)
			if g != w {
				t.Errorf("the chart makes\n%s\nof the values; aggregator.yaml says\n%s", g, w)
			}
		})
	}
}

func mustYAML(t *testing.T, v any) string {
	t.Helper()
	text, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
