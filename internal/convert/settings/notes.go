// Package settings reads the settings of old plugins: texts with variables, sizes, durations, secrets. It keeps what
// can't be said in the new configuration, and what has to be made for it.
package settings

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/seed-afc6a195/aggregator/internal/convert/ruby"
	"github.com/seed-afc6a195/aggregator/internal/convert/syntax"
)

// Note is something that somebody who converts a file should know.
type Note struct {
	At syntax.Place
	// What is what of the old file it is about.
	What string
	Why  string
	// Do is what to do, "" for nothing.
	Do string
}

func (n Note) String() string {
	var b strings.Builder
	b.WriteString(n.At.String() + ": " + n.What)
	if n.Why != "" {
		b.WriteString(": " + n.Why)
	}
	if n.Do != "" {
		b.WriteString("; " + n.Do)
	}
	return b.String()
}

// Needed is a file or a variable that has to be there when the aggregator starts.
type Needed struct {
	// Name is the path, or the variable's name.
	Name string
	// From is what is to be in it.
	From string
}

// Notes gathers what a conversion finds.
type Notes struct {
	// Lost is what can't be said.
	Lost []Note
	// Said is what is said otherwise, or not needed.
	Said  []Note
	Files []Needed
	Env   []Needed
	// SecretsDir is where files with secrets are to be.
	SecretsDir string
	// Origins is where variables come from that no file names, such as a Kubernetes Secret's, by their names.
	Origins map[string]string
	taken   map[string]string
}

// Lose adds what can't be said.
func (n *Notes) Lose(at syntax.Place, what, why, do string) {
	n.Lost = append(n.Lost, Note{at, what, why, do})
}

// Say adds what should be known.
func (n *Notes) Say(at syntax.Place, what, why, do string) {
	note := Note{at, what, why, do}
	if !slices.Contains(n.Said, note) {
		n.Said = append(n.Said, note)
	}
}

// need adds to one of the lists, each name once.
func need(list []Needed, name, from string) []Needed {
	if slices.ContainsFunc(list, func(x Needed) bool { return x.Name == name }) {
		return list
	}
	return append(list, Needed{name, from})
}

// NeedEnv says that a variable is looked at.
func (n *Notes) NeedEnv(name, from string) {
	if origin, known := n.Origins[name]; known {
		from = origin
	}
	n.Env = need(n.Env, name, from)
}

// NeedFile says that a file is looked at.
func (n *Notes) NeedFile(name, from string) { n.Files = need(n.Files, name, from) }

// SecretFile returns ${file:…} for a secret that stood in an old file. Its name is name, or one like it where that is
// taken by another secret.
func (n *Notes) SecretFile(name string, v syntax.Value, from string) string {
	if n.taken == nil {
		n.taken = map[string]string{}
	}
	dir := n.dir()
	text := v.Shown()
	for i := 1; ; i++ {
		file := path.Join(dir, name)
		if i > 1 {
			file = path.Join(dir, fmt.Sprintf("%s-%d", name, i))
		}
		if was, there := n.taken[file]; !there || was == text {
			n.taken[file] = text
			n.NeedFile(file, from)
			return "${file:" + file + "}"
		}
	}
}

// NewSecret returns ${file:…} for a secret that there was none of before, and that is to be made up.
func (n *Notes) NewSecret(name string) string {
	file := path.Join(n.dir(), name)
	n.NeedFile(file, "a new key: openssl rand -hex 32")
	return "${file:" + file + "}"
}

func (n *Notes) dir() string {
	if n.SecretsDir == "" {
		return "/etc/aggregator/secrets"
	}
	return n.SecretsDir
}

// UseDefault says that a variable's default is that the setting is not there.
const UseDefault = ruby.UseDefault

// FileName is text as a name that a file can have.
func FileName(text string) string {
	name := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' {
			return c
		}
		return '-'
	}, text)
	if name = strings.Trim(name, "-"); name == "" {
		return "x"
	}
	return name[:min(len(name), 60)]
}
