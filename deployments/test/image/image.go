// Command image builds the container image without Docker, for amd64 and arm64, as an OCI layout, and lists what is in
// it:
//
//	go run ./image -out ../../dist/image
//
// The last stage of deployments/docker/Dockerfile says what the image is; only how the files come about is told here
// again. The same sources, Go and certificate authorities give the same bytes: the listing ends with the digest that
// stands for all of it. Any tool that reads OCI layouts takes the result, e.g. skopeo copy oci:dist/image
// docker://registry.example/logs/aggregator
package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// user owns the data's directory, and runs the program.
const user = 65532

// options say what to build, and of what.
type options struct {
	source                string // the repository's root
	authorities           string // PEM
	version, commit, date string
	toolchain             string // as GOTOOLCHAIN has it; build takes it from the Dockerfile
}

func main() {
	o := options{}
	out := flag.String("out", "", "`directory` for the OCI layout; none: only list the files")
	flag.StringVar(&o.source, "source", "../..", "the repository's root")
	flag.StringVar(&o.authorities, "ca", "/etc/ssl/certs/ca-certificates.crt", "certificate authorities, PEM")
	flag.StringVar(&o.version, "version", "dev", "stamped in")
	flag.StringVar(&o.commit, "commit", "none", "stamped in")
	flag.StringVar(&o.date, "date", "1970-01-01T00:00:00Z",
		"of the commit, RFC 3339: stamped in, and the time of all files")
	flag.Parse()
	if err := run(context.Background(), o, *out, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out string, listing io.Writer) error {
	index, err := build(ctx, o)
	if err != nil {
		return err
	}
	if err := list(index, listing); err != nil || out == "" {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if _, err := layout.Write(out, index); err != nil {
		return fmt.Errorf("write the OCI layout %s: %w", out, err)
	}
	return nil
}

// build returns the image for both architectures.
func build(ctx context.Context, o options) (v1.ImageIndex, error) {
	path := filepath.Join(o.source, "deployments/docker/Dockerfile")
	stage, err := lastStage(path)
	if err != nil {
		return nil, err
	}
	if o.toolchain, err = toolchain(path); err != nil {
		return nil, err
	}
	created, err := time.Parse(time.RFC3339, o.date)
	if err != nil {
		return nil, fmt.Errorf("-date: %w", err)
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range []string{"amd64", "arm64"} {
		files, err := rootFS(ctx, o, arch)
		if err != nil {
			return nil, err
		}
		image, err := assemble(o, stage, arch, files, created)
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	return index, nil
}

// file is a file of the image, or a directory if its name ends with a slash.
type file struct {
	name    string
	mode    int64
	owner   int // user and group
	content []byte
}

// rootFS returns what the Dockerfile's build stage puts into /rootfs and /data.
func rootFS(ctx context.Context, o options, arch string) ([]file, error) {
	binary, err := compile(ctx, o, arch)
	if err != nil {
		return nil, err
	}
	authorities, err := os.ReadFile(o.authorities)
	if err != nil {
		return nil, fmt.Errorf("read the certificate authorities: %w", err)
	}
	env := exec.CommandContext(ctx, "go", "env", "GOROOT")
	env.Env = append(os.Environ(), "GOTOOLCHAIN="+o.toolchain)
	goroot, err := env.Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	zones, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(goroot)), "lib/time/zoneinfo.zip"))
	if err != nil {
		return nil, fmt.Errorf("read the time zones: %w", err)
	}
	license, err := os.ReadFile(filepath.Join(o.source, "LICENSE"))
	if err != nil {
		return nil, fmt.Errorf("read the licence: %w", err)
	}
	others, err := os.ReadFile(filepath.Join(o.source, "THIRD_PARTY_LICENSES"))
	if err != nil {
		return nil, fmt.Errorf("read the licences of what is linked: %w", err)
	}
	return []file{
		{"etc/ssl/certs/ca-certificates.crt", 0o644, 0, authorities},
		{"usr/local/bin/aggregator", 0o755, 0, binary},
		{"usr/share/doc/aggregator/LICENSE", 0o644, 0, license},
		{"usr/share/doc/aggregator/THIRD_PARTY_LICENSES", 0o644, 0, others},
		{"usr/share/zoneinfo.zip", 0o644, 0, zones},
		{"var/lib/aggregator/", 0o755, user, nil},
	}, nil
}

// compile builds the program as the Dockerfile does.
func compile(ctx context.Context, o options, arch string) (binary []byte, err error) {
	dir, err := os.MkdirTemp("", "image")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "aggregator")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags",
		fmt.Sprintf("-s -w -X main.version=%s -X main.commit=%s -X main.date=%s", o.version, o.commit, o.date),
		"-o", path, "./cmd/aggregator")
	cmd.Dir = o.source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOFLAGS=",
		"GOTOOLCHAIN="+o.toolchain, "GOAMD64=v1", "GOARM64=v8.0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the program for %s: %w\n%s", arch, err, out)
	}
	return os.ReadFile(path)
}

// lastStage returns the commands of the Dockerfile's last stage.
func lastStage(path string) ([]instructions.Command, error) {
	stages, _, err := dockerfile(path)
	if err != nil {
		return nil, err
	}
	return stages[len(stages)-1].Commands, nil
}

// toolchain returns the Go that the Dockerfile builds with, such as go1.26.11.
func toolchain(path string) (string, error) {
	_, arguments, err := dockerfile(path)
	if err != nil {
		return "", err
	}
	for _, a := range arguments {
		for _, pair := range a.Args {
			if version, ok := strings.CutPrefix(pair.ValueString(), "golang:"); pair.Key == "GO_IMAGE" && ok {
				return "go" + version, nil
			}
		}
	}
	return "", fmt.Errorf("%s has no GO_IMAGE of golang:VERSION", path)
}

// dockerfile returns the stages of a Dockerfile, of which there is one at least, and the arguments before them.
func dockerfile(path string) ([]instructions.Stage, []instructions.ArgCommand, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	parsed, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return nil, nil, fmt.Errorf("parse %s: %w", path, err)
	}
	stages, arguments, err := instructions.Parse(parsed.AST, nil)
	if err != nil || len(stages) == 0 {
		return nil, nil, errors.Join(fmt.Errorf("%s has %d stages", path, len(stages)), err)
	}
	return stages, arguments, nil
}

// assemble makes an image of the files, with the settings of the stage.
func assemble(o options, stage []instructions.Command, arch string, files []file, created time.Time) (v1.Image, error) {
	config := v1.Config{
		ExposedPorts: map[string]struct{}{}, Volumes: map[string]struct{}{}, Labels: map[string]string{},
	}
	arguments := strings.NewReplacer("$VERSION", o.version, "$COMMIT", o.commit, "$DATE", o.date)
	for _, command := range stage {
		switch c := command.(type) {
		case *instructions.UserCommand:
			config.User = c.User
		case *instructions.WorkdirCommand:
			config.WorkingDir = c.Path
		case *instructions.EntrypointCommand:
			config.Entrypoint = c.CmdLine
		case *instructions.CmdCommand:
			config.Cmd = c.CmdLine
		case *instructions.EnvCommand:
			for _, e := range c.Env {
				config.Env = append(config.Env, e.Key+"="+e.Value)
			}
		case *instructions.ExposeCommand:
			for _, port := range c.Ports {
				config.ExposedPorts[port+"/tcp"] = struct{}{}
			}
		case *instructions.VolumeCommand:
			for _, volume := range c.Volumes {
				config.Volumes[volume] = struct{}{}
			}
		case *instructions.LabelCommand:
			for _, l := range c.Labels {
				config.Labels[l.Key] = arguments.Replace(strings.Trim(l.Value, `"`))
			}
		case *instructions.ArgCommand, *instructions.CopyCommand:
			// rootFS says what is copied.
		default:
			return nil, fmt.Errorf("the Dockerfile's last stage has %s, which nobody does here", command.Name())
		}
	}
	var layerTar bytes.Buffer
	if err := writeTar(&layerTar, files, created); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (
		io.ReadCloser, error,
	) {
		return io.NopCloser(bytes.NewReader(layerTar.Bytes())), nil
	},
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if image, err = mutate.AppendLayers(image, layer); err != nil {
		return nil, err
	}
	settings, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	settings = settings.DeepCopy()
	settings.OS, settings.Architecture, settings.Created, settings.Config = "linux", arch, v1.Time{Time: created},
		config
	return mutate.ConfigFile(image, settings)
}

// writeTar writes the files, and the directories above them, in order and all with one time.
func writeTar(w io.Writer, files []file, modified time.Time) error {
	all := map[string]file{}
	for _, f := range files {
		for dir := filepath.Dir(strings.TrimSuffix(f.name, "/")); dir != "."; dir = filepath.Dir(dir) {
			all[dir+"/"] = file{name: dir + "/", mode: 0o755}
		}
		all[f.name] = f
	}
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	sort.Strings(names)
	t := tar.NewWriter(w)
	for _, name := range names {
		f := all[name]
		header := &tar.Header{
			Name: name, Mode: f.mode, Uid: f.owner, Gid: f.owner, Size: int64(len(f.content)), ModTime: modified,
			Typeflag: tar.TypeReg, Format: tar.FormatPAX,
		}
		if strings.HasSuffix(name, "/") {
			header.Typeflag = tar.TypeDir
		}
		if err := t.WriteHeader(header); err != nil {
			return err
		}
		if _, err := t.Write(f.content); err != nil {
			return err
		}
	}
	return t.Close()
}

// list prints every file of every image, with its hash, and the digests.
func list(index v1.ImageIndex, w io.Writer) error {
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(format string, args ...any) { _, _ = fmt.Fprintf(table, format, args...) } // Flush says what failed
	for _, m := range manifest.Manifests {
		image, err := index.Image(m.Digest)
		if err != nil {
			return err
		}
		row("linux/%s\t%s\n", m.Platform.Architecture, m.Digest)
		content := mutate.Extract(image)
		for t := tar.NewReader(content); ; {
			header, err := t.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			sum := sha256.New()
			if _, err := io.CopyN(sum, t, header.Size); err != nil {
				return err
			}
			hash := hex.EncodeToString(sum.Sum(nil))
			if header.Typeflag == tar.TypeDir {
				hash = "-"
			}
			row("%s\t%d:%d\t%s\t/%s\t%s\n", header.FileInfo().Mode(), header.Uid, header.Gid,
				strconv.FormatInt(header.Size, 10), header.Name, hash)
		}
		if err := content.Close(); err != nil {
			return err
		}
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	row("image\t%s\n", digest)
	return table.Flush()
}
