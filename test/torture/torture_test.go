// Package torture ends the program at every moment that there is, under load and with destinations that fail, and holds
// that nothing that was acknowledged is lost. docs/testing.md says how to run it for hours and how to repeat a run.
package torture

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/test/harness"
)

// dir is where the binaries are.
var dir = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "aggregator-torture") })

func build(flags ...string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		base, err := dir()
		if err != nil {
			return "", err
		}
		into := filepath.Join(base, strconv.Itoa(len(flags)))
		if err := os.MkdirAll(into, 0o700); err != nil {
			return "", err
		}
		return harness.Build(into, flags...)
	})
}

var (
	plain  = build()
	points = build("-tags=failpoints")
)

func TestMain(m *testing.M) {
	code := m.Run()
	if base, err := dir(); err == nil {
		os.RemoveAll(base)
	}
	os.Exit(code)
}

func must(t *testing.T, binary func() (string, error)) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// seed is TORTURE_SEED, or a new one. Every campaign takes its own from it.
func seed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("TORTURE_SEED")
	if text == "" {
		return rand.Uint64() >> 16
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("TORTURE_SEED: %v", err)
	}
	return n
}

// pointNames returns the names of all fail points, as the source has them.
func pointNames(t *testing.T) []string {
	t.Helper()
	call := regexp.MustCompile(`failpoint\.Pass\("([^"]+)"\)`)
	var names []string
	err := filepath.WalkDir("../../pkg", func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		text, err := os.ReadFile(path)
		for _, found := range call.FindAllSubmatch(text, -1) {
			names = append(names, string(found[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	if len(names) < 30 || len(slices.Compact(slices.Clone(names))) < len(names) {
		t.Fatalf("fail points are missing or named twice: %v", names)
	}
	return names
}

// TestNoTrace holds that the program as it is shipped has no fail points.
func TestNoTrace(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		binary func() (string, error)
		want   bool
	}{{plain, false}, {points, true}} {
		text, err := os.ReadFile(must(t, tc.binary))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range append(pointNames(t), "AGG_FAILPOINT") {
			if got := bytes.Contains(text, []byte(name)); got != tc.want {
				t.Errorf("%s is in the binary: %t, want %t", name, got, tc.want)
			}
		}
	}
}

// frequent are passed with every chunk or so: there the pass at which the program is killed is a matter of chance.
var frequent = regexp.MustCompile(`^(ack|batch|delivery\.sent|segment\.commit|file\.(written|synced)|s3\.(uploaded|intents\.written)|dead\.add)`)

// TestPoints kills the program at each fail point, twice in a row, under load.
func TestPoints(t *testing.T) {
	t.Parallel()
	base := seed(t)
	for i, name := range pointNames(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCampaign(t, pointOptions(t, name, base+uint64(i)))
			for range 2 {
				pass := 1
				if frequent.MatchString(name) {
					pass += c.rng.IntN(40)
				}
				if before, ok := preludes[name]; ok {
					before(c)
				}
				c.armed(name, pass, true)
			}
			c.finish(c.rng.IntN(2) == 0)
		})
	}
}

func pointOptions(t *testing.T, name string, seed uint64) options {
	t.Helper()
	o := options{binary: must(t, points), seed: seed}
	if name == "dead.evict.before" || name == "dead.file.ended" {
		o.letters, o.evicts = "512KiB", true
	}
	return o
}

// preludes are lives before the one that ends at a fail point which is not passed otherwise.
var preludes = map[string]func(c *campaign){
	"retry.settled":          func(c *campaign) { c.armed("retry.committed", 1, true) },
	"segment.set-aside":      damage,
	"segment.rewrite.filled": damage,
	"segment.rewritten":      damage,
	"segment.replaced":       damage,
}

// damage is a life that ends with a segment whose meta pages are gone. All chunks can be salvaged.
func damage(c *campaign) {
	c.to.set(outage, fine, fine, false)
	c.launch()
	c.open()
	c.await(200)
	c.kill()
	c.to.set(fine, fine, fine, false)
	names, err := filepath.Glob(filepath.Join(c.dir, "data", "seg-*.db"))
	if err != nil || len(names) == 0 {
		c.t.Fatalf("no segment to damage: %v", err)
	}
	f, err := os.OpenFile(names[len(names)-1], os.O_WRONLY, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(make([]byte, 2*4096), 0); err != nil {
		c.t.Fatal(err)
	}
	c.damaged = true
}

// TestKills kills the program at random moments, with destinations that come and go. TORTURE_KILLS is how often, and
// TORTURE_FOR for how long new campaigns are begun.
func TestKills(t *testing.T) {
	t.Parallel()
	base := seed(t)
	kills, length := 12, time.Duration(0)
	var err error
	if text := os.Getenv("TORTURE_KILLS"); text != "" {
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatalf("TORTURE_KILLS: %v", err)
		}
	}
	if text := os.Getenv("TORTURE_FOR"); text != "" {
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatalf("TORTURE_FOR: %v", err)
		}
	}
	begun := time.Now()
	for i := uint64(0); i < 2 || time.Since(begun) < length; i++ {
		ok := t.Run(fmt.Sprint("seed ", base+i), func(t *testing.T) {
			if length == 0 {
				t.Parallel()
			}
			c := newCampaign(t, options{binary: must(t, plain), seed: base + i})
			for range kills {
				c.random()
			}
			c.finish(c.rng.IntN(2) == 0)
		})
		if !ok {
			t.Fatalf("repeat it with TORTURE_SEED=%d", base+i)
		}
	}
}

// random is a life of random length in random weather.
func (c *campaign) random() {
	c.t.Helper()
	roll := func() weather { return weather(c.rng.IntN(int(weather_))) }
	c.to.set(roll(), roll(), roll(), false)
	c.launch()
	if c.rng.IntN(8) == 0 { // at its start
		pause(c.t.Context(), time.Duration(c.rng.IntN(60))*time.Millisecond)
		c.kill()
		return
	}
	if !c.open() {
		c.t.Fatalf("the program did not start:\n%s", c.server.Log)
	}
	if c.rng.IntN(3) == 0 {
		defer c.operate()()
	}
	c.await(1 + c.rng.IntN(400))
	if c.rng.IntN(6) == 0 {
		c.stop()
	} else {
		c.kill()
	}
}
