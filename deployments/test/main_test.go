package deployments

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false,
	"write the files that are made of others: values.schema.json, the table of values, kustomize/base")

const (
	repository = "../.."
	chartDir   = "../helm/aggregator"
)

// program is the binary that the tests ask: the one named by AGGREGATOR, such as an image's, or a new one.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		if program = os.Getenv("AGGREGATOR"); program != "" {
			return m.Run()
		}
		dir, err := os.MkdirTemp("", "deployments")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "aggregator")
		// As the image, which is tested with what this has compiled.
		build := exec.Command("go", "build", "-trimpath", "-o", program, "./cmd/aggregator")
		build.Dir, build.Env = repository, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// golden holds that the file at path is want; -update writes it.
func golden(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err == nil && string(got) == want {
		return
	}
	if !*update {
		t.Errorf("%s is not what it is made of: go test ./... -update in deployments/test", path)
		return
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
