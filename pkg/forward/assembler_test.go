package forward

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	ft "github.com/seed-afc6a195/aggregator/pkg/forward/forwardtest"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/refusal"
	"github.com/seed-afc6a195/aggregator/pkg/forward/internal/wire"
	"github.com/seed-afc6a195/aggregator/pkg/ingest"
)

// assembling is an assembler with a Sink and a Budget.
type assembling struct {
	assembler
	to     *ft.Sink
	budget *ingest.Budget
}

func newAssembling(budget int64) *assembling {
	a := &assembling{to: &ft.Sink{}, budget: ingest.NewBudget(budget)}
	a.assembler = assembler{
		from: origin{7, "prod", "192.0.2.1", "node-1"}, sink: a.to, mem: a.budget.Reserve(func() {}),
		codecs:          newCodecs(),
		maxDecompressed: func() int64 { return 1 << 20 },
	}
	return a
}

// parsed returns what b says, a whole message.
func parsed(t *testing.T, b []byte) *wire.Message {
	t.Helper()
	f := wire.NewFrame()
	if done, err := f.Scan(b, 1<<30); err != nil || !done {
		t.Fatalf("not a whole message: %v", err)
	}
	m, err := wire.NewMessage(&f, b)
	if err != nil {
		t.Fatal(err)
	}
	return &m
}

func (a *assembling) addAll(t *testing.T, messages ...[]byte) error {
	t.Helper()
	for _, b := range messages {
		if err := a.add(t.Context(), parsed(t, b)); err != nil {
			return err
		}
	}
	return a.flush(t.Context())
}

// told shows what a Sink has got: tag, chunk, number of events, what was rejected and dropped.
func told(messages []ft.Message) (all []string) {
	for _, m := range messages {
		parts := []string{fmt.Sprintf("%s/%s %s:%d", m.Cluster, m.Tag, m.Chunk, m.Events)}
		for _, r := range m.Rejected {
			parts = append(parts, fmt.Sprintf("rejected %d", r.Events))
		}
		for rule, n := range m.Dropped {
			parts = append(parts, fmt.Sprintf("%s %d", rule, n))
		}
		all = append(all, strings.Join(parts, " "))
	}
	return all
}

// TestAssembler has messages become those of a batch, with the acks that are due once it is stored.
func TestAssembler(t *testing.T) {
	entry := ft.Entry(1, ft.Map{"log": "x"})
	record := ft.Value(ft.Map{"log": "x"})
	invalid := ft.Array(1, 2, 3)
	two := slices.Concat(entry, entry)
	for _, tc := range []struct {
		name     string
		messages [][]byte
		want     []string
		acks     []string
	}{
		{"none", nil, nil, nil},
		{
			"packed",
			[][]byte{ft.Array("a", ft.Bin(two), ft.Map{"chunk": "c1"})},
			[]string{"prod/a c1:2"},
			[]string{"c1"},
		},
		{
			"forward",
			[][]byte{ft.Array("a", ft.Array(entry, entry), ft.Map{"chunk": "c1"})},
			[]string{"prod/a c1:2"},
			[]string{"c1"},
		},
		{
			"events of one tag without acks become one message",
			[][]byte{
				ft.Array("a", 1, record), ft.Array("a", 2, record), ft.Array("b", 3, record),
			},
			[]string{"prod/a :2", "prod/b :1"},
			nil,
		},
		{
			"an event with an ack is a message of its own",
			[][]byte{
				ft.Array("a", 1, record), ft.Array("a", 2, record, ft.Map{"chunk": "c"}), ft.Array("a", 3, record),
			},
			[]string{"prod/a :1", "prod/a c:1", "prod/a :1"},
			[]string{"c"},
		},
		{
			"what is no event stays out of those gathered",
			[][]byte{
				ft.Array("a", 1, record), ft.Array("a", 1, 5), ft.Array("a", 2, record),
			},
			[]string{"prod/a :1", "prod/a :0 rejected 1", "prod/a :1"},
			nil,
		},
		{
			"one that is no event among others",
			[][]byte{ft.Array("a", ft.Array(entry, invalid, entry), ft.Map{"chunk": "c"})},
			[]string{"prod/a c:2 rejected 1"},
			[]string{"c"},
		},
		{
			"metrics are dropped and acked",
			[][]byte{ft.Array("a", ft.Bin(two), ft.Map{"chunk": "c", "fluent_signal": 1})},
			[]string{"prod/a c:0 metrics 1"},
			[]string{"c"},
		},
		{
			"a message that carries nothing",
			[][]byte{ft.Array("a"), ft.Array("a", ft.Bin(entry))},
			[]string{"prod/a :1"},
			nil,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := newAssembling(64 << 20)
			if err := a.addAll(t, tc.messages...); err != nil {
				t.Fatal(err)
			}
			if a.empty() != (len(tc.want) == 0) {
				t.Errorf("empty: %t", a.empty())
			}
			if !a.idle() {
				if err := a.batch.Commit(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if got := told(a.to.Messages()); !slices.Equal(got, tc.want) || !slices.Equal(a.acks, tc.acks) {
				t.Errorf("stored %q with acks %q, want %q with %q", got, a.acks, tc.want, tc.acks)
			}
			a.reset()
			if used := a.budget.Stats().Used; used != 0 || !a.idle() {
				t.Errorf("%d bytes are charged after the end, idle: %t", used, a.idle())
			}
		})
	}
}

// TestAssemblerRefuses leaves out what is broken, whole, and keeps what came before it.
func TestAssemblerRefuses(t *testing.T) {
	entry := ft.Entry(1, ft.Map{"log": "x"})
	good := ft.Array("good", ft.Bin(entry), ft.Map{"chunk": "g"})
	for _, tc := range []struct {
		name, reason, text string
		message            []byte
	}{
		{
			"cut within its last entry", refusal.Broken, "last of the message's entries is cut",
			ft.Array("a", ft.Bin(append(bytes.Clone(entry), entry[:5]...))),
		},
		{"no msgpack", refusal.Broken, "not readable", ft.Array("a", ft.Bin([]byte{0xc1}))},
		{
			"unknown compression", refusal.Compression, `"lz4"`,
			ft.Array("a", ft.Bin(entry), ft.Map{"compressed": "lz4"}),
		},
		{
			"gzip that is none", refusal.Compression, "broken",
			ft.Array("a", ft.Bin(entry), ft.Map{"compressed": "gzip"}),
		},
		{
			"zstd that is none", refusal.Compression, "broken",
			ft.Array("a", ft.Bin(entry), ft.Map{"compressed": "zstd"}),
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := newAssembling(64 << 20)
			err := a.addAll(t, good, tc.message)
			var refused *refusal.Error
			if !errors.As(err, &refused) || refused.Reason != tc.reason || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("refused with %v, want %s: %s", err, tc.reason, tc.text)
			}
			if err := a.batch.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := told(a.to.Messages()); len(got) != 1 || got[0] != "prod/good g:1" || len(a.acks) != 1 {
				t.Errorf("stored %q with acks %q", got, a.acks)
			}
		})
	}
}

// TestAssemblerMemory charges what the batch holds, and says when it is to be stored.
func TestAssemblerMemory(t *testing.T) {
	payload := bytes.Repeat(ft.Entry(1, ft.Map{"log": strings.Repeat("x", 1000)}), 1000)
	m := ft.Array("a", ft.Bin(payload), ft.Map{"chunk": "c"})
	a := newAssembling(64 << 20)
	n := 0
	for ; !a.full(); n++ {
		if err := a.addAll(t, m); err != nil {
			t.Fatal(err)
		}
		if used := a.budget.Stats().Used; used < int64(a.batch.Size()) || used != a.held {
			t.Fatalf("%d bytes are charged for a batch of %d", used, a.batch.Size())
		}
	}
	if n < maxBatch/len(payload) || n > maxBatch/len(payload)+2 {
		t.Errorf("full after %d messages", n)
	}
	a.reset()
	if used := a.budget.Stats().Used; used != 0 {
		t.Errorf("%d bytes are charged after the end", used)
	}
	small := newAssembling(512 << 10)
	if err := small.addAll(t, m); !errors.Is(err, ingest.ErrOverBudget) {
		t.Errorf("more than the whole budget: %v", err)
	}
	small.reset()
	if used := small.budget.Stats().Used; used != 0 {
		t.Errorf("%d bytes are charged after a refusal", used)
	}
}
