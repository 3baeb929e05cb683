package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/app/routing"
	"github.com/seed-afc6a195/aggregator/pkg/config"
	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/tls"
)

// Verify is a config.Options.Verify: it says what would fail at the start although the configuration itself is right:
// certificates that can't be read or don't fit, a queue's directory that can't be used, and, where that is the whole
// configuration, destinations and filters that can't be made.
func Verify(cfg *config.Config, whole bool) []setting.Problem {
	r := setting.Report{Problems: VerifyCertificates(cfg, whole)}
	verifyDirectory(&r, cfg.Buffer.Path)
	if !whole {
		return r.Problems
	}
	for _, name := range cfg.OutputNames() {
		out, err := newSender(name, cfg, senderDeps{
			log: zerolog.Nop(), now: time.Now, hostname: cfg.Hostname, stateDir: cfg.Buffer.OwnDir(),
		})
		if err == nil {
			err = out.Close()
		}
		if err != nil {
			r.Add("outputs."+name, "", "%v", err)
		}
	}
	// Outputs share filters: what is wrong with one is said once.
	seen := make(map[string]bool)
	for _, name := range cfg.OutputNames() {
		rules, err := routing.NewRules(cfg, name, zerolog.Nop())
		if err == nil {
			err = rules.Close()
		}
		for _, err := range parts(err) {
			if !seen[err.Error()] {
				seen[err.Error()] = true
				key, text := placed(err.Error())
				r.Add(key, "", "%s", text)
			}
		}
	}
	return r.Problems
}

// placed takes the key that the text of an error about rules begins with off it.
func placed(text string) (key, rest string) {
	if m := regexp.MustCompile(`(?s)^((?:filters|routes)[^ ]*): (.*)$`).FindStringSubmatch(text); m != nil {
		return m[1], m[2]
	}
	return "", text
}

// VerifyCertificates is a config.Options.Verify: it says which certificates, keys and authorities can't be used.
func VerifyCertificates(cfg *config.Config, _ bool) []setting.Problem {
	var r setting.Report
	eachPart(reflect.ValueOf(cfg).Elem(), "", func(key string, part any) {
		switch set := part.(type) {
		case setting.ServerTLS:
			files := [3]keyFile{
				{".cert_file", set.CertFile}, {".key_file", set.KeyFile}, {".client_ca_file", set.ClientCAFile},
			}
			verifyFiles(&r, key, files, func() error {
				_, err := tls.NewServer(set, tls.Options{Log: zerolog.Nop()})
				return err
			})
		case setting.ClientTLS:
			files := [3]keyFile{{".cert_file", set.CertFile}, {".key_file", set.KeyFile}, {".ca_file", set.CAFile}}
			verifyFiles(&r, key, files, func() error {
				_, err := tls.NewClient(set, tls.Options{Log: zerolog.Nop()})
				return err
			})
		}
	})
	return r.Problems
}

// keyFile is a file and the key that names it.
type keyFile struct{ key, name string }

// verifyFiles holds that the files of certificate, key and authorities can be read, and if so that load takes them.
func verifyFiles(r *setting.Report, at string, files [3]keyFile, load func() error) {
	readable := true
	for _, f := range files {
		if f.name == "" {
			continue
		}
		if _, err := os.ReadFile(f.name); err != nil {
			readable = false
			r.Add(at+f.key, "make it, readable for the user that runs this", "the file can't be read: %v", err)
		}
	}
	if !readable {
		return
	}
	if err := load(); err != nil {
		wrong := files[0]
		if f := files[2]; f.name != "" &&
			(files[0].name == "" || strings.Contains(err.Error(), "authorities "+f.name)) {
			wrong = f
		}
		r.Add(at+wrong.key, "", "%v", err)
	}
}

// eachPart calls do for each struct of settings in v, with its key from the root.
func eachPart(v reflect.Value, key string, do func(key string, part any)) {
	below := func(name string) string { return strings.TrimPrefix(key+"."+name, ".") }
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			eachPart(v.Elem(), key, do)
		}
	case reflect.Slice:
		for i := range v.Len() {
			eachPart(v.Index(i), fmt.Sprintf("%s[%d]", key, i), do)
		}
	case reflect.Map:
		for _, k := range slices.SortedFunc(slices.Values(v.MapKeys()), func(
			a, b reflect.Value,
		) int {
			return strings.Compare(a.String(), b.String())
		}) {
			eachPart(v.MapIndex(k), below(k.String()), do)
		}
	case reflect.Struct:
		if out, ok := v.Interface().(config.Output); ok {
			eachPart(reflect.ValueOf(out.Settings), key, do)
			return
		}
		do(key, v.Interface())
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			switch {
			case !f.IsExported() || name == "-":
			case options == "inline":
				eachPart(v.Field(i), key, do)
			case name != "":
				eachPart(v.Field(i), below(name), do)
			}
		}
	default:
		// Single values.
	}
}

// verifyDirectory holds that the queue's files can be made in dir, or in the directory that it would be made in. It
// leaves nothing behind.
func verifyDirectory(r *setting.Report, dir string) {
	if dir == "" {
		// Reported already.
		return
	}
	const key = "buffer.path"
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		r.Add(key, "name a directory", "%s is no directory", dir)
		return
	case err == nil:
		if err := writable(dir); err != nil {
			r.Add(key, "give this user the right to write there, or name another directory",
				"nothing can be written to %s: %v", dir, err)
		}
		return
	case !errors.Is(err, fs.ErrNotExist):
		r.Add(key, "name a directory that this user can reach", "%v", err)
		return
	}
	parent := filepath.Dir(filepath.Clean(dir))
	for {
		if info, err = os.Stat(parent); err == nil || !errors.Is(err, fs.ErrNotExist) ||
			parent == filepath.Dir(parent) {
			break
		}
		parent = filepath.Dir(parent)
	}
	switch {
	case err != nil:
		r.Add(key, "name a directory that this user can reach", "%s can't be made: %v", dir, err)
		return
	case !info.IsDir():
		r.Add(key, "name a directory", "%s can't be made: %s is no directory", dir, parent)
		return
	}
	switch err := writable(parent); {
	case errors.Is(err, fs.ErrPermission):
		// Whoever runs the program may be another user.
		r.Warn(key, "check as the user that runs it, or make the directory", "this user can't make %s: %v", dir, err)
	case err != nil:
		r.Add(key, "make it, or name another directory", "%s can't be made: %v", dir, err)
	}
}

// writable returns why no file can be made in dir.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".check-")
	if err == nil {
		err = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		// Its name was made up here.
		return pathErr.Err
	}
	return err
}

// parts returns the errors that were joined to err.
func parts(err error) (all []error) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		if err != nil {
			all = append(all, err)
		}
		return all
	}
	for _, e := range joined.Unwrap() {
		all = append(all, parts(e)...)
	}
	return all
}
