// Package agents checks the agents' files without the agents: that they parse, hold only settings that exist, agree
// with each other, keep the promises and are explained. What the agents themselves say to them is in test/e2e.
package agents

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// section is one section of a Fluent Bit configuration: its kind and its settings, with keys in lower case.
type section struct {
	kind     string // service, input, filter, output
	settings map[string]string
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// classic reads sections in Fluent Bit's classic form.
func classic(t *testing.T, text string) (sections []section) {
	t.Helper()
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			sections = append(sections, section{strings.ToLower(strings.Trim(line, "[]")), map[string]string{}})
		default:
			key, value, ok := strings.Cut(line, " ")
			key = strings.ToLower(key)
			if len(sections) == 0 || !ok {
				t.Fatalf("not a setting: %q", line)
			}
			settings := sections[len(sections)-1].settings
			if _, twice := settings[key]; twice {
				t.Errorf("%s is set twice", key)
			}
			settings[key] = normal(value)
		}
	}
	return sections
}

// normal makes values that mean the same equal.
func normal(value string) string {
	value = strings.TrimSpace(value)
	switch strings.ToLower(value) {
	case "on", "yes", "true":
		return "true"
	case "off", "no", "false":
		return "false"
	}
	return value
}

// modern reads sections in Fluent Bit's YAML form.
func modern(t *testing.T, text string) (sections []section) {
	t.Helper()
	var file struct {
		Service  map[string]string
		Pipeline struct{ Inputs, Filters, Outputs []map[string]string }
	}
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		t.Fatal(err)
	}
	add := func(kind string, all ...map[string]string) {
		for _, settings := range all {
			for k, v := range settings {
				settings[k] = normal(v)
			}
			sections = append(sections, section{kind, settings})
		}
	}
	add("service", file.Service)
	add("input", file.Pipeline.Inputs...)
	add("filter", file.Pipeline.Filters...)
	add("output", file.Pipeline.Outputs...)
	return sections
}

// chart reads the sections that the Helm values hold.
func chart(t *testing.T, text string) []section {
	t.Helper()
	var values struct {
		Config struct{ Service, Inputs, Filters, Outputs string }
	}
	if err := yaml.Unmarshal([]byte(text), &values); err != nil {
		t.Fatal(err)
	}
	c := values.Config
	return classic(t, c.Service+"\n"+c.Inputs+"\n"+c.Filters+"\n"+c.Outputs)
}

// settings are those that Fluent Bit 5.1 has, as far as anyone may want them here.
func settings() map[string]string {
	const input = "name tag storage.type mem_buf_limit storage.pause_on_chunks_overlimit threaded "
	return map[string]string{
		"service": "flush grace log_level daemon parsers_file http_server http_listen http_port health_check " +
			"storage.path storage.sync " +
			"storage.checksum storage.max_chunks_up storage.backlog.mem_limit storage.metrics " +
			"storage.delete_irrecoverable_chunks scheduler.base scheduler.cap",
		"input tail": input +
			"path exclude_path multiline.parser parser db db.sync db.locking read_from_head refresh_interval " +
			"rotate_wait " +
			"buffer_chunk_size buffer_max_size skip_long_lines path_key offset_key ignore_older",
		"input forward": input +
			"listen port buffer_chunk_size buffer_max_size shared_key self_hostname tag_prefix",
		"input opentelemetry": input +
			"listen port tag_key tag_from_uri successful_response_code logs_metadata_key logs_body_key buffer_max_size",
		"filter kubernetes": "name match merge_log keep_log k8s-logging.parser k8s-logging.exclude buffer_size " +
			"labels annotations " +
			"kube_url kube_tag_prefix use_kubelet kubelet_port merge_log_key",
		"output forward": "name match host port shared_key self_hostname username password require_ack_response " +
			"retry_limit compress workers " +
			"storage.total_limit_size time_as_integer retain_metadata_in_forward_mode empty_shared_key send_options " +
			"unix_path upstream tag " +
			"tls tls.verify tls.verify_hostname tls.vhost tls.ca_file tls.crt_file tls.key_file tls.min_version " +
			"net.connect_timeout net.io_timeout net.tcp_keepalive net.tcp_keepalive_time net.keepalive " +
			"net.keepalive_idle_timeout " +
			"net.keepalive_max_recycle net.max_worker_connections net.source_address",
	}
}

// fluentBitFiles are the files of Fluent Bit and how to read each.
func fluentBitFiles() map[string]func(*testing.T, string) []section {
	return map[string]func(*testing.T, string) []section{
		"fluent-bit/fluent-bit.conf": classic, "fluent-bit/fluent-bit.yaml": modern, "fluent-bit/values.yaml": chart,
		"docker/fluent-bit.conf": classic, "opentelemetry/fluent-bit.conf": classic,
	}
}

func TestFluentBit(t *testing.T) {
	readme := strings.ToLower(read(t, "README.md"))
	for name, parse := range fluentBitFiles() {
		t.Run(name, func(t *testing.T) {
			sections := parse(t, read(t, name))
			kinds := map[string]int{}
			for _, s := range sections {
				kinds[s.kind]++
				known := strings.Fields(settings()[strings.TrimSpace(s.kind+" "+s.settings["name"])])
				for key, value := range s.settings {
					if !slices.Contains(known, key) {
						t.Errorf("%s %s: Fluent Bit has no %s", s.kind, s.settings["name"], key)
					}
					if !strings.Contains(readme, "`"+key) && !strings.Contains(readme, "`"+key+"`") {
						t.Errorf("README.md says nothing about %s", key)
					}
					if key == "shared_key" && value != "${AGGREGATOR_SHARED_KEY}" {
						t.Errorf("the key stands in the file: %s", value)
					}
				}
				promises(t, s)
			}
			if kinds["service"] != 1 || kinds["input"] == 0 || kinds["output"] != 1 {
				t.Errorf("sections: %v", kinds)
			}
		})
	}
}

// promises checks the settings without which an agent loses events.
func promises(t *testing.T, s section) {
	t.Helper()
	for kind, want := range map[string]map[string]string{
		"service": {"storage.path": "/var/lib/fluent-bit/chunks", "scheduler.cap": "30"},
		"input":   {"storage.type": "filesystem"},
		"output": {
			"name": "forward", "require_ack_response": "true", "retry_limit": "no_limits", "tls": "true",
			"tls.verify": "true", "tls.verify_hostname": "true",
			"shared_key": "${AGGREGATOR_SHARED_KEY}", "self_hostname": "${NODE_NAME}", "net.io_timeout": "60",
			"net.keepalive_max_recycle": "200",
		},
		"tail": {
			"db": "/var/lib/fluent-bit/tail.db", "read_from_head": "true", "skip_long_lines": "true", "tag": "kube.*",
		},
	} {
		if s.kind != kind && s.settings["name"] != kind {
			continue
		}
		for key, value := range want {
			if s.settings[key] != value {
				t.Errorf("%s: %s is %q, want %q", kind, key, s.settings[key], value)
			}
		}
	}
}

// TestFluentBitFormsAgree: classic, YAML and the chart's values say the same, and all send in the same way.
func TestFluentBitFormsAgree(t *testing.T) {
	want := classic(t, read(t, "fluent-bit/fluent-bit.conf"))
	for name, parse := range fluentBitFiles() {
		got := parse(t, read(t, name))
		if strings.HasPrefix(name, "fluent-bit/") {
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s differs from fluent-bit.conf:\n%v\n%v", name, got, want)
			}
			continue
		}
		if last := len(got) - 1; !reflect.DeepEqual(got[last], want[len(want)-1]) {
			t.Errorf("the output of %s differs from fluent-bit.conf's:\n%v\n%v", name, got[last], want[len(want)-1])
		}
	}
}

// TestComposeAgrees: the agents of the Compose demo are the shipped ones, without TLS and without the Kubernetes API.
func TestComposeAgrees(t *testing.T) {
	var want []section
	for _, s := range classic(t, read(t, "fluent-bit/fluent-bit.conf")) {
		maps.DeleteFunc(s.settings, func(key, _ string) bool { return strings.HasPrefix(key, "tls") })
		if s.kind != "filter" {
			want = append(want, s)
		}
	}
	if got := classic(t, read(t, "../compose/fluent-bit/fluent-bit.conf")); !reflect.DeepEqual(got, want) {
		t.Errorf("it differs:\n%v\n%v", got, want)
	}
}

// TestChartValues: what the sections take from the environment and from files is there, from Secrets where it is
// secret.
func TestChartValues(t *testing.T) {
	text := read(t, "fluent-bit/values.yaml")
	var values struct {
		Env []struct {
			Name, Value string
			ValueFrom   map[string]map[string]string `yaml:"valueFrom"`
		}
		ExtraVolumes []struct {
			Name     string
			HostPath struct{ Path string } `yaml:"hostPath"`
			Secret   struct {
				SecretName string `yaml:"secretName"`
			}
		} `yaml:"extraVolumes"`
		ExtraVolumeMounts []struct {
			Name      string
			MountPath string `yaml:"mountPath"`
		} `yaml:"extraVolumeMounts"`
		TerminationGracePeriodSeconds int `yaml:"terminationGracePeriodSeconds"`
	}
	if err := yaml.Unmarshal([]byte(text), &values); err != nil {
		t.Fatal(err)
	}
	env := map[string]bool{}
	for _, e := range values.Env {
		env[e.Name] = true
		if e.Name == "AGGREGATOR_SHARED_KEY" && (e.Value != "" || e.ValueFrom["secretKeyRef"]["name"] == "") {
			t.Error("the shared key does not come from a Secret")
		}
	}
	for _, used := range regexp.MustCompile(`\$\{(\w+)\}`).FindAllStringSubmatch(text, -1) {
		if !env[used[1]] {
			t.Errorf("nothing sets %s", used[1])
		}
	}
	volumes, mounts := map[string]bool{}, map[string]string{}
	for _, v := range values.ExtraVolumes {
		volumes[v.Name] = true
	}
	for _, m := range values.ExtraVolumeMounts {
		mounts[m.MountPath] = m.Name
		if !volumes[m.Name] {
			t.Errorf("%s is mounted and is no volume", m.Name)
		}
	}
	for _, path := range []string{"/var/lib/fluent-bit", "/fluent-bit/tls"} {
		if mounts[path] == "" {
			t.Errorf("nothing is mounted at %s", path)
		}
	}
	if values.TerminationGracePeriodSeconds <= 30 {
		t.Errorf("the pod has %d s to stop, and Fluent Bit's Grace is 30 s", values.TerminationGracePeriodSeconds)
	}
}

// directives reads a fluentd configuration as "match/buffer/retry_forever" and so on.
func directives(t *testing.T, text string) map[string]string {
	t.Helper()
	found := map[string]string{}
	var path []string
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "</"):
			if len(path) == 0 || path[len(path)-1] != strings.Trim(line, "</>") {
				t.Fatalf("%s ends nothing", line)
			}
			path = path[:len(path)-1]
		case strings.HasPrefix(line, "<"):
			path = append(path, strings.Fields(strings.Trim(line, "<>"))[0])
		default:
			key, value, _ := strings.Cut(line, " ")
			found[strings.Join(append(slices.Clone(path), key), "/")] = strings.TrimSpace(value)
		}
	}
	if len(path) > 0 {
		t.Fatalf("<%s> does not end", path[len(path)-1])
	}
	return found
}

func TestFluentd(t *testing.T) {
	got := directives(t, read(t, "fluentd/fluent.conf"))
	for key, want := range map[string]string{
		"match/@type": "forward", "match/require_ack_response": "true", "match/transport": "tls",
		"match/tls_verify_hostname": "true",
		"match/heartbeat_type":      "none", "match/keepalive": "true",
		"match/security/shared_key": `"#{ENV['AGGREGATOR_SHARED_KEY']}"`,
		"match/buffer/@type":        "file", "match/buffer/retry_forever": "true",
		"match/buffer/overflow_action": "block", "match/buffer/chunk_limit_size": "8MB",
		"source/pos_file": "/var/lib/fluentd/tail.pos", "source/read_from_head": "true",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
	readme := read(t, "README.md")
	for _, key := range slices.Sorted(maps.Keys(got)) {
		name := key[strings.LastIndex(key, "/")+1:]
		if slices.Contains([]string{"log_level", "tag", "host", "port", "path"}, name) {
			continue
		}
		if !strings.Contains(readme, "`"+name) {
			t.Errorf("README.md says nothing about %s", name)
		}
	}
}

func TestDocker(t *testing.T) {
	var daemon struct {
		Driver string            `json:"log-driver"`
		Opts   map[string]string `json:"log-opts"`
	}
	if err := json.Unmarshal([]byte(read(t, "docker/daemon.json")), &daemon); err != nil {
		t.Fatal(err)
	}
	if daemon.Driver != "fluentd" || daemon.Opts["fluentd-async"] != "false" ||
		daemon.Opts["fluentd-request-ack"] != "true" {
		t.Errorf("%+v", daemon)
	}
	known := strings.Fields("env env-regex labels labels-regex tag fluentd-address fluentd-async " +
		"fluentd-async-reconnect-interval " +
		"fluentd-buffer-limit fluentd-max-retries fluentd-request-ack fluentd-retry-wait " +
		"fluentd-sub-second-precision fluentd-write-timeout")
	readme := read(t, "README.md")
	for key := range daemon.Opts {
		if !slices.Contains(known, key) {
			t.Errorf("the driver has no %s", key)
		}
		if key != "fluentd-address" && !strings.Contains(readme, "`"+key) {
			t.Errorf("README.md says nothing about %s", key)
		}
	}
	input := classic(t, read(t, "docker/fluent-bit.conf"))[1].settings
	if got := "tcp://" + input["listen"] + ":" + input["port"]; got != daemon.Opts["fluentd-address"] {
		t.Errorf("Docker sends to %s, Fluent Bit listens at %s", daemon.Opts["fluentd-address"], got)
	}
}

func TestCollector(t *testing.T) {
	var collector struct {
		Exporters map[string]struct {
			Endpoint, Compression, Timeout string
			RetryOnFailure                 map[string]string `yaml:"retry_on_failure"`
			SendingQueue                   map[string]string `yaml:"sending_queue"`
		}
		Extensions map[string]map[string]string
		Receivers  map[string]any
		Service    struct {
			Extensions []string
			Pipelines  map[string]struct{ Receivers, Exporters []string }
		}
	}
	d := yaml.NewDecoder(strings.NewReader(read(t, "opentelemetry/collector.yaml")))
	d.KnownFields(true)
	if err := d.Decode(&collector); err != nil {
		t.Fatal(err)
	}
	logs := collector.Service.Pipelines["logs"]
	for _, name := range logs.Exporters {
		e := collector.Exporters[name]
		if e.RetryOnFailure["max_elapsed_time"] != "0s" || e.SendingQueue["block_on_overflow"] != "true" {
			t.Errorf("%s gives up or drops: %+v", name, e)
		}
		queue := e.SendingQueue["storage"]
		if collector.Extensions[queue]["fsync"] != "true" || !slices.Contains(collector.Service.Extensions, queue) {
			t.Errorf("the queue's storage %q is no extension that is started and syncs", queue)
		}
		input := classic(t, read(t, "opentelemetry/fluent-bit.conf"))[1].settings
		if want := "http://" + input["listen"] + ":" + input["port"]; e.Endpoint != want {
			t.Errorf("the Collector sends to %s, Fluent Bit listens at %s", e.Endpoint, want)
		}
	}
	if len(logs.Exporters) == 0 || len(collector.Receivers) == 0 {
		t.Errorf("no way through: %+v", logs)
	}
}
