package deployments

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// reference is what a secret may be in values: a place to read it from, and no default that would be the secret itself.
const reference = `^\$\{(file:[^}]+|env:[A-Za-z_][A-Za-z0-9_]*)\}$`

// TestSchema keeps the part of values.schema.json that comes from the program's own schema: the keys of config, without
// those that the chart sets, and with secrets by reference only.
func TestSchema(t *testing.T) {
	out, err := exec.Command(program, "schema").Output()
	if err != nil {
		t.Fatal(err)
	}
	var own map[string]any
	if err := json.Unmarshal(out, &own); err != nil {
		t.Fatal(err)
	}
	noSecrets(own)
	properties := own["properties"].(map[string]any)
	listener := properties["listeners"].(map[string]any)["items"].(map[string]any)
	take(listener, "name", "address", "tls", "proxy_protocol", "trusted_proxies")
	take(own, "hostname", "listeners", "shutdown_delay", "shutdown_timeout")
	take(properties["buffer"].(map[string]any), "path")
	take(properties["status"].(map[string]any), "address", "token")

	const path = chartDir + "/values.schema.json"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := json.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	defs := own["$defs"].(map[string]any)
	defs["listenerSettings"] = listener
	defs["reference"] = map[string]any{
		"$comment": "twice not, because what is said of a pattern that doesn't match shows the text, which may " +
			"be a secret",
		"type": "string", "not": map[string]any{"not": map[string]any{"pattern": reference}},
	}
	values["$defs"] = defs
	values["properties"].(map[string]any)["config"] = map[string]any{
		"type": "object", "properties": properties, "additionalProperties": false,
		"description": "the aggregator's configuration, without what the chart sets",
	}
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(values); err != nil {
		t.Fatal(err)
	}
	golden(t, path, want.String())
}

// take removes what the chart sets.
func take(object map[string]any, keys ...string) {
	for _, key := range keys {
		delete(object["properties"].(map[string]any), key)
	}
	if required, ok := object["required"].([]any); ok {
		left := []any{}
		for _, r := range required {
			if _, there := object["properties"].(map[string]any)[r.(string)]; there {
				left = append(left, r)
			}
		}
		object["required"] = left
	}
}

// noSecrets lets what the program's schema marks as secret be a reference only, and addresses hold none.
func noSecrets(node any) {
	switch n := node.(type) {
	case map[string]any:
		if n["writeOnly"] == true {
			n["$ref"] = "#/$defs/reference"
		}
		for _, key := range []string{"hosts", "urls"} {
			hosts, ok := n[key]
			if !ok {
				continue
			}
			n[key] = map[string]any{"allOf": []any{hosts, map[string]any{
				"not": map[string]any{"anyOf": []any{
					map[string]any{"type": "string", "pattern": "://[^/]*@"},
					map[string]any{"type": "array", "contains": map[string]any{"pattern": "://[^/]*@"}},
				}},
			}}}
		}
		for _, child := range n {
			noSecrets(child)
		}
	case []any:
		for _, child := range n {
			noSecrets(child)
		}
	}
}

// TestValuesRefused holds what the schema and the templates don't let through, each with a message that names it.
func TestValuesRefused(t *testing.T) {
	for _, tc := range []struct{ name, values, message string }{
		{"a key", "config: {clusters: [{name: a, shared_key: s3cr3t}]}", "shared_key"},
		{"a key in a list", "config: {clusters: [{name: a, shared_key: [s3cr3t]}]}", "shared_key"},
		{"a key as a default", "config: {clusters: [{name: a, shared_key: \"${env:KEY:-s3cr3t}\"}]}", "shared_key"},
		{
			"a key with a reference in it", "config: {clusters: [{name: a, shared_key: \"s3cr3t${env:KEY}\"}]}",
			"shared_key",
		},
		{"a user's password", "config: {clusters: [{name: a, users: [{name: u, password: s3cr3t}]}]}", "password"},
		{
			"a password",
			"config: {outputs: {es: {type: elasticsearch, hosts: ['http://es'], index: a, password: s3cr3t}}}",
			"password",
		},
		{
			"an API key",
			"config: {outputs: {es: {type: elasticsearch, hosts: ['http://es'], index: a, api_key: s3cr3t}}}",
			"api_key",
		},
		{
			"a password in an address",
			"config: {outputs: {es: {type: elasticsearch, hosts: ['http://u:s3cr3t@es'], index: a}}}", "hosts",
		},
		{
			"an upstream's key", "config: {outputs: {up: {type: forward, servers: [a], shared_key: s3cr3t}}}",
			"shared_key",
		},
		{"a password of the status", "config: {status: {users: [{name: u, password: s3cr3t}]}}", "password"},
		{"a redaction's key", "config: {filters: {r: [{redact: {builtin: [email], key: s3cr3t}}]}}", "key"},
		{"a secret in the environment", "env: [{name: AWS_SECRET_ACCESS_KEY, value: s3cr3t}]", "env"},
		{"a typo", "replica: 3", "replica"},
		{"a typo below", "service: {typ: LoadBalancer}", "typ"},
		{
			"a typo in the configuration",
			"config: {outputs: {es: {type: elasticsearch, hosts: ['http://es'], indx: a}}}", "indx",
		},
		{"a listener's typo", "listeners: {forward: {settings: {max_conections: 1}}}", "max_conections"},
		{"an unknown output", "config: {outputs: {es: {type: elastic}}}", "type"},
		{"a wrong type", "replicas: many", "replicas"},
		{"what the chart sets", "config: {hostname: a}", "hostname"},
		{"where the queue is", "config: {buffer: {path: /tmp}}", "path"},
		{"anybody may send from outside", "service: {type: LoadBalancer}", "anybody could send"},
		{"TLS without a certificate", "tls: {enabled: true}", "tls.existingSecret"},
		{"two certificates", "tls: {enabled: true, existingSecret: a, certManager: {enabled: true}}", "choose one"},
		{"a certificate of nobody", "tls: {enabled: true, certManager: {enabled: true}}", "issuerRef.name"},
		{"headers of anybody", "service: {proxyProtocol: required}", "trustedProxies"},
		{
			"PROXY where there is none",
			"service: {provider: gcp, proxyProtocol: required, trustedProxies: [10.0.0.0/8]}", "gcp",
		},
		{"drain of a volume in use", "drain: {enabled: true, ordinals: [1]}", "pod 1 is one of the 2 replicas"},
		{
			"drain of a volume that a scaler may use",
			"drain: {enabled: true, ordinals: [5]}\nautoscaling: {enabled: true}", "pod 5 is one of the 6 replicas",
		},
		{"drain of nothing", "drain: {enabled: true}", "drain.ordinals"},
		{
			"drain of volumes that there are not",
			"drain: {enabled: true, ordinals: [7]}\n" +
				"config: {buffer: {type: jetstream, jetstream: {urls: ['nats://n:4222']}}}",
			"drain.claims",
		},
		{
			"a login in the address of the queue's servers",
			"config: {buffer: {type: jetstream, jetstream: {urls: ['nats://a:s3cr3t@n:4222']}}}", "urls",
		},
		{
			"a handover without a key", "drain: {enabled: true, ordinals: [3], to: 'aggregator-0:24230'}",
			"drain.sharedKeySecret.name",
		},
		{"a certificate that nothing uses", "tls: {existingSecret: a}", "tls.enabled"},
		{"an authority that nothing asks", "tls: {clientCA: {existingSecret: a}}", "tls.enabled"},
		{
			"probes without a certificate", "config: {status: {tls: {cert_file: a, key_file: b, client_ca_file: c}}}",
			"client_auth: request",
		},
		{"no way in", "listeners: {forward: {expose: false}}", "expose: true"},
		{"two listeners at one port", "listeners: {plain: {port: 24224}}", "24224 is listeners.forward.port already"},
		{"a listener at the status's port", "listeners: {forward: {port: 9880}}", "9880 is status.port already"},
		{"a port of nodes that have none", "listeners: {forward: {nodePort: 30224}}", "service.type is NodePort"},
		{"a name that no Service can have", "fullnameOverride: Log_Aggregator", "fullnameOverride"},
		{"a volume that is no size", "persistence: {enabled: false, size: 1000m}", "persistence.size"},
		{"a scaler upside down", "autoscaling: {enabled: true, minReplicas: 9}", "maxReplicas"},
		{
			"a Secret that isn't mounted",
			"config: {clusters: [{name: a, shared_key: \"${file:/etc/aggregator/secrets/keys/a}\"}]}",
			"secrets doesn't list keys",
		},
		{
			"a Secret's name misspelt",
			"secrets: [keys]\nconfig: {clusters: [{name: a, shared_key: \"${file:/etc/aggregator/secrets/key/a}\"}]}",
			"secrets doesn't list key",
		},
		{
			"a file that isn't mounted",
			"config: {filters: {f: [{lookup: {field: a, file: /etc/aggregator/files/a.csv}}]}}",
			"files doesn't list a.csv",
		},
		{
			"a certificate that isn't mounted",
			"config: {status: {tls: {cert_file: /etc/aggregator/tls/tls.crt, key_file: /etc/aggregator/tls/tls.key}}}",
			"tls.enabled",
		},
		{"memory that is no size", "resources: {limits: {memory: 1Gib}}", "memory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := manifests(t, parseValues(t, tc.values))
			if err == nil || !strings.Contains(err.Error(), tc.message) {
				t.Errorf("want an error with %q, got %v", tc.message, err)
			}
			if err != nil && strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
}
