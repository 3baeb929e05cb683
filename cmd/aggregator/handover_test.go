package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
	"github.com/seed-afc6a195/aggregator/pkg/handover"
)

func TestHandoverUsage(t *testing.T) {
	t.Setenv("AGGREGATOR_SHARED_KEY", "") // an empty one is none for a handover
	dir := t.TempDir()
	config := filepath.Join(dir, "a.yaml")
	if err := os.WriteFile(config, []byte("buffer: {path: "+dir+"/none}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, []byte("k\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args string
		code int
		want string
	}{
		{"--rate 1MiB/s", 2, "--rate goes with --to"},
		{"--dry-run", 2, "--dry-run goes with --to"},
		{"--to unix:", 2, "--to: "},
		{"--to a:1 --rate fast", 2, "--rate: "},
		{"--to a:1", 2, "--to needs --shared-key"},
		{"--to a:1 --shared-key x --shared-key-file " + key, 2, "give one of them"},
		{"--to a:1 --shared-key x --cert-file c", 2, "give both or none"},
		{"--to a:1 --shared-key-file " + dir + "/missing", 2, "--shared-key-file"},
		{"--to a:1 --shared-key-file " + key, 1, "there is no data directory to hand over"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			var out, errOut strings.Builder
			code := run(context.Background(), append([]string{"drain", "-c", config}, strings.Fields(tc.args)...),
				strings.NewReader(""), &out, &errOut)
			if code != tc.code || !strings.Contains(errOut.String(), tc.want) {
				t.Errorf("exit code %d, %q; want %d, %q", code, errOut.String(), tc.code, tc.want)
			}
		})
	}
}

func TestHandoverPlan(t *testing.T) {
	f := handoverFlags{to: "there:1"}
	pending := []handover.Pending{
		{Cluster: "oslo", Output: "archive", Events: 3, Chunks: 1, Bytes: 2048},
		{Cluster: "oslo", Output: "es", Target: "logs-x", Events: 5, Chunks: 2, Bytes: 100},
		{Cluster: "seoul", Output: "es", Events: 1, Chunks: 1, Bytes: 100},
		{Cluster: "oslo", Events: 4},
	}
	var out strings.Builder
	terms := handover.Terms{Clusters: []string{"oslo"}, Unknown: []string{"archive"}}
	if err := f.printPlan(&out, pending, terms, true); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	for i, words := range []string{
		"cluster output waits for events", "oslo archive 3 1 2 KiB not configured there: it waits until it is",
		"oslo es logs-x 5 2",
		"seoul es 1 1 100 B not taken by there:1", "oslo (dead letters) 4",
	} {
		if got := strings.Join(strings.Fields(lines[i]), " "); !strings.HasPrefix(got, words) {
			t.Errorf("line %d is %q, want %q", i, got, words)
		}
	}
}

func TestHandoverLeft(t *testing.T) {
	f := handoverFlags{to: "there:1"}
	pending := []handover.Pending{{Cluster: "c", Output: "es", Events: 3}, {Cluster: "c", Events: 2}}
	for _, tc := range []struct {
		name    string
		pending []handover.Pending
		refused map[string]int64
		cause   error
		want    []string // none: no error
	}{
		{"nothing", nil, nil, nil, nil},
		{
			"a cluster that is not taken", pending,
			map[string]int64{"c": 5},
			nil,
			[]string{
				"3 events that outputs want, and 2 in dead letters, are left in data", "cluster c: 5 events",
				"listeners[].handover.clusters",
			},
		},
		{
			"no aggregator", pending, nil, client.ErrNoHandover,
			[]string{"there:1 is no aggregator", "set listeners[].handover"},
		},
		{"a wrong key", pending, nil, client.ErrLogin, []string{"shared_key of the handover"}},
		{"an end that the other side does not know of", nil, nil, errors.New("reset"), []string{"0 events", "reset"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := f.left(tc.pending, &handover.Result{Refused: tc.refused}, "data", tc.cause)
			if (err != nil) != (len(tc.want) > 0) {
				t.Fatal(err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
		})
	}
}
