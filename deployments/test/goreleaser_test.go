package deployments

import (
	"slices"
	"strings"
	"testing"

	"github.com/goreleaser/goreleaser/v2/pkg/config"
)

// TestGoreleaser reads .goreleaser.yaml with goreleaser's own types, strictly, and holds it to what the image and the
// Taskfile build.
func TestGoreleaser(t *testing.T) {
	project, err := config.Load(repository + "/.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if project.Version != 2 || len(project.Builds) != 1 {
		t.Fatalf("version %d with %d builds", project.Version, len(project.Builds))
	}
	build := project.Builds[0]
	if !slices.Contains(build.Env, "CGO_ENABLED=0") || !slices.Contains(build.Flags, "-trimpath") {
		t.Errorf("the binary is not static or not reproducible: %v %v", build.Env, build.Flags)
	}
	if build.ModTimestamp != "{{ .CommitTimestamp }}" {
		t.Errorf("mod_timestamp is %q", build.ModTimestamp)
	}
	for _, variable := range []string{"main.version=", "main.commit=", "main.date="} {
		if !strings.Contains(strings.Join(build.Ldflags, " "), "-X "+variable) {
			t.Errorf("ldflags don't stamp %s: %v", variable, build.Ldflags)
		}
	}
	for _, arch := range []string{"amd64", "arm64"} {
		if !slices.Contains(build.Goarch, arch) {
			t.Errorf("no binary for %s", arch)
		}
	}
	if project.Checksum.Algorithm != "sha256" || len(project.SBOMs) == 0 {
		t.Error("no checksums, or no SBOM")
	}
	images := 0
	for _, image := range project.DockersV2 {
		images++
		if !slices.Equal(image.Platforms, []string{"linux/amd64", "linux/arm64"}) {
			t.Errorf("image for %v", image.Platforms)
		}
	}
	if images == 0 {
		t.Error("no image")
	}
}
