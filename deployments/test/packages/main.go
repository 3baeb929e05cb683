// Command packages makes the deb and the rpm of .goreleaser.yaml for this machine's architecture, without a release:
//
//	go run ./packages -out ../../dist -version 1.2.3
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/goreleaser/goreleaser/v2/pkg/config"
	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // formats register themselves
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

func main() {
	root := flag.String("root", "../..", "the repository")
	out := flag.String("out", "../../dist", "where the packages go")
	version := flag.String("version", "0.0.0-snapshot", "of the packages")
	flag.Parse()
	paths, err := build(context.Background(), *root, *out, *version)
	if err != nil {
		fmt.Fprintln(os.Stderr, "packages:", err)
		os.Exit(1)
	}
	fmt.Println(strings.Join(paths, "\n"))
}

// build compiles the program, makes what goes with it, and writes a package of each format into out.
func build(ctx context.Context, root, out, version string) (paths []string, err error) {
	project, err := config.Load(filepath.Join(root, ".goreleaser.yaml"))
	if err != nil {
		return nil, fmt.Errorf("read .goreleaser.yaml: %w", err)
	}
	if len(project.NFPMs) != 1 {
		return nil, fmt.Errorf(".goreleaser.yaml has %d kinds of packages, not one", len(project.NFPMs))
	}
	made, err := os.MkdirTemp("", "packages")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(made)) }()
	program := filepath.Join(made, "aggregator")
	for _, args := range [][]string{
		{
			"go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version=v" + version,
			"-o", program, "./cmd/aggregator",
		},
		{"test/package/extras.sh", filepath.Join(made, "dist-extras")},
	} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
		if text, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, text)
		}
	}
	if err := os.MkdirAll(out, 0o750); err != nil {
		return nil, err
	}
	for _, format := range project.NFPMs[0].Formats {
		path, err := write(&project.NFPMs[0], format, version, root, made, out)
		if err != nil {
			return nil, fmt.Errorf("the %s: %w", format, err)
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// write writes the package of a format and returns its path. What was made for it, the program among it, is in made.
func write(c *config.NFPM, format, version, root, made, out string) (path string, err error) {
	in := func(source string) string {
		switch {
		case source == "":
			return ""
		case strings.HasPrefix(source, "dist-extras/"):
			return filepath.Join(made, source)
		}
		return filepath.Join(root, source)
	}
	contents := files.Contents{{
		Source: filepath.Join(made, "aggregator"), Destination: "/usr/bin/aggregator",
		FileInfo: &files.ContentFileInfo{Mode: 0o755},
	}}
	for _, content := range c.Contents {
		contents = append(contents, &files.Content{
			Source: in(content.Source), Destination: content.Destination, Type: content.Type,
			Packager: content.Packager, FileInfo: &files.ContentFileInfo{Mode: content.FileInfo.Mode},
		})
	}
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: c.PackageName, Arch: runtime.GOARCH, Platform: "linux", Version: version, Section: c.Section,
		Maintainer: c.Maintainer, Description: c.Description, Vendor: c.Vendor, Homepage: c.Homepage,
		License: c.License, MTime: time.Unix(0, 0).UTC(),
		Overridables: nfpm.Overridables{
			Contents: contents, Umask: c.Umask,
			Depends: slices.Concat(c.Dependencies, c.Overrides[format].Dependencies),
			Scripts: nfpm.Scripts{
				PreInstall: in(c.Scripts.PreInstall), PostInstall: in(c.Scripts.PostInstall),
				PreRemove: in(c.Scripts.PreRemove), PostRemove: in(c.Scripts.PostRemove),
			},
		},
	})
	packager, err := nfpm.Get(format)
	if err != nil {
		return "", err
	}
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return "", err
	}
	path = filepath.Join(out, packager.ConventionalFileName(info))
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	return path, errors.Join(packager.Package(info, f), f.Close())
}
