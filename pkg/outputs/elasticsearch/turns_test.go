package elasticsearch

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// clockwork is a client of hosts h0, h1, … that reaches for none of them, and its clock.
type clockwork struct {
	*client
	now time.Time
}

func newClockwork(t *testing.T, hosts int, ready bool) *clockwork {
	t.Helper()
	w := &clockwork{now: time.Unix(1763720100, 0)}
	cfg := Config{Index: "logs"}
	for i := range hosts {
		cfg.Hosts = append(cfg.Hosts, fmt.Sprintf("http://h%d", i))
	}
	w.client = newTestClient(t, cfg, Options{Now: func() time.Time { return w.now }})
	for _, h := range w.hosts {
		h.ready = ready
	}
	// No probe begins by itself: a test takes each step.
	w.end()
	return w
}

// picked says what pick returns: the host, "!" behind one that has to be probed, "…" for a wait, "-" for none.
func (w *clockwork) picked(tried ...*host) string {
	h, ready, busy := w.pick(tried)
	switch {
	case ready:
		return strings.TrimPrefix(h.address, "http://")
	case h != nil:
		return strings.TrimPrefix(h.address, "http://") + "!"
	case busy != nil:
		return "…"
	}
	return "-"
}

// Hosts that work have their turns, one after the other; one that was tried in vain is passed over.
func TestPick_Turns(t *testing.T) {
	w := newClockwork(t, 3, true)
	for i, want := range []string{"h0", "h1", "h2", "h0", "h1"} {
		if got := w.picked(); got != want {
			t.Errorf("turn %d: %s, want %s", i, got, want)
		}
	}
	if got := w.picked(w.hosts[2]); got != "h0" {
		t.Errorf("without the third: %s", got)
	}
	if got := w.picked(w.hosts...); got != "-" {
		t.Errorf("all were tried, and %s is picked", got)
	}
	w.hosts[1].ready = false
	if got := w.picked() + w.picked() + w.picked(); strings.Contains(got, "h1") {
		t.Errorf("a host that does not work has a turn: %s", got)
	}
}

// A host that nobody knows yet is probed by one caller, whom the others wait for where there is no other.
func TestPick_Probes(t *testing.T) {
	w := newClockwork(t, 2, false)
	if got := w.picked(); got != "h0!" {
		t.Errorf("the first: %s", got)
	}
	if got := w.picked(); got != "h1!" {
		t.Errorf("the second: %s", got)
	}
	if got := w.picked(); got != "…" {
		t.Errorf("the third: %s", got)
	}
	if got := w.picked(w.hosts...); got != "-" {
		t.Errorf("who has tried both: %s", got)
	}
	close(w.hosts[1].probing)
	w.hosts[1].probing, w.hosts[1].ready = nil, true
	if got := w.picked(); got != "h1" {
		t.Errorf("when one works: %s", got)
	}
}

// Where all hosts rest, the one that is due first is probed at once; where only some do, they rest.
func TestPick_Rests(t *testing.T) {
	w := newClockwork(t, 3, false)
	for i, rest := range []time.Duration{30 * time.Second, 10 * time.Second, 20 * time.Second} {
		w.hosts[i].until = w.now.Add(rest)
	}
	if got := w.picked(); got != "h1!" {
		t.Errorf("all rest: %s", got)
	}
	if got := w.picked(); got != "…" {
		t.Errorf("while it is probed: %s", got)
	}
	close(w.hosts[1].probing)
	w.hosts[1].probing = nil
	w.hosts[1].until = w.now.Add(time.Minute)
	w.now = w.now.Add(25 * time.Second)
	if got := w.picked(); got != "h2!" {
		t.Errorf("one is due: %s", got)
	}
	w.hosts[0].ready, w.hosts[0].until = true, time.Time{}
	if got := w.picked(); got != "h0" {
		t.Errorf("one works: %s", got)
	}
	w.tryNow()
	for _, h := range w.hosts {
		if !h.rests().IsZero() {
			t.Errorf("%s rests until %s", h.address, h.rests())
		}
	}
}

// A host's wish to wait is the others' chance; where there is none, it has to do.
func TestPick_Wishes(t *testing.T) {
	w := newClockwork(t, 2, true)
	if !w.wishes(w.hosts[0], 5*time.Second) {
		t.Error("there is no other host")
	}
	for range 3 {
		if got := w.picked(); got != "h1" {
			t.Errorf("one wants no request, and gets it: %s", got)
		}
	}
	if w.wishes(w.hosts[1], 10*time.Second) {
		t.Error("there is another host")
	}
	if got := w.picked(); got != "h0" {
		t.Errorf("both want none: %s, and not the one that is due first", got)
	}
	w.now = w.now.Add(5 * time.Second)
	if got := w.picked() + w.picked(); got != "h0h0" {
		t.Errorf("the wish of one is over: %s", got)
	}
	w.wishes(w.hosts[0], 24*time.Hour)
	if most := w.now.Add(outputs.Defaults().Retry.Max); w.hosts[0].rests().After(most) {
		t.Errorf("a wish for a day lasts until %s, want %s at most", w.hosts[0].rests(), most)
	}
}

// A host rests for longer with each failure in a row, by a second doubled up to a minute, half of it chance.
func TestFailed_Rests(t *testing.T) {
	w := newClockwork(t, 2, true)
	h := w.hosts[0]
	began := w.now
	for i, seconds := range []int{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		most := time.Duration(seconds) * time.Second
		h.ready = true
		w.failed(h, errors.New("reset"))
		if rest := h.until.Sub(w.now); rest < most/2 || rest > most {
			t.Errorf("failure %d: it rests for %s, want up to %s", i+1, rest, most)
		}
		if h.fails != i+1 || !h.since.Equal(began) || h.ready {
			t.Errorf("failure %d: %d in a row since %s", i+1, h.fails, h.since)
		}
		w.now = w.now.Add(time.Hour)
	}
	// What was under way when it failed says nothing new.
	before := h.until
	w.failed(h, errors.New("another"))
	if h.fails != 9 || !h.until.Equal(before) || h.last != "another" {
		t.Errorf("%d failures, %q", h.fails, h.last)
	}
	var r outputs.Report
	w.report(&r)
	if got := r.Hosts[0]; !got.Down || got.Error != "another" || !got.Since.Equal(began) {
		t.Errorf("%+v", got)
	}
	w.works(h)
	r = outputs.Report{}
	w.report(&r)
	if got := r.Hosts[0]; got.Down || got.Error != "" || !got.Since.IsZero() || got.Address != "http://h0" {
		t.Errorf("when it works: %+v", got)
	}
	h.ready = true
	w.failed(h, errors.New("reset"))
	if rest := h.until.Sub(w.now); rest > time.Second {
		t.Errorf("its failures are not forgotten: it rests for %s", rest)
	}
}

// A notice is kept once, and without words of a server's own.
func TestNotice(t *testing.T) {
	w := newClockwork(t, 1, true)
	for range 3 {
		w.notice("%s: it said %s", "http://h0", outputs.Words("s3cr3t", "words of its own"))
	}
	w.notice("another")
	var r outputs.Report
	w.report(&r)
	if len(r.Notices) != 2 || r.Notices[0] != "http://h0: it said words of its own" {
		t.Errorf("%q", r.Notices)
	}
}

// The URL of a host is scheme, host, port and path; what is wrong with it is said without its password.
func TestParseHost(t *testing.T) {
	for text, want := range map[string]string{
		"https://a:9200": "", "http://[::1]:9200/": "", "https://a/es//": "",
		"a:9200":               `"a:9200" does not begin with http:// or https:// and a host`,
		"":                     `"" does not begin with http:// or https:// and a host`,
		"https://":             `"https://" does not begin with http:// or https:// and a host`,
		"HTTPS://a":            "",
		"https://a:x":          `no URL: `,
		"https://u:s3cr3t@a b": `no URL: `,
		"https://u:s3cr3t@a":   "https://u:xxxxx@a: it holds a user: use username and password instead",
		"https://a?b":          `"https://a?b" has more than scheme, host, port and path`,
	} {
		u, err := parseHost(text)
		told := ""
		if err != nil {
			told = err.Error()
		}
		if (told == "") != (want == "") || !strings.HasPrefix(told, want) || strings.Contains(told, "s3cr3t") {
			t.Errorf("%q: %s, want %s", text, told, want)
		}
		if err == nil && (strings.HasSuffix(u.Path, "/") || u.Hostname() == "") {
			t.Errorf("%q became %s", text, u)
		}
	}
	if _, err := newClient(Config{}, Options{}); err == nil || err.Error() != "hosts: there is none" {
		t.Errorf("without hosts: %v", err)
	}
	if _, err := newHost(&url.URL{Scheme: "http", Host: "a"}, nil); err != nil {
		t.Error(err)
	}
}
