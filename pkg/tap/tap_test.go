package tap

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/outputtest"
	"github.com/seed-afc6a195/aggregator/pkg/status/client"
	"github.com/seed-afc6a195/aggregator/pkg/status/tail"
)

// under is a sink whose batches note what they were told.
type under struct {
	ingest.Sink
	ingest.Batch
	told []string
}

func (u *under) NewBatch(uint64) ingest.Batch { return u }

func (u *under) Begin(cluster, tag, chunk string) { u.told = append(u.told, cluster+" "+tag+" "+chunk) }

func (u *under) Add(entries []byte, events int, nanos bool) {
	u.told = append(u.told, fmt.Sprint(len(entries), events, nanos))
}

func open(t *testing.T, h *tail.Hub, q tail.Query) *tail.View {
	t.Helper()
	v, err := h.Open(q)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func shown(v *tail.View) (all []client.TailEvent) {
	for {
		select {
		case t := <-v.Events():
			all = append(all, t.Event())
		default:
			return all
		}
	}
}

// What arrives is shown to those who want it, and stored whether or not anybody looks.
func TestSink(t *testing.T) {
	h, u := new(tail.Hub), new(under)
	b := Sink(h, u).NewBatch(1)
	c := outputtest.Chunk(1, "a", "kube.x", 5, 0, 10)
	add := func() {
		b.Begin("a", "kube.x", "id")
		b.Add(c.Entries, 5, true)
	}
	add()
	want := slices.Clone(u.told)
	all := open(t, h, tail.Query{At: client.TailArrival, Records: true})
	few := open(t, h, tail.Query{At: client.TailArrival, Rate: 2})
	others := []*tail.View{
		open(t, h, tail.Query{At: client.TailArrival, Cluster: "b"}), open(t, h, tail.Query{At: "es"}),
		open(t, h, tail.Query{
			At: client.TailArrival, Tag: func(tag string) bool { return strings.HasPrefix(tag, "host.") },
		}),
	}
	u.told = nil
	add()
	if !slices.Equal(u.told, want) {
		t.Errorf("with views the sink was told %q, want %q", u.told, want)
	}
	got := shown(all)
	if len(got) != 5 || got[4].Cluster != "a" || got[4].Tag != "kube.x" ||
		!strings.Contains(string(got[4].Record), `"n":4`) || got[4].At != client.TailArrival || got[4].Bytes == 0 ||
		got[4].ID != "" {
		t.Errorf("shown %+v", got)
	}
	if n := len(shown(few)); n != 2 || few.Missed() != 3 {
		t.Errorf("%d are shown to who wants two a second", n)
	}
	for i, v := range others {
		if n := len(shown(v)); n != 0 || v.Missed() != 0 {
			t.Errorf("%d are shown to the other view %d", n, i)
		}
	}
}

// named is an output that names targets by cluster.
type named struct{}

func (named) AppendTarget(dst []byte, ev *event.Event) []byte {
	return append(append(dst, "logs-"...), ev.Chunk.Cluster...)
}
