package deployments

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	k8syaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// objects is what a chart or a kustomization makes, each kind by name.
type objects struct {
	statefulSets    map[string]*apps.StatefulSet
	deployments     map[string]*apps.Deployment
	services        map[string]*core.Service
	configMaps      map[string]*core.ConfigMap
	serviceAccounts map[string]*core.ServiceAccount
	jobs            map[string]*batch.Job
	budgets         map[string]*policy.PodDisruptionBudget
	policies        map[string]*networking.NetworkPolicy
	scalers         map[string]*autoscaling.HorizontalPodAutoscaler
	certificates    map[string]*certmanager.Certificate
	monitors        map[string]*monitoring.ServiceMonitor
	rules           map[string]*monitoring.PrometheusRule
	all             []runtime.Object
}

// decode reads manifests into the API's types. A field that they don't have, or that comes twice, is an error.
func decode(manifests []byte) (*objects, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		apps.AddToScheme, autoscaling.AddToScheme, batch.AddToScheme, core.AddToScheme, networking.AddToScheme,
		policy.AddToScheme,
		certmanager.AddToScheme, monitoring.AddToScheme,
	} {
		utilruntime.Must(add(scheme))
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	o := &objects{
		map[string]*apps.StatefulSet{},
		map[string]*apps.Deployment{},
		map[string]*core.Service{},
		map[string]*core.ConfigMap{},
		map[string]*core.ServiceAccount{},
		map[string]*batch.Job{},
		map[string]*policy.PodDisruptionBudget{},
		map[string]*networking.NetworkPolicy{},
		map[string]*autoscaling.HorizontalPodAutoscaler{},
		map[string]*certmanager.Certificate{},
		map[string]*monitoring.ServiceMonitor{},
		map[string]*monitoring.PrometheusRule{},
		nil,
	}
	documents := k8syaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifests)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return o, nil
		}
		if err != nil {
			return nil, err
		}
		if filled, err := hasContent(document); err != nil || !filled {
			if err != nil {
				return nil, err
			}
			continue
		}
		object, _, err := decoder.Decode(document, nil, nil)
		if err != nil {
			return nil, fmt.Errorf("%w in\n%s", err, document)
		}
		if err := o.add(object); err != nil {
			return nil, err
		}
	}
}

// hasContent reports whether the document is more than comments.
func hasContent(document []byte) (bool, error) {
	var content any
	err := yaml.Unmarshal(document, &content)
	return content != nil, err
}

func (o *objects) add(object runtime.Object) error {
	o.all = append(o.all, object)
	switch x := object.(type) {
	case *apps.StatefulSet:
		return put(o.statefulSets, x.Name, x)
	case *apps.Deployment:
		return put(o.deployments, x.Name, x)
	case *core.Service:
		return put(o.services, x.Name, x)
	case *core.ConfigMap:
		return put(o.configMaps, x.Name, x)
	case *core.ServiceAccount:
		return put(o.serviceAccounts, x.Name, x)
	case *batch.Job:
		return put(o.jobs, x.Name, x)
	case *policy.PodDisruptionBudget:
		return put(o.budgets, x.Name, x)
	case *networking.NetworkPolicy:
		return put(o.policies, x.Name, x)
	case *autoscaling.HorizontalPodAutoscaler:
		return put(o.scalers, x.Name, x)
	case *certmanager.Certificate:
		return put(o.certificates, x.Name, x)
	case *monitoring.ServiceMonitor:
		return put(o.monitors, x.Name, x)
	case *monitoring.PrometheusRule:
		return put(o.rules, x.Name, x)
	}
	return fmt.Errorf("no test knows about a %T", object)
}

func put[T any](all map[string]T, name string, x T) error {
	if _, twice := all[name]; twice {
		return fmt.Errorf("two %T are called %s", x, name)
	}
	all[name] = x
	return nil
}

// only returns the one object of a kind.
func only[T any](t *testing.T, all map[string]T) T {
	t.Helper()
	if len(all) != 1 {
		t.Fatalf("want one object of its kind, have %v", slices.Sorted(maps.Keys(all)))
	}
	for _, x := range all {
		return x
	}
	panic("unreachable")
}

// workload is what makes the pods: a StatefulSet, or a Deployment where the queue is on JetStream.
type workload struct {
	kind, name, service string // service: headless, of a StatefulSet
	selector            *meta.LabelSelector
	pod                 core.PodTemplateSpec
	replicas            *int32
	claims              []core.PersistentVolumeClaim
}

func (o *objects) workload(t *testing.T) workload {
	t.Helper()
	if len(o.deployments) > 0 {
		d := only(t, o.deployments)
		if len(o.statefulSets) > 0 {
			t.Error("there is a stateful set beside the deployment")
		}
		return workload{"Deployment", d.Name, "", d.Spec.Selector, d.Spec.Template, d.Spec.Replicas, nil}
	}
	s := only(t, o.statefulSets).Spec
	return workload{
		"StatefulSet", only(t, o.statefulSets).Name, s.ServiceName, s.Selector, s.Template, s.Replicas,
		s.VolumeClaimTemplates,
	}
}

func loadChart(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.Load(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// templates renders the chart as helm template does and returns its files by name. The values are checked against the
// chart's schema.
func templates(t *testing.T, values chartutil.Values) (map[string]string, error) {
	t.Helper()
	return templatesOf(t, "aggregator", values)
}

// templatesOf is templates for a release of another name.
func templatesOf(t *testing.T, name string, values chartutil.Values) (map[string]string, error) {
	t.Helper()
	c := loadChart(t)
	release := chartutil.ReleaseOptions{Name: name, Namespace: "logging", Revision: 1, IsInstall: true}
	render, err := chartutil.ToRenderValues(c, values, release, nil)
	if err != nil {
		return nil, err
	}
	return engine.Render(c, render)
}

// manifests renders the chart into one stream of objects.
func manifests(t *testing.T, values chartutil.Values) ([]byte, error) {
	t.Helper()
	files, err := templates(t, values)
	if err != nil {
		return nil, err
	}
	return join(files), nil
}

// join returns the manifests among rendered files as one stream.
func join(files map[string]string) []byte {
	var all bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, ".yaml") {
			fmt.Fprintf(&all, "---\n%s\n", files[name])
		}
	}
	return all.Bytes()
}

func render(t *testing.T, values chartutil.Values) *objects {
	t.Helper()
	stream, err := manifests(t, values)
	if err != nil {
		t.Fatal(err)
	}
	o, err := decode(stream)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func parseValues(t *testing.T, text string) chartutil.Values {
	t.Helper()
	values, err := chartutil.ReadValues([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// matrix returns the values that the chart is tested with: none, the files of ci/, those of the moves and of the
// documents, and each load balancer.
func matrix(t *testing.T) map[string]chartutil.Values {
	t.Helper()
	cases := map[string]string{"defaults": ""}
	for _, pattern := range []string{chartDir + "/ci/*-values.yaml", "../moves/*/values.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimSuffix(filepath.Base(file), "-values.yaml")
			if filepath.Base(file) == "values.yaml" {
				name = "move " + filepath.Base(filepath.Dir(file))
			}
			cases[name] = string(text)
		}
	}
	for _, document := range []string{repository + "/docs/kubernetes.md", chartDir + "/README.md"} {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range regexp.MustCompile("(?ms)^```yaml\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "\nconfig:\n") {
				cases[fmt.Sprintf("example %d of %s", i, document)] = m[1]
			}
		}
	}
	if len(cases) < 5 {
		t.Fatalf("few values files were found: %v", slices.Sorted(maps.Keys(cases)))
	}
	const key = "config: {clusters: [{name: a, shared_key: " +
		"\"${file:/etc/aggregator/secrets/keys/a}\"}]}\nsecrets: [keys]\n"
	for _, provider := range []string{"aws", "azure", "gcp", "digitalocean", "hetzner"} {
		cases["balancer of "+provider] = key + "service: {type: LoadBalancer, provider: " + provider + "}\n"
		cases["public balancer of "+provider] = key + "service: {type: LoadBalancer, internal: false, provider: " +
			provider + "}\n"
	}
	for _, provider := range []string{"aws", "digitalocean", "hetzner"} {
		cases["PROXY protocol of "+provider] = key +
			"service: {type: LoadBalancer, proxyProtocol: optional, trustedProxies: [10.0.0.0/8], provider: " +
			provider + "}\n"
	}
	cases["a port of the nodes"] = key + "service: {type: NodePort}\nlisteners: {forward: {nodePort: 30224}}\n"
	values := make(map[string]chartutil.Values, len(cases))
	for name, text := range cases {
		values[name] = parseValues(t, text)
	}
	return values
}
