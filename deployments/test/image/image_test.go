package main

import (
	"archive/tar"
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

const (
	repository = "../../.."
	dockerPath = repository + "/deployments/docker/Dockerfile"
)

// TestDockerfile holds the rules of the Dockerfile that a build would not tell.
func TestDockerfile(t *testing.T) {
	stages, _, err := dockerfile(dockerPath)
	if err != nil {
		t.Fatal(err)
	}
	if len(stages) != 2 || stages[1].BaseName != "scratch" || stages[0].Platform != "$BUILDPLATFORM" {
		t.Errorf("want a build stage on the builder's platform and a last stage of scratch, have %d, the last of %s",
			len(stages), stages[len(stages)-1].BaseName)
	}
	for _, command := range stages[0].Commands {
		c, ok := command.(*instructions.CopyCommand)
		if !ok {
			continue
		}
		for _, source := range c.SourcePaths {
			if _, err := os.Stat(filepath.Join(repository, source)); err != nil {
				t.Errorf("COPY %s: %v", source, err)
			}
		}
	}
	var entry, user, exposed bool
	for _, command := range stages[1].Commands {
		switch c := command.(type) {
		case *instructions.RunCommand:
			t.Error("the last stage runs something: there is no shell in it")
		case *instructions.CopyCommand:
			if c.From != "build" {
				t.Errorf("COPY %v comes from outside", c.SourcePaths)
			}
		case *instructions.UserCommand:
			user = regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(c.User)
		case *instructions.EntrypointCommand:
			entry = !c.PrependShell && slices.Equal(c.CmdLine, []string{"/usr/local/bin/aggregator"})
		case *instructions.ExposeCommand:
			exposed = slices.Equal(c.Ports, []string{"24224", "9880"})
		}
	}
	if !entry || !user || !exposed {
		t.Errorf("entry point in exec form: %t, numeric user that is not root: %t, ports: %t", entry, user, exposed)
	}
	for what, file := range map[string]string{
		`-ldflags "-s -w -X main.version=$VERSION -X main.commit=$COMMIT -X main.date=$DATE"`: dockerPath,
		"LDFLAGS: -s -w -X main.version={{.VERSION}} -X main.commit={{.COMMIT}} -X main.date={{.DATE}}": repository +
			"/Taskfile.yml",
	} {
		b, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(b), what) {
			t.Errorf("%s does not stamp the version as the others do: %v", file, err)
		}
	}
}

// TestImage builds the image of two copies of the sources in different directories, and looks into it.
func TestImage(t *testing.T) {
	o := options{
		version: "v1.2.3", commit: "0123456789ab", date: "2026-11-28T12:00:00Z",
		authorities: filepath.Join(t.TempDir(), "ca.crt"),
	}
	if err := os.WriteFile(o.authorities, []byte("made up\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var digests []string
	var index v1.ImageIndex
	for range 2 {
		o.source = t.TempDir()
		if out, err := exec.CommandContext(t.Context(), "cp", "-r", repository+"/cmd", repository+
			"/internal", repository+"/pkg", repository+"/go.mod", repository+"/go.sum",
			repository+"/LICENSE", repository+"/THIRD_PARTY_LICENSES", o.source).CombinedOutput(); err != nil {
			t.Fatalf("copy the sources: %v\n%s", err, out)
		}
		if err := os.MkdirAll(o.source+"/deployments/docker", 0o755); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(dockerPath)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(o.source+"/deployments/docker/Dockerfile", text, 0o600); err != nil {
			t.Fatal(err)
		}
		if index, err = build(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		digest, err := index.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, digest.String())
	}
	if digests[0] != digests[1] {
		t.Errorf("two directories give two images: %v", digests)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range manifest.Manifests {
		t.Run(m.Platform.Architecture, func(t *testing.T) {
			image, err := index.Image(m.Digest)
			if err != nil {
				t.Fatal(err)
			}
			settings, err := image.ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			if c := settings.Config; c.User != "65532:65532" || !slices.Equal(c.Entrypoint, []string{
				"/usr/local/bin/aggregator",
			}) || c.Labels["org.opencontainers.image.version"] != "v1.2.3" || c.WorkingDir != "/var/lib/aggregator" {
				t.Errorf("settings are %+v", c)
			}
			root := unpack(t, image)
			static(t, filepath.Join(root, "usr/local/bin/aggregator"), m.Platform.Architecture)
			builtWith(t, filepath.Join(root, "usr/local/bin/aggregator"))
			if m.Platform.Architecture == "amd64" {
				inRoot(t, root, settings.Config)
			}
		})
	}
	var listing strings.Builder
	if err := list(index, &listing); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"linux/amd64", "linux/arm64", "/usr/local/bin/aggregator", "/etc/ssl/certs/ca-certificates.crt",
		"/usr/share/zoneinfo.zip", "65532:65532", digests[0],
	} {
		if !strings.Contains(listing.String(), line) {
			t.Errorf("the listing has no %s:\n%s", line, listing.String())
		}
	}
}

// unpack writes the image's files to a directory. It holds that there are no more than there should be.
func unpack(t *testing.T, image v1.Image) (root string) {
	t.Helper()
	root = t.TempDir()
	content := mutate.Extract(image)
	defer content.Close()
	var names []string
	for r := tar.NewReader(content); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(root, header.Name)
		if header.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, header.FileInfo().Mode().Perm())
		} else {
			names = append(names, header.Name)
			var b []byte
			if b, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(path, b, header.FileInfo().Mode().Perm())
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if os.Geteuid() == 0 {
			if err := os.Lchown(path, header.Uid, header.Gid); err != nil {
				t.Fatal(err)
			}
		}
	}
	slices.Sort(names)
	if want := []string{
		"etc/ssl/certs/ca-certificates.crt", "usr/local/bin/aggregator", "usr/share/doc/aggregator/LICENSE",
		"usr/share/doc/aggregator/THIRD_PARTY_LICENSES", "usr/share/zoneinfo.zip",
	}; !slices.Equal(names, want) {
		t.Errorf("files are %v", names)
	}
	return root
}

// builtWith holds that the program is of the Go that the Dockerfile names.
func builtWith(t *testing.T, path string) {
	t.Helper()
	want, err := toolchain(dockerPath)
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil || info.GoVersion != want {
		t.Errorf("it is built with %s, not with %s: %v", info.GoVersion, want, err)
	}
}

// static holds that the program is for the architecture and needs no loader and no library.
func static(t *testing.T, path, arch string) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch]; f.Machine != want {
		t.Errorf("it is for %v", f.Machine)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("it has a segment %v: it is linked dynamically", p.Type)
		}
	}
	if libraries, err := f.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("it needs %v: %v", libraries, err)
	}
}

// inRoot runs the program with the image's files alone, as the image's user: version, time zones, and a place to write.
func inRoot(t *testing.T, root string, settings v1.Config) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can change the root directory")
	}
	for dir := root; dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) { // t.TempDir's are the owner's alone
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	command := func(in string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), settings.Entrypoint[0], args...)
		cmd.Env, cmd.Dir, cmd.Stdin = settings.Env, settings.WorkingDir, strings.NewReader(in)
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: user, Gid: user}}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if out := command("", "version"); !strings.Contains(out, "v1.2.3 (commit 0123456789ab, 2026-11-28T12:00:00Z,") {
		t.Errorf("version says %s", out)
	}
	config := `
filters: {seoul: [{parse: {field: log, format: regex, regex: "^(?<time>[^ ]+ [^ ]+) (?<message>.*)$",
  time: {format: "%Y-%m-%d %H:%M:%S", zone: Asia/Seoul}}}]}
routes: [{match: "**", filters: [seoul], outputs: [out]}]
outputs: {out: {type: stdout}}
`
	if err := os.WriteFile(filepath.Join(root, "var/lib/aggregator/c.yaml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := command(`{"log":"2026-11-28 09:30:00 hello"}`, "try", "-c", "c.yaml"); !strings.Contains(
		out, "2026-11-28T00:30:00",
	) {
		t.Errorf("half past nine in Seoul is not half past midnight in UTC:\n%s", out)
	}
}
