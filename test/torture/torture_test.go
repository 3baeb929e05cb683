// Package torture ends the program at every moment that there is, under load and with destinations that fail, and holds
// that nothing that was acknowledged is lost. docs/testing.md says how to run it for hours and how to repeat a run.
package torture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
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
	if !harness.Whole("torture") {
		return
	}
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue { // campaigns wait more than they work
		if err := f.Value.Set("6"); err != nil {
			panic(err)
		}
	}
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

// seed is TORTURE_SEED, or a new one. Every campaign has its own, counted from it.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := rand.Uint64() >> 24
	if text := os.Getenv("TORTURE_SEED"); text != "" {
		var err error
		if n, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("TORTURE_SEED: %v", err)
		}
	}
	t.Logf("E2E=1 TORTURE_SEED=%d go test -count=1 -run '^%s$' ./test/torture repeats this", n, t.Name())
	return n
}

// rounds calls round with 0, and with the numbers that follow for as long as TORTURE_FOR says.
func rounds(t *testing.T, round func(t *testing.T, n uint64)) {
	t.Helper()
	var length time.Duration
	if text := os.Getenv("TORTURE_FOR"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatalf("TORTURE_FOR: %v", err)
		}
	}
	begun := time.Now()
	for n := uint64(0); n == 0 || !t.Failed() && time.Since(begun) < length; n++ {
		t.Run(fmt.Sprint("round ", n), func(t *testing.T) { round(t, n) })
	}
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
var frequent = regexp.MustCompile(
	`^(ack|batch|delivery\.sent|journal\.record|segment\.commit|file\.(written|synced|intents\.written)|` +
		`s3\.(uploaded|intents\.written)|dead\.add)`,
)

// TestPoints kills the program at each fail point, twice in a row, under load.
func TestPoints(t *testing.T) { //nolint:tparallel // rounds follow each other
	t.Parallel()
	base, names := seed(t), pointNames(t)
	rounds(t, func(t *testing.T, n uint64) {
		t.Helper()
		for i, name := range names {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c := newCampaign(t, pointOptions(t, name, base+n*1000+uint64(i)))
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
	})
}

func pointOptions(t *testing.T, name string, seed uint64) options {
	t.Helper()
	o := options{binary: must(t, points), seed: seed}
	switch name {
	case "dead.evict.before", "dead.file.ended", "dead.file.removed":
		o.letters, o.evicts = "512KiB", true
	}
	return o
}

// preludes are lives before the one that ends at a fail point which is not passed otherwise.
var preludes = map[string]func(c *campaign){
	// It is empty.
	"journal.named":          func(c *campaign) { _ = os.Remove(filepath.Join(c.dir, "data", "journal")) },
	"journal.removed":        journaled,
	"journal.replayed":       journaled,
	"journal.set-aside":      rotten,
	"retry.settled":          func(c *campaign) { c.armed("retry.committed", 1, true) },
	"segment.set-aside":      damage,
	"segment.rewrite.filled": damage,
	"segment.rewritten":      damage,
	"segment.replaced":       damage,
}

// journaled is lives that end with several records in the journal.
func journaled(c *campaign) {
	for done := false; !done; done = len(c.records()) > 1 {
		c.launch()
		c.open()
		c.await(20)
		c.kill()
	}
}

// records returns where the records of the journal begin that count.
func (c *campaign) records() (places []int64) {
	b, err := os.ReadFile(filepath.Join(c.dir, "data", "journal"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		c.t.Fatal(err)
	}
	const page = 4096
	if len(b) < 3*page {
		return nil
	}
	generation := func(at int) uint64 { return binary.LittleEndian.Uint64(b[at+16:]) }
	for at := 2 * page; at+page <= len(b); at += page {
		if bytes.HasPrefix(b[at:], []byte("\xa9Aggrec\x01")) && generation(at) == max(generation(0), generation(page)) {
			places = append(places, int64(at))
		}
	}
	return places
}

// rotten is a life that ends with a journal whose first record does not say any more that it is one. All chunks can be
// salvaged.
func rotten(c *campaign) {
	journaled(c)
	f, err := os.OpenFile(filepath.Join(c.dir, "data", "journal"), os.O_WRONLY, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{0}, c.records()[0]); err != nil {
		c.t.Fatal(err)
	}
	c.damaged = true
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

// TestKills kills the program at random moments, with destinations that come and go. TORTURE_KILLS says how often
// before everything is looked for.
func TestKills(t *testing.T) { //nolint:tparallel // rounds follow each other
	t.Parallel()
	base, kills := seed(t), 12
	if text := os.Getenv("TORTURE_KILLS"); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatalf("TORTURE_KILLS: %v", err)
		}
	}
	rounds(t, func(t *testing.T, n uint64) {
		t.Helper()
		c := newCampaign(t, options{binary: must(t, plain), seed: base + n})
		for c.kills < kills {
			c.random()
		}
		c.finish(c.rng.IntN(2) == 0)
	})
}

// TestOutages has no destination but the files take anything for several lives of the program, however these end.
func TestOutages(t *testing.T) { //nolint:tparallel // rounds follow each other
	t.Parallel()
	base := seed(t)
	rounds(t, func(t *testing.T, n uint64) {
		t.Helper()
		c := newCampaign(t, options{binary: must(t, plain), seed: base + n})
		for _, stop := range []bool{false, false, true, false} {
			c.to.set(outage, outage, outage, false)
			c.launch()
			c.open()
			c.await(1 + c.rng.IntN(150))
			if stop {
				c.stop()
			} else {
				c.kill()
			}
		}
		c.finish(true)
	})
}

// TestLostAcks has agents give up waiting for every second ack: what they send again at once is recognised.
func TestLostAcks(t *testing.T) {
	t.Parallel()
	c := newCampaign(t, options{binary: must(t, plain), seed: seed(t), lost: 0.5})
	c.launch()
	c.open()
	c.await(500)
	c.finish(true)
}

// TestFailures has disk operations fail once, or until the program is killed.
func TestFailures(t *testing.T) {
	t.Parallel()
	base := seed(t)
	for i, arm := range []string{
		"create=fail@1", "create=fail@2", "commit=fail@1", "commit=fail@20", "seal=fail@1+", "save=fail@2",
		"save=fail@2+", "forget=fail@1",
		"commit=fail@5,save=fail@3,create=fail@3,seal=fail@1",
	} {
		t.Run(arm, func(t *testing.T) {
			t.Parallel()
			c := newCampaign(t, options{binary: must(t, points), seed: base + uint64(i)})
			for range 2 {
				c.launch("AGG_FAILPOINT=" + arm)
				if !c.open() {
					t.Fatalf("the program did not start:\n%s", c.server.Log)
				}
				stop := c.operate()
				c.await(100 + c.rng.IntN(200))
				// Who asks for a retry of dead letters is told in the reply.
				c.until(func() bool {
					return strings.HasPrefix(arm, "forget") || strings.Contains(c.server.Log.String(), "fail point")
				})
				stop()
				c.kill()
			}
			c.finish(c.rng.IntN(2) == 0)
		})
	}
}

// TestCompaction kills the program while it makes segments smaller of which one slow output wants a little: that
// happens half a minute after the others are done with them.
func TestCompaction(t *testing.T) {
	t.Parallel()
	c := newCampaign(t, options{binary: must(t, points), seed: seed(t), only: "app.d"})
	c.to.set(outage, fine, fine, false)
	for _, point := range []string{"segment.rewritten", "segment.replaced"} {
		c.armed(point, 1, false)
	}
	c.finish(false)
}

// random is a life of random length in random weather.
func (c *campaign) random() {
	c.t.Helper()
	roll := func() weather { return weather(c.rng.IntN(int(weathers))) }
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
	c.await(1 + c.rng.IntN(200))
	if c.rng.IntN(6) == 0 {
		c.stop()
	} else {
		c.kill()
	}
}
