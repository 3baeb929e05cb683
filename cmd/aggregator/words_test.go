package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestSchemaAndVersion print what they are asked for, and refuse anything more.
func TestSchemaAndVersion(t *testing.T) {
	code, out, _ := command(t, "", "schema")
	var schema map[string]any
	if code != exitOK || json.Unmarshal([]byte(out), &schema) != nil || schema["properties"] == nil {
		t.Errorf("schema ends with %d: %.200s", code, out)
	}
	code, out, _ = command(t, "", "version")
	if code != exitOK || !strings.HasPrefix(out, "aggregator ") || strings.Count(out, "\n") != 1 {
		t.Errorf("version ends with %d: %s", code, out)
	}
	for _, name := range []string{"schema", "version", "status", "queue", "reload", "drain", "size"} {
		if code, _, errOut := command(t, "", name, "aggregator.yaml"); code != exitUsage ||
			!strings.Contains(errOut, "takes no arguments but flags; -c names a configuration") {
			t.Errorf("%s with an argument: %d, %s", name, code, errOut)
		}
		if code, out, _ := command(t, "", name, "--help"); code != exitOK ||
			!strings.Contains(out, "aggregator "+name) {
			t.Errorf("help for %s: %d, %s", name, code, out)
		}
	}
	if code, _, errOut := command(t, "", "qeue"); code != exitUsage ||
		!strings.Contains(errOut, "did you mean 'aggregator queue'?") {
		t.Errorf("a slip of the pen: %d, %s", code, errOut)
	}
	if code, _, errOut := command(t, "", "queue", "--jsn"); code != exitUsage ||
		!strings.Contains(errOut, "'aggregator queue --help' lists the flags") {
		t.Errorf("a wrong flag: %d, %s", code, errOut)
	}
}
