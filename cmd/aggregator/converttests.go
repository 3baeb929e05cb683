package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/internal/convert"
	"github.com/seed-afc6a195/aggregator/internal/safetext"
	"github.com/seed-afc6a195/aggregator/internal/tryout"
	"github.com/seed-afc6a195/aggregator/pkg/config"
)

// fromInputs stands for a file of samples: events that the old configuration's own inputs make up.
const fromInputs = "inputs"

// maxSample is how many lines of a file become tests.
const maxSample = 1000

// writeTests writes aggregator.tests.yaml of sample events, beside the configuration that was written to the directory.
func (c *conversion) writeTests(r *convert.Result, in io.Reader, errOut io.Writer) error {
	samples, err := c.samples(r, in)
	if err != nil {
		return err
	}
	file := filepath.Join(c.dir, "aggregator.yaml")
	t, err := loadTryout(&flags.Config{Given: []string{file}}, "", errOut)
	if err != nil {
		return fmt.Errorf("the tests can't be written: %w", err)
	}
	var again func()
	if bytes.Contains(r.Configuration, []byte("now(")) {
		// Until a time in whole seconds is another one.
		again = func() { time.Sleep(1100 * time.Millisecond) }
	}
	data, err := t.WriteTests(samples, again)
	if err != nil {
		return err
	}
	path := tryout.TestsFile(file)
	if _, err := os.Lstat(path); err == nil && !c.force {
		return fmt.Errorf("%s is there already: name another directory, or say --force", path)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("write the tests: %w", err)
	}
	_, err = fmt.Fprintln(errOut, "written: "+safetext.Lines(path))
	return err
}

// samples reads the files of --tests.
func (c *conversion) samples(r *convert.Result, in io.Reader) (all []tryout.Sample, err error) {
	for _, text := range c.tests {
		if text == fromInputs {
			for _, s := range r.Samples {
				one := tryout.Sample{Name: s.At.String(), Tag: s.Tag}
				for _, line := range s.Lines {
					one.Lines = append(one.Lines, []byte(line))
				}
				all = append(all, one)
			}
			continue
		}
		tag, path, tagged := strings.Cut(text, "=")
		if !tagged {
			tag, path = "", text
		}
		var data []byte
		if path == "-" {
			data, err = io.ReadAll(io.LimitReader(in, 16<<20))
		} else {
			data, err = config.ReadFile(path)
		}
		if err != nil {
			return nil, flags.WrongUsage(fmt.Errorf("read the events of --tests: %w", err))
		}
		one := tryout.Sample{Name: filepath.Base(path), Tag: tag}
		for line := range bytes.Lines(data) {
			if line = bytes.TrimRight(line, "\r\n"); len(bytes.TrimSpace(line)) > 0 && len(one.Lines) < maxSample {
				one.Lines = append(one.Lines, bytes.Clone(line))
			}
		}
		if len(one.Lines) > 0 {
			all = append(all, one)
		}
	}
	if len(all) == 0 {
		return nil, flags.WrongUsage(errors.New("--tests: there are no events: name a file with a line for each, " +
			"as TAG=FILE"))
	}
	return all, nil
}
