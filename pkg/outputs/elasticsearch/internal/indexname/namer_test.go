package indexname

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/seed-afc6a195/aggregator/pkg/event"
)

// named returns an event of cluster and tag with the record {"app": app}, or {} where app is "".
func named(cluster, tag, app string) *event.Event {
	record := []byte{0x80}
	if app != "" {
		record = append([]byte{0x81, 0xa3, 'a', 'p', 'p', 0xda, byte(len(app) >> 8), byte(len(app))}, app...)
	}
	chunk := &event.Chunk{Cluster: cluster, Tag: tag, Received: time.Unix(1763720100, 0)}
	return &event.Event{Chunk: chunk, Time: event.Time{Sec: 1763720100, Nsec: 123456789}, Record: record}
}

func newTestNamer(tb testing.TB, o Options, now func() time.Time) *Namer {
	tb.Helper()
	if now == nil {
		now = func() time.Time { return time.Unix(1763720100, 0) }
	}
	o.Now = now
	n, err := New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

func TestNames(t *testing.T) {
	long := strings.Repeat("ab", 200)
	for _, tc := range []struct {
		index, cluster, tag, app string
		want                     string
	}{
		{"logs-{cluster}-%Y.%m.%d", "seoul-prod", "t", "", "logs-seoul-prod-2025.11.21"},
		{"plain", "c", "t", "", "plain"},
		{"Logs-{cluster}", "SEOUL", "t", "", "logs-seoul"},
		{"logs-{tag[1]}", "c", "kube.Payments", "", "logs-payments"},
		{"logs-{tag[5]}", "c", "kube.x", "", "logs-unknown"},
		{"logs-{tag[5]|none}-x", "c", "kube.x", "", "logs-none-x"},
		{"logs-{record.app}", "c", "t", `a\b/c*d?e"f<g>h|i j,k#l:m`, "logs-a_b_c_d_e_f_g_h_i_j_k_l_m"},
		{"logs-{record.app}", "c", "t", "a\x00\n\x7f\u0085\u202e", "logs-a_____"},
		{"logs-{record.app}", "c", "t", "\xff\xfe", "logs-__"},
		{"logs-{record.app}", "c", "t", "ÄÖ-서울-ΑΣ", "logs-äö-서울-ασ"},
		{"logs-{record.app}", "c", "t", "", "logs-unknown"},
		{"{tag}", "c", "_-+x", "", "x"},
		{"{tag}", "c", ".hidden", "", "hidden"},
		{"{tag}", "c", "..", "", "unknown"},
		{"{tag}", "c", "---", "", "unknown"},
		{".own-{tag}", "c", "x", "", ".own-x"},
		{".{tag}", "c", ".", "", "unknown"},
		{"logs-%T-%e", "c", "t", "", "logs-10_15_00-21"},
		{"logs-%B", "c", "t", "", "logs-november"},
		{"logs-%L", "c", "t", "", "logs-123"},
		{"a{{b}}%%{tag}", "c", "x", "", "a{b}%x"},
		{"logs-{record.app}", "c", "t", long, "logs-" + long[:241] + "-"},
		{`logs-{record["a}b|c"]|other}-{cluster}`, "c", "t", "", "logs-other-c"},
	} {
		n := newTestNamer(t, Options{Index: tc.index, MaxPerHour: 10}, nil)
		for range 2 { // the second comes from what is remembered
			got := string(n.Append([]byte("x"), named(tc.cluster, tc.tag, tc.app)))[1:]
			if cut := len(tc.want) > 200 && len(got) == maxName; got != tc.want &&
				(!cut || !strings.HasPrefix(got, tc.want)) {
				t.Errorf("%s with %s, %s, %q: %q, want %q", tc.index, tc.cluster, tc.tag, tc.app, got, tc.want)
			}
		}
		if n.Redirected() != 0 {
			t.Errorf("%s: %d redirected", tc.index, n.Redirected())
		}
	}
}

func TestLongNamesStayApart(t *testing.T) {
	n := newTestNamer(t, Options{Index: "logs-{record.app}-{tag}", DataStream: true}, nil)
	seen := map[string]bool{}
	for i := range 50 {
		name := string(n.Append(nil, named("c", strings.Repeat("서", 60), strings.Repeat("울", 100+i))))
		if len(name) > maxStreamName || !utf8.ValidString(name) {
			t.Fatalf("%d bytes: %q", len(name), name)
		}
		seen[name] = true
	}
	if len(seen) != 50 {
		t.Errorf("%d names of 50", len(seen))
	}
}

// What is remembered must not outlive its unit of time, its cluster or its tag.
func TestNamesChange(t *testing.T) {
	for _, tc := range []struct {
		index string
		step  int64
	}{
		{"l-%Y.%m.%d", 24 * 3600},
		{"l-%H", 3600},
		{"l-%M", 60},
		{"l-%S", 1},
		{"l-%s", 1},
		{"l-%F-{cluster}-{tag}", 24 * 3600},
	} {
		n := newTestNamer(t, Options{Index: tc.index}, nil)
		want, err := event.ParseTemplate(tc.index)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []int64{
			0, 1, tc.step - 1, tc.step, tc.step + 1, -1, -tc.step, -tc.step - 1, 1763720100, 1763720100 + tc.step,
		} {
			for _, cluster := range []string{"a", "b"} {
				ev := named(cluster, cluster+cluster, "")
				ev.Time.Sec = at
				if got, want := string(n.Append(nil, ev)), string(want.Append(nil, ev, nil)); got != want {
					t.Errorf("%s at %d: %s, want %s", tc.index, at, got, want)
				}
			}
		}
	}
}

func TestNamesAreBounded(t *testing.T) {
	now := time.Unix(1763720100, 0)
	n := newTestNamer(t, Options{Index: "l-{cluster}-{tag}-{record.app}-%Y", MaxPerHour: 3},
		func() time.Time { return now })
	name := func(cluster, tag string) string { return string(n.Append(nil, named(cluster, tag, "x"))) }
	for range 2 {
		for i := range 5 {
			want := fmt.Sprintf("l-a-t%d-x-2025", i)
			if i >= 3 {
				want = "l-a-other-other-2025"
			}
			if got := name("a", fmt.Sprint("t", i)); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
	}
	if n.Redirected() != 4 {
		t.Errorf("%d redirected, want 4", n.Redirected())
	}
	if got := name("b", "t9"); got != "l-b-t9-x-2025" {
		t.Errorf("another cluster has a limit of its own: %s", got)
	}
	name("a", "t4")
	if notice := n.Notice(); !strings.Contains(notice, "max_indices_per_hour (3) is reached for cluster a:") {
		t.Errorf("notice %q", notice)
	}
	now = now.Add(time.Hour)
	if notice := n.Notice(); notice != "" {
		t.Errorf("an hour later there is still the notice %q", notice)
	}
	for range checkClock { // what is remembered notices the hour within as many names
		name("a", "t4")
	}
	if got := name("a", "t4"); got != "l-a-t4-x-2025" {
		t.Errorf("an hour later: %s", got)
	}
}

// Times come from agents too: an agent with a wild clock must not make an index for each year.
func TestTimesAreBounded(t *testing.T) {
	for _, index := range []string{"l-{cluster}-%Y.%m.%d", "l-{cluster}-{tag}-%Y.%m.%d"} {
		n := newTestNamer(t, Options{Index: index, MaxPerHour: 3}, nil)
		seen := map[string]int{}
		for day := range int64(1000) {
			ev := named("a", "t", "")
			ev.Time.Sec = day * 24 * 3600
			seen[string(n.Append(nil, ev))]++
		}
		if len(seen) > 7 {
			t.Errorf("%s: %d names: %v", index, len(seen), seen)
		}
		last := strings.Replace(strings.Replace(index, "{cluster}", "a", 1), "{tag}", "other", 1)
		last = strings.Replace(last, "%Y.%m.%d", "2025.11.21", 1)
		if seen[last] < 990 {
			t.Errorf("%s: %v, want most in %s", index, seen, last)
		}
	}
}

func TestNamesConcurrently(t *testing.T) {
	n := newTestNamer(t, Options{Index: "l-{cluster}-{tag}", MaxPerHour: 50}, nil)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 2000 {
				tag := strconv.Itoa(i / 100)
				if got := string(n.Append(nil, named("c", tag, ""))); got != "l-c-"+tag {
					t.Errorf("%s for %s", got, tag)
				}
			}
		})
	}
	wg.Wait()
}

func TestPattern(t *testing.T) {
	for _, tc := range []struct{ index, cluster, want string }{
		{"logs-{cluster}-%Y.%m.%d", "", "logs-*-*.*.*"},
		{"logs-{cluster}-%Y.%m.%d", "Seoul Prod", "logs-seoul_prod-*.*.*"},
		{"logs-{cluster}{tag}%F", "", "logs-*"},
		{"Logs-{tag[1]|x}-%F", "c", "logs-*-*"},
		{`{record["}"]}-x`, "", "*-x"},
		{"plain", "", "plain"},
		{"a%%b{{", "", "a%b{"},
	} {
		pieces, err := Parse(tc.index)
		if err != nil {
			t.Fatal(err)
		}
		if got := pieces.Pattern(tc.cluster); got != tc.want {
			t.Errorf("%s for %q: %s, want %s", tc.index, tc.cluster, got, tc.want)
		}
	}
}

// Whatever tag and record hold, the name is one that Elasticsearch takes, begins as the template does, and hides itself
// only where that says so.
func FuzzName(f *testing.F) {
	f.Add("logs-{cluster}-%Y", "c", "kube.x", "app", int64(0))
	f.Add("{tag}", "c", "..", "", int64(1<<60))
	f.Add(" .0", "c", "kube.x", "", int64(0))
	f.Add("{tag}", "c", ".kibana", "", int64(0))
	f.Add("{tag}{record.app}", "c", "../_all", "x,y?*\x00\x1b[2J\u202e", int64(0))
	f.Add("{record.app}{tag[-1]}%T", "", "Ⱥİ\xff", "*", int64(-1))
	f.Fuzz(func(t *testing.T, index, cluster, tag, app string, sec int64) {
		pieces, err := Parse(index)
		if err != nil || len(app) > 60000 {
			return
		}
		var joined strings.Builder
		for _, p := range pieces {
			joined.WriteString(p.text)
		}
		if joined.String() != index {
			t.Fatalf("pieces of %q: %q", index, pieces)
		}
		n := newTestNamer(t, Options{Index: index, MaxPerHour: 1}, nil)
		within := newTestNamer(t, Options{Index: "logs-" + index, MaxPerHour: 1}, nil)
		for _, tag := range []string{tag, tag + "x"} {
			ev := named(cluster, tag, app)
			ev.Time.Sec = sec % (1 << 40)
			name := string(n.Append(nil, ev))
			checkName(t, name)
			if name[0] == '.' && index[0] != '.' {
				t.Errorf("%s is hidden: %q", index, name)
			}
			if name := string(within.Append(nil, ev)); !strings.HasPrefix(name, "logs-") {
				t.Errorf("%s: %q", "logs-"+index, name)
			}
		}
	})
}

func checkName(t *testing.T, name string) {
	t.Helper()
	if name == "" || len(name) > maxName || name == "." || name == ".." || !utf8.ValidString(name) ||
		strings.ContainsAny(name, "\\/*?\"<>| ,#:") || strings.ContainsAny(name[:1], "-_+") ||
		strings.ContainsFunc(name, unicode.IsControl) {
		t.Errorf("%q is no name of an index", name)
	}
	if lower := strings.ToLower(name); lower != name {
		t.Errorf("%q is not in lower case: %q", name, lower)
	}
}

func BenchmarkName(b *testing.B) {
	for _, index := range []string{
		"logs-{cluster}-%Y.%m.%d", "logs-{cluster}-{tag[1]}", "logs-{cluster}-{record.app}-%Y.%m.%d",
	} {
		b.Run(index, func(b *testing.B) {
			n := newTestNamer(b, Options{Index: index, MaxPerHour: 200}, time.Now)
			ev := named("seoul-prod", "kube.var.log.containers.payments", "payments")
			var buf []byte
			b.ReportAllocs()
			for i := range b.N {
				ev.Time.Sec = 1763720100 + int64(i)/500
				buf = n.Append(buf[:0], ev)
			}
		})
	}
}
