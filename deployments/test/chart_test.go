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
	for _, e := range o.workload(t).pod.Spec.Containers[0].Env {
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
