package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// kubectl stands for the real one in commands of the documents: what `kubectl exec` runs in a pod it runs here. PODS
// holds NAME=ADDRESS of each pod's status endpoint.
const kubectl = `#!/bin/sh
case " $* " in
*" exec "*) while [ "$1" != -- ]; do shift; done; shift; exec "$@" ;;
*" create secret generic "*" --from-file="*)
	for a; do case $a in --from-file=*) test -s "${a#--from-file=}" || exit 1 ;; esac; done ;;
*" port-forward pod/"*" 9880 "*) ;;
*" get pods "*" -o name "*) for pod in $PODS; do echo "pod/${pod%%=*}"; done ;;
*" get --raw /api/v1/namespaces/"*/proxy/*) for pod in $PODS; do
    case $3 in */pods/${pod%%=*}:9880/proxy/*) exec curl -sf "http://${pod#*=}/${3#*/proxy/}" ;; esac
  done; exit 1 ;;
*) echo "kubectl $*: not to be had here" >&2; exit 1 ;;
esac
`

// shell runs commands of the documents.
type shell struct {
	t       *testing.T
	Dir     string   // where they run
	env     []string // beside the test's own
	replace []string // old, new, old, new …: other places and addresses
}

// newShell returns a shell that finds the program under test as aggregator, and a stand-in for kubectl.
func newShell(t *testing.T, env ...string) *shell {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(path, filepath.Join(bin, "aggregator")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "kubectl"), []byte(kubectl), 0o700); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	aws := filepath.Join(root, "test", "e2e", "aws", ".venv", "bin")
	return &shell{
		t: t, Dir: t.TempDir(), replace: []string{" deployments/moves/", " " + root + "/deployments/moves/"},
		env: append([]string{"PATH=" + bin + ":" + os.Getenv("PATH") + ":" + aws}, env...),
	}
}

// run runs the block "sh run NAME" of a document below docs, and returns what it prints. It must end with 0.
func (s *shell) run(document, name string, env ...string) string {
	s.t.Helper()
	text := mustBlock(s.t, document, "sh run "+name)
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", strings.NewReplacer(s.replace...).Replace(text))
	cmd.Dir = s.Dir
	cmd.Env = append(append(os.Environ(), s.env...), env...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("%s, %s: %v\n%s\n%s%s", document, name, err, text, out.String(), errOut.String())
	}
	return out.String()
}

// blockOf returns the text of the fenced block of a document below docs that has this info string.
func blockOf(t *testing.T, document, info string) (text string, ok bool) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../docs", filepath.FromSlash(document)))
	if err != nil {
		t.Fatal(err)
	}
	indent := -1 // of the block that is being read
	for line := range strings.Lines(string(b)) {
		bare := strings.TrimSpace(line)
		switch {
		case indent < 0 && bare == "```"+info:
			indent = strings.Index(line, "`")
		case indent >= 0 && bare == "```":
			return text, true
		case indent >= 0:
			text += strings.TrimPrefix(line, strings.Repeat(" ", indent))
		}
	}
	if indent >= 0 {
		t.Fatalf("%s: the block %q has no end", document, info)
	}
	return "", false
}

// write puts a file into the directory where commands run.
func (s *shell) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// read returns a file in the directory where commands run.
func (s *shell) read(name string) string {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.Dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// mustBlock is blockOf for a block that is there.
func mustBlock(t *testing.T, document, info string) string {
	t.Helper()
	text, ok := blockOf(t, document, info)
	if !ok {
		t.Fatalf("%s has no block %q", document, info)
	}
	return text
}

// wantOutput fails unless out has all of want.
func wantOutput(t *testing.T, what, out string, want ...string) {
	t.Helper()
	for _, text := range want {
		if !strings.Contains(out, text) {
			t.Errorf("%s does not say %q:\n%s", what, text, out)
		}
	}
}

// TestDocumentsRun: a block that is marked as run is run by some test of this package, under its name. In the guides
// every other block is looked at by some test, or says why it is not run.
func TestDocumentsRun(t *testing.T) {
	var tests strings.Builder
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(b)
	}
	found := 0
	for _, pattern := range []string{"../../docs/*.md", "../../docs/migrate/*.md"} {
		documents, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range documents {
			b, err := os.ReadFile(document)
			if err != nil {
				t.Fatal(err)
			}
			// Those of internal/tryout run the examples of migrate/outputs.md.
			guide := regexp.MustCompile(`/migrate/|/operations\.md$|/sizing\.md$`).MatchString(document) &&
				!strings.HasSuffix(document, "/migrate/outputs.md")
			inside, before := false, ""
			for line := range strings.Lines(string(b)) {
				info, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
				begins := fence && !inside
				example := strings.HasPrefix(before, "<!-- begin example") // the tests of the command itself run it
				inside, before = inside != fence, line
				name, ok := strings.CutPrefix(info, "sh run ")
				if !begins || !ok {
					if begins && guide && !example && !regexp.MustCompile(`not run: \w`).MatchString(info) &&
						!regexp.MustCompile(`Block\(t, (doc|guide|"[^"]*"), "`+regexp.QuoteMeta(info)+`"`).
							MatchString(tests.String()) {
						t.Errorf("%s: no test looks at the block %q, and it does not say why", document, info)
					}
					continue
				}
				found++
				if !regexp.MustCompile(`\.run\((doc|guide|"[^"]*"), "` + regexp.QuoteMeta(name) + `"`).
					MatchString(tests.String()) {
					t.Errorf("%s: no test runs the block %q", document, name)
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("%d blocks are marked as run", found)
	}
}

// TestAlerts: every alert that is shipped has a heading in docs/operations.md, to which its runbook_url leads, and
// every such heading an alert.
func TestAlerts(t *testing.T) {
	rules, err := os.ReadFile("../../deployments/helm/aggregator/files/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	document, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	names := func(text []byte, before string) (all []string) {
		for _, found := range regexp.MustCompile(`(?m)^`+before+` *(Aggregator\w+)$`).FindAllSubmatch(text, -1) {
			all = append(all, string(found[1]))
		}
		return slices.Sorted(slices.Values(all))
	}
	alerts, headings := names(rules, " *- alert:"), names(document, "###")
	if len(alerts) < 15 || !slices.Equal(alerts, headings) {
		t.Errorf("alerts %v\nhave the headings %v", alerts, headings)
	}
}

// TestMetricNames: the metrics that these documents name are those that docs/metrics.md lists, which a test compares
// with the program.
func TestMetricNames(t *testing.T) {
	listed, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documents, err := filepath.Glob("../../docs/migrate/*.md")
	if err != nil || len(documents) < 5 {
		t.Fatal(documents, err)
	}
	for _, document := range append(documents, "../../docs/operations.md") {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`\baggregator_[a-z_]+`).FindAllString(string(text), -1) {
			if name = strings.TrimSuffix(name, "_bucket"); !strings.Contains(string(listed), "| `"+name+"` |") {
				t.Errorf("%s names %s, which there is not", document, name)
			}
		}
	}
}

// TestLinks: what a document of this project links to in the repository is there, headings too.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]*)\)`)
	for _, pattern := range []string{
		"../../*.md", "../../docs/*.md", "../../docs/*/*.md", "../../deployments/*.md", "../../deployments/*/*.md",
	} {
		documents, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range documents {
			for _, found := range link.FindAllStringSubmatch(proseOf(t, document), -1) {
				path, heading, _ := strings.Cut(found[1], "#")
				if strings.Contains(path, "://") {
					continue
				}
				target := document
				if path != "" {
					target = filepath.Join(filepath.Dir(document), filepath.FromSlash(path))
				}
				if _, err := os.Stat(target); err != nil {
					t.Errorf("%s links to %s: %v", document, found[1], err)
				} else if heading != "" && !slices.Contains(anchorsOf(t, target), heading) {
					t.Errorf("%s links to %s, a heading that is not there", document, found[1])
				}
			}
		}
	}
}

// proseOf returns a document without its blocks of code.
func proseOf(t *testing.T, document string) string {
	t.Helper()
	b, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	var prose strings.Builder
	code := false
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
		} else if !code {
			prose.WriteString(line)
		}
	}
	return regexp.MustCompile("`[^`\n]*`").ReplaceAllStringFunc(prose.String(), func(code string) string {
		return strings.NewReplacer("](", "", "[", "", "]", "").Replace(code)
	})
}

// anchorsOf returns the names that a forge gives to the headings of a document.
func anchorsOf(t *testing.T, document string) (anchors []string) {
	t.Helper()
	for line := range strings.Lines(proseOf(t, document)) {
		if heading := strings.TrimLeft(line, "#"); heading != line && strings.HasPrefix(heading, " ") {
			name := regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
			anchors = append(anchors, strings.ReplaceAll(name, " ", "-"))
		}
	}
	return anchors
}
