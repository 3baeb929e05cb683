package deployments

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	psa "k8s.io/pod-security-admission/api"
	psapolicy "k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

// checkObjects holds what must be true of the objects whatever made them. Secrets are those that exist elsewhere.
func checkObjects(t *testing.T, o *objects, secrets map[string]bool) {
	t.Helper()
	for _, c := range o.certificates {
		secrets[c.Spec.SecretName] = true
		if c.Spec.IssuerRef.Name == "" || len(c.Spec.DNSNames) == 0 {
			t.Errorf("certificate %s has no issuer or no name", c.Name)
		}
	}
	for _, object := range o.all {
		m := object.(meta.Object)
		for _, wrong := range validation.IsDNS1123Label(m.GetName()) {
			t.Errorf("name %s: %s", m.GetName(), wrong)
		}
		for key, value := range m.GetLabels() {
			for _, wrong := range append(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)...) {
				t.Errorf("%s: label %s: %s: %s", m.GetName(), key, value, wrong)
			}
		}
	}
	set := o.workload(t)
	pod := set.pod
	checkSecurity(t, set.kind, &pod)
	checkPod(t, o, &pod.ObjectMeta, &pod.Spec, claimNames(set.claims), secrets)
	checkProbes(t, &pod.Spec)
	checkGrace(t, o, &pod.Spec)

	if !selects(t, set.selector, pod.Labels) {
		t.Errorf("the %s does not select its own pods", set.kind)
	}
	if s := o.services[set.service]; set.kind == "StatefulSet" && (s == nil || s.Spec.ClusterIP != core.ClusterIPNone) {
		t.Errorf("serviceName %q is no headless service", set.service)
	}
	for _, s := range o.services {
		if !labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(pod.Labels)) {
			t.Errorf("service %s does not select the pods", s.Name)
		}
		if len(s.Spec.Ports) == 0 {
			t.Errorf("service %s has no port", s.Name)
		}
		for _, p := range s.Spec.Ports {
			checkPort(t, "service "+s.Name, &pod.Spec, p.TargetPort)
		}
		if s.Spec.Type == core.ServiceTypeLoadBalancer &&
			slices.ContainsFunc(s.Spec.Ports, func(p core.ServicePort) bool { return p.Name == "status" }) {
			t.Errorf("service %s shows the status to the world", s.Name)
		}
	}
	for _, b := range o.budgets {
		if !selects(t, b.Spec.Selector, pod.Labels) {
			t.Errorf("budget %s does not select the pods", b.Name)
		}
	}
	for _, p := range o.policies {
		if !selects(t, &p.Spec.PodSelector, pod.Labels) {
			t.Errorf("network policy %s does not select the pods", p.Name)
		}
		for _, in := range p.Spec.Ingress {
			for _, port := range in.Ports {
				checkPort(t, "network policy "+p.Name, &pod.Spec, *port.Port)
			}
		}
	}
	for _, h := range o.scalers {
		if h.Spec.ScaleTargetRef.Kind != set.kind || h.Spec.ScaleTargetRef.Name != set.name {
			t.Errorf("scaler %s has no target", h.Name)
		}
		if set.replicas != nil {
			t.Errorf("the %s and the scaler both say how many replicas there are", set.kind)
		}
		// A volume that is left behind may hold events.
		down := h.Spec.Behavior.ScaleDown.SelectPolicy
		if off := down != nil && *down == autoscaling.DisabledPolicySelect; off == (set.kind == "Deployment") {
			t.Errorf("the scaler of a %s takes pods away: %t", set.kind, !off)
		}
	}
	for _, m := range o.monitors {
		found := false
		for _, s := range o.services {
			if selects(t, &m.Spec.Selector, s.Labels) {
				found = true
				for _, e := range m.Spec.Endpoints {
					if !slices.ContainsFunc(s.Spec.Ports, func(p core.ServicePort) bool { return p.Name == e.Port }) {
						t.Errorf("monitor %s: service %s has no port %s", m.Name, s.Name, e.Port)
					}
				}
			}
		}
		if !found {
			t.Errorf("monitor %s selects no service", m.Name)
		}
	}
	for _, j := range o.jobs {
		checkSecurity(t, "job "+j.Name, &j.Spec.Template)
		checkPod(t, o, &j.Spec.Template.ObjectMeta, &j.Spec.Template.Spec, nil, secrets)
		for _, s := range o.services {
			if labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(j.Spec.Template.Labels)) {
				t.Errorf("service %s sends agents to job %s", s.Name, j.Name)
			}
		}
		if selects(t, set.selector, j.Spec.Template.Labels) {
			t.Errorf("the %s takes the pods of job %s for its own", set.kind, j.Name)
		}
	}
}

func selects(t *testing.T, selector *meta.LabelSelector, pod map[string]string) bool {
	t.Helper()
	s, err := meta.LabelSelectorAsSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	return !s.Empty() && s.Matches(labels.Set(pod))
}

func claimNames(claims []core.PersistentVolumeClaim) (names []string) {
	for _, c := range claims {
		names = append(names, c.Name)
	}
	return names
}

// checkSecurity evaluates the pod against the restricted Pod Security Standard, as the admission controller does.
func checkSecurity(t *testing.T, what string, pod *core.PodTemplateSpec) {
	t.Helper()
	evaluator, err := psapolicy.NewEvaluator(psapolicy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := psa.LevelVersion{Level: psa.LevelRestricted, Version: psa.LatestVersion()}
	for _, r := range evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec) {
		if !r.Allowed {
			t.Errorf("%s is not restricted: %s %s", what, r.ForbiddenReason, r.ForbiddenDetail)
		}
	}
	for _, c := range pod.Spec.Containers {
		if c.SecurityContext.ReadOnlyRootFilesystem == nil || !*c.SecurityContext.ReadOnlyRootFilesystem {
			t.Errorf("%s: the root file system can be written to", what)
		}
	}
	if pod.Spec.AutomountServiceAccountToken == nil {
		t.Errorf("%s does not say whether it wants a token", what)
	}
}

// checkPod holds that all that the pod names exists, and that nothing is there in vain.
func checkPod(
	t *testing.T, o *objects, m *meta.ObjectMeta, spec *core.PodSpec, claims []string, secrets map[string]bool,
) {
	t.Helper()
	if len(spec.Containers) != 1 {
		t.Fatalf("%d containers", len(spec.Containers))
	}
	c := spec.Containers[0]
	if m.Annotations["kubectl.kubernetes.io/default-container"] != "" &&
		m.Annotations["kubectl.kubernetes.io/default-container"] != c.Name {
		t.Errorf("the default container is not %s", c.Name)
	}
	sources := maps.Collect(func(yield func(string, bool) bool) {
		for _, v := range spec.Volumes {
			switch {
			case v.ConfigMap != nil && o.configMaps[v.ConfigMap.Name] == nil:
				t.Errorf("volume %s: there is no config map %s", v.Name, v.ConfigMap.Name)
			case v.Secret != nil && !secrets[v.Secret.SecretName]:
				t.Errorf("volume %s: nobody says that secret %s exists", v.Name, v.Secret.SecretName)
			case v.Secret != nil && (v.Secret.DefaultMode == nil || *v.Secret.DefaultMode != 0o440):
				t.Errorf("volume %s: anybody in the pod can read the secret", v.Name)
			}
			if !yield(v.Name, true) {
				return
			}
		}
		for _, name := range claims {
			if !yield(name, true) {
				return
			}
		}
	})
	paths := map[string]string{}
	for _, mount := range c.VolumeMounts {
		if !sources[mount.Name] {
			t.Errorf("mount %s: there is no volume %s", mount.MountPath, mount.Name)
		}
		for path := range paths {
			if strings.HasPrefix(mount.MountPath+"/", path+"/") || strings.HasPrefix(path+"/", mount.MountPath+"/") {
				t.Errorf("mounts %s and %s lie in each other", path, mount.MountPath)
			}
		}
		paths[mount.MountPath] = mount.Name
		if mount.Name != "data" && mount.Name != "scratch" && !mount.ReadOnly {
			t.Errorf("mount %s can be written to", mount.MountPath)
		}
		delete(sources, mount.Name)
	}
	if len(sources) > 0 {
		t.Errorf("volumes that nothing mounts: %v", sources)
	}
	if paths["/var/lib/aggregator"] != "data" {
		t.Error("the data is not on its volume")
	}
	if _, known := o.serviceAccounts[spec.ServiceAccountName]; !known && len(o.serviceAccounts) > 0 {
		t.Errorf("there is no service account %s", spec.ServiceAccountName)
	}
	for _, p := range c.Ports {
		for _, wrong := range validation.IsValidPortName(p.Name) {
			t.Errorf("port %s: %s", p.Name, wrong)
		}
	}
	for _, e := range c.Env {
		if e.Name == "GOMEMLIMIT" && e.Value == "" || e.Name == "GOMAXPROCS" && c.Resources.Limits.Cpu().IsZero() {
			t.Errorf("%s does not follow the limits", e.Name)
		}
	}
	for _, s := range spec.TopologySpreadConstraints {
		if !selects(t, s.LabelSelector, m.Labels) {
			t.Errorf("the spread over %s does not select the pods", s.TopologyKey)
		}
	}
	if a := spec.Affinity; a != nil && a.PodAntiAffinity != nil {
		terms := a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
		for _, w := range a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
			terms = append(terms, w.PodAffinityTerm)
		}
		for _, term := range terms {
			if !selects(t, term.LabelSelector, m.Labels) {
				t.Errorf("the anti-affinity by %s does not select the pods", term.TopologyKey)
			}
		}
	}
}

// checkProbes holds that the probes ask ports that the pod has; TestRun asks the program at these paths.
func checkProbes(t *testing.T, spec *core.PodSpec) {
	t.Helper()
	c := spec.Containers[0]
	for what, probe := range map[string]*core.Probe{
		"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe,
	} {
		if probe == nil || probe.HTTPGet == nil {
			t.Errorf("no %s probe", what)
			continue
		}
		checkPort(t, what+" probe", spec, probe.HTTPGet.Port)
	}
}

// checkGrace holds that the pod is killed only after preStop and the program's own shutdown_timeout, with five seconds
// to spare.
func checkGrace(t *testing.T, o *objects, spec *core.PodSpec) {
	t.Helper()
	c := spec.Containers[0]
	var config struct {
		ShutdownTimeout meta.Duration `json:"shutdown_timeout"`
	}
	for _, v := range spec.Volumes {
		if v.Name == "config" {
			if err := yaml.Unmarshal(
				[]byte(o.configMaps[v.ConfigMap.Name].Data["aggregator.yaml"]), &config,
			); err != nil {
				t.Fatal(err)
			}
		}
	}
	stop := config.ShutdownTimeout.Duration
	if stop == 0 {
		t.Error("the configuration has no shutdown_timeout")
	}
	if c.Lifecycle != nil {
		stop += time.Duration(c.Lifecycle.PreStop.Sleep.Seconds) * time.Second
	}
	if grace := time.Duration(*spec.TerminationGracePeriodSeconds) * time.Second; grace < stop+5*time.Second {
		t.Errorf("the pod is killed after %v, and preStop and the program may take %v", grace, stop)
	}
}

func checkPort(t *testing.T, who string, spec *core.PodSpec, port intstr.IntOrString) {
	t.Helper()
	for _, p := range spec.Containers[0].Ports {
		if port.Type == intstr.String && p.Name == port.StrVal ||
			port.Type == intstr.Int && p.ContainerPort == port.IntVal {
			return
		}
	}
	t.Errorf("%s: the pod has no port %s", who, port.String())
}
