package deployments

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
)

// pod is a directory laid out as the container sees its files, and what it has in its environment.
type pod struct {
	root, config string
	env          []string
}

// layOut puts config maps where the pod mounts them, and a made-up file for each key of a Secret that the configuration
// names. A path that is on no mount, or a variable that the container doesn't have, fails the test.
func layOut(t *testing.T, o *objects, spec *core.PodSpec) *pod {
	t.Helper()
	root := t.TempDir()
	c := spec.Containers[0]
	volumes := map[string]core.Volume{}
	for _, v := range spec.Volumes {
		volumes[v.Name] = v
	}
	secretDirs := map[string]bool{}
	for _, m := range c.VolumeMounts {
		dir := filepath.Join(root, m.MountPath)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		switch v := volumes[m.Name]; {
		case v.Secret != nil:
			secretDirs[m.MountPath] = true
		case v.ConfigMap != nil:
			for name, text := range o.configMaps[v.ConfigMap.Name].Data {
				write(t, filepath.Join(dir, name), text)
			}
		}
	}
	if c.Args[1] != "-c" {
		t.Fatalf("args are %v", c.Args)
	}
	p := &pod{root: root, config: filepath.Join(root, c.Args[2])}
	text, err := os.ReadFile(p.config)
	if err != nil {
		t.Fatalf("the program is started with a file that is not there: %v", err)
	}

	cert, key := selfSigned(t)
	paths := map[string]string{} // of secrets, with what is made up
	for _, m := range regexp.MustCompile(`\$\{file:([^}]+)\}`).FindAllStringSubmatch(string(text), -1) {
		paths[m[1]] = "made up for " + m[1]
	}
	for _, m := range regexp.MustCompile(`(ca|cert|key|client_ca)_file: (\S+)`).
		FindAllStringSubmatch(string(text), -1) {
		paths[m[2]] = map[string]string{"ca": cert, "client_ca": cert, "cert": cert, "key": key}[m[1]]
	}
	for path, content := range paths {
		if !secretDirs[filepath.Dir(path)] {
			t.Errorf("%s is on no mount of a secret: name the secret in secrets", path)
			continue
		}
		write(t, filepath.Join(root, path), content)
	}
	has := map[string]bool{}
	for _, e := range c.Env {
		has[e.Name] = true
		value := e.Value
		if e.ValueFrom != nil {
			value = "made-up-" + strings.ToLower(e.Name)
		}
		if e.Name != "GOMAXPROCS" {
			p.env = append(p.env, e.Name+"="+value)
		}
	}
	for _, m := range regexp.MustCompile(`\$\{env:([A-Za-z0-9_]+)(:-)?`).FindAllStringSubmatch(string(text), -1) {
		if !has[m[1]] && m[2] == "" && len(c.EnvFrom) == 0 {
			t.Errorf("the configuration wants ${env:%s}, which the container doesn't have", m[1])
		}
	}
	moved := strings.NewReplacer("/etc/aggregator/", root+"/etc/aggregator/", "/var/lib/aggregator/",
		root+"/var/lib/aggregator/").Replace(string(text))
	write(t, p.config, moved)
	return p
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// selfSigned returns a certificate, which is its own authority, and its key.
func selfSigned(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "logs"}, DNSNames: []string{"logs"}, IsCA: true,
		BasicConstraintsValid: true,
		NotBefore:             time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", pkcs8)
}

func (p *pod) command(args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Env = append([]string{"PATH=/nowhere"}, p.env...)
	cmd.Dir = p.root
	return cmd
}

// TestConfig holds that the program takes the configuration that each set of values makes, in a pod that has just the
// files that are mounted.
func TestConfig(t *testing.T) {
	for name, values := range matrix(t) {
		t.Run(name, func(t *testing.T) {
			o := render(t, values)
			set := o.workload(t)
			p := layOut(t, o, &set.pod.Spec)
			if out, err := p.command("check", "-c", p.config).CombinedOutput(); err != nil {
				t.Errorf("aggregator check: %v\n%s", err, out)
			}
			for _, j := range o.jobs {
				p := layOut(t, o, &j.Spec.Template.Spec)
				args := j.Spec.Template.Spec.Containers[0].Args
				if out, err := p.command("check", "-c", p.config).CombinedOutput(); err != nil ||
					!strings.Contains(string(out), "bbolt in ") {
					t.Errorf("aggregator check of a drained volume: %v\n%s", err, out)
				}
				if out, err := p.command(args[0], "--help").CombinedOutput(); err != nil ||
					!strings.Contains(string(out), "aggregator "+args[0]) {
					t.Errorf("the program has no command %q: %v\n%s", args[0], err, out)
				}
			}
		})
	}
}

// TestRun starts the program as the pod does and asks it what the probes ask; then it swaps the config map as the
// kubelet does, and the program takes the new one up.
func TestRun(t *testing.T) {
	o := render(t, parseValues(t, "config: {log: {format: json}}\npersistence: {size: 1Gi}"))
	set := o.workload(t)
	spec := &set.pod.Spec
	p := layOut(t, o, spec)
	text, err := os.ReadFile(p.config)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(regexp.MustCompile(`address: :\d+`).ReplaceAllString(string(text), "address: 127.0.0.1:0"))
	// A config map's volume: the file is a link into ..data, which is a link to a directory that is never written
	// again.
	dir := filepath.Dir(p.config)
	if err := os.Remove(p.config); err != nil {
		t.Fatal(err)
	}
	publish := func(version, text string) {
		t.Helper()
		write(t, filepath.Join(dir, version, "aggregator.yaml"), text)
		if err := os.Symlink(version, filepath.Join(dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	publish("..1", string(text))
	if err := os.Symlink("..data/aggregator.yaml", p.config); err != nil {
		t.Fatal(err)
	}

	cmd := p.command("run", "-c", p.config)
	logs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan map[string]any, 100)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(logs); s.Scan(); {
			var line map[string]any
			if json.Unmarshal(s.Bytes(), &line) == nil {
				lines <- line
			}
		}
	}()
	stopped := false
	defer func() {
		if !stopped {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	await := func(what string, found func(line map[string]any) bool) map[string]any {
		t.Helper()
		for {
			select {
			case line, more := <-lines:
				if !more {
					t.Fatalf("the program ended before %s", what)
				}
				if found(line) {
					return line
				}
			case <-ctx.Done():
				t.Fatalf("no line about %s", what)
			}
		}
	}
	started := await("the status", func(line map[string]any) bool { return line["status"] != nil })
	base := "http://" + started["address"].(string)
	c := spec.Containers[0]
	for what, probe := range map[string]*core.Probe{
		"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe,
	} {
		if code, body := get(ctx, t, base+probe.HTTPGet.Path); code != http.StatusOK {
			t.Errorf("%s probe: %d %s", what, code, body)
		}
	}
	publish("..2", string(text)+"\nunrouted: drop\n")
	await("the new configuration", func(line map[string]any) bool {
		return strings.Contains(fmt.Sprint(line["message"]), "configuration") && line["level"] == "info"
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for range lines { // until it has ended
	}
	stopped = true
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

func get(ctx context.Context, t *testing.T, url string) (code int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	b, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, string(b)
}
