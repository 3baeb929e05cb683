package torture

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/test/harness"
)

// copies are under which ids an event was found in one destination, each as often as it is there.
type copies struct {
	ids []string
}

// book is what was found in one destination: by agent and number.
type book map[string]map[int]*copies

func (b book) see(m mark) {
	if b[m.Agent] == nil {
		b[m.Agent] = map[int]*copies{}
	}
	c := b[m.Agent][*m.N]
	if c == nil {
		c = &copies{}
		b[m.Agent][*m.N] = c
	}
	c.ids = append(c.ids, m.ID)
}

// ledger compares what agents were promised with what became of it.
type ledger struct {
	t      *testing.T
	agents []*agent
	wrong  int
}

// most is how many mistakes are told.
const most = 20

func (l *ledger) errorf(format string, args ...any) {
	l.t.Helper()
	if l.wrong++; l.wrong <= most {
		l.t.Errorf(format, args...)
	}
}

// each calls f for every acknowledged event of an agent whose events go to outputs.
func (l *ledger) each(f func(a *agent, n int)) {
	for _, a := range l.agents {
		for n := range a.Acked() {
			f(a, n)
		}
	}
}

// check holds that acknowledged = delivered + dead for every output, and that nothing was delivered twice.
func (l *ledger) check(d *destinations, s *harness.Server, o options) {
	l.t.Helper()
	es, files, lake, letters := book{}, book{}, book{}, map[string]book{}
	for what, err := range map[string]error{
		"Elasticsearch": d.documents(es.see), "files": d.lines(files.see), "objects": d.objects(lake.see),
		"dead letters": readLetters(s, letters),
		"receiver":     d.up.fail,
	} {
		if err != nil {
			l.errorf("%s: %v", what, err)
		}
	}
	for output, b := range letters {
		if output != "es" && output != "" {
			l.errorf("dead letters of output %q, which refuses nothing: %d agents", output, len(b))
		}
	}
	d.up.mu.Lock()
	defer d.up.mu.Unlock()
	l.each(func(a *agent, n int) {
		c, dead := es[a.Name][n], letters["es"][a.Name][n]
		switch {
		case a.refused: // dead on arrival
			if letters[""][a.Name][n] == nil && !o.evicts {
				l.errorf("%s: event %d, of a tag that the cluster may not use, is no dead letter", a.Name, n)
			}
			if c != nil || files[a.Name][n] != nil {
				l.errorf("%s: event %d was delivered, though the cluster may not use its tag", a.Name, n)
			}
			return
		case o.only != "" && a.Tag != o.only:
			l.file(a, n, files[a.Name][n])
			return
		case c == nil && dead == nil && !a.lossy(o, n):
			l.errorf("%s: event %d was acknowledged and is neither in Elasticsearch nor a dead letter", a.Name, n)
		case c != nil && len(c.ids) > 1:
			l.errorf("%s: event %d is in Elasticsearch %d times, as %v", a.Name, n, len(c.ids), c.ids)
		case dead != nil && len(dead.ids) > 1:
			l.errorf("%s: event %d is a dead letter %d times, as %v", a.Name, n, len(dead.ids), dead.ids)
		case c != nil && dead != nil:
			l.errorf("%s: event %d is in Elasticsearch and a dead letter", a.Name, n)
		case dead != nil && !a.Poisoned(n):
			l.errorf("%s: event %d is a dead letter and no poison", a.Name, n)
		}
		l.file(a, n, files[a.Name][n])
		switch c := lake[a.Name][n]; {
		case c == nil:
			l.errorf("%s: event %d was acknowledged and is in no object", a.Name, n)
		case len(c.ids) > 1 && !a.doubled:
			l.errorf("%s: event %d is in %d objects", a.Name, n, len(c.ids))
		}
		switch chunks := d.up.got[a.Name][n]; {
		case len(chunks) == 0:
			l.errorf("%s: event %d was acknowledged and did not come to the Forward server", a.Name, n)
		case len(chunks) > 1 && !a.doubled:
			l.errorf("%s: event %d came to the Forward server in %d chunks", a.Name, n, len(chunks))
		}
	})
	for what, b := range map[string]book{
		"Elasticsearch": es, "files": files, "objects": lake, "dead letters": letters["es"],
	} {
		for name, events := range b {
			i := slices.IndexFunc(l.agents, func(a *agent) bool { return a.Name == name })
			for n := range events {
				if i < 0 || n >= l.agents[i].Sent() {
					l.errorf("%s: event %d of %s was never sent", what, n, name)
				}
			}
		}
	}
	if l.wrong > most {
		l.t.Errorf("and %d more", l.wrong-most)
	}
}

// file holds that files have the event, and once.
func (l *ledger) file(a *agent, n int, c *copies) {
	l.t.Helper()
	switch {
	case c == nil:
		l.errorf("%s: event %d was acknowledged and is in no file", a.Name, n)
	case len(c.ids) > 1 && !a.doubled:
		l.errorf("%s: event %d is in files %d times, as %v", a.Name, n, len(c.ids), c.ids)
	case c.ids[0] == "":
		l.errorf("%s: event %d has no id", a.Name, n)
	}
}

// readLetters reads all dead letters by output.
func readLetters(s *harness.Server, into map[string]book) error {
	text, err := s.Request(s.T.Context(), "GET", "/dead-letters/export")
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var letter client.DeadLetter
		if err := json.Unmarshal(lines.Bytes(), &letter); err != nil {
			return err
		}
		records := letter.Records
		if len(letter.Record) > 0 {
			records = append(records, letter.Record)
		}
		if len(records) != letter.Events {
			return fmt.Errorf("a letter of %d events has %d records: %.200s", letter.Events, len(records),
				lines.Bytes())
		}
		if into[letter.Output] == nil {
			into[letter.Output] = book{}
		}
		for _, r := range records {
			m, err := readMark(r)
			if err != nil {
				return err
			}
			m.ID = letter.EventID
			into[letter.Output].see(m)
		}
	}
	return lines.Err()
}

// wantNoDamage holds that nothing was set aside.
func wantNoDamage(t *testing.T, dir string) {
	t.Helper()
	for _, pattern := range []string{"*.corrupt*", "*/*.corrupt*", "*.damaged", "*.tmp", "*/*.tmp"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		if len(names) > 0 {
			t.Errorf("left behind: %v", names)
		}
	}
}
