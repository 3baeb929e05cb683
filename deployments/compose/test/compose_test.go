// Package compose holds the tests of the Compose demo. It is a module of its own, so that the loader of Compose files
// stays out of the program's go.mod. No Docker is needed.
package compose

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func load(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../compose.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestServices: what one service says of another, of files and of ports is true.
func TestServices(t *testing.T) {
	project := load(t)
	want := []string{"agent-seoul", "agent-tokyo", "aggregator", "elasticsearch", "kibana", "shop-seoul", "shop-tokyo"}
	if got := project.ServiceNames(); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Fatalf("services %q, want %q", got, want)
	}
	for name, service := range project.Services {
		for on, dependency := range service.DependsOn {
			if dependency.Condition != types.ServiceConditionHealthy || project.Services[on].HealthCheck == nil {
				t.Errorf("%s waits for %s %q, which has a health check: %v", name, on, dependency.Condition,
					project.Services[on].HealthCheck != nil)
			}
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s can be reached at %q:%s from outside of this machine", name, port.HostIP, port.Published)
			}
		}
		for _, volume := range service.Volumes {
			switch volume.Type {
			case types.VolumeTypeBind:
				if _, err := os.Stat(volume.Source); err != nil {
					t.Errorf("%s mounts what is not there: %v", name, err)
				}
			case types.VolumeTypeVolume:
				if _, ok := project.Volumes[volume.Source]; !ok {
					t.Errorf("%s mounts the volume %s, which is not declared", name, volume.Source)
				}
			default:
				t.Errorf("%s mounts a %s", name, volume.Type)
			}
		}
		if image := service.Image; image == "" || strings.HasSuffix(image, ":latest") || !strings.Contains(image, ":") {
			t.Errorf("%s: the image %q has no version", name, image)
		}
	}
	for _, name := range []string{"elasticsearch", "kibana"} {
		if image := project.Services[name].Image; !strings.HasSuffix(image, ":8.14.3") {
			t.Errorf("%s is %s; the one that is tested is 8.14.3", name, image)
		}
	}
}

// TestImage: the aggregator's image is built from the Dockerfile, and mounts and commands fit it.
func TestImage(t *testing.T) {
	service := load(t).Services["aggregator"]
	dockerfile := read(t, filepath.Join(service.Build.Context, service.Build.Dockerfile))
	entry := regexp.MustCompile(`(?m)^ENTRYPOINT (\[.*\])`).FindStringSubmatch(dockerfile)
	command := regexp.MustCompile(`(?m)^CMD (\[.*\])`).FindStringSubmatch(dockerfile)
	if entry == nil || command == nil {
		t.Fatal("the Dockerfile has no ENTRYPOINT and CMD")
	}
	var program, args []string
	if err := json.Unmarshal([]byte(entry[1]), &program); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(command[1]), &args); err != nil {
		t.Fatal(err)
	}
	if got := service.HealthCheck.Test[1]; got != program[0] {
		t.Errorf("the health check runs %s, the image has %s", got, program[0])
	}
	mounts := map[string]string{} // in the container → here
	for _, volume := range service.Volumes {
		mounts[volume.Target] = volume.Source
	}
	if file := args[slices.Index(args, "-c")+1]; mounts[filepath.Dir(file)] == "" ||
		filepath.Base(file) != "aggregator.yaml" {
		t.Errorf("the image reads %s, mounted are %v", file, mounts)
	}
	if !strings.Contains(dockerfile, "VOLUME "+"/var/lib/aggregator") || mounts["/var/lib/aggregator"] == "" {
		t.Errorf("the image keeps its data in another place than the volumes: %v", mounts)
	}
}

// TestAgents: each agent finds the aggregator and has the key of a cluster of its own, and all that its configuration
// takes from the environment.
func TestAgents(t *testing.T) {
	project := load(t)
	aggregator := project.Services["aggregator"]
	conf := read(t, "../fluent-bit/fluent-bit.conf")
	config := read(t, "../config/aggregator.yaml")
	for _, cluster := range []string{"seoul", "tokyo"} {
		agent, shop := project.Services["agent-"+cluster], project.Services["shop-"+cluster]
		for _, name := range regexp.MustCompile(`\$\{(\w+)\}`).FindAllStringSubmatch(conf, -1) {
			if v := agent.Environment[name[1]]; v == nil || *v == "" {
				t.Errorf("nothing gives agent-%s %s", cluster, name[1])
			}
		}
		if host := *agent.Environment["AGGREGATOR_HOST"] + ":" +
			*agent.Environment["AGGREGATOR_PORT"]; host != "aggregator:24224" {
			t.Errorf("agent-%s sends to %s", cluster, host)
		}
		variable := strings.ToUpper(cluster) + "_KEY"
		if key := aggregator.Environment[variable]; key == nil || *key != *agent.Environment["AGGREGATOR_SHARED_KEY"] {
			t.Errorf("agent-%s has another key than the aggregator for it", cluster)
		}
		if !strings.Contains(config, `name: `+cluster+`, shared_key: "${env:`+variable+`}"`) {
			t.Errorf("aggregator.yaml has no cluster %s with %s", cluster, variable)
		}
		logs := func(s types.ServiceConfig) string {
			for _, v := range s.Volumes {
				if v.Target == "/var/log/containers" {
					return v.Source
				}
			}
			return ""
		}
		if logs(agent) == "" || logs(agent) != logs(shop) {
			t.Errorf("agent-%s reads %q, shop-%s writes %q", cluster, logs(agent), cluster, logs(shop))
		}
	}
	for _, host := range regexp.MustCompile(`http://([a-z]+):9200`).
		FindAllStringSubmatch(config+*project.Services["kibana"].Environment["ELASTICSEARCH_HOSTS"], -1) {
		if _, ok := project.Services[host[1]]; !ok {
			t.Errorf("there is no service %s", host[1])
		}
	}
}

// TestCheck: the program takes the configuration, with the environment that Compose gives it.
func TestCheck(t *testing.T) {
	program := filepath.Join(t.TempDir(), "aggregator")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/aggregator")
	build.Dir = "../../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	check := exec.CommandContext(t.Context(), program, "check", "-c", "../config/aggregator.yaml")
	for name, value := range load(t).Services["aggregator"].Environment {
		check.Env = append(check.Env, name+"="+*value)
	}
	out, err := check.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "the configuration is right") {
		t.Errorf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		// Its port is published on this machine alone.
		if strings.Contains(line, "warning") &&
			!strings.Contains(line, "tokens and passwords come over the network unencrypted") {
			t.Errorf("it warns: %s", line)
		}
	}
}

// TestShop: the generator writes lines as a container runtime does, with JSON in them.
func TestShop(t *testing.T) {
	dir := t.TempDir()
	script := strings.NewReplacer("/var/log/containers", dir, "sleep 0.2", "sleep 0", "while true", "for once in 1").
		Replace(read(t, "../shop.sh"))
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files: %v %v", files, err)
	}
	lines := strings.Split(strings.TrimSpace(read(t, files[0])), "\n")
	if len(lines) != 5 {
		t.Errorf("%d lines, want 5", len(lines))
	}
	for i, line := range lines {
		parts := strings.SplitN(line, " ", 4)
		var record struct{ Seq int }
		if len(parts) != 4 || parts[1] != "stdout" || parts[2] != "F" ||
			json.Unmarshal([]byte(parts[3]), &record) != nil || record.Seq != i+1 {
			t.Errorf("line %d: %s", i, line)
		}
	}
}
