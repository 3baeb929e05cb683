package harness

import (
	"cmp"
	"context"
	"crypto/tls"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/forward/client"
)

// PoisonText is in the field "poison" of an Agent's poisonous events, and nowhere else.
const PoisonText = "no-number"

// Agent is a Forward client that keeps what it sends until it is acknowledged, as Fluent Bit and fluentd do: where no
// ack came it sends the same chunk with the same id over a new connection. Its events are records with its name in the
// field "agent" and a number, counted from 0, in "n". Chunks are sent and acknowledged in order, so that the events
// below Acked are those that the server has promised to deliver. The fields are set before the first Run.
type Agent struct {
	Name     string
	Tag      string
	Address  func() string // asked before each connection, by Run's goroutine
	Login    *client.Login
	TLS      *tls.Config // nil: plain
	Mode     client.Mode // "": packed
	Compress string      // "", gzip or zstd; packed only
	Events   int         // of a chunk; 0: 20; in message mode always 1
	Padding  int         // bytes of text in an event, at most 64 KiB
	InFlight int         // chunks that are sent before the first one's ack is awaited; 0: 1
	// Poison is one event in so many has the field "poison"; 0: none.
	Poison   int
	Seconds  bool             // times have no nanoseconds, so that nothing but the chunk's id tells what was sent twice
	Fluentd  bool             // chunk ids have the form of fluentd's, none of which is a hash of the content
	LoseAcks float64          // share of the connections' turns that end without the acks being read
	Seed     uint64           // of Padding and LoseAcks
	Limit    int              // Run returns once so many events are acknowledged; 0: when ctx ends
	OnAck    func(events int) // is called by Run's goroutine after each ack

	progress
}

// progress is how far an agent is.
type progress struct {
	rng     *rand.Rand
	text    []byte
	pending []client.Message // without ack, in order

	mu           sync.Mutex
	sent, acked  int
	again, dials int
}

// Sent returns how many events were sent, whatever became of them.
func (a *Agent) Sent() int { a.mu.Lock(); defer a.mu.Unlock(); return a.sent }

// Acked returns how many events are acknowledged: those with numbers below it.
func (a *Agent) Acked() int { a.mu.Lock(); defer a.mu.Unlock(); return a.acked }

// Again returns how many chunks were sent another time because no ack had come.
func (a *Agent) Again() int { a.mu.Lock(); defer a.mu.Unlock(); return a.again }

// Dials returns how many connections there were.
func (a *Agent) Dials() int { a.mu.Lock(); defer a.mu.Unlock(); return a.dials }

// Poisoned reports whether the event n is poisonous.
func (a *Agent) Poisoned(n int) bool { return a.Poison > 0 && n%a.Poison == a.Poison-1 }

// Run sends chunks until ctx ends or Limit is reached, however often the server goes away meanwhile.
func (a *Agent) Run(ctx context.Context) { a.run(ctx, false) }

// Finish sends again what has no ack yet, until all of it has, and nothing new.
func (a *Agent) Finish(ctx context.Context) { a.run(ctx, true) }

func (a *Agent) run(ctx context.Context, finish bool) {
	if a.rng == nil {
		a.rng = rand.New(rand.NewPCG(a.Seed, 2))
		a.text = make([]byte, 2*a.Padding)
		for i := range a.text {
			a.text[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[a.rng.IntN(36)]
		}
	}
	for ctx.Err() == nil && !a.done(finish) {
		c, err := client.Dial(ctx, client.Config{Address: a.Address(), Login: a.Login, TLS: a.TLS, Timeout: Patience})
		if err != nil {
			// The server is away.
			rest(ctx, 5*time.Millisecond)
			continue
		}
		a.mu.Lock()
		a.dials++
		a.again += len(a.pending)
		a.mu.Unlock()
		for sent := 0; ctx.Err() == nil && !a.done(finish); {
			if sent, err = a.turn(ctx, c, sent, finish); err != nil || a.LoseAcks > 0 && a.rng.Float64() < a.LoseAcks {
				break
			}
			if err = a.readAck(ctx, c); err != nil {
				break
			}
			sent--
		}
		// What has no ack is sent again whatever it says.
		_ = c.Close()
	}
}

// rest waits for d or the end of ctx.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func (a *Agent) done(finish bool) bool {
	if finish {
		return len(a.pending) == 0
	}
	return a.Limit > 0 && a.Acked() >= a.Limit
}

// turn sends what is pending and not sent over this connection, sent chunks of it being so already, and new chunks as
// far as InFlight allows.
func (a *Agent) turn(ctx context.Context, c *client.Client, sent int, finish bool) (int, error) {
	for !finish && len(a.pending) < max(1, a.InFlight) {
		a.pending = append(a.pending, a.make())
	}
	var frames []byte
	var encoder client.Encoder
	var err error
	for ; sent < len(a.pending); sent++ {
		if frames, err = encoder.Append(frames, &a.pending[sent]); err != nil {
			return sent, err
		}
	}
	if len(frames) == 0 {
		return sent, nil
	}
	return sent, c.Write(ctx, frames)
}

func (a *Agent) readAck(ctx context.Context, c *client.Client) error {
	if err := c.ReadAck(ctx, a.pending[0].Chunk); err != nil {
		return err
	}
	n := a.pending[0].Events
	a.pending = append(a.pending[:0], a.pending[1:]...)
	a.mu.Lock()
	a.acked += n
	a.mu.Unlock()
	if a.OnAck != nil {
		a.OnAck(n)
	}
	return nil
}

// make returns the next chunk.
func (a *Agent) make() client.Message {
	m := client.Message{
		Tag: a.Tag, Events: cmp.Or(a.Events, 20), Mode: a.Mode, Compress: a.Compress, Chunk: client.NewChunk(),
	}
	if a.Fluentd {
		m.Chunk += "\n"
	}
	if a.Mode == client.MessageMode {
		m.Events = 1
	}
	now := time.Now()
	for i := range m.Events {
		n := a.sent + i
		t := event.Time{Sec: now.Unix()}
		if !a.Seconds {
			t.Nsec = uint32(now.Nanosecond()/1000*1000 + i%1000)
		}
		record := msgp.AppendMapHeader(nil, 3)
		if a.Poisoned(n) {
			record[0]++
			record = msgp.AppendString(msgp.AppendString(record, "poison"), PoisonText)
		}
		record = msgp.AppendString(msgp.AppendString(record, "agent"), a.Name)
		record = msgp.AppendInt(msgp.AppendString(record, "n"), n)
		from := 0
		if a.Padding > 0 {
			from = a.rng.IntN(a.Padding)
		}
		record = msgp.AppendStringFromBytes(msgp.AppendString(record, "text"), a.text[from:from+a.Padding])
		m.Entries = event.AppendEntry(m.Entries, event.AppendTime(nil, t), nil, record)
	}
	a.mu.Lock()
	a.sent += m.Events
	a.mu.Unlock()
	return m
}
