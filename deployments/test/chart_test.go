package deployments

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"sigs.k8s.io/yaml"
)

// TestLint is helm lint --strict with each set of values.
func TestLint(t *testing.T) {
	for name, values := range matrix(t) {
		t.Run(name, func(t *testing.T) {
			for _, m := range lint.All(chartDir, values, "logging", true).Messages {
				if m.Severity > support.InfoSev {
					t.Error(m)
				}
			}
		})
	}
}

// TestChart renders each set of values. Every object is decoded strictly, and what one object says of another is true.
func TestChart(t *testing.T) {
	for name, values := range matrix(t) {
		t.Run(name, func(t *testing.T) {
			o := render(t, values)
			coalesced, err := chartutil.CoalesceValues(loadChart(t), values)
			if err != nil {
				t.Fatal(err)
			}
			checkObjects(t, o, secretsOf(t, coalesced))
		})
	}
}

// TestLongName renders a release with the longest name that Helm takes.
func TestLongName(t *testing.T) {
	values := parseValues(t,
		"drain: {enabled: true, ordinals: [10]}\nfiles: {a: b}\ntls: {enabled: true, certManager: {enabled: true, "+
			"issuerRef: {name: a}}}")
	files, err := templatesOf(t, strings.Repeat("long.release-", 5)[:53], values)
	if err != nil {
		t.Fatal(err)
	}
	o, err := decode(join(files))
	if err != nil {
		t.Fatal(err)
	}
	checkObjects(t, o, map[string]bool{})
}

// TestNamesInYAML gives things names that are something else than text in YAML.
func TestNamesInYAML(t *testing.T) {
	values := parseValues(t, `
tls: {enabled: true, existingSecret: "y", clientCA: {existingSecret: "12"}}
status: {tokenSecret: {name: "on"}}
secrets: ["1e3", "null"]
image: {pullSecrets: ["no"]}
serviceAccount: {name: "77"}
priorityClassName: "off"
persistence: {storageClass: "1"}
listeners: {"n": {port: 24225, expose: true}}
networkPolicy: {enabled: true}
drain: {enabled: true, claims: ["0x1"]}
config: {clusters: [{name: a, shared_key: "${file:/etc/aggregator/secrets/1e3/a}"}]}
service: {type: LoadBalancer, loadBalancerClass: "5"}
`)
	o := render(t, values)
	checkObjects(t, o, map[string]bool{"y": true, "12": true, "on": true, "1e3": true, "null": true})
}

// TestOwnLimits holds that a variable that the values set is not there twice.
func TestOwnLimits(t *testing.T) {
	o := render(t, parseValues(t, "env: [{name: GOMEMLIMIT, value: 500MiB}, {name: GOMAXPROCS, value: \"3\"}]"))
	got := map[string]string{}
	for _, e := range only(t, o.statefulSets).Spec.Template.Spec.Containers[0].Env {
		if _, twice := got[e.Name]; twice {
			t.Errorf("%s is there twice", e.Name)
		}
		got[e.Name] = e.Value
	}
	if got["GOMEMLIMIT"] != "500MiB" || got["GOMAXPROCS"] != "3" {
		t.Errorf("the environment is %v", got)
	}
}

// TestSpace holds that a queue on the node's disk stays below what the pod is evicted for, and that a small volume has
// room for one, unless the values say how large it is.
func TestSpace(t *testing.T) {
	for _, tc := range []struct{ values, queue, letters, free string }{
		{"persistence: {enabled: false, size: 8Gi}", "4294967296B", "1073741824B", ""},
		{
			"persistence: {enabled: false, size: 8Gi}\nconfig: {buffer: {max_size: 1GiB, dead_letters: {max_age: 1h}}}",
			"1GiB", "1073741824B", "",
		},
		{"persistence: {size: 1Gi}", "", "134217728B", "134217728B"},
		{"persistence: {size: 1Gi}\nconfig: {buffer: {min_free_disk: 100MiB}}", "", "134217728B", "100MiB"},
		{"persistence: {size: 4Gi}", "", "", ""},
		{"persistence: {size: 1Pi}", "", "", ""},
	} {
		var config struct {
			Buffer struct {
				MaxSize     string `json:"max_size"`
				MinFreeDisk string `json:"min_free_disk"`
				DeadLetters struct {
					MaxSize string `json:"max_size"`
				} `json:"dead_letters"`
			}
		}
		if err := yaml.Unmarshal([]byte(configuration(t, parseValues(t, tc.values))), &config); err != nil {
			t.Fatal(err)
		}
		if b := config.Buffer; b.MaxSize != tc.queue || b.DeadLetters.MaxSize != tc.letters ||
			b.MinFreeDisk != tc.free {
			t.Errorf("%s: the queue may be %q, dead letters %q, and %q stays free", tc.values, b.MaxSize,
				b.DeadLetters.MaxSize, b.MinFreeDisk)
		}
	}
}

// TestNotes holds that what Helm prints has the agents' settings that fit the values, and no template's leftovers.
func TestNotes(t *testing.T) {
	const key = "config: {clusters: [{name: a, shared_key: \"${env:KEY}\"}]}\nenv: [{name: KEY, valueFrom: " +
		"{secretKeyRef: {name: keys, key: a}}}]\n"
	for _, tc := range []struct {
		name, values  string
		with, without []string
	}{
		{
			"defaults", "",
			[]string{
				"Host                      aggregator.logging.svc", "Require_ack_response      true",
				"Retry_Limit               no_limits", "Anybody who reaches", "set service.type to LoadBalancer",
			},
			[]string{"Shared_Key", "tls", "WARNING"},
		},
		{
			"a key", key,
			[]string{"Shared_Key                ${AGGREGATOR_SHARED_KEY}"},
			[]string{"tls.verify", "Anybody", "Username"},
		},
		{
			"certificates", "tls: {enabled: true, existingSecret: a, clientCA: {existingSecret: b}}",
			[]string{"tls.verify_hostname       on", "tls.crt_file"},
			[]string{"Anybody", "Shared_Key"},
		},
		{"no volume", "persistence: {enabled: false}", []string{"WARNING: persistence is off"}, nil},
		{
			"an NLB that would wait for the agent",
			key + "service: {type: LoadBalancer, provider: aws, proxyProtocol: required, trustedProxies: [10.0.0.0/8]}",
			[]string{"WARNING: an AWS NLB", "get service aggregator"},
			nil,
		},
		{
			"users alone", "config: {clusters: [{name: a, users: [{name: u, password: \"${env:KEY}\"}]}]}", []string{
				"Empty_Shared_Key", "Username                  ${AGGREGATOR_USER}",
			}, []string{" Shared_Key", "Anybody"},
		},
		{
			"a load balancer", key + "service: {type: LoadBalancer}\ntls: {enabled: true, existingSecret: a}", []string{
				"logs.example.com", "service.provider is not set", "get service aggregator",
			}, []string{"aggregator.logging.svc", "WARNING", "set service.type"},
		},
		{
			"over the Internet in the clear", key + "service: {type: LoadBalancer, internal: false, provider: gcp}",
			[]string{"WARNING: agents come over the Internet"},
			[]string{"service.provider"},
		},
		{
			"names of a certificate",
			key +
				"service: {type: LoadBalancer, provider: aws}\ntls: {enabled: true, certManager: {enabled: true, " +
				"issuerRef: {name: i}, dnsNames: [logs.corp]}}",
			[]string{"Host                      logs.corp"},
			[]string{"logs.example.com"},
		},
		{
			"another listener",
			"listeners: {forward: null, agents: {port: 24300, expose: true, tls: false}}\ntls: {enabled: true, " +
				"existingSecret: a}",
			[]string{"Port                      24300"},
			[]string{"tls.verify"},
		},
		{
			"status over TLS, on another port",
			"tls: {enabled: true, existingSecret: a}\nstatus: {port: 8080}\nconfig: {status: {tls: {cert_file: " +
				"/etc/aggregator/tls/tls.crt, key_file: /etc/aggregator/tls/tls.key}}}",
			[]string{"https://localhost:8080/", "dead list -c /etc/aggregator/config/aggregator.yaml"},
			nil,
		},
		{"a scaler", "autoscaling: {enabled: true}", []string{"2 to 6 pods"}, nil},
		{"one pod", "replicas: 1", []string{": 1 pod in"}, nil},
		{
			"a port of the nodes", key + "service: {type: NodePort}\nlisteners: {forward: {nodePort: 30224}}", []string{
				"Port                      30224", "any node that has one of the pods", ", port 30224:",
			}, []string{"Put the node's port", "3xxxx"},
		},
		{
			"a port that Kubernetes chooses", key + "service: {type: NodePort, externalTrafficPolicy: Cluster}",
			[]string{"# Put the node's port here.", "at any node:", "3xxxx"},
			[]string{"24224"},
		},
		{
			"a certificate for any name",
			"tls: {enabled: true, certManager: {enabled: true, issuerRef: {name: i}, dnsNames: ['*.corp', " +
				"logs.corp, b.corp]}}",
			[]string{"Host                      logs.corp", "/fluent-bit/tls is"},
			[]string{"AGGREGATOR_SHARED_KEY", "the agent's own"},
		},
		{
			"a user and a certificate",
			"config: {clusters: [{name: a, users: [{name: u, password: \"${env:KEY}\"}]}]}\ntls: {enabled: true, " +
				"existingSecret: a, clientCA: {existingSecret: b}}",
			[]string{
				"AGGREGATOR_USER and AGGREGATOR_PASSWORD", "the agent's own certificate",
			},
			[]string{"AGGREGATOR_SHARED_KEY is"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files, err := templates(t, parseValues(t, tc.values))
			if err != nil {
				t.Fatal(err)
			}
			notes := files["aggregator/templates/NOTES.txt"]
			for _, text := range tc.with {
				if !strings.Contains(notes, text) {
					t.Errorf("no %q in\n%s", text, notes)
				}
			}
			for _, text := range append(tc.without, "<no value>", "%!", "\n\n\n") {
				if strings.Contains(notes, text) {
					t.Errorf("%q is in\n%s", text, notes)
				}
			}
			fluentBit(t, notes)
		})
	}
}

// fluentBit has a real Fluent Bit read the settings in the notes, where FLUENT_BIT names one.
func fluentBit(t *testing.T, notes string) {
	t.Helper()
	binary := os.Getenv("FLUENT_BIT")
	if binary == "" {
		return
	}
	_, settings, _ := strings.Cut(notes, "\n[OUTPUT]\n")
	settings, _, _ = strings.Cut(settings, "\n\n")
	// There are no such files here.
	settings = regexp.MustCompile(`(?m)^\s*tls\.\w+_file .*$`).ReplaceAllString(settings, "")
	path := t.TempDir() + "/fluent-bit.conf"
	write(t, path, "[INPUT]\n    Name dummy\n[OUTPUT]\n"+settings+"\n")
	cmd := exec.CommandContext(t.Context(), binary, "--dry-run", "-c", path)
	cmd.Env = append(os.Environ(), "AGGREGATOR_SHARED_KEY=made-up", "AGGREGATOR_USER=agent",
		"AGGREGATOR_PASSWORD=made-up", "HOSTNAME=node-1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s --dry-run: %v\n%s\n%s", binary, err, out, settings)
	}
}

// secretsOf returns the Secrets that the values say exist, and other things that they say exist.
func secretsOf(t *testing.T, values chartutil.Values) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	for _, path := range []string{"tls.existingSecret", "tls.clientCA.existingSecret", "status.tokenSecret.name"} {
		if name, err := values.PathValue(path); err == nil && name != "" {
			known[name.(string)] = true
		}
	}
	for _, name := range values["secrets"].([]any) {
		known[name.(string)] = true
	}
	return known
}


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
	set := only(t, o.statefulSets)
	pod := set.Spec.Template
	checkSecurity(t, "stateful set", &pod)
	checkPod(t, o, &pod.ObjectMeta, &pod.Spec, claimNames(set.Spec.VolumeClaimTemplates), secrets)
	checkProbes(t, &pod.Spec)
	checkGrace(t, o, &pod.Spec)

	if !selects(t, set.Spec.Selector, pod.Labels) {
		t.Error("the stateful set does not select its own pods")
	}
	if s := o.services[set.Spec.ServiceName]; s == nil || s.Spec.ClusterIP != core.ClusterIPNone {
		t.Errorf("serviceName %q is no headless service", set.Spec.ServiceName)
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
		if h.Spec.ScaleTargetRef.Kind != "StatefulSet" || o.statefulSets[h.Spec.ScaleTargetRef.Name] == nil {
			t.Errorf("scaler %s has no target", h.Name)
		}
		if set.Spec.Replicas != nil {
			t.Error("the stateful set and the scaler both say how many replicas there are")
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
		if selects(t, set.Spec.Selector, j.Spec.Template.Labels) {
			t.Errorf("the stateful set takes the pods of job %s for its own", j.Name)
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

// TestHandoverJob holds that a drain with an address hands over, with its key from a Secret and the flags besides.
func TestHandoverJob(t *testing.T) {
	o := render(t, parseValues(t, `
drain:
  enabled: true
  ordinals: [3]
  to: aggregator-0.logging:24230
  args: ["--rate=20MiB/s"]
  sharedKeySecret: {name: handover, key: key}
`))
	c := only(t, o.jobs).Spec.Template.Spec.Containers[0]
	want := "drain -c /etc/aggregator/config/aggregator.yaml --to=aggregator-0.logging:24230 --rate=20MiB/s"
	if got := strings.Join(c.Args, " "); got != want {
		t.Errorf("args %s, want %s", got, want)
	}
	for _, e := range c.Env {
		if e.Name == "AGGREGATOR_SHARED_KEY" {
			if ref := e.ValueFrom.SecretKeyRef; ref.Name != "handover" || ref.Key != "key" {
				t.Errorf("the key is from %+v", ref)
			}
			return
		}
	}
	t.Error("the Job has no key")
}
