package loki

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/s2"
	"github.com/rs/zerolog"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
)

const secret = "s3cr3t-passw0rd"

// line is what a made-up Loki has of one.
type line struct {
	tenant, labels, text string
	ns                   int64
	metadata             map[string]string
}

// made is a made-up Loki with the limits that its documentation names: one text of a stream and time is one line, and a
// request of which lines are refused is answered 400 although the others are taken.
type made struct {
	mu      sync.Mutex
	fault   func(w http.ResponseWriter, r *http.Request) bool
	poison  string // lines with it are refused, as for their time
	refusal string // is said of such lines
	status  int    // with which it is said; 0: 400
	maxLine int
	lines   []line
	seen    map[string]bool
}

func (m *made) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	packed, err := io.ReadAll(r.Body)
	if err != nil {
		return // who asked has gone
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case r.URL.Path != pushPath:
		http.NotFound(w, r)
		return
	case m.fault != nil && m.fault(w, r):
		return
	}
	body, err := s2.Decode(nil, packed)
	if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, "snappy: corrupt input", http.StatusBadRequest)
		return
	}
	lines, err := parse(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	refused := 0
	for _, l := range lines {
		l.tenant = r.Header.Get(tenantHeader)
		key := fmt.Sprint(l.tenant, l.labels, l.ns, l.text)
		switch {
		case m.poison != "" && strings.Contains(l.text, m.poison), m.maxLine > 0 && len(l.text) > m.maxLine:
			refused++
		case !m.seen[key]:
			if m.seen == nil {
				m.seen = map[string]bool{}
			}
			m.seen[key] = true
			m.lines = append(m.lines, l)
		}
	}
	if refused > 0 {
		text := fmt.Sprintf("entries are too old, total ignored: %d out of %d", refused, len(lines))
		http.Error(w, cmp.Or(m.refusal, text), cmp.Or(m.status, http.StatusBadRequest))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// fields calls do for each field of a message.
func fields(b []byte, do func(n protowire.Number, value []byte, number uint64)) error {
	for len(b) > 0 {
		n, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return protowire.ParseError(size)
		}
		b = b[size:]
		var value []byte
		var number uint64
		switch kind {
		case protowire.BytesType:
			value, size = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			number, size = protowire.ConsumeVarint(b)
		default:
			return fmt.Errorf("field %d is of type %d", n, kind)
		}
		if size < 0 {
			return protowire.ParseError(size)
		}
		b = b[size:]
		do(n, value, number)
	}
	return nil
}

func parse(body []byte) (lines []line, err error) {
	note := func(e error) {
		if err == nil {
			err = e
		}
	}
	note(fields(body, func(_ protowire.Number, s []byte, _ uint64) {
		labels := ""
		note(fields(s, func(n protowire.Number, v []byte, _ uint64) {
			if n == streamLabels {
				labels = string(v)
				return
			}
			l := line{labels: labels, metadata: map[string]string{}}
			note(fields(v, func(n protowire.Number, v []byte, _ uint64) {
				switch n { //nolint:exhaustive // there are no others
				case entryTime:
					note(fields(v, func(n protowire.Number, _ []byte, number uint64) {
						l.ns += int64(number) * map[protowire.Number]int64{timeSeconds: 1e9, timeNanos: 1}[n]
					}))
				case entryLine:
					l.text = string(v)
				case entryMetadata:
					name, value := "", ""
					note(fields(v, func(n protowire.Number, v []byte, _ uint64) {
						if n == labelName {
							name = string(v)
						} else {
							value = string(v)
						}
					}))
					l.metadata[name] = value
				}
			}))
			lines = append(lines, l)
		}))
	}))
	return lines, err
}

func (m *made) set(fault func(w http.ResponseWriter, r *http.Request) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = fault
}

func (m *made) numbers(t *testing.T) (all []int) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.lines {
		_, text, _ := strings.Cut(l.text, `"n":`)
		n := 0
		if _, err := fmt.Sscanf(text, "%d", &n); err != nil {
			t.Fatalf("a line has no number: %s", l.text)
		}
		all = append(all, n)
	}
	return all
}

func newOutput(t *testing.T, m *made, change func(*Config)) *Output {
	t.Helper()
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	cfg := Config{
		Common: outputs.Common{Timeout: time.Minute, Fields: event.Fields{Tag: "tag"}},
		Login:  Login{Username: "agent", Password: setting.NewSecret(secret)},
		URL:    server.URL, MaxLineSize: 256 << 10, MaxStreamsPerHour: 100,
		Labels: map[string]string{"cluster": "{cluster}", "tag": "{tag}"}, Tenant: "{cluster}",
	}
	if change != nil {
		change(&cfg)
	}
	o, err := New(cfg, Options{Log: zerolog.Nop(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func status(code int, text string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		_, password, _ := r.BasicAuth()
		http.Error(w, text+" "+password, code)
		return true
	}
}

func TestContract(t *testing.T) {
	outputtest.Contract(t, func(t *testing.T) *outputtest.Destination {
		t.Helper()
		m := &made{}
		return &outputtest.Destination{
			Output:  newOutput(t, m, nil),
			Numbers: m.numbers,
			Break: func(after int) {
				m.set(map[int]func(http.ResponseWriter, *http.Request) bool{
					0: status(503, ""), 1: status(429, "Ingestion rate limit exceeded"), 500: status(400, "x"),
					300_000:   status(401, "no org id"),
					1_000_000: status(500, "boom"),
				}[after])
			},
			Repair: func() { m.set(nil) },
			Trouble: func(on bool) {
				m.set(nil)
				if on {
					m.set(func(w http.ResponseWriter, r *http.Request) bool {
						return r.Header.Get(tenantHeader) == "b" &&
							status(http.StatusForbidden, "tenant is not allowed")(w, r)
					})
				}
			},
			Secret: secret,
		}
	})
}

// TestAnswers: what each answer means.
func TestAnswers(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		status     int
		reason     outputs.Reason
		suspect    bool
	}{
		{"a line of it", "entry out of order", 400, outputs.ReasonServer, true},
		{
			"too large", "rpc error: code = ResourceExhausted desc = grpc: received message larger than max (5 vs. 4)",
			500, outputs.ReasonTooLarge, false,
		},
		{"an error there", "boom", 500, outputs.ReasonServer, true},
		{"the rate", "Ingestion rate limit exceeded", 429, outputs.ReasonThrottled, false},
		{"the login", "no org id", 401, outputs.ReasonAuth, false},
		{"away", "", 503, outputs.ReasonServer, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := &made{fault: status(tc.status, tc.text)}
			o := newOutput(t, m, nil)
			defer o.Close()
			se := outputs.AsSendError(o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 3, 0, 10))))
			if se.Reason != tc.reason || se.Suspect != tc.suspect || se.Remedy == "" ||
				strings.Contains(se.Error(), secret) {
				t.Errorf("%+v", se)
			}
		})
	}
}

func TestOneTenant(t *testing.T) {
	outputtest.OneTarget(t, func(t *testing.T, code int) outputs.Output {
		t.Helper()
		return newOutput(t, &made{fault: func(w http.ResponseWriter, r *http.Request) bool {
			return r.Header.Get(tenantHeader) == "bad" && status(code, "rate limit of user bad exceeded")(w, r)
		}}, func(c *Config) { c.Tenant = "{cluster}" })
	})
}

func TestTableOfRefusals(t *testing.T) {
	outputtest.HoldRefusals(t, refusals(), []outputtest.Answer{
		{
			What:   "a request too large for its parts",
			Status: 500,
			Words:  "rpc error: code = ResourceExhausted desc = grpc: received",
		},
		{What: "a line that is too old, too new or out of order", Status: 400, Kind: tooOld},
		{What: "a line, a label's value or metadata that is too long", Status: 400, Kind: lineTooLong},
		{What: "structured metadata is not allowed", Status: 400, Kind: metadataOff},
		{What: "a stream at its limit, or one too many", Status: 429, Kind: streamLimit},
		{What: "ingestion is blocked", Status: 260, Kind: blocked},
		{What: "a redirect", Status: 302},
		{What: "no valid login", Status: 401},
		{What: "no right", Status: 403},
		{What: "nothing at that URL", Status: 404},
		{What: "too large", Status: 413},
		{What: "too many requests", Status: 429},
		{What: "too slow, or away", Status: 503},
		{What: "an error there", Status: 500, Words: "boom"},
		{What: "not understood", Status: 400, Words: "entry out of order"},
		{What: "anything else", Status: 100},
	}, "../../../docs/loki.md")
}

// TestHalves: lines that Loki took of a request that it answered 400 are not there twice when it is sent again in
// halves.
func TestHalves(t *testing.T) {
	m := &made{poison: `"n":7,`}
	o := newOutput(t, m, nil)
	defer o.Close()
	var send func(from, to int) (dead []int)
	send = func(from, to int) (dead []int) {
		b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 16, 0, 10))
		b.Events = b.Events[from:to]
		err := o.Send(t.Context(), b)
		switch {
		case err == nil:
			return nil
		case !outputs.AsSendError(err).Suspect:
			t.Fatal(err)
		case to-from == 1:
			return []int{from}
		}
		middle := (from + to) / 2
		return append(send(from, middle), send(middle, to)...)
	}
	if dead := send(0, 16); !slices.Equal(dead, []int{7}) {
		t.Errorf("refused %v", dead)
	}
	if got := m.numbers(t); len(got) != 15 || slices.Contains(got, 7) {
		t.Errorf("Loki has %v", got)
	}
}

// TestEqualLines: equal lines of one time are as many lines, in their order, whatever the time's precision and however
// they are cut into requests, and stay the same ones when they are sent again in other requests.
func TestEqualLines(t *testing.T) {
	const chunks, events = 5, 3000
	for _, nsec := range []uint32{0, 120_000_000, 120_345_000, 120_345_678} {
		m := &made{}
		o := newOutput(t, m, func(c *Config) { c.Message = "log" })
		for _, size := range []int{events, 700, 1} {
			for seq := range uint64(chunks) {
				b := outputtest.Batch(outputtest.Chunk(seq+40, "a", "t", events, 0, 5))
				for i := range b.Events {
					b.Events[i].Time = event.Time{Sec: outputtest.Start, Nsec: nsec}
					if nsec%1_000_000 != 0 {
						b.Events[i].Time.Nsec += uint32(seq) * 1_000_000 // chunks do not share such times
					}
				}
				for from := 0; from < events && (size > 1 || from < 3); from += size {
					part := &outputs.Batch{Events: b.Events[from:min(from+size, events)], Bytes: 100}
					if err := o.Send(t.Context(), part); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if len(m.lines) != chunks*events {
			t.Errorf("%d ns: %d lines, want %d", nsec, len(m.lines), chunks*events)
		}
		for i := 1; i < events; i++ {
			if m.lines[i].ns <= m.lines[i-1].ns {
				t.Fatalf("%d ns: times %d, %d", nsec, m.lines[i-1].ns, m.lines[i].ns)
			}
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestLinesAndLabels(t *testing.T) {
	m := &made{}
	o := newOutput(t, m, func(c *Config) {
		c.Labels = map[string]string{"cluster": "{cluster}", "app": "{record.app}", "n": `a"b\{record.n}`}
		c.StructuredMetadata, c.Message = map[string]string{"tag": "{tag}", "none": "{record.none}"}, "n"
	})
	defer o.Close()
	if err := o.Send(t.Context(), outputtest.Batch(outputtest.Chunk(1, "a", "t", 1, 7, 10))); err != nil {
		t.Fatal(err)
	}
	l := m.lines[0]
	if l.labels != `{cluster="a", n="a\"b\\7"}` || l.text != "7" || l.tenant != "a" || len(l.metadata) != 1 ||
		l.metadata["tag"] != "t" {
		t.Errorf("%+v", l)
	}
}

func TestStreamsAreBounded(t *testing.T) {
	now := time.Unix(1763720100, 0)
	s, err := newStreams(map[string]string{"cluster": "{cluster}", "tag": "{tag}"},
		outputs.NewNameLimit(outputs.NameLimitOptions{Max: 2, Now: func() time.Time { return now }}))
	if err != nil {
		t.Fatal(err)
	}
	of := func(tag string) string {
		labels, _ := s.of(nil, &event.Event{Chunk: &event.Chunk{Cluster: "c", Tag: tag}, Record: []byte{0x80}})
		return labels
	}
	if of("a") != `{cluster="c", tag="a"}` || of("b") != `{cluster="c", tag="b"}` ||
		of("d") != `{cluster="c", tag="other"}` ||
		s.limit.Notice() == "" {
		t.Errorf("%s, notice %q", of("d"), s.limit.Notice())
	}
	now = now.Add(time.Hour)
	if of("d") != `{cluster="c", tag="d"}` || s.limit.Notice() != "" {
		t.Error("the hour is not over")
	}
}

// FuzzLabels: whatever a value is, the labels are UTF-8 and end where they should.
func FuzzLabels(f *testing.F) {
	f.Add("a\"b\\\n\xff")
	f.Fuzz(func(t *testing.T, value string) {
		quoted := appendQuoted(nil, []byte(value))
		if !utf8.Valid(quoted) || len(quoted) > 4*maxValue {
			t.Fatalf("%q became %q", value, quoted)
		}
		for i := 0; i < len(quoted); i++ {
			switch quoted[i] {
			case '\\':
				i++
			case '"', '\n':
				t.Fatalf("%q became %q", value, quoted)
			}
		}
	})
}

func TestTooLong(t *testing.T) {
	m := &made{}
	o := newOutput(t, m, func(c *Config) { c.MaxLineSize = 1024 })
	defer o.Close()
	b := outputtest.Batch(outputtest.Chunk(1, "a", "t", 1, 0, 2000), outputtest.Chunk(2, "a", "t", 1, 1, 10))
	se := outputs.AsSendError(o.Send(t.Context(), b))
	if len(se.Failed) != 1 || se.Failed[0].Reason != outputs.ReasonTooLarge ||
		!strings.Contains(se.Failed[0].Detail, "max_line_size is 1KiB") {
		t.Errorf("%+v", se)
	}
	if got := m.numbers(t); !slices.Equal(got, []int{1}) {
		t.Errorf("Loki has %v", got)
	}
}
