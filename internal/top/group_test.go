package top

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// pods has a server tell of a group: host and state by turns. All were heard of 5 s ago, the first is who tells it.
func pods(t *testing.T, f *fake, hostAndState ...string) {
	t.Helper()
	var all []string
	for i := 0; i < len(hostAndState); i += 2 {
		all = append(all, fmt.Sprintf(`{"name":"%d","host":%q,"state":%q,"not_ready":["draining"],"connections":%d,`+
			`"last_seen":"1970-01-01T02:46:35Z","received_per_second":1200.4,"delivered_per_second":900,`+
			`"memory_bytes":94371840}`, i/2, hostAndState[i], hostAndState[i+1], i))
	}
	text := `{"self":"0","pods":[` + strings.Join(all, ",") + "]}"
	f.state.Group = nil
	if err := json.Unmarshal([]byte(text), &f.state.Group); err != nil {
		t.Fatal(err)
	}
}

// The pods that run, and those that are missed, are shown, those in trouble first; who tells it is marked.
func TestPods(t *testing.T) {
	f := three()
	m := newModel(t, f, 150, 45)
	if press(m, "g"); strings.Contains(m.Text(), "POD") || strings.Contains(m.Text(), "g pods") {
		t.Errorf("a server that shares nothing shows pods:\n%s", m.Text())
	}
	pods(t, f, "agg-a", "ready", "agg-b", "not_ready", "agg-c", "gone", "agg-d", "ended", "agg-e", "gone",
		"agg-e", "ready")
	m = newModel(t, f, 150, 45)
	text := m.Text()
	wantText(t, m, "POD                          CONNECTIONS      IN/s     OUT/s     MEMORY   HEARD  STATE",
		"* agg-a                                  0      1200       900     90 MiB       -  ready",
		"  agg-b                                  2      1200       900     90 MiB      5s  not ready: draining",
		"has fallen silent", "g pods")
	at := func(part string) int { return strings.Index(text, part) }
	if at("agg-b") > at("agg-c") || at("agg-c") > at("* agg-a") || at("agg-d") >= 0 ||
		strings.Count(text, "agg-e") != 1 {
		t.Errorf("the order is another, or one that ended is shown:\n%s", text)
	}
	m.o.Color = true
	wantText(t, m, "\x1b[31m  agg-b", "\x1b[33m  agg-c")
}

// Where there is little room, outputs and clusters have it, and a key shows the pods in place of them.
func TestPodsHaveAPlace(t *testing.T) {
	f := three()
	if err := json.Unmarshal([]byte(`{"clusters":[{"name":"c1"},{"name":"c2"},{"name":"c3"}]}`), &f.state); err != nil {
		t.Fatal(err)
	}
	var many []string
	for i := range 40 {
		many = append(many, fmt.Sprintf("agg-%02d", i), "ready")
	}
	pods(t, f, many...)
	for _, tc := range []struct {
		width, rows  int
		inline, more string
	}{
		{120, 24, "", "more: g"},
		{120, 40, "more: g", "more: g"},
		{80, 60, "more: g", ""},
		{40, 12, "", "more: g"},
		{0, 0, "", ""},
	} {
		m := newModel(t, f, tc.width, tc.rows)
		fits := func(when string) {
			lines := strings.Split(strings.TrimSuffix(m.Text(), "\n"), "\n")
			for _, line := range lines {
				if len([]rune(line)) > tc.width {
					t.Errorf("%dx%d, %s: %q is too wide", tc.width, tc.rows, when, line)
				}
			}
			if len(lines) > max(tc.rows, 7) {
				t.Errorf("%dx%d, %s: %d lines", tc.width, tc.rows, when, len(lines))
			}
		}
		fits("at first")
		if tc.width > 0 && (tc.inline != "") != strings.Contains(m.Text(), "POD ") {
			t.Errorf("%dx%d:\n%s", tc.width, tc.rows, m.Text())
		}
		press(m, "g")
		fits("pods")
		if tc.width > 0 {
			wantText(t, m, "POD ", "agg-00", tc.more)
			if strings.Contains(m.Text(), "OUTPUT by") {
				t.Errorf("%dx%d: outputs and pods at once:\n%s", tc.width, tc.rows, m.Text())
			}
		}
		for _, key := range []string{"g", "esc", "enter"} {
			m.pods = true
			if press(m, key); m.pods {
				t.Errorf("%s leaves the pods", key)
			}
			m.detail = false
		}
	}
}
