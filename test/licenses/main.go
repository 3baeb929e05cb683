// Command licenses writes THIRD_PARTY_LICENSES, the licence texts and NOTICE files of everything that is linked into
// the program, which go along with each archive and image. From the repository's root, whenever go.mod has changed:
//
//	go run ./test/licenses
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const fileName = "THIRD_PARTY_LICENSES"

func main() {
	text, err := generate(context.Background(), ".")
	if err == nil {
		err = os.WriteFile(fileName, text, 0o644) //nolint:gosec // for everybody to read
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1)
	}
}

// platforms are those that releases are built for: what is linked differs a little.
func platforms() []string {
	return []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64"}
}

// document is a text and whose it is.
type document struct {
	text    string
	holders []string // module and version, and the path inside of it
}

// generate returns the content of the file for the sources in root. Texts that are the same stand there once.
func generate(ctx context.Context, root string) ([]byte, error) {
	// Path of a legal file, and its holder.
	files := map[string]string{}
	for _, platform := range platforms() {
		goos, goarch, _ := strings.Cut(platform, "/")
		if err := linked(ctx, root, goos, goarch, files); err != nil {
			return nil, fmt.Errorf("%s: %w", platform, err)
		}
	}
	byText := map[string]*document{}
	for path, holder := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		text := strings.TrimSpace(strings.ReplaceAll(string(b), "\r\n", "\n"))
		if byText[text] == nil {
			byText[text] = &document{text: text}
		}
		byText[text].holders = append(byText[text].holders, holder)
		// The standard library and the runtime are linked too. Their licence is that of Go's other repositories; where
		// Go is installed it may be missing.
		if strings.HasPrefix(holder, "golang.org/x/sys ") {
			byText[text].holders = append(byText[text].holders,
				"Go's standard library and runtime, "+filepath.Base(path))
		}
	}
	documents := make([]*document, 0, len(byText))
	for _, d := range byText {
		slices.Sort(d.holders)
		documents = append(documents, d)
	}
	slices.SortFunc(documents, func(a, b *document) int { return cmp.Compare(a.holders[0], b.holders[0]) })
	var out bytes.Buffer
	out.WriteString(
		"The program is linked from the packages of the modules below. These are their licences and notices.\n",
	)
	for _, d := range documents {
		fmt.Fprintf(&out, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 80), strings.Join(d.holders, "\n"), d.text)
	}
	return out.Bytes(), nil
}

// linked adds to files the legal files of all packages that the program is linked from on a platform: those of a
// package's directory and of the directories above it, up to its module's. A module without any is an error.
func linked(ctx context.Context, root, goos, goarch string, files map[string]string) error {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-json=Dir,Standard,Module", "./cmd/aggregator")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	// Whether a module has a legal file.
	legal := map[string]bool{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Dir      string
			Standard bool
			Module   *struct {
				Path, Version, Dir string
				Main               bool
			}
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if p.Standard || p.Module == nil || p.Module.Main {
			continue
		}
		module := p.Module.Path + " " + p.Module.Version
		legal[module] = legal[module] || false
		for dir := p.Dir; strings.HasPrefix(dir, p.Module.Dir); dir = filepath.Dir(dir) {
			found, err := legalFiles(dir)
			if err != nil {
				return err
			}
			for _, name := range found {
				inside, err := filepath.Rel(p.Module.Dir, filepath.Join(dir, name))
				if err != nil {
					return err
				}
				files[filepath.Join(dir, name)] = module + ", " + filepath.ToSlash(inside)
				legal[module] = true
			}
		}
	}
	for module, has := range legal {
		if !has {
			return fmt.Errorf("%s has no licence", module)
		}
	}
	return nil
}

var legalName = regexp.MustCompile(
	`(?i)^(licen[cs]es?|copying|copyright|notice|patents|third[-_]party.*)([-_.][^/]*)?$`,
)

// legalFiles returns the names of the files in dir that say who has which rights.
func legalFiles(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Type().IsRegular() && legalName.MatchString(e.Name()) && filepath.Ext(e.Name()) != ".go" {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
