package converttest

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/internal/convert"
	"github.com/seed-afc6a195/aggregator/pkg/app"
	"github.com/seed-afc6a195/aggregator/pkg/config"
)

// Load holds that a configuration passes check, and returns it.
func Load(t *testing.T, data []byte) *config.Config {
	t.Helper()
	verify := app.Verify
	if bytes.Contains(data, []byte("_file: /")) {
		// Certificates are not here.
		verify = nil
	}
	cfg, err := config.Parse("aggregator.yaml", data, config.Options{
		StandIn: true, Verify: verify,
		LookupEnv: func(name string) (string, bool) {
			switch {
			case name == "AWS_REGION":
				return "eu-west-1", true
			case strings.HasSuffix(name, "PORT"):
				return "443", true
			}
			return "", false
		},
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	return cfg
}

// Convert converts one file that includes nothing.
func Convert(t *testing.T, name, text string) *convert.Result {
	t.Helper()
	result, err := convert.Convert([]string{name}, convert.Options{
		Read: func(path string) ([]byte, error) {
			if path != name {
				return nil, errors.New("there is no such file")
			}
			return []byte(text), nil
		},
		Glob: func(string) ([]string, error) { return nil, nil },
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return result
}

// Check holds that what becomes of a file passes check.
func Check(t *testing.T, name, text string) {
	t.Helper()
	Load(t, Convert(t, name, text).Configuration)
}
