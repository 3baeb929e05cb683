package deployments

import (
	"os"
	"regexp"
	"testing"

	"helm.sh/helm/v3/pkg/chartutil"
)

// TestGoVersion holds all that ship the program to the toolchain that go.mod names, and what is checked for known
// vulnerabilities with them.
func TestGoVersion(t *testing.T) {
	find := func(file, pattern string) string {
		t.Helper()
		text, err := os.ReadFile(repository + "/" + file)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(pattern).FindSubmatch(text)
		if found == nil {
			t.Fatalf("%s has no %s", file, pattern)
		}
		return string(found[1])
	}
	want := find("go.mod", `(?m)^toolchain go(\d+\.\d+\.\d+)$`)
	for file, pattern := range map[string]string{
		"deployments/docker/Dockerfile": `(?m)^ARG GO_IMAGE=golang:(\S+)$`,
		".goreleaser.yaml":              `\bGOTOOLCHAIN=go([0-9.]+)`,
	} {
		if got := find(file, pattern); got != want {
			t.Errorf("%s has Go %s, the toolchain of go.mod is %s", file, got, want)
		}
	}
}

// TestKubeVersion holds that the chart refuses a Kubernetes that lacks what it uses, and takes those of clouds.
func TestKubeVersion(t *testing.T) {
	constraint := loadChart(t).Metadata.KubeVersion
	for version, want := range map[string]bool{
		"v1.30.0": true, "v1.30.5-eks-1de2ab1": true, "v1.37.1-gke.100": true, "v1.29.9": false,
	} {
		if got := chartutil.IsCompatibleRange(constraint, version); got != want {
			t.Errorf("%s with Kubernetes %s: %t", constraint, version, got)
		}
	}
}
