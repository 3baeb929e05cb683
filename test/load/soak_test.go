package load

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

// warmUp is how many rounds it takes until there is what is made once, and what remembers the last 100,000 events is
// full.
const warmUp = 7

// TestSoak has agents come, send and go, round after round, some of them over TLS, and looks for what grows: heap,
// goroutines, descriptors, disk. A few rounds by default; SOAK_FOR=1h goes on for that long.
func TestSoak(t *testing.T) {
	const agents, chunks = 100, 10
	rounds := number(t, "SOAK_ROUNDS", 18)
	ctx := t.Context()
	if text := os.Getenv("SOAK_FOR"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("SOAK_FOR: %v", err)
		}
		var done context.CancelFunc
		ctx, done = context.WithTimeout(ctx, d)
		defer done()
		rounds = 1 << 30
	}
	// Chunk ids are remembered for longer than a few rounds take, and would look as if something grew.
	r := newRig(t, false, ", dedupe_window: 1s")
	var samples []cost
	began := time.Now()
	for n := 0; n < rounds && ctx.Err() == nil; n++ {
		r.round(n, agents, chunks)
		r.Drained()
		if n < warmUp {
			continue
		}
		c := r.cost()
		samples = append(samples, c)
		if n < 20 || n%100 == 0 {
			t.Logf("round %d, %v: %.2f MiB of heap, %.1f MiB resident, %.0f goroutines, %.0f files, %d KiB on disk",
				n, time.Since(began).Round(time.Second), c.heap/(1<<20), c.resident/(1<<20), c.goroutines, c.files,
				c.disk>>10)
		}
	}
	if len(samples) < 4 {
		t.Fatalf("%d rounds are too few to see anything", len(samples))
	}
	for _, what := range []struct {
		name  string
		of    func(cost) float64
		slack float64 // between the means of the first and the last third
		unit  string
	}{
		// Beside leaks there is what fills up to a bound.
		{"heap", func(c cost) float64 { return c.heap }, 5 << 20, "bytes"},
		{"resident memory", func(c cost) float64 { return c.resident }, 32 << 20, "bytes"},
		{"goroutines", func(c cost) float64 { return c.goroutines }, 4, ""},
		{"open files", func(c cost) float64 { return c.files }, 4, ""},
		{"disk", func(c cost) float64 { return float64(c.disk) }, 80 << 20, "bytes"},
	} {
		third := len(samples) / 3
		first, last := mean(samples[:third], what.of), mean(samples[len(samples)-third:], what.of)
		t.Logf("%s: %.4g %s at first, %.4g at last, %+.4g a round", what.name, first, what.unit, last,
			slope(samples, what.of))
		if last > first+what.slack {
			t.Errorf("%s grows: from %.0f to %.0f", what.name, first, last)
		}
	}
	came, _ := r.es.counts()
	t.Logf("%d events delivered in %v", came, time.Since(began).Round(time.Second))
	r.Balanced()
	r.Stop()
}

// round has agents connect, send chunks and go.
func (r *rig) round(n, agents, chunks int) {
	done := make(chan struct{})
	for i := range agents {
		a := r.agent(n*agents + i)
		a.Name, a.Limit = fmt.Sprintf("r%d-%d", n, i), chunks*20
		a.Login.Hostname = fmt.Sprint("node-", i) // the program remembers for hours who has come
		go func() {
			a.Run(r.t.Context())
			done <- struct{}{}
		}()
	}
	for range agents {
		<-done
	}
}

func mean(samples []cost, of func(cost) float64) (m float64) {
	for _, s := range samples {
		m += of(s)
	}
	return m / float64(len(samples))
}

// slope is by how much a sample is more than the one before, by the method of least squares.
func slope(samples []cost, of func(cost) float64) float64 {
	n, m := float64(len(samples)-1)/2, mean(samples, of)
	var up, down float64
	for i, s := range samples {
		x := float64(i) - n
		up += x * (of(s) - m)
		down += x * x
	}
	return up / down
}
