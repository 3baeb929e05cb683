package disk

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

const crashDir = "AGG_CRASH_DIR"

// TestCrash kills a process that stores and delivers, again and again: whatever it said was
// acknowledged must have been delivered, or be there. AGG_CRASHES sets how often.
func TestCrash(t *testing.T) {
	if dir := os.Getenv(crashDir); dir != "" {
		crashChild(dir)
		return
	}
	dir := t.TempDir()
	acked, delivered := map[string]bool{}, map[string]bool{}
	for round := range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestCrash$")
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s", crashDir, dir), fmt.Sprint("AGG_CRASH_ROUND=", round))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// The moment is a number of acks, not a time: a slow machine must not make the test empty.
		n, end := 0, 20+rand.IntN(400)
		for in := bufio.NewScanner(out); in.Scan(); {
			kind, id, _ := strings.Cut(in.Text(), " ")
			switch kind {
			case "A":
				acked[id] = true
				if n++; n == end {
					_ = cmd.Process.Kill()
				}
			case "D":
				delivered[id] = true
			}
		}
		_ = cmd.Wait() // it was killed
		if n == 0 {
			t.Fatalf("round %d: nothing was acknowledged", round)
		}
	}
	s := mustOpen(t, testConfig(dir), buffer.Options{})
	for _, entries := range drain(t, s, "o") {
		for id := range strings.FieldsSeq(entries) {
			delivered[id] = true
		}
	}
	missing := 0
	for id := range acked {
		if !delivered[id] {
			missing++
		}
	}
	if missing > 0 {
		t.Errorf("%d of %d acknowledged events are lost", missing, len(acked))
	}
	if st := s.Stats(); st.Disk.SetAside > 0 {
		t.Errorf("a killed process left damage: %+v", st)
	}
	t.Logf("%d acknowledged", len(acked))
}

// crashChild stores from several connections and delivers, until it is killed.
func crashChild(dir string) {
	cfg := testConfig(dir)
	cfg.Compression = "none" // so that segments fill
	s, err := Open(cfg, buffer.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var mu sync.Mutex
	say := func(kind, ids string) {
		var b strings.Builder
		for id := range strings.FieldsSeq(ids) {
			fmt.Fprintf(&b, "%s %s\n", kind, id)
		}
		mu.Lock()
		defer mu.Unlock()
		_, _ = os.Stdout.WriteString(b.String()) // the parent is there until it kills
	}
	ctx := context.Background()
	for conn := range uint64(4) {
		go func() {
			b := s.NewBatch(conn)
			for i := 0; ; i++ {
				id := fmt.Sprintf("%s-%d-%d", os.Getenv("AGG_CRASH_ROUND"), conn, i)
				b.Begin(buffer.Message{
					Cluster: fmt.Sprint("c", conn%2), Tag: fmt.Sprint("t", conn), Chunk: id, Outputs: []string{"o"},
				})
				entries := strings.Repeat(" ", i%3*20_000) + id + " "
				if conn == 3 && i%16 == 0 { // more than a transaction takes
					for range 6 {
						b.Add([]byte(strings.Repeat(" ", 200_000)), 1, true)
					}
				}
				b.Add([]byte(entries), 1, true)
				if err := b.Commit(ctx); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				say("A", id)
			}
		}()
	}
	for {
		c, err := s.Source("o").Next(ctx)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if rand.IntN(4) == 0 {
			s.Source("o").Return(c)
			time.Sleep(time.Millisecond)
			continue
		}
		say("D", string(c.Entries))
		s.Source("o").Done(c)
	}
}
