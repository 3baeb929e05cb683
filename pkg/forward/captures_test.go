package forward_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

const captures = "../../testdata/captures"

// TestCaptures replays what real clients sent: the events must be those that Fluent Bit's server made of it, the acks
// byte for byte its own.
func TestCaptures(t *testing.T) {
	received, err := filepath.Glob(filepath.Join(captures, "*.received"))
	if err != nil || len(received) < 10 {
		t.Fatalf("%d captures, %v", len(received), err)
	}
	for _, path := range received {
		name := strings.TrimSuffix(filepath.Base(path), ".received")
		if strings.Contains(name, "shared-key") || strings.Contains(name, "user") {
			continue // a handshake can't be replayed
		}
		t.Run(name, func(t *testing.T) {
			r := newRig(nil)
			clients, _ := filepath.Glob(filepath.Join(captures, name+".*.client"))
			for i, client := range clients {
				for _, pieces := range cuts(read(t, client), uint64(i)) {
					fresh := newRig(nil)
					acks := bytes.Join(fresh.run(pieces...), nil)
					want, err := os.ReadFile(strings.TrimSuffix(client, ".client") + ".server")
					if err == nil && !bytes.Equal(acks, want) {
						t.Errorf("%s: acks are\n% x, want\n% x", client, acks, want)
					}
					quiet(t, fresh)
				}
				r.run(read(t, client))
			}
			got, want := lines(t, r), slices.Collect(strings.Lines(string(read(t, path))))
			for i := range want {
				want[i] = normal(t, strings.TrimSpace(want[i]))
			}
			slices.Sort(got)
			slices.Sort(want)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// lines writes the events that r stored as Fluent Bit's stdout output does.
func lines(t *testing.T, r *rig) (out []string) {
	t.Helper()
	encoder := event.NewEncoder(event.Fields{})
	for _, m := range r.sink.Messages() {
		for rest := m.Entries; len(rest) > 0; {
			var e event.Entry
			var err error
			if rest, err = event.ReadEntry(rest, &e); err != nil || e.Kind != event.KindEvent {
				t.Fatalf("entry of kind %v: %v", e.Kind, err)
			}
			record, err := encoder.AppendValue(nil, e.Record)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, normal(t, fmt.Sprintf("%s: [%d.%09d, %s]", m.Tag, e.Time.Sec, e.Time.Nsec, record)))
		}
	}
	return out
}

// normal brings a line's record into the order and form of encoding/json.
func normal(t *testing.T, line string) string {
	t.Helper()
	head, record, ok := strings.Cut(line, ", ")
	var v any
	if err := json.Unmarshal([]byte(strings.TrimSuffix(record, "]")), &v); !ok || err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return head + ", " + string(b) + "]"
}
