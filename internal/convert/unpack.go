package convert

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// maxParts bounds how many configurations one YAML file may hold.
const maxParts = 200

// unpack returns the paths of the configurations that are in files. Those that stand as texts in a YAML file, a
// ConfigMap or a chart's values, become parts of files, under their keys and with the file's own line numbers.
func unpack(files *syntax.Files, paths []string) (all []string) {
	files.Parts = map[string][]byte{}
	for _, path := range paths {
		path = filepath.Clean(path)
		var parts []string
		if ext := filepath.Ext(path); ext == ".yaml" || ext == ".yml" {
			if data, err := files.Read(path); err == nil && len(data) <= syntax.MaxFile {
				parts = texts(files, string(data))
			}
		}
		if parts == nil {
			parts = []string{path}
		}
		all = append(all, notIncludedParts(files, parts)...)
	}
	return all
}

// texts adds the texts in a YAML file that are configurations to the parts of files, and returns their names.
func texts(files *syntax.Files, data string) (names []string) {
	d := yaml.NewDecoder(strings.NewReader(data))
	for len(names) < maxParts {
		var doc yaml.Node
		// It is the end, or no YAML, which its reader says with more words.
		if d.Decode(&doc) != nil {
			return names
		}
		names = append(names, blocks(files, &doc, 0)...)
	}
	return names
}

// blocks walks through what is below a node.
func blocks(files *syntax.Files, n *yaml.Node, depth int) (names []string) {
	if depth > syntax.MaxDepth || n.Kind == yaml.AliasNode {
		return nil
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 && c.Kind == yaml.ScalarNode && isConfiguration(c.Value) &&
			len(files.Parts) < maxParts {
			name := n.Content[i-1].Value
			for files.Parts[name] != nil {
				name += "+"
			}
			// Blank lines in front give what follows the numbers that its lines have in the file.
			files.Parts[name] = []byte(strings.Repeat("\n", c.Line) + c.Value)
			names = append(names, name)
			continue
		}
		names = append(names, blocks(files, c, depth+1)...)
	}
	return names
}

// isConfiguration reports whether a text of several lines is fluentd's or Fluent Bit's.
func isConfiguration(text string) bool {
	return strings.Contains(text, "\n") && regexp.MustCompile(
		`(?mi)^\s*(?:<(?:source|match|filter|label)\b[^>]*>|\[(?:SERVICE|INPUT|FILTER|OUTPUT|PARSER|MULTILINE_`+
			`PARSER)\]|pipeline:)\s*$`,
	).MatchString(text)
}

// notIncludedParts leaves out parts that others include.
func notIncludedParts(files *syntax.Files, names []string) []string {
	include := regexp.MustCompile(`(?mi)^\s*@?include\s+["']?([^\s"']+)`)
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return slices.ContainsFunc(names, func(other string) bool {
			if other == name {
				return false
			}
			return slices.ContainsFunc(include.FindAllSubmatch(files.Parts[other], -1), func(m [][]byte) bool {
				ok, err := filepath.Match(filepath.Base(string(m[1])), name)
				return err == nil && ok
			})
		})
	})
}
