package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const repository = "../../.."

// TestPackages makes the packages, and looks into the deb. As root, test/package/deb.sh installs, upgrades, removes and
// purges it in an overlay of this machine's own files.
func TestPackages(t *testing.T) {
	paths, err := build(t.Context(), repository, t.TempDir(), "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) != 2 || filepath.Base(paths[0]) != "aggregator_1.2.3_"+architecture(t)+".deb" ||
		filepath.Ext(paths[1]) != ".rpm" {
		t.Fatalf("made %q", paths)
	}
	list, err := exec.Command("dpkg-deb", "--contents", paths[0]).CombinedOutput()
	if err != nil {
		t.Skipf("needs dpkg-deb: %v", err)
	}
	for _, want := range []string{
		"-rwxr-xr-x root/root", "./usr/bin/aggregator\n", "./usr/lib/systemd/system/aggregator.service\n",
		"./usr/share/man/man1/aggregator-run.1\n", "./usr/share/zsh/vendor-completions/_aggregator\n",
		"drwxr-x--- root/root", "./etc/aggregator/secrets/\n", "./usr/share/doc/aggregator/THIRD_PARTY_LICENSES\n",
	} {
		if !strings.Contains(string(list), want) {
			t.Errorf("the deb has no %q:\n%s", want, list)
		}
	}
}

func architecture(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("dpkg", "--print-architecture").Output()
	if err != nil {
		t.Skipf("needs dpkg: %v", err)
	}
	return strings.TrimSpace(string(out))
}
