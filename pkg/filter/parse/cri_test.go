package parse

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/filter"
)

func TestCRI(t *testing.T) {
	for name, tc := range map[string]struct {
		line string
		want string // "" where it is no line
		at   string
	}{
		"the documented one": {
			"2016-10-06T00:17:09.669794202Z stdout F The content of the log entry 1",
			`{"stream":"stdout","logtag":"F","message":"The content of the log entry 1"}`,
			"2016-10-06T00:17:09.669794202Z",
		},
		"stderr, an offset": {
			"2023-01-02T03:04:05.1+09:00 stderr F x", `{"stream":"stderr","logtag":"F","message":"x"}`,
			"2023-01-01T18:04:05.1Z",
		},
		"no message": {
			"2016-10-06T00:17:09Z stdout F ", `{"stream":"stdout","logtag":"F","message":""}`, "2016-10-06T00:17:09Z",
		},
		"not even the space": {
			"2016-10-06T00:17:09Z stdout F", `{"stream":"stdout","logtag":"F","message":""}`, "2016-10-06T00:17:09Z",
		},
		"more tags": {
			"2016-10-06T00:17:09Z stdout F:x:y m", `{"stream":"stdout","logtag":"F:x:y","message":"m"}`,
			"2016-10-06T00:17:09Z",
		},
		"spaces in front": {
			"2016-10-06T00:17:09Z stdout F   m ", `{"stream":"stdout","logtag":"F","message":"  m "}`,
			"2016-10-06T00:17:09Z",
		},
		"the line's end": {
			"2016-10-06T00:17:09Z stdout F m\n", `{"stream":"stdout","logtag":"F","message":"m"}`,
			"2016-10-06T00:17:09Z",
		},
		"another stream":       {"2016-10-06T00:17:09Z stdlog F m", "", ""},
		"another tag":          {"2016-10-06T00:17:09Z stdout X m", "", ""},
		"a longer tag":         {"2016-10-06T00:17:09Z stdout Full m", "", ""},
		"no tag":               {"2016-10-06T00:17:09Z stdout  m", "", ""},
		"no time":              {"the quick brown stdout F m", "", ""},
		"a time that is none":  {"2016-10-36T00:17:09Z stdout F m", "", ""},
		"cut in the stream":    {"2016-10-06T00:17:09Z std", "", ""},
		"cut after the stream": {"2016-10-06T00:17:09Z stdout", "", ""},
		"Docker's":             {`{"log":"m\n","stream":"stdout","time":"2016-10-06T00:17:09Z"}`, "", ""},
		"nothing":              {"", "", ""},
		"a space":              {" ", "", ""},
	} {
		cfg := with(func(c *Config) { c.Format = "cri" })
		_, joiner, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		e := newEvent(t, fieldsOf{"log": tc.line})
		emitted := 0
		err = joiner.Join(e, received(), func(*filter.Event) { emitted++ })
		if (err != nil) != (tc.want == "") || emitted != 1 {
			t.Errorf("%s: error %v, emitted %d", name, err, emitted)
			continue
		}
		if err == nil && (asJSON(t, e) != tc.want || timeOf(e) != tc.at) {
			t.Errorf("%s: got %s at %s\nwant %s at %s", name, asJSON(t, e), timeOf(e), tc.want, tc.at)
		}
	}
}

// play is a run of a joiner: what goes in, and what came out as text with the numbers of the origins.
type play struct {
	t      *testing.T
	joiner filter.Joiner
	now    time.Time
	next   int
	out    []string
}

func newPlay(t *testing.T, change func(*Config)) *play {
	t.Helper()
	_, joiner, err := New(with(func(c *Config) { c.Format = "cri"; change(c) }))
	if err != nil {
		t.Fatal(err)
	}
	return &play{t: t, joiner: joiner, now: received()}
}

func (p *play) emit(e *filter.Event) {
	message, _ := e.Get("message")
	tag, _ := e.Get("logtag")
	p.out = append(p.out,
		fmt.Sprintf("%s %s %v", event.AppendText(nil, tag), event.AppendText(nil, message), e.Origins))
}

func (p *play) line(pod, line string) {
	p.t.Helper()
	e := newEvent(p.t, fieldsOf{"log": "2016-10-06T00:17:09Z " + line, "kubernetes": fieldsOf{"pod_name": pod}})
	e.Origins[0] = p.next
	p.next++
	err := p.joiner.Join(e, p.now, p.emit)
	if err != nil && !strings.Contains(line, "bad") {
		p.t.Fatal(err)
	}
	e.Replace([]byte{0x80}) // what is held back must not share memory
	e.Origins[0] = -1
}

func TestJoin(t *testing.T) {
	none := func(*Config) {}
	for name, tc := range map[string]struct {
		config func(*Config)
		play   func(p *play)
		want   []string
	}{
		"parts": {none, func(p *play) {
			p.line("a", "stdout P one ")
			p.line("a", "stdout P two ")
			p.line("a", "stdout F three")
			p.line("a", "stdout F four")
		}, []string{"F one two three [0 1 2]", "F four [3]"}},
		"streams and pods do not mix": {none, func(p *play) {
			p.line("a", "stdout P out ")
			p.line("a", "stderr P err ")
			p.line("b", "stdout P b ")
			p.line("c", "stdout F c")
			p.line("b", "stdout F end")
			p.line("a", "stderr F end")
			p.line("a", "stdout F end")
		}, []string{"F c [3]", "F b end [2 4]", "F err end [1 5]", "F out end [0 6]"}},
		"bad lines go on": {func(c *Config) { c.OnError = "tag" }, func(p *play) {
			p.line("a", "stdout P one ")
			p.line("a", "bad")
			p.line("a", "stdout F two")
		}, []string{"  [1]", "F one two [0 2]"}},
		"too many lines": {func(c *Config) { c.Join.MaxLines = 2 }, func(p *play) {
			p.line("a", "stdout P 1")
			p.line("a", "stdout P 2")
			p.line("a", "stdout P 3")
			p.line("a", "stdout F 4")
			p.line("a", "stdout F 5")
		}, []string{"P 12 [0 1]", "F 34 [2 3]", "F 5 [4]"}},
		"too many bytes": {func(c *Config) { c.Join.MaxBytes = 5 }, func(p *play) {
			p.line("a", "stdout P 123")
			p.line("a", "stdout P 45")
			p.line("a", "stdout P 6")
			p.line("a", "stdout F 78901")
		}, []string{"P 12345 [0 1]", "P 6 [2]", "F 78901 [3]"}},
		"no time": {none, func(p *play) {
			p.line("a", "stdout P a")
			p.now = p.now.Add(3 * time.Second)
			p.line("b", "stdout P b")
			p.line("a", "stdout P a")
			if want := p.now.Add(5 * time.Second); !p.joiner.Due().Equal(want) {
				p.t.Errorf("due at %v, want %v", p.joiner.Due(), want)
			}
			p.joiner.Flush(p.now.Add(4*time.Second), false, p.emit)
			p.line("b", "stdout P b")
			p.now = p.now.Add(5 * time.Second)
			p.joiner.Flush(p.now, false, p.emit)
			p.line("a", "stdout F end")
		}, []string{"P aa [0 2]", "P bb [1 3]", "F end [4]"}},
		"the end": {none, func(p *play) {
			p.line("a", "stdout P a")
			p.line("b", "stdout P b")
			p.joiner.Flush(p.now, true, p.emit)
			if !p.joiner.Due().IsZero() {
				p.t.Error("something is held back still")
			}
		}, []string{"P a [0]", "P b [1]"}},
		"a key of its own": {func(c *Config) { c.Join.Key = "{tag}" }, func(p *play) {
			p.line("a", "stdout P a")
			p.line("b", "stdout F b")
		}, []string{"F ab [0 1]"}},
		"too many streams": {none, func(p *play) {
			for i := range maxHeldStreams + 2 {
				p.line(strconv.Itoa(i), "stdout P x")
			}
		}, []string{"P x [0]", "P x [1]"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t, tc.config)
			tc.play(p)
			if !slices.Equal(p.out, tc.want) {
				t.Errorf("got  %q\nwant %q", p.out, tc.want)
			}
		})
	}
}

// Bytes are counted as they come and go.
func TestJoinBytes(t *testing.T) {
	p := newPlay(t, func(*Config) {})
	long := strings.Repeat("x", 16<<10)
	for i := range 6 {
		for pod := range 1000 {
			p.line(strconv.Itoa(pod), "stdout P "+long)
			if j := p.joiner.(*joiner); j.bytes > maxHeldBytes {
				t.Fatalf("%d bytes held back", j.bytes)
			}
		}
		if i == 5 {
			p.joiner.Flush(p.now, true, p.emit)
		}
	}
	if j := p.joiner.(*joiner); j.bytes != 0 || j.lines.Len() != 0 {
		t.Errorf("%d bytes of %d streams are left", j.bytes, j.lines.Len())
	}
}

// The joined event keeps the first part's fields and time; with keep its text too.
func TestJoinedRecord(t *testing.T) {
	for keep, want := range map[bool]string{
		false: `{"n":1,"stream":"stdout","logtag":"F","message":"ab"}`,
		true:  `{"log":"2016-10-06T00:17:09Z stdout P a","n":1,"stream":"stdout","logtag":"F","message":"ab"}`,
	} {
		_, joiner, err := New(with(func(c *Config) { c.Format = "cri"; c.Keep = keep }))
		if err != nil {
			t.Fatal(err)
		}
		var got string
		emit := func(e *filter.Event) { got = asJSON(t, e) + timeOf(e) }
		joiner.Join(newEvent(t, fieldsOf{"log": "2016-10-06T00:17:09Z stdout P a", "n": 1}), received(), emit)
		joiner.Join(newEvent(t, fieldsOf{"log": "2016-10-06T00:17:10Z stdout F b", "n": 2}), received(), emit)
		if got != want+"2016-10-06T00:17:09Z" {
			t.Errorf("keep %v: got %s, want %s", keep, got, want)
		}
	}
}

// What becomes a dead letter is emitted with the reason.
func TestJoinDead(t *testing.T) {
	_, joiner, err := New(with(func(c *Config) { c.Format = "cri"; c.OnError = "dead_letter" }))
	if err != nil {
		t.Fatal(err)
	}
	e := newEvent(t, fieldsOf{"log": "bad"})
	detail := ""
	err = joiner.Join(e, received(), func(e *filter.Event) { detail = e.Detail })
	if err == nil || detail != "parse: field log: "+string(errCRI) {
		t.Errorf("error %v, detail %q", err, detail)
	}
}

// FuzzCRI feeds lines to one joiner: each comes out once, whatever it is.
func FuzzCRI(f *testing.F) {
	f.Add("2016-10-06T00:17:09.669794202Z stdout P a\x002016-10-06T00:17:09.669794202Z stdout F b")
	f.Add("2016-10-06T00:17:09Z stderr F:x \xff\x00 stdout F\x00P\x00")
	f.Fuzz(func(t *testing.T, lines string) {
		_, joiner, err := New(with(func(c *Config) { c.Format = "cri"; c.Join.MaxLines = 3; c.Join.MaxBytes = 20 }))
		if err != nil {
			t.Fatal(err)
		}
		in, out := 0, 0
		emit := func(e *filter.Event) {
			out += len(e.Origins)
			asJSON(t, e)
		}
		for line := range strings.SplitSeq(lines, "\x00") {
			in++
			joiner.Join(newEvent(t, fieldsOf{"log": line}), received(), emit)
		}
		joiner.Flush(received(), true, emit)
		if in != out {
			t.Fatalf("%d in, %d out", in, out)
		}
	})
}
