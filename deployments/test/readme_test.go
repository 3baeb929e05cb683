package deployments

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const (
	tableBegin = "<!-- begin values -->\n"
	tableEnd   = "<!-- end values -->\n"
)

// TestReadme keeps the table of values in the chart's README true to values.yaml. As with helm-docs, a comment that
// begins with "# --" describes the key below it. A key without one, and with nothing below it that has one, fails the
// test.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile(chartDir + "/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("| value | default | meaning |\n|---|---|---|\n")
	valueRows(t, &table, document.Content[0], "")

	const path = chartDir + "/README.md"
	readme, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, begins := strings.Cut(string(readme), tableBegin)
	_, tail, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		t.Fatalf("%s has no %q and %q", path, tableBegin, tableEnd)
	}
	golden(t, path, head+tableBegin+table.String()+tableEnd+tail)
}

func valueRows(t *testing.T, table *strings.Builder, node *yaml.Node, prefix string) {
	t.Helper()
	for i := 0; i < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		path := prefix + key.Value
		_, meaning, described := strings.Cut("\n"+key.HeadComment, "\n# -- ")
		switch {
		case described:
			meaning = strings.ReplaceAll(strings.ReplaceAll(meaning, "\n# ", " "), "|", "\\|")
			fmt.Fprintf(table, "| `%s` | %s | %s |\n", path, shown(t, value), meaning)
		case value.Kind == yaml.MappingNode && len(value.Content) > 0:
			valueRows(t, table, value, path+".")
		default:
			t.Errorf("values.yaml: nothing describes %s", path)
		}
	}
}

// shown returns a value in one line of YAML.
func shown(t *testing.T, value *yaml.Node) string {
	t.Helper()
	flow := *value
	if flow.Kind != yaml.ScalarNode {
		flow.Style = yaml.FlowStyle
	}
	flow.HeadComment, flow.LineComment, flow.FootComment = "", "", ""
	for _, c := range flow.Content {
		c.HeadComment = ""
		if c.Kind != yaml.ScalarNode {
			c.Style = yaml.FlowStyle
		}
	}
	out, err := yaml.Marshal(&flow)
	if err != nil {
		t.Fatal(err)
	}
	return "`" + strings.ReplaceAll(strings.TrimSpace(string(out)), "|", "\\|") + "`"
}
